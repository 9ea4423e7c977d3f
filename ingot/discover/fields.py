"""What a sample says of its fields, and the ODCS properties that follow from it.

A sample shows what there is, not what may be. So a rule is written only where a name and the values agree on it, and is
wide; what was merely seen is said in a comment (ADR 18 has the policy).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ingot.contract.checks import _SYSTEM_COLUMNS
from ingot.contract.model import snake_case
from ingot.contract.shape import MOST_DIGITS, NotEnforceable, Shape, kind_of
from ingot.discover import formats
from ingot.discover.names import physical_name
from ingot.discover.personal import classify

ENOUGH = 20
"""From so many values on a rule may be read from them."""
LEAST = 5
"""From so many records on a field that all of them have is required."""

_MOST_DISTINCT = 50
_LONGEST = 65_535  # Redshift's longest varchar
_NAMING = re.compile(r"(^|_)(id|no|number|version|year)$")  # may be called by a number, and not computed with
_MOST_SCALE = 6
_MOST_DIGITS_SEEN = 100  # of a text that is a number; more are none of ours
_STRONG_ENUM = 100  # values, of which each kind occurs at least _OFTEN times
_MOST_CHOICES = 12
_OFTEN = 5
_SPARSE = 0.1  # the share of records below which whole batches may lack a field
_STATUS = re.compile(
    r"(^|_)(status|state|type|kind|level|priority|severity|currency|unit|gender|category|stage|phase|mode)$"
)
_CLOSED = re.compile(r"(^|_)(status|state|level|priority|severity|stage|phase|mode)$")
_NOT_NEGATIVE = re.compile(
    r"(^|_)(id|count|counts|number|no|quantity|qty|size|length|width|height|weight|age|stock|rating|rank|year|page|pages|"
    r"views|votes|duration|position|price|version|seats|units|distance|seconds|minutes|bytes)$"
)
_MEASURED = re.compile(
    r"(^|_)(price|amount|cost|rate|total|subtotal|tax|discount|fee|balance|weight|score|rating|value|percent|ratio|share)$"
)


@dataclass(frozen=True)
class Said:
    """A value in a file, and why it is that."""

    value: Any
    why: str


Definition = dict[str, Any]
"""One ODCS property: plain values, or :class:`Said` ones; ``#`` holds what stands above it as a comment."""


@dataclass
class Field:
    """All values that were seen at one place.

    Attributes:
        name: the field's.
        count: the values that are not null.
        shape: of those that are no objects and arrays: kinds, lengths, digits.
        objects: how many are objects.
        members: the fields of these.
        arrays: how many are arrays.
        items: their elements.
        nulls: how many are null.
        counts: how many of the other ones are of which kind.
        as_number: the shape of the numbers, and of the texts that are numbers.
        scale: the most digits after the point that texts have.
        longest: the most characters that one is written with.
        low, high: the least and the greatest number, text of a time, or length of an array.
        formats: what texts look like.
        distinct: how often each value occurs, up to a number of them.
        many: there are more.
    """

    name: str
    count: int = 0
    shape: Shape = field(default_factory=Shape)
    objects: int = 0
    members: dict[str, Field] = field(default_factory=dict)
    arrays: int = 0
    items: Field | None = None
    nulls: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    as_number: Shape = field(default_factory=Shape)
    scale: int = 0
    longest: int = 0
    low: Any = None
    high: Any = None
    formats: Counter[str] = field(default_factory=Counter)
    distinct: Counter[Any] = field(default_factory=Counter)
    many: bool = False

    def add(self, value: Any) -> None:
        """Take one more value into account, as :data:`ingot.contract.shape.VALUES` decodes it."""
        if value is None:
            self.nulls += 1
            return
        self.count += 1
        match value:
            case dict():
                self.objects += 1
                for name, member in value.items():
                    self.members.setdefault(name, Field(name)).add(member)
            case list():
                self.arrays += 1
                self._extend(len(value))
                self.items = self.items or Field("item")
                for element in value:
                    self.items.add(element)
            case _:
                self._add_leaf(value)

    @property
    def kinds(self) -> set[str]:
        """What there is besides null."""
        return self.shape.kinds | ({"object"} if self.objects else set()) | ({"array"} if self.arrays else set())

    @property
    def is_time(self) -> bool:
        """Whether its integers are times, in milliseconds since 1970."""
        return self.kinds == {"integer"} and formats.is_epoch_milliseconds(snake_case(self.name), self.low, self.high)

    @property
    def is_written_number(self) -> bool:
        """Whether all its values are texts that are numbers, it is called like an amount, and a decimal holds them."""
        if self.kinds != {"string"} or self.formats.get("numeric", 0) < max(self.count, ENOUGH):
            return False
        name, digits = snake_case(self.name), self.as_number
        called_so = _MEASURED.search(name) or (_NOT_NEGATIVE.search(name) and not _NAMING.search(name))
        return bool(called_so) and self.scale <= _MOST_SCALE and digits.whole + 2 + self.scale <= MOST_DIGITS

    def _add_leaf(self, value: Any) -> None:
        self.shape.add(value)
        kind = kind_of(value)
        self.longest = max(self.longest, len(str(value)))
        self.counts["text" if kind in ("date", "timestamp", "string") else kind] += 1
        if kind in ("string", "date", "timestamp"):
            form = formats.format_of(value)
            self.formats[form] += 1
            if form == "numeric":
                self._extend(Decimal(value[:_MOST_DIGITS_SEEN]))
                self.scale = max(self.scale, len(value.partition(".")[2]))
                self.as_number.add(Decimal(value) if "." in value else int(value[:_MOST_DIGITS_SEEN]))
        else:
            self.as_number.add(value)
        if kind in ("integer", "number", "date", "timestamp"):
            self._extend(value)
        if not self.many:
            self.distinct[value] += 1
            if len(self.distinct) > _MOST_DISTINCT:
                self.many = True

    def _extend(self, value: Any) -> None:
        if self.low is None:
            self.low = self.high = value
        elif isinstance(value, str) == isinstance(self.low, str):
            self.low, self.high = min(self.low, value), max(self.high, value)


@dataclass
class Properties:
    """Makes ODCS properties from fields.

    Attributes:
        classes: classifications that were given, by path; others are inferred.
        left_out: what no contract can say, by path, and why.
        personal: the fields that are likely personal or secret, by path: their classification, and why.
    """

    classes: Mapping[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    personal: dict[str, tuple[str, str]] = field(default_factory=dict)
    _around: set[str] = field(default_factory=set)

    def of(self, record: Field, key: tuple[str, ...] = (), key_why: str = "") -> list[Definition]:
        """The properties of a record.

        Args:
            record: all records of the sample.
            key: the names of its key.
            key_why: the evidence for it.
        """
        self._columns: set[str] = set()
        found = self._members(record, (), "records", own_columns=None)
        for position, name in enumerate(key, 1):
            definition = next((each for each in found if each["name"] == name), None)
            if definition is None:
                raise NotEnforceable(f"the key {name} cannot be declared: {self.left_out.get(name, 'it was not seen')}")
            definition["required"] = Said(True, "part of the key")
            definition["primaryKey"] = Said(True, key_why) if position == 1 else True
            definition["primaryKeyPosition"] = position
        keyed = {name: place for place, name in enumerate(key)}
        # The fields of a key stand in its order.
        return [_in_order(each) for each in sorted(found, key=lambda each: keyed.get(each["name"], len(keyed)))]

    def _members(
        self, holder: Field, path: tuple[str, ...], called: str, own_columns: set[str] | None
    ) -> list[Definition]:
        found: list[Definition] = []
        names: dict[str, str] = {}
        for member in holder.members.values():
            here = (*path, member.name)
            shown = ".".join(here)
            try:
                _hold_to_names(member.name, names)
                found.append(self._property(member, here, holder, called, own_columns))
            except NotEnforceable as error:
                self.left_out[shown] = str(error)
            else:
                names[member.name.casefold()] = member.name
        return found

    def _property(
        self, one: Field, path: tuple[str, ...], holder: Field, called: str, own_columns: set[str] | None
    ) -> Definition:
        kept, why = self._classification(one, path, holder)
        definition: Definition = {"name": one.name}
        quiet = kept in ("personal", "secret")
        there = one.count == holder.objects
        definition |= self._type(one, path, quiet=quiet, own_columns=own_columns)
        if definition["logicalType"] != "object" and kept != "secret":
            names = path if own_columns is None else (one.name,)
            taken = self._columns if own_columns is None else own_columns
            physical = physical_name(names, taken, frozenset(_SYSTEM_COLUMNS))
            taken.add(physical or "_".join(snake_case(name) for name in names))
            if physical is not None:
                definition["physicalName"] = Said(physical, "its own name cannot be a column")
        definition["description"] = Said(f"{_in_words(one.name)}.", "to be written")
        if there and holder.objects >= LEAST:
            definition["required"] = Said(True, f"present in {one.count} of {holder.objects} {called}")
        else:
            seen = f"present in {one.count} of {holder.objects} {called}"
            definition["required"] = Said(False, f"{seen}; too few to require it" if there else seen)
        definition["classification"] = Said(kept, why)
        if one.count < _SPARSE * holder.objects:
            sparse = Said(True, f"in {one.count} of {holder.objects}: whole batches may lack it")
            definition.setdefault("customProperties", []).append({"property": "sparse", "value": sparse})
        return definition

    def _classification(self, one: Field, path: tuple[str, ...], holder: Field) -> tuple[str, str]:
        shown = ".".join(path)
        kept, why = classify(path, dict(one.formats), sum(one.formats.values()), _personal(holder))
        around = next(
            (".".join(path[:depth]) for depth in range(1, len(path)) if ".".join(path[:depth]) in self._around), None
        )
        if around is not None and kept == "internal":
            kept, why = "personal", f"inside of {around}"
        if shown in self.classes:
            kept, why = self.classes[shown], "given"
        if kept == "personal":
            self._around.add(shown)
        if kept in ("personal", "secret"):
            self.personal[shown] = (kept, why)
        return kept, why

    # -- types -----------------------------------------------------------------------------------------------------

    def _type(self, one: Field, path: tuple[str, ...], *, quiet: bool, own_columns: set[str] | None) -> Definition:
        kinds = one.kinds
        if not kinds:
            raise NotEnforceable(f"null in {one.nulls} of {one.nulls} values, which tells no type")
        if kinds == {"object"}:
            inner = self._members(one, path, "objects", own_columns)
            if not inner:
                raise NotEnforceable("no field of its objects can be declared")
            return {"logicalType": "object", "physicalType": "object", "properties": [_in_order(p) for p in inner]}
        if kinds == {"array"}:
            return self._array(one, path, quiet=quiet)
        if one.is_written_number:
            return _written_number(one, quiet=quiet)
        if kinds <= {"string", "date", "timestamp"}:
            return _text(one, kinds, quiet=quiet)
        if kinds <= {"integer", "number"}:
            return _epoch(one, quiet=quiet) if one.is_time else _number(one, kinds, one.as_number, quiet)
        if kinds == {"boolean"}:
            return {"logicalType": Said("boolean", f"{one.count} of {one.count} values"), "physicalType": "boolean"}
        return self._mixed(one, quiet=quiet)

    def _mixed(self, one: Field, *, quiet: bool) -> Definition:
        told = " and ".join(f"{count} {kind}s" for kind, count in sorted(one.counts.items()))
        texts = one.kinds & {"string", "date", "timestamp"}
        if one.kinds - texts - {"integer", "number"} or not texts:
            raise NotEnforceable(f"its values are {told}, and a field has one type")
        form = {"property": "sourceForm", "value": Said("textOrNumber", told)}
        numeric = one.formats.get("numeric", 0) == sum(one.formats.values())
        if numeric:
            definition = _number(
                one, {"integer", "number"} if one.as_number.fraction else {"integer"}, one.as_number, quiet
            )
            definition["logicalType"] = Said(definition["logicalType"].value, f"{told}, and every text is a number")
        else:
            definition = _text(one, {"string"}, quiet=True)
            definition["logicalType"] = Said("string", f"{told}, and some texts are no numbers")
        return {**definition, "customProperties": [form]}

    def _array(self, one: Field, path: tuple[str, ...], *, quiet: bool) -> Definition:
        items = one.items
        if items is None or not (items.count or items.nulls):
            raise NotEnforceable(f"empty in {one.count} of {one.count} arrays, which tells no type")
        if items.nulls:
            raise NotEnforceable("its arrays hold null")
        if items.kinds & {"number", "array"}:
            raise NotEnforceable("arrays of numbers and of arrays are not supported")
        if len({"text" if kind in ("date", "timestamp", "string") else kind for kind in items.kinds}) > 1:
            raise NotEnforceable(f"its elements are {' and '.join(sorted(items.kinds))}, and have to be of one type")
        inside = Properties(self.classes, _around=self._around)
        if items.kinds == {"object"}:
            members = inside._members(items, (*path, "[]"), "elements", set())
            if not members:
                raise NotEnforceable("no field of its elements can be declared")
            item: Definition = {
                "name": "item",
                "logicalType": "object",
                "physicalType": "object",
                "description": "One element.",
                "properties": [_in_order(p) for p in members],
            }
        else:
            items.formats.pop("numeric", None)  # as an element it stays the text that it is
            item = {"name": "item", **inside._type(items, (*path, "[]"), quiet=quiet, own_columns=set())}
            item["description"] = "One element."
        self.left_out |= inside.left_out
        self.personal |= inside.personal
        return {
            "logicalType": Said("array", f"{one.low} to {one.high} elements"),
            "physicalType": "array",
            "items": _in_order(item),
        }


def _personal(holder: Field) -> frozenset[str]:
    """The fields of an object that are personal by themselves."""
    found = ((each, classify((each.name,), dict(each.formats), each.count, ())) for each in holder.members.values())
    return frozenset(each.name for each, (kept, _) in found if kept == "personal")


def _text(one: Field, kinds: set[str], *, quiet: bool) -> Definition:
    all_of = f"{one.count} of {one.count} values"
    span = "" if quiet else f", {one.low} to {one.high}"
    if kinds == {"date"}:
        return {"logicalType": Said("date", f"{all_of} are dates{span}"), "physicalType": "date"}
    if kinds == {"timestamp"}:
        return {
            "logicalType": Said("timestamp", f"{all_of} are times with a zone{span}"),
            "physicalType": "timestamptz",
        }
    (form, often), *_ = one.formats.most_common(1) or [("", 0)]
    size = _size(one)
    options: Definition = {"maxLength": Said(size, f"the longest of {one.count} has {one.longest}")}
    definition: Definition = {
        "logicalType": "string",
        "physicalType": f"varchar({size})",
        "logicalTypeOptions": options,
    }
    always = often == one.count and one.count >= ENOUGH
    name = snake_case(one.name)
    if form == "email" and always and "mail" in name:
        options["pattern"] = Said(formats.EMAIL, f"{all_of}, and the name says so")
    elif form == "uuid" and always:
        options["pattern"] = Said(formats.UUID, f"{all_of} are UUIDs")
    elif form == "code" and always and "currency" in name and one.longest == 3:
        options["pattern"] = Said("^[A-Z]{3}$", f"{all_of}, and the name says so")
    elif not quiet and (choices := closed_set(one)):
        options["pattern"] = Said(
            _one_of(choices), f"{len(choices)} distinct values in {one.count}, each {_OFTEN} times or more"
        )
    if form and "pattern" not in options:
        definition["#"] = [f"{one.name}: {often} of {one.count} values look like {_CALLED[form]}; no rule"]
    if (
        "pattern" not in options
        and not quiet
        and not one.many
        and one.count >= ENOUGH
        and len(one.distinct) < one.count / 2
    ):
        definition.setdefault("#", []).append(
            f"{one.name}: {_plural(len(one.distinct), 'distinct value')} in {one.count}; no rule: there may be others"
        )
    return definition


_CALLED = {
    "email": "e-mail addresses",
    "uuid": "UUIDs",
    "uri": "URLs",
    "ip": "IP addresses",
    "phone": "telephone numbers",
    "local time": "times without a zone, which stay text",
    "numeric": "numbers, which stay text",
    "code": "codes of two or three capitals",
}


def closed_set(one: Field) -> list[str]:
    """The values of a field that is named like a status, if they are few and each is frequent; else none."""
    if one.many or not _CLOSED.search(snake_case(one.name)) or one.count < _STRONG_ENUM:
        return []
    few = 2 <= len(one.distinct) <= _MOST_CHOICES and min(one.distinct.values()) >= _OFTEN
    plain = all(isinstance(value, str) and re.fullmatch(r"[\w .-]{1,40}", value, re.ASCII) for value in one.distinct)
    return sorted(one.distinct) if few and plain else []


def likely_set(one: Field) -> list[str]:
    """The values of a field that is named like a status or category, if they are few: a new one is news, no fault."""
    if one.many or one.count < ENOUGH or not _STATUS.search(snake_case(one.name)) or closed_set(one):
        return []
    plain = all(isinstance(value, str) and value.isprintable() and len(value) <= 40 for value in one.distinct)
    return sorted(one.distinct) if plain and len(one.distinct) <= min(_MOST_CHOICES, one.count / 4) else []


def _one_of(choices: Iterable[str]) -> str:
    return f"^({'|'.join(re.sub(r'([.])', r'[\1]', choice) for choice in choices)})$"


def _size(one: Field) -> int:
    """Room for twice the longest and more; where values have one form, for what is that form's longest."""
    common = {"email": 254, "uri": 2048, "uuid": 36}
    (form, often), *_ = one.formats.most_common(1) or [("", 0)]
    if form in common and often == one.count and one.longest <= common[form]:
        return common[form]
    size = 64
    while size < 2 * one.longest and size < _LONGEST:
        size = min(size * 2, _LONGEST)
    if size < one.longest:
        raise NotEnforceable(f"it has texts of {one.longest} characters, and a column at most {_LONGEST}")
    return size


def _written_number(one: Field, *, quiet: bool) -> Definition:
    definition = _number(one, {"integer", "number"} if one.scale else {"integer"}, one.as_number, quiet)
    if definition["logicalType"].value == "number":
        scale = max(2, one.scale)  # as the source writes it, zeros at the end too
        digits = min(MOST_DIGITS, max(8, one.as_number.whole + 2) + scale)
        definition["physicalType"] = f"decimal({digits},{scale})"
    why = f"{one.count} of {one.count} texts are numbers, and it is called like one"
    definition["logicalType"] = Said(definition["logicalType"].value, why)
    return {**definition, "customProperties": [{"property": "sourceForm", "value": Said("textOrNumber", why)}]}


def _epoch(one: Field, *, quiet: bool) -> Definition:
    span = "" if quiet else f": {_moment(one.low)} to {_moment(one.high)}"
    why = f"{one.count} of {one.count} values are milliseconds since 1970{span}"
    form = {"property": "sourceForm", "value": Said("epochMillis", "named like a time, and too large for seconds")}
    return {"logicalType": Said("timestamp", why), "physicalType": "timestamptz", "customProperties": [form]}


def _moment(millis: int) -> str:
    return datetime.fromtimestamp(millis / 1000, UTC).isoformat(timespec="seconds")


def _number(one: Field, kinds: set[str], shape: Shape, quiet: bool) -> Definition:
    told = shape.definition()  # raises what no number can hold
    seen = (
        f"{one.count} of {one.count} values"
        if quiet
        else f"{one.count} values, {_spelt(one.low)} to {_spelt(one.high)}"
    )
    name = snake_case(one.name)
    if kinds == {"integer"} and _MEASURED.search(name) and shape.whole < MOST_DIGITS - 2:
        digits = min(MOST_DIGITS, max(8, shape.whole + 2) + 2)
        told = {"logicalType": "number", "physicalType": f"decimal({digits},2)"}
        seen += ", all whole; what is called so may have a fraction tomorrow"
    elif told["logicalType"] == "number":
        seen += f", at most {_plural(shape.fraction, 'digit')} after the point"
    definition: Definition = {"logicalType": Said(told["logicalType"], seen), "physicalType": told["physicalType"]}
    if one.low >= 0 and one.count >= ENOUGH and _NOT_NEGATIVE.search(name):
        why = (
            "none is below, and what is called so is not"
            if quiet
            else f"{_spelt(one.low)} is the least of {one.count}, and what is called so is not negative"
        )
        definition["logicalTypeOptions"] = {"minimum": Said(0, why)}
    return definition


def _spelt(number: Any) -> str:
    return f"{number:f}" if isinstance(number, Decimal) else str(number)


def _hold_to_names(name: str, taken: Mapping[str, str]) -> None:
    if not name or len(name) > 255 or not name.isprintable() or any(c in name for c in '"\\'):
        raise NotEnforceable("its name has a quote, a backslash or what cannot be printed, or is too long")
    if name.casefold() in taken:
        raise NotEnforceable(f"databases do not tell it from {taken[name.casefold()]}")


def _in_words(name: str) -> str:
    words = snake_case(name).replace("_", " ").strip() or name
    return words[:1].upper() + words[1:]


def _plural(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


_ORDER = (
    "#", "name", "logicalType", "physicalType", "physicalName", "description", "required", "primaryKey",
    "primaryKeyPosition", "classification", "customProperties", "logicalTypeOptions", "properties", "items",
)  # fmt: skip


def _in_order(definition: Definition) -> Definition:
    return {name: definition[name] for name in _ORDER if name in definition}
