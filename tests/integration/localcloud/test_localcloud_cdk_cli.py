"""The real `cdk` against the local cloud: bootstrap, deploy, nothing to do, update, destroy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
CDK = HERE.parents[2] / ".venv-node" / "node_modules" / ".bin" / "cdk"


@pytest.mark.slow
def test_the_cdk_cli_bootstraps_deploys_updates_and_destroys(cloud, tmp_path):
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1",
    }

    def cdk(*arguments: str) -> str:
        command = [str(CDK), *arguments, "--no-notices", "--output", str(tmp_path / "cdk.out")]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    app = ["--app", f"{sys.executable} {HERE / 'cdk_app' / 'app.py'}", "--no-version-reporting"]
    deploy = ["deploy", "--all", "--require-approval", "never"]
    cdk("bootstrap", "aws://000000000000/us-east-1")
    assert "CliLake.BucketName = cli-lake-bucket" in cdk(*deploy, "--method=direct", *app)
    assert "no changes" in cdk(*deploy, "--method=direct", "--app", str(tmp_path / "cdk.out"))

    s3, glue = cloud.client("s3"), cloud.client("glue")
    assert s3.get_object(Bucket="cli-lake-bucket", Key="files/hello.txt")["Body"].read() == b"hello\n"
    bundle = json.loads(s3.get_object(Bucket="cli-lake-bucket", Key="files/bundle.json")["Body"].read())
    assert bundle["bucket"] == "cli-lake-bucket"
    assert bundle["key"] == cloud.client("kms").describe_key(KeyId="alias/cli-lake")["KeyMetadata"]["Arn"]
    run = cloud.wait_for_run("cli-lake-job", glue.start_job_run(JobName="cli-lake-job")["JobRunId"])
    assert run["JobRunState"] == "SUCCEEDED", run
    written_by = s3.get_object(Bucket="cli-lake-bucket", Key="written-by")["Body"].read().decode()
    assert ":assumed-role/CliLake-Role" in written_by

    # Over a change set this time, which is the CLI's default.
    cdk(*deploy, *app, "--context", "days=10")
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket="cli-lake-bucket")["Rules"]
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 10}

    cdk("destroy", "--all", "--force", "--app", str(tmp_path / "cdk.out"))
    assert "cli-lake-bucket" not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert cloud.stack("CliLake") is None
