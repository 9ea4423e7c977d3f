"""Each resource type by its service's API: made by the stack, changed by an update, gone with it."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
}
OTHER_POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}],
}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def _table(column: str) -> dict:
    return {
        "Type": "AWS::Glue::Table",
        "Properties": {
            "CatalogId": {"Ref": "AWS::AccountId"},
            "DatabaseName": {"Ref": "Database"},
            "TableInput": {
                "Name": "carts",
                "TableType": "EXTERNAL_TABLE",
                "Parameters": {"projection.enabled": True, "projection.ingest_date.range": "2020-01-01,NOW"},
                "PartitionKeys": [{"Name": "ingest_date", "Type": "date"}],
                "StorageDescriptor": {"Location": "s3://lake/carts", "Columns": [{"Name": column, "Type": "bigint"}]},
            },
        },
    }


def test_a_glue_database_table_and_job(cloud, unique):
    glue = cloud.client("glue")
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}}
    job = {
        "Type": "AWS::Glue::Job",
        "Properties": {
            "Name": unique,
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "Command": {"Name": "glueetl", "ScriptLocation": "s3://b/k.py"},
            "GlueVersion": "6.0",
            "NumberOfWorkers": "2",
            "WorkerType": "G.1X",
            "Timeout": 5,
            "ExecutionProperty": {"MaxConcurrentRuns": "3"},
            "Tags": {"owner": "lake"},
        },
    }
    database = {
        "Type": "AWS::Glue::Database",
        "Properties": {"CatalogId": {"Ref": "AWS::AccountId"}, "DatabaseInput": {"Name": unique}},
    }
    resources = {"Database": database, "Table": _table("id"), "Role": role, "Job": job}
    assert cloud.deploy(unique, resources)["StackStatus"] == "CREATE_COMPLETE", cloud.reasons(unique)
    table = glue.get_table(DatabaseName=unique, Name="carts")["Table"]
    assert table["Parameters"] == {"projection.enabled": "true", "projection.ingest_date.range": "2020-01-01,NOW"}
    made = glue.get_job(JobName=unique)["Job"]
    assert (made["NumberOfWorkers"], made["ExecutionProperty"]) == (2, {"MaxConcurrentRuns": 3})
    assert glue.get_tags(ResourceArn=f"arn:aws:glue:us-east-1:000000000000:job/{unique}")["Tags"] == {"owner": "lake"}

    job["Properties"] = {**job["Properties"], "Timeout": "9", "Tags": {"team": "lake"}}
    resources["Table"] = _table("other")
    assert cloud.deploy(unique, resources)["StackStatus"] == "UPDATE_COMPLETE", cloud.reasons(unique)

    columns = glue.get_table(DatabaseName=unique, Name="carts")["Table"]["StorageDescriptor"]["Columns"]
    assert columns == [{"Name": "other", "Type": "bigint"}]
    assert glue.get_job(JobName=unique)["Job"]["Timeout"] == 9
    assert glue.get_tags(ResourceArn=f"arn:aws:glue:us-east-1:000000000000:job/{unique}")["Tags"] == {"team": "lake"}

    del resources["Table"]
    cloud.deploy(unique, resources)
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.get_table(DatabaseName=unique, Name="carts")
    cloud.client("cloudformation").delete_stack(StackName=unique)
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.get_database(Name=unique)
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.get_job(JobName=unique)


def test_every_property_of_a_bucket_is_there_by_api_and_goes_when_it_is_left_out(cloud, unique):
    s3 = cloud.client("s3")
    properties = {
        "BucketName": unique,
        "VersioningConfiguration": {"Status": "Enabled"},
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                {"BucketKeyEnabled": "true", "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
            ]
        },
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": True,
            "BlockPublicPolicy": "true",
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        },
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "LifecycleConfiguration": {
            "Rules": [
                {
                    "Id": "age",
                    "Status": "Enabled",
                    "Prefix": "data/",
                    "ExpirationInDays": "400",
                    "Transitions": [{"StorageClass": "GLACIER", "TransitionInDays": 90}],
                    "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
                    "NoncurrentVersionTransitions": [{"StorageClass": "STANDARD_IA", "TransitionInDays": 31}],
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2},
                }
            ]
        },
        "CorsConfiguration": {"CorsRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "MaxAge": 3}]},
        "Tags": [{"Key": "owner", "Value": "lake"}],
    }
    logs = {
        "Type": "AWS::S3::Bucket",
        "Properties": {"BucketName": f"{unique}-logs", "AccessControl": "LogDeliveryWrite"},
    }
    logging = {"DestinationBucketName": {"Ref": "Logs"}, "LogFilePrefix": "p/"}
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {**properties, "LoggingConfiguration": logging}}
    policy = {
        "Type": "AWS::S3::BucketPolicy",
        "Properties": {
            "Bucket": {"Ref": "Bucket"},
            "PolicyDocument": {
                "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}]
            },
        },
    }
    stack = cloud.deploy(unique, {"Logs": logs, "Bucket": bucket, "Policy": policy})
    assert stack["StackStatus"] == "CREATE_COMPLETE", cloud.reasons(unique)

    assert s3.get_bucket_versioning(Bucket=unique)["Status"] == "Enabled"
    (encryption,) = s3.get_bucket_encryption(Bucket=unique)["ServerSideEncryptionConfiguration"]["Rules"]
    assert encryption["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert encryption["BucketKeyEnabled"] is True
    block = s3.get_public_access_block(Bucket=unique)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    ownership = s3.get_bucket_ownership_controls(Bucket=unique)["OwnershipControls"]
    assert ownership == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert s3.get_bucket_lifecycle_configuration(Bucket=unique)["Rules"] == [
        {
            "ID": "age",
            "Status": "Enabled",
            "Filter": {"Prefix": "data/"},
            "Expiration": {"Days": 400},
            "Transitions": [{"Days": 90, "StorageClass": "GLACIER"}],
            "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
            "NoncurrentVersionTransitions": [{"NoncurrentDays": 31, "StorageClass": "STANDARD_IA"}],
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2},
        }
    ]
    (cors,) = s3.get_bucket_cors(Bucket=unique)["CORSRules"]
    assert (cors["AllowedMethods"], cors["MaxAgeSeconds"]) == (["GET"], 3)
    assert {"Key": "owner", "Value": "lake"} in s3.get_bucket_tagging(Bucket=unique)["TagSet"]
    assert s3.get_bucket_logging(Bucket=unique)["LoggingEnabled"]["TargetBucket"] == f"{unique}-logs"
    assert json.loads(s3.get_bucket_policy(Bucket=unique)["Policy"])["Statement"][0]["Action"] == "s3:GetObject"

    bare = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": unique}}
    assert cloud.deploy(unique, {"Logs": logs, "Bucket": bare})["StackStatus"] == "UPDATE_COMPLETE"

    assert s3.get_bucket_versioning(Bucket=unique)["Status"] == "Suspended"
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=unique)
    for gone in (
        s3.get_bucket_lifecycle_configuration,
        s3.get_public_access_block,
        s3.get_bucket_ownership_controls,
        s3.get_bucket_cors,
        s3.get_bucket_tagging,
        s3.get_bucket_policy,
    ):
        with pytest.raises(ClientError):
            gone(Bucket=unique)
    cloud.client("cloudformation").delete_stack(StackName=unique)
    with pytest.raises(ClientError):
        s3.head_bucket(Bucket=unique)


@pytest.mark.parametrize(
    "rule",
    [
        {"ObjectSizeGreaterThan": 1},
        {"NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 2}},
    ],
)
def test_what_moto_drops_of_a_lifecycle_rule_is_refused(cloud, unique, rule):
    properties = {"LifecycleConfiguration": {"Rules": [{"Status": "Enabled", **rule}]}}

    stack = cloud.deploy(unique, {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}})

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "does not support the property" in cloud.reasons(unique)


def test_a_generated_secret_is_kept_by_an_update_and_deleted_with_the_stack(cloud, unique):
    secrets = cloud.client("secretsmanager")
    generate = {
        "SecretStringTemplate": '{"username": "lake"}',
        "GenerateStringKey": "password",
        "PasswordLength": "40",
        "ExcludePunctuation": "true",
    }
    secret = {"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": unique, "GenerateSecretString": generate}}
    cloud.deploy(unique, {"Secret": secret}, Outputs={"Arn": {"Value": {"Ref": "Secret"}}})
    before = json.loads(
        secrets.get_secret_value(SecretId=cloud.stack(unique)["Outputs"][0]["OutputValue"])["SecretString"]
    )
    assert (before["username"], len(before["password"]), before["password"].isalnum()) == ("lake", 40, True)

    secret["Properties"] = {**secret["Properties"], "Description": "of the warehouse"}
    cloud.deploy(unique, {"Secret": secret})

    assert secrets.describe_secret(SecretId=unique)["Description"] == "of the warehouse"
    assert json.loads(secrets.get_secret_value(SecretId=unique)["SecretString"]) == before
    cloud.client("cloudformation").delete_stack(StackName=unique)
    with pytest.raises(secrets.exceptions.ResourceNotFoundException):
        secrets.describe_secret(SecretId=unique)


def test_roles_and_their_policies(cloud, unique):
    iam = cloud.client("iam")
    role = {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "RoleName": unique,
            "AssumeRolePolicyDocument": TRUST,
            "Policies": [{"PolicyName": "inline", "PolicyDocument": POLICY}],
            "ManagedPolicyArns": [{"Ref": "Managed"}],
        },
    }
    managed = {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": POLICY}}
    policy = {
        "Type": "AWS::IAM::Policy",
        "Properties": {"PolicyName": "attached", "Roles": [{"Ref": "Role"}], "PolicyDocument": POLICY},
    }
    resources = {"Role": role, "Managed": managed, "Policy": policy}
    assert cloud.deploy(unique, resources)["StackStatus"] == "CREATE_COMPLETE", cloud.reasons(unique)
    assert set(iam.list_role_policies(RoleName=unique)["PolicyNames"]) == {"inline", "attached"}
    (attached,) = iam.list_attached_role_policies(RoleName=unique)["AttachedPolicies"]

    role["Properties"] = {**role["Properties"], "Policies": [], "Description": "changed"}
    policy["Properties"] = {**policy["Properties"], "PolicyDocument": OTHER_POLICY}
    managed["Properties"] = {"PolicyDocument": OTHER_POLICY}
    assert cloud.deploy(unique, resources)["StackStatus"] == "UPDATE_COMPLETE", cloud.reasons(unique)

    assert iam.list_role_policies(RoleName=unique)["PolicyNames"] == ["attached"]
    assert iam.get_role_policy(RoleName=unique, PolicyName="attached")["PolicyDocument"] == OTHER_POLICY
    version = iam.get_policy(PolicyArn=attached["PolicyArn"])["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=attached["PolicyArn"], VersionId=version)["PolicyVersion"]["Document"]
    assert document == OTHER_POLICY
    assert iam.get_role(RoleName=unique)["Role"]["Description"] == "changed"
    cloud.client("cloudformation").delete_stack(StackName=unique)
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_role(RoleName=unique)
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_policy(PolicyArn=attached["PolicyArn"])


def test_keys_aliases_log_groups_and_repositories(cloud, unique):
    kms, logs, ecr = cloud.client("kms"), cloud.client("logs"), cloud.client("ecr")
    key = {"Type": "AWS::KMS::Key", "Properties": {"EnableKeyRotation": "true", "Description": "old"}}
    alias = {"Type": "AWS::KMS::Alias", "Properties": {"AliasName": f"alias/{unique}", "TargetKeyId": {"Ref": "Key"}}}
    group = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": f"/{unique}", "RetentionInDays": "7"}}
    repository = {
        "Type": "AWS::ECR::Repository",
        "Properties": {"RepositoryName": unique, "ImageTagMutability": "IMMUTABLE"},
    }
    resources = {"Key": key, "Alias": alias, "Group": group, "Repository": repository}
    assert cloud.deploy(unique, resources)["StackStatus"] == "CREATE_COMPLETE", cloud.reasons(unique)
    made = kms.describe_key(KeyId=f"alias/{unique}")["KeyMetadata"]
    assert kms.get_key_rotation_status(KeyId=made["KeyId"])["KeyRotationEnabled"] is True

    key["Properties"] = {"Description": "new"}
    group["Properties"] = {"LogGroupName": f"/{unique}"}
    repository["Properties"] = {"RepositoryName": unique}
    assert cloud.deploy(unique, resources)["StackStatus"] == "UPDATE_COMPLETE", cloud.reasons(unique)

    changed = kms.describe_key(KeyId=f"alias/{unique}")["KeyMetadata"]
    assert (changed["KeyId"], changed["Description"]) == (made["KeyId"], "new")
    assert kms.get_key_rotation_status(KeyId=made["KeyId"])["KeyRotationEnabled"] is False
    (described,) = logs.describe_log_groups(logGroupNamePrefix=f"/{unique}")["logGroups"]
    assert "retentionInDays" not in described
    (found,) = ecr.describe_repositories(repositoryNames=[unique])["repositories"]
    assert found["imageTagMutability"] == "MUTABLE"
    cloud.client("cloudformation").delete_stack(StackName=unique)
    assert kms.describe_key(KeyId=made["KeyId"])["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert logs.describe_log_groups(logGroupNamePrefix=f"/{unique}")["logGroups"] == []


def _deployment(bucket: str, key: str, **properties) -> dict:
    return {
        "Type": "Custom::CDKBucketDeployment",
        "Properties": {
            "ServiceToken": "arn:aws:lambda:us-east-1:000000000000:function:handler",
            "SourceBucketNames": [bucket],
            "SourceObjectKeys": [key],
            "DestinationBucketName": bucket,
            "DestinationBucketKeyPrefix": "to",
            "Prune": True,
            **properties,
        },
    }


def test_a_bucket_deployment_puts_files_replaces_markers_prunes_and_removes(cloud, unique, bucket, archive):
    s3 = cloud.client("s3")
    s3.put_object(Bucket=bucket, Key="one.zip", Body=archive({"a.json": '{"v": "<<m>>"}', "sub/b.txt": "<<m>>"}))
    s3.put_object(Bucket=bucket, Key="two.zip", Body=archive({"sub/b.txt": "new"}))
    s3.put_object(Bucket=bucket, Key="tower/kept", Body=b"beside the prefix")
    markers = {"SourceMarkers": [{"<<m>>": 'a "quoted" value'}], "SourceMarkersConfig": [{"jsonEscape": "true"}]}

    def there(prefix: str = "to/") -> dict[str, bytes]:
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        return {item["Key"]: s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read() for item in listed}

    stack = cloud.deploy(unique, {"Files": _deployment(bucket, "one.zip", **markers)})
    assert stack["StackStatus"] == "CREATE_COMPLETE", cloud.reasons(unique)
    assert json.loads(there()["to/a.json"]) == {"v": 'a "quoted" value'}
    assert s3.head_object(Bucket=bucket, Key="to/a.json")["ContentType"] == "application/json"

    cloud.deploy(unique, {"Files": _deployment(bucket, "two.zip", RetainOnDelete="false")})
    assert there() == {"to/sub/b.txt": b"new"}

    cloud.client("cloudformation").delete_stack(StackName=unique)
    assert there() == {}
    assert there("tower") == {"tower/kept": b"beside the prefix"}


def test_a_bucket_deployment_whose_asset_is_missing_fails_the_stack(cloud, unique, bucket):
    stack = cloud.deploy(unique, {"Files": _deployment(bucket, "missing.zip")})

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "NoSuchKey" in cloud.reasons(unique)


def test_auto_delete_empties_a_bucket_with_all_its_versions(cloud, unique):
    s3 = cloud.client("s3")
    bucket = {
        "Type": "AWS::S3::Bucket",
        "Properties": {
            "BucketName": unique,
            "VersioningConfiguration": {"Status": "Enabled"},
            "Tags": [{"Key": "aws-cdk:auto-delete-objects", "Value": "true"}],
        },
    }
    empty = {
        "Type": "Custom::S3AutoDeleteObjects",
        "Properties": {"ServiceToken": "arn", "BucketName": {"Ref": "Bucket"}},
    }
    cloud.deploy(unique, {"Bucket": bucket, "Empty": empty})
    s3.put_object(Bucket=unique, Key="key", Body=b"1")
    s3.put_object(Bucket=unique, Key="key", Body=b"2")
    s3.delete_object(Bucket=unique, Key="key")

    cloud.client("cloudformation").delete_stack(StackName=unique)

    assert cloud.stack(unique) is None, cloud.reasons(unique)
