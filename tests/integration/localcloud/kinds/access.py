"""KMS, IAM, Secrets Manager, SSM."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.integration.localcloud.comparison import Thing
from tests.integration.localcloud.kinds.table import QUALIFIER, Account, kind


@kind(
    "AWS::KMS::Key",
    identity=("Description",),
    unseen={"PendingWindowInDays": "it is said when the key is deleted"},
)
def keys(account: Account) -> Iterator[Thing]:
    kms = account.client("kms")
    for each in account.pages("kms", "list_keys", "Keys"):
        key = kms.describe_key(KeyId=each["KeyId"])["KeyMetadata"]
        if key["KeyManager"] == "AWS" or key["KeyState"] == "PendingDeletion":
            continue
        properties = {
            "Description": key["Description"],
            "Enabled": key["Enabled"],
            "KeySpec": key.get("KeySpec"),
            "KeyUsage": key.get("KeyUsage"),
            "MultiRegion": key.get("MultiRegion"),
            "EnableKeyRotation": kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"],
            "KeyPolicy": json.loads(kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"]),
        }
        yield Thing(key["KeyId"], properties, {"Arn": key["Arn"], "KeyId": key["KeyId"]})


def _key_id(account: Account, properties: dict[str, Any]) -> dict[str, Any]:
    return {**properties, "TargetKeyId": properties["TargetKeyId"].rpartition("/")[2]}


@kind("AWS::KMS::Alias", identity=("AliasName",), expect=_key_id)
def aliases(account: Account) -> Iterator[Thing]:
    for alias in account.pages("kms", "list_aliases", "Aliases"):
        if not alias["AliasName"].startswith("alias/aws/"):
            yield Thing(alias["AliasName"], {name: alias.get(name) for name in ("AliasName", "TargetKeyId")})


def _roles(account: Account) -> Iterator[Any]:
    for role in account.pages("iam", "list_roles", "Roles"):
        if QUALIFIER not in role["RoleName"] and not role["Path"].startswith("/aws-service-role/"):
            yield role


def _inline(account: Account, properties: Mapping[str, Any], role: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for policy in properties.get("Policies", ()):
        yield "AWS::IAM::Policy", {**policy, "Roles": [role]}


@kind(
    "AWS::IAM::Role",
    identity=("RoleName",),
    unseen={"Policies": "each is looked for as a policy of its own"},
    parts=_inline,
)
def roles(account: Account) -> Iterator[Thing]:
    iam = account.client("iam")
    for listed in _roles(account):
        name = listed["RoleName"]
        role = iam.get_role(RoleName=name)["Role"]
        attached = account.pages("iam", "list_attached_role_policies", "AttachedPolicies", RoleName=name)
        properties = {
            "RoleName": name,
            "Path": role["Path"],
            "Description": role.get("Description"),
            "AssumeRolePolicyDocument": role["AssumeRolePolicyDocument"],
            "MaxSessionDuration": role.get("MaxSessionDuration"),
            "PermissionsBoundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            "ManagedPolicyArns": [policy["PolicyArn"] for policy in attached],
            "Tags": role.get("Tags"),
        }
        yield Thing(name, properties, {"Arn": role["Arn"], "RoleId": role["RoleId"]})


@kind("AWS::IAM::Policy", identity=("PolicyName", "Roles"))
def policies(account: Account) -> Iterator[Thing]:
    iam = account.client("iam")
    for role in _roles(account):
        for name in account.pages("iam", "list_role_policies", "PolicyNames", RoleName=role["RoleName"]):
            document = iam.get_role_policy(RoleName=role["RoleName"], PolicyName=name)["PolicyDocument"]
            properties = {"PolicyName": name, "Roles": [role["RoleName"]], "PolicyDocument": document}
            yield Thing(f"{role['RoleName']}|{name}", properties)


@kind("AWS::IAM::ManagedPolicy", identity=("ManagedPolicyName",))
def managed_policies(account: Account) -> Iterator[Thing]:
    iam = account.client("iam")
    for policy in account.pages("iam", "list_policies", "Policies", Scope="Local"):
        arn = policy["Arn"]
        if QUALIFIER in arn:
            continue
        version = iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
        entities = iam.list_entities_for_policy(PolicyArn=arn)
        properties = {
            "ManagedPolicyName": policy["PolicyName"],
            "Path": policy["Path"],
            "Description": iam.get_policy(PolicyArn=arn)["Policy"].get("Description"),
            "PolicyDocument": version["Document"],
            "Roles": [role["RoleName"] for role in entities["PolicyRoles"]],
        }
        yield Thing(arn, properties, {"PolicyArn": arn})


@kind("AWS::IAM::OIDCProvider", identity=("Url",))
def identity_providers(account: Account) -> Iterator[Thing]:
    iam = account.client("iam")
    for listed in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]:
        provider = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=listed["Arn"])
        properties = {
            "Url": f"https://{provider['Url'].removeprefix('https://')}",
            "ClientIdList": provider["ClientIDList"],
            "ThumbprintList": provider["ThumbprintList"],
            "Tags": provider.get("Tags"),
        }
        yield Thing(listed["Arn"], properties, {"Arn": listed["Arn"]})


@kind(
    "AWS::SecretsManager::Secret",
    identity=("Name",),
    unseen={"GenerateSecretString": "how a value was made is not kept; that it has its parts is compared below"},
)
def secrets(account: Account) -> Iterator[Thing]:
    for each in account.pages("secretsmanager", "list_secrets", "SecretList"):
        secret = account.client("secretsmanager").describe_secret(SecretId=each["ARN"])
        if "DeletedDate" in secret:
            continue
        properties = {name: secret.get(name) for name in ("Name", "Description", "KmsKeyId", "Tags")}
        yield Thing(secret["ARN"], properties, {"Id": secret["ARN"]})


@kind(
    "AWS::SecretsManager::ResourcePolicy", identity=("SecretId",), unseen={"BlockPublicPolicy": "said when it is put"}
)
def secret_policies(account: Account) -> Iterator[Thing]:
    for secret in secrets(account):
        answer = account.client("secretsmanager").get_resource_policy(SecretId=secret.id)
        if text := answer.get("ResourcePolicy"):
            yield Thing(secret.id, {"SecretId": secret.id, "ResourcePolicy": json.loads(text)})


@kind("AWS::SSM::Parameter", identity=("Name",))
def parameters(account: Account) -> Iterator[Thing]:
    for each in account.pages("ssm", "describe_parameters", "Parameters"):
        if QUALIFIER in each["Name"]:
            continue
        value = account.client("ssm").get_parameter(Name=each["Name"])["Parameter"]["Value"]
        properties = {**{name: each.get(name) for name in ("Name", "Type", "Description", "Tier")}, "Value": value}
        yield Thing(each["Name"], properties)
