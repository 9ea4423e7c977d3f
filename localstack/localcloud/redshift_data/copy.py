"""COPY … FROM 's3://…' … FORMAT PARQUET into Postgres, as Redshift reads columnar files.

By position and not by name, and into columns whose type is the file's:
https://docs.aws.amazon.com/redshift/latest/dg/copy-usage_notes-copy-from-columnar.html
Nested columns want a SUPER and SERIALIZETOJSON: https://docs.aws.amazon.com/redshift/latest/dg/ingest-super.html
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from botocore.exceptions import ClientError
from psycopg import sql

from localcloud.clients import client, client_as

_COPY = re.compile(
    r"COPY\s+(?P<table>[\w\".]+)\s*(?:\((?P<columns>[^)]*)\))?\s+FROM\s+'s3://(?P<bucket>[^/']+)/(?P<prefix>[^']*)'"
    r"\s+(?:IAM_ROLE\s+(?:'(?P<role>[^']+)'|(?P<default>DEFAULT)))\s+(?P<options>.*)",
    re.IGNORECASE | re.DOTALL,
)
_OPTIONS = re.compile(r"(?:FORMAT\s+)?(?:AS\s+)?PARQUET(?P<nested>\s+SERIALIZETOJSON)?", re.IGNORECASE)
# Arrow's type -> the types of a column that takes it; None stands for what is nested.
_TAKES = (
    (pa.types.is_boolean, {"boolean"}),
    (pa.types.is_int16, {"smallint"}),
    (pa.types.is_int32, {"integer"}),
    (pa.types.is_int64, {"bigint"}),
    (pa.types.is_float32, {"real"}),
    (pa.types.is_float64, {"double precision"}),
    (pa.types.is_decimal, {"numeric"}),
    (pa.types.is_date, {"date"}),
    (pa.types.is_timestamp, {"timestamp without time zone"}),
    (pa.types.is_string, {"character varying", "character"}),
    (pa.types.is_nested, {"jsonb"}),
)
_SIZE = re.compile(r"(?:character varying|character)\((\d+)\)")


class CopyError(Exception):
    """Redshift would not load it. The message says why."""


@dataclass(frozen=True)
class Copy:
    """A COPY command. `columns` is empty where it names none; `role` where it is the default one."""

    table: tuple[str, ...]
    columns: tuple[str, ...]
    bucket: str
    prefix: str
    role: str
    nested: bool


def parse_copy(text: str) -> Copy:
    """Read a COPY; raises CopyError for what the local cloud does not do."""
    match = _COPY.fullmatch(text)
    options = _OPTIONS.fullmatch(match["options"].strip()) if match else None
    if match is None or options is None:
        raise CopyError(
            "The local cloud runs COPY table [(columns)] FROM 's3://…' IAM_ROLE '…'|DEFAULT FORMAT [AS] PARQUET "
            f"[SERIALIZETOJSON], and no other option: {text[:200]}"
        )
    return Copy(
        table=_names(match["table"].split(".")),
        columns=_names((match["columns"] or "").split(",")),
        bucket=match["bucket"],
        prefix=match["prefix"],
        role=match["role"] or "",
        nested=bool(options["nested"]),
    )


def run_copy(connection: psycopg.Connection[Any], copy: Copy, region: str) -> int:
    """Load the objects into the table, in the connection's transaction; returns how many rows. Raises CopyError."""
    targets = _targets(connection, copy)
    rows = 0
    for content in _objects(copy, region):
        try:
            table = pq.read_table(io.BytesIO(content), use_threads=False)
        except pa.ArrowInvalid as error:
            raise CopyError(f"ERROR: Spectrum Scan Error: s3://{copy.bucket}/{copy.prefix} is no Parquet") from error
        _check(copy, table, targets)
        command = sql.SQL("COPY {} ({}) FROM STDIN").format(
            sql.Identifier(*copy.table), sql.SQL(", ").join(map(sql.Identifier, targets))
        )
        with connection.cursor() as cursor, cursor.copy(command) as stream:
            for row in _rows(table):
                stream.write_row(row)
        rows += table.num_rows
    return rows


def _targets(connection: psycopg.Connection[Any], copy: Copy) -> dict[str, str]:
    """The columns that are loaded, in the order of the file's, with their types."""
    found = dict(
        connection.execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
            "WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            [sql.Identifier(*copy.table).as_string(connection)],
        ).fetchall()
    )
    if not found:
        raise CopyError(f"ERROR: Cannot COPY into nonexistent table {'.'.join(copy.table)}")
    if missing := [name for name in copy.columns if name not in found]:
        raise CopyError(f'ERROR: column "{missing[0]}" of relation "{copy.table[-1]}" does not exist')
    return {name: found[name] for name in copy.columns or found}


def _check(copy: Copy, table: pa.Table, targets: dict[str, str]) -> None:
    if len(targets) != table.num_columns:
        raise CopyError(
            f"ERROR: Unmatched number of columns between table and file. Table columns: {len(targets)}, "
            f"Data columns: {table.num_columns}"
        )
    for (name, target), field in zip(targets.items(), table.schema, strict=True):
        takes = next((types for matches, types in _TAKES if matches(field.type)), set())
        if target.split("(")[0] not in takes:
            raise CopyError(
                f"ERROR: Spectrum Scan Error: column {name} ({target}) has an incompatible Parquet schema: "
                f"{field.name} is {field.type}"
            )
        if pa.types.is_nested(field.type) and not copy.nested:
            raise CopyError(f"ERROR: column {name} is nested: COPY needs SERIALIZETOJSON to load it into a SUPER")
        if pa.types.is_decimal(field.type) and target != f"numeric({field.type.precision},{field.type.scale})":
            raise CopyError(
                f"ERROR: Spectrum Scan Error: column {name} ({target}) has an incompatible Parquet schema: "
                f"{field.name} is {field.type}"
            )
        if size := _SIZE.fullmatch(target):
            # Redshift counts bytes, Postgres characters.
            longest = pc.max(pc.binary_length(table.column(field.name))).as_py() or 0
            if longest > int(size[1]):
                raise CopyError(
                    f"ERROR: Spectrum Scan Error: The length of the data column {name} is longer than the length "
                    f"defined in the table. Table: {size[1]}, Data: {longest}"
                )


def _rows(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    nested = {place for place, field in enumerate(table.schema) if pa.types.is_nested(field.type)}
    for batch in table.to_batches(65_536):
        columns: list[list[Any]] = [column.to_pylist() for column in batch.columns]
        for place in nested:
            columns[place] = [None if v is None else json.dumps(v, default=str) for v in columns[place]]
        yield from zip(*columns, strict=True)


def _objects(copy: Copy, region: str) -> Iterator[bytes]:
    """Every object whose key begins so: a COPY's key is a prefix."""
    s3 = _as_role(copy.role, region)
    try:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=copy.bucket, Prefix=copy.prefix)
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        if not keys:
            raise CopyError(f"ERROR: The specified S3 prefix '{copy.prefix}' does not exist")
        for key in keys:
            yield s3.get_object(Bucket=copy.bucket, Key=key)["Body"].read()
    except ClientError as error:
        reason = error.response["Error"]
        raise CopyError(
            f"ERROR: S3ServiceException: {reason.get('Message')}, Error {reason.get('Code')}, "
            f"s3://{copy.bucket}/{copy.prefix}"
        ) from error


def _as_role(role: str, region: str) -> Any:
    if not role:
        return client("s3", region)
    iam: Any = client("iam", region)
    try:
        iam.get_role(RoleName=role.rsplit("/", 1)[-1])
    except iam.exceptions.NoSuchEntityException as error:
        raise CopyError(f"ERROR: User is not authorized to assume IAM Role {role}") from error
    session = client("sts", region).assume_role(RoleArn=role, RoleSessionName="RedshiftIamRoleSession")
    return client_as(session["Credentials"], "s3", region)


def _names(words: list[str]) -> tuple[str, ...]:
    # Redshift folds names to lower case, in quotes too.
    return tuple(word.strip().strip('"').lower() for word in words if word.strip())
