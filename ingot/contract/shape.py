"""The shape of values that a contract does not describe, and the ODCS property that would take them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import msgspec


def _number(text: str) -> Decimal | float:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of nineteen digits, which JSON allows
        return float(text)


VALUES = msgspec.json.Decoder(float_hook=_number)
"""Decodes what :meth:`Shape.add` takes: decimals keep their digits."""

_MOST_MEMBERS = 100  # more are no fields but data: a map keyed by id
_DEEPEST = 8
MOST_DIGITS = 15  # of a decimal, as the contract allows them
_MAX_SCALE = 6  # what has more digits after the point was measured or computed, not counted
_LONGEST = 65_535  # Redshift's longest varchar, in bytes; it is enough for our sizes
_TIMESTAMP = Annotated[datetime, msgspec.Meta(tz=True)]


class NotEnforceable(Exception):
    """No property of a contract takes all these values; the message says why."""


@dataclass
class Shape:
    """What is known of some values.

    Attributes:
        count: how many there were.
        kinds: null, boolean, integer, number, string, date, timestamp, object, array: all that occurred.
        longest: of the strings, in characters.
        whole, fraction: the most digits before and after the point.
        members: of the objects.
        items: of the arrays.
        overflow: there is more than was looked at.
    """

    count: int = 0
    kinds: set[str] = field(default_factory=set)
    longest: int = 0
    whole: int = 0
    fraction: int = 0
    members: dict[str, Shape] = field(default_factory=dict)
    items: Shape | None = None
    overflow: bool = False

    def add(self, value: Any, depth: int = 0) -> None:
        """Take one more value into account, as :data:`VALUES` decodes it."""
        self.count += 1
        kind = kind_of(value)
        self.kinds.add(kind)
        match value:
            case str():
                self.longest = max(self.longest, len(value))
            case dict() | list() if depth == _DEEPEST:
                self.overflow = True
            case dict():
                for name, member in value.items():
                    if name not in self.members and len(self.members) == _MOST_MEMBERS:
                        self.overflow = True
                    else:
                        self.members.setdefault(name, Shape()).add(member, depth + 1)
            case list():
                for element in value:
                    self.items = self.items or Shape()
                    self.items.add(element, depth + 1)
            case int() | Decimal() if kind != "boolean":
                self._add_digits(Decimal(value))

    @property
    def text(self) -> str:
        """In a few words; no value is in it, but the names of members are."""
        if self.kinds == {"object"}:
            inside = ", ".join(f"{name}: {member.text}" for name, member in list(self.members.items())[:20])
            return "{" + inside + (", …" if self.overflow or len(self.members) > 20 else "") + "}"
        if self.kinds == {"array"}:
            return f"[{self.items.text if self.items else ''}]"
        return " or ".join(sorted(self.kinds)) or "nothing"

    @property
    def names(self) -> frozenset[str]:
        """The names of all members, at any depth."""
        inner = [*self.members.values(), *([self.items] if self.items else [])]
        return frozenset(self.members).union(*(shape.names for shape in inner))

    def definition(self) -> dict[str, Any]:
        """What an ODCS property says so that the gate takes such values: its types, sizes and parts.

        Raises:
            NotEnforceable: there is no such property.
        """
        kinds = self.kinds - {"null"}
        if self.overflow:
            raise NotEnforceable("it has more keys or levels than fields have; it may be a map keyed by data")
        if not kinds:
            raise NotEnforceable("only null was seen, which tells no type")
        if kinds <= {"string", "date", "timestamp"}:
            return self._text_definition(kinds)
        if kinds <= {"integer", "number"}:
            return self._number_definition(kinds)
        if len(kinds) > 1:
            raise NotEnforceable(f"some values are {' and some '.join(sorted(kinds))}, and a field has one type")
        (kind,) = kinds
        if kind == "boolean":
            return {"logicalType": "boolean", "physicalType": "boolean"}
        return self._object_definition() if kind == "object" else self._array_definition()

    def _add_digits(self, number: Decimal) -> None:
        _, digits, exponent = number.normalize().as_tuple()
        if isinstance(exponent, int) and any(digits):
            self.whole = max(self.whole, len(digits) + exponent)
            self.fraction = max(self.fraction, -exponent)

    def _text_definition(self, kinds: set[str]) -> dict[str, Any]:
        if kinds == {"timestamp"}:
            return {"logicalType": "timestamp", "physicalType": "timestamptz"}
        if kinds == {"date"}:
            return {"logicalType": "date", "physicalType": "date"}
        size = 64
        while size < 2 * self.longest and size < _LONGEST:
            size = min(size * 2, _LONGEST)
        if size < self.longest:
            raise NotEnforceable(f"it has texts of {self.longest} characters, and a column at most {_LONGEST}")
        return {
            "logicalType": "string",
            "physicalType": f"varchar({size})",
            "logicalTypeOptions": {"maxLength": size},
        }

    def _number_definition(self, kinds: set[str]) -> dict[str, Any]:
        if kinds == {"integer"}:
            if self.whole > 18:  # 9,223,372,036,854,775,807 has 19 digits
                raise NotEnforceable("its integers may not fit into 64 bits")
            return {"logicalType": "integer", "physicalType": "bigint"}
        scale = max(2, self.fraction)
        precision = min(MOST_DIGITS, max(8, self.whole + 2) + scale)
        exact = scale <= _MAX_SCALE and precision - scale >= self.whole
        return {"logicalType": "number", "physicalType": f"decimal({precision},{scale})" if exact else "double"}

    def _object_definition(self) -> dict[str, Any]:
        told = {name: member for name, member in self.members.items() if member.kinds != {"null"}}
        if not told:
            raise NotEnforceable("only empty objects were seen")
        members = []
        for name, member in told.items():
            try:
                members.append({"name": name, **member.definition()})
            except NotEnforceable as error:
                raise NotEnforceable(f"in it, {name}: {error}") from error
        return {"logicalType": "object", "physicalType": "object", "properties": members}

    def _array_definition(self) -> dict[str, Any]:
        if self.items is None:
            raise NotEnforceable("only empty arrays were seen")
        if "null" in self.items.kinds:
            raise NotEnforceable("its arrays hold null")
        if self.items.kinds & {"number", "array"}:
            raise NotEnforceable("arrays of numbers and of arrays are not supported; use an array of objects")
        try:
            element = self.items.definition()
        except NotEnforceable as error:
            raise NotEnforceable(f"in its elements, {error}") from error
        return {"logicalType": "array", "physicalType": "array", "items": {"name": "item", **element}}


def kind_of(value: Any) -> str:
    """What a value is, in the words of :attr:`Shape.kinds`."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float() | Decimal():
            return "number"
        case str():
            return _text_kind(value)
        case dict():
            return "object"
        case _:
            return "array"


def _text_kind(value: str) -> str:
    if value[4:5] != "-" or len(value) > 40:
        return "string"
    for kind, type_ in (("date", date), ("timestamp", _TIMESTAMP)):
        try:
            msgspec.convert(value, type_)
        except msgspec.ValidationError:
            continue
        return kind
    return "string"
