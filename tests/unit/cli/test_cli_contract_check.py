"""`ingot contract check --against`: what CI calls, on copies of this repository's sources."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import Result

ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Checkout:
    """A repository with one of our sources in it, below a folder of its own."""

    folder: Path

    @property
    def sources(self) -> Path:
        return self.folder / "platform" / "sources"

    def git(self, *arguments: str) -> str:
        names = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
        done = subprocess.run(["git", "-C", str(self.folder), *names, *arguments], capture_output=True, check=True)
        return done.stdout.decode().strip()

    def commit(self) -> str:
        self.git("add", ".")
        self.git("commit", "--quiet", "--allow-empty", "--message", "change")
        return self.git("rev-parse", "HEAD")

    def edit(self, stream: str, old: str, new: str) -> None:
        file = self.sources / "fakestore" / f"{stream}.odcs.yaml"
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    def check(self, *arguments: str) -> Result:
        from typer.testing import CliRunner

        from ingot.cli.app import app

        return CliRunner().invoke(app, ["contract", "check", "--sources", str(self.sources), *arguments])


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path / "repository")
    shutil.copytree(ROOT / "sources" / "fakestore", made.sources / "fakestore")
    made.git("init", "--quiet", "--initial-branch", "main")
    made.commit()
    made.commit()
    return made


def break_it(checkout: Checkout) -> None:
    checkout.edit("products", "physicalType: decimal(10,2)", "physicalType: decimal(8,2)")


def test_contracts_as_they_were_pass(checkout: Checkout) -> None:
    result = checkout.check("--against", "base")
    assert result.exit_code == 0
    assert "3 contracts are as they were" in result.stdout


def test_a_breaking_change_is_refused_until_its_major_version(checkout: Checkout) -> None:
    break_it(checkout)
    for before, version in (("1.0.0", "1.0.0"), ("1.0.0", "1.1.0")):
        checkout.edit("products", f"version: {before}", f"version: {version}")
        result = checkout.check("--against", "base")
        assert result.exit_code == 1
        assert f"a breaking change needs version 2.0.0, not {version}" in result.stderr
        assert "decimal(10,2) → decimal(8,2)" in result.stdout
    checkout.edit("products", "version: 1.1.0", "version: 2.0.0")
    assert checkout.check("--against", "base").exit_code == 0


def test_a_compatible_change_needs_a_new_version_too(checkout: Checkout) -> None:
    checkout.edit("products", "value: 0.1", "value: 0.2")
    assert checkout.check("--against", "HEAD").exit_code == 1
    checkout.edit("products", "version: 1.0.0", "version: 1.0.1")
    assert checkout.check("--against", "HEAD").exit_code == 0


def test_the_answer_is_data_for_scripts(checkout: Checkout) -> None:
    break_it(checkout)
    result = checkout.check("--against", "HEAD", "--json")
    assert result.exit_code == 1
    (verdict,) = json.loads(result.stdout)
    assert (verdict["contract"], verdict["old"], verdict["new"]) == ("fakestore.products", "1.0.0", "1.0.0")
    assert [(c["path"], c["kind"]) for c in verdict["changes"]] == [("$.price", "breaking")]
    assert [c["contract"] for c in json.loads(checkout.check("--json").stdout)] == [
        "fakestore.products", "fakestore.users", "fakestore.carts",
    ]  # fmt: skip


def test_a_branch_is_compared_with_where_it_left_and_main_with_the_commit_before(checkout: Checkout) -> None:
    checkout.git("update-ref", "refs/remotes/origin/main", checkout.commit())
    break_it(checkout)
    checkout.commit()
    checkout.commit()  # one later, in which nothing changed: the branch as a whole breaks
    assert checkout.check("--against", "base").exit_code == 1
    assert checkout.check("--against", "HEAD~1").exit_code == 0
    checkout.git("update-ref", "refs/remotes/origin/main", "HEAD")
    assert checkout.check("--against", "base").exit_code == 0


def test_a_folder_can_stand_for_the_older_state(checkout: Checkout) -> None:
    shutil.copytree(checkout.sources, checkout.folder / "before")
    break_it(checkout)
    assert checkout.check("--against", str(checkout.folder / "before")).exit_code == 1
    assert checkout.check("--against", str(checkout.sources)).exit_code == 0


def test_a_clone_without_the_base_says_so_and_passes_while_a_wrong_commit_fails(
    checkout: Checkout, tmp_path: Path
) -> None:
    shallow = Checkout(tmp_path / "shallow")
    subprocess.run(
        ["git", "clone", "--quiet", "--depth", "1", checkout.folder.as_uri(), str(shallow.folder)], check=True
    )
    exported = Checkout(tmp_path / "exported")
    shutil.copytree(checkout.sources, exported.sources)
    for clone in (shallow, exported):
        result = clone.check("--against", "base")
        assert result.exit_code == 0
        assert "compared with nothing" in result.stderr
    assert shallow.check("--against", "nonsense").exit_code == 1


def test_a_stream_goes_only_after_its_contract_said_so(checkout: Checkout) -> None:
    def remove() -> None:
        (checkout.sources / "fakestore" / "users.odcs.yaml").unlink()
        file = checkout.sources / "fakestore" / "source.yaml"
        file.write_text(file.read_text().replace("  users:\n    path: /users\n    mode: snapshot\n", ""))

    active = checkout.git("rev-parse", "HEAD")
    checkout.edit("users", "status: active", "status: retired")
    retired = checkout.commit()
    remove()
    assert checkout.check("--against", retired).exit_code == 0
    result = checkout.check("--against", active)
    assert result.exit_code == 1
    assert "status: retired" in result.stderr


def test_an_older_contract_that_nobody_could_enforce_is_named_and_not_compared(checkout: Checkout) -> None:
    whole = (checkout.sources / "fakestore" / "products.odcs.yaml").read_text()
    checkout.edit("products", "varchar(256)", "text")
    checkout.edit("products", "          maxLength: 256\n", "")
    broken = checkout.commit()
    (checkout.sources / "fakestore" / "products.odcs.yaml").write_text(whole)
    result = checkout.check("--against", broken)
    assert result.exit_code == 0
    assert "Not compared" in result.stderr
    assert "products.odcs.yaml" in result.stderr
