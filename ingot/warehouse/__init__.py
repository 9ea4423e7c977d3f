"""The warehouse: where batches are loaded and dbt builds Silver and Gold."""

from __future__ import annotations

import json
from typing import Any

import boto3
import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from ingot.errors import ConfigurationError, WarehouseUnavailable
from ingot.warehouse.base import Warehouse

__all__ = ["Endpoint", "Warehouse", "load_warehouse", "read_endpoint"]


class Endpoint(msgspec.Struct, frozen=True):
    """Where the warehouse is and who asks: the secret in RDS's own format."""

    engine: str
    host: str
    port: int
    username: str
    password: str
    dbname: str

    def __repr__(self) -> str:
        return f"Endpoint({self.engine}://{self.username}@{self.host}:{self.port}/{self.dbname})"


def read_endpoint(secret: str) -> Endpoint:
    """The warehouse's address from Secrets Manager.

    Raises:
        ConfigurationError: there is no such secret, or it does not describe a database.
        WarehouseUnavailable: Secrets Manager did not answer.
    """
    try:
        text: Any = boto3.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
    except ClientError as error:
        raise ConfigurationError(
            f"The secret {secret} cannot be read: {error.response['Error']['Code']}.",
            key=secret,
            hint="deploy the warehouse stack, and look at the role's policy",
        ) from error
    except BotoCoreError as error:
        raise WarehouseUnavailable(f"Secrets Manager did not answer: {error}.", key=secret) from error
    try:
        return msgspec.convert(json.loads(text), Endpoint, strict=False)
    except ValueError as error:
        # Neither the text nor the error goes into the message: both may hold the password.
        raise ConfigurationError(
            f"The secret {secret} does not describe a database.",
            key=secret,
            hint="it is JSON with engine, host, port, username, password and dbname",
        ) from error.__cause__


def load_warehouse(endpoint: Endpoint) -> Warehouse:
    """The adapter for an engine.

    Raises:
        ConfigurationError: there is none for it.
    """
    if endpoint.engine in ("postgres", "postgresql"):
        from ingot.warehouse.postgres import PostgresWarehouse

        return PostgresWarehouse(endpoint)
    raise ConfigurationError(f"There is no warehouse engine {endpoint.engine!r}.", hint="use postgres")
