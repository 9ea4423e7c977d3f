"""AWS::KMS::Key and AWS::KMS::Alias."""

from __future__ import annotations

import json
from typing import Any

from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, register


@register
class Key(ResourceType):
    name = "AWS::KMS::Key"
    replaced_by = frozenset({"KeySpec", "KeyUsage", "MultiRegion"})

    def create(self, context: Context, properties: Properties) -> Resource:
        policy = properties.take("KeyPolicy")
        key = context.call(
            "kms",
            "CreateKey",
            Policy=json.dumps(policy) if policy else None,
            Description=properties.take("Description"),
            KeySpec=properties.take("KeySpec"),
            KeyUsage=properties.take("KeyUsage"),
            MultiRegion=properties.take("MultiRegion"),
            Tags=_tags(properties.take("Tags")),
        )["KeyMetadata"]
        try:
            self._set_state(context, key["KeyId"], properties)
        except Exception:
            self.delete(context, key["KeyId"], {})
            raise
        return Resource(key["KeyId"], {"Arn": key["Arn"], "KeyId": key["KeyId"]})

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        for fixed in self.replaced_by:
            properties.take(fixed)
        if policy := properties.take("KeyPolicy"):
            context.call("kms", "PutKeyPolicy", KeyId=physical_id, PolicyName="default", Policy=json.dumps(policy))
        description = properties.take("Description") or ""
        context.call("kms", "UpdateKeyDescription", KeyId=physical_id, Description=description)
        tags = _tags(properties.take("Tags")) or []
        gone = [
            tag["TagKey"] for tag in _tags(old.get("Tags")) or [] if tag["TagKey"] not in {t["TagKey"] for t in tags}
        ]
        if gone:
            context.call("kms", "UntagResource", KeyId=physical_id, TagKeys=gone)
        if tags:
            context.call("kms", "TagResource", KeyId=physical_id, Tags=tags)
        self._set_state(context, physical_id, properties)
        return Resource(physical_id, {"Arn": context.arn("kms", f"key/{physical_id}"), "KeyId": physical_id})

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        days = properties.get("PendingWindowInDays", 30)
        context.call("kms", "ScheduleKeyDeletion", KeyId=physical_id, PendingWindowInDays=days)

    @staticmethod
    def _set_state(context: Context, key: str, properties: Properties) -> None:
        properties.take("PendingWindowInDays")  # read when the key is deleted
        rotate = str(properties.take("EnableKeyRotation", "false")).lower() == "true"
        days = properties.take("RotationPeriodInDays")
        if rotate:
            context.call("kms", "EnableKeyRotation", KeyId=key, RotationPeriodInDays=days)
        else:
            context.call("kms", "DisableKeyRotation", KeyId=key)
        enabled = str(properties.take("Enabled", "true")).lower() == "true"
        context.call("kms", "EnableKey" if enabled else "DisableKey", KeyId=key)


def _tags(tags: Any) -> list[dict[str, str]] | None:
    return [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in tags] if tags else None


@register
class Alias(ResourceType):
    name = "AWS::KMS::Alias"
    replaced_by = frozenset({"AliasName"})

    def create(self, context: Context, properties: Properties) -> Resource:
        return self._point(context, "CreateAlias", properties)

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        return self._point(context, "UpdateAlias", properties)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("kms", "DeleteAlias", AliasName=physical_id)

    @staticmethod
    def _point(context: Context, operation: str, properties: Properties) -> Resource:
        alias, key = properties.require("AliasName"), properties.require("TargetKeyId")
        context.call("kms", operation, AliasName=alias, TargetKeyId=str(key).rsplit("/", 1)[-1])
        return Resource(alias, {"AliasName": alias})
