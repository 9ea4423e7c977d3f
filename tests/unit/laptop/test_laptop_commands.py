"""The command line, the progress lines, and how the environments are made."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from laptop.__main__ import ACTIONS, main
from laptop.airflow_api import _errors
from laptop.paths import Home
from laptop.progress import Steps
from rich.console import Console

ROOT = Path(__file__).resolve().parents[3]


def plain() -> Console:
    return Console(file=io.StringIO(), width=200, highlight=False)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_step_that_ends_is_ticked_with_its_time_and_result() -> None:
    console = plain()
    with Steps(console) as steps, steps.step("cdk deploy") as step:
        step.result = "4 stacks"
    assert re.fullmatch(r"✓ cdk deploy +0\.\d s 4 stacks\n", printed(console))


def test_a_step_that_fails_is_crossed_and_its_error_goes_on() -> None:
    console = plain()
    with pytest.raises(ZeroDivisionError), Steps(console) as steps, steps.step("cdk deploy"):
        raise ZeroDivisionError
    assert printed(console).startswith("✗ cdk deploy")


def test_a_long_step_says_what_goes_on_now_and_then_where_lines_are_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    console = plain()
    with Steps(console) as steps, steps.step("cdk deploy") as step:
        step.detail("too soon to be said")
        monkeypatch.setattr("laptop.progress.QUIET_SECONDS", 0.0)
        step.detail("[resource 1]")
    said = [line for line in printed(console).splitlines() if line.startswith("  ")]
    assert [line.rpartition(": ")[2] for line in said] == ["[resource 1]"]  # and not taken for markup


def test_the_reason_of_a_failed_task_is_its_errors_and_their_exceptions() -> None:
    log = [
        {"level": "info", "event": "Glue job x: RUNNING"},
        {
            "level": "error",
            "event": "Task failed with exception",
            "error_detail": [{"exc_type": "AirflowFailException", "exc_value": "RejectRateError: 3 of 7"}],
        },
    ]
    assert list(_errors(log)) == ["Task failed with exception", "AirflowFailException: RejectRateError: 3 of 7"]


def test_down_and_status_work_where_nothing_was_ever_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INGOT_HOME", str(tmp_path / "home"))
    assert main(["status"]) == 0
    assert capsys.readouterr().out.count("down") == 8
    assert main(["down"]) == 0
    assert capsys.readouterr().out == "Nothing was running.\n"
    assert main(["clean"]) == 0
    assert not (tmp_path / "home").exists()


def test_a_missing_environment_ends_with_what_to_do_and_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Home, "dbt", property(lambda self: tmp_path / "nowhere/dbt"))
    monkeypatch.setenv("INGOT_HOME", str(tmp_path / "home"))
    assert main(["demo"]) == 1
    assert "make setup" in capsys.readouterr().out


def test_every_target_of_the_makefile_that_people_use_is_listed_by_help() -> None:
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert targets
    make = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.findall(r"^  make (\w+) +\S", make.stdout, re.MULTILINE) == targets[1].split()
    assert set(ACTIONS) - {"env"} <= set(targets[1].split())


def find_python(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{tmp_path}/shims:/usr/bin:/bin", **variables}
    script = ROOT / "localstack/laptop/find-python.sh"
    return subprocess.run([str(script)], env=environment, capture_output=True, text=True)


def test_a_python_beside_a_shim_that_fails_is_found(tmp_path: Path) -> None:
    shim = tmp_path / "shims/python3.12"
    shim.parent.mkdir()
    shim.write_text("#!/bin/sh\necho 'pyenv: python3.12: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    real = tmp_path / "versions/3.12.1/bin/python3.12"
    real.parent.mkdir(parents=True)
    real.symlink_to(sys.executable)
    done = find_python(tmp_path)
    assert done.returncode == 0, done.stderr
    assert subprocess.check_output([done.stdout.strip(), "-c", "import sys; print(*sys.version_info[:2])"]) == b"3 12\n"


def test_the_python_that_is_named_comes_first(tmp_path: Path) -> None:
    assert find_python(tmp_path, INGOT_PYTHON=sys.executable).stdout.strip() == sys.executable


def test_where_no_python_fits_the_error_says_how_to_name_one(tmp_path: Path) -> None:
    script = tmp_path / "find-python.sh"
    text = (ROOT / "localstack/laptop/find-python.sh").read_text()
    # The interpreters of this machine out of the way.
    script.write_text(text.replace("/usr/local/bin/", "/nowhere/").replace("/opt/homebrew/bin/", "/nowhere/"))
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "dirname"):
        (tools / name).symlink_to(str(shutil.which(name)))
    done = subprocess.run(
        ["/bin/sh", str(script)], env={"PATH": str(tools), "HOME": os.devnull}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "make INGOT_PYTHON=" in done.stderr
