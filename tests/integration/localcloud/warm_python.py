"""A Python for Glue jobs that starts in milliseconds: each script runs in a fork of a process with the imports done.

What is given to the local cloud as `LOCALCLOUD_GLUE_PYTHON` is a few lines that pass on arguments, variables, folder
and outputs, and end with the code that the fork ends with. Everything else is as in any run.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]

_FRONT = """\
import json, os, socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
told = json.dumps({"arguments": sys.argv[2:], "variables": dict(os.environ), "folder": os.getcwd()}).encode()
socket.send_fds(connection, [len(told).to_bytes(8, "big")], [1, 2])
connection.sendall(told)
code = connection.recv(1)
sys.exit(code[0] if code else 1)
"""


@contextmanager
def warm_python(folder: Path) -> Iterator[Path]:
    """The command, made in `folder`, whose path must be short: it holds a socket."""
    address, front, command = folder / "warm.sock", folder / "front.py", folder / "python"
    front.write_text(_FRONT)
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -IS "{front}" "{address}" "$@"\n')
    command.chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # Libraries have threads of their own; what a fork of them could wait for, jobs do not use.
    quiet = ("-W", "ignore:This process:DeprecationWarning")
    process = subprocess.Popen([sys.executable, *quiet, __file__, str(address)], env=environment)
    try:
        deadline = time.monotonic() + 180
        while not address.exists():
            assert process.poll() is None, "the warm process has ended"
            assert time.monotonic() < deadline, "the warm process is not ready after three minutes"
            time.sleep(0.02)
        yield command
    finally:
        process.terminate()
        process.wait(timeout=30)


def serve(address: str) -> None:
    """Fork for each connection, until terminated."""
    _warm_up()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{address}.partial")
    listener.listen(32)
    Path(f"{address}.partial").rename(address)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _run(connection)
        connection.close()


def _run(connection: socket.socket) -> None:
    """Be the job, to its end."""
    size, outputs, _, _ = socket.recv_fds(connection, 8, 2)
    with connection.makefile("rb") as stream:
        told: dict[str, Any] = json.loads(stream.read(int.from_bytes(size, "big")))
    for output, number in zip(outputs, (1, 2), strict=True):
        os.dup2(output, number)
        os.close(output)
    os.chdir(told["folder"])
    os.environ.clear()
    os.environ.update(told["variables"])
    sys.argv = told["arguments"]
    sys.path[:0] = told["variables"].get("PYTHONPATH", "").split(os.pathsep)
    code: object = 1
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code or 0
        if isinstance(code, str):
            print(code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    connection.sendall(bytes([code if isinstance(code, int) else 1]))
    # An ordinary end would take apart what is shared with the process that this one was forked from.
    os._exit(0)


def _warm_up() -> None:
    """Do once what every job would else do again."""
    import adbc_driver_postgresql.dbapi  # noqa: F401
    import anyio._backends._asyncio  # noqa: F401
    import boto3
    import psycopg  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import s3transfer.manager  # noqa: F401

    import ingot.job
    import ingot.sources
    import ingot.steps.audit
    import ingot.steps.extract
    import ingot.steps.load
    import ingot.steps.rebuild
    import ingot.steps.refine
    import ingot.steps.resolve
    import ingot.warehouse.postgres  # noqa: F401

    # With keys of their own, so that the session goes on to look for those of each job.
    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    for service in ("s3", "secretsmanager"):
        boto3.client(service, region_name="us-east-1", endpoint_url="http://localhost:1", **keys)  # type: ignore[call-overload]


if __name__ == "__main__":
    serve(sys.argv[1])
