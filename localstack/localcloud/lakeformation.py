"""Lake Formation: tags as AWS keeps them.

moto takes any tag, with any value, on any table, and forgets a resource's other tags when it gets one more.
Here a tag that nobody made, a table or a column that is not there fails, and tags of a resource add up.

Hooks: `LakeFormationBackend.add_lf_tags_to_resource` and `grant_permissions`.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.glue.exceptions import EntityNotFoundException
from moto.glue.models import glue_backends
from moto.lakeformation.exceptions import EntityNotFound
from moto.lakeformation.models import LakeFormationBackend


def install() -> None:
    """Hook into moto. Call once."""
    LakeFormationBackend.add_lf_tags_to_resource = _checked_tags()  # type: ignore[method-assign]
    LakeFormationBackend.grant_permissions = _checked_grants()  # type: ignore[method-assign]


def _checked_tags() -> Any:
    original = LakeFormationBackend.add_lf_tags_to_resource

    @functools.wraps(original)
    def add(
        self: LakeFormationBackend, catalog_id: str, resource: dict[str, Any], tags: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        failures = [_failure(tag, "Tag or tag value does not exist.") for tag in tags if not _known(self, tag)]
        if missing := _missing(self, resource):
            failures += [_failure(tag, f"{missing} does not exist.") for tag in tags]
        if failures:
            return failures
        for one in _each(resource):
            given = {tag["TagKey"]: {"CatalogId": catalog_id, **tag} for tag in [*_tags_of(self, one), *tags]}
            failures += original(self, catalog_id, one, list(given.values()))
        return failures

    return add


def _checked_grants() -> Any:
    original = LakeFormationBackend.grant_permissions

    @functools.wraps(original)
    def grant(self: LakeFormationBackend, *, resource: dict[str, Any], **rest: Any) -> None:
        policy = resource.get("LFTagPolicy", {})
        for tag in policy.get("Expression", []):
            if not _known(self, {"CatalogId": policy.get("CatalogId"), **tag}):
                raise EntityNotFound
        original(self, resource=resource, **rest)

    return grant


def _known(backend: LakeFormationBackend, tag: dict[str, Any]) -> bool:
    values = backend.get_lf_tag(tag.get("CatalogId") or backend.account_id, tag["TagKey"])
    return set(tag["TagValues"]) <= set(values)


def _missing(backend: LakeFormationBackend, resource: dict[str, Any]) -> str | None:
    """What of a resource is not in the catalog."""
    glue = glue_backends[backend.account_id][backend.region_name]
    try:
        if database := resource.get("Database"):
            glue.get_database(database["Name"])
        table = resource.get("Table") or resource.get("TableWithColumns")
        if table and "Name" in table:
            found = glue.get_table(table["DatabaseName"], table["Name"]).as_dict()
            there = {column["Name"] for column in found["StorageDescriptor"]["Columns"]}
            there |= {column["Name"] for column in found.get("PartitionKeys") or []}
            if absent := [name for name in table.get("ColumnNames", []) if name not in there]:
                return f"Column {', '.join(absent)}"
    except EntityNotFoundException as error:
        return str(error.message)
    return None


def _each(resource: dict[str, Any]) -> list[dict[str, Any]]:
    """A resource as moto keeps its tags: column for column."""
    columns = resource.get("TableWithColumns")
    if not columns:
        return [resource]
    return [{"TableWithColumns": {**columns, "ColumnNames": [name]}} for name in columns["ColumnNames"]]


def _tags_of(backend: LakeFormationBackend, resource: dict[str, Any]) -> list[dict[str, Any]]:
    ((kind, place),) = resource.items()
    catalog = place.get("CatalogId", backend.account_id)
    match kind:
        case "Database":
            return backend.lf_database_tags.get((catalog, place["Name"]), [])
        case "Table":
            return backend.lf_table_tags.get((catalog, place["DatabaseName"], place["Name"]), [])
        case _:
            key = (catalog, place["DatabaseName"], place["Name"], place["ColumnNames"][0])
            return backend.lf_columns_tags.get(key, [])


def _failure(tag: dict[str, Any], message: str) -> dict[str, Any]:
    return {"LFTag": tag, "Error": {"ErrorCode": "EntityNotFoundException", "ErrorMessage": message}}
