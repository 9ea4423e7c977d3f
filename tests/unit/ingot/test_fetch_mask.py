"""Addresses as they may be shown."""

from __future__ import annotations

from urllib.parse import quote, quote_plus

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingot.fetch.auth import Mask


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://shop/carts?key=abc&page=2", "https://shop/carts?key=***&page=2"),
        ("https://shop/carts?page=2&key=abc", "https://shop/carts?page=2&key=***"),
        ("https://shop/carts?key=abc&key=def#x", "https://shop/carts?key=***&key=***#x"),
        ("https://shop/carts?monkey=abc", "https://shop/carts?monkey=abc"),
        ("https://shop/key=abc?page=2", "https://shop/key=abc?page=2"),
        ("https://me:word@shop/carts", "https://shop/carts"),
    ],
)
def test_the_keys_parameter_is_masked_and_nothing_else(url: str, shown: str) -> None:
    assert Mask("key")(httpx.URL(url)) == shown


@given(value=st.text(st.characters(codec="utf-8"), min_size=6), place=st.sampled_from(["param", "path", "other"]))
def test_a_secret_value_is_masked_wherever_the_source_wrote_it(value: str, place: str) -> None:
    url = httpx.URL("https://shop/carts")
    if place == "path":
        url = httpx.URL(f"https://shop/{quote(value, safe='')}/carts")
    elif place == "param":
        url = url.copy_set_param("key", value)
    else:
        url = url.copy_set_param("next", value)
    shown = Mask("key", (value,))(url)
    assert "***" in shown
    for spelling in {value, quote(value, safe=""), quote_plus(value)}:
        assert spelling not in shown or spelling in "https://shop/carts?next=***key"
