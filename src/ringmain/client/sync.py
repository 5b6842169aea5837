"""The client for programs that wait: plain sockets, one thread."""

import contextlib
import select
import socket
import ssl
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from ringmain.client.protocol import ENDED, HEARTBEAT_MS, LIVE, RECORDS, ClientProtocol
from ringmain.core.errors import RingmainError
from ringmain.core.records import Schema
from ringmain.gateway.messages import gateway_schema

RECEIVE_BYTES = 1 << 20
FLUSH_BYTES = 1 << 16  # queued bytes at which send() writes by itself
LOGIN_S = 10.0
RETRY_S = 0.1


class Client:
    """A session with a market.

    Commands are queued by :meth:`send` and written by :meth:`flush`, :meth:`poll` or the next wait.
    If the connection breaks, the client connects again, resends what the market does not know and
    asks for the events that it missed: nothing is lost and nothing comes twice.

    It is no thread: it beats its heart while it is polled or waited with. A program that does
    neither for two and a half `heartbeat_ms` is taken for dead, which cancels its orders.

    Attributes
    ----------
    protocol : ClientProtocol
        What is known of the session: ``session_id``, ``answered``, ``next_number``.
    """

    def __init__(
        self, address: tuple[str, int], protocol: ClientProtocol, reconnect_s: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:  # fmt: skip
        self.protocol = protocol
        self._address, self._reconnect_s, self._tls = address, reconnect_s, tls
        self._socket: socket.socket | None = None
        self._unwritten: list[memoryview] = []
        self._queued_bytes = 0
        self._buffer = bytearray(RECEIVE_BYTES)

    @classmethod
    def connect(
        cls, host: str, port: int, token: str, schema: Schema,
        heartbeat_ms: int = HEARTBEAT_MS, reconnect_s: float = 30.0,
        tls: ssl.SSLContext | None = None, encoding: str = RECORDS,
    ) -> "Client":  # fmt: skip
        """Log in and return a client that is ready.

        Parameters
        ----------
        token : str
            From :func:`ringmain.gateway.credentials.add_token`.
        schema : Schema
            The market's; the gateway refuses one that is laid out differently.
        heartbeat_ms : int
            Longest silence of either side; the gateway may shorten or lengthen it.
        reconnect_s : float
            How long to try to come back when the connection breaks; 0 to give up at once.
        tls : ssl.SSLContext, optional
            For a port with TLS, from :func:`ringmain.gateway.tls.client_context`.
        encoding : "records" or "sbe"
            How the same records stand on the wire.

        Raises
        ------
        RingmainError
            RM301 if nobody answers within `reconnect_s` (and once in any case), RM302 if the log-in
            is refused, with the reason, RM360 if the server's certificate is not trusted.
        """
        protocol = ClientProtocol(schema, token, heartbeat_ms, encoding)
        client = cls((host, port), protocol, reconnect_s, tls)
        client._open("RM301")
        return client

    def send(self, command: Any) -> int:
        """Queue one packed command; return the number that names it (and the order it places).

        Raises
        ------
        RingmainError
            RM304 if the session has ended, RM305 for what is no command of this market.
        """
        return self.send_batch(command)

    def send_batch(self, commands: Any) -> int:
        """Queue an array of commands of shape (n,); return the first one's number, the others count on.

        Waits for answers while too many commands are unanswered.
        """
        while self.protocol.end is None and commands.size > self.protocol.room():
            self._turn(0.1)
        number = self.protocol.send(commands)
        self._queued_bytes += commands.nbytes
        if self._queued_bytes >= FLUSH_BYTES:
            self.flush()
        return number

    def flush(self) -> None:
        """Write what is queued, reading meanwhile, until the socket has taken all of it."""
        self._queued_bytes = 0
        while self.protocol.has_outgoing or self._unwritten:
            self._turn(0.1)

    def poll(self, timeout_s: float = 0.0) -> Any:
        """Return the session's events that have come, waiting up to `timeout_s` for the first.

        Returns
        -------
        recarray of shape (n,), the market's header dtype
            Maybe empty. View it as a record's dtype to read its fields, or :meth:`unpack` a row.
            Among them are the core's SessionOpened and the gateway's Refused.
        """
        self._wait(lambda: bool(self.protocol._events), timeout_s)
        return self.protocol.take_events()

    def poll_data(self, timeout_s: float = 0.0) -> Any:
        """Return the market data that has come, as session-level records, waiting as :meth:`poll`."""
        self._wait(lambda: bool(self.protocol._data), timeout_s)
        return self.protocol.take_data()

    def __iter__(self) -> Iterator[Any]:
        """Yield batches of events for ever; end when the session does."""
        while self.protocol.phase != ENDED:
            events = self.poll(1.0)
            if events.size:
                yield events

    def poll_all(self, timeout_s: float = 0.0) -> tuple[Any, Any]:
        """Return the events and the market data that have come, waiting for the first of either."""
        protocol = self.protocol
        self._wait(lambda: bool(protocol._events or protocol._data), timeout_s)
        return protocol.take_events(), protocol.take_data()

    def wait_answer(self, number: int, timeout_s: float = 10.0) -> Any:
        """Wait until the command is answered; return the events that answer it, as far as they have come.

        They stay in line for :meth:`poll`. Raises RM306 when the time is over.
        """
        if not self._wait(lambda: self.protocol.answered >= number, timeout_s):
            raise _late(f"no answer to command {number}", timeout_s)
        return self.protocol.answer(number)

    def settle(self, timeout_s: float = 30.0) -> None:
        """Wait until the market has dealt with all that was sent, and all its events are here.

        Raises RM306 when the time is over.
        """
        value = self.protocol.ping()
        if not self._wait(lambda: self.protocol.has_pong(value), timeout_s):
            raise _late("not everything is answered", timeout_s)

    def subscribe(self, feed: int, product_id: int) -> None:
        """Follow a product's public feed: one of ``gateway.messages.FEEDS``, such as DEPTH or ORDERS."""
        self.protocol.subscribe(feed, product_id)

    def unsubscribe(self, feed: int, product_id: int) -> None:
        """Follow it no longer."""
        self.protocol.unsubscribe(feed, product_id)

    def resend(self, after_sequence: int = 0) -> None:
        """Have all of the session's events behind `after_sequence` sent once more."""
        self.protocol.resend(after_sequence)

    def unpack(self, record: Any) -> dict[str, Any]:
        """Return a row of what was polled as a dict, the record's name first."""
        return unpack(self.protocol.schema, record)

    def close(self) -> None:
        """Write what is queued, log out and close."""
        if self._socket is not None and self.protocol.phase == LIVE:
            self.protocol.logout()
            self._reconnect_s = 0.0
            with contextlib.suppress(RingmainError):  # gone already: that is what was wanted
                self._wait(lambda: self.protocol.phase == ENDED, 5.0)
        self._drop()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wait(self, is_done: Any, timeout_s: float) -> bool:
        """Turn until it is done or the time is over; at least once."""
        deadline = time.monotonic() + timeout_s
        self._turn(0.0 if is_done() else min(timeout_s, 0.5))
        while not is_done():
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            self._turn(min(remaining, 0.5))
        return True

    def _turn(self, timeout_s: float) -> None:
        """Write and read what is possible now, or wait for that; come back if the connection broke."""
        if self.protocol.end is not None:
            raise self.protocol.end
        if (
            self._socket is None
            or not self.protocol.tick(time.monotonic_ns())
            or not self._exchange(timeout_s)
        ):
            if self.protocol.end is not None:
                raise self.protocol.end
            self._open("RM303")

    def _exchange(self, timeout_s: float) -> bool:
        """Move bytes; False if the connection is gone."""
        assert self._socket is not None
        self._unwritten += map(memoryview, self.protocol.outgoing(time.monotonic_ns()))
        writing = [self._socket] if self._unwritten else []
        try:
            readable, writable, _ = select.select([self._socket], writing, [], timeout_s)
            if readable and not self._read():  # before it writes: what came last may say why that fails
                return False
            if writable:
                self._write()
        except OSError:
            return False
        return True

    def _read(self) -> bool:
        """Take in what is there; False at the end."""
        assert self._socket is not None
        while True:
            try:
                count = self._socket.recv_into(self._buffer)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                return True  # of TLS, not a whole record yet
            if count == 0:
                return False
            self.protocol.receive(memoryview(self._buffer)[:count], time.monotonic_ns())
            if not isinstance(self._socket, ssl.SSLSocket) or not self._socket.pending():
                return True

    def _write(self) -> None:
        assert self._socket is not None
        try:
            if isinstance(self._socket, ssl.SSLSocket):
                sent = self._socket.send(self._unwritten[0])
            else:
                sent = self._socket.sendmsg(self._unwritten[:64])
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            return
        while self._unwritten and sent >= len(self._unwritten[0]):
            sent -= len(self._unwritten.pop(0))
        if sent:
            self._unwritten[0] = self._unwritten[0][sent:]

    def _open(self, code: str) -> None:
        """Connect and log in, trying again until `reconnect_s` is over."""
        deadline = time.monotonic() + self._reconnect_s
        while not self._try_open():
            if self.protocol.end is not None:
                raise self.protocol.end
            if time.monotonic() >= deadline:
                host, port = self._address
                what = f"nobody logs us in at {host}:{port}"
                raise RingmainError(code, "client", what, "Check that the gateway runs")
            time.sleep(RETRY_S)

    def _try_open(self) -> bool:
        self._drop()
        try:
            self._socket = socket.create_connection(self._address, timeout=LOGIN_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                self._socket = self._tls.wrap_socket(self._socket, server_hostname=self._address[0])
        except ssl.SSLCertVerificationError as error:
            self._drop()
            raise untrusted(self._address, error) from None
        except OSError:
            return False
        self._socket.setblocking(False)
        self.protocol.connected(time.monotonic_ns())
        deadline = time.monotonic() + LOGIN_S
        while self.protocol.phase not in (LIVE, ENDED) and time.monotonic() < deadline:
            if not self._exchange(0.2):
                break
        if self.protocol.phase != LIVE:
            self._drop()
        return self.protocol.phase == LIVE

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._unwritten.clear()
        self.protocol.disconnected()


def unpack(schema: Schema, record: Any) -> dict[str, Any]:
    """Unpack an event of the market or a session-level record."""
    for known in (schema, gateway_schema(schema.slots)):
        if int(record["kind"]) in known.events:
            return known.unpack_event(record)
    return schema.unpack_event(record)


def untrusted(address: tuple[str, int], error: ssl.SSLCertVerificationError) -> RingmainError:
    """Return the error of a server whose certificate cannot be trusted."""
    what = f"the certificate at {address[0]}:{address[1]} is not trusted: {error.verify_message}"
    return RingmainError("RM360", "client", what, "Give the gateway's certificate to client_context()")


def _late(what: str, timeout_s: float) -> RingmainError:
    return RingmainError(
        "RM306", "client", f"{what} within {timeout_s:g} s", "Wait longer, or look at the node"
    )
