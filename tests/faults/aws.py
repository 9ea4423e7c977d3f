"""In front of the local cloud: passes a job's requests on, or fails as its faults say."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote, urlsplit

from tests.faults.faults import Fault
from tests.faults.lane import Lane, Listener, reset

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "expect", "host", "content-length"}
_ERRORS = {"500": "InternalError", "503-slow-down": "SlowDown", "409-conflict": "ConditionalRequestConflict"}


def listen(lane: Lane, upstream: str) -> Listener:
    """The cloud for the run on a lane; `upstream` is the local cloud's URL."""

    class Handler(_Handler):
        pass

    Handler.lane, Handler.upstream = lane, urlsplit(upstream).netloc
    return Listener(Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    lane: Lane
    upstream: str

    def setup(self) -> None:
        super().setup()
        self._run = self.lane.run
        self._cloud = HTTPConnection(self.upstream, timeout=30)

    def finish(self) -> None:
        self._cloud.close()
        super().finish()

    def do_any(self) -> None:
        run = self._run
        if run is None or run.over:
            return reset(self.connection)
        length = int(self.headers.get("Content-Length", 0))
        fault = run.request("aws", lambda fault: self._fits(fault, length))
        if fault is not None and fault.kind in ("reset", "reset-mid-upload", "killed-before"):
            self.rfile.read(length // 2 if fault.kind == "reset-mid-upload" else 0)
            run.strike(fault)
            return reset(self.connection)
        body = self.rfile.read(length)
        if fault is not None and fault.kind in _ERRORS:
            run.strike(fault)
            return self._refuse(fault)
        status, headers, content = self._pass_on(body)
        if self.command == "PUT" and status == 200:
            run.wrote(unquote(urlsplit(self.path).path).split("/", 2)[2])
        if fault is not None:
            run.strike(fault)
            if fault.kind == "done-but-500":
                return self._refuse(fault)
            if fault.kind == "cut-off-body":
                self._send(status, headers, content, len(content) // 2)
                return reset(self.connection)
            return reset(self.connection)
        return self._send(status, headers, content, len(content))

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_any

    def _fits(self, fault: Fault, length: int) -> bool:
        """Whether the fault can happen to this request."""
        if fault.kind == "409-conflict":
            return "If-None-Match" in self.headers
        if fault.kind == "reset-mid-upload":
            return self.command == "PUT" and length > 0
        if fault.kind == "cut-off-body":
            return self.command == "GET"
        return True

    def _pass_on(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        # Refused once more if the cloud closed a connection that was idle; nothing was asked on it then.
        for last in (False, True):
            try:
                self._cloud.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                self._cloud.putheader("Host", self.upstream)
                for name, value in self.headers.items():
                    if name.lower() not in _HOP_BY_HOP:
                        self._cloud.putheader(name, value)
                self._cloud.putheader("Content-Length", str(len(body)))
                self._cloud.endheaders(body)
                response = self._cloud.getresponse()
                return response.status, response.getheaders(), response.read()
            except (HTTPException, OSError):
                self._cloud.close()
                if last:
                    raise
        raise AssertionError

    def _refuse(self, fault: Fault) -> None:
        status = int(fault.kind[:3]) if fault.kind in _ERRORS else 500
        code = _ERRORS.get(fault.kind, "InternalError")
        if "X-Amz-Target" in self.headers:
            body, kind = f'{{"__type":"{code}","message":"not now"}}', "application/x-amz-json-1.1"
        else:
            body, kind = f"<Error><Code>{code}</Code><Message>not now</Message></Error>", "application/xml"
        self._send(status, [("Content-Type", kind)], body.encode(), len(body))

    def _send(self, status: int, headers: list[tuple[str, str]], content: bytes, length: int) -> None:
        """Answer with the first `length` bytes of the content."""
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        announced = {name.lower(): value for name, value in headers}.get("content-length", str(len(content)))
        self.send_header("Content-Length", announced if self.command == "HEAD" else str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[:length])

    def log_message(self, format: str, *args: object) -> None:
        """Histories say themselves what happened."""
