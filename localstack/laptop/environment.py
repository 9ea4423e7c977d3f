"""The environment variables by which everything on a laptop is found."""

from __future__ import annotations

import os
from dataclasses import dataclass

from laptop.paths import Home

ACCOUNT = "000000000000"
REGION = "us-east-1"
ENVIRONMENT = "local"


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Where the services are, for shells, jobs, Airflow, dbt and the CDK."""

    home: Home
    cloud_port: int
    warehouse_host: str
    warehouse_port: int
    statsd: str
    """Where metrics go: host and port."""
    source_urls: dict[str, str]
    """Source to URL; empty where jobs ask the real APIs."""

    @property
    def endpoint(self) -> str:
        """The local cloud; by name, as the CDK tells a path-style URL by it."""
        return f"http://localhost:{self.cloud_port}"

    @property
    def variables(self) -> dict[str, str]:
        """What ``.ingot/env`` holds."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            # boto3 and the CDK want some; the local cloud takes any.
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "INGOT_ENVIRONMENT": ENVIRONMENT,
            "INGOT_HOME": str(self.home.folder),
            "INGOT_WAREHOUSE_HOST": self.warehouse_host,
            "INGOT_WAREHOUSE_PORT": str(self.warehouse_port),
            **{f"INGOT_SOURCE_URL_{source.upper()}": url for source, url in self.source_urls.items()},
            "INGOT_STATSD": self.statsd,
            **self._lineage,
            "DBT_EXECUTABLE": str(self.home.dbt_command),
            "DO_NOT_TRACK": "1",
        }

    @property
    def _lineage(self) -> dict[str, str]:
        """Where jobs, Airflow and dbt report in OpenLineage: a Marquez that a person has, else a file an event."""
        if url := os.environ.get("OPENLINEAGE_URL"):
            return {"OPENLINEAGE_URL": url}
        return {
            "OPENLINEAGE__TRANSPORT__TYPE": "file",
            "OPENLINEAGE__TRANSPORT__LOG_FILE_PATH": str(self.home.lineage / "event"),
        }

    def dotenv(self) -> str:
        """``KEY=value`` lines, as a shell's ``set -a; . .ingot/env`` and dotenv readers take them."""
        return "".join(f"{key}={value}\n" for key, value in self.variables.items())


def tools_environment(home: Home) -> dict[str, str]:
    """What our Python processes need besides: where modules are, and that bytecode is kept."""
    return {
        "PYTHONPATH": os.pathsep.join([str(home.checkout), str(home.checkout / "localstack")]),
        "PYTHONUNBUFFERED": "1",
        # Set in some images; every process would then start at half speed.
        "PYTHONDONTWRITEBYTECODE": "",
        # No configuration of the person's own: it could point at a real account.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def inherited_environment() -> dict[str, str]:
    """This process's environment without a profile of the person's own, which cannot be unset by a value."""
    return {name: value for name, value in os.environ.items() if name not in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")}
