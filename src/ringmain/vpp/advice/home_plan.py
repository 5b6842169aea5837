"""Plans for home batteries whose homes pay for what they draw: stochastic dynamic programming.

An hour's energy is chosen before the hour's load and sun are known. So its cost is the mean over scenarios
of what the home, and all homes together, will draw from the grid; what is given to the grid earns nothing.
The value of what is stored after it comes from the hours behind, on a grid of stored energies. One home is
planned at a time against what the others plan.
"""

from typing import Any

import numpy as np

from ringmain.core.jit import kernel
from ringmain.vpp.advice.home_battery import most_kwh, stored_after

LEVELS = 33  # of stored energy
ACTION_KWH, FIRST_ACTION_KWH = 0.25, 0.02  # steps of what an hour moves, and the coming hour
NEVER = 1e18
CLOSE = 1e-9

COST = np.dtype(
    [("own", "f8"), ("pooled", "f8")], align=True
)  # of a kWh that the home, or all together, draw


def action_grid(nominal_kw: float, step_kwh: float) -> Any:
    """Return what an hour may put in (positive) or take out, float64 array, kWh; zero is among it."""
    steps = round(nominal_kw / step_kwh)
    return np.arange(-steps, steps + 1) * step_kwh


@kernel
def fill_moves(battery: Any, actions_kwh: Any, places: Any, ends: Any) -> None:
    """Fill where each action leads from each level, in levels; -1 where it can't be done.

    Parameters
    ----------
    battery : record, HOME_BATTERY
    places : float64 array of shape (LEVELS, n_actions)
    ends : float64 array of shape (LEVELS, 2)
        Which action, between two of the grid, empties and fills the store; -1 where power is the limit.
    """
    levels = places.shape[0]
    for level in range(levels):
        stored = battery.capacity_kwh * level / (levels - 1)
        for j in range(actions_kwh.size):
            places[level, j] = place_after(
                stored, battery.capacity_kwh, battery.nominal_kw, actions_kwh[j], levels
            )
        fill_ends(battery, stored, actions_kwh, ends[level])


@kernel
def fill_ends(battery: Any, stored_kwh: float, actions_kwh: Any, ends: Any) -> None:
    """Find the actions that empty and fill, along a straight line between those of the grid."""
    most = most_kwh(stored_kwh, battery.capacity_kwh, battery.nominal_kw)
    ends[0] = ends[1] = -1.0
    for j in range(actions_kwh.size - 1):
        before = stored_after(stored_kwh, actions_kwh[j], battery.nominal_kw)
        after = stored_after(stored_kwh, actions_kwh[j + 1], battery.nominal_kw)
        if before < 0 <= after and actions_kwh[j] >= -most:
            ends[0] = j - before / (after - before)
        if before <= battery.capacity_kwh < after and actions_kwh[j + 1] <= most:
            ends[1] = j + (battery.capacity_kwh - before) / (after - before)


@kernel
def place_after(
    stored_kwh: float, capacity_kwh: float, nominal_kw: float, action_kwh: float, levels: int
) -> float:
    """Return the level that an action leads to, or -1 if it can't be done."""
    if abs(action_kwh) > most_kwh(stored_kwh, capacity_kwh, nominal_kw) + CLOSE:
        return -1.0
    after = stored_after(stored_kwh, action_kwh, nominal_kw)
    if after < -CLOSE or after > max(stored_kwh, capacity_kwh) + CLOSE:
        return -1.0
    return min(max(after / capacity_kwh * (levels - 1), 0.0), levels - 1 - CLOSE)


@kernel
def mean_cost(cost: Any, own_kwh: Any, others_kwh: Any, action_kwh: float) -> float:
    """Return an action's cost in an hour, the mean over scenarios of both draws."""
    total = 0.0
    for k in range(own_kwh.size):
        own = own_kwh[k] + action_kwh
        if own > 0:
            total += cost.own * own
        if own + others_kwh[k] > 0:
            total += cost.pooled * (own + others_kwh[k])
    return total / own_kwh.size


@kernel
def value_at(values: Any, place: float) -> float:
    """Return the value between two levels, along a straight line."""
    level = int(place)
    return values[level] + (values[level + 1] - values[level]) * (place - level)


@kernel
def fill_costs(costs: Any, own_kwh: Any, others_kwh: Any, actions_kwh: Any, mean_costs: Any) -> None:
    """Fill the mean cost of each action in each hour, (n_hours, n_actions)."""
    for hour in range(costs.size):
        for j in range(actions_kwh.size):
            mean_costs[hour, j] = mean_cost(costs[hour], own_kwh[hour], others_kwh[hour], actions_kwh[j])


@kernel
def fill_values(
    mean_costs: Any, places: Any, ends: Any, capacity_kwh: float, end_value: float, values: Any
) -> None:
    """Fill what is still to be paid from each hour on, by level: (n_hours + 1, LEVELS).

    Parameters
    ----------
    end_value : float
        Of a stored kWh when the plan ends.
    """
    hours, levels = mean_costs.shape[0], places.shape[0]
    for level in range(levels):
        values[hours, level] = -end_value * capacity_kwh * level / (levels - 1)
    for hour in range(hours - 1, 0, -1):
        for level in range(levels):
            best = NEVER
            for j in range(places.shape[1]):
                if places[level, j] >= 0:
                    best = min(best, mean_costs[hour, j] + value_at(values[hour + 1], places[level, j]))
            if ends[level, 0] >= 0:
                best = min(best, value_at(mean_costs[hour], ends[level, 0]) + values[hour + 1, 0])
            if ends[level, 1] >= 0:
                best = min(best, value_at(mean_costs[hour], ends[level, 1]) + values[hour + 1, levels - 1])
            values[hour, level] = best


@kernel
def best_action(
    battery: Any, cost: Any, own_kwh: Any, others_kwh: Any, actions_kwh: Any, values: Any
) -> float:
    """Return the coming hour's best energy, from what is stored now.

    Parameters
    ----------
    values : float64 array of shape (LEVELS,)
        When the hour is over.
    """
    best, chosen = NEVER, 0.0
    for j in range(actions_kwh.size):
        place = place_after(
            battery.stored_kwh, battery.capacity_kwh, battery.nominal_kw, actions_kwh[j], values.size
        )
        if place >= 0:
            total = mean_cost(cost, own_kwh, others_kwh, actions_kwh[j]) + value_at(values, place)
            if total < best:
                best, chosen = total, actions_kwh[j]
    return chosen


@kernel
def follow(battery: Any, mean_costs: Any, actions_kwh: Any, values: Any, plan_kwh: Any) -> None:
    """Fill the plan's hours after the first, as it goes on from there.

    Parameters
    ----------
    plan_kwh : float64 array of shape (n_hours,)
        The first is given.
    """
    stored = stored_after(battery.stored_kwh, plan_kwh[0], battery.nominal_kw)
    for hour in range(1, plan_kwh.size):
        stored = min(max(stored, 0.0), battery.capacity_kwh)
        best, plan_kwh[hour] = NEVER, 0.0
        for j in range(actions_kwh.size):
            place = place_after(
                stored, battery.capacity_kwh, battery.nominal_kw, actions_kwh[j], values.shape[1]
            )
            if place >= 0:
                total = mean_costs[hour, j] + value_at(values[hour + 1], place)
                if total < best:
                    best, plan_kwh[hour] = total, actions_kwh[j]
        stored = stored_after(stored, plan_kwh[hour], battery.nominal_kw)


@kernel
def plan_homes(
    batteries: Any, costs: Any, net_kwh: Any, others_kwh: Any, actions_kwh: Any, first_kwh: Any,
    places: Any, ends: Any, mean_costs: Any, values: Any, end_value: float, rounds: int, plans_kwh: Any,
) -> None:  # fmt: skip
    """Plan each home in turn against the others' plans, some rounds of it.

    Parameters
    ----------
    batteries : recarray of shape (n,), HOME_BATTERY
    costs : recarray of shape (n_hours,), COST
    net_kwh : float64 array of shape (n, n_hours, n_scenarios)
        What the homes draw without a battery.
    others_kwh : float64 array of shape (n_hours, n_scenarios), places, ends, mean_costs, values
        To work in.
    plans_kwh : float64 array of shape (n, n_hours)
        The last plans; replaced.
    """
    for _ in range(rounds):
        for i in range(batteries.size):
            add_others(i, net_kwh, plans_kwh, others_kwh)
            fill_moves(batteries[i], actions_kwh, places, ends)
            fill_costs(costs, net_kwh[i], others_kwh, actions_kwh, mean_costs)
            fill_values(mean_costs, places, ends, batteries[i].capacity_kwh, end_value, values)
            plans_kwh[i, 0] = best_action(
                batteries[i], costs[0], net_kwh[i, 0], others_kwh[0], first_kwh, values[1]
            )
            follow(batteries[i], mean_costs, actions_kwh, values, plans_kwh[i])


@kernel
def add_others(home: int, net_kwh: Any, plans_kwh: Any, others_kwh: Any) -> None:
    """Add up what all homes but one draw, by hour and scenario, with what their batteries are planned to."""
    others_kwh[:] = 0.0
    for other in range(net_kwh.shape[0]):
        if other != home:
            for hour in range(others_kwh.shape[0]):
                for k in range(others_kwh.shape[1]):
                    others_kwh[hour, k] += net_kwh[other, hour, k] + plans_kwh[other, hour]
