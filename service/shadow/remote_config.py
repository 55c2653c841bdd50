"""How a remote system is asked, as the operator wrote it, comes in; it goes out checked."""

import re
from typing import Annotated, Any, Literal, Self

import httpx
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from service.contract.tasks import TaskName
from service.shadow.mapping import check_path, check_template
from service.shadow.variables import Completed, CompletedText

TensorName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")
_PRINTABLE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?")
_OURS = {
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
}


def _check_url(url: Completed) -> Completed:
    try:
        parsed = httpx.URL(url.value)
    except (httpx.InvalidURL, ValueError):
        raise ValueError("it is not a URL") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError("it must begin with http:// or https:// and name a host")
    if parsed.userinfo:
        raise ValueError("a user or password belongs in headers, not in the URL")
    if parsed.fragment:
        raise ValueError("it must have no fragment")
    return url


def _check_headers(headers: dict[str, Completed]) -> dict[str, Completed]:
    for name, text in headers.items():
        if not _TOKEN.fullmatch(name):
            raise ValueError("a header's name must be a token (RFC 9110)")
        if name.lower() in _OURS:
            raise ValueError(f"the header {name} is set by Harbor")
        if not _PRINTABLE.fullmatch(text.value):
            raise ValueError(f"the header {name} must be printable ASCII without space around")
    return headers


Url = Annotated[CompletedText, AfterValidator(_check_url)]
Headers = Annotated[dict[str, CompletedText], Field(max_length=50), AfterValidator(_check_headers)]
Selector = Annotated[str, StringConstraints(max_length=1000), AfterValidator(check_path)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class V2Output(_Frozen):
    """Which output tensors hold the answer to one task.

    Either label (BYTES, one element) and perhaps confidence (one number), or probabilities (one
    number a label) and labels, in their order.
    """

    label: TensorName | None = None
    confidence: TensorName | None = None
    probabilities: TensorName | None = None
    labels: Annotated[tuple[str, ...], Field(min_length=2, max_length=1000)] | None = None

    @model_validator(mode="after")
    def _is_one_form(self) -> Self:
        if (self.label is None) == (self.probabilities is None):
            raise ValueError("exactly one of label and probabilities must be given")
        if (self.labels is None) != (self.probabilities is None):
            raise ValueError("labels and probabilities go together")
        if self.confidence is not None and self.label is None:
            raise ValueError("confidence goes with label")
        if self.labels is not None and len(set(self.labels)) != len(self.labels):
            raise ValueError("a label stands twice in labels")
        return self

    @property
    def tensors(self) -> tuple[str, ...]:
        """The output tensors to ask for."""
        given = (self.label, self.confidence, self.probabilities)
        return tuple(name for name in given if name is not None)


class V2Config(_Frozen):
    """A server of the Open Inference Protocol (v2).

    url: what stands before `/v2/models`. version: of the model; None leaves it to the server.
    input: name of the BYTES tensor that takes the text, subject and body as the bundle reads them.
    shape: of that tensor; every dimension is 1.
    """

    url: Url
    headers: Headers = {}
    model: TensorName
    version: TensorName | None = None
    input: TensorName = "TEXT"
    shape: Annotated[tuple[Literal[1], ...], Field(min_length=1, max_length=4)] = (1,)
    outputs: Annotated[dict[TaskName, V2Output], Field(min_length=1)]


class JsonOutput(_Frozen):
    """JSONPaths (RFC 9535) into the reply; confidence is None where the system has none."""

    label: Selector
    confidence: Selector | None = None


class JsonConfig(_Frozen):
    """Any endpoint that takes and gives JSON.

    body: the request as JSON; in its texts `{subject}`, `{body}`, `{text}` (both, as the bundle
    reads them), `{ticket_id}` and `{metadata.FIELD}` stand for the ticket's, `{{` and `}}` for
    braces. A text that is one placeholder becomes its value, null where the ticket has none.
    """

    url: Url
    method: Literal["POST", "PUT"] = "POST"
    headers: Headers = {}
    body: Annotated[Any, AfterValidator(check_template), Field(repr=False)]
    outputs: Annotated[dict[TaskName, JsonOutput], Field(min_length=1)]
