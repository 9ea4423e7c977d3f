"""Airflow's own backfill, on a deployment with schedules: which runs it makes, and what their jobs are given."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def runs(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The runs of `airflow backfill create` for two days of 2020, in the order in which the scheduler started them."""
    home = tmp_path_factory.mktemp("backfill")
    dags = shutil.copytree(folder, home / "dags")
    bundle = json.loads((dags / "bundle.json").read_text())
    (dags / "bundle.json").write_text(json.dumps({**bundle, "schedules": True}))
    command = ["--dag-id", "ingest_fakestore", "--from-date", "2020-03-01", "--to-date", "2020-03-02"]
    done = subprocess.run(
        [sys.executable, "-P", Path(__file__).with_name("backfill_as_airflow.py"), dags, *command],
        env={**os.environ, "AIRFLOW_HOME": str(home)},
        cwd=home,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    made: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return made


def test_each_interval_is_run_once_with_its_own_bounds(runs: list[dict[str, Any]]) -> None:
    assert [(run["first"]["--interval_start"], run["first"]["--interval_end"]) for run in runs] == [
        ("2020-03-01T00:00:00Z", "2020-03-02T00:00:00Z"),
        ("2020-03-02T00:00:00Z", "2020-03-03T00:00:00Z"),
    ]
    assert all(run["run_type"] == "backfill" for run in runs)


def test_what_is_taken_today_does_not_claim_to_be_of_2020_and_a_retry_says_the_same(runs: list[dict[str, Any]]) -> None:
    for run in runs:
        as_of = datetime.fromisoformat(run["first"]["--as_of"])
        assert as_of == datetime.fromisoformat(run["start_date"]).replace(microsecond=0)
        assert as_of > datetime.fromisoformat(run["queued_at"])
        assert run["retry"] == run["first"]
