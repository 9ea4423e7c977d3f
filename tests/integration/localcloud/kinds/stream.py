"""Kinesis and Firehose."""

from __future__ import annotations

from collections.abc import Iterator

from tests.integration.localcloud.comparison import Thing
from tests.integration.localcloud.kinds.table import Account, kind


@kind("AWS::Kinesis::Stream", identity=("Name",))
def streams(account: Account) -> Iterator[Thing]:
    kinesis = account.client("kinesis")
    for name in account.pages("kinesis", "list_streams", "StreamNames"):
        told = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        properties = {
            "Name": name,
            "StreamModeDetails": told.get("StreamModeDetails"),
            "ShardCount": told.get("OpenShardCount"),
            "RetentionPeriodHours": told["RetentionPeriodHours"],
            "StreamEncryption": {"EncryptionType": told.get("EncryptionType"), "KeyId": told.get("KeyId")},
            "Tags": list(account.pages("kinesis", "list_tags_for_stream", "Tags", StreamName=name)),
        }
        yield Thing(name, properties, {"Arn": told["StreamARN"]})


@kind("AWS::KinesisFirehose::DeliveryStream", identity=("DeliveryStreamName",))
def deliveries(account: Account) -> Iterator[Thing]:
    firehose = account.client("firehose")
    for name in firehose.list_delivery_streams()["DeliveryStreamNames"]:
        told = firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
        source = told.get("Source", {}).get("KinesisStreamSourceDescription", {})
        properties = {
            "DeliveryStreamName": name,
            "DeliveryStreamType": told["DeliveryStreamType"],
            "KinesisStreamSourceConfiguration": source,
            "ExtendedS3DestinationConfiguration": told["Destinations"][0].get("ExtendedS3DestinationDescription"),
        }
        yield Thing(name, properties, {"Arn": told["DeliveryStreamARN"]})


@kind("AWS::Logs::LogStream", identity=("LogGroupName", "LogStreamName"))
def log_streams(account: Account) -> Iterator[Thing]:
    for group in account.pages("logs", "describe_log_groups", "logGroups"):
        name = group["logGroupName"]
        for each in account.pages("logs", "describe_log_streams", "logStreams", logGroupName=name):
            yield Thing(each["logStreamName"], {"LogGroupName": name, "LogStreamName": each["logStreamName"]})
