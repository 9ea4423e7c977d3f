"""Athena's workgroups, Lake Formation and Object Lock: made by a stack, asked for by API, changed and gone with it."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

ACCOUNT = "000000000000"
TRUST = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "lakeformation.amazonaws.com"}, "Action": "*"}]}


def _tag(key: str, *values: str) -> dict:
    return {"CatalogId": ACCOUNT, "TagKey": key, "TagValues": list(values)}


@pytest.fixture
def carts(cloud, unique) -> dict:
    """A database of a stack's name with a table of two columns."""
    return {
        "Database": {
            "Type": "AWS::Glue::Database",
            "Properties": {
                "CatalogId": ACCOUNT,
                "DatabaseInput": {"Name": unique, "CreateTableDefaultPermissions": []},
            },
        },
        "Table": {
            "Type": "AWS::Glue::Table",
            "Properties": {
                "CatalogId": ACCOUNT,
                "DatabaseName": {"Ref": "Database"},
                "TableInput": {
                    "Name": "carts",
                    "StorageDescriptor": {
                        "Columns": [{"Name": "id", "Type": "bigint"}, {"Name": "email", "Type": "string"}]
                    },
                },
            },
        },
    }


def test_a_workgroup_and_its_queries_are_there_change_and_go(cloud, unique):
    athena = cloud.client("athena")
    configuration = {
        "EnforceWorkGroupConfiguration": "true",
        "BytesScannedCutoffPerQuery": "10000000",
        "EngineVersion": {"SelectedEngineVersion": "Athena engine version 3"},
        "ResultConfiguration": {"OutputLocation": "s3://results/", "ExpectedBucketOwner": ACCOUNT},
    }
    group = {
        "Type": "AWS::Athena::WorkGroup",
        "Properties": {
            "Name": unique,
            "WorkGroupConfiguration": configuration,
            "Tags": [{"Key": "owner", "Value": "lake"}],
        },
    }
    query = {
        "Type": "AWS::Athena::NamedQuery",
        "Properties": {"Name": "one", "Database": "d", "QueryString": "SELECT 1", "WorkGroup": {"Ref": "Group"}},
    }
    stack = cloud.deploy(unique, {"Group": group, "Query": query})
    assert stack["StackStatus"] == "CREATE_COMPLETE", cloud.reasons(unique)
    made = athena.get_work_group(WorkGroup=unique)["WorkGroup"]
    assert made["Configuration"]["BytesScannedCutoffPerQuery"] == 10_000_000
    assert made["Configuration"]["ResultConfiguration"]["OutputLocation"] == "s3://results/"
    (first,) = athena.list_named_queries(WorkGroup=unique)["NamedQueryIds"]
    assert athena.get_named_query(NamedQueryId=first)["NamedQuery"]["QueryString"] == "SELECT 1"

    group["Properties"] = {
        "Name": unique,
        "State": "DISABLED",
        "Description": "new",
        "WorkGroupConfiguration": {"ResultConfiguration": {"OutputLocation": "s3://other/"}},
        "Tags": [{"Key": "team", "Value": "lake"}],
    }
    query["Properties"] = {**query["Properties"], "QueryString": "SELECT 2"}
    stack = cloud.deploy(unique, {"Group": group, "Query": query})
    assert stack["StackStatus"] == "UPDATE_COMPLETE", cloud.reasons(unique)

    changed = athena.get_work_group(WorkGroup=unique)["WorkGroup"]
    assert (changed["State"], changed["Description"]) == ("DISABLED", "new")
    assert "BytesScannedCutoffPerQuery" not in changed["Configuration"]
    assert changed["Configuration"]["ResultConfiguration"] == {"OutputLocation": "s3://other/"}
    arn = f"arn:aws:athena:us-east-1:{ACCOUNT}:workgroup/{unique}"
    assert athena.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "team", "Value": "lake"}]
    (second,) = athena.list_named_queries(WorkGroup=unique)["NamedQueryIds"]
    assert athena.get_named_query(NamedQueryId=second)["NamedQuery"]["QueryString"] == "SELECT 2"

    cloud.client("cloudformation").delete_stack(StackName=unique)
    assert cloud.stack(unique) is None, cloud.reasons(unique)
    assert unique not in {group["Name"] for group in athena.list_work_groups()["WorkGroups"]}
    assert athena.list_named_queries(WorkGroup=unique)["NamedQueryIds"] == []


def test_a_workgroup_with_saved_queries_goes_only_if_it_may(cloud, unique):
    athena = cloud.client("athena")
    group = {"Type": "AWS::Athena::WorkGroup", "Properties": {"Name": unique}}
    cloud.deploy(unique, {"Group": group})
    athena.create_named_query(Name="mine", Database="d", QueryString="SELECT 1", WorkGroup=unique)

    cloud.client("cloudformation").delete_stack(StackName=unique)
    assert cloud.stack(unique)["StackStatus"] == "DELETE_FAILED"
    assert "is not empty" in cloud.reasons(unique)

    group["Properties"]["RecursiveDeleteOption"] = True
    other = f"{unique}-other"
    cloud.deploy(other, {"Group": {**group, "Properties": {**group["Properties"], "Name": other}}})
    athena.create_named_query(Name="mine", Database="d", QueryString="SELECT 1", WorkGroup=other)
    cloud.client("cloudformation").delete_stack(StackName=other)
    assert cloud.stack(other) is None, cloud.reasons(other)


def test_lake_formation_keeps_what_a_stack_says_and_loses_it_with_the_stack(cloud, unique, carts):
    lake = cloud.client("lakeformation")
    location, key = f"arn:aws:s3:::{unique}/bronze", f"{unique}-classification"
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}}
    settings = {
        "Type": "AWS::LakeFormation::DataLakeSettings",
        "Properties": {"Admins": [{"DataLakePrincipalIdentifier": f"arn:{unique}"}], "MutationType": "APPEND"},
    }
    registered = {
        "Type": "AWS::LakeFormation::Resource",
        "Properties": {
            "ResourceArn": location,
            "UseServiceLinkedRole": False,
            "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
        },
    }
    tag = {"Type": "AWS::LakeFormation::Tag", "Properties": {"TagKey": key, "TagValues": ["internal", "personal"]}}
    table = {"CatalogId": ACCOUNT, "DatabaseName": {"Ref": "Database"}, "Name": {"Ref": "Table"}}

    def tagged(value: str, **resource) -> dict:
        return {
            "Type": "AWS::LakeFormation::TagAssociation",
            "DependsOn": "Tag",
            "Properties": {"Resource": resource, "LFTags": [_tag(key, value)]},
        }

    grant = {
        "Type": "AWS::LakeFormation::PrincipalPermissions",
        "DependsOn": "Tag",
        "Properties": {
            "Principal": {"DataLakePrincipalIdentifier": f"arn:aws:iam::{ACCOUNT}:role/{unique}"},
            "Resource": {
                "LFTagPolicy": {
                    "CatalogId": ACCOUNT,
                    "ResourceType": "TABLE",
                    "Expression": [{"TagKey": key, "TagValues": ["internal"]}],
                }
            },
            "Permissions": ["SELECT"],
            "PermissionsWithGrantOption": [],
        },
    }
    resources = {
        **carts,
        "Role": role,
        "Settings": settings,
        "Registered": registered,
        "Tag": tag,
        "OnTable": tagged("personal", Table=table),
        "OnColumn": tagged("internal", TableWithColumns={**table, "ColumnNames": ["id"]}),
        "Grant": grant,
    }
    stack = cloud.deploy(unique, resources)
    assert stack["StackStatus"] == "CREATE_COMPLETE", cloud.reasons(unique)

    def grants() -> list:
        permissions = lake.list_permissions()["PrincipalResourcePermissions"]
        return [one for one in permissions if one["Principal"]["DataLakePrincipalIdentifier"].endswith(unique)]

    assert {"DataLakePrincipalIdentifier": f"arn:{unique}"} in lake.get_data_lake_settings()["DataLakeSettings"][
        "DataLakeAdmins"
    ]
    assert lake.describe_resource(ResourceArn=location)["ResourceInfo"]["RoleArn"].startswith("arn:aws:iam:")
    assert lake.get_lf_tag(TagKey=key)["TagValues"] == ["internal", "personal"]
    whole = {"CatalogId": ACCOUNT, "DatabaseName": unique, "Name": "carts"}
    found = lake.get_resource_lf_tags(Resource={"Table": whole})["LFTagsOnTable"]
    assert found == [_tag(key, "personal")]
    both = {"TableWithColumns": {**whole, "ColumnNames": ["id", "email"]}}
    assert lake.get_resource_lf_tags(Resource=both)["LFTagsOnColumns"] == [
        {"Name": "id", "LFTags": [_tag(key, "internal")]}
    ]
    assert [one["Permissions"] for one in grants()] == [["SELECT"]]

    tag["Properties"] = {"TagKey": key, "TagValues": ["internal", "personal", "public"]}
    assert cloud.deploy(unique, resources)["StackStatus"] == "UPDATE_COMPLETE", cloud.reasons(unique)
    assert lake.get_lf_tag(TagKey=key)["TagValues"] == ["internal", "personal", "public"]

    cloud.client("cloudformation").delete_stack(StackName=unique)
    assert cloud.stack(unique) is None, cloud.reasons(unique)
    assert lake.get_lf_tag(TagKey=key)["TagValues"] == []
    assert grants() == []
    with pytest.raises(lake.exceptions.EntityNotFoundException):
        lake.describe_resource(ResourceArn=location)


@pytest.mark.parametrize(
    ("value", "columns", "reason"),
    [
        ("unheard", ["id"], "Tag or tag value does not exist"),
        ("internal", ["absent"], "Column absent does not exist"),
    ],
)
def test_a_tag_that_means_nothing_fails_the_stack(cloud, unique, carts, value, columns, reason):
    key = f"{unique}-classification"
    tag = {"Type": "AWS::LakeFormation::Tag", "Properties": {"TagKey": key, "TagValues": ["internal"]}}
    table = {"CatalogId": ACCOUNT, "DatabaseName": {"Ref": "Database"}, "Name": {"Ref": "Table"}}
    association = {
        "Type": "AWS::LakeFormation::TagAssociation",
        "DependsOn": "Tag",
        "Properties": {
            "Resource": {"TableWithColumns": {**table, "ColumnNames": columns}},
            "LFTags": [_tag(key, value)],
        },
    }

    assert cloud.deploy(unique, {**carts, "Tag": tag, "On": association})["StackStatus"] == "ROLLBACK_COMPLETE"
    assert reason in cloud.reasons(unique)


def test_a_resources_tags_add_up_and_a_tag_is_made_once(cloud, unique, carts):
    lake = cloud.client("lakeformation")
    cloud.deploy(unique, carts)
    keys = [f"{unique}-a", f"{unique}-b"]
    for key in keys:
        lake.create_lf_tag(TagKey=key, TagValues=["1", "2"])
    table = {"Table": {"CatalogId": ACCOUNT, "DatabaseName": unique, "Name": "carts"}}

    lake.add_lf_tags_to_resource(Resource=table, LFTags=[_tag(keys[0], "1")])
    lake.add_lf_tags_to_resource(Resource=table, LFTags=[_tag(keys[1], "1")])
    lake.add_lf_tags_to_resource(Resource=table, LFTags=[_tag(keys[0], "2")])

    found = lake.get_resource_lf_tags(Resource=table)["LFTagsOnTable"]
    assert {tag["TagKey"]: tag["TagValues"] for tag in found} == {keys[0]: ["2"], keys[1]: ["1"]}
    again = {"Type": "AWS::LakeFormation::Tag", "Properties": {"TagKey": keys[0], "TagValues": ["1"]}}
    assert cloud.deploy(f"{unique}-again", {"Tag": again})["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "exists" in cloud.reasons(f"{unique}-again")


def test_a_ruleset_is_kept_with_its_table_changes_and_goes(cloud, unique, carts):
    glue = cloud.client("glue")
    ruleset = {
        "Type": "AWS::Glue::DataQualityRuleset",
        "Properties": {
            "Name": unique,
            "Ruleset": 'Rules = [IsComplete "id"]',
            "TargetTable": {"DatabaseName": {"Ref": "Database"}, "TableName": {"Ref": "Table"}},
            "Tags": {"owner": "lake"},
        },
    }
    stack = cloud.deploy(unique, {**carts, "Ruleset": ruleset})
    assert stack["StackStatus"] == "CREATE_COMPLETE", cloud.reasons(unique)
    made = glue.get_data_quality_ruleset(Name=unique)
    target = {"DatabaseName": unique, "TableName": "carts"}
    assert (made["Ruleset"], made["TargetTable"]) == ('Rules = [IsComplete "id"]', target)
    listed = glue.list_data_quality_rulesets(Filter={"TargetTable": target})["Rulesets"]
    assert [one["Name"] for one in listed] == [unique]

    ruleset["Properties"] = {**ruleset["Properties"], "Ruleset": "Rules = [RowCount > 0]", "Tags": {"team": "lake"}}
    cloud.deploy(unique, {**carts, "Ruleset": ruleset})

    assert glue.get_data_quality_ruleset(Name=unique)["Ruleset"] == "Rules = [RowCount > 0]"
    arn = f"arn:aws:glue:us-east-1:{ACCOUNT}:dataQualityRuleset/{unique}"
    assert glue.get_tags(ResourceArn=arn)["Tags"] == {"team": "lake"}
    cloud.client("cloudformation").delete_stack(StackName=unique)
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.get_data_quality_ruleset(Name=unique)


def test_what_is_locked_cannot_be_deleted(cloud, unique):
    s3 = cloud.client("s3")
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 3}}
    bucket = {
        "Type": "AWS::S3::Bucket",
        "DeletionPolicy": "Retain",
        "Properties": {
            "BucketName": unique,
            "VersioningConfiguration": {"Status": "Enabled"},
            "ObjectLockEnabled": True,
            "ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled", "Rule": rule},
        },
    }
    assert cloud.deploy(unique, {"Bucket": bucket})["StackStatus"] == "CREATE_COMPLETE", cloud.reasons(unique)

    made = s3.get_object_lock_configuration(Bucket=unique)["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    assert (made["Mode"], made["Days"]) == ("COMPLIANCE", 3)
    version = s3.put_object(Bucket=unique, Key="k", Body=b"1")["VersionId"]
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=unique, Key="k", VersionId=version)
    s3.delete_object(Bucket=unique, Key="k")
    assert s3.get_object(Bucket=unique, Key="k", VersionId=version)["Body"].read() == b"1"
