"""Who speaks to whom at the console: its load balancer, and the task behind it."""

from __future__ import annotations

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from infra.deployment import Deployment
from infra.nag import acknowledge
from infra.settings import Console, Postgres

PORT = 8080
"""The container's."""
HTTP, HTTPS = 80, 443
_ANYWHERE = "0.0.0.0/0"


class ConsoleGroups(Construct):
    """Two security groups: from the settings' addresses to the load balancer, from there to the task, and no further.

    They stand with the network, as the warehouse and the endpoints name them.

    Attributes:
        balancer: that of the load balancer.
        task: that of the console itself.

    Args:
        scope, id: as for every construct.
        deployment: what it is made from; its settings have a ``console``.
        vpc: where.

    Example::

        ConsoleGroups(self, "Console", deployment, vpc=vpc)
    """

    def __init__(self, scope: Construct, id: str, deployment: Deployment, *, vpc: ec2.IVpc) -> None:
        super().__init__(scope, id)
        settings = deployment.settings.console
        assert settings is not None  # who makes this has looked
        self.balancer = self._group("Balancer", vpc, "The load balancer before the console")
        self.task = self._group("Task", vpc, "The console")
        self._let_in(settings)
        self.balancer.add_egress_rule(self.task, ec2.Port.tcp(PORT), "The console")
        self.task.add_ingress_rule(self.balancer, ec2.Port.tcp(PORT), "Its load balancer")
        # It asks the identity provider itself, whose addresses are public and its own.
        self.balancer.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(HTTPS), "The identity provider")
        self.task.add_egress_rule(
            ec2.Peer.any_ipv4(), ec2.Port.tcp(HTTPS), "S3, the endpoints, and the keys that the balancer signs with"
        )
        warehouse = deployment.settings.warehouse
        if isinstance(warehouse, Postgres):
            self.task.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(warehouse.port), "The Postgres next door")

    def _group(self, id: str, vpc: ec2.IVpc, description: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(self, id, vpc=vpc, description=description, allow_all_outbound=False)

    def _let_in(self, settings: Console) -> None:
        for address in settings.addresses:
            for port, what in ((HTTPS, "People"), (HTTP, "People, who are sent on to HTTPS")):
                self.balancer.add_ingress_rule(ec2.Peer.ipv4(address), ec2.Port.tcp(port), what)
        if _ANYWHERE in settings.addresses:
            reason = "The settings let everybody come to the door, where the identity provider asks who they are."
            acknowledge(self.balancer, {"AwsSolutions-EC23": reason})
