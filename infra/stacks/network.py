"""The network: where the warehouse is, and the jobs that reach it."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_kms as kms

from infra.constructs.network import PrivateNetwork
from infra.deployment import Deployment, IngotStack
from infra.settings import Network


class NetworkStack(IngotStack):
    """A VPC, if the settings have a ``network``.

    Attributes:
        network: the VPC, its subnets and its security groups.

    Args:
        scope: the app.
        deployment: what it is made from.
        settings: of the network.
        key: the lake's.
    """

    def __init__(self, scope: cdk.App, deployment: Deployment, settings: Network, *, key: kms.IKey) -> None:
        super().__init__(scope, "network", deployment, description="Ingot: the private network of the warehouse")
        self._zones = [f"{self.region}{zone}" for zone in settings.zones]
        self.network = PrivateNetwork(self, "Network", deployment, settings=settings, key=key)

    @property
    def availability_zones(self) -> list[str]:
        """Those of the settings: the CDK would ask the account, which nobody can offline."""
        return self._zones
