"""A table of the catalog as a view of DuckDB."""

from __future__ import annotations

from duckdb import DuckDBPyConnection

from localcloud.athena.catalog import CatalogTable, TableError, partition_path
from localcloud.athena.objects import ScannedObjects

TIMESTAMP, TIMESTAMPTZ = "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")


def make_view(connection: DuckDBPyConnection, objects: ScannedObjects, table: CatalogTable) -> CatalogTable:
    """The view `database`.`name` of a table, with the columns that the catalog declares; returns the table.

    Raises TableError for Parquet of other types.
    """
    urls = [
        objects.add(f"{table.database}.{table.name}/{partition_path(values)}{place:06d}", stored)
        for place, (values, stored) in enumerate(table.objects())
    ]
    keys = ", ".join(f"{_quote(key.name)}: {key.duckdb_type}" for key in table.partition_keys)
    read = "read_parquet(?, union_by_name = true, hive_partitioning = false)"
    if keys:
        read = f"read_parquet(?, union_by_name = true, hive_partitioning = true, hive_types = {{{keys}}})"
    rows = connection.sql(f"SELECT * FROM {read}", params=[urls]) if urls else None  # noqa: S608
    there = dict(zip(map(str.lower, rows.columns), map(str, rows.types), strict=True)) if rows else {}
    selected = [
        f"{_value(connection, table, column.name, column.duckdb_type, there.get(column.name))} AS {_quote(column.name)}"
        for column in table.columns
    ]
    selected += [
        _quote(key.name) if rows else f"NULL::{key.duckdb_type} AS {_quote(key.name)}" for key in table.partition_keys
    ]
    listed = "[" + ", ".join("'" + url.replace("'", "''") + "'" for url in urls) + "]"
    source = f"FROM {read.replace('?', listed, 1)}" if rows else "WHERE false"
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_quote(table.database)}")
    connection.execute(
        f"CREATE OR REPLACE VIEW {_quote(table.database)}.{_quote(table.name)} AS SELECT {', '.join(selected)} {source}"
    )
    return table


def _value(connection: DuckDBPyConnection, table: CatalogTable, name: str, declared: str, there: str | None) -> str:
    if there is None:
        return f"NULL::{declared}"  # a column that the objects lack, as those of before it was added
    ((wanted,),) = connection.execute(f"SELECT typeof(NULL::{declared})").fetchall()
    if there == wanted:
        return _quote(name)
    if wanted == TIMESTAMP and there in (TIMESTAMP, TIMESTAMPTZ):
        return f"{_quote(name)}::TIMESTAMP"
    widened = there in _INTEGERS and wanted in _INTEGERS and _INTEGERS.index(there) < _INTEGERS.index(wanted)
    nested = there.startswith("STRUCT") and wanted.startswith("STRUCT")
    if widened or nested:
        return f"{_quote(name)}::{declared}"
    raise TableError(
        f"HIVE_BAD_DATA: Field {name}'s type {there} in the parquet files of {table.database}.{table.name} is "
        f"incompatible with type {declared.lower()} defined in table schema"
    )


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
