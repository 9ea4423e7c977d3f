"""A page's fenced blocks as what a reader does with them, in the page's order.

- ``console``: lines after ``$`` are commands, and what stands below them is what they print. A command goes on after a
  backslash. In what is shown, ``…`` stands for any text, a line of its own for any lines, and spaces and empty lines do
  not count. A line that asks (``…: ANSWER``) has the reader's answer behind its colon.
- ``diff FILE``: an edit: the lines without ``+`` are in the file, once, and become those without ``-``.
- any other language with a FILE behind it: the reader writes that file.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from subprocess import PIPE, Popen
from time import monotonic, sleep
from typing import Final

ANYTHING: Final = "…"
_FENCE = re.compile(r"^```(?P<language>[a-z]*) ?(?P<file>\S*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_PROMPT = re.compile(r"^(?P<asked>Answer \(.*\) \[.*\]: |Write these files\? \[Y/n\]: )(?P<answer>.*)$")


@dataclass(frozen=True)
class Command:
    """What a reader types, and what the page says that he sees."""

    line: int
    text: str
    shown: tuple[str, ...]

    @property
    def answers(self) -> list[str]:
        """What he answers when he is asked."""
        return [found["answer"] for line in self.shown if (found := _PROMPT.match(line))]

    def fits(self, printed: str) -> bool:
        """Whether that was printed, if the page says what is."""
        return not self.shown or re.fullmatch(self._pattern(), "".join(map(_words, printed.splitlines()))) is not None

    def _pattern(self) -> str:
        parts = []
        for line in self.shown:
            if line.strip() == ANYTHING:
                parts.append(r"(?:[^\n]*\n)*?")
                continue
            asked = _PROMPT.match(line)
            words = _words(asked["asked"] if asked else line).removesuffix("\n")
            # No terminal shows the answer here, nor ends the line.
            parts.append(re.escape(words).replace(re.escape(ANYTHING), r"[^\n]*") + (r"\s*" if asked else r"\n"))
        return "".join(parts)


@dataclass(frozen=True)
class Written:
    """A file that the reader writes."""

    line: int
    file: str
    text: str

    def do_in(self, folder: Path) -> None:
        """Write it."""
        (folder / self.file).parent.mkdir(parents=True, exist_ok=True)
        (folder / self.file).write_text(self.text, encoding="utf-8")


@dataclass(frozen=True)
class Edit:
    """A change of a file."""

    line: int
    file: str
    old: str
    new: str

    def do_in(self, folder: Path) -> None:
        """Change it, if it is there as the page has it."""
        before = (folder / self.file).read_text(encoding="utf-8")
        assert before.count(self.old) == 1, f"line {self.line}: {self.file} is not as the page has it:\n{before}"
        (folder / self.file).write_text(before.replace(self.old, self.new), encoding="utf-8")


def steps(page: str) -> Iterator[Command | Written | Edit]:
    """What a reader of the page does, in its order."""
    for block in _FENCE.finditer(page):
        line = page.count("\n", 0, block.start("text")) + 1
        text, file = block["text"], block["file"]
        if block["language"] == "console":
            yield from _commands(text, line)
        elif block["language"] == "diff":
            yield Edit(line, file, _side(text, "-"), _side(text, "+"))
        elif file:
            yield Written(line, file, text)


def _commands(text: str, first: int) -> Iterator[Command]:
    lines = list(zip(count(first), text.splitlines(), strict=False))
    while lines:
        line, typed = lines.pop(0)
        assert typed.startswith("$ "), f"line {line}: a block of commands begins with one"
        typed = typed.removeprefix("$ ")
        while typed.endswith("\\"):
            typed = f"{typed}\n{lines.pop(0)[1]}"
        shown = []
        while lines and not lines[0][1].startswith("$ "):
            shown.append(lines.pop(0)[1])
        yield Command(line, typed, tuple(each for each in shown if each.strip()))


def _side(text: str, mark: str) -> str:
    kept = [line[1:] for line in text.splitlines() if line[:1] in (" ", mark, "")]
    return "\n".join(kept) + "\n"


def _words(line: str) -> str:
    words = " ".join(line.split())
    return f"{words}\n" if words else ""


class Shell:
    """One bash for all commands of a page, in a folder; what it was told stays told."""

    def __init__(self, folder: Path, scratch: Path, environment: Mapping[str, str]) -> None:
        self._scratch, self._told = scratch, 0
        self._process = Popen(["bash", "--norc"], cwd=folder, env=dict(environment), stdin=PIPE, start_new_session=True)

    def run(self, command: str, answers: list[str], seconds: float = 120) -> tuple[int, str]:
        """The exit code, and what came to the terminal."""
        self._told += 1  # files of its own: what a command leaves running goes on writing to them
        at = self._scratch / f"command-{self._told}"
        at.mkdir()
        given, printed, code = (at / name for name in ("given", "printed", "code"))
        given.write_text("".join(f"{answer}\n" for answer in answers))
        text = shlex.quote(command)
        assert self._process.stdin is not None
        self._process.stdin.write(
            f"eval {text} <{at}/given >{at}/printed 2>&1; echo $? >{at}/code.new; mv {at}/code.new {at}/code\n".encode()
        )
        self._process.stdin.flush()
        deadline = monotonic() + seconds
        while not code.exists():
            assert self._process.poll() is None, f"the shell ended: {printed.read_text()}"
            assert monotonic() < deadline, f"{command} takes longer than {seconds} s: {printed.read_text()}"
            sleep(0.02)
        return int(code.read_text()), printed.read_text()

    def close(self) -> None:
        """End it; what it left running in the background too."""
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.communicate()
