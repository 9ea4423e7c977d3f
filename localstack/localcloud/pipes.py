"""EventBridge Pipes: from an SQS queue to a state machine.

moto keeps pipes and moves nothing. Here a pipe is a thread that takes messages from its queue as its role, waits for
more until its window is over or its batch full, and starts the state machine once with an array of them. What was
started is deleted from the queue; what could not be comes back when the queue's visibility time-out is over.

Hooks: `EventBridgePipesBackend.create_pipe` and `delete_pipe`. Not emulated: other sources and targets, filters,
enrichment, paths in an input template, a change of a pipe; what asks for one is refused when the pipe is created.
"""

from __future__ import annotations

import functools
import json
import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

from localcloud import roles
from localcloud.clients import client_as

PRINCIPAL = "pipes.amazonaws.com"
_POLL_SECONDS = 1
_KEYS_LAST_SECONDS = 1800.0  # temporary keys are good for an hour
_A_REQUEST = 10  # messages, at most

log = logging.getLogger(__name__)


def install() -> None:
    """Hook into moto. Call once."""
    from moto.pipes.models import EventBridgePipesBackend, Pipe

    create, delete = EventBridgePipesBackend.create_pipe, EventBridgePipesBackend.delete_pipe

    @functools.wraps(create)
    def create_pipe(self: Any, **asked: Any) -> Pipe:
        work = _read(self, asked)
        pipe = create(self, **asked)
        thread = _Mover(self.account_id, self.region_name, work)
        _movers[pipe.arn] = thread
        thread.start()
        return pipe

    @functools.wraps(delete)
    def delete_pipe(self: Any, name: str) -> Pipe:
        pipe = delete(self, name)
        if mover := _movers.pop(pipe.arn, None):
            mover.stop()
        return pipe

    def update_pipe(self: Any, **asked: Any) -> Pipe:
        raise _refusal("The local cloud changes no pipe: delete it and create another")

    EventBridgePipesBackend.create_pipe = create_pipe  # type: ignore[assignment,method-assign]
    EventBridgePipesBackend.delete_pipe = delete_pipe  # type: ignore[method-assign]
    EventBridgePipesBackend.update_pipe = update_pipe  # type: ignore[assignment,method-assign]


def stop_all_pipes() -> None:
    """End all of them; what they have not started anything for stays in its queue."""
    for mover in list(_movers.values()):
        mover.stop()


@dataclass(frozen=True)
class _Work:
    name: str
    queue: str
    machine: str
    role: str
    batch: int
    window: float
    template: str | None


class _Mover(threading.Thread):
    def __init__(self, account: str, region: str, work: _Work) -> None:
        super().__init__(name=f"pipe-{work.name}", daemon=True)
        self._account, self._region, self._work = account, region, work
        self._stopping = threading.Event()
        self._keys: tuple[float, dict[str, str]] | None = None

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._move()
            except Exception as error:  # a right that is missing, say: AWS tries again, too
                log.warning("pipe %s: %s", self._work.name, error)
                self._stopping.wait(_POLL_SECONDS)

    def _move(self) -> None:
        sqs = self._client("sqs")
        url = sqs.get_queue_url(QueueName=self._work.queue)["QueueUrl"]
        taken: list[dict[str, Any]] = []
        until = None
        while not self._stopping.is_set() and len(taken) < self._work.batch:
            if until is not None and time.monotonic() >= until:
                break
            most = min(_A_REQUEST, self._work.batch - len(taken))
            found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=most).get("Messages", ())
            taken += found
            if found and until is None:
                until = time.monotonic() + self._work.window
            if not found:
                self._stopping.wait(0.2)
        if not taken or self._stopping.is_set():
            return
        given = [json.loads(self._work.template or json.dumps(message)) for message in taken]
        self._client("stepfunctions").start_execution(stateMachineArn=self._work.machine, input=json.dumps(given))
        for message in taken:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def _client(self, service: str) -> Any:
        """As the pipe's role."""
        if self._keys is None or time.monotonic() >= self._keys[0]:
            keys = roles.assume(
                self._work.role, PRINCIPAL, account=self._account, region=self._region, session=self._work.name[:64]
            )
            self._keys = time.monotonic() + _KEYS_LAST_SECONDS, keys
        return client_as(self._keys[1], service, self._region)


_movers: dict[str, _Mover] = {}


def _read(backend: Any, asked: dict[str, Any]) -> _Work:
    """What a pipe is asked to do; what would not be done is refused."""
    source, target = asked["source"].split(":"), asked["target"].split(":")
    if source[2] != "sqs" or target[2] != "states":
        raise _refusal("The local cloud moves from an SQS queue to a state machine only")
    if asked.get("enrichment") or asked.get("desired_state") == "STOPPED":
        raise _refusal("The local cloud knows no Enrichment and no stopped pipe")
    given = dict(asked.get("source_parameters") or {})
    queue = given.pop("SqsQueueParameters", {})
    to = dict(asked.get("target_parameters") or {})
    machine = to.pop("StepFunctionStateMachineParameters", {})
    template = to.pop("InputTemplate", None)
    if given or to or machine.get("InvocationType") != "FIRE_AND_FORGET":
        raise _refusal(f"The local cloud does not implement {sorted({**given, **to}) or 'REQUEST_RESPONSE'} of a pipe")
    if template and "<" in template:
        raise _refusal("The local cloud fills nothing into an InputTemplate")
    try:
        roles.assume(
            asked["role_arn"], PRINCIPAL, account=backend.account_id, region=backend.region_name, session="Pipe"
        )
    except roles.RoleError as error:
        raise _refusal(str(error)) from error
    return _Work(
        name=asked["name"],
        queue=source[5],
        machine=asked["target"],
        role=asked["role_arn"],
        batch=int(queue.get("BatchSize", 10)),
        window=float(queue.get("MaximumBatchingWindowInSeconds", 0)),
        template=template,
    )


def _refusal(message: str) -> Exception:
    from moto.core.exceptions import JsonRESTError

    return JsonRESTError("ValidationException", message)
