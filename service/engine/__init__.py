"""Tokens come in, probabilities go out: the queue, its batches, and the sessions that run them."""
