"""Parse a DAG folder as MWAA's processor would, with nothing importable but what MWAA would have installed.

Run as ``python -P parse_as_mwaa.py FOLDER``; the last line of its output is JSON. An environment made from MWAA's
constraints would say the same and take a minute to make: here the modules of every distribution that is not
required, directly or not, by MWAA's image or the folder's requirements.txt are hidden instead.

Parse times are taken as the processor takes them: Airflow's modules that a file names are imported beforehand in the
parent, each parse runs in a fork, and the time is that of the parse. The quickest of a few counts, so that a
neighbour on the machine is not measured.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.metadata as metadata
import json
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Of MWAA's image for Airflow 3.3.1, beside Airflow itself.
PREINSTALLED = [
    "apache-airflow",
    *(
        f"apache-airflow-providers-{name}"
        for name in (
            "amazon", "celery", "common-compat", "common-io", "common-sql", "fab", "http", "postgres", "smtp",
            "standard",
        )
    ),
    "redshift-connector",
    "statsd",
    "virtualenv",
    # The image's Python.
    "pip",
]  # fmt: skip
OURS = {"ingot", "infra", "glue_jobs", "localcloud", "recorded_source", "laptop"}
TRIES = 3


def required_by(roots: Sequence[str]) -> set[str]:
    """The distributions that the roots need here, themselves included; those not installed are left out."""
    found: set[str] = set()
    waiting = [Requirement(root) for root in roots]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        new = name not in found
        found.add(name)
        if not new and not requirement.extras:
            continue
        for text in distribution.requires or []:
            needed = Requirement(text)
            environments = [{**default_environment(), "extra": extra} for extra in (*requirement.extras, "")]
            if needed.marker is None or any(needed.marker.evaluate(one) for one in environments):
                waiting.append(needed)
    return found


class Hidden(importlib.abc.MetaPathFinder):
    """Refuses modules, as if they were not installed."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] in self._names or ".".join(fullname.split(".")[:3]) in self._names:
            raise ModuleNotFoundError(f"No module named {fullname!r} on MWAA", name=fullname)
        return None


def hide_metadata(allowed: set[str]) -> None:
    """The entry points and versions of other distributions are not to be found either."""
    discover = metadata.Distribution.discover

    def only_allowed(**context: object) -> Iterator[metadata.Distribution]:
        found = discover(**context)
        return (one for one in found if canonicalize_name(one.metadata["Name"]) in allowed)

    metadata.Distribution.discover = only_allowed  # type: ignore[method-assign, assignment]


def hidden_modules(allowed: set[str]) -> set[str]:
    """Modules of no allowed distribution; providers share a namespace, so that theirs are named in full."""
    owners = metadata.packages_distributions()
    names = {
        module
        for module, distributions in owners.items()
        if not any(canonicalize_name(one) in allowed for one in distributions)
    }
    for distribution in metadata.distributions():
        name = canonicalize_name(distribution.metadata["Name"])
        if (match := re.fullmatch(r"apache-airflow-providers-(\w+)", name)) and name not in allowed:
            names.add(f"airflow.providers.{match[1]}")
    return names | OURS


def pins(constraints: Path) -> dict[str, str]:
    lines = (line.partition("#")[0].strip() for line in constraints.read_text().splitlines())
    return {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines if line)}


def parse(folder: Path, file: str) -> dict[str, object]:
    from airflow.dag_processing.dagbag import DagBag

    began = time.perf_counter()
    bag = DagBag(dag_folder=str(folder / file) if file else str(folder), bundle_path=folder, bundle_name="mwaa")
    return {
        "seconds": time.perf_counter() - began,
        "dags": {dag_id: Path(dag.fileloc).name for dag_id, dag in bag.dags.items()},
        "errors": bag.import_errors,
        "modules": sorted({name.partition(".")[0] for name in sys.modules}),
    }


def in_a_fork(folder: Path, file: str) -> dict[str, object]:
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        with os.fdopen(writer, "w") as pipe:
            json.dump(parse(folder, file), pipe)
            pipe.flush()
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        answer: dict[str, object] = json.loads(pipe.read())
    os.waitpid(child, 0)
    return answer


def main(folder: Path) -> None:
    lines = (folder.parent / "setup/requirements.txt").read_text().splitlines()
    roots = [line for line in lines if re.match(r"\w", line)]
    allowed = required_by([*PREINSTALLED, *roots])
    constraints = pins(next((folder / "requirements").glob("constraints-*.txt")))
    installed = {name: metadata.version(name) for name in allowed}
    sys.meta_path.insert(0, Hidden(hidden_modules(allowed)))
    hide_metadata(allowed)
    # MWAA puts the DAG folder on the path.
    sys.path.insert(0, str(folder))
    os.environ.update(AIRFLOW__CORE__LOAD_EXAMPLES="False", AIRFLOW__COSMOS__ENABLE_TELEMETRY="False")

    import structlog
    from airflow.dag_processing import processor

    whole = in_a_fork(folder, "")
    files = sorted(path.name for path in folder.glob("*.py") if not path.name.startswith("ingot_"))
    seconds = {}
    for file in files:
        processor._pre_import_airflow_modules(str(folder / file), structlog.get_logger())
        seconds[file] = min(float(str(in_a_fork(folder, file)["seconds"])) for _ in range(TRIES))
    dags: dict[str, list[str]] = {}
    assert isinstance(whole["dags"], dict)
    for dag_id, file in whole["dags"].items():
        dags.setdefault(file, []).append(dag_id)
    print(
        json.dumps(
            {
                "dags": dags,
                "errors": whole["errors"],
                "seconds": seconds,
                "modules": whole["modules"],
                "unpinned": {
                    name: f"{version}, constrained to {constraints[name]}"
                    for name, version in installed.items()
                    if name in constraints and constraints[name] != version
                },
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
