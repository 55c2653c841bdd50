"""The exceptions of training.

TrainingError
├── ConfigError              a run's configuration breaks a rule
├── DataError                a file of tickets cannot be used as it is
│   ├── TooManyRejects       more rows broke a rule than the run tolerates; see `counts`
│   ├── UnknownColumn        the file lacks a column that the run needs
│   └── TooFewLabels         a task has fewer labels, or a split fewer rows, than training needs
├── LossError                a loss is not finite; names the task, nothing was stepped
├── GradientError            a gradient is not finite, though the losses are; nothing was stepped
├── CheckpointError          a checkpoint is missing, damaged or of another shape
├── EncoderError             an encoder or its tokenizer cannot be loaded
├── AnswerError              what a network says to a ticket is not a finite number; names the task
└── PromiseRefused           the labelled tickets cannot show what was to be promised
"""

from collections.abc import Mapping


class TrainingError(Exception):
    """Any failure that training knows; `str(error)` states the rule and the value found, never a
    ticket's text.
    """


class ConfigError(TrainingError):
    """A run's configuration breaks a rule."""


class DataError(TrainingError):
    """A file of tickets cannot be used as it is."""


class TooManyRejects(DataError):
    """More rows broke a rule than the run tolerates; `counts` holds the rows by rule."""

    def __init__(self, message: str, counts: Mapping[str, int]) -> None:
        super().__init__(message)
        self.counts = dict(counts)


class UnknownColumn(DataError):
    """The file lacks a column that the run needs; `column` names it."""

    def __init__(self, message: str, column: str) -> None:
        super().__init__(message)
        self.column = column


class TooFewLabels(DataError):
    """A task has fewer labels, or a split fewer rows, than training needs."""


class LossError(TrainingError):
    """The loss of `task` is not finite; the optimiser was not stepped."""

    def __init__(self, message: str, task: str) -> None:
        super().__init__(message)
        self.task = task


class GradientError(TrainingError):
    """The gradient is not finite, though the losses are; the optimiser was not stepped."""


class CheckpointError(TrainingError):
    """A checkpoint is missing, damaged or of another shape."""


class EncoderError(TrainingError):
    """An encoder or its tokenizer cannot be loaded."""


class AnswerError(TrainingError):
    """What the network says of `task` is not a finite number: nothing can be calibrated on it."""

    def __init__(self, message: str, task: str) -> None:
        super().__init__(message)
        self.task = task


class PromiseRefused(TrainingError):
    """The labelled tickets cannot show what was to be promised; the message says what they lack."""
