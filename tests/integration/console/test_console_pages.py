"""Business and Runs in a browser: what they say is what the warehouse says, and nothing is asked of anywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

from ingot.console.queries import business as ask
from ingot.console.reading import Reading

if TYPE_CHECKING:
    from conftest import Shown
    from playwright.sync_api import Browser

    from ingot.warehouse import Endpoint


@pytest.fixture
def page(shown: Shown, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(base_url=shown.url, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(60_000)
    opened = context.new_page()
    elsewhere: list[str] = []
    opened.on("request", lambda asked: elsewhere.append(asked.url) if not asked.url.startswith(shown.url) else None)
    wrong: list[str] = []
    opened.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    yield opened
    context.close()
    assert (elsewhere, wrong) == ([], [])


def figures(page: Page) -> dict[str, str]:
    """Label → value of the headline."""
    return {
        each.locator("dt").inner_text(): each.locator("dd")
        .inner_text()
        .split("\n")[0]
        .replace("\N{NO-BREAK SPACE}", " ")
        for each in page.locator(".figure").all()
    }


def drawn(page: Page, chart: str) -> list[dict[str, Any]]:
    """What Vega was given for a chart that it drew."""
    page.wait_for_function("document.documentElement.dataset.charts === 'drawn'")
    assert page.locator(f"#{chart} svg").count() == 1
    found: list[dict[str, Any]] = page.evaluate(f"document.getElementById('{chart}').drawn.view.data('rows')")
    assert found
    return found


def test_the_figures_are_the_warehouses_and_a_filter_changes_every_chart(shown: Shown, page: Page) -> None:
    page.goto("/business")
    own = "FROM silver.order_lines"
    assert figures(page)["Revenue"] == f"{shown.value(f'SELECT sum(line_total) {own}'):,.2f} USD"
    assert figures(page)["Orders"] == "400"
    before = {chart: drawn(page, chart) for chart in ("trend", "categories", "products", "customers", "countries")}

    page.select_option("select[name=category]", "category 2")
    page.wait_for_url("**/business?*category=category+2*")
    page.select_option("select[name=country]", "NZ")
    page.wait_for_url("**country=NZ*")
    page.select_option("select[name=currency]", "EUR")
    page.wait_for_url("**currency=EUR*")
    page.fill("input[name=since]", "2024-07-01")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**since=2024-07-01*")

    chosen = (
        "FROM silver.order_lines JOIN silver.addresses USING (user_id) "
        "WHERE category = 'category 2' AND country = 'NZ' AND order_date >= '2024-07-01'"
    )
    assert figures(page)["Revenue"] == f"{shown.value(f'SELECT sum(line_total) * 0.9 {chosen}'):,.2f} EUR"
    assert figures(page)["Orders"] == str(shown.value(f"SELECT count(DISTINCT order_id) {chosen}"))
    after = {chart: drawn(page, chart) for chart in before}
    assert [chart for chart in before if before[chart] == after[chart]] == []
    assert {row["category"] for row in after["trend"]} == {"category 2"}
    assert {row["country"] for row in after["countries"]} == {"NZ"}

    page.goto(page.url)  # the view has an address
    assert page.locator("select[name=country]").input_value() == "NZ"


def test_what_gold_has_summed_is_what_silver_sums_to(warehouse_endpoint: Endpoint, shown: Shown) -> None:
    warehouse = Reading(warehouse_endpoint)
    can = ask.options(warehouse)
    assert can.first is not None
    assert can.last is not None
    shown.change("UPDATE silver.addresses SET country = 'DE'")  # the country of all: its lines are all lines
    whole = ask.Filter(since=can.first, until=can.last, whole=True)
    half = replace(whole, whole=False, since=can.first + (can.last - can.first) / 2)
    for wanted in (whole, half, replace(whole, category="category 2", currency="EUR")):
        by_gold, by_silver = ask.sales(warehouse, wanted), ask.sales(warehouse, replace(wanted, country="DE"))
        assert by_gold == by_silver
        assert len(by_gold.products) == ask.PRODUCTS
        assert {row["costed"] for row in by_gold.margins} != {None}
        assert ask.orders(warehouse, wanted) == ask.orders(warehouse, replace(wanted, country="DE"))
    by_gold, by_silver = (ask.buyers(warehouse, each, countries=True) for each in (whole, replace(whole, whole=False)))
    assert by_gold == by_silver
    assert [row["country"] for row in by_gold.countries] == ["DE"]
    warehouse.close()


def test_nothing_sold_is_said_and_what_means_nothing_is_told(page: Page) -> None:
    page.goto("/business?since=2030-01-01&until=2030-02-01&category=cars")

    expect(page.locator("main")).to_contain_text("No sales with this filter")
    expect(page.locator(".flash")).to_contain_text("there is no category")
    assert figures(page)["Orders"] == "0"


def test_a_source_that_is_down_turns_runs_red_with_the_reason(shown: Shown, page: Page) -> None:
    page.goto("/runs")
    expect(page.locator("main")).to_contain_text("No batch has come yet")
    batch = "fakestore.carts.20200101T000000Z.20200401T000000Z"
    reason = "The source does not answer. Next: see whether it is up"
    shown.change(
        f"""
        INSERT INTO audit.batches (batch_id, source, stream, interval_start, interval_end, state, error, reason)
        VALUES ('{batch}', 'fakestore', 'carts', '2020-01-01', '2020-04-01', 'FAILED', 'SourceUnavailable', '{reason}');
        INSERT INTO audit.attempts
            (attempt_key, batch_id, source, stream, step, state, started_at, ended_at, seconds,
            error, reason, transient)
        VALUES ('a/1', '{batch}', 'fakestore', 'carts', 'extract', 'FAILED', now(), now(), 3.5,
            'SourceUnavailable', '{reason}', true)
        """
    )

    page.goto("/runs")

    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("SourceUnavailable")
    expect(alert).to_contain_text("The source does not answer.")
    expect(alert).to_contain_text("Next: see whether it is up")
    # Red in fact: more red than anything else, by what the browser draws.
    colour = page.locator(".failing").evaluate("element => getComputedStyle(element).color")
    red, green, blue = (int(part) for part in colour.removeprefix("rgb(").rstrip(")").split(","))
    assert red > 2 * max(green, blue)
    assert drawn(page, "durations")[0]["seconds"] == 3.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_down_only_and_the_keyboard_goes_to_the_content(
    shown: Shown, browser: Browser, scheme: Any
) -> None:
    context = browser.new_context(base_url=shown.url, viewport={"width": 390, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    for path in ("/business", "/runs"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        assert page.locator("[aria-current=page]").get_attribute("href") == path
    context.close()
