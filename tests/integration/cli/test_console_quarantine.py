"""The console's quarantine through the real app, on records that real jobs refused: what it shows, and what it does."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import boto3
import httpx
import pytest

from ingot.warehouse import load_warehouse
from tests.serving import served

if TYPE_CHECKING:
    from conftest import Deployed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # real jobs, one after the other
BACKFILL = ("backfill", "--source", "fakestore", "--from", "2020-03-01", "--to", "2020-04-01", "--chunk", "month")
SCRIPT = "<script>alert(1)</script>"
PLACES = """
    select (select count(*) from bronze.fakestore_carts) as published,
        (select count(distinct position) from audit.open_rejects where batch_id like 'fakestore.carts%') as open,
        (select coalesce(sum(discarded), 0) from audit.batches)::int as discarded
"""


@pytest.fixture
def browser(deployed: Deployed) -> Iterator[httpx.Client]:
    """Who looks at a console of the environment that was deployed, on a port of its own."""
    from ingot.console.app import create_app

    with served(create_app()) as url, httpx.Client(base_url=url, timeout=60, follow_redirects=True) as client:
        yield client


def copied(browser: httpx.Client) -> httpx.Client:
    """Another with the same session."""
    return httpx.Client(base_url=browser.base_url, cookies=browser.cookies, timeout=60, follow_redirects=True)


def seen(answer: httpx.Response) -> str:
    """What a page says, without its tags."""
    return " ".join(
        unescape(
            re.sub(r"<[^>]+>", " ", answer.text.replace("<wbr>", "").partition("<main")[2].partition("</main")[0])
        ).split()
    )


def links(answer: httpx.Response, to: str) -> list[str]:
    """The addresses of a page that begin so."""
    return [unescape(found) for found in re.findall(r'href="([^"]+)"', answer.text) if found.startswith(to)]


def form(answer: httpx.Response) -> list[tuple[str, str]]:
    """What the form of a page would send, hidden fields and all."""
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', answer.text)
    return [(unescape(name), unescape(value)) for name, value in fields]


def send(client: httpx.Client, fields: list[tuple[str, str]], **more: str) -> httpx.Response:
    body = urlencode([*fields, *more.items()])
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return client.post("/quarantine/work", content=body, headers=headers)


def when_over(client: httpx.Client, answer: httpx.Response) -> httpx.Response:
    """The page of an action when it has ended."""
    while 'data-state="RUNNING"' in answer.text or 'data-state="WAITING"' in answer.text:
        assert answer.headers["refresh"] == "2"
        time.sleep(0.5)
        answer = client.get(answer.url)
    return answer


def test_a_refused_record_is_read_beside_its_rule_replayed_once_and_the_rest_given_up(
    deployed: Deployed, browser: httpx.Client
) -> None:
    deployed.misbehave(path="/carts", set_field={"id": 1, "field": "userId", "value": 0})
    deployed.misbehave(path="/carts", set_field={"id": 3, "field": "products.0.quantity", "value": 0})
    assert deployed.ingot(*BACKFILL).code == 0
    deployed.behave()

    listed = browser.get("/quarantine?source=fakestore&stream=carts&rule=minimum&path=$.products[].quantity")
    (address,) = links(listed, "/quarantine/record")
    assert "1 record open" in seen(listed)
    assert links(browser.get("/quarantine?rule=type"), "/quarantine/record") == []
    assert links(browser.get("/quarantine?until=2019-12-31"), "/quarantine/record") == []

    shown = browser.get(address)
    assert '<mark><span class="value">0</span></mark>' in shown.text
    text = seen(shown)
    stated = ("$.products[0].quantity", "whole number ≥ 1", "version 1.0.0", "it would be refused again", "/carts")
    assert [word for word in stated if word not in text] == []
    listed_ids = deployed.ingot("quarantine", "list", "--json").json
    assert listed_ids[0]["object"] in text, "the command that shows all of it names the object"

    before, after = (f"{' ' * 14}logicalTypeOptions:\n{' ' * 16}minimum: {least}\n" for least in (1, 0))
    deployed.edit("carts.odcs.yaml", before, after)
    time.sleep(2.1)  # for which the console does not look for new contracts
    shown = browser.get(address)
    assert "it would pass" in seen(shown)

    (confirm,) = links(shown, "/quarantine/confirm?action=replay")
    asked = browser.get(confirm)
    assert "2 records , in 1 object" in seen(asked)
    fields = form(asked)
    forged = [(name, value) for name, value in fields if name != "csrf"]
    assert send(browser, [*forged, ("csrf", "x" * 43)]).status_code == 403
    assert send(browser, forged).status_code == 403
    assert deployed.rows(PLACES) == [{"published": 3, "open": 2, "discarded": 0}]

    # Two windows at once: one replay, and the second is told so. (Notes are cookies: in one jar either may show them.)
    answers: list[httpx.Response] = []

    def click() -> None:
        with copied(browser) as window:
            answers.append(send(window, fields))

    clicks = [threading.Thread(target=click) for _ in range(2)]
    for each in clicks:
        each.start()
    for each in clicks:
        each.join()
    assert answers[0].url == answers[1].url
    assert sorted("nothing was begun anew" in seen(each) for each in answers) == [False, True]
    over = when_over(browser, answers[0])
    assert 'data-state="DONE"' in over.text
    assert "1 accepted" in seen(over)
    assert "1 still open (minimum 1)" in seen(over)
    runs = boto3.client("glue").get_job_runs(JobName=deployed.names.job("fakestore", "replay"))["JobRuns"]
    assert len(runs) == 1, "one replay ran"
    assert deployed.rows(PLACES) == [{"published": 4, "open": 1, "discarded": 0}]
    assert "RESOLVED" in seen(browser.get(address)).upper()

    (left,) = links(browser.get("/quarantine"), "/quarantine/record")
    assert "/carts" in seen(browser.get(left)), "what was refused again is still of the request that brought it"
    everything = browser.get(links(browser.get("/quarantine"), "/quarantine/confirm?action=discard")[0])
    unsaid = send(browser, form(everything), reason="   ")
    assert (unsaid.status_code, "Say why" in seen(unsaid)) == (400, True)
    assert deployed.rows(PLACES)[0]["discarded"] == 0
    given_up = when_over(browser, send(browser, form(everything), reason=f"a test order {SCRIPT}"))
    assert "1 given up" in seen(given_up)
    again = when_over(browser, send(browser, form(everything), reason="the form was still open"))
    assert "Nothing is open: somebody was here before." in seen(again)
    assert deployed.rows(PLACES) == [{"published": 4, "open": 0, "discarded": 1}]
    told = browser.get(left)
    assert f"a test order {SCRIPT}" in seen(told)
    assert SCRIPT not in told.text


def test_what_of_an_address_means_nothing_is_told(deployed: Deployed, browser: httpx.Client) -> None:
    load_warehouse(deployed.endpoint).known_attempts("fakestore")  # makes the audit tables
    told = seen(browser.get("/quarantine?state=gone&since=yesterday&until=2020-03-31"))
    assert "Left out of the filter: a state is one of open, resolved, unpublished, all." in told
    assert "Left out of the filter: a day is written as 2020-03-31." in told
    turned = browser.get("/quarantine?since=2020-03-31&until=2020-03-01&state=all")
    assert "the first day was after the last: they changed places" in seen(turned)
    days = re.findall(r'name="(since|until)" value="([^"]*)"', turned.text)
    assert days == [("since", "2020-03-01"), ("until", "2020-03-31")]
    assert "Left out" not in seen(browser.get("/quarantine?state=all&since=2020-03-01"))


def test_strangers_records_are_text_people_are_masked_and_much_is_cut(
    deployed: Deployed, browser: httpx.Client
) -> None:
    large = [{"productId": 1, "quantity": 1}] * 40_000
    deployed.misbehave(path="/carts", patch={"id": 1, "merge": {"userId": 0, f"note{SCRIPT}": SCRIPT}})
    deployed.misbehave(path="/carts", patch={"id": 3, "merge": {"userId": 0, "products": large}})
    deployed.misbehave(path="/users", patch={"id": 2, "merge": {"email": f"nobody{SCRIPT}"}})
    for stream in ("carts", "users"):
        assert deployed.ingot(*BACKFILL, "--stream", stream).code == 0
    deployed.behave()
    users = {str(v) for user in httpx.get(f"{deployed.laptop.source.url}/users").json() for v in values(user)}
    personal = {v for v in users if not v.isdigit() and len(v) > 3}

    pages = {address: browser.get(address) for address in links(browser.get("/quarantine"), "/quarantine/record")}
    assert len(pages) == 3
    by_stream = {re.search(r"fakestore\.(\w+)", seen(answer))[1]: answer for answer in pages.values()}  # type: ignore[index]
    carts = [answer for address, answer in pages.items() if "carts" in address]
    assert all(SCRIPT not in answer.text and len(answer.text) < 100_000 for answer in pages.values())
    strange, cut = sorted(carts, key=lambda answer: "39,950 more" in seen(answer))
    assert f'"note{SCRIPT}"' in seen(strange)
    assert f'"{SCRIPT}"' in seen(strange)
    assert "39,950 more" in seen(cut)
    assert "1.2 MB" in seen(cut)
    text = by_stream["users"].text
    assert [value for value in personal if value in unescape(text)] == []
    assert "masked" in text
    assert "nobody" not in text
    assert "$.email" in seen(by_stream["users"])


def values(record: Any) -> Iterator[Any]:
    """The leaves of a record."""
    if isinstance(record, dict):
        for value in record.values():
            yield from values(value)
    else:
        yield record


def test_what_was_never_published_is_shown_with_the_reason_and_cannot_be_replayed(
    deployed: Deployed, browser: httpx.Client
) -> None:
    deployed.edit("carts.odcs.yaml", "value: 0.9\n", "value: 0.1\n")
    deployed.misbehave(path="/carts", set_field={"id": 3, "field": "products.0.quantity", "value": 0})
    assert deployed.ingot(*BACKFILL).code == 1
    assert links(browser.get("/quarantine"), "/quarantine/record") == []
    (address,) = links(browser.get("/quarantine?state=unpublished"), "/quarantine/record")
    shown = browser.get(address)
    assert "never published" in seen(shown)
    assert "more than" in seen(shown) or "%" in seen(shown)
    assert links(shown, "/quarantine/confirm") == []
    key = deployed.ingot("quarantine", "list", "--state", "unpublished", "--json").json[0]["key"]
    assert "Nothing is open" in seen(browser.get("/quarantine/confirm", params={"action": "replay", "object": key}))
