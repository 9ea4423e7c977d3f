"""Starting the smoke test from outside: it ends as the build ended, and says why.

No emulator runs builds; the answers are given by botocore's stubs, which hold them and our questions to the API.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from infra.delivery import start_smoke_test

ID = "ingot-staging-smoke-test:1"
LOGS = {"groupName": "/ingot/staging/smoke-test", "streamName": "1"}


@pytest.fixture
def stubs(monkeypatch: pytest.MonkeyPatch) -> dict[str, Stubber]:
    """Service → what it answers."""
    clients = {service: boto3.client(service) for service in ("codebuild", "logs")}
    made = {service: Stubber(client) for service, client in clients.items()}
    for stub in made.values():
        stub.activate()
    monkeypatch.setattr(boto3, "client", lambda service: clients[service])
    return made


@pytest.fixture
def build(stubs: dict[str, Stubber]) -> Callable[..., None]:
    """``build(status, …)``: it is started, goes on for one look, and ends like this."""

    def answer(status: str, **more: Any) -> None:
        stub, going = stubs["codebuild"], {"id": ID, "buildStatus": "IN_PROGRESS"}
        stub.add_response("start_build", {"build": going}, {"projectName": "ingot-staging-smoke-test"})
        for each in (going, {"id": ID, "buildStatus": status, **more}):
            stub.add_response("batch_get_builds", {"builds": [each]}, {"ids": [ID]})

    return answer


def run() -> int:
    return start_smoke_test.run("ingot-staging-smoke-test", poll_seconds=0)


def test_it_waits_for_the_build_and_succeeds_with_it(
    build: Callable[..., None], stubs: dict[str, Stubber], capsys: pytest.CaptureFixture[str]
) -> None:
    build("SUCCEEDED")

    assert run() == 0
    assert capsys.readouterr().out.splitlines() == [f"{ID} started", f"{ID} SUCCEEDED"]
    stubs["codebuild"].assert_no_pending_responses()


@pytest.mark.parametrize("status", ["FAILED", "FAULT", "TIMED_OUT", "STOPPED"])
def test_it_fails_with_the_build_and_says_what_its_log_says(
    build: Callable[..., None], stubs: dict[str, Stubber], capsys: pytest.CaptureFixture[str], status: str
) -> None:
    context = {"statusCode": "COMMAND_EXECUTION_ERROR", "message": "exit status 1"}
    build(
        status,
        logs=LOGS,
        phases=[
            {"phaseType": "INSTALL", "phaseStatus": "SUCCEEDED", "contexts": [{"statusCode": "", "message": ""}]},
            {"phaseType": "BUILD", "phaseStatus": "FAILED", "contexts": [context]},
        ],
    )
    stubs["logs"].add_response(
        "get_log_events",
        {"events": [{"message": "SMOKE TEST FAILED: gold.daily_sales has no rows\n"}]},
        {"logGroupName": LOGS["groupName"], "logStreamName": "1", "limit": 50, "startFromHead": False},
    )

    assert run() == 1
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"{ID} {status}",
        "BUILD: exit status 1",
        "SMOKE TEST FAILED: gold.daily_sales has no rows",
    ]


def test_a_project_that_is_not_there_is_a_failure(
    stubs: dict[str, Stubber], capsys: pytest.CaptureFixture[str]
) -> None:
    stubs["codebuild"].add_client_error("start_build", "ResourceNotFoundException", "Project cannot be found")

    assert run() == 1
    assert "could not be run: " in capsys.readouterr().out


def test_a_log_that_may_not_be_read_does_not_hide_the_failure(
    build: Callable[..., None], stubs: dict[str, Stubber], capsys: pytest.CaptureFixture[str]
) -> None:
    build("FAILED", logs=LOGS)
    stubs["logs"].add_client_error("get_log_events", "AccessDeniedException", "no")

    assert run() == 1
    assert "its log cannot be read" in capsys.readouterr().out
