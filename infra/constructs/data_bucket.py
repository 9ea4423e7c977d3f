"""A bucket as every bucket of Ingot is: encrypted, versioned, TLS only, never public, logged."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.deployment import Deployment
from infra.settings import ObjectLock, StorageClass

_ABANDONED_UPLOAD_DAYS = 7


class DataBucket(Construct):
    """A bucket with the lake's key.

    Old versions of objects expire after the settings' ``noncurrent_version_days``, uploads that were never
    completed after a week. The bucket is retained when its stack goes, unless both keys allow deletion; one whose
    objects are locked is retained in any case, since nobody could empty it.

    With Object Lock every version is kept for the settings' days from its writing, whoever deletes it. A bucket has
    to be born with it: CloudFormation would make an existing one anew, which its fixed name forbids, and no bucket
    ever loses it. See https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html

    Args:
        scope, id: as for every construct.
        deployment: what it is made from.
        bucket_name: see ``ingot.naming``.
        key: encrypts every object.
        access_logs: the bucket that receives the server access logs, below the purpose's name.
        tiered: True: the settings' transitions to cheaper storage classes apply.
            @default False: all that is not raw or refined data is small and read often.
        lock: how objects are locked.
            @default None: versions can be deleted, and expire.
        expire_days: how long current objects are kept.
            @default None: for ever.
        expire_below: prefix → how many days what is below it is kept.
            @default none: as long as the rest.
        tells: True: EventBridge is told of each object that is put.
            @default False: nobody listens.

    Example::

        DataBucket(self, "Bronze", deployment, bucket_name=names.bronze_bucket, key=key, access_logs=logs)
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        bucket_name: str,
        key: kms.IKey,
        access_logs: s3.IBucket,
        tiered: bool = False,
        lock: ObjectLock | None = None,
        expire_days: int | None = None,
        expire_below: Mapping[str, int] = MappingProxyType({}),
        tells: bool = False,
    ) -> None:
        super().__init__(scope, id)
        settings = deployment.settings
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            bucket_name=bucket_name,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,  # one call to KMS for many objects
            enforce_ssl=True,
            versioned=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            object_lock_default_retention=_retention(lock) if lock else None,
            removal_policy=cdk.RemovalPolicy.RETAIN if lock else deployment.removal_policy,
            auto_delete_objects=deployment.delete_data and not lock,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="old-versions",
                    noncurrent_version_expiration=cdk.Duration.days(settings.noncurrent_version_days),
                    expired_object_delete_marker=True,
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(_ABANDONED_UPLOAD_DAYS),
                ),
                *(_transitions(settings.transitions) if tiered else ()),
                *(_expiration(expire_days) if expire_days else ()),
                *(
                    s3.LifecycleRule(
                        id=f"expire-{prefix.rstrip('/')}", prefix=prefix, expiration=cdk.Duration.days(days)
                    )
                    for prefix, days in expire_below.items()
                ),
            ],
        )
        # Said at the lower level: the higher one also opens the receiving bucket, and across stacks it does
        # so for everybody's logs. The lake stack opens it once, for this account's.
        resource = self.bucket.node.default_child
        assert isinstance(resource, s3.CfnBucket)
        resource.logging_configuration = s3.CfnBucket.LoggingConfigurationProperty(
            destination_bucket_name=access_logs.bucket_name, log_file_prefix=f"{id.lower()}/"
        )
        if tells:  # at the lower level, too: the higher one does it by a function of its own
            resource.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
                event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(event_bridge_enabled=True)
            )
        # Where data may be deleted, the receiving bucket is emptied and removed after all that log into it.
        self.bucket.node.add_dependency(access_logs)


def _transitions(days: Mapping[StorageClass, int]) -> list[s3.LifecycleRule]:
    if not days:
        return []
    return [
        s3.LifecycleRule(
            id="cheaper-with-age",
            transitions=[
                s3.Transition(storage_class=s3.StorageClass(storage_class), transition_after=cdk.Duration.days(age))
                for storage_class, age in days.items()
            ],
        )
    ]


def _expiration(days: int) -> list[s3.LifecycleRule]:
    return [s3.LifecycleRule(id="expire", expiration=cdk.Duration.days(days))]


def _retention(lock: ObjectLock) -> s3.ObjectLockRetention:
    days = cdk.Duration.days(lock.days)
    match lock.mode:
        case "GOVERNANCE":
            return s3.ObjectLockRetention.governance(days)
        case "COMPLIANCE":
            return s3.ObjectLockRetention.compliance(days)
