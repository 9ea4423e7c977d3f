"""What ten thousand new orders cost dbt on top of none, of so many, and of ten times as many."""

from __future__ import annotations

from tests.bench.stage import OURS, Case, Goal, Stage
from tests.bench.stages import dbt

NEWS = 10_000


def cases(size: int) -> list[Case]:
    news = min(NEWS, size)
    found = []
    for name, stored in (("on none", 0), ("on some", size), ("on many", 10 * size)):
        options = {"what": "increment", "stored": str(stored), "shop": str(max(stored, size))}
        found.append(Case(name, f"{news:,} orders on top of {stored:,}", news, {"missing": 0}, options))
    return found


STAGE = Stage(
    name="scaling",
    title="Increments",
    about=(
        "`dbt build` with its tests, as in the stage before, after 10,000 more orders of later days, on top of none, "
        "of a million and of ten million. What follows what is new: silver, by index, and its keys, which the "
        "warehouse holds itself. What follows what is stored: gold's sums of products, users and categories, which "
        "are computed anew for each one that is touched, and the tests that compare a layer's totals with the one "
        "before."
    ),
    cases=cases,
    opened=dbt.opened,
    contenders=dbt.STAGE.contenders,
    goals=(
        Goal(
            "on ten million at most 1.15 times as on none",
            "on many",
            "work",
            at_most=1.15,
            against=OURS,
            against_case="on none",
        ),
    ),
    tiny=False,
)
