"""Diagnostics: what a run watches of itself, and what it says of it."""
