"""Objectives: what a run learns besides its tasks' labels, with a fixed weight, outside the
balance."""
