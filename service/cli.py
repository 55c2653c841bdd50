"""`harbor-serve`: a command line comes in; a served bundle, an order or a table goes out.

What `run` does not need is imported by the command that does, and what it needs in the order that
serves soonest.
"""

import asyncio
import sys

import typer
import uvloop
from typer.core import TyperGroup

from service.errors import StartError
from service.flags import takes_settings, unknown_variables
from service.garbage import for_good
from service.logs import GATHER_S, forward_library_logs, open_log
from service.settings import Settings


class _Group(TyperGroup):
    """`run`, and the other commands once one of them is asked for."""

    def get_command(  # type: ignore[override]
        self,
        ctx: typer.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> typer.core.TyperCommand | None:
        """The command of this name; None where there is none."""
        if cmd_name not in self.commands:
            self._load()
        return self.commands.get(cmd_name)  # type: ignore[return-value]

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Their names, `run` first."""
        self._load()
        return super().list_commands(ctx)

    def _load(self) -> None:
        from service.commands import app as others

        found = typer.main.get_group(others)
        self.commands.update(found.commands)


app = typer.Typer(
    name="harbor-serve",
    cls=_Group,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    add_completion=False,
)


@app.callback()
def main() -> None:
    """Serves a bundle over HTTP."""


def _run(settings: Settings) -> None:
    """Serves a bundle until SIGTERM or Ctrl+C.

    Each flag is also an environment variable (`--max-batch`: `HARBOR_MAX_BATCH`); flags come first.
    """
    log = open_log(sys.stdout, settings.log_level, GATHER_S)
    forward_library_logs(log, settings.log_level)
    for name in unknown_variables():
        log.warning("unknown setting", variable=name)
    try:
        if settings.workers > 1:
            from service.workers.supervisor import supervise

            raise typer.Exit(supervise(settings, log))
        with for_good():
            from service.early import Early

            early = Early(settings)
            from service.app import create_app
            from service.listening import bind
            from service.serving import serve

            bound = bind(settings.host, settings.port)
        with bound, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(create_app(settings, log, early), bound))
        log.info("stopped")
    except StartError as error:
        typer.echo(f"harbor-serve: {error}", err=True)
        raise typer.Exit(1) from None


app.command("run")(takes_settings(_run))


if __name__ == "__main__":
    app()
