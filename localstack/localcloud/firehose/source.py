"""The Kinesis stream that a delivery stream reads.

Hooks: `Shard.put_record` and `Shard.get_records`, which moto says are not safe for concurrency (of two records put at
once one was lost), behind one lock; whoever waits for records of the stream then learns of them, and nobody polls.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

_reading_or_writing = threading.RLock()
_waiting: dict[int, Callable[[], None]] = {}


@dataclass(frozen=True)
class Record:
    """One record, and when it arrived (UTC)."""

    data: bytes
    arrived: datetime
    sequence_number: str = ""


def install() -> None:
    """Hook into moto. Call once."""
    from moto.kinesis.models import Shard

    put_record, get_records = Shard.put_record, Shard.get_records

    @functools.wraps(put_record)
    def put(self: Any, *arguments: Any, **more: Any) -> str:
        with _reading_or_writing:
            number = put_record(self, *arguments, **more)
        for wake in list(_waiting.values()):
            wake()
        return number

    @functools.wraps(get_records)
    def get(self: Any, *arguments: Any, **more: Any) -> Any:
        with _reading_or_writing:
            return get_records(self, *arguments, **more)

    Shard.put_record, Shard.get_records = put, get  # type: ignore[method-assign]


def wake_on_records(waiter: object, wake: Callable[[], None] | None) -> None:
    """Call `wake` whenever a record is put into any stream; None: not any more."""
    if wake is None:
        _waiting.pop(id(waiter), None)
    else:
        _waiting[id(waiter)] = wake


class KinesisSource:
    """Reads a stream from its end on, as Firehose does, shard after shard.

    Args:
        account, region: where it is.
        arn: the stream's.

    Raises:
        KeyError: there is no such stream.
    """

    def __init__(self, account: str, region: str, arn: str) -> None:
        from moto.kinesis.models import kinesis_backends

        self._name = arn.partition("/")[2]
        stream = kinesis_backends[account][region].streams[self._name]
        # Shards that come later, when these are split or merged, are read from their beginning.
        self._after = {shard_id: str(shard.get_max_sequence_number()) for shard_id, shard in stream.shards.items()}
        self._iterators: dict[str, str] = {}

    def read(self, kinesis: Any) -> Iterator[Record]:
        """What is new, by a client of the delivery stream's role. What was yielded is not read again."""
        for shard in kinesis.list_shards(StreamName=self._name)["Shards"]:
            yield from self._read_shard(kinesis, shard["ShardId"])

    def _read_shard(self, kinesis: Any, shard: str) -> Iterator[Record]:
        if shard not in self._iterators:
            after = self._after.get(shard, "0")
            self._iterators[shard] = kinesis.get_shard_iterator(
                StreamName=self._name,
                ShardId=shard,
                ShardIteratorType="AFTER_SEQUENCE_NUMBER",
                StartingSequenceNumber=after,
            )["ShardIterator"]
        while True:
            answer = kinesis.get_records(ShardIterator=self._iterators[shard])
            for record in answer["Records"]:
                yield Record(record["Data"], record["ApproximateArrivalTimestamp"], record["SequenceNumber"])
            self._iterators[shard] = answer["NextShardIterator"]
            if not answer["Records"]:
                return
