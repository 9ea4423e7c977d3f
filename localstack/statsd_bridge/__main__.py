"""Receive StatsD on a port, and show Prometheus what came on the same: one is UDP's and the other TCP's."""

from __future__ import annotations

import argparse
import logging
import socket
from pathlib import Path

from prometheus_client import start_http_server

from statsd_bridge.mapping import Rules
from statsd_bridge.store import Store

HOST = "127.0.0.1"
_MOST = 65_535
_BUFFER = 4 * 2**20
"""What waits while a scrape is answered: Airflow sends some hundred lines a second when it starts."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m statsd_bridge", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="UDP for StatsD, TCP for /metrics")
    parser.add_argument("--mapping", type=Path, required=True, help="statsd-exporter's mapping file")
    parser.add_argument("--ready-file", type=Path, help="written once it receives and serves")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    store = Store(Rules(arguments.mapping))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        receiver.bind((HOST, arguments.port))
        start_http_server(arguments.port, addr=HOST, registry=store.registry)
        if arguments.ready_file:
            arguments.ready_file.write_text(f"http://localhost:{arguments.port}/metrics\n")
        while True:
            store.receive(receiver.recv(_MOST))


if __name__ == "__main__":
    main()
