"""What could have been: the homes' year as a linear programme that knows all of it, solved by HiGHS.

The battery is taken to have one efficiency, its best; what the plan is worth is what the real physics make
of it.
"""

from typing import Any

import numpy as np

from ringmain.exchange.advice.dayahead.solver import Model

EFFICIENCY = 0.9**0.5
TIME_LIMIT_S = 60.0
BLOCK_HOURS, OVERLAP_HOURS = 168, 24


def clairvoyant(net_kwh: Any, pooled_cost: Any, own_cost: Any, capacity_kwh: Any, nominal_kw: Any) -> Any:
    """Return what each battery takes in each hour, for the least total cost.

    Parameters
    ----------
    net_kwh : float64 array of shape (n, n_hours)
    pooled_cost, own_cost : float64 arrays of shape (n_hours,)
        Of a kWh that all homes together draw, and that a home draws.

    Returns
    -------
    float64 array of shape (n, n_hours), kWh
    """
    homes, hours = net_kwh.shape
    wanted, stored = np.zeros((homes, hours)), np.zeros(homes)
    for begin in range(0, hours, BLOCK_HOURS):
        ahead = slice(begin, min(hours, begin + BLOCK_HOURS + OVERLAP_HOURS))
        taken, levels = _solve(
            net_kwh[:, ahead], pooled_cost[ahead], own_cost[ahead], stored, capacity_kwh, nominal_kw
        )
        kept = min(BLOCK_HOURS, hours - begin)
        wanted[:, begin : begin + kept] = taken[:, :kept]
        stored = levels[:, kept - 1]
    return wanted


def _solve(
    net_kwh: Any, pooled_cost: Any, own_cost: Any, stored_kwh: Any, capacity_kwh: Any, nominal_kw: Any
) -> tuple[Any, Any]:
    """Columns: charge, discharge, stored and drawn of each home and hour; then what all draw together."""
    homes, hours = net_kwh.shape
    block = homes * hours
    charge, discharge, stored, drawn = (np.arange(block).reshape(homes, hours) + i * block for i in range(4))
    pooled = np.arange(hours) + 4 * block
    columns = 4 * block + hours
    cost, upper = np.zeros(columns), np.full(columns, np.inf)
    cost[drawn], cost[pooled] = own_cost, pooled_cost
    upper[charge] = upper[discharge] = np.asarray(nominal_kw)[:, None]
    upper[stored] = np.asarray(capacity_kwh)[:, None]
    balance = np.zeros((homes, hours))
    balance[:, 0] = stored_kwh
    rest, first, endless = balance[:, 1:], balance[:, :1], np.full((homes, hours), np.inf)
    flows = (-EFFICIENCY, 1 / EFFICIENCY)
    groups = [
        ([stored[:, 1:], stored[:, :-1], charge[:, 1:], discharge[:, 1:]], (1, -1, *flows), rest, rest),
        ([stored[:, :1], charge[:, :1], discharge[:, :1]], (1, *flows), first, first),
        ([drawn, charge, discharge], (1, -1, 1), net_kwh, endless),
        (
            [pooled, *charge, *discharge],
            (1, *[-1] * homes, *[1] * homes),
            net_kwh.sum(axis=0),
            endless[0],
        ),
    ]
    found = _minimum(cost, upper, groups)
    return found[charge] - found[discharge], found[stored]


def _minimum(cost: Any, upper: Any, groups: Any) -> Any:
    """Solve; a group of rows is its columns, their factors, and the least and most of each row."""
    rows = []
    for places, factors, least, most in groups:
        table = np.stack([place.ravel() for place in places], axis=1)
        rows += [
            (low, high, columns, factors)
            for low, high, columns in zip(np.ravel(least), np.ravel(most), table, strict=True)
        ]
    model = Model(-cost, np.zeros(cost.size), upper)  # it maximises
    model.rows(rows)
    found = model.solve(TIME_LIMIT_S)
    assert found is not None, "doing nothing is a plan"
    return found
