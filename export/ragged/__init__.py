"""A network comes in; graphs that take tickets side by side, without padding, go out."""
