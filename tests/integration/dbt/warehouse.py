"""The warehouse of the tests: dbt to change it, queries to see it."""

import json
import subprocess
from typing import Any

import psycopg

SILVER_AND_GOLD = """
    select table_schema || '.' || table_name from information_schema.tables
    where table_schema in ('silver', 'gold') order by 1
"""


class Warehouse:
    """What dbt makes of bronze: run it, and look."""

    def __init__(self, connection: psycopg.Connection[Any], dbt: subprocess.Popen[str], arguments: list[str]) -> None:
        self.connection = connection
        self._dbt = dbt
        self._arguments = arguments

    def dbt(self, *command: str) -> list[str]:
        """Run a dbt command; what failed or warned."""
        assert self._dbt.stdin is not None
        assert self._dbt.stdout is not None
        self._dbt.stdin.write(json.dumps([*command, *self._arguments]) + "\n")
        self._dbt.stdin.flush()
        answer = self._dbt.stdout.readline()
        assert answer, "dbt's process ended; its last words are on standard error"
        return json.loads(answer)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.connection.execute(query).fetchall()

    def contents(self) -> dict[str, list[str]]:
        """Every row of silver and gold, as text, in an order that does not depend on storage."""
        tables = [name for (name,) in self.rows(SILVER_AND_GOLD)]
        return {
            table: [row for (row,) in self.rows(f"select t::text from {table} as t order by 1")] for table in tables
        }
