"""One history: the rounds of a plan while everything goes wrong, then a calm in which all is finished and looked at."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from tests.faults.checks import RESOLVE, Bucket, Difference, Warehouse
from tests.faults.orchestrator import Orchestrator, batch_id
from tests.faults.plan import Plan, Round, change
from tests.faults.shop import EPOCH, STREAMS, Shop
from tests.faults.world import BRONZE, MAX_REJECT_RATE, Hung, World


@dataclass
class Report:
    """What came of one history.

    Attributes:
        struck: how often each kind of fault struck.
        runs: how many runs of jobs there were, at how many `batches`; how many of these were given up in some round
            (`failed`), how many for good (`lost`), and how many were resolved from the quarantine (`resolved`).
        steps: what happened, a line each.
        difference: what is not as it must be; empty if all is.
    """

    seed: int
    struck: Counter[str]
    runs: int
    batches: int
    failed: int
    lost: int
    resolved: int
    seconds: float
    steps: list[str]
    difference: str = ""


def happen(world: World, seed: int, plant: str = "", *, brief: bool = False) -> Report:
    """The history of a seed, perhaps with a planted bug; a difference is in the report."""
    began = time.monotonic()
    plan = Plan.of(seed, brief=brief)
    shop = Shop(Random(f"shop {seed}"), says_updated=plan.mode == "cursor")
    shop.open()
    world.fresh(shop, plan.streams)
    world.plant = plant
    orchestrator = Orchestrator(world, plan, Bucket(world.s3, BRONZE))
    orchestrator.say(f"seed {seed}, carts by {plan.mode}")
    difference = ""
    try:
        History(world, plan, shop, orchestrator).happen()
    except (Difference, Hung) as error:
        difference = f"{type(error).__name__}: {error}"
    runs = [*orchestrator.runs, *orchestrator.audits]
    batches = {run.batch for run in orchestrator.runs}
    loaded = {run.batch for run in orchestrator.runs if run.step == "load" and run.succeeded}
    return Report(
        seed=seed,
        struck=Counter(fault.name for run in runs for fault in run.struck),
        runs=len(runs),
        batches=len(batches),
        failed=len(orchestrator.failed),
        lost=len({batch for batch in batches - loaded if RESOLVE not in batch}),
        resolved=len({batch for batch in loaded if RESOLVE in batch}),
        seconds=time.monotonic() - began,
        steps=orchestrator.steps,
        difference=difference,
    )


@dataclass
class History:
    """A plan, as it happens in a world."""

    world: World
    plan: Plan
    shop: Shop
    orchestrator: Orchestrator

    def happen(self) -> None:
        """All of it.

        Raises:
            Difference: something is not as it must be.
            Hung: a job did not end.
        """
        for round in self.plan.rounds:
            self._say(str(round))
            for words in change(self.shop, Random(f"{self.plan.seed} {round.number}"), round):
                self._say(f"  at the source: {words}")
            self.orchestrator.take(round)
            if round.dbt:
                self._build()
        self._finish()
        self._resolve()
        self._audit()
        self._check(self._build())

    def _say(self, words: str) -> None:
        self.orchestrator.say(words)

    @property
    def _intervals(self) -> list[Round]:
        """The last round of each interval."""
        return list({round.start: round for round in self.plan.rounds}.values())

    def _finish(self) -> None:
        """Run every batch until it is loaded, or has failed for good."""
        self.orchestrator.calm = True
        self._say("calm")
        runs = self.orchestrator.runs
        done = {run.batch for run in runs if run.step == "load" and run.succeeded}
        unfinished = {run.batch for run in runs} - done
        for round in self._intervals:
            for stream in STREAMS:
                if batch_id(stream, round) in unfinished:
                    self.orchestrator.take_batch(stream, round)
        if self.plan.mode == "cursor":
            # Whatever the rounds before have missed has to come with one that nothing happened to.
            self.orchestrator.take_batch("carts", self._after)

    @property
    def _after(self) -> Round:
        number = self.plan.rounds[-1].number + 1
        start = EPOCH + timedelta(days=number)
        return Round(number, start, start + timedelta(days=1, hours=6), ("carts",), "", timedelta(0), False)

    def _resolve(self) -> None:
        """The contract is corrected; what was refused is sent through it or given up, in hard times and in calm ones.

        Whoever asks first decides what becomes of it.
        """
        random = Random(f"{self.plan.seed} quarantine")
        choice = random.choices(((), ("replay",), ("discard",), ("replay", "discard")), weights=(2, 3, 1, 2))[0]
        published = self.orchestrator.bucket.published()
        refused = [(b, m["rejects"]["key"]) for b, m in sorted(published.items()) if m["rejects"] and ".carts." in b]
        if not choice or not refused:
            return
        batch, key = random.choice(refused)
        (round,) = (r for r in [*self._intervals, self._after] if batch_id("carts", r) == batch)
        self._say("the contract is corrected")
        self.orchestrator.corrected = True
        self.orchestrator.calm = False
        self.orchestrator.resolve(batch, key, choice, round)
        self.orchestrator.calm = True
        for action in choice:
            self.orchestrator.resolve(batch, key, (action,), round)

    def _audit(self) -> None:
        """For every interval that has none yet, and once more after all."""
        audited = {run.name.partition(" audit")[0] for run in self.orchestrator.audits if run.succeeded}
        for round in self._intervals:
            if f"round {round.number}" not in audited:
                self.orchestrator.audit(round)
        self.orchestrator.audit(self._after)

    def _build(self) -> bool:
        """dbt, if there is all that it reads."""
        with self.world.connect() as connection:
            row = connection.execute(
                "select count(*) from pg_tables where schemaname = 'bronze' and tablename like 'fakestore%'"
            ).fetchone()
        if row is None or row[0] < len(STREAMS):
            return False
        self._say("  dbt build")
        quietly = ["--quiet", "--no-write-json", "--log-level-file", "none"]
        if problems := self.world.dbt("build", "--resource-type", "model", "--resource-type", "seed", *quietly):
            raise Difference(f"dbt: {problems}")
        return True

    def _check(self, built: bool) -> None:
        self.orchestrator.bucket.look()
        modes = {"carts": self.plan.mode, "products": "snapshot", "users": "snapshot"}
        with self.world.connect() as connection:
            warehouse = Warehouse(connection, self.orchestrator.bucket, self.orchestrator.runs, modes, MAX_REJECT_RATE)
            rows = warehouse.check_bronze()
            if built:
                warehouse.check_models(rows)
            if batch_id("carts", self._after) in self.orchestrator.bucket.published():
                # (It can be refused for good: for too many malformed records.)
                warehouse.check_nothing_missed(self.shop, rows["carts"])
            warehouse.check_leftovers()
