"""What is known of a source: which records it sent before, so that only news is written.

It is kept as an object beside each batch of a stream that continues, a line a record: a snapshot's holds all that
there was, a cursor batch's what lies in its lookback.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, time
from typing import Any

import msgspec

from ingot.batch import Batch
from ingot.bronze import read_lines, write_object
from ingot.contract.model import EPOCH_UNITS
from ingot.gate import Refusal, mixed
from ingot.manifest import Manifest, Part
from ingot.sources import CursorValue, Stream, lookback_of
from ingot.storage import ObjectStore

_VALUES = msgspec.json.Decoder(list[msgspec.Raw])
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One record that was seen.

    Attributes:
        key: its primary key, the values as a JSON array; None for a refused record whose key cannot be read.
        sha256: of its bytes as they are kept, in Bronze or in the quarantine.
        cursor: its place in a stream with a cursor; for a refused record the watermark of its batch.
        refused: it is in the quarantine.
    """

    key: str | None
    sha256: str
    cursor: CursorValue | None = None
    refused: bool = False


_ENTRY = msgspec.json.Decoder(Entry)


class Known:
    """Tells news from what is known, and remembers what a batch saw.

    Args:
        stream: whose records they are.
        previous: the batch that is continued, if there is one.
        store: the Bronze bucket.
    """

    def __init__(self, stream: Stream, previous: Manifest | None, store: ObjectStore) -> None:
        self._stream = stream
        self._numeric = stream.cursor is not None and isinstance(lookback_of(stream.cursor), int)
        self._before: dict[str | None, Entry] = {}
        self._refused_before: dict[str, Entry] = {}
        # Keys of another form say nothing of these: then all is news.
        if previous is not None and previous.known is not None and previous.key == key_form(stream):
            for line in read_lines(store, previous.known):
                entry = _ENTRY.decode(line)
                if entry.refused:
                    self._refused_before[entry.sha256] = entry
                else:
                    self._before[entry.key] = entry
        # Refused since they were accepted last: what was refused may be replayed.
        self._disputed = {entry.key for entry in self._refused_before.values()}
        self._now: dict[str | None, Entry] = {}
        self._refused_now: dict[str, Entry] = {}
        self._keys_refused: set[str | None] = set()
        self._newest: CursorValue | None = None
        self.watermark: CursorValue | None = None
        if previous is not None and previous.mode == stream.mode and self._fits(previous.watermark):
            self.watermark = previous.watermark

    def is_new(self, line: bytes) -> bool:
        """Whether an accepted record is not known with just this content; it is known from now on."""
        members = _MEMBERS.decode(line)
        key = _key_text(self._key_of([bytes(members[name]) for name in self._stream.contract.primary_key]))
        entry = Entry(key, hashlib.sha256(line).hexdigest(), self._cursor(members))
        if entry.cursor is not None and (self._newest is None or _less(self._newest, entry.cursor)):
            self._newest = entry.cursor
        # A key that stands twice in one pull is compared with its last record, not with the one before the pull. What
        # was refused in between may be replayed: then this has to stand before it, though it is again as it was.
        latest = None if key in self._disputed else self._now.get(key) or self._before.get(key)
        self._disputed.discard(key)
        self._now[key] = entry
        return latest is None or latest.sha256 != entry.sha256

    def is_new_refusal(self, refusal: Refusal) -> bool:
        """Whether a refused record is not in the quarantine with just this content; it is known from now on."""
        key = self._refused_key(refusal)
        self._keys_refused.add(key)
        if refusal.sha256 is None:
            return True
        known = refusal.sha256 in self._refused_before or refusal.sha256 in self._refused_now
        self._refused_now[refusal.sha256] = Entry(key, refusal.sha256, None, refused=True)
        if not known:
            self._disputed.add(key)
        return not known

    def move(self, as_of: datetime) -> None:
        """Move the watermark to the greatest cursor of the batch: never back, and never beyond the present.

        A record that is dated in the future is taken like any other, but does not hide all that comes before it.
        """
        newest = self._newest
        if newest is None:
            return
        if isinstance(newest, datetime):
            newest = min(newest, as_of)
        if self.watermark is None or _less(self.watermark, newest):
            self.watermark = newest

    def vanished(self) -> tuple[list[bytes], float]:
        """What a snapshot no longer holds, a line a key (a JSON object with the primary key), and its share of all.

        Nothing, if the key of a refused record cannot be read: it may be any of them.
        """
        names, gone = self._stream.contract.primary_key, self._gone()
        lost = sum(key in self._before for key in gone) / max(len(self._before), 1)
        return [msgspec.json.encode(dict(zip(names, msgspec.json.decode(key), strict=True))) for key in gone], lost

    def _gone(self) -> list[str]:
        if None in self._keys_refused:
            return []
        # A refused record may have been replayed since: when it goes, that has to be said as well.
        before = dict.fromkeys([*self._before, *(entry.key for entry in self._refused_before.values())])
        return [k for k in before if k is not None and k not in self._now and k not in self._keys_refused]

    def write(self, store: ObjectStore, batch: Batch) -> Part | None:
        """Put what is known after the batch into the Bronze bucket; None if that is nothing."""
        return write_object(store, batch.known_key, map(msgspec.json.encode, self._kept()))

    def _kept(self) -> Iterator[Entry]:
        if self._stream.cursor is None:
            # All but what is gone: a key that only a refused record still has, or may have, is not.
            gone = set(self._gone())
            yield from (entry for key, entry in (self._before | self._now).items() if key not in gone)
            hidden = self._refused_before if None in self._keys_refused else {}
            yield from map(self._settled, (hidden | self._refused_now).values())
            return
        # All of this pull, since a parameter may ask for more than the lookback: for whole days, or whole seconds.
        yield from (entry for key, entry in self._before.items() if key not in self._now and self._is_recent(entry))
        yield from self._now.values()
        for sha256, entry in self._refused_before.items():
            if sha256 not in self._refused_now and self._is_recent(entry):
                yield self._settled(entry)
        for entry in self._refused_now.values():
            yield msgspec.structs.replace(self._settled(entry), cursor=self.watermark)

    def _settled(self, entry: Entry) -> Entry:
        # Once a record of its key was accepted, it is enough to know the refused one by its content.
        return msgspec.structs.replace(entry, key=None) if entry.key in self._now else entry

    def _is_recent(self, entry: Entry) -> bool:
        assert self._stream.cursor is not None
        if self.watermark is None or entry.cursor is None or not self._fits(entry.cursor):
            return False
        oldest = self.watermark - lookback_of(self._stream.cursor)  # type: ignore[operator]  # both of one kind
        return not _less(entry.cursor, oldest)

    def _fits(self, value: CursorValue | None) -> bool:
        return self._stream.cursor is not None and value is not None and isinstance(value, int) == self._numeric

    def _refused_key(self, refusal: Refusal) -> str | None:
        # A key that breaks the contract itself may stand for another: "7" for 7, or one of two.
        paths = {f"$.{name}" for name in self._stream.contract.primary_key}
        if refusal.key is None or any(v.path in paths or v.rule == "duplicate_key" for v in refusal.violations):
            return None
        return _key_text(self._key_of([bytes(raw) for raw in _VALUES.decode(f"[{refusal.key}]")]))

    def _key_of(self, raws: list[bytes]) -> list[Any]:
        properties = self._stream.contract.key_properties
        return [mixed.key_value(prop, raw) for prop, raw in zip(properties, raws, strict=True)]

    def _cursor(self, members: dict[str, msgspec.Raw]) -> CursorValue | None:
        if self._stream.cursor is None:
            return None
        name = self._stream.cursor.field
        (field,) = (p for p in self._stream.contract.properties if p.name == name)
        value = mixed.value(field, bytes(members[name]))
        if field.source_form in EPOCH_UNITS:
            moment = _EPOCH + value * EPOCH_UNITS[field.source_form]
            return datetime.combine(moment.date(), time(), UTC) if field.logical_type == "date" else moment
        if field.logical_type == "integer":
            return int(value)
        if field.logical_type == "date":
            return datetime.combine(datetime.fromisoformat(value), time(), UTC)
        return msgspec.convert(value, datetime).astimezone(UTC)


def key_form(stream: Stream) -> tuple[str, ...]:
    """What a stream's keys are made of: ``id:integer``; with how the source writes it, where that is not its type."""
    properties = stream.contract.key_properties
    return tuple(":".join(filter(None, (p.name, p.logical_type, p.source_form))) for p in properties)


def _key_text(values: list[Any]) -> str:
    return msgspec.json.encode(values).decode()


def _less(one: CursorValue, other: CursorValue) -> bool:
    return one < other  # type: ignore[operator]  # both are of one kind: the contract's
