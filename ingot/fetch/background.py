"""An event loop beside the caller: pages come in while it works on those before them."""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


@contextmanager
def background() -> Iterator[Callable[[Coroutine[Any, Any, T]], T]]:
    """Run coroutines in a thread of their own; what yet runs at the end is cancelled.

    A caller that dies with the block open does not keep the process from ending.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=_serve, args=(loop,), name="ingot-fetch", daemon=True)

    def stop() -> None:
        if thread.is_alive():
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    thread.start()
    atexit.register(stop)
    try:
        yield lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result()
    finally:
        stop()
        atexit.unregister(stop)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:  # at its end it cancels and closes all there is
        runner.get_loop().run_forever()
