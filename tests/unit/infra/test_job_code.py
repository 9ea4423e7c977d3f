"""What jobs run is built the same from the same code, and changes with the code."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.job_code import build_code, build_wheel
from ingot import __version__
from ingot.errors import ConfigurationError


def test_the_same_code_gives_the_same_wheel_byte_for_byte(make_checkout: Callable[[], Path], tmp_path: Path) -> None:
    first_root, second_root = make_checkout(), make_checkout()
    for file in second_root.rglob("*.py"):
        os.utime(file, (2_000_000_000, 2_000_000_000))  # checked out another day

    first, second = build_wheel(tmp_path / "a", first_root), build_wheel(tmp_path / "b", second_root)

    assert first.read_bytes() == second.read_bytes()


def test_changed_code_gives_another_wheel_under_the_same_name(
    make_checkout: Callable[[], Path], tmp_path: Path
) -> None:
    root = make_checkout()
    before = build_wheel(tmp_path / "a", root)
    with (root / "ingot/naming.py").open("a", encoding="utf-8") as file:
        file.write("\n# changed\n")
    after = build_wheel(tmp_path / "b", root)

    assert before.name == after.name
    assert before.read_bytes() != after.read_bytes()


def test_the_code_folder_holds_a_script_a_step_and_the_wheel_that_pip_can_read(checkout: Path, tmp_path: Path) -> None:
    code = build_code(tmp_path / "code", checkout)

    assert {str(file.relative_to(code.folder)) for file in code.folder.rglob("*.*")} == {
        "jobs/extract.py",
        "jobs/refine.py",
        "jobs/load.py",
        "jobs/audit.py",
        "jobs/replay.py",
        "jobs/rebuild.py",
        f"wheels/ingot-{__version__}-py3-none-any.whl",
    }
    names = zipfile.ZipFile(code.folder / code.wheel).namelist()
    assert "ingot/naming.py" in names
    assert not [name for name in names if name.split("/")[0] not in ("ingot", f"ingot-{__version__}.dist-info")]


def test_a_step_without_a_script_stops_the_build(make_checkout: Callable[[], Path], tmp_path: Path) -> None:
    root = make_checkout()
    (root / "glue_jobs/load.py").unlink()

    with pytest.raises(ConfigurationError, match=r"load\.py does not exist"):
        build_code(tmp_path / "code", root)


def test_a_wheel_that_cannot_be_built_shows_what_the_build_said(
    make_checkout: Callable[[], Path], tmp_path: Path
) -> None:
    root = make_checkout()
    (root / "README.md").unlink()

    with pytest.raises(ConfigurationError, match=r"Readme file does not exist: README\.md"):
        build_wheel(tmp_path / "wheels", root)
