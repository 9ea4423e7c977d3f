"""One delivery stream at work: what is sent to it is buffered, partitioned and put into S3 as its role."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from localcloud import roles
from localcloud.clients import client_as
from localcloud.firehose.configuration import Configuration
from localcloud.firehose.partition import NotPartitioned, evaluate, object_name
from localcloud.firehose.source import KinesisSource, Record, wake_on_records

PRINCIPAL = "firehose.amazonaws.com"
RETRY_SECONDS = 2.0
MOST_PARTITIONS = 500
"""Of one delivery stream at a time: https://docs.aws.amazon.com/firehose/latest/dev/limits.html"""
_KEYS_LAST_SECONDS = 1800.0  # temporary keys are good for an hour

log = logging.getLogger(__name__)

# What failed → the error's code, and the name that !{firehose:error-output-type} has for it.
_EXTRACTION = ("DynamicPartitioning.MetadataExtractionFailed", "metadata-extraction-failed")
_TOO_MANY = ("DynamicPartitioning.ActivePartitionsLimitExceeded", "activePartitionExceeded")


@dataclass
class _Buffer:
    """What waits for one object: its partition keys, or how its records failed."""

    keys: dict[str, str]
    failure: str
    first: datetime
    opened: float = field(default_factory=time.monotonic)
    size: int = 0
    chunks: list[bytes] = field(default_factory=list)

    def add(self, chunk: bytes) -> None:
        self.chunks.append(chunk)
        self.size += len(chunk)


class Delivery(threading.Thread):
    """Delivers until it is stopped. Where S3 or its role refuses, it says so in its log and tries again."""

    def __init__(
        self, name: str, arn: str, configuration: Configuration, source: KinesisSource | None, *, version: str
    ) -> None:
        super().__init__(name=f"firehose-{name}", daemon=True)
        self._stream, self._arn, self._version = name, arn, version
        self._configuration, self._source = configuration, source
        _, _, _, self._region, self._account, _ = arn.split(":", 5)
        self._sent: list[Record] = []
        self._buffers: dict[tuple[Any, ...], _Buffer] = {}
        self._wake, self._lock = threading.Event(), threading.RLock()
        self._stopping = self._deliver_at_end = False
        self._keys: tuple[float, str, dict[str, Any]] | None = None

    def send(self, data: Iterable[bytes]) -> None:
        """Take records that are put into the delivery stream itself."""
        arrived = datetime.now(UTC)
        with self._lock:
            self._sent += [Record(each, arrived) for each in data]
        self._wake.set()

    def configure(self, configuration: Configuration, version: str) -> None:
        """Deliver in another way from now on; what waits is delivered in the way that it was sent for."""
        with self._lock:
            try:
                self._work(everything=True)
            except Exception as error:
                self._report(error)
            self._configuration, self._version, self._keys = configuration, version, None

    def stop(self, *, deliver: bool) -> None:
        """End; what waits is delivered first, or given up."""
        self._stopping, self._deliver_at_end = True, deliver
        self._wake.set()

    def run(self) -> None:
        """The thread."""
        if self._source is not None:
            wake_on_records(self, self._wake.set)
        retry = False
        try:
            while not self._stopping:
                self._wake.wait(RETRY_SECONDS if retry else self._until_due())
                self._wake.clear()
                retry = not self._try(everything=False)
            if self._deliver_at_end:
                self._try(everything=True)
        finally:
            wake_on_records(self, None)

    def _try(self, *, everything: bool) -> bool:
        try:
            with self._lock:
                self._work(everything=everything)
        except Exception as error:  # whatever it is: a delivery stream goes on trying
            self._report(error)
            return False
        return True

    def _until_due(self) -> float | None:
        with self._lock:
            opened = min((buffer.opened for buffer in self._buffers.values()), default=None)
            seconds = self._configuration.buffer_seconds
        return None if opened is None else max(0.0, opened + seconds - time.monotonic())

    def _work(self, *, everything: bool) -> None:
        sent, self._sent = self._sent, []
        for record in sent:
            self._buffer(record)
        if self._source is not None:
            for record in self._source.read(self._client("kinesis")):
                self._buffer(record)
        now = time.monotonic()
        for place, buffer in list(self._buffers.items()):
            full = buffer.size >= self._configuration.buffer_bytes
            if everything or full or now - buffer.opened >= self._configuration.buffer_seconds:
                self._put(buffer)
                del self._buffers[place]

    def _buffer(self, record: Record) -> None:
        keys: dict[str, str] = {}
        if self._configuration.query is not None:
            try:
                keys = self._configuration.query.extract(record.data)
            except NotPartitioned as error:
                self._refuse(record, _EXTRACTION, str(error))
                return
        place = tuple(sorted(keys.items()))
        if place not in self._buffers and len(self._buffers) >= MOST_PARTITIONS:
            self._refuse(record, _TOO_MANY, f"More than {MOST_PARTITIONS} partitions are active")
            return
        chunk = record.data + self._configuration.delimiter
        self._buffers.setdefault(place, _Buffer(keys, "", record.arrived)).add(chunk)

    def _refuse(self, record: Record, kind: tuple[str, str], message: str) -> None:
        code, failure = kind
        envelope = {
            "attemptsMade": 1,
            "arrivalTimestamp": int(record.arrived.timestamp() * 1000),
            "errorCode": code,
            "errorMessage": message,
            "attemptEndingTimestamp": int(time.time() * 1000),
            "rawData": base64.b64encode(record.data).decode(),
            **({"sequenceNumber": record.sequence_number} if record.sequence_number else {}),
        }
        self._buffers.setdefault(("failed", failure), _Buffer({}, failure, record.arrived)).add(
            json.dumps(envelope).encode() + b"\n"
        )

    def _put(self, buffer: _Buffer) -> None:
        told = self._configuration
        prefix = evaluate(
            told.error_prefix if buffer.failure else told.prefix, buffer.keys, buffer.first, buffer.failure
        )
        extension = "" if buffer.failure else told.extension
        body = b"".join(buffer.chunks)
        if told.compressed and not buffer.failure:
            body = gzip.compress(body, 6)
        encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": told.key} if told.key else {}
        self._client("s3").put_object(
            Bucket=told.bucket,
            Key=prefix + object_name(self._stream, self._version, buffer.first, extension),
            Body=body,
            **encryption,
        )

    def _client(self, service: str) -> Any:
        if self._keys is None or time.monotonic() - self._keys[0] > _KEYS_LAST_SECONDS:
            role, place = self._configuration.role, {"account": self._account, "region": self._region}
            keys = roles.assume(role, PRINCIPAL, session="Firehose", **place)
            clients = {name: client_as(keys, name, self._region) for name in ("kinesis", "s3", "logs")}
            self._keys = (time.monotonic(), role, clients)
        return self._keys[2][service]

    def _report(self, error: Exception) -> None:
        log.warning("delivery stream %s: %s", self._stream, error)
        self._keys = None  # perhaps its role has changed
        if self._configuration.log is None:
            return
        group, stream = self._configuration.log
        about = {
            "deliveryStreamARN": self._arn,
            "destination": f"arn:aws:s3:::{self._configuration.bucket}",
            "deliveryStreamVersionId": self._version,
            "message": str(error),
            "errorCode": type(error).__name__,
        }
        event = {"timestamp": int(time.time() * 1000), "message": json.dumps(about)}
        try:
            self._client("logs").put_log_events(logGroupName=group, logStreamName=stream, logEvents=[event])
        except Exception as lost:
            log.warning("delivery stream %s cannot log: %s", self._stream, lost)
