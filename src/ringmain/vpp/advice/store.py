"""The exact plan of one store against known prices, by the slopes of its value function.

What a store will still earn, as a function of what it holds, is concave and made of straight pieces when
no price is below zero: it is kept as the list of its slopes, dearest first. One period earlier that list is
merged with two pieces, one of what charging costs and one of what discharging earns, each as long as a
period can move, and cut to the capacity again. So a course of n periods takes n insertions, and the plan
follows from the front: charge while the next stored Wh is worth more than it costs, discharge while it is
worth less than it earns. (The merge is the sup-convolution of concave functions; see Rockafellar, Convex
Analysis, section 16, for why it sorts slopes.)

At a price below zero, charging and discharging at once would pay. That is not allowed; there the value is
that of the least concave function above, and the plan takes the better of the moves that are possible.
"""

from typing import Any

import numpy as np

from ringmain.core.jit import kernel

STORE_LIMITS = np.dtype(
    [
        ("capacity_wh", "f8"),  # that can be used
        ("charge_wh", "f8"),  # stored in a period at most
        ("discharge_wh", "f8"),  # taken from the store in a period at most
        ("charge_efficiency", "f8"),
        ("discharge_efficiency", "f8"),
        ("wear_ticks", "f8"),  # of a Wh given to the grid
        ("end_value_ticks", "f8"),  # of a stored Wh, when the plan ends
    ],
    align=True,
)


class StorePlanner:
    """Plans for one store; it keeps its room to work in.

    Parameters
    ----------
    limits : recarray of shape (1,), STORE_LIMITS
    n_periods : int
        The most that a plan has.
    """

    def __init__(self, limits: Any, n_periods: int) -> None:
        self.limits, self._n_periods = limits, n_periods
        self._slopes = np.zeros((n_periods + 1, 2 * n_periods + 3))
        self._widths = np.zeros((n_periods + 1, 2 * n_periods + 3))
        self._counts = np.zeros(n_periods + 1, np.int64)

    def plan(self, price_ticks: Any, stored_wh: float) -> Any:
        """Return the energy given to the grid by period, float64 array of shape (n,), Wh; below zero: taken.

        Parameters
        ----------
        price_ticks : float64 array of shape (n,)
            n is `n_periods` at most.
        stored_wh : float
            When the plan begins.
        """
        given_wh = np.zeros(len(price_ticks))
        prices = np.ascontiguousarray(price_ticks, np.float64)
        plan_store(self.limits[0], prices, stored_wh, self._slopes, self._widths, self._counts, given_wh)
        return given_wh


@kernel
def plan_store(
    store: Any, price_ticks: Any, stored_wh: float, slopes: Any, widths: Any, counts: Any, given_wh: Any
) -> None:
    """Fill `given_wh` with the plan; the other arrays are room to work in, a row a period and one more."""
    value_store(store, price_ticks, slopes, widths, counts)
    held_wh = min(max(stored_wh, 0.0), store.capacity_wh)
    for period in range(price_ticks.size):
        after_wh = best_hold(store, price_ticks[period], held_wh, period + 1, slopes, widths, counts)
        given_wh[period] = grid_energy_wh(store, held_wh - after_wh)
        held_wh = after_wh


@kernel
def value_store(store: Any, price_ticks: Any, slopes: Any, widths: Any, counts: Any) -> None:
    """Write the slopes of the value of what is stored at each period's begin, the last one first."""
    last = price_ticks.size
    slopes[last, 0], widths[last, 0], counts[last] = store.end_value_ticks, store.capacity_wh, 1
    for period in range(last - 1, -1, -1):
        count = counts[period + 1]
        for place in range(count):
            slopes[period, place], widths[period, place] = (
                slopes[period + 1, place],
                widths[period + 1, place],
            )
        charging = price_ticks[period] / store.charge_efficiency
        giving = (price_ticks[period] - store.wear_ticks) * store.discharge_efficiency
        if giving > charging:  # the price is below zero
            moved_wh = store.charge_wh + store.discharge_wh
            mean = (charging * store.charge_wh + giving * store.discharge_wh) / max(moved_wh, 1e-9)
            count = insert(slopes[period], widths[period], count, mean, moved_wh)
        else:
            count = insert(slopes[period], widths[period], count, charging, store.charge_wh)
            count = insert(slopes[period], widths[period], count, giving, store.discharge_wh)
        count = cut_front(slopes[period], widths[period], count, store.charge_wh)
        counts[period] = cut_back(widths[period], count, store.discharge_wh)


@kernel
def insert(slopes: Any, widths: Any, count: int, slope: float, width: float) -> int:
    """Put a piece where it belongs among falling slopes; return how many there are."""
    if width <= 0.0:
        return count
    place = count
    while place > 0 and slopes[place - 1] < slope:
        slopes[place], widths[place] = slopes[place - 1], widths[place - 1]
        place -= 1
    slopes[place], widths[place] = slope, width
    return count + 1


@kernel
def cut_front(slopes: Any, widths: Any, count: int, length: float) -> int:
    """Take a length off the front; return how many pieces are left."""
    gone = 0
    while gone < count and widths[gone] <= length:
        length -= widths[gone]
        gone += 1
    for place in range(gone, count):
        slopes[place - gone], widths[place - gone] = slopes[place], widths[place]
    if gone < count:
        widths[0] -= length
    return count - gone


@kernel
def cut_back(widths: Any, count: int, length: float) -> int:
    """Take a length off the end; return how many pieces are left."""
    while count > 0 and widths[count - 1] <= length:
        length -= widths[count - 1]
        count -= 1
    if count > 0:
        widths[count - 1] -= length
    return count


@kernel
def best_hold(
    store: Any, price_ticks: float, held_wh: float, after: int, slopes: Any, widths: Any, counts: Any
) -> float:
    """Return what is best stored when a period ends."""
    charging = price_ticks / store.charge_efficiency
    giving = (price_ticks - store.wear_ticks) * store.discharge_efficiency
    most_wh = min(held_wh + store.charge_wh, store.capacity_wh)
    least_wh = max(held_wh - store.discharge_wh, 0.0)
    up_wh = reach(slopes[after], widths[after], counts[after], charging)
    down_wh = reach(slopes[after], widths[after], counts[after], giving)
    if giving <= charging:
        if up_wh > held_wh:
            return min(up_wh, most_wh)
        return max(down_wh, least_wh) if down_wh < held_wh else held_wh
    best_wh = held_wh  # below zero the moves' worth is not concave: the better of them is taken
    best = worth(store, price_ticks, held_wh, held_wh, slopes[after], widths[after], counts[after])
    for target_wh in (min(max(up_wh, held_wh), most_wh), max(min(down_wh, held_wh), least_wh)):
        value = worth(store, price_ticks, held_wh, target_wh, slopes[after], widths[after], counts[after])
        if value > best:
            best, best_wh = value, target_wh
    return best_wh


@kernel
def reach(slopes: Any, widths: Any, count: int, slope: float) -> float:
    """Return how much is stored where the value's slope falls to `slope`."""
    stored_wh = 0.0
    for place in range(count):
        if slopes[place] <= slope:
            return stored_wh
        stored_wh += widths[place]
    return stored_wh


@kernel
def worth(
    store: Any, price_ticks: float, held_wh: float, after_wh: float, slopes: Any, widths: Any, count: int
) -> float:
    """Return what a move earns and what is then stored is worth, Wh x ticks."""
    given_wh = grid_energy_wh(store, held_wh - after_wh)
    value = given_wh * price_ticks - max(0.0, given_wh) * store.wear_ticks
    left_wh = after_wh
    for place in range(count):
        width = min(widths[place], left_wh)
        value += width * slopes[place]
        left_wh -= width
    return value


@kernel
def grid_energy_wh(store: Any, drop_wh: float) -> float:
    """Return what the grid gets when the store drops by so much; negative: what it gives."""
    if drop_wh > 0.0:
        return drop_wh * store.discharge_efficiency
    return drop_wh / store.charge_efficiency


def store_limits(
    power_w: float, hours: float, round_trip: float, period_hours: float = 1.0,
    wear_ticks: float = 0.0, end_value_ticks: float = 0.0,
) -> Any:  # fmt: skip
    """Return a battery of equal powers in and out, losing as much both ways, recarray of shape (1,)."""
    limits = np.zeros(1, STORE_LIMITS).view(np.recarray)
    one_way = round_trip**0.5
    limits.capacity_wh = power_w * hours
    limits.charge_wh = power_w * period_hours * one_way
    limits.discharge_wh = power_w * period_hours / one_way
    limits.charge_efficiency = limits.discharge_efficiency = one_way
    limits.wear_ticks, limits.end_value_ticks = wear_ticks, end_value_ticks
    return limits
