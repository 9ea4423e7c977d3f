"""The warehouse's second user, who may read what the console shows, and nothing else.

It may read gold, silver and the audit tables whole, and of Bronze the columns by which a row leads back to its record:
what the sources sent is there as they sent it, people's names and addresses among it. Whoever holds the first user's
login runs this as a program, before the console starts::

    INGOT_WAREHOUSE_OWNER='{"engine": …}' INGOT_WAREHOUSE_READER='{"engine": …}' python -m ingot.warehouse.reader

Both variables hold a secret in RDS's format. It can be run again at any time: what is there already stays, a new
password is set, and tables of Bronze that are new are opened.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import msgspec
import psycopg
from psycopg import sql

from ingot.errors import ConfigurationError, IngotError, WarehouseUnavailable
from ingot.warehouse import Endpoint

OWNER, READER = "INGOT_WAREHOUSE_OWNER", "INGOT_WAREHOUSE_READER"
WHOLE = ("audit", "gold", "silver")
"""Schemas that are read whole, tables that come later too."""
CONNECTIONS = 20
STATEMENT_SECONDS = 60

# Columns of Bronze's tables that say where a row comes from (all begin so), and those of its key.
_LINEAGE = """
    SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum)
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = 'bronze'
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p') AND (a.attname LIKE '\\_%%' OR a.attname = ANY(%s))
    GROUP BY c.relname
"""


def grant_reader(owner: Endpoint, reader: Endpoint, *, keys: frozenset[str] = frozenset()) -> None:
    """Make the user who may read only, or bring it up to date.

    Args:
        owner: as whom batches are loaded and dbt runs, and who may make users, if there is none yet.
        reader: the user, with the password that it gets.
        keys: the columns of Bronze that are keys: a row of Silver leads to one by them.

    Raises:
        ConfigurationError: the warehouse is no Postgres; or there is no such user, and its owner may make none.
        WarehouseUnavailable: it does not answer.
    """
    if owner.engine == "redshift":
        raise ConfigurationError("A reader is made on Postgres and Aurora only.", hint="leave the console out")
    try:
        with psycopg.connect(
            host=owner.host,
            port=owner.port,
            user=owner.username,
            password=owner.password,
            dbname=owner.dbname,
            connect_timeout=30,
        ) as connection:
            _make_user(connection, reader)
            _open_schemas(connection, reader.username, keys)
    except psycopg.OperationalError as error:
        raise WarehouseUnavailable(
            f"The warehouse at {owner.host}:{owner.port}/{owner.dbname} failed: {str(error).splitlines()[0]}.",
            hint="see that it runs and can be reached, then try again",
        ) from error


def _make_user(connection: psycopg.Connection[object], reader: Endpoint) -> None:
    name = sql.Identifier(reader.username)
    there = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [reader.username]).fetchone()
    mine = connection.execute(
        "SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user"
    ).fetchone() == (True,)
    if not there and not mine:
        raise ConfigurationError(
            f"The warehouse has no user {reader.username}, and its owner may make none.",
            hint="give it its password yourself: CREATE ROLE … LOGIN PASSWORD …, see docs/deploy.md",
        )
    if not mine:
        return
    settings = [
        sql.SQL("LOGIN PASSWORD {} CONNECTION LIMIT {}").format(sql.Literal(reader.password), sql.Literal(CONNECTIONS)),
        # Rights decide; these are for what a page asks too much of.
        sql.SQL("SET default_transaction_read_only = on"),
        sql.SQL("SET statement_timeout = {}").format(sql.Literal(f"{STATEMENT_SECONDS}s")),
    ]
    try:
        with connection.transaction():
            if not there:
                connection.execute(sql.SQL("CREATE ROLE {}").format(name))
            for each in settings:
                connection.execute(sql.SQL("ALTER ROLE {} {}").format(name, each))
    except psycopg.errors.InsufficientPrivilege:
        if not there:
            raise
        # An administrator made it, who then gives it its password, too.


def _open_schemas(connection: psycopg.Connection[object], user: str, keys: frozenset[str]) -> None:
    name = sql.Identifier(user)
    for schema in map(sql.Identifier, ("bronze", *WHOLE)):
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, name))
    for schema in map(sql.Identifier, WHOLE):
        connection.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}").format(schema, name))
        # dbt makes tables anew, which lose what was granted on them.
        connection.execute(
            sql.SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA {} GRANT SELECT ON TABLES TO {}").format(schema, name)
        )
    rows: list[tuple[str, list[str]]] = connection.execute(_LINEAGE, [sorted(keys)]).fetchall()  # type: ignore[assignment]
    for table, columns in rows:
        connection.execute(
            sql.SQL("GRANT SELECT ({}) ON {} TO {}").format(
                sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier("bronze", table), name
            )
        )


def main(variables: Mapping[str, str] = os.environ) -> int:
    """The program; its exit code."""
    from pathlib import Path

    from ingot.sources import load_sources

    try:
        owner, reader = (_endpoint(variables, name) for name in (OWNER, READER))
        sources = load_sources(Path("sources"))
        contracts = [stream.contract for source in sources.values() for stream in source.streams.values()]
        keys = {c.name for each in contracts for c in each.columns if c.path[0] in each.primary_key}
        grant_reader(owner, reader, keys=frozenset(keys))
    except IngotError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{reader.username} may read {', '.join(WHOLE)}, and what leads through bronze.")
    return 0


def _endpoint(variables: Mapping[str, str], name: str) -> Endpoint:
    try:
        return msgspec.json.decode(variables.get(name, ""), type=Endpoint, strict=False)
    except msgspec.DecodeError:
        # The error is left out: it may hold the password.
        raise ConfigurationError(
            f"{name} does not describe a database.", hint="it is JSON with engine, host, port, username and password"
        ) from None


if __name__ == "__main__":
    sys.exit(main())
