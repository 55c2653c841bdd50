"""A record as it was taken comes in; it goes out as it may be kept: redacted, its language told."""

from dataclasses import dataclass, replace

from service.ledger.language import declared, detected
from service.ledger.records import Decision, Record
from service.ledger.redaction import redact, shorten
from service.logs import Log, failure

_EXCERPT = 1_000


@dataclass(frozen=True, slots=True)
class Preparation:
    """keep_text: whether tickets' text is kept. detect_language: whether it is looked for."""

    log: Log
    keep_text: bool
    detect_language: bool

    def shorten(self, record: Record) -> Record:
        """Bounds the memory of a record that waits; cheap enough for the event loop."""
        if not isinstance(record, Decision):
            return record
        text = record.text if self.keep_text else None
        if text is not None:
            text = (shorten(text[0]), shorten(text[1]))
        excerpt = record.excerpt[:_EXCERPT] if self.detect_language else ""
        if text is record.text and excerpt == record.excerpt:
            return record
        return replace(record, text=text, excerpt=excerpt)

    def __call__(self, record: Record) -> Record:
        """The record to write. A rule that fails keeps the text out, never the decision."""
        if not isinstance(record, Decision) or not (record.text or record.excerpt):
            return record
        try:
            return replace(
                record, excerpt="", text=self._redacted(record), language=self._language(record)
            )
        except Exception as error:
            self.log.error("a decision is kept without text and language", **failure(error))
            return replace(record, excerpt="", text=None)

    def _redacted(self, record: Decision) -> tuple[str, str] | None:
        if record.text is None:
            return None
        subject, body = record.text
        return redact(subject), redact(body)

    def _language(self, record: Decision) -> str | None:
        if record.language or not self.detect_language:
            return record.language
        return declared(record.metadata) or detected(record.excerpt)
