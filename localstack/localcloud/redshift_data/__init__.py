"""The Redshift Data API: SQL that runs, on the Postgres that the secret names.

- `translate`  Redshift's SQL into Postgres's; what Redshift refuses is refused, by name
- `copy`       COPY … FORMAT PARQUET: objects of S3 into a table, in the statement's transaction
- `execution`  one statement or one batch, from SUBMITTED to its end
- `backend`, `responses`, `urls`  the hook into moto

Ignored, since they change no row: DISTKEY, DISTSTYLE, SORTKEY, ENCODE, BACKUP. Not emulated: Redshift's serializable
isolation, the size of a VARCHAR in bytes outside of COPY, data types' exact limits.
"""

from __future__ import annotations

import os


def install() -> None:
    """Hook into moto. Call once, in the main thread."""
    # libarrow 25 crashed once, when a request's thread, which had ended since, was the first to load it.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    import pyarrow.parquet  # noqa: F401

    from localcloud.redshift_data.backend import use_as_backend

    use_as_backend()
