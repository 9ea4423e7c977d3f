"""What is put into a Kinesis stream lies in S3 as Firehose would have put it there, and goes through the gate."""

from __future__ import annotations

import gzip
import json
import re
import time
import uuid
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from localcloud.firehose.partition import NotPartitioned, Query, Unsupported

from ingot.attempt import attempt
from ingot.batch import Batch
from ingot.bronze import read_lines
from ingot.naming import failed_prefix, landing_prefix
from ingot.quarantine import read_rejects
from ingot.sources import load_source
from ingot.steps.extract import extract
from ingot.storage import ObjectStore

if TYPE_CHECKING:
    from .conftest import Cloud

SOURCE, STREAM = "simple_orders", "orders"
BELOW, FAILED = landing_prefix(SOURCE, STREAM), failed_prefix(SOURCE, STREAM)
DECLARED = Path(__file__).resolve().parents[2] / "sources" / SOURCE
QUERY = '{day:(.placed_at[0:10]? // "other")}'
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "firehose.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}


@dataclass
class River:
    """A Kinesis stream, a delivery stream that reads it, and the bucket that it puts objects into."""

    name: str
    bucket: str
    role: str

    def destination(self, **changes: Any) -> dict[str, Any]:
        told = {
            "RoleARN": self.role,
            "BucketARN": f"arn:aws:s3:::{self.bucket}",
            "Prefix": f"{BELOW}day=!{{partitionKeyFromQuery:day}}/",
            "ErrorOutputPrefix": f"{FAILED}!{{firehose:error-output-type}}/!{{timestamp:yyyy/MM/dd}}/",
            "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 1},
            "CompressionFormat": "GZIP",
            "DynamicPartitioningConfiguration": {"Enabled": True},
            "ProcessingConfiguration": {"Enabled": True, "Processors": [extraction(QUERY), DELIMITER]},
        }
        return {name: value for name, value in (told | changes).items() if value is not None}

    def deliver(self, **changes: Any) -> str:
        arn = boto3.client("kinesis").describe_stream_summary(StreamName=self.name)
        source = {"KinesisStreamARN": arn["StreamDescriptionSummary"]["StreamARN"], "RoleARN": self.role}
        answer = boto3.client("firehose").create_delivery_stream(
            DeliveryStreamName=self.name,
            DeliveryStreamType="KinesisStreamAsSource",
            KinesisStreamSourceConfiguration=source,
            ExtendedS3DestinationConfiguration=self.destination(**changes),
        )
        return str(answer["DeliveryStreamARN"])

    def send(self, *records: bytes) -> None:
        each = [{"Data": record, "PartitionKey": uuid.uuid4().hex} for record in records]
        answer = boto3.client("kinesis").put_records(StreamName=self.name, Records=each)
        assert answer["FailedRecordCount"] == 0

    def objects(self) -> dict[str, bytes]:
        s3 = boto3.client("s3")
        there = s3.list_objects_v2(Bucket=self.bucket).get("Contents", ())
        return {o["Key"]: s3.get_object(Bucket=self.bucket, Key=o["Key"])["Body"].read() for o in there}

    def lines(self) -> list[bytes]:
        """All that was delivered, out of what it is wrapped in."""
        found = []
        for key, body in self.objects().items():
            if key.startswith(FAILED):
                found += [b64decode(json.loads(line)["rawData"]) for line in body.splitlines()]
            else:
                found += (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).splitlines()
        return found


def extraction(query: str) -> dict[str, Any]:
    parameters = {"MetadataExtractionQuery": query, "JsonParsingEngine": "JQ-1.6"}
    return {"Type": "MetadataExtraction", "Parameters": _parameters(parameters)}


def _parameters(given: dict[str, str]) -> list[dict[str, str]]:
    return [{"ParameterName": name, "ParameterValue": value} for name, value in given.items()]


DELIMITER = {"Type": "AppendDelimiterToRecord", "Parameters": _parameters({"Delimiter": "\\n"})}


@pytest.fixture
def river(cloud: Cloud, bucket: str, monkeypatch: pytest.MonkeyPatch) -> River:
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.endpoint)
    name = f"river-{uuid.uuid4().hex[:8]}"
    role = boto3.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    boto3.client("kinesis").create_stream(StreamName=name, ShardCount=2)
    return River(name=name, bucket=bucket, role=role)


def eventually(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "not in time"
        time.sleep(0.2)


def order(order_id: int, day: str = "2026-03-01", **changes: Any) -> bytes:
    return json.dumps({"order_id": order_id, "placed_at": f"{day}T00:00:00Z", "quantity": 1} | changes).encode()


def test_events_land_by_their_day_and_reach_bronze_and_malformed_ones_the_quarantine(river: River) -> None:
    river.send(order(100))  # before anybody reads: Firehose begins with what comes after it
    river.deliver()
    malformed = [b'{"order_id": 7', b"\xff\xfe", b'{"order_id":8} {"order_id":9}']
    sent = [order(n, f"2026-03-0{n % 3 + 1}") for n in range(1, 21)]
    without_day, wrong = b'{"order_id": 30, "quantity": 1}', order(31, quantity=0)
    river.send(*sent, *malformed, without_day, wrong)
    eventually(lambda: len(river.lines()) == 25)

    keys = list(river.objects())
    name = rf"{river.name}-1-\d{{4}}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9a-f-]{{36}}"
    today = datetime.now(UTC)
    shapes = {
        *(rf"{BELOW}day={day}/{name}\.gz" for day in ("2026-03-01", "2026-03-02", "2026-03-03", "other")),
        rf"{FAILED}metadata-extraction-failed/{today:%Y/%m}/\d\d/{name}",
    }
    assert {next(shape for shape in shapes if re.fullmatch(shape, key)) for key in keys} == shapes
    assert all(body.endswith(b"\n") for body in map(gzip.decompress, _plain(river)))

    bronze = ObjectStore(river.bucket)
    start = datetime(2026, 3, 1, tzinfo=UTC)
    batch = Batch(source=SOURCE, stream=STREAM, interval_start=start, interval_end=start.replace(minute=5))
    with attempt(bronze, batch, "extract") as record:
        manifest = extract(batch, source=load_source(DECLARED), bronze=bronze, as_of=start, record=record)
    assert sorted(line for part in manifest.parts for line in read_lines(bronze, part)) == sorted(sent)
    refused = [reject.refusal.record for reject in read_rejects(bronze, manifest)]
    assert sorted(map(bytes, refused)) == sorted([*malformed, without_day, wrong])  # type: ignore[arg-type]
    assert {landed.key for landed in manifest.landed} == set(keys)


def _plain(river: River) -> list[bytes]:
    return [body for key, body in river.objects().items() if not key.startswith(FAILED)]


def test_nothing_is_lost_between_many_senders_and_a_bucket_that_refuses_for_a_while(river: River) -> None:
    from concurrent.futures import ThreadPoolExecutor

    river.bucket = f"later-{river.name}"
    river.deliver()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: river.send(*(order(n * 100 + each) for each in range(50))), range(1, 9)))
    time.sleep(1.5)  # a delivery fails
    boto3.client("s3").create_bucket(Bucket=river.bucket)
    eventually(lambda: len(river.lines()) >= 400)

    assert sorted(river.lines()) == sorted(order(n * 100 + each) for n in range(1, 9) for each in range(50))


def test_another_prefix_counts_from_then_on_and_what_was_sent_before_goes_where_it_was_sent(river: River) -> None:
    river.deliver(BufferingHints={"SizeInMBs": 64, "IntervalInSeconds": 900})
    firehose = boto3.client("firehose")
    river.send(order(1))
    about = firehose.describe_delivery_stream(DeliveryStreamName=river.name)["DeliveryStreamDescription"]
    firehose.update_destination(
        DeliveryStreamName=river.name,
        CurrentDeliveryStreamVersionId=about["VersionId"],
        DestinationId=about["Destinations"][0]["DestinationId"],
        ExtendedS3DestinationUpdate=river.destination(Prefix="new/!{partitionKeyFromQuery:day}/"),
    )
    river.send(order(2))
    eventually(lambda: len(river.lines()) == 2)

    assert {key.rpartition(f"/{river.name}-")[0]: key.rpartition(river.name)[2][:3] for key in river.objects()} == {
        f"{BELOW}day=2026-03-01": "-1-",
        "new/2026-03-01": "-2-",
    }


def test_records_that_are_put_into_the_delivery_stream_itself_are_delivered(river: River) -> None:
    firehose = boto3.client("firehose")
    plain = ("DynamicPartitioningConfiguration", "ErrorOutputPrefix", "ProcessingConfiguration")
    told = river.destination(Prefix="raw/", CompressionFormat="UNCOMPRESSED", **dict.fromkeys(plain))
    firehose.create_delivery_stream(DeliveryStreamName=river.name, ExtendedS3DestinationConfiguration=told)
    firehose.put_record(DeliveryStreamName=river.name, Record={"Data": b"a\n"})
    firehose.put_record_batch(DeliveryStreamName=river.name, Records=[{"Data": b"b\n"}, {"Data": b"c\n"}])
    eventually(lambda: sorted(river.lines()) == [b"a", b"b", b"c"])

    assert all(re.match(r"raw/\d{4}/\d\d/\d\d/\d\d/", key) for key in river.objects())


def test_nobody_puts_records_beside_the_stream_and_a_deleted_one_delivers_no_more(river: River) -> None:
    river.deliver()
    firehose = boto3.client("firehose")
    with pytest.raises(ClientError, match="KinesisStreamAsSource"):
        firehose.put_record(DeliveryStreamName=river.name, Record={"Data": b"a\n"})
    firehose.delete_delivery_stream(DeliveryStreamName=river.name)
    river.send(order(1))
    time.sleep(1.5)

    assert river.objects() == {}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ProcessingConfiguration": {"Enabled": True, "Processors": [extraction("{day:now}")]}}, "jq query"),
        ({"ProcessingConfiguration": {"Enabled": True, "Processors": [{"Type": "Lambda"}]}}, "processor Lambda"),
        ({"ProcessingConfiguration": None}, "go together"),
        ({"Prefix": f"{BELOW}!{{partitionKeyFromQuery:hour}}/"}, "cannot evaluate"),
        ({"Prefix": BELOW}, "needs a Prefix"),
        ({"ErrorOutputPrefix": None}, "ErrorOutputPrefix"),
        ({"BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 60}}, "64 MB"),
        ({"BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 0}}, "a second"),
        ({"CompressionFormat": "Snappy"}, "compression"),
        ({"DataFormatConversionConfiguration": {"Enabled": False}}, "DataFormatConversionConfiguration"),
        ({"RoleARN": "arn:aws:iam::000000000000:role/nobody"}, "unable to assume"),
    ],
)
def test_what_would_not_be_done_is_refused(river: River, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ClientError, match=reason):
        river.deliver(**changes)

    assert river.name not in boto3.client("firehose").list_delivery_streams()["DeliveryStreamNames"]


@pytest.mark.parametrize(
    ("query", "record", "keys"),
    [
        (QUERY, {"placed_at": "2026-03-01T10:00:00Z"}, {"day": "2026-03-01"}),
        (QUERY, {"placed_at": 7}, {"day": "other"}),
        (QUERY, {}, {"day": "other"}),
        (QUERY, [1], {"day": "other"}),
        ("{a: .x.y, b:.n}", {"x": {"y": "v"}, "n": 3}, {"a": "v", "b": "3"}),
        ("{a: .x.y}", {"x": {}}, None),
        ("{a: .x.y}", {"x": "text"}, None),
        ('{a: .x // "other"}', {"x": ""}, None),
        ("{a: .x}", {"x": [1]}, None),
        ("{a: .x[2:]}", {"x": "abcd"}, {"a": "cd"}),
    ],
)
def test_partition_keys_are_what_jq_gives(query: str, record: Any, keys: dict[str, str] | None) -> None:
    if keys is None:
        with pytest.raises(NotPartitioned):
            Query(query).extract(json.dumps(record).encode())
    else:
        assert Query(query).extract(json.dumps(record).encode()) == keys


@pytest.mark.parametrize("query", ["", ".a", "{a}", "{a:.b,}", "{a:.b|length}", "{a:(.b}", "{a:.b[0]}", "{a:.b c:.d}"])
def test_a_query_that_is_not_understood_is_refused(query: str) -> None:
    with pytest.raises(Unsupported):
        Query(query)


def test_a_stack_makes_changes_and_deletes_both_streams(cloud: Cloud, river: River, unique: str) -> None:
    kinesis, firehose = boto3.client("kinesis"), boto3.client("firehose")

    def stack(hours: int, prefix: str, tags: dict[str, str]) -> dict[str, Any]:
        named = [{"Key": key, "Value": value} for key, value in tags.items()]
        stream = {
            "Name": unique,
            "StreamModeDetails": {"StreamMode": "ON_DEMAND"},
            "RetentionPeriodHours": hours,
            "StreamEncryption": {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"},
            "Tags": named,
        }
        delivery = {
            "DeliveryStreamName": unique,
            "DeliveryStreamType": "KinesisStreamAsSource",
            "KinesisStreamSourceConfiguration": {
                "KinesisStreamARN": {"Fn::GetAtt": ["Stream", "Arn"]},
                "RoleARN": river.role,
            },
            "ExtendedS3DestinationConfiguration": river.destination(Prefix=prefix),
            "Tags": named,
        }
        return {
            "Stream": {"Type": "AWS::Kinesis::Stream", "Properties": stream},
            "Delivery": {"Type": "AWS::KinesisFirehose::DeliveryStream", "Properties": delivery},
        }

    def there() -> tuple[Any, ...]:
        stream = kinesis.describe_stream_summary(StreamName=unique)["StreamDescriptionSummary"]
        delivery = firehose.describe_delivery_stream(DeliveryStreamName=unique)["DeliveryStreamDescription"]
        return (
            (stream["RetentionPeriodHours"], stream["EncryptionType"], stream["StreamModeDetails"]["StreamMode"]),
            delivery["Destinations"][0]["ExtendedS3DestinationDescription"]["Prefix"],
            delivery["VersionId"],
            {tag["Key"]: tag["Value"] for tag in kinesis.list_tags_for_stream(StreamName=unique)["Tags"]},
            {t["Key"]: t["Value"] for t in firehose.list_tags_for_delivery_stream(DeliveryStreamName=unique)["Tags"]},
        )

    one, other = "one/!{partitionKeyFromQuery:day}/", "other/!{partitionKeyFromQuery:day}/"
    cloud.deploy(unique, stack(48, one, {"a": "1"}))
    assert there() == ((48, "KMS", "ON_DEMAND"), one, "1", {"a": "1"}, {"a": "1"})
    cloud.deploy(unique, stack(24, other, {"b": "2"}))
    assert there() == ((24, "KMS", "ON_DEMAND"), other, "2", {"b": "2"}, {"b": "2"})
    cloud.client("cloudformation").delete_stack(StackName=unique)
    assert unique not in kinesis.list_streams()["StreamNames"]
    assert unique not in firehose.list_delivery_streams()["DeliveryStreamNames"]
