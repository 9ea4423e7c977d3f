"""One deployment of Ingot: the settings, the names and the folders that every stack is made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_logs as logs

from infra.settings import Settings
from ingot.naming import Names


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What a stack is told.

    Attributes:
        settings: of the environment.
        names: in the account and the region.
        root: the checkout that is deployed.
        build: a folder for what is built on the way (the wheel, the DAG bundle).
        allow_data_deletion: the second key, from the command line.
    """

    settings: Settings
    names: Names
    root: Path
    build: Path
    allow_data_deletion: bool = False

    @property
    def delete_data(self) -> bool:
        """Whether data goes with its stack: it takes the settings and the command line to say so."""
        return self.allow_data_deletion and not self.settings.protect_data

    @property
    def removal_policy(self) -> cdk.RemovalPolicy:
        """For everything that holds data or is needed to read it."""
        return cdk.RemovalPolicy.DESTROY if self.delete_data else cdk.RemovalPolicy.RETAIN

    @property
    def lake_buckets(self) -> dict[str, str]:
        """Purpose → name of the buckets that hold data and what jobs read."""
        names = self.names
        return {"bronze": names.bronze_bucket, "lake": names.lake_bucket, "artifacts": names.artifacts_bucket}

    @property
    def log_retention(self) -> logs.RetentionDays:
        """How long logs are kept, as the CDK calls it."""
        return LOG_RETENTION[self.settings.log_retention_days]


LOG_RETENTION = {
    7: logs.RetentionDays.ONE_WEEK,
    30: logs.RetentionDays.ONE_MONTH,
    90: logs.RetentionDays.THREE_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
}
"""Days → what the CDK calls them."""


class IngotStack(cdk.Stack):
    """A stack of one deployment: ``ingot-{environment}-{purpose}``.

    Args:
        scope: the app.
        purpose: the last part of its name.
        deployment: what it is made from.
        description: a sentence for the console.
    """

    def __init__(self, scope: cdk.App, purpose: str, deployment: Deployment, *, description: str) -> None:
        settings, names = deployment.settings, deployment.names
        account = None if cdk.Token.is_unresolved(names.account) else names.account
        super().__init__(
            scope,
            f"ingot-{settings.environment}-{purpose}",
            env=cdk.Environment(account=account, region=names.region),
            description=description,
            synthesizer=_synthesizer(settings),
            termination_protection=settings.protect_data,
            tags={"project": "ingot", "environment": settings.environment},
        )


def _synthesizer(settings: Settings) -> cdk.StackSynthesizer:
    if settings.synthesizer == "cli-credentials":
        return cdk.CliCredentialsStackSynthesizer()
    return cdk.DefaultStackSynthesizer()
