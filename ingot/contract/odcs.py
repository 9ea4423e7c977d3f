"""From a contract back to ODCS: the document of the warehouse table, for tools that hold a database against one.

The stream's own contract says what a *record* is; a table has other columns (flattened, renamed, with lineage, without
secrets), and rows that are no records (deleted keys). ``datacontract test`` of datacontract-cli reads this document.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import yaml

from ingot.contract.lineage import LINEAGE
from ingot.contract.model import Column, Contract, Property, column_name, integer_bits, max_length
from ingot.contract.postgres import column_types, quote
from ingot.naming import table_name

_LOGICAL = {"string": "string", "int64": "integer", "boolean": "boolean", "timestamp": "timestamp"}
_IDENTITY = ("_batch_id", "_line")  # a key comes in many versions: this is what no two rows share


def table_contract(source: str, contract: Contract) -> str:
    """The ODCS document of ``bronze.{source}_{stream}`` on Postgres, as YAML.

    Host, port and database are examples: the tool takes the real ones from ``DATACONTRACT_POSTGRES_HOST``,
    ``…_PORT``, ``…_DATABASE``, ``…_USERNAME`` and ``…_PASSWORD``.
    """
    table = table_name(source, contract.stream)
    types = column_types(contract)
    document = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": f"{contract.id}:bronze",
        "name": f"bronze.{table}",
        "version": contract.version,
        "status": "active",
        "description": {
            "purpose": f"{contract.description.rstrip('.')} and version that was delivered; a row a deleted key.",
            "usage": f'Generated from sources/{source}/{contract.stream}.odcs.yaml by "ingot contract show --as odcs".',
        },
        "servers": [
            {
                "server": "warehouse",
                "type": "postgres",
                "host": "localhost",
                "port": 5432,
                "database": "ingot",
                "schema": "bronze",
            }
        ],
        "schema": [
            {
                "name": contract.stream,
                "physicalName": table,
                "logicalType": "object",
                "physicalType": "table",
                "description": contract.description,
                "properties": [
                    *(_column(column, types[column.name], contract) for column in contract.columns),
                    *(_lineage(name, kind, meaning, types[name]) for name, kind, meaning in LINEAGE),
                    _lineage("_load_id", "int64", "Number of the load into this table, without gaps.", "bigint"),
                ],
            }
        ],
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)


def _column(column: Column, kind: str, contract: Contract) -> dict[str, Any]:
    prop = column.property
    is_key = column.path[0] in contract.primary_key
    entry: dict[str, Any] = {
        "name": column.name,
        "physicalName": column.name,
        "logicalType": prop.logical_type,
        "physicalType": kind,
        "description": " ".join(prop.description.split()),
        "required": is_key,  # also where the key is deleted
        "classification": prop.classification,
    }
    rules = []
    if not column.nullable and not is_key:
        rules.append(_rule(f"{column.name} is there unless the key is deleted", f"{quote(column.name)} IS NULL"))
    if prop.logical_type == "array":
        rules += [_rule(meaning, fault) for meaning, fault in _array_faults(prop, quote(column.name), column.name)]
    elif options := _options(prop):
        entry["logicalTypeOptions"] = options
    return entry | ({"quality": rules} if rules else {})


def _options(prop: Property) -> dict[str, Any]:
    options = prop.logical_type_options
    given = {
        "minimum": options.minimum,
        "maximum": options.maximum,
        "minLength": options.min_length,
        "maxLength": max_length(prop) if prop.logical_type == "string" else None,
        "pattern": options.pattern,
    }
    return {name: value for name, value in given.items() if value is not None}


def _lineage(name: str, kind: str, meaning: str, physical: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": name,
        "physicalName": name,
        "logicalType": _LOGICAL[kind],
        "physicalType": physical,
        "description": meaning,
        "required": True,
        "classification": "internal",
    }
    if name in _IDENTITY:
        entry |= {"primaryKey": True, "primaryKeyPosition": _IDENTITY.index(name) + 1}
    return entry


def _rule(meaning: str, fault: str) -> dict[str, Any]:
    """An ODCS quality rule: no row that is a record is at fault. ``{table}`` is the tool's placeholder."""
    query = f"SELECT count(*) FROM {{table}} WHERE NOT _deleted AND ({fault})"  # noqa: S608 - the contract's own names
    return {"type": "sql", "description": meaning, "query": query, "mustBe": 0}


def _array_faults(prop: Property, value: str, name: str) -> Iterator[tuple[str, str]]:
    # What an array holds has no column, so that ODCS options would not be applied: SQL says it.
    options = prop.logical_type_options
    if options.min_items is not None:
        yield f"{name} has {options.min_items} items or more", f"jsonb_array_length({value}) < {options.min_items}"
    if options.max_items is not None:
        yield f"{name} has {options.max_items} items at most", f"jsonb_array_length({value}) > {options.max_items}"
    assert prop.items is not None
    for meaning, fault in _value_faults(prop.items, "item", f"{name}[]"):
        yield meaning, f"EXISTS (SELECT 1 FROM jsonb_array_elements({value}) AS e(item) WHERE {fault})"  # noqa: S608


def _value_faults(prop: Property, value: str, name: str) -> Iterator[tuple[str, str]]:
    if prop.logical_type == "object":
        for inner in prop.open_properties:
            key = column_name(inner)
            there = f"{value} -> {_text(key)}"
            if inner.required:
                yield f"{name}.{key} is there", f"coalesce({there}, 'null') = 'null'"
            yield from _value_faults(inner, f"({there})", f"{name}.{key}")
        return
    text = f"({value} #>> '{{}}')"
    options = prop.logical_type_options
    if prop.logical_type == "integer":
        limit = 2 ** (integer_bits(prop) - 1)
        yield f"{name} is an integer that fits", f"{text}::numeric NOT BETWEEN {-limit} AND {limit - 1}"
    if options.minimum is not None:
        yield f"{name} is at least {options.minimum}", f"{text}::numeric < {Decimal(str(options.minimum)):f}"
    if options.maximum is not None:
        yield f"{name} is at most {options.maximum}", f"{text}::numeric > {Decimal(str(options.maximum)):f}"
    if options.min_length is not None:
        yield f"{name} has at least {options.min_length} characters", f"char_length({text}) < {options.min_length}"
    if prop.logical_type == "string":
        longest = max_length(prop)
        yield f"{name} has at most {longest} characters", f"char_length({text}) > {longest}"
    if options.pattern is not None:
        yield f"{name} matches {options.pattern}", f"{text} !~ {_text(options.pattern)}"


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
