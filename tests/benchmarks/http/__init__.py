"""Servers and tickets come in; what each routes a second, and how soon, goes out, over raw."""
