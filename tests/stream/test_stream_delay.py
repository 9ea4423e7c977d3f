"""How long an event takes to gold, at a schedule: measured, and so not part of the suite.

`STREAM_DELAY=1 pytest -s tests/stream/test_stream_delay.py` for a run each minute, `5` for one every five. Two events
are sent a second; Firehose collects for a minute, as an account's settings have it; the state machine starts the jobs
when the schedule is due, and dbt builds silver and gold with their tests after them. An order is there when that ended.
"""

from __future__ import annotations

import json
import os
import statistics
import threading
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from infra.constructs.state_machine_definition import definition
from infra.constructs.state_machine_schedule import rhythm
from ingot.sources import load_source
from ingot.traffic import Sender
from tests.integration.cli.conftest import create_jobs, deployed
from tests.stream.river import ROOT, SOURCE, STREAM, TRUST, deliver

if TYPE_CHECKING:
    from tests.integration.cli.conftest import Deployed

__all__ = ["deployed"]

MINUTES = int(os.environ.get("STREAM_DELAY", "0"))
BUFFER_SECONDS = 60
RATE = 2.0


@pytest.mark.skipif(not MINUTES, reason="it takes a quarter of an hour: STREAM_DELAY says at which schedule")
@pytest.mark.timeout(3600)
def test_how_long_an_event_takes_to_gold(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> None:
    from tests.integration.dbt.warehouse import dbt_process

    source = load_source(ROOT / "sources" / SOURCE)
    create_jobs(deployed.names, SOURCE)
    for file in (ROOT / "sources" / SOURCE).glob("*.yaml"):
        key = f"sources/{SOURCE}/{file.name}"
        boto3.client("s3").put_object(Bucket=deployed.names.artifacts_bucket, Key=key, Body=file.read_bytes())
    deliver(deployed.names, source, BUFFER_SECONDS)
    machine = _machine(deployed)
    endpoint = deployed.endpoint
    variables = {
        "INGOT_WAREHOUSE_HOST": endpoint.host,
        "INGOT_WAREHOUSE_PORT": str(endpoint.port),
        "INGOT_WAREHOUSE_USER": endpoint.username,
        "INGOT_WAREHOUSE_PASSWORD": endpoint.password,
        "INGOT_WAREHOUSE_DBNAME": endpoint.dbname,
    }
    period, sent = 60 * MINUTES, dict[int, float]()
    seconds = int(os.environ.get("STREAM_SECONDS", str(60 * max(4, 2 * MINUTES))))
    failures: list[Exception] = []
    done = threading.Event()

    def send() -> None:
        sender, begun = Sender(deployed.names.event_stream(SOURCE, STREAM)), time.time()
        for number in range(1, int(seconds * RATE) + 1):
            time.sleep(max(0.0, begun + number / RATE - time.time()))
            now = time.time()
            try:
                sender.send([(_placed(number, now), str(number))])
            except Exception as error:
                failures.append(error)
                break
            sent[number] = now
        done.set()

    seen: dict[int, float] = {}
    runs: list[tuple[float, float]] = []
    dbt = ROOT / ".venv-dbt" / "bin" / "python"
    with dbt_process(dbt, "postgres", tmp_path_factory.mktemp("dbt"), variables) as build:
        threading.Thread(target=send, daemon=True).start()
        due = (time.time() // period + 1) * period
        while not done.is_set() or len(seen) < len(sent):
            time.sleep(max(0.0, due - time.time()))
            begun = time.time()
            _execute(machine, due)
            between = time.time()
            failed = [p for p in build("build", "--exclude-resource-type", "unit_test") if not p.startswith("warn ")]
            ended = time.time()
            runs.append((between - begun, ended - between))
            try:
                # As one value: the command line shows only the first of many rows.
                (found,) = deployed.rows("select json_agg(distinct order_id)::text as ids from silver.order_lines")
                there = json.loads(found["ids"] or "[]")
            except AssertionError:
                there = []
            for number in there:
                seen.setdefault(number, ended)
            took = "jobs {:.0f} s, dbt {:.0f} s".format(*runs[-1])
            print(f"{datetime.now(UTC):%H:%M:%S} {took}, {len(seen)} of {len(sent)} orders {failed}", flush=True)
            due = max(due + period, (time.time() // period) * period)
    assert not failures
    delays = sorted(seen[number] - sent[number] for number in sent)
    print(
        f"*/{MINUTES}: {len(delays)} events, median {statistics.median(delays):.0f} s, "
        f"p95 {delays[int(0.95 * len(delays))]:.0f} s, least {delays[0]:.0f} s, most {delays[-1]:.0f} s; "
        f"jobs {statistics.median(r[0] for r in runs):.0f} s, dbt {statistics.median(r[1] for r in runs):.0f} s"
    )


def _placed(number: int, at: float) -> bytes:
    moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    event = {
        "event_id": str(uuid.uuid4()),
        "type": "placed",
        "occurred_at": moment,
        "order_id": number,
        "placed_at": moment,
        "user_id": 1,
        "lines": [{"product_id": 1, "quantity": 1}],
    }
    return json.dumps(event).encode()


def _machine(deployed: Deployed) -> str:
    names = deployed.names
    name = names.state_machine(SOURCE)
    trust = json.dumps(TRUST).replace("firehose", "states")
    role = boto3.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    beat = rhythm(f"*/{MINUTES} * * * *")
    written = definition(names=names, source=SOURCE, streams=[STREAM], rhythm=beat, retry_seconds=1)
    states = boto3.client("stepfunctions")
    return str(states.create_state_machine(name=name, definition=json.dumps(written), roleArn=role)["stateMachineArn"])


def _execute(machine: str, due: float) -> dict[str, Any]:
    """Run the state machine as the schedule would."""
    states = boto3.client("stepfunctions")
    given = json.dumps({"scheduled_time": datetime.fromtimestamp(due, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")})
    started = states.start_execution(stateMachineArn=machine, input=given)["executionArn"]
    while (found := states.describe_execution(executionArn=started))["status"] == "RUNNING":
        time.sleep(0.2)
    assert found["status"] == "SUCCEEDED", found
    return dict(found)
