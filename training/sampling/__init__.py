"""Sampling: which tickets a step sees, and for which task each of them was drawn."""

from training.sampling.composed import ComposedSampler, composition

__all__ = ["ComposedSampler", "composition"]
