"""Ingot deployed to a local cloud that checks rights, and each right of a job's role taken away in turn."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from localcloud.clients import ROOT_CREDENTIALS

from ingot.metrics import metrics_namespace
from ingot.naming import Names
from tests.integration.localcloud.comparison import Assembly
from tests.integration.localcloud.deploying import ACCOUNT, REGION, bootstrap, deploy, only

if TYPE_CHECKING:
    from laptop.services import Laptop

SOURCE = "fakestore"
NAMES = Names(environment="local", account=ACCOUNT, region=REGION)
ENDED = {"SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT"}
REFUSED = re.compile(r"AccessDenied|refused: 403")
LEANED_ON = (
    "AWS::KMS::",
    "AWS::S3::",
    "AWS::SecretsManager::Secret",
    "AWS::IAM::",
    "AWS::Logs::LogGroup",
    "AWS::Lambda::",
    "Custom::CDKBucketDeployment",
    "AWS::Glue::Job",
)
"""The types of resources that are deployed."""
LOST = "its log is lost"
LOG_ACTIONS = ("logs:CreateLogStream", "logs:PutLogEvents")
UNTRACED = "its trace is lost"
TRACE_ACTION = "xray:PutTraceSegments"

JANUARY = {"interval_start": "2020-01-01T00:00:00Z", "interval_end": "2020-02-01T00:00:00Z"}
FEBRUARY = {"interval_start": "2020-02-01T00:00:00Z", "interval_end": "2020-03-01T00:00:00Z"}
AS_OF = {"as_of": "2020-03-01T06:00:00Z"}


@dataclass(frozen=True)
class Right:
    """One action on one resource, or on one prefix of it: a statement that says nothing else."""

    action: str
    resource: str
    prefix: str = ""
    statement: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.action, self.resource, self.prefix)))


def rights_of(documents: Iterable[Mapping[str, Any]]) -> list[Right]:
    """All rights that policies give, each by itself; rights to log come last, as a run goes on without them."""
    rights = []
    for statement in (s for document in documents for s in document["Statement"]):
        assert statement["Effect"] == "Allow"
        condition = statement.get("Condition") or {}
        prefixes = _as_list(condition["StringLike"]["s3:prefix"]) if condition else [""]
        assert condition in ({}, {"StringLike": {"s3:prefix": condition.get("StringLike", {}).get("s3:prefix")}})
        for action in _as_list(statement["Action"]):
            for resource in _as_list(statement["Resource"]):
                for prefix in prefixes:
                    single = {"Effect": "Allow", "Action": action, "Resource": resource}
                    if prefix:
                        single["Condition"] = {"StringLike": {"s3:prefix": prefix}}
                    rights.append(Right(action, resource, prefix, json.dumps(single)))
    return sorted(rights, key=lambda right: right.action in LOG_ACTIONS)


def one_run_each(rights: Iterable[Right]) -> list[list[Right]]:
    """The rights that are taken away together: each by itself, but for those that a run goes on without.

    What is lost without one of the latter shows which it was, as long as no two of them have the same effect. So a run
    loses the right to make a stream in one log group and the right to write to the other, and the next run the reverse.
    """
    alone, first, second = [], [], []
    for right in rights:
        if right.action not in (*LOG_ACTIONS, TRACE_ACTION):
            alone.append([right])
        elif (right.action == "logs:PutLogEvents") is ("/output:" in right.resource):
            second.append(right)
        else:
            first.append(right)
    for together in (first, second):
        effects = [right.resource if right.action in LOG_ACTIONS else right.action for right in together]
        assert len(set(effects)) == len(effects), together
    return [*alone, *filter(None, (first, second))]


class Cloud:
    """A deployment, seen by the account's root, and by whoever has a role."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._session = boto3.session.Session(region_name=REGION, **ROOT_CREDENTIALS)
        self.root = cache(self._client)

    def _client(self, service: str) -> Any:
        return self._session.client(service, endpoint_url=self.endpoint, config=_CONFIG)

    @cache  # noqa: B019 - there is one, for as long as the tests of this file run
    def role(self, step: str, source: str = SOURCE) -> str:
        """The name of a job's role, as deployed."""
        job = self.root("glue").get_job(JobName=NAMES.job(source, step))["Job"]
        return str(job["Role"]).rpartition("/")[2]

    @cache  # noqa: B019
    def as_job(self, step: str, service: str) -> Any:
        """A client with the rights of a job."""
        return self.as_role(self.role(step), service)

    def as_role(self, name: str, service: str) -> Any:
        """A client with the rights of a role."""
        keys = self.keys_of(name)
        return self._session.client(
            service,
            endpoint_url=self.endpoint,
            config=_CONFIG,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )

    def keys_of(self, name: str) -> dict[str, str]:
        """What whoever has taken a role signs with."""
        arn = self.root("iam").get_role(RoleName=name)["Role"]["Arn"]
        return dict(self.root("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"])

    def policies(self, step: str) -> dict[str, dict[str, Any]]:
        """The policies of a job's role, by name; it has no others."""
        return self.policies_of(self.role(step))

    def policies_of(self, role: str) -> dict[str, dict[str, Any]]:
        iam = self.root("iam")
        assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
        names = iam.list_role_policies(RoleName=role)["PolicyNames"]
        return {name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names}

    def without(self, taken: list[Right], step: str) -> AbstractContextManager[None]:
        """A job's role with all of its rights but these."""
        role = self.role(step)
        rights = rights_of(self.policies(step).values())
        return self.reduced(role, [json.loads(other.statement) for other in rights if other not in taken])

    @contextmanager
    def reduced(self, role: str, rest: list[dict[str, Any]]) -> Iterator[None]:
        """A role with these statements in the place of its own."""
        iam = self.root("iam")
        ((name, document),) = self.policies_of(role).items()
        reduced = json.dumps({"Version": "2012-10-17", "Statement": rest})
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=reduced)
        try:
            yield
        finally:
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))

    def run(self, step: str, **arguments: str) -> dict[str, Any]:
        """A run of a job, once it has ended."""
        glue, job = self.root("glue"), NAMES.job(arguments.get("source", SOURCE), step)
        given = {f"--{name}": value for name, value in arguments.items()}
        run_id = glue.start_job_run(JobName=job, Arguments=given)["JobRunId"]
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            run: dict[str, Any] = glue.get_job_run(JobName=job, RunId=run_id)["JobRun"]
            if run["JobRunState"] in ENDED:
                return run
            time.sleep(0.05)
        raise AssertionError(f"a run of {job} is still {run['JobRunState']} after three minutes")

    def logged(self, run: Mapping[str, Any]) -> set[str]:
        """The log groups that hold something of a run."""
        logs, groups = self.root("logs"), (f"{run['LogGroupName']}/{kind}" for kind in ("output", "error"))
        return {
            group
            for group in groups
            if logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=run["Id"])["logStreams"]
        }

    def traces_of(self, run: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The segments that a run sent, whatever trace they are a part of."""
        xray, now = self.root("xray"), datetime.now(UTC)
        begun = {"StartTime": now - timedelta(days=1), "EndTime": now + timedelta(days=1)}
        ids = [each["Id"] for each in xray.get_trace_summaries(**begun)["TraceSummaries"]]
        traces = xray.batch_get_traces(TraceIds=ids)["Traces"] if ids else []
        sent = [json.loads(segment["Document"]) for trace in traces for segment in trace["Segments"]]
        return [segment for segment in sent if segment["annotations"]["run"] == run["Id"]]

    def metric(self, name: str, **dimensions: str) -> float | None:
        """The sum of a metric's values so far; None if it has none."""
        now = datetime.now(UTC)
        metric = {
            "Namespace": metrics_namespace("local"),
            "MetricName": name,
            "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
        }
        found = self.root("cloudwatch").get_metric_data(
            MetricDataQueries=[{"Id": "m", "MetricStat": {"Metric": metric, "Period": 7 * 86400, "Stat": "Sum"}}],
            StartTime=now - timedelta(days=1),
            EndTime=now + timedelta(days=1),
        )["MetricDataResults"][0]["Values"]
        return float(found[0]) if found else None


_CONFIG = Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"})


class Objects:
    """What is in some buckets, to go back to."""

    def __init__(self, cloud: Cloud, *buckets: str) -> None:
        self._s3 = cloud.root("s3")
        self._there = {bucket: dict(self._list(bucket)) for bucket in buckets}
        self._content = {
            (bucket, key): self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            for bucket, tags in self._there.items()
            for key in tags
        }

    def _list(self, bucket: str) -> Iterator[tuple[str, str]]:
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            yield from ((item["Key"], item["ETag"]) for item in page.get("Contents", ()))

    def put_back(self) -> None:
        for bucket, before in self._there.items():
            now = dict(self._list(bucket))
            for key in now.keys() - before.keys():
                self._s3.delete_object(Bucket=bucket, Key=key)
            for key in before:
                if now.get(key) != before[key]:
                    self._s3.put_object(Bucket=bucket, Key=key, Body=self._content[bucket, key])


def deploy_jobs(cloud: Cloud, assembly: Assembly) -> None:
    """Deploy the jobs of the laptop's environment and all that they lean on."""
    bootstrap(cloud.root)
    deploy(cloud.root, assembly, assembly.needed_by("ingot-local-jobs"), _without_the_rest)


def _without_the_rest(template: dict[str, Any]) -> dict[str, Any]:
    """A template without what no job leans on, such as tables, grants and alarms: their tests are elsewhere."""
    return only(template, lambda kind: kind.startswith(LEANED_ON))


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@dataclass(frozen=True)
class Missed:
    """What became of a job without one of its rights: its error, `LOST` or `UNTRACED`; empty if nothing did."""

    right: Right
    outcome: str


class Pipeline:
    """The way of one batch through all jobs, each proven to need its rights just before its turn."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.missed: dict[str, list[Missed]] = {}
        self.runs: list[dict[str, Any]] = []

    def run(self, step: str, **arguments: str) -> dict[str, Any]:
        """Run a job, which must succeed."""
        run = self.cloud.run(step, **arguments)
        assert run["JobRunState"] == "SUCCEEDED", (step, run.get("ErrorMessage"))
        self.runs.append(run)
        return run

    def prove(self, step: str, **arguments: str) -> None:
        """Run a job once without each of its rights, and then with all of them."""
        before = Objects(self.cloud, NAMES.bronze_bucket, NAMES.lake_bucket)
        self.missed[step] = []
        for rights in one_run_each(rights_of(self.cloud.policies(step).values())):
            with self.cloud.without(rights, step):
                run = self.cloud.run(step, **arguments)
            self.missed[step] += [Missed(right, self._outcome(run, right)) for right in rights]
            before.put_back()
        self.run(step, **arguments)

    def _outcome(self, run: Mapping[str, Any], right: Right) -> str:
        if run["JobRunState"] == "SUCCEEDED":
            if right.action == TRACE_ACTION:
                return "" if self.cloud.traces_of(run) else UNTRACED
            lost = not any(right.resource.startswith(f"{_log_arn(group)}:") for group in self.cloud.logged(run))
            return LOST if right.action in LOG_ACTIONS and lost else ""
        return str(run["ErrorMessage"])


def _log_arn(group: str) -> str:
    return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"


@contextmanager
def warehouse_of(cloud: Cloud, laptop: Laptop) -> Iterator[None]:
    """An empty warehouse, which the deployed secret leads to."""
    from psycopg import sql

    vault, name = cloud.root("secretsmanager"), f"test_{uuid.uuid4().hex[:12]}"
    secret = json.loads(vault.get_secret_value(SecretId=NAMES.warehouse_secret)["SecretString"])
    with laptop.postgres.connect("postgres") as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    laptop.postgres.ensure_role(name, secret["password"], owner_of=name)
    where = {"host": laptop.postgres.host, "port": laptop.postgres.port}
    told = json.dumps({**secret, **where, "username": name, "dbname": name})
    vault.put_secret_value(SecretId=NAMES.warehouse_secret, SecretString=told)
    yield
    with laptop.postgres.connect("postgres") as admin:
        admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
        admin.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


def is_refused(call: Callable[[], Any]) -> bool:
    """Whether IAM said no; any other error passes through."""
    try:
        call()
    except ClientError as error:
        if error.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException", "403"):
            return True
        raise
    return False
