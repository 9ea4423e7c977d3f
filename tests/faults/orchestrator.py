"""What Airflow would do: tasks in their order, tried again when that may help, twice at once when somebody insists."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from tests.faults.checks import PUBLIC, RESOLVE, Bucket, check_audit, check_verdict
from tests.faults.faults import Fault, certain, draw
from tests.faults.plan import Plan, Round
from tests.faults.run import Run, Turns
from tests.faults.world import World

STEPS = ("extract", "refine", "load")
TRIES = 2
"""How often a task is started: what Airflow's `retries: 1` does."""

SOURCES_FROM_S3 = 0.1
"""Of the runs: it is the same code each time, and four requests."""

BY_HAND = timedelta(minutes=7)
"""By how much a second run of the same batch stands for a later time."""


@dataclass
class Orchestrator:
    """Starts jobs, and notes what came of them.

    Attributes:
        runs: of batches, in the order in which they began.
        steps: what happened, a line each.
        failed: batches that were given up, for a time or for good.
        calm: nothing goes wrong any more.
        corrected: the contract has been corrected.
    """

    world: World
    plan: Plan
    bucket: Bucket
    runs: list[Run] = field(default_factory=list)
    audits: list[Run] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)
    calm: bool = False
    corrected: bool = False
    _over: dict[str, int] = field(default_factory=dict)  # batches that an audit was told of, by how many runs they had
    _looking: threading.Lock = field(default_factory=threading.Lock)

    def say(self, words: str) -> None:
        self.steps.append(words)

    def take(self, round: Round) -> None:
        """The round's streams, one after the other, and the audit after them."""
        for stream in round.streams:
            self.take_batch(stream, round, twice=stream == round.twin)
        self.audit(round)

    def take_batch(self, stream: str, round: Round, *, twice: bool = False) -> None:
        """A batch through its steps; or two runs of it at once, by schedule and by hand."""

        def run(lane: int, turns: Turns | None) -> None:
            as_of = round.as_of + lane * BY_HAND
            arguments = {"stream": stream, "as_of": as_of.isoformat()}
            batch = batch_id(stream, round)
            for step in STEPS:
                if not self._task(step, arguments, batch, as_of, round, lane, turns):
                    return

        self._at_once(run, f"{round.number} {stream}", twice=twice)

    def resolve(self, batch: str, key: str, actions: Sequence[str], round: Round) -> None:
        """Send a batch's refused records through the corrected contract, or give them up; or both at once."""
        stream = batch.split(".")[1]
        resolving = f"{batch}{RESOLVE}{key.rpartition('/rejects-')[2].partition('.')[0]}"
        which = {"stream": stream, "as_of": round.as_of.isoformat(), "resolves": resolving.rpartition("-")[2]}

        def run(lane: int, turns: Turns | None) -> None:
            how = {"quarantine_key": key, "action": actions[lane], "reason": "so it was decided"}
            done = self._task("replay", how, resolving, round.as_of, round, lane, turns, action=actions[lane])
            if done and _committed(done):
                for step in STEPS[1:]:
                    if not self._task(step, which, resolving, round.as_of, round, lane, turns):
                        return

        self._at_once(run, resolving, twice=len(actions) > 1)

    def audit(self, round: Round) -> bool:
        """Bring the audit up to date, and hold it to what happened."""
        done = self._task("audit", {}, "", round.as_of, round, 0, None)
        if done:
            counts = Counter(run.batch for run in self.runs)
            self._over |= {batch: n for batch, n in counts.items() if _interval(round) in batch}
            over = {batch for batch, n in counts.items() if self._over.get(batch) == n}
            with self.world.connect() as connection:
                check_audit(connection, self.runs, over)
        return done is not None

    def _at_once(self, run: Callable[[int, Turns | None], None], name: str, *, twice: bool) -> None:
        if not twice:
            return run(0, None)
        turns = Turns(Random(f"{self.plan.seed} {name} turns"))
        raised: list[BaseException] = []

        def guarded(lane: int) -> None:
            try:
                run(lane, turns)
            except BaseException as error:
                raised.append(error)

        threads = [threading.Thread(target=guarded, args=(lane,)) for lane in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for error in raised:
            raise error
        return None

    def _task(
        self,
        step: str,
        arguments: dict[str, str],
        batch: str,
        as_of: datetime,
        round: Round,
        lane: int,
        turns: Turns | None,
        action: str = "",
    ) -> Run | None:
        """One task with its tries; the run that succeeded."""
        who = ("calm" if self.calm else f"round {round.number}") + " twin" * lane
        what = ".".join(batch.split(".")[1:2] + ["resolve"] * (RESOLVE in batch))
        for tries in range(1, TRIES + 1):
            name = " ".join(filter(None, (who, what, action or step, f"try {tries}")))
            run = Run(name, who, step, batch, as_of, self._faults(name, batch, step), turns, action)
            run.watch = self._look
            (self.runs if batch else self.audits).append(run)
            self._execute(run, round, arguments, lane, tries)
            if run.succeeded:
                return run
            if run.terminal:
                break
        self.failed.add(batch)
        return None

    def _faults(self, name: str, batch: str, step: str) -> tuple[Fault, ...]:
        """What the seed has in store for a run."""
        if self.calm:
            return ()
        if name.startswith("round 1 carts "):
            return certain(self.plan.seed, step) if name.endswith(" try 1") else ()
        return draw(Random(f"{self.plan.seed} {name} {batch}"), step)

    def _execute(self, run: Run, round: Round, arguments: dict[str, str], lane: int, tries: int) -> None:
        interval = {"interval_start": round.start.isoformat(), "interval_end": round.end.isoformat()}
        mode = self.plan.mode + "-corrected" * self.corrected
        try:
            self.world.execute(
                run,
                {**interval, **arguments},
                mode=mode,
                from_s3=Random(f"{self.plan.seed} {run.name} sources").random() < SOURCES_FROM_S3,
                lane=lane,
                tries=tries,
                clock=round.clock,
            )
        finally:
            came = "done" if run.succeeded else "killed" if run.killed else run.said
            trouble = "; ".join(map(str, run.struck))
            self.say(f"  {run.name}: {came}" + (f"  [{trouble}]" if trouble else ""))
        if run.seen is not None:
            raise run.seen
        check_verdict(run)

    def _look(self, key: str) -> None:
        """What anybody may see from now on has to be right from now on."""
        if key.startswith(PUBLIC):
            with self._looking:
                self.bucket.look_at(key)


def batch_id(stream: str, round: Round) -> str:
    """The id that a batch must have: a function of what it is, and of nothing else."""
    return f"fakestore.{stream}{_interval(round)}"


def _interval(round: Round) -> str:
    return f".{_stamp(round.start)}.{_stamp(round.end)}"


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%SZ}"


def _committed(run: Run) -> bool:
    """Whether a replay says that there is a batch now: nothing may have passed."""
    return bool(json.loads(run.output.strip().splitlines()[-1])["committed"])
