"""What may identify a record: in all of them, unique, of one type; the likelier, the more its name says so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from ingot.contract.model import snake_case
from ingot.discover.fields import Field
from ingot.discover.names import singular
from ingot.drift import classification

_KINDS = ({"integer"}, {"string"}, {"date"}, {"timestamp"}, {"string", "date"})
_LONGEST = 64  # of a text that is a key; longer ones are descriptions
_MOST_PARTS = 3
_MOST_FIELDS = 10  # of which composite keys are tried
_SURE = 2
_IDENTIFIERS = re.compile(
    r"(^|_)(id|uuid|guid|key|code|sku|ean|isbn|iban|slug|number|no|nr|ref|reference|symbol|iso|date|day)$"
)


@dataclass(frozen=True)
class Key:
    """One candidate.

    Attributes:
        names: its fields.
        likely: how much its names say that it is one, from 0.
        why: the evidence.
    """

    names: tuple[str, ...]
    likely: int
    why: str

    @property
    def text(self) -> str:
        """As ``--key`` takes it."""
        return ",".join(self.names)


def candidates(records: list[dict[str, Any]], field: Field, stream: str) -> list[Key]:
    """All single fields that may be the key, else the fields that may be it together; the likeliest first.

    Args:
        records: the sample; what came twice with every byte the same counts once.
        field: all of them.
        stream: what they are called.
    """
    usable = [name for name, one in field.members.items() if _is_usable(one, field)]
    alone = [
        Key((name,), _likely(name, stream), _why(1, len(records), field))
        for name in usable
        if len({_value(record, (name,)) for record in records}) == len(records)
    ]
    if alone:
        return sorted(alone, key=lambda key: -key.likely)
    parts = sorted(usable, key=lambda name: -_likely(name, stream))[:_MOST_FIELDS]
    found: list[Key] = []
    for size in range(2, _MOST_PARTS + 1):
        for names in combinations([name for name in usable if name in parts], size):
            if any(set(key.names) <= set(names) for key in found):
                continue
            if len({_value(record, names) for record in records}) == len(records):
                likely = min(_likely(name, stream) for name in names)
                found.append(Key(names, likely, _why(size, len(records), field)))
    return sorted(found, key=lambda key: (-key.likely, len(key.names)))


def is_clear(found: list[Key]) -> bool:
    """Whether the first candidate may be taken unasked: its name says that it is a key, and no other's as much."""
    if not found or found[0].likely < _SURE:
        return False
    return len(found) == 1 or found[1].likely < found[0].likely


def given(names: tuple[str, ...], records: list[dict[str, Any]]) -> Key:
    """A key that a person gave, with what the sample says of it."""
    distinct = len({_value(record, names) for record in records})
    return Key(names, _SURE, f"given; {distinct} distinct in {len(records)} records")


def _is_usable(one: Field, holder: Field) -> bool:
    if one.count != holder.objects or classification(one.name) == "secret":
        return False
    mixed = one.kinds == {"integer", "string"} and one.formats.get("numeric", 0) == one.counts["text"]
    if not mixed and one.kinds not in _KINDS:
        return False
    return one.shape.longest <= _LONGEST and not one.is_time


def _likely(name: str, stream: str) -> int:
    plain = snake_case(name)
    if plain in ("id", "uuid", "guid", f"{singular(stream)}_id", f"{stream}_id"):
        return 4
    if plain.endswith("_id") or plain in ("key", "code", "sku"):
        return 3
    return _SURE if _IDENTIFIERS.search(plain) else 1


def _value(record: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    # 7 and "7" are one key: a field with both is a number that is sometimes written as text.
    return tuple(str(record.get(name)) for name in names)


def _why(parts: int, count: int, field: Field) -> str:
    together = "unique" if parts == 1 else f"unique together, {parts} fields"
    twice = field.objects - count
    return f"{together} in {count} of {count} records" + (f"; {twice} came twice with the same bytes" if twice else "")
