"""A battery's best plan against hourly prices: dynamic programming over its stored energy.

The usable energy is cut into LEVELS equal steps; on that grid the plan is exact. Values are in
Wh x ticks, integers, so that equal inputs give equal plans anywhere. The slopes of the value of
stored energy say at what price it is worth to move a little more or a little less: the limits of
the bids that ask for the plan.
"""

from typing import Any

import numpy as np

from ringmain.core.jit import kernel
from ringmain.vpp.advice.forecast import HOUR_NS, Prices
from ringmain.vpp.kernels.units import energy_wh, mean_power_w
from ringmain.vpp.views import Asset

LEVELS = 40
REFILL_HOURS = 4  # what is left at the end is worth what it costs to store again, in a day's cheapest hours

STORE = np.dtype(
    [
        ("step_wh", "i8"),  # stored energy of one level
        ("most_drop", "i8"),  # levels that an hour can take out
        ("most_rise", "i8"),  # ... and put in
        ("charge_efficiency_permille", "i8"),
        ("discharge_efficiency_permille", "i8"),
        ("wear_ticks", "i8"),
        ("end_value_ticks", "i8"),  # of a stored Wh, when the plan ends
    ],
    align=True,
)

HOUR = np.dtype(
    [
        ("power_w", "i8"),
        ("sell_ticks", "i8"),  # selling up to this plan is worth it from this price on
        ("buy_ticks", "i8"),  # buying up to this plan is worth it to this price
    ],
    align=True,
)


class Planner:
    """Plans for batteries against one course of prices.

    Batteries of one make share their value table, so a fleet of few makes is planned in little time.

    Parameters
    ----------
    price_ticks : int64 array of shape (n_hours,)
        Prices of the hours to plan.
    day_price_ticks : int64 array of shape (n,)
        Prices of a whole day, for what is left in store at the end.
    """

    def __init__(self, price_ticks: Prices, day_price_ticks: Prices) -> None:
        self.price_ticks, self.day_price_ticks = price_ticks, day_price_ticks
        self._values: dict[bytes, Any] = {}

    def plan(self, asset: Asset, energy_wh: int) -> Any:
        """Return the plan that earns the most from a stored energy on: recarray of shape (n_hours,), HOUR."""
        store = store_of(asset, refill_value_ticks(asset, self.day_price_ticks))
        hours = np.zeros(len(self.price_ticks), HOUR).view(np.recarray)
        if store[0].step_wh > 0 and len(hours) > 0:
            start = nearest_level(energy_wh - reserve_wh(asset), int(store[0].step_wh))
            follow(store[0], self.price_ticks, self._values_of(store), start, hours)
        return hours

    def _values_of(self, store: Any) -> Any:
        key = store.tobytes()
        if key not in self._values:
            values = np.zeros((len(self.price_ticks) + 1, LEVELS + 1), np.int64)
            value_levels(store[0], self.price_ticks, values)
            self._values[key] = values
        return self._values[key]


def nearest_level(usable_wh: int, step_wh: int) -> int:
    """Return the level nearest to what is stored: over a fleet the roundings even out."""
    return max(0, min((usable_wh + step_wh // 2) // step_wh, LEVELS))


def reserve_wh(asset: Asset) -> int:
    """Return what stays with the home, floor."""
    return asset.energy_capacity_wh * asset.reserve_permille // 1_000


def refill_value_ticks(asset: Asset, day_price_ticks: Prices) -> int:
    """Return what a stored Wh is worth at the end: what it costs to store another in the cheapest hours."""
    if len(day_price_ticks) == 0:
        return 0
    cheapest = np.sort(day_price_ticks)[:REFILL_HOURS]
    return int(cheapest.mean()) * 1_000 // asset.charge_efficiency_permille


def store_of(asset: Asset, end_value_ticks: int) -> Any:
    """Return the battery as the kernels take it, recarray of shape (1,), STORE."""
    step_wh = (asset.energy_capacity_wh - reserve_wh(asset)) // LEVELS
    giving_wh = energy_wh(asset.discharge_limit_w, HOUR_NS)
    taking_wh = energy_wh(asset.charge_limit_w, HOUR_NS)
    store = np.zeros(1, STORE).view(np.recarray)
    store.step_wh = step_wh
    if step_wh > 0:
        store.most_drop = giving_wh * 1_000 // (step_wh * asset.discharge_efficiency_permille)
        store.most_rise = taking_wh * asset.charge_efficiency_permille // (step_wh * 1_000)
    store.charge_efficiency_permille = asset.charge_efficiency_permille
    store.discharge_efficiency_permille = asset.discharge_efficiency_permille
    store.wear_ticks = asset.wear_price_ticks
    store.end_value_ticks = end_value_ticks
    return store


@kernel
def grid_wh(store: Any, drop: int) -> int:
    """Return the energy that the grid gets when the store drops by `drop` levels, floor."""
    stored_wh = drop * store.step_wh
    if drop > 0:
        return stored_wh * store.discharge_efficiency_permille // 1_000
    return stored_wh * 1_000 // store.charge_efficiency_permille


@kernel
def earned(store: Any, drop: int, price_ticks: int) -> int:
    """Return what an hour earns, in Wh x ticks: sales or purchases, less wear."""
    given_wh = grid_wh(store, drop)
    return given_wh * price_ticks - max(0, given_wh) * store.wear_ticks


@kernel
def best_drop(store: Any, price_ticks: int, values: Any, hour: int, level: int) -> int:
    """Return the drop from a level that is worth most; of equals the smallest, of those a discharge."""
    best, best_value = 0, values[hour + 1, level]
    for size in range(1, max(store.most_drop, store.most_rise) + 1):
        if size <= min(store.most_drop, level):
            value = earned(store, size, price_ticks) + values[hour + 1, level - size]
            if value > best_value:
                best, best_value = size, value
        if size <= min(store.most_rise, LEVELS - level):
            value = earned(store, -size, price_ticks) + values[hour + 1, level + size]
            if value > best_value:
                best, best_value = -size, value
    return best


@kernel
def value_levels(store: Any, price_ticks: Any, values: Any) -> None:
    """Fill values[hour, level] with what the store will earn from that hour on, last hour first."""
    last = price_ticks.size
    for level in range(LEVELS + 1):
        values[last, level] = level * store.step_wh * store.end_value_ticks
    for hour in range(last - 1, -1, -1):
        for level in range(LEVELS + 1):
            drop = best_drop(store, price_ticks[hour], values, hour, level)
            values[hour, level] = earned(store, drop, price_ticks[hour]) + values[hour + 1, level - drop]


@kernel
def follow(store: Any, price_ticks: Any, values: Any, start: int, hours: Any) -> None:
    """Walk the best moves from the level `start`, and write each hour's power and limits."""
    level = start
    for hour in range(price_ticks.size):
        drop = best_drop(store, price_ticks[hour], values, hour, level)
        level -= drop
        hours[hour].power_w = mean_power_w(grid_wh(store, drop), HOUR_NS)
        above = level_value(values, hour + 1, min(level + 1, LEVELS))
        below = level_value(values, hour + 1, max(level, 1))
        hours[hour].sell_ticks = grid_price_ticks(store, drop > 0, above)
        hours[hour].buy_ticks = grid_price_ticks(store, drop > 0, below)


@kernel
def level_value(values: Any, hour: int, level: int) -> int:
    """Return what the step up to a level adds to the value of the store."""
    return values[hour, level] - values[hour, level - 1]


@kernel
def grid_price_ticks(store: Any, discharging: bool, value: int) -> int:
    """Return the grid price at which one level more or less is worth `value`, floor.

    While the battery discharges, a level more or less is energy given; otherwise energy taken.
    """
    if discharging:
        return value * 1_000 // (store.step_wh * store.discharge_efficiency_permille) + store.wear_ticks
    return value * store.charge_efficiency_permille // (store.step_wh * 1_000)
