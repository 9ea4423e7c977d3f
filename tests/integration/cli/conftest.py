"""Glue jobs to run: small scripts, for tests of the waiting; and a whole environment, for tests of the commands."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import msgspec
import pytest

from ingot.naming import JOBS, Names

if TYPE_CHECKING:
    from laptop.services import Laptop

    from ingot.warehouse import Endpoint

ROOT = Path(__file__).resolve().parents[3]

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}


@pytest.fixture
def job(cloud: str) -> Callable[..., str]:
    """``job(script)`` deploys a script as a Glue job and returns the job's name."""

    def deploy(script: str, *, concurrent_runs: int = 10) -> str:
        name = f"job-{uuid.uuid4().hex[:12]}"
        boto3.client("s3").create_bucket(Bucket=name)
        boto3.client("s3").put_object(Bucket=name, Key="job.py", Body=script.encode())
        role = boto3.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
        boto3.client("glue").create_job(
            Name=name,
            Role=role["Role"]["Arn"],
            GlueVersion="6.0",
            Command={"Name": "glueetl", "ScriptLocation": f"s3://{name}/job.py"},
            ExecutionProperty={"MaxConcurrentRuns": concurrent_runs},
        )
        return name

    return deploy


@dataclass
class Deployed:
    """An environment with the source `fakestore`: buckets, jobs, a secret and a warehouse; and its CLI."""

    names: Names
    laptop: Laptop
    sources: Path
    endpoint: Endpoint

    def deploy_sources(self) -> None:
        """Upload the sources as they are in the folder, as a deployment does."""
        for file in self.sources.rglob("*.yaml"):
            key = f"sources/{file.relative_to(self.sources)}"
            boto3.client("s3").put_object(Bucket=self.names.artifacts_bucket, Key=key, Body=file.read_bytes())

    def edit(self, file: str, old: str, new: str) -> None:
        """Change a file of the sources, and deploy it."""
        path = self.sources / "fakestore" / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        self.deploy_sources()

    def ingot(self, *arguments: str, answer: str = "") -> Answer:
        """Call the CLI."""
        from typer.testing import CliRunner

        from ingot.cli.app import app
        from ingot.errors import IngotError

        result = CliRunner().invoke(app, arguments, input=answer)
        if isinstance(result.exception, IngotError):  # as `main` does
            return Answer(1, result.stdout, f"{result.stderr}{type(result.exception).__name__} {result.exception}")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        answer = self.ingot("sql", sql, "--json")
        assert answer.code == 0, answer.err
        return answer.json

    def misbehave(self, **rule: Any) -> None:
        """Tell the source to."""
        httpx.post(f"{self.laptop.source.url}/_control/faults", json=rule).raise_for_status()

    def behave(self) -> None:
        httpx.delete(f"{self.laptop.source.url}/_control/faults").raise_for_status()

    def requests(self) -> list[str]:
        """What the source was asked since the test began, path and query."""
        served = httpx.get(f"{self.laptop.source.url}/_control/requests").raise_for_status().json()
        return [f"{each['path']}?{each['query']}" if each["query"] else each["path"] for each in served]


@dataclass(frozen=True)
class Answer:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.out)


@pytest.fixture
def deployed(
    cloud: str, laptop: Laptop, warehouse_endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Deployed]:
    """An environment of this test's own. Its contracts let nine of ten records be refused."""
    laptop.source.start()
    names = Names(environment=f"t{uuid.uuid4().hex[:8]}", account=_account(), region="us-east-1")
    monkeypatch.setenv("INGOT_ENVIRONMENT", names.environment)
    monkeypatch.setenv("INGOT_HOME", str(tmp_path))  # and not what `make up` left in this checkout
    s3 = boto3.client("s3")
    for bucket in (names.bronze_bucket, names.lake_bucket, names.artifacts_bucket):
        s3.create_bucket(Bucket=bucket)
    shutil.copytree(ROOT / "sources" / "fakestore", tmp_path / "sources" / "fakestore")
    made = Deployed(names, laptop, tmp_path / "sources", warehouse_endpoint)
    for stream in ("carts", "products", "users"):
        made.edit(f"{stream}.odcs.yaml", "value: 0.1\n", "value: 0.9\n")
    boto3.client("secretsmanager").create_secret(
        Name=names.warehouse_secret, SecretString=msgspec.json.encode(warehouse_endpoint).decode()
    )
    create_jobs(names, "fakestore")
    made.behave()
    httpx.delete(f"{laptop.source.url}/_control/requests").raise_for_status()
    yield made
    made.behave()


def create_jobs(names: Names, source: str) -> None:
    """As the stacks do, without the wheel: the interpreter that runs the jobs here has the library."""
    role = boto3.client("iam").create_role(
        RoleName=f"{names.environment}-{source}", AssumeRolePolicyDocument=json.dumps(TRUST)
    )
    for kind in JOBS:
        script = (ROOT / "glue_jobs" / f"{kind}.py").read_bytes()
        boto3.client("s3").put_object(Bucket=names.artifacts_bucket, Key=f"jobs/{kind}.py", Body=script)
        boto3.client("glue").create_job(
            Name=names.job(source, kind),
            Role=role["Role"]["Arn"],
            GlueVersion="6.0",
            Command={"Name": "glueetl", "ScriptLocation": f"s3://{names.artifacts_bucket}/jobs/{kind}.py"},
            ExecutionProperty={"MaxConcurrentRuns": 20},
            DefaultArguments={
                "--source": source,
                "--bronze_bucket": names.bronze_bucket,
                "--lake_bucket": names.lake_bucket,
                "--sources_uri": f"s3://{names.artifacts_bucket}/sources",
                "--warehouse_secret": names.warehouse_secret,
            },
        )


def _account() -> str:
    return str(boto3.client("sts").get_caller_identity()["Account"])
