"""AWS::ECS::Cluster and TaskDefinition."""

from __future__ import annotations

from typing import Any

from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, register


@register
class Cluster(ResourceType):
    name = "AWS::ECS::Cluster"
    replaced_by = frozenset({"ClusterName"})

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.take("ClusterName") or context.name(longest=255)
        context.call(
            "ecs",
            "CreateCluster",
            clusterName=name,
            settings=_api_case(properties.take("ClusterSettings")),
            configuration=_api_case(properties.take("Configuration")),
            tags=_api_case(properties.take("Tags")),
        )
        return self._described(context, name)

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        properties.take("ClusterName")
        context.call(
            "ecs",
            "UpdateCluster",
            cluster=physical_id,
            settings=_api_case(properties.take("ClusterSettings")),
            configuration=_api_case(properties.take("Configuration")),
        )
        arn = self._described(context, physical_id).attributes["Arn"]
        tags = properties.take("Tags") or []
        kept = {tag["Key"] for tag in tags}
        if gone := [tag["Key"] for tag in old.get("Tags") or [] if tag["Key"] not in kept]:
            context.call("ecs", "UntagResource", resourceArn=arn, tagKeys=gone)
        if tags:
            context.call("ecs", "TagResource", resourceArn=arn, tags=_api_case(tags))
        return self._described(context, physical_id)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("ecs", "DeleteCluster", cluster=physical_id)

    @staticmethod
    def _described(context: Context, name: str) -> Resource:
        return Resource(name, {"Arn": context.arn("ecs", f"cluster/{name}")})


@register
class TaskDefinition(ResourceType):
    """A revision: every change makes the next, and the one before is deregistered."""

    name = "AWS::ECS::TaskDefinition"

    def needs_replacement(self, old: dict[str, Any], new: dict[str, Any]) -> bool:
        return old != new

    def create(self, context: Context, properties: Properties) -> Resource:
        family = properties.take("Family") or context.name(longest=255)
        definition = context.call("ecs", "RegisterTaskDefinition", family=family, **_api_case(properties.rest()))
        arn = definition["taskDefinition"]["taskDefinitionArn"]
        return Resource(arn, {"TaskDefinitionArn": arn})

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        raise AssertionError("a task definition is replaced")

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("ecs", "DeregisterTaskDefinition", taskDefinition=physical_id)


_MAPS = frozenset({"Options", "DockerLabels"})
"""Their members are the user's own words."""


def _api_case(value: Any) -> Any:
    """The same with members named as the API names them: `image` where a template has `Image`."""
    if isinstance(value, dict):
        return {name[0].lower() + name[1:]: item if name in _MAPS else _api_case(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_api_case(item) for item in value]
    return value
