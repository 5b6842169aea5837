"""Folds of what the homes do beside their batteries: loads, roofs, heat stores, and cars at their chargers.

Each asset's day is learnt as a profile of 96 quarter-hours from the census; what it will run is its
profile, moved on from what it does now. Its last weeks are kept by the hour beside that, for better forecasts
(:mod:`ringmain.vpp.advice.home_forecast`). What heat stores are drained of is learnt from what their meters
and their stores say, all together, by the hour of the day. A car is as its link said, with the energy that
its first report showed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ringmain.vpp.home_history import HOUR_NS, PERIODS_PER_HOUR, Fading, History
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

PERIODS_PER_DAY, HOURS_PER_DAY = 96, 24
LEARNING = 0.3  # how much of a profile each day replaces
PERSISTENCE = 0.85  # of a departure from the profile, in a quarter-hour
HEAT_DOUBT_HOURS = 1.0  # of all stores: so much has to be seen of an hour of the day to count for half
HEAT_LEARNING = 0.1  # how much of the heat stores' day each day replaces
FADING_KINDS = (SOLAR, LOAD)
HELD_BACK_W = 20  # a roof that gives no less than so much below what it may is held back by that
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
        Of heat stores: the ends of comfort; of chargers, the largest car.
    export_limit_w, discharge_permille, wear_ticks : int64 arrays of shape (ASSETS,)
        Of chargers that give, too.
    power_w : float array of shape (ASSETS,)
        As of the last census.
    cars : dict of int to list of Car
        By charger, the newest last; two at most.
    history : History
    fading : dict of int to Fading
        By kind: how fast a departure from the profile fades.
    """

    def __init__(self) -> None:
        self.kind, self.node_id, self.import_limit_w, self.efficiency_permille = np.zeros(
            (4, ASSETS), np.int64
        )
        self.capacity_wh, self.floor_wh = np.zeros((2, ASSETS), np.int64)
        self.export_limit_w, self.discharge_permille, self.wear_ticks = np.zeros((3, ASSETS), np.int64)
        self.power_w, self.energy_wh = np.zeros((2, ASSETS))
        self.measured_period = -1
        self.cars: dict[int, list[Car]] = {}
        self._profile_w = np.full((ASSETS, PERIODS_PER_DAY), np.nan, np.float32)
        self.history, self.fading = History(), {kind: Fading() for kind in FADING_KINDS}
        self._is_heard, self._usual_w = np.zeros(ASSETS, np.bool_), np.full(ASSETS, np.nan)
        self._meter_wh, self._metered_ns = np.zeros(ASSETS, np.int32), np.zeros(ASSETS, np.int64)
        self._mean_w, self._usual_mean_w = np.full((2, ASSETS), np.nan)
        self._mean_profile_w = np.full((ASSETS, PERIODS_PER_DAY), np.nan, np.float32)
        self._heat_wh, self._heat_could_wh = np.zeros((2, HOURS_PER_DAY))  # by hour of the day
        self._heat_now = [0, 0]  # Wh and Ws of this census: whole numbers, for it may come in parts
        self._own_kind, self._told_period = np.zeros((2, ASSETS), np.int64)  # also of who has left since

    def fold(self, events: Any) -> None:
        """Follow registrations, the census and the cars."""
        for record, kind in KINDS:
            rows = rows_of(events, record)
            self.kind[rows["asset_id"]] = self._own_kind[rows["asset_id"]] = kind
            self.node_id[rows["asset_id"]] = rows["node_id"]
            if record is not SolarRegistered:
                self.import_limit_w[rows["asset_id"]] = rows["import_limit_w"]
            if record is ChargerRegistered:
                ids = rows["asset_id"]
                self.efficiency_permille[ids] = rows["charge_efficiency_permille"]
                self.discharge_permille[ids] = rows["discharge_efficiency_permille"]
                self.export_limit_w[ids], self.wear_ticks[ids] = (
                    rows["export_limit_w"], rows["wear_price_ticks"]
                )  # fmt: skip
                self.capacity_wh[ids] = rows["energy_capacity_wh"]
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
        periods = measured["time_ns"] // PERIOD_NS
        for period in np.unique(periods).tolist():
            self._take(measured[periods == period], period)
        for asset_id, time_ns, measured_ns, energy_wh in zip(
            *(measured[name].tolist() for name in ("asset_id", "time_ns", "measured_ns", "energy_wh")),
            strict=True,
        ):
            cars = self.cars.get(asset_id)
            if cars and cars[-1].start_wh < 0 and measured_ns > cars[-1].plugged_ns:
                cars[-1].start_wh = energy_wh
                cars[-1].from_period = time_ns // PERIOD_NS + 1

    def _take(self, measured: Any, period: int) -> None:
        """Take the census of a quarter-hour's begin, or a part of it."""
        if period > self.measured_period:
            self._settle()
        ids, power_w = measured["asset_id"], measured["power_w"].astype(float)
        is_heard = measured["quality"] <= 2  # FRESH or LATE
        self._learn_heat(measured[is_heard])
        self.power_w[ids], self.energy_wh[ids] = power_w, measured["energy_wh"]
        self.measured_period = max(self.measured_period, period)
        self._is_heard[ids], self._told_period[ids] = is_heard, period
        old = self._profile_w[ids, period % PERIODS_PER_DAY]
        self._usual_w[ids] = old
        learnt = np.where(np.isnan(old), power_w, old + LEARNING * (power_w - old))
        self._profile_w[ids, period % PERIODS_PER_DAY] = np.where(is_heard, learnt, old)
        self._learn_means(measured, period, is_heard)

    def _learn_means(self, measured: Any, period: int, is_heard: Any) -> None:
        """Learn what loads and roofs ran in the mean since the last census, by their meters."""
        runs = np.isin(self._own_kind[measured["asset_id"]], FADING_KINDS)
        measured, is_heard = measured[runs], is_heard[runs]
        ids = measured["asset_id"]
        given_wh = self._given_wh(measured)
        elapsed_ns = measured["measured_ns"] - self._metered_ns[ids]
        is_known = is_heard & (np.abs(elapsed_ns - PERIOD_NS) <= PERIOD_NS // 3)
        mean_w = given_wh * HOUR_NS / np.maximum(elapsed_ns, 1)
        self._metered_ns[ids] = measured["measured_ns"]
        self._mean_w[ids] = mean_w = np.where(is_known, mean_w, np.nan)
        place = (period - 1) % PERIODS_PER_DAY
        self._usual_mean_w[ids] = old = self._mean_profile_w[ids, place]
        learnt = np.where(np.isnan(old), mean_w, old + LEARNING * (mean_w - old))
        self._mean_profile_w[ids, place] = np.where(is_known, learnt, old)
        held_back = _is_held_back(measured, self._own_kind[ids])
        self.history.fold(ids, period - 1, np.where(held_back, np.nan, mean_w))

    def _settle(self) -> None:
        """Learn from the whole census of the quarter-hour before, now that the next one has come.

        Who was in it is told from the census itself: who has left since may be gone from `kind` already.
        """
        self._settle_heat()
        for kind, fading in self.fading.items():
            ids = np.flatnonzero((self._own_kind == kind) & (self._told_period == self.measured_period))
            power_w = np.where(self._is_heard[ids], self.power_w[ids], np.nan)
            fading.learn(
                self.measured_period, power_w, self._usual_w[ids], self._mean_w[ids], self._usual_mean_w[ids]
            )

    def _given_wh(self, measured: Any) -> Any:
        """Return what assets gave since their meters were last seen, and see them; below zero: took."""
        ids, meter_wh = measured["asset_id"], measured["metered_wh"]
        given_wh = meter_wh - self._meter_wh[ids]  # of int32: right where a meter has run over
        self._meter_wh[ids] = meter_wh
        return given_wh.astype(np.int64)

    def _learn_heat(self, measured: Any) -> None:
        """Learn what heat stores were drained of since the last census: drawn less kept."""
        ids = measured["asset_id"]
        stores = self._own_kind[ids] == HEAT_STORE
        ids, rows = ids[stores], measured[stores]
        drawn_wh = -self._given_wh(rows)
        elapsed_ns = rows["measured_ns"] - self._metered_ns[ids]
        counts = self._is_heard[ids] & (np.abs(elapsed_ns - PERIOD_NS) <= PERIOD_NS // 3)
        drained_wh = drawn_wh - (rows["energy_wh"] - self.energy_wh[ids])
        self._metered_ns[ids] = rows["measured_ns"]
        self._heat_now[0] += int(drained_wh[counts].sum())
        self._heat_now[1] += int(self.import_limit_w[ids[counts]] @ (elapsed_ns[counts] // SECOND_NS))

    def _settle_heat(self) -> None:
        """Add what the whole census told of the quarter-hour before it to that hour of the day."""
        drained_wh, could_ws = self._heat_now
        if could_ws:
            hour = (self.measured_period - 1) % PERIODS_PER_DAY // PERIODS_PER_HOUR
            keep = 1 - HEAT_LEARNING / PERIODS_PER_HOUR
            self._heat_wh[hour] = keep * self._heat_wh[hour] + drained_wh
            self._heat_could_wh[hour] = keep * self._heat_could_wh[hour] + could_ws / 3_600
        self._heat_now = [0, 0]

    def of(self, *kinds: int) -> Any:
        """Return the ids of the assets of some kinds, int64 array of shape (n,)."""
        return np.flatnonzero(np.isin(self.kind, kinds))

    def foretold_w(self, asset_ids: Any, periods: Any) -> Any:
        """Return what assets will run by themselves, float array of shape (n, m).

        A heat store draws what it is drained of. A profile that is not known yet is what the asset does now.
        What it does now, less its profile, fades by PERSISTENCE each quarter-hour.
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
        foretold[is_heat] = -self.heat_demand_w(asset_ids[is_heat], periods // PERIODS_PER_HOUR)
        return np.where(is_solar, np.maximum(foretold, 0.0), np.minimum(foretold, 0.0))

    def heat_demand_w(self, asset_ids: Any, hours: Any) -> Any:
        """Return what heat stores are drained of in some hours, float array of shape (n, m).

        It is what all of them are at that hour of the day, as a share of their power: one alone is seen too
        seldom. An hour of which little is known is taken to be as the mean of what all have drawn.

        Parameters
        ----------
        hours : int64 array of shape (m,)
            Since 1970.
        """
        mean = self._heat_share()
        stores = self.of(HEAT_STORE)
        doubt_wh = HEAT_DOUBT_HOURS * float(self.import_limit_w[stores].sum())
        shares = (self._heat_wh + doubt_wh * mean) / np.maximum(self._heat_could_wh + doubt_wh, 1.0)
        return np.outer(self.import_limit_w[asset_ids], np.maximum(shares, 0.0)[hours % HOURS_PER_DAY])

    def even_heat_w(self, asset_ids: Any) -> Any:
        """Return what heat stores are drained of in the mean of a day, float array of shape (n,)."""
        return self._heat_share() * self.import_limit_w[asset_ids]

    def _heat_share(self) -> float:
        """Return what all heat stores have drawn in the mean, as a share of their power."""
        stores = self.of(HEAT_STORE)
        seen_w, limits_w = self._profile_w[stores].astype(float), self.import_limit_w[stores].astype(float)
        is_seen = ~np.isnan(seen_w)
        could_w = float((is_seen * limits_w[:, None]).sum())
        return -float(np.nansum(seen_w)) / could_w if could_w else 0.0

    def profile_w(self, asset_ids: Any, periods: Any) -> Any:
        """Return the profiles when quarter-hours begin, float array of shape (n, m); NaN where unknown."""
        return self._profile_w[np.ix_(asset_ids, periods % PERIODS_PER_DAY)].astype(float)

    def mean_profile_w(self, asset_ids: Any, periods: Any) -> Any:
        """Return loads' and roofs' profiles in the mean of quarter-hours, (n, m); NaN where unknown."""
        return self._mean_profile_w[np.ix_(asset_ids, periods % PERIODS_PER_DAY)].astype(float)

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


def _is_held_back(measured: Any, kinds: Any) -> Any:
    """Tell which roofs give less than they could because they were told to."""
    desired_w, power_w = measured["desired_power_w"], measured["power_w"]
    return (kinds == SOLAR) & (power_w >= desired_w - HELD_BACK_W)
