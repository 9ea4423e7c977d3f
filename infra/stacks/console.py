"""The console for a team: the service, and the load balancer that asks who somebody is."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager

from infra.constructs.console_balancer import ConsoleBalancer
from infra.constructs.console_service import ConsoleService
from infra.constructs.network import PrivateNetwork
from infra.deployment import Deployment, IngotStack
from infra.settings import Console
from ingot.sources import Source


class ConsoleStack(IngotStack):
    """The console, if the settings have one.

    Attributes:
        balancer: the load balancer.
        service: the service behind it.
        measured: label of the catalogue's metrics → what CloudWatch calls it.

    Args:
        scope: the app.
        deployment: what it is made from.
        settings: see :class:`infra.settings.Console`.
        sources: which it shows.
        key: the lake's.
        access_logs: receives those of the load balancer.
        network: where it stands.
        warehouse, reader: the secrets of the warehouse's owner, and of who may read only.
    """

    def __init__(
        self,
        scope: cdk.Stage,
        deployment: Deployment,
        settings: Console,
        sources: Mapping[str, Source],
        *,
        key: kms.IKey,
        access_logs: s3.IBucket,
        network: PrivateNetwork,
        warehouse: secretsmanager.ISecret,
        reader: secretsmanager.ISecret,
    ) -> None:
        super().__init__(scope, "console", deployment, description="Ingot: the console, and who is let in")
        self.balancer = ConsoleBalancer(
            self, "Balancer", deployment, settings=settings, network=network, access_logs=access_logs
        )
        self.service = ConsoleService(
            self,
            "Service",
            deployment,
            settings=settings,
            network=network,
            balancer=self.balancer,
            sources=sources,
            key=key,
            warehouse=warehouse,
            reader=reader,
        )
        self.measured = {
            "load_balancer": self.balancer.balancer.attr_load_balancer_full_name,
            "target_group": self.balancer.targets.attr_target_group_full_name,
        }
        cdk.CfnOutput(
            self,
            "Address",
            value=self.balancer.balancer.attr_dns_name,
            description=f"{settings.domain} has to be an alias of it",
        )
