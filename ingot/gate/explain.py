"""The slow pass: every error of a refused record, with its path, the rule that it breaks and the reason.

Leaves are decoded by the same msgspec types as in the fast pass, so that the two cannot disagree on a value;
only the structure around them is walked here. A reason never holds a value, nor a key that the contract does not
know: records hold personal data, and some are keyed by it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from ingot.contract.model import Contract, Property, walk
from ingot.contract.pattern import Pattern
from ingot.gate.limits import MOST_BYTES, MOST_LEVELS, is_deeper, may_be_deeper
from ingot.gate.mixed import Unfit, is_mixed, plain
from ingot.gate.types import EARLIEST, LATEST, Path, decimal_fault, is_decimal, json_type, leaf_type

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_RULES = (  # a part of msgspec's message, and the rule that it means; the first that fits
    (", got `", "type"),
    ("of length >=", "min_length"),
    ("of length <=", "max_length"),
    (">=", "minimum"),
    ("<=", "maximum"),
)
_MOST = 50  # violations listed for one record; a 100 MiB record of errors helps nobody


@dataclass(frozen=True)
class Violation:
    """One broken rule: where (``$.products[0].quantity``), which, and why, without any value."""

    path: str
    rule: str
    reason: str


@dataclass(frozen=True)
class Stranger:
    """A key that the contract does not know: the object that holds it, its name and its value as JSON."""

    holder: Path
    name: str
    value: bytes


@dataclass(frozen=True)
class _Text:
    """A text that must match a pattern, which is seen to for many at once."""

    path: str
    pattern: str
    value: str


@dataclass(frozen=True)
class Explanation:
    """What there is to say of a record: its errors (at most fifty), and its unknown keys if it has none."""

    violations: list[Violation]
    strangers: list[Stranger]


class Explainer:
    """Lists what is wrong with records, and what is new in them."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._leaves: dict[int, msgspec.json.Decoder[Any]] = {}
        self._names = frozenset(p.name for p in walk(contract.properties))
        self._patterns: dict[str, Pattern] = {}
        self._texts: dict[str, list[tuple[list[Violation], _Text]]] = {}

    def explain(self, *raws: bytes) -> list[Explanation]:
        """What there is to say of each record; no violation means that it is accepted."""
        explained = [self._explain(raw) for raw in raws]
        # All texts of a pattern at once: asked for one at a time, patterns would cost more than all the rest.
        for pattern, texts in self._texts.items():
            matcher = self._patterns.setdefault(pattern, Pattern(pattern))
            for place in matcher.misses([text.value for _, text in texts]):
                violations, text = texts[place]
                if len(violations) < _MOST:
                    violations.append(Violation(text.path, "pattern", f"Expected `str` matching {pattern[:200]}"))
        self._texts.clear()
        return explained

    def _explain(self, raw: bytes) -> Explanation:
        if len(raw) > MOST_BYTES:
            return _refused("size", f"Larger than {MOST_BYTES // 2**20} MiB")
        try:
            decoded = msgspec.json.decode(raw)
            if may_be_deeper(raw, MOST_LEVELS) and is_deeper(decoded, MOST_LEVELS):
                raise RecursionError
            del decoded  # it may be many times as large as its bytes
            json.loads(raw, object_pairs_hook=_no_duplicates)
        except _Duplicate as error:
            name = f"The key {error.name}" if error.name in self._names else "A key that the contract does not know"
            return _refused("duplicate_key", f"{name} stands twice in one object")
        except UnicodeDecodeError:
            return _refused("encoding", "Not UTF-8")
        except RecursionError:
            return _refused("nesting", f"More than {MOST_LEVELS} objects and arrays inside each other")
        except ValueError as error:  # msgspec.DecodeError is one, and so is json's
            return _refused("json", f"Not JSON: {_short(error)}")
        strangers: list[Stranger] = []
        violations: list[Violation] = []
        for found in self._object(raw, self._contract.properties, "$", (), strangers):
            if isinstance(found, _Text):
                self._texts.setdefault(found.pattern, []).append((violations, found))
                continue
            violations.append(found)
            if len(violations) == _MOST:
                break
        return Explanation(violations, strangers)

    def _object(
        self, raw: bytes, properties: tuple[Property, ...], where: str, path: Path, strangers: list[Stranger]
    ) -> Iterator[Violation | _Text]:
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
        strangers.extend(Stranger(path, name, bytes(value)) for name, value in members.items())

    def _value(
        self, raw: bytes, prop: Property, where: str, path: Path, strangers: list[Stranger]
    ) -> Iterator[Violation | _Text]:
        if prop.logical_type == "object":
            inside = path if where.endswith("]") else (*path, prop.name)
            # What is inside a secret is one too, its keys as well.
            found = [] if prop.classification == "secret" else strangers
            yield from self._object(raw, prop.properties, where, inside, found)
        elif prop.logical_type == "array":
            yield from self._array(raw, prop, where, path, strangers)
        else:
            if is_mixed(prop):
                try:
                    raw = plain(prop, raw)
                except Unfit as error:
                    yield Violation(where, error.rule, str(error))
                    return
            if not is_decimal(prop):
                yield from self._leaf(raw, prop, where)
            elif fault := decimal_fault(prop, raw):
                yield Violation(where, *fault)

    def _array(
        self, raw: bytes, prop: Property, where: str, path: Path, strangers: list[Stranger]
    ) -> Iterator[Violation | _Text]:
        if json_type(raw) != "array":
            yield Violation(where, "type", f"Expected `array`, got `{json_type(raw)}`")
            return
        assert prop.items is not None
        if prop.classification == "secret":
            strangers = []
        elements = _ARRAY.decode(raw)
        options = prop.logical_type_options
        if options.min_items is not None and len(elements) < options.min_items:
            yield Violation(where, "min_items", f"Expected `array` of length >= {options.min_items}")
        if options.max_items is not None and len(elements) > options.max_items:
            yield Violation(where, "max_items", f"Expected `array` of length <= {options.max_items}")
        for index, element in enumerate(elements):
            inside = (*path, prop.name, "[]")
            yield from self._value(bytes(element), prop.items, f"{where}[{index}]", inside, strangers)

    def _leaf(self, raw: bytes, prop: Property, where: str) -> Iterator[Violation | _Text]:
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
        if isinstance(value, datetime) and not EARLIEST <= value <= LATEST:
            yield Violation(where, "range", "Expected a year from 1 to 9999 in UTC")
        if isinstance(value, str):
            if "\x00" in value:
                yield Violation(where, "nul", "Holds a NUL character, which no warehouse stores")
            pattern = prop.logical_type_options.pattern
            if pattern is not None:
                yield _Text(where, pattern, value)


class _Duplicate(Exception):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


def _refused(rule: str, reason: str) -> Explanation:
    return Explanation([Violation("$", rule, reason)], [])


def _no_duplicates(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise _Duplicate(name)
        seen.add(name)


def _short(error: ValueError) -> str:
    # json's message quotes nothing of the input; msgspec's neither. Bounded all the same.
    return str(error)[:200]
