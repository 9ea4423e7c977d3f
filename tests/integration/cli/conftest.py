"""Glue jobs to run: small scripts, for tests of the waiting; and a whole environment, for tests of the commands."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable

import boto3
import pytest

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
