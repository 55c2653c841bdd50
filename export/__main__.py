"""`python -m export` is `harbor-export`."""

from export.cli import app

app()
