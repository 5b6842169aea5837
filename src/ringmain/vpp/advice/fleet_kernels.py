"""Kernels over the stores of a fleet: their answers to prices, and sums over the nodes above them."""

from typing import Any

import numpy as np

from ringmain.core.jit import kernel
from ringmain.vpp.advice.store import CEILING, FLOOR, NO_LIMITS_WH, plan_store


@kernel
def respond(
    stores: Any, stored_wh: Any, node: Any, own_limits_wh: Any, node_prices_ticks: Any, room: Any,
    begin: int, end: int, given_wh: Any, bounds: Any,
) -> None:  # fmt: skip
    """Plan the stores from `begin` to `end` at their nodes' prices.

    Parameters
    ----------
    own_limits_wh : float64 array of shape (n, n_periods, 4), or without rows
    given_wh : float32 array of shape (n, n_periods)
        Written.
    bounds : float64 array of shape (n,)
        Written: what no plan is worth more than, with what is stored more in the end.
    """
    for i in range(begin, end):
        bound = plan_one(
            stores[i], node_prices_ticks[node[i]], stored_wh[i], own_limits_wh, i, room, given_wh[i]
        )
        bounds[i] = bound - min(max(stored_wh[i], 0.0), stores[i].capacity_wh) * stores[i].end_value_ticks


@kernel
def plan_one(
    store: Any, prices: Any, stored_wh: float, own_limits_wh: Any, row: int, room: Any, given_wh: Any
) -> float:
    """Plan a store within the limits of a row, if there are rows."""
    if own_limits_wh.shape[0] == 0:
        return plan_store(store, prices, stored_wh, NO_LIMITS_WH, room, given_wh)
    return plan_store(store, prices, stored_wh, own_limits_wh[row], room, given_wh)


@kernel
def sweep(
    stores: Any, stored_wh: Any, node: Any, parent: Any, own_limits_wh: Any, price_ticks: Any, order: Any,
    limit_prices: Any, stiffness: Any, give_wh: Any, take_wh: Any, sums: Any, given_wh: Any, room: Any,
    work: Any, mean_prices: Any,
) -> None:  # fmt: skip
    """Have the stores plan anew, each at prices that follow from the plans of all others as they are.

    A limit's price is `limit_prices` and `stiffness` times what the plans exceed it by, and not below zero;
    one for what is given, and likewise one for what is taken.

    Parameters
    ----------
    stiffness : float64 array of shape (n_nodes,)
        Ticks for a Wh; 0: the node has no limit.
    sums, given_wh : float64 arrays of shape (n_nodes, n_periods) and (n, n_periods)
        Brought up to date.
    work : float64 array of shape (2, n_periods)
    mean_prices : float64 array of shape (n_nodes, n_periods)
        The prices that were met are added up here.
    """
    prices, new_wh = work[0], work[1]
    for i in order:
        for period in range(price_ticks.size):
            prices[period] = price_ticks[period]
        at = node[i]
        while at >= 0:
            if stiffness[at] > 0.0:
                for period in range(price_ticks.size):
                    price, rise = limit_prices[at, period], stiffness[at]
                    above = max(0.0, price + rise * (sums[at, period] - give_wh[at, period]))
                    below = max(0.0, rise * (-take_wh[at, period] - sums[at, period]) - price)
                    prices[period] -= above - below
                    mean_prices[at, period] += above - below
            at = parent[at]
        plan_one(stores[i], prices, stored_wh[i], own_limits_wh, i, room, new_wh)
        at = node[i]
        while at >= 0:
            for period in range(price_ticks.size):
                sums[at, period] += new_wh[period] - given_wh[i, period]
            at = parent[at]
        for period in range(price_ticks.size):
            given_wh[i, period] = new_wh[period]


@kernel
def worths(
    stores: Any, stored_wh: Any, own_limits_wh: Any, price_ticks: Any, given_wh: Any, worth: Any
) -> None:
    """Write what each store's plan is worth."""
    for i in range(stores.size):
        worth[i] = worth_of(stores[i], stored_wh[i], own_limits_wh, i, price_ticks, given_wh[i])


@kernel
def worth_of(
    store: Any, stored_wh: float, own_limits_wh: Any, row: int, price_ticks: Any, given_wh: Any
) -> float:
    """Return what a plan is worth, Wh x ticks: sales less purchases and wear, and what is stored more.

    What is missing at the floors and ceilings of a row, if there are rows, is taken off.
    """
    value, dropped_wh, missing_wh = 0.0, 0.0, 0.0
    held_wh = min(max(stored_wh, 0.0), store.capacity_wh)
    for period in range(price_ticks.size):
        energy_wh = given_wh[period]
        value += energy_wh * price_ticks[period]
        if energy_wh > 0.0:
            value -= energy_wh * store.wear_ticks
            dropped_wh += energy_wh / store.discharge_efficiency
        else:
            dropped_wh += energy_wh * store.charge_efficiency
        if own_limits_wh.shape[0] > 0:
            missing_wh += amiss_wh(store, held_wh - dropped_wh, own_limits_wh[row], period)
    return value - dropped_wh * store.end_value_ticks - missing_wh * store.miss_ticks


@kernel
def amiss_wh(store: Any, held_wh: float, limits_wh: Any, period: int) -> float:
    """Return what so much stored lacks at the period's floor or ceiling."""
    floor_wh = min(limits_wh[period, FLOOR], store.capacity_wh)
    return max(0.0, floor_wh - held_wh) + max(0.0, held_wh - limits_wh[period, CEILING])


@kernel
def walk(
    stores: Any, stored_wh: Any, own_limits_wh: Any, price_ticks: Any, given_wh: Any, worth: Any
) -> None:
    """Run plans through their stores; what finds no room or is not there is left out, in place."""
    for i in range(stores.size):
        store = stores[i]
        held_wh = min(max(stored_wh[i], 0.0), store.capacity_wh)
        for period in range(price_ticks.size):
            energy_wh = given_wh[i, period]
            if energy_wh > 0.0:
                energy_wh = min(energy_wh, held_wh * store.discharge_efficiency)
                held_wh = max(0.0, held_wh - energy_wh / store.discharge_efficiency)
            else:
                energy_wh = max(energy_wh, -(store.capacity_wh - held_wh) / store.charge_efficiency)
                held_wh = min(store.capacity_wh, held_wh - energy_wh * store.charge_efficiency)
            given_wh[i, period] = energy_wh
        worth[i] = worth_of(store, stored_wh[i], own_limits_wh, i, price_ticks, given_wh[i])


def node_prices(parent: Any, price_ticks: Any, limit_prices: Any) -> Any:
    """Return what energy is worth at each node: the market's price less the prices of the limits above it.

    Parameters
    ----------
    parent : int64 array of shape (n_nodes,)
    price_ticks : float64 array of shape (n_periods,)
    limit_prices : float64 array of shape (n_nodes, n_periods)

    Returns
    -------
    float64 array of shape (n_nodes, n_periods)
    """
    prices = price_ticks - limit_prices
    for node in range(1, parent.size):
        prices[node] = prices[parent[node]] - limit_prices[node]
    return prices


def node_sums(node: Any, parent: Any, given_wh: Any) -> Any:
    """Return what each node gives, float64 array of shape (n_nodes, n_periods)."""
    sums = np.zeros((parent.size, given_wh.shape[1]))
    add_rows(node, given_wh, sums)
    for row in range(parent.size - 1, 0, -1):
        sums[parent[row]] += sums[row]
    return sums


def group_sums(node: Any, parent: Any, group: Any, n_groups: int, nodes: Any, given_wh: Any) -> Any:
    """Return what each group gives through some nodes, float64 array of shape (n_groups, n, n_periods)."""
    sums = np.zeros((n_groups, nodes.size, given_wh.shape[1]))
    place = np.full(parent.size, -1)
    place[nodes] = np.arange(nodes.size)
    if nodes.size:
        add_through(node, parent, group, place, given_wh, sums)
    return sums


@kernel
def add_rows(row: Any, values: Any, sums: Any) -> None:
    """Add each row of values to one of the sums."""
    for i in range(row.size):
        for period in range(values.shape[1]):
            sums[row[i], period] += values[i, period]


@kernel
def add_through(node: Any, parent: Any, group: Any, place: Any, values: Any, sums: Any) -> None:
    """Add each row of values to the sums of its group, at all nodes above it that have a place."""
    for i in range(node.size):
        at = node[i]
        while at >= 0:
            if place[at] >= 0:
                for period in range(values.shape[1]):
                    sums[group[i], place[at], period] += values[i, period]
            at = parent[at]
