"""What a security reviewer asks of templates: small rules over any stack, so that a new one is asked too.

A pattern in an ARN (``bucket/prefix/*``) is cdk-nag's to ask a reason for (AwsSolutions-IAM5); a wildcard here is a
resource that names nothing at all. What is right in spite of a rule is in ``exceptions.yaml``, with its reason.
"""

from __future__ import annotations

import ipaddress
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
    """Rule → what is accepted of it. A rule that is there twice would lose its first exceptions in silence."""
    text = EXCEPTIONS_FILE.read_text(encoding="utf-8")
    rules = re.findall(r"^([\w-]+):", text, re.MULTILINE)
    assert len(rules) == len(set(rules)), f"twice: {sorted({rule for rule in rules if rules.count(rule) > 1})}"
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
        yield from (action for action in as_list(statement.get("Action", [])) if set("*?").intersection(action))


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
    """``*``, ``arn:aws:s3:::*``, ``arn:aws:logs:us-east-1:1:log-group:*``: all of a kind of resource, or more."""
    text = resource if isinstance(resource, str) else flat(resource)
    if text.startswith("arn:") and text.split(":")[2] == "s3":  # whose buckets have no kind before their name
        return re.fullmatch(r"arn:[^:]*:s3:::\*+(/\*+)?", text) is not None
    return text == "*" or re.fullmatch(r"arn:[^:]*:[^:]*:[^:]*:[^:]*:([\w-]+[/:])?\*+([/:]\*+)*", text) is not None


def public_access(name: str, resource: Mapping[str, Any], resources: Resources) -> Iterator[str]:
    """Nothing is open to the internet, to every account, or to one that is not named in this one's settings."""
    properties = resource.get("Properties", {})
    if resource["Type"] == "AWS::S3::Bucket":
        blocked = properties.get("PublicAccessBlockConfiguration", {})
        switches = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
        yield from (switch for switch in switches if blocked.get(switch) is not True)
    rules = {"AWS::EC2::SecurityGroup": properties.get("SecurityGroupIngress", [])}
    rules["AWS::EC2::SecurityGroupIngress"] = [properties]
    for rule in rules.get(resource["Type"], []):
        yield from (rule[key] for key in ("CidrIp", "CidrIpv6") if _is_of_the_internet(rule.get(key)))
    for path, value in leaves(unpacked(properties)):
        key = path[-1]
        if (key, value) in _OPEN:
            yield f"{key}: {value}"
    for statement in allowed(resource):
        yield from _strangers(statement)
    if resource["Type"] == "AWS::Lambda::Permission" and properties.get("Principal") == "*":
        yield "Principal: *"


def _is_of_the_internet(cidr: Any) -> bool:
    """Whether a block, if the template names one, has addresses that are not of private networks."""
    return isinstance(cidr, str) and not ipaddress.ip_network(cidr, strict=False).is_private


def _strangers(statement: Mapping[str, Any]) -> Iterator[str]:
    """Whom an Allow lets in that it should not."""
    if "NotPrincipal" in statement:
        yield "NotPrincipal"
    principal = statement.get("Principal", {})
    kinds = principal if isinstance(principal, dict) else {"AWS": principal}
    for who in map(flat, as_list(kinds.get("AWS", []))):
        if who == "*" and not statement.get("Condition"):
            yield "Principal: *"
        account = re.fullmatch(r"(?:arn:[^:]*:(?:iam|sts)::)?(\d{12})(?::.*)?", who)
        if account and account[1] not in OWN_ACCOUNTS:
            yield f"Principal: another account, {account[1]}"
    # Whoever the other side vouches for, unless it is said whom: https://docs.github.com/actions, OpenID Connect.
    if "Federated" in kinds:
        exact = {key: value for test in ("StringEquals", "StringLike") for key, value in _test(statement, test).items()}
        for claim in ("aud", "sub"):
            wanted = [value for key, value in exact.items() if key.endswith(f":{claim}")]
            if not wanted or any(re.match(r"(repo:)?\*", each) for value in wanted for each in as_list(value)):
                yield f"Federated: anybody by {claim}"


def _test(statement: Mapping[str, Any], test: str) -> Mapping[str, Any]:
    return statement.get("Condition", {}).get(test, {})


OWN_ACCOUNTS = ("000000000000", "111111111111")
"""Of the templates: the laptop's, and the one that tests synthesise for."""

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
        if not any(_refuses_plain(statement, kind) for policy in own for statement in statements(policy)):
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


def _refuses_plain(statement: Mapping[str, Any], kind: str) -> bool:
    """Whether a statement refuses everybody every call without TLS; to a bucket as to what is in it."""
    condition = statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
    everybody = statement.get("Principal") in ("*", {"AWS": "*"})
    whole = set(as_list(statement.get("Action", []))) & {_EVERY_CALL[kind], "*"}
    reached = [flat(each) for each in as_list(statement.get("Resource", []))]
    both = kind != "AWS::S3::Bucket" or "*" in reached or {each.endswith("/*") for each in reached} == {True, False}
    deny = statement["Effect"] == "Deny" and str(condition).lower() == "false"
    return deny and everybody and bool(whole) and bool(reached) and both


_EVERY_CALL = {
    "AWS::S3::Bucket": "s3:*",
    "AWS::SNS::Topic": "sns:Publish",  # what a topic's policy can be asked for over plain HTTP
    "AWS::SQS::Queue": "sqs:*",
}


def encrypted(name: str, resource: Mapping[str, Any], resources: Resources) -> Iterator[str]:
    """What can have a key of KMS has one. What can is read from CloudFormation's own schema of the type."""
    kind, properties = resource["Type"], resource.get("Properties", {})
    wanted = key_properties(kind)
    if kind == "AWS::RDS::DBInstance" and "DBClusterIdentifier" in properties:
        return  # the cluster's storage is the instance's
    given = {key for path, value in leaves(properties) for key in path if value not in (None, False, "")}
    if wanted and not wanted & given:
        yield f"none of {', '.join(sorted(wanted))}"
    # A key that AWS keeps for everybody is not one that somebody could take away.
    shared = [value for path, value in leaves(properties) if wanted.intersection(path) and "alias/aws/" in str(value)]
    yield from (f"AWS's own key: {value}" for value in shared)
    for switch in ("StorageEncrypted", "EnableKeyRotation"):
        if kind in _SWITCHED.get(switch, ()) and properties.get(switch) is not True:
            yield switch


_SWITCHED = {
    "StorageEncrypted": ("AWS::RDS::DBCluster", "AWS::RDS::DBInstance"),
    "EnableKeyRotation": ("AWS::KMS::Key",),
}


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
        if not any(flow["ResourceId"] == {"Ref": name} and flow.get("TrafficType") == "ALL" for flow in flows):
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
    "AWS::CodeBuild::Project": lambda p: p.get("LogsConfig", {}).get("CloudWatchLogs", {}).get("Status") == "ENABLED",
    "AWS::KinesisFirehose::DeliveryStream": lambda p: (
        p.get("ExtendedS3DestinationConfiguration", {}).get("CloudWatchLoggingOptions", {}).get("Enabled") is True
    ),
}


def kept(name: str, resource: Mapping[str, Any], resources: Resources) -> Iterator[str]:
    """Where data is protected, nothing that holds some is deleted with its stack, nor replaced away."""
    kind, properties = resource["Type"], resource.get("Properties", {})
    if kind in _HOLD_DATA:
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            if resource.get(policy) not in ("Retain", "RetainExceptOnCreate", "Snapshot"):
                yield policy
    if kind == "AWS::S3::Bucket" and properties.get("VersioningConfiguration", {}).get("Status") != "Enabled":
        yield "VersioningConfiguration"  # one who may write could else write over it
    if kind == "AWS::Logs::LogGroup" and int(properties.get("RetentionInDays", 0)) < LOG_DAYS:
        yield f"RetentionInDays below {LOG_DAYS}"
    if kind == "AWS::RDS::DBCluster" and int(properties.get("BackupRetentionPeriod", 1)) < BACKUP_DAYS:
        yield f"BackupRetentionPeriod below {BACKUP_DAYS}"
    if kind in ("AWS::RDS::DBCluster", "AWS::DynamoDB::Table"):
        protected = properties.get("DeletionProtection", properties.get("DeletionProtectionEnabled"))
        if protected is not True:
            yield "DeletionProtection"


LOG_DAYS, BACKUP_DAYS = 90, 7
"""The least that a protected environment keeps."""

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
    """Every statement of every policy document below a value, wherever its type keeps it; also one that is a text."""
    value = unpacked(value) if isinstance(value, str) else value
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


def unpacked(value: Any) -> Any:
    """A value with the texts in it that are JSON as what they say."""
    match value:
        case {"Fn::Join": _} if (text := flat(value)).startswith("{"):
            return unpacked(text)
        case dict():
            return {key: unpacked(inner) for key, inner in value.items()}
        case list():
            return [unpacked(inner) for inner in value]
        case str() if value.startswith("{"):
            try:
                return json.loads(value)
            except ValueError:  # another text that begins so
                return value
        case _:
            return value


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
