"""Which services a laptop runs, how each is started and when it is ready."""

from __future__ import annotations

import json
import shlex
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from laptop.environment import Environment, tools_environment
from laptop.errors import LaptopError
from laptop.memory import Memory, write_private
from laptop.paths import Home
from laptop.postgres import Postgres
from laptop.process import Service
from laptop.recordings import source_urls


@dataclass(frozen=True, kw_only=True)
class Laptop:
    """The services below Airflow: the warehouse, the recorded source, the cloud, and what hears metrics."""

    home: Home
    live: bool = False
    """Take from the real APIs instead of the recordings."""

    @cached_property
    def memory(self) -> Memory:
        return Memory(self.home.memory)

    @cached_property
    def postgres(self) -> Postgres:
        return Postgres(self.home, self.memory)

    @cached_property
    def source(self) -> ReadyFileService:
        """The APIs as they were when they were recorded."""
        return ReadyFileService.of(self.home, self.memory, "source", "recorded_source", {})

    @cached_property
    def metrics(self) -> ReadyFileService:
        """What hears metrics of jobs and of Airflow and shows them to Prometheus."""
        mapping = self.home.checkout / "localstack/monitoring/statsd-mapping.yml"
        return ReadyFileService.of(
            self.home, self.memory, "metrics", "statsd_bridge", {}, arguments=["--mapping", str(mapping)]
        )

    @cached_property
    def cloud(self) -> ReadyFileService:
        """The AWS APIs. Jobs run as its children, so that it carries what a job must find."""
        return ReadyFileService.of(
            self.home,
            self.memory,
            "cloud",
            "localcloud",
            {**self.environment.variables, "LOCALCLOUD_ECS_IMAGES": json.dumps(self._images)},
            arguments=["--state", str(self.home.cloud)],
        )

    @cached_property
    def dbt(self) -> Service:
        """dbt with its imports done; nobody waits for it, as its client is dbt itself until it is up."""
        server = self.home.checkout / "localstack/laptop/dbt_server.py"
        python = self.home.dbt.with_name("python")
        return Service(
            home=self.home,
            name="dbt",
            command=[str(python), str(server), str(self._dbt_socket)],
            env={"PYTHONPATH": ""},
        )

    @property
    def _images(self) -> dict[str, list[str]]:
        """What stands for the images of container tasks, as the settings of ``local`` name them."""
        return {"ingot/dbt": [str(self.home.checkout / "localstack/laptop/dbt-image.sh"), str(self.home.dbt_command)]}

    @property
    def _dbt_socket(self) -> Path:
        return self.home.run / "dbt.sock"

    @cached_property
    def environment(self) -> Environment:
        """What shells, jobs and Airflow find the services by."""
        return Environment(
            home=self.home,
            cloud_port=self.memory.port("cloud", running=Service(home=self.home, name="cloud").process() is not None),
            warehouse_host=self.postgres.host,
            warehouse_port=self.postgres.port,
            statsd=f"127.0.0.1:{self.metrics.port}",
            source_urls={} if self.live else source_urls(self.home.sources, self.source.url),
        )

    def start(self) -> list[str]:
        """Start what is not up, side by side, and wait until all of it is; returns what was started.

        Raises:
            LaptopError: A service does not start; with its log's tail.
        """
        if self.cloud.outdated():
            self.cloud.stop()  # e.g. --source live after recorded: its jobs would ask the wrong one
        write_private(self.home.env, self.environment.dotenv())
        self._write_dbt_command()
        self.dbt.start()
        parts = [self.postgres, self.cloud, self.metrics, *([] if self.live else [self.source])]
        with ThreadPoolExecutor(len(parts)) as pool:
            started = list(pool.map(lambda part: part.start(), parts))
        return [part.service.name for part, new in zip(parts, started, strict=True) if new]

    def stop(self) -> list[str]:
        """Stop what runs, the databases last; returns what was stopped."""
        parts = (self.source, self.cloud, self.metrics, self.postgres)
        return [*(["dbt"] if self.dbt.stop() else []), *(part.service.name for part in parts if part.stop())]

    def _write_dbt_command(self) -> None:
        command = self.home.dbt_command
        command.parent.mkdir(exist_ok=True)
        client = self.home.checkout / "localstack/laptop/dbt_client.py"
        words = [self.home.dbt.with_name("python"), "-IS", client, self._dbt_socket, self.home.dbt]
        command.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, words))} "$@"\n')
        command.chmod(0o755)


@dataclass(frozen=True, kw_only=True)
class ReadyFileService:
    """A server of ours: ``python -m MODULE --port P --ready-file F``; it writes the file once it serves."""

    service: Service
    port: int
    ready_file: Path
    start_seconds: float = 60

    @classmethod
    def of(
        cls, home: Home, memory: Memory, name: str, module: str, env: dict[str, str], arguments: list[str] | None = None
    ) -> ReadyFileService:
        ready_file = home.run / f"{name}.ready"
        port = memory.port(name, running=Service(home=home, name=name).process() is not None)
        service = Service(
            home=home,
            name=name,
            command=[
                str(home.python), "-m", module,
                "--port", str(port), "--ready-file", str(ready_file), *(arguments or []),
            ],
            env={**tools_environment(home), **env},
        )  # fmt: skip
        return cls(service=service, port=port, ready_file=ready_file)

    @property
    def url(self) -> str:
        """``localhost`` and not the address: the CDK tells a path-style URL by the name."""
        return f"http://localhost:{self.port}"

    def start(self) -> bool:
        """Start it and wait until it serves; returns False if it was up."""
        if self.ready():
            return False
        if self.service.process() is None:
            self.ready_file.unlink(missing_ok=True)
            self.service.start()
            self._variables_file.write_text(json.dumps(dict(self.service.env)))
        self.service.wait_until(self.ready, seconds=self.start_seconds)
        return True

    def stop(self) -> bool:
        stopped = self.service.stop()
        self.ready_file.unlink(missing_ok=True)
        return stopped

    def ready(self) -> bool:
        """Whether it runs, says that it serves, and takes connections."""
        return self.service.process() is not None and self.ready_file.exists() and takes_connections(self.port)

    def outdated(self) -> bool:
        """Whether it runs with other variables than those that it would be started with now."""
        return self.service.process() is not None and self._variables_of_start() != dict(self.service.env)

    def _variables_of_start(self) -> dict[str, str]:
        try:
            return dict(json.loads(self._variables_file.read_text()))
        except OSError:
            return {}

    @property
    def _variables_file(self) -> Path:
        return self.ready_file.with_suffix(".env.json")


def takes_connections(port: int) -> bool:
    """Whether something listens on this port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def require_tools(home: Home) -> None:
    """Raises LaptopError unless the three environments that ``make setup`` makes are there."""
    for path in (home.python, home.dbt, home.cdk):
        if not path.exists():
            raise LaptopError(f"{path} is not there.", hint="Run `make setup`, which makes the environments.")
