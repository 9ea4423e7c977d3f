"""From a contract to msgspec types: the compiled validator.

msgspec builds one decoder per type in C, so that nested records are checked while they are parsed, with no
interpretation per record. Records decode into structs whose attributes are ``f0, f1, …``; nobody reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from typing import Annotated, Any

import msgspec

from ingot.contract.model import Property, decimal_shape, integer_bits, max_length
from ingot.gate.limits import MOST_LEVELS, is_deeper
from ingot.gate.mixed import is_mixed, plain

Path = tuple[str, ...]
"""Keys from the record to an object; the elements of an array are reached by ``[]``."""

Tolerated = Mapping[Path, frozenset[str]]
"""Names that the contract does not know, by the object that holds them, and that are let through."""

EPOCH_BOUNDS = {  # the years 1 to 9999, in UTC
    "epochSeconds": (-62_135_596_800, 253_402_300_799),
    "epochMillis": (-62_135_596_800_000, 253_402_300_799_999),
}

EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
"""Between these a moment is one in UTC too."""

_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
_NONE = (b"", b"null")
_MOST_DIGITS = 1000  # of one decimal as it is written; more is no amount, and leaves what Decimal can hold


def record_type(properties: tuple[Property, ...], tolerated: Tolerated, path: Path = ()) -> type:
    """The struct of one object; a key that is neither in the contract nor tolerated is an error."""
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    rename: dict[str, str] = {}
    decimals: list[tuple[str, Property]] = []
    for index, prop in enumerate(properties):
        attribute = f"f{index}"
        rename[attribute] = prop.name
        if is_decimal(prop) or is_mixed(prop):
            decimals.append((attribute, prop))
            fields.append((attribute, msgspec.Raw) if prop.required else (attribute, msgspec.Raw, msgspec.Raw()))
            continue
        kind = _value_type(prop, tolerated, path)
        fields.append((attribute, kind) if prop.required else (attribute, kind | None, None))
    unknown = {f"u{index}": name for index, name in enumerate(sorted(tolerated.get(path, ())))}
    rename |= unknown
    fields.extend((attribute, Any, None) for attribute in unknown)
    required_first = sorted(fields, key=len)
    check = _check(decimals, tuple(unknown), MOST_LEVELS - len(path) - 1)
    namespace = {"__post_init__": check} if decimals or unknown else {}
    name = "_".join(part for part in ("record", *path) if part.isidentifier())
    return msgspec.defstruct(
        name,
        required_first,
        rename=rename,
        forbid_unknown_fields=True,
        omit_defaults=True,  # encoded again, a record has each key once that was there: the gate counts them
        namespace=namespace,
        gc=False,
    )


def leaf_type(prop: Property) -> Any:
    """The type of a value that is no object, array or decimal, with all its bounds but the pattern."""
    options = prop.logical_type_options
    match prop.logical_type:
        case "integer":
            limit = 2 ** (integer_bits(prop) - 1)
            low = -limit if options.minimum is None else max(-limit, int(options.minimum))
            high = limit - 1 if options.maximum is None else min(limit - 1, int(options.maximum))
            return Annotated[int, msgspec.Meta(ge=low, le=high)]
        case "number":
            return Annotated[float, msgspec.Meta(ge=options.minimum, le=options.maximum)]
        case "string":
            meta = msgspec.Meta(min_length=options.min_length, max_length=max_length(prop))
            return Annotated[str, meta]
        case "timestamp" | "date" if prop.source_form:
            low, high = EPOCH_BOUNDS[prop.source_form]
            return Annotated[int, msgspec.Meta(ge=low, le=high)]
        case "timestamp":
            return Annotated[datetime, msgspec.Meta(tz=True)]
        case "date":
            return date
        case "boolean":
            return bool
        case other:
            raise AssertionError(f"{other} is no leaf")


def values_at(records: list[Any], place: Path) -> list[Any]:
    """What is not null at one place of decoded records, in any order; see :func:`leaves`."""
    for attribute in place:
        if attribute == "[]":
            records = [element for record in records for element in record]
        else:
            records = [value for record in records if (value := getattr(record, attribute)) is not None]
    return records


def texts(records: list[Any], place: Path) -> list[str]:
    """The texts at one place of decoded records, as :func:`values_at` finds them."""
    values = values_at(records, place)
    if values and isinstance(values[0], msgspec.Raw):  # of a field that may be text or a number
        return [_spelt(raw) for value in values if (raw := bytes(value).strip()) not in _NONE]
    return values


def _spelt(raw: bytes) -> str:
    return msgspec.json.decode(raw, type=str) if raw[:1] == b'"' else raw.decode()


def leaves(properties: tuple[Property, ...], place: Path = ()) -> Iterator[tuple[Path, Property]]:
    """The fields that hold no object, and where their values stand, by the attributes of :func:`record_type`."""
    for index, prop in enumerate(properties):
        here, inner = (*place, f"f{index}"), prop
        if prop.items is not None:
            here, inner = (*here, "[]"), prop.items
        if inner.logical_type == "object":
            yield from leaves(inner.properties, here)
        else:
            yield here, inner


def is_decimal(prop: Property) -> bool:
    """Whether a field is a decimal: it is kept as its source's digits, never as a float."""
    return prop.logical_type == "number" and decimal_shape(prop) is not None


def decimal_fault(prop: Property, raw: bytes) -> tuple[str, str] | None:
    """Rule and reason if a JSON value is not a decimal as the contract wants it, else None."""
    shape = decimal_shape(prop)
    assert shape is not None
    precision, scale = shape
    if not _NUMBER.fullmatch(raw):
        kind = json_type(raw)
        if kind == "number":
            return "format", "Expected an exponent of at most 3 digits"
        return "type", f"Expected `number`, got `{kind}`"
    if len(raw) > _MOST_DIGITS:
        return "format", f"Expected a number of at most {_MOST_DIGITS} characters"
    value = Decimal(raw.decode())
    _, digits, exponent = value.normalize(Context(prec=len(raw))).as_tuple()
    assert isinstance(exponent, int)
    if -exponent > scale:
        return "scale", f"Expected at most {scale} digits after the point"
    if value and len(digits) + exponent > precision - scale:
        return "precision", f"Expected at most {precision - scale} digits before the point"
    options = prop.logical_type_options
    if options.minimum is not None and value < Decimal(str(options.minimum)):
        return "minimum", f"Expected `number` >= {options.minimum}"
    if options.maximum is not None and value > Decimal(str(options.maximum)):
        return "maximum", f"Expected `number` <= {options.maximum}"
    return None


def json_type(raw: bytes) -> str:
    """The JSON type of a value, by its first byte."""
    first = raw.lstrip()[:1]
    names = {b'"': "string", b"{": "object", b"[": "array", b"t": "boolean", b"f": "boolean", b"n": "null"}
    return names.get(first, "number")


def _value_type(prop: Property, tolerated: Tolerated, path: Path) -> Any:
    if prop.logical_type == "object":
        return record_type(prop.properties, tolerated, (*path, prop.name))
    if prop.logical_type == "array":
        assert prop.items is not None
        options = prop.logical_type_options
        items = prop.items
        if items.logical_type == "object":
            element = record_type(items.properties, tolerated, (*path, prop.name, "[]"))
        else:
            element = _value_type(items, tolerated, (*path, prop.name, "[]"))
        return Annotated[list[element], msgspec.Meta(min_length=options.min_items, max_length=options.max_items)]  # type: ignore[valid-type]
    return leaf_type(prop)


def _check(decimals: list[tuple[str, Property]], unknown: tuple[str, ...], levels: int) -> Any:
    mixed = {attribute: _mixed_decoder(prop) for attribute, prop in decimals if is_mixed(prop)}

    def check(self: Any) -> None:
        for attribute, prop in decimals:
            raw = bytes(getattr(self, attribute))
            if not prop.required and raw in _NONE:
                continue
            decoder = None
            if attribute in mixed:
                raw, decoder = plain(prop, raw), mixed[attribute]
            if decoder is not None:
                decoder.decode(raw)
                continue
            fault = decimal_fault(prop, raw)
            if fault:
                raise ValueError(f"{fault[1]} - at `{prop.name}`")
        for attribute in unknown:
            value = getattr(self, attribute)
            if isinstance(value, dict | list) and is_deeper(value, levels):
                raise ValueError("Nested too deeply")

    return check


def _mixed_decoder(prop: Property) -> msgspec.json.Decoder[Any] | None:
    """What holds a value of the field's own type to its bounds; None for a decimal, which has its own way."""
    return None if is_decimal(prop) else msgspec.json.Decoder(leaf_type(prop))
