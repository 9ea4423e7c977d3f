"""A table of the Glue Catalog as Athena reads it: columns, and objects by partition.

Partitions are projected as https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html says,
in the types date, integer, enum and injected; or they are those that the catalog holds.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

from sqlglot import exp

from localcloud.athena.objects import Stored, listed
from localcloud.clients import client

_FORMAT = {"yyyy": r"\d{4}", "MM": r"\d{2}", "dd": r"\d{2}", "HH": r"\d{2}"}
_STRPTIME = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H"}
_RELATIVE = re.compile(r"NOW(?:\s*(?P<sign>[+-])\s*(?P<count>\d+)\s*(?P<unit>YEAR|MONTH|WEEK|DAY|HOUR)S?)?")
_DAYS = {"YEAR": 365.25, "MONTH": 30.4375, "WEEK": 7, "DAY": 1, "HOUR": 1 / 24}


class TableError(Exception):
    """The table is missing, or cannot be read. The message is Athena's reason."""


@dataclass(frozen=True)
class Column:
    """A column with its Hive type."""

    name: str
    hive_type: str

    @cached_property
    def duckdb_type(self) -> str:
        return exp.DataType.build(self.hive_type, dialect="hive").sql("duckdb")


@dataclass(frozen=True)
class CatalogTable:
    """What GetTable says of a table."""

    region: str
    database: str
    name: str
    columns: tuple[Column, ...]
    partition_keys: tuple[Column, ...]
    location: str
    parameters: dict[str, str]

    def objects(self) -> list[tuple[dict[str, str], Stored]]:
        """The objects, each with the values of its partition.

        Raises TableError for a projection that is not understood.
        """
        if not self.partition_keys:
            return [({}, stored) for stored in listed(self.region, *_bucket_and_prefix(self.location))]
        if self.parameters.get("projection.enabled", "").lower() == "true":
            return self._projected()
        return self._stored()

    def _projected(self) -> list[tuple[dict[str, str], Stored]]:
        default = f"{self.location.rstrip('/')}/" + "".join(f"{k.name}=${{{k.name}}}/" for k in self.partition_keys)
        template = self.parameters.get("storage.location.template", default)
        bucket, path = _bucket_and_prefix(template)
        reads = {key.name: self._projection(key.name) for key in self.partition_keys}
        pattern = re.compile(
            "".join(
                f"(?P<{name}>{reads[name][0]})" if name in reads else re.escape(part)
                for part, name in ((part, part[2:-1]) for part in re.split(r"(\$\{[^}]+\})", path))
            )
        )
        found = []
        for stored in listed(self.region, bucket, path.split("${")[0]):
            match = pattern.match(stored.key)
            if match and all(within(match[name]) for name, (_, within) in reads.items()):
                values = {n: self._iso(n, value) for n, value in match.groupdict().items()}
                found.append((values, stored))
        return found

    def _projection(self, name: str) -> tuple[str, Callable[[str], bool]]:
        """What a key's values look like in a path, and whether one is projected."""
        given = {
            option: self.parameters.get(f"projection.{name}.{option}", "")
            for option in ("type", "range", "values", "format", "digits")
        }
        match given["type"].lower():
            case "date":
                first, last = (self._moment(part.strip(), given["format"]) for part in given["range"].split(","))
                pattern = re.sub("yyyy|MM|dd|HH", lambda part: _FORMAT[part[0]], re.escape(given["format"]))
                return pattern, lambda value: first <= self._moment(value, given["format"]) <= last
            case "integer":
                low, high = (int(part) for part in given["range"].split(","))
                return r"-?\d+", lambda value: low <= int(value) <= high
            case "enum":
                values = {value.strip() for value in given["values"].split(",")}
                return "[^/]+", lambda value: value in values
            case "injected":
                return "[^/]+", lambda value: True
            case other:
                raise TableError(
                    f"INVALID_TABLE_PROPERTY: Table {self.database}.{self.name} has the property "
                    f"projection.{name}.type = '{other}', which is none that Athena knows"
                )

    def _moment(self, text: str, layout: str) -> dt.datetime:
        relative = _RELATIVE.fullmatch(text)
        if relative is None:
            strptime = re.sub("yyyy|MM|dd|HH", lambda part: _STRPTIME[part[0]], layout)
            try:
                return dt.datetime.strptime(text, strptime).replace(tzinfo=dt.UTC)
            except ValueError:
                return dt.datetime.max.replace(tzinfo=dt.UTC)  # a folder that is no date: never projected
        days = float(relative["count"] or 0) * _DAYS.get(relative["unit"] or "DAY", 1)
        return dt.datetime.now(dt.UTC) + dt.timedelta(days=-days if relative["sign"] == "-" else days)

    def _iso(self, name: str, value: str) -> str:
        """A projected date in a column of dates is written as SQL reads it."""
        key = next(key for key in self.partition_keys if key.name == name)
        if key.hive_type != "date":
            return value
        return self._moment(value, self.parameters[f"projection.{name}.format"]).date().isoformat()

    def _stored(self) -> list[tuple[dict[str, str], Stored]]:
        pages = (
            client("glue", self.region)
            .get_paginator("get_partitions")
            .paginate(DatabaseName=self.database, TableName=self.name)
        )
        names = [key.name for key in self.partition_keys]
        return [
            (dict(zip(names, partition["Values"], strict=True)), stored)
            for page in pages
            for partition in page["Partitions"]
            for stored in listed(self.region, *_bucket_and_prefix(partition["StorageDescriptor"]["Location"]))
        ]


def read_table(region: str, database: str, name: str) -> CatalogTable:
    """A table by its name; raises TableError."""
    glue: Any = client("glue", region)
    try:
        found = glue.get_table(DatabaseName=database, Name=name)["Table"]
    except glue.exceptions.EntityNotFoundException as error:
        what = f"Table 'awsdatacatalog.{database}.{name}' does not exist"
        raise TableError(f"TABLE_NOT_FOUND: {what}") from error
    descriptor = found.get("StorageDescriptor", {})
    serde = descriptor.get("SerdeInfo", {}).get("SerializationLibrary", "")
    if "parquet" not in serde.lower():
        kind = found.get("TableType") or "table"
        raise TableError(
            f"NOT_SUPPORTED: The local cloud reads tables of Parquet; {database}.{name} is a {kind} "
            f"with the SerDe {serde or 'none'}"
        )
    return CatalogTable(
        region=region,
        database=database,
        name=name,
        columns=_columns(descriptor["Columns"]),
        partition_keys=_columns(found.get("PartitionKeys", [])),
        location=descriptor["Location"],
        parameters=found.get("Parameters", {}),
    )


def partition_path(values: dict[str, str]) -> str:
    """The values as DuckDB finds them in a path."""
    return "".join(f"{name}={quote(value, safe='')}/" for name, value in values.items())


def _columns(described: list[dict[str, Any]]) -> tuple[Column, ...]:
    return tuple(Column(column["Name"].lower(), column["Type"].lower()) for column in described)


def _bucket_and_prefix(location: str) -> tuple[str, str]:
    bucket, _, prefix = location.removeprefix("s3://").partition("/")
    return bucket, prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
