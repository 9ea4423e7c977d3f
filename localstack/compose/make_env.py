"""Writes ``.env`` for docker-compose.yml, with passwords that nobody else has: ``python make_env.py FILE``.

What a file has is kept: the databases in the volumes know its passwords. Only what it lacks is added.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

PASSWORDS = (
    "POSTGRES_PASSWORD",
    "AIRFLOW_DATABASE_PASSWORD",
    "AIRFLOW_API_SECRET",
    "AIRFLOW_JWT_SECRET",
    "GRAFANA_ADMIN_PASSWORD",
    "GRAFANA_DATABASE_PASSWORD",
)


def main(file: Path) -> None:
    """Writes the file, readable by its owner only, or adds what it lacks."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+") as env:
        lines = env.read().splitlines()
        known = {line.partition("=")[0] for line in lines}
        missing = [f"{name}={secrets.token_urlsafe(24)}" for name in PASSWORDS if name not in known]
        if missing:
            env.seek(0)
            env.writelines(f"{line}\n" for line in [*lines, *missing])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
