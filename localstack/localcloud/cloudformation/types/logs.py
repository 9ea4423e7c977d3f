"""AWS::Logs::LogGroup."""

from __future__ import annotations

from typing import Any

from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, register, tags_as_map


@register
class LogGroup(ResourceType):
    name = "AWS::Logs::LogGroup"
    replaced_by = frozenset({"LogGroupName", "LogGroupClass"})

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.take("LogGroupName") or context.name(longest=512)
        context.call(
            "logs",
            "CreateLogGroup",
            logGroupName=name,
            kmsKeyId=properties.take("KmsKeyId"),
            logGroupClass=properties.take("LogGroupClass"),
            tags=tags_as_map(properties.take("Tags")) or None,
        )
        self._retain(context, name, properties)
        return self._described(context, name)

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        properties.take("LogGroupName")
        properties.take("LogGroupClass")
        key = properties.take("KmsKeyId")
        if key != old.get("KmsKeyId"):
            if key:
                context.call("logs", "AssociateKmsKey", logGroupName=physical_id, kmsKeyId=key)
            else:
                context.call("logs", "DisassociateKmsKey", logGroupName=physical_id)
        tags, before = tags_as_map(properties.take("Tags")), tags_as_map(old.get("Tags"))
        if gone := sorted(set(before) - set(tags)):
            context.call("logs", "UntagLogGroup", logGroupName=physical_id, tags=gone)
        if tags:
            context.call("logs", "TagLogGroup", logGroupName=physical_id, tags=tags)
        self._retain(context, physical_id, properties)
        return self._described(context, physical_id)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("logs", "DeleteLogGroup", logGroupName=physical_id)

    @staticmethod
    def _retain(context: Context, name: str, properties: Properties) -> None:
        days = properties.take("RetentionInDays")
        if days is None:
            context.call("logs", "DeleteRetentionPolicy", logGroupName=name)
        else:
            context.call("logs", "PutRetentionPolicy", logGroupName=name, retentionInDays=days)

    @staticmethod
    def _described(context: Context, name: str) -> Resource:
        return Resource(name, {"Arn": context.arn("logs", f"log-group:{name}:*")})
