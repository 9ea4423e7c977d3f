"""``python -m recorded_source``: serve until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from .declared import SOURCES
from .recordings import FAKESTORE
from .source import CACHE_BYTES, RecordedSource


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with contextlib.ExitStack() as stack:
        log = None if options.log is None else _log(options.log, stack)
        try:
            source = RecordedSource(
                recordings=options.recordings,
                apis=options.apis or [SOURCES],
                host=options.host,
                port=options.port,
                log=log,
                cache_bytes=options.cache_mib * 1024 * 1024,
            )
        except OSError as error:
            print(f"The recorded source cannot start: {error}. Is another one on this port?", file=sys.stderr)
            return 1
        stack.enter_context(source)
        with contextlib.suppress(BrokenPipeError):  # who reads only the first line may have gone
            print(source.url, flush=True)
        if options.ready_file:
            _announce(options.ready_file, source)
            stack.callback(options.ready_file.unlink, missing_ok=True)
        stop.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="recorded_source", description="Serve APIs from recordings.")
    parser.add_argument("--host", default="127.0.0.1", help="the address to bind (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="0 lets the system choose (default)")
    parser.add_argument(
        "--ready-file",
        type=Path,
        metavar="FILE",
        help='written once requests are answered: {"endpoint": …, "port": …, "pid": …}; removed at the end',
    )
    parser.add_argument("--log", metavar="FILE", help="append a line a request to FILE, or to stderr for -")
    parser.add_argument("--recordings", type=Path, default=FAKESTORE, metavar="FOLDER", help="one JSON file a stream")
    parser.add_argument(
        "--apis",
        type=Path,
        action="append",
        metavar="FOLDER",
        help="a folder of sources, of which each with recorded/api.yaml is served at /NAME; may be given again "
        "(default: the sources of this checkout)",
    )
    parser.add_argument(
        "--cache-mib",
        type=int,
        default=CACHE_BYTES // 1024**2,
        metavar="N",
        help="memory for synthetic pages (default: %(default)s)",
    )
    return parser


def _log(target: str, stack: contextlib.ExitStack) -> TextIO:
    return sys.stderr if target == "-" else stack.enter_context(Path(target).open("a", encoding="utf-8"))


def _announce(file: Path, source: RecordedSource) -> None:
    """Write the ready file at one stroke: a reader finds it whole or not at all."""
    partial = file.with_name(f"{file.name}.{os.getpid()}")
    ready = {"endpoint": source.url, "port": source.port, "pid": os.getpid()}
    partial.write_text(json.dumps(ready) + "\n", "utf-8")
    partial.replace(file)


if __name__ == "__main__":
    sys.exit(main())
