"""Airflow on a laptop: api-server, scheduler and dag-processor, configured as MWAA would be."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import httpx

from laptop.environment import ENVIRONMENT, inherited_environment, tools_environment
from laptop.errors import LaptopError
from laptop.memory import write_private
from laptop.process import Service
from laptop.services import Laptop

USER = "admin"
PARTS = {
    # Logs of tasks are read from the folder: no log server is needed beside the scheduler.
    "api-server": ["api-server", "--workers", "1"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
}

SECRETS = {
    "connections_prefix": f"ingot/{ENVIRONMENT}",
    "variables_prefix": None,
    "config_prefix": None,
    "sep": "/",
    # RDS's own secrets name the database so.
    "extra_conn_words": {"schema": ["dbname"]},
}
"""The arguments of Airflow's Secrets Manager backend; an environment of MWAA takes the same."""

LOCAL_SETTINGS = '''\
"""Airflow reads this as it starts. The scheduler's forks run the tasks: what all of them import, it imports once."""

import sys

if "scheduler" in sys.argv:
    import airflow.providers.amazon.aws.operators.glue
    import airflow.providers.amazon.aws.secrets.secrets_manager
    import airflow.providers.openlineage.plugins.openlineage
    import cosmos.airflow.task_group
    import cosmos.operators.local
    import cosmos.profiles
'''


class Airflow:
    """The three processes and their configuration, all of it environment variables."""

    def __init__(self, laptop: Laptop) -> None:
        self._laptop = laptop
        self.home = laptop.home
        probe = Service(home=self.home, name="airflow-api-server")
        self.port = laptop.memory.port("airflow", running=probe.process() is not None)
        self.dags = self.home.airflow / "dags"

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def password(self) -> str:
        """Of the user ``admin``."""
        return self._laptop.memory.secret("airflow.admin")

    @property
    def services(self) -> list[Service]:
        return [
            Service(
                home=self.home,
                name=f"airflow-{part}",
                command=[str(self.home.python), "-m", "airflow", *command],
                env=self.variables,
                stop_seconds=30,
            )
            for part, command in PARTS.items()
        ]

    @property
    def variables(self) -> dict[str, str]:
        """Airflow's configuration, and what its tasks must find."""
        secret = self._laptop.memory.secret
        database = (
            f"postgresql+psycopg2://airflow:{secret('airflow.database')}"
            f"@{self._laptop.postgres.host}:{self._laptop.postgres.port}/airflow"
        )
        statsd_host, _, statsd_port = self._laptop.environment.statsd.partition(":")
        settings = {
            "CORE__DAGS_FOLDER": str(self.dags),
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": "4",
            "CORE__LOAD_EXAMPLES": "False",
            # Nobody is there to press the button; schedules are off in this environment (bundle.json).
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{self.port}/execution/",
            "CORE__FERNET_KEY": "",
            "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.home.airflow / "passwords.json"),
            "DATABASE__SQL_ALCHEMY_CONN": database,
            "API__HOST": "127.0.0.1",
            "API__PORT": str(self.port),
            "API__BASE_URL": self.url,
            "API__SECRET_KEY": secret("airflow.api"),
            "API_AUTH__JWT_SECRET": secret("airflow.jwt"),
            # MWAA looks for changed files every half minute; on a laptop somebody waits.
            "DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "2",
            "DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "120",
            "DAG_PROCESSOR__STALE_DAG_THRESHOLD": "150",
            # Connections come from Secrets Manager, as on MWAA.
            "SECRETS__BACKEND": "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend",
            "SECRETS__BACKEND_KWARGS": json.dumps(SECRETS),
            "LOGGING__REMOTE_LOGGING": "False",
            # As MWAA does, which reads them into CloudWatch: names that hold the DAG and the task.
            "METRICS__STATSD_ON": "True",
            "METRICS__STATSD_HOST": statsd_host,
            "METRICS__STATSD_PORT": statsd_port,
            # The DAGs' code is in the bundle.
            "OPENLINEAGE__DISABLE_SOURCE_CODE": "True",
            "OPENLINEAGE__NAMESPACE": f"ingot-{ENVIRONMENT}",  # as jobs have it of themselves
            "COSMOS__ENABLE_TELEMETRY": "False",
            # Assets of models are named as Airflow 3 wants them; the other form warns in every task.
            "COSMOS__USE_DATASET_AIRFLOW3_URI_STANDARD": "True",
            "COSMOS__CACHE_DIR": str(self.home.airflow / "cosmos"),
        }
        return {
            **tools_environment(self.home),
            **self._laptop.environment.variables,
            "AIRFLOW_HOME": str(self.home.airflow),
            **{f"AIRFLOW__{name}": value for name, value in settings.items()},
        }

    def start(self) -> bool:
        """Start what is not up and wait until all is healthy; returns False if it was.

        The DAG folder may still be empty, so that this can overlap with the deployment.

        Raises:
            LaptopError: The migration fails, or a part does not become healthy.
        """
        self.dags.mkdir(parents=True, exist_ok=True)
        write_private(self.home.airflow / "passwords.json", json.dumps({USER: self.password}))
        settings = self.home.airflow / "config" / "airflow_local_settings.py"
        settings.parent.mkdir(exist_ok=True)
        settings.write_text(LOCAL_SETTINGS)
        self._migrate()
        with ThreadPoolExecutor(len(PARTS)) as pool:
            started = list(pool.map(Service.start, self.services))
        if any(started) or not self.healthy():
            for service in self.services:
                service.wait_until(self.healthy, seconds=120)
        return any(started)

    def stop(self) -> list[str]:
        """Stop what runs, side by side; returns what was stopped."""
        with ThreadPoolExecutor(len(PARTS)) as pool:
            stopped = list(pool.map(Service.stop, self.services))
        return [service.name for service, was in zip(self.services, stopped, strict=True) if was]

    def healthy(self) -> bool:
        """Whether the API answers and the scheduler and the DAG processor send heartbeats."""
        try:
            answer = httpx.get(f"{self.url}/api/v2/monitor/health", timeout=5)
        except httpx.HTTPError:
            return False
        if answer.status_code != httpx.codes.OK:
            return False
        health = answer.json()
        return all(health[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor"))

    def _migrate(self) -> None:
        """Make the metadata tables once a version of Airflow."""
        marker = self.home.airflow / "migrated"
        wanted = f"{version('apache-airflow')} {self._laptop.postgres.port}"
        if marker.exists() and marker.read_text() == wanted:
            return
        self._laptop.postgres.ensure_role("airflow", self._laptop.memory.secret("airflow.database"), owner_of="airflow")
        log = self.home.logs / "airflow-migrate.log"
        with log.open("wb") as output:
            done = subprocess.run(
                [str(self.home.python), "-m", "airflow", "db", "migrate"],
                env=inherited_environment() | self.variables,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            raise LaptopError(
                "Airflow's metadata database could not be migrated.",
                detail="\n".join(log.read_text().splitlines()[-25:]),
                hint=f"The whole output is {log}. `make clean` removes the databases and starts afresh.",
            )
        marker.write_text(wanted)
