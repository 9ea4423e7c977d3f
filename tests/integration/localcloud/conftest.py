"""A local cloud for the session: its own process, a free port, its state in a temporary folder."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[3]
ACCOUNT = "000000000000"
GLUE_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}
ENDED = {"SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT"}


@dataclass(frozen=True)
class Cloud:
    """A running local cloud."""

    endpoint: str
    process: subprocess.Popen[bytes]
    state: Path

    def client(self, service: str) -> Any:
        return _client(self.endpoint, service)

    def deploy(self, name: str, resources: dict[str, Any], **sections: Any) -> dict[str, Any]:
        """Create or update a stack; returns it as DescribeStacks has it afterwards."""
        cloudformation = self.client("cloudformation")
        body = json.dumps({"Resources": resources, **sections})
        if self.stack(name):
            cloudformation.update_stack(StackName=name, TemplateBody=body)
        else:
            cloudformation.create_stack(StackName=name, TemplateBody=body)
        stack = self.stack(name)
        assert stack
        return stack

    def stack(self, name: str) -> dict[str, Any] | None:
        cloudformation = self.client("cloudformation")
        try:
            found: dict[str, Any] = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        except cloudformation.exceptions.ClientError:
            return None
        return found

    def reasons(self, name: str) -> str:
        """Why resources of a stack failed."""
        events = self.client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
        return "\n".join(
            event.get("ResourceStatusReason", "") for event in events if "FAILED" in event["ResourceStatus"]
        )

    def wait_for_run(self, job: str, run: str, *states: str, seconds: float = 30) -> dict[str, Any]:
        """The run, once it is in one of the states (or has ended)."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found: dict[str, Any] = self.client("glue").get_job_run(JobName=job, RunId=run)["JobRun"]
            if found["JobRunState"] in (set(states) or ENDED) | ENDED:
                return found
            time.sleep(0.05)
        raise AssertionError(f"run is still {found['JobRunState']} after {seconds} s")


@cache
def _client(endpoint: str, service: str) -> Any:
    return boto3.session.Session().client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 1}, max_pool_connections=20),
    )


@contextmanager
def serving(state: Path, **variables: str) -> Iterator[Cloud]:
    """A local cloud in a process of its own, stopped by SIGTERM at the end."""
    ready = state.parent / f"{state.name}.ready.json"
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "localstack"),
        # Seen by a job only if the local cloud passes its own keys on, which it must not.
        "AWS_ACCESS_KEY_ID": "PARENTKEY",
        "AWS_SECRET_ACCESS_KEY": "parent",
        "INGOT_PASSED_ON": "yes",
        "NOT_PASSED_ON": "no",
        **variables,
    }
    command = [sys.executable, "-m", "localcloud", "--port", "0", "--state", str(state), "--ready-file", str(ready)]
    with (state.parent / f"{state.name}.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=log)
    try:
        deadline = time.monotonic() + 180
        while not ready.exists():
            assert process.poll() is None, (state.parent / f"{state.name}.log").read_text()
            assert time.monotonic() < deadline, "the local cloud is not ready after three minutes"
            time.sleep(0.05)
        yield Cloud(json.loads(ready.read_text())["endpoint"], process, state)
    finally:
        process.terminate()
        process.wait(timeout=120)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    state = tmp_path_factory.mktemp("localcloud") / "state"
    # Glue counts a Timeout in minutes: a test has seconds. A container's command is a Python program's text.
    images = json.dumps({"example/python": [sys.executable, "-c"]})
    with serving(state, LOCALCLOUD_GLUE_SECONDS_A_MINUTE="1", LOCALCLOUD_ECS_IMAGES=images) as running:
        yield running


@pytest.fixture
def unique() -> str:
    """A name that no other test has."""
    return f"t{uuid.uuid4().hex[:10]}"


@pytest.fixture
def bucket(cloud: Cloud, unique: str) -> str:
    cloud.client("s3").create_bucket(Bucket=f"{unique}-bucket")
    return f"{unique}-bucket"


@pytest.fixture
def role(cloud: Cloud, unique: str) -> str:
    """The ARN of a role that Glue may assume."""
    trust = json.dumps(GLUE_TRUST)
    arn: str = cloud.client("iam").create_role(RoleName=unique, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    return arn


StartJob = Callable[..., tuple[str, str]]


@pytest.fixture
def start(cloud: Cloud, unique: str, bucket: str, role: str) -> StartJob:
    """`start(script, arguments, **settings)` makes a job of a script's text, starts it: (job, run)."""

    def start_job(script: str, arguments: dict[str, str] | None = None, **settings: Any) -> tuple[str, str]:
        cloud.client("s3").put_object(Bucket=bucket, Key="job.py", Body=script.encode())
        glue = cloud.client("glue")
        command = {"Name": "glueetl", "ScriptLocation": f"s3://{bucket}/job.py"}
        glue.create_job(**{"Name": unique, "Role": role, "Command": command, **settings})
        return unique, glue.start_job_run(JobName=unique, Arguments=arguments or {})["JobRunId"]

    return start_job


@pytest.fixture
def logs(cloud: Cloud) -> Callable[..., list[str]]:
    """`logs(run, "output")`: the lines of a run, read as Airflow's GlueJobHook reads them."""

    def read(run: dict[str, Any], kind: str) -> list[str]:
        pages = (
            cloud.client("logs")
            .get_paginator("filter_log_events")
            .paginate(
                logGroupName=f"{run['LogGroupName']}/{kind}",
                logStreamNames=[run["Id"]],
                startTime=int(run["StartedOn"].timestamp() * 1000),
            )
        )
        return [event["message"] for page in pages for event in page["events"]]

    return read


def zipped(files: dict[str, str]) -> bytes:
    """An archive of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


@pytest.fixture
def archive() -> Callable[[dict[str, str]], bytes]:
    return zipped


@pytest.fixture(scope="session")
def synthesised(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """`synthesised(environment, **context)`: the app's templates and assets, with a source that asks for a token."""
    from tests.integration.localcloud.deploying import checkout_with_a_guarded_source, synthesise

    checkout = checkout_with_a_guarded_source(tmp_path_factory.mktemp("guarded") / "checkout")

    @cache
    def run(environment: str, **context: str) -> Any:
        return synthesise(checkout, tmp_path_factory.mktemp("synthesised"), environment, **context)

    return run


@pytest.fixture(scope="session")
def server() -> Callable[..., Any]:
    """`with server(state_folder) as cloud:` for tests that stop it."""
    return serving
