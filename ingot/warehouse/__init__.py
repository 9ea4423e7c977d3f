"""The warehouse: where batches are loaded and dbt builds Silver and Gold."""

from __future__ import annotations

import msgspec

from ingot.errors import ConfigurationError, WarehouseUnavailable
from ingot.secret import read_secret
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
    workgroup: str = msgspec.field(default="", name="namespaceName")
    """Of Redshift Serverless, where namespace and workgroup have one name."""
    secret: str = ""
    """The secret's own name, by which the Redshift Data API finds it."""

    def __repr__(self) -> str:
        return f"Endpoint({self.engine}://{self.username}@{self.host}:{self.port}/{self.dbname})"


def read_endpoint(secret: str) -> Endpoint:
    """The warehouse's address from Secrets Manager.

    Raises:
        ConfigurationError: there is no such secret, or it does not describe a database.
        WarehouseUnavailable: Secrets Manager did not answer.
    """
    values = read_secret(secret, unavailable=WarehouseUnavailable)
    try:
        return msgspec.convert(values | {"secret": secret}, Endpoint, strict=False)
    except ValueError:
        # The error is left out: it may hold the password.
        raise ConfigurationError(
            f"The secret {secret} does not describe a database.",
            key=secret,
            hint="it is JSON with engine, host, port, username, password and dbname",
        ) from None


def load_warehouse(endpoint: Endpoint, *, lake: str | None = None) -> Warehouse:
    """The adapter for an engine.

    Args:
        lake: the bucket that Redshift copies from; needed to load there.

    Raises:
        ConfigurationError: there is none for it.
    """
    if endpoint.engine in ("postgres", "postgresql", "aurora-postgresql"):
        from ingot.warehouse.postgres import PostgresWarehouse

        return PostgresWarehouse(endpoint)
    if endpoint.engine == "redshift":
        from ingot.warehouse.redshift import RedshiftWarehouse

        return RedshiftWarehouse(endpoint, lake)
    raise ConfigurationError(f"There is no warehouse engine {endpoint.engine!r}.", hint="use postgres or redshift")
