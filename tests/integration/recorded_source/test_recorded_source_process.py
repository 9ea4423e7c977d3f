"""``python -m recorded_source`` as a process: ready file, access log, clean end."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

LOCALSTACK = Path(__file__).parents[3] / "localstack"


def spawn(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "recorded_source", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(LOCALSTACK)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def served(ready: Path, *arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, object]]]:
    """A source that is ready, killed at the end if it still runs."""
    process = spawn("--port", "0", "--ready-file", ready, *arguments)
    with process:
        try:
            deadline = time.monotonic() + 20
            while not ready.exists():
                assert process.poll() is None, process.stderr.read() if process.stderr else ""
                assert time.monotonic() < deadline
                time.sleep(0.01)
            yield process, json.loads(ready.read_text())
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_even_while_a_request_hangs(tmp_path: Path, number: signal.Signals) -> None:
    ready = tmp_path / "ready.json"
    with served(ready) as (process, announced):
        url = str(announced["endpoint"])
        assert announced == {"endpoint": f"http://127.0.0.1:{announced['port']}", "port": announced["port"],
                             "pid": process.pid}  # fmt: skip
        assert len(httpx.get(f"{url}/products", trust_env=False).json()) == 20
        httpx.post(f"{url}/_control/faults", json={"hang": True}, trust_env=False)
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{url}/carts", timeout=0.2, trust_env=False)
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out.strip(), err) == (0, url, "")
    assert not ready.exists()


def test_the_access_log_has_a_line_a_request_and_no_bodies(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    with served(tmp_path / "ready.json", "--log", log) as (process, announced):
        reply = httpx.get(f"{announced['endpoint']}/users?limit=1", trust_env=False)
        httpx.get(f"{announced['endpoint']}/nothing%0Ahere", trust_env=False)
        process.terminate()
        process.communicate(timeout=10)
    first, second = log.read_text().splitlines()
    assert first.split(" ", 1)[1] == f"GET '/users?limit=1' 200 {len(reply.content)}"
    assert " 404 " in second  # a line break in a path does not forge a line


def test_folders_of_sources_are_named_and_the_checkouts_own_are_served_without(tmp_path: Path) -> None:
    recorded = tmp_path / "sources" / "stall" / "recorded"
    recorded.mkdir(parents=True)
    (recorded / "api.yaml").write_text("paths: {/things: {data: things.json}}")
    (recorded / "things.json").write_text('[{"id": 1}]')
    with served(tmp_path / "ready.json", "--apis", tmp_path / "sources") as (_, announced):
        url = str(announced["endpoint"])
        assert httpx.get(f"{url}/stall/things", trust_env=False).json() == [{"id": 1}]
        assert httpx.get(f"{url}/fx/v2/rates", trust_env=False).status_code == 404
    with served(tmp_path / "ready-again.json") as (_, announced):
        assert httpx.get(f"{announced['endpoint']}/fx/v2/rates", trust_env=False).json()


def test_the_access_log_goes_to_stderr_for_a_dash(tmp_path: Path) -> None:
    with served(tmp_path / "ready.json", "--log", "-") as (process, announced):
        httpx.get(f"{announced['endpoint']}/carts/1", trust_env=False)
        process.terminate()
        _, err = process.communicate(timeout=10)
    assert "GET '/carts/1' 200" in err


def test_a_port_that_is_taken_is_an_error_that_says_so(tmp_path: Path) -> None:
    with served(tmp_path / "ready.json") as (_, announced):
        second = spawn("--port", str(announced["port"]))
        _, err = second.communicate(timeout=20)
    assert second.returncode == 1
    assert "Is another one on this port?" in err
    assert "Traceback" not in err
