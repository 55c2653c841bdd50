"""Where a graph runs."""

from typing import Literal

Device = Literal["cpu", "cuda"]

IN_FLIGHT = 2
"""Calls under way on one GPU: while one computes, the next is copied and the last is taken apart.
"""
