"""Contracts as the library sees them: what a stream's ODCS file says, checked once.

The file format is the Open Data Contract Standard v3.1 (bitol.io). Only the parts that describe records are
read here; a constraint that the gate does not know is an error, never ignored, since a contract that is
half enforced is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec

from ingot.contract import checks
from ingot.documents import read_bytes, read_document
from ingot.errors import ConfigurationError

LogicalType = Literal["string", "integer", "number", "boolean", "date", "timestamp", "object", "array"]

EPOCH_UNITS = {"epochSeconds": timedelta(seconds=1), "epochMillis": timedelta(milliseconds=1)}
"""What whole numbers since 1970 count, by the ``sourceForm`` of a timestamp or date."""

_DECIMAL = re.compile(r"(?:decimal|numeric)\((\d+),\s*(\d+)\)", re.IGNORECASE)
_SIZED = re.compile(r"(?:var)?char\((\d+)\)", re.IGNORECASE)
_INTEGERS = {"smallint": 16, "integer": 32, "int": 32, "bigint": 64}
# A JSON number reaches Parquet through a double; up to 15 significant digits survive that unchanged.
_MAX_PRECISION = 15


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """ODCS ``logicalTypeOptions``: the constraints that the gate enforces.

    Attributes:
        minimum, maximum: of a number.
        min_length, max_length: of a text, in characters.
        pattern: a regular expression (RE2) that a text must hold somewhere; ``^`` and ``$`` tie it to the ends.
        min_items, max_items: of a list.
    """

    minimum: float | int | None = None
    maximum: float | int | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    min_items: int | None = None
    max_items: int | None = None


class _Custom(msgspec.Struct, frozen=True):
    """What ODCS has no word for.

    Attributes:
        property: its name.
        value: what it is set to.
    """

    property: str
    value: Any


class Property(msgspec.Struct, frozen=True, rename="camel"):
    """One ODCS property as written in the file.

    Attributes:
        name: the field, as the source spells it.
        logical_type: what it is.
        physical_type: the column's type: ``varchar(n)``, ``smallint``, ``integer``, ``bigint``, ``decimal(p,s)`` or
            ``double``.
        physical_name: the column's name, where it is not the path in snake_case.
        description: what it means, for people.
        required: a record without it is refused; null counts as missing.
        primary_key: it is part of what identifies a record.
        classification: ``public``, ``internal``, ``confidential``, ``personal``, or ``secret``: cut out at the gate.
        logical_type_options: what its values must be.
        properties: the fields of an object.
        items: the elements of an array.
        custom_properties: ``sparse: true`` says that whole batches may lack an optional field: that is no drift.
            ``sourceForm`` says how the source writes a value that is not as its type is written: ``epochMillis`` or
            ``epochSeconds`` for a timestamp, or for a date (the day in UTC on which it falls), as whole numbers since
            1970; ``textOrNumber`` for a string, an integer or a number that comes as either: ``"12.5"`` and 12.5.
    """

    name: str
    logical_type: LogicalType
    physical_type: str = ""
    physical_name: str | None = None
    description: str = ""
    required: bool = False
    primary_key: bool = False
    classification: str = "internal"
    logical_type_options: Options = Options()
    properties: tuple[Property, ...] = ()
    items: Property | None = None
    custom_properties: tuple[_Custom, ...] = ()

    @property
    def sparse(self) -> bool:
        """Whether whole batches may lack it without a word."""
        return any(custom.property == "sparse" and custom.value is True for custom in self.custom_properties)

    @property
    def source_form(self) -> str:
        """How the source writes it, where that is not as its type is written; else empty."""
        return next((str(custom.value) for custom in self.custom_properties if custom.property == "sourceForm"), "")

    @property
    def open_properties(self) -> tuple[Property, ...]:
        """Its fields without the secret ones: what there is behind the gate."""
        return tuple(p for p in self.properties if p.classification != "secret")


class _Schema(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    properties: tuple[Property, ...]
    description: str = ""


class _Document(msgspec.Struct, frozen=True, rename="camel"):
    api_version: str
    kind: Literal["DataContract"]
    id: str
    version: str
    schema: tuple[_Schema, ...]
    name: str = ""
    description: dict[str, Any] = {}
    custom_properties: tuple[_Custom, ...] = ()


class Column(msgspec.Struct, frozen=True):
    """One column of the refined table: a leaf of the record, or an array kept whole.

    Attributes:
        name: the column, in snake_case.
        path: the keys that lead to the value in a record.
        property: what the contract says of it.
        nullable: whether a record may lack it, itself or an object around it.
    """

    name: str
    path: tuple[str, ...]
    property: Property
    nullable: bool


class Contract(msgspec.Struct, frozen=True):
    """What a stream's records must be.

    Attributes:
        stream: the name of the stream (ODCS: the schema object).
        id: the contract's URN.
        version: the contract's semantic version; manifests record it.
        description: "One record per …".
        max_reject_rate: the share of refused records (0 to 1) above which a batch is not published.
        properties: the fields of a record.
        about: the document's own description, by ``purpose``, ``usage`` and ``limitations``.
    """

    stream: str
    id: str
    version: str
    description: str
    max_reject_rate: float
    properties: tuple[Property, ...]
    about: dict[str, Any] = {}

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The names of the top-level fields that identify a record."""
        return tuple(p.name for p in self.key_properties)

    @property
    def key_properties(self) -> tuple[Property, ...]:
        """The top-level fields that identify a record."""
        return tuple(p for p in self.properties if p.primary_key)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the refined table, in the contract's order, without secrets."""
        return tuple(_columns(self.properties, (), nullable=False))

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the fields that must never leave the gate."""
        return frozenset(p.name for p in walk(self.properties) if p.classification == "secret")


def load_contract(text: str | bytes, *, origin: str) -> Contract:
    """Read and check one contract.

    Args:
        text: the YAML of an ODCS v3.1 document with exactly one schema object.
        origin: where the text came from, for messages.

    Raises:
        ConfigurationError: the document is no contract, or asks for what the gate cannot enforce.
    """
    raw = read_document(text, origin=origin)
    try:
        document = msgspec.convert(raw, _Document)
    except msgspec.ValidationError as error:
        raise _wrong(origin, str(error)) from error
    if not document.api_version.startswith("v3."):
        raise _wrong(origin, f"apiVersion is {document.api_version}; v3.1.0 is read here")
    if len(document.schema) != 1:
        raise _wrong(origin, f"it describes {len(document.schema)} objects; one stream has one contract")
    custom = {c.property: c.value for c in document.custom_properties}
    rate = custom.get("maxRejectRate", 0.0)
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
        raise _wrong(origin, f"maxRejectRate is {rate!r}; it is a share from 0 to 1")
    schema = document.schema[0]
    contract = Contract(
        stream=schema.name,
        id=document.id,
        version=document.version,
        description=schema.description,
        max_reject_rate=float(rate),
        properties=schema.properties,
        about=document.description,
    )
    for fault in _faults(contract, raw):
        raise _wrong(origin, fault)
    return contract


def read_contract(path: Path) -> Contract:
    """:func:`load_contract` of a file.

    Raises:
        ConfigurationError: as there, or the file cannot be read.
    """
    return load_contract(read_bytes(path), origin=str(path))


def snake_case(name: str) -> str:
    """``userId`` → ``user_id``, ``__v`` → ``v``: leading underscores belong to the lineage columns."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^0-9A-Za-z]+", "_", name)
    return spaced.strip("_").lower()


def column_name(prop: Property, prefix: tuple[str, ...] = ()) -> str:
    """The column of a field: its ``physicalName``, or its path in snake_case."""
    return prop.physical_name or "_".join(snake_case(part) for part in (*prefix, prop.name))


def decimal_shape(prop: Property) -> tuple[int, int] | None:
    """Precision and scale of a ``decimal(p,s)``; None for other types."""
    match = _DECIMAL.fullmatch(prop.physical_type)
    return (int(match[1]), int(match[2])) if match else None


def integer_bits(prop: Property) -> int:
    """16, 32 or 64."""
    return _INTEGERS.get(prop.physical_type.lower(), 64)


def max_length(prop: Property) -> int | None:
    """The most characters that a string may have: the tighter of the option and the sized column."""
    match = _SIZED.fullmatch(prop.physical_type)
    bounds = [n for n in (prop.logical_type_options.max_length, int(match[1]) if match else None) if n is not None]
    return min(bounds) if bounds else None


def walk(properties: tuple[Property, ...]) -> Iterator[Property]:
    """Every property, those of objects and the items of arrays among them."""
    for prop in properties:
        yield prop
        yield from walk(prop.properties)
        if prop.items is not None:
            yield from walk((prop.items,))


def _columns(properties: tuple[Property, ...], prefix: tuple[str, ...], *, nullable: bool) -> Iterator[Column]:
    for prop in properties:
        if prop.classification == "secret":
            continue
        maybe = nullable or not prop.required
        if prop.logical_type == "object":
            yield from _columns(prop.properties, (*prefix, prop.name), nullable=maybe)
        else:
            yield Column(column_name(prop, prefix), (*prefix, prop.name), prop, maybe)


def _faults(contract: Contract, raw: dict[str, Any]) -> Iterator[str]:
    if not checks.is_stream_name(contract.stream):
        yield f"its schema object is called {contract.stream[:64]!r}; a stream has small letters, digits and _"
    if not 0 < len(contract.version) <= 32:
        yield "its version has 1 to 32 characters"
    yield from checks.unread_words(raw)
    yield from checks.faults(contract.properties)
    for prop in walk(contract.properties):
        yield from _type_faults(prop)
        if prop.items is not None:
            for struct in walk((prop.items,)):
                yield from checks.column_faults([column_name(p) for p in struct.open_properties])
    if not contract.primary_key:
        yield "no property has primaryKey: true; Silver could not tell records apart"
    yield from checks.column_faults([c.name for c in contract.columns])


def _type_faults(prop: Property) -> Iterator[str]:
    where = f"property {prop.name}"
    if prop.logical_type == "number":
        shape = decimal_shape(prop)
        if shape is None and prop.physical_type.lower() not in ("double", "double precision", "float8"):
            yield f"{where} is a number; its physicalType is decimal(p,s) or double"
        if shape and not (0 <= shape[1] <= shape[0] <= _MAX_PRECISION and shape[0]):
            yield f"{where}: decimals have 1 to {_MAX_PRECISION} digits"
    if prop.logical_type == "integer" and prop.physical_type.lower() not in _INTEGERS:
        yield f"{where} is an integer; its physicalType is one of {sorted(_INTEGERS)}"
    if prop.logical_type == "string" and max_length(prop) is None:
        yield f"{where} is a string without a size; give varchar(n)"


def _wrong(origin: str, reason: str) -> ConfigurationError:
    return ConfigurationError(f"{origin} is no contract that can be enforced: {reason}.", hint="correct the file")
