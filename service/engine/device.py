"""Where a graph runs."""

from typing import Literal

Device = Literal["cpu", "cuda"]
