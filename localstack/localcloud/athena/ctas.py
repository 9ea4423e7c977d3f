"""CREATE TABLE AS SELECT: Parquet below `external_location`, and a table of the Glue Catalog over it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from duckdb import DuckDBPyConnection
from sqlglot import exp

from localcloud.athena.translate import QueryError
from localcloud.clients import client

if TYPE_CHECKING:
    from localcloud.athena.execution import Execution

_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"
_CODECS = {"SNAPPY": "SNAPPY", "GZIP": "GZIP", "ZSTD": "ZSTD", "UNCOMPRESSED": "UNCOMPRESSED", "NONE": "UNCOMPRESSED"}


def create_table(connection: DuckDBPyConnection, sql: str, create: exp.Create, execution: Execution) -> None:
    """Run the query, write its rows, make the table; raises QueryError for properties that are not understood."""
    properties = _properties(create)
    kind = properties.pop("format", "PARQUET").upper()
    codec = properties.pop("write_compression", properties.pop("parquet_compression", "GZIP")).upper()
    location = properties.pop("external_location", execution.output)
    if kind != "PARQUET" or codec not in _CODECS or properties:
        raise QueryError(
            "NOT_SUPPORTED: The local cloud's CREATE TABLE AS writes Parquet and knows format, write_compression "
            f"and external_location; not {kind} {codec} {' '.join(properties)}".rstrip()
        )
    name = create.this.find(exp.Table)
    database = (name.db or execution.context.get("Database", "")).lower()
    bucket, _, prefix = f"{location.rstrip('/')}/".removeprefix("s3://").partition("/")
    s3 = client("s3", execution.region)
    if s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("KeyCount"):
        raise QueryError(f"HIVE_PATH_ALREADY_EXISTS: Target directory for table '{database}.{name.name}' exists")
    relation = connection.sql(sql)
    columns = [
        {"Name": column.lower(), "Type": exp.DataType.build(str(kind), dialect="duckdb").sql("hive").lower()}
        for column, kind in zip(relation.columns, relation.types, strict=True)
    ]
    with tempfile.TemporaryDirectory(prefix="athena-") as folder:
        file = Path(folder) / "rows.parquet"
        _write(relation.to_arrow_reader(65_536), file, _CODECS[codec])
        with file.open("rb") as body:
            key = f"{prefix}{execution.id}.parquet"
            s3.put_object(Bucket=bucket, Key=key, Body=body, **execution.encryption())
    execution.manifest = f"{execution.output}-manifest.csv"
    execution.put(execution.manifest, f"s3://{bucket}/{key}\n".encode())
    client("glue", execution.region).create_table(
        DatabaseName=database,
        TableInput={
            "Name": name.name.lower(),
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet"},
            "StorageDescriptor": {
                "Columns": columns,
                "Location": f"s3://{bucket}/{prefix}",
                "InputFormat": f"{_PARQUET}.MapredParquetInputFormat",
                "OutputFormat": f"{_PARQUET}.MapredParquetOutputFormat",
                "SerdeInfo": {"SerializationLibrary": f"{_PARQUET}.serde.ParquetHiveSerDe"},
            },
        },
    )


def _write(reader: object, file: Path, codec: str) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(file, reader.schema, compression=codec.lower().replace("uncompressed", "none")) as writer:  # type: ignore[attr-defined]
        for batch in reader:  # type: ignore[attr-defined]
            writer.write_batch(batch)


def _properties(create: exp.Create) -> dict[str, str]:
    given = create.args.get("properties")
    found = {}
    for each in given.expressions if given else []:
        name = "format" if isinstance(each, exp.FileFormatProperty) else each.name.lower()
        found[name] = each.name if name == "format" else each.args["value"].name
    return found
