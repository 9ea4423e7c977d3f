"""The console as a service on Fargate: what it runs, as whom, and with which rights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby

import aws_cdk as cdk
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.access import CONSOLE, CONSOLE_JOBS
from infra.console_image import build_context
from infra.constructs.console_balancer import HEALTH, ConsoleBalancer
from infra.constructs.console_groups import PORT
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
from infra.deployment import Deployment
from infra.nag import acknowledge, wildcard_resource
from infra.settings import Console
from ingot.sources import Source
from ingot.warehouse.reader import OWNER, READER

CONTAINER, GRANT = "console", "grant"
_START_SECONDS = 120


class ConsoleService(Construct):
    """A cluster with a service in it, whose tasks stand in the private subnets, as nobody special.

    A task has two containers. ``grant`` runs first and ends: with the login of the warehouse's owner it makes the user
    who may read only (:mod:`ingot.warehouse.reader`). ``console`` starts then, and knows that user alone: ECS gives
    secrets to one container and not to the other, and the role that both have may read the reader's.

    Attributes:
        role: the task's.
        service: the service.

    Args:
        scope, id: as for every construct.
        deployment: what it is made from.
        settings: see :class:`infra.settings.Console`.
        network: where it runs.
        balancer: what is before it.
        sources: whose jobs a replay runs.
        key: the lake's.
        warehouse, reader: the secrets of the warehouse's owner, and of who may read only.

    Example::

        ConsoleService(self, "Service", deployment, settings=settings, network=network, balancer=balancer,
                       sources=sources, key=lake.key, warehouse=warehouse.secret, reader=warehouse.reader)
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        settings: Console,
        network: PrivateNetwork,
        balancer: ConsoleBalancer,
        sources: Mapping[str, Source],
        key: kms.IKey,
        warehouse: secretsmanager.ISecret,
        reader: secretsmanager.ISecret,
    ) -> None:
        super().__init__(scope, id)
        assert network.console is not None  # it is made where the settings have a console
        self._deployment, self._settings, self._balancer = deployment, settings, balancer
        name = deployment.names.console
        self.log_group = f"/ingot/{deployment.names.environment}/console"
        log = EncryptedLogGroup(self, "Log", deployment, name=self.log_group, key=key).group
        arm = settings.architecture == "arm64"
        image, pulling = container_image(
            self,
            settings.image,
            build_context(deployment.build / "console-image", deployment.root) if settings.image is None else None,
            platform=ecr_assets.Platform.LINUX_ARM64 if arm else ecr_assets.Platform.LINUX_AMD64,
        )
        self.role = self._task_role(sources, key, reader)
        execution = execution_role(
            self,
            "Starts the console: its image, the secrets of its first container, its log",
            pulling=pulling,
            secrets=[warehouse, reader],
            key=key,
            log=log,
        )
        cluster = fargate_cluster(self, name=name, key=key, insights=settings.insights)
        if not settings.insights:
            acknowledge(cluster, {"AwsSolutions-ECS4": "The settings leave out metrics that cost."})
        definition = ecs.CfnTaskDefinition(
            self,
            "Definition",
            family=name,
            cpu=str(settings.cpu),
            memory=str(settings.memory_mib),
            network_mode="awsvpc",
            requires_compatibilities=["FARGATE"],
            runtime_platform=ecs.CfnTaskDefinition.RuntimePlatformProperty(
                cpu_architecture=settings.architecture.upper(), operating_system_family="LINUX"
            ),
            task_role_arn=self.role.role_arn,
            execution_role_arn=execution.role_arn,
            volumes=[ecs.CfnTaskDefinition.VolumeProperty(name=SCRATCH)],
            container_definitions=[self._grant(image, warehouse, reader), self._console(image)],
        )
        definition.node.add_dependency(execution)
        reason = "They are names of what is deployed; secrets reach the first container by reference, and no other."
        acknowledge(definition, {"AwsSolutions-ECS2": reason})
        self.service = self._service(cluster, definition, network)
        self.service.node.add_dependency(balancer.listener, self.role)

    def _service(
        self, cluster: ecs.CfnCluster, definition: ecs.CfnTaskDefinition, network: PrivateNetwork
    ) -> ecs.CfnService:
        properties = ecs.CfnService
        assert network.console is not None
        return ecs.CfnService(
            self,
            "Service",
            cluster=cluster.ref,
            service_name=self._deployment.names.console,
            task_definition=definition.ref,
            desired_count=self._settings.tasks,
            launch_type="FARGATE",
            platform_version="1.4.0",
            enable_execute_command=False,
            propagate_tags="SERVICE",
            health_check_grace_period_seconds=_START_SECONDS,
            # A new task is healthy before an old one goes; one that never is takes the deployment back.
            deployment_configuration=properties.DeploymentConfigurationProperty(
                minimum_healthy_percent=100,
                maximum_percent=200,
                deployment_circuit_breaker=properties.DeploymentCircuitBreakerProperty(enable=True, rollback=True),
            ),
            network_configuration=properties.NetworkConfigurationProperty(
                awsvpc_configuration=properties.AwsVpcConfigurationProperty(
                    subnets=[subnet.subnet_id for subnet in network.subnets],
                    security_groups=[network.console.task.security_group_id],
                    assign_public_ip="DISABLED",
                )
            ),
            load_balancers=[
                properties.LoadBalancerProperty(
                    container_name=CONTAINER, container_port=PORT, target_group_arn=self._balancer.targets.ref
                )
            ],
        )

    def _console(self, image: str) -> ecs.CfnTaskDefinition.ContainerDefinitionProperty:
        properties, names = ecs.CfnTaskDefinition, self._deployment.names
        variables = {
            "INGOT_ENVIRONMENT": names.environment,
            "AWS_DEFAULT_REGION": names.region,
            "INGOT_UI_AUTH": "alb",
            "INGOT_UI_ALB_ARN": self._balancer.balancer.ref,
            "INGOT_UI_WAREHOUSE_SECRET": names.reader_secret,
        }
        return container(
            CONTAINER,
            image,
            log=awslogs(self, self.log_group, "service"),
            essential=True,
            depends_on=[properties.ContainerDependencyProperty(container_name=GRANT, condition="SUCCESS")],
            environment=[properties.KeyValuePairProperty(name=name, value=text) for name, text in variables.items()],
            port_mappings=[properties.PortMappingProperty(container_port=PORT, protocol="tcp")],
            health_check=properties.HealthCheckProperty(
                command=["CMD", "python", "healthy.py", f"http://localhost:{PORT}{HEALTH}"],
                interval=15,
                timeout=5,
                retries=3,
                start_period=60,
            ),
            stop_timeout=30,
        )

    def _grant(
        self, image: str, warehouse: secretsmanager.ISecret, reader: secretsmanager.ISecret
    ) -> ecs.CfnTaskDefinition.ContainerDefinitionProperty:
        properties = ecs.CfnTaskDefinition
        return container(
            GRANT,
            image,
            log=awslogs(self, self.log_group, "service"),
            essential=False,  # it ends, and the console starts
            entry_point=["python", "-m", "ingot.warehouse.reader"],
            secrets=[
                properties.SecretProperty(name=name, value_from=secret.secret_arn)
                for name, secret in ((OWNER, warehouse), (READER, reader))
            ],
        )

    def _task_role(self, sources: Mapping[str, Source], key: kms.IKey, reader: secretsmanager.ISecret) -> iam.Role:
        names, buckets = self._deployment.names, self._buckets()
        statements = [
            iam.PolicyStatement(
                sid="Read", actions=["s3:GetObject"], resources=[_objects(buckets, path) for path in CONSOLE.read]
            ),
            *(
                iam.PolicyStatement(
                    sid=f"List{purpose.capitalize()}",
                    actions=["s3:ListBucket"],
                    resources=[buckets[purpose].bucket_arn],
                    conditions={"StringLike": {"s3:prefix": [f"{path.partition('/')[2]}*" for path in paths]}},
                )
                for purpose, paths in groupby(CONSOLE.list, lambda path: path.partition("/")[0])
            ),
            iam.PolicyStatement(
                sid="Warehouse", actions=["secretsmanager:GetSecretValue"], resources=[reader.secret_arn]
            ),
            iam.PolicyStatement(sid="Key", actions=["kms:Decrypt"], resources=[key.key_arn]),
            iam.PolicyStatement(
                sid="Replay",
                actions=["glue:StartJobRun", "glue:GetJobRun"],
                resources=[
                    cdk.Stack.of(self).format_arn(service="glue", resource="job", resource_name=names.job(source, step))
                    for source in sources
                    for step in CONSOLE_JOBS
                ],
            ),
        ]
        role = task_role(self, "TaskRole", "The console: it reads, and has jobs do what changes something", statements)
        acknowledge(role, dict(self._reasons(role, buckets)))
        return role

    def _buckets(self) -> dict[str, s3.IBucket]:
        names = {**self._deployment.lake_buckets, "dags": self._deployment.names.dags_bucket}
        return {purpose: s3.Bucket.from_bucket_name(self, purpose, name) for purpose, name in names.items()}

    def _reasons(self, role: iam.Role, buckets: Mapping[str, s3.IBucket]) -> Iterable[tuple[str, str]]:
        for path in CONSOLE.read:
            yield (
                wildcard_resource(role, _objects(buckets, path)),
                "One console shows all sources; the keys below hold ids and hashes that only their writers know.",
            )


def _objects(buckets: Mapping[str, s3.IBucket], path: str) -> str:
    purpose, _, prefix = path.partition("/")
    return buckets[purpose].arn_for_objects(f"{prefix}*")
