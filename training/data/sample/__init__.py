"""A number of tickets and a seed come in; a generated desk, for want of one's own, goes out."""

from training.data.sample.generator import generate
from training.data.sample.write import write_csv

__all__ = ["generate", "write_csv"]
