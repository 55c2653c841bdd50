"""Tickets and a token limit come in; how many of them are cut goes out."""

import numpy as np
from transformers import AutoTokenizer
from transformers.utils import logging

from service.contract.tokens import Tokenizer
from service.statistics.intervals import wilson
from training.audit.finding import Severity, graded, percent
from training.audit.tickets import Texts, Tickets, batches
from training.config import ModelConfig
from training.doctor.check import Check, check
from training.errors import EncoderError
from training.model.encoder import MINILM, minilm_directory

NAME = "token limit"
MOST = 2_000
"""So many tickets are looked at."""
_LIMITS: dict[Severity, float] = {"fail": 0.5, "warn": 0.05}
_UNREADABLE = (OSError, ValueError, KeyError, ImportError, AttributeError)


def lengths(material: Tickets, model: ModelConfig) -> Check:
    """The share of tickets with more tokens than the model reads; the encoder's tokenizer must be
    on this machine, nothing is fetched.
    """
    why = "what stands beyond the limit is never read, in training or in serving"
    try:
        tokenizer = Tokenizer(_definition(model.encoder), model.token_limit)
    except (EncoderError, *_UNREADABLE):
        said = f"the tokenizer of {model.encoder} is not on this machine"
        remedy = "train once, or name an encoder that is here, then ask again"
        return check(NAME, "warn", "", said, why, remedy)
    chosen = np.sort(np.random.default_rng(0).permutation(len(material))[:MOST])
    read = [
        (len(one), one.truncated)
        for part in batches(Texts(material, chosen))
        for one in tokenizer.encode_batch(part)
    ]
    cut = sum(truncated for _, truncated in read)
    share, interval = cut / max(len(read), 1), wilson(cut, len(read))
    longest = int(np.percentile([tokens for tokens, _ in read], 95))
    return check(
        NAME,
        graded(share, _LIMITS),
        percent(share),
        f"{percent(share)} of {len(read):,} tickets ({percent(interval.low)} to "
        f"{percent(interval.high)}) have more than {model.token_limit} tokens; of what is read, "
        f"95 % have at most {longest}",
        why,
        "raise model.token_limit, which costs time in proportion, or strip what need not be read",
    )


def _definition(encoder: str) -> str:
    where = str(minilm_directory()) if encoder == MINILM else encoder
    logging.set_verbosity_error()
    loaded = AutoTokenizer.from_pretrained(where, use_fast=True, local_files_only=True)
    return str(loaded.backend_tokenizer.to_str())
