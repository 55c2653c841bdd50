"""A file of tickets larger than memory comes in; its tokens and labels, in memory-mapped files, go
out.
"""

from training.data.stream.desk import StreamedDesk
from training.data.stream.prepare import prepare_stream

__all__ = ["StreamedDesk", "prepare_stream"]
