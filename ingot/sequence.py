"""The order of a stream whose batches continue each other: one numbered claim a batch.

A claim is written with a condition and holds the whole manifest. Whoever finds the newest claim without its manifest
(the claimant was killed between the two) writes the manifest before going on: what was claimed has happened.
"""

from __future__ import annotations

from collections import deque

from ingot.attempt import attempt
from ingot.batch import sequence_prefix
from ingot.errors import BatchOvertaken
from ingot.manifest import Manifest, commit, decode, encode
from ingot.storage import ObjectStore


def find_head(store: ObjectStore, source: str, stream: str) -> Manifest | None:
    """The newest batch of a stream, or None before its first. It is committed when this returns."""
    manifest = newest_claim(store, source, stream)
    if manifest is not None and store.find(manifest.batch.manifest_key) is None:
        # An attempt of its own, so that the audit hears of it: the claimant's may have said that it failed.
        with attempt(store, manifest.batch, "extract") as record:
            record.accepted, record.rejected = manifest.accepted, manifest.rejected
            record.rejects_key = manifest.rejects.key if manifest.rejects else None
            commit(store, manifest)
    return manifest


def newest_claim(store: ObjectStore, source: str, stream: str) -> Manifest | None:
    """The manifest that :func:`find_head` would answer, for who may only read."""
    claims = deque(store.keys(sequence_prefix(source, stream)), maxlen=1)
    return decode(store.get(claims[0]), claims[0]) if claims else None


def claim(store: ObjectStore, manifest: Manifest) -> Manifest:
    """Publish a batch as the next of its stream. If another attempt at it did so meanwhile, that one is returned.

    Raises:
        BatchOvertaken: another batch took its number.
    """
    key = f"{sequence_prefix(manifest.source, manifest.stream)}{manifest.number:010d}.json"
    if not store.put_new(key, encode(manifest)):
        # Also when the first try succeeded and its answer was lost: then what is there is ours.
        there = decode(store.get(key), key)
        if there.batch_id != manifest.batch_id:
            raise BatchOvertaken(
                f"{there.batch_id} was committed meanwhile, from which this batch has to go on.",
                hint="nothing was published; try again",
            )
        manifest = there
    return commit(store, manifest)
