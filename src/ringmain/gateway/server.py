"""A port's place in the event loop: it listens, and wakes the port when the tape has more."""

import asyncio
import ssl
import time

import numpy as np

from ringmain.gateway.broadcast import Broadcast
from ringmain.gateway.connection import CLOSING_S, Connection
from ringmain.gateway.port import Port
from ringmain.gateway.sbe import Layout, Transcoder
from ringmain.gateway.watching import Watcher

CHECK_S = 0.1
RETRY_S = 0.001
REVIEW_S = 1.0


class Server:
    """One market's port, listening."""

    def __init__(self, port: Port) -> None:
        self.port = port
        self.buffer = np.zeros(port.limits.receive_bytes, np.uint8)
        self.transcoder = Transcoder(Layout(port.schema), receive_bytes=port.limits.receive_bytes)
        self._connections: dict[Connection, None] = {}
        self._listeners: list[asyncio.Server] = []
        self._reviewed = 0.0
        self._is_stopping = self._is_pumping = False
        self._watcher = Watcher(port.tape, f"tape-{port.schema.name}", self._wake)
        self._check_timer: asyncio.TimerHandle | None = None
        self._retry_timer: asyncio.TimerHandle | None = None

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen, with TLS or without, once or at several doors; return the port's number.

        OSError if it is taken. All doors lead into the same loop: none is served before another.
        """
        self._loop = asyncio.get_running_loop()
        listener = await self._loop.create_server(
            lambda: Connection(self), host, port, backlog=1024, ssl=tls,
            ssl_handshake_timeout=self.port.limits.login_s if tls else None,
            ssl_shutdown_timeout=CLOSING_S if tls else None,
        )  # fmt: skip
        if not self._listeners:
            self._watcher.start()
            self._watcher.resume()
            self._check()
        self._listeners.append(listener)
        return int(listener.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Take no more connections, log everyone out, and end."""
        self._is_stopping = True
        for listener in self._listeners:
            listener.close()
        self.port.close()
        await asyncio.sleep(0)  # connections close behind what was written
        for timer in (self._check_timer, self._retry_timer):
            if timer is not None:
                timer.cancel()
        await self._watcher.stop()

    def as_sbe(self, data: bytes) -> bytes:
        """Return records as SBE messages; what goes to many is encoded once."""
        if not isinstance(data, Broadcast):
            return self.transcoder.encode(data)
        if not data.sbe:
            data.sbe = self.transcoder.encode(data)
        return data.sbe

    def add(self, connection: Connection) -> bool:
        """Count a connection in; False if there are too many."""
        if len(self._connections) >= self.port.limits.connections:
            return False
        self._connections[connection] = None
        return True

    def remove(self, connection: Connection) -> None:
        """Count it out."""
        self._connections.pop(connection, None)

    def pump_soon(self) -> None:
        """Send on what the tape has, at the loop's next turn."""
        if not self._is_pumping and not self._is_stopping:
            self._is_pumping = True
            self._loop.call_soon(self._pump)

    def _wake(self) -> None:
        """Pump soon; called from the watching thread."""
        self._loop.call_soon_threadsafe(self.pump_soon)

    def _pump(self) -> None:
        self._is_pumping = False
        if self._is_stopping:
            return
        has_more = self.port.pump()
        self._retry()
        if has_more:
            self.pump_soon()
        else:
            self._watcher.resume()

    def _retry(self) -> None:
        """Offer again what the ring had no room for, and soon once more if it still has none."""
        is_waiting = self.port.retry()
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
            self.port.review()
        if self.port.has_more:  # delayed data comes by itself
            self.pump_soon()
        self._check_timer = self._loop.call_later(CHECK_S, self._check)
