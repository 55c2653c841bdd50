r"""A template such as `[Hi|Hello] {name}` comes in; one of its phrasings goes out.

`[a|b|]` chooses one part, which may be empty or hold further choices; `{name}` stands for a slot.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from random import Random

_SPACES = re.compile(r"  +")
_SPACE_BEFORE_MARK = re.compile(r"\s+([.,?!])")
_MARKS = re.compile(r"[\[\]|{}]")

Node = str | tuple[str] | list["Sequence_"]
"""Plain text, a slot (a tuple of its name), or a choice between sequences."""
Sequence_ = tuple[Node, ...]


def phrase(template: str, slots: Mapping[str, str], rng: Random) -> str:
    """One phrasing of the template. Raises KeyError (a slot), ValueError (unbalanced marks)."""
    text = _expand(_compile(template), slots, rng).strip()
    return _SPACES.sub(" ", text) if "  " in text else text


def slot_names(template: str) -> set[str]:
    """The names of all slots of a template."""
    return set(re.findall(r"\{(\w+)\}", template))


def read_blocks(text: str) -> list[dict[str, tuple[str, ...]]]:
    """The blocks of a text, parted by empty lines: `key: value` lines, a key's values in order."""
    return [_block(block) for block in text.strip().split("\n\n")]


@lru_cache
def read_templates(name: str) -> dict[str, tuple[str, ...]]:
    """The templates of `sentences/<name>.txt` by key."""
    file = resources.files("training.data.sample") / "sentences" / f"{name}.txt"
    blocks = read_blocks(file.read_text(encoding="utf-8"))
    return {key: values for block in blocks for key, values in block.items()}


def sentence(text: str) -> str:
    """The text with a capital first letter and without the spaces that empty choices left."""
    tidy = _SPACE_BEFORE_MARK.sub(r"\1", text)
    return tidy[:1].upper() + tidy[1:]


def _block(text: str) -> dict[str, tuple[str, ...]]:
    block: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        key, _, value = line.partition(": ")
        block[key] = (*block.get(key, ()), value)
    return block


@lru_cache(maxsize=8192)
def _compile(template: str) -> Sequence_:
    sequence, end = _parse(template, 0, nested=False)
    if end != len(template):
        raise ValueError(f"a bracket closes that never opened, at character {end}")
    return sequence


def _parse(template: str, start: int, *, nested: bool) -> tuple[Sequence_, int]:
    nodes: list[Node] = []
    while found := _MARKS.search(template, start):
        mark, at = found.group(), found.start()
        if at > start:
            nodes.append(template[start:at])
        if mark in "|]" and nested:
            return tuple(nodes), at
        if mark == "[":
            choice, start = _parse_choice(template, at + 1)
            nodes.append(choice)
        elif mark == "{":
            end = template.index("}", at)
            nodes.append((template[at + 1 : end],))
            start = end + 1
        else:
            return tuple(nodes), at
    if nested:
        raise ValueError(f"a bracket never closes in a template of {len(template)} characters")
    if start < len(template):
        nodes.append(template[start:])
    return tuple(nodes), len(template)


def _parse_choice(template: str, start: int) -> tuple[list[Sequence_], int]:
    options: list[Sequence_] = []
    while True:
        option, end = _parse(template, start, nested=True)
        options.append(option)
        start = end + 1
        if template[end] == "]":
            return options, start


def _expand(sequence: Sequence_, slots: Mapping[str, str], rng: Random) -> str:
    parts: list[str] = []
    for node in sequence:
        if isinstance(node, str):
            parts.append(node)
        elif isinstance(node, tuple):
            parts.append(slots[node[0]])
        else:
            parts.append(_expand(node[int(rng.random() * len(node))], slots, rng))
    return "".join(parts)
