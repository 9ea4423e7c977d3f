"""From a line to its object, its record and its request: in batches of many parts and pages, and after two replays."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ingot import bronze
from ingot.bronze import read_lines
from ingot.errors import BatchMissing, IntegrityError
from ingot.explain import Origin
from ingot.explain.origin import Origins
from ingot.manifest import Manifest, encode
from ingot.request import PageNumber, RequestPolicy

from .conftest import AS_OF

if TYPE_CHECKING:
    from ingot.contract import Contract

    from .conftest import World


def origin(world: World, manifest: Manifest, line: int, record: bytes, *, deleted: bool = False) -> Origin:
    """Of a row that holds a record, as load would have written it."""
    digest = hashlib.sha256(record).hexdigest()
    origins = Origins(world.bronze, records=True)
    return origins.of("fakestore", manifest.stream, manifest.batch_id, line, AS_OF, digest, deleted)


@pytest.fixture
def paged(world: World, monkeypatch: pytest.MonkeyPatch) -> tuple[Manifest, list[bytes]]:
    """25,000 carts in seven pages and three parts, and all their lines."""
    monkeypatch.setattr(bronze, "_PART_RECORDS", 10_000)
    monkeypatch.setenv("INGOT_SOURCE_URL_FAKESTORE", f"{world.recorded.url}/synthetic/7/25000")
    world.source = msgspec.structs.replace(world.source, request=RequestPolicy())  # such pages take their time
    world.change("carts", params={"limit": "4000"}, pagination=PageNumber())
    manifest = world.extract(world.batch("carts"))
    assert [part.records for part in manifest.parts] == [10_000, 10_000, 5_000]
    return manifest, [line for part in manifest.parts for line in read_lines(world.bronze, part)]


def test_each_line_is_found_in_its_part_and_with_the_page_that_brought_it(
    world: World, paged: tuple[Manifest, list[bytes]]
) -> None:
    manifest, lines = paged
    for line in (0, 3_999, 4_000, 9_999, 10_000, 19_999, 20_000, 24_999):
        found = origin(world, manifest, line, lines[line])
        assert found.record == lines[line].decode()
        assert f"/part-{line // 10_000:05d}-" in found.object
        assert (found.object_line, found.object_lines) == (line % 10_000 + 1, (10_000, 10_000, 5_000)[line // 10_000])
        (request,) = found.requests
        assert f"page={line // 4_000 + 1}" in request.url
    with pytest.raises(IntegrityError, match="no record with the number 25000"):
        origin(world, manifest, 25_000, b"")
    with pytest.raises(IntegrityError, match="no tombstone with the number 3"):
        origin(world, manifest, 3, lines[3], deleted=True)


def test_a_manifest_that_does_not_know_the_page_names_all_of_them(
    world: World, paged: tuple[Manifest, list[bytes]]
) -> None:
    """Those of versions before requests counted their accepted records."""
    manifest, lines = paged
    old = msgspec.structs.replace(
        manifest, requests=tuple(msgspec.structs.replace(request, accepted=0) for request in manifest.requests)
    )
    world.bronze.put(manifest.batch.manifest_key, encode(old))
    assert len(origin(world, manifest, 5, lines[5]).requests) == len(manifest.requests) > 6


def test_a_lost_manifest_and_a_lost_object_are_errors(world: World) -> None:
    manifest = world.extract(world.batch("carts"))
    (line, *_) = read_lines(world.bronze, manifest.parts[0])
    world.bronze._s3.delete_object(Bucket=world.bronze.bucket, Key=manifest.parts[0].key)
    with pytest.raises(BatchMissing, match="part-00000"):
        origin(world, manifest, 0, line)
    world.bronze._s3.delete_object(Bucket=world.bronze.bucket, Key=manifest.batch.manifest_key)
    with pytest.raises(BatchMissing, match="never committed"):
        origin(world, manifest, 0, line)


def test_a_record_that_was_left_by_one_replay_and_passed_in_the_next_leads_to_the_first_request(world: World) -> None:
    world.recorded.misbehave("/products", set_field={"id": 3, "field": "rating.rate", "value": 7.5})
    world.recorded.misbehave("/products", set_field={"id": 5, "field": "price", "value": -1})
    first = world.extract(world.batch("products"))
    assert first.rejects is not None
    second = world.resolve(first.rejects.key, contract=mended(world, "rate", maximum=10)).manifest
    assert second is not None
    assert second.rejects is not None
    third = world.resolve(second.rejects.key, contract=mended(world, "price", minimum=-5)).manifest
    assert third is not None
    (line,) = read_lines(world.bronze, third.parts[0])
    found = origin(world, third, 0, line)
    assert [refused.batch_id for refused in found.replayed_from] == [second.batch_id, first.batch_id]
    assert [refused.object.rpartition("/")[2] for refused in found.replayed_from] == [
        key.rpartition("/")[2] for key in (second.rejects.key, first.rejects.key)
    ]
    assert [request.url for request in found.requests] == [f"{world.recorded.url}/products"]
    assert b'"id":5' in line


def test_what_became_a_secret_before_the_replay_does_not_hide_where_a_record_came_from(world: World) -> None:
    world.recorded.misbehave("/users", drop_field={"id": 5, "field": "email"})
    first = world.extract(world.batch("users"))
    assert first.rejects is not None
    contract = world.source.stream("users").contract
    changes: dict[str, dict[str, Any]] = {"email": {"required": False}, "username": {"classification": "secret"}}
    contract = msgspec.structs.replace(
        contract,
        properties=tuple(msgspec.structs.replace(p, **changes.get(p.name, {})) for p in contract.properties),
    )
    second = world.resolve(first.rejects.key, contract=contract).manifest
    assert second is not None
    (line,) = read_lines(world.bronze, second.parts[0])
    assert b"username" not in line
    found = origin(world, second, 0, line)
    assert [refused.batch_id for refused in found.replayed_from] == [first.batch_id]
    assert [request.url for request in found.requests] == [f"{world.recorded.url}/users"]


def mended(world: World, field: str, **options: Any) -> Contract:
    """The contract of products with another limit to one field."""
    contract = world.source.stream("products").contract

    def mend(prop: Any) -> Any:
        if prop.name == field:
            return msgspec.structs.replace(
                prop, logical_type_options=msgspec.structs.replace(prop.logical_type_options, **options)
            )
        return msgspec.structs.replace(prop, properties=tuple(map(mend, prop.properties)))

    return msgspec.structs.replace(contract, properties=tuple(map(mend, contract.properties)))
