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
from ringmain.vpp.views import reserve_wh

LEVELS = 40

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

    def plan(self, fleet: Any, energy_wh: Any) -> Any:
        """Return the plans that earn the most from the stored energies on.

        Parameters
        ----------
        fleet : recarray of shape (n,), ASSET
        energy_wh : int64 array of shape (n,)

        Returns
        -------
        recarray of shape (n, n_hours), HOUR
        """
        return self._solve(fleet, energy_wh)[0]

    def gain(self, fleet: Any, energy_wh: Any) -> Any:
        """Return what each plan adds to what is stored, in Wh x ticks: int64 array of shape (n,).

        That is sales less purchases and wear, and the change of what is stored at :func:`end_value_ticks`.
        """
        return self._solve(fleet, energy_wh)[1]

    def _solve(self, fleet: Any, energy_wh: Any) -> tuple[Any, Any]:
        hours = np.zeros((fleet.size, len(self.price_ticks)), HOUR).view(np.recarray)
        gains = np.zeros(fleet.size, np.int64)
        if not fleet.size or not len(self.price_ticks):
            return hours, gains
        stores = stores_of(fleet, end_value_ticks(fleet, self.day_price_ticks))
        _, make = np.unique(stores, return_inverse=True)
        values = np.zeros((len(self.price_ticks) + 1, LEVELS + 1), np.int64)
        usable_wh = energy_wh - reserve_wh(fleet)
        plan_stores(stores, make, np.argsort(make), self.price_ticks, usable_wh, values, hours, gains)
        return hours, gains


def end_value_ticks(fleet: Any, day_price_ticks: Prices) -> Any:
    """Return what a stored Wh is worth at the end: what another costs in the day's cheapest hour.

    It is worth no less than nothing. Were it worth more than that hour's price, it would pay to buy only
    to hold, day after day.
    """
    cheapest = max(0, int(day_price_ticks.min())) if len(day_price_ticks) else 0
    return cheapest * 1_000 // fleet.charge_efficiency_permille


def stores_of(fleet: Any, end_value_ticks: Any) -> Any:
    """Return the batteries as the kernels take them, recarray of shape (n,), STORE."""
    stores = np.zeros(fleet.size, STORE).view(np.recarray)
    stores.step_wh = (fleet.energy_capacity_wh - reserve_wh(fleet)) // LEVELS
    stores.charge_efficiency_permille = fleet.charge_efficiency_permille
    stores.discharge_efficiency_permille = fleet.discharge_efficiency_permille
    stores.wear_ticks = fleet.wear_price_ticks
    stores.end_value_ticks = end_value_ticks
    cut_levels(fleet, stores)
    return stores


@kernel
def cut_levels(fleet: Any, stores: Any) -> None:
    """Say how many levels an hour can move; a battery too small to cut stays at rest."""
    for i in range(stores.size):
        store = stores[i]
        if store.step_wh > 0:
            giving_wh = energy_wh(fleet[i].discharge_limit_w, HOUR_NS)
            taking_wh = energy_wh(fleet[i].charge_limit_w, HOUR_NS)
            store.most_drop = giving_wh * 1_000 // (store.step_wh * store.discharge_efficiency_permille)
            store.most_rise = taking_wh * store.charge_efficiency_permille // (store.step_wh * 1_000)


@kernel
def plan_stores(
    stores: Any, make: Any, order: Any, price_ticks: Any, usable_wh: Any, values: Any, hours: Any, gains: Any
) -> None:
    """Plan every store, those of one make after each other, for which `values` is filled once.

    Parameters
    ----------
    make, order : int64 arrays of shape (n,)
        Number of each store's make; the stores in the order of their makes.
    usable_wh : int64 array of shape (n,)
        What is stored above the reserve.
    values : int64 array of shape (n_hours + 1, LEVELS + 1)
        Room to work in.
    hours, gains : arrays of shape (n, n_hours) and (n,)
        Written.
    """
    known_make = -1
    for i in order:
        store = stores[i]
        if store.step_wh == 0:
            continue
        if make[i] != known_make:
            known_make = make[i]
            value_levels(store, price_ticks, values)
        level = nearest_level(usable_wh[i], store.step_wh)
        gains[i] = values[0, level] - level * store.step_wh * store.end_value_ticks
        follow(store, price_ticks, values, level, hours[i])


@kernel
def nearest_level(usable_wh: int, step_wh: int) -> int:
    """Return the level nearest to what is stored: over a fleet the roundings even out."""
    return max(0, min((usable_wh + step_wh // 2) // step_wh, LEVELS))


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
