"""A lane: the three addresses that one running job is given, and on which its faults strike.

Two lanes are enough for two runs at once. Which run a connection belongs to is known by the lane that it came in on.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from socketserver import BaseRequestHandler, ThreadingTCPServer
from types import TracebackType
from typing import Self

from tests.faults.run import Run


class Lane:
    """Where a job finds the source, the cloud and the warehouse. One run at a time is on it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.run: Run | None = None

    def __str__(self) -> str:
        return self.name


class Listener(ThreadingTCPServer):
    """A port of loopback whose connections are handled by threads."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, handler: Callable[..., BaseRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.port: int = self.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections break here on purpose; nobody needs to read of it."""


def reset(connection: socket.socket) -> None:
    """End a connection as a crash does: with RST, and what was not sent yet is lost."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD)
    except OSError:
        pass
    finally:
        connection.close()
