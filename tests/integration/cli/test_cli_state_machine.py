"""The state machine takes the recorded source to the same rows as its steps do without an orchestrator."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from infra.constructs.state_machine_definition import definition
from infra.constructs.state_machine_schedule import rhythm
from ingot.attempt import attempt
from ingot.batch import Batch, parse_time
from ingot.sources import load_source
from ingot.steps.extract import extract
from ingot.steps.load import load
from ingot.steps.refine import refine
from ingot.storage import ObjectStore
from ingot.warehouse import load_warehouse
from tests.integration.dbt.warehouse import Warehouse, dbt_process

if TYPE_CHECKING:
    from conftest import Deployed

ROOT = Path(__file__).resolve().parents[3]
STREAMS = tuple(load_source(ROOT / "sources/fakestore").streams)
START, END, AS_OF = "2020-01-01T00:00:00Z", "2020-04-01T00:00:00Z", "2020-04-01T06:00:00Z"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}


@pytest.fixture
def machine(deployed: Deployed) -> str:
    """The ARN of the environment's state machine."""
    names = deployed.names
    name = names.state_machine("fakestore")
    role = boto3.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    written = definition(
        names=names, source="fakestore", streams=STREAMS, rhythm=rhythm("@daily"), retry_seconds=1
    )  # fmt: skip
    arn: str = boto3.client("stepfunctions").create_state_machine(
        name=name, definition=json.dumps(written), roleArn=role
    )["stateMachineArn"]
    return arn


@pytest.fixture
def warehouse(deployed: Deployed, tmp_path: Path) -> Iterator[Warehouse]:
    """The environment's warehouse, and a dbt process for it."""
    import psycopg

    endpoint = deployed.endpoint
    dbt = Path(os.environ.get("DBT_EXECUTABLE", ROOT / ".venv-dbt/bin/dbt"))
    variables = {
        "INGOT_WAREHOUSE_HOST": endpoint.host,
        "INGOT_WAREHOUSE_PORT": str(endpoint.port),
        "INGOT_WAREHOUSE_USER": endpoint.username,
        "INGOT_WAREHOUSE_PASSWORD": endpoint.password,
        "INGOT_WAREHOUSE_DBNAME": endpoint.dbname,
    }
    with (
        psycopg.connect(
            host=endpoint.host,
            port=endpoint.port,
            user=endpoint.username,
            password=endpoint.password,
            dbname=endpoint.dbname,
            autocommit=True,
        ) as connection,
        dbt_process(dbt.with_name("python"), "postgres", tmp_path, variables) as process,
    ):
        yield Warehouse(connection, process)


def execute(arn: str, **given: str) -> dict[str, Any]:
    """Run the state machine; what DescribeExecution says when it is over."""
    states = boto3.client("stepfunctions")
    started = states.start_execution(stateMachineArn=arn, input=json.dumps(given))["executionArn"]
    deadline = time.monotonic() + 240
    while (found := states.describe_execution(executionArn=started))["status"] == "RUNNING":
        assert time.monotonic() < deadline, states.get_execution_history(executionArn=started)["events"][-3:]
        time.sleep(0.1)
    return dict(found)


def everything(warehouse: Warehouse) -> dict[str, list[str]]:
    """Every row of bronze, silver and gold as text, after dbt."""
    assert warehouse.dbt("seed") == []
    assert warehouse.dbt("run") == []
    tables = [
        name
        for (name,) in warehouse.rows(
            "select table_schema || '.' || table_name from information_schema.tables where table_schema = 'bronze'"
        )
    ]
    bronze = {t: [row for (row,) in warehouse.rows(f"select x::text from {t} x order by 1")] for t in tables}
    return bronze | warehouse.contents()


def by_hand(deployed: Deployed, stream: str) -> None:
    """The steps of a batch in this process, with nobody between them and us."""
    source = load_source(deployed.sources / "fakestore")
    bronze, lake = ObjectStore(deployed.names.bronze_bucket), ObjectStore(deployed.names.lake_bucket)
    contract = source.stream(stream).contract
    batch = Batch(source=source.name, stream=stream, interval_start=parse_time(START), interval_end=parse_time(END))
    with attempt(bronze, batch, "extract") as record:
        extract(batch, source=source, bronze=bronze, as_of=parse_time(AS_OF), record=record)
    with attempt(bronze, batch, "refine") as record:
        refine(batch, contract=contract, bronze=bronze, lake=lake, record=record)
    with attempt(bronze, batch, "load") as record:
        to = load_warehouse(deployed.endpoint)
        load(batch, contract=contract, bronze=bronze, lake=lake, warehouse=to, record=record)


def forget(deployed: Deployed, warehouse: Warehouse) -> None:
    """As if nothing had ever run."""
    for bucket in (deployed.names.bronze_bucket, deployed.names.lake_bucket):
        boto3.resource("s3").Bucket(bucket).objects.delete()
    for schema in ("bronze", "audit", "staging", "silver", "gold"):
        warehouse.connection.execute(f"drop schema if exists {schema} cascade")


def test_the_same_rows_as_when_nothing_stands_between_the_steps(
    deployed: Deployed, machine: str, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INGOT_SOURCE_URL_FAKESTORE", deployed.laptop.source.url)
    ended = execute(machine, interval_start=START, interval_end=END, as_of=AS_OF)
    assert ended["status"] == "SUCCEEDED", ended
    by_machine = everything(warehouse)
    forget(deployed, warehouse)

    for stream in STREAMS:
        by_hand(deployed, stream)

    assert by_machine == everything(warehouse)
    assert len(by_machine["bronze.fakestore_carts"]) > 5
    assert any(rows for table, rows in by_machine.items() if table.startswith("gold."))


def test_a_source_that_refuses_fails_the_execution_with_its_verdict(deployed: Deployed, machine: str) -> None:
    deployed.misbehave(path="/carts", status=404)

    ended = execute(machine, interval_start=START, interval_end=END, as_of=AS_OF)

    assert (ended["status"], ended["error"]) == ("FAILED", "PipelineFailed")
    assert "carts extract: Glue job" in ended["cause"]
    assert "TERMINAL SourceRefused: " in ended["cause"]
    runs = boto3.client("glue").get_job_runs(JobName=deployed.names.job("fakestore", "extract"))["JobRuns"]
    assert len(runs) == 3, "one a stream"
    states = deployed.rows("select stream, state from audit.batches order by stream")
    assert [(row["stream"], row["state"]) for row in states] == [
        ("carts", "FAILED"), ("products", "LOADED"), ("users", "LOADED"),
    ]  # fmt: skip
