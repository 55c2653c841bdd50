"""A ticket as a desk sends it comes in; the one text that the model reads goes out."""

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

TEXT_TEMPLATE_VERSION = 1
"""Changes whenever `render` would give another text for some ticket; a bundle names the version
it was trained on.
"""

_SURROGATES = re.compile(r"[\ud800-\udfff]")


class Ticket(BaseModel):
    """One support ticket: subject, body and optional metadata."""

    model_config = ConfigDict(frozen=True)

    subject: str = ""
    body: str = ""
    ticket_id: str | None = Field(default=None, max_length=200)
    metadata: dict[str, Any] | None = None


def clean(text: str) -> str:
    """Text that every tokenizer can encode: NUL becomes a space, a lone surrogate becomes
    U+FFFD.
    """
    # Python knows whether a text is ASCII; of the others every character must be looked at.
    whole = text if text.isascii() else _SURROGATES.sub("\ufffd", text)
    return whole.replace("\x00", " ")


def render(subject: str, body: str) -> str:
    """The text that the model reads: subject, line break, body; the parts are cleaned and stripped.

    Returns the empty string where both parts hold nothing but white space.
    """
    return "\n".join(part for part in (clean(subject).strip(), clean(body).strip()) if part)
