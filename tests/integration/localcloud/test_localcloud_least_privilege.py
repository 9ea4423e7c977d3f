"""Each job may do what it needs, and nothing else: shown on the deployed roles, with IAM's checks on.

The stacks of the laptop's environment are deployed to a local cloud that checks; recorded Fakestore data then goes
through all jobs, each as its own role. Before a job's turn, each single right of its role (an action on one resource,
or on one prefix of one) is taken away once, and the job must fail for it: a right that nobody misses is idle.
"""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from localcloud.permissions import permitted
from recorded_source.recordings import FAKESTORE

from infra.access import ACCESS
from ingot.naming import JOBS
from tests.integration.localcloud.deploying import deploy
from tests.integration.localcloud.least_privilege import (
    AS_OF,
    FEBRUARY,
    JANUARY,
    LOG_ACTIONS,
    LOST,
    NAMES,
    REFUSED,
    SOURCE,
    TRACE_ACTION,
    UNTRACED,
    Cloud,
    Pipeline,
    deploy_jobs,
    is_refused,
    warehouse_of,
)
from tests.integration.localcloud.warm_python import warm_python

if TYPE_CHECKING:
    from laptop.services import Laptop

PRODUCTS = {"source": SOURCE, "stream": "products"}


@pytest.fixture(scope="module")
def recorded() -> Iterator[Any]:
    from recorded_source.source import RecordedSource

    with RecordedSource() as source:
        yield source


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """With a short path: a socket's has at most 107 characters."""
    path = Path(tempfile.mkdtemp(prefix="ingot-test-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def checked(
    server: Callable[..., Any], synthesised: Callable[..., Any], laptop: Laptop, recorded: Any, folder: Path
) -> Iterator[Cloud]:
    """Ingot on a local cloud that checks rights from its first request on."""
    assembly = synthesised("local")
    laptop.postgres.start()
    with (
        warm_python(folder) as python,
        server(
            folder / "state",
            INITIAL_NO_AUTH_ACTION_COUNT="0",
            LOCALCLOUD_GLUE_PYTHON=str(python),
            INGOT_SOURCE_URL_FAKESTORE=recorded.url,
        ) as running,
    ):
        cloud = Cloud(running.endpoint)
        deploy_jobs(cloud, assembly)
        with warehouse_of(cloud, laptop):
            put = cloud.root("secretsmanager").put_secret_value
            put(SecretId=NAMES.source_secret(SOURCE), SecretString=json.dumps({"token": secrets.token_hex(8)}))
            yield cloud


@pytest.fixture(scope="module")
def pipeline(checked: Cloud, recorded: Any) -> Pipeline:
    """All jobs have run as their own roles, on data that makes them use all they may."""
    pipeline, s3 = Pipeline(checked), checked.root("s3")
    for stream in ("products", "users", "carts"):
        for step in ("extract", "refine", "load"):
            arguments = {"source": SOURCE, "stream": stream, **JANUARY, **AS_OF}
            pipeline.run(step, **arguments)
    pipeline.run("audit", **JANUARY)

    # A product is gone, one is new, one has a new title, and two are refused.
    products = {each["id"]: each for each in json.loads((FAKESTORE / "products.json").read_text(encoding="utf-8"))}
    del products[20]
    products[21] = {**products[1], "id": 21}
    products[5]["title"], products[3]["price"], products[4]["title"] = "News", -1, 4
    recorded.misbehave("/products", body=list(products.values()))
    for step in ("extract", "refine", "load"):
        pipeline.prove(step, **PRODUCTS, **FEBRUARY, **AS_OF)
    pipeline.prove("audit", **FEBRUARY)

    # The contract now takes one of the two that were refused.
    contract = f"sources/{SOURCE}/products.odcs.yaml"
    text = s3.get_object(Bucket=NAMES.artifacts_bucket, Key=contract)["Body"].read().decode()
    assert "minimum: 0\n" in text
    s3.put_object(Bucket=NAMES.artifacts_bucket, Key=contract, Body=text.replace("minimum: 0\n", "minimum: -1\n"))
    (rejects,) = s3.list_objects_v2(Bucket=NAMES.bronze_bucket, Prefix="quarantine/")["Contents"]
    pipeline.prove("replay", quarantine_key=rejects["Key"], action="replay")
    resolves = {"resolves": rejects["Key"].rpartition("-")[2].partition(".")[0]}
    for step in ("refine", "load"):
        pipeline.run(step, **PRODUCTS, **FEBRUARY, **AS_OF, **resolves)

    # Some Parquet is lost, which is then refined anew.
    for parquet in s3.list_objects_v2(Bucket=NAMES.lake_bucket, Prefix=f"bronze/{SOURCE}/products/")["Contents"]:
        s3.delete_object(Bucket=NAMES.lake_bucket, Key=parquet["Key"])
    pipeline.prove("rebuild")
    return pipeline


@pytest.mark.slow
def test_the_whole_pipeline_runs_with_each_job_as_its_own_role(pipeline: Pipeline) -> None:
    jobs = {run["JobName"] for run in pipeline.runs}

    assert jobs == {NAMES.job(SOURCE, step) for step in JOBS}
    assert len({pipeline.cloud.role(step) for step in JOBS}) == len(JOBS)


@pytest.mark.slow
@pytest.mark.parametrize("step", JOBS)
def test_a_job_fails_without_any_one_of_its_rights(pipeline: Pipeline, step: str) -> None:
    missed = pipeline.missed[step]
    to_log = [each for each in missed if each.right.action in LOG_ACTIONS]

    assert missed
    assert {str(each.right) for each in missed if not each.outcome} == set(), "idle"
    # A run whose role may not log goes on: what is lost is the log.
    assert {each.outcome for each in to_log} == {LOST}
    # Nor does it fail for its trace.
    to_trace = [each for each in missed if each.right.action == TRACE_ACTION]
    assert [each.outcome for each in to_trace] == [UNTRACED] * len(to_trace)
    others = [f"{each.right}: {each.outcome}" for each in missed if each not in (*to_log, *to_trace)]
    assert [line for line in others if not REFUSED.search(line)] == [], "failed, but not for the right"


@pytest.mark.slow
def test_the_runs_metrics_are_in_cloudwatch_though_no_job_may_put_any(pipeline: Pipeline) -> None:
    cloud, s3 = pipeline.cloud, pipeline.cloud.root("s3")
    assert not any("cloudwatch:" in json.dumps(cloud.policies(step)) for step in JOBS)
    (manifest,) = s3.list_objects_v2(Bucket=NAMES.bronze_bucket, Prefix=f"manifests/{SOURCE}/carts/")["Contents"]
    carts = json.loads(s3.get_object(Bucket=NAMES.bronze_bucket, Key=manifest["Key"])["Body"].read())
    of_carts = {"source": SOURCE, "stream": "carts"}

    # One run of each step was at the carts.
    assert cloud.metric("rows_accepted", **of_carts) == carts["accepted"] > 0
    assert cloud.metric("rows_rejected", **of_carts) == 0
    assert cloud.metric("attempts_failed", **of_carts, step="load") == 0
    assert (cloud.metric("step_seconds", **of_carts, step="refine") or 0) > 0
    assert (cloud.metric("freshness_seconds", **of_carts) or 0) > 0, "the audit's"
    # And of the products two records were refused; runs without a right failed.
    of_products = {"source": SOURCE, "stream": "products"}
    assert (cloud.metric("rows_rejected", **of_products) or 0) >= 2
    assert (cloud.metric("attempts_failed", **of_products, step="extract") or 0) >= 1


@pytest.mark.slow
def test_the_steps_of_a_batch_are_one_trace_with_what_they_did(pipeline: Pipeline) -> None:
    of_carts = [run for run in pipeline.runs if run["Arguments"].get("--stream") == "carts"]
    segments = [segment for run in of_carts for segment in pipeline.cloud.traces_of(run)]

    assert {segment["name"] for segment in segments} == {f"{SOURCE}-{step}" for step in ("extract", "refine", "load")}
    assert len({segment["annotations"]["batch"] for segment in segments}) == 1
    phases = {segment["annotations"]["step"]: [p["name"] for p in segment["subsegments"]] for segment in segments}
    assert phases["refine"] == ["write", "upload"]
    assert phases["load"] == ["download", "load"]
    assert set(phases["extract"]) == {"request"}


KINDS = {
    "bronze": ("data", "deletes", "quarantine", "manifests", "sequence", "known", "attempts"),
    "lake": ("bronze",),
}
"""Purpose of a bucket → what its keys begin with."""


@pytest.fixture(scope="module")
def stocked(checked: Cloud) -> Cloud:
    """With an object everywhere where somebody could reach for one: what is refused is not merely missing."""
    s3 = checked.root("s3")
    for purpose, kinds in KINDS.items():
        for kind in kinds:
            for source in (SOURCE, "fakestore2", "other"):
                s3.put_object(Bucket=BUCKETS[purpose], Key=f"{kind}/{source}/x/y", Body=b"there")
    s3.put_object(Bucket=BUCKETS["artifacts"], Key="other/x", Body=b"there")
    checked.root("secretsmanager").create_secret(Name="ingot/local/source/other", SecretString="{}")
    return checked


BUCKETS = {"bronze": NAMES.bronze_bucket, "lake": NAMES.lake_bucket, "artifacts": NAMES.artifacts_bucket}


@pytest.mark.parametrize("step", JOBS)
def test_a_job_reaches_the_prefixes_of_its_access_and_no_others(stocked: Cloud, step: str) -> None:
    s3, access = stocked.as_job(step, "s3"), ACCESS[step].of_source(SOURCE)
    reached: dict[str, set[str]] = {"read": set(), "list": set(), "write": set()}
    for purpose, kinds in KINDS.items():
        bucket = BUCKETS[purpose]
        for path in (f"{kind}/{source}/" for kind in kinds for source in (SOURCE, "fakestore2", "other")):
            calls = {
                "read": partial(s3.get_object, Bucket=bucket, Key=f"{path}x/y"),
                "list": partial(s3.list_objects_v2, Bucket=bucket, Prefix=path),
                "write": partial(s3.put_object, Bucket=bucket, Key=f"{path}x/z", Body=b"from a test"),
            }
            for kind, call in calls.items():
                if not is_refused(call):
                    reached[kind].add(f"{purpose}/{path}")

    assert reached == {"read": set(access.read), "list": set(access.list), "write": set(access.write)}


@pytest.mark.parametrize("step", JOBS)
def test_what_no_job_may_do_is_refused(stocked: Cloud, step: str) -> None:
    bronze, lake, artifacts = BUCKETS.values()
    s3, glue, vault = (stocked.as_job(step, name) for name in ("s3", "glue", "secretsmanager"))
    iam, sts, kms, logs = (stocked.as_job(step, name) for name in ("iam", "sts", "kms", "logs"))
    other = next(each for each in JOBS if each != step)
    role, others = (stocked.root("iam").get_role(RoleName=stocked.role(s))["Role"] for s in (step, other))
    (key,) = (k["TargetKeyId"] for k in stocked.root("kms").list_aliases()["Aliases"] if "ingot" in k["AliasName"])
    own = f"attempts/{SOURCE}/x/y"
    forbidden = {
        "lists a whole bucket": partial(s3.list_objects_v2, Bucket=bronze),
        "lists all prefixes": partial(s3.list_objects_v2, Bucket=bronze, Delimiter="/"),
        "lists all sources": partial(s3.list_objects_v2, Bucket=bronze, Prefix="attempts/"),
        "lists one whose name begins the same": partial(
            s3.list_objects_v2, Bucket=bronze, Prefix=f"attempts/{SOURCE}2/"
        ),
        "lists by the older call": partial(s3.list_objects, Bucket=bronze),
        "lists versions": partial(s3.list_object_versions, Bucket=bronze, Prefix=f"attempts/{SOURCE}/"),
        "lists the artifacts": partial(s3.list_objects_v2, Bucket=artifacts, Prefix="sources/"),
        "lists the buckets": s3.list_buckets,
        "reads another job's script": partial(s3.get_object, Bucket=artifacts, Key=f"jobs/{other}.py"),
        "reads other artifacts": partial(s3.get_object, Bucket=artifacts, Key="other/x"),
        "changes its own script": partial(s3.put_object, Bucket=artifacts, Key=f"jobs/{step}.py", Body=b"print()"),
        "changes a contract": partial(s3.put_object, Bucket=artifacts, Key=f"sources/{SOURCE}/x", Body=b""),
        "deletes an object": partial(s3.delete_object, Bucket=bronze, Key=own),
        "deletes a version": partial(s3.delete_object, Bucket=bronze, Key=own, VersionId="null"),
        "deletes a bucket": partial(s3.delete_bucket, Bucket=lake),
        "makes a bucket": partial(s3.create_bucket, Bucket="mine"),
        "opens a bucket": partial(s3.put_bucket_policy, Bucket=bronze, Policy="{}"),
        "copies from another source": partial(
            s3.copy_object, Bucket=bronze, Key=own, CopySource={"Bucket": bronze, "Key": "data/other/x/y"}
        ),
        "reads another source's secret": partial(vault.get_secret_value, SecretId="ingot/local/source/other"),
        "changes the warehouse's secret": partial(
            vault.put_secret_value, SecretId=NAMES.warehouse_secret, SecretString="{}"
        ),
        "starts itself": partial(glue.start_job_run, JobName=NAMES.job(SOURCE, step)),
        "starts another job": partial(glue.start_job_run, JobName=NAMES.job(SOURCE, other)),
        "changes a job": partial(
            glue.update_job,
            JobName=NAMES.job(SOURCE, other),
            JobUpdate={"Role": role["Arn"], "Command": {"Name": "glueetl", "ScriptLocation": "s3://b/k"}},
        ),
        "takes another job's role": partial(sts.assume_role, RoleArn=others["Arn"], RoleSessionName="another"),
        "gives itself rights": partial(
            iam.put_role_policy, RoleName=role["RoleName"], PolicyName="Step", PolicyDocument="{}"
        ),
        "deletes the key": partial(kms.schedule_key_deletion, KeyId=key),
        "writes another log": partial(logs.create_log_stream, logGroupName="/aws/other", logStreamName="x"),
    }

    assert [what for what, call in forbidden.items() if not is_refused(call)] == []


@pytest.mark.parametrize("step", JOBS)
def test_a_secret_is_read_by_the_jobs_that_use_it(stocked: Cloud, step: str) -> None:
    vault = stocked.as_job(step, "secretsmanager")
    read = {
        name
        for name in (NAMES.warehouse_secret, NAMES.source_secret(SOURCE))
        if not is_refused(partial(vault.get_secret_value, SecretId=name))
    }

    assert read == {
        *([NAMES.warehouse_secret] if ACCESS[step].warehouse else []),
        *([NAMES.source_secret(SOURCE)] if ACCESS[step].source else []),
    }


def test_load_is_refused_what_was_quarantined(stocked: Cloud) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        stocked.as_job("load", "s3").get_object(Bucket=BUCKETS["bronze"], Key=f"quarantine/{SOURCE}/x/y")


def test_keys_that_nobody_gave_out_are_refused(checked: Cloud) -> None:
    stranger = boto3.session.Session(aws_access_key_id="AKIAUNKNOWN", aws_secret_access_key="x")
    s3 = stranger.client("s3", endpoint_url=checked.endpoint, region_name="us-east-1")

    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        s3.list_objects_v2(Bucket=BUCKETS["bronze"])


ALLOW = {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/a/*"}
CONTEXT = {"aws:securetransport": "true", "s3:prefix": "a/b"}


@pytest.mark.parametrize(
    ("statements", "decision"),
    [
        ([ALLOW], True),
        ([{**ALLOW, "Action": ["S3:GETOBJECT"]}], True),
        ([{**ALLOW, "Action": "s3:PutObject"}], False),
        ([{**ALLOW, "Resource": "arn:aws:s3:::b/a/?"}], True),
        ([{**ALLOW, "Resource": "arn:aws:s3:::b/a"}], False),
        ([{**ALLOW, "Resource": "arn:aws:s3:::b/[a]/*"}], False),  # no pattern of a shell
        ([{"Effect": "Allow", "NotAction": "s3:PutObject", "Resource": "*"}], True),
        ([{"Effect": "Allow", "NotAction": "s3:GetObject", "Resource": "*"}], False),
        ([{"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::b/*"}], False),
        ([ALLOW, {**ALLOW, "Effect": "Deny"}], False),
        ([], False),
        *(
            ([{**ALLOW, "Condition": condition}], decision)
            for condition, decision in (
                ({"StringLike": {"s3:prefix": ["x", "a/*"]}}, True),
                ({"StringLike": {"S3:Prefix": "a/*"}}, True),
                ({"StringLike": {"s3:prefix": "b*"}}, False),
                ({"StringEquals": {"s3:prefix": "a/*"}}, False),
                ({"StringNotLike": {"s3:prefix": "b*"}}, True),
                ({"StringNotEquals": {"s3:prefix": "a/b"}}, False),
                ({"StringLike": {"s3:delimiter": "*"}}, False),  # a key that the request does not have
                ({"StringLikeIfExists": {"s3:delimiter": "/"}}, True),
                ({"StringNotLike": {"s3:delimiter": "/"}}, True),
                ({"Null": {"s3:delimiter": "true"}}, True),
                ({"Null": {"s3:prefix": "true"}}, False),
                ({"Bool": {"aws:SecureTransport": "true"}, "StringLike": {"s3:prefix": "b*"}}, False),
                ({"DateLessThan": {"aws:CurrentTime": "2999-01-01T00:00:00Z"}}, False),  # not evaluated: not met
            )
        ),
        ([ALLOW, {**ALLOW, "Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}], True),
        ([ALLOW, {**ALLOW, "Effect": "Deny", "Condition": {"DateLessThan": {"aws:CurrentTime": "x"}}}], False),
    ],
)
def test_the_local_cloud_decides_as_iam_documents_it(statements: list[dict[str, Any]], decision: bool) -> None:
    assert permitted(statements, "s3:GetObject", "arn:aws:s3:::b/a/b", CONTEXT) is decision


EVENTS, ORDERS = "simple_orders", {"source": "simple_orders", "stream": "orders"}


@dataclass(frozen=True)
class Delivered:
    """A stream that is deployed beside the jobs, the role of its delivery, and that of the job that takes from it."""

    cloud: Cloud
    sender: str
    taker: str

    def send(self, *numbers: int) -> None:
        events = [{"order_id": n, "placed_at": "2026-03-01T00:00:00Z", "quantity": 1} for n in numbers]
        records = [{"Data": json.dumps(event).encode(), "PartitionKey": str(event["order_id"])} for event in events]
        self.cloud.root("kinesis").put_records(StreamName=NAMES.event_stream(EVENTS, "orders"), Records=records)

    def landed(self) -> list[str]:
        s3 = self.cloud.root("s3")
        found = s3.list_objects_v2(Bucket=NAMES.bronze_bucket, Prefix=f"landing/{EVENTS}/orders/day=2026-03-01/")
        return [item["Key"] for item in found.get("Contents", ())]

    def told(self) -> str:
        """What the delivery wrote into its log."""
        group = f"/aws/kinesisfirehose/{NAMES.event_stream(EVENTS, 'orders')}"
        events = self.cloud.root("logs").filter_log_events(logGroupName=group)["events"]
        return "\n".join(event["message"] for event in events)

    def statements(self, role: str) -> list[dict[str, Any]]:
        (document,) = self.cloud.policies_of(role).values()
        return list(document["Statement"])

    def wait_for(self, holds: Callable[[], object]) -> None:
        until = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < until, "not in time"
            time.sleep(0.2)


@pytest.fixture(scope="module")
def delivered(checked: Cloud, synthesised: Callable[..., Any]) -> Delivered:
    deploy(checked.root, synthesised("local"), ["ingot-local-stream"])
    name = NAMES.event_stream(EVENTS, "orders")
    about = checked.root("firehose").describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
    sender = about["Destinations"][0]["ExtendedS3DestinationDescription"]["RoleARN"].rpartition("/")[2]
    return Delivered(checked, sender, checked.role("extract", EVENTS))


def test_a_delivery_that_may_not_write_says_so_and_loses_nothing(delivered: Delivered) -> None:
    rest = [each for each in delivered.statements(delivered.sender) if each["Sid"] != "Write"]
    before = len(delivered.landed())
    with delivered.cloud.reduced(delivered.sender, rest):
        delivered.send(1, 2)
        delivered.wait_for(lambda: "AccessDenied" in delivered.told())
        assert len(delivered.landed()) == before
    delivered.wait_for(lambda: len(delivered.landed()) > before)


@pytest.mark.parametrize("sid", ["Read", "ListBronze"])
def test_what_lands_is_taken_by_the_rights_for_it_alone(delivered: Delivered, sid: str) -> None:
    before = len(delivered.landed())
    delivered.send(3)
    delivered.wait_for(lambda: len(delivered.landed()) > before)
    interval = {"interval_start": "2026-03-01T00:00:00Z", "interval_end": "2026-03-01T00:05:00Z"}
    given = {**ORDERS, **interval, "as_of": "2026-03-01T00:05:00Z"}
    reduced = json.loads(json.dumps(delivered.statements(delivered.taker)))
    (statement,) = (each for each in reduced if each["Sid"] == sid)
    places = statement["Resource"] if sid == "Read" else statement["Condition"]["StringLike"]["s3:prefix"]
    places.remove(next(place for place in places if "landing/" in place))

    with delivered.cloud.reduced(delivered.taker, reduced):
        run = delivered.cloud.run("extract", **given)

    assert REFUSED.search(run["ErrorMessage"]), run


def test_events_go_through_with_every_part_as_its_own_role(delivered: Delivered) -> None:
    before = len(delivered.landed())
    delivered.send(4, 5)
    delivered.wait_for(lambda: len(delivered.landed()) > before)
    interval = {"interval_start": "2026-03-01T00:05:00Z", "interval_end": "2026-03-01T00:10:00Z"}
    run = delivered.cloud.run("extract", **ORDERS, **interval, as_of="2026-03-01T00:10:00Z")
    assert run["JobRunState"] == "SUCCEEDED", run.get("ErrorMessage")

    key = f"manifests/{EVENTS}/orders/{EVENTS}.orders.20260301T000500Z.20260301T001000Z.json"
    manifest = json.loads(delivered.cloud.root("s3").get_object(Bucket=NAMES.bronze_bucket, Key=key)["Body"].read())
    assert manifest["accepted"] >= 2
    assert {landed["key"] for landed in manifest["landed"]} == set(delivered.landed())


def test_what_neither_of_a_streams_roles_may_do_is_refused(delivered: Delivered) -> None:
    bronze, name = NAMES.bronze_bucket, NAMES.event_stream(EVENTS, "orders")
    sender, taker = (partial(delivered.cloud.as_role, role) for role in (delivered.sender, delivered.taker))
    fakestore = partial(delivered.cloud.as_job, "extract")
    delivered.cloud.root("s3").put_object(Bucket=bronze, Key="landing/other/x/y", Body=b"there")
    delivered.cloud.root("s3").put_object(Bucket=bronze, Key=f"landing/{EVENTS}/other/y", Body=b"there")
    forbidden = {
        "delivers for another source": partial(sender("s3").put_object, Bucket=bronze, Key="landing/other/x/z"),
        "delivers for another stream": partial(sender("s3").put_object, Bucket=bronze, Key=f"landing/{EVENTS}/o/z"),
        "delivers past the gate": partial(sender("s3").put_object, Bucket=bronze, Key=f"data/{EVENTS}/orders/z"),
        "delivery deletes": partial(sender("s3").delete_object, Bucket=bronze, Key=f"landing/{EVENTS}/orders/z"),
        "delivery sends": partial(sender("kinesis").put_record, StreamName=name, Data=b"{}", PartitionKey="1"),
        "takes another's": partial(taker("s3").get_object, Bucket=bronze, Key="landing/other/x/y"),
        "lists another's": partial(taker("s3").list_objects_v2, Bucket=bronze, Prefix="landing/other/"),
        "changes what landed": partial(taker("s3").put_object, Bucket=bronze, Key=f"landing/{EVENTS}/orders/z"),
        "deletes what landed": partial(taker("s3").delete_object, Bucket=bronze, Key=f"landing/{EVENTS}/other/y"),
        "reads the stream itself": partial(taker("kinesis").list_shards, StreamName=name),
        "another job takes it": partial(fakestore("s3").get_object, Bucket=bronze, Key=f"landing/{EVENTS}/other/y"),
    }

    assert [what for what, call in forbidden.items() if not is_refused(call)] == []
