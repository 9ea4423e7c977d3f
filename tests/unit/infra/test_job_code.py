"""What jobs run is built the same from the same code, and changes with the code."""

from __future__ import annotations

import io
import os
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from infra import job_modules
from infra.job_code import build_code, build_wheel
from infra.job_modules import LOCK, build_modules, locked_wheels
from ingot import __version__
from ingot.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[3]
MODULES = f"wheels/ingot-{__version__}.gluewheels.zip"


def pins(file: str) -> dict[str, str]:
    """Package to version, of a lock or of the list of what Glue's image has."""
    text = (ROOT / "requirements" / file).read_text(encoding="utf-8")
    found = re.findall(r"^([A-Za-z][\w.-]*)==([^\s\\]+)", text, re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


def members(archive: Path | bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive) if isinstance(archive, bytes) else archive) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def test_the_same_code_gives_the_same_archive_byte_for_byte(make_checkout: Callable[[], Path], tmp_path: Path) -> None:
    first_root, second_root = make_checkout(), make_checkout()
    for file in second_root.rglob("*.py"):
        os.utime(file, (2_000_000_000, 2_000_000_000))  # checked out another day

    first, second = build_code(tmp_path / "a", first_root), build_code(tmp_path / "b", second_root)

    assert first.archive.read_bytes() == second.archive.read_bytes()


def test_changed_code_gives_another_archive_under_the_same_name(
    make_checkout: Callable[[], Path], tmp_path: Path
) -> None:
    root = make_checkout()
    before = build_code(tmp_path / "a", root)
    with (root / "ingot/naming.py").open("a", encoding="utf-8") as file:
        file.write("\n# changed\n")
    after = build_code(tmp_path / "b", root)

    assert before.modules == after.modules
    assert members(before.archive)[MODULES] != members(after.archive)[MODULES]


def test_the_code_is_a_script_a_step_and_all_that_pip_installs_from(checkout: Path, tmp_path: Path) -> None:
    code = build_code(tmp_path / "code", checkout)

    files = members(code.archive)
    assert code.modules == MODULES
    assert set(files) == {
        "jobs/extract.py",
        "jobs/refine.py",
        "jobs/load.py",
        "jobs/audit.py",
        "jobs/replay.py",
        "jobs/rebuild.py",
        MODULES,
    }
    wheels = members(files[MODULES])
    expected = {"ingot": __version__, **pins("glue-modules.txt")}
    assert wheels["wheels/requirements.txt"].decode().split() == [f"{n}=={v}" for n, v in sorted(expected.items())]
    names = set(members(wheels[f"wheels/ingot-{__version__}-py3-none-any.whl"]))
    assert "ingot/naming.py" in names
    assert not [name for name in names if name.split("/")[0] not in ("ingot", f"ingot-{__version__}.dist-info")]


def test_every_wheel_is_one_that_glues_python_takes(checkout: Path) -> None:
    for wheel in locked_wheels(checkout):
        python, abi, platform = wheel.stem.split("-")[-3:]
        assert (python, abi) in {("py3", "none"), ("cp313", "cp313"), ("cp312", "abi3")}, wheel.name
        assert platform == "any" or re.search(r"manylinux\w*_x86_64", platform), wheel.name


def test_the_lock_holds_what_the_image_lacks_in_the_versions_that_jobs_have_on_a_laptop() -> None:
    modules, image, main = pins("glue-modules.txt"), pins("glue-6.0.txt"), pins("airflow.txt")

    assert {"duckdb", "httpx", "msgspec", "psycopg-binary"} < set(modules)
    assert not modules.keys() & image.keys()
    assert modules == {name: main[name] for name in modules}
    # And the environment that the tests of the image run in has both, as they are.
    tested = pins("glue.txt")
    assert {**image, **modules}.items() >= {n: v for n, v in tested.items() if n in image or n in modules}.items()
    assert modules.items() <= tested.items()


def test_wheels_are_fetched_once_and_then_need_no_index(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = locked_wheels(checkout)  # there, or fetched now
    monkeypatch.setenv("PIP_NO_INDEX", "1")

    assert locked_wheels(checkout) == wheels
    with pytest.raises(ConfigurationError, match=r"glue-modules\.txt cannot be fetched.*`make modules`"):
        locked_wheels(checkout, tmp_path / "empty")
    assert list((tmp_path / "empty").iterdir()) == []  # nothing that looks fetched the next time


def test_a_wheel_with_another_hash_than_the_locks_is_refused(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (wheel,) = [wheel for wheel in locked_wheels(checkout) if wheel.name.startswith("h11-")]
    shutil.copyfile(wheel, tmp_path / wheel.name)
    with zipfile.ZipFile(tmp_path / wheel.name, "a") as archive:
        archive.writestr("h11/planted.py", "")
    root = tmp_path / "root"
    lock = (checkout / LOCK).read_text(encoding="utf-8")
    (root / LOCK).parent.mkdir(parents=True)
    (root / LOCK).write_text(re.search(r"^h11==[^\n]*\n(    .*\n)+", lock, re.MULTILINE)[0], encoding="utf-8")  # type: ignore[index]
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))

    with pytest.raises(ConfigurationError, match=r"cannot be fetched: .*HASHES"):
        locked_wheels(root, tmp_path / "cache")


def test_two_that_fetch_at_once_leave_one_folder(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = locked_wheels(checkout)
    complete = tmp_path / wheels[0].parent.name

    def pip(command: list[str], **_: object) -> object:
        for folder in (Path(command[command.index("--dest") + 1]), complete):
            shutil.copytree(wheels[0].parent, folder)
        return type("Done", (), {"returncode": 0})

    monkeypatch.setattr(job_modules.subprocess, "run", pip)

    assert [wheel.name for wheel in locked_wheels(checkout, tmp_path)] == [wheel.name for wheel in wheels]
    assert list(tmp_path.iterdir()) == [complete]


def test_the_archive_is_named_after_the_library(tmp_path: Path) -> None:
    library = tmp_path / "ingot-7.8.9-py3-none-any.whl"
    library.write_bytes(b"wheel")

    archive = build_modules(tmp_path, library, [])

    assert archive.name == "ingot-7.8.9.gluewheels.zip"
    assert members(archive) == {"wheels/requirements.txt": b"ingot==7.8.9\n", f"wheels/{library.name}": b"wheel"}


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
