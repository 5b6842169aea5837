"""OCPP 2.0.1: the charging station management system's side of one station.

Open Charge Point Protocol 2.0.1, edition 2; its part 4 says how it stands on websockets.
"""

import logging
from typing import Any

from ocpp.v201 import ChargePoint, call, call_result  # type: ignore[import-untyped]

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

SUBPROTOCOL = "ocpp2.0.1"
ACCEPTED = "Accepted"
STARTED, ENDED = "Started", "Ended"


class Point201(ChargePoint):  # type: ignore[misc]
    """One charging station that speaks 2.0.1."""

    def __init__(self, station: Station, connection: Any, logger: logging.Logger) -> None:
        super().__init__(station.charger.charger_id, connection, CALL_S, logger)
        self.station = station
        station.send_profile, station.clear_profiles = self._send_profile, self._clear_profiles
        station.may_give = True  # a limit below zero: 2.0.1 forbids none, and defines none; 2.1 has setpoints

    async def greet(self) -> None:
        """Set what holds without set-points, and ask how things stand."""
        for evse_id, outlet in self.station.outlets.items():
            await self._profile(evse_id, IDLE_LEVEL, outlet.connector.idle_w)
            await self._clear_profiles(evse_id)
            await self.call(call.TriggerMessage("StatusNotification", {"id": evse_id, "connector_id": 1}))

    @answers("BootNotification")
    def _boot(self, **_: Any) -> Any:
        now = time_text(self.station.assets.port.now_ns())
        return call_result.BootNotification(current_time=now, interval=HEARTBEAT_S, status=ACCEPTED)

    @answers("Heartbeat")
    def _heartbeat(self, **_: Any) -> Any:
        return call_result.Heartbeat(current_time=time_text(self.station.assets.port.now_ns()))

    @answers("Authorize")
    def _authorize(self, id_token: dict[str, Any], **_: Any) -> Any:
        return call_result.Authorize({"status": self._admission(id_token)})

    @answers("StatusNotification")
    def _status(self, evse_id: int, connector_status: str, **_: Any) -> Any:
        outlet = self.station.outlet(evse_id) if evse_id else None
        if outlet is not None and connector_status == "Occupied":
            self.station.plugged(outlet)
        elif outlet is not None and connector_status == "Available":
            self.station.unplugged(outlet)
        return call_result.StatusNotification()

    @answers("TransactionEvent")
    def _transaction(
        self, event_type: str, timestamp: str, transaction_info: dict[str, Any], **others: Any
    ) -> Any:
        transaction_id, token = transaction_info["transaction_id"], others.get("id_token")
        found = self._place(others.get("evse"), transaction_id)
        status = None if token is None else {"status": self._admission(token)}
        if found is None or (token is not None and not self._may_charge(token)):
            return call_result.TransactionEvent(id_token_info=status or {"status": "Invalid"})
        outlet = found[1]
        if event_type != ENDED:
            self.station.started(outlet, transaction_id)
        for value in others.get("meter_value") or []:
            self.station.measured(outlet, value["timestamp"], _samples(value))
        if event_type == ENDED:
            self.station.ended(outlet)
        return call_result.TransactionEvent(id_token_info=status)

    @follows("TransactionEvent")
    def _transacted(self, **_: Any) -> None:
        self.station.steer_new()

    @answers("MeterValues")
    def _meter(self, evse_id: int, meter_value: list[Any], **_: Any) -> Any:
        outlet = self.station.outlet(evse_id) if evse_id else None
        if outlet is not None:
            for value in meter_value:
                self.station.measured(outlet, value["timestamp"], _samples(value))
        return call_result.MeterValues()

    @answers("NotifyEVChargingNeeds")
    def _needs(self, evse_id: int, charging_needs: dict[str, Any], **_: Any) -> Any:
        outlet = self.station.outlet(evse_id)
        ac = charging_needs.get("ac_charging_parameters") or {}
        dc = charging_needs.get("dc_charging_parameters") or {}
        energy = ac.get("energy_amount", dc.get("energy_amount"))
        departure = charging_needs.get("departure_time")
        try:
            departs_ns = time_ns(departure) if departure is not None else 0
            needed_wh = number(energy) if energy is not None else None
        except UnfitError as unfit:
            self.station.assets.refuse(0, unfit.reason)
            return call_result.NotifyEVChargingNeeds("Rejected")
        if outlet is None:
            return call_result.NotifyEVChargingNeeds("Rejected")
        self.station.plugged(outlet, departs_ns, needed_wh)
        return call_result.NotifyEVChargingNeeds(ACCEPTED)

    @answers("NotifyReport")
    def _report(self, **_: Any) -> Any:
        return call_result.NotifyReport()

    @answers("NotifyEvent")
    def _event(self, **_: Any) -> Any:
        return call_result.NotifyEvent()

    @answers("SecurityEventNotification")
    def _security(self, **_: Any) -> Any:
        return call_result.SecurityEventNotification()

    @answers("FirmwareStatusNotification")
    def _firmware(self, **_: Any) -> Any:
        return call_result.FirmwareStatusNotification()

    def _may_charge(self, token: dict[str, Any]) -> bool:
        return self.station.may_charge(token.get("id_token"))

    def _admission(self, token: dict[str, Any]) -> str:
        return ACCEPTED if self._may_charge(token) else "Invalid"

    def _place(self, evse: dict[str, Any] | None, transaction_id: str) -> tuple[int, Outlet] | None:
        """Return where a transaction runs; its first event says so, later ones may."""
        if evse is None:
            return self.station.with_transaction(transaction_id)
        outlet = self.station.outlet(evse["id"])
        return None if outlet is None else (evse["id"], outlet)

    async def _send_profile(self, evse_id: int, outlet: Outlet, limit_w: float, seconds: int) -> bool:
        return await self._profile(evse_id, WANTED_LEVEL, limit_w, (outlet.transaction_id, seconds))

    async def _profile(
        self,
        evse_id: int,
        level: int,
        limit_w: float,
        transaction: tuple[int | str | None, int] | None = None,
    ) -> bool:
        """Set a profile of a transaction for some seconds, or the one of all transactions without."""
        schedule: dict[str, Any] = {
            "id": profile_id(evse_id, level), "charging_rate_unit": "W",
            "charging_schedule_period": [{"start_period": 0, "limit": round(float(limit_w), 1)}],
        }  # fmt: skip
        profile: dict[str, Any] = {
            "id": profile_id(evse_id, level), "stack_level": level,
            "charging_profile_purpose": "TxDefaultProfile", "charging_profile_kind": "Relative",
            "charging_schedule": [schedule],
        }  # fmt: skip
        if transaction is not None:
            profile |= {"charging_profile_purpose": "TxProfile", "charging_profile_kind": "Absolute"}
            profile["transaction_id"], schedule["duration"] = transaction
            schedule["start_schedule"] = time_text(self.station.assets.port.now_ns())
        answer = await self.call(call.SetChargingProfile(evse_id, profile))
        return answer is not None and answer.status == ACCEPTED

    async def _clear_profiles(self, evse_id: int) -> bool:
        criteria = {"evse_id": evse_id, "charging_profile_purpose": "TxProfile", "stack_level": WANTED_LEVEL}
        answer = await self.call(call.ClearChargingProfile(charging_profile_criteria=criteria))
        return answer is not None and answer.status == ACCEPTED


def _samples(value: dict[str, Any]) -> list[Sample]:
    samples = []
    for each in value.get("sampled_value") or []:
        unit = each.get("unit_of_measure") or {}
        samples.append(
            Sample(
                each.get("value"), each.get("measurand") or METER_IN, each.get("phase"),
                unit.get("unit"), unit.get("multiplier") or 0,
                each.get("location") or "Outlet", "signed_meter_value" in each and "value" not in each,
            )
        )  # fmt: skip
    return samples
