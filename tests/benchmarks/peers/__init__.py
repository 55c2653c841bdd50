"""Other model servers on Harbor's graph and tickets: each in its own virtual environment."""
