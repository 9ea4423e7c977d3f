"""What deploys: the pipeline in AWS, and the roles of the workflows on GitHub."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3

from infra.constructs.delivery_pipeline import ARTIFACT_DAYS, DeliveryPipeline
from infra.constructs.github_oidc import DEPLOY_ROLES, GitHubOidcProvider, GitHubRole, assume_bootstrap_roles
from infra.constructs.smoke_test import start_reasons, start_rights
from infra.delivery.settings import Delivery
from infra.deployment import LOG_RETENTION
from infra.nag import acknowledge
from ingot.naming import Names

PREFIX = "ingot-delivery"
LOG = "/ingot/delivery/builds"


class PipelineStack(cdk.Stack):
    """The pipeline, with its key, its artifacts and its logs: ``ingot-delivery-pipeline``.

    Args:
        scope: the app.
        delivery: the settings; they have a ``pipeline``.
        names: environment → its names.
        env: where it is.
    """

    def __init__(
        self,
        scope: cdk.App,
        delivery: Delivery,
        *,
        names: Mapping[str, Names],
        env: cdk.Environment,
    ) -> None:
        super().__init__(
            scope,
            f"{PREFIX}-pipeline",
            env=env,
            description="Ingot: the pipeline that deploys the environments",
            termination_protection=True,
            tags={"project": "ingot"},
        )
        assert delivery.pipeline is not None
        key = kms.Key(
            self,
            "Key",
            alias="alias/ingot-delivery",
            description="What builds hand over, and their logs",
            enable_key_rotation=True,
        )
        DeliveryPipeline(
            self,
            "Delivery",
            name="ingot-delivery",
            settings=delivery.pipeline,
            repository=delivery.repository,
            branch=delivery.branch,
            key=key,
            artifacts=self._artifacts(key),
            log=self._log(delivery, key),
            names={stage.environment: names[stage.environment] for stage in delivery.pipeline.stages},
        )

    def _artifacts(self, key: kms.IKey) -> s3.IBucket:
        """What steps hand over, and who asked for it. It can be made again from the commit."""
        expire = s3.LifecycleRule(
            id="expire",
            expiration=cdk.Duration.days(ARTIFACT_DAYS),
            noncurrent_version_expiration=cdk.Duration.days(ARTIFACT_DAYS),
            abort_incomplete_multipart_upload_after=cdk.Duration.days(7),
        )
        shared = {
            "enforce_ssl": True,
            "versioned": True,
            "block_public_access": s3.BlockPublicAccess.BLOCK_ALL,
            "object_ownership": s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            "removal_policy": cdk.RemovalPolicy.RETAIN,
        }
        access_logs = s3.Bucket(
            self,
            "AccessLogs",
            encryption=s3.BucketEncryption.S3_MANAGED,  # the only one that S3 delivers access logs under
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="expire", expiration=cdk.Duration.days(365), noncurrent_version_expiration=cdk.Duration.days(7)
                )
            ],
            **shared,
        )
        reason = {
            "AwsSolutions-S1": "It is where the other's requests are logged; its own would be logged without end."
        }
        acknowledge(access_logs, reason)
        return s3.Bucket(
            self,
            "Artifacts",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            server_access_logs_bucket=access_logs,
            server_access_logs_prefix="artifacts/",
            lifecycle_rules=[expire],
            **shared,
        )

    def _log(self, delivery: Delivery, key: kms.Key) -> logs.ILogGroup:
        arn = self.format_arn(
            service="logs", resource="log-group", resource_name=LOG, arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
        )
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
        key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal(f"logs.{self.region}.amazonaws.com")],
                actions=["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
                resources=["*"],
                conditions={"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": arn}},
            )
        )
        return logs.LogGroup(
            self,
            "Log",
            log_group_name=LOG,
            encryption_key=key,
            retention=LOG_RETENTION[delivery.log_retention_days],
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )


class GitHubStack(cdk.Stack):
    """GitHub's OIDC provider and a role a kind of workflow: ``ingot-delivery-github``.

    ``…-diff`` reads what is deployed, for pull requests; ``…-{environment}`` deploys one environment and starts its
    smoke test. Neither has rights of its own on anything that is deployed: they take the roles of `cdk bootstrap`.

    Args:
        scope: the app.
        delivery: the settings; they have a ``github``.
        names: environment → its names.
        env: where the roles are.
    """

    def __init__(self, scope: cdk.App, delivery: Delivery, *, names: Mapping[str, Names], env: cdk.Environment) -> None:
        super().__init__(
            scope,
            f"{PREFIX}-github",
            env=env,
            description="Ingot: the roles of the workflows on GitHub",
            termination_protection=True,
            tags={"project": "ingot"},
        )
        assert delivery.github is not None
        provider = GitHubOidcProvider(self, "Provider", arn=delivery.github.provider)
        deployed = [names[environment] for environment in delivery.github.environments]
        GitHubRole(
            self,
            "diff",
            name=f"{PREFIX}-github-diff",
            description="Compares pull requests with what is deployed",
            provider=provider,
            repository=delivery.repository,
            subject="pull_request",
            statements=[
                assume_bootstrap_roles(["lookup"], account=account, region=region)
                for account, region in dict.fromkeys((each.account, each.region) for each in deployed)
            ],
        )
        for each in deployed:
            rights = [assume_bootstrap_roles(DEPLOY_ROLES, account=each.account, region=each.region)]
            # A project of another account is that account's to start.
            tested = each.account == self.account
            role = GitHubRole(
                self,
                each.environment,
                name=f"{PREFIX}-github-{each.environment}",
                description=f"Deploys {each.environment}",
                provider=provider,
                repository=delivery.repository,
                subject=f"environment:{each.environment}",
                statements=[*rights, *(start_rights(each) if tested else ())],
            ).role
            if tested:
                acknowledge(role, start_reasons(self, each))
