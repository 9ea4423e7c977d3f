"""Refine: a committed batch → one typed Parquet object, with where each record came from."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ingot.attempt import Attempt
from ingot.batch import Batch
from ingot.bronze import read_blocks
from ingot.contract import Contract
from ingot.contract.arrow import arrow_schema
from ingot.contract.duckdb import column_expression, json_columns
from ingot.errors import IntegrityError
from ingot.manifest import Manifest, Part, read_manifest
from ingot.sources import Engine
from ingot.storage import ObjectStore
from ingot.tracing import phase

_ROW_GROUP = 122_880  # DuckDB's own, or what is at least so many bytes; the same batch gives the same bytes
_ROW_GROUP_BYTES = 32 * 2**20
_AT_ONCE = 2  # blocks that are read while another one is written
_HASH = "_record_hash"


def refine(
    batch: Batch,
    *,
    contract: Contract,
    bronze: ObjectStore,
    lake: ObjectStore,
    record: Attempt,
    engine: Engine = "duckdb",
) -> str:
    """Write a batch's Parquet; the key of the object, in the lake bucket.

    The same batch and contract give the same bytes under the same key: doing it again changes nothing. The object's
    key-value metadata name the contract.

    Args:
        record: the attempt, which learns the count.
        engine: what reads the records: the rows and their types are the same (ADR 29).

    Raises:
        BatchMissing: the batch was never committed.
        IntegrityError: what is in Bronze is not what the manifest says, or does not fit the contract.
    """
    manifest = read_manifest(bronze, batch)
    with tempfile.TemporaryDirectory(prefix="ingot-refine-") as folder:
        target = Path(folder) / "batch.parquet"
        with phase("write"):
            if engine == "spark":
                from ingot.steps.refine_spark import write  # no other stream needs it

                rows = write(target, manifest, contract, bronze, _schema(contract))
            else:
                rows = _write(target, manifest, contract, bronze)
        if rows != manifest.rows:
            raise IntegrityError(
                f"Bronze holds {rows} records, the manifest says {manifest.rows}.",
                key=batch.manifest_key,
                hint="restore the objects that the manifest names",
            )
        with phase("upload"):
            lake.upload(manifest.parquet_key, target)
    record.accepted = manifest.accepted
    return manifest.parquet_key


def refined_by(parquet: Path, contract: Contract) -> bool:
    """Whether a batch's Parquet is of this version of the contract: what the manifest names is what accepted it."""
    try:
        found = pq.read_schema(parquet)
    except pa.ArrowInvalid:
        return False  # it is damaged
    wanted = _schema(contract)
    return bool(found.equals(wanted) and found.metadata == wanted.metadata)


def _schema(contract: Contract) -> pa.Schema:
    names = {"ingot.contract_id": contract.id, "ingot.contract_version": contract.version}
    return arrow_schema(contract).with_metadata(names)


@dataclass(frozen=True)
class _Block:
    """Some lines of a part that follow each other.

    Attributes:
        first_line: the place of the first one in the batch.
        lines: each with its line end.
    """

    part: Part
    first_line: int
    lines: bytes


def _write(target: Path, manifest: Manifest, contract: Contract, bronze: ObjectStore) -> int:
    """Block after block, in order: memory follows the block, and neither the part nor the batch.

    While one is written the next ones are read, and the next part is on its way.
    """
    schema = _schema(contract)
    rows = 0
    with (
        duckdb.connect(config={"threads": 1}) as database,  # a block is read by the one thread that asks for it
        ThreadPoolExecutor(_AT_ONCE + 1) as pool,
        pq.ParquetWriter(target, schema, compression="zstd", use_dictionary=_repetitive(schema, contract)) as writer,
    ):
        reader = _Reader(database, manifest, contract, target.parent)
        blocks = _blocks(pool, manifest, bronze, target.parent)
        try:
            for group in _groups(_ahead(pool, reader.read, blocks, _AT_ONCE)):
                writer.write_table(group, row_group_size=group.num_rows)
                rows += group.num_rows
        except IntegrityError as error:
            # A part is held to its hash when it has been read to its end: what is damaged is not called unfit.
            for block in blocks:
                if block.part.key != error.key:
                    break
            raise
    return rows


def _blocks(pool: ThreadPoolExecutor, manifest: Manifest, bronze: ObjectStore, folder: Path) -> Iterator[_Block]:
    def fetch(part: Part) -> tuple[Part, Path]:
        local = folder / part.key.rpartition("/")[2]
        bronze.download(part.key, local)
        return part, local

    # The keys that vanished come last, as rows that have nothing but a key.
    parts = [*manifest.parts, *([manifest.deletes] if manifest.deletes else [])]
    line = 0
    for part, local in _ahead(pool, fetch, parts, 1):
        with local.open("rb") as stored:
            for lines, count in read_blocks(stored, part):
                yield _Block(part, line, lines)
                line += count
        local.unlink()


def _ahead[T, R](pool: ThreadPoolExecutor, function: Callable[[T], R], items: Iterable[T], most: int) -> Iterator[R]:
    """What a function makes of each item, in order; it is at work on as many more as this while one is used."""
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) > most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Tables put together to row groups of about one size."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(t.num_rows for t in waiting) >= _ROW_GROUP or sum(t.nbytes for t in waiting) >= _ROW_GROUP_BYTES:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


class _Reader:
    """Reads blocks as rows with the contract's types, in any thread.

    Args:
        folder: where a block lies while it is read.
    """

    def __init__(
        self, database: duckdb.DuckDBPyConnection, manifest: Manifest, contract: Contract, folder: Path
    ) -> None:
        self._database = database
        self._manifest = manifest
        self._contract = contract
        self._folder = folder
        self._schema = _schema(contract)
        # read_json fails on a value that does not fit its type and on a key that stands twice: nothing turns into NULL.
        columns = ", ".join(column_expression(c, "record") for c in contract.columns)
        self._query = f"""
            SELECT {columns},
                $batch_id AS _batch_id,
                row_number() OVER () - 1 + $first_line AS _line,
                $as_of::TIMESTAMPTZ AS _ingested_at,
                $deleted AS _deleted
            FROM read_json($file, format = 'newline_delimited', compression = 'none',
                maximum_object_size = $size, columns = {json_columns(contract)}) AS record
        """  # noqa: S608 - names come from the contract and are quoted, values are parameters

    def read(self, block: _Block) -> pa.Table:
        """The block's rows.

        Raises:
            IntegrityError: a record does not fit the contract.
        """
        file = self._folder / f"{block.first_line}.jsonl"
        file.write_bytes(block.lines)
        parameters = {
            "file": str(file),
            "size": len(block.lines) + 1,
            "batch_id": self._manifest.batch_id,
            "first_line": block.first_line,
            "as_of": self._manifest.as_of,
            "deleted": block.part is self._manifest.deletes,
        }
        try:
            with self._database.cursor() as connection:
                connection.execute("SET TimeZone = 'UTC'")
                rows = connection.sql(self._query, params=parameters).to_arrow_table()
            place = self._schema.get_field_index(_HASH)
            return rows.add_column(place, _HASH, _hashes(block.lines)).cast(self._schema)
        except (duckdb.Error, ValueError) as error:  # pa.ArrowInvalid is one, and so is a key that is NULL
            # The message may quote the record; only its first words name what is wrong.
            accepted_by, version = self._manifest.contract_version, self._contract.version
            raise IntegrityError(
                f"Bronze does not fit contract {version}: {str(error).splitlines()[0][:60]}…",
                key=block.part.key,
                hint="the gate let through what the contract forbids: report it with this key"
                if accepted_by == version
                else f"the batch was accepted by contract {accepted_by}: go back to it, or give the changed field "
                "another name in the warehouse",
            ) from error
        finally:
            file.unlink()


def _hashes(lines: bytes) -> pa.StringArray:
    """Each line's SHA-256 in hex: the standard library's is quicker than DuckDB's."""
    # One line at a time: a list of them all would be out of the processor's cache when it is hashed.
    digests = [sha256(line.removesuffix(b"\n")).digest() for line in BytesIO(lines)]
    text = b"".join(digests).hex().encode()
    return pa.Array.from_buffers(pa.binary(64), len(digests), [None, pa.py_buffer(text)]).cast(pa.string())


def _repetitive(schema: pa.Schema, contract: Contract) -> list[str]:
    """The columns of the file whose values are worth a dictionary: not keys, places, hashes and moments.

    To begin one and to give it up is a third of the writing.
    """
    unique = {"_line", _HASH, *(c.name for c in contract.columns if c.path[0] in contract.primary_key)}
    moments = {field.name for field in schema if pa.types.is_timestamp(field.type)} - {"_ingested_at"}
    return [path for field in schema if field.name not in unique | moments for path in _leaves(field.name, field.type)]


def _leaves(path: str, kind: pa.DataType) -> Iterator[str]:
    if pa.types.is_list(kind):
        yield from _leaves(f"{path}.list.element", kind.value_type)
    elif pa.types.is_struct(kind):
        for field in kind:
            yield from _leaves(f"{path}.{field.name}", field.type)
    else:
        yield path
