"""A VPC without a way in: private subnets, endpoints for the services that are used inside, flow logs."""

from __future__ import annotations

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.constructs.console_groups import ConsoleGroups
from infra.constructs.log_group import EncryptedLogGroup
from infra.deployment import Deployment
from infra.nag import acknowledge
from infra.settings import Aurora, Network, Postgres, Redshift

ENDPOINTS = ("secretsmanager", "logs", "glue", "kms", "sts", "monitoring")
"""What a job inside speaks to besides S3: its secret, its logs, Glue itself, keys, its role, its metrics."""
IMAGE_ENDPOINTS = ("ecr.api", "ecr.dkr")
"""What Fargate pulls an image through where there is no way to the internet; its layers come from S3."""
HTTPS = 443
_MOST_ZONES = 3
_BALANCER = ec2.SubnetConfiguration(
    name="Balancer",
    subnet_type=ec2.SubnetType.PUBLIC,
    # The least that a load balancer has room to grow in:
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html#subnets-load-balancer
    cidr_mask=27,
    map_public_ip_on_launch=False,
)
MWAA_ENDPOINTS = ("sqs",)
"""What Airflow's workers speak to besides: https://docs.aws.amazon.com/mwaa/latest/userguide/vpc-vpe-create-access.html"""


class PrivateNetwork(Construct):
    """The network of the warehouse, and of what reaches it.

    Nothing outside can open a connection to the inside. From the inside S3 is reached through a gateway endpoint
    and the services of :data:`ENDPOINTS` through interface endpoints; the internet only if the settings say
    ``nat``.

    Attributes:
        vpc: the VPC.
        subnets: the private subnets, one a zone.
        balancer_subnets: those that the console's load balancer stands in; none without a console.
        clients: the security group of what speaks to the warehouse: jobs, dbt, the rotation of its secret.
        airflow: the security group of Airflow; None: the settings have no ``mwaa``.
        console: the security groups of the console; None: the settings have no ``console``.
        warehouse: the security group of the warehouse, which takes connections from ``clients``, ``airflow`` and the
            console's task, and from no other; None: it is not one of ours.

    Args:
        scope, id: as for every construct.
        deployment: what it is made from.
        settings: see :class:`infra.settings.Network`.
        key: encrypts the flow logs.

    Example::

        PrivateNetwork(self, "Network", deployment, settings=Network(zones=["a", "b"]), key=lake.key)
    """

    def __init__(self, scope: Construct, id: str, deployment: Deployment, *, settings: Network, key: kms.IKey) -> None:
        super().__init__(scope, id)
        warehouse = deployment.settings.warehouse
        private = ec2.SubnetType.PRIVATE_WITH_EGRESS if settings.nat else ec2.SubnetType.PRIVATE_ISOLATED
        public_console = deployment.settings.console and not deployment.settings.console.internal
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            vpc_name=f"ingot-{deployment.names.environment}",
            ip_addresses=ec2.IpAddresses.cidr(settings.cidr),
            # Named and not looked up: a template is the same whoever synthesises it, and wherever.
            availability_zones=[f"{deployment.names.region}{zone}" for zone in settings.zones],
            # A zone that is added, or NAT, finds its addresses free: no subnet is ever renumbered.
            reserved_azs=_MOST_ZONES - len(settings.zones),
            nat_gateways=1 if settings.nat else 0,
            subnet_configuration=[
                ec2.SubnetConfiguration(name="Private", subnet_type=private),
                ec2.SubnetConfiguration(
                    name="Public",
                    subnet_type=ec2.SubnetType.PUBLIC,
                    cidr_mask=28,
                    map_public_ip_on_launch=False,
                    reserved=not settings.nat,
                ),
                *([_BALANCER] if public_console else []),
            ],
            nat_gateway_subnets=ec2.SubnetSelection(subnet_group_name="Public") if settings.nat else None,
            gateway_endpoints={
                "S3": ec2.GatewayVpcEndpointOptions(
                    service=ec2.GatewayVpcEndpointAwsService.S3, subnets=[ec2.SubnetSelection(subnet_type=private)]
                )
            },
        )
        self.subnets = self.vpc.select_subnets(subnet_type=private).subnets
        self.balancer_subnets = self._balancer_subnets(deployment)
        for subnet in (*self.subnets, *self.vpc.public_subnets):
            reason = "The settings name the zones, so that a subnet stays where it is and nothing asks the account."
            acknowledge(subnet, {"CloudFormation-Validate::W3010": reason})
        self._log_flows(deployment, key)
        self.clients = self._group("Clients", "What speaks to the warehouse: jobs, dbt, the rotation")
        self.airflow = self._airflow_group() if deployment.settings.mwaa else None
        self.console = ConsoleGroups(self, "Console", deployment, vpc=self.vpc) if deployment.settings.console else None
        self._let_clients_speak(deployment)
        self.warehouse = None if isinstance(warehouse, Postgres) else self._warehouse_group(warehouse)
        self._add_endpoints(settings, deployment)
        if isinstance(warehouse, Aurora):
            # A cluster that is kept stands in them: its network cannot go before it.
            for kept in (self.vpc, self.warehouse, *self.subnets):
                kept.node.default_child.apply_removal_policy(deployment.removal_policy)

    def _balancer_subnets(self, deployment: Deployment) -> list[ec2.ISubnet]:
        console = deployment.settings.console
        if console is None:
            return []
        return self.subnets if console.internal else self.vpc.select_subnets(subnet_group_name="Balancer").subnets

    def _group(self, id: str, description: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(self, id, vpc=self.vpc, description=description, allow_all_outbound=False)

    def _let_clients_speak(self, deployment: Deployment) -> None:
        # Glue demands it of the security group of its workers, which speak to each other on any port:
        # https://docs.aws.amazon.com/glue/latest/dg/setup-vpc-for-glue-access.html
        self.clients.add_ingress_rule(self.clients, ec2.Port.all_tcp(), "Workers of one job, among themselves")
        self.clients.add_egress_rule(self.clients, ec2.Port.all_tcp(), "Workers of one job, among themselves")
        # S3's addresses are public ones, though the gateway endpoint is the only route to them.
        self.clients.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(HTTPS), "S3 and the interface endpoints")
        warehouse = deployment.settings.warehouse
        if isinstance(warehouse, Postgres) and (warehouse.private or deployment.settings.dbt_task):
            self.clients.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(warehouse.port), "The Postgres next door")

    def _airflow_group(self) -> ec2.SecurityGroup:
        # MWAA demands both rules: https://docs.aws.amazon.com/mwaa/latest/userguide/networking-about.html
        group = ec2.SecurityGroup(
            self, "Airflow", vpc=self.vpc, description="Airflow: workers, scheduler, database and web server"
        )
        group.add_ingress_rule(group, ec2.Port.all_traffic(), "Parts of Airflow, among themselves")
        return group

    def _warehouse_group(self, warehouse: Aurora | Redshift) -> ec2.SecurityGroup:
        group, port = self._group("Warehouse", "The warehouse"), ec2.Port.tcp(warehouse.port)
        group.add_ingress_rule(self.clients, port, "What speaks to the warehouse")
        if self.airflow:
            group.add_ingress_rule(self.airflow, port, "dbt in workers of Airflow")
        self.clients.add_egress_rule(group, port, "The warehouse")
        if self.console:
            group.add_ingress_rule(self.console.task, port, "The console")
            self.console.task.add_egress_rule(group, port, "The warehouse")
        if isinstance(warehouse, Redshift):  # what COPY reads takes this way too: enhanced VPC routing
            group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(HTTPS), "S3")
        return group

    def _add_endpoints(self, settings: Network, deployment: Deployment) -> None:
        group = self._group("Endpoints", "The interface endpoints")
        group.add_ingress_rule(self.clients, ec2.Port.tcp(HTTPS), "What speaks to the warehouse")
        if self.airflow:
            group.add_ingress_rule(self.airflow, ec2.Port.tcp(HTTPS), "Airflow")
        if self.console:
            group.add_ingress_rule(self.console.task, ec2.Port.tcp(HTTPS), "The console")
        data_api = (
            ("redshift-data", "redshift-serverless") if deployment.settings.warehouse.engine == "redshift" else ()
        )
        airflow = MWAA_ENDPOINTS if self.airflow else ()
        images = IMAGE_ENDPOINTS if deployment.settings.dbt_task and not settings.nat else ()
        for service in sorted({*ENDPOINTS, *data_api, *airflow, *images, *settings.endpoints}):
            self.vpc.add_interface_endpoint(
                f"Endpoint-{service}",
                service=ec2.InterfaceVpcEndpointAwsService(service),
                subnets=ec2.SubnetSelection(subnets=self.subnets),
                security_groups=[group],
                open=False,  # else: to all that is inside
            )

    def _log_flows(self, deployment: Deployment, key: kms.IKey) -> None:
        name = f"/ingot/{deployment.names.environment}/network"
        group = EncryptedLogGroup(self, "FlowLog", deployment, name=name, key=key).group
        role = iam.Role(
            self,
            "FlowLogRole",
            assumed_by=iam.ServicePrincipal("vpc-flow-logs.amazonaws.com"),
            description="Writes the network's flow logs",
        )
        self.vpc.add_flow_log("Flows", destination=ec2.FlowLogDestination.to_cloud_watch_logs(group, role))
