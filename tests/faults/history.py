"""One history: the orchestrator's runs of a plan while everything goes wrong, then a calm in which all is finished."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from tests.faults.checks import Bucket, Difference, Warehouse, check_audit, check_verdict
from tests.faults.faults import Fault, draw
from tests.faults.plan import Plan, Round, change
from tests.faults.run import Run, Turns
from tests.faults.shop import EPOCH, STREAMS, Shop
from tests.faults.world import BRONZE, MAX_REJECT_RATE, Hung, World

STEPS = ("extract", "refine", "load")
TRIES = 2
"""How often a task is started in a round: what Airflow's `retries: 1` does."""


@dataclass
class Report:
    """What came of one history.

    Attributes:
        struck: how often each kind of fault struck.
        failed: how many batches failed in some round, `lost` how many for good.
        steps: what happened, a line each.
        difference: what is not as it must be; empty if all is.
    """

    seed: int
    struck: Counter[str]
    runs: int
    batches: int
    failed: int
    lost: int
    seconds: float
    steps: list[str]
    difference: str = ""


@dataclass
class History:
    """A plan, as it happens in a world."""

    world: World
    plan: Plan
    shop: Shop
    bucket: Bucket
    runs: list[Run] = field(default_factory=list)
    audits: list[Run] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)
    calm: bool = False
    _looking: threading.Lock = field(default_factory=threading.Lock)

    def happen(self) -> None:
        """All of it.

        Raises:
            Difference: something is not as it must be.
            Hung: a job did not end.
        """
        for round in self.plan.rounds:
            self.say(str(round))
            for words in change(self.shop, Random(f"{self.plan.seed} {round.number}"), round):
                self.say(f"  at the source: {words}")
            self.run_round(round)
        self.finish()

    def say(self, words: str) -> None:
        self.steps.append(words)

    def run_round(self, round: Round) -> None:
        for stream in round.streams:
            if stream == round.twin:
                self.run_twins(stream, round)
            else:
                self.run_batch(stream, round, f"round {round.number}")
        self.audit(round, f"round {round.number}")
        if round.dbt:
            self.build()

    def run_twins(self, stream: str, round: Round) -> None:
        """The same batch twice at once: by schedule, and started by hand a little later."""
        turns = Turns(Random(f"{self.plan.seed} {round.number} turns"))
        raised: list[BaseException] = []

        def run(lane: int) -> None:
            try:
                self.run_batch(stream, round, f"round {round.number}" + " twin" * lane, lane=lane, turns=turns)
            except BaseException as error:
                raised.append(error)

        threads = [threading.Thread(target=run, args=(lane,)) for lane in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for error in raised:
            raise error

    def run_batch(self, stream: str, round: Round, who: str, *, lane: int = 0, turns: Turns | None = None) -> bool:
        """The three steps of a batch; whether they all succeeded."""
        as_of = round.as_of + lane * timedelta(minutes=7)
        batch = f"fakestore.{stream}.{_stamp(round.start)}.{_stamp(round.end)}"
        for step in STEPS:
            for tries in range(1, TRIES + 1):
                run = Run(
                    f"{who} {stream} {step} try {tries}",
                    who,
                    step,
                    batch,
                    as_of,
                    self.faults(who, stream, step, tries),
                    turns,
                )
                self.runs.append(run)
                self.execute(run, round, {"stream": stream, "as_of": as_of.isoformat()}, lane=lane, tries=tries)
                if run.succeeded or run.terminal:
                    break
            if not run.succeeded:
                self.failed.add(batch)
                return False
        return True

    def audit(self, round: Round, who: str) -> bool:
        for tries in range(1, TRIES + 1):
            run = Run(f"{who} audit try {tries}", who, "audit", "", round.as_of, self.faults(who, "", "audit", tries))
            self.audits.append(run)
            self.execute(run, round, {}, tries=tries)
            if run.succeeded:
                with self.world.connect() as connection:
                    check_audit(connection, self.runs)
                return True
        return False

    def faults(self, who: str, stream: str, step: str, tries: int) -> tuple[Fault, ...]:
        """What the seed has in store for a run."""
        return () if self.calm else draw(Random(f"{self.plan.seed} {who} {stream} {step} {tries}"), step)

    def execute(self, run: Run, round: Round, arguments: dict[str, str], *, lane: int = 0, tries: int = 1) -> None:
        interval = {"interval_start": round.start.isoformat(), "interval_end": round.end.isoformat()}
        try:
            self.world.execute(
                run, {**interval, **arguments}, mode=self.plan.mode, lane=lane, tries=tries, clock=round.clock
            )
        finally:
            came = {0: "done", -9: "killed"}.get(run.code if run.code is not None else 1, run.said)
            trouble = "; ".join(map(str, run.struck))
            self.say(f"  {run.name}: {came}" + (f"  [{trouble}]" if trouble else ""))
        check_verdict(run)
        if any(key.startswith(("manifests/", "sequence/")) for key in run.written):
            with self._looking:
                self.bucket.look()

    def build(self) -> None:
        """dbt, as far as there is something to build from."""
        with self.world.connect() as connection:
            tables = connection.execute("select count(*) from pg_tables where schemaname = 'bronze'").fetchone()
        if tables is None or tables[0] < len(STREAMS):
            return
        problems = self.world.dbt("run", "--quiet", "--no-write-json", "--log-level-file", "none")
        self.say("  dbt run")
        if problems:
            raise Difference(f"dbt: {problems}")

    def finish(self) -> None:
        """Nothing goes wrong any more: every batch is run until it is loaded or has failed for good; then all is
        looked at."""
        self.calm = True
        self.say("calm")
        rounds = {round.start: round for round in self.plan.rounds}
        done = {run.batch for run in self.runs if run.step == "load" and run.succeeded}
        open_ = {run.batch for run in self.runs} - done
        last = self.plan.rounds[-1]
        for start, round in sorted(rounds.items()):
            for stream in STREAMS:
                if f"fakestore.{stream}.{_stamp(start)}.{_stamp(round.end)}" in open_:
                    self.run_batch(stream, round, "calm")
        if self.plan.mode == "cursor":
            # Whatever the rounds before have missed has to come with one that nothing happened to.
            number = last.number + 1
            start = EPOCH + timedelta(days=number)
            last = Round(number, start, start + timedelta(days=1, hours=6), ("carts",), "", timedelta(0), False)
            self.run_batch("carts", last, "calm")
        for round in {**rounds, last.start: last}.values():
            if round is last or not any(
                a.succeeded for a in self.audits if a.name.startswith(f"round {round.number} ")
            ):
                self.audit(round, "calm")
        self.build()
        self.check()

    def check(self) -> None:
        modes = {"carts": self.plan.mode, "products": "snapshot", "users": "snapshot"}
        with self.world.connect() as connection:
            warehouse = Warehouse(connection, self.bucket, self.runs, modes, MAX_REJECT_RATE)
            rows = warehouse.check_bronze()
            if all(rows[stream] for stream in STREAMS):
                warehouse.check_models(rows)
            if self.plan.mode == "cursor":
                warehouse.check_nothing_missed(self.shop, rows["carts"])
            warehouse.check_leftovers()


def happen(world: World, seed: int, plant: str = "") -> Report:
    """The history of a seed, perhaps with a planted bug; a difference is in the report."""
    began = time.monotonic()
    plan = Plan.of(seed)
    shop = Shop(Random(f"shop {seed}"), says_updated=plan.mode == "cursor")
    shop.open()
    world.fresh(shop)
    world.plant = plant
    history = History(world, plan, shop, Bucket(world.s3, BRONZE))
    difference = ""
    try:
        history.happen()
    except (Difference, Hung) as error:
        difference = f"{type(error).__name__}: {error}"
    runs = [*history.runs, *history.audits]
    return Report(
        seed=seed,
        struck=Counter(fault.name for run in runs for fault in run.struck),
        runs=len(runs),
        batches=len({run.batch for run in history.runs}),
        failed=len(history.failed),
        lost=len(
            {run.batch for run in history.runs} - {r.batch for r in history.runs if r.step == "load" and r.succeeded}
        ),
        seconds=time.monotonic() - began,
        steps=[f"seed {seed}, carts by {plan.mode}", *history.steps],
        difference=difference,
    )


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%SZ}"
