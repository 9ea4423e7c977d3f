"""A log group that is encrypted with the lake's key and kept as long as the settings say."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.deployment import Deployment


class EncryptedLogGroup(Construct):
    """A log group with the lake's key, whose policy then lets CloudWatch Logs use it for this group.

    Args:
        scope, id: as for every construct.
        deployment: what it is made from.
        name: the group's; fixed, as the key's policy is written before the group is there.
        key: the lake's.

    Example::

        EncryptedLogGroup(self, "FlowLog", deployment, name="/ingot/dev/network", key=lake.key).group
    """

    def __init__(self, scope: Construct, id: str, deployment: Deployment, *, name: str, key: kms.IKey) -> None:
        super().__init__(scope, id)
        stack = cdk.Stack.of(self)
        arn = stack.format_arn(
            service="logs", resource="log-group", resource_name=name, arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
        )
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
        key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
                actions=["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
                resources=["*"],
                conditions={"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": arn}},
            )
        )
        self.group = logs.LogGroup(
            self,
            "Group",
            log_group_name=name,
            encryption_key=key,
            retention=deployment.log_retention,
            removal_policy=deployment.removal_policy,
        )
