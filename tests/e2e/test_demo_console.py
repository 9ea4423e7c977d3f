"""The console on the demo's end state: the golden numbers on its pages are those of the warehouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from conftest import Demo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def figure(page: Page, label: str) -> str:
    found = page.locator(".figure", has=page.get_by_text(label, exact=True)).locator("dd").inner_text()
    return found.split("\n")[0].replace("\N{NO-BREAK SPACE}", " ")


def test_business_has_the_golden_numbers_and_a_filter_changes_a_chart(demo: Demo, page: Page) -> None:
    (all_of_it,) = demo.rows("select sum(revenue) as revenue, sum(orders) as orders from gold.daily_sales")
    (one,) = demo.rows(
        "select sum(revenue) as revenue from gold.revenue_by_currency where category = 'jewelery' and currency = 'EUR'"
    )

    page.goto("/business")
    assert figure(page, "Revenue") == f"{all_of_it['revenue']:,.2f} USD"
    assert figure(page, "Orders") == f"{all_of_it['orders']:,}"
    page.wait_for_function("document.documentElement.dataset.charts === 'drawn'")

    page.goto("/business?category=jewelery&currency=EUR")
    assert figure(page, "Revenue") == f"{one['revenue']:,.2f} EUR"
    page.wait_for_function("document.documentElement.dataset.charts === 'drawn'")
    rows = page.evaluate("document.getElementById('categories').drawn.view.data('rows')")
    assert [row["category"] for row in rows] == ["jewelery"]


def test_runs_says_of_each_stream_what_the_command_says(demo: Demo, page: Page) -> None:
    streams = {
        f"{row['source']}.{row['stream']}" for row in demo.rows("select distinct source, stream from audit.batches")
    }

    page.goto("/runs")

    shown = page.locator("table", has=page.get_by_text("Covered until"))
    for stream in streams:
        expect(shown).to_contain_text(stream)
    page.get_by_role("link", name="fakestore.carts.20200101").first.click()
    expect(page.locator("main")).to_contain_text("/carts")  # the request to the source
