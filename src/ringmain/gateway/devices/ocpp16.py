"""OCPP 1.6J: the central system's side of one charge point.

Open Charge Point Protocol 1.6, edition 2; the JSON implementation guide says how it stands on websockets.
"""

import itertools
import json
import logging
import time
from typing import Any

from ocpp.v16 import ChargePoint, call, call_result  # type: ignore[import-untyped]

from ringmain.gateway.devices.charging import (
    CALL_S,
    HEARTBEAT_S,
    IDLE_LEVEL,
    METER_IN,
    WANTED_LEVEL,
    Outlet,
    Sample,
    Station,
    answers,
    follows,
    profile_id,
    time_ns,
    time_text,
)
from ringmain.gateway.devices.readings import UnfitError, number

SUBPROTOCOL = "ocpp1.6"
VENDOR = "ringmain"  # of the data transfer by which a car's needs can be told: 1.6 has no message for them
NEEDS = "ChargingNeeds"
PLUGGED = {"Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing"}
ACCEPTED, REJECTED = "Accepted", "Rejected"
CLOSED_TAG = {"status": "Invalid"}
OPEN_TAG = {"status": ACCEPTED}
_transactions = itertools.count(int(time.time()))  # rising over restarts, so that none is given twice


class Point16(ChargePoint):  # type: ignore[misc]
    """One charge point that speaks 1.6."""

    def __init__(self, station: Station, connection: Any, logger: logging.Logger) -> None:
        super().__init__(station.charger.charger_id, connection, CALL_S, logger)
        self.station = station
        station.send_profile, station.clear_profiles = self._send_profile, self._clear_profiles

    async def greet(self) -> None:
        """Set what holds without set-points, and ask how things stand."""
        for connector_id, outlet in self.station.outlets.items():
            await self._profile(connector_id, IDLE_LEVEL, outlet.connector.idle_w)
            await self._clear_profiles(connector_id)
            await self.call(call.TriggerMessage("StatusNotification", connector_id))

    @answers("BootNotification")
    def _boot(self, **_: Any) -> Any:
        now = time_text(self.station.assets.port.now_ns())
        return call_result.BootNotification(current_time=now, interval=HEARTBEAT_S, status=ACCEPTED)

    @answers("Heartbeat")
    def _heartbeat(self, **_: Any) -> Any:
        return call_result.Heartbeat(current_time=time_text(self.station.assets.port.now_ns()))

    @answers("Authorize")
    def _authorize(self, id_tag: str, **_: Any) -> Any:
        return call_result.Authorize(OPEN_TAG if self.station.may_charge(id_tag) else CLOSED_TAG)

    @answers("StatusNotification")
    def _status(self, connector_id: int, status: str, **_: Any) -> Any:
        outlet = self.station.outlet(connector_id) if connector_id else None
        if outlet is not None and status in PLUGGED:
            self.station.plugged(outlet)
        elif outlet is not None and status == "Available":
            self.station.unplugged(outlet)
        return call_result.StatusNotification()

    @answers("StartTransaction")
    def _start(self, connector_id: int, id_tag: str, meter_start: int, timestamp: str, **_: Any) -> Any:
        outlet = self.station.outlet(connector_id)
        if outlet is None or not self.station.may_charge(id_tag):
            return call_result.StartTransaction(0, CLOSED_TAG)
        transaction_id = next(_transactions)
        self.station.started(outlet, transaction_id)
        self.station.measured(outlet, timestamp, [Sample(meter_start, METER_IN, unit="Wh")])
        return call_result.StartTransaction(transaction_id, OPEN_TAG)

    @follows("StartTransaction")
    def _started(self, **_: Any) -> None:
        self.station.steer_new()

    @answers("StopTransaction")
    def _stop(self, transaction_id: int, meter_stop: int, timestamp: str, **others: Any) -> Any:
        found = self.station.with_transaction(transaction_id)
        if found is not None:
            for value in others.get("transaction_data") or []:
                self.station.measured(found[1], value["timestamp"], _samples(value))
            self.station.measured(found[1], timestamp, [Sample(meter_stop, METER_IN, unit="Wh")])
            self.station.ended(found[1])
        return call_result.StopTransaction()

    @answers("MeterValues")
    def _meter(self, connector_id: int, meter_value: list[Any], **others: Any) -> Any:
        outlet = self.station.outlet(connector_id) if connector_id else None
        transaction_id = others.get("transaction_id")
        if outlet is not None:
            if transaction_id and outlet.transaction_id is None:  # it began before this gateway did
                self.station.started(outlet, transaction_id)
            for value in meter_value:
                self.station.measured(outlet, value["timestamp"], _samples(value))
        return call_result.MeterValues()

    @follows("MeterValues")
    def _metered(self, **_: Any) -> None:
        self.station.steer_new()

    @answers("DataTransfer")
    def _data(self, vendor_id: str, **others: Any) -> Any:
        """Take a car's needs: data is {"connectorId", "departureTime", "energyAmount" in Wh}."""
        if vendor_id != VENDOR:
            return call_result.DataTransfer("UnknownVendorId")
        if others.get("message_id") != NEEDS:
            return call_result.DataTransfer("UnknownMessageId")
        try:
            needs = json.loads(others.get("data") or "")
            outlet = self.station.outlet(needs["connectorId"])
            departs_ns, needed_wh = time_ns(needs["departureTime"]), number(needs["energyAmount"])
        except (ValueError, TypeError, KeyError, UnfitError):
            return call_result.DataTransfer(REJECTED)
        if outlet is None:
            return call_result.DataTransfer(REJECTED)
        self.station.plugged(outlet, departs_ns, needed_wh)
        return call_result.DataTransfer(ACCEPTED)

    @answers("FirmwareStatusNotification")
    def _firmware(self, **_: Any) -> Any:
        return call_result.FirmwareStatusNotification()

    @answers("DiagnosticsStatusNotification")
    def _diagnostics(self, **_: Any) -> Any:
        return call_result.DiagnosticsStatusNotification()

    async def _send_profile(self, connector_id: int, outlet: Outlet, limit_w: float, seconds: int) -> bool:
        return await self._profile(connector_id, WANTED_LEVEL, limit_w, (outlet.transaction_id, seconds))

    async def _profile(
        self,
        connector_id: int,
        level: int,
        limit_w: float,
        transaction: tuple[int | str | None, int] | None = None,
    ) -> bool:
        """Set a profile of a transaction for some seconds, or the one of all transactions without."""
        schedule: dict[str, Any] = {
            "charging_rate_unit": "W",
            "charging_schedule_period": [{"start_period": 0, "limit": round(float(limit_w), 1)}],
        }
        profile: dict[str, Any] = {
            "charging_profile_id": profile_id(connector_id, level), "stack_level": level,
            "charging_profile_purpose": "TxDefaultProfile", "charging_profile_kind": "Relative",
            "charging_schedule": schedule,
        }  # fmt: skip
        if transaction is not None:
            profile |= {"charging_profile_purpose": "TxProfile", "charging_profile_kind": "Absolute"}
            profile["transaction_id"], schedule["duration"] = transaction
            schedule["start_schedule"] = time_text(self.station.assets.port.now_ns())
        answer = await self.call(call.SetChargingProfile(connector_id, profile))
        return answer is not None and answer.status == ACCEPTED

    async def _clear_profiles(self, connector_id: int) -> bool:
        answer = await self.call(
            call.ClearChargingProfile(
                connector_id=connector_id, charging_profile_purpose="TxProfile", stack_level=WANTED_LEVEL
            )
        )
        return answer is not None and answer.status == ACCEPTED


def _samples(value: dict[str, Any]) -> list[Sample]:
    return [
        Sample(
            each.get("value"), each.get("measurand") or METER_IN, each.get("phase"), each.get("unit"), 0,
            each.get("location") or "Outlet", each.get("format") == "SignedData",
        )
        for each in value.get("sampled_value") or []
    ]  # fmt: skip
