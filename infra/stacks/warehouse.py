"""The warehouse: how to reach the Postgres that jobs load into."""

from __future__ import annotations

import json

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager

from infra.deployment import Deployment, IngotStack
from infra.nag import acknowledge

PASSWORD_LENGTH = 32


class WarehouseStack(IngotStack):
    """The secret, in the format of RDS; jobs, Airflow and dbt read it.

    The password is generated in the account and is in no template and no file. It has no punctuation, since
    it becomes part of connection URLs. A change of the settings' warehouse makes a new one: the database's
    role must be given it then, as after the first deployment (docs/deploy.md).

    Attributes:
        secret: the secret.
    """

    def __init__(self, scope: cdk.App, deployment: Deployment, key: kms.IKey) -> None:
        super().__init__(scope, "warehouse", deployment, description="Ingot: how the warehouse is reached")
        warehouse = deployment.settings.warehouse
        self.secret = secretsmanager.Secret(
            self,
            "Secret",
            secret_name=deployment.names.warehouse_secret,
            description="Ingot's warehouse, in the format of RDS",
            encryption_key=key,
            generate_secret_string=secretsmanager.SecretStringGenerator(
                secret_string_template=json.dumps(
                    {
                        "engine": warehouse.engine,
                        "host": warehouse.host,
                        "port": warehouse.port,
                        "username": warehouse.username,
                        "dbname": warehouse.dbname,
                    }
                ),
                generate_string_key="password",
                password_length=PASSWORD_LENGTH,
                exclude_punctuation=True,
            ),
            removal_policy=deployment.removal_policy,
        )
        acknowledge(
            self.secret,
            {
                "AwsSolutions-SMG4": "The Postgres is the user's own, outside of these stacks: a rotation "
                "needs a network path and an administrator's login there, which this stack does not have."
            },
        )
