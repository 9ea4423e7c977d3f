"""The rights that the stacks give a job are enough: what each step asks of S3 is held against infra/access.py.

That they are no more than the layout says, tests/unit/infra/test_roles.py shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from infra.access import ACCESS
from ingot.contract import load_contract
from ingot.steps.rebuild import rebuild

if TYPE_CHECKING:
    from conftest import World

ROOT = Path(__file__).resolve().parents[3]
KINDS = {
    "GetObject": "read",
    "HeadObject": "read",
    "PutObject": "write",
    "CreateMultipartUpload": "write",
    "UploadPart": "write",
    "CompleteMultipartUpload": "write",
    "ListObjectsV2": "list",
}
JANUARY, FEBRUARY = ("2020-01-01", "2020-02-01"), ("2020-02-01", "2020-03-01")


class Held:
    """Calls of steps, each held against the rights of its job; and which rights none has used."""

    def __init__(self) -> None:
        self.purposes: dict[str, str] = {}
        self.unused = {step: set(_rights(step)) for step in ACCESS}
        self._asked: set[tuple[str, str]] | None = None

    def __call__(self, step: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        self._asked = set()
        result = call(*arguments, **named)
        asked, self._asked = self._asked, None
        assert asked
        used = {(kind, key): [r for r in _rights(step) if r[0] == kind and key.startswith(r[1])] for kind, key in asked}
        assert [what for what, rights in used.items() if not rights] == [], f"{step} may not"
        self.unused[step] -= {right for rights in used.values() for right in rights}
        return result

    def note(self, params: dict[str, Any], model: Any, **_: object) -> None:
        """Takes what a client of S3 is about to ask for."""
        if self._asked is not None:
            key = params.get("Key") or params["Prefix"]
            self._asked.add((KINDS[model.name], f"{self.purposes[params['Bucket']]}/{key}"))


def _rights(step: str) -> list[tuple[str, str]]:
    """A kind and a prefix each."""
    access = ACCESS[step].of_source("fakestore")
    return [(kind, path) for kind in ("read", "list", "write") for path in getattr(access, kind)]


@pytest.fixture
def noted() -> Iterator[Held]:
    """Hears of what clients that are made from now on ask of S3."""
    held = Held()
    boto3.setup_default_session()
    assert boto3.DEFAULT_SESSION is not None
    boto3.DEFAULT_SESSION.events.register("provide-client-params.s3", held.note)
    yield held
    boto3.setup_default_session()


@pytest.fixture
def held(noted: Held, world: World) -> Held:
    noted.purposes = {world.bronze.bucket: "bronze", world.lake.bucket: "lake"}
    return noted


def test_each_step_asks_for_what_its_role_allows_and_needs_all_of_it(held: Held, world: World) -> None:
    for interval in (JANUARY, FEBRUARY):
        world.recorded.behave()
        if interval is FEBRUARY:
            world.recorded.misbehave("/products", set_field={"id": 3, "field": "price", "value": -1})
            world.recorded.misbehave("/products", set_field={"id": 4, "field": "title", "value": 4})
            world.recorded.misbehave("/products", set_field={"id": 5, "field": "title", "value": "News"})
            world.recorded.misbehave("/users", status=200, body="[]")
            world.change("users", max_delete_rate=1.0)
        for stream in ("products", "users"):
            batch = world.batch(stream, *interval)
            manifest = held("extract", world.extract, batch)
            held("refine", world.refine, batch)
            held("load", world.load, batch)
            if stream == "products" and interval is FEBRUARY:
                assert manifest.rejects is not None
                text = (ROOT / "sources/fakestore/products.odcs.yaml").read_text(encoding="utf-8")
                contract = load_contract(text.replace("minimum: 0\n", "minimum: -1\n"), origin="a test")
                resolved = held("replay", world.resolve, manifest.rejects.key, contract=contract)
                assert (resolved.accepted, resolved.remaining_records) == (1, 1)
    held("audit", world.audit)
    boto3.resource("s3").Bucket(world.lake.bucket).objects.filter(Prefix="bronze/fakestore/users/").delete()
    held("rebuild", rebuild, world.source, bronze=world.bronze, lake=world.lake, warehouse=world.warehouse)

    assert {step: rights for step, rights in held.unused.items() if rights} == {}
