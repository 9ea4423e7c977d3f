"""What runs something: Step Functions, EventBridge Scheduler, Lambda, ECS."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.integration.localcloud.comparison import Thing
from tests.integration.localcloud.kinds.table import Account, camel, kind, or_none


@kind("AWS::StepFunctions::StateMachine", identity=("StateMachineName",))
def state_machines(account: Account) -> Iterator[Thing]:
    for each in account.pages("stepfunctions", "list_state_machines", "stateMachines"):
        machine = account.client("stepfunctions").describe_state_machine(stateMachineArn=each["stateMachineArn"])
        properties = {
            **camel({name: value for name, value in machine.items() if name != "definition"}),
            "StateMachineName": machine["name"],
            "StateMachineType": machine["type"],
            "DefinitionString": machine["definition"],
        }
        yield Thing(
            machine["stateMachineArn"], properties, {"Arn": machine["stateMachineArn"], "Name": machine["name"]}
        )


@kind("AWS::Scheduler::Schedule", identity=("Name",))
def schedules(account: Account) -> Iterator[Thing]:
    for each in account.pages("scheduler", "list_schedules", "Schedules"):
        told = account.client("scheduler").get_schedule(Name=each["Name"], GroupName=each["GroupName"])
        yield Thing(each["Name"], told, {"Arn": told["Arn"]})


@kind("AWS::Scheduler::ScheduleGroup", identity=("Name",))
def schedule_groups(account: Account) -> Iterator[Thing]:
    for each in account.pages("scheduler", "list_schedule_groups", "ScheduleGroups"):
        if each["Name"] != "default":
            yield Thing(each["Name"], each, {"Arn": each["Arn"]})


def _code(account: Account, properties: dict[str, Any]) -> dict[str, Any]:
    """Of a function's code the service tells the hash."""
    code = properties.pop("Code") if "Code" in properties else properties.pop("Content")
    if "S3Bucket" in code:
        body = account.client("s3").get_object(Bucket=code["S3Bucket"], Key=code["S3Key"])["Body"].read()
        properties["CodeSha256"] = base64.b64encode(hashlib.sha256(body).digest()).decode()
    return properties


def _without_layers_arns(told: Mapping[str, Any]) -> dict[str, Any]:
    return {**told, "Layers": [layer["Arn"] for layer in told.get("Layers", ())]}


@kind("AWS::Lambda::Function", identity=("FunctionName",), expect=_code)
def functions(account: Account) -> Iterator[Thing]:
    for each in account.pages("lambda", "list_functions", "Functions"):
        told = account.client("lambda").get_function(FunctionName=each["FunctionName"])
        properties = _without_layers_arns(told["Configuration"])
        yield Thing(each["FunctionName"], {**properties, "Tags": told.get("Tags")}, {"Arn": each["FunctionArn"]})


@kind("AWS::Lambda::LayerVersion", identity=("LayerName",), expect=_code)
def layers(account: Account) -> Iterator[Thing]:
    for each in account.pages("lambda", "list_layers", "Layers"):
        for version in account.pages("lambda", "list_layer_versions", "LayerVersions", LayerName=each["LayerName"]):
            told = account.client("lambda").get_layer_version(
                LayerName=each["LayerName"], VersionNumber=version["Version"]
            )
            arn = version["LayerVersionArn"]
            yield Thing(arn, {**told, **told["Content"], "LayerName": each["LayerName"]}, {"LayerVersionArn": arn})


@kind("AWS::Lambda::Permission", identity=("FunctionName", "Principal"))
def invocations(account: Account) -> Iterator[Thing]:
    for function in account.pages("lambda", "list_functions", "Functions"):
        name = function["FunctionName"]
        answer = or_none(account.client("lambda").get_policy, "ResourceNotFoundException", FunctionName=name)
        for statement in json.loads(answer["Policy"])["Statement"] if answer else ():
            yield Thing(statement["Sid"], {"FunctionName": function["FunctionArn"], **statement})


@kind("AWS::ECS::Cluster", identity=("ClusterName",))
def clusters(account: Account) -> Iterator[Thing]:
    ecs = account.client("ecs")
    for arn in account.pages("ecs", "list_clusters", "clusterArns"):
        include = ["SETTINGS", "CONFIGURATIONS", "TAGS"]
        (told,) = ecs.describe_clusters(clusters=[arn], include=include)["clusters"]
        if told["status"] == "INACTIVE":  # deleted: it is described for a while
            continue
        yield Thing(told["clusterName"], {**camel(told), "ClusterSettings": camel(told.get("settings"))}, {"Arn": arn})


@kind("AWS::ECS::TaskDefinition", identity=("Family",))
def task_definitions(account: Account) -> Iterator[Thing]:
    ecs = account.client("ecs")
    for arn in account.pages("ecs", "list_task_definitions", "taskDefinitionArns", status="ACTIVE"):
        told = ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
        yield Thing(arn, camel(told), {"TaskDefinitionArn": arn})
