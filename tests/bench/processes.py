"""Services of a stage: started before its contenders, stopped behind them, by their own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 60.0  # seconds until a service must be up


@contextmanager
def serving(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """A service of ``localstack/`` that writes a ready file; yields its endpoint."""
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.json"
        process = subprocess.Popen(
            [sys.executable, "-m", module, "--ready-file", str(ready), *arguments],
            env={**os.environ, **(environment or {})},
            stdout=subprocess.DEVNULL,
        )
        try:
            until = time.monotonic() + PATIENCE
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"{module} did not start")
                time.sleep(0.05)
            yield json.loads(ready.read_text("utf-8"))["endpoint"]
        finally:
            process.terminate()
            process.wait(30)
