"""Losses: each turns one task's logits and targets into a sum and what it is divided by."""
