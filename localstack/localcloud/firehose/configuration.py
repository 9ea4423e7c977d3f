"""What a delivery stream is asked to do: read once, and refused where it would not be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.firehose.partition import Query, Unsupported, check_prefix

_KNOWN = {
    "RoleARN",
    "BucketARN",
    "Prefix",
    "ErrorOutputPrefix",
    "BufferingHints",
    "CompressionFormat",
    "EncryptionConfiguration",
    "CloudWatchLoggingOptions",
    "ProcessingConfiguration",
    "DynamicPartitioningConfiguration",
    "S3BackupMode",
    "FileExtension",
    "CustomTimeZone",
}
# Members with one value that says nothing more than leaving them out.
_ONLY = {"S3BackupMode": "Disabled", "CustomTimeZone": "UTC"}
_EXTENSIONS = {"UNCOMPRESSED": "", "GZIP": ".gz"}
# https://docs.aws.amazon.com/firehose/latest/dev/buffering.html
_LEAST_PARTITIONED_MB = 64


@dataclass(frozen=True)
class Configuration:
    """An extended S3 destination.

    Attributes:
        role: as whom it reads and writes.
        buffer_bytes, buffer_seconds: an object is written when either is reached.
        query: what partitions the records; None: nothing does.
        delimiter: put behind each record.
        key: KMS's, for its objects; None: the bucket's own encryption.
        log: the group and the stream that errors go to; None: nowhere.
    """

    role: str
    bucket: str
    prefix: str
    error_prefix: str
    buffer_bytes: int
    buffer_seconds: int
    compressed: bool
    extension: str
    query: Query | None
    delimiter: bytes
    key: str | None
    log: tuple[str, str] | None


def read(asked: Mapping[str, Any]) -> Configuration:
    """The configuration of an ExtendedS3DestinationConfiguration.

    Raises:
        Unsupported: it asks for what the local cloud, or Firehose, does not do.
    """
    if unknown := sorted(set(asked) - _KNOWN):
        raise Unsupported(f"The local cloud does not implement {', '.join(unknown)} of an S3 destination")
    for name, value in _ONLY.items():
        if asked.get(name, value) != value:
            raise Unsupported(f"The local cloud does not implement {name} {asked[name]}")
    compression = asked.get("CompressionFormat", "UNCOMPRESSED")
    if compression not in _EXTENSIONS:
        raise Unsupported(f"The local cloud does not implement the compression {compression}")
    query, delimiter = _processors(asked.get("ProcessingConfiguration") or {})
    hints = asked.get("BufferingHints") or {}
    prefix, error_prefix = asked.get("Prefix", ""), asked.get("ErrorOutputPrefix", "")
    megabytes, seconds = int(hints.get("SizeInMBs", 5)), int(hints.get("IntervalInSeconds", 300))
    partitioned = bool((asked.get("DynamicPartitioningConfiguration") or {}).get("Enabled"))
    if partitioned != (query is not None):
        raise Unsupported("DynamicPartitioningConfiguration and a MetadataExtraction processor go together")
    if partitioned:
        if "partitionKeyFromQuery" not in prefix or not error_prefix:
            raise Unsupported("Dynamic partitioning needs a Prefix with its keys, and an ErrorOutputPrefix")
        if megabytes < _LEAST_PARTITIONED_MB or seconds == 0:
            raise Unsupported(
                f"BufferingHints must be {_LEAST_PARTITIONED_MB} MB and a second at least with dynamic partitioning"
            )
    check_prefix(prefix, query.keys if query else set())
    check_prefix(error_prefix, set())
    return Configuration(
        role=asked["RoleARN"],
        bucket=asked["BucketARN"].rpartition(":")[2],
        prefix=prefix,
        error_prefix=error_prefix,
        buffer_bytes=megabytes * 2**20,
        buffer_seconds=seconds,
        compressed=compression == "GZIP",
        extension=asked.get("FileExtension") or _EXTENSIONS[compression],
        query=query,
        delimiter=delimiter,
        key=((asked.get("EncryptionConfiguration") or {}).get("KMSEncryptionConfig") or {}).get("AWSKMSKeyARN"),
        log=_log(asked.get("CloudWatchLoggingOptions") or {}),
    )


def _processors(asked: Mapping[str, Any]) -> tuple[Query | None, bytes]:
    query, delimiter = None, b""
    for processor in asked.get("Processors") or () if asked.get("Enabled") else ():
        given = {each["ParameterName"]: each["ParameterValue"] for each in processor.get("Parameters") or ()}
        match processor["Type"], given:
            case "MetadataExtraction", {"MetadataExtractionQuery": text, "JsonParsingEngine": "JQ-1.6"}:
                query = Query(text)
            case "AppendDelimiterToRecord", {"Delimiter": text}:
                delimiter = text.encode().decode("unicode_escape").encode()  # `\n` is written as two characters
            case kind, _:
                raise Unsupported(f"The local cloud does not implement the processor {kind} with {sorted(given)}")
    return query, delimiter


def _log(asked: Mapping[str, Any]) -> tuple[str, str] | None:
    return (asked["LogGroupName"], asked["LogStreamName"]) if asked.get("Enabled") else None
