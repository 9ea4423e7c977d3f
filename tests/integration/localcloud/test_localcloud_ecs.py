"""Fargate tasks run: with their roles, their secrets, their logs and their exit code."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

SHOW = """
import json, os, sys
names = ("PASSWORD", "PORT", "WHOLE", "GIVEN", "AWS_ACCESS_KEY_ID", "NOT_PASSED_ON", "INGOT_PASSED_ON")
print(json.dumps({name: os.environ.get(name) for name in names}))
print("to stderr", file=sys.stderr)
"""


TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}


class Place:
    """A cluster, a log group, roles and a subnet of a test's own, made by a stack."""

    def __init__(self, cloud: Any, name: str) -> None:
        self.cloud, self.name = cloud, name
        self.ecs = cloud.client("ecs")
        self.secret = cloud.client("secretsmanager").create_secret(
            Name=name, SecretString=json.dumps({"password": "s3cret", "port": 5432})
        )["ARN"]

    def resources(self, script: str, **changes: Any) -> dict[str, Any]:
        role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}}
        options = {"awslogs-group": self.name, "awslogs-region": "us-east-1", "awslogs-stream-prefix": "run"}
        container = {
            "Name": "tool",
            "Image": "example/python:1.0",
            "Command": [script],
            "ReadonlyRootFilesystem": True,
            "LogConfiguration": {"LogDriver": "awslogs", "Options": options},
            "Secrets": [
                {"Name": "PASSWORD", "ValueFrom": f"{self.secret}:password::"},
                {"Name": "PORT", "ValueFrom": f"{self.secret}:port::"},
                {"Name": "WHOLE", "ValueFrom": self.secret},
            ],
            **changes,
        }
        return {
            "Network": {
                "Type": "AWS::EC2::VPC",
                "Properties": {"CidrBlock": "10.9.0.0/16", "EnableDnsHostnames": True, "EnableDnsSupport": True},
            },
            "Subnet": {
                "Type": "AWS::EC2::Subnet",
                "Properties": {"VpcId": {"Ref": "Network"}, "CidrBlock": "10.9.1.0/24"},
            },
            "TaskRole": role,
            "ExecutionRole": role,
            "Log": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": self.name}},
            "Cluster": {
                "Type": "AWS::ECS::Cluster",
                "Properties": {
                    "ClusterName": self.name,
                    "ClusterSettings": [{"Name": "containerInsights", "Value": "enabled"}],
                    "Tags": [{"Key": "project", "Value": "ingot"}],
                },
            },
            "Definition": {
                "Type": "AWS::ECS::TaskDefinition",
                "Properties": {
                    "Family": self.name,
                    "Cpu": "256",
                    "Memory": "512",
                    "NetworkMode": "awsvpc",
                    "RequiresCompatibilities": ["FARGATE"],
                    "TaskRoleArn": {"Fn::GetAtt": ["TaskRole", "Arn"]},
                    "ExecutionRoleArn": {"Fn::GetAtt": ["ExecutionRole", "Arn"]},
                    "ContainerDefinitions": [container],
                },
            },
        }

    def deploy(self, script: str, **changes: Any) -> dict[str, Any]:
        outputs = {"Subnet": {"Value": {"Ref": "Subnet"}}, "Definition": {"Value": {"Ref": "Definition"}}}
        stack: dict[str, Any] = self.cloud.deploy(self.name, self.resources(script, **changes), Outputs=outputs)
        assert stack["StackStatus"].endswith("_COMPLETE"), self.cloud.reasons(self.name)
        assert "ROLLBACK" not in stack["StackStatus"], self.cloud.reasons(self.name)
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def run(self, subnet: str, **given: Any) -> str:
        network = {"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": [], "assignPublicIp": "DISABLED"}}
        (task,) = self.ecs.run_task(
            **{
                "cluster": self.name,
                "taskDefinition": self.name,
                "launchType": "FARGATE",
                "networkConfiguration": network,
                **given,
            }
        )["tasks"]
        return str(task["taskArn"])

    def wait(self, task: str, status: str = "STOPPED") -> dict[str, Any]:
        deadline = time.monotonic() + 30
        while True:
            (found,) = self.ecs.describe_tasks(cluster=self.name, tasks=[task])["tasks"]
            if found["lastStatus"] == status:
                return dict(found)
            assert time.monotonic() < deadline, found
            time.sleep(0.05)

    def lines(self, task: str) -> list[str]:
        stream = f"run/tool/{task.rpartition('/')[2]}"
        events = self.cloud.client("logs").get_log_events(logGroupName=self.name, logStreamName=stream)["events"]
        return [event["message"] for event in events]


@pytest.fixture
def place(cloud: Any, unique: str) -> Place:
    return Place(cloud, unique)


def test_a_task_runs_with_its_secrets_and_its_role_and_leaves_logs_and_an_exit_code(place: Place) -> None:
    made = place.deploy(SHOW)

    task = place.wait(place.run(made["Subnet"]))

    assert (task["stopCode"], task["stoppedReason"]) == (
        "EssentialContainerExited", "Essential container in task exited",
    )  # fmt: skip
    (container,) = task["containers"]
    assert (container["name"], container["lastStatus"], container["exitCode"]) == ("tool", "STOPPED", 0)
    assert task["createdAt"] <= task["startedAt"] <= task["stoppedAt"]
    to_stderr, shown = sorted(place.lines(task["taskArn"]))  # which comes first is open
    assert to_stderr == "to stderr"
    values = json.loads(shown)
    assert values.pop("AWS_ACCESS_KEY_ID") not in ("PARENTKEY", None)
    assert values == {
        "PASSWORD": "s3cret",
        "PORT": "5432",
        "WHOLE": '{"password": "s3cret", "port": 5432}',
        "GIVEN": None,
        "NOT_PASSED_ON": None,
        "INGOT_PASSED_ON": None,
    }
    assert place.cloud.client("ec2").describe_network_interfaces(
        Filters=[{"Name": "subnet-id", "Values": [made["Subnet"]]}]
    )["NetworkInterfaces"] == []  # fmt: skip


def test_a_command_that_fails_and_one_that_is_stopped_say_so(place: Place) -> None:
    made = place.deploy("import sys; sys.exit(3)")
    overrides = {
        "containerOverrides": [
            {
                "name": "tool",
                "command": ["import os, time; print(os.environ['GIVEN'], flush=True); time.sleep(60)"],
                "environment": [{"name": "GIVEN", "value": "given"}],
            }
        ]
    }
    failing, waiting = place.run(made["Subnet"]), place.run(made["Subnet"], overrides=overrides)

    assert place.wait(failing)["containers"][0]["exitCode"] == 3

    place.wait(waiting, "RUNNING")
    while not place.lines(waiting):
        time.sleep(0.05)
    place.ecs.stop_task(cluster=place.name, task=waiting, reason="enough")
    stopped = place.wait(waiting)
    assert place.lines(waiting) == ["given"]
    assert (stopped["stopCode"], stopped["stoppedReason"]) == ("UserInitiated", "enough")
    assert stopped["containers"][0]["exitCode"] == 128 + 15


def test_what_cannot_be_pulled_read_or_logged_starts_nothing(place: Place) -> None:
    made = place.deploy(SHOW, Image="example/unknown:1.0")
    assert "CannotPullContainerError: no program stands for the image example/unknown:1.0" in reason(place, made)

    place.deploy(SHOW, Secrets=[{"Name": "PASSWORD", "ValueFrom": f"{place.secret}:pass::"}])
    assert "did not contain json key pass" in reason(place, made)
    place.cloud.client("secretsmanager").delete_secret(SecretId=place.name, ForceDeleteWithoutRecovery=True)
    place.deploy(SHOW)
    assert "ResourceInitializationError: unable to pull secrets" in reason(place, made)

    place.cloud.client("logs").delete_log_group(logGroupName=place.name)
    assert "the log group" in reason(place, made)


def reason(place: Place, made: dict[str, Any]) -> str:
    task = place.wait(place.run(made["Subnet"]))
    assert task["stopCode"] == "TaskFailedToStart"
    assert "exitCode" not in task["containers"][0]
    return str(task["stoppedReason"])


def test_a_changed_definition_is_another_revision_and_a_stack_takes_all_away(place: Place) -> None:
    first = place.deploy(SHOW)["Definition"]
    cluster = place.ecs.describe_clusters(clusters=[place.name], include=["SETTINGS", "TAGS"])["clusters"][0]
    assert cluster["settings"] == [{"name": "containerInsights", "value": "enabled"}]
    assert cluster["tags"] == [{"key": "project", "value": "ingot"}]
    described = place.ecs.describe_task_definition(taskDefinition=place.name)["taskDefinition"]
    assert described["containerDefinitions"][0]["readonlyRootFilesystem"] is True
    assert described["containerDefinitions"][0]["logConfiguration"]["options"]["awslogs-group"] == place.name

    second = place.deploy("print(2)")["Definition"]

    assert (first.rpartition(":")[2], second.rpartition(":")[2]) == ("1", "2")
    assert place.ecs.list_task_definitions(familyPrefix=place.name, status="ACTIVE")["taskDefinitionArns"] == [second]
    place.cloud.client("cloudformation").delete_stack(StackName=place.name)
    assert place.ecs.list_task_definitions(familyPrefix=place.name, status="ACTIVE")["taskDefinitionArns"] == []
    assert place.ecs.describe_clusters(clusters=[place.name])["clusters"][0]["status"] == "INACTIVE"


def test_what_is_not_run_is_refused(place: Place) -> None:
    made = place.deploy(SHOW)
    with pytest.raises(ClientError, match="FARGATE only"):
        place.run(made["Subnet"], launchType="EC2")
    with pytest.raises(ClientError, match="cannot override cpu"):
        place.run(made["Subnet"], overrides={"cpu": "1024"})
    with pytest.raises(ClientError, match="not in the task definition"):
        place.run(made["Subnet"], overrides={"containerOverrides": [{"name": "other"}]})


def test_a_service_is_kept_and_never_said_to_run(place: Place) -> None:
    place.deploy(SHOW)
    wanted = {"cluster": place.name, "serviceName": "s", "taskDefinition": place.name, "desiredCount": 2}

    service = place.ecs.create_service(**wanted, launchType="FARGATE")["service"]

    assert (service["runningCount"], service["pendingCount"]) == (0, 2)
    assert place.ecs.list_tasks(cluster=place.name)["taskArns"] == []
