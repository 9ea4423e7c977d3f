"""``python -m tests.bench.report RESULTS PAGE``: the page and its pictures, from all results that are kept."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import altair as alt

from tests.bench.__main__ import found, stages
from tests.bench.stage import OURS, Goal, Stage

Results = dict[int, dict[str, Any]]
"""What is kept of a stage, by size."""

UNITS = {"rate": "/s", "wall": " s", "cpu": " s of CPU", "work": " s", "peak": " MB"}


def main(results: Path, page: Path) -> None:
    kept = {name: _kept(results, name) for name in stages()}
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n".join(_page(kept, page)) + "\n", "utf-8")
    print("\n".join(_goals(kept)))


def _kept(results: Path, stage: str) -> Results:
    files = (json.loads(file.read_text("utf-8")) for file in results.glob(f"{stage}-*.json"))
    return {one["size"]: one for one in sorted(files, key=lambda one: one["size"])}


def _page(kept: dict[str, Results], page: Path) -> Iterator[str]:
    yield "<!-- Written by `make bench` from the results in tests/bench/results; do not edit. -->"
    yield "# Benchmarks\n"
    yield (
        "Ours and what a user would pick instead, side by side on one machine. Each figure is that of whole processes: "
        "wall clock, user and system time of CPU (of the process and its children), peak resident memory (the kernel's "
        "`ru_maxrss`; with children the largest sum at one moment). They run in rounds, A B C A B C …, and the median "
        "counts; of memory the largest. A rate is that of the work, by the contender's own clock, without the start of "
        "its process, where it says it, and that of the whole process elsewhere. A contender that brings another "
        "result than is due has no figure.\n"
    )
    yield "`make bench` runs all again; `make bench STAGES=gate SIZE=100k RUNS=3` some of it.\n"
    yield "## Goals\n"
    yield from _goals(kept)
    yield ""
    for name, results in kept.items():
        yield from _stage(found(name), results, page)


def _goals(kept: dict[str, Results]) -> Iterator[str]:
    """Every goal beside its figure."""
    yield "| stage | goal | case | orders | measured | |"
    yield "|---|---|---|--:|--:|---|"
    for name, results in kept.items():
        stage = found(name)
        for goal in stage.goals:
            measured, verdict = judged(goal, results)
            yield f"| {stage.title} | {goal.text} | {goal.case} | {_size(goal.size)} | {measured} | {verdict} |"


def judged(goal: Goal, results: Results) -> tuple[str, str]:
    """What was measured, and whether that is what was to be."""
    of = _figure(results, goal.size, goal.case, goal.of, goal.figure)
    if goal.against:
        other = _figure(results, goal.size, goal.against_case or goal.case, goal.against, goal.figure)
        value = None if of is None or not other else (other / of if goal.saved else of / other)
        shown = "" if value is None else f"{value:.2f} times"
    else:
        value = of
        shown = "" if value is None else shown_as(value, goal.figure)
    if value is None:
        return "", "not measured"
    met = (goal.at_least is None or value >= goal.at_least) and (goal.at_most is None or value <= goal.at_most)
    return shown, "**met**" if met else "**not met**"


def _figure(results: Results, size: int, case: str, contender: str, figure: str) -> float | None:
    for one in results.get(size, {}).get("cases", ()):
        for each in one["contenders"]:
            if (one["name"], each["name"]) == (case, contender):
                return float(each[figure])
    return None


def shown_as(value: float, figure: str) -> str:
    """A figure with its unit."""
    return (
        f"{value:,.0f}{UNITS[figure]}" if figure in ("rate", "peak") or value >= 100 else f"{value:.2f}{UNITS[figure]}"
    )


def _size(orders: int) -> str:
    for factor, letter in ((1_000_000, "M"), (1_000, "k")):
        if orders % factor == 0:
            return f"{orders // factor}{letter}"
    return f"{orders:,}"


def _stage(stage: Stage, results: Results, page: Path) -> Iterator[str]:
    yield f"## {stage.title}\n"
    yield f"{stage.about}\n"
    if not results:
        yield "Not measured yet.\n"
        return
    drawn = min(results, key=lambda size: abs(size - 1_000_000))
    pictures = page.parent / "images" / "bench"
    if _draw(results[drawn], pictures / f"{stage.name}.svg"):
        yield f"![{stage.title}, {_size(drawn)} orders](images/bench/{stage.name}.svg)\n"
    if len(results) > 1:
        _draw_sizes(results, pictures / f"{stage.name}-sizes.svg")
        yield f"![{stage.title}: ours by the number of orders](images/bench/{stage.name}-sizes.svg)\n"
    for size, one in results.items():
        yield f"### {_size(size)} orders\n"
        yield "| case | contender | rate | work | wall | CPU | peak | runs |"
        yield "|---|---|--:|--:|--:|--:|--:|--:|"
        for case in one["cases"]:
            for each in case["contenders"]:
                figures = " | ".join(shown_as(each[name], name) for name in ("rate", "work", "wall", "cpu", "peak"))
                yield f"| {case['title']} | {_named(each)} | {figures.replace(' of CPU', '')} | {each['runs']} |"
        yield ""
        commands = {each["command"] for case in one["cases"] for each in case["contenders"]}
        yield f"{_machine(one['machine'])} Commands: {', '.join(f'`{command}`' for command in sorted(commands))}.\n"


def _named(contender: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in contender["versions"].items())
    title = f"**{contender['title']}**" if contender["name"] == OURS else contender["title"]
    return f"{title} ({versions})" if versions else str(title)


def _machine(machine: dict[str, str]) -> str:
    quiet = "" if float(machine["load"]) < int(machine["cores"]) + 1 else ", while others worked on it"
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory']}, {machine['system']}, Python "
        f"{machine['python']}; commit {machine['commit']}, {machine['date']} (load {machine['load']}{quiet})."
    )


def _draw(one: dict[str, Any], picture: Path) -> bool:
    """The rates and peaks of a stage's contenders, a row a case."""
    rows = [
        {"case": case["name"], "contender": each["name"], "rate": each["rate"], "peak": each["peak"]}
        for case in one["cases"]
        for each in case["contenders"]
    ]
    if not rows:
        return False
    base = alt.Chart(alt.Data(values=rows)).mark_bar().properties(width=300)
    ours = alt.condition(f"datum.contender == '{OURS}'", alt.value("#c2641a"), alt.value("#8d99ae"))
    order = list(dict.fromkeys(row["contender"] for row in rows))
    names = alt.Y("contender:N", sort=order, title=None)
    cases = list(dict.fromkeys(row["case"] for row in rows))
    row = alt.Row("case:N", sort=cases, title=None, header=alt.Header(labelOrient="top", labelAnchor="start"))
    rate = base.encode(
        y=names, color=ours, row=row, x=alt.X("rate:Q", title="records a second", axis=alt.Axis(format="~s"))
    )
    peak = base.encode(y=names, color=ours, row=row, x=alt.X("peak:Q", title="peak resident memory, MB"))
    charts = (chart.resolve_scale(y="independent") for chart in (rate, peak))  # who takes no part in a case has no row
    _save(alt.hconcat(*charts, background="white"), picture)
    return True


def _draw_sizes(results: Results, picture: Path) -> None:
    """Our own time and memory by how much went in, a line a case: time may grow with it, memory not."""
    rows = [
        {"case": case["name"], "records": case["records"], "work": each["work"], "peak": each["peak"]}
        for one in results.values()
        for case in one["cases"]
        for each in case["contenders"]
        if each["name"] == OURS
    ]
    base = alt.Chart(alt.Data(values=rows)).mark_line(point=True).properties(width=300, height=220)
    size = alt.X("records:Q", title="records", scale=alt.Scale(type="log"), axis=alt.Axis(format="~s"))
    color = alt.Color("case:N", title=None, scale=alt.Scale(range=["#c2641a", "#33658a", "#5f8f3f", "#8d99ae"]))
    seconds = alt.Y("work:Q", title="seconds", scale=alt.Scale(type="log"))
    work = base.encode(x=size, y=seconds, color=color)
    peak = base.encode(x=size, y=alt.Y("peak:Q", title="peak resident memory, MB"), color=color)
    _save(alt.hconcat(work, peak, background="white"), picture)


def _save(chart: alt.HConcatChart, picture: Path) -> None:
    picture.parent.mkdir(parents=True, exist_ok=True)
    chart.save(str(picture))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
