"""The simulated homes beside their batteries: loads, roofs, heat stores, and chargers with their cars.

A load follows the hours of its household, a roof the sun (pvlib's position and Haurwitz's clear sky) and
its clouds. A heat store loses what the home draws from it, and heats by itself below the lower end of its
comfort. A car comes in the evening and leaves in the morning; a charger starts by itself when it is about
to be too late, and gives from the car if it can and is told to. All of them report by the minute over one
link, and take set-points where they can.
"""

from pathlib import Path
from typing import Any

import numpy as np

from ringmain.client import Client
from ringmain.vpp.messages import (
    PlugIn,
    RegisterCharger,
    RegisterHeatStore,
    RegisterLoad,
    RegisterSolar,
    ReportTelemetry,
    SetpointIssued,
    TelemetryRejected,
    Unplug,
)
from ringmain.world.calendar import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS

LATITUDE, LONGITUDE = 52.0, 5.0
FULL_SUN_W_M2, SYSTEM_SHARE = 1_000.0, 0.86  # of the panels' peak that reaches the grid
LOAD_SHAPE = np.array([
    .45, .4, .37, .36, .37, .45, .75, 1.05, 1.0, .85, .8, .85,
    .95, .9, .85, .85, 1.0, 1.4, 1.75, 1.7, 1.5, 1.25, .9, .6,
])  # fmt: skip  # of a household's mean, by hour
HEAT_SHAPE = np.array([
    .6, .5, .5, .5, .7, 1.2, 2.0, 1.9, 1.3, 1.0, .9, .9,
    1.0, .9, .8, .8, .9, 1.2, 1.5, 1.6, 1.4, 1.2, 1.0, .8,
])  # fmt: skip
FULL_CHARGE = 0.98
LEASED_FLOOR = 0.7  # of the lower end of comfort: below, a heat store heats whatever it was told
KINDS = (RegisterSolar, RegisterLoad, RegisterHeatStore, RegisterCharger)

DEVICE = np.dtype([
    ("energy_wh", "f8"),
    ("charged_wh", "f8"),  # meters
    ("discharged_wh", "f8"),
    ("power_w", "f8"),
    ("wanted_w", "f8"),
    ("lease_ns", "i8"),
    ("noise", "f8"),  # clouds, or what a household differs by
    ("departs_ns", "i8"),  # of the car; 0: none is there
    ("required_wh", "f8"),
    ("measured_ns", "i8"),
    ("report_number", "i8"),
])  # fmt: skip


class Homes:
    """All devices behind one link.

    Parameters
    ----------
    registered : list of commands
        RegisterSolar, RegisterLoad, RegisterHeatStore and RegisterCharger, in any order.
    seed : int
    link : Client
        The device link's session with the fleet.
    memory : Path
        Where the devices keep what outlives a restart.
    """

    def __init__(self, registered: list[Any], seed: int, link: Client, memory: Path) -> None:
        self.link, self._seed, self._memory = link, seed, memory
        by_kind = {
            record.kind: [c for c in registered if int(c["kind"][0]) == record.kind] for record in KINDS
        }
        ordered = [command for commands in by_kind.values() for command in commands]
        self.count = len(ordered)
        self.asset_id = np.array([int(c["asset_id"][0]) for c in ordered], np.int64)
        kind = np.array([int(c["kind"][0]) for c in ordered])
        self.solar, self.load, self.heat, self.charger = (np.flatnonzero(kind == r.kind) for r in KINDS)
        self._place = np.full(int(self.asset_id.max(initial=0)) + 1, -1, np.int64)
        self._place[self.asset_id] = np.arange(self.count)
        self.limit_w = np.array([_limit_w(c) for c in ordered], float)
        self._charge_w = np.array([_field(c, "import_limit_w") for c in ordered], float)
        self.capacity_wh = np.array([_field(c, "energy_capacity_wh") for c in ordered], float)
        self.floor_wh = self.capacity_wh * [_field(c, "reserve_permille") / 1_000 for c in ordered]
        self.efficiency = (
            np.array([_field(c, "charge_efficiency_permille") or 1_000 for c in ordered]) / 1_000
        )
        is_charger = kind == RegisterCharger.kind
        self.give_w = np.where(is_charger, [_field(c, "export_limit_w") for c in ordered], 0).astype(float)
        self.give_efficiency = (
            np.array([_field(c, "discharge_efficiency_permille") or 1_000 for c in ordered]) / 1_000
        )
        dice = np.random.default_rng([seed, 31])
        self.mean_w = np.minimum(dice.lognormal(np.log(420), 0.35, self.count), self.limit_w / 4)
        self.devices: Any = np.zeros(self.count, DEVICE).view(np.recarray)
        warm_wh = self.capacity_wh * dice.uniform(0.5, 0.9, self.count)
        self.devices["energy_wh"][self.heat] = warm_wh[self.heat]
        self._sun: dict[int, Any] = {}
        self._cars: dict[int, Any] = {}
        self._heard_sequence = 0
        self.rejected = 0
        if memory.exists():
            self._recall()
            link.resend(self._heard_sequence)

    def live(self, now_ns: int) -> None:
        """Run on until now, report, and take the set-points that have come."""
        self._run_until(now_ns)
        self._move_cars(now_ns)
        self._report(now_ns)
        self.link.settle()
        self._listen(self.link.poll())
        self._decide(now_ns)

    # Physics.

    def _run_until(self, now_ns: int) -> None:
        """Move energy at the present power; what a store has no room for, it doesn't take."""
        devices = self.devices
        if self.count and devices.measured_ns[0]:
            hours = (now_ns - devices.measured_ns) / HOUR_NS
            taken = np.maximum(-devices.power_w, 0) * hours
            stores = np.concatenate([self.heat, self.charger])
            room_wh = np.maximum(self.capacity_wh - devices.energy_wh, 0) / self.efficiency
            taken[stores] = np.minimum(taken[stores], room_wh[stores])
            given = np.maximum(devices.power_w, 0) * hours
            held_wh = devices.energy_wh * self.give_efficiency
            given[self.charger] = np.minimum(given, held_wh)[self.charger]
            devices.energy_wh[stores] += taken[stores] * self.efficiency[stores]
            devices.energy_wh[self.charger] -= (given / self.give_efficiency)[self.charger]
            drawn = self._heat_drawn_wh(now_ns, hours[self.heat])
            devices.energy_wh[self.heat] = np.maximum(devices.energy_wh[self.heat] - drawn, 0)
            devices.charged_wh += taken
            devices.discharged_wh += given
            devices.power_w = (given - taken) / np.maximum(hours, 1e-9)
        devices.measured_ns = now_ns

    def _heat_drawn_wh(self, now_ns: int, hours: Any) -> Any:
        mean_w = self.capacity_wh[self.heat] / 12  # a full store lasts for half a day
        return mean_w * HEAT_SHAPE[now_ns % DAY_NS // HOUR_NS] * hours

    def _decide(self, now_ns: int) -> None:
        """Set the power of the coming minute."""
        devices = self.devices
        dice = np.random.default_rng([self._seed, 32, int(devices.report_number[0]) if self.count else 0])
        roll = dice.normal(0, 1, self.count)
        has_lease = devices.lease_ns > now_ns
        devices.noise = 0.97 * devices.noise + 0.06 * roll
        possible_w = (
            self.limit_w * SYSTEM_SHARE * self._sunlight(now_ns) * np.clip(0.75 + devices.noise, 0.1, 1)
        )
        devices.power_w[self.solar] = np.where(
            has_lease, np.minimum(possible_w, np.maximum(devices.wanted_w, 0)), possible_w
        )[self.solar]
        shape = LOAD_SHAPE[now_ns % DAY_NS // HOUR_NS]
        household_w = self.mean_w * shape * np.clip(1 + 2 * devices.noise, 0.2, 3)
        devices.power_w[self.load] = -np.minimum(household_w, self.limit_w)[self.load]
        wished_w = np.where(has_lease, np.clip(devices.wanted_w, -self._charge_w, 0), 0.0)
        is_cold = devices.energy_wh < self.floor_wh * np.where(has_lease, LEASED_FLOOR, 1.0)
        devices.power_w[self.heat] = np.where(is_cold, -self.limit_w, wished_w)[self.heat]
        needed_wh = (devices.required_wh - devices.energy_wh) / self.efficiency
        latest_ns = devices.departs_ns - (needed_wh / np.maximum(self._charge_w, 1) * HOUR_NS) - 2 * MINUTE_NS
        must = (needed_wh > 0) & (now_ns >= latest_ns)
        is_there = devices.departs_ns > now_ns
        giving_w = np.where(has_lease & (devices.energy_wh > 0), np.clip(devices.wanted_w, 0, self.give_w), 0)
        charging_w = np.where(must, -self._charge_w, wished_w + giving_w) * is_there
        devices.power_w[self.charger] = charging_w[self.charger]

    def _sunlight(self, now_ns: int) -> float:
        """Return the clear sky's light at a time, as a share of full sun."""
        day = now_ns // DAY_NS
        if day not in self._sun:
            self._sun = {day: clear_sky(day)}
        return float(self._sun[day][now_ns % DAY_NS // MINUTE_NS])

    # Cars.

    def _move_cars(self, now_ns: int) -> None:
        """Let cars come and go, and have the link say so."""
        devices, commands = self.devices, []
        for row in self.charger.tolist():
            comes_ns, leaves_ns, energy_share, required_share = self._car(row, now_ns)
            if devices.departs_ns[row] and now_ns >= devices.departs_ns[row]:
                devices.departs_ns[row] = devices.required_wh[row] = devices.energy_wh[row] = 0
                commands.append(Unplug(asset_id=int(self.asset_id[row])))
            if not devices.departs_ns[row] and comes_ns <= now_ns < leaves_ns - HOUR_NS:
                devices.departs_ns[row] = leaves_ns
                devices.energy_wh[row] = energy_share * self.capacity_wh[row]
                devices.required_wh[row] = required_share * self.capacity_wh[row]
                commands.append(PlugIn(
                    asset_id=int(self.asset_id[row]), departs_s=leaves_ns // SECOND_NS,
                    required_wh=int(devices.required_wh[row]),
                ))  # fmt: skip
        for command in commands:
            self.link.send(command)

    def _car(self, row: int, now_ns: int) -> tuple[int, int, float, float]:
        """Return when the car of the evening before, or of this one, comes and leaves, and what it holds."""
        evening = (now_ns - DAY_NS // 2) // DAY_NS
        if evening not in self._cars:
            dice = np.random.default_rng([self._seed, 33, int(evening)])
            self._cars = {evening: np.stack([
                dice.uniform(16.5, 20.5, self.count), dice.uniform(30, 33, self.count),
                dice.uniform(0.25, 0.6, self.count), dice.uniform(0.7, FULL_CHARGE, self.count),
            ])}  # fmt: skip
        comes_h, leaves_h, energy, required = (float(x) for x in self._cars[evening][:, row])
        begin_ns = int(evening) * DAY_NS
        comes_ns, leaves_ns = (
            int(begin_ns + h * HOUR_NS) // SECOND_NS * SECOND_NS for h in (comes_h, leaves_h)
        )
        return comes_ns, leaves_ns, energy, required

    # The link.

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
        temporary.replace(self._memory)

    def _recall(self) -> None:
        with self._memory.open("rb") as file:
            self._heard_sequence = int(np.load(file)[0])
            self.devices = np.load(file).view(np.recarray)
        assert self.devices.size == self.count, "a folder keeps its homes"

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


def clear_sky(day: int) -> Any:
    """Return the clear sky's light in each minute of a day since 1970, as a share of full sun: (1440,)."""
    import pandas as pd
    from pvlib.clearsky import haurwitz
    from pvlib.solarposition import get_solarposition

    begin = pd.Timestamp(int(day) * DAY_NS, unit="ns", tz="UTC")
    minutes = pd.date_range(begin, periods=1_440, freq="min")
    zenith = get_solarposition(minutes, LATITUDE, LONGITUDE)["apparent_zenith"]
    return np.nan_to_num(haurwitz(zenith)["ghi"].to_numpy()) / FULL_SUN_W_M2


def _field(command: Any, name: str) -> int:
    return int(command[name][0]) if name in command.dtype.names else 0


def _limit_w(command: Any) -> int:
    """Return the most that a device gives or takes."""
    return max(_field(command, "import_limit_w"), _field(command, "export_limit_w"))
