"""Postgres: on a laptop, on RDS and on Aurora.

Bulk data goes by ADBC (binary COPY from Arrow, streamed) into an unlogged table of its own; one transaction
then moves it into the bronze table, so that readers see a batch whole or not at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote as url_quote

import psycopg
from psycopg import sql

from ingot.attempt import Attempt
from ingot.contract import Contract
from ingot.contract.postgres import column_types, create_table, quote
from ingot.errors import ConfigurationError, IntegrityError, WarehouseUnavailable
from ingot.manifest import Manifest, encode
from ingot.naming import table_name
from ingot.warehouse import audit
from ingot.warehouse.base import Loaded, Table

if TYPE_CHECKING:
    from ingot.warehouse import Endpoint

_ROWS_AT_ONCE = 65_536
_SETUP_LOCK = 0x1060  # any number that is ours: DDL by two jobs at once would deadlock or fail


class PostgresWarehouse:
    """The warehouse on one Postgres database; see :class:`ingot.warehouse.Warehouse`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._uri = (
            f"postgresql://{url_quote(endpoint.username)}:{url_quote(endpoint.password, safe='')}"
            f"@{endpoint.host}:{endpoint.port}/{url_quote(endpoint.dbname)}?connect_timeout=10"
        )
        self._name = f"{endpoint.host}:{endpoint.port}/{endpoint.dbname}"

    def load(self, manifest: Manifest, contract: Contract, parquet: Path, *, load_id: int | None = None) -> Loaded:
        table = table_name(manifest.source, manifest.stream)
        with self._connect() as connection:
            self._set_up(connection, create_table(contract, table))
            # Two runs of the same batch at once take turns; the lock ends with the session, however it ends.
            connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [manifest.batch_id])
            known = self._load_id(connection, manifest, table)
            if known is not None:
                return Loaded(manifest.rows, known, already=True)
            incoming = f"incoming_{hashlib.md5(manifest.batch_id.encode(), usedforsecurity=False).hexdigest()}"
            self._copy(connection, incoming, contract, parquet)
            with connection.transaction():
                number = self._publish(connection, manifest, table, incoming, list(column_types(contract)), load_id)
        return Loaded(manifest.rows, number, already=False)

    def drop(self, source: str, streams: list[str]) -> None:
        with self._connect() as connection:
            self._set_up(connection, [])
            with connection.transaction():
                connection.execute("SET LOCAL client_min_messages = warning")
                for stream in streams:
                    table = sql.Identifier("bronze", table_name(source, stream))
                    connection.execute(sql.SQL("DROP TABLE IF EXISTS {} CASCADE").format(table))
                audit.forget(connection, source, streams)

    def known_attempts(self, source: str) -> set[str]:
        with self._connect() as connection:
            self._set_up(connection, [])
            rows = connection.execute(
                "SELECT attempt_key FROM audit.attempts WHERE source = %s AND ended_at IS NOT NULL", [source]
            )
            return {key for (key,) in rows}

    def record(
        self,
        attempts: dict[str, Attempt],
        manifests: list[Manifest],
        rejects: dict[str, list[dict[str, Any]]],
    ) -> None:
        with self._connect() as connection:
            self._set_up(connection, [])
            with connection.transaction():
                audit.write_attempts(connection, attempts)
                for manifest in manifests:
                    audit.write_committed(connection, manifest)
                audit.write_states(connection, {a.batch_id: a for a in attempts.values()})
                audit.write_rejects(connection, rejects)

    def query(self, sql: str, *, limit: int | None = None) -> Table:
        with self._connect() as connection:
            connection.execute("SET default_transaction_read_only = on")
            try:
                # Prepared, so that it is one statement: a second one could switch writing on again.
                cursor = connection.execute(sql.encode(), prepare=True)
                if cursor.description is None:
                    return Table([], [])
                rows = cursor.fetchall() if limit is None else cursor.fetchmany(limit)
                return Table([column.name for column in cursor.description], rows)
            except psycopg.errors.ReadOnlySqlTransaction as error:
                raise ConfigurationError(
                    "That statement writes; only reading is allowed.", hint="write a SELECT"
                ) from error
            except (psycopg.ProgrammingError, psycopg.DataError) as error:
                raise ConfigurationError(f"The warehouse refused the query: {error}".rstrip() + ".") from error

    @contextmanager
    def _connect(self) -> Iterator[psycopg.Connection[Any]]:
        try:
            with psycopg.connect(self._uri, autocommit=True) as connection:
                yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise WarehouseUnavailable(
                f"The warehouse at {self._name} failed: {str(error).splitlines()[0] if str(error) else error!r}.",
                hint="nothing of this batch was published; see that it runs and can be reached, then try again",
            ) from error
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            primary = error.diag.message_primary or type(error).__name__  # without the detail: it quotes values
            raise IntegrityError(
                f"The warehouse refused the rows: {primary}.",
                hint="the table and the contract differ; compare them, nothing of this batch was published",
            ) from error

    def _set_up(self, connection: psycopg.Connection[Any], statements: list[str]) -> None:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [_SETUP_LOCK])
            connection.execute("SET LOCAL client_min_messages = warning")
            connection.execute("CREATE SCHEMA IF NOT EXISTS bronze")
            connection.execute(files("ingot.warehouse").joinpath("audit.sql").read_bytes())
            for statement in statements:
                connection.execute(statement.encode())

    def _load_id(self, connection: psycopg.Connection[Any], manifest: Manifest, table: str) -> int | None:
        """The number under which a batch is loaded already, whole and from this manifest."""
        row = connection.execute(
            sql.SQL(
                "SELECT load_id FROM audit.batches "
                "WHERE batch_id = %(id)s AND state = 'LOADED' AND manifest_sha256 = %(sha)s "
                "AND (SELECT count(*) FROM {} WHERE _batch_id = %(id)s) = %(rows)s"
            ).format(sql.Identifier("bronze", table)),
            {"id": manifest.batch_id, "rows": manifest.rows, "sha": manifest_sha256(manifest)},
        ).fetchone()
        return int(row[0]) if row else None

    def _copy(self, connection: psycopg.Connection[Any], incoming: str, contract: Contract, parquet: Path) -> None:
        import adbc_driver_postgresql.dbapi as adbc
        import duckdb

        arrays = {c.name for c in contract.columns if c.property.logical_type == "array"}
        types = {n: "text" if n in arrays else t for n, t in column_types(contract).items()}
        columns = ", ".join(f"{quote(name)} {kind}" for name, kind in types.items())
        connection.execute(f"DROP TABLE IF EXISTS bronze.{incoming}".encode())
        connection.execute(f"CREATE UNLOGGED TABLE bronze.{incoming} ({columns})".encode())
        selected = ", ".join(f"to_json({quote(n)})::VARCHAR AS {quote(n)}" if n in arrays else quote(n) for n in types)
        with duckdb.connect() as engine:
            engine.execute("SET TimeZone = 'UTC'")
            relation = engine.sql(f"SELECT {selected} FROM read_parquet($file)", params={"file": str(parquet)})  # noqa: S608
            try:
                with adbc.connect(self._uri) as bulk, bulk.cursor() as cursor:
                    reader = relation.to_arrow_reader(_ROWS_AT_ONCE)
                    cursor.adbc_ingest(incoming, reader, mode="append", db_schema_name="bronze")
                    bulk.commit()
            except adbc.Error as error:
                kind = IntegrityError if isinstance(error, adbc.DataError) else WarehouseUnavailable
                raise kind(
                    f"The bulk copy into {self._name} failed ({type(error).__name__}).",
                    hint="nothing of this batch was published; see the warehouse's log, then try again",
                ) from error

    def _publish(
        self,
        connection: psycopg.Connection[Any],
        manifest: Manifest,
        table: str,
        incoming: str,
        columns: list[str],
        load_id: int | None,
    ) -> int:
        target = sql.Identifier("bronze", table)
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        selected = sql.SQL(", ").join(self._selected(connection, table, incoming, columns))
        # One load at a time into this table: load ids are dense, and in the order in which they become visible.
        connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(target))
        # Numbered before the batch's older rows go, and never again with a number that dbt may have seen.
        row = connection.execute(
            sql.SQL(
                "SELECT coalesce(%s, greatest((SELECT max(_load_id) FROM {}), (SELECT max(load_id) FROM audit.batches "
                "WHERE source = %s AND stream = %s), 0) + 1)"
            ).format(target),
            [load_id, manifest.source, manifest.stream],
        ).fetchone()
        assert row is not None
        number = int(row[0])
        connection.execute(sql.SQL("DELETE FROM {} WHERE _batch_id = %s").format(target), [manifest.batch_id])
        inserted = connection.execute(
            sql.SQL("INSERT INTO {} ({}, _load_id) SELECT {}, %s FROM {}").format(
                target, names, selected, sql.Identifier("bronze", incoming)
            ),
            [number],
        ).rowcount
        if inserted != manifest.rows:
            raise IntegrityError(
                f"The Parquet has {inserted} rows, the manifest says {manifest.rows}.",
                key=manifest.parquet_key,
                hint="run refine again for this batch",
            )
        connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier("bronze", incoming)))
        audit.write_loaded(connection, manifest, number)
        return number

    def _selected(
        self, connection: psycopg.Connection[Any], table: str, incoming: str, columns: list[str]
    ) -> Iterator[sql.Composable]:
        # Between other types Postgres would cut strings and round numbers without a word: they must be the same.
        there, arriving = self._types(connection, table), self._types(connection, incoming)
        for name in columns:
            if there[name] == "jsonb":
                yield sql.SQL("{}::jsonb").format(sql.Identifier(name))
            elif there[name] == arriving[name]:
                yield sql.Identifier(name)
            else:
                raise IntegrityError(
                    f"Column {name} of bronze.{table} is {there[name]}, the contract says {arriving[name]}.",
                    hint=f"drop dbt's view of it, ALTER TABLE bronze.{table} ALTER COLUMN {name} "
                    f"TYPE {arriving[name]}, and run the load again; dbt makes its view anew",
                )

    def _types(self, connection: psycopg.Connection[Any], table: str) -> dict[str, str]:
        rows = connection.execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
            "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
            [f"bronze.{quote(table)}"],
        ).fetchall()
        return dict(rows)


def manifest_sha256(manifest: Manifest) -> str:
    """The hash of a manifest as it is stored: what tells a batch from another version of it."""
    return hashlib.sha256(encode(manifest)).hexdigest()
