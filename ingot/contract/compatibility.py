"""What changed between two versions of a contract, and whom it breaks.

A contract promises two things. Readers are promised columns: their names, types, whether they may be null, the key,
and what is kept from them. The source is promised that what passed the gate goes on passing. A change that takes
anything of either back is breaking and needs a new major version; any other change needs a new version.

A bound that is loosened breaks nobody: readers are promised types, and bounds say what is refused. A type that
becomes wider within its kind (``integer`` to ``bigint``, a longer ``varchar``, a decimal with more digits on either
side) holds every value that it held, and breaks nobody either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from ingot.contract.model import (
    EPOCH_UNITS,
    Contract,
    Property,
    column_name,
    decimal_shape,
    integer_bits,
    max_length,
)
from ingot.errors import ConfigurationError

Kind = Literal["breaking", "compatible"]
Bump = Literal["major", "minor"]

_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
# How closely data is kept; what is not listed is as close as personal data.
_CLOSENESS = {"public": 0, "internal": 1, "secret": 3}
_LOWER_BOUNDS = ("minimum", "min_length", "min_items")


@dataclass(frozen=True)
class Change:
    """One difference between two versions.

    Attributes:
        path: the field, or ``$`` for the contract as a whole.
        what: what changed, in a few words.
        why: whom it breaks, or why it breaks nobody.
    """

    path: str
    kind: Kind
    what: str
    why: str


@dataclass(frozen=True)
class Verdict:
    """What is to be said of a contract and its older version.

    Attributes:
        contract: ``fakestore.carts``.
        old, new: the versions; None where there is no such contract.
        problem: why the change is refused, if it is.
    """

    contract: str
    old: str | None
    new: str | None
    changes: tuple[Change, ...]
    problem: str | None


def judge(old: Mapping[str, Contract], new: Mapping[str, Contract], *, retired: frozenset[str]) -> list[Verdict]:
    """Hold all contracts to their older versions; those that are as they were are left out.

    Args:
        old, new: by ``source.stream``.
        retired: the old contracts whose status said that they end: these may go.
    """
    verdicts = []
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before is None:
            assert after is not None
            change = Change("$", "compatible", "new contract", "nobody relied on it")
            verdicts.append(Verdict(name, None, after.version, (change,), None))
        elif after is None:
            change = Change("$", "breaking", "contract removed", "readers lose the table")
            problem = None if name in retired else "before a contract goes, a version of it has `status: retired`"
            verdicts.append(Verdict(name, before.version, None, (change,), problem))
        else:
            changes = tuple(compare(before, after))
            problem = _problem(before.version, after.version, changes)
            if changes or problem:
                verdicts.append(Verdict(name, before.version, after.version, changes, problem))
    return verdicts


def compare(old: Contract, new: Contract) -> Iterator[Change]:
    """Every change that matters to somebody; descriptions and the order of fields do not."""
    if old.id != new.id:
        yield Change("$", "breaking", f"id {old.id} → {new.id}", "it is another contract")
    if old.primary_key != new.primary_key:
        what = f"primary key {', '.join(old.primary_key)} → {', '.join(new.primary_key)}"
        yield Change("$", "breaking", what, "readers tell records apart by it")
    if old.max_reject_rate != new.max_reject_rate:
        what = f"maxRejectRate {old.max_reject_rate:g} → {new.max_reject_rate:g}"
        yield Change("$", "compatible", what, "no record is judged otherwise")
    yield from _objects(old.properties, new.properties, "$", ())


def required_bump(changes: tuple[Change, ...]) -> Bump | None:
    """By how much the version must grow at least."""
    if any(change.kind == "breaking" for change in changes):
        return "major"
    return "minor" if changes else None


def bumped(version: str, by: Bump | None) -> str:
    """The next version.

    Raises:
        ConfigurationError: it is no semantic version.
    """
    major, minor, _ = _parsed(version)
    return {"major": f"{major + 1}.0.0", "minor": f"{major}.{minor + 1}.0", None: version}[by]


def _problem(old: str, new: str, changes: tuple[Change, ...]) -> str | None:
    before, after, needed = _parsed(old), _parsed(new), required_bump(changes)
    if after < before:
        return f"the version went back from {old} to {new}"
    if needed == "major" and after[0] == before[0]:
        return f"a breaking change needs version {bumped(old, 'major')}, not {new}"
    if needed is not None and after == before:
        return f"a change needs a new version, {bumped(old, needed)} for example"
    return None


def _parsed(version: str) -> tuple[int, int, int]:
    match = _VERSION.fullmatch(version)
    if match is None:
        raise ConfigurationError(f"{version!r} is no version.", hint="write it as 1.2.3: major, minor, patch")
    return int(match[1]), int(match[2]), int(match[3])


def _objects(
    old: tuple[Property, ...], new: tuple[Property, ...], path: str, names: tuple[str, ...]
) -> Iterator[Change]:
    before, after = {p.name: p for p in old}, {p.name: p for p in new}
    for name, prop in before.items():
        if name not in after:
            yield _removed(prop, f"{path}.{name}")
    for name, prop in after.items():
        if name in before:
            yield from _property(before[name], prop, f"{path}.{name}", names)
        else:
            yield _added(prop, f"{path}.{name}")


def _removed(prop: Property, path: str) -> Change:
    if prop.classification == "secret":
        return Change(path, "breaking", "secret field removed", "the gate no longer cuts it out: a leak")
    return Change(path, "breaking", "field removed", "readers lose the column")


def _added(prop: Property, path: str) -> Change:
    if prop.required and prop.classification != "secret":
        return Change(path, "breaking", "required field added", "records without it passed, and are refused now")
    return Change(path, "compatible", "optional field added", "nobody relied on it")


def _property(old: Property, new: Property, path: str, names: tuple[str, ...]) -> Iterator[Change]:
    yield from _type(old, new, path)
    if old.required and not new.required:
        yield Change(path, "breaking", "required → optional", "readers meet nulls")
    if new.required and not old.required:
        yield Change(path, "breaking", "optional → required", "records without it passed, and are refused now")
    yield from _classification(old, new, path)
    columns = column_name(old, names), column_name(new, names)
    if columns[0] != columns[1]:
        yield Change(path, "breaking", f"column {columns[0]} → {columns[1]}", "readers lose the old name")
    yield from _bounds(old, new, path)
    yield from _objects(old.properties, new.properties, path, (*names, new.name))
    if old.items is not None and new.items is not None:
        # In an array the names begin anew: it is one column, and its elements' members have names of their own.
        yield from _type(old.items, new.items, f"{path}[]")
        yield from _bounds(old.items, new.items, f"{path}[]")
        yield from _objects(old.items.properties, new.items.properties, f"{path}[]", ())


def _type(old: Property, new: Property, path: str) -> Iterator[Change]:
    before, after = _type_text(old), _type_text(new)
    if before == after:
        return
    what = f"type {before} → {after}"
    if old.logical_type != new.logical_type:
        yield Change(path, "breaking", what, "readers meet another type, and what passed is refused")
    elif old.source_form not in ("", new.source_form) or (not old.source_form and new.source_form in EPOCH_UNITS):
        yield Change(path, "breaking", what, "the source's values are read otherwise, and what passed is refused")
    elif _is_wider(old, new) or after.startswith(f"{before}, sent as "):
        yield Change(path, "compatible", what, "every value that fitted still fits")
    else:
        yield Change(path, "breaking", what, "values that fitted may not fit any more, or read differently")


def _is_wider(old: Property, new: Property) -> bool:
    match old.logical_type:
        case "integer":
            return integer_bits(new) >= integer_bits(old)
        case "string":
            return (max_length(new) or 0) >= (max_length(old) or 0)
        case "number":
            (p, s), (q, t) = decimal_shape(old) or (0, 0), decimal_shape(new) or (0, 0)
            return decimal_shape(old) is not None and t >= s and q - t >= p - s
    return False


def _type_text(prop: Property) -> str:
    if prop.source_form:
        plain = msgspec.structs.replace(prop, custom_properties=())
        return f"{_type_text(plain)}, sent as {prop.source_form}"
    match prop.logical_type:
        case "integer":
            return f"integer of {integer_bits(prop)} bits"
        case "string":
            return f"string of {max_length(prop)} characters"
        case "number":
            shape = decimal_shape(prop)
            return f"decimal({shape[0]},{shape[1]})" if shape else "double"
        case other:
            return other


def _classification(old: Property, new: Property, path: str) -> Iterator[Change]:
    if old.classification == new.classification:
        return
    what = f"classification {old.classification} → {new.classification}"
    if old.classification == "secret":
        yield Change(path, "breaking", what, "what never left the gate does now: a leak")
    elif new.classification == "secret":
        yield Change(path, "breaking", what, "readers lose the column")
    elif _CLOSENESS.get(new.classification, 2) < _CLOSENESS.get(old.classification, 2):
        yield Change(path, "breaking", what, "more people may see it: a leak cannot be taken back")
    else:
        yield Change(path, "compatible", what, "the column stays, with another tag")


def _bounds(old: Property, new: Property, path: str) -> Iterator[Change]:
    before, after = old.logical_type_options, new.logical_type_options
    for name in ("minimum", "maximum", "min_length", "min_items", "max_items"):  # max_length is the type's size
        a, b = getattr(before, name), getattr(after, name)
        if a == b:
            continue
        tighter = b is not None and (a is None or (b > a if name in _LOWER_BOUNDS else b < a))
        yield _bound(path, f"{name} {_text(a)} → {_text(b)}", tighter=tighter)
    if before.pattern != after.pattern:
        # Whether one pattern takes all that another takes is not computed: a new one may refuse what passed.
        yield _bound(
            path, f"pattern {_text(before.pattern)} → {_text(after.pattern)}", tighter=after.pattern is not None
        )


def _bound(path: str, what: str, *, tighter: bool) -> Change:
    if tighter:
        return Change(path, "breaking", what, "records that passed are refused now")
    return Change(path, "compatible", what, "what passed still passes")


def _text(value: object) -> str:
    return "none" if value is None else str(value)
