"""One TCP connection of the FIX door."""

import asyncio
import socket
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from ringmain.gateway.fix import dictionary as d
from ringmain.gateway.fix.codec import MESSAGE_BYTES
from ringmain.gateway.fix.member import Member

if TYPE_CHECKING:
    from ringmain.gateway.fix.server import Server

CLOSING_S = 2.0  # how long a connection that was ended may take to send the rest


class Connection(asyncio.BufferedProtocol):
    """What asyncio calls for one connection; a :class:`ringmain.gateway.fix.member.Link` to the door.

    The buffer that is read into is the server's, one for all; only what the door did not take is
    kept here.
    """

    certificate_sha256 = ""  # this door has no TLS: who is bound to a certificate does not come in

    def __init__(self, server: "Server") -> None:
        self.member: Member | None = None
        self._server, self._door = server, server.door
        self._transport: Any = None
        self._held = np.zeros(0, np.uint8)
        self._is_waiting = False  # the door has to call before more is read
        self._is_unread = self._is_over = False
        now = time.monotonic()
        self._began = self._unread_since = self._ended = now

    def connection_made(self, transport: Any) -> None:
        """Begin, or turn away one too many."""
        self._transport = transport
        transport.set_write_buffer_limits(self._door.limits.unread_bytes)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._server.add(self):
            transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Give the server's buffer, behind what is held."""
        buffer, held = self._server.buffer, self._held.size
        buffer[:held] = self._held
        return memoryview(buffer.data)[held:]

    def buffer_updated(self, count: int) -> None:
        """Hand over what is here."""
        if self._is_over:
            return
        self._take(self._server.buffer[: self._held.size + count])
        if self._door.has_more:
            self._server.pump_soon()

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the session's connection."""
        self._server.remove(self)
        self._door.leave(self)

    def pause_writing(self) -> None:
        """Note that the client does not read: write nothing until it does."""
        self._is_unread, self._unread_since = True, time.monotonic()
        if self.member is not None:
            self.member.fall_behind()
        self._choose_reading()

    def resume_writing(self) -> None:
        """Let it catch up."""
        self._is_unread = False
        if self._held.size:
            self._door.hold(self)
        self._choose_reading()
        self._server.pump_soon()

    # The door's side.

    @property
    def is_writable(self) -> bool:
        """Whether the client has read most of what was sent."""
        return not self._is_unread and not self._is_ending

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self._transport.write(data)

    def take_held(self) -> None:
        """Hand over what was held, unless the client has first to read."""
        self._is_waiting = False
        if not self._is_unread and not self._is_ending:
            self._take(self._held)

    def end(self) -> None:
        """Close, behind what was written; a client that does not read is not waited for."""
        self._held = self._held[:0]
        self._ended = time.monotonic()
        self._is_over = True
        if self._is_unread:
            self._transport.abort()
        elif not self._transport.is_closing():
            self._transport.write_eof()
            self._transport.resume_reading()  # to close on what has come would reset the connection

    # The clockwork.

    def check(self, now: float) -> None:
        """End what is overdue, and let the session's clock go on."""
        if self._is_ending:
            if now - self._ended > CLOSING_S:
                self._transport.abort()
            return
        limits = self._door.limits
        if self._is_unread and now - self._unread_since > limits.unread_s:
            self._transport.abort()
        elif self.member is None:
            if now - self._began > limits.login_s:
                self.end()
        elif self._door.check_opening(self):
            if now - self._began > limits.login_s + limits.opening_s:
                session = self.member.session
                begin_string = session.begin_string if session is not None else d.FIX44
                self._door.refuse(self, begin_string, "MARKET_AWAY: the market does not answer")
        elif not self._is_unread:
            self._door.tick(self, time.time_ns())

    @property
    def _is_ending(self) -> bool:
        return self._is_over or self._transport.is_closing()

    def _take(self, data: Any) -> None:
        """Hand bytes to the door; keep those that it does not take."""
        if self._is_waiting and data is not self._held:
            self._held = data.copy()
            return
        done = self._door.receive(self, data)
        if self._is_ending:
            return
        if done or data is not self._held:
            self._held = data[done:].copy()
        if self._held.size > MESSAGE_BYTES and self.member is None:
            self.end()
        self._choose_reading()

    def wait(self) -> None:
        """Read no more until :meth:`take_held` is called."""
        self._is_waiting = True

    def _choose_reading(self) -> None:
        if self._is_ending:
            return
        if self._is_unread or self._is_waiting or self._held.size > self._server.buffer.size // 2:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
