"""The simulated batteries: they follow their set-points, report what they measure, and are never exact."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.client import Client
from ringmain.vpp.messages import (
    RegisterBattery,
    ReportTelemetry,
    SetpointIssued,
    TelemetryRejected,
)
from ringmain.world.calendar import SECOND_NS

CHARGE_LIMIT_W, DISCHARGE_LIMIT_W, CAPACITY_WH = 5_000, 5_000, 13_500
RESERVE_PERMILLE, CHARGE_PERMILLE, DISCHARGE_PERMILLE = 100, 950, 950
WEAR_PRICE_TICKS = 100
POWER_ERROR = 0.01  # of the set-point, one standard deviation
FIRST_ENERGY_SHARE = (0.25, 0.35)
SECONDS_PER_HOUR = 3_600


@dataclass(frozen=True)
class FleetShape:
    """What the desk knows of the fleet: all of its batteries are alike."""

    count: int
    charge_limit_w: int = CHARGE_LIMIT_W
    discharge_limit_w: int = DISCHARGE_LIMIT_W
    capacity_wh: int = CAPACITY_WH
    wear_price_ticks: int = WEAR_PRICE_TICKS


def registrations(count: int, link_account_id: int) -> Any:
    """Return the operator's commands that take `count` batteries in, each with a site of its own."""
    batteries = np.zeros(count, RegisterBattery.dtype)
    RegisterBattery.stamp(batteries)
    batteries["asset_id"] = batteries["site_id"] = np.arange(1, count + 1)
    batteries["link_account_id"] = link_account_id
    batteries["charge_limit_w"], batteries["discharge_limit_w"] = CHARGE_LIMIT_W, DISCHARGE_LIMIT_W
    batteries["energy_capacity_wh"], batteries["reserve_permille"] = CAPACITY_WH, RESERVE_PERMILLE
    batteries["charge_efficiency_permille"] = CHARGE_PERMILLE
    batteries["discharge_efficiency_permille"] = DISCHARGE_PERMILLE
    batteries["wear_price_ticks"] = WEAR_PRICE_TICKS
    return batteries


class Batteries:
    """All devices behind one link.

    Parameters
    ----------
    count : int
    seed : int
        Their first charge and their errors come from it.
    link : Client
        The device link's session with the fleet.
    memory : Path
        Where the devices keep what outlives a restart: their energy, meters and counts.
    """

    def __init__(self, count: int, seed: int, link: Client, memory: Path) -> None:
        self.link, self.count, self._seed, self._memory = link, count, seed, memory
        self.energy_wh = np.random.default_rng([seed, 21]).uniform(*FIRST_ENERGY_SHARE, count) * CAPACITY_WH
        self.power_w = np.zeros(count)
        self.wanted_w, self._lease_ns = np.zeros(count), np.zeros(count, np.int64)
        self._charged_wh, self._discharged_wh = np.zeros(count), np.zeros(count)
        self._reports, self._measured_ns = 0, 0
        self.rejected = 0
        if memory.exists():
            self._recall()

    def live(self, now_ns: int) -> None:
        """Run on until now, report, and take the set-points that have come."""
        self._run_until(now_ns)
        self._report(now_ns)
        self.link.settle()
        self._listen(self.link.poll())
        dice = np.random.default_rng([self._seed, 22, self._reports])
        expired = self._lease_ns <= now_ns
        self.power_w = np.where(expired, 0.0, self.wanted_w * dice.normal(1, POWER_ERROR, self.count))
        np.clip(self.power_w, -CHARGE_LIMIT_W, DISCHARGE_LIMIT_W, out=self.power_w)

    def _run_until(self, now_ns: int) -> None:
        """Move energy at the present power, as far as the store has it, or room for it."""
        if self._measured_ns:
            hours = (now_ns - self._measured_ns) / SECOND_NS / SECONDS_PER_HOUR
            given = np.maximum(self.power_w, 0) * hours
            taken = np.maximum(-self.power_w, 0) * hours
            given = np.minimum(given, self.energy_wh * DISCHARGE_PERMILLE / 1_000)
            taken = np.minimum(taken, (CAPACITY_WH - self.energy_wh) * 1_000 / CHARGE_PERMILLE)
            self.energy_wh += taken * CHARGE_PERMILLE / 1_000 - given * 1_000 / DISCHARGE_PERMILLE
            np.clip(self.energy_wh, 0, CAPACITY_WH, out=self.energy_wh)
            self._charged_wh += taken
            self._discharged_wh += given
            self.power_w = (given - taken) / max(hours, 1e-9)
        self._measured_ns = now_ns

    def _report(self, now_ns: int) -> None:
        self._reports += 1
        self._remember()
        reports = np.zeros(self.count, ReportTelemetry.dtype)
        ReportTelemetry.stamp(reports)
        reports["asset_id"] = np.arange(1, self.count + 1)
        reports["device_number"] = self._reports
        reports["measured_ns"] = now_ns
        reports["power_w"] = np.rint(self.power_w)
        reports["energy_wh"] = np.rint(self.energy_wh)
        reports["charged_wh"], reports["discharged_wh"] = self._charged_wh, self._discharged_wh
        self.link.send_batch(reports)

    def _remember(self) -> None:
        """Keep the devices' memory before anything is reported from it."""
        counts = np.full(self.count, self._reports), np.full(self.count, self._measured_ns)
        rows = np.stack([self.energy_wh, self._charged_wh, self._discharged_wh])
        temporary = self._memory.with_suffix(".new")
        with temporary.open("wb") as file:
            np.save(file, np.stack(counts))
            np.save(file, rows)
        temporary.replace(self._memory)

    def _recall(self) -> None:
        with self._memory.open("rb") as file:
            counts, rows = np.load(file), np.load(file)
        self._reports, self._measured_ns = int(counts[0, 0]), int(counts[1, 0])
        self.energy_wh, self._charged_wh, self._discharged_wh = rows

    def _listen(self, events: Any) -> None:
        if not events.size:
            return
        kinds = events["kind"]
        self.rejected += int((kinds == TelemetryRejected.kind).sum())
        chosen = np.flatnonzero(kinds == SetpointIssued.kind)
        said = events.view(SetpointIssued.dtype)
        for name, target in (
            ("power_w", self.wanted_w),
            ("valid_until_ns", self._lease_ns),
        ):
            target[said["asset_id"][chosen].astype(int) - 1] = said[name][chosen]
