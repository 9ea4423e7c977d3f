"""Changes to the records of a reply: how a test gets any bad record that it wants.

A reply's body is taken apart into its records' bytes, each edit changes these, and the rest keeps its exact
bytes. An edit that names a record which the reply does not hold changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from .recordings import compact


class EditFailed(ValueError):
    """An edit does not fit the record that it names: it drops a field, say, which is not there."""


@dataclass(slots=True)
class Slot:
    """One record on its way out: its id as it was before any edit, and the bytes to send."""

    id: object
    raw: bytes


def _change(slots: list[Slot], id: object, change: Callable[[Any], object]) -> list[Slot]:
    """Apply a change to the parsed record with this id, or to every record where the id is None."""
    for slot in slots:
        if id is None or slot.id == id:
            record = json.loads(slot.raw)
            if isinstance(record, dict):  # neither a category's name nor the null of an unknown id
                slot.raw = compact(change(record))
    return slots


def _merged(target: object, patch: object) -> object:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result


def _at(record: Any, field: str) -> tuple[Any, Any]:
    """What holds a dotted field (``products.0.quantity``), and the field's key in it."""
    *way, last = field.split(".")
    for step in way:
        record = record[int(step)] if isinstance(record, list) else record[step]
    return record, int(last) if isinstance(record, list) else last


@dataclass(frozen=True, kw_only=True, slots=True)
class Patch:
    """``patch``: merge a JSON merge patch (RFC 7396) into a record, or into every record.

    Null removes a key.
    """

    name: ClassVar = "patch"
    merge: dict[str, Any]
    id: object = None

    def apply(self, slots: list[Slot]) -> list[Slot]:
        return _change(slots, self.id, lambda record: _merged(record, self.merge))


@dataclass(frozen=True, kw_only=True, slots=True)
class SetField:
    """``set_field``: give a dotted field any value, null included."""

    name: ClassVar = "set_field"
    field: str
    value: object
    id: object = None

    def apply(self, slots: list[Slot]) -> list[Slot]:
        return _change(slots, self.id, self._set)

    def _set(self, record: object) -> object:
        container, key = _at(record, self.field)
        container[key] = self.value
        return record


@dataclass(frozen=True, kw_only=True, slots=True)
class DropField:
    """``drop_field``: take a dotted field out of a record, or out of every record."""

    name: ClassVar = "drop_field"
    field: str
    id: object = None

    def apply(self, slots: list[Slot]) -> list[Slot]:
        return _change(slots, self.id, self._drop)

    def _drop(self, record: object) -> object:
        container, key = _at(record, self.field)
        del container[key]
        return record


@dataclass(frozen=True, kw_only=True, slots=True)
class RawRecord:
    """``raw_record``: send these very bytes in a record's place.

    In JSON, ``\\udcXX`` stands for the byte XX.
    """

    name: ClassVar = "raw_record"
    id: object
    raw: str | bytes

    def apply(self, slots: list[Slot]) -> list[Slot]:
        raw = self.raw if isinstance(self.raw, bytes) else self.raw.encode("utf-8", "surrogateescape")
        for slot in slots:
            if slot.id == self.id:
                slot.raw = raw
        return slots


@dataclass(frozen=True, kw_only=True, slots=True)
class Duplicate:
    """``duplicate``: send a record twice, the second time at the end of the list. An item stays one."""

    name: ClassVar = "duplicate"
    id: object

    def apply(self, slots: list[Slot]) -> list[Slot]:
        return slots + [Slot(slot.id, slot.raw) for slot in slots if slot.id == self.id]


@dataclass(frozen=True, kw_only=True, slots=True)
class Malformed:
    """``malformed``: a syntax error inside one record.

    Attributes:
        record: Its position, from 0, as Python counts (-1 is the last); the middle one where None.
        brackets: ``balanced``: a stray ``!`` before a middle member, so that a reader that counts brackets
            still finds the records around it. ``unbalanced``: the record's closing bracket is missing, and
            nothing after it can be told apart.
    """

    name: ClassVar = "malformed"
    record: int | None = None
    brackets: Literal["balanced", "unbalanced"] = "balanced"

    def __post_init__(self) -> None:
        if self.brackets not in ("balanced", "unbalanced"):
            raise ValueError(f"malformed.brackets is balanced or unbalanced, not {self.brackets!r}.")

    def apply(self, slots: list[Slot]) -> list[Slot]:
        position = len(slots) // 2 if self.record is None else self.record
        if -len(slots) <= position < len(slots):
            slot = slots[position]
            slot.raw = slot.raw[:-1] if self.brackets == "unbalanced" else _with_stray_mark(slot.raw)
        return slots


def _with_stray_mark(raw: bytes) -> bytes:
    try:
        record = json.loads(raw)
    except ValueError:  # a raw_record that is broken already
        return raw
    if not isinstance(record, dict):
        return b"!" + raw
    members = [compact(key) + b":" + compact(value) for key, value in record.items()]
    middle = len(members) // 2
    return b"{" + b"".join(member + b"," for member in members[:middle]) + b"!" + b",".join(members[middle:]) + b"}"


type Edit = Patch | SetField | DropField | RawRecord | Duplicate | Malformed

# In the order of application: what reads a record's JSON comes before what replaces or breaks it.
KINDS: dict[str, type[Edit]] = {
    kind.name: kind for kind in (Patch, SetField, DropField, RawRecord, Duplicate, Malformed)
}


def edited(body: bytes, edits: Iterable[Edit]) -> bytes:
    """The body of a list or of one item with all edits applied, in the order of ``KINDS``.

    Raises:
        EditFailed: if a record has not the field that an edit names.
    """
    value = json.loads(body)
    items = value if isinstance(value, list) else [value]
    slots = [Slot(item.get("id") if isinstance(item, dict) else item, compact(item)) for item in items]
    slots = applied(slots, edits)
    if not isinstance(value, list):
        return slots[0].raw
    return b"[" + b",".join(slot.raw for slot in slots) + b"]"


def applied(slots: list[Slot], edits: Iterable[Edit]) -> list[Slot]:
    """Records on their way out with all edits applied, in the order of ``KINDS``.

    Raises:
        EditFailed: if a record has not the field that an edit names.
    """
    order = list(KINDS)
    for edit in sorted(edits, key=lambda edit: order.index(edit.name)):
        try:
            slots = edit.apply(slots)
        except (LookupError, TypeError, ValueError) as error:
            raise EditFailed(f"{edit} fits no such record: {error!r}. Correct the rule.") from error
    return slots
