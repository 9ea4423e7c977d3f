"""Many histories, in worker processes that each have a world of their own."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from multiprocessing import get_context
from typing import Any

from tests.faults.history import Report, happen
from tests.faults.world import world


def tell(seeds: Iterable[int], *, workers: int = 2, plant: str = "") -> Iterator[Report]:
    """The histories of these seeds, as they end. Whoever stops listening ends them.

    Raises:
        RuntimeError: a worker is broken (a difference is in a report, and no error).
    """
    context = get_context("spawn")
    asked, told = context.Queue(), context.Queue()
    wanted = list(seeds)
    workers = min(workers, len(wanted))
    for seed in [*wanted, *[None] * workers]:
        asked.put(seed)
    # Not daemons: they start processes themselves.
    processes = [context.Process(target=_work, args=(asked, told, plant)) for _ in range(workers)]
    for process in processes:
        process.start()
    try:
        for _ in wanted:
            report = told.get(timeout=300)
            if isinstance(report, str):
                raise RuntimeError(f"a worker broke:\n{report}")
            yield report
    finally:
        while not asked.empty():
            asked.get_nowait()
        for _ in processes:
            asked.put(None)
        for process in processes:
            process.join()


def _work(asked: Any, told: Any, plant: str) -> None:
    try:
        with world(plant) as built:
            while (seed := asked.get()) is not None:
                told.put(happen(built, seed))
    except BaseException:
        told.put(traceback.format_exc())
        raise


def tally(reports: Iterable[Report]) -> Counter[str]:
    """How often each kind of fault struck."""
    return sum((report.struck for report in reports), Counter())


def main(*, histories: int, first: int, seed: int | None, plant: str, workers: int, verbose: bool) -> int:
    """Tell histories and print how they went; the exit code: 1 after the first that went wrong."""
    began = time.monotonic()
    seeds = [seed] if seed is not None else range(first, first + histories)
    reports: list[Report] = []
    for report in tell(seeds, workers=workers, plant=plant):
        reports.append(report)
        verdict = "WRONG" if report.difference else "right"
        print(
            f"seed {report.seed:5}  {verdict}  {report.runs:2} runs, {report.batches} batches, "
            f"{report.failed} failed at first, {sum(report.struck.values()):2} faults, {report.seconds:4.1f} s",
            flush=True,
        )
        if verbose or report.difference:
            print("\n".join(report.steps))
        if report.difference:
            print(f"\n{report.difference}\n\nAgain: make faults SEED={report.seed}" + (f" PLANT={plant}" if plant else ""))
            print(f"Wrong after {len(reports)} histories.")
            return 1
    print("\nWhat struck, and how often:")
    for name, count in sorted(tally(reports).items()):
        print(f"{count:6}  {name}")
    print(f"\n{len(reports)} histories in {time.monotonic() - began:.0f} s; nothing lost, nothing twice.")
    return 0
