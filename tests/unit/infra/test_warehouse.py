"""The warehouse: encrypted, private, kept, its password in no template, and the same secret whichever it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.settings import Aurora, Network, Redshift

FIELDS = {"engine", "host", "port", "username", "dbname"}


def only(assembly: Any, kind: str) -> dict[str, Any]:
    """The one resource of a type in the warehouse's stack, besides the salt of dbt's masks."""
    (found,) = (
        found
        for path, found in assembly.resources(kind).items()
        if path.startswith("warehouse/") and "MaskSalt" not in path
    )
    return dict(found)


def given(secret: dict[str, Any]) -> dict[str, Any]:
    """What the stack writes into the secret besides the password, with references as ``?``."""
    template = secret["Properties"]["GenerateSecretString"]["SecretStringTemplate"]
    if isinstance(template, dict):
        template = "".join(part if isinstance(part, str) else "?" for part in template["Fn::Join"][1])
    return dict(json.loads(template))


@pytest.fixture(scope="module")
def redshift(warehouse_stacks: Callable[..., Any]) -> Any:
    return warehouse_stacks(Network(zones=["a", "b", "c"]), Redshift(base_rpu=16))


@pytest.fixture(scope="module")
def both_keys(warehouse_stacks: Callable[..., Any]) -> Any:
    """An Aurora that may be deleted, and that pauses."""
    return warehouse_stacks(Network(zones=["a", "b"]), Aurora(min_acu=0, max_acu=2), allow_data_deletion=True)


def test_only_the_chosen_one_is_there(local: Any, prod: Any, redshift: Any) -> None:
    def engines(assembly: Any) -> set[str]:
        kinds = {resource["Type"] for resource in assembly.templates["warehouse"]["Resources"].values()}
        return {kind for kind in kinds if kind.startswith(("AWS::RDS::DBCluster", "AWS::Redshift"))}

    assert engines(local) == set()
    assert engines(prod) == {"AWS::RDS::DBCluster", "AWS::RDS::DBClusterParameterGroup"}
    assert engines(redshift) == {"AWS::RedshiftServerless::Namespace", "AWS::RedshiftServerless::Workgroup"}


def test_a_cluster_is_encrypted_with_our_key_backed_up_logged_and_speaks_tls_only(prod: Any) -> None:
    cluster = only(prod, "AWS::RDS::DBCluster")["Properties"]
    logs = only(prod, "AWS::Logs::LogGroup")["Properties"]
    parameters = only(prod, "AWS::RDS::DBClusterParameterGroup")["Properties"]["Parameters"]

    assert cluster["StorageEncrypted"] is True
    for key in (cluster["KmsKeyId"], logs["KmsKeyId"]):
        assert "lake:ExportsOutputFnGetAttKey" in json.dumps(key)
    assert cluster["BackupRetentionPeriod"] == 35
    assert cluster["EnableIAMDatabaseAuthentication"] is True
    assert cluster["EnableCloudwatchLogsExports"] == ["postgresql"]
    assert logs["LogGroupName"] == f"/aws/rds/cluster/{cluster['DBClusterIdentifier']}/postgresql"
    assert logs["RetentionInDays"] == 365
    assert parameters["rds.force_ssl"] == "1"


def test_no_instance_is_public_and_one_can_take_over_in_prod(prod: Any) -> None:
    instances = [found["Properties"] for found in prod.resources("AWS::RDS::DBInstance").values()]

    assert len(instances) == 2
    for instance in instances:
        assert instance["PubliclyAccessible"] is False
        assert instance["DBInstanceClass"] == "db.serverless"
        assert "Key" in json.dumps(instance["PerformanceInsightsKMSKeyId"])


def test_capacity_is_that_of_the_settings_and_zero_pauses(prod: Any, both_keys: Any) -> None:
    def scaling(assembly: Any) -> Any:
        return only(assembly, "AWS::RDS::DBCluster")["Properties"]["ServerlessV2ScalingConfiguration"]

    assert scaling(prod) == {"MinCapacity": 1, "MaxCapacity": 16}
    assert scaling(both_keys) == {"MinCapacity": 0, "MaxCapacity": 2, "SecondsUntilAutoPause": 600}


def test_a_cluster_is_protected_and_kept_unless_both_keys_allow_its_deletion(
    prod: Any, both_keys: Any, synthesise: Callable[..., Any]
) -> None:
    for assembly in (prod, synthesise("dev"), synthesise("prod", allow_data_deletion="true")):
        cluster = only(assembly, "AWS::RDS::DBCluster")
        assert cluster["Properties"]["DeletionProtection"] is True
        for kind in ("DBCluster", "DBInstance", "DBSubnetGroup", "DBClusterParameterGroup"):
            for path, found in assembly.resources(f"AWS::RDS::{kind}").items():
                assert (found["DeletionPolicy"], found["UpdateReplacePolicy"]) == ("Retain", "Retain"), path
    gone = only(both_keys, "AWS::RDS::DBCluster")
    assert (gone["Properties"]["DeletionProtection"], gone["DeletionPolicy"]) == (False, "Delete")


def test_redshift_is_private_encrypted_speaks_tls_only_and_is_kept(redshift: Any) -> None:
    namespace = only(redshift, "AWS::RedshiftServerless::Namespace")
    workgroup = only(redshift, "AWS::RedshiftServerless::Workgroup")["Properties"]
    parameters = {item["ParameterKey"]: item["ParameterValue"] for item in workgroup["ConfigParameters"]}

    assert "Key" in json.dumps(namespace["Properties"]["KmsKeyId"])
    assert (namespace["DeletionPolicy"], namespace["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert (workgroup["PubliclyAccessible"], workgroup["EnhancedVpcRouting"]) == (False, True)
    assert len(workgroup["SubnetIds"]) == 3
    assert (workgroup["BaseCapacity"], workgroup["MaxCapacity"]) == (16, 64)
    assert parameters == {"require_ssl": "true", "enable_user_activity_logging": "true"}
    groups = {
        found["Properties"]["LogGroupName"]: found["Properties"]
        for path, found in redshift.resources("AWS::Logs::LogGroup").items()
        if path.startswith("warehouse/")
    }
    assert set(groups) == {f"/aws/redshift/ingot-local/{kind}" for kind in namespace["Properties"]["LogExports"]}
    assert all("KmsKeyId" in found and found["RetentionInDays"] == 7 for found in groups.values())


def test_copy_reads_the_lakes_parquet_and_nothing_else(redshift: Any) -> None:
    role = only(redshift, "AWS::IAM::Role")["Properties"]
    statements = {s["Sid"]: s for s in role["Policies"][0]["PolicyDocument"]["Statement"]}
    namespace = only(redshift, "AWS::RedshiftServerless::Namespace")["Properties"]

    assert {sid: statement["Action"] for sid, statement in statements.items()} == {
        "Read": "s3:GetObject",
        "List": "s3:ListBucket",
        "Key": "kms:Decrypt",
    }
    read = "".join(part for part in statements["Read"]["Resource"]["Fn::Join"][1] if isinstance(part, str))
    assert read == "arn:aws:s3:::ingot-local-lake--us-east-1/bronze/*"
    assert statements["List"]["Condition"] == {"StringLike": {"s3:prefix": ["bronze/*"]}}
    assert namespace["IamRoles"] == [namespace["DefaultIamRoleArn"]]


def test_the_secret_holds_the_same_fields_whichever_it_is(local: Any, prod: Any, redshift: Any) -> None:
    secrets = {
        name: only(assembly, "AWS::SecretsManager::Secret")
        for name, assembly in (("postgres", local), ("aurora", prod), ("redshift", redshift))
    }
    fields = {name: given(secret) for name, secret in secrets.items()}

    assert set(fields["postgres"]) == FIELDS
    assert set(fields["aurora"]) == FIELDS - {"host"}, "which the attachment adds"
    assert set(fields["redshift"]) == FIELDS | {"namespaceName"}
    assert fields["redshift"]["host"] == "ingot-local.?.us-east-1.redshift-serverless.amazonaws.com"
    assert {name: (found["engine"], found["port"]) for name, found in fields.items()} == {
        "postgres": ("postgres", 5433),
        "aurora": ("postgres", 5432),
        "redshift": ("redshift", 5439),
    }
    for secret in secrets.values():
        assert secret["Properties"]["GenerateSecretString"]["GenerateStringKey"] == "password"
        assert secret["Properties"]["GenerateSecretString"]["ExcludePunctuation"] is True
        assert "Key" in json.dumps(secret["Properties"]["KmsKeyId"])


def test_the_password_is_in_no_template_and_the_database_gets_the_secrets(prod: Any, redshift: Any) -> None:
    for assembly, kind, name in (
        (prod, "AWS::RDS::DBCluster", "MasterUserPassword"),
        (redshift, "AWS::RedshiftServerless::Namespace", "AdminUserPassword"),
    ):
        password = only(assembly, kind)["Properties"][name]["Fn::Join"][1]

        assert password[0] == "{{resolve:secretsmanager:"
        assert password[2] == ":SecretString:password::}}"


def test_the_password_is_changed_every_thirty_days_from_inside_the_network(prod: Any, redshift: Any) -> None:
    for assembly, kind in ((prod, "PostgreSQLSingleUser"), (redshift, "RedshiftSingleUser")):
        rotation = only(assembly, "AWS::SecretsManager::RotationSchedule")["Properties"]
        function = rotation["HostedRotationLambda"]

        assert rotation["RotationRules"] == {"ScheduleExpression": "rate(30 days)"}
        assert function["RotationType"] == kind
        assert "NetworkClients" in json.dumps(function["VpcSecurityGroupIds"])
        assert "Private" in json.dumps(function["VpcSubnetIds"])
        assert set("@/:?#'\"\\ ") - {" "} <= set(function["ExcludeCharacters"])
    attachment = only(prod, "AWS::SecretsManager::SecretTargetAttachment")["Properties"]
    assert attachment["TargetType"] == "AWS::RDS::DBCluster"


def test_the_rules_hold_for_redshift_and_for_a_cluster_that_may_be_deleted(redshift: Any, both_keys: Any) -> None:
    assert redshift.findings == []
    assert both_keys.findings == []


def test_a_job_asks_redshifts_data_api_for_this_workgroup_and_sees_its_own_statements(redshift: Any) -> None:
    (role,) = (path for path in redshift.resources("AWS::IAM::Role") if path.startswith("jobs/"))
    policy = redshift.resources("AWS::IAM::Role")[role]["Properties"]["Policies"][0]["PolicyDocument"]
    statements = {statement["Sid"]: statement for statement in policy["Statement"]}

    assert "RedshiftWorkgroup" in json.dumps(statements["Ask"]["Resource"])
    assert statements["Ask"]["Action"] == ["redshift-data:BatchExecuteStatement", "redshift-data:ExecuteStatement"]
    assert statements["Answer"]["Condition"] == {
        "StringEquals": {"redshift-data:statement-owner-iam-userid": "${aws:userid}"}
    }
