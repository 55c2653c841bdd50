"""Batching policies meet made-up arrivals and a machine, on a clock that never waits."""
