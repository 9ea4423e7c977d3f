"""AWS::Pipes::Pipe."""

from __future__ import annotations

from typing import Any

from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, register, tags_as_map


@register
class Pipe(ResourceType):
    """What is changed is replaced: the local cloud changes no pipe."""

    name = "AWS::Pipes::Pipe"

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.take("Name") or context.name(longest=64)
        tags = tags_as_map(properties.take("Tags"))
        arn = context.call("pipes", "CreatePipe", Name=name, Tags=tags or None, **properties.rest())["Arn"]
        return Resource(name, {"Arn": arn})

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        self.delete(context, physical_id, old)
        return self.create(context, properties)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("pipes", "DeletePipe", Name=physical_id)
