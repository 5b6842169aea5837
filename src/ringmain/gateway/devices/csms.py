"""The central system: one websocket port for charge points of OCPP 1.6 and 2.0.1.

A charge point connects to ``/anything/IDENTITY`` with HTTP basic authentication, its identity as the user
name (security profile 1, or 2 with TLS), and offers the versions that it speaks as websocket subprotocols.
"""

import asyncio
import base64
import binascii
import contextlib
import logging
import ssl
import urllib.parse
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from ocpp.exceptions import OCPPError  # type: ignore[import-untyped]
from ocpp.messages import MessageType, unpack  # type: ignore[import-untyped]
from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from ringmain.core.errors import RingmainError
from ringmain.gateway.devices import ocpp16, ocpp201
from ringmain.gateway.devices.assets import Assets
from ringmain.gateway.devices.chargers import Charger, Chargers, is_password
from ringmain.gateway.devices.charging import Station
from ringmain.gateway.devices.ocpp16 import Point16
from ringmain.gateway.devices.ocpp201 import Point201
from ringmain.gateway.devices.pace import Pace

LOG = logging.getLogger("ringmain.devices")
QUIET = logging.getLogger("ringmain.devices.ocpp")  # the library logs whole messages, of strangers too
QUIET.propagate = False
QUIET.addHandler(logging.NullHandler())
logging.getLogger("picows").setLevel(logging.WARNING)
POINTS: dict[str, type[Point16] | type[Point201]] = {  # the newest that both speak is chosen
    ocpp201.SUBPROTOCOL: Point201,
    ocpp16.SUBPROTOCOL: Point16,
}
REVIEW_S = 2.0
CLOSE_S = 2.0  # for a connection to end in order
UNKNOWN_CHARGER, WRONG_PASSWORD, NO_SUBPROTOCOL = "UNKNOWN_CHARGER", "WRONG_PASSWORD", "NO_SUBPROTOCOL"
BAD_MESSAGE, TOO_BIG, TOO_MANY_WAITING = "BAD_MESSAGE", "TOO_BIG", "TOO_MANY_WAITING"
UNASKED_ANSWER, CALL_REFUSED, REPLACED = "UNASKED_ANSWER", "CALL_REFUSED", "REPLACED"
NOT_TEXT, REVOKED = "NOT_TEXT", "REVOKED"


@dataclass(frozen=True)
class CsmsLimits:
    """Limits of one charge point's connection.

    Parameters
    ----------
    message_bytes : int
        Longest message, its fragments together; a longer one ends the connection.
    waiting : int
        Messages that have come and are not dealt with; more end the connection. (OCPP allows a charge
        point one call that is not answered.)
    messages_per_s, burst : float, int
        Beyond that it is dealt with later.
    handshake_s : float
        From connecting to the whole request.
    idle_s : float
        Silence after which it is pinged, and once more until it is given up.
    """

    message_bytes: int = 1 << 16
    waiting: int = 64
    messages_per_s: float = 10.0
    burst: int = 50
    handshake_s: float = 5.0
    idle_s: float = 60.0


class GoneError(ConnectionError):
    """The connection has ended."""


class Wire(WSListener):
    """One websocket as :class:`ocpp.charge_point.ChargePoint` wants it: `recv` and `send` of text."""

    def __init__(self, assets: Assets, limits: CsmsLimits, begin: Callable[["Wire"], object]) -> None:
        self._assets, self._limits, self._begin = assets, limits, begin
        self._waiting: deque[str] = deque()
        self._arrived = asyncio.Event()
        self._transport: WSTransport | None = None
        self._parts: list[bytes] = []
        self._part_bytes = 0
        self.is_gone = False
        self.closed = asyncio.Event()

    async def recv(self) -> str:
        """Return the next message; GoneError at the end."""
        while not self._waiting:
            if self.is_gone:
                raise GoneError
            self._arrived.clear()
            await self._arrived.wait()
        return self._waiting.popleft()

    async def send(self, text: str) -> None:
        """Send a message; GoneError if nobody is there."""
        if self.is_gone or self._transport is None:
            raise GoneError
        if text.startswith("[4,"):
            self._assets.counts[CALL_REFUSED] += 1
        self._transport.send(WSMsgType.TEXT, text.encode())

    def close(self, code: WSCloseCode, reason: str) -> None:
        """End the connection, saying why."""
        if self._transport is not None and not self.is_gone:
            self._transport.send_close(code, reason.encode())
            self._transport.disconnect()
        self._end()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Take hold of the connection."""
        self._transport = transport
        self._begin(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Put fragments together, and the message in line."""
        if frame.msg_type == WSMsgType.CLOSE:
            self.close(frame.get_close_code(), "")
        if self.is_gone or frame.msg_type in (WSMsgType.PING, WSMsgType.PONG, WSMsgType.CLOSE):
            return
        if frame.msg_type == WSMsgType.BINARY:
            self._hang_up(WSCloseCode.UNSUPPORTED_DATA, NOT_TEXT)
            return
        self._part_bytes += frame.payload_size
        if self._part_bytes > self._limits.message_bytes:
            self._hang_up(WSCloseCode.MESSAGE_TOO_BIG, TOO_BIG)
            return
        self._parts.append(frame.get_payload_as_bytes())
        if frame.fin:
            self._message(b"".join(self._parts))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Let everybody know."""
        self._end()
        self.closed.set()

    def _message(self, data: bytes) -> None:
        self._parts.clear()
        self._part_bytes = 0
        if len(self._waiting) >= self._limits.waiting:
            self._hang_up(WSCloseCode.POLICY_VIOLATION, TOO_MANY_WAITING)
            return
        try:
            self._waiting.append(data.decode())
        except UnicodeDecodeError:
            self._hang_up(WSCloseCode.INVALID_TEXT, NOT_TEXT)
            return
        self._arrived.set()

    def _hang_up(self, code: WSCloseCode, reason: str) -> None:
        self._assets.refuse(0, reason)
        self.close(code, reason)

    def _end(self) -> None:
        self.is_gone = True
        self._waiting.clear()
        self._arrived.set()


class Csms:
    """The central system of a data folder's charge points."""

    def __init__(self, chargers: Chargers, assets: Assets, limits: CsmsLimits | None = None) -> None:
        self._chargers, self._assets, self._limits = chargers, assets, limits or CsmsLimits()
        self._server: asyncio.Server | None = None
        self._wires: dict[str, tuple[Charger, Wire]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._spoken_for: set[int] = set()
        self._stations: dict[str, Station] = {}
        self._reviewing: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen; return the port. RM754 if it is taken."""
        self._speak_for(self._chargers.all())
        limits = self._limits
        try:
            self._server = await ws_create_server(
                self._admit, host, port, ssl=tls, websocket_handshake_timeout=limits.handshake_s,
                max_frame_size=limits.message_bytes, enable_auto_ping=True,
                auto_ping_idle_timeout=limits.idle_s, auto_ping_reply_timeout=limits.idle_s,
            )  # fmt: skip
        except OSError as error:
            what = f"{host}:{port} for chargers: {error.strerror}"
            raise RingmainError("RM754", "chargers", what, "Choose another port, or end who has it") from None
        self._reviewing = self._begin(self._review())
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Take back what was set, and end every connection."""
        if self._server is not None:
            self._server.close()
        stations = [self._stations[each] for each in self._wires]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5.0):
                await asyncio.gather(*(station.clear() for station in stations))
        for _, wire in list(self._wires.values()):
            wire.close(WSCloseCode.GOING_AWAY, "the gateway ends")
        if self._reviewing is not None:
            self._reviewing.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def connected(self) -> list[str]:
        """Identities of the charge points that are connected."""
        return list(self._wires)

    def _speak_for(self, chargers: list[Charger]) -> None:
        """Take charge of the assets of chargers that are new."""
        for charger in chargers:
            bounds = {
                each.asset_id: each.bounds
                for each in charger.connectors.values()
                if each.asset_id not in self._spoken_for
            }
            self._assets.add(bounds, charger.charger_id)
            self._spoken_for.update(bounds)

    def _admit(self, request: WSUpgradeRequest) -> Any:
        """Let a charge point in, or say why not."""
        charger_id = urllib.parse.unquote(
            request.path.decode("ascii", "replace").split("?")[0].split("/")[-1]
        )
        try:
            charger = self._chargers.find(charger_id)
            if charger is not None:
                self._speak_for([charger])
        except RingmainError as error:
            LOG.error("%s", error)
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE)
        if charger is None:
            self._assets.refuse(0, UNKNOWN_CHARGER)
            return _refusal(HTTPStatus.NOT_FOUND)
        user, password = _credentials(request.headers.get("Authorization", ""))
        if not is_password(charger, password) or user != charger_id:
            self._assets.refuse(0, WRONG_PASSWORD)
            return _refusal(HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": 'Basic realm="OCPP"'})
        offered = ",".join(request.headers.getall("Sec-WebSocket-Protocol", ()))
        spoken = {each.strip() for each in offered.split(",")}
        version = next((each for each in POINTS if each in spoken), None)
        if version is None:
            self._assets.refuse(0, NO_SUBPROTOCOL)
            return _refusal(HTTPStatus.BAD_REQUEST)
        wire = Wire(
            self._assets,
            self._limits,
            lambda connected: self._begin(self._serve(charger, connected, version)),
        )
        response = WSUpgradeResponse.create_101_response({"Sec-WebSocket-Protocol": version})
        return WSUpgradeResponseWithListener(response, wire)

    def _begin(self, work: Any) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _serve(self, charger: Charger, wire: Wire, version: str) -> None:
        """Serve one connection to its end; the one before, of the same identity, ends now."""
        charger_id = charger.charger_id
        before = self._wires.get(charger_id)
        if before is not None:
            self._assets.counts[REPLACED] += 1
            before[1].close(WSCloseCode.POLICY_VIOLATION, REPLACED)
        station = self._station(charger)
        point = POINTS[version](station, wire, QUIET)
        self._wires[charger_id] = charger, wire
        LOG.info("%s is connected with %s", charger_id, version)
        station.listen()
        steering = asyncio.create_task(self._steer(point))
        try:
            await self._read(point, wire)
        except GoneError:
            LOG.info("%s is gone", charger_id)
        finally:
            steering.cancel()
            await asyncio.gather(steering, return_exceptions=True)
            if self._wires.get(charger_id, (None, None))[1] is wire:
                station.unlisten()
                del self._wires[charger_id]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await wire.closed.wait()

    def _station(self, charger: Charger) -> Station:
        """Return what is known of a charge point, over its connections, as long as it stays the same one."""
        known = self._stations.get(charger.charger_id)
        if known is None or known.charger.connectors != charger.connectors:
            known = self._stations[charger.charger_id] = Station(charger, self._assets)
        known.charger = charger
        return known

    async def _steer(self, point: Point16 | Point201) -> None:
        """Greet a charge point, then send it what is wanted."""
        try:
            await point.greet()
        except (TimeoutError, OCPPError) as error:
            LOG.warning("%s does not answer as it should: %s", point.id, type(error).__name__)
        except GoneError:
            return
        with contextlib.suppress(GoneError):
            await point.station.steer()

    async def _read(self, point: Point16 | Point201, wire: Wire) -> None:
        pace = Pace(self._limits.messages_per_s, self._limits.burst)
        while True:
            text = await wire.recv()
            await asyncio.sleep(pace.wait_s())
            await self._route(point, text)

    async def _route(self, point: Point16 | Point201, text: str) -> None:
        """Deal with one message; whatever it is, the next one is dealt with too."""
        try:
            kind = unpack(text).message_type_id
            if kind != MessageType.Call and not point._call_lock.locked():
                self._assets.refuse(0, UNASKED_ANSWER)
                return
            await point.route_message(text)
        except GoneError:
            raise
        except Exception as error:
            self._assets.refuse(0, BAD_MESSAGE)
            LOG.debug("%s: %r", point.id, error)

    async def _review(self) -> None:
        """End the connections of charge points that may come in no longer, and learn of new ones."""
        while True:
            await asyncio.sleep(REVIEW_S)
            try:
                self._speak_for(self._chargers.all())
            except RingmainError as error:
                LOG.error("%s", error)
                continue
            for charger_id, (charger, wire) in list(self._wires.items()):
                current = self._chargers.find(charger_id)
                if current is None or current.password_sha256 != charger.password_sha256:
                    self._assets.refuse(0, REVOKED)
                    wire.close(WSCloseCode.POLICY_VIOLATION, REVOKED)


def _refusal(status: HTTPStatus, headers: dict[str, str] | None = None) -> WSUpgradeResponseWithListener:
    return WSUpgradeResponseWithListener(
        WSUpgradeResponse.create_error_response(status, status.phrase.encode(), headers), None
    )


def _credentials(header: str) -> tuple[str, str]:
    """Return the user and password of an HTTP basic authorization, both empty if it is none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return "", ""
    return user, password
