"""Redshift Serverless, over its Data API: no driver, no connection into the network, one request a transaction.

A batch's Parquet is read by Redshift itself (COPY), into a temporary table as the file has it, and from there into the
bronze table. So far batches are loaded; asking, auditing and rebuilding are Postgres's alone, and raise an error.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ingot.attempt import Attempt
from ingot.contract import Contract
from ingot.contract.postgres import column_types as postgres_types
from ingot.contract.postgres import quote
from ingot.errors import ConfigurationError, IntegrityError, WarehouseUnavailable
from ingot.manifest import Manifest
from ingot.naming import table_name
from ingot.warehouse.base import Loaded, Loader, Rejects, Table
from ingot.warehouse.postgres import check_columns, manifest_sha256, refine_again

if TYPE_CHECKING:
    from ingot.warehouse import Endpoint

LONGEST_VARCHAR = 65_535
BYTES_A_CHARACTER = 4
"""Of UTF-8, at most: Redshift sizes a VARCHAR in bytes, a contract in characters."""
LONGEST_WAIT_SECONDS = 1800
_OURS = {"AccessDeniedException", "ResourceNotFoundException", "UnrecognizedClientException", "ValidationException"}
_DOES_NOT_FIT = re.compile(
    r"Spectrum Scan Error|Unmatched number of columns|value too long|out of range|overflow", re.I
)
_REFUSED = re.compile(r"permission denied|not authorized|Access ?Denied", re.I)


class RedshiftWarehouse:
    """The warehouse on one Redshift database; see :class:`ingot.warehouse.Warehouse`.

    Args:
        endpoint: with the secret that it was read from, and the workgroup.
        lake: the bucket with the Parquet; None for who does not load.
    """

    def __init__(self, endpoint: Endpoint, lake: str | None) -> None:
        if not (endpoint.workgroup and endpoint.secret):
            raise ConfigurationError(
                "The secret of a Redshift warehouse names no workgroup.", hint="it holds namespaceName besides the rest"
            )
        self._lake = lake
        self._name = f"{endpoint.workgroup}/{endpoint.dbname}"
        self._target = {
            "WorkgroupName": endpoint.workgroup,
            "Database": endpoint.dbname,
            "SecretArn": endpoint.secret,
        }
        self._api: Any = boto3.client("redshift-data")

    @contextmanager
    def turn(self, waiting: Callable[[], None]) -> Iterator[None]:
        yield

    def load(self, manifest: Manifest, contract: Contract, parquet: Path, *, load_id: int | None = None) -> Loaded:
        if self._lake is None:
            raise ConfigurationError("The lake's bucket is not known here.", hint="load by the load job")
        if load_id is not None:
            self._not_supported("rebuild")
        check_columns(manifest, contract, parquet)
        table = table_name(manifest.source, manifest.stream)
        self._set_up(contract, table)
        known = self._load_id(manifest, table)
        if known is not None:
            return Loaded(manifest.rows, known, already=True)
        nested = any(kind == "super" for kind in column_types(contract).values())
        statements = load_statements(manifest, contract, f"s3://{self._lake}/{manifest.parquet_key}", nested=nested)
        with self._errors(manifest):
            self._run(statements)
        number = self._load_id(manifest, table)
        if number is None:
            raise WarehouseUnavailable(f"Another load of {manifest.batch_id} is under way.", hint="try again")
        return Loaded(manifest.rows, number, already=False)

    def rebuilding(self, source: str, streams: list[str]) -> AbstractContextManager[Loader]:
        self._not_supported("rebuild")

    def known_attempts(self, source: str) -> set[str]:
        self._not_supported("audit")

    def record(self, attempts: dict[str, Attempt], manifests: list[Manifest], rejects: Rejects) -> None:
        self._not_supported("audit")

    def billed_seconds(self, source: str, interval: str, *, others: int) -> dict[str, int]:
        self._not_supported("audit")

    def query(self, sql: str, *, limit: int | None = None) -> Table:
        self._not_supported("query")

    def _not_supported(self, what: str) -> NoReturn:
        raise ConfigurationError(
            f"Ingot cannot {what} on Redshift yet.", hint="use an Aurora or RDS Postgres warehouse for it"
        )

    def _set_up(self, contract: Contract, table: str) -> None:
        types = column_types(contract) | {"_load_id": "bigint"}
        columns = ", ".join(f"{quote(name)} {kind}" for name, kind in types.items())
        self._run(
            [
                "CREATE SCHEMA IF NOT EXISTS bronze",
                "CREATE SCHEMA IF NOT EXISTS audit",
                files("ingot.warehouse").joinpath("redshift.sql").read_text(),
                f"CREATE TABLE IF NOT EXISTS bronze.{quote(table)} ({columns})",
            ]
        )
        there = self._columns(table)
        added = [name for name in types if name not in there]
        if added:
            self._run([f"ALTER TABLE bronze.{quote(table)} ADD COLUMN {quote(n)} {types[n]}" for n in added])
        for name, kind in types.items():
            # Between other types rows would be cut or rounded without a word.
            if name in there and kind != "super" and there[name] != kind:
                raise IntegrityError(
                    f"Column {name} of bronze.{table} is {there[name]}, the contract says {kind}.",
                    hint="change the column's type, or give the changed field another name",
                )

    def _columns(self, table: str) -> dict[str, str]:
        rows = self._rows(
            "SELECT column_name, data_type, character_maximum_length, numeric_precision, numeric_scale "  # noqa: S608
            f"FROM information_schema.columns WHERE table_schema = 'bronze' AND table_name = {literal(table)}"
        )
        return {name: _written(kind, length, precision, scale) for name, kind, length, precision, scale in rows}

    def _load_id(self, manifest: Manifest, table: str) -> int | None:
        """The number under which a batch is loaded already, whole and from this manifest."""
        batch = literal(manifest.batch_id)
        rows = self._rows(
            f"SELECT load_id FROM audit.batches WHERE batch_id = {batch} AND state = 'LOADED' "  # noqa: S608
            f"AND manifest_sha256 = {literal(manifest_sha256(manifest))} "
            f"AND (SELECT count(*) FROM bronze.{quote(table)} WHERE _batch_id = {batch}) = {manifest.rows}"
        )
        return int(rows[0][0]) if rows else None

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        statement = self._run([sql])
        pages = self._api.get_paginator("get_statement_result").paginate(Id=statement)
        with self._errors():
            return [
                tuple(None if field.get("isNull") else next(iter(field.values())) for field in record)
                for page in pages
                for record in page["Records"]
            ]

    def _run(self, statements: list[str]) -> str:
        """Run them in one transaction, to its end; returns its id."""
        with self._errors():
            if len(statements) == 1:
                started = self._api.execute_statement(Sql=statements[0], **self._target)["Id"]
            else:
                started = self._api.batch_execute_statement(Sqls=statements, **self._target)["Id"]
            deadline, pause = time.monotonic() + LONGEST_WAIT_SECONDS, 0.05
            while (found := self._api.describe_statement(Id=started))["Status"] not in (
                "FINISHED",
                "FAILED",
                "ABORTED",
            ):
                if time.monotonic() > deadline:
                    self._api.cancel_statement(Id=started)
                    raise WarehouseUnavailable(f"{self._name} did not answer in {LONGEST_WAIT_SECONDS} s.")
                time.sleep(pause)
                pause = min(2.0, pause * 1.5)
            if found["Status"] != "FINISHED":
                raise _StatementFailed(str(found.get("Error") or found["Status"]))
            return str(started)

    @contextmanager
    def _errors(self, manifest: Manifest | None = None) -> Iterator[None]:
        try:
            yield
        except _StatementFailed as error:
            reason = str(error).splitlines()[0]
            if manifest is None and not _REFUSED.search(reason):
                raise
            if manifest is not None and "ivi" in reason and "zero" in reason:
                raise refine_again(
                    f"The Parquet has not the {manifest.rows} rows of its manifest.", manifest
                ) from error
            if _DOES_NOT_FIT.search(reason):
                raise IntegrityError(
                    f"The warehouse refused the rows: {reason}.",
                    hint="the table and the contract differ; compare them, nothing of this batch was published",
                ) from error
            if _REFUSED.search(reason):
                raise ConfigurationError(
                    f"The warehouse {self._name} refused: {reason}.", hint="grant the right that it names"
                ) from error
            raise self._failed(reason) from error
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _OURS:
                message = error.response["Error"].get("Message", code)
                raise ConfigurationError(
                    f"The Redshift Data API refused: {message}.", hint="see the workgroup, the secret and the role"
                ) from error
            raise self._failed(code) from error
        except BotoCoreError as error:
            raise self._failed(str(error)) from error

    def _failed(self, reason: str) -> WarehouseUnavailable:
        return WarehouseUnavailable(
            f"The warehouse at {self._name} failed: {reason}.",
            hint="nothing of this batch was published; see that it runs and can be reached, then try again",
        )


class _StatementFailed(Exception):
    """Redshift's reason."""


def column_types(contract: Contract) -> dict[str, str]:
    """Name and type of every column that refine writes, in its order; a VARCHAR has room for any characters."""
    return {name: _redshift_type(kind) for name, kind in postgres_types(contract).items()}


def _redshift_type(kind: str) -> str:
    if kind == "jsonb":
        return "super"
    if match := re.fullmatch(r"varchar\((\d+)\)", kind):
        return f"varchar({min(int(match[1]) * BYTES_A_CHARACTER, LONGEST_VARCHAR)})"
    return kind


def load_statements(manifest: Manifest, contract: Contract, uri: str, *, nested: bool) -> list[str]:
    """The transaction that loads a batch: all of it, or nothing."""
    target = f"bronze.{quote(table_name(manifest.source, manifest.stream))}"
    types = column_types(contract)
    # COPY takes no timestamp from Parquet into a TIMESTAMPTZ, and its columns by their place.
    arriving = ", ".join(f"{quote(n)} {'timestamp' if k == 'timestamptz' else k}" for n, k in types.items())
    moved = ", ".join(f"{quote(n)} AT TIME ZONE 'UTC'" if k == "timestamptz" else quote(n) for n, k in types.items())
    names = ", ".join(map(quote, types))
    batch = literal(manifest.batch_id)
    row = _audit_row(manifest)
    return [
        f"LOCK TABLE {target}",  # one load at a time: load ids are dense, and in the order in which they become visible
        f"CREATE TEMP TABLE incoming ({arriving})",
        f"COPY incoming FROM {literal(uri)} IAM_ROLE default FORMAT AS PARQUET{' SERIALIZETOJSON' if nested else ''}",
        # Nothing else in SQL fails on purpose.
        f"SELECT 1 / CASE WHEN count(*) = {manifest.rows} THEN 1 ELSE 0 END FROM incoming",  # noqa: S608
        f"CREATE TEMP TABLE numbered AS SELECT 1 + greatest(coalesce((SELECT max(_load_id) FROM {target}), 0), "  # noqa: S608
        f"coalesce((SELECT max(load_id) FROM audit.batches WHERE source = {literal(manifest.source)} "
        f"AND stream = {literal(manifest.stream)}), 0)) AS load_id",
        f"DELETE FROM {target} WHERE _batch_id = {batch}",  # noqa: S608
        f"INSERT INTO {target} ({names}, _load_id) SELECT {moved}, numbered.load_id FROM incoming CROSS JOIN numbered",  # noqa: S608
        f"DELETE FROM audit.batches WHERE batch_id = {batch}",  # noqa: S608
        f"INSERT INTO audit.batches ({', '.join(row)}, state, loaded_at, load_id) "  # noqa: S608
        f"SELECT {', '.join(row.values())}, 'LOADED', getdate(), load_id FROM numbered",
    ]


def _audit_row(manifest: Manifest) -> dict[str, str]:
    resolves = manifest.resolves
    values: dict[str, str | float | datetime | None] = {
        "batch_id": manifest.batch_id,
        "source": manifest.source,
        "stream": manifest.stream,
        "interval_start": manifest.interval_start,
        "interval_end": manifest.interval_end,
        "accepted": manifest.accepted,
        "rejected": manifest.rejected,
        "bytes": manifest.bytes,
        "seconds": manifest.seconds,
        "as_of": manifest.as_of,
        "contract_version": manifest.contract_version,
        "code_version": manifest.code_version,
        "committed_at": manifest.committed_at,
        "manifest_key": manifest.batch.manifest_key,
        "manifest_sha256": manifest_sha256(manifest),
        "mode": manifest.mode,
        "unchanged": manifest.unchanged,
        "deleted": manifest.deleted,
        "rejects_key": manifest.rejects.key if manifest.rejects else None,
        "resolved_batch_id": resolves.batch_id if resolves else None,
        "resolved_key": resolves.key if resolves else None,
        "discarded": resolves.discarded if resolves else None,
        "superseded": resolves.superseded if resolves else None,
        "reason": manifest.fallback and manifest.fallback[:1000],
    }
    return {name: literal(value) for name, value in values.items()}


def literal(value: str | float | datetime | None) -> str:
    """A value as SQL: a Data API parameter has no NULL, and is a text."""
    match value:
        case None:
            return "NULL"
        case int() | float():
            return str(value)
        case datetime():
            return f"CAST('{value.isoformat()}' AS timestamptz)"
        case _:
            # In Redshift a backslash escapes.
            return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"


def _written(kind: str, length: int | None, precision: int | None, scale: int | None) -> str:
    """A type as the catalog describes it, written as the DDL writes it."""
    short = {
        "character varying": "varchar",
        "character": "char",
        "timestamp with time zone": "timestamptz",
        "numeric": "numeric",
    }.get(kind, kind)
    if short in ("varchar", "char"):
        return f"{short}({length})"
    return f"numeric({precision},{scale})" if short == "numeric" else short
