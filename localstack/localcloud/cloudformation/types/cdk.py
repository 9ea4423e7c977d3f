"""The CDK's own types: metadata, and the custom resources that its Lambda functions handle in an account.

`Custom::CDKBucketDeployment` and `Custom::S3AutoDeleteObjects` do here what the CDK's handlers do there.
"""

from __future__ import annotations

import fnmatch
import hashlib
import io
import json
import mimetypes
import zipfile
from collections.abc import Iterator
from typing import Any

from localcloud.clients import client
from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, register

OWNER_TAG = "aws-cdk:cr-owned"
AUTO_DELETE_TAG = "aws-cdk:auto-delete-objects"


@register
class Metadata(ResourceType):
    """What the CDK reports about its constructs: nothing is created for it in an account either."""

    name = "AWS::CDK::Metadata"

    def create(self, context: Context, properties: Properties) -> Resource:
        properties.rest()
        return Resource(context.name())

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        properties.rest()
        return Resource(physical_id)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        return None


@register
class BucketDeployment(ResourceType):
    """Put the files of assets under a prefix of a bucket, with deploy-time values in the place of markers."""

    name = "Custom::CDKBucketDeployment"

    def create(self, context: Context, properties: Properties) -> Resource:
        return self._deploy(context, f"aws.cdk.s3deployment.{context.name()}", properties)

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        if not _flag(old.get("RetainOnDelete", True)):
            bucket, prefix = _destination(old)
            new_prefix = _join(properties.take("DestinationBucketKeyPrefix") or "", "")
            if (bucket, prefix) != (properties.require("DestinationBucketName"), new_prefix):
                _remove(context, bucket, prefix)
        return self._deploy(context, physical_id, properties)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        if _flag(properties.get("RetainOnDelete", True)):
            return
        bucket, prefix = _destination(properties)
        # The tag says that another deployment, the replacement of this one, owns the same place.
        owner = f"{OWNER_TAG}:{properties['DestinationBucketKeyPrefix']}" if prefix else OWNER_TAG
        if not any(key.startswith(owner) for key in _bucket_tags(context, bucket)):
            _remove(context, bucket, prefix)

    def _deploy(self, context: Context, physical_id: str, properties: Properties) -> Resource:
        properties.take("ServiceToken")
        properties.take("RetainOnDelete")
        properties.take("WaitForDistributionInvalidation")  # means nothing without a distribution
        properties.take("SignContent")
        bucket = properties.require("DestinationBucketName")
        prefix = _join(properties.take("DestinationBucketKeyPrefix") or "", "")
        files = dict(_files(context, properties))
        exclude, include = properties.take("Exclude") or [], properties.take("Include") or []
        files = {name: body for name, body in files.items() if _selected(name, exclude, include)}
        metadata = _metadata(properties)
        s3 = client("s3", context.region)
        there = {item["Key"]: item["ETag"].strip('"') for item in _list(context, bucket, prefix)}
        for name, body in files.items():
            # As `aws s3 sync`: what is there already is not written again (nor given another version).
            if metadata or there.get(prefix + name) != hashlib.md5(body, usedforsecurity=False).hexdigest():
                type_ = mimetypes.guess_type(name)[0] or "binary/octet-stream"
                s3.put_object(Bucket=bucket, Key=prefix + name, Body=body, **{"ContentType": type_, **metadata})
        if _flag(properties.take("Prune", True)):
            for key in there:
                name = key.removeprefix(prefix)
                if name not in files and _selected(name, exclude, include):
                    s3.delete_object(Bucket=bucket, Key=key)
        keys = properties.require("SourceObjectKeys")
        attributes = {
            "DestinationBucketArn": properties.take("DestinationBucketArn") or f"arn:aws:s3:::{bucket}",
            "SourceObjectKeys": keys if _flag(properties.take("OutputObjectKeys", True)) else [],
        }
        return Resource(physical_id, attributes)


def _flag(value: Any) -> bool:
    return str(value).lower() == "true"


def _join(prefix: str, name: str) -> str:
    folder = prefix.strip("/")
    return f"{folder}/{name}" if folder else name


def _destination(properties: dict[str, Any]) -> tuple[str, str]:
    return properties["DestinationBucketName"], _join(properties.get("DestinationBucketKeyPrefix") or "", "")


def _files(context: Context, properties: Properties) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file of the sources; a later source replaces an earlier one's file."""
    buckets, keys = properties.require("SourceBucketNames"), properties.require("SourceObjectKeys")
    markers = properties.take("SourceMarkers") or [{}] * len(keys)
    configs = properties.take("SourceMarkersConfig") or [{}] * len(keys)
    extract = _flag(properties.take("Extract", True))
    for bucket, key, values, config in zip(buckets, keys, markers, configs, strict=True):
        body = client("s3", context.region).get_object(Bucket=bucket, Key=key)["Body"].read()
        if not extract:
            yield key.rsplit("/", 1)[-1], body
            continue
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            for name in archive.namelist():
                if not name.endswith("/"):
                    yield name, _with_values(archive.read(name), values, _flag(config.get("jsonEscape", False)))


def _with_values(content: bytes, markers: dict[str, Any], escape: bool) -> bytes:
    for marker, value in markers.items():
        text = value if isinstance(value, str) else json.dumps(value)
        if escape and isinstance(value, str):
            text = json.dumps(value)[1:-1]  # its quotes are in the file already
        content = content.replace(marker.encode(), text.encode())
    return content


def _selected(name: str, exclude: list[str], include: list[str]) -> bool:
    """The AWS CLI's rule: all is in, then excludes apply, and then includes."""
    if any(fnmatch.fnmatchcase(name, pattern) for pattern in include):
        return True
    return not any(fnmatch.fnmatchcase(name, pattern) for pattern in exclude)


def _metadata(properties: Properties) -> dict[str, Any]:
    system = {
        "".join(part.capitalize() for part in name.split("-")): value
        for name, value in (properties.take("SystemMetadata") or {}).items()
    }
    user = {name.lower(): value for name, value in (properties.take("UserMetadata") or {}).items()}
    if "Sse" in system:
        system["ServerSideEncryption"] = system.pop("Sse")
    return {**system, **({"Metadata": user} if user else {})}


@register
class AutoDeleteObjects(ResourceType):
    """Empty a bucket before it is deleted, as long as it still carries the tag that allows it."""

    name = "Custom::S3AutoDeleteObjects"

    def create(self, context: Context, properties: Properties) -> Resource:
        properties.take("ServiceToken")
        return Resource(f"{properties.require('BucketName')}-auto-delete")

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        if properties.require("BucketName") != old["BucketName"]:
            self.delete(context, physical_id, old)
        return self.create(context, properties)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        bucket = properties["BucketName"]
        if _bucket_tags(context, bucket).get(AUTO_DELETE_TAG) != "true":
            return
        s3 = client("s3", context.region)
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            for version in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])


def _bucket_tags(context: Context, bucket: str) -> dict[str, str]:
    s3 = client("s3", context.region)
    try:
        tags = s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchTagSet", "NoSuchBucket"):
            return {}
        raise
    return {tag["Key"]: tag["Value"] for tag in tags}


def _list(context: Context, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    paginator = client("s3", context.region).get_paginator("list_objects_v2")
    for page in paginator.paginate(Bucket=bucket, Prefix=prefix):
        yield from page.get("Contents", [])


def _remove(context: Context, bucket: str, prefix: str) -> None:
    s3 = client("s3", context.region)
    for item in list(_list(context, bucket, prefix)):
        s3.delete_object(Bucket=bucket, Key=item["Key"])
