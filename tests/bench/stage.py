"""What a stage of the benchmark is: its cases, its contenders and its goals, as data. How to add one: README.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
OURS = "ingot"

Figure = Literal["rate", "wall", "cpu", "peak", "work"]
"""``rate``: records a second of the work. ``work``: its seconds, by the contender's own clock if it says them, else
those of the whole process (``wall``). ``cpu``: seconds. ``peak``: MB (a million bytes)."""


@dataclass(frozen=True)
class Case:
    """One thing that all contenders do.

    Attributes:
        name: short, for results and goals: ``clean``, ``5M gzip``.
        title: for people.
        records: how many go in; what ``rate`` counts.
        expect: what a contender's answer must hold, so that its time counts.
        options: whatever ``opened`` and the contenders need to know; it becomes part of the environment as
            ``BENCH_{NAME}``.
    """

    name: str
    title: str
    records: int
    expect: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Contender:
    """Who does it.

    Attributes:
        name: for results and goals; ours is ``ingot``.
        title: for people, with what it is.
        script: below ``contenders/``, run by the environment's Python.
        arguments: the script's.
        environment: the folder with ``bin/python``.
        cases: which ones it takes part in; none for all.
        slow: how many times fewer runs it gets (three at least), where one takes minutes.
        before: what sets back what the run before left; it is given the case's environment, and is not measured.
        after: what looks at what a run left, given the environment and the run's answer, and raises ``WrongAnswer`` if
            that is not what is due; not measured.
    """

    name: str
    title: str
    script: str
    arguments: tuple[str, ...] = ()
    environment: str = ".venv"
    cases: tuple[str, ...] = ()
    slow: int = 1
    before: Callable[[Mapping[str, str]], object] | None = None
    after: Callable[[Mapping[str, str], Mapping[str, Any]], object] | None = None

    @property
    def line(self) -> list[str]:
        """The command."""
        python = ROOT / self.environment / "bin" / "python"
        return [str(python), str(HERE / "contenders" / self.script), *self.arguments]


@dataclass(frozen=True)
class Goal:
    """What a figure must be.

    Attributes:
        text: for people: "2.4 times jsonschema-rs".
        case: whose results; with ``size``, of which run.
        figure: see :data:`Figure`.
        at_least: the least that it may be; or ``at_most``. With ``against`` a factor.
        against: the contender by whose figure ours is divided; with ``saved`` theirs is divided by ours: of seconds and
            memory, "so many times quicker".
        against_case: where the other figure is of another case.
        size: the size of run it holds for.
    """

    text: str
    case: str
    figure: Figure = "rate"
    at_least: float | None = None
    at_most: float | None = None
    of: str = OURS
    against: str = ""
    against_case: str = ""
    saved: bool = False
    size: int = 1_000_000


@dataclass(frozen=True)
class Stage:
    """One part of the way from the API to what is merged.

    Attributes:
        name: as in ``STAGES``.
        title: for people.
        about: what is measured and how, and what the limit is; Markdown.
        cases: what is run at a size, in orders.
        opened: makes inputs and services stand for a case; given the folder for inputs, yields variables.
        cores: how many cores a contender may use; None for all.
        tiny: whether CI runs it.
    """

    name: str
    title: str
    about: str
    cases: Callable[[int], list[Case]]
    opened: Callable[[Case, Path], AbstractContextManager[Mapping[str, str]]]
    contenders: tuple[Contender, ...]
    goals: tuple[Goal, ...] = ()
    cores: int | None = None
    tiny: bool = True
