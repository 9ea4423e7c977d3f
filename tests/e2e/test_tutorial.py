"""``docs/tutorial.md`` as a newcomer follows it, on the demo that stands; it comes last, for it leaves other contracts.

Only this is not as the page has it. The checkout is a copy, with the environments of this one, and its ``.ingot`` is
the demo's state. ``make demo`` is not run again: what it printed is held to the page. The console's port is a free one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.docs.page import Command, Edit, Shell, Written, steps
from tests.ports import free_port

if TYPE_CHECKING:
    from conftest import Demo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/tutorial.md"
PORT = "8321"
MADE = (".venv", ".venv-dbt", ".venv-node", ".wheels")
"""What `make setup` and `make modules` made."""


@pytest.fixture
def checkout(demo: Demo, tmp_path: Path) -> Path:
    """A copy of what is in git, or would be."""
    folder = tmp_path / "ingot"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in sorted(filter(None, listed.stdout.decode().split("\0"))):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    for name in MADE:
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "dbt/target", folder / "dbt/target")
    (folder / ".ingot").symlink_to(demo.home)
    return folder


@pytest.fixture
def shell(checkout: Path, tmp_path: Path) -> Iterator[Shell]:
    ours = ("AWS_", "INGOT_", "PYTHONPATH", "VIRTUAL_ENV", "DBT_")
    opened = Shell(checkout, tmp_path, {n: value for n, value in os.environ.items() if not n.startswith(ours)})
    yield opened
    opened.close()


def test_a_newcomer_can_follow_it(demo: Demo, checkout: Path, shell: Shell) -> None:
    page = PAGE.read_text(encoding="utf-8").replace(PORT, str(free_port()))
    for step in steps(page):
        where = f"{PAGE.name}, line {step.line}"
        match step:
            case Written() | Edit():
                step.do_in(checkout)
            case Command(text="make demo"):
                assert step.fits(demo.printed), f"{where}: it printed otherwise:\n{demo.printed}"
            case Command(text=text, answers=answers):
                # The environments are there; what stands for them in a copy may look younger than they are.
                code, printed = shell.run(re.sub(r"^make ", f"make {_made(checkout)} ", text), answers, seconds=300)
                assert code == 0, f"{where}: {text} ends with {code}:\n{printed}"
                assert step.fits(printed), f"{where}: {text} prints otherwise:\n{printed}"


def _made(checkout: Path) -> str:
    makefile = (checkout / "Makefile").read_text(encoding="utf-8")
    (cli,) = re.findall(r"^CDK_CLI := (\S+)$", makefile, re.MULTILINE)
    files = re.findall(r"^(\.venv\S*/\.made\S*):", makefile.replace("$(CDK_CLI)", cli), re.MULTILINE)
    return " ".join(f"--assume-old={file}" for file in files)
