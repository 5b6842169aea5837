"""The client for asyncio programs."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any

from ringmain.client.protocol import ENDED, HEARTBEAT_MS, LIVE, RECORDS, ClientProtocol
from ringmain.client.sync import LOGIN_S, RETRY_S, unpack, untrusted
from ringmain.core.errors import RingmainError
from ringmain.core.records import Schema

RECEIVE_BYTES = 1 << 18


class AsyncClient:
    """A session with a market, for asyncio; :class:`ringmain.client.Client` says what each method means.

    A task of its own reads, beats the heart and reconnects, so that the session lives while the
    program does other things.
    """

    def __init__(
        self, address: tuple[str, int], protocol: ClientProtocol, reconnect_s: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:  # fmt: skip
        self.protocol = protocol
        self._address, self._reconnect_s, self._tls = address, reconnect_s, tls
        self._changed = asyncio.Condition()
        self._flushing = asyncio.Event()
        self._failure: RingmainError | None = None
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def connect(
        cls, host: str, port: int, token: str, schema: Schema,
        heartbeat_ms: int = HEARTBEAT_MS, reconnect_s: float = 30.0,
        tls: ssl.SSLContext | None = None, encoding: str = RECORDS,
    ) -> "AsyncClient":  # fmt: skip
        """Log in and return a client that is ready; raises as the sync one does."""
        protocol = ClientProtocol(schema, token, heartbeat_ms, encoding)
        client = cls((host, port), protocol, reconnect_s, tls)
        client._task = asyncio.create_task(client._run())
        try:
            await client._until(lambda: client.protocol.phase == LIVE, reconnect_s + LOGIN_S)
        except BaseException:
            client._task.cancel()
            raise
        return client

    def send(self, command: Any) -> int:
        """Queue one packed command, to be written soon; return its number."""
        return self.send_batch(command)

    def send_batch(self, commands: Any) -> int:
        """Queue an array of commands; return the first one's number. RM308 if too many are unanswered."""
        self._raise_failure()
        number = self.protocol.send(commands)
        self._flushing.set()
        return number

    async def room(self, count: int, timeout_s: float = 30.0) -> None:
        """Wait until `count` more commands can be sent."""
        await self._until(lambda: self.protocol.room() >= count, timeout_s)

    async def poll(self, timeout_s: float = 0.0) -> Any:
        """Return the events that have come, waiting up to `timeout_s` for the first."""
        await self._until(lambda: bool(self.protocol._events), timeout_s, must=False)
        return self.protocol.take_events()

    async def poll_data(self, timeout_s: float = 0.0) -> Any:
        """Return the market data that has come, waiting up to `timeout_s` for the first."""
        await self._until(lambda: bool(self.protocol._data), timeout_s, must=False)
        return self.protocol.take_data()

    async def __aiter__(self) -> AsyncIterator[Any]:
        """Yield batches of events until the session ends."""
        while self.protocol.phase != ENDED:
            events = await self.poll(1.0)
            if events.size:
                yield events

    async def wait_answer(self, number: int, timeout_s: float = 10.0) -> Any:
        """Wait until the command is answered; return the events that answer it, leaving them in line."""
        await self._until(lambda: self.protocol.answered >= number, timeout_s)
        return self.protocol.answer(number)

    async def settle(self, timeout_s: float = 30.0) -> None:
        """Wait until the market has dealt with all that was sent, and all its events are here."""
        value = self.protocol.ping()
        self._flushing.set()
        await self._until(lambda: self.protocol.has_pong(value), timeout_s)

    def subscribe(self, feed: int, product_id: int) -> None:
        """Follow a product's public feed."""
        self.protocol.subscribe(feed, product_id)
        self._flushing.set()

    def unsubscribe(self, feed: int, product_id: int) -> None:
        """Follow it no longer."""
        self.protocol.unsubscribe(feed, product_id)
        self._flushing.set()

    def resend(self, after_sequence: int = 0) -> None:
        """Have all of the session's events behind `after_sequence` sent once more."""
        self.protocol.resend(after_sequence)
        self._flushing.set()

    def unpack(self, record: Any) -> dict[str, Any]:
        """Return a row of what was polled as a dict, the record's name first."""
        return unpack(self.protocol.schema, record)

    async def close(self) -> None:
        """Log out and close."""
        if self.protocol.phase == LIVE:
            self._reconnect_s = 0.0
            self.protocol.logout()
            self._flushing.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=5.0)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _raise_failure(self) -> None:
        failure = self.protocol.end or self._failure
        if failure is not None:
            raise failure

    async def _until(self, is_done: Callable[[], bool], timeout_s: float, must: bool = True) -> None:
        """Wait for something; when the time is over raise RM306 if it must happen."""
        if not is_done():
            self._raise_failure()
        try:
            async with self._changed, asyncio.timeout(timeout_s):
                await self._changed.wait_for(lambda: is_done() or self._has_failed)
        except TimeoutError:
            if must:
                what = f"what was waited for did not come within {timeout_s:g} s"
                raise RingmainError("RM306", "client", what, "Wait longer, or look at the node") from None
            return
        if not is_done():
            self._raise_failure()

    @property
    def _has_failed(self) -> bool:
        return self._failure is not None or self.protocol.end is not None

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _run(self) -> None:
        """Connect, live, and connect again, until the session ends or nobody answers for too long."""
        code, deadline = "RM301", time.monotonic() + self._reconnect_s
        while self.protocol.end is None:
            try:
                was_live = await self._live()
            except RingmainError as error:
                self._failure = error
                break
            if self.protocol.end is not None:
                break
            if was_live:
                code, deadline = "RM303", time.monotonic() + self._reconnect_s
            if time.monotonic() >= deadline:
                host, port = self._address
                what = f"nobody logs us in at {host}:{port}"
                self._failure = RingmainError(code, "client", what, "Check that the gateway runs")
                break
            await asyncio.sleep(RETRY_S)
        await self._tell()

    async def _live(self) -> bool:
        """Live through one connection; True if it was logged in."""
        try:
            reader, writer = await asyncio.open_connection(*self._address, limit=RECEIVE_BYTES, ssl=self._tls)
        except ssl.SSLCertVerificationError as error:
            raise untrusted(self._address, error) from None
        except OSError:
            return False
        self.protocol.connected(time.monotonic_ns())
        writing = asyncio.create_task(self._write(writer))
        try:
            return await self._read(reader)
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            writer.close()
            self.protocol.disconnected()

    async def _read(self, reader: asyncio.StreamReader) -> bool:
        was_live = False
        while True:
            try:
                data = await reader.read(RECEIVE_BYTES)
            except OSError:
                return was_live
            if not data:
                return was_live
            self.protocol.receive(data, time.monotonic_ns())
            was_live = was_live or self.protocol.phase == LIVE
            if self.protocol.has_outgoing:
                self._flushing.set()
            await self._tell()
            if self.protocol.end is not None:
                return was_live

    async def _write(self, writer: asyncio.StreamWriter) -> None:
        """Write what is queued, and a heartbeat when nothing is; hang up on a gateway that is silent."""
        while True:
            is_heard = self.protocol.tick(time.monotonic_ns())
            if not is_heard:
                writer.transport.abort()
                return
            self._flushing.clear()
            writer.writelines(self.protocol.outgoing(time.monotonic_ns()))
            try:
                await writer.drain()
                async with asyncio.timeout(self.protocol.heartbeat_ms / 4000):
                    await self._flushing.wait()
            except TimeoutError:
                continue
            except OSError:
                return
