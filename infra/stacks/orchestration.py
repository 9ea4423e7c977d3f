"""The orchestrator's side: the bucket that MWAA reads its DAGs from."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from infra.bundle import build_bundle
from infra.constructs.data_bucket import DataBucket
from infra.constructs.uploads import Upload
from infra.deployment import Deployment, IngotStack


class OrchestrationStack(IngotStack):
    """The DAG bucket with the bundle in it.

    MWAA wants such a bucket versioned and blocked for the public, its environment encrypted with the same
    key: https://docs.aws.amazon.com/mwaa/latest/userguide/mwaa-s3-bucket.html

    Attributes:
        bucket: the DAG bucket.
    """

    def __init__(self, scope: cdk.App, deployment: Deployment, *, key: kms.IKey, access_logs: s3.IBucket) -> None:
        super().__init__(scope, "orchestration", deployment, description="Ingot: the DAG bundle for MWAA")
        self.bucket = DataBucket(
            self,
            "Dags",
            deployment,
            bucket_name=deployment.names.dags_bucket,
            key=key,
            access_logs=access_logs,
        ).bucket
        bundle = build_bundle(deployment.build / "bundle", deployment.root, deployment.settings)
        Upload(self, "Bundle", deployment, folder=bundle, bucket=self.bucket)
