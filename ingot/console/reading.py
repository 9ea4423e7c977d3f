"""Sessions that read the warehouse: few, kept open, unable to write, and given up after a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from ingot.errors import ConfigurationError, WarehouseUnavailable
from ingot.warehouse import Endpoint, load_warehouse
from ingot.warehouse.base import Table

SESSIONS = 6
STATEMENT_SECONDS = 30
_WAIT_SECONDS = 10.0
# What a page asks sums some hundred thousand groups at once, which then do not go by way of a disk; and compiling a
# question takes longer than its answer.
_TUNED = "-c work_mem=32MB -c jit=off"


class Reading:
    """The warehouse for pages; see :meth:`ingot.warehouse.Warehouse.query`.

    Postgres and Aurora are asked over a pool of sessions. Redshift is asked over the Data API as the command line asks
    it: slower, a query a second or so, and without parameters.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.name = f"{endpoint.host}:{endpoint.port}/{endpoint.dbname}"
        self._threads = ThreadPoolExecutor(SESSIONS, thread_name_prefix="reading")
        self._slow = load_warehouse(endpoint) if endpoint.engine == "redshift" else None
        self._pool: ConnectionPool[psycopg.Connection[Any]] | None = None
        if self._slow is None:
            self._pool = ConnectionPool(
                kwargs={
                    "host": endpoint.host,
                    "port": endpoint.port,
                    "user": endpoint.username,
                    "password": endpoint.password,
                    "dbname": endpoint.dbname,
                    "connect_timeout": 5,
                    "autocommit": True,
                    "application_name": "ingot ui",
                    "options": (
                        f"-c default_transaction_read_only=on -c statement_timeout={STATEMENT_SECONDS}s {_TUNED}"
                    ),
                },
                min_size=1,
                max_size=SESSIONS,
                timeout=_WAIT_SECONDS,
                check=ConnectionPool.check_connection,
                open=False,
            )
            self._pool.open(wait=False)

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None, *, limit: int | None = None) -> Table:
        """Run one statement that reads.

        Args:
            parameters: of ``%(name)s`` in it; a percent sign of its own is then doubled.
            limit: no more rows than these.

        Raises:
            WarehouseUnavailable: it does not answer, or takes too long.
            ConfigurationError: it refuses the statement.
        """
        if self._slow is not None:
            if parameters:
                raise ConfigurationError("Redshift's Data API is asked without parameters here.")
            return self._slow.query(sql, limit=limit)
        assert self._pool is not None
        try:
            with self._pool.connection() as connection:
                # Prepared, so that it is one statement: a second one could switch writing on.
                cursor = connection.execute(sql.encode(), parameters, prepare=True)
                rows = cursor.fetchall() if limit is None else cursor.fetchmany(limit)
                return Table([column.name for column in cursor.description or ()], rows)
        except psycopg.errors.QueryCanceled as error:
            raise WarehouseUnavailable(
                f"The warehouse did not answer within {STATEMENT_SECONDS} seconds.", hint="ask for less: a shorter time"
            ) from error
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise WarehouseUnavailable(
                f"The warehouse at {self.name} does not answer.", hint="see that it runs and can be reached"
            ) from error
        except psycopg.Error as error:
            raise ConfigurationError(
                f"The warehouse refuses a question of the console: {str(error).splitlines()[0]}.",
                hint="is it of this version of Ingot, and has dbt run? See `ingot status`",
            ) from error

    def later[T](self, question: Callable[[], T]) -> Future[T]:
        """Ask beside other questions; its answer is awaited by ``result()``."""
        return self._threads.submit(question)

    def together[T](self, *questions: Callable[[], T]) -> list[T]:
        """Ask several things at once; their answers in the same order."""
        return [future.result() for future in [self.later(question) for question in questions]]

    def close(self) -> None:
        """End the sessions."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._pool is not None:
            self._pool.close()
