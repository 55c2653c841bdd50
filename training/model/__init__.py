"""The network: an encoder, a trunk that shares it between tasks, and a head per task."""
