"""Devices over binary websockets: telemetry in, set-points out, each frame a message of fixed records.

A device connects to any path with ``Authorization: Bearer TOKEN``, or over TLS with a certificate that its
link names. What many of them send within some milliseconds goes to the fleet as one batch; only taking a
frame from its socket is done one by one.
"""

import asyncio
import logging
import ssl
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import numpy as np
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
from ringmain.gateway.devices import frames
from ringmain.gateway.devices.assets import Assets
from ringmain.gateway.devices.frames import RECORD, RECORD_BYTES
from ringmain.gateway.devices.leases import (
    SETPOINT_ACCEPTED,
    SETPOINT_REFUSED,
    SETPOINT_TOO_LATE,
    SETPOINT_UNANSWERED,
    Leases,
)
from ringmain.gateway.devices.links import Link, Links
from ringmain.gateway.devices.pace import Rates
from ringmain.gateway.sheets import Sheet

LOG = logging.getLogger("ringmain.devices")
FLUSH_S = 0.004  # frames are gathered for so long
REVIEW_S, RETRY_S = 2.0, 0.5
SHEETS_AT_ONCE, SHEETS_PAUSE_S = 256, 0.05  # lines that are told the prices, and the pause before the next
NOBODY = -1
BINARY, CLOSE = WSMsgType.BINARY, WSMsgType.CLOSE
CONTROL = (WSMsgType.PING, WSMsgType.PONG)

UNKNOWN_LINK, TOO_MANY_LINKS = "UNKNOWN_LINK", "TOO_MANY_LINKS"
REPLACED, REVOKED, TOO_SLOW = "REPLACED", "REVOKED", "TOO_SLOW"
BAD_FRAME, OTHER_ASSET = "BAD_FRAME", "OTHER_ASSET"
HELD_BACK, HELD_BACK_ALL = "HELD_BACK", "HELD_BACK_ALL"
CODES = {BAD_FRAME: WSCloseCode.UNSUPPORTED_DATA}  # the others are POLICY_VIOLATION


@dataclass(frozen=True)
class SocketLimits:
    """Limits of the websockets.

    Parameters
    ----------
    links : int
        Connections at once.
    frame_bytes : int
        Longest frame; a longer one ends the connection.
    records_per_s, burst : float, int
        Of one asset; a link has as much as its assets together. One that is faster is not read for a while.
    unread_bytes : int
        Written to a device that has not read it; beyond that the connection ends.
    handshake_s, idle_s : float
        From connecting to the whole request; and of silence until it is pinged, and then given up.
    room : int
        When the fleet has dealt with so little that fewer reports than these would be taken, nobody is read.
    """

    links: int = 8_192
    frame_bytes: int = 1 << 16
    records_per_s: float = 2.0
    burst: int = 100
    unread_bytes: int = 1 << 20
    handshake_s: float = 5.0
    idle_s: float = 60.0
    room: int = 1 << 17


class Line(WSListener):
    """One device's connection."""

    def __init__(self, door: "Sockets", link: Link | None) -> None:
        self.link = link
        self.slot = NOBODY
        self.asset_ids = np.zeros(0, np.int64)
        self.transport: WSTransport | None = None
        self._door, self._frames, self._slots = door, door.frames, door.slots

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Take hold of the connection."""
        self.transport = transport
        self._door.greet(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Put a frame in line."""
        if frame.msg_type == BINARY and frame.fin:
            if not self._frames:
                self._door.stir()
            self._frames.append(frame.get_payload_as_bytes())
            self._slots.append(self.slot)
        elif frame.msg_type == CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif frame.msg_type not in CONTROL:
            self._door.hang_up(self, BAD_FRAME)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Let the door know."""
        self._door.leave(self)

    def send(self, data: Any) -> None:
        """Send a frame."""
        assert self.transport is not None, "it is connected"
        self.transport.send(BINARY, data)

    def read(self, is_wanted: bool) -> None:
        """Read the socket from now on, or don't."""
        assert self.transport is not None, "it is connected"
        below = self.transport.underlying_transport
        if below.is_closing():
            return
        if is_wanted:
            below.resume_reading()
        else:
            below.pause_reading()

    def close(self, code: WSCloseCode, reason: str) -> None:
        """End the connection, saying why."""
        assert self.transport is not None, "it is connected"
        self.transport.send_close(code, reason.encode())
        self.transport.disconnect()

    @property
    def unread_bytes(self) -> int:
        """What was sent and is not read yet."""
        assert self.transport is not None, "it is connected"
        return int(self.transport.underlying_transport.get_write_buffer_size())

    @property
    def certificate(self) -> bytes | None:
        """The device's own, as DER."""
        assert self.transport is not None, "it is connected"
        secure = self.transport.underlying_transport.get_extra_info("ssl_object")
        return secure.getpeercert(True) if secure is not None else None


class Sockets:
    """The websockets of a data folder's links.

    Connected lines have slots, numbers below the limit of links; a slot is given to another line only after
    a flush, so that no frame counts as another's. The place behind the last slot is nobody's.
    """

    def __init__(self, links: Links, assets: Assets, limits: SocketLimits | None = None) -> None:
        self._links, self._assets, self._limits = links, assets, limits or SocketLimits()
        self.frames: list[bytes] = []  # that have come since the last flush
        self.slots: list[int] = []  # whose each is
        size = self._limits.links
        self._lines: list[Line | None] = [None] * size
        self._free = list(range(size - 1, -1, -1))
        self._is_alive = np.zeros(size + 1, bool)
        self._leaving: list[tuple[int, Line]] = []
        self._rate = Rates(size + 1)
        self._slot_of = np.full(assets.rows, NOBODY, np.int64)  # by asset id: where its device is connected
        self._leases = Leases(assets.rows)
        self._by_id: dict[str, Line] = {}
        self._spoken_for: set[int] = set()
        self._slowed: dict[int, asyncio.TimerHandle] = {}  # by slot: not read until then
        self._sheet = b""  # the frame of the newest prices
        self._unpriced: dict[int, None] = {}  # slots that are still to be told them, in order
        self._holding: asyncio.Task[None] | None = None
        self._flushing: asyncio.TimerHandle | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._server: asyncio.Server | None = None
        self._has_tls = False

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen; return the port. RM767 if it is taken."""
        self._speak_for(self._links.all())
        limits, self._has_tls = self._limits, tls is not None
        try:
            self._server = await ws_create_server(
                self._admit, host, port, ssl=tls, websocket_handshake_timeout=limits.handshake_s,
                max_frame_size=limits.frame_bytes, enable_auto_ping=True, backlog=4_096,
                auto_ping_idle_timeout=limits.idle_s, auto_ping_reply_timeout=limits.idle_s,
            )  # fmt: skip
        except OSError as error:
            what = f"{host}:{port} for websockets: {error.strerror}"
            raise RingmainError("RM767", "sockets", what, "Choose another port, or end who has it") from None
        works = (self._review(), self._retry(), self._tell_prices())
        self._tasks = [asyncio.create_task(work) for work in works]
        self._assets.listen_to_prices(self.price)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """End every connection. Leases go on: when they end devices go by the prices, or rest."""
        if self._server is not None:
            self._server.close()
        self._flush()
        for line in list(self._by_id.values()):
            self._end(line, WSCloseCode.GOING_AWAY, "the gateway ends")
        self._flush()
        tasks = [*self._tasks, *([self._holding] if self._holding is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._flushing is not None:
            self._flushing.cancel()
        await asyncio.sleep(0)

    @property
    def connected(self) -> list[str]:
        """Names of the links that are connected."""
        return [link_id for link_id, line in self._by_id.items() if line.slot != NOBODY]

    # Who comes and goes.

    def _speak_for(self, links: list[Link]) -> None:
        """Take charge of the assets of links that are new."""
        for link in links:
            fresh = {n: link.assets[n].bounds for n in link.assets.keys() - self._spoken_for}
            if fresh:
                self._assets.add(fresh, link.link_id)
                self._assets.listen_to_many(list(fresh), self.want)
                self._spoken_for.update(fresh)

    def _admit(self, request: WSUpgradeRequest) -> Any:
        """Let a device in, or say why not. One without a token is let in by its certificate, if at all."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        by_certificate = self._has_tls and not scheme
        try:
            link = self._links.with_token(token.strip()) if scheme.lower() == "bearer" else None
            if link is not None:
                self._speak_for([link])
        except RingmainError as error:
            LOG.error("%s", error)
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE)
        if link is None and not by_certificate:
            self._assets.refuse(0, UNKNOWN_LINK)
            return _refusal(HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": "Bearer"})
        if not self._free:
            self._assets.refuse(0, TOO_MANY_LINKS)
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE)
        return Line(self, link)

    def _with_certificate(self, certificate: bytes | None) -> Link | None:
        try:
            link = self._links.with_certificate(certificate) if certificate else None
            if link is not None:
                self._speak_for([link])
        except RingmainError as error:
            LOG.error("%s", error)
            return None
        return link

    def greet(self, line: Line) -> None:
        """Give a connection its seat, and tell it the time and what is wanted of its assets."""
        link = line.link or self._with_certificate(line.certificate)
        if link is None:
            self.hang_up(line, UNKNOWN_LINK)
            return
        line.link = link
        before = self._by_id.get(link.link_id)
        if before is not None and before.slot != NOBODY:
            self._flush()  # what it said before it was replaced
            self.hang_up(before, REPLACED)
        if self.frames or self._leaving:
            self._flush()
        if not self._free:
            self.hang_up(line, TOO_MANY_LINKS)
            return
        self._seat(line, link)
        now_ns = self._assets.port.now_ns()
        line.send(frames.records(frames.WELCOME, frames.WELCOME_RECORD, 1, now_ns=now_ns).tobytes())
        self._tell(self._leases.holding(line.asset_ids, now_ns))
        if self._sheet:
            self._unpriced[line.slot] = None

    def _seat(self, line: Line, link: Link) -> None:
        slot = line.slot = self._free.pop()
        line.asset_ids = np.array(list(link.assets), np.int64)
        self._lines[slot], self._by_id[link.link_id] = line, line
        self._is_alive[slot] = True
        self._slot_of[line.asset_ids] = slot
        count = line.asset_ids.size
        self._rate.begin(slot, self._limits.records_per_s * count, self._limits.burst * count)
        if self._holding is not None:
            line.read(False)

    def leave(self, line: Line) -> None:
        """A connection has ended; what it said before still counts."""
        if line.slot != NOBODY:
            self._leaving.append((line.slot, line))
            line.slot = NOBODY
            self.stir()

    def hang_up(self, line: Line, reason: str, asset_id: int = 0) -> None:
        """End a connection for a reason, and count it; what it said and was not looked at counts no more."""
        self._assets.refuse(asset_id, reason)
        self._end(line, CODES.get(reason, WSCloseCode.POLICY_VIOLATION), reason)

    def _end(self, line: Line, code: WSCloseCode, reason: str) -> None:
        if line.slot != NOBODY:
            self._is_alive[line.slot] = False
        self.leave(line)
        line.close(code, reason)

    def _unseat(self) -> None:
        """Free the slots of those who left."""
        leaving, self._leaving[:] = list(self._leaving), []
        for slot, line in leaving:
            self._lines[slot], self._is_alive[slot] = None, False
            own = line.asset_ids[self._slot_of[line.asset_ids] == slot]
            self._slot_of[own] = NOBODY
            if line.link is not None and self._by_id.get(line.link.link_id) is line:
                del self._by_id[line.link.link_id]
            self._unpriced.pop(slot, None)
            timer = self._slowed.pop(slot, None)
            if timer is not None:
                timer.cancel()
            self._free.append(slot)

    async def _review(self) -> None:
        """End the connections of links that may come in no longer, and learn of new ones."""
        seen = self._links.readings
        while True:
            await asyncio.sleep(REVIEW_S)
            try:
                self._links.refresh()
                if self._links.readings == seen:
                    continue
                self._speak_for(self._links.all())
            except RingmainError as error:
                LOG.error("%s", error)
                continue
            seen = self._links.readings
            known = {link.link_id: link for link in self._links.all()}
            for link_id, line in list(self._by_id.items()):
                if known.get(link_id) != line.link and line.slot != NOBODY:
                    self.hang_up(line, REVOKED)

    # What they say.

    def stir(self) -> None:
        """Look at what has come, soon."""
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(FLUSH_S, self._flush)

    def _flush(self) -> None:
        """Deal with all frames that have come, as one batch."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        if self.frames:
            data, slots = list(self.frames), np.array(self.slots)
            self.frames.clear()
            self.slots.clear()
            sizes = np.fromiter(map(len, data), np.int64, len(data))
            is_whole = (sizes > 0) & (sizes % RECORD_BYTES == 0)
            self._hang_up_all(slots, ~is_whole, BAD_FRAME)
            is_heard = is_whole & self._is_alive[slots]
            if not is_heard.all():
                data = [data[place] for place in np.flatnonzero(is_heard).tolist()]
                slots, sizes = slots[is_heard], sizes[is_heard]
            rows = np.frombuffer(b"".join(data), RECORD)
            if rows.size:
                self._take(rows, np.repeat(slots, sizes // RECORD_BYTES))
        if self._leaving:
            self._unseat()

    def _take(self, rows: Any, slots: Any) -> None:
        """Deal with records, each with the slot of the line that it came by."""
        kinds, ids = rows["kind"], rows["asset_id"].astype(np.int64)
        is_telemetry, is_ack = kinds == frames.TELEMETRY, kinds == frames.ACK
        is_known = (is_telemetry | is_ack) & (rows["version"] == frames.VERSION)
        is_own = (ids < self._slot_of.size) & (
            self._slot_of[np.minimum(ids, self._slot_of.size - 1)] == slots
        )
        self._hang_up_all(slots, ~is_known, BAD_FRAME)
        self._hang_up_all(slots, ~is_own, OTHER_ASSET)
        is_good = is_known & is_own
        self._report(rows.view(frames.TELEMETRY_RECORD)[is_telemetry & is_good])
        acks = rows.view(frames.ACK_RECORD)[is_ack & is_good]
        if acks.size:
            told = self._leases.answer(acks["asset_id"].astype(np.int64), acks["number"], acks["answer"])
            for name, count in zip((SETPOINT_ACCEPTED, SETPOINT_REFUSED), told, strict=True):
                self._assets.counts[name] += count
        self._slow(slots)
        if self._holding is None and self._assets.port.room() < self._limits.room:
            self._holding = asyncio.create_task(self._hold())

    def _hang_up_all(self, slots: Any, is_wrong: Any, reason: str) -> None:
        """End the connections that something wrong came by."""
        if not is_wrong.any():
            return
        for slot in np.unique(slots[is_wrong & self._is_alive[slots]]).tolist():
            line = self._lines[slot]
            assert line is not None, "a slot that is alive has a line"
            self.hang_up(line, reason, int(line.asset_ids[0]))

    def _report(self, telemetry: Any) -> None:
        if not telemetry.size:
            return
        readings, reasons = frames.readings_of(telemetry)
        reasons = self._assets.take_many(readings, reasons)
        refused = np.flatnonzero(reasons)
        if refused.size:
            self._send(readings["asset_id"][refused], frames.records(
                frames.REFUSAL, frames.REFUSAL_RECORD, refused.size,
                asset_id=readings["asset_id"][refused], measured_ns=readings["measured_ns"][refused],
                reason=reasons[refused],
            ))  # fmt: skip

    def _slow(self, slots: Any) -> None:
        """Read those for a while no longer who said more than they may."""
        for slot, pause_s in self._rate.take(slots, time.monotonic()):
            line = self._lines[slot]
            if slot not in self._slowed and line is not None and self._is_alive[slot]:
                self._assets.counts[HELD_BACK] += 1
                line.read(False)
                self._slowed[slot] = asyncio.get_running_loop().call_later(pause_s, self._quicken, slot)

    def _quicken(self, slot: int) -> None:
        del self._slowed[slot]
        line = self._lines[slot]
        if line is not None and self._is_alive[slot] and self._holding is None:
            line.read(True)

    async def _hold(self) -> None:
        """Read nobody until the fleet has dealt with what it was sent."""
        self._assets.counts[HELD_BACK_ALL] += 1
        self._read_all(False)
        try:
            await self._assets.port.settle()
        except RingmainError as error:
            LOG.error("%s", error)
        finally:
            self._holding = None
            self._read_all(True)

    def _read_all(self, is_wanted: bool) -> None:
        for line in self._by_id.values():
            if line.slot != NOBODY and line.slot not in self._slowed:
                line.read(is_wanted)

    # What they are told.

    def want(self, setpoints: Any) -> None:
        """Send set-points, an array of SETPOINT, and see to it that they are answered."""
        asset_ids, late = self._leases.want(setpoints, self._assets.port.now_ns())
        if late:
            self._assets.counts[SETPOINT_TOO_LATE] += late
        self._tell(asset_ids)

    async def _retry(self) -> None:
        """Send again what is not answered, until its lease ends."""
        while True:
            await asyncio.sleep(RETRY_S)
            now_ns, now_s = self._assets.port.now_ns(), time.monotonic()
            asset_ids, over = self._leases.due(self._slot_of != NOBODY, now_ns, now_s)
            if over:
                self._assets.counts[SETPOINT_UNANSWERED] += over
            self._tell(asset_ids)

    def _tell(self, asset_ids: Any) -> None:
        """Send what is wanted of those assets whose devices are connected."""
        asset_ids = asset_ids[self._slot_of[asset_ids] != NOBODY]
        if not asset_ids.size:
            return
        wanted = self._leases.rows[asset_ids]
        names = ("number", "valid_until_ns", "power_w")
        self._send(asset_ids, frames.records(
            frames.SETPOINT, frames.SETPOINT_RECORD, asset_ids.size,
            asset_id=asset_ids, **{name: wanted[name] for name in names},
        ))  # fmt: skip
        self._leases.sent(asset_ids, time.monotonic())

    def price(self, sheet: Sheet) -> None:
        """Tell everybody the prices, some at a time; who comes later hears them then."""
        self._sheet = frames.frame_of_sheet(sheet)
        self._unpriced = dict.fromkeys(np.flatnonzero(self._is_alive).tolist())

    async def _tell_prices(self) -> None:
        while True:
            await asyncio.sleep(SHEETS_PAUSE_S)
            for slot in list(self._unpriced)[:SHEETS_AT_ONCE]:
                del self._unpriced[slot]
                line = self._lines[slot]
                if line is None or not self._is_alive[slot] or line.slot != slot:
                    continue
                if line.unread_bytes > self._limits.unread_bytes:
                    self.hang_up(line, TOO_SLOW, int(line.asset_ids[0]))
                else:
                    line.send(self._sheet)

    def _send(self, asset_ids: Any, rows: Any) -> None:
        """Send records to the devices of their assets, one frame each."""
        slots = self._slot_of[asset_ids]
        order = np.argsort(slots, kind="stable")
        slots, data = slots[order], memoryview(rows[order].tobytes())
        begins = np.flatnonzero(np.diff(slots, prepend=NOBODY - 1))
        ends = [*begins[1:].tolist(), slots.size]
        for slot, begin, end in zip(slots[begins].tolist(), begins.tolist(), ends, strict=True):
            line = self._lines[slot]
            if line is None or not self._is_alive[slot]:
                continue
            if line.unread_bytes > self._limits.unread_bytes:
                self.hang_up(line, TOO_SLOW, int(line.asset_ids[0]))
            elif line.slot == slot:
                line.send(data[begin * RECORD_BYTES : end * RECORD_BYTES])


def _refusal(status: HTTPStatus, headers: dict[str, str] | None = None) -> WSUpgradeResponseWithListener:
    return WSUpgradeResponseWithListener(
        WSUpgradeResponse.create_error_response(status, status.phrase.encode(), headers), None
    )
