"""Many histories, in worker processes that each have a world of their own."""

from __future__ import annotations

import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from multiprocessing import get_context
from types import ModuleType, TracebackType
from typing import Any, Self

from tests.faults.history import Report, happen
from tests.faults.world import world

WORKERS = 3
"""One more than the cores of a small machine: half of a history is waiting, for Postgres to start or a deadline."""
LONGEST_HISTORY_SECONDS = 900


class Workers:
    """Processes that tell histories; their worlds are built once."""

    def __init__(self, count: int = WORKERS) -> None:
        context = get_context("spawn")
        self._asked: Any = context.Queue()
        self._told: Any = context.Queue()
        # Not daemons: they start processes themselves.
        self._processes = [context.Process(target=_work, args=(self._asked, self._told)) for _ in range(count)]

    def __enter__(self) -> Self:
        for process in self._processes:
            process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()

    def tell(self, seeds: Iterable[int], plant: str = "", *, brief: bool = False) -> Iterator[Report]:
        """The histories of these seeds, as they end. Whoever stops listening waits for those that go on.

        Raises:
            RuntimeError: a worker is broken. (A difference is in a report, and no error.)
        """
        waiting = iter(seeds)
        going_on = 0
        while True:
            try:
                while going_on < len(self._processes) and (seed := next(waiting, None)) is not None:
                    self._asked.put((seed, plant, brief))
                    going_on += 1
                if not going_on:
                    return
                report = self._next()
                going_on -= 1
                yield report
            except GeneratorExit:
                for _ in range(going_on):
                    self._next()
                return

    def _next(self) -> Report:
        report = self._told.get(timeout=LONGEST_HISTORY_SECONDS)
        if isinstance(report, Report):
            return report
        raise RuntimeError(f"a worker broke:\n{report}")


def _work(asked: Any, told: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started this process says when it ends
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # and the services are stopped then
    # Every job would import the main module again, and has no need of it.
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        with world() as built:
            while True:
                seed, plant, brief = asked.get()
                told.put(happen(built, seed, plant, brief=brief))
    except Exception:
        told.put(traceback.format_exc())
        raise


def tally(reports: Iterable[Report]) -> Counter[str]:
    """How often each kind of fault struck."""
    return sum((report.struck for report in reports), Counter())


def main(
    *,
    histories: int,
    first: int,
    seed: int | None,
    plant: str,
    brief: bool,
    workers: int,
    verbose: bool,
    keep_going: bool,
) -> int:
    """Tell histories and print how they went; the exit code: 1 if one went wrong, after which there are no more."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    seeds = [seed] if seed is not None else range(first, first + histories)
    reports: list[Report] = []
    with Workers(min(workers, len(seeds))) as suite:
        for report in suite.tell(seeds, plant, brief=brief):
            reports.append(report)
            print(line(report), flush=True)
            if verbose or report.difference:
                print("\n".join(report.steps))
            if report.difference:
                again = f"make faults SEED={report.seed}" + (f" PLANT={plant}" if plant else "") + " BRIEF=1" * brief
                print(f"\n{report.difference}\n\nWrong after {len(reports)} histories. This one again: {again}")
                if not keep_going:
                    return 1
    print("\nWhat struck, and how often:")
    for name, count in sorted(tally(reports).items()):
        print(f"{count:6}  {name}")
    wrong = sum(bool(report.difference) for report in reports)
    verdict = f"{wrong} went wrong" if wrong else "nothing lost, nothing twice, nothing half-published"
    print(f"\n{len(reports)} histories in {time.monotonic() - began:.0f} s: {verdict}.")
    return 1 if wrong else 0


def line(report: Report) -> str:
    """A history in short."""
    return (
        f"seed {report.seed:5}  {'WRONG' if report.difference else 'right'}  {report.runs:2} runs, "
        f"{report.batches} batches: {report.failed} failed at first, {report.lost} for good, "
        f"{report.resolved} resolved; {sum(report.struck.values()):2} faults struck, {report.seconds:4.1f} s"
    )
