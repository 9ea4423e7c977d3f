"""A result as Athena gives it: the types of its columns, the texts of its values, its rows as CSV."""

from __future__ import annotations

import base64
import csv
import datetime as dt
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from duckdb import DuckDBPyConnection
from duckdb.sqltypes import DuckDBPyType

BIGINTS = range(-(2**63), 2**63)
# DuckDB's name of a type -> Athena's, with the precision that its API gives.
_TYPES = {
    "boolean": ("boolean", 0),
    "tinyint": ("tinyint", 3),
    "smallint": ("smallint", 5),
    "integer": ("integer", 10),
    "bigint": ("bigint", 19),
    "hugeint": ("bigint", 19),  # DuckDB's sum of integers is wider than Trino's, which fails beyond 64 bits
    "ubigint": ("bigint", 19),
    "utinyint": ("bigint", 19),
    "usmallint": ("bigint", 19),
    "uinteger": ("bigint", 19),
    "float": ("float", 17),
    "double": ("double", 17),
    "varchar": ("varchar", 2147483647),
    "json": ("json", 0),
    "uuid": ("uuid", 0),
    "date": ("date", 0),
    "blob": ("varbinary", 1073741824),
    "timestamp": ("timestamp", 3),
    "timestamp_s": ("timestamp", 3),
    "timestamp_ms": ("timestamp", 3),
    "timestamp_ns": ("timestamp", 3),
    "timestamp with time zone": ("timestamp with time zone", 3),
    "time": ("time", 0),
    "list": ("array", 0),
    "array": ("array", 0),
    "struct": ("row", 0),
    "map": ("map", 0),
}
Value = str | None


class UnknownType(Exception):
    """A column of a type that Athena has not."""


@dataclass(frozen=True)
class Result:
    """The columns as `ColumnInfo` describes them, and the rows as texts; a missing value is None."""

    columns: list[dict[str, Any]]
    rows: list[list[Value]]

    def csv(self) -> bytes:
        """As Athena writes it: every value in quotes, and nothing at all for one that is missing."""
        lines = [[column["Name"] for column in self.columns], *self.rows]
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_NOTNULL, lineterminator="\n")
        writer.writerows(lines)
        return text.getvalue().encode()

    def page(self, start: int, size: int) -> list[dict[str, Any]]:
        """Rows of GetQueryResults, of which the first is the header."""
        lines: Iterable[list[Value]] = [[column["Name"] for column in self.columns], *self.rows][start : start + size]
        return [{"Data": [{} if value is None else {"VarCharValue": value} for value in line]} for line in lines]


def read_result(connection: DuckDBPyConnection) -> Result:
    """What the statement that the connection just ran gives; raises UnknownType, and OverflowError as Trino does."""
    described = connection.description or []
    columns = [_column(name, kind) for name, kind, *_ in described]
    rows = [
        [text(value, column["Type"], column["Scale"]) for value, column in zip(row, columns, strict=True)]
        for row in connection.fetchall()
    ]
    return Result(columns, rows)


def _column(name: str, kind: DuckDBPyType) -> dict[str, Any]:
    scale = 0
    if kind.id == "decimal":
        shape = dict(kind.children)
        athena, precision, scale = "decimal", shape["precision"], shape["scale"]
    elif kind.id == "null":
        athena, precision = "unknown", 0
    elif str(kind).lower() in _TYPES or kind.id in _TYPES:
        athena, precision = _TYPES.get(str(kind).lower()) or _TYPES[kind.id]
    else:
        raise UnknownType(f"NOT_SUPPORTED: Column {name} has the type {kind}, which Athena has not")
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name.lower(),
        "Label": name.lower(),
        "Type": athena,
        "Precision": precision,
        "Scale": scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": athena == "varchar",
    }


def text(value: Any, kind: str = "", scale: int = 0) -> Value:
    """A value as it stands in the CSV; inside of lists and rows a missing one is `null`."""
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case int() if kind == "bigint" and value not in BIGINTS:
            raise OverflowError(f"NUMERIC_VALUE_OUT_OF_RANGE: bigint overflow: {value}")
        case float():
            return _double(value)
        case Decimal():
            return f"{value:f}" if not scale else f"{value:.{scale}f}"
        case dt.datetime():
            zone = " UTC" if value.tzinfo else ""
            return f"{value.strftime('%Y-%m-%d %H:%M:%S')}.{value.microsecond // 1000:03d}{zone}"
        case bytes():
            return " ".join(f"{byte:02x}" for byte in value)
        case list() | tuple():
            return f"[{', '.join(_inner(item) for item in value)}]"
        case dict():
            return f"{{{', '.join(f'{name}={_inner(item)}' for name, item in value.items())}}}"
        case _:
            return str(value)


def _inner(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    written = text(value)
    return "null" if written is None else written


def _double(value: float) -> str:
    # As Java writes it: an exponent below a thousandth and from ten million on.
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return f"{value!r}" if "e" not in repr(value) else f"{value:f}"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    mantissa = "".join(map(str, digits))
    return f"{'-' if sign else ''}{mantissa[0]}.{mantissa[1:] or '0'}E{exponent + len(mantissa) - 1}"
