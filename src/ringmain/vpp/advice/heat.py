"""When heat stores are to run: in the cheapest hours that keep them within comfort.

A store is drained as all stores are at that hour of the day, in the mean. Hour by hour, what would be
missing at its lower end of comfort is bought in the cheapest hour before, as far as power and the upper end
leave room: each Wh is bought as cheaply as can be, since an earlier need has no other hours than a later one
has too.
"""

from typing import Any

import numpy as np

from ringmain.core.jit import kernel
from ringmain.vpp.advice.forecast import HOUR_NS, Prices
from ringmain.vpp.home_views import Homes
from ringmain.vpp.messages import HEAT_STORE

MARGIN = 0.15  # of the comfort band that a plan stays above its lower end
TOP_MARGIN = 0.3  # ... and below its upper end: who is drained less than foretold is full too early


def plan_heat(homes: Homes, start_ns: int, price_ticks: Prices, next_ticks: Prices) -> tuple[Any, Any]:
    """Plan all heat stores from what they hold now.

    Parameters
    ----------
    start_ns : int
        Start of the first hour of `price_ticks`.
    price_ticks : int64 array of shape (n_hours,)
    next_ticks : int64 array of shape (n,)
        What the hours after them are taken to cost.

    Returns
    -------
    asset_id : int64 array of shape (n_stores,)
    power_w : int64 array of shape (n_stores, n_hours)
        Below zero: what each is to draw.
    """
    ids = homes.of(HEAT_STORE)
    ahead_ticks = np.concatenate([price_ticks, next_ticks])
    drawn_wh = np.zeros((ids.size, ahead_ticks.size))
    floor_wh, capacity_wh = homes.floor_wh[ids].astype(float), homes.capacity_wh[ids].astype(float)
    band_wh = capacity_wh - floor_wh
    floor_wh, capacity_wh = floor_wh + MARGIN * band_wh, capacity_wh - TOP_MARGIN * band_wh
    levels, hours = np.zeros(ahead_ticks.size), np.arange(ahead_ticks.size) + start_ns // HOUR_NS
    run_cheaply(
        homes.energy_wh[ids], homes.heat_demand_w(ids, hours), homes.import_limit_w[ids].astype(float),
        floor_wh, capacity_wh, ahead_ticks, levels, drawn_wh,
    )  # fmt: skip
    return ids, -np.rint(drawn_wh[:, : len(price_ticks)]).astype(np.int64)  # in an hour: as many W as Wh


@kernel
def run_cheaply(
    stored_wh: Any, demand_w: Any, limit_w: Any, floor_wh: Any, capacity_wh: Any, price_ticks: Any,
    levels: Any, drawn_wh: Any,
) -> None:  # fmt: skip
    """Write what each store draws in each hour; `levels` is room to work in, one for each hour."""
    for i in range(stored_wh.size):
        held_wh = stored_wh[i]
        for hour in range(price_ticks.size):
            held_wh -= demand_w[i, hour]
            levels[hour] = held_wh
        for hour in range(price_ticks.size):
            while levels[hour] < floor_wh[i]:
                best = cheapest(price_ticks, levels, drawn_wh[i], limit_w[i], capacity_wh[i], hour)
                if best < 0:
                    break
                room_wh = limit_w[i] - drawn_wh[i, best]
                for k in range(best, hour + 1):
                    room_wh = min(room_wh, capacity_wh[i] - levels[k])
                added_wh = min(room_wh, floor_wh[i] - levels[hour])
                drawn_wh[i, best] += added_wh
                for k in range(best, price_ticks.size):
                    levels[k] += added_wh


@kernel
def cheapest(
    price_ticks: Any, levels: Any, drawn_wh: Any, limit_w: float, capacity_wh: float, last: int
) -> int:
    """Return the cheapest hour up to `last` with power and room for a Wh more; -1 if there is none."""
    best = -1
    for hour in range(last, -1, -1):
        if levels[hour] > capacity_wh - 1.0:
            return best  # what is bought earlier has to pass a full store
        if drawn_wh[hour] < limit_w - 1.0 and (best < 0 or price_ticks[hour] < price_ticks[best]):
            best = hour
    return best
