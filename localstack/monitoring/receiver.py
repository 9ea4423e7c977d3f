"""Who hears of alerts on a laptop: each is printed as it came, ``python -m monitoring.receiver --port 9094``.

A team puts a mail address, a chat or SNS in its place: see docs/how-to/monitoring.md.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver(BaseHTTPRequestHandler):
    """Alertmanager's webhook (https://prometheus.io/docs/alerting/latest/configuration/#webhook_config)."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        print("\n\n".join(map(message, body["alerts"])), end="\n\n", flush=True)
        self._answer()

    def do_GET(self) -> None:
        """Whether it is there."""
        self._answer()

    def log_message(self, *_: Any) -> None:
        """Only alerts are printed."""

    def _answer(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


def message(alert: dict[str, Any]) -> str:
    """An alert in words."""
    state = "OVER" if alert["status"] == "resolved" else "RINGS"
    return f"{state} {alert['labels']['alertname']}\n{alert['annotations']['description']}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m monitoring.receiver", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ThreadingHTTPServer((options.host, options.port), Receiver) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
