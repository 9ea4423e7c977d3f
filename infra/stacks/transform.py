"""dbt without Airflow: a container task that builds silver and gold."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager

from infra.constructs.dbt_task import DbtBuild
from infra.constructs.network import PrivateNetwork
from infra.deployment import Deployment, IngotStack
from infra.settings import DbtTask


class TransformStack(IngotStack):
    """A cluster and dbt's task, if the settings have a ``dbt_task``.

    Attributes:
        dbt: the task.

    Args:
        scope: the app, or a stage of a pipeline.
        deployment: what it is made from.
        settings: of the task.
        key: the lake's.
        warehouse: the secret.
        salt: what masks are salted with, if there is one.
        network: where it runs.
    """

    def __init__(
        self,
        scope: cdk.Stage,
        deployment: Deployment,
        settings: DbtTask,
        *,
        key: kms.IKey,
        warehouse: secretsmanager.ISecret,
        salt: secretsmanager.ISecret | None,
        network: PrivateNetwork,
    ) -> None:
        super().__init__(scope, "transform", deployment, description="Ingot: dbt as a container task")
        self.dbt = DbtBuild(
            self, "Dbt", deployment, settings=settings, network=network, key=key, warehouse=warehouse, salt=salt
        )
