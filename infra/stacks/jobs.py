"""The jobs: what they run, a Glue job a source and step or operation, and where they log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager

from infra.constructs.network import PrivateNetwork
from infra.constructs.network_connection import GlueConnection
from infra.constructs.step_job import Platform, StepJob
from infra.constructs.uploads import Upload
from infra.deployment import Deployment, IngotStack
from infra.files import RECORDED
from infra.job_code import build_code
from infra.nag import acknowledge
from ingot.cost import STEP_WORKER
from ingot.metrics import metrics_namespace
from ingot.naming import JOBS
from ingot.sources import Source


class JobsStack(IngotStack):
    """The Glue jobs of every source.

    Args:
        scope: the app.
        deployment: what it is made from.
        sources: each gets a job a step and operation, and a secret if it asks for credentials.
        key: the lake's.
        warehouse: the secret.
        warehouse_rights: what a job may do that reaches the warehouse, besides reading the secret.
        network: where these run if the warehouse is inside; None: outside of any, as all others.
    """

    def __init__(
        self,
        scope: cdk.App,
        deployment: Deployment,
        sources: Mapping[str, Source],
        *,
        key: kms.IKey,
        warehouse: secretsmanager.ISecret,
        warehouse_rights: Sequence[iam.PolicyStatement] = (),
        network: PrivateNetwork | None = None,
    ) -> None:
        super().__init__(scope, "jobs", deployment, description="Ingot: Glue jobs and what they run")
        environment, names = deployment.settings.environment, deployment.names
        # Found by their names, which are fixed: so the stacks can change independently.
        buckets = {
            purpose: s3.Bucket.from_bucket_attributes(
                self, purpose.capitalize(), bucket_name=bucket_name, encryption_key=key
            )
            for purpose, bucket_name in deployment.lake_buckets.items()
        }
        code = build_code(deployment.build / "code", deployment.root)
        uploads = [
            Upload(self, "Code", deployment, folder=code.archive, bucket=buckets["artifacts"], mirror=False),
            Upload(
                self,
                "Sources",
                deployment,
                folder=deployment.root / "sources",
                bucket=buckets["artifacts"],
                prefix="sources",
                without=[RECORDED],
            ),
        ]
        log_prefix = f"/aws-glue/jobs/ingot-{environment}"
        watched = deployment.settings.observability
        platform = Platform(
            names=names,
            buckets=buckets,
            key=key,
            warehouse=warehouse,
            warehouse_rights=warehouse_rights,
            connection=GlueConnection(self, "Connection", names=names, network=network)
            if network and deployment.settings.warehouse.inside
            else None,
            code=code,
            log_prefix=log_prefix,
            metrics_namespace=metrics_namespace(environment) if watched else None,
            tracing=watched is not None and watched.tracing,
            lineage=deployment.settings.lineage,
            # Glue writes a script's own output to the first, Spark's to the second.
            log_groups=tuple(
                logs.LogGroup(
                    self,
                    f"Log-{kind}",
                    log_group_name=f"{log_prefix}/{kind}",
                    encryption_key=key,
                    retention=deployment.log_retention,
                    removal_policy=deployment.removal_policy,
                )
                for kind in ("output", "error")
            ),
        )
        for name, source in sources.items():
            secret = self._secret(name, deployment, key) if source.auth is not None else None
            for step in JOBS:
                job = StepJob(
                    self,
                    f"{name}-{step}",
                    platform=platform,
                    source=name,
                    step=step,
                    secret=secret,
                    lands=source.lands,
                    workers=_workers(source, step),
                )
                job.node.add_dependency(*uploads)  # a job never points at code that is not there yet

    def _secret(self, source: str, deployment: Deployment, key: kms.IKey) -> secretsmanager.CfnSecret:
        """Where a source's credentials belong. It is made without a value, which only the source can give.

        A deployment never changes what a person put in: there is no value in the template to go back to.
        """
        secret = secretsmanager.CfnSecret(
            self,
            f"{source}-secret",
            name=deployment.names.source_secret(source),
            description=f"What the source {source} asks for: a JSON object, see auth in its source.yaml",
            kms_key_id=key.key_arn,
        )
        secret.apply_removal_policy(deployment.removal_policy)
        acknowledge(
            secret,
            {"AwsSolutions-SMG4": "The source gives out its credentials; nothing here could make it take new ones."},
        )
        return secret


def _workers(source: Source, step: str) -> int:
    """More than the least only where Spark shares out the work: one process has no use for another machine."""
    return source.refine_workers or STEP_WORKER.count if step == "refine" else STEP_WORKER.count
