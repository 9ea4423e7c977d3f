"""The slow pass: every error of a refused record, with its path, the rule that it breaks and the reason.

Leaves are decoded by the same msgspec types as in the fast pass, so that the two cannot disagree on a value;
only the structure around them is walked here. A reason never holds a value: records hold personal data.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from ingot.contract.model import Contract, Property
from ingot.gate.types import Path, decimal_fault, is_decimal, json_type, leaf_type

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_RULES = (  # a part of msgspec's message, and the rule that it means; the first that fits
    (", got `", "type"),
    ("matching regex", "pattern"),
    ("of length >=", "min_length"),
    ("of length <=", "max_length"),
    (">=", "minimum"),
    ("<=", "maximum"),
)
_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
_MOST = 50  # violations listed for one record; a 100 MiB record of errors helps nobody


@dataclass(frozen=True)
class Violation:
    """One broken rule: where (``$.products[0].quantity``), which, and why, without any value."""

    path: str
    rule: str
    reason: str


@dataclass(frozen=True)
class Stranger:
    """A key that the contract does not know: the object that holds it, its name and JSON type."""

    holder: Path
    name: str
    type: str


class Explainer:
    """Lists what is wrong with a record, and what is new in it."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._leaves: dict[int, msgspec.json.Decoder[Any]] = {}

    def explain(self, raw: bytes) -> tuple[list[Violation], list[Stranger]]:
        """Errors (at most fifty) and unknown keys of one record; no errors means that it is accepted."""
        try:
            msgspec.json.decode(raw)
            json.loads(raw, object_pairs_hook=_no_duplicates)
        except _Duplicate as error:
            return [Violation("$", "duplicate_key", f"The key {error} stands twice in one object")], []
        except UnicodeDecodeError:
            return [Violation("$", "encoding", "Not UTF-8")], []
        except RecursionError:
            return [Violation("$", "nesting", "Nested too deeply")], []
        except ValueError as error:  # msgspec.DecodeError is one, and so is json's
            return [Violation("$", "json", f"Not JSON: {_short(error)}")], []
        strangers: list[Stranger] = []
        violations = []
        for violation in self._object(raw, self._contract.properties, "$", (), strangers):
            violations.append(violation)
            if len(violations) == _MOST:
                break
        return violations, strangers

    def _object(
        self, raw: bytes, properties: tuple[Property, ...], where: str, path: Path, strangers: list[Stranger]
    ) -> Iterator[Violation]:
        if json_type(raw) != "object":
            yield Violation(where, "type", f"Expected `object`, got `{json_type(raw)}`")
            return
        members = _OBJECT.decode(raw)
        for prop in properties:
            value = members.pop(prop.name, None)
            here = f"{where}.{prop.name}"
            if value is None:
                if prop.required:
                    yield Violation(here, "required", "Missing")
            elif bytes(value) != b"null" or prop.required:
                yield from self._value(bytes(value), prop, here, path, strangers)
        strangers.extend(Stranger(path, name, json_type(bytes(value))) for name, value in members.items())

    def _value(
        self, raw: bytes, prop: Property, where: str, path: Path, strangers: list[Stranger]
    ) -> Iterator[Violation]:
        if prop.logical_type == "object":
            inside = path if where.endswith("]") else (*path, prop.name)
            yield from self._object(raw, prop.properties, where, inside, strangers)
        elif prop.logical_type == "array":
            yield from self._array(raw, prop, where, path, strangers)
        elif is_decimal(prop):
            fault = decimal_fault(prop, raw)
            if fault:
                yield Violation(where, *fault)
        else:
            yield from self._leaf(raw, prop, where)

    def _array(
        self, raw: bytes, prop: Property, where: str, path: Path, strangers: list[Stranger]
    ) -> Iterator[Violation]:
        if json_type(raw) != "array":
            yield Violation(where, "type", f"Expected `array`, got `{json_type(raw)}`")
            return
        assert prop.items is not None
        elements = _ARRAY.decode(raw)
        options = prop.logical_type_options
        if options.min_items is not None and len(elements) < options.min_items:
            yield Violation(where, "min_items", f"Expected `array` of length >= {options.min_items}")
        if options.max_items is not None and len(elements) > options.max_items:
            yield Violation(where, "max_items", f"Expected `array` of length <= {options.max_items}")
        for index, element in enumerate(elements):
            inside = (*path, prop.name, "[]")
            yield from self._value(bytes(element), prop.items, f"{where}[{index}]", inside, strangers)

    def _leaf(self, raw: bytes, prop: Property, where: str) -> Iterator[Violation]:
        decoder = self._leaves.get(id(prop))
        if decoder is None:
            decoder = self._leaves[id(prop)] = msgspec.json.Decoder(leaf_type(prop))
        try:
            value = decoder.decode(raw)
        except ValueError as error:
            message = str(error)
            rule = next((rule for part, rule in _RULES if part in message), "format")
            yield Violation(where, rule, message)
            return
        if isinstance(value, datetime) and not _EARLIEST <= value <= _LATEST:
            yield Violation(where, "range", "Expected a year from 1 to 9999 in UTC")
        if isinstance(value, str) and "\x00" in value:
            yield Violation(where, "nul", "Holds a NUL character, which no warehouse stores")


class _Duplicate(Exception):
    pass


def _no_duplicates(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise _Duplicate(json.dumps(name[:64]))  # escaped: a name may hold anything
        seen.add(name)


def _short(error: ValueError) -> str:
    # json's message quotes nothing of the input; msgspec's neither. Bounded all the same.
    return str(error)[:200]
