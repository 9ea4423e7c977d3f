"""The recordings themselves, and that serving them changes no character but white space."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from recorded_source.recordings import FAKESTORE, Recordings, UnknownRecording, compact, stream_of


@pytest.mark.parametrize("name", ["products", "products_2025", "users", "carts"])
def test_serving_a_recording_keeps_key_order_and_the_spelling_of_every_number(name: str) -> None:
    recorded = (FAKESTORE / f"{name}.json").read_text("utf-8")
    # The files are indented by two spaces, one token a line: only line breaks, indents and ": " may go.
    by_hand = re.sub(r'(?m)^(\s*"[^"]*"): ', r"\1:", recorded).strip()
    by_hand = re.sub(r"\n\s*", "", by_hand)
    assert compact(Recordings()[name]).decode() == by_hand


def test_integers_floats_and_strings_are_told_apart_as_recorded() -> None:
    products = compact(Recordings()["products"]).decode()
    assert '"price":22.3,' in products
    assert '"price":109,' in products
    assert '"rate":3,' in products
    assert compact(Recordings()["users"][0]["address"]["geolocation"]) == b'{"lat":"-37.3159","long":"81.1496"}'
    titles = Counter(product["title"].endswith(" ") for product in Recordings()["products"])
    assert titles[True] == 5


def test_products_2025_are_the_same_products_with_other_images_only() -> None:
    recordings = Recordings()
    for before, after in zip(recordings["products"], recordings["products_2025"], strict=True):
        assert before["image"] != after["image"]
        assert {**before, "image": None} == {**after, "image": None}


def test_an_unknown_recording_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(UnknownRecording, match=r"products_1999.*carts, products, products_2025, users"):
        Recordings()["products_1999"]


def test_a_variant_stands_in_for_the_stream_before_its_underscore() -> None:
    assert [stream_of(name) for name in ("products_2025", "carts")] == ["products", "carts"]


def test_another_folder_of_recordings_can_be_served(tmp_path: Path) -> None:
    (tmp_path / "products.json").write_text(json.dumps([{"id": 1}]))
    assert Recordings(tmp_path).names == ["products"]


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="one JSON array a stream"):
        Recordings(tmp_path)
