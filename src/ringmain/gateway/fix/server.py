"""The FIX door's place in the event loop: it listens, and wakes the door when the tape has more."""

import asyncio
import contextlib
import time
from collections.abc import Callable

import numpy as np

from ringmain.gateway.fix.connection import Connection
from ringmain.gateway.fix.door import Door
from ringmain.gateway.watching import Watcher

CHECK_S = 0.1
RETRY_S = 0.001
REVIEW_S = 1.0


class Server:
    """One door, listening.

    Parameters
    ----------
    make_door : callable
        ``make_door(wake)`` returns the door; it may call ``wake`` from any thread.
    """

    def __init__(self, make_door: Callable[[Callable[[], None]], Door]) -> None:
        self._loop = asyncio.get_running_loop()
        self.door = make_door(self._wake)
        self.buffer = np.zeros(self.door.limits.receive_bytes, np.uint8)
        self._connections: dict[Connection, None] = {}
        self._listener: asyncio.Server | None = None
        self._reviewed = 0.0
        self._is_stopping = self._is_pumping = False
        self._watcher = Watcher(self.door.tape, "fix-tape", self._wake)
        self._check_timer: asyncio.TimerHandle | None = None
        self._retry_timer: asyncio.TimerHandle | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port's number. OSError if it is taken."""
        self.door.compile()
        self._listener = await self._loop.create_server(lambda: Connection(self), host, port, backlog=1024)
        self._watcher.start()
        self.pump_soon()
        self._check()
        return int(self._listener.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Take no more connections, log everyone out, and end."""
        self._is_stopping = True
        if self._listener is not None:
            self._listener.close()
        self.door.close()
        await asyncio.sleep(0)  # connections close behind what was written
        for timer in (self._check_timer, self._retry_timer):
            if timer is not None:
                timer.cancel()
        await self._watcher.stop()

    def add(self, connection: Connection) -> bool:
        """Count a connection in; False if there are too many."""
        if len(self._connections) >= self.door.limits.connections:
            return False
        self._connections[connection] = None
        return True

    def remove(self, connection: Connection) -> None:
        """Count it out."""
        self._connections.pop(connection, None)

    def pump_soon(self) -> None:
        """Tell what the tape has, at the loop's next turn."""
        if not self._is_pumping and not self._is_stopping:
            self._is_pumping = True
            self._loop.call_soon(self._pump)

    def _wake(self) -> None:
        """Pump soon; called from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self.pump_soon)

    def _pump(self) -> None:
        self._is_pumping = False
        if self._is_stopping:
            return
        has_more = self.door.pump()
        self._retry()
        if has_more or self.door.has_more:
            self.pump_soon()
        elif not self.door.is_syncing:
            self._watcher.resume()

    def _retry(self) -> None:
        """Offer again what the ring had no room for, and soon once more if it still has none."""
        is_waiting = self.door.retry()
        if is_waiting and self._retry_timer is None and not self._is_stopping:
            self._retry_timer = self._loop.call_later(RETRY_S, self._retry_later)

    def _retry_later(self) -> None:
        self._retry_timer = None
        self._retry()

    def _check(self) -> None:
        self._retry()
        now = time.monotonic()
        for connection in list(self._connections):
            connection.check(now)
        if now - self._reviewed >= REVIEW_S:
            self._reviewed = now
            self.door.review(time.time_ns())
        self._check_timer = self._loop.call_later(CHECK_S, self._check)
