"""AWS::SSM::Parameter."""

from __future__ import annotations

from typing import Any

from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, register, tags_as_map


@register
class Parameter(ResourceType):
    name = "AWS::SSM::Parameter"
    replaced_by = frozenset({"Name"})

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.take("Name") or context.name(longest=1011)
        tags = [{"Key": key, "Value": value} for key, value in tags_as_map(properties.take("Tags")).items()]
        context.call("ssm", "PutParameter", Name=name, Tags=tags or None, **properties.rest())
        return self._described(context, name)

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        properties.take("Name")
        tags, before = tags_as_map(properties.take("Tags")), tags_as_map(old.get("Tags"))
        context.call("ssm", "PutParameter", Name=physical_id, Overwrite=True, **properties.rest())
        target = {"ResourceType": "Parameter", "ResourceId": physical_id}
        if gone := sorted(set(before) - set(tags)):
            context.call("ssm", "RemoveTagsFromResource", TagKeys=gone, **target)
        if tags:
            pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
            context.call("ssm", "AddTagsToResource", Tags=pairs, **target)
        return self._described(context, physical_id)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("ssm", "DeleteParameter", Name=physical_id)

    @staticmethod
    def _described(context: Context, name: str) -> Resource:
        parameter = context.call("ssm", "GetParameter", Name=name)["Parameter"]
        return Resource(name, {"Type": parameter["Type"], "Value": parameter["Value"]})
