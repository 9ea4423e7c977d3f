"""Where the records are in an answer, and what else is in it: what leads on, what counts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_USUAL = (
    "data",
    "items",
    "results",
    "records",
    "rows",
    "value",
    "values",
    "entries",
    "list",
    "content",
    "objects",
    "hits",
)
_DEEPEST = 4
_LEAST_ENTRIES = 3  # of an object that is taken for a map of records
_ALIKE = 0.5  # the share of members that the records of a map have in common


@dataclass(frozen=True)
class Place:
    """Where records may be.

    Attributes:
        names: the keys that lead there; none: the answer is the records.
        keyed: the records are an object's values, and its keys belong to them.
        records: what is there, decoded.
        keys: of these, where they are an object's values.
    """

    names: tuple[str, ...]
    keyed: bool
    records: tuple[Any, ...]
    keys: tuple[str, ...] = ()

    @property
    def keyed_by(self) -> str:
        """The field that the keys become: the one that has them already, else one that is not there."""
        common: set[str] = set.intersection(*(set(record) for record in self.records))
        for name in sorted(common, key=lambda name: (name.lower() != "id", name)):
            if all(str(record[name]) == key for key, record in zip(self.keys, self.records, strict=True)):
                return name
        every = {name for record in self.records for name in record}
        return next(name for name in ("id", "key", "record_key", "object_key") if name not in every)

    @property
    def keyed_why(self) -> str:
        """The evidence for it."""
        told = "every record has it" if all(self.keyed_by in record for record in self.records) else "no record has it"
        return f"{self.why}; their keys stand for this field: {told}"

    @property
    def numeric(self) -> bool:
        """Whether all keys are whole numbers."""
        return all(re.fullmatch(r"0|[1-9][0-9]{0,17}", key) for key in self.keys)

    @property
    def path(self) -> str:
        """As ``records:`` in source.yaml has it."""
        return path_of(self.names)

    @property
    def why(self) -> str:
        """The evidence for it."""
        what = "an object of objects that are alike" if self.keyed else "an array of objects"
        return f"{what}, {len(self.records)} in the first answer"


def path_of(names: tuple[str, ...]) -> str:
    """Names with dots between them, as ``source.yaml`` has paths."""
    return ".".join(name.replace(".", "\\.") for name in names)


def places(value: Any) -> list[Place]:
    """All places in an answer where records may be, the likeliest first."""
    found = [*_arrays(value, ()), *_maps(value, ())]
    return sorted(found, key=lambda place: (place.keyed, not is_usual(place), -len(place.records), place.names))


def is_clear(found: list[Place]) -> bool:
    """Whether the first place stands out: it alone has a usual name, or many more records than the next."""
    if len(found) < 2:
        return True
    first, second = found[:2]
    if first.keyed != second.keyed or is_usual(first) != is_usual(second):
        return True
    return len(first.names) < len(second.names) and first.names == second.names[: len(first.names)]


def scalars(value: Any, place: Place) -> Iterator[tuple[tuple[str, ...], Any]]:
    """What else the answer says: every value outside of the records that is no object and no array."""
    yield from _scalars(value, (), place.names)


def at(value: Any, names: tuple[str, ...]) -> Any:
    """What an answer holds there; None if nothing."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def records_at(value: Any, place: Place) -> list[Any] | None:
    """The records of another answer at the same place; None if there are none of that kind."""
    found = at(value, place.names)
    if place.keyed:
        return list(found.items()) if isinstance(found, dict) else None
    return found if isinstance(found, list) else None


def is_usual(place: Place) -> bool:
    """Whether its name says that there are records, and not which."""
    return not place.names or place.names[-1].lower() in _USUAL


def _arrays(value: Any, names: tuple[str, ...]) -> Iterator[Place]:
    if isinstance(value, list):
        if value and all(isinstance(record, dict) for record in value):
            yield Place(names, keyed=False, records=tuple(value))
    elif isinstance(value, dict) and len(names) < _DEEPEST:
        for name, member in value.items():
            if not _looks_like_data(value):
                yield from _arrays(member, (*names, name))


def _maps(value: Any, names: tuple[str, ...]) -> Iterator[Place]:
    if not isinstance(value, dict) or len(names) >= _DEEPEST:
        return
    if _looks_like_data(value):
        yield Place(names, keyed=True, records=tuple(value.values()), keys=tuple(value))
        return
    for name, member in value.items():
        yield from _maps(member, (*names, name))


def _looks_like_data(value: dict[str, Any]) -> bool:
    """Whether an object's keys are data, and its values records: all objects, and alike."""
    members = list(value.values())
    if len(members) < _LEAST_ENTRIES or not all(isinstance(member, dict) and member for member in members):
        return False
    every, common = set(members[0]), set(members[0])
    for member in members[1:]:
        every |= set(member)
        common &= set(member)
    return len(common) >= _ALIKE * len(every) and bool(common)


def _scalars(value: Any, names: tuple[str, ...], records: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not isinstance(value, dict) or len(names) >= _DEEPEST:
        return
    for name, member in value.items():
        here = (*names, name)
        if here == records:
            continue
        if isinstance(member, dict):
            yield from _scalars(member, here, records)
        elif not isinstance(member, list):
            yield here, member
