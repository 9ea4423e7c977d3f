"""Glue job runs are executed: one test a promise that DAGs and jobs lean on."""

from __future__ import annotations

import json
import time

import pytest


def test_a_script_that_succeeds_ran_with_its_arguments_and_leaves_its_output_in_the_logs(cloud, start, logs):
    job, run_id = start(
        "import sys\n"
        "from awsglue.utils import getResolvedOptions\n"
        "options = getResolvedOptions(sys.argv, ['JOB_NAME', 'given', 'default', 'fixed'])\n"
        "print(options['JOB_NAME'], options['JOB_RUN_ID'], options['given'], options['default'], options['fixed'])\n"
        "print('to stderr', file=sys.stderr)\n",
        {"--given": "by the run", "--fixed": "by the run"},
        DefaultArguments={"--default": "by the job", "--given": "by the job"},
        NonOverridableArguments={"--fixed": "for good"},
    )

    run = cloud.wait_for_run(job, run_id)

    assert run["JobRunState"] == "SUCCEEDED"
    assert logs(run, "output") == [f"{job} {run_id} by the run by the job for good"]
    assert logs(run, "error") == ["to stderr"]
    assert run["LogGroupName"] == "/aws-glue/jobs"
    assert run["Arguments"] == {"--default": "by the job", "--given": "by the run", "--fixed": "for good"}
    assert run["CompletedOn"] >= run["StartedOn"]
    assert "ErrorMessage" not in run


def test_a_script_that_fails_gives_failed_with_the_last_line_of_its_stderr(cloud, start):
    message = "TERMINAL ContractError: carts has no contract"
    job, run_id = start(f"import sys\nprint('before', file=sys.stderr)\nsys.exit({message!r})\n")

    run = cloud.wait_for_run(job, run_id)

    assert (run["JobRunState"], run["ErrorMessage"]) == ("FAILED", message)


def test_a_script_that_is_killed_is_failed_and_names_the_signal(cloud, start):
    run = cloud.wait_for_run(*start("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"))

    assert run["JobRunState"] == "FAILED"
    assert "SIGKILL" in run["ErrorMessage"]


def test_a_run_acts_as_the_jobs_role_and_not_as_whoever_started_the_cloud(cloud, start, logs, role):
    job, run_id = start(
        "import boto3, os\n"
        "print(boto3.client('sts').get_caller_identity()['Arn'])\n"
        "print(os.environ['AWS_ACCESS_KEY_ID'] != 'PARENTKEY', bool(os.environ['AWS_SESSION_TOKEN']))\n"
        "print(os.environ.get('INGOT_PASSED_ON'), os.environ.get('NOT_PASSED_ON'))\n"
    )

    run = cloud.wait_for_run(job, run_id)

    arn, keys, passed_on = logs(run, "output")
    assert arn.startswith(f"arn:aws:sts::000000000000:assumed-role/{role.split('/')[-1]}/")
    assert keys == "True True"
    assert passed_on == "yes None"


def test_stopping_a_run_ends_its_processes(cloud, start, logs, tmp_path):
    alive = tmp_path / "alive"
    child = f"import pathlib, time\nwhile True: pathlib.Path({str(alive)!r}).touch(); time.sleep(0.02)"
    job, run_id = start(
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        "print('started', flush=True)\n"
        "time.sleep(60)\n"
    )
    run = cloud.wait_for_run(job, run_id, "RUNNING")
    deadline = time.monotonic() + 20
    while not (alive.exists() and logs(run, "output") == ["started"]):  # and so: logs come while it runs
        assert time.monotonic() < deadline
        time.sleep(0.05)

    answer = cloud.client("glue").batch_stop_job_run(JobName=job, JobRunIds=[run_id, "jr_unknown"])

    assert cloud.wait_for_run(job, run_id)["JobRunState"] == "STOPPED"
    assert [item["JobRunId"] for item in answer["SuccessfulSubmissions"]] == [run_id]
    assert [item["JobRunId"] for item in answer["Errors"]] == ["jr_unknown"]
    alive.unlink()
    time.sleep(0.2)
    assert not alive.exists(), "the script's child goes on"


def test_a_run_longer_than_its_timeout_is_timeout(cloud, start):
    began = time.monotonic()
    run = cloud.wait_for_run(*start("import time\ntime.sleep(60)\n", Timeout=1))

    assert run["JobRunState"] == "TIMEOUT"
    assert time.monotonic() - began < 20


def test_a_wheel_on_s3_is_importable_and_comes_before_what_is_installed(cloud, start, logs, archive, bucket):
    wheel = archive({"msgspec/__init__.py": "origin = 'the wheel'", "msgspec-9.dist-info/METADATA": "Name: msgspec"})
    cloud.client("s3").put_object(Bucket=bucket, Key="w/msgspec-9-py3-none-any.whl", Body=wheel)
    modules = f"s3://{bucket}/w/msgspec-9-py3-none-any.whl,boto3"
    job, run_id = start("import msgspec\nprint(msgspec.origin)\n", {"--additional-python-modules": modules})

    run = cloud.wait_for_run(job, run_id)

    assert logs(run, "output") == ["the wheel"], run


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"--additional-python-modules": "s3://{bucket}/missing.whl"}, "missing.whl cannot be read"),
        ({"--additional-python-modules": "no-such-package==1"}, "no-such-package==1 is not installed"),
        ({"--additional-python-modules": "boto3==0.1"}, "boto3==0.1 is wanted"),
        ({"--extra-py-files": "s3://{bucket}/job.txt"}, "no wheel, zip or .py file"),
        ({"--extra-jars": "s3://{bucket}/some.jar"}, "no JVM"),
    ],
)
def test_a_module_that_is_not_there_fails_the_run(cloud, start, bucket, arguments, reason):
    cloud.client("s3").put_object(Bucket=bucket, Key="job.txt", Body=b"text")
    job, run_id = start("print('ran')", {name: value.format(bucket=bucket) for name, value in arguments.items()})

    run = cloud.wait_for_run(job, run_id)

    assert run["JobRunState"] == "FAILED"
    assert reason in run["ErrorMessage"]


def test_a_missing_script_fails_the_run(cloud, start, bucket):
    command = {"Name": "glueetl", "ScriptLocation": f"s3://{bucket}/elsewhere.py"}

    run = cloud.wait_for_run(*start("", Command=command))

    assert run["JobRunState"] == "FAILED"
    assert f"s3://{bucket}/elsewhere.py cannot be read" in run["ErrorMessage"]


def test_a_role_that_glue_cannot_assume_fails_the_run(cloud, start, unique):
    trust = {
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]
    }
    cloud.client("iam").create_role(RoleName=f"{unique}-ec2", AssumeRolePolicyDocument=json.dumps(trust))

    run = cloud.wait_for_run(*start("print()", Role=f"{unique}-ec2"))

    assert run["JobRunState"] == "FAILED"
    assert "trust policy must allow glue.amazonaws.com" in run["ErrorMessage"]


def test_no_more_runs_at_once_than_the_job_allows(cloud, start):
    job, run_id = start("import time\ntime.sleep(60)\n", ExecutionProperty={"MaxConcurrentRuns": 2})
    glue = cloud.client("glue")
    second = glue.start_job_run(JobName=job)["JobRunId"]

    with pytest.raises(glue.exceptions.ConcurrentRunsExceededException):
        glue.start_job_run(JobName=job)

    glue.batch_stop_job_run(JobName=job, JobRunIds=[run_id, second])
    assert [run["Id"] for run in glue.get_job_runs(JobName=job)["JobRuns"]] == [second, run_id]


def test_a_failed_run_is_tried_again_as_often_as_the_job_says(cloud, start):
    job, run_id = start("raise SystemExit('no')", MaxRetries=1)
    cloud.wait_for_run(job, run_id)

    again = cloud.wait_for_run(job, f"{run_id}_attempt_1")

    assert (again["Attempt"], again["JobRunState"]) == (1, "FAILED")
    assert again["PredecessorRuns"] == [{"JobName": job, "RunId": run_id}]
    assert len(cloud.client("glue").get_job_runs(JobName=job)["JobRuns"]) == 2


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"Command": {"Name": "gluestreaming", "ScriptLocation": "s3://b/k.py"}}, "not gluestreaming"),
        ({"DefaultArguments": {"--job-language": "scala"}}, "Python scripts only"),
        ({"MaintenanceWindow": "Sun:10"}, "MaintenanceWindow"),
    ],
)
def test_a_job_that_cannot_be_run_here_is_refused(cloud, start, settings, reason):
    with pytest.raises(cloud.client("glue").exceptions.InvalidInputException, match=reason):
        start("", **settings)


def test_an_unknown_job_is_an_error_and_an_update_changes_what_runs(cloud, start, bucket, role):
    glue = cloud.client("glue")
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.start_job_run(JobName="no-such-job")
    job, run_id = start("raise SystemExit('old')")
    cloud.wait_for_run(job, run_id)
    cloud.client("s3").put_object(Bucket=bucket, Key="new.py", Body=b"print('new')")

    command = {"Name": "glueetl", "ScriptLocation": f"s3://{bucket}/new.py"}
    glue.update_job(JobName=job, JobUpdate={"Role": role, "Command": command, "Timeout": 7})

    run = cloud.wait_for_run(job, glue.start_job_run(JobName=job)["JobRunId"])
    assert (run["JobRunState"], run["Timeout"]) == ("SUCCEEDED", 7)
    assert len(glue.get_job_runs(JobName=job)["JobRuns"]) == 2


@pytest.mark.parametrize("argument", ["--sourc", ""])
def test_arguments_must_be_spelt_out_and_there(cloud, start, argument):
    job, run_id = start(
        "import sys\nfrom awsglue.utils import getResolvedOptions\ngetResolvedOptions(sys.argv, ['source'])\n",
        {argument: "fakestore"} if argument else {},
    )

    run = cloud.wait_for_run(job, run_id)

    assert run["ErrorMessage"].endswith("GlueArgumentError: the following arguments are required: --source")
