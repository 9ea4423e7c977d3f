"""Ports and passwords: chosen once, remembered in the state folder, never fixed in a file of the project."""

from __future__ import annotations

import json
import os
import secrets
import socket
from pathlib import Path
from typing import Any


class Memory:
    """A small JSON file that only its owner can read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._facts: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def port(self, service: str, *, running: bool) -> int:
        """The service's port on loopback: the remembered one unless somebody else took it meanwhile.

        Args:
            service: Whose port.
            running: Whether the service itself is up, and so rightly holds its port.
        """
        key = f"port.{service}"
        known = self._facts.get(key)
        if known is None or not (running or _is_free(known)):
            taken = {value for name, value in self._facts.items() if name.startswith("port.")}
            known = _free_port(taken)
            self._set(key, known)
        return int(known)

    def secret(self, name: str) -> str:
        """A password made once; URL-safe, so that it can stand in a connection string."""
        key = f"secret.{name}"
        if key not in self._facts:
            self._set(key, secrets.token_urlsafe(24))
        return str(self._facts[key])

    def _set(self, key: str, value: object) -> None:
        self._facts[key] = value
        write_private(self._path, json.dumps(self._facts, indent=2, sort_keys=True))


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody else may read, at once and whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still closing is free for a listener.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port(taken: set[int]) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in taken:
            return port
