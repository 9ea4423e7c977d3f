"""AWS::Kinesis::Stream."""

from __future__ import annotations

from typing import Any

from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, register, tags_as_map

_SHORTEST = 24  # hours: what a stream is made with


@register
class Stream(ResourceType):
    """Its mode, shards and encryption are set when it is made; retention and tags may change later."""

    name = "AWS::Kinesis::Stream"
    replaced_by = frozenset({"Name", "ShardCount", "StreamModeDetails", "StreamEncryption"})

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.take("Name") or context.name()
        context.call(
            "kinesis",
            "CreateStream",
            StreamName=name,
            ShardCount=properties.take("ShardCount"),
            StreamModeDetails=properties.take("StreamModeDetails"),
        )
        encryption = properties.take("StreamEncryption")
        if encryption:
            context.call("kinesis", "StartStreamEncryption", StreamName=name, **encryption)
        return self._settle(context, name, properties, {})

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        for fixed in self.replaced_by:
            properties.take(fixed)
        return self._settle(context, physical_id, properties, old)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("kinesis", "DeleteStream", StreamName=physical_id, EnforceConsumerDeletion=True)

    @staticmethod
    def _settle(context: Context, name: str, properties: Properties, old: dict[str, Any]) -> Resource:
        hours = int(properties.take("RetentionPeriodHours", _SHORTEST))
        before = int(old.get("RetentionPeriodHours", _SHORTEST))
        if hours != before:
            change = "IncreaseStreamRetentionPeriod" if hours > before else "DecreaseStreamRetentionPeriod"
            context.call("kinesis", change, StreamName=name, RetentionPeriodHours=hours)
        tags, were = tags_as_map(properties.take("Tags")), tags_as_map(old.get("Tags"))
        if gone := sorted(set(were) - set(tags)):
            context.call("kinesis", "RemoveTagsFromStream", StreamName=name, TagKeys=gone)
        if tags:
            context.call("kinesis", "AddTagsToStream", StreamName=name, Tags=tags)
        return Resource(name, {"Arn": context.arn("kinesis", f"stream/{name}")})
