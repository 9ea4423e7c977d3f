"""AWS::ECR::Repository: the CDK's bootstrap stack has one, for assets that are images."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, register


@register
class Repository(ResourceType):
    name = "AWS::ECR::Repository"
    replaced_by = frozenset({"RepositoryName", "EncryptionConfiguration"})

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.take("RepositoryName") or context.name(longest=256, lower=True)
        context.call(
            "ecr",
            "CreateRepository",
            repositoryName=name,
            imageTagMutability=properties.take("ImageTagMutability"),
            imageScanningConfiguration=_lower_first(properties.take("ImageScanningConfiguration")),
            encryptionConfiguration=_lower_first(properties.take("EncryptionConfiguration")),
            tags=properties.take("Tags"),
        )
        try:
            self._set_policies(context, name, properties)
        except Exception:
            self.delete(context, name, {})
            raise
        return self._described(context, name)

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        properties.take("RepositoryName")
        properties.take("EncryptionConfiguration")
        mutability = properties.take("ImageTagMutability", "MUTABLE")
        context.call("ecr", "PutImageTagMutability", repositoryName=physical_id, imageTagMutability=mutability)
        if scanning := properties.take("ImageScanningConfiguration"):
            context.call(
                "ecr",
                "PutImageScanningConfiguration",
                repositoryName=physical_id,
                imageScanningConfiguration=_lower_first(scanning),
            )
        tags = properties.take("Tags") or []
        kept = {tag["Key"] for tag in tags}
        arn = self._described(context, physical_id).attributes["Arn"]
        if gone := [tag["Key"] for tag in old.get("Tags") or [] if tag["Key"] not in kept]:
            context.call("ecr", "UntagResource", resourceArn=arn, tagKeys=gone)
        if tags:
            context.call("ecr", "TagResource", resourceArn=arn, tags=tags)
        self._set_policies(context, physical_id, properties)
        return self._described(context, physical_id)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        force = properties.get("EmptyOnDelete", False)
        context.call("ecr", "DeleteRepository", repositoryName=physical_id, force=force)

    @staticmethod
    def _set_policies(context: Context, name: str, properties: Properties) -> None:
        properties.take("EmptyOnDelete")  # read when the repository is deleted
        lifecycle = properties.take("LifecyclePolicy") or {}
        if text := lifecycle.get("LifecyclePolicyText"):
            context.call("ecr", "PutLifecyclePolicy", repositoryName=name, lifecyclePolicyText=text)
        else:
            _delete(context, "DeleteLifecyclePolicy", name)
        if policy := properties.take("RepositoryPolicyText"):
            text = policy if isinstance(policy, str) else json.dumps(policy)
            context.call("ecr", "SetRepositoryPolicy", repositoryName=name, policyText=text)
        else:
            _delete(context, "DeleteRepositoryPolicy", name)

    @staticmethod
    def _described(context: Context, name: str) -> Resource:
        found = context.call("ecr", "DescribeRepositories", repositoryNames=[name])["repositories"][0]
        return Resource(name, {"Arn": found["repositoryArn"], "RepositoryUri": found["repositoryUri"]})


def _delete(context: Context, operation: str, name: str) -> None:
    try:
        context.call("ecr", operation, repositoryName=name)
    except ClientError as error:
        if "NotFound" not in error.response["Error"]["Code"]:
            raise


def _lower_first(value: dict[str, Any] | None) -> dict[str, Any] | None:
    return {name[0].lower() + name[1:]: item for name, item in value.items()} if value else None
