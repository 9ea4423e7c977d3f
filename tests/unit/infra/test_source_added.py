"""What ``docs/how-to/add-a-source.md`` says that a deployment adds for a source, held to the templates."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conftest import Assembly

PAGE = Path(__file__).resolve().parents[3] / "docs/how-to/add-a-source.md"
SOURCE = """\
name: github
title: GitHub
schedule: "@daily"
start_date: 2020-01-01
base_url: https://api.github.com
auth: {type: bearer}
streams:
  issues: {path: /repos/acme/shop/issues, mode: snapshot}
"""
CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: urn:ingot:github:issues
name: Issues
version: 1.0.0
status: active
schema:
  - name: issues
    logicalType: object
    physicalType: table
    description: One record per issue.
    properties:
      - name: id
        logicalType: integer
        physicalType: bigint
        description: Id.
        required: true
        primaryKey: true
        primaryKeyPosition: 1
        classification: internal
"""


def test_a_source_adds_what_its_page_says(
    local: Assembly, synthesise: Callable[..., Assembly], make_checkout: Callable[[], Path]
) -> None:
    root = make_checkout()
    (root / "sources/github").mkdir()
    (root / "sources/github/source.yaml").write_text(SOURCE)
    (root / "sources/github/issues.odcs.yaml").write_text(CONTRACT)
    added: dict[str, list[dict[str, Any]]] = {}
    for resource in synthesise("local", root).resources_besides(local).values():
        added.setdefault(resource["Type"], []).append(resource.get("Properties", {}))

    said = _said()
    assert set(said) == set(added)
    for kind, names in said.items():
        assert names <= {name for properties in added[kind] for name in _names(properties)}, kind
    assert len(added["AWS::Glue::Job"]) == len(said["AWS::Glue::Job"])
    assert len(added["AWS::IAM::Role"]) == len(added["AWS::Glue::Job"]) + 1  # and the state machine's


def _said() -> dict[str, set[str]]:
    """By type, the names that the page's table gives."""
    found = {}
    for row in re.findall(r"^\| [^|]+ \| (`AWS::[^|]+) \| ([^|]*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE):
        kinds, names = (re.findall(r"`([^`]+)`", cell) for cell in row)
        for kind in kinds[:1]:
            found[kind] = {name.replace("{environment}", "local") for name in names}
        found |= {kind: set() for kind in kinds[1:]}
    return found


def _names(properties: dict[str, Any]) -> list[str]:
    named = [properties, properties.get("TableInput", {})]
    return [str(value) for each in named for key, value in each.items() if key.endswith("Name") or key == "Name"]
