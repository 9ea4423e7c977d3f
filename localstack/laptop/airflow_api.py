"""The part of Airflow's REST API that the demo uses: wait for DAGs, trigger, follow, read logs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

RUNNING = {"queued", "running"}

BETWEEN_SECONDS, LONGEST_REST_SECONDS = 0.5, 5.0
"""Between two looks at a run, at least and at most; see :meth:`AirflowApi.follow`."""

TASKS_SECONDS = 2.0
"""Between two looks at its tasks, which cost twice as much."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a DAG."""

    dag_id: str
    run_id: str
    state: str

    @property
    def over(self) -> bool:
        return self.state not in RUNNING


@dataclass(frozen=True, kw_only=True)
class Task:
    """One try of one task."""

    task_id: str
    state: str | None
    try_number: int
    seconds: float | None


class AirflowApi:
    """A client of one Airflow, logged in as one user.

    Args:
        patience: how many seconds an answer may take.

    Raises:
        httpx.HTTPError: Airflow does not answer, or refuses.
    """

    def __init__(self, url: str, user: str, password: str, *, patience: float = 30) -> None:
        token = httpx.post(f"{url}/auth/token", json={"username": user, "password": password}, timeout=patience)
        token.raise_for_status()
        self._http = httpx.Client(
            base_url=f"{url}/api/v2",
            headers={"Authorization": f"Bearer {token.json()['access_token']}"},
            timeout=patience,
            # An api-server of one worker refuses a connection now and then while it is busy.
            transport=httpx.HTTPTransport(retries=3),
        )

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def dags(self, *, since: datetime | None = None) -> set[str]:
        """The DAGs that are parsed, since a time if one is given, and not stale."""
        parsed = {dag["dag_id"]: dag["last_parsed_time"] for dag in self._get("/dags", limit=100)["dags"]}
        return {name for name, at in parsed.items() if not since or (at and datetime.fromisoformat(at) >= since)}

    def import_errors(self) -> list[str]:
        """One text a DAG file that cannot be imported."""
        return [
            f"{error['filename']}:\n{error['stack_trace']}" for error in self._get("/importErrors")["import_errors"]
        ]

    def trigger(self, dag_id: str, run_id: str, *, start: datetime, end: datetime, run_after: datetime) -> Run:
        """Start a run for a data interval; ``run_after`` is the time that it stands for."""
        answer = self._http.post(
            f"/dags/{dag_id}/dagRuns",
            json={
                "dag_run_id": run_id,
                # Airflow allows one run a logical date, and takes an interval only with one.
                "logical_date": datetime.now(start.tzinfo).isoformat(),
                "data_interval_start": start.isoformat(),
                "data_interval_end": end.isoformat(),
                "run_after": run_after.isoformat(),
            },
        )
        answer.raise_for_status()
        return _run(answer.json())

    def run(self, dag_id: str, run_id: str) -> Run:
        return _run(self._get(f"/dags/{dag_id}/dagRuns/{run_id}"))

    def runs(self, dag_id: str) -> list[Run]:
        """The latest runs, newest first."""
        return [_run(run) for run in self._get(f"/dags/{dag_id}/dagRuns", order_by="-id", limit=20)["dag_runs"]]

    def caused_by(self, run: Run) -> set[tuple[str, str]]:
        """DAG and run id of the runs that produced the asset events that started this run."""
        events = self._get(f"/dags/{run.dag_id}/dagRuns/{run.run_id}/upstreamAssetEvents")["asset_events"]
        return {(event["source_dag_id"], event["source_run_id"]) for event in events}

    def tasks(self, run: Run) -> list[Task]:
        answer = self._get(f"/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances", limit=1000)
        return [
            Task(task_id=one["task_id"], state=one["state"], try_number=one["try_number"], seconds=one["duration"])
            for one in answer["task_instances"]
        ]

    def log(self, run: Run, task: Task) -> list[dict[str, Any]]:
        """The structured lines of a try's log."""
        answer = self._get(
            f"/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/{task.task_id}/logs/{task.try_number}",
            full_content="true",
        )
        return [line for line in answer["content"] if isinstance(line, dict)]

    def reason(self, run: Run, task: Task) -> str:
        """Why a try failed: the errors of its log, and the exceptions with them."""
        return "\n".join(_errors(self.log(run, task))) or "its log holds no error"

    def follow(self, run: Run, *, seconds: float) -> Iterator[tuple[Run, list[Task]]]:
        """The run and its tasks as they go on, until it is over; at its end both are as they ended.

        It looks twice a second at most, and rests four times as long as an answer took: several that follow a run ask
        the same api-server that the tasks themselves wait for.

        Raises:
            TimeoutError: It is not over in time.
        """
        deadline = time.monotonic() + seconds
        tasks: list[Task] = []
        looked = -TASKS_SECONDS
        while True:
            asked = time.monotonic()
            run = self.run(run.dag_id, run.run_id)
            if run.over or asked - looked >= TASKS_SECONDS:
                tasks, looked = self.tasks(run), asked
            took = time.monotonic() - asked
            yield run, tasks
            if run.over:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{run.dag_id} is {run.state} after {seconds:.0f} seconds")
            time.sleep(min(max(BETWEEN_SECONDS, 4 * took), LONGEST_REST_SECONDS))

    def _get(self, path: str, **params: str | int) -> Any:
        """What it answers; one that is too busy to answer in time is asked once more, as asking changes nothing."""
        try:
            answer = self._http.get(path, params=params)
        except httpx.TimeoutException:
            answer = self._http.get(path, params=params)
        answer.raise_for_status()
        return answer.json()


def _run(raw: dict[str, Any]) -> Run:
    return Run(dag_id=raw["dag_id"], run_id=raw["dag_run_id"], state=raw["state"])


def _errors(lines: list[dict[str, Any]]) -> Iterator[str]:
    for line in lines:
        if line.get("level") not in {"error", "critical"}:
            continue
        yield str(line.get("event", ""))
        for exception in line.get("error_detail") or []:
            yield f"{exception.get('exc_type')}: {exception.get('exc_value')}"
