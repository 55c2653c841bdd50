"""A running service comes in; its throughput and latency under a bounded load go out."""
