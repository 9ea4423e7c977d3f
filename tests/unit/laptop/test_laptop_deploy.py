"""What is synthesised and deployed again, what is not, and how the DAG folder follows the bucket."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import httpx
import pytest
from laptop.deploy import INPUTS, NAMES, Deployment
from laptop.errors import LaptopError
from laptop.paths import Home
from laptop.process import Service
from laptop.services import Laptop
from moto.server import ThreadedMotoServer


@pytest.fixture
def checkout(home: Home, tmp_path: Path) -> Home:
    """A checkout with one file in each input, and a `cdk` that only notes that it was called."""
    root = tmp_path / "checkout"
    for name in INPUTS:
        path = root / name / "file" if "." not in name else root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    made = replace(home, checkout=root)
    made.cdk.parent.mkdir(parents=True)
    made.cdk.write_text('#!/bin/sh\necho "$@" >> calls\n[ "$1" = synth ] && mkdir -p "$4"\n[ ! -e broken ]\n')
    made.cdk.chmod(0o755)
    return made


def synth(home: Home) -> bool:
    return Deployment(Laptop(home=home)).synth(lambda line: None)


def test_the_app_is_synthesised_once_for_the_same_inputs(checkout: Home) -> None:
    assert synth(checkout)
    assert not synth(checkout)


@pytest.mark.parametrize("name", INPUTS)
def test_a_change_of_any_input_synthesises_again(checkout: Home, name: str) -> None:
    synth(checkout)
    path = checkout.checkout / name
    (path / "file" if path.is_dir() else path).write_text("changed")
    assert synth(checkout)


def test_what_tools_leave_behind_is_no_input_but_dbts_manifest_is(checkout: Home) -> None:
    synth(checkout)
    for name in (
        "ingot/__pycache__/x.pyc",
        "dbt/target/run/x.sql",
        "dbt/target/partial_parse.msgpack",
        "dbt/logs/dbt.log",
    ):
        path = checkout.checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("left")
    assert not synth(checkout)
    (checkout.checkout / "dbt/target/manifest.json").write_text("{}")
    assert synth(checkout)


def test_another_port_of_the_warehouse_synthesises_again(checkout: Home) -> None:
    synth(checkout)
    checkout.memory.unlink()  # the ports are forgotten, and chosen anew
    assert synth(checkout)


def test_a_failed_synthesis_shows_what_cdk_said_and_is_tried_again(checkout: Home) -> None:
    (checkout.checkout / "broken").touch()
    checkout.cdk.write_text('#!/bin/sh\necho "Error: no such stack" >&2\nexit 1\n')
    for _ in range(2):
        with pytest.raises(LaptopError) as caught:
            synth(checkout)
        assert "no such stack" in caught.value.detail
        assert "cdk-synth.log" in caught.value.hint


@pytest.fixture
def cloud(home: Home) -> Iterator[Laptop]:
    """A laptop whose cloud is a moto server in this process."""
    laptop = Laptop(home=home)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=laptop.environment.cloud_port, verbose=False)
    server.start()
    httpx.post(f"{laptop.environment.endpoint}/moto-api/reset").raise_for_status()
    yield laptop
    server.stop()


def test_a_cloud_has_the_stacks_for_as_long_as_it_is_the_same_and_one_that_nobody_knows_does_not(
    checkout: Home, cloud: Laptop
) -> None:
    """In containers others run the cloud, which has lost the resources of all stacks when it is started again."""
    ours = Service(home=checkout, name="cloud")
    ours.adopt(os.getpid())
    deployment = Deployment(Laptop(home=checkout))
    deployment.synth(lambda line: None)
    assert [deployment.deploy(lambda line: None) for _ in range(2)] == [True, False]
    checkout.run.joinpath("cloud.json").unlink()
    assert ours.process() is None
    assert [deployment.deploy(lambda line: None) for _ in range(2)] == [True, True]


def test_the_dag_folder_becomes_equal_to_the_buckets(cloud: Laptop, tmp_path: Path) -> None:
    s3 = boto3.client("s3", endpoint_url=cloud.environment.endpoint)
    s3.create_bucket(Bucket=NAMES.dags_bucket)
    for key in ("requirements.txt", "dags/ingest.py", "dags/dbt/target/manifest.json"):
        s3.put_object(Bucket=NAMES.dags_bucket, Key=key, Body=key.encode())
    folder = tmp_path / "dags"
    (folder / "dbt").mkdir(parents=True)
    (folder / "dbt/gone.sql").write_text("left over")
    deployment = Deployment(cloud)

    assert deployment.sync_dags(folder) == (2, 1)

    files = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "ingest.py": "dags/ingest.py",
        "dbt/target/manifest.json": "dags/dbt/target/manifest.json",
    }
    os.utime(folder / "ingest.py", (0, 0))
    assert deployment.sync_dags(folder) == (0, 0)
    assert (folder / "ingest.py").stat().st_mtime == 0
    (folder / "dbt/target/manifest.json").write_text("older")
    assert deployment.sync_dags(folder) == (1, 0)
    assert (folder / "ingest.py").stat().st_mtime > 0, "Airflow looks at nothing else"


def test_an_empty_dag_bucket_is_an_error_and_removes_nothing(cloud: Laptop, tmp_path: Path) -> None:
    boto3.client("s3", endpoint_url=cloud.environment.endpoint).create_bucket(Bucket=NAMES.dags_bucket)
    kept = tmp_path / "dags/ingest.py"
    kept.parent.mkdir()
    kept.write_text("kept")
    with pytest.raises(LaptopError, match="has no DAGs"):
        Deployment(cloud).sync_dags(kept.parent)
    assert kept.exists()
