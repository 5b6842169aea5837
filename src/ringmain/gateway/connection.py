"""One TCP connection: bytes to whole frames, and the clockwork of a session."""

import asyncio
import socket
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from ringmain.core.jit import bare, records
from ringmain.gateway import messages
from ringmain.gateway.session import LIVE, Session

if TYPE_CHECKING:
    from ringmain.gateway.server import Server

HEARTBEATS_MISSED = 2.5
CLOSING_S = 2.0  # how long a connection that was ended may take to send the rest


class Connection(asyncio.BufferedProtocol):
    """What asyncio calls for one connection; a :class:`ringmain.gateway.port.Link` to the port.

    The buffer that is read into is the server's, one for all: the loop fills it and has it emptied
    before it turns to another connection. Only the frames that the port did not take, and the rest
    of a frame that is not whole, are kept here.
    """

    def __init__(self, server: "Server") -> None:
        self.session: Session | None = None
        self._server, self._port = server, server.port
        self._transport: Any = None
        self._held = np.zeros(0, np.uint8)
        self._is_unread = False  # the client leaves what it is sent
        now = time.monotonic()
        self._began = self._heard = self._spoke = self._unread_since = self._ended = now

    # asyncio's side.

    def connection_made(self, transport: Any) -> None:
        """Begin, or turn away one too many."""
        self._transport = transport
        transport.set_write_buffer_limits(self._port.limits.unread_bytes)
        endpoint = transport.get_extra_info("socket")
        endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._server.add(self):
            self._port.dismiss(self, messages.TOO_MANY_CONNECTIONS)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Give the server's buffer, behind the beginning of a frame that came before."""
        buffer, held = self._server.buffer, self._held.size
        buffer[:held] = self._held
        return memoryview(buffer.data)[held:]

    def buffer_updated(self, count: int) -> None:
        """Hand over the whole frames."""
        self._heard = time.monotonic()
        self._take(self._server.buffer[: self._held.size + count])
        if self._port.has_more:
            self._server.pump_soon()

    def connection_lost(self, error: Exception | None) -> None:
        """Close the session."""
        self._server.remove(self)
        self._port.leave(self)

    def pause_writing(self) -> None:
        """Note that the client does not read: leave it alone until it does."""
        self._is_unread, self._unread_since = True, time.monotonic()
        self._port.fall_behind(self)
        self._choose_reading()

    def resume_writing(self) -> None:
        """Let it catch up."""
        self._is_unread = False
        if self._held_frames:
            self._port.hold(self)
        self._choose_reading()
        self._server.pump_soon()

    # The port's side.

    @property
    def is_writable(self) -> bool:
        """Whether the client has read most of what was sent."""
        return not self._is_unread and not self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self._spoke = time.monotonic()
        self._transport.write(data)

    def take_held(self) -> None:
        """Hand over what was held, unless the client has first to read."""
        if not self._is_unread:
            self._take(self._held)

    def end(self) -> None:
        """Close, behind what was written; a client that does not read is not waited for."""
        self._held = self._held[:0]
        self._ended = time.monotonic()
        if self._is_unread:
            self._transport.abort()
        else:
            self._transport.close()

    # The clockwork.

    def check(self, now: float) -> None:
        """End what is overdue, and show a client that waits that the gateway is there."""
        if self._transport.is_closing():
            if now - self._ended > CLOSING_S:
                self._transport.abort()
            return
        reason = self._overdue(now)
        if reason == messages.MARKET_AWAY:
            self._port.refuse_opening(self)
        elif reason:
            self._port.dismiss(self, reason)
        elif self.session and self.session.phase == LIVE and self._silent_s(now) >= self._heartbeat_s / 2:
            self._port.heartbeat(self)

    def _overdue(self, now: float) -> int:
        """Return why the connection is to end, or 0."""
        limits, session = self._port.limits, self.session
        if self._is_unread and now - self._unread_since > limits.unread_s:
            return messages.TOO_SLOW
        if session is None:
            return messages.LOGIN_TIMEOUT if now - self._began > limits.login_s else 0
        if session.phase != LIVE:
            return messages.MARKET_AWAY if now - self._began > limits.login_s + limits.opening_s else 0
        is_read = not self._is_unread and not self._held_frames
        if is_read and now - self._heard > HEARTBEATS_MISSED * self._heartbeat_s:
            return messages.HEARTBEAT_LOST
        return 0

    @property
    def _heartbeat_s(self) -> float:
        assert self.session is not None, "hearts beat in sessions"
        return self.session.heartbeat_ms / 1000

    @property
    def _held_frames(self) -> int:
        return self._held.size // self._port.schema.record_bytes

    def _silent_s(self, now: float) -> float:
        return 0.0 if self._is_unread else now - self._spoke

    def _take(self, data: Any) -> None:
        """Hand the whole frames of a byte array to the port; keep the rest of it."""
        record_bytes = self._port.schema.record_bytes
        whole = data.size // record_bytes
        frames = bare(records(data[: whole * record_bytes].view(self._port.schema.header)))
        taken = self._port.receive(self, frames)
        if self._transport.is_closing():
            return
        if taken < whole:
            self._port.hold(self)
        if taken == 0 and data is self._held:
            return
        self._held = data[taken * record_bytes :].copy()
        self._choose_reading()

    def _choose_reading(self) -> None:
        """Read on unless the client does not, or the ring has no room for what is here."""
        if self._transport.is_closing():
            return
        if self._is_unread or self._held_frames:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
