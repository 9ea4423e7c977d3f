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
    "INGOT_SOURCE_SECRET": (
        "`ingot source new`",
        "the credentials of the sampled source, as its secret will hold them: a JSON object with a field a value",
    ),
    "INGOT_STATSD": (
        "jobs, `transform` in Airflow, `ingot transform`",
        "where metrics go by StatsD, `host:port`; unset: they are sent to nobody",
    ),
    "INGOT_METRICS_NAMESPACE": (
        "dbt's metrics",
        "the namespace of CloudWatch for which they are written in lines of the embedded metric format; else none are",
    ),
    "INGOT_UI_AUTH": (
        "`ingot ui`",
        "who may come in: `loopback`, whoever sits at this machine (else this, where it listens there only); `alb`, "
        "whom a load balancer has let in",
    ),
    "INGOT_UI_ALB_ARN": ("`ingot ui`", "the load balancer in front, whose tokens are believed, and no other's"),
    "INGOT_UI_ALB_KEYS": ("`ingot ui`", "the address of the keys that it signs with; else the region's"),
    "INGOT_UI_WAREHOUSE_SECRET": (
        "`ingot ui`",
        "the secret of the user who may read the warehouse only; else the one that jobs use",
    ),
    "INGOT_WAREHOUSE_OWNER": (
        "the console's first container",
        "the login that jobs use, as its secret holds it: it makes the one that may read only",
    ),
    "INGOT_WAREHOUSE_READER": ("the console's first container", "the login that it makes, as its secret holds it"),
    "OPENLINEAGE_NAMESPACE": (
        "jobs, Airflow",
        "what jobs and DAGs are called in, in OpenLineage; else `ingot-{environment}`",
    ),
    "OPENLINEAGE_PARENT_ID": ("jobs", "the run that a job's is a part of: `namespace/job/run`; else its argument"),
    "OPENLINEAGE_URL": ("jobs, Airflow, `make demo`", "where lineage is sent, as [here](../how-to/lineage.md)"),
    "XDG_CACHE_HOME": ("`ingot ui`", "where the charts' JavaScript is kept once it is made; else `~/.cache`"),
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
    "DBT_TARGET_PATH": (
        "the container of dbt",
        "dbt's own: where it writes and finds its last parse; the image sets it",
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
