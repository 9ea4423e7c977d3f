"""The contracts as they were: in a folder, or at a commit of the repository."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from ingot.contract.model import Contract, load_contract
from ingot.errors import ConfigurationError

BASE = "base"
"""Stands for the commit at which this branch left ``origin/main``, or on it the commit before."""

_SUFFIX = ".odcs.yaml"
_ENDING = ("deprecated", "retired")


@dataclass(frozen=True)
class Contracts:
    """All contracts below a folder of sources.

    Attributes:
        contracts: by ``source.stream``.
        retired: those that say that they end.
        unreadable: those that could not be enforced then, and why: nobody can have relied on them.
    """

    contracts: dict[str, Contract] = field(default_factory=dict)
    retired: set[str] = field(default_factory=set)
    unreadable: dict[str, str] = field(default_factory=dict)


def contracts_at(against: str, sources: Path) -> Contracts:
    """Those of another folder, or of a commit.

    Args:
        against: a folder of sources, or whatever git calls a commit.
        sources: the folder whose older state is wanted.

    Raises:
        ConfigurationError: it is neither.
    """
    folder = Path(against)
    if folder.is_dir():
        return _read({file.relative_to(folder).as_posix(): file.read_text("utf-8") for file in _files(folder)}, against)
    prefix = _git(sources, "rev-parse", "--show-prefix")
    if _git(sources, "rev-parse", "--verify", "--quiet", f"{against}^{{commit}}") is None:
        raise ConfigurationError(
            f"{against!r} is neither a folder nor a commit.", hint="see `git log`, or give a folder"
        )
    listed = _git(sources, "ls-tree", "-r", "--name-only", "--full-tree", against, "--", f"{prefix}") or ""
    files = [line for line in listed.splitlines() if line.endswith(_SUFFIX)]
    texts = {file.removeprefix(prefix or ""): _git(sources, "show", f"{against}:{file}") or "" for file in files}
    return _read(texts, against)


def base_commit(sources: Path) -> str | None:
    """The commit that :data:`BASE` stands for; None if this clone does not hold it, or there is no repository."""
    head = _git(sources, "rev-parse", "--verify", "--quiet", "HEAD")
    base = _git(sources, "merge-base", "HEAD", "origin/main")
    return base if base not in (None, head) else _git(sources, "rev-parse", "--verify", "--quiet", "HEAD~1")


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*/*{_SUFFIX}"))


def _read(texts: dict[str, str], origin: str) -> Contracts:
    found = Contracts()
    for file, text in texts.items():
        source, _, stream = file.removesuffix(_SUFFIX).rpartition("/")
        name = f"{source}.{stream}"
        try:
            found.contracts[name] = load_contract(text, origin=f"{origin}:{file}")
        except ConfigurationError as error:
            found.unreadable[name] = error.message
            continue
        if yaml.safe_load(text).get("status") in _ENDING:
            found.retired.add(name)
    return found


def _git(folder: Path, *arguments: str) -> str | None:
    """What git answers, or None if it refuses or is not there."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.decode().strip("\n") if done.returncode == 0 else None
