"""Steps as they go: name, what goes on, seconds, ✓ or ✗. Live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn

QUIET_SECONDS = 5.0
"""Where lines are plain, a long step says what goes on this often."""


class Steps:
    """Shows steps, also several at once from several threads."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TextColumn("[dim]{task.fields[detail]}[/]"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )

    def __enter__(self) -> Steps:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """A step that is ✓ when the block ends and ✗ when it raises."""
        step = Step(name=name, steps=self)
        task = self._progress.add_task(name, total=None, detail="")
        step.on_detail = lambda text: self._progress.update(task, detail=escape(text[:100]))
        try:
            yield step
        except BaseException:
            self._line("[red]✗[/]", step)
            raise
        else:
            self._line("[green]✓[/]", step)
        finally:
            self._progress.remove_task(task)

    def _line(self, mark: str, step: Step) -> None:
        result = f" [dim]{escape(step.result)}[/]" if step.result else ""
        self.console.print(f"{mark} {step.name:<34} [dim]{step.seconds:5.1f} s[/]{result}", soft_wrap=True)


@dataclass
class Step:
    """One step that is going on."""

    name: str
    steps: Steps
    result: str = ""
    """What to say beside it when it is over."""
    on_detail: object = None
    _began: float = field(default_factory=time.monotonic)
    _said: float = field(default_factory=time.monotonic)
    _last: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def detail(self, text: str) -> None:
        """Say what goes on; on plain output at most every few seconds."""
        if callable(self.on_detail):
            self.on_detail(text)
        if self.steps.console.is_terminal:
            return
        with self._lock:
            if time.monotonic() - self._said < QUIET_SECONDS or text == self._last:
                return
            self._said, self._last = time.monotonic(), text
        line = f"  {self.name}, {self.seconds:.0f} s: {escape(text[:100])}"
        self.steps.console.print(line, style="dim", soft_wrap=True)
