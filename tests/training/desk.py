"""A desk of a few words and an encoder directory in the hub's format, small enough to train in a
second.
"""

import csv
import random
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from tests.tiny_bundle import tokenizer_definition
from training.config import RunConfig, parse_config
from training.evaluate import Measures
from training.listener import Listener

TOPICS = {"billing": ("invoice", "refund"), "technical": ("login", "password")}
URGENCY = {"P0": "charged", "P1": "twice", "P2": "please", "P3": "printer"}
LIMIT = 24


def write_desk(path: Path, tickets: int = 160, *, urgency: bool = True) -> Path:
    """A CSV whose words decide category and urgency; every third ticket lacks one label."""
    chance = random.Random(5)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        columns = ["id", "subject", "body", "category"]
        writer.writerow([*columns, "urgency"] if urgency else columns)
        for number in range(tickets):
            category, level = chance.choice(list(TOPICS)), chance.choice(list(URGENCY))
            words = [chance.choice(TOPICS[category]), URGENCY[level]]
            filler = [
                chance.choice(
                    ["the", "for", "mail", "reset", "a", "b", "c", "d", "e", "f", "g", "h"]
                )
                for _ in range(9)
            ]
            text = " ".join(chance.sample(words + filler, len(words) + len(filler)))
            labels = ["" if number % 3 == 0 else category, "" if number % 3 == 1 else level]
            writer.writerow([f"t{number}", "", f"{text} {number}", *labels[: 2 if urgency else 1]])
    return path


def write_encoder(directory: Path, width: int = 32, words: list[str] | None = None) -> Path:
    """A random BERT of two layers as `save_pretrained` leaves it; its tokenizer pads and
    truncates.
    """
    torch.manual_seed(0)
    fast = Tokenizer.from_str(tokenizer_definition(words))
    fast.enable_padding(length=16, pad_id=0)
    fast.enable_truncation(16)
    wrapped = PreTrainedTokenizerFast(tokenizer_object=fast, pad_token="[PAD]", unk_token="[UNK]")
    wrapped.save_pretrained(directory)
    config = BertConfig(
        vocab_size=fast.get_vocab_size(),
        hidden_size=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=2 * width,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(directory)
    return directory


def tiny_config(encoder: Path, **changes: object) -> RunConfig:
    """A run of two tasks and three epochs over `write_desk`."""
    document: dict[str, object] = {
        "tasks": {"category": {}, "urgency": {}},
        "model": {"encoder": str(encoder), "token_limit": LIMIT},
        "optimizer": {"encoder_rate": 1e-3, "head_rate": 1e-2},
        "batch": {"size": 16, "length_window_steps": 3},
        "epochs": 3,
        "save_every_steps": 4,
        "precision": "fp32",
    }
    return parse_config({**document, **changes}, "test")


def silent() -> Listener:
    """Tells nobody."""
    return Listener(say=_say, progress=_progress, step=_step, epoch=_epoch)


def _say(line: str) -> None: ...
def _progress(name: str, done: int, total: int) -> None: ...
def _step(step: int, losses: dict[str, float]) -> None: ...
def _epoch(epoch: int, measures: dict[str, Measures], metric: float) -> None: ...
