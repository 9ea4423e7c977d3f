"""Odd addresses: each has a page that says what is wrong, with all headers, and none is a fault of the console."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from ingot.console import guard
from ingot.console.queries import runs

if TYPE_CHECKING:
    from conftest import Shown

SCRIPT = "<script>alert(1)</script>"
TOLD = [
    ("/business", {"since": "2024-12-31", "until": "2024-01-01"}, "they changed places"),
    ("/business", {"since": "2024-02-30"}, "a day is written as"),
    ("/business", {"category": "no such"}, "there is no category “no such”"),
]
UNDERSTOOD = [  # what means nothing is left out, or chooses nothing
    ("/business", {"since": "2024-07-01", "until": "9999-12-31"}),
    ("/business", {"since": "0001-01-01", "until": "9999-12-31"}),
    ("/business", {"since": "2024-12-31", "until": "2024-01-01"}),
    ("/business", {"category": SCRIPT, "country": "'; DROP TABLE gold.daily_sales; --"}),
    ("/runs", {"source": "\x00"}),
    ("/runs", {"stream": "\\' OR 1=1 --", "state": "\x00"}),
    ("/runs", {"page": "1000000"}),
]
REFUSED = [
    ("/business", {"since": "x" * 201}),
    ("/runs", {"page": SCRIPT}),
    ("/runs", {"page": "-1"}),
    ("/quarantine/record", {"object": "x", "position": "-1"}),
]


def test_odd_addresses_are_no_faults(shown: Shown) -> None:
    with httpx.Client(base_url=shown.url, timeout=60) as client:
        for path, asked in UNDERSTOOD:
            answer = client.get(path, params=asked)
            assert (answer.status_code, SCRIPT in answer.text) == (200, False), (path, asked)
        for path, asked, said in TOLD:
            assert said in client.get(path, params=asked).text
        for path, asked in REFUSED:
            answer = client.get(path, params=asked)
            assert (answer.status_code, SCRIPT in answer.text) == (400, False), (path, asked)
            assert answer.headers["content-type"].startswith("text/html")
            assert list(asked)[-1] in answer.text
        for host in ("[::1", "evil.example"):
            assert client.get("/business", headers={"host": host}).status_code == 421
        assert client.post("/quarantine/work", headers={"origin": "http://["}).status_code == 403


def test_a_fault_has_its_headers_too_and_says_nothing_of_a_record(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("ada@example.org")

    monkeypatch.setattr(runs, "status", broken)
    with httpx.Client(base_url=shown.url, timeout=60) as client:
        answer = client.get("/runs")

    assert (answer.status_code, "The console has a fault" in answer.text) == (500, True)
    assert "ada@" not in answer.text
    for name, value in {**guard.HEADERS, "Cache-Control": "no-store"}.items():
        assert answer.headers[name] == value


def test_growth_is_told_against_a_whole_period_only(shown: Shown) -> None:
    first, last = shown.value("SELECT min(order_date) FROM gold.daily_sales"), "2024-12-31"
    assert isinstance(first, date)
    days = (date.fromisoformat(last) - first).days
    with httpx.Client(base_url=shown.url, timeout=60) as client:
        half = first + timedelta(days=days // 2 + 2)  # what is before it is as long as what follows, and there
        whole = client.get("/business", params={"since": half, "until": half + timedelta(days=30)})
        part = client.get("/business", params={"since": first + timedelta(days=1), "until": last})

    assert "against the 31 days before" in whole.text
    assert "no whole time before to compare with" in part.text


def test_the_numbers_of_business_lead_to_their_rows_of_gold(shown: Shown) -> None:
    with httpx.Client(base_url=shown.url, timeout=60) as client:
        page = client.get("/business", params={"since": "2024-06-01", "until": "2024-06-30"}).text
    led = set(re.findall(r'href="/lineage/explain\?table=gold\.(\w+)&amp;key=([^"]+)"', page))

    tables = {"daily_sales", "category_revenue", "category_margin", "product_performance", "customer_activity"}
    assert {table for table, _ in led} == tables
    days = {str(shown.value("SELECT max(order_date) FROM gold.daily_sales WHERE order_date <= '2024-06-30'"))}
    assert days < {key for table, key in led if table == "daily_sales"}


def test_what_a_batch_failed_of_is_its_last_attempts(shown: Shown) -> None:
    batch = "fakestore.carts.20200101T000000Z.20200401T000000Z"
    shown.change(
        f"""
        INSERT INTO audit.batches (batch_id, source, stream, interval_start, interval_end, state, committed_at)
        VALUES ('{batch}', 'fakestore', 'carts', '2020-01-01', '2020-04-01', 'COMMITTED', now() - interval '2 days');
        INSERT INTO audit.attempts
            (attempt_key, batch_id, source, stream, step, state, started_at, ended_at, seconds, error, reason)
        VALUES
            ('a/1', '{batch}', 'fakestore', 'carts', 'refine', 'FAILED', '2020-04-01', '2020-04-01', 1, 'Zzz', 'z'),
            ('a/2', '{batch}', 'fakestore', 'carts', 'load', 'FAILED', '2020-04-02', '2020-04-02', 1, 'Aaa', 'the last')
        """
    )
    with httpx.Client(base_url=shown.url, timeout=60) as client:
        alert = client.get("/runs").text.partition('role="alert"')[2].partition("</section>")[0]

    assert "was not loaded" in alert
    assert "Aaa" in alert
    assert "the last" in alert
    assert "Zzz" not in alert


def test_an_average_order_is_of_the_days_with_a_rate(shown: Shown) -> None:
    day = shown.value("SELECT min(order_date) FROM gold.daily_sales")
    shown.change(
        "UPDATE gold.revenue_by_currency SET rate = NULL, revenue = NULL "
        f"WHERE currency = 'EUR' AND order_date = '{day}'"
    )
    sums = "FROM silver.order_lines WHERE order_date"
    with httpx.Client(base_url=shown.url, timeout=60) as client:
        for country in ("", "NZ"):
            page = client.get("/business", params={"currency": "EUR", "country": country}).text
            living = f"AND user_id IN (SELECT user_id FROM silver.addresses WHERE country = '{country}')"
            rest = f"{sums} <> '{day}' {living if country else ''}"
            average = shown.value(f"SELECT sum(line_total) * 0.9 / count(DISTINCT order_id) {rest}")
            assert f"<dt>Average order</dt><dd>{average:,.2f}\N{NO-BREAK SPACE}EUR" in page
            assert country or "1 day with sales has no exchange rate to EUR" in page
            every = shown.value(f"SELECT count(DISTINCT order_id) {sums} IS NOT NULL {living if country else ''}")
            assert f"<dt>Orders</dt><dd>{every}<" in page
