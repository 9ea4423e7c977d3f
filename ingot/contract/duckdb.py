"""From a contract to the DuckDB expressions that read its records out of JSON lines."""

from __future__ import annotations

import msgspec

from ingot.contract.model import Column, Contract, Property, column_name, decimal_shape, integer_bits

_INTEGERS = {16: "SMALLINT", 32: "INTEGER", 64: "BIGINT"}
_PLAIN = {"string": "VARCHAR", "boolean": "BOOLEAN", "date": "DATE"}


def json_columns(contract: Contract) -> str:
    """The ``columns`` argument of ``read_json``: every top-level field but secrets, with its type."""
    entries = (f"{_text(p.name)}: {_text(json_type(p))}" for p in contract.properties if p.classification != "secret")
    return "{" + ", ".join(entries) + "}"


def json_type(prop: Property) -> str:
    """The type of one field as the source names and writes it."""
    if prop.source_form:
        return "VARCHAR" if prop.source_form == "textOrNumber" else "BIGINT"
    match prop.logical_type:
        case "integer":
            return _INTEGERS[integer_bits(prop)]
        case "number":
            shape = decimal_shape(prop)
            return f"DECIMAL({shape[0]},{shape[1]})" if shape else "DOUBLE"
        case "array":
            assert prop.items is not None
            return f"{json_type(prop.items)}[]"
        case "timestamp":
            return "VARCHAR"  # see _renamed
        case "object":
            return f"STRUCT({', '.join(f'{_name(p.name)} {json_type(p)}' for p in prop.open_properties)})"
        case other:
            return _PLAIN[other]


def column_expression(column: Column, row: str) -> str:
    """One refined column, from a row that was read with :func:`json_columns`."""
    value = ".".join((row, *(_name(part) for part in column.path)))
    return f"{_renamed(column.property, value, 0)} AS {_name(column.name)}"


def _renamed(prop: Property, value: str, depth: int) -> str:
    # Inside arrays the source's names become column names too, so that every reader sees one spelling.
    if prop.source_form:
        return _from_source_form(prop, value)
    if prop.logical_type == "array" and prop.items is not None and _is_rewritten(prop.items):
        item = f"x{depth}"
        return f"list_transform({value}, lambda {item}: {_renamed(prop.items, item, depth + 1)})"
    if prop.logical_type == "object":
        parts = (
            f"{_name(column_name(p))} := {_renamed(p, f'{value}.{_name(p.name)}', depth)}" for p in prop.open_properties
        )
        return f"struct_pack({', '.join(parts)})"
    if prop.logical_type == "timestamp":
        # RFC 3339 allows a small t and z, which the gate takes and DuckDB does not.
        return f"upper({value})::TIMESTAMPTZ"
    return value


def _is_rewritten(prop: Property) -> bool:
    return prop.logical_type == "object" or bool(prop.source_form)


def _from_source_form(prop: Property, value: str) -> str:
    if prop.source_form == "textOrNumber":
        plain = msgspec.structs.replace(prop, custom_properties=())
        return f"CAST({value} AS {json_type(plain)})"
    micros = {"epochSeconds": 1_000_000, "epochMillis": 1_000}[prop.source_form]
    moment = f"make_timestamp({value} * {micros})"  # in UTC, as the session is
    return f"CAST({moment} AS {'DATE' if prop.logical_type == 'date' else 'TIMESTAMPTZ'})"


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
