"""Turns a checkpoint into a bundle, and proves that both give the same answers."""
