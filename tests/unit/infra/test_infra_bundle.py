"""The DAG bundle is what MWAA reads, and the same bytes from the same files."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.bundle import build_bundle, bundle_facts
from infra.settings import Settings, load_settings
from ingot.errors import ConfigurationError

DAGS = Path(__file__).resolve().parents[3] / "dags"


@pytest.fixture
def settings() -> Settings:
    return load_settings("local", {"INGOT_WAREHOUSE_HOST": "localhost", "INGOT_WAREHOUSE_PORT": "5433"})


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_the_bundle_holds_what_dags_and_dbt_read_and_nothing_that_a_tool_left(
    checkout: Path, settings: Settings, tmp_path: Path
) -> None:
    bundle = build_bundle(tmp_path / "bundle", checkout, settings)

    assert set(content(bundle)) == {
        "setup/requirements.txt",
        "setup/startup.sh",
        "dags/.airflowignore",
        "dags/ingest.py",
        "dags/bundle.json",
        "dags/dbt/dbt_project.yml",
        "dags/dbt/models/gold/sales.sql",
        "dags/dbt/target/manifest.json",
        "dags/dbt/target/lineage.json",
        "dags/requirements/constraints-mwaa-3.3.1.txt",
        "dags/requirements/dbt.txt",
        *(f"dags/{file.relative_to(checkout)}" for file in (checkout / "sources").glob("*/*.yaml")),
    }


def test_the_files_that_mwaa_is_told_to_install_from_are_in_the_bundle(
    checkout: Path, settings: Settings, tmp_path: Path
) -> None:
    bundle = build_bundle(tmp_path / "bundle", checkout, settings)
    named = {
        path
        for name in ("requirements.txt", "startup.sh")
        for path in re.findall(r"/(dags/requirements/[\w.-]+\.txt)", (DAGS / name).read_text(encoding="utf-8"))
    }

    assert named
    assert not [path for path in named if not (bundle / path).is_file()]


def test_bundle_json_holds_what_differs_between_environments(
    checkout: Path, settings: Settings, tmp_path: Path
) -> None:
    bundle = build_bundle(tmp_path / "bundle", checkout, settings)

    assert json.loads((bundle / "dags/bundle.json").read_text(encoding="utf-8")) == {
        "environment": "local",
        "job_prefix": "ingot-local",
        "poll_seconds": 1,
        "schedules": False,
        "warehouse_engine": "postgres",
        "mask_salt": False,
        "metrics_namespace": "",
        "metrics_log_group": "",
    }


def test_airflow_as_a_service_is_told_where_metrics_are_logged() -> None:
    facts = bundle_facts(load_settings("prod", {}))

    assert (facts["metrics_namespace"], facts["metrics_log_group"]) == ("Ingot/prod", "airflow-ingot-prod-Task")


def test_dbts_partial_parse_is_shipped_where_there_is_one(
    make_checkout: Callable[[], Path], settings: Settings, tmp_path: Path
) -> None:
    root = make_checkout()
    (root / "dbt/target/partial_parse.msgpack").write_bytes(b"\x80")

    bundle = build_bundle(tmp_path / "bundle", root, settings)

    assert set(content(bundle / "dags/dbt/target")) == {"manifest.json", "lineage.json", "partial_parse.msgpack"}


def test_building_again_over_an_old_bundle_gives_the_same_bytes(
    checkout: Path, settings: Settings, tmp_path: Path
) -> None:
    first = content(build_bundle(tmp_path / "bundle", checkout, settings))
    (tmp_path / "bundle/dags/removed_since.py").write_text("dag = None\n", encoding="utf-8")

    assert content(build_bundle(tmp_path / "bundle", checkout, settings)) == first


@pytest.mark.parametrize(
    ("missing", "hint"),
    [
        ("dbt/target/manifest.json", "make manifest"),
        ("dbt/target/lineage.json", "make manifest"),
        ("dags/startup.sh", "startup.sh"),
        ("dags/requirements.txt", "requirements.txt"),
    ],
)
def test_a_file_that_is_missing_is_named_with_what_to_do(
    make_checkout: Callable[[], Path], settings: Settings, tmp_path: Path, missing: str, hint: str
) -> None:
    root = make_checkout()
    (root / missing).unlink()

    with pytest.raises(ConfigurationError, match=f"Next: .*{hint}"):
        build_bundle(tmp_path / "bundle", root, settings)
    shutil.rmtree(root)
