"""The command as a process: exit codes, one line for an error, JSON on stdout and everything else on stderr."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import psycopg
import pytest

from ingot import __version__

if TYPE_CHECKING:
    from conftest import Deployed

ROOT = Path(__file__).resolve().parents[3]
DBT = ROOT / ".venv-dbt" / "bin" / "dbt"


def ingot(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Call the CLI in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "ingot.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_error_of_ours_is_one_line_that_says_what_to_do_next(tmp_path: Path) -> None:
    done = ingot("status", INGOT_HOME=str(tmp_path))

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("ConfigurationError No environment is chosen. Next: run `make demo`")
    assert len(done.stderr.splitlines()) == 1


def test_a_wrong_call_is_exit_code_2() -> None:
    assert ingot("sql").returncode == 2
    assert ingot("gapes").returncode == 2


def test_the_version_is_printed_for_people_and_for_scripts() -> None:
    assert ingot("version").stdout == f"{__version__}\n"
    assert json.loads(ingot("version", "--json").stdout) == {"version": __version__}


def test_help_needs_nothing_that_is_slow_to_import() -> None:
    script = "import sys, ingot.cli.app; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)

    assert "ingot.cli.rebuild" in loaded.stdout
    assert not {"boto3", "duckdb", "pyarrow", "psycopg", "croniter", "yaml"} & set(loaded.stdout.split())


def test_what_prints_an_answer_needs_nothing_of_where_it_is_from() -> None:
    script = "import sys, ingot.cli.output; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)

    assert "rich.table" in loaded.stdout
    assert not {"boto3", "duckdb", "pyarrow", "psycopg", "ingot.warehouse", "yaml"} & set(loaded.stdout.split())


def test_a_failed_model_is_exit_code_1_and_dbt_leaves_nothing_beside_its_project(deployed: Deployed) -> None:
    """What stands in the place of the carts is not what their contract says."""
    target = ROOT / "dbt" / "target" / "run_results.json"
    before = target.stat().st_mtime_ns if target.exists() else None

    where = deployed.endpoint
    address = {"host": where.host, "port": where.port, "user": where.username, "password": where.password}
    with psycopg.connect(**address, dbname=where.dbname, autocommit=True) as warehouse:
        warehouse.execute("create schema bronze")
        warehouse.execute("create table bronze.fakestore_carts (id bigint)")

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as metrics:
        metrics.bind(("127.0.0.1", 0))
        metrics.settimeout(10)
        told = {"DBT_EXECUTABLE": str(DBT), "INGOT_STATSD": f"127.0.0.1:{metrics.getsockname()[1]}"}
        done = ingot("transform", "--select", "stg_fakestore__carts", "--json", **told)
        sent = metrics.recv(2000).decode()

    assert re.fullmatch(r"ingot\.dbt_model_seconds:[\d.]+\|ms\|#layer:staging,model:stg_fakestore__carts", sent)
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout) == {"succeeded": False, "dbt_exit_code": 1}
    assert 'column "user_id" does not exist' in done.stderr
    assert deployed.endpoint.password not in done.stderr
    assert (target.stat().st_mtime_ns if target.exists() else None) == before


def test_a_choice_of_models_that_chooses_none_is_no_success(deployed: Deployed) -> None:
    done = ingot("transform", "--select", "stg_fakestore__carrots", "--json", DBT_EXECUTABLE=str(DBT))

    assert (done.returncode, json.loads(done.stdout)) == (1, {"succeeded": False, "dbt_exit_code": 2})
    assert "'stg_fakestore__carrots' does not match any enabled nodes" in done.stderr


def test_an_answer_that_is_cut_says_so(deployed: Deployed) -> None:
    query = "select n from generate_series(1, 3) as n order by n"

    cut = deployed.ingot("sql", query, "--limit", "2", "--json")
    whole = deployed.ingot("sql", query, "--limit", "3", "--json")

    assert ([row["n"] for row in cut.json], "more than 2 rows" in cut.err) == ([1, 2], True)
    assert ([row["n"] for row in whole.json], whole.err) == ([1, 2, 3], "")


def test_a_rebuild_drops_nothing_before_it_is_sure(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBT_EXECUTABLE", "/nowhere/dbt")
    without = deployed.ingot("rebuild", "--yes")
    assert (without.code, "There is no dbt: /nowhere/dbt" in without.err) == (1, True), without.err
    monkeypatch.setenv("DBT_EXECUTABLE", str(DBT))
    assert deployed.ingot("rebuild", "--yes", "--dbt", str(ROOT)).code == 1
    no = deployed.ingot("rebuild", "--source", "fakestore", answer="n\n")
    assert (no.code, "Replace what" in no.err) == (1, True), no.err
    job = deployed.names.job("fakestore", "rebuild")
    assert boto3.client("glue").get_job_runs(JobName=job)["JobRuns"] == []
