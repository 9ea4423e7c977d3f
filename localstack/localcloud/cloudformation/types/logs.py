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


@register
class LogStream(ResourceType):
    name = "AWS::Logs::LogStream"
    replaced_by = frozenset({"LogGroupName", "LogStreamName"})

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.take("LogStreamName") or context.name(longest=512)
        context.call("logs", "CreateLogStream", logGroupName=properties.require("LogGroupName"), logStreamName=name)
        return Resource(name)

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        for fixed in self.replaced_by:
            properties.take(fixed)
        return Resource(physical_id)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("logs", "DeleteLogStream", logGroupName=properties["LogGroupName"], logStreamName=physical_id)


@register
class MetricFilter(ResourceType):
    name = "AWS::Logs::MetricFilter"
    replaced_by = frozenset({"FilterName", "LogGroupName"})

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.take("FilterName") or context.name(longest=512)
        self._put(context, name, properties)
        return Resource(name)

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        properties.take("FilterName")
        self._put(context, physical_id, properties)
        return Resource(physical_id)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("logs", "DeleteMetricFilter", filterName=physical_id, logGroupName=properties.get("LogGroupName"))

    @staticmethod
    def _put(context: Context, name: str, properties: Properties) -> None:
        transformations = [
            {
                "metricName": each["MetricName"],
                "metricNamespace": each["MetricNamespace"],
                "metricValue": each["MetricValue"],
                **({"unit": each["Unit"]} if "Unit" in each else {}),
                **({"defaultValue": each["DefaultValue"]} if "DefaultValue" in each else {}),
                **({"dimensions": {d["Key"]: d["Value"] for d in each["Dimensions"]}} if "Dimensions" in each else {}),
            }
            for each in properties.require("MetricTransformations")
        ]
        context.call(
            "logs",
            "PutMetricFilter",
            filterName=name,
            logGroupName=properties.require("LogGroupName"),
            filterPattern=properties.require("FilterPattern"),
            metricTransformations=transformations,
        )


@register
class ResourcePolicy(ResourceType):
    name = "AWS::Logs::ResourcePolicy"
    replaced_by = frozenset({"PolicyName"})

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.require("PolicyName")
        context.call("logs", "PutResourcePolicy", policyName=name, policyDocument=properties.require("PolicyDocument"))
        return Resource(name)

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        return self.create(context, properties)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("logs", "DeleteResourcePolicy", policyName=physical_id)
