"""Simulated batteries, all at once in arrays: they follow set-points under their leases and report."""

from typing import Any

import numpy as np

from ringmain.vpp.messages import ReportTelemetry, SetpointIssued
from ringmain.vpp.state import SECOND_NS


class Batteries:
    """Batteries as registered; index i is asset id i + 1. Energies are exact, meters show whole Wh."""

    def __init__(self, registrations: list[Any], dice: np.random.Generator, delivery: float = 1.0) -> None:
        rows = np.concatenate([r.view(r.dtype) for r in registrations])
        self.dice = dice
        self.count = len(rows)
        self.asset_id = rows["asset_id"]
        self.charge_w = rows["charge_limit_w"].astype(float)
        self.discharge_w = rows["discharge_limit_w"].astype(float)
        self.capacity_wh = rows["energy_capacity_wh"].astype(float)
        self.charge_efficiency = rows["charge_efficiency_permille"] / 1_000
        self.discharge_efficiency = rows["discharge_efficiency_permille"] / 1_000
        self.factor = dice.uniform(delivery, 1.0, self.count)
        self.energy_wh = self.capacity_wh * dice.uniform(0.2, 0.8, self.count)
        self.charged_wh = dice.uniform(0, 1e6, self.count)
        self.discharged_wh = dice.uniform(0, 1e6, self.count)
        self.power_w = np.zeros(self.count)
        self.wanted_w = np.zeros(self.count)
        self.lease_ns = np.zeros(self.count, np.int64)
        self.device_number = 0

    def net_meter_wh(self) -> np.ndarray[Any, Any]:
        """What the meters show, discharged less charged, whole Wh."""
        return np.floor(self.discharged_wh).astype(np.int64) - np.floor(self.charged_wh).astype(np.int64)

    def obey(self, events: Any, reached: np.ndarray[Any, Any] | None = None) -> None:
        """Take the set-points among the events; `reached` masks the devices that get them."""
        rows = events.view(SetpointIssued.dtype)[events["kind"] == SetpointIssued.kind]
        index = rows["asset_id"].astype(int) - 1
        if reached is not None:
            rows, index = rows[reached[index]], index[reached[index]]
        self.wanted_w[index] = rows["power_w"]
        self.lease_ns[index] = rows["valid_until_ns"]

    def run(self, now_ns: int, span_ns: int) -> None:
        """Run from `now_ns` for a span at the power that is wanted and possible."""
        hours = span_ns / (3_600 * SECOND_NS)
        wanted_w = np.where(self.lease_ns > now_ns, self.wanted_w * self.factor, 0.0)
        most_w = np.minimum(self.discharge_w, self.energy_wh * self.discharge_efficiency / hours)
        room_wh = self.capacity_wh - self.energy_wh
        least_w = -np.minimum(self.charge_w, room_wh / self.charge_efficiency / hours)
        self.power_w = np.clip(wanted_w, least_w, most_w)
        given_wh = self.power_w * hours
        out_wh, in_wh = np.maximum(given_wh, 0), np.maximum(-given_wh, 0)
        self.energy_wh += in_wh * self.charge_efficiency - out_wh / self.discharge_efficiency
        self.discharged_wh += out_wh
        self.charged_wh += in_wh

    def reports(self, now_ns: int, heard: np.ndarray[Any, Any] | None = None) -> Any:
        """Return a report of each device, or of those that are heard."""
        self.device_number += 1
        rows = np.zeros(self.count, ReportTelemetry.dtype)
        ReportTelemetry.stamp(rows)
        rows["asset_id"] = self.asset_id
        rows["device_number"] = self.device_number
        rows["measured_ns"] = now_ns
        rows["power_w"] = np.rint(self.power_w)
        rows["energy_wh"] = np.rint(np.clip(self.energy_wh, 0, self.capacity_wh))
        rows["charged_wh"] = np.floor(self.charged_wh)
        rows["discharged_wh"] = np.floor(self.discharged_wh)
        return rows if heard is None else rows[heard]
