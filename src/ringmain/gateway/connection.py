"""One connection: bytes to whole frames, in either encoding, and the clockwork of a session."""

import asyncio
import hashlib
import socket
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from ringmain.core.jit import bare, records
from ringmain.gateway import messages
from ringmain.gateway.sbe import is_sbe
from ringmain.gateway.session import LIVE, Session
from ringmain.gateway.transcode import FRAMING_BYTES

if TYPE_CHECKING:
    from ringmain.gateway.server import Server

HEARTBEATS_MISSED = 2.5
CLOSING_S = 2.0  # how long a connection that was ended may take to send the rest


class Connection(asyncio.BufferedProtocol):
    """What asyncio calls for one connection; a :class:`ringmain.gateway.port.Link` to the port.

    The buffer that is read into is the server's, one for all: the loop fills it and has it emptied
    before it turns to another connection. Only the frames that the port did not take, and the rest
    of a frame that is not whole, are kept here.

    The first bytes tell records from SBE messages; the port sees records in any case.
    """

    def __init__(self, server: "Server") -> None:
        self.session: Session | None = None
        self._server, self._port = server, server.port
        self._transport: Any = None
        self._is_sbe: bool | None = None  # until the first bytes are there
        self._partial = np.zeros(0, np.uint8)  # what has come of a frame
        self._held = np.zeros(0, np.uint8)  # whole records that the port did not take
        self._fault = 0  # of what came behind the held frames
        self._is_unread = False  # the client leaves what it is sent
        self._is_over = False  # all has been said: what still comes is dropped
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
        buffer, partial = self._server.buffer, self._partial.size
        buffer[:partial] = self._partial
        return memoryview(buffer.data)[partial:]

    def buffer_updated(self, count: int) -> None:
        """Hand over the whole frames."""
        if self._is_over:
            return
        self._heard = time.monotonic()
        self._take_in(self._server.buffer[: self._partial.size + count])
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
        return not self._is_unread and not self._is_ending

    @property
    def certificate_sha256(self) -> str:
        """Digest of the certificate that the client showed, in hex; empty if it showed none."""
        tls = self._transport.get_extra_info("ssl_object")
        shown = tls.getpeercert(binary_form=True) if tls is not None else None
        return hashlib.sha256(shown).hexdigest() if shown else ""

    def write(self, data: bytes) -> None:
        """Send records, in the connection's encoding."""
        self._spoke = time.monotonic()
        self._transport.write(self._server.as_sbe(data) if self._is_sbe else data)

    def take_held(self) -> None:
        """Hand over what was held, unless the client has first to read."""
        if not self._is_unread:
            self._hand_over(self._held)

    def end(self) -> None:
        """Close, behind what was written; a client that does not read is not waited for."""
        self._held, self._partial = self._held[:0], self._partial[:0]
        self._ended = time.monotonic()
        self._is_over = True
        if self._is_unread:
            self._transport.abort()
        elif self._transport.can_write_eof() and not self._transport.is_closing():
            # To close on bytes that were not read would reset the connection, and the client might never
            # read why it ends: it closes first, or is closed on in CLOSING_S.
            self._transport.write_eof()
            self._transport.resume_reading()
        else:
            self._transport.close()

    # The clockwork.

    def check(self, now: float) -> None:
        """End what is overdue, and show a client that waits that the gateway is there."""
        if self._is_ending:
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
    def _is_ending(self) -> bool:
        return self._is_over or self._transport.is_closing()

    @property
    def _heartbeat_s(self) -> float:
        assert self.session is not None, "hearts beat in sessions"
        return self.session.heartbeat_ms / 1000

    @property
    def _held_frames(self) -> int:
        return self._held.size // self._port.schema.record_bytes

    def _silent_s(self, now: float) -> float:
        return 0.0 if self._is_unread else now - self._spoke

    def _take_in(self, data: Any) -> None:
        """Cut a byte array into frames, and hand them to the port; keep the rest of it."""
        if self._is_sbe is None and data.size >= FRAMING_BYTES:
            self._is_sbe = is_sbe(data[:FRAMING_BYTES].tobytes())
        if self._is_sbe is None:
            frames, used = data[:0], 0
        elif self._is_sbe:
            records_of, used, self._fault = self._server.transcoder.decode(data)
            frames = records_of.view(np.uint8).reshape(-1)
        else:
            used = data.size - data.size % self._port.schema.record_bytes
            frames = data[:used]
        self._partial = data[used:].copy()
        if self._held.size:  # came although reading was paused
            self._held = np.concatenate((self._held, frames))
        else:
            self._hand_over(frames)

    def _hand_over(self, data: Any) -> None:
        """Hand whole records to the port; keep those that it does not take."""
        taken = self._port.receive(self, bare(records(data.view(self._port.schema.header))))
        if self._is_ending:
            return
        if taken > 0 or data is not self._held:
            self._held = data[taken * self._port.schema.record_bytes :].copy()
        if self._held.size:
            self._port.hold(self)
        elif self._fault:
            self._port.dismiss(self, self._fault)
            return
        self._choose_reading()

    def _choose_reading(self) -> None:
        """Read on unless the client does not, or the ring has no room for what is here."""
        if self._is_ending:
            return
        if self._is_unread or self._held_frames:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
