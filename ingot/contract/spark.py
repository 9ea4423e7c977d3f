"""From a contract to the Spark expressions that read its records out of JSON lines: see :mod:`ingot.contract.duckdb`.

None of them fails: an error of Spark's quotes the value, and what Spark says is in the logs of a cluster. What does not
fit is NULL, and :func:`fits` says so. Times and decimals are read as the gate allows them, which at the edges is not as
Spark does it (offsets above 18 hours, large exponents). The session is in UTC and tells names apart by their case.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ingot.contract.model import Column, Contract, Property, column_name, decimal_shape, integer_bits

CORRUPT = "ingot.corrupt"
"""The field that Spark fills where a line does not fit the schema: no contract's name, since columns have no point."""

_INTEGERS = {16: "SMALLINT", 32: "INT", 64: "BIGINT"}
_PLAIN = {"string": "STRING", "boolean": "BOOLEAN", "date": "STRING", "timestamp": "STRING"}
_ZONE = "([Zz]|[+-][0-9]{2}:?[0-9]{2})$"
_MICROS = {"epochSeconds": 1_000_000, "epochMillis": 1_000}


def json_schema(contract: Contract) -> str:
    """The schema of ``from_json``: every top-level field but secrets, with its type, and :data:`CORRUPT`."""
    fields = _fields(tuple(p for p in contract.properties if p.classification != "secret"))
    return f"{fields}, {_name(CORRUPT)} STRING"


def column_expression(column: Column, row: str) -> str:
    """One refined column, from a record that was read with :func:`json_schema`."""
    return f"{_refined(column.property, _value(column, row), 0)} AS {_name(column.name)}"


def fits(contract: Contract, row: str) -> str:
    """Whether a record is what the contract says: none of its values became NULL."""
    columns = (rule for column in contract.columns for rule in _fits(column.property, _value(column, row), 0))
    return " AND ".join((f"{row}.{_name(CORRUPT)} IS NULL", *columns))


def _json_type(prop: Property) -> str:
    """The type of one field as the source names and writes it."""
    if prop.source_form:
        return "STRING" if prop.source_form == "textOrNumber" else "BIGINT"
    match prop.logical_type:
        case "array":
            assert prop.items is not None
            return f"ARRAY<{_json_type(prop.items)}>"
        case "object":
            return f"STRUCT<{_fields(prop.open_properties)}>"
        case _:
            return _scalar(prop)


def _scalar(prop: Property) -> str:
    match prop.logical_type:
        case "integer":
            return _INTEGERS[integer_bits(prop)]
        case "number":
            return "DOUBLE"  # it holds every digit that a contract may ask for
        case other:
            return _PLAIN[other]


def _refined(prop: Property, value: str, depth: int) -> str:
    if prop.logical_type == "array" and prop.items is not None:
        item = f"x{depth}"
        return f"transform({value}, {item} -> {_refined(prop.items, item, depth + 1)})"
    if prop.logical_type == "object":
        # Inside arrays the source's names become column names too, so that every reader sees one spelling.
        parts = (f"{text(column_name(p))}, {_refined(p, inner, depth)}" for p, inner in _inner(prop, value))
        return f"named_struct({', '.join(parts)})"
    return _converted(prop, value) or value


def _fits(prop: Property, value: str, depth: int) -> Iterator[str]:
    if prop.logical_type == "array" and prop.items is not None:
        item = f"x{depth}"
        if rules := " AND ".join(_fits(prop.items, item, depth + 1)):
            yield f"coalesce(forall({value}, {item} -> {rules}), true)"
    elif prop.logical_type == "object":
        for p, inner in _inner(prop, value):
            yield from _fits(p, inner, depth)
    elif converted := _converted(prop, value):
        yield f"({value} IS NULL OR {converted} IS NOT NULL)"


def _converted(prop: Property, value: str) -> str | None:
    """One value as its column has it; None if it is read so."""
    if prop.source_form in _MICROS:
        moment = f"timestamp_micros(try_multiply({value}, {_MICROS[prop.source_form]}L))"  # in UTC, as the session is
        return f"try_cast({moment} AS DATE)" if prop.logical_type == "date" else moment
    plain = msgspec.structs.replace(prop, custom_properties=())
    found = f"try_cast({value} AS {_scalar(plain)})" if prop.source_form and prop.logical_type != "string" else value
    if shape := decimal_shape(plain) if prop.logical_type == "number" else None:
        return f"try_cast({found} AS DECIMAL({shape[0]},{shape[1]}))"
    if prop.logical_type == "date":
        return f"try_cast({value} AS DATE)"
    if prop.logical_type == "timestamp":
        return _moment(value)
    return None if found is value else found


def _moment(value: str) -> str:
    zone = f"regexp_extract({value}, {text(_ZONE)}, 1)"
    local = f"try_cast(upper(concat(left({value}, length({value}) - length({zone})), 'Z')) AS TIMESTAMP)"
    minutes = f"(try_cast(substr({zone}, 2, 2) AS INT) * 60 + try_cast(right({zone}, 2) AS INT))"
    east = f"IF(left({zone}, 1) = '-', -{minutes}, {minutes})"
    return (
        f"CASE WHEN right({value}, 1) IN ('Z', 'z') THEN try_cast(upper({value}) AS TIMESTAMP) "
        f"ELSE timestamp_micros(unix_micros({local}) - {east} * 60000000L) END"
    )


def _inner(prop: Property, value: str) -> Iterator[tuple[Property, str]]:
    return ((p, f"{value}.{_name(p.name)}") for p in prop.open_properties)


def _value(column: Column, row: str) -> str:
    return ".".join((row, *(_name(part) for part in column.path)))


def _fields(properties: tuple[Property, ...]) -> str:
    return ", ".join(f"{_name(p.name)} {_json_type(p)}" for p in properties)


def _name(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def text(value: str) -> str:
    """A text of Spark's SQL."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
