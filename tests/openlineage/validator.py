"""Holds events to OpenLineage's public schema: the event, and each facet to the schema that it says it is of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / "tests" / "openlineage" / "spec"
OURS = ROOT / "docs" / "reference" / "lineage-facets.json"
_WHERE = "https://openlineage.io/spec/"


def problems(event: dict[str, Any]) -> list[str]:
    """What is wrong with an event; nothing, if it is one."""
    kind = event.get("schemaURL", "").rpartition("/")[2]
    if kind not in ("RunEvent", "JobEvent", "DatasetEvent"):
        return [f"schemaURL names no event: {event.get('schemaURL')}"]
    found = [_text(error) for error in _validator(f"{_current('OpenLineage')}#/$defs/{kind}").iter_errors(event)]
    for name, facet in facets(event):
        url = facet.get("_schemaURL", "")
        document, _, pointer = url.partition("#")
        schema = documents().get(document) or documents().get(_current(document.rpartition("/")[2]))
        if schema is not None and pointer:
            validator = _validator(f"{schema['$id']}#{pointer}")
            found += [f"{name}: {_text(error)}" for error in validator.iter_errors(facet)]
        elif not url:
            found.append(f"{name}: names no schema")
    return found


def facets(event: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """All facets of an event, by name."""
    for part in (event.get("run", {}), event.get("job", {}), *event.get("inputs", ()), *event.get("outputs", ())):
        for group in ("facets", "inputFacets", "outputFacets"):
            yield from part.get(group, {}).items()


@cache
def documents() -> dict[str, dict[str, Any]]:
    """The schemas that are known, by their id."""
    files = [SPEC / "OpenLineage.json", *sorted((SPEC / "facets").glob("*.json")), OURS]
    return {schema["$id"]: schema for schema in (json.loads(file.read_text(encoding="utf-8")) for file in files)}


def _current(name: str) -> str:
    """The id of the schema of this name in the version that is here; others' facets may say an older one."""
    name = name.removesuffix(".json")
    return next((id for id in documents() if id.startswith(_WHERE) and id.endswith(f"/{name}.json")), "")


@cache
def _validator(reference: str) -> Draft202012Validator:
    registry: Registry[Any] = Registry().with_resources(
        (id, Resource.from_contents(schema)) for id, schema in documents().items()
    )
    return Draft202012Validator({"$ref": reference}, registry=registry, format_checker=FormatChecker())


def _text(error: Any) -> str:
    return f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"
