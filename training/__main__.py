"""`python -m training` is `harbor-train`."""

from training.cli import app

app()
