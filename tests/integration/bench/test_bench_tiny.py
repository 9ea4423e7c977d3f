"""The benchmark runs: every stage once at a tiny size, all answers checked, and a page of it. No figure counts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
STAGES = ("gate", "extract", "refine")
LINES = {"gate": "The gate", "extract": "API to Bronze", "refine": "Bronze → Parquet"}


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'localstack'}:{ROOT}"}
    command = [sys.executable, "-m", "tests.bench", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)


@pytest.mark.slow
def test_every_stage_runs_and_the_page_says_which_goals_are_not_measured(tmp_path: Path) -> None:
    page = tmp_path / "docs" / "benchmarks.md"
    ran = bench(
        *("--tiny", "--stages", *STAGES, "--inputs", str(tmp_path / "in")),
        *("--results", str(tmp_path / "results"), "--page", str(page)),
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    text = page.read_text("utf-8")
    for stage in STAGES:
        assert (tmp_path / "results" / f"{stage}-2000.json").exists()
        assert (page.parent / "images" / "bench" / f"{stage}.svg").read_text("utf-8").startswith("<svg")
        # A tiny run is not the size that goals are for: none of them may look met.
        goals = [line for line in text.splitlines() if line.startswith(f"| {LINES[stage]} |")]
        assert goals
        assert all(line.endswith("| not measured |") for line in goals)
        assert set(goals) <= set(ran.stdout.splitlines()), "the goals are printed too"


def test_a_contender_with_a_wrong_answer_is_an_error_and_no_time(tmp_path: Path) -> None:
    lie = tmp_path / "lie.py"
    lie.write_text("print('{\"accepted\": 7}')", "utf-8")
    code = (
        "import sys; from pathlib import Path; from tests.bench import __main__ as b, stage; from contextlib import *;"
        "from tests.bench.measure import WrongAnswer\n"
        "case = stage.Case('c', 'c', 8, {'accepted': 8})\n"
        f"one = stage.Contender('liar', 'liar', {str(lie)!r})\n"
        "whole = stage.Stage('s', 's', '', lambda size: [case], lambda *_: nullcontext({}), (one,))\n"
        "try:\n    b._case(whole, case, [one], 1, Path('.'))\n"
        "except WrongAnswer as error:\n    print(error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert "liar is wrong in c: accepted is 7, not 8" in ran.stdout, ran.stdout + ran.stderr
