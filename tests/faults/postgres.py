"""In front of Postgres: passes a job's messages on, or breaks off as its faults say.

A client's stream is a start-up packet (after requests for encryption, which are answered with no) and then messages of
a letter, a length and a body. https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from socketserver import BaseRequestHandler

from tests.faults.faults import Channel
from tests.faults.lane import Lane, Listener, reset
from tests.faults.run import Run

_ENCRYPTION = (80877103, 80877104)  # SSLRequest, GSSENCRequest
_TERMINATE, _COPY_DATA = b"X", b"d"


def listen(lane: Lane, port: int, *, terminate: Callable[[], None], restart: Callable[[], None]) -> Listener:
    """The warehouse for the run on a lane.

    Args:
        port: the server's own.
        terminate: ends the sessions of all jobs, as an administrator would.
        restart: restarts the server.
    """

    class Handler(_Handler):
        pass

    Handler.lane, Handler.port = lane, port
    Handler.actions = {"terminated": terminate, "restarted": restart}
    return Listener(Handler)


class _Broken(Exception):
    """The connection is at its end."""


class _Handler(BaseRequestHandler):
    request: socket.socket
    lane: Lane
    port: int
    actions: dict[str, Callable[[], None]]

    def handle(self) -> None:
        run = self.lane.run
        self._muted, self._answered = threading.Event(), threading.Event()
        if run is None or run.over:
            return reset(self.request)
        try:
            server = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        except OSError:
            return reset(self.request)
        server.settimeout(None)
        for end in (server, self.request):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with suppress(OSError, _Broken), self.request.makefile("rb") as client:
                _start(client, self.request, server)
                threading.Thread(target=self._answers, args=(server,), daemon=True).start()
                while True:
                    kind, message = _message(client)
                    self._pass_on(run, kind, message, server)
        finally:
            reset(self.request)
            # The server hears of the end at once, as it does of a process that has died.
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            server.close()
        return None

    def _pass_on(self, run: Run, kind: bytes, message: bytes, server: socket.socket) -> None:
        fault = None
        if kind != _TERMINATE:
            fault = run.request("postgres")
            special: Channel | None = "copy" if kind == _COPY_DATA else "commit" if b"COMMIT" in message else None
            if special and fault is None:
                fault = run.request(special)
        if fault is None:
            server.sendall(message)
        elif fault.kind in self.actions:
            run.strike(fault)
            self.actions[fault.kind]()
            server.sendall(message)
        else:
            if fault.kind == "cut-midway":
                server.sendall(message[: len(message) // 2])
            elif fault.kind in ("cut-after", "killed-after"):
                self._muted.set()
                server.sendall(message)
                self._answered.wait(2)
            run.strike(fault)
            raise _Broken

    def _answers(self, server: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                if self._muted.is_set():
                    self._answered.set()
                else:
                    self.request.sendall(data)
        self._answered.set()
        with suppress(OSError):
            self.request.shutdown(socket.SHUT_RDWR)


def _start(client: object, request: socket.socket, server: socket.socket) -> None:
    while True:
        head = _exactly(client, 8)
        length, code = struct.unpack("!II", head)
        rest = _exactly(client, length - 8)
        if code not in _ENCRYPTION:
            server.sendall(head + rest)
            return
        request.sendall(b"N")


def _message(client: object) -> tuple[bytes, bytes]:
    head = _exactly(client, 5)
    return head[:1], head + _exactly(client, struct.unpack("!I", head[1:])[0] - 4)


def _exactly(client: object, count: int) -> bytes:
    data: bytes = client.read(count)  # type: ignore[attr-defined]
    if len(data) < count:
        raise _Broken
    return data
