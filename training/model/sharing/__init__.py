"""Sharing schemes: each maps tokens to features per task."""
