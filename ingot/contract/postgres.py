"""From a contract to the DDL of its table in a Postgres warehouse."""

from __future__ import annotations

from ingot.contract.lineage import LINEAGE
from ingot.contract.model import Column, Contract, decimal_shape, integer_bits, max_length

_INTEGERS = {16: "smallint", 32: "integer", 64: "bigint"}
_PLAIN = {"boolean": "boolean", "date": "date", "timestamp": "timestamptz", "array": "jsonb"}
_LINEAGE = {
    "_batch_id": "varchar(256)",
    "_line": "bigint",
    "_ingested_at": "timestamptz",
    "_record_hash": "char(64)",
    "_deleted": "boolean",
}


def column_types(contract: Contract) -> dict[str, str]:
    """Name and type of every column that refine writes, in its order."""
    types = {column.name: column_type(column) for column in contract.columns}
    return types | {name: _LINEAGE[name] for name, _, _ in LINEAGE}


def column_type(column: Column) -> str:
    """The Postgres type of one column; strings are sized as the contract says, arrays are ``jsonb``."""
    prop = column.property
    match prop.logical_type:
        case "integer":
            return _INTEGERS[integer_bits(prop)]
        case "number":
            shape = decimal_shape(prop)
            return f"numeric({shape[0]},{shape[1]})" if shape else "double precision"
        case "string":
            return f"varchar({max_length(prop)})"
        case other:
            return _PLAIN[other]


def create_table(contract: Contract, table: str, schema: str = "bronze") -> list[str]:
    """Statements that make the table, or bring an older one up to the contract; harmless to repeat.

    A column that the contract gained is added. Columns are nullable there, since older rows lack the new ones;
    what must not be null was refused at the gate.
    """
    types = column_types(contract) | {"_load_id": "bigint"}
    types["_deleted"] += " DEFAULT false"  # for the rows of a table that is older than the column
    columns = ", ".join(f"{quote(name)} {kind}" for name, kind in types.items())
    name = f"{schema}.{quote(table)}"
    return [
        f"CREATE TABLE IF NOT EXISTS {name} ({columns})",
        *(f"ALTER TABLE {name} ADD COLUMN IF NOT EXISTS {quote(n)} {k}" for n, k in types.items()),
    ]


def create_indexes(contract: Contract, table: str, schema: str = "bronze") -> list[str]:
    """Statements that make the table's indexes, as far as they are not there.

    To build one over rows that are there takes half as long as to add these rows to it one by one.
    """
    key = ", ".join(quote(c.name) for c in contract.columns if c.path[0] in contract.primary_key)
    name = f"{schema}.{quote(table)}"
    return [
        f"CREATE INDEX IF NOT EXISTS {quote(f'{table}_key')} ON {name} ({key})",
        f"CREATE INDEX IF NOT EXISTS {quote(f'{table}_batch')} ON {name} (_batch_id)",
        f"CREATE INDEX IF NOT EXISTS {quote(f'{table}_load')} ON {name} (_load_id)",
    ]


def quote(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
