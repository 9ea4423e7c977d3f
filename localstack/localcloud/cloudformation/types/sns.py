"""AWS::SNS::Topic, TopicPolicy and Subscription."""

from __future__ import annotations

import json
from typing import Any

from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, register

# Attributes of a topic that a template sets by a property of the same name.
_ATTRIBUTES = ("DisplayName", "KmsMasterKeyId")


@register
class Topic(ResourceType):
    name = "AWS::SNS::Topic"
    replaced_by = frozenset({"TopicName"})

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.take("TopicName") or context.name(longest=256)
        given = {key: properties.take(key) for key in _ATTRIBUTES}
        arn = context.call(
            "sns",
            "CreateTopic",
            Name=name,
            Attributes={key: value for key, value in given.items() if value is not None} or None,
            Tags=properties.take("Tags"),
        )["TopicArn"]
        return Resource(arn, {"TopicArn": arn, "TopicName": name})

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        name = properties.take("TopicName") or physical_id.rpartition(":")[2]
        for key in _ATTRIBUTES:
            value = properties.take(key)
            if value != old.get(key):
                context.call(
                    "sns", "SetTopicAttributes", TopicArn=physical_id, AttributeName=key, AttributeValue=value or ""
                )
        tags = properties.take("Tags") or []
        kept = {tag["Key"] for tag in tags}
        if gone := [tag["Key"] for tag in old.get("Tags") or [] if tag["Key"] not in kept]:
            context.call("sns", "UntagResource", ResourceArn=physical_id, TagKeys=gone)
        if tags:
            context.call("sns", "TagResource", ResourceArn=physical_id, Tags=tags)
        return Resource(physical_id, {"TopicArn": physical_id, "TopicName": name})

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("sns", "DeleteTopic", TopicArn=physical_id)


@register
class TopicPolicy(ResourceType):
    """It takes the place of the policy that a topic has of itself, which its deletion cannot bring back."""

    name = "AWS::SNS::TopicPolicy"
    replaced_by = frozenset({"Topics"})

    def create(self, context: Context, properties: Properties) -> Resource:
        self._put(context, properties)
        return Resource(context.name())

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        self._put(context, properties)
        return Resource(physical_id)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        """Nothing: the topic goes too, or keeps the policy, as in AWS."""

    @staticmethod
    def _put(context: Context, properties: Properties) -> None:
        policy = json.dumps(properties.require("PolicyDocument"))
        for topic in properties.require("Topics"):
            context.call("sns", "SetTopicAttributes", TopicArn=topic, AttributeName="Policy", AttributeValue=policy)


@register
class Subscription(ResourceType):
    name = "AWS::SNS::Subscription"
    replaced_by = frozenset({"TopicArn", "Protocol", "Endpoint"})

    def create(self, context: Context, properties: Properties) -> Resource:
        arn = context.call("sns", "Subscribe", ReturnSubscriptionArn=True, **properties.rest())["SubscriptionArn"]
        return Resource(arn, {"Arn": arn})

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        return Resource(physical_id, {"Arn": physical_id})  # nothing but what replaces it is supported

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("sns", "Unsubscribe", SubscriptionArn=physical_id)
