"""The environment variables: what each means, and which of them the code reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

VARIABLES = {
    "INGOT_ENVIRONMENT": ("the command line", "which environment it speaks to: `local`, `dev`, `staging`, `prod`"),
    "INGOT_HOME": ("a laptop, the command line", "where a laptop keeps its state; else `.ingot` in the checkout"),
    "INGOT_SOURCE_URL_{SOURCE}": (
        "jobs",
        "where a source is, instead of its own `base_url`: a laptop's recordings; unset in an account",
    ),
    "INGOT_MASK_SALT": ("dbt", "the salt of the hashes that mask personal data in Silver"),
    "INGOT_WAREHOUSE_HOST": ("dbt, `infra/settings.yaml` (`local`)", "the warehouse's host; else `localhost`"),
    "INGOT_WAREHOUSE_PORT": ("dbt, `infra/settings.yaml` (`local`)", "its port; else `5432`, on Redshift `5439`"),
    "INGOT_WAREHOUSE_USER": ("dbt", "its user; else `ingot`"),
    "INGOT_WAREHOUSE_PASSWORD": ("dbt", "its password; from the warehouse's secret, never from a file"),
    "INGOT_WAREHOUSE_DBNAME": ("dbt", "its database; else `ingot`"),
    "INGOT_PYTHON": ("`make setup`", "the Python 3.12 that the environments are made with; else one that is found"),
    "INGOT_DAGS": ("`docker-compose.yml`", "the folder that its deploying service writes the DAGs' bundle to"),
    "DBT_EXECUTABLE": (
        "`transform` in Airflow, `ingot transform`",
        "the dbt of the second environment; MWAA's `startup.sh` exports it",
    ),
    "LOCALCLOUD_ECS_IMAGES": (
        "the local cloud",
        "what stands for the images of container tasks, as JSON: a name without its version → the words of a command",
    ),
    "LOCALCLOUD_GLUE_PYTHON": ("the local cloud", "the Python that runs Glue jobs; else its own"),
    "LOCALCLOUD_GLUE_SECONDS_A_MINUTE": (
        "the local cloud",
        "how many seconds a minute of a job's time-out lasts; else `60`: tests wait less",
    ),
}
"""Name → who reads it, and what it means. A part in braces stands for any name."""

_FOLDERS = ("ingot", "glue_jobs", "dags", "dbt", "infra", "localstack")
_KINDS = {".py", ".sh", ".sql", ".yml", ".yaml"}
_OURS = re.compile(r"\bINGOT_(?:[A-Z0-9_]*[A-Z0-9])?_?(?![A-Z*])")
_READ = re.compile(r"os\.environ(?:\.get\(|\[|\.pop\()\s*f?[\"']([A-Z][A-Z0-9_]+)|env_var\(\s*['\"]([A-Z][A-Z0-9_]+)")

_OTHERS = re.compile(r"AWS_|MOTO_|PATH$")


def used(root: Path) -> set[str]:
    """The variables that the code names; one that ends in an underscore goes on with something else."""
    return {name for file in _files(root) for name in _names(file.read_text(encoding="utf-8"))}


def is_documented(name: str) -> bool:
    """Whether the page speaks of a variable."""
    return any(name == known.partition("{")[0] if "{" in known else name == known for known in VARIABLES)


def _names(text: str) -> Iterator[str]:
    yield from (name for name in _OURS.findall(text) if name != "INGOT_")
    yield from (name for pair in _READ.findall(text) for name in pair if name and not _OTHERS.match(name))


def _files(root: Path) -> Iterator[Path]:
    yield root / "Makefile"
    for folder in _FOLDERS:
        for file in sorted((root / folder).rglob("*")):
            generated = {"target", "logs", "dbt_packages", "__pycache__", "node_modules"} & set(file.parts)
            if file.suffix in _KINDS and not generated:
                yield file
