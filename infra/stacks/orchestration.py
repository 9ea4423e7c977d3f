"""Airflow's side: the bucket that MWAA reads its DAGs from, and the environment that runs them."""

from __future__ import annotations

from collections.abc import Iterable

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager

from infra.bundle import build_bundle, setup_digest
from infra.constructs.airflow_environment import AirflowEnvironment
from infra.constructs.data_bucket import DataBucket
from infra.constructs.network import PrivateNetwork
from infra.constructs.uploads import Upload
from infra.deployment import Deployment, IngotStack


class OrchestrationStack(IngotStack):
    """The DAG bucket with the bundle in it and, if the settings have ``mwaa``, an environment of MWAA.

    MWAA wants such a bucket versioned and blocked for the public, its environment encrypted with the same
    key: https://docs.aws.amazon.com/mwaa/latest/userguide/mwaa-s3-bucket.html

    Attributes:
        bucket: the DAG bucket.
        airflow: the environment; None: there is none.

    Args:
        scope: the app.
        deployment: what it is made from.
        key: the lake's.
        access_logs: receives the access logs of the DAG bucket.
        network: where the environment runs.
        warehouse: the secret that dbt connects with.
        salt: what dbt's masks are salted with.
        sources: the names of those whose jobs it runs.
    """

    def __init__(
        self,
        scope: cdk.App,
        deployment: Deployment,
        *,
        key: kms.IKey,
        access_logs: s3.IBucket,
        network: PrivateNetwork | None,
        warehouse: secretsmanager.ISecret,
        salt: secretsmanager.ISecret | None,
        sources: Iterable[str],
    ) -> None:
        super().__init__(scope, "orchestration", deployment, description="Ingot: the DAG bundle, and Airflow on MWAA")
        self.bucket = DataBucket(
            self,
            "Dags",
            deployment,
            bucket_name=deployment.names.dags_bucket,
            key=key,
            access_logs=access_logs,
        ).bucket
        bundle = build_bundle(deployment.build / "bundle", deployment.root, deployment.settings)
        setup = f"setup/{setup_digest(bundle)}"
        uploads = [
            Upload(self, "Bundle", deployment, folder=bundle / "dags", bucket=self.bucket, prefix="dags"),
            # Former ones stay: what still runs from them, or goes back to them, finds them.
            Upload(self, "Setup", deployment, folder=bundle / "setup", bucket=self.bucket, prefix=setup, mirror=False),
        ]
        settings = deployment.settings.mwaa
        self.airflow: AirflowEnvironment | None = None
        if settings is not None:
            assert network is not None  # the settings want one
            assert salt is not None  # what runs dbt has one
            self.airflow = AirflowEnvironment(
                self,
                "Airflow",
                deployment,
                settings=settings,
                bucket=self.bucket,
                setup=setup,
                network=network,
                key=key,
                warehouse=warehouse,
                salt=salt,
                sources=sources,
            )
            self.airflow.environment.node.add_dependency(*uploads)
