"""What can go wrong, where, and the draw of what goes wrong for one run of a job.

A fault strikes the n-th request of a run that it can happen to, and the `times - 1` after it: single ones are what a
client's own retries are for, bursts are what they are not enough for. The channels are the places that a job
talks to; requests are counted, not seconds, so that the same seed gives the same trouble.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Literal

Channel = Literal["source", "aws", "postgres", "copy", "commit"]

KILLS = ("killed-before", "killed-after")
"""SIGKILL to the job when it makes the request: before that is passed on, or after it was done and before the job
hears of it."""

DONE = ("killed-after", "done-but-answer-lost", "done-but-500")
"""What AWS was asked to do is done, and the job does not hear of it."""

KINDS: dict[Channel, dict[str, int]] = {
    # The API: answers, and answers that are none. The value is how many requests in a row a burst takes.
    "source": {
        "500": 3, "502": 3, "503": 3, "429": 3, "404": 1, "time-out": 2, "cut-off-body": 3, "cut-off-json": 3,
        "a-page-of-html": 3, "reset": 3, "malformed-record": 1, "duplicated-record": 1, **dict.fromkeys(KILLS, 1),
    },
    # S3 and Secrets Manager.
    "aws": {
        "500": 6, "503-slow-down": 6, "reset": 6, "reset-mid-upload": 6, "done-but-answer-lost": 1, "done-but-500": 1,
        "409-conflict": 1, "cut-off-body": 1, **dict.fromkeys(KILLS, 1),
    },
    # Messages to Postgres: all, those that carry rows of a COPY, and those that say COMMIT.
    "postgres": {"cut-before": 1, "cut-after": 1, "terminated": 1, "restarted": 1, **dict.fromkeys(KILLS, 1)},
    "copy": {
        "cut-before": 1, "cut-after": 1, "cut-midway": 1, "terminated": 1, "restarted": 1, **dict.fromkeys(KILLS, 1),
    },
    "commit": {"cut-before": 1, "cut-after": 1, **dict.fromkeys(KILLS, 1)},
}  # fmt: skip

_TALKS: dict[str, dict[Channel, int]] = {
    # About how many requests a step makes on a channel: where the draw puts its faults.
    "extract": {"source": 1, "aws": 9},
    "refine": {"aws": 8},
    "replay": {"aws": 11},
    "load": {"aws": 7, "postgres": 50, "copy": 1, "commit": 3},
    "audit": {"aws": 8, "postgres": 40, "commit": 3},
}
EVERYTHING: tuple[tuple[Channel, str], ...] = tuple(
    (channel, kind) for channel, kinds in KINDS.items() for kind in kinds
)
"""Every kind of fault, with its channel."""

CERTAINLY = 5
"""Extracts and loads make so many requests of any kind, whatever they are of; but see `_FEW`."""

_FEW = {"409-conflict": 1, "reset-mid-upload": 3, "cut-off-body": 2}  # of the requests that they can happen to
_RARE = {"restarted": 0.15, "404": 0.3, "time-out": 0.4}  # slow, or hard to go on from


@dataclass(frozen=True)
class Fault:
    """One kind of trouble on the requests from the `at`-th on (counted from 1) of those that it can happen to."""

    channel: Channel
    kind: str
    at: int
    times: int = 1

    @property
    def name(self) -> str:
        """As the tally counts it."""
        burst = "-burst" if self.times > 1 else ""
        return f"{self.channel}: {self.kind}{burst}"

    def __str__(self) -> str:
        last = f" to {self.at + self.times - 1}" if self.times > 1 else ""
        return f"{self.kind} at {self.channel} request {self.at}{last}"


def draw(random: Random, step: str) -> tuple[Fault, ...]:
    """What troubles one run of a step: most often nothing, at times two things."""
    count = random.choices((0, 1, 2), weights=(50, 42, 8))[0]
    return tuple(dict.fromkeys(_draw_one(random, step) for _ in range(count)))


def certain(seed: int, step: str) -> tuple[Fault, ...]:
    """What troubles the history of a seed for certain: as many histories as there are kinds have them all."""
    channel, kind = EVERYTHING[seed % len(EVERYTHING)]
    if step != ("extract" if channel in ("source", "aws") else "load"):
        return ()
    fault = _place(Random(f"{seed} certain"), channel, kind, step)
    most = min(CERTAINLY, _FEW.get(kind, CERTAINLY), _TALKS[step][channel])
    return (replace(fault, at=1 + fault.at % most),)


def _draw_one(random: Random, step: str) -> Fault:
    channel = random.choice(sorted(_TALKS[step]))
    kinds = sorted(KINDS[channel])
    kind = random.choices(kinds, weights=[_RARE.get(k, 2.0 if k in KILLS else 1.0) for k in kinds])[0]
    return _place(random, channel, kind, step)


def _place(random: Random, channel: Channel, kind: str, step: str) -> Fault:
    burst = KINDS[channel][kind]
    at = random.randint(1, min(_TALKS[step][channel], _FEW.get(kind, 1000)))
    return Fault(channel, kind, at, burst if random.random() < 0.5 else 1)
