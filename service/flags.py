"""The settings' fields come in; command-line flags go out, so that each setting is defined once."""

import inspect
import os
from collections.abc import Callable
from typing import Annotated, Any, get_args

import typer
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from service.errors import StartError
from service.settings import Settings

PREFIX = "HARBOR_"
USAGE = 2
"""The exit status of a command line that cannot be understood, as the shell has it."""


class SettingsError(StartError):
    """A setting's value is not allowed, or one that is required is missing."""


def flag(name: str) -> str:
    """`max_batch` is `--max-batch`."""
    return "--" + name.replace("_", "-")


def variable(name: str) -> str:
    """`max_batch` is `HARBOR_MAX_BATCH`."""
    return PREFIX + name.upper()


def takes_settings(command: Callable[[Settings], None]) -> Callable[..., None]:
    """A command for Typer with a flag for each setting; they beat environment variables.

    Values reach `Settings` as they were typed, so that it alone decides what is allowed.
    """

    def run(**given: str | None) -> None:
        try:
            settings = read_settings(
                {name: text for name, text in given.items() if text is not None}
            )
        except SettingsError as error:
            typer.echo(f"harbor-serve: {error}", err=True)
            raise typer.Exit(USAGE) from None
        command(settings)

    parameters = [_parameter(name, field) for name, field in Settings.model_fields.items()]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__doc__ = command.__doc__
    run.__name__ = command.__name__
    return run


def read_settings(flags: dict[str, str]) -> Settings:
    """The settings from flags, environment and defaults.

    Raises SettingsError: one line for the first fault.
    """
    try:
        return Settings(**flags)  # type: ignore[arg-type]
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        name = str(fault["loc"][0])
        source = flag(name) if name in flags else f"{flag(name)} (or {variable(name)})"
        if fault["type"] == "missing":
            raise SettingsError(f"{source} is required") from None
        raise SettingsError(f"{source}: {fault['msg']}, found {fault['input']!r}") from None


def unknown_variables() -> list[str]:
    """Names in the environment that look like settings and are none."""
    known = {variable(name) for name in Settings.model_fields}
    return sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    default = "required" if field.is_required() else f"default: {field.default}"
    option = typer.Option(
        flag(name),
        help=f"{field.description} ({default})",
        show_default=False,
        metavar=_metavar(field.annotation),
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[str | None, option],
    )


def _metavar(annotation: Any) -> str:
    """`auto|cuda|cpu` for a choice, else the type's name in capitals."""
    if choices := [value for value in get_args(annotation) if isinstance(value, str)]:
        return "|".join(choices)
    optional = [kind for kind in get_args(annotation) if kind is not type(None)]
    kind = optional[0] if optional else annotation
    name: str = kind.__name__
    return {"str": "TEXT", "Path": "PATH", "SecretStr": "TEXT"}.get(name, name.upper())
