"""Every picture of the documentation can be taken of the demo: its page comes, says what it should, and is no blank."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser

from docs.screens.pages import Places, shots
from docs.screens.places import console_of
from docs.screens.shots import ScreenError, Shot, chromium, take

if TYPE_CHECKING:
    from conftest import Demo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "docs/images/screens"
MOST = 200_000
"""Bytes of a picture that is committed."""


@pytest.fixture(scope="module")
def places(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    from laptop.airflow import USER, Airflow

    folder = tmp_path_factory.mktemp("dbt")
    (folder / "manifest.json").write_bytes((ROOT / "dbt/target/manifest.json").read_bytes())
    words = [ROOT / ".venv-dbt/bin/dbt", "--quiet", "docs", "generate", "--static", "--empty-catalog", "--no-compile"]
    paths = ["--project-dir", ROOT / "dbt", "--profiles-dir", ROOT / "dbt", "--target-path", folder]
    subprocess.run([*words, *paths, "--log-path", folder], check=True)
    airflow = Airflow(demo.laptop)
    with console_of(demo.laptop) as console:
        yield Places(
            airflow=airflow.url,
            user=USER,
            password=airflow.password,
            console=console,
            dbt=folder / "static_index.html",
        )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


def test_every_picture_can_be_taken(places: Places, browser: Browser, tmp_path: Path) -> None:
    taken = {shot.name: _size(take(browser, shot, tmp_path)) for shot in shots(places)}
    assert len(taken) >= 23
    assert {name: width for name, (width, _) in taken.items() if width != (390 if "narrow" in name else 1280)} == {}
    blank = {file.name: file.stat().st_size for file in tmp_path.iterdir() if file.stat().st_size < 8_000}
    assert blank == {}
    # Those that are committed are these, and small.
    assert {file.stem for file in COMMITTED.glob("*.png")} == set(taken)
    assert {file.name for file in COMMITTED.iterdir() if file.stat().st_size > MOST} == set()


@pytest.mark.parametrize(
    ("path", "shows", "said"),
    [
        ("/nowhere", "Revenue", "answered 404"),
        ("/business", "Reichsmark", "Reichsmark"),
    ],
)
def test_a_page_that_is_not_as_it_should_be_is_no_picture(
    places: Places, browser: Browser, tmp_path: Path, path: str, shows: str, said: str
) -> None:
    with pytest.raises(ScreenError, match=said):
        take(browser, Shot(name="wrong", address=places.console + path, shows=(shows,)), tmp_path, seconds=5)


def _size(png: Path) -> tuple[int, int]:
    head = png.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", head[16:24])
    return int(width), int(height)
