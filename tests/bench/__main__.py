"""``python -m tests.bench``: run stages, keep their results, and write docs/benchmarks.md from all that are kept."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Container, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.measure import Run, WrongAnswer, run
from tests.bench.stage import HERE, OURS, ROOT, Case, Contender, Stage


class EnvironmentMissing(Exception):
    """The packages of a contender are not there and cannot be had."""


MOST = 1_000_000
"""Orders: up to here everybody takes part."""
ORDER = ("gate", "extract", "refine", "spark", "load", "merge", "whole", "dbt", "scaling")
TINY = 2000


def main() -> int:
    options = _options()
    size = TINY if options.tiny else number(options.size)
    failed = False
    for name in options.stages or ORDER:
        if not (HERE / "stages" / f"{name}.py").exists():
            if options.stages:
                sys.exit(f"There is no stage {name}; there are {', '.join(stages())}.")
            continue
        stage = found(name)
        if options.tiny and not stage.tiny:
            print(f"{name}: not in a tiny run")
            continue
        failed |= not _measure(stage, size, options)
    if options.page is not None or not (options.tiny or options.only):
        _write_page(options)
    return int(failed)


def found(name: str) -> Stage:
    """The stage of a name."""
    stage = importlib.import_module(f"tests.bench.stages.{name}").STAGE
    assert isinstance(stage, Stage)
    return stage


def stages() -> list[str]:
    """The stages that there are, in their order."""
    return [name for name in ORDER if (HERE / "stages" / f"{name}.py").exists()]


def number(text: str) -> int:
    """``1M`` → 1000000."""
    factor = {"k": 1_000, "M": 1_000_000}.get(text[-1:], 1)
    return int(text.removesuffix("k").removesuffix("M")) * factor


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description="Ours and others, side by side on this machine.")
    parser.add_argument("--stages", nargs="*", help=f"some of: {' '.join(ORDER)}")
    parser.add_argument("--size", default="1M", help="orders: 100k, 1M, 5M, 10M")
    parser.add_argument("--runs", type=int, default=5, help="of each contender, in rounds")
    parser.add_argument("--only", nargs="*", default=[], metavar="CONTENDER", help="some contenders; nothing is kept")
    parser.add_argument("--tiny", action="store_true", help="everything once at a tiny size; no figure counts")
    parser.add_argument("--inputs", type=Path, default=ROOT / ".ingot" / "bench", help="where inputs are kept")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="where results are kept")
    parser.add_argument("--page", type=Path, help="the page to write instead of docs/benchmarks.md")
    parser.add_argument("--page-only", action="store_true", help="measure nothing")
    options = parser.parse_args()
    if options.tiny and options.results == HERE / "results":
        options.results = Path(tempfile.mkdtemp(prefix="ingot-bench-"))
    if options.page_only:
        _write_page(options)
        sys.exit(0)
    return options


def _measure(stage: Stage, size: int, options: argparse.Namespace) -> bool:
    """All cases of a stage at a size; what came of it is stored if every answer was right."""
    took_part = [each for each in stage.contenders if not options.only or each.name in options.only]
    took_part = [each for each in took_part if size <= MOST or size in _sizes(stage, each)]
    try:
        took_part = [each for each in took_part if _stands(each, tiny=options.tiny)]
    except EnvironmentMissing as error:
        print(f"{stage.name} is not measured: {error}", file=sys.stderr)
        return False
    cases = []
    for case in stage.cases(size):
        runs = 1 if options.tiny else options.runs
        contenders = [each for each in took_part if not each.cases or case.name in each.cases]
        print(f"{stage.name} · {case.title} · {case.records:,} records", flush=True)
        try:
            cases.append(_case(stage, case, contenders, runs, options.inputs))
        except WrongAnswer as error:
            print(f"  {error}", file=sys.stderr)
            return False
        except (RuntimeError, subprocess.CalledProcessError) as error:
            print(
                f"{stage.name} is not measured: what {case.name} begins with cannot be made: {error}", file=sys.stderr
            )
            return False
    if options.only:
        return True
    kept = {"stage": stage.name, "size": size, "machine": _machine(), "cases": cases}
    options.results.mkdir(parents=True, exist_ok=True)
    path = options.results / f"{stage.name}-{size}.json"
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return True


def _sizes(stage: Stage, contender: Contender) -> Container[int]:
    """The sizes above the common one that a contender is measured at: ours at all, others where a goal names them."""
    if contender.name == OURS:
        return range(sys.maxsize)
    return {goal.size for goal in stage.goals if contender.name in (goal.of, goal.against)}


def _stands(contender: Contender, *, tiny: bool) -> bool:
    """Whether a contender's environment is there; it is made unless the run is tiny."""
    if (ROOT / contender.environment / ".made").exists():
        return True
    if tiny:
        print(f"  {contender.name} is skipped: {contender.environment} does not stand")
        return False
    made = subprocess.run(["make", "--no-print-directory", f"{contender.environment}/.made"], cwd=ROOT)
    if made.returncode:
        raise EnvironmentMissing(f"{contender.environment} of {contender.name} cannot be made; make says above why")
    return True


def _case(stage: Stage, case: Case, contenders: list[Contender], runs: int, inputs: Path) -> dict[str, Any]:
    taken: dict[str, list[Run]] = {each.name: [] for each in contenders}
    with stage.opened(case, inputs) as variables:
        environment = _environment(case, variables)
        for turn in range(runs):
            for contender in contenders:
                if contender.slow > 1 and turn >= max(min(3, runs), runs // contender.slow):
                    continue
                if contender.before is not None:
                    contender.before(environment)
                once = run(contender.line, environment, cores=stage.cores)
                _hold(case, contender, once)
                if contender.after is not None:
                    contender.after(environment, once.answer)
                taken[contender.name].append(once)
                print(
                    f"  {contender.name:24} {case.records / _work(once):>12,.0f}/s  {once.wall:7.2f} s  "
                    f"CPU {once.cpu:7.2f} s  {once.peak / 1e6:6.0f} MB",
                    flush=True,
                )
    return {
        "name": case.name,
        "title": case.title,
        "records": case.records,
        "checked": dict(case.expect),
        "contenders": [_figures(contender, case, taken[contender.name]) for contender in contenders],
    }


def _environment(case: Case, variables: Mapping[str, str]) -> dict[str, str]:
    own = {f"BENCH_{name.upper()}": value for name, value in case.options.items()}
    given = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return given | {"BENCH_RECORDS": str(case.records)} | own | dict(variables)


def _hold(case: Case, contender: Contender, once: Run) -> None:
    for name, due in case.expect.items():
        if once.answer.get(name) != due:
            raise WrongAnswer(
                f"{contender.name} is wrong in {case.name}: {name} is {once.answer.get(name)!r:.500}, not {due!r:.500}"
            )


def _work(once: Run) -> float:
    return float(once.answer.get("seconds", once.wall))


def _figures(contender: Contender, case: Case, runs: list[Run]) -> dict[str, Any]:
    median = statistics.median
    work = [_work(each) for each in runs]
    return {
        "name": contender.name,
        "title": contender.title,
        "command": _command(contender),
        "runs": len(runs),
        "rate": case.records / median(work),
        "work": median(work),
        "wall": median(each.wall for each in runs),
        "cpu": median(each.cpu for each in runs),
        "peak": max(each.peak for each in runs) / 1e6,
        "all": [{"work": _work(e), "wall": e.wall, "cpu": e.cpu, "peak": e.peak / 1e6} for e in runs],
        "versions": runs[-1].answer.get("versions", {}),
    }


def _command(contender: Contender) -> str:
    return " ".join(word.removeprefix(f"{ROOT}/") for word in contender.line)


def _machine() -> dict[str, str]:
    """What it ran on; no name of a machine and no path."""
    facts = dict(
        map(str.strip, line.split(":", 1)) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout
    return {
        "processor": facts.get("model name", platform.machine()),
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "commit": commit.strip(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "load": f"{os.getloadavg()[1]:.1f}",
    }


def _write_page(options: argparse.Namespace) -> None:
    # A process of its own, as all that draws is large.
    page = options.page or ROOT / "docs" / "benchmarks.md"
    subprocess.run([sys.executable, "-m", "tests.bench.report", str(options.results), str(page)], check=True)


if __name__ == "__main__":
    sys.exit(main())
