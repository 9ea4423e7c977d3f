"""Postgres: on a laptop, on RDS and on Aurora.

Bulk data goes by ADBC (binary COPY from Arrow, streamed) into an unlogged table of its own; one transaction
then moves it into the bronze table, so that readers see a batch whole or not at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote as url_quote

import psycopg
from psycopg import sql

from ingot.attempt import Attempt
from ingot.contract import Contract
from ingot.contract.postgres import column_types, create_indexes, create_table, quote
from ingot.errors import ConfigurationError, IntegrityError, WarehouseUnavailable
from ingot.manifest import Manifest, encode
from ingot.naming import table_name
from ingot.warehouse import audit
from ingot.warehouse.base import Loaded, Rejects, Table

if TYPE_CHECKING:
    from ingot.warehouse import Endpoint

_ROWS_AT_ONCE = 8_192  # as quick as more of them, and memory follows this and a row group
_REFUSED = {"22", "23"}  # SQLSTATE classes: data exception, integrity constraint violation
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
            with (
                self._incoming(connection, "bronze", manifest, contract, parquet) as incoming,
                connection.transaction(),
            ):
                self._lock(connection, table)
                number = self._number(connection, manifest, table) if load_id is None else load_id
                connection.execute(
                    sql.SQL("DELETE FROM {} WHERE _batch_id = %s").format(sql.Identifier("bronze", table)),
                    [manifest.batch_id],
                )
                self._move(connection, manifest, contract, incoming, ("bronze", table), number)
                # A new table has its first rows before its indexes; nobody else writes to it until this ends.
                _execute(connection, create_indexes(contract, table))
                audit.write_loaded(connection, manifest, number)
        return Loaded(manifest.rows, number, already=False)

    @contextmanager
    def rebuilding(self, source: str, streams: list[str]) -> Iterator[_Rebuild]:
        schema = f"rebuilding_{source}"
        with self._connect() as connection:
            self._set_up(connection, [])
            # Held to the end by the session that swaps: whoever swaps is the only one that rebuilds.
            row = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [schema]).fetchone()
            if row != (True,):
                raise WarehouseUnavailable(f"Another rebuild of {source} is under way.", hint="wait until it ends")
            before = _loads(connection, source, streams)
            _drop_schema(connection, schema)  # of a rebuild that was killed
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
            rebuild = _Rebuild(self, connection, schema)
            try:
                yield rebuild
                for statements in rebuild.indexes.values():
                    _execute(connection, statements)
                with connection.transaction():
                    self._swap(connection, source, streams, rebuild, before)
            finally:
                with suppress(psycopg.Error):
                    _drop_schema(connection, schema)

    @contextmanager
    def turn(self, waiting: Callable[[], None]) -> Iterator[None]:
        with self._connect() as connection:
            if connection.execute("SELECT pg_try_advisory_lock(hashtextextended('dbt', 0))").fetchone() != (True,):
                waiting()
                connection.execute("SELECT pg_advisory_lock(hashtextextended('dbt', 0))")
            yield

    def _swap(
        self,
        connection: psycopg.Connection[Any],
        source: str,
        streams: list[str],
        rebuild: _Rebuild,
        before: set[tuple[str, int]],
    ) -> None:
        connection.execute("SET LOCAL client_min_messages = warning")
        for stream in streams:
            table = sql.Identifier("bronze", table_name(source, stream))
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {} CASCADE").format(table))
        # Nobody loads from here on. What was loaded meanwhile may not be among the batches that were read.
        if _loads(connection, source, streams) != before:
            raise WarehouseUnavailable(
                f"Batches of {source} were loaded while its tables were rebuilt, which stay as they were.",
                hint="pause its DAG and run the rebuild again",
            )
        audit.forget(connection, source, streams)
        for table_there in sorted(rebuild.indexes):
            name = sql.Identifier(rebuild.schema, table_there)
            connection.execute(sql.SQL("ALTER TABLE {} SET SCHEMA bronze").format(name))
        for manifest, number in rebuild.loaded:
            audit.write_loaded(connection, manifest, number)

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
        rejects: Rejects,
    ) -> None:
        with self._connect() as connection:
            self._set_up(connection, [])
            with connection.transaction():
                audit.write_attempts(connection, attempts)
                for manifest in manifests:
                    audit.write_committed(connection, manifest)
                audit.write_states(connection, {a.batch_id: a for a in attempts.values()})
                audit.write_rejects(connection, rejects)

    def billed_seconds(self, source: str, interval: str, *, others: int) -> dict[str, int]:
        with self._connect() as connection:
            return audit.billed_seconds(connection, source, interval, others)

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
        with self._errors(), psycopg.connect(self._uri, autocommit=True) as connection:
            yield connection

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
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
            _execute(connection, statements)

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

    @contextmanager
    def _incoming(
        self, connection: psycopg.Connection[Any], schema: str, manifest: Manifest, contract: Contract, parquet: Path
    ) -> Iterator[tuple[str, str]]:
        """A batch's rows in a table of their own, which the block moves on; it is gone afterwards, however it ends."""
        name = f"incoming_{hashlib.md5(manifest.batch_id.encode(), usedforsecurity=False).hexdigest()}"
        try:
            self._copy(connection, (schema, name), manifest, contract, parquet)
            yield schema, name
        except BaseException:
            # If this fails too, the batch's next load does it.
            with suppress(psycopg.Error):
                connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(schema, name)))
            raise

    def _copy(
        self,
        connection: psycopg.Connection[Any],
        incoming: tuple[str, str],
        manifest: Manifest,
        contract: Contract,
        parquet: Path,
    ) -> None:
        # Not their DBAPI, which imports pandas: 45 MB for nothing that is used here.
        import adbc_driver_manager as adbc
        import adbc_driver_postgresql
        import duckdb

        check_columns(manifest, contract, parquet)
        schema, name = incoming
        types = column_types(contract)
        columns = ", ".join(f"{quote(name)} {kind}" for name, kind in types.items())
        connection.execute(f"DROP TABLE IF EXISTS {quote(schema)}.{name}".encode())
        connection.execute(f"CREATE UNLOGGED TABLE {quote(schema)}.{name} ({columns})".encode())
        # In binary, jsonb is the number of a version, 1, and then text: it is read once, while the next rows are made.
        as_json = "chr(1) || to_json({0})::VARCHAR AS {0}"
        selected = ", ".join(as_json.format(quote(n)) if t == "jsonb" else quote(n) for n, t in types.items())
        # One thread is quicker than the server, and holds one row group.
        with duckdb.connect(config={"threads": 1}) as engine:
            engine.execute("SET TimeZone = 'UTC'")
            try:
                relation = engine.sql(f"SELECT {selected} FROM read_parquet($file)", params={"file": str(parquet)})  # noqa: S608
                with (
                    adbc_driver_postgresql.connect(self._uri) as database,
                    adbc.AdbcConnection(database) as bulk,
                    adbc.AdbcStatement(bulk) as statement,
                ):
                    option = adbc.StatementOptions
                    statement.set_options(
                        **{
                            option.INGEST_TARGET_DB_SCHEMA.value: schema,
                            option.INGEST_TARGET_TABLE.value: name,
                            option.INGEST_MODE.value: adbc.INGEST_OPTION_MODE_APPEND,
                        }
                    )
                    statement.bind_stream(relation.to_arrow_reader(_ROWS_AT_ONCE))
                    statement.execute_update()  # one COPY, which commits by itself
            except duckdb.Error as error:
                raise refine_again("The Parquet cannot be read.", manifest) from error
            except adbc.Error as error:
                if (error.sqlstate or "")[:2] in _REFUSED:
                    raise IntegrityError(
                        f"Values of the batch do not fit the types of contract {contract.version} "
                        f"(SQLSTATE {error.sqlstate}); it was accepted by {manifest.contract_version}.",
                        key=manifest.parquet_key,
                        hint="go back to the version before, or give the changed column another name",
                    ) from error
                raise WarehouseUnavailable(
                    f"The bulk copy into {self._name} failed ({type(error).__name__}).",
                    hint="nothing of this batch was published; see the warehouse's log, then try again",
                ) from error

    def _lock(self, connection: psycopg.Connection[Any], table: str) -> None:
        """One load at a time into a table, until the transaction ends; its readers do not notice."""
        target = sql.Identifier("bronze", table)
        connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(target))

    def _number(self, connection: psycopg.Connection[Any], manifest: Manifest, table: str) -> int:
        """The next number of a table that is locked: they are dense, and in the order in which they become visible."""
        target = sql.Identifier("bronze", table)
        # Numbered before the batch's older rows go, and never again with a number that dbt may have seen.
        row = connection.execute(
            sql.SQL(
                "SELECT greatest((SELECT max(_load_id) FROM {}), (SELECT max(load_id) FROM audit.batches "
                "WHERE source = %s AND stream = %s), 0) + 1"
            ).format(target),
            [manifest.source, manifest.stream],
        ).fetchone()
        assert row is not None
        return int(row[0])

    def _move(
        self,
        connection: psycopg.Connection[Any],
        manifest: Manifest,
        contract: Contract,
        incoming: tuple[str, str],
        target: tuple[str, str],
        number: int,
    ) -> None:
        columns = list(column_types(contract))
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        selected = sql.SQL(", ").join(self._selected(connection, target, incoming, columns))
        inserted = connection.execute(
            sql.SQL("INSERT INTO {} ({}, _load_id) SELECT {}, %s FROM {}").format(
                sql.Identifier(*target), names, selected, sql.Identifier(*incoming)
            ),
            [number],
        ).rowcount
        if inserted != manifest.rows:
            raise refine_again(f"The Parquet has {inserted} rows, the manifest says {manifest.rows}.", manifest)
        connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(*incoming)))

    def _selected(
        self,
        connection: psycopg.Connection[Any],
        target: tuple[str, str],
        incoming: tuple[str, str],
        columns: list[str],
    ) -> Iterator[sql.Composable]:
        # Between other types Postgres would cut strings and round numbers without a word: they must be the same.
        there, arriving = self._types(connection, *target), self._types(connection, *incoming)
        table = ".".join(target)
        for name in columns:
            if there[name] == arriving[name]:
                yield sql.Identifier(name)
            else:
                raise IntegrityError(
                    f"Column {name} of {table} is {there[name]}, the contract says {arriving[name]}.",
                    hint=f"drop dbt's view of it, ALTER TABLE {table} ALTER COLUMN {name} "
                    f"TYPE {arriving[name]}, and run the load again; dbt makes its view anew",
                )

    def _types(self, connection: psycopg.Connection[Any], schema: str, table: str) -> dict[str, str]:
        rows = connection.execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
            "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
            [f"{quote(schema)}.{quote(table)}"],
        ).fetchall()
        return dict(rows)


class _Rebuild:
    """New tables beside the old ones; see :meth:`ingot.warehouse.Warehouse.rebuilding`."""

    def __init__(self, warehouse: PostgresWarehouse, connection: psycopg.Connection[Any], schema: str) -> None:
        self.schema = schema
        self.indexes: dict[str, list[str]] = {}  # of each table: statements for when all of its rows are there
        self.loaded: list[tuple[Manifest, int]] = []
        self._warehouse = warehouse
        self._connection = connection

    def load(self, manifest: Manifest, contract: Contract, parquet: Path, *, load_id: int | None = None) -> Loaded:
        if load_id is None:
            raise ValueError("in a rebuild every batch has its number")
        table = table_name(manifest.source, manifest.stream)
        connection, warehouse = self._connection, self._warehouse
        with warehouse._errors():
            if table not in self.indexes:
                warehouse._set_up(connection, create_table(contract, table, quote(self.schema)))
                self.indexes[table] = create_indexes(contract, table, quote(self.schema))
            with (
                warehouse._incoming(connection, self.schema, manifest, contract, parquet) as incoming,
                connection.transaction(),
            ):
                warehouse._move(connection, manifest, contract, incoming, (self.schema, table), load_id)
        self.loaded.append((manifest, load_id))
        return Loaded(manifest.rows, load_id, already=False)


def _execute(connection: psycopg.Connection[Any], statements: list[str]) -> None:
    for statement in statements:
        connection.execute(statement.encode())


def _loads(connection: psycopg.Connection[Any], source: str, streams: list[str]) -> set[tuple[str, int]]:
    rows = connection.execute(
        "SELECT batch_id, load_id FROM audit.batches WHERE state = 'LOADED' AND source = %s AND stream = ANY(%s)",
        [source, streams],
    ).fetchall()
    return set(rows)


def _drop_schema(connection: psycopg.Connection[Any], schema: str) -> None:
    with connection.transaction():
        connection.execute("SET LOCAL client_min_messages = warning")
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))


def check_columns(manifest: Manifest, contract: Contract, parquet: Path) -> None:
    """Raise IntegrityError unless the Parquet's columns are those of the contract."""
    # Binary COPY takes bytes for what the column says they are: the file must be what the contract says.
    import pyarrow as pa
    import pyarrow.parquet as pq

    from ingot.contract.arrow import arrow_schema  # with pyarrow, which who only asks the warehouse does not need

    try:
        found = pq.read_schema(parquet)
    except pa.ArrowInvalid as error:
        raise refine_again("The Parquet cannot be read.", manifest) from error
    expected = arrow_schema(contract)
    for name in sorted({*found.names, *expected.names}):
        there = found.field(name).type if name in found.names else "missing"
        wanted = expected.field(name).type if name in expected.names else "no such column"
        if there != wanted:
            raise refine_again(
                f"Column {name} of the Parquet is {there}, contract {contract.version} says {wanted}.", manifest
            )


def refine_again(message: str, manifest: Manifest) -> IntegrityError:
    """The error of a batch whose Parquet is not what its manifest says."""
    return IntegrityError(message, key=manifest.parquet_key, hint="run refine again for this batch")


def manifest_sha256(manifest: Manifest) -> str:
    """The hash of a manifest as it is stored: what tells a batch from another version of it."""
    return hashlib.sha256(encode(manifest)).hexdigest()
