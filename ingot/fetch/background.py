"""An event loop beside the caller: pages come in while it works on those before them."""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, suppress
from queue import SimpleQueue

from ingot.fetch.page import Page


class _End:
    error: Exception | None = None


def drawn(pages: AsyncGenerator[Page, None]) -> Generator[Page, None, None]:
    """The pages of an async generator that runs in a thread of its own.

    It is asked for the next page when the caller asks for it, and closed when the caller is done. A caller that dies
    in between does not keep the process from ending.
    """
    loop = asyncio.new_event_loop()
    wanted = asyncio.Semaphore(0)
    handed: SimpleQueue[Page | _End] = SimpleQueue()

    async def hand_over() -> None:
        end = _End()
        try:
            async with aclosing(pages):
                await wanted.acquire()
                async for page in pages:
                    handed.put(page)
                    await wanted.acquire()
        except Exception as error:
            end.error = error
        finally:
            handed.put(end)

    task = loop.create_task(hand_over())

    def serve() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.get_loop().run_until_complete(asyncio.wait([task]))  # and at its end all there is is closed

    def stop() -> None:
        with suppress(RuntimeError):  # the loop is closed: it had come to its end
            loop.call_soon_threadsafe(task.cancel)
        thread.join()

    thread = threading.Thread(target=serve, name="ingot-fetch", daemon=True)
    thread.start()
    atexit.register(stop)
    try:
        while True:
            loop.call_soon_threadsafe(wanted.release)
            item = handed.get()
            if isinstance(item, _End):
                break
            yield item
    finally:
        stop()
        atexit.unregister(stop)
    if item.error is not None:
        raise item.error
