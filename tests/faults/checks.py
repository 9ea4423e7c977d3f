"""What is looked at: S3 whenever a job has ended, the audit after it ran, the warehouse when all is over."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
import zstandard

from tests.faults.oracle import Columns, Expected, Known, Outcome, Row, bronze_columns, candidates, outcome, resolution
from tests.faults.run import Run
from tests.faults.shop import STREAMS, Shop

BRONZE = {
    "products": "id, title, price, description, category, image, rating_rate, rating_count",
    "users": "id, email, username, name_firstname, name_lastname, phone, address_city, address_street, address_number, "
    "address_zipcode, address_geolocation_lat, address_geolocation_long, v",
    "carts": "id, user_id, date, products, v",
}
QUERIES = {
    "silver.orders": "select order_id, user_id, line_count, units, ordered_at, order_date, _batch_id, _line "
    "from silver.orders where deleted_at is null",
    "silver.order_lines": "select order_id, line_number, product_id, user_id, category, quantity, unit_price, "
    "line_total from silver.order_lines",
    "silver.products": "select product_id, title, category, price, deleted_at from silver.products",
    "silver.users": "select user_id, email_masked, firstname_masked, phone_masked, deleted_at from silver.users",
    "silver.addresses": "select user_id, city, zipcode_prefix, latitude_degrees, longitude_degrees, deleted_at "
    "from silver.addresses",
    "silver.product_history": "select product_id, version, valid_from, valid_to, price from silver.product_history",
    "gold.daily_sales": "select order_date, orders, units, revenue, average_order_value from gold.daily_sales",
    "gold.product_performance": "select product_id, orders, buyers, units, revenue, is_listed "
    "from gold.product_performance",
    "gold.customer_activity": "select user_id, orders, units, revenue from gold.customer_activity",
    "gold.category_revenue": "select category, orders, products_listed, products_sold, units, revenue "
    "from gold.category_revenue",
}


PUBLIC = ("manifests/", "sequence/")
"""Below these is what anybody may act on as soon as it is there."""


class Difference(AssertionError):
    """What is there is not what must be there."""


@dataclass
class Bucket:
    """The Bronze bucket, as anybody sees it at any time."""

    s3: Any
    name: str
    manifests: dict[str, dict[str, Any]] = field(default_factory=dict)
    _tags: dict[str, str] = field(default_factory=dict)

    def look(self) -> None:
        """Hold every manifest and claim that is new to the objects that it names.

        Raises:
            Difference: one names what is not there or is something else, or has changed.
        """
        for prefix in PUBLIC:
            for key, tag in self._keys(prefix):
                self._look_at(key, tag)

    def look_at(self, key: str) -> None:
        """The same for one that is there now.

        Raises:
            Difference: as above.
        """
        self._look_at(key, self.s3.head_object(Bucket=self.name, Key=key)["ETag"])

    def _look_at(self, key: str, tag: str) -> None:
        if self._tags.setdefault(key, tag) != tag:
            raise Difference(f"{key} was written a second time, with other content")
        if key not in self.manifests:
            self.manifests[key] = json.loads(self._get(key))
            self._hold(key, self.manifests[key])

    def published(self) -> dict[str, dict[str, Any]]:
        """The manifests of committed batches, by batch."""
        return {m["batch_id"]: m for key, m in self.manifests.items() if key.startswith("manifests/")}

    def sequence(self, stream: str) -> list[str]:
        """The batches of a stream that continues, in their order."""
        claims = [m for key, m in sorted(self.manifests.items()) if key.startswith(f"sequence/fakestore/{stream}/")]
        if [m["number"] for m in claims] != list(range(1, len(claims) + 1)):
            raise Difference(f"the batches of {stream} are numbered {[m['number'] for m in claims]}")
        return [m["batch_id"] for m in claims]

    def _hold(self, key: str, manifest: dict[str, Any]) -> None:
        single = [manifest.get(name) for name in ("rejects", "deletes", "known")]
        for part in [*manifest["parts"], *(part for part in single if part)]:
            try:
                body = self._get(part["key"])
            except self.s3.exceptions.NoSuchKey:
                raise Difference(f"{key} names {part['key']}, which is not there") from None
            content = zstandard.ZstdDecompressor().stream_reader(body).readall()
            if hashlib.sha256(content).hexdigest() != part["sha256"]:
                raise Difference(f"{key} names {part['key']}, which holds something else")

    def _keys(self, prefix: str) -> Iterator[tuple[str, str]]:
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix):
            for item in page.get("Contents", ()):
                yield item["Key"], item["ETag"]

    def _get(self, key: str) -> bytes:
        body: bytes = self.s3.get_object(Bucket=self.name, Key=key)["Body"].read()
        return body


RESOLVE = ".resolve-"
"""What parts the id of a batch that resolves refused records from the id of the batch that they were refused in."""

LASTING = ("RejectRateExceeded", "DeleteRateExceeded")
"""What stays wrong however often it is tried."""


def check_verdict(run: Run) -> None:
    """A run that failed says so in words, and whether it is worth another try."""
    if run.succeeded or run.killed:
        return
    if not run.said.startswith(("TRANSIENT ", "TERMINAL ")):
        raise Difference(f"{run.name} failed with what nobody foresaw:\n{run.output}")
    refused = any(fault.kind == "404" for fault in run.struck)
    if run.terminal and not (run.said.split()[1].rstrip(":") in LASTING or refused):
        raise Difference(f"{run.name} will not be tried again for a trouble that passes: {run.said}")


def check_audit(connection: psycopg.Connection[Any], runs: Sequence[Run], over: Collection[str]) -> None:
    """Right after an audit that succeeded: what it says of every batch is what became of it.

    Args:
        runs: all runs so far that were of a batch, in the order in which they began.
        over: the batches of which an audit has been told that their runs are over. Of others, what was killed may
            still seem to run.
    """
    states = {
        batch: (state, error, reason)
        for batch, state, error, reason in connection.execute(
            "select batch_id, state, error, reason from audit.batches"
        ).fetchall()
    }
    visible = {batch for stream in STREAMS for batch, _, _ in bronze_rows(connection, stream)}
    by_batch: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        by_batch[run.batch].append(run)
    if strangers := (visible | set(states)) - set(by_batch):
        raise Difference(f"there are batches that nobody ran: {sorted(strangers)}")
    for batch, its in by_batch.items():
        state, error, reason = states.get(batch, (None, None, None))
        loads = [run for run in its if run.step == "load"]
        if any(run.succeeded for run in loads):
            if state != "LOADED":
                raise Difference(f"{batch} was loaded, and the audit says {state}")
            continue
        if state == "LOADED":
            if not loads:
                raise Difference(f"{batch} was never loaded, and the audit says LOADED")
            continue
        if batch in visible:
            raise Difference(f"rows of {batch} are there, and the audit says {state}")
        lasts = {run.orchestrator: run for run in its}.values()
        failed = all(run.recorded and not run.succeeded and not run.unheard for run in lasts)
        if failed and state == "RUNNING" and batch not in over:
            continue
        if failed and (state != "FAILED" or not error or not reason):
            raise Difference(f"{batch} has failed, and the audit says {state} ({error}: {reason})")
    _check_attempts(connection, runs)


def _check_attempts(connection: psycopg.Connection[Any], runs: Sequence[Run]) -> None:
    rows = connection.execute("select attempt_key, state, reason from audit.attempts").fetchall()
    states = {key: (state, reason) for key, state, reason in rows}
    for run in runs:
        for key in {key for key in run.written if key.startswith("attempts/")}:
            state, reason = states.get(key, ("none", None))
            if run.succeeded and state != "SUCCEEDED":
                raise Difference(f"{run.name} succeeded, and the audit says {state} of it")
            if not run.succeeded and state == "SUCCEEDED" and not run.unheard:
                raise Difference(f"{run.name} failed, and the audit says that it succeeded")
            if state == "FAILED" and not reason:
                raise Difference(f"{run.name} failed, and the audit gives no reason")


def bronze_rows(connection: psycopg.Connection[Any], stream: str) -> list[tuple[str, int, tuple[Any, ...]]]:
    """Batch, line and the rest of every row of a bronze table; none if there is no such table yet."""
    if connection.execute("select to_regclass(%s)", [f"bronze.fakestore_{stream}"]).fetchone() == (None,):
        return []
    rows = connection.execute(
        f"select _batch_id, _line, _ingested_at, _deleted, {BRONZE[stream]} from bronze.fakestore_{stream} "
        "order by _batch_id, _line, id"
    ).fetchall()
    return [(row[0], row[1], row[2:]) for row in rows]


@dataclass
class Warehouse:
    """All that was published, held to what was served."""

    connection: psycopg.Connection[Any]
    bucket: Bucket
    runs: Sequence[Run]
    modes: dict[str, str]
    reject_rate: float

    def check_bronze(self) -> dict[str, list[Row]]:
        """Each batch's rows are those of one answer that it was served; the rows that must be there.

        Raises:
            Difference: a batch has others, or is there though it must not be, or is not though it must.
        """
        return {stream: self._check_stream(stream) for stream in STREAMS}

    def _check_stream(self, stream: str) -> list[Row]:
        there: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for batch, line, rest in bronze_rows(self.connection, stream):
            there[batch].append((line, *rest))
        batches = {run.batch for run in self.runs if f".{stream}." in run.batch}
        published = {batch for batch in self.bucket.published() if batch in batches}
        if strangers := set(there) - published:
            raise Difference(f"bronze.fakestore_{stream} has rows of {sorted(strangers)}, which were not committed")
        taken = {batch for batch in published if RESOLVE not in batch}
        order = self.bucket.sequence(stream) if self.modes[stream] != "interval" else sorted(taken)
        if set(order) != taken:
            raise Difference(f"of {stream}, {sorted(set(order) ^ taken)} are claimed or committed, not both")
        known, chosen = Known(), {}
        for batch in order:
            chosen[batch] = self._choose(stream, batch, there[batch], known)
            known = chosen[batch].known
        for batch in sorted(published - taken):
            chosen[batch] = self._choose_resolution(stream, batch, there[batch], chosen)
        for batch, it in chosen.items():
            self._check_rejects(batch, it)
        self._check_failed(stream, batches - published, known, chosen)
        return [row for it in chosen.values() for row in it.rows]

    def _choose(self, stream: str, batch: str, rows: list[tuple[Any, ...]], known: Known) -> Outcome:
        tried = []
        for answer, as_of in candidates(self.runs, batch):
            it = outcome(stream, self.modes[stream], answer, as_of, batch, known, self.reject_rate)
            expected = _rows_of(stream, it)
            if expected == rows and not it.terminal:
                return it
            tried.append(
                f"  {answer.run.name} was served {len(answer.records)} records: "
                + (it.terminal or _diff(expected, rows))
            )
        raise Difference("\n".join([f"the rows of {batch} are of no answer that it was served", *tried]))

    def _choose_resolution(
        self, stream: str, batch: str, rows: list[tuple[Any, ...]], chosen: dict[str, Outcome]
    ) -> Outcome:
        origin = batch.partition(RESOLVE)[0]
        actions = {run.action for run in self.runs if run.batch == batch and run.action}
        tried = [resolution(action, batch, chosen[origin]) for action in sorted(actions)]
        action = self.bucket.published()[batch]["resolves"]["action"]
        for it in tried:
            if _rows_of(stream, it) == rows and not it.terminal and (action == "discard") == (not it.rows):
                return it
        raise Difference(f"the rows of {batch} are not what comes of {actions}: {_few(rows)}")

    def _check_rejects(self, batch: str, chosen: Outcome) -> None:
        part = self.bucket.published()[batch]["rejects"]
        if (part["records"] if part else 0) != len(chosen.refused):
            raise Difference(f"{batch} refused {len(chosen.refused)} records, its manifest says {part}")
        if part:
            places = self.connection.execute(
                "select distinct position from audit.rejects where quarantine_key = %s order by 1", [part["key"]]
            ).fetchall()
            if [place for (place,) in places] != sorted(chosen.refused):
                raise Difference(f"{batch} refused the records at {sorted(chosen.refused)}, the audit says {places}")

    def _check_failed(self, stream: str, batches: set[str], known: Known, chosen: dict[str, Outcome]) -> None:
        for batch in sorted(batches):
            if RESOLVE in batch:
                origin = chosen[batch.partition(RESOLVE)[0]]
                actions = {run.action for run in self.runs if run.batch == batch and run.action}
                if any(not resolution(action, batch, origin).terminal for action in actions):
                    raise Difference(f"{batch} was asked for ({actions}) and has not come")
                continue
            last = [(a, t) for a, t in candidates(self.runs, batch)][-1:]
            for answer, as_of in last:
                it = outcome(stream, self.modes[stream], answer, as_of, batch, known, self.reject_rate)
                if not it.terminal:
                    raise Difference(f"{batch} was served a whole answer when nothing was wrong, and was not committed")

    def check_models(self, rows: dict[str, list[Row]]) -> None:
        """Silver and gold hold what follows from the published rows, and nothing else."""
        expected = Expected(rows).tables()
        for name, query in QUERIES.items():
            found = sorted(map(_plain, self.connection.execute(query).fetchall()))
            wanted = sorted(map(_plain, expected[name]))
            if found != wanted:
                raise Difference(f"{name}: {_diff(wanted, found)}")

    def check_nothing_missed(self, shop: Shop, rows: Sequence[Row]) -> None:
        """What the shop holds at the end has come, however late it was said: that is what a lookback is for."""
        latest = {row.key: row.raw for row in sorted(rows, key=lambda row: row.age)}
        for record in shop.serve("carts"):
            if record.valid and latest.get(record.value["id"]) != record.raw:
                raise Difference(f"order {record.value['id']} is {record.raw!r} at the source and was missed")

    def check_leftovers(self) -> None:
        """No table of a load that broke off is left."""
        left = self.connection.execute(
            "select tablename from pg_tables where schemaname = 'bronze' and tablename like 'incoming%'"
        ).fetchall()
        if left:
            raise Difference(f"loads have left {left} behind")


def _rows_of(stream: str, it: Outcome) -> list[tuple[Any, ...]]:
    return [(row.line, row.as_of, row.raw is None, *bronze_columns(stream, row)) for row in it.rows]


def _plain(row: Columns) -> tuple[str, ...]:
    return tuple(
        "" if value is None else str(value.astimezone(UTC) if isinstance(value, datetime) else value) for value in row
    )


def _diff(wanted: Sequence[Any], found: Sequence[Any]) -> str:
    lost = [row for row in wanted if row not in found]
    extra = [row for row in found if row not in wanted]
    if not lost and not extra:
        return f"the same rows in another order or number ({len(wanted)} wanted, {len(found)} there)"
    return f"lost {_few(lost)}, too many {_few(extra)}"


def _few(rows: Sequence[Any]) -> str:
    return f"{len(rows)}: {[tuple(map(str, row)) for row in rows[:3]]}" if rows else "none"
