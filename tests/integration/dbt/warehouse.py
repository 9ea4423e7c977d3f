"""The warehouse of the tests: dbt to change it, queries to see it."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

PROJECT = Path(__file__).parents[3] / "dbt"
SILVER_AND_GOLD = """
    select table_schema || '.' || table_name from information_schema.tables
    where table_schema in ('silver', 'gold') order by 1
"""


class Dbt:
    """A dbt process that parses the project once and then takes commands."""

    def __init__(self, process: subprocess.Popen[str], arguments: list[str]) -> None:
        self._process = process
        self._arguments = arguments

    def __call__(self, *command: str) -> list[str]:
        """Run a dbt command; what failed or warned."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([*command, *self._arguments]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "dbt's process ended; its last words are on standard error"
        problems: list[str] = json.loads(answer)
        return problems

    def artifact(self, name: str) -> dict[str, Any]:
        """A file that dbt made of the project, such as ``manifest.json``."""
        target = Path(self._arguments[self._arguments.index("--target-path") + 1])
        read: dict[str, Any] = json.loads((target / name).read_text(encoding="utf-8"))
        return read

    @property
    def log(self) -> str:
        """What it has logged so far."""
        file = Path(self._arguments[-1]) / "dbt.log"
        return file.read_text(encoding="utf-8") if file.exists() else ""


@contextmanager
def dbt_process(
    python: Path, target: str, state: Path, environment: Mapping[str, str], project: Path = PROJECT
) -> Iterator[Dbt]:
    """A dbt process for a target, with its artifacts below `state`; it ends with the context."""
    arguments = ["--project-dir", str(project), "--profiles-dir", str(project), "--target", target]
    arguments += ["--target-path", str(state / "target"), "--log-path", str(state / "logs")]
    with subprocess.Popen(
        [python, Path(__file__).with_name("dbt_session.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    ) as process:
        try:
            yield Dbt(process, arguments)
        finally:
            assert process.stdin is not None
            process.stdin.close()


class Warehouse:
    """What dbt makes of bronze: run it, and look."""

    def __init__(self, connection: psycopg.Connection[Any], dbt: Dbt) -> None:
        self.connection = connection
        self.dbt = dbt

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.connection.execute(query).fetchall()

    def contents(self) -> dict[str, list[str]]:
        """Every row of silver and gold, as text, in an order that does not depend on storage."""
        tables = [name for (name,) in self.rows(SILVER_AND_GOLD)]
        return {
            table: [row for (row,) in self.rows(f"select t::text from {table} as t order by 1")] for table in tables
        }
