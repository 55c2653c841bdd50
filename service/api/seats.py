"""What an order about seats, or about forgetting a ticket, takes and gives over HTTP."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.api.schema import BundleName


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True)


class SeatRequest(_Document):
    """Who shall answer from now on.

    legacy: whose seat is meant; may be left out where only one runs. by: who decides. force:
    promotes although the evidence does not carry it, and needs a reason.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    legacy: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    by: Annotated[str, Field(min_length=1, max_length=200)]
    reason: Annotated[str, Field(max_length=1000)] = ""
    force: bool = False

    @model_validator(mode="after")
    def _force_has_a_reason(self) -> Self:
        if self.force and not self.reason.strip():
            raise ValueError("force needs a reason")
        return self


class SeatReply(_Document):
    """Who answers now. swapped: two bundles changed places. recorded: the ledger has it."""

    request_id: str
    bundle: BundleName
    legacy: str
    swapped: bool
    recorded: bool
    verdict: str | None


class Forgotten(_Document):
    """What was deleted of one ticket: rows by kind."""

    request_id: str
    deleted: dict[str, int]
