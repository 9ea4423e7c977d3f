"""AWS::Athena::WorkGroup and AWS::Athena::NamedQuery."""

from __future__ import annotations

from typing import Any

from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, register, tags_as_map

_RESULT_MEMBERS = ("OutputLocation", "EncryptionConfiguration", "ExpectedBucketOwner", "AclConfiguration")


@register
class WorkGroup(ResourceType):
    name = "AWS::Athena::WorkGroup"
    replaced_by = frozenset({"Name"})

    def create(self, context: Context, properties: Properties) -> Resource:
        properties.take("RecursiveDeleteOption")  # read when it is deleted
        name, state = properties.require("Name"), properties.take("State")
        context.call(
            "athena",
            "CreateWorkGroup",
            Name=name,
            Description=properties.take("Description"),
            Configuration=properties.take("WorkGroupConfiguration"),
            Tags=_tags(properties.take("Tags")),
        )
        if state == "DISABLED":
            context.call("athena", "UpdateWorkGroup", WorkGroup=name, State=state)
        return Resource(name)

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        properties.take("Name")
        properties.take("RecursiveDeleteOption")
        configuration = dict(properties.take("WorkGroupConfiguration") or {})
        results = configuration.pop("ResultConfiguration", {})
        removals = {f"Remove{member}": True for member in _RESULT_MEMBERS if member not in results}
        if "BytesScannedCutoffPerQuery" not in configuration:
            configuration["RemoveBytesScannedCutoffPerQuery"] = True
        context.call(
            "athena",
            "UpdateWorkGroup",
            WorkGroup=physical_id,
            Description=properties.take("Description") or "",
            State=properties.take("State", "ENABLED"),
            ConfigurationUpdates={**configuration, "ResultConfigurationUpdates": {**results, **removals}},
        )
        arn = context.arn("athena", f"workgroup/{physical_id}")
        tags, before = tags_as_map(properties.take("Tags")), tags_as_map(old.get("Tags"))
        if gone := sorted(set(before) - set(tags)):
            context.call("athena", "UntagResource", ResourceARN=arn, TagKeys=gone)
        if tags:
            context.call("athena", "TagResource", ResourceARN=arn, Tags=_tags(tags))
        return Resource(physical_id)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        recursive = properties.get("RecursiveDeleteOption")
        queries = context.call("athena", "ListNamedQueries", WorkGroup=physical_id).get("NamedQueryIds", [])
        # moto deletes the group and leaves its queries; Athena refuses, or deletes both.
        if queries and str(recursive).lower() != "true":
            raise RuntimeError(f"WorkGroup {physical_id} is not empty: it holds {len(queries)} named queries")
        for query in queries:
            context.call("athena", "DeleteNamedQuery", NamedQueryId=query)
        context.call("athena", "DeleteWorkGroup", WorkGroup=physical_id, RecursiveDeleteOption=recursive)


@register
class NamedQuery(ResourceType):
    name = "AWS::Athena::NamedQuery"
    replaced_by = frozenset({"Database", "Description", "Name", "QueryString", "WorkGroup"})

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.take("Name") or context.name()
        query = context.call("athena", "CreateNamedQuery", Name=name, **properties.rest())["NamedQueryId"]
        return Resource(query, {"NamedQueryId": query})

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        raise RuntimeError("a named query is replaced, never updated")

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("athena", "DeleteNamedQuery", NamedQueryId=physical_id)


def _tags(tags: Any) -> list[dict[str, str]] | None:
    return [{"Key": key, "Value": value} for key, value in tags_as_map(tags).items()] or None
