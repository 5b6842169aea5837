"""Folds of what the homes do beside their batteries: loads, roofs, heat stores, and cars at their chargers.

Each asset's day is learnt as a profile of 96 quarter-hours from the census; what it will run is its
profile, moved on from what it does now. A car is as its link said, with the energy that its first report
showed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ringmain.vpp.messages import (
    CHARGER,
    HEAT_STORE,
    LOAD,
    SOLAR,
    AssetMeasured,
    AssetRetired,
    ChargerRegistered,
    HeatStoreRegistered,
    LoadRegistered,
    NodeSet,
    PluggedIn,
    SolarRegistered,
    Unplugged,
)
from ringmain.vpp.rows import rows_of, rows_of_any
from ringmain.vpp.state import ASSETS, PERIOD_NS, SECOND_NS

PERIODS_PER_DAY = 96
LEARNING = 0.3  # how much of a profile each day replaces
PERSISTENCE = 0.85  # of a departure from the profile, in a quarter-hour
KINDS = ((SolarRegistered, SOLAR), (ChargerRegistered, CHARGER), (HeatStoreRegistered, HEAT_STORE),
         (LoadRegistered, LOAD))  # fmt: skip
RUNS_BY_ITSELF = (SOLAR, LOAD, HEAT_STORE)


@dataclass
class Car:
    """A car at a charger; what it would draw by itself begins with the quarter-hour `from_period`."""

    asset_id: int
    plugged_ns: int
    departs_ns: int
    required_wh: int
    start_wh: int = -1  # not reported yet
    from_period: int = 0
    unplugged_ns: int = 0


class Nodes:
    """The hierarchy above the assets, with its limits."""

    def __init__(self) -> None:
        self._set: dict[int, tuple[int, float, float]] = {}

    def fold(self, events: Any) -> None:
        """Follow what is said of nodes."""
        rows = rows_of(events, NodeSet)
        names = ("node_id", "parent_id", "import_limit_w", "export_limit_w")
        for node_id, *said in zip(*(rows[name].tolist() for name in names), strict=True):
            self._set[node_id] = (said[0], said[1], said[2])

    def parent_id(self, node_id: int) -> int:
        """Return the node above; nothing was said of one that an asset named: it hangs on the fleet."""
        return self._set[node_id][0] if node_id in self._set else 0

    def limits_w(self, node_id: int) -> tuple[float, float]:
        """Return the largest power from the grid, and to it; infinite where there is no limit."""
        return self._set[node_id][1:] if node_id in self._set else (np.inf, np.inf)


class Homes:
    """Who is there beside the batteries, and how each one's day goes.

    Attributes
    ----------
    kind, node_id, import_limit_w, efficiency_permille : int64 arrays of shape (ASSETS,)
        By asset id; kind 0: not in the fleet.
    capacity_wh, floor_wh : int64 arrays of shape (ASSETS,)
        Of heat stores: the ends of comfort.
    power_w : float array of shape (ASSETS,)
        As of the last census.
    cars : dict of int to list of Car
        By charger, the newest last; two at most.
    """

    def __init__(self) -> None:
        self.kind, self.node_id, self.import_limit_w, self.efficiency_permille = np.zeros(
            (4, ASSETS), np.int64
        )
        self.capacity_wh, self.floor_wh = np.zeros((2, ASSETS), np.int64)
        self.power_w, self.energy_wh = np.zeros((2, ASSETS))
        self.measured_period = -1
        self.cars: dict[int, list[Car]] = {}
        self._profile_w = np.full((ASSETS, PERIODS_PER_DAY), np.nan, np.float32)

    def fold(self, events: Any) -> None:
        """Follow registrations, the census and the cars."""
        for record, kind in KINDS:
            rows = rows_of(events, record)
            self.kind[rows["asset_id"]] = kind
            self.node_id[rows["asset_id"]] = rows["node_id"]
            if record is not SolarRegistered:
                self.import_limit_w[rows["asset_id"]] = rows["import_limit_w"]
            if record is ChargerRegistered:
                self.efficiency_permille[rows["asset_id"]] = rows["charge_efficiency_permille"]
            if record is HeatStoreRegistered:
                capacity_wh = rows["energy_capacity_wh"].astype(np.int64)
                self.capacity_wh[rows["asset_id"]] = capacity_wh
                self.floor_wh[rows["asset_id"]] = capacity_wh * rows["reserve_permille"] // 1_000
        self.kind[rows_of(events, AssetRetired)["asset_id"]] = 0
        for record, row in rows_of_any(events, PluggedIn, Unplugged):
            self._plug(row) if record is PluggedIn else self._unplug(row)
        measured = rows_of(events, AssetMeasured)
        if measured.size:
            self._learn(measured)

    def _plug(self, row: Any) -> None:
        asset_id, now_ns = int(row["asset_id"]), int(row["time_ns"])
        car = Car(asset_id, now_ns, int(row["departs_s"]) * SECOND_NS, int(row["required_wh"]))
        cars = self.cars.setdefault(asset_id, [])
        if cars and not cars[-1].unplugged_ns:  # it is the same car, whose needs have changed
            last = cars.pop()
            car.plugged_ns, car.start_wh, car.from_period = last.plugged_ns, last.start_wh, last.from_period
        self.cars[asset_id] = [*cars[-1:], car]

    def _unplug(self, row: Any) -> None:
        cars = self.cars.get(int(row["asset_id"]))
        if cars:
            cars[-1].unplugged_ns = int(row["time_ns"])

    def _learn(self, measured: Any) -> None:
        ids, power_w = measured["asset_id"], measured["power_w"].astype(float)
        self.power_w[ids], self.energy_wh[ids] = power_w, measured["energy_wh"]
        periods = measured["time_ns"] // PERIOD_NS
        self.measured_period = max(self.measured_period, int(periods.max()))
        is_heard = measured["quality"] <= 2  # FRESH or LATE
        ids, places = ids[is_heard], periods[is_heard] % PERIODS_PER_DAY
        old = self._profile_w[ids, places]
        fresh = power_w[is_heard]
        self._profile_w[ids, places] = np.where(np.isnan(old), fresh, old + LEARNING * (fresh - old))
        for asset_id, time_ns, measured_ns, energy_wh in zip(
            *(measured[name].tolist() for name in ("asset_id", "time_ns", "measured_ns", "energy_wh")),
            strict=True,
        ):
            cars = self.cars.get(asset_id)
            if cars and cars[-1].start_wh < 0 and measured_ns > cars[-1].plugged_ns:
                cars[-1].start_wh = energy_wh
                cars[-1].from_period = time_ns // PERIOD_NS + 1

    def of(self, *kinds: int) -> Any:
        """Return the ids of the assets of some kinds, int64 array of shape (n,)."""
        return np.flatnonzero(np.isin(self.kind, kinds))

    def foretold_w(self, asset_ids: Any, periods: Any) -> Any:
        """Return what assets will run by themselves, float array of shape (n, m).

        A heat store draws evenly. A profile that is not known yet is what the asset does now. What it does
        now, less its profile, fades by PERSISTENCE each quarter-hour.
        """
        now = self.measured_period
        profile = self._profile_w[np.ix_(asset_ids, periods % PERIODS_PER_DAY)].astype(float)
        present = self.power_w[asset_ids, None]
        profile = np.where(np.isnan(profile), present, profile)
        here = self._profile_w[asset_ids, now % PERIODS_PER_DAY].astype(float)[:, None]
        off = np.where(np.isnan(here), 0.0, present - here)
        foretold = profile + off * PERSISTENCE ** np.maximum(periods - now, 0)
        is_solar = (self.kind[asset_ids] == SOLAR)[:, None]
        is_heat = self.kind[asset_ids] == HEAT_STORE
        foretold[is_heat] = -self.heat_demand_w(asset_ids[is_heat])[:, None]
        return np.where(is_solar, np.maximum(foretold, 0.0), np.minimum(foretold, 0.0))

    def heat_demand_w(self, asset_ids: Any) -> Any:
        """Return what heat stores draw in the mean, float array of shape (n,).

        It is what all of them have drawn, as a share of their power: one alone is seen too seldom.
        """
        stores = self.of(HEAT_STORE)
        seen_w, limits_w = self._profile_w[stores].astype(float), self.import_limit_w[stores].astype(float)
        is_seen = ~np.isnan(seen_w)
        could_w = (is_seen * limits_w[:, None]).sum()
        share = -np.nansum(seen_w) / could_w if could_w else 0.0
        return share * self.import_limit_w[asset_ids]

    def charging_w(self, car: Car, periods: Any) -> Any:
        """Return what a car would draw by itself, at once and at full power, int64 array of shape (m,).

        It is told from the tape alone, so that what was said of it once is never said otherwise.
        """
        drawn = np.zeros(len(periods), np.int64)
        if car.start_wh < 0:
            return drawn
        limit_w = int(self.import_limit_w[car.asset_id])
        left_wh = (
            max(0, car.required_wh - car.start_wh) * 1_000 // max(1, self.efficiency_permille[car.asset_id])
        )
        end_ns = car.departs_ns if not car.unplugged_ns else min(car.departs_ns, car.unplugged_ns)
        last = end_ns // PERIOD_NS
        begun = (periods - car.from_period) * (limit_w // 4)
        drawn_wh = np.clip(left_wh - begun, 0, limit_w // 4)
        drawn = np.where((periods >= car.from_period) & (periods < last), -4 * drawn_wh, 0)
        return drawn.astype(np.int64)
