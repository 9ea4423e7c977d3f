"""The DAG bundle: one folder, laid out as MWAA reads it.

MWAA's ``dags/`` folder is read-only and the only one that is synchronised quickly, so that all that DAGs
and dbt read goes into it. Beside it, in ``setup/``, are ``requirements.txt`` and ``startup.sh``, from which MWAA makes
its containers.
See https://docs.aws.amazon.com/mwaa/latest/userguide/configuring-dag-folder.html
"""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path

from infra.files import IGNORED, RECORDED, empty_folder, required
from infra.settings import Settings
from ingot.metrics import metrics_namespace
from ingot.naming import Names

_SETUP = ("requirements.txt", "startup.sh")
# Named by these two, found below dags/requirements/: what pip is held to, and dbt's environment of its own.
_LOCKS = ("constraints-mwaa-*.txt", "dbt.txt")
# All that is needed of the last parse: the manifest for Cosmos, the partial parse to spare dbt its own, and which
# column is made of which, for those who ask.
_PARSED = ("manifest.json", "partial_parse.msgpack", "lineage.json")


def build_bundle(destination: Path, root: Path, settings: Settings) -> Path:
    """Assembles the bundle from ``dags/``, ``sources/``, ``dbt/`` and ``requirements/``.

    The same files give the same bundle, byte for byte, whenever and wherever it is built.

    Args:
        destination: the folder to make; what was there is removed.
        root: the checkout.
        settings: the environment that the DAGs will run in.

    Returns:
        The destination.

    Raises:
        ConfigurationError: dbt's manifest or a file that MWAA wants is not there.
    """
    dags = root / "dags"
    manifest = required(root / "dbt/target/manifest.json", hint="run `make manifest`")
    required(root / "dbt/target/lineage.json", hint="run `make manifest`")
    empty_folder(destination)
    shutil.copytree(dags, destination / "dags", ignore=IGNORED)
    setup = empty_folder(destination / "setup")
    for name in _SETUP:
        required(destination / "dags" / name, hint=f"MWAA wants it: add {name} to {dags}").rename(setup / name)
    shutil.copytree(
        root / "sources",
        destination / "dags/sources",
        ignore=lambda folder, names: IGNORED(folder, names) | {RECORDED} & set(names),
    )
    shutil.copytree(
        root / "dbt",
        destination / "dags/dbt",
        ignore=lambda folder, names: IGNORED(folder, names) | _target(names),
    )
    target = empty_folder(destination / "dags/dbt/target")
    for name in _PARSED:
        if (manifest.parent / name).exists():
            shutil.copyfile(manifest.parent / name, target / name)
    locks = empty_folder(destination / "dags/requirements")
    for pattern in _LOCKS:
        for lock in (root / "requirements").glob(pattern):
            shutil.copyfile(lock, locks / lock.name)
    _write_json(destination / "dags/bundle.json", bundle_facts(settings))
    return destination


def setup_digest(bundle: Path) -> str:
    """A name for all that MWAA's containers are made from: the two files and the locks that they install from.

    Args:
        bundle: as built.
    """
    digest = sha256()
    for folder in (bundle / "setup", bundle / "dags/requirements"):
        for file in sorted(folder.iterdir()):
            digest.update(f"{file.name}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def bundle_facts(settings: Settings) -> dict[str, str | int | bool]:
    """What differs between environments for the DAGs, which cannot ask the cloud while they are parsed."""
    names = Names(environment=settings.environment, account="", region="")
    # Where there is no MWAA, Airflow has no log group, and metrics go by StatsD.
    logged = settings.observability is not None and settings.mwaa is not None
    return {
        "environment": settings.environment,
        "job_prefix": f"ingot-{settings.environment}",
        "poll_seconds": settings.poll_seconds,
        "schedules": settings.schedules and not settings.step_functions,  # one clock starts a source
        "warehouse_engine": settings.warehouse.engine,
        "mask_salt": settings.masks_are_salted,
        "metrics_namespace": metrics_namespace(settings.environment) if logged else "",
        "metrics_log_group": names.airflow_log("Task") if logged else "",
    }


def _target(names: list[str]) -> set[str]:
    return {"target"} & set(names)


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
