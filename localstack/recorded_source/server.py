"""The sockets: HTTP/1.1 with keep-alive, a thread a connection, and replies that can be made to go wrong."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .application import Application, Delivery
from .messages import Reply, Request

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for no seconds
_ONE_SEND = 65536


class RecordedServer(ThreadingHTTPServer):
    """An HTTP server over an ``Application``.

    ``server_close`` ends connections that hang and joins their threads.
    """

    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], application: Application) -> None:
        self.application = application
        self.closing = threading.Event()
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    @property
    def url(self) -> str:
        host, port = str(self.server_address[0]), self.server_address[1]
        return f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # noqa: S104

    def server_bind(self) -> None:
        # HTTPServer's own looks the host's name up, which can take seconds on a machine without DNS.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:  # in the accepting thread, so that server_close knows of all connections
            self._connections.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._connections.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep silent about clients that went away; print everything else as the base class does."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        self.closing.set()
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):  # the client was quicker
                    connection.shutdown(socket.SHUT_RDWR)
        super().server_close()


class _Handler(BaseHTTPRequestHandler):
    server: RecordedServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request.of(self.command, self.path, dict(self.headers), body)
        self._send(self.server.application.deliver(request))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the journal writes the access log."""

    def _send(self, delivery: Delivery) -> None:
        if delivery.latency and self.server.closing.wait(delivery.latency):
            self.close_connection = True  # a reply before its time would be one that no rule asked for
            return
        if delivery.reset:
            self._reset()
            return
        if delivery.answers:
            self._send_reply(delivery.reply, delivery.cut_off, delivery.trickle)
        if delivery.hang:
            self._hang()
        if delivery.hang or delivery.cut_off is not None:
            self.close_connection = True

    def _send_reply(self, reply: Reply, cut_off: int | None, trickle: float) -> None:
        bodiless = reply.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
        phrase = HTTPStatus(reply.status).phrase if reply.status in set(HTTPStatus) else ""
        headers = {"Date": self.date_time_string(), **reply.headers}
        if not bodiless:
            headers["Content-Length"] = str(len(reply.body))
        lines = [
            f"HTTP/1.1 {reply.status} {phrase}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        body = b"" if bodiless or self.command == "HEAD" else reply.body
        if cut_off is not None:
            body = body[: min(cut_off, len(body) - 1)]
        if trickle:
            self._trickle(head + body, trickle)
        elif len(body) <= _ONE_SEND:
            self.wfile.write(head + body)
        else:
            self.wfile.write(head)
            self.wfile.write(body)

    def _trickle(self, reply: bytes, pause: float) -> None:
        for byte in reply:
            self.wfile.write(bytes([byte]))
            if self.server.closing.wait(pause):
                self.close_connection = True
                return

    def _hang(self) -> None:
        """Send nothing until the client goes away or the server closes."""
        while not self.server.closing.is_set():
            readable, _, _ = select.select([self.connection], [], [], 0.05)
            if readable and not self.connection.recv(4096):
                return

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        # In effect once rfile and wfile are closed too, which is before the server could send a FIN.
        self.connection.close()
