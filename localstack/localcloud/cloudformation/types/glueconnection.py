"""AWS::Glue::Connection."""

from __future__ import annotations

from typing import Any

from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, register


@register
class Connection(ResourceType):
    name = "AWS::Glue::Connection"

    def create(self, context: Context, properties: Properties) -> Resource:
        connection = self._input(context, properties)
        context.call("glue", "CreateConnection", ConnectionInput=connection)
        return Resource(connection["Name"])

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        connection = {**self._input(context, properties), "Name": physical_id}
        context.call("glue", "UpdateConnection", Name=physical_id, ConnectionInput=connection)
        return Resource(physical_id)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("glue", "DeleteConnection", ConnectionName=physical_id)

    def needs_replacement(self, old: dict[str, Any], new: dict[str, Any]) -> bool:
        return bool(old["ConnectionInput"].get("Name") != new["ConnectionInput"].get("Name"))

    @staticmethod
    def _input(context: Context, properties: Properties) -> dict[str, Any]:
        properties.take("CatalogId")  # the account, which is where the call goes
        connection: dict[str, Any] = dict(properties.require("ConnectionInput"))
        connection["Name"] = connection.get("Name") or context.name(longest=255)
        connection.setdefault("ConnectionProperties", {})  # the API wants it, CloudFormation does not
        return connection
