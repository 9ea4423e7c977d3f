"""Cosmos writes a profile of its own, so that a worker's first dbt parses; it keeps what was parsed for those after."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from infra.bundle import build_bundle
from infra.settings import load_settings
from tests.unit.infra.conftest import VARIABLES

ROOT = Path(__file__).resolve().parents[3]
# Called as `dbt build`, it does all that comes before the warehouse, and logs where the test looks.
LISTS = """#!/bin/sh
shift
exec {dbt} ls --quiet "$@" --log-path {log}
"""


def test_only_the_first_task_of_a_worker_parses(tmp_path: Path) -> None:
    bundle = build_bundle(tmp_path / "bundle", ROOT, load_settings("local", VARIABLES))
    lists = tmp_path / "dbt"
    lists.write_text(LISTS.format(dbt=ROOT / ".venv-dbt/bin/dbt", log=tmp_path))
    lists.chmod(0o755)
    worker = {
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__COSMOS__CACHE_DIR": str(tmp_path / "cosmos"),
        "DBT_EXECUTABLE": str(lists),
    }
    line = [sys.executable, Path(__file__).with_name("tasks_as_airflow.py"), bundle / "dags"]

    done = subprocess.run(
        [*line, "dbt.orders_model_build", "dbt.daily_sales_model_build"],
        env={**os.environ, **worker},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    told = [each for each in (tmp_path / "dbt.log").read_text().splitlines() if "artial pars" in each]
    assert "Unable to do partial parsing because" in told[0]
    assert told[-1].endswith("Partial parsing enabled, no changes found, skipping parsing")
