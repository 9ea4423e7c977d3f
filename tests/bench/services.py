"""Services for a stage, of their own and gone with it: Postgres, the laptop's S3 and the recorded source.

They are started by a process of its own, as what starts them is large: ``with standing("postgres") as variables``.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CACHE_MIB = 2000  # all pages of the largest store that is asked for: the source is not what is measured


@contextmanager
def standing(*services: str) -> Iterator[dict[str, str]]:
    """The variables that lead to the services (``postgres``, ``cloud``, ``source``), while they stand."""
    with subprocess.Popen(
        [sys.executable, "-m", __name__, *services], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield dict(json.loads(process.stdout.readline()))
        finally:
            process.stdin.close()


def _main(*services: str) -> None:
    from laptop.paths import Home
    from laptop.services import Laptop

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # whoever stops all of a benchmark stops the services too
    # Not below a folder of this user alone: as root, Postgres runs as another.
    home = Home(Path(tempfile.mkdtemp(prefix="ingot-bench-")))
    for folder in (home.run, home.logs, home.airflow):
        folder.mkdir(parents=True)
    laptop = Laptop(home=home)
    source = None
    try:
        variables = {"INGOT_HOME": str(home.folder)}
        if "postgres" in services:
            laptop.postgres.start()
            laptop.postgres.ensure_role("bench", "bench", owner_of="ingot")
            variables |= {
                "INGOT_WAREHOUSE_HOST": laptop.postgres.host,
                "INGOT_WAREHOUSE_PORT": str(laptop.postgres.port),
                "INGOT_WAREHOUSE_USER": "bench",
                "INGOT_WAREHOUSE_PASSWORD": "bench",
                "INGOT_WAREHOUSE_DBNAME": "ingot",
                "BENCH_POSTGRES_PID": str((home.postgres / "data" / "postmaster.pid").read_text().split()[0]),
            }
        if "cloud" in services:
            laptop.cloud.start()
            variables |= {
                "AWS_ENDPOINT_URL": laptop.cloud.url,
                "AWS_ACCESS_KEY_ID": "local",
                "AWS_SECRET_ACCESS_KEY": "local",
                "AWS_DEFAULT_REGION": "us-east-1",
            }
        if "source" in services:
            source = subprocess.Popen(
                [sys.executable, "-m", "recorded_source", "--cache-mib", str(_CACHE_MIB)],
                stdout=subprocess.PIPE,
                text=True,
            )
            assert source.stdout is not None
            variables["BENCH_SOURCE"] = source.stdout.readline().strip()
        print(json.dumps(variables), flush=True)
        sys.stdin.read()
    finally:
        if source is not None:
            source.terminate()
            source.wait()
        laptop.stop()
        shutil.rmtree(home.folder)


if __name__ == "__main__":
    _main(*sys.argv[1:])
