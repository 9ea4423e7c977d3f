"""What the DAG files read beside themselves: ``bundle.json``, ``sources/*/source.yaml`` and ``dbt/``.

MWAA synchronises the DAG folder and nothing else, so that all a DAG needs to know travels inside it.
This module imports nothing of ours and nothing heavy: it runs at every parse.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import yaml
from airflow.sdk import Asset

FOLDER = Path(__file__).resolve().parent
"""The uploaded ``dags/`` folder."""

# PyYAML's C reader where the wheel has it: ten times quicker, and this runs at every parse.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """``bundle.json``: all that differs between environments for the DAGs."""

    environment: str
    job_prefix: str
    """A Glue job is called ``{job_prefix}-{source}-{step}``."""
    poll_seconds: float
    """Between two looks at a running job; retries wait a multiple of it."""
    warehouse_engine: str
    """``postgres`` or ``redshift``."""
    mask_salt: bool = False
    """True: the variable ``mask_salt`` holds what dbt's masks are salted with."""
    metrics_namespace: str = ""
    """Of our metrics in CloudWatch; empty: there are none."""
    metrics_log_group: str = ""
    """Where lines that carry them may be put."""
    schedules: bool = True
    """False where only people start runs: the sources' schedules are then not followed."""

    def job(self, source: str, step: str) -> str:
        """The Glue job of one step of a source."""
        return f"{self.job_prefix}-{source}-{step}"


@dataclass(frozen=True, kw_only=True)
class Source:
    """The part of a ``source.yaml`` that orchestration needs."""

    name: str
    title: str
    schedule: str
    start_date: datetime
    streams: tuple[str, ...]

    def asset(self, stream: str) -> Asset:
        """What ``load`` updates and ``transform`` waits for: the stream's Bronze table."""
        return Asset(name=f"bronze.{self.name}_{stream}", uri=f"ingot://bronze/{self.name}/{stream}", group="bronze")

    @property
    def assets(self) -> list[Asset]:
        """One a stream, in the order of ``source.yaml``."""
        return [self.asset(stream) for stream in self.streams]


def load_bundle(folder: Path = FOLDER) -> Bundle:
    """Read ``bundle.json``.

    Raises:
        FileNotFoundError: The folder was uploaded without it: deploy with the CDK, which writes it.
        ValueError: A key is missing, or unknown to this version of the DAGs.
    """
    path = folder / "bundle.json"
    try:
        return Bundle(**json.loads(path.read_text()))
    except TypeError as error:
        raise ValueError(f"{path}: {error}. Deploy the DAG folder and its bundle.json together.") from error


def load_sources(folder: Path = FOLDER) -> list[Source]:
    """Every ``sources/*/source.yaml``, in the order of their names.

    Raises:
        ValueError: A file lacks one of ``name``, ``schedule``, ``start_date`` and ``streams``.
    """
    return [_source(path) for path in sorted(folder.glob("sources/*/source.yaml"))]


def _source(path: Path) -> Source:
    raw = yaml.load(path.read_text(), _Loader)  # noqa: S506 - a safe loader
    try:
        start: date = raw["start_date"]
        return Source(
            name=raw["name"],
            title=raw.get("title", raw["name"]),
            schedule=raw["schedule"],
            start_date=datetime(start.year, start.month, start.day, tzinfo=UTC),
            streams=tuple(raw["streams"]),
        )
    except KeyError as error:
        raise ValueError(f"{path} has no {error}; see docs/reference for what a source must say.") from error
