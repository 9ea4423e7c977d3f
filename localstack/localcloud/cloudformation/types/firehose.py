"""AWS::KinesisFirehose::DeliveryStream."""

from __future__ import annotations

from typing import Any

from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, register


@register
class DeliveryStream(ResourceType):
    """Its destination may change; a change of its source is a new stream."""

    name = "AWS::KinesisFirehose::DeliveryStream"
    replaced_by = frozenset({"DeliveryStreamName", "DeliveryStreamType", "KinesisStreamSourceConfiguration"})

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.take("DeliveryStreamName") or context.name(longest=64)
        tags = properties.take("Tags") or None
        answer = context.call(
            "firehose", "CreateDeliveryStream", DeliveryStreamName=name, Tags=tags, **properties.rest()
        )
        return Resource(name, {"Arn": answer["DeliveryStreamARN"]})

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        for fixed in self.replaced_by:
            properties.take(fixed)
        about = context.call("firehose", "DescribeDeliveryStream", DeliveryStreamName=physical_id)
        described = about["DeliveryStreamDescription"]
        destination = properties.take("ExtendedS3DestinationConfiguration")
        if destination != old.get("ExtendedS3DestinationConfiguration"):
            context.call(
                "firehose",
                "UpdateDestination",
                DeliveryStreamName=physical_id,
                CurrentDeliveryStreamVersionId=described["VersionId"],
                DestinationId=described["Destinations"][0]["DestinationId"],
                ExtendedS3DestinationUpdate=destination,
            )
        tags = properties.take("Tags") or []
        kept = {tag["Key"] for tag in tags}
        if gone := [tag["Key"] for tag in old.get("Tags") or [] if tag["Key"] not in kept]:
            context.call("firehose", "UntagDeliveryStream", DeliveryStreamName=physical_id, TagKeys=gone)
        if tags:
            context.call("firehose", "TagDeliveryStream", DeliveryStreamName=physical_id, Tags=tags)
        return Resource(physical_id, {"Arn": described["DeliveryStreamARN"]})

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("firehose", "DeleteDeliveryStream", DeliveryStreamName=physical_id)
