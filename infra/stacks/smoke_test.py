"""The smoke test of an environment, which a deployment starts when it is done."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager

from infra.constructs.network import PrivateNetwork
from infra.constructs.smoke_test import SmokeTestProject
from infra.deployment import Deployment, IngotStack
from infra.settings import SmokeTest


class SmokeTestStack(IngotStack):
    """A CodeBuild project, if the settings have a ``smoke_test``.

    Args:
        scope: the app.
        deployment: what it is made from.
        settings: of the test.
        key: the lake's.
        warehouse: the secret.
        warehouse_rights: what reaching the warehouse takes besides.
        salt: what dbt's masks are salted with; None: a warehouse on this machine asks for none.
        network: where the warehouse is; None: it can be reached from AWS's own network.
    """

    def __init__(
        self,
        scope: cdk.App,
        deployment: Deployment,
        settings: SmokeTest,
        *,
        key: kms.IKey,
        warehouse: secretsmanager.ISecret,
        warehouse_rights: Sequence[iam.PolicyStatement],
        salt: secretsmanager.ISecret | None = None,
        network: PrivateNetwork | None,
    ) -> None:
        super().__init__(scope, "smoke-test", deployment, description="Ingot: the smoke test after a deployment")
        SmokeTestProject(
            self,
            "SmokeTest",
            deployment,
            settings=settings,
            key=key,
            warehouse=warehouse,
            warehouse_rights=warehouse_rights,
            salt=salt,
            network=network,
        )
