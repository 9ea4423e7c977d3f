"""Glue, Lake Formation and Athena."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tests.integration.localcloud.comparison import Kind, Thing, nothing
from tests.integration.localcloud.kinds.table import KINDS, Account, kind


@kind(
    "AWS::Glue::Database",
    identity=("DatabaseInput.Name",),
    unseen={"CatalogId": "the account asked"},
)
def databases(account: Account) -> Iterator[Thing]:
    for database in account.pages("glue", "get_databases", "DatabaseList"):
        yield Thing(database["Name"], {"DatabaseInput": database})


@kind("AWS::Glue::Table", identity=("DatabaseName", "TableInput.Name"), unseen={"CatalogId": "the account asked"})
def tables(account: Account) -> Iterator[Thing]:
    for database in account.pages("glue", "get_databases", "DatabaseList"):
        for table in account.pages("glue", "get_tables", "TableList", DatabaseName=database["Name"]):
            yield Thing(table["Name"], {"DatabaseName": table["DatabaseName"], "TableInput": table})


@kind("AWS::Glue::Job", identity=("Name",))
def jobs(account: Account) -> Iterator[Thing]:
    for name in account.pages("glue", "list_jobs", "JobNames"):
        yield Thing(name, account.client("glue").get_job(JobName=name)["Job"])


@kind("AWS::Glue::DataQualityRuleset", identity=("Name",))
def rulesets(account: Account) -> Iterator[Thing]:
    for each in account.pages("glue", "list_data_quality_rulesets", "Rulesets"):
        yield Thing(each["Name"], account.client("glue").get_data_quality_ruleset(Name=each["Name"]))


@kind("AWS::Glue::Connection", identity=("ConnectionInput.Name",), unseen={"CatalogId": "the account asked"})
def connections(account: Account) -> Iterator[Thing]:
    for connection in account.pages("glue", "get_connections", "ConnectionList"):
        yield Thing(connection["Name"], {"ConnectionInput": connection})


@kind("AWS::Glue::SecurityConfiguration", identity=("Name",))
def security_configurations(account: Account) -> Iterator[Thing]:
    for each in account.pages("glue", "get_security_configurations", "SecurityConfigurations"):
        yield Thing(each["Name"], each)


@kind(
    "AWS::LakeFormation::DataLakeSettings",
    unseen={"MutationType": "it says how the others are written"},
    identity=("Admins",),
)
def lake_settings(account: Account) -> Iterator[Thing]:
    settings = account.client("lakeformation").get_data_lake_settings()["DataLakeSettings"]
    if settings.get("DataLakeAdmins"):
        yield Thing("settings", {"Admins": settings["DataLakeAdmins"], **settings})


@kind("AWS::LakeFormation::Resource", identity=("ResourceArn",))
def lake_locations(account: Account) -> Iterator[Thing]:
    for each in account.pages("lakeformation", "list_resources", "ResourceInfoList"):
        role = each.get("RoleArn", "")
        yield Thing(each["ResourceArn"], {**each, "UseServiceLinkedRole": "/aws-service-role/" in role})


@kind("AWS::LakeFormation::Tag", identity=("TagKey",))
def lake_tags(account: Account) -> Iterator[Thing]:
    for each in account.pages("lakeformation", "list_lf_tags", "LFTags"):
        yield Thing(each["TagKey"], each)


def _one_by_one(account: Account, properties: Mapping[str, Any], identity: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for tag in properties["LFTags"]:
        for resource in _tagged(properties["Resource"]):
            yield LF_TAG, {"Resource": resource, "TagKey": tag["TagKey"], "TagValues": tag["TagValues"]}


def _tagged(resource: Mapping[str, Any]) -> Iterator[str]:
    """Each thing of a tagged resource: a database, a table, or the columns of one."""
    match resource:
        case {"TableWithColumns": {"DatabaseName": database, "Name": table, "ColumnNames": names}}:
            yield from (f"{database}.{table}.{name}" for name in names)
        case {"Table": {"DatabaseName": database, "Name": table}}:
            yield f"{database}.{table}"
        case {"Database": {"Name": database}}:
            yield database


LF_TAG = "a tag on a resource of the catalog"
KINDS["AWS::LakeFormation::TagAssociation"] = Kind(
    found=nothing, unseen={"LFTags": "each is looked for by itself"}, parts=_one_by_one
)


@kind(LF_TAG, identity=("Resource", "TagKey"))
def lake_tags_of_resources(account: Account) -> Iterator[Thing]:
    lake = account.client("lakeformation")
    if not lake.list_lf_tags()["LFTags"]:
        return

    def of(resource: dict[str, Any]) -> Any:
        return lake.get_resource_lf_tags(Resource=resource, ShowAssignedLFTags=True)

    for database in account.pages("glue", "get_databases", "DatabaseList"):
        name = database["Name"]
        yield from _lf_tags(name, of({"Database": {"Name": name}}).get("LFTagOnDatabase", []))
        for table in account.pages("glue", "get_tables", "TableList", DatabaseName=name):
            told = of({"Table": {"DatabaseName": name, "Name": table["Name"]}})
            yield from _lf_tags(f"{name}.{table['Name']}", told.get("LFTagsOnTable", []))
            columns = [c["Name"] for c in (*table["StorageDescriptor"]["Columns"], *table.get("PartitionKeys", ()))]
            told = of({"TableWithColumns": {"DatabaseName": name, "Name": table["Name"], "ColumnNames": columns}})
            for column in told.get("LFTagsOnColumns", []):
                yield from _lf_tags(f"{name}.{table['Name']}.{column['Name']}", column["LFTags"])


def _lf_tags(resource: str, tags: Iterable[Mapping[str, Any]]) -> Iterator[Thing]:
    for tag in tags:
        properties = {"Resource": resource, "TagKey": tag["TagKey"], "TagValues": tag["TagValues"]}
        yield Thing(f"{resource} {tag['TagKey']}", properties)


@kind("AWS::LakeFormation::PrincipalPermissions", identity=("Principal", "Resource"))
def grants(account: Account) -> Iterator[Thing]:
    for each in account.pages("lakeformation", "list_permissions", "PrincipalResourcePermissions"):
        yield Thing(json.dumps([each["Principal"], each["Resource"]], sort_keys=True), each)


@kind(
    "AWS::Athena::WorkGroup",
    identity=("Name",),
    unseen={"RecursiveDeleteOption": "it is said when the group is deleted"},
)
def workgroups(account: Account) -> Iterator[Thing]:
    for each in account.pages("athena", "list_work_groups", "WorkGroups"):
        if each["Name"] != "primary":
            group = account.client("athena").get_work_group(WorkGroup=each["Name"])["WorkGroup"]
            yield Thing(each["Name"], {**group, "WorkGroupConfiguration": group["Configuration"]})


@kind("AWS::Athena::NamedQuery", identity=("Name", "WorkGroup"))
def named_queries(account: Account) -> Iterator[Thing]:
    athena = account.client("athena")
    for group in account.pages("athena", "list_work_groups", "WorkGroups"):
        for query in account.pages("athena", "list_named_queries", "NamedQueryIds", WorkGroup=group["Name"]):
            told = athena.get_named_query(NamedQueryId=query)["NamedQuery"]
            yield Thing(query, {"WorkGroup": group["Name"], **told})
