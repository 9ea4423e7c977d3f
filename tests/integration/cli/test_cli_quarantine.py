"""From a refused record to a corrected contract to a new batch: each record is in one place at any time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import boto3
import pytest

from ingot.batch import Batch, parse_time
from ingot.manifest import read_manifest
from ingot.storage import ObjectStore

if TYPE_CHECKING:
    from conftest import Deployed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # real jobs, one after the other
BACKFILL = ("backfill", "--source", "fakestore", "--from", "2020-03-01", "--to", "2020-04-01", "--chunk", "month")
MARCH = "fakestore.carts.20200301T000000Z.20200401T000000Z"
PLACES = """
    select (select count(*) from bronze.fakestore_carts) as published,
        (select count(distinct position) from audit.open_rejects) as open,
        (select coalesce(sum(discarded), 0) from audit.batches)::int as discarded
"""


def refuse_two_carts(deployed: Deployed) -> None:
    """March with five carts, of which cart 1 has a user and cart 3 a quantity that the contract forbids."""
    deployed.misbehave(path="/carts", set_field={"id": 1, "field": "userId", "value": 0})
    deployed.misbehave(path="/carts", set_field={"id": 3, "field": "products.0.quantity", "value": 0})
    done = deployed.ingot(*BACKFILL)
    assert done.code == 0, done.err
    deployed.behave()


@contextmanager
def broken(deployed: Deployed, kind: str) -> Iterator[None]:
    """While it lasts, a job fails for good."""
    script = {"Bucket": deployed.names.artifacts_bucket, "Key": f"jobs/{kind}.py"}
    body = boto3.client("s3").get_object(**script)["Body"].read()
    boto3.client("s3").put_object(**script, Body=b"import sys; sys.exit('TERMINAL IntegrityError: no')\n")
    yield
    boto3.client("s3").put_object(**script, Body=body)


def test_what_was_refused_passes_after_the_contract_is_corrected_and_is_never_counted_twice(deployed: Deployed) -> None:
    refuse_two_carts(deployed)
    (found,) = deployed.ingot("quarantine", "list", "--json").json
    assert (found["batch"], found["records"], found["state"]) == (MARCH, 2, "OPEN")
    assert found["rules"] == {"minimum": 2}
    shown = deployed.ingot("quarantine", "show", "--stream", "carts", "--rule", "minimum", "--json").json
    assert [(record["key"], record["violations"][0]["path"]) for record in shown] == [
        ("1", "$.userId"),
        ("3", "$.products[0].quantity"),
    ]
    assert '"userId":0' in shown[0]["record"]
    assert deployed.ingot("quarantine", "list", "--rule", "type", "--json").json == []
    assert found["object"] in deployed.ingot("quarantine", "list", "--batch", MARCH).out

    # Under the same contract nothing passes, and nothing changes.
    refused = deployed.ingot("quarantine", "replay", "--json")
    assert refused.code == 1, refused.err
    assert [(r["accepted"], r["refused_again"], r["new_batch"]) for r in refused.json] == [(0, 2, None)]
    assert deployed.rows(PLACES) == [{"published": 3, "open": 2, "discarded": 0}]

    # A quantity of 0 is allowed now: cart 3 passes, cart 1 is what is left.
    before, after = (f"{' ' * 14}logicalTypeOptions:\n{' ' * 16}minimum: {least}\n" for least in (1, 0))
    deployed.edit("carts.odcs.yaml", before, after)
    replay = ("quarantine", "replay", "--key", found["object"], "--json")
    with broken(deployed, "refine"):
        stopped = deployed.ingot(*replay)
    assert stopped.code == 1
    assert "IntegrityError: no" in stopped.json[0]["failed"]
    assert deployed.rows(PLACES)[0]["published"] == 3
    # What was stopped before its batch was loaded goes on from there.
    replayed = deployed.ingot(*replay)
    assert replayed.code == 1, "cart 1 was refused again"
    (result,) = replayed.json
    assert (result["accepted"], result["refused_again"], result["open"]) == (1, 1, 1)
    assert result["new_batch"] == f"{MARCH}.resolve-{found['object']}"
    assert deployed.rows(PLACES) == [{"published": 4, "open": 1, "discarded": 0}]
    row = f"select resolved_batch_id, state from audit.batches where batch_id = '{result['new_batch']}'"
    assert deployed.rows(row) == [{"resolved_batch_id": MARCH, "state": "LOADED"}]
    again = deployed.ingot(*replay)
    assert (again.code, again.json) == (0, []), "an object is resolved once"

    # Cart 1 is given up, for a reason, after a question.
    (left,) = deployed.ingot("quarantine", "list", "--json").json
    assert (left["batch"], left["records"]) == (result["new_batch"], 1)
    give_up = ("quarantine", "discard", "--reason", "a test order", "--rule", "minimum")
    kept = deployed.ingot(*give_up, answer="n\n")
    assert (kept.code, "1 records" in kept.err) == (1, True), kept.err
    assert deployed.rows(PLACES) == [{"published": 4, "open": 1, "discarded": 0}]
    assert deployed.ingot(*give_up, answer="y\n").code == 0
    assert deployed.rows(PLACES) == [{"published": 4, "open": 0, "discarded": 1}]
    assert deployed.ingot("quarantine", "replay").code == 0
    resolving = Batch(
        source="fakestore", stream="carts", interval_start=parse_time("2020-03-01"),
        interval_end=parse_time("2020-04-01"), resolves=left["object"],
    )  # fmt: skip
    resolution = read_manifest(ObjectStore(deployed.names.bronze_bucket), resolving).resolves
    assert resolution is not None
    assert (resolution.action, resolution.reason) == ("discard", "a test order")
    states = {o["object"]: o["state"] for o in deployed.ingot("quarantine", "list", "--state", "all", "--json").json}
    assert states == {found["object"]: "RESOLVED", left["object"]: "RESOLVED"}
    assert deployed.ingot("gaps", *BACKFILL[3:7], "--stream", "carts").code == 0, "every batch is loaded"


def test_what_a_rule_did_not_choose_is_not_said_to_be_refused_again(deployed: Deployed) -> None:
    deployed.misbehave(path="/carts", set_field={"id": 1, "field": "userId", "value": 0})
    deployed.misbehave(path="/carts", set_field={"id": 3, "field": "products.0.quantity", "value": "many"})
    assert deployed.ingot(*BACKFILL).code == 0
    refused = deployed.ingot("quarantine", "replay", "--rule", "type", "--json")
    assert (refused.code, [(r["refused_again"], r["open"]) for r in refused.json]) == (1, [(1, 2)]), refused.err


def test_what_a_failed_batch_refused_cannot_be_replayed_and_is_said_to_come_again(deployed: Deployed) -> None:
    deployed.edit("carts.odcs.yaml", "value: 0.9\n", "value: 0.1\n")
    deployed.misbehave(path="/carts", set_field={"id": 3, "field": "products.0.quantity", "value": 0})
    assert deployed.ingot(*BACKFILL).code == 1

    (found,) = deployed.ingot("quarantine", "list", "--state", "unpublished", "--json").json
    assert (found["batch"], found["state"]) == (MARCH, "UNPUBLISHED")
    (record,) = deployed.ingot("quarantine", "show", "--state", "unpublished", "--json").json
    assert record["key"] == "3"
    assert deployed.ingot("quarantine", "list", "--json").json == []
    assert deployed.ingot("quarantine", "replay", "--key", found["key"]).code == 0


def test_a_wrong_call_of_the_quarantine_is_told_apart(deployed: Deployed) -> None:
    for call, word in (
        (["list", "--state", "closed"], "none of open, resolved"),
        (["show", "--key", "0123456789abcdef"], "no object '0123456789abcdef'"),
        (["discard", "--yes"], "Missing option '--reason'"),
        (["discard", "--yes", "--reason", " "], "must say something"),
        (["replay", "--source", "shop"], "deployed are: fakestore"),
    ):
        answer = deployed.ingot("quarantine", *call)
        assert (answer.code, word in " ".join(answer.err.replace("│", "").split())) == (2, True), answer.err
