"""Records into a Kinesis stream, each of them at least once.

PutRecords takes some and leaves others, and says which: those are sent again
(https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ingot.errors import ConfigurationError, SourceUnavailable

MOST_RECORDS = 500
MOST_BYTES = 5 * 2**20
"""Of one request."""
_SLICES = 10  # a second: how evenly a rate is kept
_ATTEMPTS = 8  # of a request, with waits from 0.1 to 6.4 seconds between them
_FOREVER = ("ResourceNotFoundException", "AccessDeniedException", "InvalidArgumentException", "ValidationException")

Item = tuple[bytes, str]
"""A record and its partition key."""


class Sender:
    """Puts records into one stream.

    Args:
        stream: its name.
        rate: records a second; None: as fast as it takes them.
        client: of Kinesis; boto3's own unless given.
        sleep: waits so many seconds.

    Attributes:
        sent: how many records the stream has taken.
        retried: how many it first refused.
    """

    def __init__(
        self,
        stream: str,
        *,
        rate: float | None = None,
        client: Any = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._stream, self._rate, self._sleep = stream, rate, sleep
        self._client = client or boto3.client("kinesis")
        self.sent = self.retried = 0

    def send(self, records: Iterable[Item]) -> None:
        """Put records, in their order where nothing has to be sent again.

        Raises:
            ConfigurationError: there is no such stream, or nobody may put records into it.
            SourceUnavailable: it does not take them.
        """
        begun, paced = time.monotonic(), 0
        most = MOST_RECORDS if self._rate is None else max(1, min(MOST_RECORDS, int(self._rate / _SLICES)))
        for chunk in _chunks(records, most):
            if self._rate is not None:
                self._sleep(max(0.0, begun + paced / self._rate - time.monotonic()))
            paced += len(chunk)
            self._put(chunk)

    def _put(self, chunk: Sequence[Item]) -> None:
        left = [{"Data": data, "PartitionKey": key} for data, key in chunk]
        reason = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                self.retried += len(left)
                self._sleep(0.1 * 2 ** (attempt - 1))
            try:
                answers = self._client.put_records(StreamName=self._stream, Records=left)["Records"]
            except ClientError as error:
                if error.response["Error"]["Code"] in _FOREVER:
                    raise ConfigurationError(
                        f"The stream {self._stream} takes no records: {error}.",
                        hint="deploy the stream stack (event_streams in the settings), and let the sender put records",
                    ) from error
                reason = str(error)
                continue
            except BotoCoreError as error:
                reason = str(error)
                continue
            refused = [each for each, answer in zip(left, answers, strict=True) if answer.get("ErrorCode")]
            self.sent += len(left) - len(refused)
            if not refused:
                return
            reason = next(answer["ErrorCode"] for answer in answers if answer.get("ErrorCode"))
            left = refused
        raise SourceUnavailable(
            f"The stream {self._stream} did not take {len(left)} records in {_ATTEMPTS} tries: {reason}.",
            hint="send slower, or look at the stream's limits",
        )


def _chunks(records: Iterable[Item], most: int) -> Iterator[list[Item]]:
    chunk: list[Item] = []
    size = 0
    for data, key in records:
        added = len(data) + len(key)
        if chunk and (len(chunk) == most or size + added > MOST_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append((data, key))
        size += added
    if chunk:
        yield chunk
