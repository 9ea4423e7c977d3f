"""One attempt of a job run: fetch the script, assume the job's role, run it in a process group of its own.

The script finds what it would find in Glue: `awsglue`, its modules first on the path, its arguments, and
temporary credentials of its role. Of this process's environment it gets what `PASSED` names and no AWS keys.
"""

from __future__ import annotations

import fnmatch
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from localcloud.clients import client, client_as, endpoint
from localcloud.glue.modules import JobSetupError, fetch, install

SHIM = Path(__file__).parent / "shim"
LONGEST_MESSAGE = 1000
STOP_GRACE_SECONDS = 5.0
PASSED = (
    "PATH,HOME,TMPDIR,TZ,LANG,LC_*,LD_LIBRARY_PATH,PYTHONDONTWRITEBYTECODE,"
    "SSL_CERT_FILE,SSL_CERT_DIR,REQUESTS_CA_BUNDLE,*_PROXY,*_proxy,INGOT_*,"
    "AWS_ENDPOINT_URL_S3,AWS_ENDPOINT_URL_KMS"
)

Emit = Callable[[str, str], None]


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
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._last_error_line = ""

    def stop(self) -> None:
        """End it: SIGTERM to the process group, SIGKILL after a grace of some seconds."""
        with self._lock:
            self._stopping.set()
            if self._process:
                _signal_group(self._process, signal.SIGTERM)

    def run(self, *, on_running: Callable[[], None]) -> Outcome:
        """Run to the end; `on_running` is called when the script has started."""
        with tempfile.TemporaryDirectory(prefix="glue-") as name:
            try:
                command, environment = self._prepare(Path(name))
            except JobSetupError as error:
                self._emit("error", str(error))
                return Outcome("FAILED", str(error))
            with self._lock:
                if self._stopping.is_set():
                    return Outcome("STOPPED")
                self._process = process = subprocess.Popen(
                    command,
                    cwd=name,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    start_new_session=True,
                )
            on_running()
            return self._watch(process)

    def _prepare(self, folder: Path) -> tuple[list[str], dict[str, str]]:
        attempt = self._attempt
        keys = _assume(attempt.role, attempt.account, attempt.region)
        s3 = client_as(keys, "s3", attempt.region)  # the script and the modules are read by the role too
        python = os.environ.get("LOCALCLOUD_GLUE_PYTHON", sys.executable)
        # A folder of its own: Python puts the script's folder first on the path.
        script = folder / "script" / attempt.script.rsplit("/", 1)[-1]
        script.parent.mkdir()
        script.write_bytes(fetch(attempt.script, s3))
        modules = install(attempt.arguments, folder=folder, python=python, s3=s3)
        identity = {"--JOB_ID": f"j_{attempt.run_id[3:19]}", "--JOB_RUN_ID": attempt.run_id}
        arguments = {**identity, "--JOB_NAME": attempt.job_name, **attempt.arguments}
        command = [python, str(script), *(word for pair in arguments.items() for word in pair)]
        path = os.pathsep.join(map(str, [*modules, SHIM]))
        return command, {**_passed_on(), **self._identity(keys), "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}

    def _identity(self, keys: dict[str, str]) -> dict[str, str]:
        attempt = self._attempt
        return {
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": keys["SessionToken"],
            "AWS_DEFAULT_REGION": attempt.region,
            "AWS_REGION": attempt.region,
            "AWS_ENDPOINT_URL": endpoint(),
            # Nothing of the person's own configuration may stand in for the role.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def _watch(self, process: subprocess.Popen[bytes]) -> Outcome:
        pumps = [
            threading.Thread(target=self._pump, args=(kind, stream), daemon=True)
            for kind, stream in (("output", process.stdout), ("error", process.stderr))
        ]
        for pump in pumps:
            pump.start()
        timed_out = not self._wait(process)
        # Children that outlive the script would hold its pipes open, and go on writing.
        _signal_group(process, signal.SIGKILL)
        for pump in pumps:
            pump.join(timeout=10)
        code = process.wait()
        if timed_out:
            return Outcome("TIMEOUT", f"Job run exceeded its timeout of {self._attempt.timeout_seconds:g} seconds")
        if self._stopping.is_set():
            return Outcome("STOPPED")
        if code == 0:
            return Outcome("SUCCEEDED")
        return Outcome("FAILED", self._message(code))

    def _wait(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether it ended in time. What is asked to stop gets its grace and no more."""
        deadline = threading.Event()
        timer = threading.Timer(self._attempt.timeout_seconds, deadline.set)
        timer.daemon = True
        timer.start()
        try:
            while not deadline.is_set():
                try:
                    process.wait(timeout=STOP_GRACE_SECONDS if self._stopping.is_set() else 0.1)
                    return True
                except subprocess.TimeoutExpired:
                    if self._stopping.is_set():
                        _signal_group(process, signal.SIGKILL)
            return process.poll() is not None
        finally:
            timer.cancel()

    def _pump(self, kind: str, stream: IO[bytes] | None) -> None:
        assert stream is not None
        with stream:
            for raw in stream:
                line = raw.decode(errors="replace").rstrip("\r\n")
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


def _assume(role: str, account: str, region: str) -> dict[str, str]:
    """Temporary keys of the role; raises JobSetupError if Glue could not assume it in an account either."""
    arn = role if role.startswith("arn:") else f"arn:aws:iam::{account}:role/{role}"
    iam: Any = client("iam", region)
    try:
        document = iam.get_role(RoleName=arn.rsplit("/", 1)[-1])["Role"]["AssumeRolePolicyDocument"]
    except iam.exceptions.NoSuchEntityException as error:
        raise JobSetupError(f"The job's role {arn} does not exist: create it, or correct the job's Role") from error
    if not any(_lets_glue(statement) for statement in document["Statement"]):
        raise JobSetupError(f"Glue cannot assume {arn}: its trust policy must allow glue.amazonaws.com")
    session = client("sts", region).assume_role(RoleArn=arn, RoleSessionName="GlueJobRunnerSession")
    credentials: dict[str, str] = session["Credentials"]
    return credentials


def _lets_glue(statement: dict[str, Any]) -> bool:
    principal = statement.get("Principal")
    services = principal.get("Service", []) if isinstance(principal, dict) else []
    return statement.get("Effect") == "Allow" and "glue.amazonaws.com" in (
        [services] if isinstance(services, str) else services
    )


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
