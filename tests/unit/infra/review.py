"""What a security reviewer asks of templates: small rules over any stack, so that a new one is asked too.

A pattern in an ARN (``bucket/prefix/*``) is cdk-nag's to ask a reason for (AwsSolutions-IAM5); a wildcard here is a
resource that names nothing at all. What is right in spite of a rule is in ``exceptions.yaml``, with its reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml

EXCEPTIONS_FILE = Path(__file__).with_name("exceptions.yaml")

Resources = Mapping[str, dict[str, Any]]


@dataclass(frozen=True, order=True)
class Finding:
    """One answer that a reviewer would not accept.

    Attributes:
        rule: which question.
        where: ``{stack's purpose}/{logical id}``.
        what: the action, the property, or what is missing.
    """

    rule: str
    where: str
    what: str


class Accepted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a finding is right; ``where`` and ``what`` are patterns of the shell."""

    where: str
    reason: str
    what: str = "*"

    def covers(self, finding: Finding) -> bool:
        return fnmatchcase(finding.where, self.where) and fnmatchcase(finding.what, self.what)


def read_exceptions() -> dict[str, list[Accepted]]:
    """Rule → what is accepted of it."""
    text = EXCEPTIONS_FILE.read_text(encoding="utf-8")
    return msgspec.convert(yaml.safe_load(text), dict[str, list[Accepted]])


def unexplained(findings: set[Finding], exceptions: Mapping[str, list[Accepted]]) -> list[Finding]:
    """The findings that no exception covers."""
    return sorted(f for f in findings if not any(each.covers(f) for each in exceptions.get(f.rule, ())))


def review(purpose: str, template: Mapping[str, Any], *, protect: bool) -> set[Finding]:
    """All findings in one template.

    Args:
        purpose: the stack's.
        template: as synthesised.
        protect: whether the environment protects its data.
    """
    resources: Resources = template["Resources"]
    rules = {**RULES, **(PROTECTED if protect else {})}
    return {
        Finding(rule, f"{purpose}/{name}", what)
        for rule, ask in rules.items()
        for name, resource in resources.items()
        for what in ask(name, resource, resources)
    }


def wildcard_actions(name: str, resource: Mapping[str, Any], resources: Resources) -> Iterator[str]:
    """Every action of every Allow is spelled out."""
    for statement in allowed(resource):
        if "NotAction" in statement:
            yield "NotAction"
        yield from (action for action in as_list(statement.get("Action", [])) if "*" in action)


def wildcard_resources(name: str, resource: Mapping[str, Any], resources: Resources) -> Iterator[str]:
    """Every right is on something with a name. A key's own policy says ``*`` and means the key.

    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-overview.html
    """
    if resource["Type"] == "AWS::KMS::Key":
        return
    for statement in allowed(resource):
        if "NotResource" in statement:
            yield "NotResource"
        if any(names_nothing(each) for each in as_list(statement.get("Resource", []))):
            yield from as_list(statement.get("Action", []))


def names_nothing(resource: Any) -> bool:
    """``*``, ``arn:aws:s3:::*`` or ``arn:aws:glue:us-east-1:1:*``: a whole service's resources, or more."""
    text = resource if isinstance(resource, str) else flat(resource)
    return text == "*" or re.fullmatch(r"arn:[^:]*:[^:]*:[^:]*:[^:]*:(\w+[/:])?\*+(/\*)?", text) is not None


def public_access(name: str, resource: Mapping[str, Any], resources: Resources) -> Iterator[str]:
    """Nothing is open to the internet, or to every account."""
    properties = resource.get("Properties", {})
    if resource["Type"] == "AWS::S3::Bucket":
        blocked = properties.get("PublicAccessBlockConfiguration", {})
        switches = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
        yield from (switch for switch in switches if blocked.get(switch) is not True)
    rules = {"AWS::EC2::SecurityGroup": properties.get("SecurityGroupIngress", [])}
    rules["AWS::EC2::SecurityGroupIngress"] = [properties]
    for rule in rules.get(resource["Type"], []):
        yield from (rule[key] for key in ("CidrIp", "CidrIpv6") if rule.get(key) in ("0.0.0.0/0", "::/0"))
    for path, value in leaves(properties):
        key = path[-1]
        if (key, value) in _OPEN:
            yield f"{key}: {value}"
    for statement in allowed(resource):
        principal = statement.get("Principal")
        if principal in ("*", {"AWS": "*"}) and "Condition" not in statement:
            yield "Principal: *"
    if resource["Type"] == "AWS::Lambda::Permission" and properties.get("Principal") == "*":
        yield "Principal: *"


_OPEN = {
    ("PubliclyAccessible", True),
    ("MapPublicIpOnLaunch", True),
    ("AssignPublicIp", "ENABLED"),
    ("WebserverAccessMode", "PUBLIC_ONLY"),
    ("AuthType", "NONE"),
    ("AccessControl", "PublicRead"),
    ("AccessControl", "PublicReadWrite"),
}


def tls(name: str, resource: Mapping[str, Any], resources: Resources) -> Iterator[str]:
    """What is asked without TLS is refused."""
    kind = resource["Type"]
    properties = resource.get("Properties", {})
    if kind in _POLICY_OF:
        policy_type, target = _POLICY_OF[kind]
        policies = [p["Properties"] for p in resources.values() if p["Type"] == policy_type]
        own = [p for p in policies if {"Ref": name} in as_list(p[target])]
        if not any(_refuses_plain(statement) for policy in own for statement in statements(policy)):
            yield "no policy that denies aws:SecureTransport=false"
    if kind == "AWS::RDS::DBCluster":
        group = resources.get(properties.get("DBClusterParameterGroupName", {}).get("Ref", ""), {})
        if str(group.get("Properties", {}).get("Parameters", {}).get("rds.force_ssl")) != "1":
            yield "rds.force_ssl"
    if kind == "AWS::RedshiftServerless::Workgroup":
        given = {p["ParameterKey"]: str(p["ParameterValue"]) for p in properties.get("ConfigParameters", [])}
        if given.get("require_ssl") != "true":
            yield "require_ssl"


_POLICY_OF = {
    "AWS::S3::Bucket": ("AWS::S3::BucketPolicy", "Bucket"),
    "AWS::SNS::Topic": ("AWS::SNS::TopicPolicy", "Topics"),
    "AWS::SQS::Queue": ("AWS::SQS::QueuePolicy", "Queues"),
}


def _refuses_plain(statement: Mapping[str, Any]) -> bool:
    condition = statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
    return statement["Effect"] == "Deny" and str(condition).lower() == "false"


def encrypted(name: str, resource: Mapping[str, Any], resources: Resources) -> Iterator[str]:
    """What can have a key of KMS has one. What can is read from CloudFormation's own schema of the type."""
    kind, properties = resource["Type"], resource.get("Properties", {})
    wanted = key_properties(kind)
    if kind == "AWS::RDS::DBInstance" and "DBClusterIdentifier" in properties:
        return  # the cluster's storage is the instance's
    given = {key for path, value in leaves(properties) for key in path if value not in (None, False, "")}
    if wanted and not wanted & given:
        yield f"none of {', '.join(sorted(wanted))}"


@cache
def key_properties(kind: str) -> frozenset[str]:
    """The properties of a type that name its key; none if it cannot have one, or is nobody's but ours."""
    if kind in _KEY:
        return frozenset({_KEY[kind]})
    if not kind.startswith("AWS::"):
        return frozenset()
    from cfnlint.schema import ResourceNotFoundError
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

    try:
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    except ResourceNotFoundError:
        return frozenset()
    names = {name for path, _ in leaves(schema) for at, name in enumerate(path) if at and path[at - 1] == "properties"}
    return frozenset(name for name in names if re.search("kms.*key|EncryptionKey", name, re.IGNORECASE))


# Where the schema knows further keys, for other things than what is stored, or calls its key otherwise.
_KEY = {
    "AWS::S3::Bucket": "KMSMasterKeyID",
    "AWS::SQS::Queue": "KmsMasterKeyId",
    "AWS::Kinesis::Stream": "StreamEncryption",
    "AWS::KinesisFirehose::DeliveryStream": "KMSEncryptionConfig",
    "AWS::RDS::DBCluster": "KmsKeyId",
    "AWS::RDS::DBInstance": "KmsKeyId",
    "AWS::RedshiftServerless::Namespace": "KmsKeyId",
    "AWS::StepFunctions::StateMachine": "KmsKeyId",
}


def logged(name: str, resource: Mapping[str, Any], resources: Resources) -> Iterator[str]:
    """What happens is written down, for a known time."""
    kind, properties = resource["Type"], resource.get("Properties", {})
    if kind in _LOGGED and not _LOGGED[kind](properties):
        yield "keeps no logs"
    if kind == "AWS::EC2::VPC":
        flows = [r["Properties"] for r in resources.values() if r["Type"] == "AWS::EC2::FlowLog"]
        if not any(flow["ResourceId"] == {"Ref": name} for flow in flows):
            yield "keeps no flow logs"


_LOGGED: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "AWS::Logs::LogGroup": lambda p: p.get("RetentionInDays"),
    "AWS::S3::Bucket": lambda p: p.get("LoggingConfiguration"),
    "AWS::StepFunctions::StateMachine": lambda p: p.get("LoggingConfiguration", {}).get("Level") not in (None, "OFF"),
    "AWS::MWAA::Environment": lambda p: all(
        p.get("LoggingConfiguration", {}).get(f"{part}Logs", {}).get("Enabled") is True
        for part in ("DagProcessing", "Scheduler", "Task", "Webserver", "Worker")
    ),
    "AWS::RDS::DBCluster": lambda p: p.get("EnableCloudwatchLogsExports"),
    "AWS::RedshiftServerless::Namespace": lambda p: p.get("LogExports"),
    "AWS::Lambda::Function": lambda p: p.get("LoggingConfig", {}).get("LogGroup"),
    "AWS::Athena::WorkGroup": lambda p: p.get("WorkGroupConfiguration", {}).get("PublishCloudWatchMetricsEnabled"),
    "AWS::ECS::TaskDefinition": lambda p: all(c.get("LogConfiguration") for c in p["ContainerDefinitions"]),
}


def kept(name: str, resource: Mapping[str, Any], resources: Resources) -> Iterator[str]:
    """Where data is protected, nothing that holds some is deleted with its stack, nor replaced away."""
    kind, properties = resource["Type"], resource.get("Properties", {})
    if kind in _HOLD_DATA:
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            if resource.get(policy) not in ("Retain", "RetainExceptOnCreate", "Snapshot"):
                yield policy
    if kind in ("AWS::RDS::DBCluster", "AWS::DynamoDB::Table"):
        protected = properties.get("DeletionProtection", properties.get("DeletionProtectionEnabled"))
        if protected is not True:
            yield "DeletionProtection"


_HOLD_DATA = frozenset(
    f"AWS::{kind}"
    for kind in (
        "S3::Bucket",
        "KMS::Key",
        "SecretsManager::Secret",
        "Logs::LogGroup",
        "RDS::DBCluster",
        "RedshiftServerless::Namespace",
        "Kinesis::Stream",
        "DynamoDB::Table",
        "EFS::FileSystem",
    )
)

RULES = {
    "wildcard-action": wildcard_actions,
    "wildcard-resource": wildcard_resources,
    "public-access": public_access,
    "tls": tls,
    "kms": encrypted,
    "logs": logged,
}
PROTECTED = {"deletion": kept}


def allowed(resource: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The statements of a resource that allow something."""
    for statement in statements(resource.get("Properties", {})):
        if statement.get("Effect") == "Allow":
            yield statement


def statements(value: Any) -> Iterator[dict[str, Any]]:
    """Every statement of every policy document below a value, wherever its type keeps it."""
    if isinstance(value, dict):
        if "Statement" in value:
            yield from as_list(value["Statement"])
            return
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from statements(inner)


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value below a value, with the keys that lead to it; a reference is one value."""
    match value:
        case {"Ref": _} | {"Fn::GetAtt": _} | {"Fn::ImportValue": _} | {"Fn::Join": _} | {"Fn::Sub": _}:
            yield path, json.dumps(value)
        case dict():
            for key, inner in value.items():
                yield from leaves(inner, (*path, key))
        case list():
            for inner in value:
                yield from leaves(inner, path)
        case _ if path:
            yield path, value


def flat(value: Any) -> str:
    """A template's string; what only the deployment knows is a word in it."""
    match value:
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(flat(part) for part in parts)
        case str():
            return value
        case _:
            return "reference"


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
