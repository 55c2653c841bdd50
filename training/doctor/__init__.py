"""The doctor: the field's practical checklists, applied to one configuration and its tickets."""

from training.doctor.check import Check, status
from training.doctor.examine import examine

__all__ = ["Check", "examine", "status"]
