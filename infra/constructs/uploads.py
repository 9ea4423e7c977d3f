"""A folder of the checkout as objects of a bucket."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_deployment as s3_deployment
from constructs import Construct

from infra.deployment import Deployment
from infra.nag import acknowledge, wildcard_resource

MEMORY_MIB = 512

_BASIC_EXECUTION = (
    "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole]"
)
_CDK_GRANT = "The CDK grants actions by family, on the assets, the destination and its key alone."
_GRANTED = (
    "s3:GetBucket*",
    "s3:GetObject*",
    "s3:List*",
    "s3:Abort*",
    "s3:DeleteObject*",
    "kms:GenerateDataKey*",
    "kms:ReEncrypt*",
)


class Upload(Construct):
    """Puts a folder's files below a prefix of a bucket, again whenever one of them changes.

    Args:
        scope, id: as for every construct.
        deployment: what it is made from.
        folder: the files; or a zip of them.
        bucket: where they go.
        prefix: below which keys.
            @default None: at the top.
        mirror: True: what is below the prefix and not in the folder is removed.
            @default True
        without: names of folders and files that stay behind, wherever they are in the folder.
            @default none

    Example::

        Upload(self, "Sources", deployment, folder=root / "sources", bucket=artifacts, prefix="sources")
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        folder: Path,
        bucket: s3.IBucket,
        prefix: str | None = None,
        mirror: bool = True,
        without: Sequence[str] = (),
    ) -> None:
        super().__init__(scope, id)
        uploads = s3_deployment.BucketDeployment(
            self,
            "Deployment",
            sources=[
                s3_deployment.Source.asset(
                    str(folder), exclude=[pattern for name in without for pattern in (f"**/{name}", f"**/{name}/**")]
                )
            ],
            destination_bucket=bucket,
            destination_key_prefix=prefix,
            prune=mirror,
            memory_limit=MEMORY_MIB,
            log_group=self._log_group(deployment),
        )
        self._explain(uploads, bucket)

    def _log_group(self, deployment: Deployment) -> logs.ILogGroup:
        """One a stack, as all uploads of a stack run in one Lambda function."""
        stack = cdk.Stack.of(self)
        existing = stack.node.try_find_child("UploadLog")
        if isinstance(existing, logs.LogGroup):
            return existing
        return logs.LogGroup(
            stack,
            "UploadLog",
            log_group_name=f"/aws/lambda/{stack.stack_name}-upload",
            retention=deployment.log_retention,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )

    def _explain(self, uploads: s3_deployment.BucketDeployment, bucket: s3.IBucket) -> None:
        """cdk-nag's findings are all in the function and the role that the CDK makes for this."""
        stack = cdk.Stack.of(self)
        assets = f"cdk-{cdk.DefaultStackSynthesizer.DEFAULT_QUALIFIER}-assets-{stack.account}-{stack.region}"
        role = uploads.handler_role
        acknowledge(role, {_BASIC_EXECUTION: "It lets the CDK's own function write its logs, nothing more."})
        acknowledge(
            role.node.find_child("DefaultPolicy"),
            {
                **{f"AwsSolutions-IAM5[Action::{action}]": _CDK_GRANT for action in _GRANTED},
                wildcard_resource(self, f"arn:{stack.partition}:s3:::{assets}/*"): "It reads the CDK's assets.",
                wildcard_resource(self, bucket.arn_for_objects("*")): "It mirrors a folder into this bucket.",
            },
        )
        function = role.node.scope
        assert function is not None
        acknowledge(function, {"AwsSolutions-L1": "The CDK pins the runtime that its own function is tested with."})
