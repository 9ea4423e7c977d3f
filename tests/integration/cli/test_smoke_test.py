"""The smoke test after a deployment: it passes on a whole environment, and says why it fails on any other."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest

from infra.delivery import smoke_test

if TYPE_CHECKING:
    from conftest import Deployed

    from ingot.sources import Source
    from ingot.storage import ObjectStore

ROOT = Path(__file__).resolve().parents[3]
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}


@pytest.fixture
def _ready(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the environment's CodeBuild project finds it."""
    monkeypatch.setenv("INGOT_SOURCE_URL_FAKESTORE", deployed.laptop.source.url)
    monkeypatch.setenv("DBT_EXECUTABLE", str(ROOT / ".venv-dbt/bin/dbt"))


def run(deployed: Deployed, *more: str) -> int:
    return smoke_test.main(
        ["--environment", deployed.names.environment, "--source", "fakestore", "--first-day", "2020-03-01",
         "--dbt", str(ROOT / "dbt"), *more]
    )  # fmt: skip


@pytest.mark.usefixtures("_ready")
def test_a_whole_environment_passes_and_the_next_time_with_the_next_day(
    deployed: Deployed, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(deployed) == 0, capfd.readouterr()
    out = capfd.readouterr().out

    assert "2020-03-01 of fakestore" in out
    assert out.splitlines()[-1] == "SMOKE TEST PASSED"
    assert deployed.rows("select count(*) as n from gold.daily_sales") != [{"n": 0}]
    assert deployed.rows("select state, count(*) as n from audit.batches group by 1") == [{"state": "LOADED", "n": 3}]

    asked = len(deployed.requests())
    start = smoke_test.new_day(*_of(deployed), datetime.date(2020, 3, 1))
    assert start.isoformat() == "2020-03-02T00:00:00+00:00"
    assert len(deployed.requests()) == asked


@pytest.mark.usefixtures("_ready")
def test_a_job_that_fails_fails_the_test_with_the_jobs_reason(
    deployed: Deployed, capfd: pytest.CaptureFixture[str]
) -> None:
    deployed.misbehave(path="/carts", status=404)

    assert run(deployed) == 1
    (problem,) = [line for line in capfd.readouterr().out.splitlines() if line.startswith("SMOKE TEST FAILED: ")]
    assert f"{deployed.names.job('fakestore', 'extract')} FAILED: SourceRefused" in problem
    assert "/carts" in problem


@pytest.mark.parametrize(
    ("end", "problem"),
    [
        ({"Type": "Fail", "Error": "PipelineFailed", "Cause": "carts"}, "{machine} FAILED: PipelineFailed carts"),
        ({"Type": "Succeed"}, "fakestore.carts.20200301T000000Z.20200302T000000Z is not LOADED, says the audit"),
    ],
)
def test_a_state_machine_that_fails_or_loads_nothing_fails_the_test(
    deployed: Deployed, capfd: pytest.CaptureFixture[str], end: dict[str, str], problem: str
) -> None:
    machine = deployed.names.state_machine("fakestore")
    role = boto3.client("iam").create_role(RoleName=machine, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    boto3.client("stepfunctions").create_state_machine(
        name=machine, definition=json.dumps({"StartAt": "End", "States": {"End": end}}), roleArn=role
    )

    assert run(deployed, "--runner", "state-machine") == 1
    assert capfd.readouterr().out.splitlines()[-1] == "SMOKE TEST FAILED: " + problem.format(machine=machine)


@pytest.mark.usefixtures("_ready")
def test_an_environment_that_is_not_there_fails_the_test(deployed: Deployed, capfd: pytest.CaptureFixture[str]) -> None:
    boto3.client("glue").delete_job(JobName=deployed.names.job("fakestore", "extract"))

    assert run(deployed) == 1
    assert "There is no Glue job" in capfd.readouterr().out


def test_gold_that_is_empty_or_missing_is_a_failure(deployed: Deployed) -> None:
    import psycopg

    from ingot.warehouse import load_warehouse

    at = deployed.endpoint
    assert smoke_test.gold_problems(load_warehouse(at)) == ["there is no table in gold"]
    with psycopg.connect(
        host=at.host, port=at.port, user=at.username, password=at.password, dbname=at.dbname
    ) as connection:
        connection.execute("create schema gold")
        connection.execute("create table gold.sales (n int)")
        connection.execute("create table gold.revenue as select 1 as n")

    assert smoke_test.gold_problems(load_warehouse(at)) == ["gold.sales has no rows"]


def _of(deployed: Deployed) -> tuple[ObjectStore, Source]:
    from ingot.cli import context

    (source,) = context.deployed_sources(deployed.names, "fakestore")
    return context.bronze(deployed.names), source
