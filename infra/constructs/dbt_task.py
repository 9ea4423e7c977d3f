"""dbt as a container task on Fargate, for those who have no Airflow workers to spare."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.constructs.fargate import (
    SCRATCH,
    awslogs,
    container,
    container_image,
    execution_role,
    fargate_cluster,
    task_role,
)
from infra.constructs.log_group import EncryptedLogGroup
from infra.constructs.network import PrivateNetwork
from infra.dbt_image import build_context
from infra.deployment import Deployment
from infra.nag import wildcard_resource
from infra.settings import DbtTask

CONTAINER = "dbt"

# What dbt/profiles.yml reads → the member of the warehouse's secret.
_VARIABLES = {
    "INGOT_WAREHOUSE_HOST": "host",
    "INGOT_WAREHOUSE_PORT": "port",
    "INGOT_WAREHOUSE_USER": "username",
    "INGOT_WAREHOUSE_PASSWORD": "password",
    "INGOT_WAREHOUSE_DBNAME": "dbname",
}


class DbtBuild(Construct):
    """A cluster, and the task that builds silver and gold as ``ingot transform`` does.

    The container has no right to anything in AWS: ECS reads the warehouse's secret for it, member by member, and the
    log driver writes its lines. It runs in the private subnets as somebody who is not root, on a root that is
    read-only.

    Args:
        scope, id: as for every construct.
        deployment: what it is made from.
        settings: see :class:`infra.settings.DbtTask`.
        network: where it runs.
        key: the lake's.
        warehouse: the secret.
        salt: what masks are salted with; None: a warehouse on this machine asks for none.

    Attributes:
        cluster: the cluster's name.
        family: the task definition's name without a revision: what is run is the newest.
        log_group: the log group's name.
        task_role, execution_role: the container's, which has no rights, and that of ECS.

    Example::

        DbtBuild(self, "Dbt", deployment, settings=DbtTask(), network=network, key=lake.key, warehouse=secret,
                 salt=salt)
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        settings: DbtTask,
        network: PrivateNetwork,
        key: kms.IKey,
        warehouse: secretsmanager.ISecret,
        salt: secretsmanager.ISecret | None,
    ) -> None:
        super().__init__(scope, id)
        self._deployment, self._network = deployment, network
        self.settings = settings
        self.cluster, self.family = deployment.names.cluster, deployment.names.dbt_task
        self.log_group = f"/ingot/{deployment.names.environment}/dbt"
        log = EncryptedLogGroup(self, "Log", deployment, name=self.log_group, key=key).group
        context = build_context(deployment.build / "dbt-image", deployment.root) if settings.image is None else None
        image, pulling = container_image(self, settings.image, context)
        self.task_role = task_role(self, "TaskRole", "The container of dbt, which asks AWS for nothing")
        self.execution_role = execution_role(
            self,
            "Starts the container of dbt: its image, its secrets, its log",
            pulling=pulling,
            secrets=[secret for secret in (warehouse, salt) if secret],
            key=key,
            log=log,
        )
        fargate_cluster(self, name=self.cluster, key=key)
        definition = ecs.CfnTaskDefinition(
            self,
            "Definition",
            family=self.family,
            cpu=str(settings.cpu),
            memory=str(settings.memory_mib),
            network_mode="awsvpc",
            requires_compatibilities=["FARGATE"],
            runtime_platform=ecs.CfnTaskDefinition.RuntimePlatformProperty(
                cpu_architecture="X86_64", operating_system_family="LINUX"
            ),
            task_role_arn=self.task_role.role_arn,
            execution_role_arn=self.execution_role.role_arn,
            volumes=[ecs.CfnTaskDefinition.VolumeProperty(name=SCRATCH)],
            container_definitions=[self._container(image, warehouse, salt)],
        )
        definition.node.add_dependency(self.execution_role)

    def run_arguments(self) -> dict[str, Any]:
        """What ``ecs:runTask`` of a state machine is told."""
        return {
            "Cluster": self.cluster,
            "TaskDefinition": self.family,
            "LaunchType": "FARGATE",
            "NetworkConfiguration": {
                "AwsvpcConfiguration": {
                    "Subnets": [subnet.subnet_id for subnet in self._network.subnets],
                    "SecurityGroups": [self._network.clients.security_group_id],
                    "AssignPublicIp": "DISABLED",
                }
            },
        }

    def run_statements(self, scope: Construct) -> Iterable[iam.PolicyStatement]:
        """What a state machine needs to run it and to wait for its end.

        https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html
        """
        stack = cdk.Stack.of(scope)
        cluster = stack.format_arn(service="ecs", resource="cluster", resource_name=self.cluster)
        inside = {"ArnEquals": {"ecs:cluster": cluster}}
        yield iam.PolicyStatement(
            sid="RunDbt", actions=["ecs:RunTask"], resources=[self._definitions(scope)], conditions=inside
        )
        yield iam.PolicyStatement(
            sid="WatchDbt",
            actions=["ecs:DescribeTasks", "ecs:StopTask"],
            resources=[self._tasks(scope)],
            conditions=inside,
        )
        yield iam.PolicyStatement(
            sid="PassDbtRoles",
            actions=["iam:PassRole"],
            resources=[self.task_role.role_arn, self.execution_role.role_arn],
            conditions={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        )
        yield iam.PolicyStatement(
            sid="HearOfDbtsEnd",
            actions=["events:PutTargets", "events:PutRule", "events:DescribeRule"],
            resources=[
                stack.format_arn(
                    service="events", resource="rule", resource_name="StepFunctionsGetEventsForECSTaskRule"
                )
            ],
        )

    def run_reasons(self, scope: Construct) -> dict[str, str]:
        """Why these rights name resources by patterns, for :func:`infra.nag.acknowledge`."""
        return {
            wildcard_resource(scope, self._definitions(scope)): "Every deployment makes a revision: the newest is run.",
            wildcard_resource(
                scope, self._tasks(scope)
            ): "Tasks of this cluster; their names are drawn when they start.",
        }

    def _definitions(self, scope: Construct) -> str:
        return cdk.Stack.of(scope).format_arn(
            service="ecs", resource="task-definition", resource_name=f"{self.family}:*"
        )

    def _tasks(self, scope: Construct) -> str:
        return cdk.Stack.of(scope).format_arn(service="ecs", resource="task", resource_name=f"{self.cluster}/*")

    def _container(
        self, image: str, warehouse: secretsmanager.ISecret, salt: secretsmanager.ISecret | None
    ) -> ecs.CfnTaskDefinition.ContainerDefinitionProperty:
        properties = ecs.CfnTaskDefinition
        return container(
            CONTAINER,
            image,
            log=awslogs(self, self.log_group, "build"),
            essential=True,
            # As ingot/cli/transform.py calls it; where dbt finds the project and writes to, the image says.
            command=[
                "build",
                *("--target", self._deployment.settings.warehouse.engine),
                *("--exclude-resource-type", "unit_test"),
            ],
            secrets=[
                properties.SecretProperty(name=name, value_from=f"{warehouse.secret_arn}:{member}::")
                for name, member in _VARIABLES.items()
            ]
            + ([properties.SecretProperty(name="INGOT_MASK_SALT", value_from=salt.secret_arn)] if salt else []),
            stop_timeout=60,  # dbt cancels its queries when it is asked to end
        )
