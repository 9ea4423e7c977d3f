"""`ingot ui` as a person starts it: it says where it is, answers, and ends when it is told to."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import httpx
import msgspec

from ingot.naming import Names

if TYPE_CHECKING:
    from ingot.warehouse import Endpoint

ROOT = Path(__file__).resolve().parents[3]


def ui(*arguments: str, environment: str, home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ingot.cli", "ui", "--no-open", *arguments],
        env={**os.environ, "INGOT_ENVIRONMENT": environment, "INGOT_HOME": str(home), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_says_where_it_is_and_ends(cloud: str, warehouse_endpoint: Endpoint, tmp_path: Path) -> None:
    account = boto3.client("sts").get_caller_identity()["Account"]
    names = Names(environment="consoled", account=account, region="us-east-1")
    secret = msgspec.json.encode(warehouse_endpoint).decode()
    boto3.client("secretsmanager").create_secret(Name=names.warehouse_secret, SecretString=secret)
    with ui("--port", "0", "--json", environment="consoled", home=tmp_path) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        url = msgspec.json.decode("".join(lines))["url"]
        assert httpx.get(f"{url}/healthz", timeout=30).text == "ok\n"
        empty = httpx.get(f"{url}/business", timeout=60)  # dbt has never run: it says so, and what to do
        assert empty.status_code == 500
        assert "Next:" in empty.text
        process.send_signal(signal.SIGINT)
        assert process.wait(30) in (0, 130, -signal.SIGINT)


def test_it_listens_for_others_only_if_it_was_told_who_may_come_in(tmp_path: Path) -> None:
    with ui("--host", "0.0.0.0", "--port", "0", environment="local", home=tmp_path) as process:
        said, told = process.communicate(timeout=60)
    assert (process.returncode, said) == (1, "")
    assert "INGOT_UI_AUTH=alb behind a load balancer" in told


def test_a_port_that_is_taken_is_said(cloud: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with ui("--port", str(taken.getsockname()[1]), environment="local", home=tmp_path) as process:
            _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "take another with --port" in told
