"""AWS::SQS::Queue and AWS::SQS::QueuePolicy."""

from __future__ import annotations

import json
from typing import Any

from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, register, tags_as_map

# Attributes of a queue that a template sets by a property of the same name, and what they are without one.
_ATTRIBUTES = {
    "DelaySeconds": 0,
    "KmsMasterKeyId": "",
    "MaximumMessageSize": 262_144,
    "MessageRetentionPeriod": 345_600,
    "ReceiveMessageWaitTimeSeconds": 0,
    "RedrivePolicy": None,
    "SqsManagedSseEnabled": None,
    "VisibilityTimeout": 30,
}


@register
class Queue(ResourceType):
    name = "AWS::SQS::Queue"
    replaced_by = frozenset({"QueueName"})

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.take("QueueName") or context.name(longest=80)
        given = {key: properties.take(key) for key in _ATTRIBUTES}
        url = context.call(
            "sqs",
            "CreateQueue",
            QueueName=name,
            Attributes={key: _text(value) for key, value in given.items() if value is not None} or None,
            tags=tags_as_map(properties.take("Tags")) or None,
        )["QueueUrl"]
        return self._described(context, url)

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        properties.take("QueueName")
        changed = {}
        for key, default in _ATTRIBUTES.items():
            value = properties.take(key, default)
            if value != old.get(key, default):
                changed[key] = _text(value if value is not None else "")
        if changed:
            context.call("sqs", "SetQueueAttributes", QueueUrl=physical_id, Attributes=changed)
        tags, before = tags_as_map(properties.take("Tags")), tags_as_map(old.get("Tags"))
        if gone := sorted(before.keys() - tags.keys()):
            context.call("sqs", "UntagQueue", QueueUrl=physical_id, TagKeys=gone)
        if tags:
            context.call("sqs", "TagQueue", QueueUrl=physical_id, Tags=tags)
        return self._described(context, physical_id)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("sqs", "DeleteQueue", QueueUrl=physical_id)

    @staticmethod
    def _described(context: Context, url: str) -> Resource:
        name = url.rpartition("/")[2]
        return Resource(url, {"Arn": context.arn("sqs", name), "QueueName": name, "QueueUrl": url})


@register
class QueuePolicy(ResourceType):
    """A queue has one."""

    name = "AWS::SQS::QueuePolicy"
    replaced_by = frozenset({"Queues"})

    def create(self, context: Context, properties: Properties) -> Resource:
        self._put(context, properties.require("Queues"), json.dumps(properties.require("PolicyDocument")))
        return Resource(context.name())

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        self._put(context, properties.require("Queues"), json.dumps(properties.require("PolicyDocument")))
        return Resource(physical_id)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        self._put(context, properties["Queues"], "")

    @staticmethod
    def _put(context: Context, queues: list[str], policy: str) -> None:
        for queue in queues:
            context.call("sqs", "SetQueueAttributes", QueueUrl=queue, Attributes={"Policy": policy})


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value)
