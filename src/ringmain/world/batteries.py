"""The simulated batteries: they follow their set-points, report what they measure, and are never exact.

When the fleet is silent they go by its prices: :mod:`ringmain.client.devices.local_plan`.
"""

from pathlib import Path
from typing import Any

import numpy as np

from ringmain.client import Client
from ringmain.client.devices.local_plan import LocalPlans, own_of
from ringmain.gateway.messages import PRICES
from ringmain.gateway.sheets import Sheet, SheetReader
from ringmain.vpp.messages import SCHEMA, ReportTelemetry, SetpointIssued, TelemetryRejected
from ringmain.world.calendar import HOUR_NS

POWER_ERROR = 0.01  # of the set-point, one standard deviation
FIRST_ENERGY_SHARE = (0.1, 0.3)  # of what lies above the reserve

DEVICE = np.dtype([
    ("energy_wh", "f8"),
    ("charged_wh", "f8"),  # meters
    ("discharged_wh", "f8"),
    ("power_w", "f8"),
    ("wanted_w", "f8"),  # the last set-point, and the end of its lease
    ("lease_ns", "i8"),
    ("measured_ns", "i8"),  # 0: never
    ("report_number", "i8"),
])  # fmt: skip


class Batteries:
    """All devices behind one link.

    Parameters
    ----------
    registered : array of shape (n,), RegisterBattery
        What each battery can do.
    seed : int
        Their first charge and their errors come from it.
    link : Client
        The device link's session with the fleet.
    memory : Path
        Where the devices keep what outlives a restart: energy, meters, counts, set-points and prices.

    Attributes
    ----------
    plans : LocalPlans
        What they do by themselves.
    """

    def __init__(self, registered: Any, seed: int, link: Client, memory: Path) -> None:
        self.link, self._seed, self._memory = link, seed, memory
        self.count, self.asset_id = registered.size, registered["asset_id"]
        self._place = np.zeros(int(self.asset_id.max()) + 1, np.int64)
        self._place[self.asset_id] = np.arange(self.count)
        self.charge_limit_w = registered["charge_limit_w"].astype(float)
        self.discharge_limit_w = registered["discharge_limit_w"].astype(float)
        self.capacity_wh = registered["energy_capacity_wh"].astype(float)
        self.charge_efficiency = registered["charge_efficiency_permille"] / 1_000
        self.discharge_efficiency = registered["discharge_efficiency_permille"] / 1_000
        self.devices = np.zeros(self.count, DEVICE).view(np.recarray)
        reserve_wh = self.capacity_wh * registered["reserve_permille"] / 1_000
        share = np.random.default_rng([seed, 21]).uniform(*FIRST_ENERGY_SHARE, self.count)
        self.devices.energy_wh = reserve_wh + share * (self.capacity_wh - reserve_wh)
        self.plans, self._sheets = LocalPlans(own_of(registered)), SheetReader(SCHEMA)
        self._heard_sequence = 0
        self.rejected = 0
        link.subscribe(PRICES, 0)
        if memory.exists():
            self._recall()
            link.resend(self._heard_sequence)  # set-points that came after the devices kept their memory

    def live(self, now_ns: int) -> None:
        """Run on until now, report, and take the set-points that have come."""
        self._run_until(now_ns)
        self._report(now_ns)
        self.link.settle()
        self._listen(self.link.poll())
        for sheet in self._sheets.read(self.link.poll_data()):
            self.plans.hear(sheet)
        self._act(now_ns, is_heard=True)

    def live_alone(self, now_ns: int) -> None:
        """Run on until now while nobody can be reached; the meters go on, and the next report has it all."""
        self._run_until(now_ns)
        self.devices.report_number += 1
        self._remember()
        self._act(now_ns, is_heard=False)

    def _act(self, now_ns: int, is_heard: bool) -> None:
        """Set the power that is wanted now, as nearly as devices do.

        The fleet has just dealt with the reports of those who are heard, so they know it to be in command.
        """
        devices = self.devices
        is_free = devices.lease_ns <= now_ns
        own_w = self.plans.power_w(now_ns, devices.energy_wh, is_free & (not is_heard))
        dice = np.random.default_rng([self._seed, 22, int(devices.report_number[0])])
        real_w = np.where(is_free, own_w, devices.wanted_w) * dice.normal(1, POWER_ERROR, self.count)
        devices.power_w = np.clip(real_w, -self.charge_limit_w, self.discharge_limit_w)

    def _run_until(self, now_ns: int) -> None:
        """Move energy at the present power, as far as the store has it, or room for it."""
        devices = self.devices
        if devices.measured_ns[0]:
            hours = (now_ns - devices.measured_ns) / HOUR_NS
            given = np.minimum(
                np.maximum(devices.power_w, 0) * hours, devices.energy_wh * self.discharge_efficiency
            )
            room_wh = (self.capacity_wh - devices.energy_wh) / self.charge_efficiency
            taken = np.minimum(np.maximum(-devices.power_w, 0) * hours, room_wh)
            stored_wh = devices.energy_wh + taken * self.charge_efficiency - given / self.discharge_efficiency
            devices.energy_wh = np.clip(stored_wh, 0, self.capacity_wh)
            devices.charged_wh += taken
            devices.discharged_wh += given
            devices.power_w = (given - taken) / np.maximum(hours, 1e-9)
        devices.measured_ns = now_ns

    def _report(self, now_ns: int) -> None:
        devices = self.devices
        devices.report_number += 1
        self._remember()
        reports = np.zeros(self.count, ReportTelemetry.dtype)
        ReportTelemetry.stamp(reports)
        reports["asset_id"] = self.asset_id
        reports["device_number"] = devices.report_number
        reports["measured_ns"] = now_ns
        reports["power_w"] = np.rint(devices.power_w)
        reports["energy_wh"] = np.rint(devices.energy_wh)
        reports["charged_wh"], reports["discharged_wh"] = devices.charged_wh, devices.discharged_wh
        self.link.send_batch(reports)

    def _remember(self) -> None:
        """Keep the devices' memory before anything is reported from it."""
        temporary = self._memory.with_suffix(".new")
        with temporary.open("wb") as file:
            np.save(file, np.array([self._heard_sequence]))
            np.save(file, self.devices)
            np.save(file, _row_of(self.plans.sheet))
        temporary.replace(self._memory)

    def _recall(self) -> None:
        with self._memory.open("rb") as file:
            self._heard_sequence = int(np.load(file)[0])
            self.devices = np.load(file).view(np.recarray)
            sheet = _sheet_of(np.load(file)) if file.peek(1) else None  # none in one of before there were any
            if sheet is not None:
                self.plans.hear(sheet)
        assert self.devices.size == self.count, "a folder keeps its fleet"

    def _listen(self, events: Any) -> None:
        if not events.size:
            return
        self._heard_sequence = max(self._heard_sequence, int(events["sequence"].max()))
        kinds = events["kind"]
        self.rejected += int((kinds == TelemetryRejected.kind).sum())
        issued = events.view(SetpointIssued.dtype)[kinds == SetpointIssued.kind]
        places = self._place[issued["asset_id"]]
        self.devices.wanted_w[places] = issued["power_w"]
        self.devices.lease_ns[places] = issued["valid_until_ns"]


def _row_of(sheet: Sheet | None) -> Any:
    """Return a sheet as numbers, to be kept: its fields, then the prices."""
    if sheet is None:
        return np.zeros(0, np.int64)
    head = (sheet.number, sheet.commanded_until_ns, sheet.valid_until_ns, sheet.begins_ns, sheet.period_s)
    return np.array([*head, *sheet.price_ticks], np.int64)


def _sheet_of(row: Any) -> Sheet | None:
    """Return the sheet that was kept."""
    if not row.size:
        return None
    number, commanded_until_ns, valid_until_ns, begins_ns, period_s, *price_ticks = row.tolist()
    return Sheet(number, commanded_until_ns, valid_until_ns, begins_ns, period_s, tuple(price_ticks))
