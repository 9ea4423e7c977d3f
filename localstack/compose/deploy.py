"""The one-shot service of docker-compose.yml: ``cdk deploy --all``, the warehouse's user, and the DAG folder.

All that it needs to know is in the environment: where the cloud, Postgres and the DAG folder are.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import psycopg
from laptop.deploy import Deployment
from laptop.environment import Environment
from laptop.errors import LaptopError
from laptop.paths import Home
from laptop.postgres import Postgres
from laptop.services import Laptop


@dataclass(frozen=True, kw_only=True)
class GivenEnvironment(Environment):
    """The variables as the container has them."""

    given: Mapping[str, str]

    @property
    def variables(self) -> dict[str, str]:
        return {name: value for name, value in self.given.items() if name.startswith(("AWS_", "INGOT_"))}


class GivenPostgres(Postgres):
    """A server that others run; of it only the administrator's work is done here."""

    def __init__(self, host: str, port: int, password_file: Path) -> None:
        self.host, self.port, self._password_file = host, port, password_file

    def connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=self.host,
            port=self.port,
            user="postgres",
            password=self._password_file.read_text().strip(),
            dbname=database,
            connect_timeout=5,
            autocommit=True,
        )


@dataclass(frozen=True, kw_only=True)
class Containers(Laptop):
    """The services as docker-compose.yml runs them."""

    given: Mapping[str, str]

    @cached_property
    def postgres(self) -> Postgres:
        given = self.given
        return GivenPostgres(
            given["INGOT_WAREHOUSE_HOST"], int(given["INGOT_WAREHOUSE_PORT"]), Path(given["POSTGRES_PASSWORD_FILE"])
        )

    @cached_property
    def environment(self) -> Environment:
        return GivenEnvironment(
            home=self.home,
            cloud_port=0,
            warehouse_host=self.postgres.host,
            warehouse_port=self.postgres.port,
            statsd=self.given.get("INGOT_STATSD", ""),
            source_urls={},
            given=self.given,
        )


DATABASE = "ingot"
"""Where gold is; the database that Postgres' first start makes."""


def grant_grafana(postgres: Postgres, given: Mapping[str, str], database: str = DATABASE) -> None:
    """Make the user that the dashboards ask as: it may read gold and the audit tables, and change nothing."""
    password = Path(given["GRAFANA_DATABASE_PASSWORD_FILE"]).read_text().strip()
    postgres.ensure_reader("grafana", password, database=database, schemas=("gold", "audit"))


def main(home: Home, given: Mapping[str, str]) -> int:
    """Deploys; returns the exit code."""
    containers = Containers(home=home, given=given)
    deployment = Deployment(containers)
    try:
        deployment.synth(print)
        deployment.deploy(print)
        deployment.grant_warehouse()
        grant_grafana(containers.postgres, given)
        written, removed = deployment.sync_dags(Path(given["INGOT_DAGS"]))
    except LaptopError as error:
        print("\n".join(filter(None, (error.what, error.detail, error.hint))), file=sys.stderr)
        return 1
    print(f"DAG folder: {written} files written, {removed} removed")
    return 0


if __name__ == "__main__":
    sys.exit(main(Home.find(), os.environ))
