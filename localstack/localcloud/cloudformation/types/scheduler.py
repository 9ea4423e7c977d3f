"""AWS::Scheduler::Schedule and ScheduleGroup. They are kept and described; the local cloud does not watch the clock."""

from __future__ import annotations

from typing import Any

from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, register


@register
class Schedule(ResourceType):
    name = "AWS::Scheduler::Schedule"
    replaced_by = frozenset({"Name"})

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.take("Name") or context.name(longest=64)
        answer = context.call("scheduler", "CreateSchedule", Name=name, **properties.rest())
        return Resource(name, {"Arn": answer["ScheduleArn"]})

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        properties.take("Name")
        answer = context.call("scheduler", "UpdateSchedule", Name=physical_id, **properties.rest())
        return Resource(physical_id, {"Arn": answer["ScheduleArn"]})

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("scheduler", "DeleteSchedule", Name=physical_id, GroupName=properties.get("GroupName"))

    def needs_replacement(self, old: dict[str, Any], new: dict[str, Any]) -> bool:
        # In AWS a schedule does not move either: https://docs.aws.amazon.com/scheduler/latest/APIReference/
        return super().needs_replacement(old, new) or old.get("GroupName") != new.get("GroupName")


@register
class ScheduleGroup(ResourceType):
    name = "AWS::Scheduler::ScheduleGroup"
    replaced_by = frozenset({"Name"})

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.take("Name") or context.name(longest=64)
        arn = context.call("scheduler", "CreateScheduleGroup", Name=name, Tags=properties.take("Tags"))[
            "ScheduleGroupArn"
        ]
        return Resource(name, {"Arn": arn})

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        properties.take("Name")
        arn = context.call("scheduler", "GetScheduleGroup", Name=physical_id)["Arn"]
        tags = properties.take("Tags") or []
        kept = {tag["Key"] for tag in tags}
        if gone := [tag["Key"] for tag in old.get("Tags") or [] if tag["Key"] not in kept]:
            context.call("scheduler", "UntagResource", ResourceArn=arn, TagKeys=gone)
        if tags:
            context.call("scheduler", "TagResource", ResourceArn=arn, Tags=tags)
        return Resource(physical_id, {"Arn": arn})

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("scheduler", "DeleteScheduleGroup", Name=physical_id)
