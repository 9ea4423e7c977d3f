"""The columns that every refined record carries besides its own: where it came from."""

from __future__ import annotations

LINEAGE: tuple[tuple[str, str, str], ...] = (
    ("_batch_id", "string", "The batch that brought the record."),
    ("_line", "int64", "The record's place in the batch, from 0."),
    ("_ingested_at", "timestamp", "The time that the batch stands for (its manifest's as_of)."),
    ("_record_hash", "string", "SHA-256 of the record's bytes in Bronze."),
    ("_deleted", "boolean", "True: the source no longer has this key; all but the key and lineage is null."),
)
"""Name, kind (string, int64, boolean, timestamp in UTC) and meaning, in the order of the Parquet."""
