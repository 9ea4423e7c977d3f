"""The batch: one stream of one source for one data interval, and where its objects are.

Its id is a pure function of these, so that a retry is the same batch. Objects that hold data carry the hash of
their content in their key: two attempts of a batch can never overwrite each other's bytes, and the same content
is written to the same key. What is published is what the batch's one manifest names.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from ingot.errors import ConfigurationError

_STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, kw_only=True, order=True)
class Batch:
    """One stream of one source for ``interval_start <= t < interval_end`` (UTC).

    Attributes:
        resolves: for a batch of records that were refused before: which object of the quarantine it resolves
            (the first 16 hexadecimal digits of its SHA-256).
    """

    source: str
    stream: str
    interval_start: datetime
    interval_end: datetime
    resolves: str = ""

    def __post_init__(self) -> None:
        for moment in (self.interval_start, self.interval_end):
            if moment.utcoffset() is None or moment.microsecond:
                raise ConfigurationError(
                    f"An interval begins and ends on a second of a known time zone, not at {moment.isoformat()}.",
                    hint="give it as 2020-01-01T00:00:00Z",
                )
        if self.interval_start >= self.interval_end:
            raise ConfigurationError(
                f"The interval from {self.interval_start.isoformat()} to {self.interval_end.isoformat()} is empty.",
                hint="the end must come after the start",
            )

    @property
    def id(self) -> str:
        """``fakestore.carts.20200101T000000Z.20200401T000000Z``, and ``.resolve-…`` where it resolves something."""
        start, end = (stamp(t) for t in (self.interval_start, self.interval_end))
        suffix = f".resolve-{self.resolves}" if self.resolves else ""
        return f"{self.source}.{self.stream}.{start}.{end}{suffix}"

    @property
    def manifest_key(self) -> str:
        """In the Bronze bucket: the commit point."""
        return f"manifests/{self.source}/{self.stream}/{self.id}.json"

    def data_key(self, part: int, sha256: str) -> str:
        """In the Bronze bucket: one part of the accepted records."""
        return f"data/{self.source}/{self.stream}/{self.id}/part-{part:05d}-{sha256[:16]}.jsonl.zst"

    def rejects_key(self, sha256: str) -> str:
        """In the Bronze bucket: the refused records."""
        return f"quarantine/{self.source}/{self.stream}/{self.id}/rejects-{sha256[:16]}.jsonl.zst"

    def deletes_key(self, sha256: str) -> str:
        """In the Bronze bucket: the keys that a snapshot no longer holds."""
        return f"deletes/{self.source}/{self.stream}/{self.id}/keys-{sha256[:16]}.jsonl.zst"

    def known_key(self, sha256: str) -> str:
        """In the Bronze bucket: what is known of the source after this batch."""
        return f"known/{self.source}/{self.stream}/{self.id}/keys-{sha256[:16]}.jsonl.zst"

    def attempts_prefix(self, step: str) -> str:
        """In the Bronze bucket: where the attempts at one step are."""
        return f"{attempts_prefix(self.source, self.stream)}{self.id}/{step}-"

    def attempt_key(self, step: str, number: int, started_at: datetime, run: str) -> str:
        """In the Bronze bucket: the record of one attempt at one step."""
        return f"{self.attempts_prefix(step)}{number:04d}-{stamp(started_at)}-{run}.json"

    def parquet_key(self, as_of: datetime) -> str:
        """In the lake bucket: the refined batch. ``as_of`` is the manifest's."""
        day = as_of.astimezone(UTC).date().isoformat()
        return f"bronze/{self.source}/{self.stream}/ingest_date={day}/{self.id}.parquet"


def sequence_prefix(source: str, stream: str) -> str:
    """Where the numbered batches of a stream that continues are."""
    return f"sequence/{source}/{stream}/"


def attempts_prefix(source: str, stream: str = "") -> str:
    """Where the attempts of a source, or of one of its streams, are."""
    return f"attempts/{source}/{stream}/" if stream else f"attempts/{source}/"


def parse_batch(source: str, stream: str, batch_id: str) -> Batch:
    """The batch of an id.

    Raises:
        ConfigurationError: it is no id of this stream.
    """
    try:
        start, end, *rest = batch_id.removeprefix(f"{source}.{stream}.").split(".")
        moments = [datetime.strptime(text, _STAMP).replace(tzinfo=UTC) for text in (start, end)]
        resolves = rest[0].removeprefix("resolve-") if rest else ""
        batch = Batch(
            source=source, stream=stream, interval_start=moments[0], interval_end=moments[1], resolves=resolves
        )
    except ValueError:
        batch = None
    if batch is None or batch.id != batch_id:
        raise ConfigurationError(
            f"{batch_id!r} is no batch of {source}.{stream}.", hint="see `ingot batches` for those that there are"
        )
    return batch


def stamp(moment: datetime) -> str:
    """A time as it stands in ids and keys: ``20200101T000000Z``."""
    return moment.astimezone(UTC).strftime(_STAMP)


def parse_time(text: str) -> datetime:
    """An ISO 8601 time or date; UTC where it names no zone. Cut to the second.

    Raises:
        ConfigurationError: it is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"{text!r} is no time.", hint="give it in ISO 8601: 2020-01-01 or 2020-01-01T00:00:00Z"
        ) from error
