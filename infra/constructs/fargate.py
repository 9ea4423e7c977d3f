"""What containers on Fargate have in common: a cluster, roles, an image, and the log that they write."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.nag import acknowledge

USER = "10001:10001"
"""As whom the images run."""

SCRATCH = "scratch"
"""The volume of a task whose containers are :func:`container`'s."""

_X86 = ecr_assets.Platform.LINUX_AMD64
_PRIVATE_REGISTRY = re.compile(
    r"^(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/(?P<name>[^:@]+)"
)


def fargate_cluster(scope: Construct, *, name: str, key: kms.IKey, insights: bool = True) -> ecs.CfnCluster:
    """A cluster whose tasks' storage lies encrypted with the lake's key.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-create-storage-key.html

    Args:
        scope: where.
        name: the cluster's; fixed, as the key's policy names it.
        key: the lake's.
        insights: whether Container Insights watch it.
    """
    context = {
        "kms:EncryptionContext:aws:ecs:clusterAccount": cdk.Stack.of(scope).account,
        "kms:EncryptionContext:aws:ecs:clusterName": name,
    }
    granting = {"ForAllValues:StringEquals": {"kms:GrantOperations": ["Decrypt"]}}
    for action, more in (("kms:GenerateDataKeyWithoutPlaintext", {}), ("kms:CreateGrant", granting)):
        key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("fargate.amazonaws.com")],
                actions=[action],
                resources=["*"],
                conditions={"StringEquals": context, **more},
            )
        )
    return ecs.CfnCluster(
        scope,
        "Cluster",
        cluster_name=name,
        cluster_settings=[
            ecs.CfnCluster.ClusterSettingsProperty(
                name="containerInsights", value="enabled" if insights else "disabled"
            )
        ],
        configuration=ecs.CfnCluster.ClusterConfigurationProperty(
            managed_storage_configuration=ecs.CfnCluster.ManagedStorageConfigurationProperty(
                fargate_ephemeral_storage_kms_key_id=key.key_arn
            )
        ),
    )


def task_role(
    scope: Construct, id: str, description: str, statements: Sequence[iam.PolicyStatement] = (), *, policy: str = "Run"
) -> iam.Role:
    """A role of a task of this account.

    Args:
        scope, id: as for every construct.
        description: what for.
        statements: what it may do.
        policy: what these are called.
    """
    return iam.Role(
        scope,
        id,
        assumed_by=iam.ServicePrincipal(
            "ecs-tasks.amazonaws.com",
            # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
            conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(scope).account}},
        ),
        description=description,
        inline_policies={policy: iam.PolicyDocument(statements=list(statements))} if statements else None,
    )


def execution_role(
    scope: Construct,
    description: str,
    *,
    pulling: Sequence[iam.PolicyStatement],
    secrets: Sequence[secretsmanager.ISecret],
    key: kms.IKey,
    log: logs.ILogGroup,
) -> iam.Role:
    """The role as which ECS starts a container: its image, its secrets, its log.

    Args:
        scope: where.
        description: whose.
        pulling: what pulling the image takes, see :func:`container_image`.
        secrets: what the container is given as variables.
        key: that of the secrets.
        log: where it logs.
    """
    role = task_role(
        scope,
        "ExecutionRole",
        description,
        [
            *pulling,
            iam.PolicyStatement(
                sid="Secrets",
                actions=["secretsmanager:GetSecretValue"],
                resources=[secret.secret_arn for secret in secrets],
            ),
            iam.PolicyStatement(
                sid="Key",
                actions=["kms:Decrypt"],
                resources=[key.key_arn],
                conditions={
                    "StringEquals": {"kms:ViaService": f"secretsmanager.{cdk.Stack.of(scope).region}.amazonaws.com"}
                },
            ),
            iam.PolicyStatement(
                sid="Log",
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[log.log_group_arn],  # ends in :*, its streams
            ),
        ],
    )
    if pulling:
        acknowledge(
            role, {"AwsSolutions-IAM5[Resource::*]": "A login to ECR is to a registry; what is pulled is named."}
        )
    return role


def container_image(
    scope: Construct,
    uri: str | None,
    context: Path | None,
    *,
    platform: ecr_assets.Platform = ecr_assets.Platform.LINUX_AMD64,
) -> tuple[str, list[iam.PolicyStatement]]:
    """The image's URI, and what pulling it takes.

    Args:
        scope: where.
        uri: of an image in a registry; None: the CDK builds one.
        context: the folder that it is built from, where none is given.
        platform: what it is built for.
    """
    if uri is None:
        asset = ecr_assets.DockerImageAsset(scope, "Image", directory=str(context), platform=platform)
        return asset.image_uri, _pulling(asset.repository.repository_arn)
    private = _PRIVATE_REGISTRY.match(uri)
    if private is None:
        return uri, []
    arn = cdk.Stack.of(scope).format_arn(
        service="ecr",
        resource="repository",
        resource_name=private["name"],
        account=private["account"],
        region=private["region"],
    )
    return uri, _pulling(arn)


def _pulling(repository: str) -> list[iam.PolicyStatement]:
    # https://docs.aws.amazon.com/AmazonECR/latest/userguide/ECR_on_ECS.html
    return [
        iam.PolicyStatement(sid="Login", actions=["ecr:GetAuthorizationToken"], resources=["*"]),
        iam.PolicyStatement(
            sid="Pull",
            actions=["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            resources=[repository],
        ),
    ]


def awslogs(scope: Construct, group: str, prefix: str) -> ecs.CfnTaskDefinition.LogConfigurationProperty:
    """A container's lines go to a log group.

    Args:
        scope: where.
        group: its name.
        prefix: what the names of streams begin with.
    """
    return ecs.CfnTaskDefinition.LogConfigurationProperty(
        log_driver="awslogs",
        options={
            "awslogs-group": group,
            "awslogs-region": cdk.Stack.of(scope).region,
            "awslogs-stream-prefix": prefix,
        },
    )


def container(
    name: str, image: str, *, log: ecs.CfnTaskDefinition.LogConfigurationProperty, **more: object
) -> ecs.CfnTaskDefinition.ContainerDefinitionProperty:
    """A container that is no root, has no capability, and writes to :data:`SCRATCH` only.

    Args:
        name, image: its own, and that of its image.
        log: where its lines go.
        more: what else the definition says.
    """
    properties = ecs.CfnTaskDefinition
    return properties.ContainerDefinitionProperty(
        name=name,
        image=image,
        user=USER,
        readonly_root_filesystem=True,
        linux_parameters=properties.LinuxParametersProperty(
            init_process_enabled=True, capabilities=properties.KernelCapabilitiesProperty(drop=["ALL"])
        ),
        mount_points=[
            properties.MountPointProperty(source_volume=SCRATCH, container_path=f"/{SCRATCH}", read_only=False)
        ],
        log_configuration=log,
        **more,
    )
