"""A filter is an address: it shows what that says, however one came there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Shown
    from playwright.sync_api import Browser


def test_a_filter_shows_what_the_address_says_after_going_back(shown: Shown, browser: Browser) -> None:
    context = browser.new_context(base_url=shown.url)
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto("/runs")
    page.select_option("select[name=state]", "FAILED")
    page.wait_for_url("**state=FAILED*")
    page.go_back()
    page.wait_for_url("**/runs")
    # The browser would put back what was chosen before it left.
    assert page.locator("select[name=state]").input_value() == ""
    context.close()
