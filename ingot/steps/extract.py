"""Extract: fetch → gate → Bronze, with the manifest last."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import msgspec

from ingot import __version__
from ingot.attempt import Attempt, attempt
from ingot.batch import Batch
from ingot.bronze import PartWriter, write_rejects
from ingot.errors import RejectRateExceeded
from ingot.fetch import fetch
from ingot.gate import Gate, Refusal
from ingot.manifest import Drift, Manifest, Request, commit, find_manifest
from ingot.sources import Source, Stream
from ingot.storage import ObjectStore


def extract(batch: Batch, *, source: Source, bronze: ObjectStore, as_of: datetime) -> Manifest:
    """Take one batch from its source into Bronze.

    A batch that is committed already is returned as it is, without a request to the source.

    Args:
        as_of: the time that the run stands for (UTC): the same for every retry of it.

    Raises:
        IngotError: see :mod:`ingot.fetch` and :mod:`ingot.storage`; nothing was published then.
        RejectRateExceeded: more was refused than the contract allows; nothing was published, and the refused
            records are in the quarantine.
    """
    committed = find_manifest(bronze, batch)
    if committed is not None:
        return committed
    with attempt(bronze, batch, "extract") as record:
        return _extract(batch, source, bronze, as_of, record)


def _extract(batch: Batch, source: Source, bronze: ObjectStore, as_of: datetime, record: Attempt) -> Manifest:
    stream = source.stream(batch.stream)
    gate = Gate(stream.contract)
    writer = PartWriter(bronze, batch.data_key)
    refused: list[Refusal] = []
    requests: list[Request] = []
    for page in fetch(source, batch):
        verdict = gate.check(page.body, page.records)
        writer.write(verdict.accepted)
        refused.extend(verdict.refused)
        requests.append(
            Request(
                url=page.url,
                status=page.status,
                seconds=page.seconds,
                tries=page.tries,
                bytes=len(page.body),
                records=len(page.records),
            )
        )
    parts = writer.close()
    rejects = write_rejects(bronze, batch, refused)
    record.accepted = sum(part.records for part in parts)
    record.rejected = len(refused)
    record.rejects_key = rejects.key if rejects else None
    _hold_to_limit(batch, stream, record.accepted, record.rejected)
    now = datetime.now(UTC)
    return commit(
        bronze,
        Manifest(
            batch_id=batch.id,
            source=batch.source,
            stream=batch.stream,
            mode=stream.mode,
            interval_start=batch.interval_start,
            interval_end=batch.interval_end,
            as_of=as_of,
            accepted=record.accepted,
            rejected=record.rejected,
            parts=parts,
            rejects=rejects,
            reject_rules=dict(sorted(Counter(v.rule for r in refused for v in r.violations).items())),
            requests=tuple(requests),
            contract_id=stream.contract.id,
            contract_version=stream.contract.version,
            code_version=__version__,
            redacted=tuple(sorted(stream.contract.secrets)),
            drift=msgspec.convert(gate.unknown, tuple[Drift, ...], from_attributes=True),
            watermark=batch.interval_end if stream.mode == "interval" else None,
            started_at=record.started_at,
            committed_at=now,
            seconds=round((now - record.started_at).total_seconds(), 3),
        ),
    )


def _hold_to_limit(batch: Batch, stream: Stream, accepted: int, rejected: int) -> None:
    total = accepted + rejected
    limit = stream.contract.max_reject_rate
    if total and rejected / total > limit:
        raise RejectRateExceeded(
            f"{rejected} of {total} records were refused ({rejected / total:.1%}); "
            f"the contract allows {limit:.1%}. Nothing was published.",
            source=batch.source,
            stream=batch.stream,
            batch=batch.id,
            hint="look at the quarantine; correct the contract or the source, then run the interval again",
        )
