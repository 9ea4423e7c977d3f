"""`ingot gaps` names what is missing, `ingot backfill` runs that and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import pytest

if TYPE_CHECKING:
    from conftest import Deployed

QUARTER = ("--from", "2020-01-01", "--to", "2020-04-01")


pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # real jobs, one after the other
WINTER = ("--from", "2020-01-01", "--to", "2020-03-01")
JANUARY = "fakestore.carts.20200101T000000Z.20200201T000000Z"
FEBRUARY = "fakestore.carts.20200201T000000Z.20200301T000000Z"


def test_a_gap_is_named_and_a_backfill_fills_it_whatever_failed_before(deployed: Deployed) -> None:
    call = ("backfill", "--source", "fakestore", *WINTER, "--chunk", "month")

    # One of two months fails for good: the other is loaded.
    deployed.misbehave(path="/carts", query={"startdate": "2020-02-01"}, status=404)
    failed = deployed.ingot(*call, "--json")
    assert failed.code == 1
    assert "users is left out: one batch brings a snapshot stream up to date" in failed.err
    assert {row["batch"]: row["state"] for row in failed.json} == {JANUARY: "LOADED", FEBRUARY: "FAILED"}
    (reason,) = (row["reason"] for row in failed.json if row["reason"])
    assert "SourceRefused" in reason
    assert [row["batch_id"] for row in deployed.ingot("batches", "--state", "FAILED", "--json").json] == [FEBRUARY]

    # The schedule is a day: a batch of January covers 31 of these.
    gaps = deployed.ingot("gaps", "--stream", "carts", *WINTER, "--json")
    assert gaps.code == 1
    assert gaps.json == [
        {
            "source": "fakestore",
            "stream": "carts",
            "what": "MISSING",
            "from": "2020-02-01T00:00:00Z",
            "to": "2020-03-01T00:00:00Z",
            "intervals": 29,
            "batch": None,
        }
    ]
    planned = deployed.ingot(*call, "--dry-run", "--json")
    assert planned.code == 0
    assert planned.json == [{"batch": FEBRUARY, "steps": "extract, refine, load"}]

    # The source is well again, the warehouse is not: February is committed, and that is a gap of another kind.
    deployed.behave()
    script = {"Bucket": deployed.names.artifacts_bucket, "Key": "jobs/load.py"}
    load = boto3.client("s3").get_object(**script)["Body"].read()
    boto3.client("s3").put_object(**script, Body=b"import sys; sys.exit('TERMINAL IntegrityError: no')\n")
    assert deployed.ingot(*call).code == 1
    gaps = deployed.ingot("gaps", "--stream", "carts", *WINTER, "--json")
    assert [(row["what"], row["batch"]) for row in gaps.json] == [("NOT LOADED", FEBRUARY)]

    # Then it is loaded, without another request.
    asked = deployed.requests()
    boto3.client("s3").put_object(**script, Body=load)
    assert deployed.ingot(*call).code == 0
    assert deployed.ingot("gaps", "--stream", "carts", *WINTER).code == 0
    assert deployed.rows("select id from bronze.fakestore_carts order by 1") == [{"id": 2}, {"id": 4}]
    assert deployed.ingot(*call, "--json").json == []
    assert deployed.requests() == asked


def test_a_stream_that_continues_is_brought_up_to_date_by_one_batch(deployed: Deployed) -> None:
    call = ("backfill", "--source", "fakestore", "--stream", "users", "--from", "2020-01-01", "--to", "2020-01-11")

    done = deployed.ingot(*call, "--json")

    assert done.code == 0, done.err
    assert [row["batch"] for row in done.json] == ["fakestore.users.20200110T000000Z.20200111T000000Z"]
    assert deployed.ingot("gaps", "--stream", "users", "--to", "2020-01-11").code == 0
    behind = deployed.ingot("gaps", "--stream", "users", "--to", "2020-01-13", "--json")
    assert [(row["from"], row["intervals"]) for row in behind.json] == [("2020-01-11T00:00:00Z", 2)]
    assert deployed.ingot(*call, "--json").json == []


def test_gaps_are_known_without_a_warehouse(deployed: Deployed) -> None:
    boto3.client("secretsmanager").delete_secret(
        SecretId=deployed.names.warehouse_secret, ForceDeleteWithoutRecovery=True
    )

    gaps = deployed.ingot("gaps", *QUARTER, "--json")

    assert gaps.code == 1
    assert {(row["stream"], row["intervals"]) for row in gaps.json} == {
        ("carts", 91), ("products", 91), ("users", 91)
    }  # fmt: skip
    assert "Whether batches are loaded is not known" in gaps.err

    # Not to know it is no good news: of half a day there is no whole interval that could be missing.
    for call in (["gaps"], ["backfill", "--source", "fakestore"], ["backfill", "--source", "fakestore", "--dry-run"]):
        answer = deployed.ingot(*call, "--from", "2020-01-01T00:00:00Z", "--to", "2020-01-01T12:00:00Z", "--json")
        assert (answer.code, answer.json) == (1, []), call
        assert "Nothing is missing" not in answer.err


def test_a_wrong_call_is_told_apart_from_a_failure(deployed: Deployed) -> None:
    for call, word in (
        (["backfill", "--source", "shop", *QUARTER], "deployed are: fakestore"),
        (["gaps", "--stream", "carrots"], "fakestore.carts"),
        (["backfill", "--source", "fakestore", "--from", "yesterday", "--to", "2020-04-01"], "'yesterday' is no time"),
        (["backfill", "--source", "fakestore", *QUARTER, "--chunk", "decade"], "none of day, week, month"),
        (["backfill", "--source", "fakestore"], "Missing option"),
    ):
        answer = deployed.ingot(*call)
        assert (answer.code, word in " ".join(answer.err.replace("│", "").split())) == (2, True), answer.err
