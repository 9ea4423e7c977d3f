"""S3: buckets, their policies, and objects, which the CDK uploads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.integration.localcloud.comparison import Kind, Thing, nothing
from tests.integration.localcloud.kinds.table import KINDS, QUALIFIER, Account, kind, or_none


def _buckets(account: Account) -> list[str]:
    names = [bucket["Name"] for bucket in account.client("s3").list_buckets()["Buckets"]]
    return [name for name in names if QUALIFIER not in name]


@kind("AWS::S3::Bucket", identity=("BucketName",))
def buckets(account: Account) -> Iterator[Thing]:
    s3 = account.client("s3")
    for name in _buckets(account):

        def get(what: str, key: str, *codes: str, bucket: str = name) -> Any:
            answer = or_none(getattr(s3, f"get_{what}"), *codes, Bucket=bucket)
            return answer.get(key) if answer else None

        encryption = get(
            "bucket_encryption", "ServerSideEncryptionConfiguration", "ServerSideEncryptionConfigurationNotFoundError"
        )
        rules = get("bucket_lifecycle_configuration", "Rules", "NoSuchLifecycleConfiguration") or []
        logging = get("bucket_logging", "LoggingEnabled") or {}
        tags = get("bucket_tagging", "TagSet", "NoSuchTagSet")
        lock = get("object_lock_configuration", "ObjectLockConfiguration", "ObjectLockConfigurationNotFoundError")
        properties = {
            "BucketName": name,
            "VersioningConfiguration": {"Status": get("bucket_versioning", "Status")},
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [
                    {
                        "BucketKeyEnabled": rule.get("BucketKeyEnabled"),
                        "ServerSideEncryptionByDefault": rule["ApplyServerSideEncryptionByDefault"],
                    }
                    for rule in (encryption or {}).get("Rules", [])
                ]
            },
            "LifecycleConfiguration": {"Rules": [_lifecycle(rule) for rule in rules]},
            "PublicAccessBlockConfiguration": get(
                "public_access_block", "PublicAccessBlockConfiguration", "NoSuchPublicAccessBlockConfiguration"
            ),
            "OwnershipControls": get(
                "bucket_ownership_controls", "OwnershipControls", "OwnershipControlsNotFoundError"
            ),
            "LoggingConfiguration": {
                "DestinationBucketName": logging.get("TargetBucket"),
                "LogFilePrefix": logging.get("TargetPrefix"),
            },
            "Tags": tags,
            "ObjectLockEnabled": bool(lock),
            "ObjectLockConfiguration": lock,
        }
        attributes = {"Arn": f"arn:aws:s3:::{name}", "DomainName": f"{name}.s3.amazonaws.com"}
        yield Thing(name, properties, attributes)


def _lifecycle(rule: Mapping[str, Any]) -> dict[str, Any]:
    """A rule in CloudFormation's words."""
    expiration = rule.get("Expiration", {})
    words = {
        "Id": rule.get("ID"),
        "Status": rule["Status"],
        "Prefix": rule.get("Prefix") or rule.get("Filter", {}).get("Prefix") or None,
        "ExpirationInDays": expiration.get("Days"),
        "ExpiredObjectDeleteMarker": expiration.get("ExpiredObjectDeleteMarker"),
        "AbortIncompleteMultipartUpload": rule.get("AbortIncompleteMultipartUpload"),
        "NoncurrentVersionExpiration": rule.get("NoncurrentVersionExpiration"),
        "Transitions": [
            {"StorageClass": each["StorageClass"], "TransitionInDays": each.get("Days")}
            for each in rule.get("Transitions", [])
        ],
    }
    return {name: value for name, value in words.items() if value is not None}


@kind("AWS::S3::BucketPolicy", identity=("Bucket",))
def bucket_policies(account: Account) -> Iterator[Thing]:
    s3 = account.client("s3")
    for name in _buckets(account):
        if answer := or_none(s3.get_bucket_policy, "NoSuchBucketPolicy", Bucket=name):
            yield Thing(name, {"Bucket": name, "PolicyDocument": json.loads(answer["Policy"])})


OBJECT = "an object"


@kind(OBJECT, identity=("Bucket", "Key"))
def objects(account: Account) -> Iterator[Thing]:
    """But for what S3 writes down of requests."""
    names, s3 = _buckets(account), account.client("s3")
    logs = {s3.get_bucket_logging(Bucket=name).get("LoggingEnabled", {}).get("TargetBucket") for name in names}
    for bucket in set(names) - logs:
        for item in account.pages("s3", "list_objects_v2", "Contents", Bucket=bucket):
            tag = item["ETag"].strip('"')
            yield Thing(f"{bucket}/{item['Key']}", {"Bucket": bucket, "Key": item["Key"], "MD5": tag})


def _files(account: Account, properties: Mapping[str, Any], identity: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects that an upload of the CDK makes."""
    prefix = properties.get("DestinationBucketKeyPrefix", "").strip("/")
    for key in properties["SourceObjectKeys"]:
        for name, body in account.assembly.files(key):
            md5 = hashlib.md5(body).hexdigest()
            where = {"Bucket": properties["DestinationBucketName"], "Key": "/".join(filter(None, (prefix, name)))}
            yield OBJECT, {**where, "MD5": md5}


KINDS["Custom::CDKBucketDeployment"] = Kind(found=nothing, parts=_files)
# It does nothing until the bucket goes.
KINDS["Custom::S3AutoDeleteObjects"] = Kind(found=nothing)
