"""AWS::Lambda::Function and LayerVersion: kept as the service keeps them, never run.

The CDK puts them into a stack to handle its custom resources, which `cdk` does itself. They are there
by API with their code; invoking one is refused (`localcloud.refusals`).
"""

from __future__ import annotations

from typing import Any

from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, register, tags_as_map


@register
class Function(ResourceType):
    name = "AWS::Lambda::Function"
    replaced_by = frozenset({"FunctionName", "PackageType"})

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.take("FunctionName") or context.name(longest=64)
        tags = tags_as_map(properties.take("Tags"))
        context.call("lambda", "CreateFunction", FunctionName=name, Tags=tags or None, **properties.rest())
        return self._described(context, name)

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        for name in ("FunctionName", "PackageType"):
            properties.take(name)
        tags, before = tags_as_map(properties.take("Tags")), tags_as_map(old.get("Tags"))
        code = properties.require("Code")
        resource = self._described(context, physical_id)
        architectures = properties.take("Architectures")
        context.call("lambda", "UpdateFunctionCode", FunctionName=physical_id, Architectures=architectures, **code)
        context.call("lambda", "UpdateFunctionConfiguration", FunctionName=physical_id, **properties.rest())
        arn = resource.attributes["Arn"]
        if gone := sorted(set(before) - set(tags)):
            context.call("lambda", "UntagResource", Resource=arn, TagKeys=gone)
        if tags:
            context.call("lambda", "TagResource", Resource=arn, Tags=tags)
        return resource

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("lambda", "DeleteFunction", FunctionName=physical_id)

    @staticmethod
    def _described(context: Context, name: str) -> Resource:
        return Resource(name, {"Arn": context.arn("lambda", f"function:{name}")})


@register
class LayerVersion(ResourceType):
    """Layers have versions and no updates: any change makes a new one."""

    name = "AWS::Lambda::LayerVersion"

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.take("LayerName") or context.name(longest=140)
        arn = context.call("lambda", "PublishLayerVersion", LayerName=name, **properties.rest())["LayerVersionArn"]
        return Resource(arn, {"LayerVersionArn": arn})

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        return self.create(context, properties)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        *_, name, version = physical_id.split(":")
        context.call("lambda", "DeleteLayerVersion", LayerName=name, VersionNumber=version)

    def needs_replacement(self, old: dict[str, Any], new: dict[str, Any]) -> bool:
        return old != new
