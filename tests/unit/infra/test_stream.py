"""A source that declares a delivery gets a Kinesis stream and a Firehose stream, and its extract job the right to take
what they bring; a source that does not gets neither."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from infra.settings import load_settings
from ingot.cost import fixed_lines, load_prices
from ingot.errors import ConfigurationError
from ingot.naming import Names
from ingot.sources import load_source
from tests.unit.infra.conftest import ENVIRONMENTS, ROOT, VARIABLES
from tests.unit.infra.review import review, unexplained
from tests.unit.infra.test_templates_lint import lint

SOURCE, NAME = "simple_orders", "ingot-local-simple_orders-orders"
BUCKET = "arn:aws:s3:::ingot-local-bronze-000000000000-us-east-1"
BELOW = "landing/simple_orders/orders/"


@pytest.fixture(scope="module")
def streaming(synthesise: Callable[..., Any], make_checkout: Callable[[], Path]) -> Any:
    """The laptop's environment with one more folder below sources/, and nothing else."""
    root = make_checkout()
    shutil.copytree(ROOT / "tests/sources" / SOURCE, root / "sources" / SOURCE)
    return synthesise("local", root)


def only(assembly: Any, kind: str) -> Any:
    (found,) = (r for name, r in assembly.resources(kind).items() if name.startswith("stream/simpleorders"))
    return found["Properties"]


def extract_statements(assembly: Any, source: str) -> list[dict[str, Any]]:
    (job,) = (
        job["Properties"]
        for job in assembly.resources("AWS::Glue::Job").values()
        if job["Properties"]["Name"] == f"ingot-local-{source}-extract"
    )
    role = assembly.templates["jobs"]["Resources"][job["Role"]["Fn::GetAtt"][0]]["Properties"]
    return list(role["Policies"][0]["PolicyDocument"]["Statement"])


def test_adding_a_stream_is_adding_a_folder(streaming: Any, local: Any) -> None:
    kinds = {r["Type"] for name, r in streaming.resources_besides(local).items() if name.startswith("stream/")}
    assert kinds >= {"AWS::Kinesis::Stream", "AWS::KinesisFirehose::DeliveryStream", "AWS::IAM::Role"}
    assert BELOW not in str(local.templates)
    assert "fakestore" not in str(streaming.templates["stream"])


def test_no_rule_of_the_reviewers_is_broken(streaming: Any) -> None:
    assert streaming.findings == []


def test_linters_and_the_review_find_nothing_in_the_stack(streaming: Any, tmp_path: Path) -> None:
    (file,) = (each for each in streaming.files if each.name == "ingot-local-stream.template.json")
    reviewed = review("stream", streaming.templates["stream"], protect=False)

    assert unexplained({finding for _, finding in lint([file], tmp_path)}, {}) == []
    assert unexplained(reviewed, {}) == []


def test_what_it_costs_is_known(streaming: Any) -> None:
    lines = fixed_lines({"stream": streaming.templates["stream"]}, load_prices())

    assert [line.what for line in lines if line.unknown] == []
    streams = len(streaming.resources("AWS::Kinesis::Stream"))
    assert {line.what: line.usd for line in lines if line.usd} == {"Kinesis::Stream": streams * Decimal("29.20")}


def test_events_are_kept_encrypted_on_demand_for_as_long_as_the_settings_say(streaming: Any) -> None:
    stream = only(streaming, "AWS::Kinesis::Stream")

    assert (stream["Name"], stream["RetentionPeriodHours"]) == (NAME, 24)
    assert stream["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    assert stream["StreamEncryption"]["EncryptionType"] == "KMS"
    assert "lake" in str(stream["StreamEncryption"]["KeyId"])


def test_objects_land_by_the_day_of_their_events_as_compressed_lines(streaming: Any) -> None:
    delivery = only(streaming, "AWS::KinesisFirehose::DeliveryStream")
    told = delivery["ExtendedS3DestinationConfiguration"]
    processors = {
        each["Type"]: {p["ParameterName"]: p["ParameterValue"] for p in each["Parameters"]}
        for each in told["ProcessingConfiguration"]["Processors"]
    }

    assert (delivery["DeliveryStreamName"], delivery["DeliveryStreamType"]) == (NAME, "KinesisStreamAsSource")
    assert told["BucketARN"] == BUCKET
    assert told["Prefix"] == f"{BELOW}day=!{{partitionKeyFromQuery:day}}/"
    assert told["ErrorOutputPrefix"].startswith(f"{BELOW}failed/!{{firehose:error-output-type}}/")
    assert told["BufferingHints"] == {"IntervalInSeconds": 1, "SizeInMBs": 64}
    assert told["CompressionFormat"] == "GZIP"
    assert "lake" in str(told["EncryptionConfiguration"]["KMSEncryptionConfig"])
    assert told["CloudWatchLoggingOptions"]["Enabled"] is True
    assert processors == {
        "MetadataExtraction": {
            "MetadataExtractionQuery": '{day:(.placed_at[0:10]? // "other")}',
            "JsonParsingEngine": "JQ-1.6",
        },
        "AppendDelimiterToRecord": {"Delimiter": "\\n"},
    }


def test_firehose_reads_its_stream_and_writes_below_its_prefix_and_may_do_nothing_else(streaming: Any) -> None:
    role = only(streaming, "AWS::IAM::Role")
    (policy,) = role["Policies"]
    rights = {each["Sid"]: each for each in policy["PolicyDocument"]["Statement"]}
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]

    assert trust["Principal"] == {"Service": "firehose.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": "000000000000"}}
    assert set(rights) == {"Read", "Write", "Bucket", "Key", "Log"}
    assert rights["Read"]["Resource"]["Fn::GetAtt"][0].startswith("simpleorders")
    assert rights["Write"]["Resource"] == f"{BUCKET}/{BELOW}*"
    assert rights["Bucket"]["Resource"] == BUCKET
    assert not [a for each in rights.values() for a in each["Action"] if "*" in a or "Delete" in a]
    assert rights["Key"]["Condition"]["StringEquals"]["kms:ViaService"] == [
        "s3.us-east-1.amazonaws.com",
        "kinesis.us-east-1.amazonaws.com",
    ]


def test_only_the_extract_job_of_the_source_may_take_what_lands(streaming: Any) -> None:
    landing = f"{BUCKET}/landing/{SOURCE}/*"
    read, listed, *_ = extract_statements(streaming, SOURCE)

    assert landing in read["Resource"]
    assert f"landing/{SOURCE}/*" in listed["Condition"]["StringLike"]["s3:prefix"]
    holders = re.findall(rf"landing/{SOURCE}/\*", str(streaming.templates["jobs"]))
    assert len(holders) == 2
    assert not re.findall(r"landing/\*", str(streaming.templates["jobs"]))
    assert "landing/" not in str(extract_statements(streaming, "fakestore"))


def test_what_landed_expires_and_nothing_else_of_bronze_does(streaming: Any) -> None:
    bronze = next(
        bucket["Properties"]
        for bucket in streaming.resources("AWS::S3::Bucket").values()
        if "-bronze-" in str(bucket["Properties"].get("BucketName"))
    )
    expiring = [rule for rule in bronze["LifecycleConfiguration"]["Rules"] if "ExpirationInDays" in rule]

    assert [(rule["Prefix"], rule["ExpirationInDays"]) for rule in expiring] == [("landing/", 90)]


def test_a_name_that_firehose_would_refuse_is_refused_before_a_deployment() -> None:
    import aws_cdk as cdk
    import msgspec
    from aws_cdk import aws_kms as kms

    from infra.deployment import Deployment
    from infra.stacks.stream import StreamStack

    app, settings = cdk.App(analytics_reporting=False), load_settings("local", VARIABLES)
    names = Names(environment="local", account="000000000000", region="us-east-1")
    source = load_source(ROOT / "tests/sources" / SOURCE)
    long = msgspec.structs.replace(source.stream("orders"), name="o" * 60)
    longer = {SOURCE: msgspec.structs.replace(source, streams={long.name: long})}
    assert settings.event_streams is not None

    with pytest.raises(ConfigurationError, match="64 characters"):
        StreamStack(
            app,
            Deployment(settings=settings, names=names, root=ROOT, build=ROOT),
            settings.event_streams,
            longer,
            key=kms.Key(cdk.Stack(app, "key"), "Key"),
        )


def test_every_environment_streams_what_sources_declare() -> None:
    for environment in ENVIRONMENTS:
        assert load_settings(environment, VARIABLES).event_streams is not None
