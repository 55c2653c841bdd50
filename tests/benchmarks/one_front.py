"""Flags of `harbor-serve run` come in; one core and exactly one front serve.

`--workers 1` is a single process that does all of it; here the front alone is to be measured.
"""

import sys

import typer

from service.flags import takes_settings
from service.logs import open_log
from service.settings import Settings
from service.workers.supervisor import supervise

app = typer.Typer(add_completion=False)


@app.callback()
def main() -> None:
    """A core and a front."""


def _run(settings: Settings) -> None:
    """Serves until SIGTERM."""
    raise typer.Exit(supervise(settings, open_log(sys.stdout, settings.log_level)))


app.command("run")(takes_settings(_run))


if __name__ == "__main__":
    app()
