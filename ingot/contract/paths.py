"""Paths of a record's fields, as violations and drift name them: ``$.products[0].quantity``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ingot.contract.model import Contract, Property

Steps = tuple[str | int, ...]
"""Keys and indices that lead from a record to a value; ``[]`` is every element of an array."""

_INDEX = re.compile(r"\[(\d*)\]")


def locate(contract: Contract, path: str) -> tuple[Steps, Property | None]:
    """Where a path leads, and what the contract says of it: None if it does not know its last key.

    A key may hold dots itself: the contract's own names are tried first.
    """
    return _locate(contract.properties, path.removeprefix("$"))


def generalised(steps: Steps) -> tuple[str, ...]:
    """The same path for every element of its arrays."""
    return tuple("[]" if isinstance(step, int) else step for step in steps)


def path_text(steps: Steps) -> str:
    """As it is written."""
    return "$" + "".join(f"[{s}]" if isinstance(s, int) else s if s == "[]" else f".{s}" for s in steps)


def values_at(value: Any, steps: Steps) -> Iterator[Any]:
    """What a decoded record holds at a path: nothing, one value, or one an element."""
    if not steps:
        yield value
        return
    first, rest = steps[0], steps[1:]
    if isinstance(value, list):
        if first == "[]":
            for element in value:
                yield from values_at(element, rest)
        elif isinstance(first, int) and first < len(value):
            yield from values_at(value[first], rest)
    elif isinstance(value, dict) and first in value:
        yield from values_at(value[first], rest)


def _locate(properties: tuple[Property, ...], path: str) -> tuple[Steps, Property | None]:
    for prop in properties:
        rest = path.removeprefix(f".{prop.name}")
        if not rest:
            return (prop.name,), prop
        if rest == path:
            continue
        here: Property = prop
        steps: Steps = (prop.name,)
        if here.items is not None and (index := _INDEX.match(rest)):
            steps += (int(index[1]) if index[1] else "[]",)
            here, rest = here.items, rest[index.end() :]
            if not rest:
                return steps, here
        if here.properties and rest.startswith("."):
            inner, found = _locate(here.properties, rest)
            return steps + inner, found
    return (path.removeprefix("."),), None
