"""One attempt of a job run: fetch the script, assume the job's role, run it in a process group of its own.

The script finds what it would find in Glue: `awsglue`, its modules first on the path, its arguments, and
temporary credentials of its role. Of this process's environment it gets what `PASSED` names and no AWS keys.
"""

from __future__ import annotations

import fnmatch
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from localcloud.clients import client_as
from localcloud.glue.modules import JobSetupError, fetch, install
from localcloud.processes import Emit, End, Process
from localcloud.roles import RoleError, assume, identity

SHIM = Path(__file__).parent / "shim"
LONGEST_MESSAGE = 1000
STOP_GRACE_SECONDS = 5.0
PASSED = (
    "PATH,HOME,TMPDIR,TZ,LANG,LC_*,LD_LIBRARY_PATH,JAVA_HOME,PYTHONDONTWRITEBYTECODE,"
    "SSL_CERT_FILE,SSL_CERT_DIR,REQUESTS_CA_BUNDLE,*_PROXY,*_proxy,INGOT_*,OPENLINEAGE_*,"
    "AWS_ENDPOINT_URL_S3,AWS_ENDPOINT_URL_KMS"
)


@dataclass(frozen=True)
class Attempt:
    """What is to be run. `role` is a name or an ARN; `script` an s3:// URI."""

    job_name: str
    run_id: str
    script: str
    arguments: dict[str, str]
    role: str
    account: str
    region: str
    timeout_seconds: float


@dataclass(frozen=True)
class Outcome:
    """How it ended: Glue's state, and the ErrorMessage unless it succeeded."""

    state: str
    message: str | None = None


class Execution:
    """Runs an attempt once. `emit(kind, line)` is called for each line of `output` and `error`."""

    def __init__(self, attempt: Attempt, *, emit: Emit) -> None:
        self._attempt = attempt
        self._emit = emit
        self._process = Process(emit=self._said, grace_seconds=STOP_GRACE_SECONDS)
        self._last_error_line = ""

    def stop(self) -> None:
        """End it: SIGTERM to the process group, SIGKILL after a grace of some seconds."""
        self._process.stop()

    def run(self, *, on_running: Callable[[], None]) -> Outcome:
        """Run to the end; `on_running` is called when the script has started."""
        with tempfile.TemporaryDirectory(prefix="glue-") as name:
            try:
                command, environment = self._prepare(Path(name))
            except (JobSetupError, RoleError) as error:
                self._emit("error", str(error))
                return Outcome("FAILED", str(error))
            end = self._process.run(
                command,
                folder=Path(name),
                environment=environment,
                on_running=on_running,
                timeout_seconds=self._attempt.timeout_seconds,
            )
        return self._outcome(end)

    def _prepare(self, folder: Path) -> tuple[list[str], dict[str, str]]:
        attempt = self._attempt
        keys = assume(
            attempt.role,
            "glue.amazonaws.com",
            account=attempt.account,
            region=attempt.region,
            session="GlueJobRunnerSession",
        )
        s3 = client_as(keys, "s3", attempt.region)  # the script and the modules are read by the role too
        python = os.environ.get("LOCALCLOUD_GLUE_PYTHON", sys.executable)
        # A folder of its own: Python puts the script's folder first on the path.
        script = folder / "script" / attempt.script.rsplit("/", 1)[-1]
        script.parent.mkdir()
        script.write_bytes(fetch(attempt.script, s3))
        modules = install(attempt.arguments, folder=folder, python=python, s3=s3)
        names = {"--JOB_ID": f"j_{attempt.run_id[3:19]}", "--JOB_RUN_ID": attempt.run_id}
        arguments = {**names, "--JOB_NAME": attempt.job_name, **attempt.arguments}
        command = [python, str(script), *(word for pair in arguments.items() for word in pair)]
        path = os.pathsep.join(map(str, [*modules, SHIM]))
        # Where a job starts Spark it is on this machine alone, and listens to no other.
        own = {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "SPARK_LOCAL_IP": "127.0.0.1"}
        return command, {**_passed_on(), **identity(keys, attempt.region), **own}

    def _outcome(self, end: End) -> Outcome:
        if end.timed_out:
            return Outcome("TIMEOUT", f"Job run exceeded its timeout of {self._attempt.timeout_seconds:g} seconds")
        if end.stopped:
            return Outcome("STOPPED")
        if end.code == 0:
            return Outcome("SUCCEEDED")
        assert end.code is not None
        return Outcome("FAILED", self._message(end.code))

    def _said(self, kind: str, line: str) -> None:
        if kind == "error" and line.strip():
            self._last_error_line = line.strip()
        self._emit(kind, line)

    def _message(self, code: int) -> str:
        if code < 0:
            name = signal.Signals(-code).name
            return f"Command failed with exit code {code}: killed by {name}"
        return self._last_error_line[:LONGEST_MESSAGE] or f"Command failed with exit code {code}"


def _passed_on() -> dict[str, str]:
    patterns = PASSED.split(",")
    return {
        name: value
        for name, value in os.environ.items()
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    }
