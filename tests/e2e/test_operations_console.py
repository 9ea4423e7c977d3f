"""What a person does to a demo that stands, in the console with a browser; what it says is held to the warehouse."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import zstandard
from playwright.sync_api import Locator, Page, expect

from ingot.fetch.answers import AGAIN
from tests.watching import until

if TYPE_CHECKING:
    from conftest import Demo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = "sources/fakestore/users.odcs.yaml"
PATTERN = r'pattern: "^[^@\\s]+@[^@\\s]+$"'
DAY = ("2020-06-01", "2020-06-02")  # that nothing else takes
Rows = Callable[[str], list[dict[str, Any]]]


def test_a_refused_record_is_replayed_after_the_contract_was_corrected_and_another_is_given_up(
    demo: Demo, page: Page
) -> None:
    refuse(demo, "2020-04-01", "2020-04-02", email="nobody")
    open_the_only_record(page)
    expect(page.locator("main")).to_contain_text("it would be refused again")
    expect(page.locator(".record mark").last).to_have_text("••• string")
    assert "nobody" not in page.content()
    with demo.contract_deployed(CONTRACT, PATTERN, 'pattern: "."'):
        reload(page)
        expect(page.locator(".passes")).to_be_visible()
        act(page, "Replay")
    expect(page.locator("main")).to_contain_text("1 accepted")
    replayed = "select accepted, state from audit.batches where batch_id like 'fakestore.users.%.resolve-%'"
    assert demo.rows(replayed) == [{"accepted": 1, "state": "LOADED"}]

    # Another value: what was refused once and comes again as it was is counted, and not kept twice.
    refuse(demo, "2020-04-02", "2020-04-03", email="no one")
    open_the_only_record(page)
    act(page, "Discard", reason="a test")
    expect(page.locator("main")).to_contain_text("1 given up")
    assert demo.rows("select sum(discarded) as n from audit.batches where stream = 'users'") == [{"n": 1}]
    page.goto("/quarantine?source=fakestore&stream=users")
    expect(page.locator("main")).to_contain_text("No refused record")


def test_a_source_that_is_down_turns_runs_red_with_the_reason_until_a_run_comes_through(demo: Demo, page: Page) -> None:
    page.goto("/runs")
    well, needed = page.get_by_role("status"), page.get_by_role("alert")
    expect(well).to_contain_text("streams are well")
    green = edge(well)

    demo.laptop.source.stop()
    failed = take_carts(demo, DAY)
    page.goto("/runs")
    expect(well).to_have_count(0)
    expect(needed).to_contain_text("fakestore.carts failed")
    asked = f"{demo.laptop.source.url}/carts?startdate=2020-06-01&enddate=2020-06-02"
    assert f"{asked} cannot be reached" in needed.inner_text()
    assert f"Next: {AGAIN}" in needed.inner_text()
    demo.laptop.source.start()
    red = edge(needed)
    assert (failed, mostly(red), mostly(green)) == ("FAILED", "red", "green")

    demo.misbehave(path="/carts", status=502)
    assert take_carts(demo, DAY) == "FAILED"
    demo.behave()
    page.reload()
    assert f"{asked} answered 502." in needed.inner_text()
    assert edge(needed) == red
    needed.get_by_role("link", name="Attempts").click()
    attempts = page.locator("table", has=page.get_by_text("What went wrong"))
    assert ["cannot be reached" in attempts.inner_text(), "answered 502" in attempts.inner_text()] == [True, True]

    assert take_carts(demo, DAY) == "SUCCEEDED"
    page.goto("/runs")
    expect(needed).to_have_count(0)
    assert edge(well) == green


def test_a_row_of_gold_leads_back_to_its_request(demo: Demo, page: Page) -> None:
    walk_back(page, demo.rows, boto3.client("s3", endpoint_url=demo.laptop.cloud.url), demo.laptop.source.url)


def walk_back(page: Page, rows: Rows, s3: Any, source: str) -> None:
    """From the list of products to the line that holds one of them and the request that brought it."""
    page.goto("/lineage/rows?table=gold.product_performance")
    page.get_by_role("link", name="3", exact=True).click()
    ((revenue, units),) = [
        (row["revenue"], row["units"])
        for row in rows(
            "select revenue::text as revenue, units::text as units from gold.product_performance where product_id = 3"
        )
    ]
    gold = page.locator(".walk > li > dl.values")
    expect(gold).to_contain_text(f"revenue{revenue}")
    expect(gold).to_contain_text(f"units{units}")
    product = page.locator("li", has=page.locator("text=bronze.fakestore_products")).last
    assert (product.locator(".request").inner_text(), product.locator(".status").inner_text()) == (
        f"GET {source}/products",
        "200",
    )
    bucket, _, key = product.locator(".object").inner_text().removeprefix("s3://").partition("/")
    body = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(s3.get_object(Bucket=bucket, Key=key)["Body"].read()))
    line = body.read().splitlines()[int(product.locator(".line").inner_text()) - 1]
    assert line.startswith(b'{"id":3,')
    expect(product).to_contain_text(hashlib.sha256(line).hexdigest())


def take_carts(demo: Demo, day: tuple[str, str]) -> str:
    """One run of each job from the source to the warehouse, none of them tried again; how the first of them ended."""
    from laptop.deploy import NAMES

    start, end = (f"{each}T00:00:00Z" for each in day)
    interval = {"--interval_start": start, "--interval_end": end}
    batch = {"--source": "fakestore", "--stream": "carts", "--as_of": end, **interval}
    glue = boto3.client("glue", endpoint_url=demo.laptop.cloud.url)

    def ended(step: str, arguments: dict[str, str]) -> str:
        job = NAMES.job("fakestore", step)
        run = glue.start_job_run(JobName=job, Arguments=arguments)["JobRunId"]
        states: list[str] = []
        until(
            lambda: (
                states.append(glue.get_job_run(JobName=job, RunId=run)["JobRun"]["JobRunState"])
                or states[-1] not in ("STARTING", "RUNNING")
            ),
            seconds=120,
            what=lambda: states,
        )
        return states[-1]

    taken = ended("extract", batch)
    if taken == "SUCCEEDED":
        assert [ended(step, batch) for step in ("refine", "load")] == ["SUCCEEDED"] * 2
    assert ended("audit", interval) == "SUCCEEDED"
    return taken


def edge(panel: Locator) -> str:
    """The colour that the browser draws a panel's edge with."""
    found: str = panel.evaluate("element => getComputedStyle(element).borderLeftColor")
    return found


def mostly(colour: str) -> str:
    """The strongest of its three lights."""
    lights = (int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))
    return max(zip(lights, ("red", "green", "blue"), strict=True))[1]


def refuse(demo: Demo, start: str, end: str, *, email: str) -> None:
    """A day of users, of whom one is refused."""
    demo.misbehave(path="/users", patch={"id": 2, "merge": {"email": email}})
    asked = ("--source", "fakestore", "--stream", "users", "--from", start, "--to", end)
    taken = demo.ingot("backfill", *asked)
    demo.behave()
    assert taken.returncode == 0, taken.stderr


def open_the_only_record(page: Page) -> None:
    """By the page's own filters and links."""
    page.goto("/quarantine?source=fakestore")
    page.locator("select[name=stream]").select_option("users")
    page.wait_for_url("**stream=users**")
    record = page.locator("a[href^='/quarantine/record']")
    expect(record).to_have_count(1)
    record.click()


def reload(page: Page) -> None:
    """Load the page again, when the console has had time to see that another contract is deployed."""
    page.wait_for_timeout(2_100)
    page.reload()


def act(page: Page, name: str, reason: str = "") -> None:
    """Replay or discard what is shown, and wait for the end."""
    page.get_by_role("link", name=f"{name}…").click()
    if reason:
        page.get_by_label("Why?").fill(reason)
    page.get_by_role("button", name=f"{name} 1 record").click()
    page.locator("[data-state='DONE'], [data-state='FAILED']").wait_for()
