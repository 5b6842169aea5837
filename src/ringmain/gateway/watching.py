"""What wakes an event loop when a tape has more."""

import asyncio
import threading
from collections.abc import Callable

from ringmain.core.tape import TapeReader

WATCH_S = 0.25


class Watcher:
    """A thread that sleeps on a tape, and calls once when it has more.

    As long as the loop has work of its own it is not asked: it sleeps again after :meth:`resume`.

    Parameters
    ----------
    tape : TapeReader
    name : str
        The thread's.
    wake : callable
        Called in the thread; to be handed on to the loop.
    """

    def __init__(self, tape: TapeReader, name: str, wake: Callable[[], object]) -> None:
        self._tape, self._wake, self._is_stopping = tape, wake, False
        self._may_watch = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=name, daemon=True)

    def start(self) -> None:
        """Begin, with the first :meth:`resume`."""
        self._thread.start()

    def resume(self) -> None:
        """Watch on: everything that was readable has been read."""
        self._may_watch.set()

    async def stop(self) -> None:
        """End the thread, and wait for that."""
        self._is_stopping = True
        self._may_watch.set()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    def _watch(self) -> None:
        while not self._is_stopping:
            self._may_watch.wait()
            if self._tape.wait(WATCH_S) and not self._is_stopping:
                self._may_watch.clear()
                self._wake()
