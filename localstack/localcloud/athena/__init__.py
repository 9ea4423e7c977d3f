"""Athena: queries that run, on DuckDB, over the Parquet of the Glue Catalog's tables.

- `catalog`    a table of the catalog: its columns, its partitions (projected or stored) and its objects
- `objects`    objects on S3 as files for DuckDB, read in ranges, every byte counted
- `views`      a table of the catalog as a view of DuckDB
- `translate`  Athena's SQL into DuckDB's
- `results`    types and texts of a result as Athena gives them
- `ctas`       CREATE TABLE AS SELECT
- `execution`  one query, from QUEUED to its end
- `backend`, `responses`, `urls`  the hook into moto

Understood: SELECT (WITH, UNION, VALUES) and CREATE TABLE AS SELECT to Parquet, with execution parameters. All other
statements are refused when they are started. A function that neither sqlglot can write for DuckDB nor DuckDB has fails
by name; one that DuckDB has and Athena has not is not refused. The role of whoever asks is not looked at.
"""

from __future__ import annotations


def install() -> None:
    """Hook into moto. Call once."""
    from localcloud.athena.backend import use_as_backend

    use_as_backend()


def stop_all_queries() -> None:
    """Cancel what runs, and wait for it: a process does not end while DuckDB works."""
    from localcloud.athena.backend import active_queries

    queries = active_queries()
    for query in queries:
        query.stop()
    for query in queries:
        query.wait(seconds=5)
