"""What a security reviewer asks for holds in every template of every environment, or its exception says why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.unit.infra.conftest import ENVIRONMENTS
from tests.unit.infra.review import Finding, read_exceptions, review, unexplained

SYNTHESIS_SECONDS = 60
"""Of one environment, which is what `cdk synth` makes; cdk-nag's rules included."""


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_reviewer_finds_nothing_without_a_reason(every: Mapping[str, Any], environment: str) -> None:
    assert unexplained(found(every[environment]), read_exceptions()) == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_stacks_that_hold_protected_data_are_protected_themselves(every: Mapping[str, Any], environment: str) -> None:
    (manifest,) = {file.with_name("manifest.json") for file in every[environment].files}
    stacks = {
        name: artifact["properties"].get("terminationProtection", False)
        for name, artifact in json.loads(manifest.read_text(encoding="utf-8"))["artifacts"].items()
        if artifact["type"] == "aws:cloudformation:stack"
    }

    assert len(stacks) == len(every[environment].files)
    assert set(stacks.values()) == {environment in ("staging", "prod")}


def test_every_environment_is_synthesised_in_under_a_minute(every: Mapping[str, Any]) -> None:
    assert max(assembly.seconds for assembly in every.values()) < SYNTHESIS_SECONDS


def found(assembly: Any) -> set[Finding]:
    protect = assembly.environment in ("staging", "prod")
    return {
        finding
        for purpose, template in assembly.templates.items()
        for finding in review(purpose, template, protect=protect)
    }


def policy(**statement: Any) -> dict[str, Any]:
    allow = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/k", **statement}
    return {"Type": "AWS::IAM::Policy", "Properties": {"PolicyDocument": {"Statement": [allow]}}}


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def trust(principal: Any, **more: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more}
    return resource("IAM::Role", AssumeRolePolicyDocument={"Statement": [statement]})


DOCUMENT = {"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
CLOSED = {"BlockPublicAcls": True, "BlockPublicPolicy": True, "IgnorePublicAcls": True, "RestrictPublicBuckets": True}
KEY = {"Fn::GetAtt": ["Key", "Arn"]}
REFUSES_PLAIN = {
    "Effect": "Deny",
    "Principal": {"AWS": "*"},
    "Action": "sns:Publish",
    "Resource": "*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


@pytest.mark.parametrize(
    ("rule", "planted", "what"),
    [
        ("wildcard-action", policy(Action="s3:*"), "s3:*"),
        ("wildcard-action", policy(Action=["s3:GetObject", "s3:Put*"]), "s3:Put*"),
        ("wildcard-action", policy(NotAction="iam:*"), "NotAction"),
        ("wildcard-resource", policy(Resource="*"), "s3:GetObject"),
        ("wildcard-resource", policy(Resource=["arn:aws:s3:::b", "arn:aws:s3:::*"]), "s3:GetObject"),
        ("wildcard-resource", policy(Resource="arn:aws:glue:us-east-1:1:job/*"), "s3:GetObject"),
        (
            "wildcard-resource",
            policy(Resource={"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":glue:us-east-1:1:*"]]}),
            "s3:GetObject",
        ),
        ("wildcard-action", policy(Action="s3:GetObject?"), "s3:GetObject?"),
        ("wildcard-resource", policy(NotResource="arn:aws:s3:::b"), "NotResource"),
        ("wildcard-resource", policy(Resource="arn:aws:logs:us-east-1:1:log-group:*"), "s3:GetObject"),
        ("wildcard-resource", policy(Resource="arn:aws:logs:us-east-1:1:log-group:*:*"), "s3:GetObject"),
        ("wildcard-resource", policy(Resource="arn:aws:glue:us-east-1:1:table/*/*"), "s3:GetObject"),
        ("wildcard-resource", resource("Logs::ResourcePolicy", PolicyDocument=json.dumps(DOCUMENT)), "s3:GetObject"),
        (
            "wildcard-resource",
            resource(
                "IAM::Role",
                Policies=[
                    {
                        "PolicyDocument": {
                            "Statement": policy(Resource="*")["Properties"]["PolicyDocument"]["Statement"][0]
                        }
                    }
                ],
            ),
            "s3:GetObject",
        ),
        (
            "public-access",
            resource("S3::Bucket", PublicAccessBlockConfiguration={**CLOSED, "BlockPublicAcls": False}),
            "BlockPublicAcls",
        ),
        ("public-access", resource("S3::Bucket"), "RestrictPublicBuckets"),
        ("public-access", resource("EC2::SecurityGroup", SecurityGroupIngress=[{"CidrIp": "0.0.0.0/0"}]), "0.0.0.0/0"),
        ("public-access", resource("EC2::SecurityGroupIngress", CidrIpv6="::/0"), "::/0"),
        ("public-access", resource("RDS::DBInstance", PubliclyAccessible=True), "PubliclyAccessible: True"),
        (
            "public-access",
            resource("MWAA::Environment", WebserverAccessMode="PUBLIC_ONLY"),
            "WebserverAccessMode: PUBLIC_ONLY",
        ),
        (
            "public-access",
            resource("SNS::TopicPolicy", PolicyDocument={"Statement": {"Effect": "Allow", "Principal": "*"}}),
            "Principal: *",
        ),
        ("public-access", resource("EC2::SecurityGroupIngress", CidrIp="0.0.0.0/1"), "0.0.0.0/1"),
        ("public-access", trust({"AWS": ["*"]}), "Principal: *"),
        ("public-access", trust("*", Condition={}), "Principal: *"),
        ("public-access", policy(NotPrincipal={"AWS": "x"}), "NotPrincipal"),
        (
            "public-access",
            trust({"AWS": "arn:aws:iam::222222222222:root"}),
            "Principal: another account, 222222222222",
        ),
        ("public-access", trust({"Federated": "provider"}), "Federated: anybody by sub"),
        (
            "public-access",
            trust({"Federated": "provider"}, Condition={"StringLike": {"github:aud": "sts", "github:sub": "repo:*"}}),
            "Federated: anybody by sub",
        ),
        (
            "public-access",
            resource("StepFunctions::StateMachine", DefinitionString='{"Network": {"AssignPublicIp": "ENABLED"}}'),
            "AssignPublicIp: ENABLED",
        ),
        ("tls", resource("S3::Bucket"), "no policy that denies aws:SecureTransport=false"),
        ("tls", resource("SQS::Queue"), "no policy that denies aws:SecureTransport=false"),
        ("tls", resource("SNS::Topic"), "no policy that denies aws:SecureTransport=false"),
        ("tls", resource("RDS::DBCluster"), "rds.force_ssl"),
        ("tls", resource("RedshiftServerless::Workgroup"), "require_ssl"),
        ("kms", resource("S3::Bucket", BucketEncryption={"SSEAlgorithm": "AES256"}), "none of KMSMasterKeyID"),
        ("kms", resource("Logs::LogGroup"), "none of KmsKeyId"),
        ("kms", resource("SecretsManager::Secret"), "none of KmsKeyId"),
        ("kms", resource("SQS::Queue", SqsManagedSseEnabled=True), "none of KmsMasterKeyId"),
        ("kms", resource("Kinesis::Stream"), "none of StreamEncryption"),
        ("kms", resource("RDS::DBCluster", StorageEncrypted=True), "none of KmsKeyId"),
        ("kms", resource("RDS::DBCluster", KmsKeyId=KEY), "StorageEncrypted"),
        ("kms", resource("KMS::Key"), "EnableKeyRotation"),
        ("kms", resource("SNS::Topic", KmsMasterKeyId="alias/aws/sns"), "AWS's own key: alias/aws/sns"),
        ("kms", resource("DynamoDB::Table"), "none of KMSMasterKeyId"),
        ("kms", resource("EFS::FileSystem"), "none of KmsKeyId"),
        ("logs", resource("Logs::LogGroup", KmsKeyId=KEY), "keeps no logs"),
        ("logs", resource("S3::Bucket"), "keeps no logs"),
        ("logs", resource("StepFunctions::StateMachine", LoggingConfiguration={"Level": "OFF"}), "keeps no logs"),
        ("logs", resource("EC2::VPC"), "keeps no flow logs"),
        ("logs", resource("CodeBuild::Project"), "keeps no logs"),
        ("logs", resource("KinesisFirehose::DeliveryStream"), "keeps no logs"),
        ("deletion", resource("S3::Bucket"), "DeletionPolicy"),
        ("deletion", resource("S3::Bucket"), "VersioningConfiguration"),
        ("deletion", resource("Logs::LogGroup", RetentionInDays=30), "RetentionInDays below 90"),
        ("deletion", resource("RDS::DBCluster"), "BackupRetentionPeriod below 7"),
        ("deletion", {**resource("Kinesis::Stream"), "DeletionPolicy": "Retain"}, "UpdateReplacePolicy"),
        ("deletion", resource("RDS::DBCluster", DeletionProtection=False), "DeletionProtection"),
    ],
)
def test_the_review_finds_what_is_planted(rule: str, planted: dict[str, Any], what: str) -> None:
    assert Finding(rule, "bad/Planted", what) in review("bad", {"Resources": {"Planted": planted}}, protect=True)


def test_the_review_accepts_what_is_as_it_should_be() -> None:
    topic_policy = resource(
        "SNS::TopicPolicy", Topics=[{"Ref": "Topic"}], PolicyDocument={"Statement": [REFUSES_PLAIN]}
    )
    good = {
        "Right": policy(Resource=["arn:aws:s3:::b/prefix/*", "arn:aws:s3:::b-c/*", KEY]),
        "Topic": resource("SNS::Topic", KmsMasterKeyId=KEY),
        "Refuses": topic_policy,
        "Log": {
            **resource("Logs::LogGroup", KmsKeyId=KEY, RetentionInDays=90),
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
        },
        "Inside": resource("EC2::SecurityGroup", SecurityGroupIngress=[{"SourceSecurityGroupId": {"Ref": "Other"}}]),
        "Alarm": resource("CloudWatch::Alarm"),
    }

    assert review("good", {"Resources": good}, protect=True) == set()
    other = {**good, "Refuses": {**topic_policy, "Properties": {**topic_policy["Properties"], "Topics": []}}}
    assert {f.rule for f in review("good", {"Resources": other}, protect=True)} == {"tls"}


@pytest.mark.parametrize(
    "weaker",
    [
        {"Action": "s3:GetObject"},
        {"Principal": {"AWS": "arn:aws:iam::111111111111:root"}},
        {"Resource": {"Fn::GetAtt": ["Bucket", "Arn"]}},
        {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
        {"Effect": "Allow"},
    ],
)
def test_a_refusal_of_plain_requests_that_leaves_some_is_none(weaker: dict[str, Any]) -> None:
    arn = {"Fn::GetAtt": ["Bucket", "Arn"]}
    whole = {**REFUSES_PLAIN, "Action": "s3:*", "Resource": [arn, {"Fn::Join": ["", [arn, "/*"]]}]}

    def findings(statement: dict[str, Any]) -> set[str]:
        document = {"Statement": [statement]}
        stack = {
            "Bucket": resource("S3::Bucket"),
            "Policy": resource("S3::BucketPolicy", Bucket={"Ref": "Bucket"}, PolicyDocument=document),
        }
        return {f.rule for f in review("s", {"Resources": stack}, protect=False) if f.rule == "tls"}

    assert findings(whole) == set()
    assert findings({**whole, **weaker}) == {"tls"}


def test_what_is_planted_in_a_real_stack_is_found(every: Mapping[str, Any]) -> None:
    template = json.loads(json.dumps(every["prod"].templates["lake"]))
    (bucket,) = (name for name in template["Resources"] if name.startswith("BronzeBucket") and "Policy" not in name)
    del template["Resources"][bucket]["Properties"]["PublicAccessBlockConfiguration"]
    template["Resources"][bucket]["DeletionPolicy"] = "Delete"

    found = unexplained(review("lake", template, protect=True), read_exceptions())

    assert {(f.rule, f.where) for f in found} == {("public-access", f"lake/{bucket}"), ("deletion", f"lake/{bucket}")}
