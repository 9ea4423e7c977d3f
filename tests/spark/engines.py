"""Both engines of refine on the same batches, in one session of Spark: run in .venv-spark, on S3 that is there.

``tests/integration/glue/test_spark_engine.py`` runs it. The environment has no moto, so that this module has no test's
name: only who asks for it gets it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import boto3
import msgspec
import pyarrow.parquet as pq
import pytest
import zstandard

from ingot.attempt import attempt
from ingot.contract import Contract
from ingot.contract.model import Property
from ingot.errors import BatchMissing, IntegrityError
from ingot.sources import Engine
from ingot.steps.refine import refine
from ingot.storage import ObjectStore
from tests.spark.batches import Committed, accepted, committed, drawn
from tests.unit.ingot import test_fuzz_gate as fuzz
from tests.unit.ingot import test_refine_agrees_with_the_gate as agreeing
from tests.unit.ingot import test_source_forms as forms

ENGINES: tuple[Engine, ...] = ("duckdb", "spark")
SECRET = "geheimnis-7f3a"


@pytest.fixture(scope="module")
def bronze() -> ObjectStore:
    return ObjectStore(_bucket())


def _bucket() -> str:
    name = f"spark-{uuid4().hex[:12]}"
    boto3.client("s3").create_bucket(Bucket=name)
    return name


def refined(
    made: Committed, bronze: ObjectStore, engine: Engine, contract: Contract | None = None
) -> tuple[str, bytes]:
    """The key and the bytes of a batch's Parquet."""
    lake = ObjectStore(_bucket())
    with attempt(bronze, made.batch, "refine") as record:
        key = refine(
            made.batch, contract=contract or made.contract, bronze=bronze, lake=lake, record=record, engine=engine
        )
    assert record.accepted == made.manifest.accepted
    assert list(lake.keys("")) == [key]
    return key, lake.get(key)


def _generated(bronze: ObjectStore) -> Committed:
    records = [json.dumps(agreeing._plain(r)).encode() for rs in drawn(agreeing.RECORDS, 100) for r in rs]
    lines = accepted(agreeing.CONTRACT, records)
    assert len(lines) == len(records) > 200
    return committed(bronze, "generated", agreeing.CONTRACT, lines, [b'{"id":-1}', b'{"id":-2}'])


def _nasty(bronze: ObjectStore) -> Committed:
    """What the gate's fuzzer has for records and values, each value in each place, as far as the gate accepts it."""
    places = [b'{"id":1,"%s":%%b}' % name for name in fuzz.KINDS if name != b"id"] + [
        b'{"id":%b}',
        b'{"id":1,"inner":{"deepValue":%b}}',
        b'{"id":1,"lines":[{"unitPrice":%b},{"unitPrice":1,"tag":null}]}',
        b'{"id":1,"lines":[{"unitPrice":1,"tag":%b}]}',
    ]
    values = [*fuzz.NASTY, b"[]", b'{"a":1}', b'"2020-01-01T00:00:00-23:59"', b'"2020-01-01t00:00:00.123456789+2359"']
    lines = accepted(fuzz.CONTRACT, [*fuzz.GOOD, *(place % value for place in places for value in values)])
    assert len(lines) > 200
    return committed(bronze, "nasty", fuzz.CONTRACT, lines, [])


def _forms(bronze: ObjectStore) -> Committed:
    spelt = [
        b'{"id":1}', b'{"id":"-7","code":"1.0","price":"12.5","ratio":"1e-7"}', b'{"id":3,"code":1.0,"price":1e3}',
        b'{"id":4,"code":-1234567890123456789,"ratio":1.7976931348623157e308}',
        b'{"id":5,"code":-0.0,"price":-0.0001}',
        b'{"id":6,"at":-62135596800000,"changed":-62135596800,"day":-62135596800}',
        b'{"id":7,"at":253402300799999,"changed":253402300799,"day":253402300799}',
        b'{"id":8,"at":-1,"changed":-1,"day":-1,"code":"\\u00e9\\n\\"","ratio":"-5e-324","price":"99999999.9999"}',
        b'{"id":9,"at":null,"changed":null,"day":null,"code":null,"ratio":null,"price":null}',
    ]  # fmt: skip
    lines = accepted(forms.contract(), spelt)
    assert len(lines) == len(spelt)
    return committed(bronze, "forms", forms.contract(), lines, [b'{"id":"12"}'])


def _empty(bronze: ObjectStore) -> Committed:
    return committed(bronze, "empty", agreeing.CONTRACT, [], [])


@pytest.mark.parametrize("make", [_generated, _nasty, _forms, _empty])
def test_both_engines_give_the_same_rows_types_and_partition(
    make: Callable[[ObjectStore], Committed], bronze: ObjectStore
) -> None:
    made = make(bronze)
    (key, duckdb), (spark_key, spark) = (refined(made, bronze, engine) for engine in ENGINES)
    assert spark_key == key == f"bronze/x/{made.batch.stream}/ingest_date=2020-01-02/{made.batch.id}.parquet"
    ours, theirs = pq.read_table(io.BytesIO(duckdb)), pq.read_table(io.BytesIO(spark))
    assert theirs.schema.equals(ours.schema, check_metadata=True)
    assert _leaves(spark) == _leaves(duckdb)
    for mine, other in zip(ours.to_pylist(), theirs.to_pylist(), strict=True):
        assert repr(other) == repr(mine)  # 0.0 is not -0.0, and a decimal keeps its scale
    assert theirs.num_rows == made.manifest.rows


def _leaves(parquet: bytes) -> list[tuple[str, str, str, int, int]]:
    """What the file itself says of each leaf: its place, its types, and how often NULL may be."""
    schema = pq.ParquetFile(io.BytesIO(parquet)).schema
    return [
        (c.path, c.physical_type, str(c.logical_type), c.max_definition_level, c.max_repetition_level)
        for c in (schema.column(i) for i in range(len(schema)))
    ]


def test_the_same_batch_gives_the_same_bytes(bronze: ObjectStore) -> None:
    made = _small(bronze, "twice")
    assert refined(made, bronze, "spark") == refined(made, bronze, "spark")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_damaged_part_is_told_from_one_that_does_not_fit(bronze: ObjectStore, engine: Engine) -> None:
    made = _small(bronze, f"damaged_{engine}")
    part = made.manifest.parts[1]
    bronze.put(part.key, zstandard.compress(b'{"id":9,"text":"another"}\n'))
    with pytest.raises(IntegrityError, match="not what its manifest recorded") as damaged:
        refined(made, bronze, engine)
    assert damaged.value.key == part.key


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("field", "kind", "physical"),
    [
        ("text", "integer", "bigint"),
        ("text", "date", "date"),
        ("text", "timestamp", "timestamptz"),
        ("tag", "number", "decimal(5,2)"),
    ],
)
def test_what_does_not_fit_the_contract_stops_the_batch_and_is_quoted_nowhere(
    bronze: ObjectStore, engine: Engine, field: str, kind: str, physical: str
) -> None:
    made = _small(bronze, f"unfit_{engine}_{field}_{kind}")
    contract = replaced(made.contract, field, logical_type=kind, physical_type=physical)
    with pytest.raises(IntegrityError, match="Bronze does not fit contract") as unfit:
        refined(made, bronze, engine, msgspec.structs.replace(contract, version="2.0.0"))
    assert unfit.value.key == made.manifest.parts[1].key
    assert "go back to it" in unfit.value.hint
    assert SECRET not in str(unfit.value)  # nor in what the JVM says: who runs this module looks at that


@pytest.mark.parametrize("engine", ENGINES)
def test_a_part_that_is_gone_is_said_to_be_missing(bronze: ObjectStore, engine: Engine) -> None:
    made = _small(bronze, f"gone_{engine}")
    boto3.client("s3").delete_object(Bucket=bronze.bucket, Key=made.manifest.parts[2].key)
    with pytest.raises(BatchMissing) as missing:
        refined(made, bronze, engine)
    assert missing.value.key == made.manifest.parts[2].key


def _small(bronze: ObjectStore, name: str) -> Committed:
    """Three parts of a record each; only the second has what could be unfit."""
    lines = [
        b'{"id":1}',
        b'{"id":2,"text":"%s","small":7,"lines":[{"unitPrice":1,"tag":"vv"}]}' % SECRET.encode(),
        b'{"id":3}',
    ]
    return committed(bronze, name, agreeing.CONTRACT, lines, [])


def replaced(contract: Contract, field: str, **changed: Any) -> Contract:
    """The contract with one field, wherever it is, changed."""

    def changing(prop: Property) -> Property:
        if prop.name == field:
            return msgspec.structs.replace(prop, **changed)
        inner = tuple(map(changing, prop.properties))
        return msgspec.structs.replace(prop, properties=inner, items=changing(prop.items) if prop.items else None)

    return msgspec.structs.replace(contract, properties=tuple(map(changing, contract.properties)))
