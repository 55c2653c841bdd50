"""What is known of a model comes in; its card, in plain words, goes out."""

from export.card.page import write_card

__all__ = ["write_card"]
