"""Extract: fetch → gate → Bronze, with the manifest last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice

from ingot import __version__
from ingot.attempt import Attempt
from ingot.batch import Batch
from ingot.bronze import PartWriter, RejectWriter, write_object
from ingot.drift import observe
from ingot.errors import DeleteRateExceeded, RejectRateExceeded
from ingot.fetch import fetch
from ingot.fetch.landed import LandedPage, Landing
from ingot.fetch.page import Page
from ingot.gate import Gate, Refusal, Verdict
from ingot.known import Known, key_form
from ingot.manifest import Manifest, Part, Request, commit, find_manifest
from ingot.sequence import claim, find_head
from ingot.sources import Source, Stream
from ingot.storage import ObjectStore


def extract(
    batch: Batch,
    *,
    source: Source,
    bronze: ObjectStore,
    as_of: datetime,
    record: Attempt,
    secret: str | None = None,
) -> Manifest:
    """Take one batch from its source into Bronze.

    A batch that is committed already is returned as it is, without a request to the source.

    Args:
        as_of: the time that the run stands for (UTC): the same for every retry of it.
        record: the attempt, which learns the counts and, of what landed, how long it had waited.
        secret: where the source's credentials are in Secrets Manager, if it asks for some.

    Raises:
        IngotError: see :mod:`ingot.fetch` and :mod:`ingot.storage`; nothing was published then.
        RejectRateExceeded: more was refused than the contract allows; nothing was published, and the refused
            records are in the quarantine.
        DeleteRateExceeded: a snapshot lacks more keys than its stream allows; nothing was published.
        BatchOvertaken: another batch of a stream that continues was committed meanwhile.
    """
    stream = source.stream(batch.stream)
    # The head first: what it finds claimed and not committed, perhaps this very batch, it commits. A stream that once
    # continued goes on in numbers whatever its mode is now: what is known must not outlive what others wrote.
    head = find_head(bronze, batch.source, batch.stream)
    manifest = find_manifest(bronze, batch)
    if manifest is None:
        manifest = _extract(batch, source, stream, head, bronze, as_of, record, secret)
    record.accepted, record.rejected = manifest.accepted, manifest.rejected
    record.rejects_key = manifest.rejects.key if manifest.rejects else None
    return manifest


def _extract(
    batch: Batch,
    source: Source,
    stream: Stream,
    head: Manifest | None,
    bronze: ObjectStore,
    as_of: datetime,
    record: Attempt,
    secret: str | None,
) -> Manifest:
    gate = Gate(stream.contract)
    landing = Landing(stream, head, bronze) if stream.mode == "landed" else None
    known = Known(stream, head, bronze) if stream.continues and landing is None else None
    writer = PartWriter(bronze, batch.data_key)
    rejects = RejectWriter(bronze, batch)
    requests: list[Request] = []
    sent = rejected = written = 0
    fallback: str | None = None
    since = stream.since(known.watermark, source.start_date) if known and stream.cursor else None
    pages: Iterator[Page | LandedPage]
    if landing is not None:
        record.waited_seconds = round(landing.waited(datetime.now(UTC)), 3)
        pages = landing.pages()
    else:
        query = stream.query(batch.interval_start, batch.interval_end, since)
        pages = fetch(source, batch, query, secret=secret, since=since)
    for page in pages:
        faults = page.faults if isinstance(page, LandedPage) else None
        verdict = gate.check(page.body, page.records, faults)
        # Nearly every page is right, of a stream that knows nothing: no record of it needs a look of its own.
        plain = known is None and not verdict.refused
        lines: list[bytes] = verdict.accepted if plain else []
        refusals: list[Refusal] = []
        for each in () if plain else _as_sent(verdict, sent):
            if isinstance(each, bytes):
                if known is None or known.is_new(each):
                    lines.append(each)
            elif known is None or known.is_new_refusal(each):
                if isinstance(page, LandedPage):
                    each = page.locate(each, each.position - sent)
                refusals.append(replace(each, line=written + len(lines)))
        sent += len(page.records)
        rejected += len(verdict.refused)
        writer.write(lines)
        written += len(lines)
        rejects.write(refusals)
        if isinstance(page, Page):
            requests.append(_request(page, len(lines)))
            fallback = page.fallback
        elif landing is not None:
            landing.count(page, len(lines))
    parts = writer.close()
    quarantined = rejects.close()
    record.accepted, record.rejected = written, rejects.records
    record.rejects_key = quarantined.key if quarantined else None
    _hold_to_reject_rate(batch, stream, sent, rejected)
    deletes = _write_deletes(bronze, batch, stream, known) if known and stream.mode == "snapshot" else None
    if head is not None:
        as_of = max(as_of, head.as_of + timedelta(microseconds=1))
    if known is not None and fallback is None:  # what the source itself says is asked for again
        known.move(as_of)
    now = datetime.now(UTC)
    manifest = Manifest(
        batch_id=batch.id,
        source=batch.source,
        stream=batch.stream,
        mode=stream.mode,
        interval_start=batch.interval_start,
        interval_end=batch.interval_end,
        as_of=as_of,
        accepted=written,
        rejected=rejects.records,
        unchanged=sent - rejected - written,
        rejected_again=rejected - rejects.records,
        deleted=deletes.records if deletes else 0,
        parts=parts,
        rejects=quarantined,
        deletes=deletes,
        reject_rules=rejects.rules,
        requests=tuple(requests),
        contract_id=stream.contract.id,
        contract_version=stream.contract.version,
        code_version=__version__,
        redacted=tuple(sorted(stream.contract.secrets)),
        drift=observe(gate),
        watermark=known.watermark if known else landing.watermark if landing else batch.interval_end,
        number=(head.number or 0) + 1 if head else 1 if stream.continues else None,
        key=key_form(stream) if known else (),
        previous=head.batch_id if head else None,
        known=known.write(bronze, batch) if known else None,
        landed=landing.objects if landing else (),
        taken=landing.write(batch) if landing else None,
        fallback=fallback,
        started_at=record.started_at,
        committed_at=now,
        seconds=round((now - record.started_at).total_seconds(), 3),
    )
    return claim(bronze, manifest) if manifest.number else commit(bronze, manifest)


def _request(page: Page, accepted: int) -> Request:
    return Request(
        url=page.url,
        status=page.status,
        seconds=page.seconds,
        tries=page.tries,
        bytes=len(page.body),
        records=len(page.records),
        accepted=accepted,
    )


def _as_sent(verdict: Verdict, first: int) -> Iterator[bytes | Refusal]:
    """A page's records, accepted and refused, in the order in which they were sent; the first has this position."""
    accepted = iter(verdict.accepted)
    for refusal in verdict.refused:
        yield from islice(accepted, refusal.position - first)
        yield refusal
        first = refusal.position + 1
    yield from accepted


def _hold_to_reject_rate(batch: Batch, stream: Stream, sent: int, rejected: int) -> None:
    limit = stream.contract.max_reject_rate
    if sent and rejected / sent > limit:
        raise RejectRateExceeded(
            f"{rejected} of {sent} records were refused ({rejected / sent:.1%}); "
            f"the contract allows {limit:.1%}. Nothing was published.",
            source=batch.source,
            stream=batch.stream,
            batch=batch.id,
            hint="look at the quarantine; correct the contract or the source, then run the interval again",
        )


def _write_deletes(bronze: ObjectStore, batch: Batch, stream: Stream, known: Known) -> Part | None:
    gone, lost = known.vanished()
    if lost > stream.max_delete_rate:
        raise DeleteRateExceeded(
            f"{lost:.1%} of the known keys are missing from the snapshot; "
            f"the stream allows {stream.max_delete_rate:.1%}. Nothing was published.",
            hint="ask the source by hand; if they are gone for good, raise max_delete_rate in source.yaml for one run",
        )
    return write_object(bronze, batch.deletes_key, gone)
