"""How a Glue job gets into the network, and what its role needs for that."""

from __future__ import annotations

from collections.abc import Iterable

import aws_cdk as cdk
from aws_cdk import aws_glue as glue
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.constructs.network import PrivateNetwork
from infra.nag import acknowledge, wildcard_resource
from ingot.naming import Names

_TAG = "aws-glue-service-resource"
"""What Glue tags its network interfaces with:
https://docs.aws.amazon.com/glue/latest/dg/create-service-policy.html"""


class GlueConnection(Construct):
    """A connection of type NETWORK into the first private subnet. It holds no address and no password.

    Attributes:
        name: the connection's.

    Args:
        scope, id: as for every construct.
        names: of the deployment.
        network: which.

    Example::

        GlueConnection(self, "Connection", names=names, network=network)
    """

    def __init__(self, scope: Construct, id: str, *, names: Names, network: PrivateNetwork) -> None:
        super().__init__(scope, id)
        self.name = f"ingot-{names.environment}-network"
        self._network = network
        subnet = network.subnets[0]  # a connection has one
        connection = glue.CfnConnection(
            self,
            "Connection",
            catalog_id=cdk.Aws.ACCOUNT_ID,
            connection_input=glue.CfnConnection.ConnectionInputProperty(
                name=self.name,
                connection_type="NETWORK",
                description="Jobs that reach the warehouse",
                physical_connection_requirements=glue.CfnConnection.PhysicalConnectionRequirementsProperty(
                    availability_zone=subnet.availability_zone,
                    subnet_id=subnet.subnet_id,
                    security_group_id_list=[network.clients.security_group_id],
                ),
            ),
        )
        acknowledge(connection, {"CloudFormation-Validate::W3010": "The zone is that of the subnet that it names."})

    def statements(self) -> Iterable[iam.PolicyStatement]:
        """What the role of a job with this connection needs: Glue makes a network interface a worker as that role."""
        vpc = {"ec2:Vpc": self._ec2("vpc", self._network.vpc.vpc_id)}
        yield iam.PolicyStatement(
            sid="Connection",
            actions=["glue:GetConnection"],
            resources=[self._arn("glue", "catalog"), self._arn("glue", "connection", self.name)],
        )
        yield iam.PolicyStatement(
            sid="LookAround",
            actions=[
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeRouteTables",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSubnets",
                "ec2:DescribeVpcAttribute",
                "ec2:DescribeVpcEndpoints",
            ],
            resources=["*"],
        )
        yield iam.PolicyStatement(
            sid="Enter",
            actions=["ec2:CreateNetworkInterface"],
            resources=[
                self._interfaces(),
                self._ec2("subnet", self._network.subnets[0].subnet_id),
                self._ec2("security-group", self._network.clients.security_group_id),
            ],
        )
        yield iam.PolicyStatement(
            sid="Tag",
            actions=["ec2:CreateTags", "ec2:DeleteTags"],
            resources=[self._interfaces()],
            conditions={"ForAllValues:StringEquals": {"aws:TagKeys": [_TAG]}, "ArnEquals": vpc},
        )
        yield iam.PolicyStatement(
            sid="Leave",
            actions=["ec2:DeleteNetworkInterface"],
            resources=[self._interfaces()],
            conditions={"ArnEquals": vpc},
        )

    def reasons(self) -> dict[str, str]:
        """Why these rights have wildcards, by cdk-nag's findings."""
        return {
            "AwsSolutions-IAM5[Resource::*]": "EC2's Describe actions, with which Glue finds the connection's subnet "
            "and the way to S3, take no resource.",
            wildcard_resource(self, self._interfaces()): "Glue's network interfaces have ids that only the run knows; "
            "they are made in one subnet with one security group, and deleted in one VPC.",
        }

    def _interfaces(self) -> str:
        return self._ec2("network-interface", "*")

    def _ec2(self, resource: str, name: str) -> str:
        return self._arn("ec2", resource, name)

    def _arn(self, service: str, resource: str, name: str | None = None) -> str:
        return cdk.Stack.of(self).format_arn(service=service, resource=resource, resource_name=name)
