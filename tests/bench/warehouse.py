"""The warehouse that the environment of a stage names."""

from __future__ import annotations

import os
from typing import Any

import psycopg

from ingot.warehouse import Endpoint


def endpoint() -> Endpoint:
    """Where it is."""
    given = {name: os.environ[f"INGOT_WAREHOUSE_{name}"] for name in ("HOST", "PORT", "USER", "PASSWORD", "DBNAME")}
    return Endpoint("postgres", given["HOST"], int(given["PORT"]), given["USER"], given["PASSWORD"], given["DBNAME"])


def connect(**more: Any) -> psycopg.Connection[tuple[object, ...]]:
    """An autocommitting connection to it."""
    to = endpoint()
    return psycopg.connect(
        host=to.host, port=to.port, user=to.username, password=to.password, dbname=to.dbname, autocommit=True, **more
    )
