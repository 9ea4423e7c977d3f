"""The ``dbt`` that a laptop's ``DBT_EXECUTABLE`` names: asks ``dbt_server.py``, or is dbt itself where none serves.

Run as ``python -IS dbt_client.py SOCKET DBT ARGUMENTS…``, which starts in hundredths of a second.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys


def main(path: str, dbt: str, arguments: list[str]) -> int:
    """Call the server and return dbt's exit code; does not return where the real dbt takes over."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
    except OSError:  # not up yet, or its path is longer than a socket's may be
        os.execv(dbt, [dbt, *arguments])  # noqa: S606
    request = {"arguments": arguments, "cwd": os.getcwd(), "env": dict(os.environ)}
    body = json.dumps(request).encode()
    socket.send_fds(connection, [struct.pack("!I", len(body))], [0, 1, 2])
    connection.sendall(body)
    answer = connection.recv(4)
    if len(answer) < 4:
        print("The dbt server ended in the middle of a call; its log is beside the others of .ingot.", file=sys.stderr)
        return 2  # what dbt returns for what is neither a model's error nor a failed test
    return int(struct.unpack("!i", answer)[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
