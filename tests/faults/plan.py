"""What a history is: rounds of an orchestrator, and what happens in the shop before each. All of it from a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Literal

from tests.faults.shop import EPOCH, STREAMS, Shop

LOOKBACK = timedelta(days=3)
"""Of carts in cursor mode; what comes late comes less late than this."""


@dataclass(frozen=True)
class Round:
    """One run of the DAG.

    Attributes:
        start: of its interval, which is a day.
        as_of: the time that it stands for.
        streams: in this order.
        twin: the stream that a second run takes at the same time; empty for none.
        clock: by how much the jobs' clocks are wrong.
        dbt: silver and gold are built after it, so that the next build is an increment.
    """

    number: int
    start: datetime
    as_of: datetime
    streams: tuple[str, ...]
    twin: str
    clock: timedelta
    dbt: bool

    @property
    def end(self) -> datetime:
        return self.start + timedelta(days=1)

    def __str__(self) -> str:
        extras = [
            f"two runs of {self.twin} at once" if self.twin else "",
            f"clocks wrong by {self.clock}" if self.clock else "",
        ]
        return (
            f"round {self.number}: {self.start:%m-%d} as of {self.as_of:%m-%d %H:%M}, {', '.join(self.streams)}"
            + "".join(f"; {extra}" for extra in extras if extra)
        )


@dataclass(frozen=True)
class Plan:
    """A history as it is meant to go.

    Attributes:
        mode: of carts: `interval` or `cursor`.
    """

    seed: int
    mode: Literal["interval", "cursor"]
    rounds: tuple[Round, ...]

    @property
    def streams(self) -> set[str]:
        """Those that some round takes."""
        return {stream for round in self.rounds for stream in round.streams}

    @classmethod
    def of(cls, seed: int, *, brief: bool = False) -> Plan:
        """The plan of a seed; a brief one has one round, except for one seed in ten."""
        random = Random(f"plan {seed}")
        count = random.choice((1, 1, 1, 2, 2, 3))
        if brief:
            count = 2 if seed % 10 == 0 else 1
        days = [min(number, count - 1) for number in range(count)]
        if random.random() < 0.2:
            days[-1] = 0  # the first day once more, by hand
        back = random.randrange(1, count) if count > 1 and random.random() < 0.3 else None
        others = random.choices((("products",), STREAMS[1:], ("users",)), weights=(6, 2, 1))[0]
        rounds = tuple(_round(random, others, number, day, last=number == count - 1, back=number == back)
                       for number, day in enumerate(days))  # fmt: skip
        return cls(seed, random.choice(("interval", "cursor")), rounds)


def _round(random: Random, others: tuple[str, ...], number: int, day: int, *, last: bool, back: bool) -> Round:
    start = EPOCH + timedelta(days=day)
    as_of = EPOCH + timedelta(days=number + 1, hours=6)
    clock = timedelta(0)
    if back:
        # The clock of the orchestrator was set back, and with it the time that the run stands for.
        clock = -timedelta(days=random.choice((1, 2)), minutes=random.randint(0, 59))
        as_of += clock
    streams = ["carts", *(s for s in others if number == 0 or random.random() < 0.2)]
    random.shuffle(streams)
    return Round(
        number=number + 1,
        start=start,
        as_of=as_of.replace(second=0),
        streams=tuple(streams),
        twin=random.choice(streams) if random.random() < 0.2 else "",
        clock=clock,
        dbt=not last and random.random() < 0.15,
    )


def change(shop: Shop, random: Random, round: Round) -> list[str]:
    """What happens in the shop before a round, in words."""
    now = EPOCH + timedelta(days=round.number)

    def moment() -> datetime:
        # When it happened at the source, which may say so late.
        return now - timedelta(seconds=random.randint(0, int(LOOKBACK.total_seconds()) * 2 // 3))

    def order() -> str:
        # Some come late: for a day that was taken already.
        late = timedelta(days=random.choice((0, 0, 0, 1)))
        return shop.order(max(EPOCH, round.start - late), moment())

    done = [order() for _ in range(random.randint(3, 5))]
    happenings: list[Callable[[], str]] = [
        lambda: shop.change_order(moment()),
        lambda: shop.spoil(moment()),
        lambda: shop.mend(moment()),
        shop.repeat,
        shop.list_product,
        shop.reprice,
        shop.reprice,
        shop.delist,
        shop.relist,
        shop.sign_up,
        shop.move,
    ]
    done += [random.choice(happenings)() for _ in range(random.randint(2, 5))]
    return done
