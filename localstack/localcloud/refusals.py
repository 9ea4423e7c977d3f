"""Refuse the calls that moto answers with a success that nothing stands behind.

A query that returns no rows, or a function that never ran, is worse than an error: the caller goes on.
A module that makes one of these calls real takes its line out of the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from localcloud.http import respond_json

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

# `X-Amz-Target` of a JSON call -> what the local cloud does not do.
REFUSED_TARGETS = {
    "AWSGlue.StartCrawler": "crawl: give the table its columns and partition projection",
    "AWSGlue.StartTrigger": "fire Glue triggers: start the job run instead",
    "AWSGlue.StartWorkflowRun": "run Glue workflows: start the job runs instead",
    "AWSGlue.CreateSession": "run Glue interactive sessions",
    "AmazonEC2ContainerServiceV20141113.StartTask": "run tasks on container instances: use RunTask and FARGATE",
    "AWSStepFunctions.StartSyncExecution": "run express workflows: make the state machine a standard one",
}
# Method and path of a REST call -> the same.
REFUSED_PATHS = ((re.compile(r"POST /2015-03-31/functions/[^/]+/invocations"), "run Lambda functions"),)


class Refusing:
    """WSGI middleware: 400 `NotSupportedByLocalCloud` for what is in the tables, all else goes on."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        refused = _refused(environ)
        if refused is None:
            return self._app(environ, start_response)
        # The body has to leave the connection, which is kept alive.
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        message = f"The local cloud does not {refused}."
        return respond_json(
            start_response, "400 Bad Request", {"__type": "NotSupportedByLocalCloud", "message": message}
        )


def _refused(environ: WSGIEnvironment) -> str | None:
    if reason := REFUSED_TARGETS.get(environ.get("HTTP_X_AMZ_TARGET", "")):
        return reason
    route = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
    return next((reason for pattern, reason in REFUSED_PATHS if pattern.fullmatch(route)), None)
