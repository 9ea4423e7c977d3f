"""The DAG folder on MWAA: what it may import, how long it takes, and the files that MWAA reads beside it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import MwaaParse

ROOT = Path(__file__).resolve().parents[3]


def test_the_folder_parses_with_only_what_mwaa_would_have_installed(mwaa: MwaaParse) -> None:
    assert mwaa.errors == {}
    sources = sorted(file.parent.name for file in (ROOT / "sources").glob("*/source.yaml"))
    found = {file: sorted(dags) for file, dags in mwaa.dags.items()}
    assert found == {"ingest.py": [f"ingest_{source}" for source in sources], "transform.py": ["transform"]}


def test_what_mwaa_would_not_have_is_out_of_reach_in_that_parse(mwaa: MwaaParse) -> None:
    unwanted = {"ingot", "infra", "aws_cdk", "moto", "duckdb", "awswrangler"}
    assert unwanted.intersection(mwaa.modules) == set()


def test_the_dags_load_nothing_heavy(mwaa: MwaaParse) -> None:
    assert {"pandas", "pyarrow", "numpy", "dbt"}.intersection(mwaa.modules) == set()


def test_what_the_folder_is_tested_with_are_the_versions_that_mwaa_constrains_to(mwaa: MwaaParse) -> None:
    assert mwaa.unpinned == {}


@pytest.mark.parametrize("file", ["ingest.py", "transform.py"])
def test_a_file_is_parsed_in_under_a_second(mwaa: MwaaParse, file: str) -> None:
    assert mwaa.seconds[file] < 1


def test_no_dag_file_has_a_name_that_dbt_takes_for_a_plugin(folder: Path) -> None:
    assert [path.name for path in folder.glob("dbt_*.py")] == []


def test_airflow_looks_for_dags_in_no_other_file(folder: Path) -> None:
    from airflow._shared.module_loading import find_path_from_directory

    found = find_path_from_directory(folder, ".airflowignore", "glob")
    assert sorted(Path(path).name for path in found if path.endswith(".py")) == ["ingest.py", "transform.py"]


def test_the_requirements_are_held_to_constraints_that_travel_in_the_folder(uploaded: Path) -> None:
    text = (uploaded / "setup/requirements.txt").read_text()
    line = re.search(r'^--constraint "/usr/local/airflow/(.+)"$', text, re.MULTILINE)
    assert line
    assert "apache-airflow-providers-amazon==" in (uploaded / line[1]).read_text()
    packages = [line for line in text.splitlines() if re.match(r"\w", line)]
    assert all("==" in package for package in packages)


EXPORTED = '"$DBT_EXECUTABLE $DO_NOT_TRACK $AIRFLOW__COSMOS__ENABLE_TELEMETRY"'


def run_startup(home: Path, script: Path, component: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Source the script as MWAA does, and print what it exported."""
    return subprocess.run(
        [
            "/bin/bash",
            "-c",
            f'source "{script}" && echo {EXPORTED}',
        ],
        env={
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "AIRFLOW_HOME": str(home),
            "MWAA_AIRFLOW_COMPONENT": component,
            "PIP_USER": "true",
            **more,
        },
        capture_output=True,
        text=True,
    )


def test_every_component_learns_where_dbt_is_and_tracks_nobody(tmp_path: Path) -> None:
    done = run_startup(tmp_path, ROOT / "dags/startup.sh", "webserver")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path}/dbt-environment/bin/dbt 1 False\n"
    assert list(tmp_path.iterdir()) == []


def test_a_worker_makes_the_dbt_environment_from_the_lock_and_only_once(tmp_path: Path) -> None:
    wheel = a_wheel_called_dbt(tmp_path)
    (tmp_path / "dags/requirements").mkdir(parents=True)
    digest = sha256(wheel.read_bytes()).hexdigest()
    (tmp_path / "dags/requirements/dbt.txt").write_text(f"dbt-stand-in==1.0 --hash=sha256:{digest}\n")
    index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheel.parent)}

    done = run_startup(tmp_path, ROOT / "dags/startup.sh", "worker", **index)

    assert done.returncode == 0, done.stderr
    dbt = tmp_path / "dbt-environment/bin/dbt"
    assert subprocess.run([str(dbt)], capture_output=True, text=True).stdout == "dbt of the lock\n"
    made = dbt.stat().st_mtime_ns
    again = run_startup(tmp_path, ROOT / "dags/startup.sh", "worker", **index)
    assert again.returncode == 0, again.stderr
    assert dbt.stat().st_mtime_ns == made


@pytest.mark.parametrize("component", ["worker", "hybrid"])
def test_a_component_that_runs_tasks_does_not_start_without_dbt_and_says_what_to_look_at(
    tmp_path: Path, component: str
) -> None:
    broken = tmp_path / "bin/python3"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    path = f"{broken.parent}{os.pathsep}{os.environ['PATH']}"
    done = run_startup(tmp_path, ROOT / "dags/startup.sh", component, PATH=path)
    assert done.returncode == 1
    assert "dags/requirements/dbt.txt" in done.stderr


def test_the_lock_that_is_uploaded_pins_dbt_with_hashes(folder: Path) -> None:
    text = (folder / "requirements/dbt.txt").read_text()
    assert re.search(r"^dbt-core==1\.11\.\d+ \\\n    --hash=sha256:", text, re.MULTILINE)
    assert re.search(r"^dbt-postgres==", text, re.MULTILINE)


def a_wheel_called_dbt(folder: Path) -> Path:
    """A wheel with a ``dbt`` command in it: the real ones take 40 seconds."""
    path = folder / "wheels/dbt_stand_in-1.0-py3-none-any.whl"
    path.parent.mkdir()
    info = "dbt_stand_in-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("dbt_stand_in.py", "def main():\n    print('dbt of the lock')\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: dbt-stand-in\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/entry_points.txt", "[console_scripts]\ndbt = dbt_stand_in:main\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path
