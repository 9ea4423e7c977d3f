"""The generated references: whole, fresh, and true to the commands and settings that they describe."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from typer.main import get_command

from docs.generator.__main__ import pages, stale
from docs.generator.cli import Command, commands
from docs.generator.environment import VARIABLES, is_documented, used
from docs.generator.settings import CUSTOM_PROPERTIES
from docs.generator.structs import Undocumented, fields, sections
from ingot.cli.app import app

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = commands()
every_command = pytest.mark.parametrize("command", COMMANDS, ids=[c.name.replace(" ", "-") for c in COMMANDS])

WITHOUT_JSON = {
    "contract show": "each form has a format of its own",
    "contract accept": "it asks a person; `contract diff --json` says what it would write",
}


@every_command
def test_a_command_says_what_it_does_and_shows_calls_that_parse(command: Command) -> None:
    assert command.summary.endswith("."), "its help has no first sentence"
    assert command.examples, "its help has no line `Example: ingot …`"
    for example in command.examples:
        words = shlex.split(example)
        path = command.name.split()
        assert words[: 1 + len(path)] == ["ingot", *path]
        click = get_command(app)
        for word in path:
            click = click.commands[word]  # type: ignore[attr-defined]
        click.make_context(command.name, words[1 + len(path) :])  # raises for an option or argument that is none


@every_command
def test_a_command_prints_json_for_scripts(command: Command) -> None:
    has = any("--json" in option.opts for option in command.options)
    assert has or command.name in WITHOUT_JSON
    assert not has or command.name not in WITHOUT_JSON, "it is an exception no more"


@every_command
def test_every_argument_and_option_is_explained(command: Command) -> None:
    for param in (*command.arguments, *command.options):
        assert (param.help or "").endswith((".", "…")), param.name


@every_command
def test_a_command_is_run_by_a_test(command: Command) -> None:
    path = tuple(command.name.split())
    assert any(path == words[i : i + len(path)] for words in _calls() for i in range(len(words))), (
        f"no test calls `ingot {command.name}`"
    )


def _calls(seen: list[tuple[str, ...]] = []) -> list[tuple[str, ...]]:  # noqa: B006 - read once
    """The words of every call and list in the tests."""
    if not seen:
        for file in (ROOT / "tests").rglob("*.py"):
            if file != Path(__file__):
                seen.extend(_words(ast.parse(file.read_text(encoding="utf-8"))))
    return seen


def _words(tree: ast.AST) -> Iterator[tuple[str, ...]]:
    for node in ast.walk(tree):
        inside = (
            node.args if isinstance(node, ast.Call) else node.elts if isinstance(node, ast.List | ast.Tuple) else []
        )
        words = tuple(n.value for n in inside if isinstance(n, ast.Constant) and isinstance(n.value, str))
        if words:
            yield words


def test_every_reference_is_what_the_code_says() -> None:
    assert [str(file.relative_to(ROOT)) for file in stale(ROOT)] == [], "run `make docs`"


def test_a_reference_that_is_missing_or_old_is_stale(tmp_path: Path) -> None:
    assert set(stale(tmp_path)) == set(pages(tmp_path))
    for file, text in pages(tmp_path).items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert stale(tmp_path) == {}
    cli = tmp_path / "docs" / "reference" / "cli.md"
    cli.write_text(cli.read_text(encoding="utf-8") + "By hand.\n", encoding="utf-8")
    assert list(stale(tmp_path)) == [cli]


def test_the_check_is_a_command_of_the_checkout() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "docs.generator", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("page", sorted(p for p in pages(ROOT) if p.suffix == ".md"), ids=lambda page: page.stem)
def test_every_link_within_a_page_leads_to_a_heading(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    anchors = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
    assert sorted(set(anchors)) == sorted(anchors), "two headings have one anchor"
    assert set(re.findall(r"\]\(#([^)]*)\)", text)) <= set(anchors)


def test_every_variable_that_the_code_reads_is_documented_and_no_other() -> None:
    read = used(ROOT)
    assert sorted(name for name in read if not is_documented(name)) == []
    assert [name for name in VARIABLES if name.partition("{")[0] not in read] == []


def test_a_variable_is_found_however_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "ingot").mkdir()
    (tmp_path / "Makefile").write_text("X := $(INGOT_A)")
    (tmp_path / "ingot" / "a.py").write_text(
        'os.environ["ONE"], os.environ.get(f"INGOT_TWO_{x}"), environ.get("HTTP_X"), "env_var(\'THREE\')", "INGOT_*"'
    )
    assert used(tmp_path) == {"INGOT_A", "ONE", "INGOT_TWO_", "THREE"}


def test_every_custom_property_that_is_read_is_documented() -> None:
    read = set()
    for file in (ROOT / "ingot").rglob("*.py"):
        read |= set(re.findall(r"custom(?:\.get\(|\.property == )\"(\w+)\"", file.read_text(encoding="utf-8")))
    assert read == set(CUSTOM_PROPERTIES)


class _Inner(msgspec.Struct):
    """Further in.

    Attributes:
        depth: how far.
    """

    depth: int


class _Outer(msgspec.Struct, rename="camel"):
    """Outside.

    Attributes:
        in_here: what is
            inside.
    """

    in_here: dict[str, _Inner] = {}
    forgotten: bool = False


def test_a_field_that_nobody_explains_is_an_error() -> None:
    outer, inner = sections(_Outer, "file")
    assert (inner.title, inner.anchor) == ("inHere.{name}", "inherename")
    assert "| `depth` | whole number | required | how far. |" in fields(inner, [outer, inner], {})
    with pytest.raises(Undocumented, match=r"_Outer\.forgotten"):
        fields(outer, [outer, inner], {})
