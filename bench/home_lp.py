"""What could have been: the homes' year as a linear programme that knows all of it, solved by HiGHS.

The battery is taken to have one efficiency, its best; what the plan is worth is what the real physics make
of it.
"""

from typing import Any

import highspy
import numpy as np

from ringmain.core.errors import RingmainError

EFFICIENCY = 0.9**0.5
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
    rows = [
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
    found = _minimum(cost, upper, rows)
    return found[charge] - found[discharge], found[stored]


def _minimum(cost: Any, upper: Any, rows: Any) -> Any:
    counts, indices, values, low, high = [], [], [], [], []
    for places, factors, least, most in rows:
        table = np.stack([place.ravel() for place in places], axis=1)
        counts.append(np.full(table.shape[0], table.shape[1]))
        indices.append(table.ravel())
        values.append(np.tile(np.array(factors, float), table.shape[0]))
        low.append(np.ravel(least))
        high.append(np.ravel(most))
    programme = highspy.HighsLp()
    programme.num_col_, programme.num_row_ = cost.size, sum(map(len, counts))
    programme.col_cost_, programme.col_lower_, programme.col_upper_ = cost, np.zeros(cost.size), upper
    programme.row_lower_, programme.row_upper_ = np.concatenate(low), np.concatenate(high)
    programme.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    programme.a_matrix_.start_ = np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int32)
    programme.a_matrix_.index_ = np.concatenate(indices).astype(np.int32)
    programme.a_matrix_.value_ = np.concatenate(values)
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.passModel(programme)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise RingmainError("RM418", "bench", "the clairvoyant plan was not found", "Report the data's hours")
    return np.array(solver.getSolution().col_value)
