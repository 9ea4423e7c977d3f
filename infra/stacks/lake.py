"""The lake: the key, the buckets, the catalog's tables and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_glue as glue
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from infra.constructs.contract_table import ContractTable
from infra.constructs.data_bucket import DataBucket
from infra.constructs.data_quality import DataQuality
from infra.constructs.lake_formation import LakeFormation
from infra.deployment import Deployment, IngotStack
from infra.settings import Settings
from ingot.naming import LANDING
from ingot.sources import Source

ACCESS_LOG_DAYS = 90


def _landing(settings: Settings, sources: Mapping[str, Source]) -> dict[str, int]:
    """How long what landed is kept: its records are in Bronze as they were."""
    streams = settings.event_streams
    lands = any(source.lands for source in sources.values())
    return {LANDING: streams.landing_days} if lands and streams and streams.landing_days else {}


class LakeStack(IngotStack):
    """Where data is kept, what it is and must be, and who reads it.

    Attributes:
        key: encrypts all that Ingot stores.
        access_logs: receives the server access logs of all other buckets.

    Args:
        scope: the app.
        deployment: what it is made from.
        sources: every stream of theirs gets a table and a ruleset, and LF-tags where the settings say so.
    """

    def __init__(self, scope: cdk.App, deployment: Deployment, sources: Mapping[str, Source]) -> None:
        super().__init__(scope, "lake", deployment, description="Ingot: the lake's key, its buckets and its catalog")
        settings, names = deployment.settings, deployment.names
        self.key = kms.Key(
            self,
            "Key",
            alias=f"ingot-{names.environment}",
            description=f"Ingot {names.environment}: everything stored",
            enable_key_rotation=True,
            removal_policy=deployment.removal_policy,
        )
        self._let_logs_use_the_key(names.environment)
        self.access_logs = self._access_logs(deployment)
        buckets = {
            purpose: DataBucket(
                self,
                purpose.capitalize(),
                deployment,
                bucket_name=bucket_name,
                key=self.key,
                access_logs=self.access_logs,
                tiered=purpose != "artifacts",
                lock=settings.object_lock if purpose == "bronze" else None,
                expire_below=_landing(settings, sources) if purpose == "bronze" else {},
                tells=purpose == "bronze" and settings.landing_window_seconds is not None,
            ).bucket
            for purpose, bucket_name in deployment.lake_buckets.items()
        }
        database = self._database(deployment)
        tables = {
            source.name: {
                stream.name: ContractTable(
                    self,
                    f"{source.name}-{stream.name}",
                    stream=stream,
                    database=database,
                    bucket=buckets["lake"],
                )
                for stream in source.streams.values()
            }
            for source in sources.values()
        }
        for source in sources.values():
            for stream in source.streams.values():
                table = tables[source.name][stream.name]
                DataQuality(table, "Quality", deployment, stream=stream, table=table)
        if settings.lake_formation:
            LakeFormation(
                self,
                "LakeFormation",
                deployment,
                bucket=buckets["lake"],
                key=self.key,
                database=database,
                sources=sources,
                tables=tables,
            )

    def _database(self, deployment: Deployment) -> glue.CfnDatabase:
        """The catalog's database. With Lake Formation, tables that are made in it are open to nobody at first."""
        database = glue.CfnDatabase(
            self,
            "Database",
            catalog_id=cdk.Aws.ACCOUNT_ID,
            database_input=glue.CfnDatabase.DatabaseInputProperty(
                name=deployment.names.glue_database,
                description="Typed records as the sources sent them, by ingest date",
            ),
        )
        if deployment.settings.lake_formation:
            database.add_property_override("DatabaseInput.CreateTableDefaultPermissions", [])
        return database

    def _access_logs(self, deployment: Deployment) -> s3.Bucket:
        """The bucket of access logs. S3 delivers them only under its own key, not under one of KMS's
        (https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html)."""
        bucket = s3.Bucket(
            self,
            "AccessLogs",
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            versioned=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            removal_policy=deployment.removal_policy,
            auto_delete_objects=deployment.delete_data,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="expire",
                    expiration=cdk.Duration.days(ACCESS_LOG_DAYS),
                    noncurrent_version_expiration=cdk.Duration.days(1),
                )
            ],
        )
        bucket.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("logging.s3.amazonaws.com")],
                actions=["s3:PutObject"],
                resources=[bucket.arn_for_objects("*")],
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )
        return bucket

    def _let_logs_use_the_key(self, environment: str) -> None:
        """CloudWatch Logs encrypts the jobs' log groups in its own name, so the key itself must allow it."""
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal(f"logs.{self.region}.amazonaws.com")],
                actions=[
                    "kms:Encrypt",
                    "kms:Decrypt",
                    "kms:ReEncrypt*",
                    "kms:GenerateDataKey*",
                    "kms:Describe*",
                ],
                resources=["*"],
                conditions={
                    "ArnLike": {
                        "kms:EncryptionContext:aws:logs:arn": self.format_arn(
                            service="logs",
                            resource="log-group",
                            resource_name=f"/aws-glue/jobs/ingot-{environment}/*",
                            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
                        )
                    }
                },
            )
        )
