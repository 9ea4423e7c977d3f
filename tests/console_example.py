"""Settings with a console, which no environment of the repository has: for tests of all that it then makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from infra.settings import SETTINGS_FILE

CERTIFICATE = "arn:aws:acm:us-east-1:111111111111:certificate/0c3f6e2a-1111-2222-3333-444455556666"
CLIENT_SECRET = "example/console-oidc"  # a name, and no secret
CONSOLE: dict[str, Any] = {
    "domain": "ingot.example.com",
    "certificate": CERTIFICATE,
    "addresses": ["192.0.2.0/24"],
    "oidc": {
        "issuer": "https://login.example.com",
        "authorization_endpoint": "https://login.example.com/authorize",
        "token_endpoint": "https://login.example.com/token",
        "user_info_endpoint": "https://login.example.com/userinfo",
        "client_id": "ingot-console",
        "client_secret": CLIENT_SECRET,
    },
}


def console_settings(folder: Path, environment: str, *, network: dict[str, Any] | None = None, **changes: Any) -> Path:
    """The repository's settings, in which one environment has a console.

    Args:
        folder: where the file is written.
        environment: which.
        network: in the place of its own.
        changes: of the console's settings.
    """
    every = yaml.safe_load(SETTINGS_FILE.read_text(encoding="utf-8"))
    every[environment]["console"] = {**CONSOLE, **changes}
    if network:
        every[environment]["network"] = network
    file = folder / "settings.yaml"
    file.write_text(yaml.safe_dump(every), encoding="utf-8")
    return file
