"""The limit: Postgres itself copies a file of its own binary format, on its own disk, into the same unlogged table."""

import json
from time import perf_counter

from tests.bench.loadable import STAGING, binary, connect

with connect() as connection:
    connection.execute(f"create unlogged table staging.carts ({STAGING})")
    begun = perf_counter()
    connection.execute(f"copy staging.carts from '{binary()}' (format binary)")
    seconds = perf_counter() - begun
    counted = "select count(*)::int, sum(jsonb_array_length(products))::int from staging.carts"
    ((rows, lines),) = connection.execute(counted).fetchall()
    version = connection.info.server_version / 10_000
print(json.dumps({"records": rows, "lines": lines, "seconds": seconds, "versions": {"postgres": f"{version:.4g}"}}))
