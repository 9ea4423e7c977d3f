"""The warehouse: a Postgres that is there, Aurora or Redshift Serverless, and how it is reached."""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager

from infra.constructs.aurora import AuroraWarehouse
from infra.constructs.mask_salt import MaskSalt
from infra.constructs.network import PrivateNetwork
from infra.constructs.redshift import RedshiftWarehouse, redshift_host, redshift_name
from infra.constructs.rotation import password
from infra.deployment import Deployment, IngotStack
from infra.nag import acknowledge
from infra.settings import Aurora, Postgres, Redshift


class WarehouseStack(IngotStack):
    """The warehouse that the settings name, and its secret, in the format of RDS, whichever it is.

    Jobs, Airflow and dbt read engine, host, port, dbname, username and password there. The password is generated
    in the account and is in no template and no file. That of Aurora and Redshift is changed every thirty days;
    that of a Postgres of the user's own must be given to its login, after the first deployment and after each
    change of the settings' warehouse, which makes a new one (docs/deploy.md).

    Attributes:
        secret: the secret.
        mask_salt: what dbt's masks are salted with; None: nothing in the account runs dbt.
        reader: the secret of the user who may read only; None: the settings have no ``console``, which is that user.
        job_rights: what a job's role needs to reach the warehouse, besides reading the secret.

    Args:
        scope: the app.
        deployment: what it is made from.
        key: the lake's.
        network: where it stands; None: for a Postgres that is there.
    """

    def __init__(
        self, scope: cdk.App, deployment: Deployment, *, key: kms.IKey, network: PrivateNetwork | None = None
    ) -> None:
        super().__init__(scope, "warehouse", deployment, description="Ingot: the warehouse, and how it is reached")
        warehouse = deployment.settings.warehouse
        self.job_rights: list[iam.PolicyStatement] = []
        self.mask_salt = (
            MaskSalt(self, "MaskSalt", deployment, key=key) if deployment.settings.masks_are_salted else None
        )
        self.secret = secretsmanager.Secret(
            self,
            "Secret",
            secret_name=deployment.names.warehouse_secret,
            description="Ingot's warehouse, in the format of RDS",
            encryption_key=key,
            generate_secret_string=password(json.dumps(_fields(deployment))),
            removal_policy=deployment.removal_policy,
        )
        self.reader = self._reader(deployment, key) if deployment.settings.console else None
        if isinstance(warehouse, Postgres):
            reason = (
                "The Postgres is the user's own, outside of these stacks: a rotation needs a network path and an "
                "administrator's login there, which this stack does not have."
            )
            acknowledge(self.secret, {"AwsSolutions-SMG4": reason})
            return
        assert network is not None  # the settings want one for all others
        shared = {"network": network, "key": key, "secret": self.secret}
        if isinstance(warehouse, Aurora):
            cluster = AuroraWarehouse(self, "Aurora", deployment, settings=warehouse, **shared).cluster
            if self.reader:
                self.reader.attach(cluster)  # host and port are written into it
        else:
            self.job_rights = RedshiftWarehouse(self, "Redshift", deployment, settings=warehouse, **shared).job_rights

    def _reader(self, deployment: Deployment, key: kms.IKey) -> secretsmanager.Secret:
        fields = _fields(deployment)
        reader = secretsmanager.Secret(
            self,
            "Reader",
            secret_name=deployment.names.reader_secret,
            description="The warehouse's user who may read only, in the format of RDS",
            encryption_key=key,
            generate_secret_string=password(json.dumps(fields | {"username": f"{fields['username']}_reader"})),
            removal_policy=deployment.removal_policy,
        )
        reason = (
            "The console reads it once, when it starts, and then makes the user with it: a function that changed it "
            "would lock out the tasks that run. It opens what pages show, and nobody but the task's role reads it."
        )
        acknowledge(reader, {"AwsSolutions-SMG4": reason})
        return reader


def _fields(deployment: Deployment) -> dict[str, Any]:
    """What the secret holds besides the password; what a cluster alone knows is added when it is attached."""
    warehouse = deployment.settings.warehouse
    fields: dict[str, Any] = {
        "engine": warehouse.engine,
        "host": None,
        "port": warehouse.port,
        "username": warehouse.username,
        "dbname": warehouse.dbname,
    }
    match warehouse:
        case Postgres():
            fields["host"] = warehouse.host
        case Redshift():
            fields |= {"host": redshift_host(deployment), "namespaceName": redshift_name(deployment)}
        case Aurora():
            del fields["host"]
    return fields
