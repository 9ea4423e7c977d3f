"""dbt with its imports done: a process that forks one dbt for each call (``dbt_client.py`` makes them).

Half of the six seconds of a processor that a ``dbt build`` of one small model takes are imports, and half of the rest
is the code that mashumaro writes for dbt's classes when each is first read or written. An orchestrator starts dbt once
a model. Every call still is a process of its own, with the arguments, variables, folder, input and outputs of its
caller, and ends with dbt's exit code. Run by the interpreter of the dbt environment::

    python dbt_server.py SOCKET
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path

GRACE_SECONDS = 10.0
"""Between asking a dbt whose caller is gone to cancel its queries and ending it."""


EXAMPLE = {
    "dbt_project.yml": "{name: example, profile: example, flags: {send_anonymous_usage_stats: false}}",
    "profiles.yml": "{example: {target: none, outputs: {none: {type: postgres, host: none, port: 1, user: none, "
    "password: none, dbname: none, schema: none, threads: 1}}}}",
    "models/example.sql": "select 1 as id",
    "models/example.yml": "{models: [{name: example, columns: [{name: id, data_tests: [not_null]}]}], "
    "unit_tests: [{name: holds, model: example, given: [], expect: {rows: [{id: 1}]}}], "
    "sources: [{name: source, tables: [{name: table, columns: [{name: id}]}]}]}",
    "seeds/seed.csv": "id\n1\n",
}
"""A project with one of each kind that ours has; its database is none."""


def main(path: str) -> None:
    """Serve calls on a Unix socket until ended."""
    import dbt.adapters.postgres
    import dbt.cli.main
    import dbt.task.build  # noqa: F401

    prepare()
    # Nothing of this is garbage, and looking for it would copy the pages that forks share.
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended forks need no burial
    if os.path.exists(path):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX) as listener:
        old = os.umask(0o177)  # for us alone
        listener.bind(path)
        os.umask(old)
        listener.listen(64)
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                os._exit(_call(connection))
            connection.close()


def prepare() -> None:
    """Parse an example, anew and from its partial parse, which has dbt's classes made ready and connects to nothing.

    dbt may be called again in one process (https://docs.getdbt.com/reference/programmatic-invocations): a call begins
    with settings, adapters, loggers and an id of its own. If this fails calls are slower, and the log says why.
    """
    from dbt.cli.main import dbtRunner
    from dbt_common.events.functions import reset_metadata_vars

    with tempfile.TemporaryDirectory() as folder:
        for name, text in EXAMPLE.items():
            file = Path(folder, name)
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        here = ["--project-dir", folder, "--profiles-dir", folder, "--log-path", folder, "--target-path", folder]
        for _ in range(2):
            # The static parser keeps threads of its own, which a fork would not have.
            done = dbtRunner().invoke(["--quiet", "--no-version-check", "--no-static-parser", "parse", *here])
            if not done.success:
                print(f"dbt is not prepared: {done.exception}", file=sys.stderr)
    reset_metadata_vars()  # the caller's own variables, which dbt reads once a process


def _call(connection: socket.socket) -> int:
    """Be the caller's dbt; the exit code goes back over the connection."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    header, descriptors, _, _ = socket.recv_fds(connection, 4, 3)
    size = struct.unpack("!I", header)[0]
    request = json.loads(connection.recv(size, socket.MSG_WAITALL))
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = ["dbt", *request["arguments"]]
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    threading.Thread(target=_end_with_caller, args=[connection], daemon=True).start()
    code = _dbt()
    atexit._run_exitfuncs()  # as the end of an interpreter would, but without taking this large one apart
    sys.stdout.flush()
    sys.stderr.flush()
    # A caller that has its answer goes: from here on that is no reason to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection.sendall(struct.pack("!i", code))
    return code


def _dbt() -> int:
    from dbt.cli.main import cli

    try:
        cli()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _end_with_caller(connection: socket.socket) -> None:
    """The caller says nothing more: that there is something to read means that it is gone."""
    connection.recv(1)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1])
