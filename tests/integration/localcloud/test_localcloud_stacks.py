"""The life of a stack: order, functions, updates, replacements, rollbacks, exports."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {
        "AssumeRolePolicyDocument": {
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ]
        }
    },
}


def _parameter(value, name=None, **properties):
    named = {"Name": name} if name else {}
    return {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value, **named, **properties}}


def test_a_type_that_is_not_supported_fails_the_stack_and_takes_back_what_was_made(cloud, unique):
    resources = {
        "First": _parameter("kept?", f"/{unique}/first"),
        "Fleet": {"Type": "AWS::GameLift::Fleet", "DependsOn": "First"},
    }

    stack = cloud.deploy(unique, resources)

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "does not support the resource type AWS::GameLift::Fleet" in cloud.reasons(unique)
    assert "AWS::GameLift::Fleet" in stack["StackStatusReason"]
    with pytest.raises(cloud.client("ssm").exceptions.ParameterNotFound):
        cloud.client("ssm").get_parameter(Name=f"/{unique}/first")


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (_parameter("v", Colour="red"), "PutParameter has no member Colour"),
        (_parameter("v", Tier=[1]), "PutParameter.Tier must be a string"),
        (
            {"Type": "AWS::S3::Bucket", "Properties": {"AccelerateConfiguration": {"AccelerationStatus": "Enabled"}}},
            "does not support the property AccelerateConfiguration",
        ),
        (
            {"Type": "AWS::S3::BucketPolicy", "Properties": {"PolicyDocument": {}}},
            "the property Bucket is required",
        ),
        ({"Type": "Custom::Anything", "Properties": {"ServiceToken": "arn"}}, "Custom::Anything"),
    ],
)
def test_a_property_that_would_be_dropped_fails_the_stack(cloud, unique, resource, reason):
    assert cloud.deploy(unique, {"It": resource})["StackStatus"] == "ROLLBACK_COMPLETE"
    assert reason in cloud.reasons(unique)
    assert cloud.client("cloudformation").describe_stack_resources(StackName=unique)["StackResources"] == []


def test_functions_parameters_and_conditions_resolve(cloud, unique):
    resources = {
        "Source": _parameter("a,b", f"/{unique}/source"),
        "Made": _parameter(
            {
                "Fn::Join": [
                    "|",
                    [
                        {"Fn::Select": ["1", {"Fn::Split": [",", {"Fn::GetAtt": ["Source", "Value"]}]}]},
                        {"Fn::Sub": ["${Source}-${Name}-${AWS::Region}-${!literal}", {"Name": {"Ref": "Name"}}]},
                        {"Fn::If": ["Big", "big", "small"]},
                        {"Fn::FindInMap": ["Sizes", {"Ref": "AWS::AccountId"}, "size"]},
                        f"{{{{resolve:ssm:/{unique}/outside}}}}",
                    ],
                ]
            },
            f"/{unique}/made",
            Description={"Fn::If": ["Big", {"Ref": "AWS::NoValue"}, "described"]},
        ),
        "Absent": {**_parameter("x", f"/{unique}/absent"), "Condition": "Small"},
    }
    cloud.client("ssm").put_parameter(Name=f"/{unique}/outside", Value="outside", Type="String")

    stack = cloud.deploy(
        unique,
        resources,
        Parameters={"Name": {"Type": "String", "Default": "n"}, "Count": {"Type": "Number", "Default": "3"}},
        Conditions={"Big": {"Fn::Equals": [{"Ref": "Count"}, 3]}, "Small": {"Fn::Not": [{"Condition": "Big"}]}},
        Mappings={"Sizes": {"000000000000": {"size": "m"}}},
        Outputs={"Made": {"Value": {"Fn::GetAtt": "Made.Value"}}},
    )

    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stack["Outputs"][0]["OutputValue"] == f"b|/{unique}/source-n-us-east-1-${{literal}}|big|m|outside"
    listed = cloud.client("cloudformation").describe_stack_resources(StackName=unique)["StackResources"]
    assert {item["LogicalResourceId"] for item in listed} == {"Source", "Made"}


def test_an_update_changes_adds_replaces_and_removes(cloud, unique):
    ssm = cloud.client("ssm")
    cloud.deploy(
        unique,
        {
            "Changed": _parameter("old", f"/{unique}/changed"),
            "Replaced": _parameter("same", f"/{unique}/old-name"),
            "Follows": _parameter({"Ref": "Replaced"}, f"/{unique}/follows"),
            "Removed": _parameter("old", f"/{unique}/removed"),
        },
    )

    stack = cloud.deploy(
        unique,
        {
            "Changed": _parameter("new", f"/{unique}/changed"),
            "Replaced": _parameter("same", f"/{unique}/new-name"),
            "Follows": _parameter({"Ref": "Replaced"}, f"/{unique}/follows"),
            "Added": _parameter("new", f"/{unique}/added"),
        },
    )

    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    found = ssm.get_parameters_by_path(Path=f"/{unique}")["Parameters"]
    assert {item["Name"].split("/")[-1]: item["Value"] for item in found} == {
        "changed": "new",
        "new-name": "same",
        "follows": f"/{unique}/new-name",
        "added": "new",
    }
    with pytest.raises(ClientError, match="No updates are to be performed"):
        cloud.client("cloudformation").update_stack(StackName=unique, TemplateBody=_body(cloud, unique))


def _body(cloud, name: str) -> str:
    return json.dumps(cloud.client("cloudformation").get_template(StackName=name)["TemplateBody"])


def test_an_update_that_fails_leaves_what_was_there(cloud, unique):
    ssm = cloud.client("ssm")
    cloud.deploy(unique, {"Changed": _parameter("old", f"/{unique}/changed")})

    stack = cloud.deploy(
        unique,
        {
            "Changed": _parameter("new", f"/{unique}/changed"),
            "Added": {**_parameter("new", f"/{unique}/added"), "DependsOn": "Changed"},
            "Wrong": {"Type": "AWS::GameLift::Fleet", "DependsOn": "Added"},
        },
    )

    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    found = ssm.get_parameters_by_path(Path=f"/{unique}")["Parameters"]
    assert {item["Name"]: item["Value"] for item in found} == {f"/{unique}/changed": "old"}


def test_deleting_a_stack_deletes_what_is_not_retained(cloud, unique):
    cloud.deploy(
        unique,
        {
            "Gone": _parameter("v", f"/{unique}/gone"),
            "Kept": {**_parameter("v", f"/{unique}/kept"), "DeletionPolicy": "Retain"},
        },
    )

    cloud.client("cloudformation").delete_stack(StackName=unique)

    assert cloud.stack(unique) is None
    names = [item["Name"] for item in cloud.client("ssm").get_parameters_by_path(Path=f"/{unique}")["Parameters"]]
    assert names == [f"/{unique}/kept"]


def test_a_stack_whose_resource_cannot_be_deleted_says_so(cloud, unique):
    cloud.deploy(unique, {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": unique}}})
    cloud.client("s3").put_object(Bucket=unique, Key="key", Body=b"")

    cloud.client("cloudformation").delete_stack(StackName=unique)

    assert cloud.stack(unique)["StackStatus"] == "DELETE_FAILED"
    assert "BucketNotEmpty" in cloud.reasons(unique)


def test_an_export_is_imported_and_cannot_go_while_it_is(cloud, unique):
    exporter, importer = f"{unique}-exporter", f"{unique}-importer"
    exports = {"Value": {"Value": {"Ref": "It"}, "Export": {"Name": f"{unique}:value"}}}
    cloud.deploy(exporter, {"It": _parameter("v", f"/{unique}/it")}, Outputs=exports)
    cloud.deploy(importer, {"Other": _parameter({"Fn::ImportValue": f"{unique}:value"}, f"/{unique}/other")})
    assert cloud.client("ssm").get_parameter(Name=f"/{unique}/other")["Parameter"]["Value"] == f"/{unique}/it"

    cloud.client("cloudformation").delete_stack(StackName=exporter)

    assert cloud.stack(exporter)["StackStatus"] == "DELETE_FAILED"
    assert cloud.client("ssm").get_parameter(Name=f"/{unique}/it")
    cloud.client("cloudformation").delete_stack(StackName=importer)
    cloud.client("cloudformation").delete_stack(StackName=exporter)
    assert cloud.stack(exporter) is None


def test_a_template_that_is_wrong_in_itself_makes_no_stack(cloud, unique):
    with pytest.raises(ClientError, match="Circular dependency"):
        cloud.deploy(unique, {"A": _parameter({"Ref": "B"}), "B": _parameter({"Ref": "A"})})

    assert cloud.stack(unique) is None


def test_a_change_set_deploys_with_outputs(cloud, unique):
    cloudformation = cloud.client("cloudformation")
    template = {
        "Resources": {"Role": ROLE},
        "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Role", "Arn"]}}},
    }
    cloudformation.create_change_set(
        StackName=unique, ChangeSetName="first", ChangeSetType="CREATE", TemplateBody=json.dumps(template)
    )
    described = cloudformation.describe_change_set(StackName=unique, ChangeSetName="first")
    assert [change["ResourceChange"]["LogicalResourceId"] for change in described["Changes"]] == ["Role"]

    cloudformation.execute_change_set(StackName=unique, ChangeSetName="first")

    stack = cloud.stack(unique)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stack["Outputs"][0]["OutputValue"].startswith("arn:aws:iam::000000000000:role/")
