"""Resolve: an object of the quarantine → a batch of what passes now, and what is left.

There is one resolving batch an object, and its manifest is written with a condition: whoever asks at once, a record is
published once, given up once, or still open.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Literal

import msgspec

from ingot import __version__
from ingot.attempt import Attempt
from ingot.bronze import PartWriter, RejectWriter, read_lines
from ingot.contract import Contract
from ingot.contract.model import Property
from ingot.errors import ConfigurationError
from ingot.gate import Gate, Refusal
from ingot.gate.mixed import key_value
from ingot.gate.redact import Redactor
from ingot.manifest import Manifest, Resolution, commit, find_manifest, read_manifest
from ingot.quarantine import Reject, batch_of, read_as_lines, read_rejects, resolving_batch
from ingot.storage import ObjectStore

_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])

# What is said of a record of a file that is none; none of it can pass later.
_NO_RECORD = {"file", "header", "encoding", "quote", "cells", "size"}

# A record's place in what the source sent: how many lines of its batch are before it, and its position.
_Place = tuple[int, float]


@dataclass(frozen=True)
class Resolved:
    """What became of an object's records.

    Attributes:
        manifest: the resolving batch; None if nothing passed and nothing was given up: the object is still open.
        accepted: records that are published by the batch.
        discarded: records that were given up.
        superseded: records that pass and are older than a published one of their key in the same batch.
        remaining: what is left, by rule how many violations.
        remaining_records: how many records that is.
        already: the object was resolved before, by this batch.
    """

    manifest: Manifest | None
    accepted: int
    discarded: int
    superseded: int
    remaining: dict[str, int]
    remaining_records: int
    already: bool


def resolve(
    key: str,
    *,
    action: Literal["replay", "discard"],
    contract: Contract,
    bronze: ObjectStore,
    record: Attempt,
    rule: str | None = None,
    reason: str | None = None,
) -> Resolved:
    """Send the refused records of one object through the present contract, or give them up.

    Args:
        key: the object in the quarantine.
        contract: the stream's, as it is now.
        record: the attempt at the resolving batch, which learns the counts.
        rule: only records that break this rule; the others stay.
        reason: why they are given up.

    Raises:
        ConfigurationError: there is nothing to resolve at this key.
        IntegrityError: the object is not what its manifest recorded.
    """
    holder = find_manifest(bronze, batch_of(key))
    if holder is None or holder.rejects is None or holder.rejects.key != key:
        raise ConfigurationError(
            "This object is of an attempt that published nothing.",
            key=key,
            hint="run the interval again: it asks the source for all of its records",
        )
    batch = resolving_batch(key)
    committed = find_manifest(bronze, batch)
    if committed is not None:
        return _outcome(committed, already=True)
    gate = Gate(behind_the_gate(contract))
    writer = PartWriter(bronze, batch.data_key)
    left = RejectWriter(bronze, batch)
    redactor = Redactor(contract.secrets)
    published = _published(bronze, holder, contract.key_properties) if action == "replay" else {}
    chosen = discarded = superseded = accepted = 0
    for reject in read_rejects(bronze, holder):
        refusal = reject.refusal
        if not reject.breaks(rule):
            left.write([_cut(refusal, redactor)])
            continue
        chosen += 1
        if action == "discard":
            discarded += 1
        elif refusal.record is None or is_text(refusal):
            # Its bytes were withheld: there is nothing to send through. Or it never was a record: a file that could not
            # be read is read by a batch, once it is declared otherwise, and must not count twice.
            left.write([_cut(refusal, redactor)])
        else:
            # One record a page: what is no JSON cannot reach over to its neighbour.
            verdict = gate.check(b"[" + refusal.record + b"]", [refusal.record])
            for line in verdict.accepted:
                if _is_later(published.get(_key(line, contract.key_properties)), reject):
                    superseded += 1
                else:
                    writer.write([line])
                    accepted += 1
            left.write(
                replace(again, position=refusal.position, line=refusal.line, file=refusal.file)
                for again in verdict.refused
            )
    record.accepted, record.rejected = accepted, left.records
    if not accepted and not discarded and not superseded:
        return Resolved(None, 0, 0, 0, left.rules, left.records, already=False)
    parts, rejects = writer.close(), left.close()
    record.rejects_key = rejects.key if rejects else None
    now = datetime.now(UTC)
    manifest = Manifest(
        batch_id=batch.id,
        source=batch.source,
        stream=batch.stream,
        mode=holder.mode,
        interval_start=batch.interval_start,
        interval_end=batch.interval_end,
        # As if they had passed at once: behind newer versions of their keys. What was left by a replay is in front of
        # what that published; what would have to be behind it is superseded.
        as_of=holder.as_of if holder.resolves is None else holder.as_of + timedelta(microseconds=1),
        accepted=accepted,
        rejected=left.records,
        parts=parts,
        rejects=rejects,
        reject_rules=left.rules,
        requests=(),
        contract_id=contract.id,
        contract_version=contract.version,
        code_version=__version__,
        redacted=tuple(sorted(contract.secrets)),
        drift=(),
        watermark=None,
        started_at=record.started_at,
        committed_at=now,
        seconds=round((now - record.started_at).total_seconds(), 3),
        resolves=Resolution(
            batch_id=holder.batch_id,
            key=key,
            action=action,
            rule=rule,
            reason=reason,
            chosen=chosen,
            discarded=discarded,
            superseded=superseded,
        ),
    )
    winner = commit(bronze, manifest)
    return _outcome(winner, already=winner != manifest)


def _outcome(manifest: Manifest, *, already: bool) -> Resolved:
    assert manifest.resolves is not None
    return Resolved(
        manifest,
        manifest.accepted,
        manifest.resolves.discarded,
        manifest.resolves.superseded,
        manifest.reject_rules,
        manifest.rejected,
        already=already,
    )


def _published(bronze: ObjectStore, holder: Manifest, primary_key: tuple[Property, ...]) -> dict[Any, _Place]:
    """The place of the last published record of each key that refused ones have: by the batch, or by its replays."""
    keys = {_key(line, primary_key) for reject, line in read_as_lines(bronze, holder, ()) if reject.line is not None}
    keys.discard(None)
    places: dict[Any, _Place] = {}
    if not keys:
        return places
    manifest = holder
    while manifest.resolves is not None:
        replay, manifest = manifest, read_manifest(bronze, batch_of(manifest.resolves.key))
        passed = {sha256(line).digest() for part in replay.parts for line in read_lines(bronze, part)}
        for reject, line in read_as_lines(bronze, manifest, replay.redacted):
            key = _key(line, primary_key)
            if key in keys and reject.line is not None and sha256(line).digest() in passed:
                places[key] = max(places.get(key, (0, -1)), (reject.line, reject.position))
    lines = (line for part in manifest.parts for line in read_lines(bronze, part))
    for number, line in enumerate(lines):
        key = _key(line, primary_key)
        if key in keys:
            places[key] = max(places.get(key, (0, -1)), (number, float("inf")))
    return places


def _is_later(published: _Place | None, reject: Reject) -> bool:
    return published is not None and reject.line is not None and published > (reject.line, reject.position)


def _key(line: bytes, primary_key: tuple[Property, ...]) -> tuple[Any, ...] | None:
    """The values of a record's primary key; None if they cannot be read."""
    try:
        members = _MEMBERS.decode(line)
        key = tuple(key_value(prop, bytes(members[prop.name])) for prop in primary_key)
        hash(key)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return key


def is_text(refusal: Refusal) -> bool:
    """Whether it is what a file's reader could make no record of: the file, or a row."""
    return refusal.file is not None and any(violation.rule in _NO_RECORD for violation in refusal.violations)


def _cut(refusal: Refusal, redactor: Redactor) -> Refusal:
    """A refused record that stays, without what became a secret since; withheld if that cannot be cut out."""
    if refusal.record is None:
        return refusal
    try:
        kept = redactor.cut(refusal.record)
    except ValueError:
        return replace(refusal, record=None, sha256=None)
    return refusal if kept == refusal.record else replace(refusal, record=kept, sha256=sha256(kept).hexdigest())


def behind_the_gate(contract: Contract) -> Contract:
    """The contract for records whose secrets were cut: nobody can ask for these any more."""
    return msgspec.structs.replace(contract, properties=tuple(_without_secrets(contract.properties)))


def _without_secrets(properties: tuple[Property, ...]) -> Iterator[Property]:
    for prop in properties:
        yield msgspec.structs.replace(
            prop,
            required=prop.required and prop.classification != "secret",
            properties=tuple(_without_secrets(prop.properties)),
            items=next(_without_secrets((prop.items,))) if prop.items is not None else None,
        )
