"""Cars that can give: stores that have to hold what is required when they leave.

Each is planned exactly (:func:`ringmain.vpp.advice.store.plan_departure`), one after the other, within what
the limits of the nodes above leave when loads, roofs, heat stores and the cars before it run as they are
foretold to. What can't be had until a car leaves is missed by as little as can be, and named.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ringmain.vpp.advice.forecast import HOUR_NS, Prices
from ringmain.vpp.advice.store import STORE_LIMITS, plan_departure, rooms
from ringmain.vpp.home_views import Car, Homes
from ringmain.vpp.state import PERIOD_NS, PRICE_LIMIT_TICKS

MISS_TICKS = 100.0 * PRICE_LIMIT_TICKS  # of a Wh that a car lacks: dearer than any that can be bought
LEAST_MOVE_W = 1.0


class Limits(Protocol):
    """What nodes leave, as :class:`ringmain.vpp.advice.nodes.NodeLimits` has it."""

    def above(self, node_ids: Any, n_hours: int) -> tuple[Any, Any, Any, Any]:
        """Return rows of the nodes, their parents, and what may be given and taken at each."""


def plan_two_way(
    homes: Homes, cars: Sequence[Car], start_ns: int, price_ticks: Prices, ahead_ticks: Prices,
    limits: Limits | None, power_w: Any, rows: Sequence[int],
) -> list[int]:  # fmt: skip
    """Plan cars that can give, and return what each will lack when it leaves, Wh.

    Parameters
    ----------
    start_ns : int
        Start of the first hour of the prices.
    ahead_ticks : int64 array of shape (n_ahead,)
        `price_ticks`, and what the hours after them are taken to cost.
    power_w : int64 array of shape (n, n_hours)
        The plans are written to the rows `rows`.
    """
    if not cars:
        return []
    n_hours = len(price_ticks)
    free = _Free(homes, cars, limits, n_hours)
    lacking = []
    for place, (car, row) in enumerate(zip(cars, rows, strict=True)):
        given_wh = np.zeros(len(ahead_ticks))
        limits_wh = np.full((len(ahead_ticks), 2), np.inf)
        limits_wh[:n_hours] = free.left_wh(place)
        lacking.append(plan_car(homes, car, start_ns, ahead_ticks, limits_wh, given_wh))
        planned = np.rint(given_wh[:n_hours])  # for an hour: as many W as Wh
        power_w[row] = np.where(np.abs(planned) > LEAST_MOVE_W, planned, 0)
        free.take(place, power_w[row])
    return lacking


def plan_car(
    homes: Homes, car: Car, start_ns: int, ahead_ticks: Prices, limits_wh: Any, given_wh: Any
) -> int:
    """Fill what a car gives by the hour, below zero: takes; return the Wh that it will lack when it leaves.

    What is stored beyond what is required is worth what it would cost in the cheapest hour ahead. A car that
    stays longer than prices are known has to hold by then what can't be charged later.
    """
    hours = min(len(ahead_ticks), max(0, (car.departs_ns - start_ns) // HOUR_NS))
    prices = np.ascontiguousarray(ahead_ticks[:hours], np.float64)
    store = store_of(homes, car.asset_id, max(0.0, float(ahead_ticks.min())))
    stored_wh = stored_at(homes, car, start_ns)
    later_hours = max(0, (car.departs_ns - start_ns) // HOUR_NS - hours)
    required_wh = car.required_wh - later_hours * float(store.charge_wh[0])
    lacking = plan_departure(
        store[0], prices, stored_wh, required_wh, MISS_TICKS, np.ascontiguousarray(limits_wh[:hours]),
        rooms(hours), given_wh[:hours],
    )  # fmt: skip
    return int(np.ceil(lacking - 1e-3))


def store_of(homes: Homes, asset_id: int, price_ticks: float) -> Any:
    """Return a charger with its car as a store that is planned by the hour, recarray of shape (1,)."""
    store = np.zeros(1, STORE_LIMITS).view(np.recarray)
    into, out = homes.efficiency_permille[asset_id] / 1_000, homes.discharge_permille[asset_id] / 1_000
    store.capacity_wh = homes.capacity_wh[asset_id]
    store.charge_wh = homes.import_limit_w[asset_id] * into  # in an hour: as many Wh as W
    store.discharge_wh = homes.export_limit_w[asset_id] / out
    store.charge_efficiency, store.discharge_efficiency = into, out
    store.wear_ticks, store.end_value_ticks = homes.wear_ticks[asset_id], price_ticks / into
    return store


def stored_at(homes: Homes, car: Car, start_ns: int) -> float:
    """Return what a car will have stored when the plan begins, if it goes on as it does."""
    asset_id = car.asset_id
    hours = max(0, start_ns - homes.measured_period * PERIOD_NS) / HOUR_NS
    given_wh = float(homes.power_w[asset_id]) * min(hours, 1.0)
    into, out = homes.efficiency_permille[asset_id] / 1_000, homes.discharge_permille[asset_id] / 1_000
    dropped_wh = given_wh / out if given_wh > 0 else given_wh * into
    return float(np.clip(homes.energy_wh[asset_id] - dropped_wh, 0, homes.capacity_wh[asset_id]))


class _Free:
    """What is left of the limits above some cars, less and less with each that is planned."""

    def __init__(self, homes: Homes, cars: Sequence[Car], limits: Limits | None, n_hours: int) -> None:
        self._is_free, self._n_hours = limits is None, n_hours
        if limits is not None:
            nodes = homes.node_id[[car.asset_id for car in cars]]
            self._node, self._parent, self._give_wh, self._take_wh = limits.above(nodes, n_hours)

    def left_wh(self, place: int) -> Any:
        """Return what a car may give and take, float64 array of shape (n_hours, 2)."""
        if self._is_free:
            return np.full((self._n_hours, 2), np.inf)
        above = self._above(place)
        left = np.stack([self._give_wh[above].min(axis=0), self._take_wh[above].min(axis=0)], axis=1)
        return np.maximum(left, 0.0)

    def take(self, place: int, power_w: Any) -> None:
        """Take what a car runs off all nodes above it."""
        if not self._is_free:
            above = self._above(place)
            self._give_wh[above] -= power_w
            self._take_wh[above] += power_w

    def _above(self, place: int) -> list[int]:
        rows, row = [], int(self._node[place])
        while row >= 0:
            rows.append(row)
            row = int(self._parent[row])
        return rows
