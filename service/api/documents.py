"""What every part of the HTTP interface says: a bundle's name, a problem, a status."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict


class Document(BaseModel):
    """A document of the HTTP interface: public, and it only grows."""

    model_config = ConfigDict(frozen=True)


@dataclass(frozen=True, slots=True)
class BundleName:
    """The bundle that made a prediction."""

    version: str
    digest: str


class Fault(Document):
    """Where the input breaks which rule; never the input itself.

    where: a JSON pointer (RFC 6901) into the body, empty for the whole body.
    """

    where: str
    rule: str


class Problem(Document):
    """An error as RFC 9457 has it; `code` is stable, and the fields after it are Harbor's own."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    problems: list[Fault] | None = None
    retry_after_s: int | None = None


class Status(Document):
    """A probe's answer."""

    status: str
