"""How many keys decoded records have: what tells that one stood twice, without writing them out again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Any

from ingot.contract.model import Property
from ingot.gate.mixed import is_mixed
from ingot.gate.types import is_decimal

Count = Callable[[list[Any]], int]


@dataclass(frozen=True)
class KeyCounter:
    """Counts the keys of objects of one type; one whose value is null may be left out.

    It never counts more than stand in them, so that a count of what stands there that is the same means that none
    stands twice.

    Attributes:
        always: how many each has.
        parts: what counts those that may be missing, and those below.
    """

    always: int
    parts: tuple[Count, ...]

    def __call__(self, objects: list[Any]) -> int:
        """Their keys."""
        return self.always * len(objects) + sum(part(objects) for part in self.parts)


def key_counter(properties: tuple[Property, ...]) -> KeyCounter | None:
    """For records of :func:`ingot.gate.types.record_type`; None if they have a field whose key cannot be counted so."""
    parts: list[Count] = []
    for index, prop in enumerate(properties):
        part = _parts(prop, attrgetter(f"f{index}"))
        if part is None:
            return None
        parts.extend(part)
    return KeyCounter(sum(prop.required for prop in properties), tuple(parts))


def _parts(prop: Property, get: Callable[[Any], Any]) -> list[Count] | None:
    """What counts the key of a field that may be missing, and the keys below a field."""
    if not prop.required and (is_decimal(prop) or is_mixed(prop)):
        return None
    own: list[Count] = [] if prop.required else [lambda objects: len(objects) - [*map(get, objects)].count(None)]
    inner = prop if prop.items is None else prop.items
    if inner is not prop and inner.logical_type == "array":
        return None
    if inner.logical_type != "object":
        return own
    below = key_counter(inner.properties)
    if below is None:
        return None

    def values(objects: list[Any]) -> list[Any]:
        found = [*map(get, objects)]
        return found if prop.required else [value for value in found if value is not None]

    if inner is prop:
        return [*own, lambda objects: below(values(objects))]
    if not below.parts:  # nothing of theirs can be missing: it is enough to know how many they are
        return [*own, lambda objects: below.always * sum(map(len, values(objects)))]
    return [*own, lambda objects: below([*chain.from_iterable(values(objects))])]
