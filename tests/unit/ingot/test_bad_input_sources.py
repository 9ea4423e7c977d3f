"""A source.yaml that is made to trip its reader: an error of ours with the file's name, whatever is in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ingot.errors import ConfigurationError
from ingot.sources import load_source

SOURCE = Path(__file__).resolve().parents[3] / "sources" / "fakestore"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"start_date: ", b"start_date: 2024-02-30 #", r"source\.yaml:\d+:\d+ .*date"),
        (b"name: fakestore", b"name: no", "true or false"),
        (b"name: fakestore", b"name: fakestore\nname: other", "second time"),
        (b"name: fakestore", b"name: \xff", "UTF-8"),
        (b"name: fakestore", b"name: &a [*a]", "alias"),
        (b"name: fakestore", b"name: " + b"[" * 100_000, "levels"),
        (b"name: fakestore", b"name: 1.10", r"\$\.name"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_it_is_refused_with_its_place(tmp_path: Path, old: bytes, new: bytes, reason: str) -> None:
    shutil.copytree(SOURCE, tmp_path / "s")
    file = tmp_path / "s" / "source.yaml"
    content = file.read_bytes()
    assert old in content
    file.write_bytes(content.replace(old, new, 1))
    with pytest.raises(ConfigurationError, match=reason) as caught:
        load_source(tmp_path / "s")
    assert "source.yaml" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"a", b"\x00", b"- a: 1", b"\xff\xfe"])
def test_what_is_no_source_at_all_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "source.yaml").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"source\.yaml"):
        load_source(tmp_path)
