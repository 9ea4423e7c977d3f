"""Services that tests share: each is started once a session, on first use, below a folder of its own."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from laptop.services import Laptop
    from recorded_source.source import RecordedSource

    from ingot.warehouse import Endpoint

ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The demo's tests come last: its Airflow goes on running, and would slow down whatever comes after."""
    items.sort(key=lambda item: (ROOT / "tests" / "e2e") in item.path.parents)


@pytest.fixture(scope="session", autouse=True)
def _a_clean_environment() -> Iterator[None]:
    """Nothing of the person's own AWS set-up, and nothing of a demo that runs, reaches a test."""
    patch = pytest.MonkeyPatch()
    for name in [n for n in os.environ if n.startswith(("AWS_", "INGOT_", "AIRFLOW", "DBT_", "OPENLINEAGE"))]:
        patch.delenv(name)
    patch.setenv("AWS_CONFIG_FILE", os.devnull)
    patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    patch.setenv("AWS_ACCESS_KEY_ID", "local")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    patch.setenv("DO_NOT_TRACK", "1")
    yield
    patch.undo()


@pytest.fixture(scope="session")
def laptop() -> Iterator[Laptop]:
    """The services of a laptop with a state folder of their own; each starts when a fixture asks for it."""
    from laptop.paths import Home
    from laptop.services import Laptop

    # Not below pytest's own folder, which it closes to other users: as root, Postgres runs as another.
    home = Home(Path(tempfile.mkdtemp(prefix="ingot-test-")))
    for folder in (home.run, home.logs, home.airflow):
        folder.mkdir(parents=True)
    services = Laptop(home=home)
    yield services
    services.stop()
    shutil.rmtree(home.folder)


@pytest.fixture(scope="session")
def cloud(laptop: Laptop) -> Iterator[str]:
    """The local cloud's endpoint; boto3 in this process finds it too."""
    laptop.cloud.start()
    patch = pytest.MonkeyPatch()
    patch.setenv("AWS_ENDPOINT_URL", laptop.cloud.url)
    yield laptop.cloud.url
    patch.undo()


@dataclass(frozen=True)
class Buckets:
    """A bronze and a lake bucket that nobody else uses."""

    bronze: str
    lake: str


@pytest.fixture
def buckets(cloud: str) -> Buckets:
    import boto3

    s3 = boto3.client("s3")
    name = uuid.uuid4().hex[:12]
    made = Buckets(bronze=f"bronze-{name}", lake=f"lake-{name}")
    for bucket in (made.bronze, made.lake):
        s3.create_bucket(Bucket=bucket)
    return made


@pytest.fixture
def warehouse_endpoint(laptop: Laptop) -> Iterator[Endpoint]:
    """An empty database with an owner of its own, gone after the test."""
    from psycopg import sql

    from ingot.warehouse import Endpoint

    laptop.postgres.start()
    name, password = f"test_{uuid.uuid4().hex[:12]}", secrets.token_urlsafe(12)
    with laptop.postgres.connect("postgres") as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    laptop.postgres.ensure_role(name, password, owner_of=name)
    yield Endpoint("postgres", laptop.postgres.host, laptop.postgres.port, name, password, name)
    with laptop.postgres.connect("postgres") as admin:
        admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
        admin.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


@pytest.fixture
def recorded() -> Iterator[RecordedSource]:
    """The recorded Fakestore, the sources' own recordings and those of ``tests/strangers``, in this process."""
    from recorded_source.declared import SOURCES
    from recorded_source.source import RecordedSource

    with RecordedSource(apis=(SOURCES, ROOT / "tests" / "strangers")) as source:
        yield source
