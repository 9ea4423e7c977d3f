"""`ingot stream`, and what lands: events that are sent, and a state machine that what lands starts."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import msgspec
import pytest

from infra.constructs.state_machine_definition import definition
from infra.constructs.state_machine_schedule import rhythm
from ingot.errors import ConfigurationError, SourceUnavailable
from ingot.naming import landing_prefix
from ingot.storage import ObjectStore
from ingot.traffic import Sender
from tests.integration.cli.conftest import create_jobs

if TYPE_CHECKING:
    from conftest import Deployed

ROOT = Path(__file__).resolve().parents[3]
SOURCE = "orders_stream"
SEND = ("stream", "send", "--source", SOURCE, "--rate", "400", "--seconds", "0.5", "--seed", "7")
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture
def streaming(deployed: Deployed) -> Deployed:
    """The environment with the source of events, its jobs and its Kinesis stream; nothing delivers."""
    shutil.copytree(ROOT / "sources" / SOURCE, deployed.sources / SOURCE)
    deployed.deploy_sources()
    create_jobs(deployed.names, SOURCE)
    boto3.client("kinesis").create_stream(StreamName=deployed.names.event_stream(SOURCE, "orders"), ShardCount=1)
    return deployed


def sent(deployed: Deployed) -> list[bytes]:
    """What is in the Kinesis stream."""
    kinesis, name = boto3.client("kinesis"), deployed.names.event_stream(SOURCE, "orders")
    (shard,) = kinesis.list_shards(StreamName=name)["Shards"]
    begin = kinesis.get_shard_iterator(
        StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]  # fmt: skip
    return [record["Data"] for record in kinesis.get_records(ShardIterator=begin, Limit=10_000)["Records"]]


def test_what_is_sent_is_what_was_said_and_lands_as_the_status_says_and_starts_its_state_machine(
    streaming: Deployed, tmp_path: Path
) -> None:
    answer = streaming.ingot(*SEND, "--at", "2026-03-01T00:00:00Z", "--json")
    assert answer.code == 0, answer.err
    said = answer.json
    records = sent(streaming)
    events = [event for record in records if (event := _event(record)) is not None]
    distinct = {event["event_id"] for event in events}
    assert (said["records"], said["malformed"]) == (200, 200 - len(events)) == (len(records), said["malformed"])
    assert (said["events"], said["duplicates"]) == (len(distinct), len(events) - len(distinct))
    assert said["orders"] == len({event["order_id"] for event in events})
    assert said["first_order"] == min(event["order_id"] for event in events) >= 1001
    assert all(said[kind] > 0 for kind in ("duplicates", "late", "malformed"))

    _start_on_landing(streaming, _machine(streaming), tmp_path)
    bronze = ObjectStore(streaming.names.bronze_bucket)
    first, second = records[:150], records[150:]
    bronze.put(f"{landing_prefix(SOURCE, 'orders')}day=2026-03-01/a", b"\n".join(first))
    (waiting,) = streaming.ingot("stream", "status", "--json").json
    assert (waiting["source"], waiting["waiting"], waiting["newest_taken"]) == (SOURCE, 1, None)
    assert waiting["behind"] is not None
    _loaded(streaming, sum(_event(record) is not None for record in first))
    bronze.put(f"{landing_prefix(SOURCE, 'orders')}day=2026-03-02/b", b"\n".join(second))
    _loaded(streaming, len(events))

    rows = streaming.rows("select event_id, count(*) as times from bronze.orders_stream_orders group by 1")
    assert {row["event_id"]: row["times"] for row in rows} == Counter(event["event_id"] for event in events)
    (taken,) = streaming.ingot("stream", "status", "--source", SOURCE, "--json").json
    assert (taken["waiting"], taken["behind"]) == (0, None)
    assert taken["newest_taken"] is not None


def test_events_go_to_a_stream_that_takes_them_and_to_no_other(streaming: Deployed) -> None:
    assert "there is no source 'nobody'" in streaming.ingot("stream", "send", "--source", "nobody").err
    assert "no stream of 'fakestore' takes events" in streaming.ingot("stream", "send", "--source", "fakestore").err
    boto3.client("kinesis").delete_stream(StreamName=streaming.names.event_stream(SOURCE, "orders"))
    answer = streaming.ingot(*SEND)
    assert (answer.code, "ConfigurationError" in answer.err, "deploy the stream stack" in answer.err) == (1, True, True)


class Refusing:
    """A Kinesis stream that at first refuses each third record, as one whose limits are reached does."""

    def __init__(self, times: int) -> None:
        self.taken: list[bytes] = []
        self._times = times

    def put_records(self, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:
        answers: list[dict[str, Any]] = []
        for place, record in enumerate(Records):
            if self._times and place % 3 == 0:
                answers.append({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slower"})
            else:
                self.taken.append(record["Data"])
                answers.append({"SequenceNumber": "1", "ShardId": "0"})
        self._times = max(0, self._times - 1)
        return {"FailedRecordCount": 0, "Records": answers}


def test_records_that_a_stream_refuses_are_sent_again_and_each_is_in_it_once() -> None:
    stream, waits = Refusing(times=2), list[float]()
    sender = Sender("any", client=stream, sleep=waits.append)
    records = [(str(number).encode(), str(number)) for number in range(1_200)]
    sender.send(records)

    assert sorted(stream.taken) == sorted(data for data, _ in records)
    assert sender.sent == 1_200
    assert sender.retried == 167 + 56
    assert len(waits) == 2


def test_a_stream_that_goes_on_refusing_is_an_error() -> None:
    with pytest.raises(SourceUnavailable, match="did not take 1 records in 8 tries"):
        Sender("any", client=Refusing(times=99), sleep=lambda _: None).send([(b"x", "x")])
    with pytest.raises(ConfigurationError, match="takes no records"):
        Sender(f"none-{uuid.uuid4().hex}", client=_kinesis_of_nobody()).send([(b"x", "x")])


def _kinesis_of_nobody() -> Any:
    from botocore.exceptions import ClientError

    class Nobody:
        def put_records(self, **_: Any) -> None:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "PutRecords")

    return Nobody()


def _event(record: bytes) -> Any:
    """An event, if it is one by the contract's main marks; the gate says it in the test's second half."""
    try:
        event = msgspec.json.decode(record)
        whole = (
            {"order_id", "event_id", "type", "occurred_at", "placed_at", "user_id", "lines"} <= event.keys()
            and isinstance(event["order_id"], int)
            and event["type"] in ("placed", "changed", "cancelled")
            and event["occurred_at"].startswith("20")
            and event["lines"]
            and all(line["quantity"] > 0 for line in event["lines"])
        )
    except (msgspec.DecodeError, AttributeError):
        return None
    return event if whole else None


def _machine(deployed: Deployed) -> str:
    names = deployed.names
    name = names.state_machine(SOURCE)
    role = boto3.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    written = definition(names=names, source=SOURCE, streams=["orders"], rhythm=rhythm("*/5 * * * *"), retry_seconds=1)
    states = boto3.client("stepfunctions")
    return str(states.create_state_machine(name=name, definition=json.dumps(written), roleArn=role)["stateMachineArn"])


def _start_on_landing(deployed: Deployed, machine: str, folder: Path) -> None:
    """What infra/constructs/landing_start.py makes, and a bucket that tells of its objects."""
    import infra  # noqa: F401
    import aws_cdk as cdk  # isort: skip
    from aws_cdk import aws_kms as kms

    from infra.constructs.landing_start import LandingStart
    from infra.deployment import Deployment
    from infra.settings import load_settings

    settings = load_settings("local", {"INGOT_WAREHOUSE_HOST": "localhost", "INGOT_WAREHOUSE_PORT": "5433"})
    settings = msgspec.structs.replace(settings, landing_window_seconds=1)
    app = cdk.App(outdir=str(folder / "cdk"), analytics_reporting=False)
    stack = cdk.Stack(
        app,
        f"landed-{deployed.names.environment}",
        env=cdk.Environment(account=deployed.names.account, region=deployed.names.region),
        synthesizer=cdk.LegacyStackSynthesizer(),
    )
    LandingStart(
        stack,
        "Landing",
        Deployment(settings=settings, names=deployed.names, root=ROOT, build=folder),
        source=SOURCE,
        machine_arn=machine,
        key=kms.Key(stack, "Key"),
    )
    template = app.synth().get_stack_by_name(stack.stack_name).template
    cloudformation = boto3.client("cloudformation")
    cloudformation.create_stack(StackName=stack.stack_name, TemplateBody=json.dumps(template))
    (made,) = cloudformation.describe_stacks(StackName=stack.stack_name)["Stacks"]
    assert made["StackStatus"] == "CREATE_COMPLETE", [
        event.get("ResourceStatusReason")
        for event in cloudformation.describe_stack_events(StackName=stack.stack_name)["StackEvents"]
    ]
    boto3.client("s3").put_bucket_notification_configuration(
        Bucket=deployed.names.bronze_bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )


def _loaded(deployed: Deployed, rows: int) -> None:
    until = time.monotonic() + 120
    while True:
        answer = deployed.ingot("sql", "select count(*) as n from bronze.orders_stream_orders", "--json")
        if answer.code == 0 and answer.json[0]["n"] == rows:
            return
        assert time.monotonic() < until, (answer.out, answer.err)
        time.sleep(0.5)
