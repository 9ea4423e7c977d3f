"""Rows of a Parquet file, read by pyarrow in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

from ingot.files.model import Row, Unreadable

_ROWS = 2_000


def header(content: IO[bytes]) -> list[str]:
    """The names of its columns.

    Raises:
        Unreadable: it is no Parquet file, or one without its end.
    """
    return [str(name) for name in _open(content).schema_arrow.names]


def rows(content: IO[bytes]) -> Iterator[Row]:
    """Its rows, in order, from 1."""
    import pyarrow as pa

    number = 0
    try:
        for batch in _open(content).iter_batches(_ROWS):
            columns = [_values(batch.column(place)) for place in range(batch.num_columns)]
            for cells in zip(*columns, strict=True):
                number += 1
                yield Row(number, cells)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise Unreadable(f"A Parquet file that is damaged: {_short(error)}", line=number + 1) from None


def _values(column: Any) -> list[Any]:
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_timestamp(kind):
        # As text: a nanosecond is none of Python's. With a zone it is UTC that is stored.
        texts = column.cast(pa.timestamp(kind.unit)).cast(pa.string()).to_pylist()
        zone = "Z" if kind.tz else ""
        return [text and text.replace(" ", "T") + zone for text in texts]
    if pa.types.is_floating(kind) and kind.bit_width < 64:
        return [text and float(text) for text in column.cast(pa.float32()).cast(pa.string()).to_pylist()]
    return list(column.to_pylist())


def _open(content: IO[bytes]) -> Any:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    content.seek(0)
    try:
        return ParquetFile(content)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Unreadable(f"No Parquet file, or one that is cut off: {_short(error)}") from None


def _short(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
