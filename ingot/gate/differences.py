"""In what a batch's records differ from their contract: noted while they are checked, bounded whatever is sent.

Only pages that are looked at record by record add to it, but for the fields that may be missing and always are:
these are looked for in the first records of a batch until each was seen once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from ingot.contract.model import Contract, Property
from ingot.contract.paths import Steps, generalised, locate, values_at
from ingot.contract.shape import VALUES, Shape
from ingot.gate.explain import Stranger, Violation
from ingot.gate.types import Path

MOST_FIELDS = 100
"""A map keyed by id would otherwise be a new field a record."""

SAMPLE = 1_000
"""A field that may be missing is said to be so if none of a batch's first accepted records has it."""

_MOST_VALUES = 1_000  # whose shape is looked at, a field
_MOST_ELEMENTS = 10  # of an array, where a field is looked for
_RETYPED = ("type", "format")


@dataclass
class Difference:
    """One field that is not what the contract says.

    Attributes:
        path: to it; ``[]`` is every element of an array.
        property: what the contract says of it, if anything.
        count: records in which it was seen, at least: once a new field is known, no one counts it any more.
        first_position: the first of them, in what the source sent.
        shape: of the values that were looked at.
        example: one of these, decoded.
    """

    kind: Literal["new", "missing", "retyped"]
    path: Path
    property: Property | None
    first_position: int
    count: int = 0
    shape: Shape = field(default_factory=Shape)
    example: Any = None

    def add(self, values: Iterator[Any]) -> None:
        """Count one more record, with its values at the path."""
        self.count += 1
        if self.shape.count >= _MOST_VALUES:
            return
        for value in values:
            if self.example is None:
                self.example = value
            self.shape.add(value)


class Differences:
    """Those of one batch, by kind and path."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._found: dict[tuple[str, Path], Difference] = {}
        self._unseen = dict(_optional(contract.properties, ()))
        self._sampled = 0

    @property
    def noted(self) -> Iterator[Difference]:
        """Those that a record showed, in the order in which they were found."""
        return iter(self._found.values())

    def __iter__(self) -> Iterator[Difference]:
        """All: the noted, then the fields that may be missing and always were."""
        yield from self.noted
        if self._sampled:
            for path, (prop, holder_seen) in self._unseen.items():
                if holder_seen and ("missing", path) not in self._found and ("retyped", path) not in self._found:
                    yield Difference("missing", path, prop, first_position=0, count=self._sampled)

    def note_new(self, stranger: Stranger, position: int) -> bool:
        """A key that the contract does not know; False if there are too many to be told."""
        found = self._find("new", (*stranger.holder, stranger.name), None, position)
        if found is not None:
            found.add(iter([VALUES.decode(stranger.value)]))
        return found is not None

    def note_refused(self, violations: list[Violation], record: bytes | None, position: int) -> None:
        """What is missing or of another type in a refused record.

        Args:
            record: its bytes without secrets.
        """
        value: Any = ...
        noted: set[tuple[str, Path]] = set()
        for violation in violations:
            if violation.rule not in ("required", *_RETYPED):
                continue
            steps, prop = locate(self._contract, violation.path)
            gone = violation.rule == "required" or violation.reason.endswith("got `null`")
            kind: Literal["missing", "retyped"] = "missing" if gone else "retyped"
            key = (kind, generalised(steps))
            if prop is None or key in noted:
                continue
            noted.add(key)
            found = self._find(kind, key[1], prop, position)
            if found is not None:
                if value is ...:
                    value = VALUES.decode(record) if record is not None else None
                found.add(values_at(value, steps))

    def note_accepted(self, lines: list[bytes]) -> None:
        """Look for the fields that were not seen so far in accepted records; it costs nothing once all were."""
        for line in lines:
            if not self._unseen or self._sampled == SAMPLE:
                return
            self._sampled += 1
            record = VALUES.decode(line)
            for path in list(self._unseen):
                holders = list(_holders(record, path[:-1]))
                if any(holder.get(path[-1]) is not None for holder in holders):
                    del self._unseen[path]
                elif holders:
                    self._unseen[path] = (self._unseen[path][0], True)

    def _find(self, kind: Any, path: Path, prop: Property | None, position: int) -> Difference | None:
        found = self._found.get((kind, path))
        if found is None and len(self._found) < MOST_FIELDS:
            found = self._found[kind, path] = Difference(kind, path, prop, position)
        return found


def _optional(properties: tuple[Property, ...], path: Path) -> Iterator[tuple[Path, tuple[Property, bool]]]:
    for prop in properties:
        here = (*path, prop.name)
        if not prop.required and not prop.sparse and prop.classification != "secret":
            yield here, (prop, False)
        yield from _optional(prop.properties, here)
        if prop.items is not None:
            yield from _optional(prop.items.properties, (*here, "[]"))


def _holders(value: Any, path: Steps) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for element in value[:_MOST_ELEMENTS]:
            yield from _holders(element, path[1:])
    elif isinstance(value, dict):
        if not path:
            yield value
        elif path[0] in value:
            yield from _holders(value[str(path[0])], path[1:])
