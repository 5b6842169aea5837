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

A store that has to hold something ready has a floor and a ceiling at each period's end. What is missing at
them costs a price for each Wh, which is added to the slopes below the floor and taken off those above the
ceiling: the value stays concave, a store that holds too little is steered there at the best hours, and there
is always a plan, the one that misses least.
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
        ("miss_ticks", "f8"),  # a Wh below the floor or above the ceiling, at each period's end
    ],
    align=True,
)

SLOPES, WIDTHS, TARGETS, COUNT = 0, 1, 2, 3
UP, DOWN = 0, 1
GIVE, TAKE, FLOOR, CEILING = 0, 1, 2, 3
UNLIMITED_WH = (np.inf, np.inf, 0.0, np.inf)
NO_LIMITS_WH = np.zeros((0, 4))  # beside those of the store itself


class StorePlanner:
    """Plans for one store; it keeps its room to work in.

    Parameters
    ----------
    limits : recarray of shape (1,), STORE_LIMITS
    n_periods : int
        The most that a plan has.
    """

    def __init__(self, limits: Any, n_periods: int) -> None:
        self.limits, self._room = limits, rooms(n_periods)

    def plan(self, price_ticks: Any, stored_wh: float, limits_wh: Any = NO_LIMITS_WH) -> Any:
        """Return the energy given to the grid by period, float64 array of shape (n,), Wh; below zero: taken.

        Parameters
        ----------
        price_ticks : float64 array of shape (n,)
            n is `n_periods` at most.
        stored_wh : float
            When the plan begins.
        limits_wh : float64 array of shape (n, 4), optional
            As of :func:`plan_store`.
        """
        given_wh = np.zeros(len(price_ticks))
        prices = np.ascontiguousarray(price_ticks, np.float64)
        plan_store(self.limits[0], prices, stored_wh, limits_wh, self._room, given_wh)
        return given_wh


def rooms(n_periods: int) -> Any:
    """Return room for the value function at the end of each period, float64 array of shape (n, 4, 4 n + 7).

    For each period that are the slopes, their widths, what is best stored when it ends (`up`: by charging,
    `down`: by discharging, of row 2), and how many pieces there are (row 3).
    """
    return np.zeros((n_periods + 1, 4, 4 * n_periods + 7))


@kernel
def plan_store(
    store: Any, price_ticks: Any, stored_wh: float, limits_wh: Any, room: Any, given_wh: Any
) -> float:
    """Fill `given_wh` with the plan, and return a bound of what it can be worth, Wh x ticks.

    What is still stored in the end is worth its end value; what a floor or ceiling lacks is taken off. The
    bound is the plan's own worth, unless a price is below zero.

    Parameters
    ----------
    limits_wh : float64 array of shape (n, 4) or (0, 4)
        By period, all from zero up: what the grid may be given (`GIVE`), what be taken from it (`TAKE`), and
        the least and the most to be stored at its end (`FLOOR`, `CEILING`).
    """
    held_wh = min(max(stored_wh, 0.0), store.capacity_wh)
    bound = value_store(store, price_ticks, limits_wh, room) + area(room[0], held_wh)
    follow(store, price_ticks, held_wh, limits_wh, room, given_wh)
    return bound


@kernel
def plan_departure(
    store: Any, price_ticks: Any, stored_wh: float, required_wh: float, miss_ticks: float, limits_wh: Any,
    room: Any, given_wh: Any,
) -> float:  # fmt: skip
    """Fill `given_wh` with the plan of a store that leaves at the end, and return what it will lack then.

    What is stored in the end is worth `miss_ticks` up to what is required, and its end value above that: the
    value stays concave, so the plan is exact, and where what is required can't be had it misses as little of
    it as can be.

    Parameters
    ----------
    miss_ticks : float
        Of a Wh that is lacking; above what any Wh can cost.
    """
    held_wh, last = min(max(stored_wh, 0.0), store.capacity_wh), price_ticks.size
    needed_wh = min(max(required_wh, 0.0), store.capacity_wh)
    room[last, SLOPES, 0], room[last, WIDTHS, 0] = miss_ticks, needed_wh
    room[last, SLOPES, 1], room[last, WIDTHS, 1] = store.end_value_ticks, store.capacity_wh - needed_wh
    room[last, COUNT, 0] = 2.0
    value_before(store, price_ticks, limits_wh, room)
    return max(0.0, required_wh - follow(store, price_ticks, held_wh, limits_wh, room, given_wh))


@kernel
def follow(store: Any, price_ticks: Any, stored_wh: float, limits_wh: Any, room: Any, given_wh: Any) -> float:
    """Fill the plan from the front by the value that `room` holds; return what is stored in the end."""
    held_wh = stored_wh
    for period in range(price_ticks.size):
        in_wh, out_wh = movable_wh(store, limits_wh, period)
        after_wh = best_hold(store, price_ticks[period], held_wh, in_wh, out_wh, room[period + 1])
        given_wh[period] = grid_energy_wh(store, held_wh - after_wh)
        held_wh = after_wh
    return held_wh


@kernel
def plan_each(
    stores: Any, price_ticks: Any, stored_wh: Any, limits_wh: Any, room: Any, given_wh: Any
) -> None:
    """Plan each of n stores for itself, as :func:`plan_store` does.

    Parameters
    ----------
    stored_wh : float64 array of shape (n,)
    limits_wh : float64 array of shape (n, n_periods, 2)
    given_wh : float64 array of shape (n, n_periods)
        Written.
    """
    for i in range(stores.size):
        plan_store(stores[i], price_ticks, stored_wh[i], limits_wh[i], room, given_wh[i])


@kernel
def movable_wh(store: Any, limits_wh: Any, period: int) -> Any:
    """Return what a period can put into the store, and what it can take out."""
    if limits_wh.shape[0] == 0:
        return store.charge_wh, store.discharge_wh
    in_wh = min(store.charge_wh, limits_wh[period, TAKE] * store.charge_efficiency)
    out_wh = min(store.discharge_wh, limits_wh[period, GIVE] / store.discharge_efficiency)
    return in_wh, out_wh


@kernel
def value_store(store: Any, price_ticks: Any, limits_wh: Any, room: Any) -> float:
    """Write the slopes of what the store is worth after each period, and return the worth of an empty one.

    Row 0 of `room` is for the begin, row n for the end of period n. Each row's targets are those of the
    period that it ends.
    """
    last = price_ticks.size
    room[last, SLOPES, 0], room[last, WIDTHS, 0] = store.end_value_ticks, store.capacity_wh
    room[last, COUNT, 0] = 1.0
    return value_before(store, price_ticks, limits_wh, room)


@kernel
def value_before(store: Any, price_ticks: Any, limits_wh: Any, room: Any) -> float:
    """Do as :func:`value_store`, from what the last row of `room` says."""
    empty = 0.0
    for period in range(price_ticks.size - 1, -1, -1):
        price = price_ticks[period]
        charging = price / store.charge_efficiency
        giving = (price - store.wear_ticks) * store.discharge_efficiency
        after, before = room[period + 1], room[period]
        if limits_wh.shape[0] > 0:
            empty -= hold(after, limits_wh[period, FLOOR], limits_wh[period, CEILING], store)
        after[TARGETS, UP] = reach(after, charging)
        after[TARGETS, DOWN] = reach(after, giving)
        in_wh, out_wh = movable_wh(store, limits_wh, period)
        first, second = charging, giving
        if giving > charging:  # the price is below zero: the least concave function above both moves
            first = (charging * in_wh + giving * out_wh) / max(in_wh + out_wh, 1e-9)
            second = first
        empty -= charging * in_wh
        empty += merge(after, before, first, in_wh, second, out_wh, store.capacity_wh)
    return empty


@kernel
def hold(row: Any, floor_wh: float, ceiling_wh: float, store: Any) -> float:
    """Price what is missing below a floor or above a ceiling; return what that costs an empty store."""
    if store.miss_ticks <= 0.0:
        return 0.0
    floor_wh = min(floor_wh, store.capacity_wh)
    if floor_wh > 0.0:
        for place in range(split(row, floor_wh)):
            row[SLOPES, place] += store.miss_ticks
    if ceiling_wh < store.capacity_wh:
        for place in range(split(row, ceiling_wh), int(row[COUNT, 0])):
            row[SLOPES, place] -= store.miss_ticks
    return max(floor_wh, 0.0) * store.miss_ticks


@kernel
def split(row: Any, stored_wh: float) -> int:
    """Have a piece end at `stored_wh`, and return how many pieces lie below."""
    count, place = int(row[COUNT, 0]), 0
    while place < count and row[WIDTHS, place] <= stored_wh:
        stored_wh -= row[WIDTHS, place]
        place += 1
    if place == count or stored_wh <= 0.0:
        return place
    for k in range(count, place, -1):
        row[SLOPES, k], row[WIDTHS, k] = row[SLOPES, k - 1], row[WIDTHS, k - 1]
    row[WIDTHS, place + 1] -= stored_wh
    row[WIDTHS, place] = stored_wh
    row[COUNT, 0] = count + 1.0
    return place + 1


@kernel
def merge(
    after: Any,
    before: Any,
    first: float,
    first_wh: float,
    second: float,
    second_wh: float,
    capacity_wh: float,
) -> float:
    """Merge two pieces, the steeper first, into the slopes `after`, and keep the capacity's length of it.

    The front of `first_wh` is cut off, and returned as the area below it.
    """
    count, place, skip_wh, cut = int(after[COUNT, 0]), 0, first_wh, 0.0
    written, room_wh, done = 0, capacity_wh, 0
    while room_wh > 0.0 and (place < count or done < 2):
        piece, piece_wh = (first, first_wh) if done == 0 else (second, second_wh)
        if place < count and (done == 2 or after[SLOPES, place] >= piece):
            slope, width = after[SLOPES, place], after[WIDTHS, place]
            place += 1
        else:
            slope, width = piece, piece_wh
            done += 1
        if skip_wh > 0.0:
            gone_wh = min(width, skip_wh)
            cut += gone_wh * slope
            skip_wh -= gone_wh
            width -= gone_wh
        if width > 0.0:
            width = min(width, room_wh)
            before[SLOPES, written], before[WIDTHS, written] = slope, width
            written += 1
            room_wh -= width
    before[COUNT, 0] = float(written)
    return cut


@kernel
def reach(row: Any, slope: float) -> float:
    """Return how much is stored where the value's slope falls to `slope`."""
    stored_wh = 0.0
    for place in range(int(row[COUNT, 0])):
        if row[SLOPES, place] <= slope:
            return stored_wh
        stored_wh += row[WIDTHS, place]
    return stored_wh


@kernel
def area(row: Any, stored_wh: float) -> float:
    """Return what so much stored is worth more than nothing stored."""
    value = 0.0
    for place in range(int(row[COUNT, 0])):
        width = min(row[WIDTHS, place], stored_wh)
        if width <= 0.0:
            return value
        value += width * row[SLOPES, place]
        stored_wh -= width
    return value


@kernel
def slope_at(row: Any, stored_wh: float) -> float:
    """Return what the next Wh is worth above so much stored; of the last piece if the store is full."""
    last = 0.0
    for place in range(int(row[COUNT, 0])):
        last = row[SLOPES, place]
        stored_wh -= row[WIDTHS, place]
        if stored_wh < 0.0:
            return last
    return last


@kernel
def best_hold(
    store: Any, price_ticks: float, held_wh: float, in_wh: float, out_wh: float, after: Any
) -> float:
    """Return what is best stored when a period ends that can put `in_wh` in or take `out_wh` out."""
    most_wh = min(held_wh + in_wh, store.capacity_wh)
    least_wh = max(held_wh - out_wh, 0.0)
    up_wh, down_wh = after[TARGETS, UP], after[TARGETS, DOWN]
    if up_wh <= down_wh:  # as it is at any price from zero up
        if up_wh > held_wh:
            return min(up_wh, most_wh)
        return max(down_wh, least_wh) if down_wh < held_wh else held_wh
    best_wh = held_wh  # below zero the moves' worth is not concave: the better of them is taken
    best = worth(store, price_ticks, held_wh, held_wh, after)
    for target_wh in (min(max(up_wh, held_wh), most_wh), max(min(down_wh, held_wh), least_wh)):
        value = worth(store, price_ticks, held_wh, target_wh, after)
        if value > best:
            best, best_wh = value, target_wh
    return best_wh


@kernel
def worth(store: Any, price_ticks: float, held_wh: float, after_wh: float, after: Any) -> float:
    """Return what a move earns and what is then stored is worth, Wh x ticks."""
    given_wh = grid_energy_wh(store, held_wh - after_wh)
    return given_wh * price_ticks - max(0.0, given_wh) * store.wear_ticks + area(after, after_wh)


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
