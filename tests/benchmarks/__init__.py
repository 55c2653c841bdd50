"""Benchmarks: `python -m tests.benchmarks.<name>` prints one table."""
