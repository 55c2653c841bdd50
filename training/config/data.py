"""What a run says of its tickets."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from training.config.section import Count, Section, Share


class DataConfig(Section):
    """Which rows go where.

    split_seed: apart from the run's seed, so that runs of several seeds share one test split.
    fold: with split `group`, moves every split by so many test shares around the circle of groups,
    so that 5 runs with a test share of 0.2 and the folds 0 to 4 test every ticket once.
    max_reject_share: bad rows beyond this share stop the run. min_label_rows: a label on fewer rows
    is left out where the labels are read from the data. stream: tickets are read once, tokenised
    and kept in memory-mapped files, so that they may be more than memory holds.
    """

    split: Literal["group", "time"] = "group"
    train: Share = 0.7
    validation: Share = 0.1
    calibration: Share = 0.1
    test: Share = 0.1
    split_seed: Annotated[int, Field(ge=0, lt=2**31)] = 7
    fold: Annotated[int, Field(ge=0, lt=100)] = 0
    max_reject_share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.05
    min_label_rows: Count = 2
    stream: bool = False

    @model_validator(mode="after")
    def _shares_make_one(self) -> Self:
        if abs(sum(self.shares.values()) - 1.0) > 1e-9:
            raise ValueError(
                f"the split shares must add up to 1, found {sum(self.shares.values())}"
            )
        return self

    @model_validator(mode="after")
    def _modes_agree(self) -> Self:
        if self.split == "time" and (self.fold or self.stream):
            raise ValueError("split time allows neither fold nor stream; allowed: group")
        return self

    @property
    def shares(self) -> dict[str, float]:
        """Split name to share of the near-duplicate groups."""
        return {
            name: getattr(self, name) for name in ("train", "validation", "calibration", "test")
        }
