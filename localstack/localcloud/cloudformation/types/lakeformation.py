"""AWS::LakeFormation::DataLakeSettings, Resource, Tag, TagAssociation and PrincipalPermissions."""

from __future__ import annotations

import json
from typing import Any

from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, register


@register
class DataLakeSettings(ResourceType):
    """The account's own, of which there is one: a stack adds to it, or takes its place."""

    name = "AWS::LakeFormation::DataLakeSettings"

    def create(self, context: Context, properties: Properties) -> Resource:
        before = context.call("lakeformation", "GetDataLakeSettings")["DataLakeSettings"]
        appends = properties.take("MutationType", "REPLACE") == "APPEND"
        admins = properties.take("Admins") or []
        if appends:
            admins = before["DataLakeAdmins"] + [admin for admin in admins if admin not in before["DataLakeAdmins"]]
        given = properties.rest()
        settings = {**(before if appends else {}), **given, "DataLakeAdmins": admins}
        context.call("lakeformation", "PutDataLakeSettings", DataLakeSettings=settings)
        return Resource(context.account)

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        return self.create(context, properties)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        settings = context.call("lakeformation", "GetDataLakeSettings")["DataLakeSettings"]
        mine = properties.get("Admins") or []
        settings["DataLakeAdmins"] = [admin for admin in settings["DataLakeAdmins"] if admin not in mine]
        context.call("lakeformation", "PutDataLakeSettings", DataLakeSettings=settings)


@register
class Location(ResourceType):
    """moto keeps the ARN and the role; federation and hybrid access are left, and so refused."""

    name = "AWS::LakeFormation::Resource"
    replaced_by = frozenset({"ResourceArn"})

    def create(self, context: Context, properties: Properties) -> Resource:
        arn = properties.require("ResourceArn")
        linked = str(properties.require("UseServiceLinkedRole")).lower() == "true"
        context.call(
            "lakeformation",
            "RegisterResource",
            ResourceArn=arn,
            UseServiceLinkedRole=linked or None,
            RoleArn=properties.take("RoleArn") if linked else properties.require("RoleArn"),
        )
        return Resource(arn)

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        # moto has no UpdateResource. A registration holds no state, so that making it anew is the same.
        self.delete(context, physical_id, old)
        return self.create(context, properties)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("lakeformation", "DeregisterResource", ResourceArn=physical_id)


@register
class Tag(ResourceType):
    name = "AWS::LakeFormation::Tag"
    replaced_by = frozenset({"CatalogId", "TagKey"})

    def create(self, context: Context, properties: Properties) -> Resource:
        key = properties.require("TagKey")
        named = {"CatalogId": properties.take("CatalogId"), "TagKey": key}
        if context.call("lakeformation", "GetLFTag", **named)["TagValues"]:  # moto would take its place
            raise RuntimeError(f"AlreadyExistsException: the tag {key} exists")
        context.call("lakeformation", "CreateLFTag", TagValues=properties.require("TagValues"), **named)
        return Resource(key)

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        named = {"CatalogId": properties.take("CatalogId"), "TagKey": properties.require("TagKey")}
        new, before = properties.require("TagValues"), old["TagValues"]
        context.call(
            "lakeformation",
            "UpdateLFTag",
            TagValuesToAdd=[value for value in new if value not in before] or None,
            TagValuesToDelete=[value for value in before if value not in new] or None,
            **named,
        )
        return Resource(physical_id)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("lakeformation", "DeleteLFTag", CatalogId=properties.get("CatalogId"), TagKey=physical_id)


class _Replaced(ResourceType):
    """What both types below share: every change makes a new one, and then takes the old one away."""

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        raise RuntimeError(f"{self.name} is replaced, never updated")


@register
class TagAssociation(_Replaced):
    name = "AWS::LakeFormation::TagAssociation"
    replaced_by = frozenset({"LFTags", "Resource"})

    def create(self, context: Context, properties: Properties) -> Resource:
        resource, tags = properties.require("Resource"), properties.require("LFTags")
        answer = context.call("lakeformation", "AddLFTagsToResource", Resource=resource, LFTags=tags)
        if answer["Failures"]:
            raise RuntimeError(json.dumps(answer["Failures"]))
        identifiers = {
            "ResourceIdentifier": json.dumps(resource, sort_keys=True),
            "TagsIdentifier": json.dumps(tags, sort_keys=True),
        }
        return Resource("|".join(identifiers.values()), identifiers)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call(
            "lakeformation",
            "RemoveLFTagsFromResource",
            Resource=properties["Resource"],
            LFTags=properties["LFTags"],
        )


@register
class PrincipalPermissions(_Replaced):
    name = "AWS::LakeFormation::PrincipalPermissions"
    replaced_by = frozenset({"Catalog", "Permissions", "PermissionsWithGrantOption", "Principal", "Resource"})

    def create(self, context: Context, properties: Properties) -> Resource:
        given = {
            "CatalogId": properties.take("Catalog"),
            **{name: properties.require(name) for name in sorted(self.replaced_by - {"Catalog"})},
        }
        context.call("lakeformation", "GrantPermissions", **given)
        identifiers = {
            "PrincipalIdentifier": json.dumps(given["Principal"], sort_keys=True),
            "ResourceIdentifier": json.dumps(given["Resource"], sort_keys=True),
        }
        return Resource("|".join(identifiers.values()), identifiers)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call(
            "lakeformation",
            "RevokePermissions",
            CatalogId=properties.get("Catalog"),
            **{name: properties[name] for name in sorted(self.replaced_by - {"Catalog"})},
        )
