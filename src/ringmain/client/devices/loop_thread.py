"""An event loop in a thread of its own, for programs that wait while their devices' connections live."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")
CLOSE_S = 0.05  # for connections that are closing


class LoopThread:
    """Runs coroutines for those that know none."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="devices", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Result], timeout_s: float = 60.0) -> Result:
        """Run a coroutine to its end and return its result; TimeoutError if it takes too long."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)

    def run_all(self, works: list[Coroutine[Any, Any, Any]], timeout_s: float = 60.0) -> list[Any]:
        """Run coroutines side by side; return their results."""
        return self.run(_gather(works), timeout_s)

    async def begin(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Start a coroutine that goes on by itself; to be run."""
        return self._loop.create_task(work)

    def close(self) -> None:
        """End the loop with all that still runs on it."""
        self.run(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


async def _gather(works: list[Coroutine[Any, Any, Any]]) -> list[Any]:
    return list(await asyncio.gather(*works))


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(CLOSE_S)
