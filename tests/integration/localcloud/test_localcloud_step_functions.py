"""State machines are executed: what the pipeline of a source leans on, over jobs that do as they are told."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from infra.constructs.state_machine_definition import Transform, definition
from infra.constructs.state_machine_schedule import rhythm
from ingot.naming import STEPS, Names

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}
# Writes its arguments down; ends as a file beside it says that this job and stream should, once for each line.
JOB = """
import json, pathlib, sys
words = sys.argv[1:]
given = {name[2:]: value for name, value in zip(words[::2], words[1::2])}
folder = pathlib.Path(given["folder"])
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps({name: given.get(name) for name in
        ("JOB_NAME", "source", "stream", "interval_start", "interval_end", "as_of")}) + "\\n")
plan = folder / f"{given['JOB_NAME'].rsplit('-', 1)[-1]}.{given.get('stream')}"
if plan.exists():
    first, *rest = plan.read_text().splitlines()
    plan.write_text("\\n".join(rest)) if rest else plan.unlink()
    if first == "STOP":
        import boto3, time
        boto3.client("glue").batch_stop_job_run(JobName=given["JOB_NAME"], JobRunIds=[given["JOB_RUN_ID"]])
        time.sleep(60)
    sys.exit(first)
"""


class Pipeline:
    """A state machine of our own making, and the jobs that it runs."""

    def __init__(self, cloud: Any, names: Names, folder: Path) -> None:
        self.cloud, self.names, self.folder = cloud, names, folder
        self.arn = ""

    def plan(self, step: str, stream: str | None, *endings: str) -> None:
        """Let the first runs of a job end with these messages."""
        (self.folder / f"{step}.{stream}").write_text("\n".join(endings))

    def run(self, **given: str) -> dict[str, Any]:
        """Start an execution; what DescribeExecution says when it is over."""
        states = self.cloud.client("stepfunctions")
        started = states.start_execution(stateMachineArn=self.arn, input=json.dumps(given))["executionArn"]
        deadline = time.monotonic() + 240
        while (found := states.describe_execution(executionArn=started))["status"] == "RUNNING":
            assert time.monotonic() < deadline, states.get_execution_history(executionArn=started)["events"][-3:]
            time.sleep(0.05)
        return dict(found)

    def calls(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]

    def count(self, step: str, stream: str | None = None) -> int:
        """How often a job was run."""
        wanted = self.names.job("shop", step), stream
        return sum((call["JOB_NAME"], call["stream"]) == wanted for call in self.calls())


@pytest.fixture
def pipeline(cloud: Any, unique: str, bucket: str, role: str, tmp_path: Path) -> Pipeline:
    made = Pipeline(cloud, Names(environment=unique, account="000000000000", region="us-east-1"), tmp_path)
    cloud.client("s3").put_object(Bucket=bucket, Key="job.py", Body=JOB.encode())
    for step in STEPS:
        cloud.client("glue").create_job(
            Name=made.names.job("shop", step),
            Role=role,
            Command={"Name": "glueetl", "ScriptLocation": f"s3://{bucket}/job.py"},
            ExecutionProperty={"MaxConcurrentRuns": 5},
            DefaultArguments={"--folder": str(tmp_path)},
        )
    machine = definition(
        names=made.names, source="shop", streams=["carts", "users"], rhythm=rhythm("@daily"), retry_seconds=1
    )
    stack = cloud.deploy(
        unique,
        {
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}},
            "Machine": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {
                    "DefinitionString": json.dumps(machine),
                    "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                },
            },
        },
        Outputs={"Arn": {"Value": {"Ref": "Machine"}}},
    )
    assert stack["StackStatus"] == "CREATE_COMPLETE", cloud.reasons(unique)
    made.arn = stack["Outputs"][0]["OutputValue"]
    return made


def test_every_job_runs_in_order_with_the_interval_before_the_time_it_was_due(pipeline: Pipeline) -> None:
    ended = pipeline.run(scheduled_time="2020-04-02T00:00:00Z")

    assert ended["status"] == "SUCCEEDED", ended
    times = {"interval_start": "2020-04-01T00:00:00Z", "interval_end": "2020-04-02T00:00:00Z"}
    assert json.loads(ended["output"]) == {**times, "as_of": "2020-04-02T00:00:00Z"}
    calls = pipeline.calls()
    assert calls[-1] == {
        "JOB_NAME": pipeline.names.job("shop", "audit"), "source": "shop", "stream": None, "as_of": None, **times
    }  # fmt: skip
    for stream in ("carts", "users"):
        assert [call for call in calls if call["stream"] == stream] == [
            {
                "JOB_NAME": pipeline.names.job("shop", step),
                "source": "shop",
                "stream": stream,
                "as_of": "2020-04-02T00:00:00Z",
                **times,
            }
            for step in ("extract", "refine", "load")
        ]


def test_a_transient_failure_is_tried_again_and_a_terminal_one_is_not(pipeline: Pipeline) -> None:
    """The terminal one stops its own stream alone; the audit runs, the execution fails and says why."""
    pipeline.plan("refine", "carts", "TRANSIENT StorageUnavailable: said TERMINAL Nothing: once", "lost a worker")
    pipeline.plan("extract", "users", 'TERMINAL ContractError: "users" has no contract', "never reached")
    pipeline.plan("load", "carts", "STOP")  # by a person, say: Step Functions takes that for an end like any other
    pipeline.plan("audit", None, "TRANSIENT WarehouseUnavailable: gone", *["TRANSIENT WarehouseUnavailable: still"] * 2)

    ended = pipeline.run(
        interval_start="2020-01-01T00:00:00Z", interval_end="2020-02-01T00:00:00Z", as_of="2020-02-02T00:00:00Z"
    )

    assert (ended["status"], ended["error"]) == ("FAILED", "PipelineFailed")
    users, audit = ended["cause"].split(" | ")
    assert users.startswith(
        f"users extract: Glue job {pipeline.names.job('shop', 'extract')} FAILED: "
        'TERMINAL ContractError: "users" has no contract (run jr_'
    )
    assert "TRANSIENT WarehouseUnavailable: still (run jr_" in audit
    assert pipeline.count("extract", "users") == 1
    assert pipeline.count("refine", "users") == 0
    assert pipeline.count("refine", "carts") == 3
    assert pipeline.count("load", "carts") == 2
    assert pipeline.count("audit") == 3
    assert {call["interval_start"] for call in pipeline.calls()} == {"2020-01-01T00:00:00Z"}
    assert {call["as_of"] for call in pipeline.calls()} == {"2020-02-02T00:00:00Z", None}


# Ends with the exit codes that a file lists, one a run; runs on where it says so.
CONTAINER = """
import pathlib, sys, time
plan = pathlib.Path({plan!r})
first, *rest = plan.read_text().split()
plan.write_text(" ".join(rest))
print("dbt says", first)
time.sleep(60) if first == "slow" else sys.exit(int(first))
"""


@pytest.mark.parametrize(
    ("codes", "status", "error"), [("2 0 9", "SUCCEEDED", None), ("slow 1 9", "FAILED", "TERMINAL")]
)
def test_dbts_task_fails_by_its_exit_code_and_is_tried_again_unless_a_model_failed(
    cloud: Any, unique: str, tmp_path: Path, codes: str, status: str, error: str | None
) -> None:
    """The state that the pipeline has, alone; the image is a Python whose program is the container's command."""
    plan = tmp_path / "plan"
    plan.write_text(codes)
    stack = cloud.deploy(unique, dbt_resources(unique, CONTAINER.format(plan=str(plan))), Outputs=SUBNET)
    assert stack["StackStatus"] == "CREATE_COMPLETE", cloud.reasons(unique)
    (subnet,) = (output["OutputValue"] for output in stack["Outputs"])
    roles = {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for resource in cloud.client("cloudformation").describe_stack_resources(StackName=unique)["StackResources"]
    }
    network = {"AwsvpcConfiguration": {"Subnets": [subnet], "SecurityGroups": [], "AssignPublicIp": "DISABLED"}}
    task = Transform(
        arguments={
            "Cluster": unique, "TaskDefinition": unique, "LaunchType": "FARGATE", "NetworkConfiguration": network,
        },
        timeout_seconds=1 if "slow" in codes else 60,
        log_group=unique,
    )  # fmt: skip
    names = Names(environment="t", account="000000000000", region="us-east-1")
    state = definition(
        names=names, source="shop", streams=["carts"], rhythm=rhythm("@daily"), retry_seconds=1, dbt=task
    )["States"]["dbt"]
    alone = {name: value for name, value in state.items() if name not in ("Catch", "Next")}
    machine = {"QueryLanguage": "JSONata", "StartAt": "dbt", "States": {"dbt": {**alone, "End": True}}}
    states = cloud.client("stepfunctions")
    arn = states.create_state_machine(
        name=unique,
        definition=json.dumps(machine),
        roleArn=f"arn:aws:iam::000000000000:role/{roles['Machine']}",
    )["stateMachineArn"]
    started = states.start_execution(stateMachineArn=arn)["executionArn"]
    deadline = time.monotonic() + 120
    while (ended := states.describe_execution(executionArn=started))["status"] == "RUNNING":
        assert time.monotonic() < deadline, states.get_execution_history(executionArn=started)["events"][-3:]
        time.sleep(0.05)

    assert (ended["status"], ended.get("error")) == (status, error), ended
    assert error is None or ended["cause"].startswith(f"dbt ended with exit code 1 (log {unique}, task ")
    assert plan.read_text() == "9", "what came first is tried again, what came second ends it"
    history = states.get_execution_history(executionArn=started, maxResults=200)["events"]
    failed = [event["taskFailedEventDetails"] for event in history if event["type"] == "TaskFailed"]
    assert {event["error"] for event in failed} == {"States.TaskFailed"}
    assert json.loads(failed[-1]["cause"])["Containers"][0]["ExitCode"] == int(codes.split()[status == "FAILED"])
    running = cloud.client("ecs").list_tasks(cluster=unique, desiredStatus="RUNNING")["taskArns"]
    assert running == [], "what nobody waits for any more is stopped"


SUBNET = {"Subnet": {"Value": {"Ref": "Subnet"}}}


def dbt_resources(name: str, program: str) -> dict[str, Any]:
    """A cluster, a network, roles and a task of one container."""
    options = {"awslogs-group": name, "awslogs-region": "us-east-1", "awslogs-stream-prefix": "build"}
    task_trust = json.loads(json.dumps(TRUST).replace("states.", "ecs-tasks."))
    return {
        "Network": {
            "Type": "AWS::EC2::VPC",
            "Properties": {"CidrBlock": "10.9.0.0/16", "EnableDnsHostnames": True, "EnableDnsSupport": True},
        },
        "Subnet": {
            "Type": "AWS::EC2::Subnet",
            "Properties": {"VpcId": {"Ref": "Network"}, "CidrBlock": "10.9.1.0/24"},
        },
        "Machine": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}},
        "Container": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": task_trust}},
        "Log": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": name}},
        "Cluster": {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": name}},
        "Task": {
            "Type": "AWS::ECS::TaskDefinition",
            "Properties": {
                "Family": name,
                "Cpu": "256",
                "Memory": "512",
                "NetworkMode": "awsvpc",
                "RequiresCompatibilities": ["FARGATE"],
                "ExecutionRoleArn": {"Fn::GetAtt": ["Container", "Arn"]},
                "ContainerDefinitions": [
                    {
                        "Name": "dbt",
                        "Image": "example/python:1.0",
                        "Command": [program],
                        "LogConfiguration": {"LogDriver": "awslogs", "Options": options},
                    }
                ],
            },
        },
    }


def test_half_an_interval_is_refused_before_any_job_runs(pipeline: Pipeline) -> None:
    ended = pipeline.run(interval_start="2020-01-01T00:00:00Z")

    assert (ended["status"], ended["error"]) == ("FAILED", "TERMINAL")
    assert "or neither" in ended["cause"]
    assert not (pipeline.folder / "calls").exists()


def test_a_stack_makes_changes_and_removes_a_state_machine_and_its_schedule(cloud: Any, unique: str) -> None:
    states, scheduler = cloud.client("stepfunctions"), cloud.client("scheduler")
    one = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}

    def resources(*, comment: str, tracing: bool) -> dict[str, Any]:
        machine = {
            "StateMachineName": unique,
            "Definition": {"Comment": comment, **one},
            "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
            **({"TracingConfiguration": {"Enabled": True}} if tracing else {}),
        }
        schedule = {
            "Name": unique,
            "Description": comment,
            "ScheduleExpression": "cron(0 0 * * ? *)",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {"Arn": {"Ref": "Machine"}, "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]}, "Input": "{}"},
        }
        return {
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}},
            "Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": machine},
            "Schedule": {"Type": "AWS::Scheduler::Schedule", "Properties": schedule},
        }

    assert cloud.deploy(unique, resources(comment="first", tracing=True))["StackStatus"] == "CREATE_COMPLETE"
    arn = scheduler.get_schedule(Name=unique)["Target"]["Arn"]
    made = states.describe_state_machine(stateMachineArn=arn)
    assert (made["name"], made["tracingConfiguration"]) == (unique, {"enabled": True})

    assert cloud.deploy(unique, resources(comment="second", tracing=False))["StackStatus"] == "UPDATE_COMPLETE"
    changed = states.describe_state_machine(stateMachineArn=arn)
    assert json.loads(changed["definition"])["Comment"] == "second"
    assert changed["tracingConfiguration"] == {"enabled": False}, "what a template no longer says is as by default"
    assert scheduler.get_schedule(Name=unique)["Description"] == "second"

    cloud.client("cloudformation").delete_stack(StackName=unique)
    assert unique not in {machine["name"] for machine in states.list_state_machines()["stateMachines"]}
    assert unique not in {schedule["Name"] for schedule in scheduler.list_schedules()["Schedules"]}


def test_a_role_that_step_functions_cannot_assume_starts_no_job(cloud: Any, pipeline: Pipeline, unique: str) -> None:
    (role,) = (
        resource["PhysicalResourceId"]
        for resource in cloud.client("cloudformation").describe_stack_resources(StackName=unique)["StackResources"]
        if resource["ResourceType"] == "AWS::IAM::Role"
    )
    other = json.dumps(TRUST).replace("states.amazonaws.com", "lambda.amazonaws.com")
    cloud.client("iam").update_assume_role_policy(RoleName=role, PolicyDocument=other)

    ended = pipeline.run(scheduled_time="2020-04-02T00:00:00Z")

    assert ended["status"] == "FAILED"
    assert "trust policy must allow states.amazonaws.com" in ended["cause"]
    assert not (pipeline.folder / "calls").exists()
