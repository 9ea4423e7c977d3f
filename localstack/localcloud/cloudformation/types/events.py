"""AWS::Events::Rule. Its schedule is kept and never due; its pattern is matched against what services send."""

from __future__ import annotations

import json
from typing import Any

from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, register, tags_as_map


@register
class Rule(ResourceType):
    """On the default bus, which has no name in its ARN."""

    name = "AWS::Events::Rule"
    replaced_by = frozenset({"Name"})

    def create(self, context: Context, properties: Properties) -> Resource:
        return self._put(context, properties.take("Name") or context.name(longest=64), properties, {})

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        properties.take("Name")
        return self._put(context, physical_id, properties, old)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        targets = context.call("events", "ListTargetsByRule", Rule=physical_id)["Targets"]
        if targets:
            context.call("events", "RemoveTargets", Rule=physical_id, Ids=[target["Id"] for target in targets])
        context.call("events", "DeleteRule", Name=physical_id)

    @staticmethod
    def _put(context: Context, name: str, properties: Properties, old: dict[str, Any]) -> Resource:
        targets, pattern = properties.take("Targets") or [], properties.take("EventPattern")
        tags = [{"Key": key, "Value": value} for key, value in tags_as_map(properties.take("Tags")).items()]
        arn = context.call(
            "events",
            "PutRule",
            Name=name,
            EventPattern=json.dumps(pattern) if pattern else None,
            Tags=tags or None,
            **properties.rest(),
        )["RuleArn"]
        ids = {target["Id"] for target in targets}
        if gone := [target["Id"] for target in old.get("Targets") or [] if target["Id"] not in ids]:
            context.call("events", "RemoveTargets", Rule=name, Ids=gone)
        if targets:
            context.call("events", "PutTargets", Rule=name, Targets=targets)
        return Resource(name, {"Arn": arn})
