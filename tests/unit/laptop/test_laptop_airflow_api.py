"""What follows a run asks little of the Airflow that runs it, and bears with one that is busy."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from laptop.airflow_api import AirflowApi, Run

RUN = Run(dag_id="ingest_shop", run_id="one", state="queued")


class Airflow(ThreadingHTTPServer):
    """Says that a run goes on so many times; hangs when told."""

    def __init__(self, running: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.running = running
        self.hangs = 0
        self.over = threading.Event()
        self.asked: Counter[str] = Counter()


class Handler(BaseHTTPRequestHandler):
    server: Airflow

    def do_POST(self) -> None:
        self._answer({"access_token": "any"})

    def do_GET(self) -> None:
        what = self.path.partition("?")[0].rsplit("/", 1)[-1]
        self.server.asked[what] += 1
        if self.server.hangs > 0:
            self.server.hangs -= 1
            self.server.over.wait(60)
        elif what == "dags":
            times = {"new": "2026-03-01T12:00:00.5Z", "old": "2026-03-01T11:59:59Z", "never": None}
            self._answer({"dags": [{"dag_id": name, "last_parsed_time": at} for name, at in times.items()]})
        elif what == "taskInstances":
            state = "running" if self.server.running else "success"
            one = {"task_id": "carts.load", "state": state, "try_number": 1, "duration": None}
            self._answer({"task_instances": [one]})
        else:
            self.server.running -= 1
            state = "running" if self.server.running else "success"
            self._answer({"dag_id": RUN.dag_id, "dag_run_id": RUN.run_id, "state": state})

    def _answer(self, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def airflow() -> Iterator[Airflow]:
    with Airflow(running=3) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield server
        server.over.set()
        server.shutdown()


@pytest.fixture
def api(airflow: Airflow) -> Iterator[AirflowApi]:
    client = AirflowApi(f"http://127.0.0.1:{airflow.server_port}", "admin", "any", patience=2)
    yield client
    client.close()


def test_a_dag_of_older_files_is_told_from_one_that_was_parsed_since(api: AirflowApi) -> None:
    assert api.dags() == {"new", "old", "never"}
    assert api.dags(since=datetime(2026, 3, 1, 12, tzinfo=UTC)) == {"new"}


def test_a_run_is_followed_to_its_end_with_its_tasks_asked_for_less_often(
    airflow: Airflow, api: AirflowApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("laptop.airflow_api.BETWEEN_SECONDS", 0.0)
    seen = list(api.follow(RUN, seconds=60))
    assert [run.state for run, _ in seen] == ["running", "running", "success"]
    assert [tasks[0].state for _, tasks in seen] == ["running", "running", "success"]
    assert airflow.asked == {"one": 3, "taskInstances": 2}


def test_an_api_server_that_is_too_busy_once_is_asked_again(airflow: Airflow, api: AirflowApi) -> None:
    airflow.hangs = 1
    assert api.run(RUN.dag_id, RUN.run_id).state == "running"
    assert airflow.asked == {"one": 2}


def test_one_that_stays_too_busy_is_an_error(airflow: Airflow, api: AirflowApi) -> None:
    airflow.hangs = 2
    with pytest.raises(httpx.TimeoutException):
        api.run(RUN.dag_id, RUN.run_id)
