"""The process: arguments, hooks, the HTTP server on loopback, readiness and a clean end.

Besides the AWS APIs it answers `GET /localcloud/health` and `POST /localcloud/save`, which writes
the objects of all buckets to the state folder at once (it also happens every few seconds, and at the end).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import signal
import threading
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from localcloud.objects import ObjectStore

HOST = "127.0.0.1"
SAVE_EVERY_SECONDS = 5.0

log = logging.getLogger("localcloud")


def main(argv: list[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT. The first line on stdout is the endpoint."""
    options = _arguments(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # A line for each request would drown what matters.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    # moto reads these when it is imported, which is why every import of it is inside a function here.
    os.environ.setdefault("MOTO_ACCOUNT_ID", "000000000000")
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")  # the CDK's bootstrap roles attach some
    serve(host=options.host, port=options.port, state=options.state, ready_file=options.ready_file)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="localcloud", description="AWS services on loopback, on moto's server.")
    parser.add_argument("--host", default=HOST, help="the address to bind; %(default)s unless a container is around it")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    parser.add_argument("--state", type=Path, help="folder that keeps the buckets' objects over a restart")
    parser.add_argument("--ready-file", type=Path, help="written with endpoint, port and pid once requests are served")
    return parser.parse_args(argv)


def serve(*, host: str, port: int, state: Path | None, ready_file: Path | None) -> None:
    """Hook the services into moto and serve on `port` until told to stop."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    from localcloud import (
        athena,
        cloudformation,
        ecs,
        events,
        firehose,
        glue,
        lakeformation,
        metrics,
        objects,
        permissions,
        pipes,
        redshift_data,
        refusals,
        s3,
        stepfunctions,
        workgroups,
    )
    from localcloud.clients import set_endpoint
    from localcloud.http import RequestHandler

    s3.install()
    permissions.install()
    store = objects.install(state)
    glue.install()
    athena.install()
    redshift_data.install()
    lakeformation.install()
    workgroups.install()
    ecs.install()
    stepfunctions.install()
    firehose.install()
    pipes.install()
    metrics.install()
    events.install()
    cloudformation.install()

    aws = refusals.Refusing(DomainDispatcherApplication(create_backend_app))
    server = make_server(host, port, _with_control(aws, store), threaded=True, request_handler=RequestHandler)
    # The name and not the address: the CDK and CloudFormation tell a path-style URL by it.
    endpoint = f"http://localhost:{server.port}"
    os.environ["MOTO_PORT"] = str(server.port)
    set_endpoint(endpoint)

    stopping = threading.Event()

    def stop(signum: int, frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    serving = threading.Thread(target=server.serve_forever, name="http", daemon=True)
    serving.start()
    _announce(endpoint, server.port, ready_file)
    while not stopping.wait(SAVE_EVERY_SECONDS):
        store.save()
    log.info("stopping")
    glue.stop_all_runs()
    ecs.stop_all_tasks()
    athena.stop_all_queries()
    pipes.stop_all_pipes()
    firehose.stop_all_deliveries()
    server.shutdown()
    store.save()
    if ready_file:
        ready_file.unlink(missing_ok=True)


def _announce(endpoint: str, port: int, ready_file: Path | None) -> None:
    log.info("serving on %s", endpoint)
    # Whoever started it may have read the line it wanted and closed the pipe.
    with contextlib.suppress(BrokenPipeError):
        print(endpoint, flush=True)
    if ready_file:
        ready_file.parent.mkdir(parents=True, exist_ok=True)
        partial = ready_file.with_suffix(".partial")
        partial.write_text(json.dumps({"endpoint": endpoint, "port": port, "pid": os.getpid()}))
        partial.replace(ready_file)


def _with_control(aws: WSGIApplication, store: ObjectStore) -> WSGIApplication:
    from localcloud.http import respond_json

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        route = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        answer: dict[str, Any]
        if route == "GET /localcloud/health":
            answer = {"status": "ok", "pid": os.getpid()}
        elif route == "POST /localcloud/save":
            answer = {"objects": store.save()}
        else:
            return aws(environ, start_response)
        return respond_json(start_response, "200 OK", answer)

    return app
