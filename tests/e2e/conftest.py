"""The demo itself, once: services, `cdk deploy`, Airflow, dbt. What the tests look at is what it left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest
from laptop.demo import caused_by
from laptop.recordings import in_batches

from docs.screens.places import console_of
from docs.screens.shots import chromium

if TYPE_CHECKING:
    from laptop.airflow_api import AirflowApi, Run
    from laptop.services import Laptop
    from playwright.sync_api import Page

    from tests.watching import Watching

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

    @property
    def sources(self) -> list[str]:
        """Those that it took, the shop last: what it sold has rates and costs then."""
        return sorted(in_batches(ROOT / "sources"), key=lambda source: source == "fakestore")

    def ingest(self, source: str, name: str, start: datetime, end: datetime, run_after: datetime) -> Run:
        """Trigger the ingestion of a source for an interval."""
        return self.api.trigger(f"ingest_{source}", name, start=start, end=end, run_after=run_after)

    def end(self, run: Run) -> Run:
        """A run when it is over."""
        *_, (run, _) = self.api.follow(run, seconds=360)
        return run

    def transform_after(self, *ingests: Run) -> Run:
        """The transformation that the assets of these ingestions started, when it is over."""
        (run,) = caused_by(self.api, list(ingests))
        return self.end(run)

    def transform(self, name: str) -> Run:
        """Trigger the transformation, as whoever does not wait for the other sources does; the run when it is over."""
        now = datetime.now(UTC)
        return self.end(self.api.trigger("transform", name, start=now, end=now, run_after=now))

    @contextmanager
    def contract_deployed(self, contract: str, old: str, new: str) -> Iterator[None]:
        """Another contract in the artifacts bucket, where a deployment puts it: with this text in that one's place."""
        from laptop.deploy import NAMES

        s3 = boto3.client("s3", endpoint_url=self.laptop.cloud.url)
        text = (ROOT / contract).read_text(encoding="utf-8")
        assert text.count(old) == 1
        s3.put_object(Bucket=NAMES.artifacts_bucket, Key=contract, Body=text.replace(old, new).encode())
        yield
        s3.put_object(Bucket=NAMES.artifacts_bucket, Key=contract, Body=text.encode())


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


@pytest.fixture(scope="session")
def watched(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watching]:
    """Prometheus and Alertmanager over the demo's own metrics, from when a test asks for them."""
    from tests.watching import watching

    with watching(f"127.0.0.1:{demo.laptop.metrics.port}", tmp_path_factory.mktemp("watching")) as found:
        yield found


@pytest.fixture(scope="module")
def page(demo: Demo) -> Iterator[Page]:
    """The demo's console in a browser, which is closed after each module: its event loop is in this thread."""
    with console_of(demo.laptop) as console, chromium() as browser:
        context = browser.new_context(base_url=console)
        context.set_default_timeout(120_000)
        yield context.new_page()


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
