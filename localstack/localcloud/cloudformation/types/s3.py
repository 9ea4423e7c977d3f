"""AWS::S3::Bucket and AWS::S3::BucketPolicy."""

from __future__ import annotations

import json
import re
from typing import Any

from botocore.exceptions import ClientError

from localcloud import objects
from localcloud.cloudformation.api import UnsupportedProperty
from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, register


@register
class Bucket(ResourceType):
    """Each property is set by its own call, and taken away by the call that deletes it."""

    name = "AWS::S3::Bucket"
    replaced_by = frozenset({"BucketName", "ObjectLockEnabled"})

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.take("BucketName") or context.name(longest=63, lower=True)
        region = context.region
        location = None if region == "us-east-1" else {"LocationConstraint": region}
        lock = properties.take("ObjectLockEnabled")
        # The objects of a bucket that was here before a restart come back once encryption is set.
        with objects.store().held(name):
            context.call(
                "s3",
                "CreateBucket",
                Bucket=name,
                CreateBucketConfiguration=location,
                ObjectLockEnabledForBucket=lock,
            )
            try:
                self._configure(context, name, properties, {})
            except Exception:
                context.call("s3", "DeleteBucket", Bucket=name)
                raise
        return _described(name, region)

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        properties.take("BucketName")
        properties.take("ObjectLockEnabled")
        self._configure(context, physical_id, properties, old)
        return _described(physical_id, context.region)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("s3", "DeleteBucket", Bucket=physical_id)

    @staticmethod
    def _configure(context: Context, bucket: str, properties: Properties, old: dict[str, Any]) -> None:
        def changed(name: str) -> Any:
            """The new value, None when it is as it was, an empty one when it went."""
            value = properties.take(name)
            return None if value == old.get(name) else value if value is not None else {}

        def put(operation: str, **arguments: Any) -> None:
            context.call("s3", operation, Bucket=bucket, **arguments)

        if (versioning := changed("VersioningConfiguration")) is not None:
            put("PutBucketVersioning", VersioningConfiguration=versioning or {"Status": "Suspended"})
        if (lock := changed("ObjectLockConfiguration")) is not None:
            put("PutObjectLockConfiguration", ObjectLockConfiguration=lock or {"ObjectLockEnabled": "Enabled"})
        if (encryption := changed("BucketEncryption")) is not None:
            _put_or_delete(put, "BucketEncryption", _encryption(encryption), "ServerSideEncryptionConfiguration")
        if (lifecycle := changed("LifecycleConfiguration")) is not None:
            _put_or_delete(put, "BucketLifecycle", _lifecycle(properties, lifecycle), "LifecycleConfiguration")
        if (block := changed("PublicAccessBlockConfiguration")) is not None:
            _put_or_delete(put, "PublicAccessBlock", block, "PublicAccessBlockConfiguration")
        if (ownership := changed("OwnershipControls")) is not None:
            _put_or_delete(put, "BucketOwnershipControls", ownership, "OwnershipControls")
        if (cors := changed("CorsConfiguration")) is not None:
            _put_or_delete(put, "BucketCors", _cors(cors), "CORSConfiguration")
        if (tags := changed("Tags")) is not None:
            _put_or_delete(put, "BucketTagging", {"TagSet": tags} if tags else {}, "Tagging")
        if (logging := changed("LoggingConfiguration")) is not None:
            put("PutBucketLogging", BucketLoggingStatus=_logging(bucket, logging))
        if (notification := changed("NotificationConfiguration")) is not None:
            put("PutBucketNotificationConfiguration", NotificationConfiguration=_notification(notification))
        if (acl := changed("AccessControl")) is not None:
            put("PutBucketAcl", ACL=re.sub(r"(?<!^)(?=[A-Z])", "-", acl or "Private").lower())


def _described(name: str, region: str) -> Resource:
    return Resource(
        name,
        {
            "Arn": f"arn:aws:s3:::{name}",
            "DomainName": f"{name}.s3.amazonaws.com",
            "DualStackDomainName": f"{name}.s3.dualstack.{region}.amazonaws.com",
            "RegionalDomainName": f"{name}.s3.{region}.amazonaws.com",
            "WebsiteURL": f"http://{name}.s3-website-{region}.amazonaws.com",
        },
    )


def _put_or_delete(put: Any, what: str, value: dict[str, Any], argument: str) -> None:
    if value:
        put("PutBucketLifecycleConfiguration" if what == "BucketLifecycle" else f"Put{what}", **{argument: value})
    else:
        put(f"Delete{what}")


def _encryption(value: dict[str, Any]) -> dict[str, Any]:
    rules = value.get("ServerSideEncryptionConfiguration", [])
    renamed = [
        {
            "ApplyServerSideEncryptionByDefault" if name == "ServerSideEncryptionByDefault" else name: item
            for name, item in rule.items()
        }
        for rule in rules
    ]
    return {"Rules": renamed} if renamed else {}


def _logging(bucket: str, value: dict[str, Any]) -> dict[str, Any]:
    if not value:
        return {}
    enabled = {
        "TargetBucket": value.get("DestinationBucketName", bucket),
        "TargetPrefix": value.get("LogFilePrefix", ""),
    }
    if unknown := set(value) - {"DestinationBucketName", "LogFilePrefix"}:
        raise UnsupportedProperty(f"AWS::S3::Bucket.LoggingConfiguration: unsupported {', '.join(sorted(unknown))}")
    return {"LoggingEnabled": enabled}


def _notification(value: dict[str, Any]) -> dict[str, Any]:
    if unknown := set(value) - {"EventBridgeConfiguration"}:
        raise UnsupportedProperty(
            f"AWS::S3::Bucket.NotificationConfiguration: unsupported {', '.join(sorted(unknown))}"
        )
    return {"EventBridgeConfiguration": {}} if value else {}


def _cors(value: dict[str, Any]) -> dict[str, Any]:
    names = {"Id": "ID", "MaxAge": "MaxAgeSeconds", "ExposedHeaders": "ExposeHeaders"}
    rules = [{names.get(name, name): item for name, item in rule.items()} for rule in value.get("CorsRules", [])]
    return {"CORSRules": rules} if rules else {}


def _lifecycle(properties: Properties, value: dict[str, Any]) -> dict[str, Any]:
    rules = [
        _lifecycle_rule(properties.wrap(rule, f"LifecycleConfiguration.Rules[{number}]"), f"rule-{number}")
        for number, rule in enumerate(value.get("Rules", []))
    ]
    return {"Rules": rules} if rules else {}


def _lifecycle_rule(rule: Properties, default_id: str) -> dict[str, Any]:
    """CloudFormation's names to the API's. What moto would drop (sizes, kept versions) is left and so refused."""
    api: dict[str, Any] = {"ID": rule.take("Id", default_id), "Status": rule.require("Status")}
    expiration = {
        "Days": rule.take("ExpirationInDays"),
        "Date": rule.take("ExpirationDate"),
        "ExpiredObjectDeleteMarker": rule.take("ExpiredObjectDeleteMarker"),
    }
    if given := {name: value for name, value in expiration.items() if value is not None}:
        api["Expiration"] = given
    if transitions := rule.take("Transitions"):
        names = {"TransitionInDays": "Days", "TransitionDate": "Date"}
        api["Transitions"] = [{names.get(name, name): item for name, item in one.items()} for one in transitions]
    if transitions := rule.take("NoncurrentVersionTransitions"):
        names = {"TransitionInDays": "NoncurrentDays"}
        api["NoncurrentVersionTransitions"] = [
            {names.get(name, name): item for name, item in one.items()} for one in transitions
        ]
    if "NoncurrentVersionExpirationInDays" in rule:
        api["NoncurrentVersionExpiration"] = {"NoncurrentDays": rule.take("NoncurrentVersionExpirationInDays")}
    if "NoncurrentVersionExpiration" in rule:
        noncurrent = rule.nested("NoncurrentVersionExpiration")
        api["NoncurrentVersionExpiration"] = {"NoncurrentDays": noncurrent.require("NoncurrentDays")}
    if abort := rule.take("AbortIncompleteMultipartUpload"):
        api["AbortIncompleteMultipartUpload"] = abort
    prefix, tags = rule.take("Prefix", ""), rule.take("TagFilters") or []
    if not tags:
        api["Filter"] = {"Prefix": prefix}
    elif len(tags) == 1 and not prefix:
        api["Filter"] = {"Tag": tags[0]}
    else:
        api["Filter"] = {"And": {"Prefix": prefix, "Tags": tags}}
    return api


@register
class BucketPolicy(ResourceType):
    name = "AWS::S3::BucketPolicy"
    replaced_by = frozenset({"Bucket"})

    def create(self, context: Context, properties: Properties) -> Resource:
        bucket = properties.require("Bucket")
        context.call("s3", "PutBucketPolicy", Bucket=bucket, Policy=json.dumps(properties.require("PolicyDocument")))
        return Resource(bucket)

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        return self.create(context, properties)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        try:
            context.call("s3", "DeleteBucketPolicy", Bucket=properties["Bucket"])
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchBucket":
                raise
