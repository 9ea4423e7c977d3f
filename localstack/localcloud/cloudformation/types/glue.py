"""AWS::Glue::Database, Table, Job, Trigger and DataQualityRuleset."""

from __future__ import annotations

from typing import Any, ClassVar

from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, register, tags_as_map


@register
class Database(ResourceType):
    name = "AWS::Glue::Database"

    def create(self, context: Context, properties: Properties) -> Resource:
        database = self._input(context, properties)
        tags = tags_as_map(properties.take("Tags"))
        context.call("glue", "CreateDatabase", DatabaseInput=database, Tags=tags or None)
        return Resource(database["Name"])

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        context.call("glue", "UpdateDatabase", Name=physical_id, DatabaseInput=self._input(context, properties))
        arn = context.arn("glue", f"database/{physical_id}")
        _change_tags(context, arn, tags_as_map(old.get("Tags")), tags_as_map(properties.take("Tags")))
        return Resource(physical_id)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("glue", "DeleteDatabase", Name=physical_id)

    def needs_replacement(self, old: dict[str, Any], new: dict[str, Any]) -> bool:
        return _names(old) != _names(new)

    @staticmethod
    def _input(context: Context, properties: Properties) -> dict[str, Any]:
        properties.take("CatalogId")  # the account, which is where the call goes
        name = properties.take("DatabaseName")
        database: dict[str, Any] = dict(properties.require("DatabaseInput"))
        database["Name"] = database.get("Name") or name or context.name(longest=255, lower=True)
        return database


def _names(properties: dict[str, Any]) -> tuple[Any, Any]:
    return properties.get("DatabaseName"), properties["DatabaseInput"].get("Name")


@register
class Table(ResourceType):
    name = "AWS::Glue::Table"
    replaced_by = frozenset({"DatabaseName"})

    def create(self, context: Context, properties: Properties) -> Resource:
        database, table = self._input(context, properties)
        format_ = properties.take("OpenTableFormatInput")
        context.call("glue", "CreateTable", DatabaseName=database, TableInput=table, OpenTableFormatInput=format_)
        return Resource(table["Name"])

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        database, table = self._input(context, properties, physical_id)
        context.call("glue", "UpdateTable", DatabaseName=database, TableInput=table)
        return Resource(physical_id)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("glue", "DeleteTable", DatabaseName=properties["DatabaseName"], Name=physical_id)

    def needs_replacement(self, old: dict[str, Any], new: dict[str, Any]) -> bool:
        renamed = bool(old["TableInput"].get("Name") != new["TableInput"].get("Name"))
        return renamed or super().needs_replacement(old, new)

    @staticmethod
    def _input(context: Context, properties: Properties, name: str | None = None) -> tuple[str, dict[str, Any]]:
        properties.take("CatalogId")
        table: dict[str, Any] = dict(properties.require("TableInput"))
        table["Name"] = table.get("Name") or name or context.name(longest=255, lower=True)
        return properties.require("DatabaseName"), table


class _Named(ResourceType):
    """What Job and Trigger share: a name, an API of the same properties, and tags of their own."""

    kind: ClassVar[str]
    replaced_by = frozenset({"Name"})

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.take("Name") or context.name(longest=255)
        tags = tags_as_map(properties.take("Tags"))
        context.call("glue", f"Create{self.kind}", Name=name, Tags=tags or None, **properties.rest())
        return Resource(name)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        key = "JobName" if self.kind == "Job" else "Name"
        context.call("glue", f"Delete{self.kind}", **{key: physical_id})


@register
class Job(_Named):
    name = "AWS::Glue::Job"
    kind = "Job"

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        properties.take("Name")
        arn = context.arn("glue", f"job/{physical_id}")
        _change_tags(context, arn, tags_as_map(old.get("Tags")), tags_as_map(properties.take("Tags")))
        context.call("glue", "UpdateJob", JobName=physical_id, JobUpdate=properties.rest())
        return Resource(physical_id)


@register
class Trigger(_Named):
    name = "AWS::Glue::Trigger"
    kind = "Trigger"

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        # moto has no UpdateTrigger. A trigger holds no state here, so that making it anew is the same.
        self.delete(context, physical_id, old)
        properties.take("Name")
        tags = tags_as_map(properties.take("Tags"))
        context.call("glue", "CreateTrigger", Name=physical_id, Tags=tags or None, **properties.rest())
        return Resource(physical_id)


@register
class DataQualityRuleset(_Named):
    name = "AWS::Glue::DataQualityRuleset"
    kind = "DataQualityRuleset"
    replaced_by = frozenset({"Name", "TargetTable"})

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        for fixed in (*self.replaced_by, "ClientToken"):
            properties.take(fixed)
        arn = context.arn("glue", f"dataQualityRuleset/{physical_id}")
        _change_tags(context, arn, tags_as_map(old.get("Tags")), tags_as_map(properties.take("Tags")))
        context.call("glue", "UpdateDataQualityRuleset", Name=physical_id, **properties.rest())
        return Resource(physical_id)


def _change_tags(context: Context, arn: str, old: dict[str, str], new: dict[str, str]) -> None:
    if gone := sorted(set(old) - set(new)):
        context.call("glue", "UntagResource", ResourceArn=arn, TagsToRemove=gone)
    if new and new != old:
        context.call("glue", "TagResource", ResourceArn=arn, TagsToAdd=new)
