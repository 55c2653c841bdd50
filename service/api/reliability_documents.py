"""What `GET /reliability` gives."""

from pydantic import AwareDatetime

from service.api.documents import BundleName, Document
from service.reliability.document import TaskReliability


class ReliabilityReply(Document):
    """How the confidences and promises of the bundle that serves hold, by its final labels.

    at: when that was computed: once a minute, and within seconds of a final label. window: labelled
    decisions of a task that count at most, those that were labelled last.
    """

    bundle: BundleName
    at: AwareDatetime
    window: int
    tasks: dict[str, TaskReliability]
