"""Both engines of refine give the same rows: ``tests/spark/engines.py``, in the environment that has Spark.

Bronze and lake are the local cloud's, which Spark's executors reach as on Glue: by the library's own client.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PYTHON = ROOT / ".venv-spark" / "bin" / "python"

# It leaves its sockets to the garbage collector.
PYSPARK = ("-W", "ignore::ResourceWarning", "-W", "ignore::pytest.PytestUnraisableExceptionWarning")

# Spark binds every address of the machine unless told; and optimising what runs for seconds costs more than it brings.
SMALL = {
    "SPARK_LOCAL_IP": "127.0.0.1",
    "PYSPARK_SUBMIT_ARGS": "--master local[2] --conf spark.ui.enabled=false pyspark-shell",
    "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_both_engines_give_the_same_rows_types_and_partition(cloud: str) -> None:
    assert PYTHON.exists(), "run `make .venv-spark/.made`, as `make test` does"
    command = ["-m", "pytest", "-q", "-s", "--noconftest", "-p", "no:cacheprovider", *PYSPARK, "tests/spark/engines.py"]
    found = subprocess.run(
        [str(PYTHON), *command],
        env={**os.environ, "PYTHONPATH": str(ROOT), "AWS_ENDPOINT_URL": cloud, **SMALL},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout[-8000:]
    assert " passed" in found.stdout
    assert "skipped" not in found.stdout
    assert "geheimnis" not in found.stdout + found.stderr  # what did not fit: Spark's own errors would quote it
    assert "Setting default log level" in found.stderr  # that is where the JVM speaks
