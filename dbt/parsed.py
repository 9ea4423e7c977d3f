"""The project as it was parsed beforehand: `python parsed.py TARGET` puts it into dbt's target folder.

dbt parses all anew, which takes as long as all else that it does before it asks the warehouse, unless host, port and
user are those that it parsed for: it keeps a hash of the connection. No model is another for these, only for the
database's name, and when one is built, the macros look at the host of then. So what was parsed for the defaults of
`profiles.yml` gets the hash of the connection that the environment names. All else that dbt compares is left to it:
what changed in a file, a variable, the target, the database's name or dbt's version it parses again. And where the hash
is not the one that is made here, dbt finds another connection and parses: slower, never wrong. Run by whoever runs dbt,
with whatever Python that has: it imports the standard library only.
"""

from __future__ import annotations

import os
import sys
from hashlib import sha256
from pathlib import Path
from pprint import pformat

PARSED = Path(__file__).parent / "target" / "partial_parse.msgpack"
"""As `make manifest` leaves it, and the image of dbt."""

# All that an adapter for Postgres says of its connection with our profile, but for what the environment says.
_CONNECTION = {
    "application_name": "dbt",
    "autocommit": False,
    "connect_timeout": 10,
    "database": "ingot",
    "keepalives_idle": 0,
    "retries": 1,
    "role": None,
    "schema": "silver",
    "search_path": None,
    "sslcert": None,
    "sslkey": None,
    "sslmode": None,
    "sslrootcert": None,
}


def connection_hash(host: str = "localhost", port: int = 5432, user: str = "ingot") -> bytes:
    """As dbt makes it, in `ManifestLoader.build_manifest_state_check`."""
    connection = {**_CONNECTION, "host": host, "port": port, "user": user}
    return sha256(pformat(sorted(connection.items())).encode()).hexdigest().encode()


def put(target: Path) -> None:
    """Put it there, for the warehouse of the environment; nothing where nothing was parsed."""
    # Each by its whole name, as the reference of variables finds them.
    host = os.environ.get("INGOT_WAREHOUSE_HOST", "localhost")
    port = os.environ.get("INGOT_WAREHOUSE_PORT", "5432")
    user = os.environ.get("INGOT_WAREHOUSE_USER", "ingot")
    try:
        parsed = PARSED.read_bytes().replace(connection_hash(), connection_hash(host, int(port), user))
        target.mkdir(parents=True, exist_ok=True)
        (target / PARSED.name).write_bytes(parsed)
    except (OSError, ValueError) as error:  # dbt says better what is wrong with a port
        print(f"dbt parses the project itself: {error}", file=sys.stderr)


if __name__ == "__main__":
    put(Path(sys.argv[1]))
