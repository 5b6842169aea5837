"""Energy and reserve together: the linear programme of groups of batteries over the hours of a plan.

Each group buys, sells, holds energy, and holds its part of each claim of reserve: power that it does not use
for energy in those hours, and at their ends energy, or room for it, for as long as the claim may be
called on. What is expected to be called on flows, wears and is paid. A claim that can't be held whole is
short at a high price, so that there is always a solution.

What the fleet holds of a claim is a column of its own: fixed at a level, its reduced cost is what a W more
would cost; free with a price, it is how much is best sold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np

from ringmain.core.errors import RingmainError
from ringmain.core.solver import new_solver
from ringmain.vpp.advice.reserve_groups import Groups

SHORT_PRICE = 10.0  # of a W for an hour, in highest prices


@dataclass(frozen=True)
class Claim:
    """Reserve over some hours of a plan.

    Parameters
    ----------
    is_up : bool
        Power to give is held; else power to take.
    first, count : int
        Hours of the plan.
    activation_hours : float
        How long it may be called on at full power in all.
    activated_share : float
        How much of its power is expected to be called on in the mean.
    activation_ticks : float
        What the fleet receives for energy that was called on, either way.
    """

    is_up: bool
    first: int
    count: int
    activation_hours: float
    activated_share: float = 0.0
    activation_ticks: float = 0.0

    @property
    def hours(self) -> range:
        """The hours in which it is held."""
        return range(self.first, self.first + self.count)


@dataclass(frozen=True)
class Held:
    """A solution.

    Parameters
    ----------
    worth : float
        Of energy and activations, Wh x ticks, as of :class:`ringmain.vpp.advice.fleet_optimum.Optimum`;
        what is short has no part in it.
    level_w : float64 array of shape (n_claims,)
        What is held or short of each claim.
    marginal_ticks : float64 array of shape (n_claims,)
        What a W more, held for an hour, costs.
    short_w : float64 array of shape (n_claims,)
    power_w : float64 array of shape (n_groups, n_claims)
        Each group's part.
    """

    worth: float
    level_w: Any
    marginal_ticks: Any
    short_w: Any
    power_w: Any


class Programme:
    """The programme of some groups and claims; levels may be changed from one solution to the next.

    Parameters
    ----------
    price_ticks : float64 array of shape (n_hours,)
    claims : sequence of Claim
    give_w, take_w : float64 arrays of shape (n_hours,), optional
        What the whole fleet may give and take, reserve included.
    """

    def __init__(
        self, groups: Groups, price_ticks: Any, claims: Sequence[Claim],
        give_w: Any = None, take_w: Any = None,
    ) -> None:  # fmt: skip
        self.groups, self.claims = groups, claims
        n, hours, n_claims = len(groups.capacity_wh), len(price_ticks), len(claims)
        self._unit_w = max(1.0, float(groups.give_w.max(initial=1.0)))
        self._unit_ticks = float(np.abs(price_ticks).max(initial=1.0))
        sizes = (n * hours, n * hours, n * hours, n * n_claims, n_claims, n_claims)
        ends = np.cumsum((0, *sizes))
        shapes = ((n, hours),) * 3 + ((n, n_claims), (n_claims,), (n_claims,))
        columns = (np.arange(ends[k], ends[k + 1]).reshape(shape) for k, shape in enumerate(shapes))
        self._taken, self._given, self._held, self._part, self._short, self._level = columns
        self._cost, self._upper = np.zeros(ends[-1]), np.full(ends[-1], highspy.kHighsInf)
        self._rows = _Rows()
        self._price(np.asarray(price_ticks, float) / self._unit_ticks)
        self._balance(hours)
        self._power(hours)
        self._energy(hours)
        self._whole(hours, give_w, take_w)
        self._levels()
        self._solver = new_solver()
        self._load()

    @property
    def _span_hours(self) -> Any:
        return np.array([claim.count for claim in self.claims], float)

    def at(self, level_w: Any, short_weight: Any = 1.0) -> Held:
        """Return the best plan that holds so much of each claim.

        Parameters
        ----------
        level_w : float64 array of shape (n_claims,)
        short_weight : float64 array of shape (n_claims,), optional
            How much worse than others' it is to be short of a claim.
        """
        fixed = np.asarray(level_w, float) / self._unit_w
        costs = SHORT_PRICE * self._span_hours * short_weight
        return self._solve(fixed, fixed, np.zeros(len(self.claims)), costs)

    def best(self, most_w: Any, reserve_ticks: Any) -> Held:
        """Return the best plan when reserve may be sold at some prices, up to `most_w` of each claim.

        Its worth is without what the reserve is sold for.
        """
        earned = np.asarray(reserve_ticks, float) / self._unit_ticks * self._span_hours
        none, costs = np.zeros(len(self.claims)), 2 * SHORT_PRICE * self._span_hours + earned
        return self._solve(none, np.asarray(most_w, float) / self._unit_w, -earned, costs)

    def _solve(self, low: Any, high: Any, level_cost: Any, short_cost: Any) -> Held:
        solver, count = self._solver, len(self.claims)
        solver.changeColsBounds(count, self._level.astype(np.int32), low, high)
        places = np.concatenate([self._level, self._short]).astype(np.int32)
        solver.changeColsCost(2 * count, places, np.concatenate([level_cost, short_cost]))
        solver.run()
        if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:  # there is always a solution
            name = solver.modelStatusToString(solver.getModelStatus())
            raise RingmainError("RM783", "reserve", f"HiGHS says {name}", "Report it with the fleet's file")
        solution = solver.getSolution()
        values, duals = np.array(solution.col_value), np.array(solution.col_dual)
        level, short = values[self._level], values[self._short]
        earned = -float(values @ self._cost)
        base = float(self.groups.end_value_ticks @ self.groups.stored_wh)
        marginal = (duals[self._level] - level_cost) / self._span_hours * self._unit_ticks
        return Held(
            earned * self._unit_w * self._unit_ticks - base, level * self._unit_w, marginal,
            np.maximum(short, 0.0) * self._unit_w, values[self._part] * self._unit_w,
        )  # fmt: skip

    def _price(self, prices: Any) -> None:
        groups = self.groups
        self._cost[self._taken] = prices
        self._cost[self._given] = groups.wear_ticks[:, None] / self._unit_ticks - prices
        if prices.size:
            self._cost[self._held[:, -1]] = -groups.end_value_ticks / self._unit_ticks
        for k, claim in enumerate(self.claims):
            wear = groups.wear_ticks if claim.is_up else 0.0
            gain = (claim.activation_ticks - wear) / self._unit_ticks
            self._cost[self._part[:, k]] = -gain * claim.activated_share * claim.count

    def _balance(self, hours: int) -> None:
        """What is held after an hour is what was held before, and what came and went."""
        groups = self.groups
        begin = np.zeros((len(groups.capacity_wh), hours))
        if hours:
            begin[:, 0] = groups.stored_wh / self._unit_w
        row = self._rows.add(begin, begin)
        self._rows.put(row, self._held, 1.0)
        self._rows.put(row[:, 1:], self._held[:, :-1], -1.0)
        self._rows.put(row, self._taken, -groups.into[:, None])
        self._rows.put(row, self._given, 1.0 / groups.out[:, None])
        for k, claim in enumerate(self.claims):
            flow = 1.0 / groups.out if claim.is_up else -groups.into
            for hour in claim.hours:
                self._rows.put(row[:, hour], self._part[:, k], claim.activated_share * flow)

    def _power(self, hours: int) -> None:
        """What is held as reserve is not used for energy."""
        for is_up, moved, most_w in (
            (True, self._given, self.groups.give_w), (False, self._taken, self.groups.take_w),
        ):  # fmt: skip
            self._upper[moved] = most_w / self._unit_w
            for hour in range(hours):
                held = self._claims_in(hour, is_up)
                if held:
                    row = self._rows.add(None, most_w[:, hour] / self._unit_w)
                    self._rows.put(row, moved[:, hour], 1.0)
                    for k in held:
                        self._rows.put(row, self._part[:, k], 1.0)

    def _claims_in(self, hour: int, is_up: bool) -> list[int]:
        return [k for k, claim in enumerate(self.claims) if claim.is_up == is_up and hour in claim.hours]

    def _energy(self, hours: int) -> None:
        """At both ends of each hour the energy is there that may be called on, or the room."""
        groups = self.groups
        capacity, stored = groups.capacity_wh / self._unit_w, groups.stored_wh / self._unit_w
        self._upper[self._held] = capacity[:, None]
        for is_up in (True, False):
            for end in range(hours + 1):
                for held in self._held_at(is_up, end):
                    fixed = end == 0  # what is stored in the beginning is no column
                    if is_up:
                        row = self._rows.add(None, stored if fixed else 0.0 * stored)
                    else:
                        row = self._rows.add(None, capacity - stored if fixed else capacity)
                    if not fixed:
                        self._rows.put(row, self._held[:, end - 1], -1.0 if is_up else 1.0)
                    for k in held:
                        per_w = 1.0 / groups.out if is_up else groups.into
                        self._rows.put(row, self._part[:, k], self.claims[k].activation_hours * per_w)

    def _held_at(self, is_up: bool, end: int) -> set[tuple[int, ...]]:
        """Return the sets of claims that are held together up to the end of an hour, or from it on."""
        sides = (
            tuple(k for k in self._claims_in(hour, is_up) if self.claims[k].activation_hours > 0)
            for hour in (end - 1, end)
        )
        return {side for side in sides if side}

    def _whole(self, hours: int, give_w: Any, take_w: Any) -> None:
        """The whole fleet's limits."""
        for is_up, most_w, out, back in (
            (True, give_w, self._given, self._taken), (False, take_w, self._taken, self._given),
        ):  # fmt: skip
            if most_w is None:
                continue
            for hour in np.flatnonzero(np.isfinite(most_w[:hours])).tolist():
                row = self._rows.add(None, np.array([max(0.0, most_w[hour]) / self._unit_w]))
                self._rows.put(row, out[:, hour], 1.0)
                self._rows.put(row, back[:, hour], -1.0)
                for k in self._claims_in(hour, is_up):
                    self._rows.put(row, self._part[:, k], 1.0)

    def _levels(self) -> None:
        """The groups' parts and what is short add up to the level."""
        none = np.zeros(len(self.claims))
        row = self._rows.add(none, none)
        self._rows.put(row[None, :], self._part, 1.0)
        self._rows.put(row, self._short, 1.0)
        self._rows.put(row, self._level, -1.0)

    def _load(self) -> None:
        model = highspy.HighsLp()
        rows, columns, values, low, high = self._rows.all()
        order = np.lexsort((rows, columns))
        model.num_col_, model.num_row_ = self._cost.size, low.size
        model.col_cost_, model.col_upper_ = self._cost, self._upper
        model.col_lower_ = np.zeros(self._cost.size)
        model.row_lower_, model.row_upper_ = low, high
        model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        starts = np.searchsorted(columns[order], np.arange(self._cost.size + 1))
        model.a_matrix_.start_ = starts.astype(np.int32)
        model.a_matrix_.index_, model.a_matrix_.value_ = rows[order].astype(np.int32), values[order]
        status = self._solver.passModel(model)
        assert status != highspy.HighsStatus.kError, "HiGHS does not take the programme"


class _Rows:
    """Rows of a programme, as they are added."""

    def __init__(self) -> None:
        self._count = 0
        self._entries: list[tuple[Any, Any, Any]] = []
        self._low: list[Any] = []
        self._high: list[Any] = []

    def add(self, low: Any, high: Any) -> Any:
        """Add rows of the shape of `high`, and return their numbers; no lower bound: None."""
        shape = np.shape(high)
        rows = np.arange(self._count, self._count + int(np.prod(shape))).reshape(shape)
        self._count += rows.size
        self._low.append(np.full(rows.size, -highspy.kHighsInf) if low is None else np.ravel(low))
        self._high.append(np.ravel(high))
        return rows

    def put(self, rows: Any, columns: Any, values: Any) -> None:
        """Put values into rows and columns; all three are broadcast."""
        parts = np.broadcast_arrays(rows, columns, np.asarray(values, float))
        self._entries.append((parts[0].ravel(), parts[1].ravel(), parts[2].ravel()))

    def all(self) -> tuple[Any, Any, Any, Any, Any]:
        """Return rows, columns and values of the entries, and the rows' bounds."""
        rows, columns, values = (np.concatenate([entry[k] for entry in self._entries]) for k in range(3))
        is_there = np.abs(values) > 1e-12
        bounds = np.concatenate(self._low), np.concatenate(self._high)
        return rows[is_there], columns[is_there], values[is_there], *bounds
