"""AWS::SecretsManager::Secret, SecretTargetAttachment and ResourcePolicy."""

from __future__ import annotations

import json
from typing import Any

from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, register


@register
class Secret(ResourceType):
    """An update keeps a generated value unless the template asks for another one, as AWS does."""

    name = "AWS::SecretsManager::Secret"
    replaced_by = frozenset({"Name"})

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.take("Name") or context.name(longest=512)
        value = properties.take("SecretString")
        generate = properties.take("GenerateSecretString")
        if value is None and generate is not None:
            value = self._generated(context, generate)
        arn = context.call(
            "secretsmanager",
            "CreateSecret",
            Name=name,
            SecretString=value,
            Description=properties.take("Description"),
            KmsKeyId=properties.take("KmsKeyId"),
            Tags=properties.take("Tags"),
        )["ARN"]
        return Resource(arn, {"Id": arn})

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        properties.take("Name")
        value, generate = properties.take("SecretString"), properties.take("GenerateSecretString")
        if value == old.get("SecretString"):
            value = None
        if generate is not None and generate != old.get("GenerateSecretString"):
            value = self._generated(context, generate)
        description, key = properties.take("Description"), properties.take("KmsKeyId")
        context.call(
            "secretsmanager",
            "UpdateSecret",
            SecretId=physical_id,
            SecretString=value,
            Description=description or "",
            KmsKeyId=key,
        )
        tags = properties.take("Tags") or []
        kept = {tag["Key"] for tag in tags}
        if gone := [tag["Key"] for tag in old.get("Tags") or [] if tag["Key"] not in kept]:
            context.call("secretsmanager", "UntagResource", SecretId=physical_id, TagKeys=gone)
        if tags:
            context.call("secretsmanager", "TagResource", SecretId=physical_id, Tags=tags)
        return Resource(physical_id, {"Id": physical_id})

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        # CloudFormation deletes at once, so that a stack of the same names can follow.
        context.call("secretsmanager", "DeleteSecret", SecretId=physical_id, ForceDeleteWithoutRecovery=True)

    @staticmethod
    def _generated(context: Context, generate: dict[str, Any]) -> str:
        settings = dict(generate)
        template = settings.pop("SecretStringTemplate", None)
        key = settings.pop("GenerateStringKey", None)
        password = str(context.call("secretsmanager", "GetRandomPassword", **settings)["RandomPassword"])
        if template is None and key is None:
            return password
        if template is None or key is None:
            raise ValueError("GenerateSecretString: SecretStringTemplate and GenerateStringKey go together")
        return json.dumps({**json.loads(template), key: password})


@register
class TargetAttachment(ResourceType):
    """Writes down in a secret where the database is that it opens; its id is the secret's."""

    name = "AWS::SecretsManager::SecretTargetAttachment"
    replaced_by = frozenset({"SecretId", "TargetId", "TargetType"})

    def create(self, context: Context, properties: Properties) -> Resource:
        secret, kind = properties.require("SecretId"), properties.require("TargetType")
        if kind != "AWS::RDS::DBCluster":
            raise ValueError(f"The local cloud attaches secrets to AWS::RDS::DBCluster, not to {kind}")
        target = properties.require("TargetId")
        cluster = context.call("rds", "DescribeDBClusters", DBClusterIdentifier=target)["DBClusters"][0]
        found = {
            "engine": cluster["Engine"].removeprefix("aurora-").replace("postgresql", "postgres"),
            "host": cluster["Endpoint"],
            "port": cluster["Port"],
            "dbname": cluster["DatabaseName"],
            "dbClusterIdentifier": target,
        }
        value = json.loads(context.call("secretsmanager", "GetSecretValue", SecretId=secret)["SecretString"])
        context.call("secretsmanager", "UpdateSecret", SecretId=secret, SecretString=json.dumps({**value, **found}))
        return Resource(secret, {"Id": secret})

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        raise RuntimeError("an attachment is replaced, never updated")

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        """What the secret says stays as it is, as in AWS."""


@register
class SecretPolicy(ResourceType):
    name = "AWS::SecretsManager::ResourcePolicy"
    replaced_by = frozenset({"SecretId"})

    def create(self, context: Context, properties: Properties) -> Resource:
        secret = properties.require("SecretId")
        context.call(
            "secretsmanager",
            "PutResourcePolicy",
            SecretId=secret,
            ResourcePolicy=json.dumps(properties.require("ResourcePolicy")),
            BlockPublicPolicy=properties.take("BlockPublicPolicy"),
        )
        return Resource(secret, {"Id": secret})

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        return self.create(context, properties)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("secretsmanager", "DeleteResourcePolicy", SecretId=physical_id)
