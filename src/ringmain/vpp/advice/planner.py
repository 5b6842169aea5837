"""The batteries' best plan against hourly prices, within the limits of the nodes above them.

Each battery is planned exactly (:mod:`ringmain.vpp.advice.store`), the fleet together to a certified gap
(:mod:`ringmain.vpp.advice.fleet_optimum`). The slopes of the value of stored energy say at what price it is
worth to move a little more or a little less: the limits of the bids that ask for the plan.
"""

from typing import Any

import numpy as np

from ringmain.core.jit import kernel
from ringmain.vpp.advice.fleet_kernels import node_prices
from ringmain.vpp.advice.fleet_optimum import Fleet, Optimum, optimise
from ringmain.vpp.advice.forecast import HOUR_NS, Prices
from ringmain.vpp.advice.nodes import NO_NODES, NodeLimits
from ringmain.vpp.advice.reserve import Holding, Owed, left_by, share_out
from ringmain.vpp.advice.store import NO_LIMITS_WH, STORE_LIMITS, rooms, slope_at, value_store
from ringmain.vpp.kernels.units import energy_wh
from ringmain.vpp.state import PRICE_LIMIT_TICKS
from ringmain.vpp.views import reserve_wh

HOUR = np.dtype(
    [
        ("power_w", "i8"),
        ("sell_ticks", "i8"),  # selling up to this plan is worth it from this price on
        ("buy_ticks", "i8"),  # buying up to this plan is worth it to this price
    ],
    align=True,
)
LEAST_MOVE_W = 1.0


class Planner:
    """Plans for batteries against one course of prices.

    Parameters
    ----------
    price_ticks : int64 array of shape (n_hours,)
        Prices of the hours to plan.
    day_price_ticks : int64 array of shape (n,)
        Prices of a whole day, for what is left in store at the end.
    limits : NodeLimits
        Of the nodes above the batteries, in the same hours.
    """

    def __init__(self, price_ticks: Prices, day_price_ticks: Prices, limits: NodeLimits = NO_NODES) -> None:
        self.price_ticks, self.day_price_ticks, self.limits = price_ticks, day_price_ticks, limits

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
        return self.plan_holding(fleet, energy_wh, None)[0]

    def plan_holding(
        self, fleet: Any, energy_wh: Any, owed: Owed | None, holding: Holding | None = None
    ) -> tuple[Any, Holding | None]:
        """Return the plans that earn the most while the fleet holds reserve, and who holds what of it.

        Parameters
        ----------
        fleet, energy_wh
            As of :meth:`plan`.
        owed : Owed, optional
            Reserve, in the same hours.
        holding : Holding, optional
            Who holds it, if that is known already.
        """
        hours = np.zeros((fleet.size, len(self.price_ticks)), HOUR).view(np.recarray)
        if not fleet.size or not len(self.price_ticks):
            return hours, None
        problem, prices = self.problem(fleet, energy_wh), self.price_ticks.astype(float)
        if owed is not None:
            holding = holding or share_out(problem, prices, owed)
            problem = left_by(holding, problem, prices)
        found = optimise(problem, prices)
        power_w = np.rint(found.given_wh)  # for an hour: as many W as Wh
        hours.power_w = np.where(np.abs(power_w) > LEAST_MOVE_W, power_w, 0)
        self._write_limits(problem, found, hours)
        return hours, holding

    def gain(self, fleet: Any, energy_wh: Any, owed: Owed | None = None) -> Any:
        """Return what each plan adds to what is stored, in Wh x ticks: int64 array of shape (n,).

        The parameters are those of :meth:`plan_holding`. It is sales less purchases and wear, and the change
        of what is stored at :func:`end_value_ticks`.
        """
        hours = self.plan_holding(fleet, energy_wh, owed)[0].power_w
        sold, end_ticks = np.maximum(hours, 0), end_value_ticks(fleet, self.day_price_ticks)
        drops = np.where(
            hours > 0,
            hours * 1_000 / fleet.discharge_efficiency_permille[:, None],
            hours * fleet.charge_efficiency_permille[:, None] / 1_000,
        ).sum(axis=1)
        cash = hours @ self.price_ticks - sold.sum(axis=1) * fleet.wear_price_ticks
        return np.rint(cash - drops * end_ticks).astype(np.int64)

    def problem(self, fleet: Any, energy_wh: Any) -> Fleet:
        """Return the batteries as stores within the nodes' limits; parameters as of :meth:`plan`."""
        stores = stores_of(fleet, end_value_ticks(fleet, self.day_price_ticks))
        usable_wh = np.clip(energy_wh - reserve_wh(fleet), 0, None).astype(float)
        node, parent, give_wh, take_wh = self.limits.above(fleet.node_id, len(self.price_ticks))
        return Fleet(stores, usable_wh, node, parent, give_wh, take_wh)

    def _write_limits(self, problem: Fleet, found: Optimum, hours: Any) -> None:
        """Write what a little more or less is worth at each hour's end, as prices of the market."""
        prices = self.price_ticks.astype(float)
        worth = node_prices(problem.parent, prices, found.limit_prices)
        n_hours = prices.size
        sell, buy = np.zeros((2, len(problem.stores), n_hours))
        margins(
            problem.stores, problem.stored_wh, problem.node, problem.own_limits_wh, worth, found.given_wh,
            rooms(n_hours), sell, buy,
        )  # fmt: skip
        above = prices - worth[problem.node]  # what the nodes' limits cost
        for name, ticks in (("sell_ticks", sell), ("buy_ticks", buy)):
            bounded = np.clip(np.floor(ticks + above + 1e-6), -PRICE_LIMIT_TICKS, PRICE_LIMIT_TICKS)
            hours[name] = bounded.astype(np.int64)


def end_value_ticks(fleet: Any, day_price_ticks: Prices) -> Any:
    """Return what a stored Wh is worth at the end: what another costs in the day's cheapest hour.

    It is worth no less than nothing. Were it worth more than that hour's price, it would pay to buy only
    to hold, day after day.
    """
    cheapest = max(0, int(day_price_ticks.min())) if len(day_price_ticks) else 0
    return cheapest * 1_000 // fleet.charge_efficiency_permille


def stores_of(fleet: Any, end_value_ticks: Any) -> Any:
    """Return batteries as stores that are planned by the hour, recarray of shape (n,), STORE_LIMITS."""
    stores = np.zeros(fleet.size, STORE_LIMITS).view(np.recarray)
    into, out = fleet.charge_efficiency_permille / 1_000, fleet.discharge_efficiency_permille / 1_000
    stores.capacity_wh = np.maximum(0, fleet.energy_capacity_wh - reserve_wh(fleet))
    stores.charge_wh = hourly_wh(fleet.charge_limit_w) * into
    stores.discharge_wh = hourly_wh(fleet.discharge_limit_w) / out
    stores.charge_efficiency, stores.discharge_efficiency = into, out
    stores.wear_ticks, stores.end_value_ticks = fleet.wear_price_ticks, end_value_ticks
    return stores


def hourly_wh(power_w: Any) -> Any:
    """Return what powers bring in an hour: as many Wh as they are W, float64 array of their shape."""
    assert energy_wh(1, HOUR_NS) == 1
    return power_w.astype(float)


@kernel
def margins(
    stores: Any, stored_wh: Any, node: Any, own_limits_wh: Any, node_prices_ticks: Any, given_wh: Any,
    room: Any, sell: Any, buy: Any,
) -> None:  # fmt: skip
    """Write at which price at its node it is worth to each store to give a little less, or take less.

    Parameters
    ----------
    sell, buy : float64 arrays of shape (n, n_periods)
        Written: what the Wh above what is stored at the period's end is worth, and the one below, at the
        terminals of the store.
    """
    for i in range(stores.size):
        store = stores[i]
        if own_limits_wh.shape[0] > 0:
            value_store(store, node_prices_ticks[node[i]], own_limits_wh[i], room)
        else:
            value_store(store, node_prices_ticks[node[i]], NO_LIMITS_WH, room)
        held_wh = min(max(stored_wh[i], 0.0), store.capacity_wh)
        grain_wh = 1e-6 * store.capacity_wh
        for period in range(given_wh.shape[1]):
            given = given_wh[i, period]
            drop_wh = given / store.discharge_efficiency if given > 0.0 else given * store.charge_efficiency
            held_wh = min(max(held_wh - drop_wh, 0.0), store.capacity_wh)
            above = slope_at(room[period + 1], held_wh + grain_wh)
            below = slope_at(room[period + 1], max(held_wh - grain_wh, 0.0))
            is_giving = given >= 1.0
            sell[i, period] = terminal_price(store, is_giving, above)
            buy[i, period] = terminal_price(store, is_giving, below)


@kernel
def terminal_price(store: Any, is_giving: bool, value: float) -> float:
    """Return the price at which a stored Wh of this value breaks even.

    While the store gives, a Wh more or less is energy given; otherwise energy taken.
    """
    if is_giving:
        return value / store.discharge_efficiency + store.wear_ticks
    return value * store.charge_efficiency
