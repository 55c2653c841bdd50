"""Ways to form batches: Harbor's own batcher, and what other servers do, one a file."""
