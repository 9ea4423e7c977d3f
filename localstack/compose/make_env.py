"""Writes ``.env`` for docker-compose.yml, with passwords that nobody else has: ``python make_env.py FILE``.

A file that is there is kept: the databases in the volumes know its passwords.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

PASSWORDS = ("POSTGRES_PASSWORD", "AIRFLOW_DATABASE_PASSWORD", "AIRFLOW_API_SECRET", "AIRFLOW_JWT_SECRET")


def main(file: Path) -> None:
    """Writes the file, readable by its owner only, unless it exists."""
    if file.exists():
        return
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.writelines(f"{name}={secrets.token_urlsafe(24)}\n" for name in PASSWORDS)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
