"""Refine's second engine: the parts of a batch are read side by side on a Spark cluster, for streams that chose it.

A part is a task, from Bronze to encoded Parquet: Python reads and verifies the object, Spark's own expressions read the
records (:mod:`ingot.contract.spark`), and pyarrow encodes them with the contract's schema. The driver then puts the
encoded parts behind each other, in their order and undecoded, into the batch's one object. What is in S3 is read by
:class:`ingot.storage.ObjectStore` in the executors: the same on Glue and on a laptop, without Hadoop's file systems.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import zstandard

import ingot.errors
from ingot.bronze import verify
from ingot.contract import Contract
from ingot.contract.spark import CORRUPT, column_expression, fits, json_schema, text
from ingot.errors import ConfigurationError, IngotError, IntegrityError
from ingot.manifest import Manifest, Part
from ingot.storage import ObjectStore

_ROW_GROUP = 122_880  # as the other engine's
_LINES = _ROW_GROUP // 8  # that go to Spark's expressions at once
_BYTES = 16 * 2**20  # of them, about
_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.caseSensitive": "true",
    "spark.sql.json.enableExactStringParsing": "true",  # a number in a field of text keeps its spelling
    "spark.sql.optimizer.enableJsonExpressionOptimization": "false",  # a line is parsed once, not once a field
    "spark.sql.execution.arrow.maxRecordsPerBatch": str(_LINES),
}
# As long as the gate lets a number, a text and a nesting be: Spark's own bounds are narrower.
_JSON = {
    "mode": "PERMISSIVE",
    "columnNameOfCorruptRecord": CORRUPT,
    "maxNumLen": "134217728",
    "maxStringLen": "134217728",
}
_LINES_READ = "number INT, line_number BIGINT, line BINARY, deleted BOOLEAN, fault STRING"
_ENCODED = "number INT, rows BIGINT, parquet BINARY, fault STRING"

Batches = Iterable[pa.RecordBatch]


def write(target: Path, manifest: Manifest, contract: Contract, bronze: ObjectStore, schema: pa.Schema) -> int:
    """Write a batch's Parquet into a file; how many rows it has.

    Args:
        target: the file.
        schema: of the Parquet, with its metadata.

    Raises:
        ConfigurationError: there is no Spark here.
        IntegrityError: what is in Bronze is not what the manifest says, or does not fit the contract.
    """
    parts = (*manifest.parts, *([manifest.deletes] if manifest.deletes else []))
    if not parts:
        pq.write_table(schema.empty_table(), target, compression="zstd")
        return 0
    session = _session()
    frame = session.range(0, len(parts), 1, len(parts))  # a part is a partition, and so a task
    frame = frame.mapInArrow(_reader(parts, manifest, bronze), _LINES_READ)
    frame = frame.selectExpr(
        "*", f"from_json(CAST(line AS STRING), {text(json_schema(contract))}, {_options()}) AS record"
    )
    frame = frame.selectExpr(*_columns(manifest, contract))
    frame = frame.mapInArrow(_encoder(parts, manifest, contract, schema), _ENCODED)
    return _join(target, frame, session)


def _session() -> Any:
    """A session of the cluster that runs this job: Glue's, or this machine where there is none."""
    try:
        from pyspark.errors import PySparkRuntimeError
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise ConfigurationError(
            "The stream chose the engine spark, and the Python that runs this job has no PySpark.",
            hint="on a laptop: make .venv-spark/.made, and LOCALCLOUD_GLUE_PYTHON=.venv-spark/bin/python for the local "
            "cloud; or choose the engine duckdb",
        ) from error
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # a cluster has set it; else any python3 would be taken
    try:
        session = SparkSession.builder.getOrCreate().newSession()
    except PySparkRuntimeError as error:
        reason = str(error).splitlines()[0][:200]
        raise ConfigurationError(f"Spark does not start: {reason}", hint="install a Java of 17 or 21") from error
    for name, value in _SETTINGS.items():
        session.conf.set(name, value)
    return session


def _options() -> str:
    return f"map({', '.join(f'{text(name)}, {text(value)}' for name, value in _JSON.items())})"


def _columns(manifest: Manifest, contract: Contract) -> list[str]:
    as_of = int(manifest.as_of.timestamp()) * 1_000_000 + manifest.as_of.microsecond
    return [
        *(column_expression(column, "record") for column in contract.columns),
        f"{text(manifest.batch_id)} AS _batch_id",
        "line_number AS _line",
        f"timestamp_micros({as_of}L) AS _ingested_at",
        "sha2(line, 256) AS _record_hash",
        "deleted AS _deleted",
        "number AS _number",
        "fault AS _fault",
        f"({fits(contract, 'record')}) AS _fits",
    ]


def _reader(
    parts: tuple[Part, ...], manifest: Manifest, bronze: ObjectStore
) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    """Numbers of parts → their lines, or why there are none; it runs in the executors."""
    first_lines = [0, *accumulate(part.records for part in parts)]

    def read(batches: Batches) -> Iterator[pa.RecordBatch]:
        for number in (number for batch in batches for number in batch.column(0).to_pylist()):
            part, line = parts[number], first_lines[number]
            try:
                for lines in _stored_lines(bronze, part):
                    count = len(lines)
                    yield _batch(
                        number=pa.repeat(pa.scalar(number, pa.int32()), count),
                        line_number=pa.array(range(line, line + count), pa.int64()),
                        line=pa.array(lines, pa.binary()),
                        deleted=pa.repeat(part is manifest.deletes, count),
                        fault=pa.nulls(count, pa.string()),
                    )
                    line += count
            except IngotError as error:
                yield _batch(
                    number=pa.array([number], pa.int32()),
                    line_number=pa.nulls(1, pa.int64()),
                    line=pa.nulls(1, pa.binary()),
                    deleted=pa.nulls(1, pa.bool_()),
                    fault=[_said(error)],
                )

    return read


def _stored_lines(store: ObjectStore, part: Part) -> Iterator[list[bytes]]:
    with TemporaryDirectory(prefix="ingot-refine-") as folder:
        local = Path(folder) / "part.jsonl.zst"
        store.download(part.key, local)
        with local.open("rb") as stored:
            verify(stored, part)
        with local.open("rb") as stored:
            lines, size = [], 0
            for line in io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(stored), 2**20):
                lines.append(line.rstrip(b"\n"))
                size += len(line)
                if len(lines) == _LINES or size >= _BYTES:
                    yield lines
                    lines, size = [], 0
            if lines:
                yield lines


def _encoder(
    parts: tuple[Part, ...], manifest: Manifest, contract: Contract, schema: pa.Schema
) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    """The rows of a part → its Parquet, or why there is none; it runs in the executors."""
    accepted_by, version = manifest.contract_version, contract.version

    def unfit(number: int, line: int) -> IntegrityError:
        return IntegrityError(
            f"Bronze does not fit contract {version}: line {line} of the batch.",
            key=parts[number].key,
            hint="the gate let through what the contract forbids: report it with this key"
            if accepted_by == version
            else f"the batch was accepted by contract {accepted_by}: go back to it, or give the changed field another "
            "name in the warehouse",
        )

    def encode(batches: Batches) -> Iterator[pa.RecordBatch]:
        number, rows, encoded = 0, 0, io.BytesIO()
        try:
            with pq.ParquetWriter(encoded, schema, compression="zstd") as writer:
                waiting = schema.empty_table()
                for batch in batches:
                    number = batch["_number"][0].as_py()
                    if (fault := batch["_fault"][0].as_py()) is not None:
                        raise _as_said(fault)
                    if (first := pc.index(batch["_fits"], False).as_py()) >= 0:
                        raise unfit(number, batch["_line"][first].as_py())
                    try:
                        fitting = pa.Table.from_batches([batch.select(schema.names)]).cast(schema)
                    except (pa.ArrowInvalid, ValueError) as error:  # a key that is NULL
                        raise unfit(number, batch["_line"][0].as_py()) from error
                    waiting = pa.concat_tables([waiting, fitting])
                    rows += batch.num_rows
                    while waiting.num_rows >= _ROW_GROUP:
                        writer.write_table(waiting.slice(0, _ROW_GROUP), _ROW_GROUP)
                        waiting = waiting.slice(_ROW_GROUP)
                if waiting.num_rows:
                    writer.write_table(waiting, _ROW_GROUP)
        except IngotError as error:
            yield _batch(number=pa.array([number], pa.int32()), rows=[0], parquet=[b""], fault=[_said(error)])
            return
        fault = pa.nulls(1, pa.string())
        yield _batch(number=pa.array([number], pa.int32()), rows=[rows], parquet=[encoded.getvalue()], fault=fault)

    return encode


def _join(target: Path, frame: Any, session: Any) -> int:
    """Put the encoded parts behind each other; parquet-java copies their row groups as they are."""
    from pyspark import StorageLevel

    frame = frame.persist(StorageLevel.DISK_ONLY)  # else they would be made one after the other, as they are asked for
    try:
        frame.foreachPartition(_pass)
        rows, jvm, writer, metadata = 0, session._jvm, None, None
        part = target.with_suffix(".part")
        for found in frame.toLocalIterator(prefetchPartitions=True):
            if found.fault is not None:
                raise _as_said(found.fault)
            part.write_bytes(found.parquet)
            rows += found.rows
            stored = jvm.org.apache.parquet.io.LocalInputFile(jvm.java.io.File(str(part)).toPath())
            if writer is None:
                reader = jvm.org.apache.parquet.hadoop.ParquetFileReader.open(stored)
                file = reader.getFileMetaData()
                reader.close()
                metadata = file.getKeyValueMetaData()
                hadoop = jvm.org.apache.parquet.hadoop.ParquetFileWriter
                output = jvm.org.apache.parquet.io.LocalOutputFile(jvm.java.io.File(str(target)).toPath())
                writer = hadoop(output, file.getSchema(), hadoop.Mode.OVERWRITE, 2**27, 2**23)
                writer.start()
            writer.appendFile(stored)
            part.unlink()
        assert writer is not None
        writer.end(metadata)
        return rows
    finally:
        frame.unpersist()


def _pass(rows: Iterable[Any]) -> None:
    for _ in rows:
        pass


def _batch(**columns: Any) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns)


def _said(error: IngotError) -> str:
    """An error as a value: as an exception of a task it would be tried again, and arrive as text."""
    told = {"error": type(error).__name__, "message": error.message, "key": error.key, "hint": error.hint}
    return msgspec.json.encode(told).decode()


def _as_said(fault: str) -> IngotError:
    told = msgspec.json.decode(fault)
    kind: type[IngotError] = getattr(ingot.errors, told.pop("error"))
    return kind(told.pop("message"), **told)
