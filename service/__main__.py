"""`python -m service` is `harbor-serve`."""

from service.cli import app

app()
