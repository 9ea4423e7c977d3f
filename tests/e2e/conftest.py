"""The demo itself, once: services, `cdk deploy`, Airflow, dbt. What the tests look at is what it left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from laptop.airflow_api import AirflowApi, Run
    from laptop.services import Laptop

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Demo:
    """A finished demo, and how to go on from it."""

    home: Path
    laptop: Laptop
    api: AirflowApi
    printed: str

    def again(self) -> str:
        """Run `laptop demo` once more; what it printed."""
        return laptop_command(self.home, "demo")

    def ingot(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the CLI as a person in a fresh shell would."""
        environment = {n: v for n, v in os.environ.items() if not n.startswith(("AWS_", "INGOT_"))}
        return subprocess.run(
            [sys.executable, "-m", "ingot.cli", *arguments],
            env={**environment, "INGOT_HOME": str(self.home), "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """What `ingot sql --json` answers."""
        done = self.ingot("sql", sql, "--json", "--limit", "100000")
        assert done.returncode == 0, done.stderr
        answer: list[dict[str, Any]] = json.loads(done.stdout)
        return answer

    def everything(self) -> dict[str, list[str]]:
        """Every row of every silver and gold table, as text, sorted."""
        with self.laptop.postgres.connect("ingot") as connection:
            tables = connection.execute(
                "select table_schema, table_name from information_schema.tables "
                "where table_schema in ('silver', 'gold') order by 1, 2"
            ).fetchall()
            return {
                f"{schema}.{table}": [
                    str(row) for (row,) in connection.execute(f'select t::text from "{schema}"."{table}" t order by 1')
                ]
                for schema, table in tables
            }

    def misbehave(self, **rule: Any) -> None:
        """Tell the recorded source to fail."""
        httpx.post(f"{self.laptop.source.url}/_control/faults", json=rule).raise_for_status()

    def behave(self) -> None:
        httpx.delete(f"{self.laptop.source.url}/_control/faults").raise_for_status()

    def run(self, name: str, start: datetime, end: datetime, run_after: datetime) -> Run:
        """Trigger the ingestion for an interval; the run when it is over."""
        run = self.api.trigger("ingest_fakestore", name, start=start, end=end, run_after=run_after)
        *_, (run, _) = self.api.follow(run, seconds=240)
        return run

    def transform_after(self, ingest: Run) -> Run:
        """The transformation that an ingestion's assets started, when it is over."""
        from laptop.demo import _caused_by

        *_, (run, _) = self.api.follow(_caused_by(self.api, ingest), seconds=240)
        return run


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    from laptop.airflow import USER, Airflow
    from laptop.airflow_api import AirflowApi
    from laptop.paths import Home
    from laptop.services import Laptop

    # Not below pytest's own folder, which it closes to other users: as root, Postgres runs as another.
    home = Path(tempfile.mkdtemp(prefix="ingot-demo-"))
    try:
        printed = laptop_command(home, "demo")
        laptop = Laptop(home=Home(home))
        airflow = Airflow(laptop)
        api = AirflowApi(airflow.url, USER, airflow.password)
        yield Demo(home, laptop, api, printed)
        api.close()
    finally:
        laptop_command(home, "clean")


def laptop_command(home: Path, action: str) -> str:
    """`python -m laptop ACTION`, as make calls it."""
    done = subprocess.run(
        [sys.executable, "-m", "laptop", action],
        env={
            **{n: v for n, v in os.environ.items() if n not in ("AWS_ENDPOINT_URL",)},
            "INGOT_HOME": str(home),
            "PYTHONPATH": os.pathsep.join([str(ROOT / "localstack"), str(ROOT)]),
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    return done.stdout
