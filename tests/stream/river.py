"""A stream at work: a Kinesis stream and its delivery in the local cloud, the steps, and a warehouse with dbt."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3

from ingot.attempt import attempt
from ingot.batch import Batch
from ingot.manifest import Manifest
from ingot.naming import Names, failed_prefix, landing_prefix
from ingot.quarantine import read_rejects
from ingot.sources import Source, load_source
from ingot.steps.extract import extract
from ingot.steps.load import load
from ingot.steps.refine import refine
from ingot.storage import ObjectStore
from ingot.traffic import Sender
from ingot.warehouse import Endpoint, Warehouse, load_warehouse
from tests.integration.dbt.warehouse import Warehouse as Built

ROOT = Path(__file__).resolve().parents[2]
SOURCE, STREAM = "orders_stream", "orders"
BEGIN = datetime(2026, 3, 5, tzinfo=UTC)
MODELS = ["orders", "order_lines"]
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "firehose.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@dataclass
class River:
    """An environment of one test's own, in which one source's events are delivered and loaded."""

    names: Names
    source: Source
    bronze: ObjectStore
    lake: ObjectStore
    warehouse: Warehouse
    built: Built
    manifests: list[Manifest] = field(default_factory=list)

    @property
    def stream(self) -> str:
        return self.names.event_stream(SOURCE, STREAM)

    @contextmanager
    def sending(self, records: Iterable[tuple[bytes, str]]) -> Iterator[None]:
        """Send records while something else is done."""
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(Sender(self.stream).send, records)
            yield
            done.result()

    def take(self) -> Manifest:
        """The next micro-batch: five minutes of the schedule, whatever the clock says."""
        start = BEGIN + len(self.manifests) * timedelta(minutes=5)
        batch = Batch(source=SOURCE, stream=STREAM, interval_start=start, interval_end=start + timedelta(minutes=5))
        manifest = self.run(self.source, batch, batch.interval_end)
        self.manifests.append(manifest)
        return manifest

    def run(self, source: Source, batch: Batch, as_of: datetime) -> Manifest:
        """All steps of a batch."""
        contract = source.stream(batch.stream).contract
        with attempt(self.bronze, batch, "extract") as record:
            manifest = extract(batch, source=source, bronze=self.bronze, as_of=as_of, record=record)
        with attempt(self.bronze, batch, "refine") as record:
            refine(batch, contract=contract, bronze=self.bronze, lake=self.lake, record=record)
        with attempt(self.bronze, batch, "load") as record:
            load(batch, contract=contract, bronze=self.bronze, lake=self.lake, warehouse=self.warehouse, record=record)
        return manifest

    def take_all(self, records: int, *, seconds: float = 120) -> int:
        """Micro-batches until so many records were taken; how many batches took some."""
        until = time.monotonic() + seconds
        while self.taken < records:
            assert time.monotonic() < until, f"{self.taken} of {records} records came"
            time.sleep(0.5)
            self.take()
        return sum(bool(manifest.landed) for manifest in self.manifests)

    @property
    def taken(self) -> int:
        return sum(landed.records for manifest in self.manifests for landed in manifest.landed)

    def refused(self) -> Iterator[bytes]:
        """What the quarantine holds."""
        for manifest in self.manifests:
            for reject in read_rejects(self.bronze, manifest):
                assert reject.refusal.record is not None
                yield bytes(reject.refusal.record)

    def build(self) -> None:
        """Silver's orders."""
        assert self.built.dbt("run", "--select", *(f"+{model}" for model in MODELS)) == []

    def orders(self) -> dict[int, Any]:
        """What silver has, as the oracle says it. A cancelled order keeps its units, and has no lines."""
        lines: dict[int, list[tuple[int, int]]] = {}
        for order, product, quantity in self.built.rows(
            "select order_id, product_id, quantity from silver.order_lines order by order_id, line_number"
        ):
            lines.setdefault(order, []).append((product, quantity))
        return {
            order: (user, placed, gone, tuple(lines.get(order, ())), units)
            for order, user, placed, gone, units in self.built.rows(
                "select order_id, user_id, ordered_at, deleted_at, units from silver.orders"
            )
        }


def make_river(built: Built, *, buffer_seconds: int = 1) -> River:
    """An environment with nothing in it; the warehouse that dbt is connected to is emptied."""
    account = boto3.client("sts").get_caller_identity()["Account"]
    names = Names(environment=f"s{uuid.uuid4().hex[:8]}", account=account, region="us-east-1")
    for bucket in (names.bronze_bucket, names.lake_bucket):
        boto3.client("s3").create_bucket(Bucket=bucket)
    for schema in ("bronze", "staging", "silver", "gold", "audit"):
        built.connection.execute(f"drop schema if exists {schema} cascade")
    info = built.connection.info
    endpoint = Endpoint("postgres", info.host, info.port, info.user, info.password, info.dbname)
    source = load_source(ROOT / "sources" / SOURCE)
    river = River(
        names=names,
        source=source,
        bronze=ObjectStore(names.bronze_bucket),
        lake=ObjectStore(names.lake_bucket),
        warehouse=load_warehouse(endpoint),
        built=built,
    )
    deliver(names, source, buffer_seconds)
    return river


def drop_river(river: River) -> None:
    """End its delivery: the thread would go on."""
    boto3.client("firehose").delete_delivery_stream(DeliveryStreamName=river.stream)
    boto3.client("kinesis").delete_stream(StreamName=river.stream)


def deliver(names: Names, source: Source, buffer_seconds: int) -> None:
    """A Kinesis stream and its delivery, as infra/constructs/delivery_stream.py declares them."""
    delivery, name = source.stream(STREAM).delivery, names.event_stream(SOURCE, STREAM)
    assert delivery is not None
    kinesis = boto3.client("kinesis")
    kinesis.create_stream(StreamName=name, ShardCount=2)
    arn = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    made = boto3.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    role = made["Role"]["Arn"]
    query = f'{{day:(.{delivery.partition_by}[0:10]? // "other")}}'
    processors = [
        ("MetadataExtraction", {"MetadataExtractionQuery": query, "JsonParsingEngine": "JQ-1.6"}),
        ("AppendDelimiterToRecord", {"Delimiter": "\\n"}),
    ]
    boto3.client("firehose").create_delivery_stream(
        DeliveryStreamName=name,
        DeliveryStreamType="KinesisStreamAsSource",
        KinesisStreamSourceConfiguration={"KinesisStreamARN": arn, "RoleARN": role},
        ExtendedS3DestinationConfiguration={
            "RoleARN": role,
            "BucketARN": f"arn:aws:s3:::{names.bronze_bucket}",
            "Prefix": f"{landing_prefix(SOURCE, STREAM)}day=!{{partitionKeyFromQuery:day}}/",
            "ErrorOutputPrefix": f"{failed_prefix(SOURCE, STREAM)}!{{firehose:error-output-type}}/",
            "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": buffer_seconds},
            "CompressionFormat": "GZIP",
            "DynamicPartitioningConfiguration": {"Enabled": True},
            "ProcessingConfiguration": {
                "Enabled": True,
                "Processors": [
                    {
                        "Type": kind,
                        "Parameters": [{"ParameterName": n, "ParameterValue": v} for n, v in parameters.items()],
                    }
                    for kind, parameters in processors
                ],
            },
        },
    )
