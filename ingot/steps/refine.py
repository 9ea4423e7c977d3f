"""Refine: a committed batch → one typed Parquet object, with where each record came from."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ingot.attempt import Attempt
from ingot.batch import Batch
from ingot.bronze import verify
from ingot.contract import Contract
from ingot.contract.arrow import arrow_schema
from ingot.contract.duckdb import column_expression, json_columns
from ingot.errors import IntegrityError
from ingot.manifest import Manifest, Part, read_manifest
from ingot.storage import ObjectStore
from ingot.tracing import phase

_ROW_GROUP = 122_880  # DuckDB's own; fixed, so that the same batch gives the same bytes


def refine(batch: Batch, *, contract: Contract, bronze: ObjectStore, lake: ObjectStore, record: Attempt) -> str:
    """Write a batch's Parquet; the key of the object, in the lake bucket.

    The same batch and contract give the same bytes under the same key: doing it again changes nothing. The object's
    key-value metadata name the contract.

    Args:
        record: the attempt, which learns the count.

    Raises:
        BatchMissing: the batch was never committed.
        IntegrityError: what is in Bronze is not what the manifest says, or does not fit the contract.
    """
    manifest = read_manifest(bronze, batch)
    with tempfile.TemporaryDirectory(prefix="ingot-refine-") as folder:
        target = Path(folder) / "batch.parquet"
        with phase("write"):
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


def _write(target: Path, manifest: Manifest, contract: Contract, bronze: ObjectStore) -> int:
    schema = _schema(contract)
    rows = 0
    with pq.ParquetWriter(target, schema, compression="zstd") as writer, duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        # The keys that vanished come last, as rows that have nothing but a key.
        for part in (*manifest.parts, *([manifest.deletes] if manifest.deletes else [])):
            # Part after part: memory follows the largest part, not the batch.
            local = target.parent / "part.jsonl.zst"
            bronze.download(part.key, local)
            with local.open("rb") as stored:
                verify(stored, part)
            for chunk in _read(connection, local, manifest, contract, rows, schema, part):
                writer.write_batch(chunk, row_group_size=_ROW_GROUP)
                rows += chunk.num_rows
            local.unlink()
    return rows


def _read(
    connection: duckdb.DuckDBPyConnection,
    file: Path,
    manifest: Manifest,
    contract: Contract,
    first_line: int,
    schema: pa.Schema,
    part: Part,
) -> Iterator[pa.RecordBatch]:
    # The same file is read twice, side by side: as typed values and as the text that is hashed. read_json
    # fails on a value that does not fit its type and on a key that stands twice: nothing turns into NULL.
    columns = ", ".join(column_expression(c, "record") for c in contract.columns)
    query = f"""
        SELECT {columns},
            $batch_id AS _batch_id,
            row_number() OVER () - 1 + $first_line AS _line,
            $as_of::TIMESTAMPTZ AS _ingested_at,
            sha256(line.json) AS _record_hash,
            $deleted AS _deleted
        FROM read_json($file, format = 'newline_delimited', compression = 'zstd',
            maximum_object_size = 134217728, columns = {json_columns(contract)}) AS record
        POSITIONAL JOIN read_ndjson_objects($file, compression = 'zstd',
            maximum_object_size = 134217728) AS line
    """  # noqa: S608 - names come from the contract and are quoted, values are parameters
    parameters = {
        "file": str(file),
        "batch_id": manifest.batch_id,
        "first_line": first_line,
        "as_of": manifest.as_of,
        "deleted": part is manifest.deletes,
    }
    try:
        result = connection.sql(query, params=parameters)
        for chunk in result.to_arrow_reader(_ROW_GROUP):
            yield chunk.cast(schema)
    except (duckdb.Error, pa.ArrowInvalid) as error:
        # The message may quote the record; only its first words name what is wrong.
        accepted_by, version = manifest.contract_version, contract.version
        raise IntegrityError(
            f"Bronze does not fit contract {version}: {str(error).splitlines()[0][:60]}…",
            key=part.key,
            hint="the gate let through what the contract forbids: report it with this key"
            if accepted_by == version
            else f"the batch was accepted by contract {accepted_by}: go back to it, or give the changed field another "
            "name in the warehouse",
        ) from error
