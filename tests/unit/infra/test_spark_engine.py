"""A source with a stream that chose Spark has a refine job with more workers, and nothing else of it differs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Assembly

CHOSEN = "  carts:\n    refine: {engine: spark, workers: 10}\n"


@pytest.fixture(scope="module")
def sparked(synthesise: Callable[..., Assembly], make_checkout: Callable[[], Path]) -> Assembly:
    root = make_checkout()
    file = root / "sources/fakestore/source.yaml"
    written = file.read_text(encoding="utf-8")
    assert "  carts:\n" in written
    file.write_text(written.replace("  carts:\n", CHOSEN), encoding="utf-8")
    return synthesise("local", root)


def test_only_its_refine_job_has_more_workers(local: Any, sparked: Any) -> None:
    before, after = (_jobs(assembly) for assembly in (local, sparked))
    assert after.pop("ingot-local-fakestore-refine") == before.pop("ingot-local-fakestore-refine") | {
        "NumberOfWorkers": 10
    }
    assert after == before


def test_its_role_is_the_same(local: Any, sparked: Any) -> None:
    roles = [
        {name: r for name, r in assembly.templates["jobs"]["Resources"].items() if r["Type"] == "AWS::IAM::Role"}
        for assembly in (local, sparked)
    ]
    assert roles[0] == roles[1]
    assert not [finding for finding in sparked.findings if finding not in local.findings]


def _jobs(assembly: Any) -> dict[str, dict[str, Any]]:
    resources = assembly.templates["jobs"]["Resources"].values()
    return {r["Properties"]["Name"]: r["Properties"] for r in resources if r["Type"] == "AWS::Glue::Job"}
