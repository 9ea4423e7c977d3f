"""dbt, when it is its turn: `python turn.py DBT ARGUMENT…` waits for the end of any other that was started so.

It takes the lock that `ingot transform` takes (:meth:`ingot.warehouse.Warehouse.turn`) in the warehouse that
`profiles.yml` names, and then is dbt: the session lives as long as its socket does, which dbt keeps open and knows
nothing of. So signals, output and the exit code are dbt's own. Run by the interpreter that dbt has.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import parsed
import psycopg2
import psycopg2.extensions

UNREACHABLE = 2
"""dbt's own exit code for what is neither a model's error nor a failed test."""


def main(dbt: str, *arguments: str) -> None:
    """Be dbt, or end as it does where the warehouse cannot be reached."""
    # Redshift has no such lock: see docs/adr/0015.
    if "redshift" not in arguments:
        try:
            session = _session()
            os.set_inheritable(session.fileno(), True)
        except psycopg2.OperationalError as error:
            print(f"The warehouse cannot be asked whose turn it is: {error}", file=sys.stderr)
            sys.exit(UNREACHABLE)
        if "DBT_TARGET_PATH" in os.environ:
            parsed.put(Path(os.environ["DBT_TARGET_PATH"]))
    os.execv(dbt, [dbt, *arguments])  # noqa: S606


def _session() -> psycopg2.extensions.connection:
    """One that holds the lock."""
    # Each by its whole name, as the reference of variables finds them.
    address = {
        "host": os.environ["INGOT_WAREHOUSE_HOST"],
        "port": os.environ["INGOT_WAREHOUSE_PORT"],
        "user": os.environ["INGOT_WAREHOUSE_USER"],
        "password": os.environ["INGOT_WAREHOUSE_PASSWORD"],
        "dbname": os.environ["INGOT_WAREHOUSE_DBNAME"],
    }
    # What lies between may forget a connection on which nothing is said.
    connection = psycopg2.connect(**address, connect_timeout=10, keepalives_idle=60)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(hashtextextended('dbt', 0))")
        if cursor.fetchone() != (True,):
            print("Another dbt builds in this warehouse: this one waits for its end.", file=sys.stderr)
            cursor.execute("select pg_advisory_lock(hashtextextended('dbt', 0))")
    return connection


if __name__ == "__main__":
    main(*sys.argv[1:])
