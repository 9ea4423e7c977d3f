"""The services of one worker: a cloud, a warehouse, dbt and two lanes. Histories follow each other in it."""

from __future__ import annotations

import copy
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import boto3
import psycopg
import yaml
from botocore.config import Config
from laptop.errors import LaptopError
from laptop.paths import Home
from laptop.postgres import Postgres
from laptop.services import Laptop, ReadyFileService

from ingot.contract.postgres import create_table
from ingot.naming import table_name
from ingot.sources import load_source
from tests.faults import aws, postgres, source
from tests.faults.job import ENDPOINTS, ROOT, SOURCES, Job, start
from tests.faults.lane import Lane
from tests.faults.plan import LOOKBACK
from tests.faults.run import Run
from tests.faults.shop import Shop
from tests.integration.dbt.warehouse import Dbt, dbt_process

BRONZE, LAKE, ARTIFACTS = "bronze", "lake", "artifacts"
JOB_SECONDS = 60
"""A run that takes longer hangs, which is a failure of the suite."""

_AWS = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
}


class Hung(Exception):
    """A job did not end."""


@dataclass
class World:
    """What histories happen in."""

    home: Home
    cloud: str
    server: Postgres
    dbt: Dbt
    counter: source.Counter
    lanes: list[Lane]
    addresses: dict[str, dict[str, str]]
    s3: Any
    sources: Path
    plant: str = ""
    _restarting: threading.Lock = field(default_factory=threading.Lock)

    def connect(self) -> psycopg.Connection[Any]:
        """A session of the observer's own, past all faults."""
        return self.server.connect("ingot")

    def fresh(self, shop: Shop, streams: Collection[str]) -> None:
        """Nothing of the history before is left, and this shop is open.

        Args:
            streams: those that will be loaded. The others have a table too, since dbt reads it.
        """
        self.counter.shop = shop
        self.terminate()
        with self.connect() as connection:
            connection.execute("drop schema if exists bronze, audit, staging, silver, gold cascade")
            connection.execute("set role ingot")
            connection.execute("create schema bronze")
            for stream in load_source(self.sources / "interval" / "fakestore").streams.values():
                if stream.name not in streams:
                    for statement in create_table(stream.contract, table_name("fakestore", stream.name)):
                        connection.execute(statement.encode())
        for bucket in (BRONZE, LAKE):
            for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
                if keys := [{"Key": item["Key"]} for item in page.get("Contents", ())]:
                    self.s3.delete_objects(Bucket=bucket, Delete={"Objects": keys})

    def execute(
        self,
        run: Run,
        arguments: dict[str, str],
        *,
        mode: str = "interval",
        from_s3: bool = True,
        lane: int = 0,
        tries: int = 1,
        clock: timedelta = timedelta(0),
    ) -> None:
        """Run a job to its end.

        Args:
            mode: in which carts are taken.
            from_s3: read the source's files from S3, as in the cloud, or from a folder, which is quicker.

        Raises:
            Hung: it has none.
        """
        address = self.addresses[self.lanes[lane].name]
        output = self.home.logs / f"job-{lane}.log"
        output.unlink(missing_ok=True)
        job = Job(
            script=run.step,
            arguments={
                "source": "fakestore",
                "bronze_bucket": BRONZE,
                "lake_bucket": LAKE,
                "sources_uri": f"s3://{ARTIFACTS}/{mode}" if from_s3 else str(self.sources / mode),
                "warehouse_secret": address["secret"],
                **arguments,
            },
            environment={
                **_AWS,
                "AWS_ENDPOINT_URL": address["cloud"],
                "INGOT_SOURCE_URL_FAKESTORE": address["source"],
            },
            output=output,
            tries=tries,
            clock=clock,
            plant=self.plant,
        )
        if run.turns:
            run.turns.join(run)
        self.lanes[lane].run = run
        process = start(job)
        assert process.pid is not None
        run.started(process.pid)
        process.join(JOB_SECONDS)
        hung = process.exitcode is None
        if hung:
            process.kill()
            process.join()
        printed = output.read_text(errors="replace") if output.exists() else ""
        run.output = printed
        run.ended(process.exitcode, (printed.strip().splitlines() or [""])[-1])
        process.close()
        self.lanes[lane].run = None
        with self._restarting:
            pass  # whoever looks next finds the warehouse there
        if hung:
            raise Hung(f"{run.name} did not end within {JOB_SECONDS} seconds")

    def terminate(self) -> None:
        """End every session of a job, as an administrator would."""
        with self.server.connect("postgres") as admin:
            admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'ingot'")

    def restart(self) -> None:
        """Restart the warehouse under its clients."""
        with self._restarting:
            while True:
                # On a machine that has too much to do, pg_ctl gives up before the server has.
                with suppress(LaptopError):
                    self.server.stop()
                    self.server.start()
                    return


@contextmanager
def world() -> Iterator[World]:
    """Start everything, and stop it at the end."""
    with ExitStack() as stack:
        # Not below a folder that is closed to others: as root, Postgres runs as another user.
        folder = Path(tempfile.mkdtemp(prefix="ingot-faults-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        home = Home(folder)
        for part in (home.run, home.logs, home.airflow):
            part.mkdir(parents=True)
        os.environ.update(_AWS)
        laptop = Laptop(home=home)
        stack.callback(laptop.postgres.stop)
        laptop.postgres.start()
        cloud = ReadyFileService.of(home, laptop.memory, "cloud", "localcloud", {})
        stack.callback(cloud.stop)
        cloud.start()
        laptop.postgres.ensure_role("ingot", "ingot", owner_of="ingot")
        counter = source.Counter(Shop(Random(0)))
        dbt = stack.enter_context(dbt_process(_dbt_python(), "postgres", folder, _dbt_environment(laptop.postgres)))
        s3 = boto3.client("s3", endpoint_url=cloud.url, config=Config(s3={"addressing_style": "path"}))
        built = World(
            home, cloud.url, laptop.postgres, dbt, counter, [Lane("a"), Lane("b")], {}, s3, folder / "sources"
        )
        for bucket in (BRONZE, LAKE, ARTIFACTS):
            s3.create_bucket(Bucket=bucket)
        _write_sources(built.sources)
        for file in built.sources.rglob("*.yaml"):
            s3.upload_file(str(file), ARTIFACTS, str(file.relative_to(built.sources)))
        for lane in built.lanes:
            built.addresses[lane.name] = _open_lane(stack, built, lane)
        os.environ[ENDPOINTS] = " ".join(address["cloud"] for address in built.addresses.values())
        os.environ[SOURCES] = str(built.sources)
        yield built


def _open_lane(stack: ExitStack, world: World, lane: Lane) -> dict[str, str]:
    shop = stack.enter_context(source.listen(lane, world.counter))
    cloud = stack.enter_context(aws.listen(lane, world.cloud))
    warehouse = stack.enter_context(
        postgres.listen(lane, world.server.port, terminate=world.terminate, restart=world.restart)
    )
    secret = {"engine": "postgres", "host": "127.0.0.1", "port": warehouse.port, "dbname": "ingot"}
    boto3.client("secretsmanager", endpoint_url=world.cloud).create_secret(
        Name=f"warehouse-{lane}", SecretString=json.dumps({**secret, "username": "ingot", "password": "ingot"})
    )
    return {
        "source": f"http://127.0.0.1:{shop.port}",
        "cloud": f"http://127.0.0.1:{cloud.port}",
        "secret": f"warehouse-{lane}",
    }


MAX_REJECT_RATE = 0.34
"""In batches of few records, so that one malformed one is no outage."""


def _write_sources(folder: Path) -> None:
    """The project's own source and contracts, but asked as hastily as histories are told; carts in either mode."""
    files = {f.name: yaml.safe_load(f.read_text()) for f in sorted((ROOT / "sources" / "fakestore").glob("*.yaml"))}
    source = files["source.yaml"]
    source["request"] = {"timeout_seconds": 0.4, "attempts": 2, "deadline_seconds": 10}
    for contract in (content for name, content in files.items() if name != "source.yaml"):
        (limit,) = (p for p in contract["customProperties"] if p["property"] == "maxRejectRate")
        limit["value"] = MAX_REJECT_RATE
    _write_files(folder, "interval", files)
    source["streams"]["carts"] = {
        "path": "/carts",
        "mode": "cursor",
        "cursor": {"field": "updatedAt", "lookback": f"{LOOKBACK.days}d"},
        "params": {"updated_since": "{cursor:%Y-%m-%dT%H:%M:%S}"},
    }
    files["carts.odcs.yaml"]["schema"][0]["properties"].append(
        {"name": "updatedAt", "logicalType": "timestamp", "physicalType": "timestamptz", "required": True,
         "classification": "internal", "description": "When it last changed."}
    )  # fmt: skip
    _write_files(folder, "cursor", files)


def _correct(contract: dict[str, Any]) -> None:
    """Take orders without lines and lines of nothing."""
    (lines,) = (p for p in contract["schema"][0]["properties"] if p["name"] == "products")
    del lines["logicalTypeOptions"]["minItems"]
    (quantity,) = (p for p in lines["items"]["properties"] if p["name"] == "quantity")
    quantity["logicalTypeOptions"]["minimum"] = 0


def _write_files(folder: Path, mode: str, files: dict[str, Any]) -> None:
    corrected = copy.deepcopy(files)
    _correct(corrected["carts.odcs.yaml"])
    for name, content in ((mode, files), (f"{mode}-corrected", corrected)):
        target = folder / name / "fakestore"
        target.mkdir(parents=True)
        for file, text in content.items():
            (target / file).write_text(yaml.safe_dump(text))


def _dbt_python() -> Path:
    return Path(os.environ.get("DBT_EXECUTABLE", ROOT / ".venv-dbt" / "bin" / "dbt")).with_name("python")


def _dbt_environment(server: Postgres) -> dict[str, str]:
    return {
        "INGOT_WAREHOUSE_HOST": server.host,
        "INGOT_WAREHOUSE_PORT": str(server.port),
        "INGOT_WAREHOUSE_USER": "ingot",
        "INGOT_WAREHOUSE_PASSWORD": "ingot",
        "INGOT_WAREHOUSE_DBNAME": "ingot",
    }
