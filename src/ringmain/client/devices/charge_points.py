"""Charge points as clients of a central system, on the ocpp library: to simulate, and to try things."""

import asyncio
import base64
import contextlib
import json
import logging
from dataclasses import dataclass, field
from typing import Any

from ocpp import v16, v201  # type: ignore[import-untyped]
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from ringmain.gateway.devices.charging import answers, time_ns, time_text

QUIET = logging.getLogger("ringmain.devices.charge_point")
QUIET.propagate = False
QUIET.addHandler(logging.NullHandler())
CALL_S = 20.0
SECOND_NS = 1_000_000_000
TX_PROFILE = "TxProfile"


class Line(WSListener):
    """A websocket as the ocpp library wants it."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[str | None] = asyncio.Queue()
        self._transport: WSTransport | None = None
        self.is_gone = False
        self.close_code = 0

    async def recv(self) -> str:
        """Return the next message; ConnectionError at the end."""
        message = await self._messages.get()
        if message is None:
            raise ConnectionError("the central system hung up")
        return message

    async def send(self, text: str) -> None:
        """Send a message."""
        if self._transport is None or self.is_gone:
            raise ConnectionError("not connected")
        self._transport.send(WSMsgType.TEXT, text.encode())

    @property
    def transport(self) -> WSTransport:
        """The websocket itself."""
        assert self._transport is not None
        return self._transport

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Take hold of it."""
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Put a message in line."""
        if frame.msg_type == WSMsgType.TEXT:
            self._messages.put_nowait(frame.get_payload_as_utf8_text())
        elif frame.msg_type == WSMsgType.CLOSE:
            self.close_code = frame.get_close_code().value
            transport.send_close(frame.get_close_code(), b"")
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Tell the reader."""
        self.is_gone = True
        self._messages.put_nowait(None)


@dataclass
class Limits:
    """The charging profiles of one outlet."""

    default_w: float | None = None  # of transactions without a profile of their own
    wanted_w: float = 0.0
    until_ns: int = 0
    transaction_id: object = None
    profile_count: int = 0
    cleared_count: int = 0

    def limit_w(self, now_ns: int) -> float:
        """Return the most power that the profiles allow at a time; infinity if there is none.

        Below zero: what the car is to give.
        """
        if now_ns < self.until_ns:
            return self.wanted_w
        return float("inf") if self.default_w is None else self.default_w

    def set(self, profile: dict[str, Any], schedule: dict[str, Any]) -> None:
        """Take a profile."""
        limit_w = float(schedule["charging_schedule_period"][0]["limit"])
        self.profile_count += 1
        if profile["charging_profile_purpose"] != TX_PROFILE:
            self.default_w = limit_w
            return
        self.wanted_w, self.transaction_id = limit_w, profile.get("transaction_id")
        start_ns = time_ns(schedule["start_schedule"])
        self.until_ns = start_ns + int(schedule["duration"]) * SECOND_NS

    def clear(self) -> None:
        """Forget the transaction's profile."""
        self.until_ns = 0
        self.cleared_count += 1


@dataclass
class Measured:
    """What an outlet shows at a time: power below zero when the car gives."""

    power_w: float
    meter_wh: float
    soc: float | None = None
    phases: int = 3
    is_kilo: bool = False  # whether it writes kW and kWh
    given_wh: float | None = None  # the meter of what the car gave, of an outlet that can do that


class _Speaking:
    """What both versions do alike: connect, and keep what was asked of them."""

    def __init__(self) -> None:
        self.limits: dict[int, Limits] = {}
        self.triggered: list[str] = []
        self.clock_ns = 0  # what the central system said last
        self.line = Line()
        self.reading: asyncio.Task[None] | None = None

    def outlet(self, number: int) -> Limits:
        """Return the profiles of an outlet."""
        return self.limits.setdefault(number, Limits())

    async def close(self) -> None:
        """Hang up."""
        if not self.line.is_gone:
            self.line.transport.disconnect()
        if self.reading is not None:
            self.reading.cancel()
            await asyncio.gather(self.reading, return_exceptions=True)


async def connect_line(url: str, charger_id: str, password: str, subprotocols: str, tls: Any = None) -> Line:
    """Open a charge point's websocket; picows.WSHandshakeError if the central system refuses it."""
    user = base64.b64encode(f"{charger_id}:{password}".encode()).decode()
    headers = {"Authorization": f"Basic {user}", "Sec-WebSocket-Protocol": subprotocols}
    _, line = await ws_connect(Line, url, extra_headers=headers, ssl_context=tls)
    assert isinstance(line, Line)
    return line


async def _read(point: Any) -> None:
    with contextlib.suppress(ConnectionError):
        await point.start()


@dataclass
class Identity:
    """Who a charge point is and where it connects: ``url`` without its identity."""

    charger_id: str
    password: str
    url: str
    tls: Any = field(default=None, repr=False)


class ChargePoint16(v16.ChargePoint, _Speaking):  # type: ignore[misc]
    """A charge point that speaks 1.6."""

    SUBPROTOCOL = "ocpp1.6"

    def __init__(self, identity: Identity, line: Line) -> None:
        _Speaking.__init__(self)
        v16.ChargePoint.__init__(self, identity.charger_id, line, CALL_S, QUIET)
        self.line = line
        self.transactions: dict[int, int] = {}

    @classmethod
    async def connect(cls, identity: Identity) -> "ChargePoint16":
        """Connect, boot, and take the central system's time."""
        address = f"{identity.url}/{identity.charger_id}"
        line = await connect_line(
            address, identity.charger_id, identity.password, cls.SUBPROTOCOL, identity.tls
        )
        point = cls(identity, line)
        point.reading = asyncio.create_task(_read(point))
        answer = await point.call(v16.call.BootNotification("Wallbox", "Ringmain"), suppress=False)
        point.clock_ns = time_ns(answer.current_time)
        return point

    async def heartbeat(self) -> None:
        """Take the central system's time."""
        self.clock_ns = time_ns((await self.call(v16.call.Heartbeat())).current_time)

    async def plug(self, number: int, now_ns: int, departs_ns: int = 0, needed_wh: float = 0.0) -> None:
        """A car comes, and says what it needs if `departs_ns` is given."""
        await self.call(v16.call.StatusNotification(number, "NoError", "Preparing"))
        if departs_ns:
            needs = {
                "connectorId": number, "departureTime": time_text(departs_ns), "energyAmount": int(needed_wh),
            }  # fmt: skip
            await self.call(v16.call.DataTransfer("ringmain", "ChargingNeeds", json.dumps(needs)))

    async def start_charging(self, number: int, now_ns: int, tag: str, meter_wh: float) -> bool:
        """Begin a transaction; False if the card is refused."""
        answer = await self.call(
            v16.call.StartTransaction(number, tag, int(meter_wh), time_text(now_ns)), suppress=False
        )
        if answer.id_tag_info["status"] != "Accepted":
            return False
        self.transactions[number] = answer.transaction_id
        await self.call(v16.call.StatusNotification(number, "NoError", "Charging"))
        return True

    async def meter(self, number: int, now_ns: int, measured: Measured) -> None:
        """Send meter values, the power of each phase by itself."""
        values = [
            {"value": text, "measurand": name, "unit": unit} | ({"phase": phase} if phase else {})
            for text, name, unit, phase in _values(measured)
        ]
        value = {"timestamp": time_text(now_ns), "sampled_value": values}
        running = self.transactions.get(number)
        await self.call(v16.call.MeterValues(number, [value], running), suppress=False)

    async def stop_charging(self, number: int, now_ns: int, meter_wh: float) -> None:
        """End the transaction."""
        await self.call(
            v16.call.StopTransaction(int(meter_wh), time_text(now_ns), self.transactions.pop(number))
        )

    async def unplug(self, number: int, now_ns: int) -> None:
        """The car leaves."""
        await self.call(v16.call.StatusNotification(number, "NoError", "Available"))

    @answers("SetChargingProfile")
    def _profile(self, connector_id: int, cs_charging_profiles: dict[str, Any], **_: Any) -> Any:
        is_of_transaction = cs_charging_profiles["charging_profile_purpose"] == TX_PROFILE
        running = self.transactions.get(connector_id)
        if is_of_transaction and cs_charging_profiles.get("transaction_id") != running:
            return v16.call_result.SetChargingProfile("Rejected")
        self.outlet(connector_id).set(cs_charging_profiles, cs_charging_profiles["charging_schedule"])
        return v16.call_result.SetChargingProfile("Accepted")

    @answers("ClearChargingProfile")
    def _clear(self, connector_id: int | None = None, **_: Any) -> Any:
        self.outlet(connector_id or 1).clear()
        return v16.call_result.ClearChargingProfile("Accepted")

    @answers("TriggerMessage")
    def _trigger(self, requested_message: str, **_: Any) -> Any:
        self.triggered.append(requested_message)
        return v16.call_result.TriggerMessage("Accepted")


class ChargePoint201(v201.ChargePoint, _Speaking):  # type: ignore[misc]
    """A charging station that speaks 2.0.1."""

    SUBPROTOCOL = "ocpp2.0.1"

    def __init__(self, identity: Identity, line: Line) -> None:
        _Speaking.__init__(self)
        v201.ChargePoint.__init__(self, identity.charger_id, line, CALL_S, QUIET)
        self.line = line
        self.transactions: dict[int, str] = {}
        self._sequence = 0

    @classmethod
    async def connect(cls, identity: Identity) -> "ChargePoint201":
        """Connect, boot, and take the central system's time."""
        address = f"{identity.url}/{identity.charger_id}"
        line = await connect_line(
            address, identity.charger_id, identity.password, cls.SUBPROTOCOL, identity.tls
        )
        point = cls(identity, line)
        point.reading = asyncio.create_task(_read(point))
        station = {"model": "Station", "vendor_name": "Ringmain"}
        answer = await point.call(v201.call.BootNotification(station, "PowerUp"), suppress=False)
        point.clock_ns = time_ns(answer.current_time)
        return point

    async def heartbeat(self) -> None:
        """Take the central system's time."""
        self.clock_ns = time_ns((await self.call(v201.call.Heartbeat())).current_time)

    async def plug(self, number: int, now_ns: int, departs_ns: int = 0, needed_wh: float = 0.0) -> None:
        """A car comes, and says what it needs if `departs_ns` is given."""
        await self.call(v201.call.StatusNotification(time_text(now_ns), "Occupied", number, 1))
        if departs_ns:
            ac = {"energy_amount": int(needed_wh), "ev_min_current": 6, "ev_max_current": 16,
                  "ev_max_voltage": 400}  # fmt: skip
            needs = {
                "requested_energy_transfer": "AC_three_phase", "departure_time": time_text(departs_ns),
                "ac_charging_parameters": ac,
            }  # fmt: skip
            await self.call(v201.call.NotifyEVChargingNeeds(evse_id=number, charging_needs=needs))

    async def start_charging(self, number: int, now_ns: int, tag: str, meter_wh: float) -> bool:
        """Begin a transaction; False if the card is refused."""
        transaction_id = f"{self.id}-{number}-{now_ns}"
        self.transactions[number] = transaction_id
        answer = await self._event(
            "Started", number, now_ns, Measured(0.0, meter_wh), {"id_token": tag, "type": "ISO14443"}
        )
        if answer.id_token_info["status"] != "Accepted":
            del self.transactions[number]
            return False
        return True

    async def meter(self, number: int, now_ns: int, measured: Measured) -> None:
        """Send meter values, of the transaction if one runs."""
        if number in self.transactions:
            await self._event("Updated", number, now_ns, measured)
        else:
            await self.call(
                v201.call.MeterValues(number, [self._meter_value(now_ns, measured)]), suppress=False
            )

    async def stop_charging(self, number: int, now_ns: int, meter_wh: float) -> None:
        """End the transaction."""
        await self._event("Ended", number, now_ns, Measured(0.0, meter_wh))
        del self.transactions[number]

    async def unplug(self, number: int, now_ns: int) -> None:
        """The car leaves."""
        await self.call(v201.call.StatusNotification(time_text(now_ns), "Available", number, 1))

    async def _event(
        self, kind: str, number: int, now_ns: int, measured: Measured, token: dict[str, Any] | None = None
    ) -> Any:
        self._sequence += 1
        return await self.call(
            v201.call.TransactionEvent(
                event_type=kind, timestamp=time_text(now_ns),
                trigger_reason="MeterValuePeriodic" if kind == "Updated" else "CablePluggedIn",
                seq_no=self._sequence,
                transaction_info={"transaction_id": self.transactions[number], "charging_state": "Charging"},
                meter_value=[self._meter_value(now_ns, measured)], id_token=token,
                evse={"id": number, "connector_id": 1},
            ),
            suppress=False,
        )  # fmt: skip

    def _meter_value(self, now_ns: int, measured: Measured) -> dict[str, Any]:
        values = []
        for text, name, unit, phase in _values(measured):
            kilo = unit.startswith("k")  # 2.0.1 knows the unit and a power of ten
            of = {"unit": unit.removeprefix("k"), "multiplier": 3 if kilo else 0}
            value = {"value": float(text), "measurand": name, "unit_of_measure": of}
            values.append(value | ({"phase": phase} if phase else {}))
        return {"timestamp": time_text(now_ns), "sampled_value": values}

    @answers("SetChargingProfile")
    def _profile(self, evse_id: int, charging_profile: dict[str, Any], **_: Any) -> Any:
        is_of_transaction = charging_profile["charging_profile_purpose"] == TX_PROFILE
        if is_of_transaction and charging_profile.get("transaction_id") != self.transactions.get(evse_id):
            return v201.call_result.SetChargingProfile("Rejected")
        self.outlet(evse_id).set(charging_profile, charging_profile["charging_schedule"][0])
        return v201.call_result.SetChargingProfile("Accepted")

    @answers("ClearChargingProfile")
    def _clear(self, charging_profile_criteria: dict[str, Any] | None = None, **_: Any) -> Any:
        self.outlet((charging_profile_criteria or {}).get("evse_id", 1)).clear()
        return v201.call_result.ClearChargingProfile("Accepted")

    @answers("TriggerMessage")
    def _trigger(self, requested_message: str, **_: Any) -> Any:
        self.triggered.append(requested_message)
        return v201.call_result.TriggerMessage("Accepted")


def _values(measured: Measured) -> list[tuple[str, str, str, str]]:
    """Return value, measurand, unit and phase of what an outlet shows."""
    factor, kilo = (1_000, "k") if measured.is_kilo else (1, "")
    share_w = max(measured.power_w, 0.0) / measured.phases / factor
    rows = [
        (f"{share_w:.4f}", "Power.Active.Import", f"{kilo}W", f"L{n + 1}") for n in range(measured.phases)
    ]
    if measured.given_wh is not None:
        given_w = max(-measured.power_w, 0.0) / factor
        rows.append((f"{given_w:.4f}", "Power.Active.Export", f"{kilo}W", ""))
        rows.append((f"{measured.given_wh / factor:.4f}", "Energy.Active.Export.Register", f"{kilo}Wh", ""))
    meter = f"{measured.meter_wh / factor:.4f}"
    rows.append((meter, "Energy.Active.Import.Register", f"{kilo}Wh", ""))
    if measured.soc is not None:
        rows.append((f"{measured.soc * 100:.1f}", "SoC", "Percent", ""))
    return rows
