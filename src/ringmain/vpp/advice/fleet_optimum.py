"""The best plan of a fleet under limits at the nodes of its hierarchy, with a bound that certifies it.

Each node's limit gets a price, by period. At given prices every store has its own best plan
(:mod:`ringmain.vpp.advice.store`), and the sum of their worths bounds what any plan that keeps the limits can
be worth: Lagrangian duality.

The prices are found in sweeps. One store after the other plans anew at a price that rises with how far the
others' plans exceed the limit, so that equal stores spread over equal hours instead of all taking the same
one: block-coordinate steps on the augmented Lagrangian (Hestenes 1969, Powell 1969). The mean price of a
sweep is tried for the bound. A small linear programme mixes all plans seen so far, in groups of stores, so
that the limits are kept. Where sweeps get no further, as in small fleets, its dual values are the next
prices to try, drawn towards the best ones so far: Dantzig-Wolfe decomposition with smoothing (Wentges
1997).

A mix of two plans of a store may buy and sell in one hour; what is returned is the net of it, walked through
the store again, with its true worth.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import highspy
import numpy as np

from ringmain.core.errors import RingmainError
from ringmain.core.solver import new_solver
from ringmain.vpp.advice.fleet_kernels import group_sums, node_prices, node_sums, respond, sweep, walk, worths
from ringmain.vpp.advice.store import GIVE, TAKE, UNLIMITED_WH, rooms

GROUPS = 16
STIFFNESS = 1.0  # by how many highest prices a limit's price rises when it is exceeded by all of it
MOST_SWEEPS = 16
PROGRESS = 0.8  # sweeps go on while two of them bring the gap below so much of it
SMOOTHING = 0.5  # weight of the best prices so far in the next ones
WORKERS = 2
MISS_PRICE = 10.0  # what missing a limit costs, in highest prices
TOLERANCE = 1e-6  # of a limit
UNBOUNDED_WH = 1e18
LEAST_ENTRY = 1e-9  # of the mixing programme; HiGHS takes less for nothing


@dataclass(frozen=True)
class Fleet:
    """What is to be planned, over n_periods.

    Parameters
    ----------
    stores : recarray of shape (n,), STORE_LIMITS
    stored_wh : float64 array of shape (n,)
        When the plan begins.
    node : int64 array of shape (n,)
        Row of each store's node.
    parent : int64 array of shape (n_nodes,)
        Row of each node's parent, which is above it; -1 for row 0, the fleet.
    give_wh, take_wh : float64 arrays of shape (n_nodes, n_periods)
        What may leave each node towards the grid, and what may come from it, in a period; infinite: any.
        Below zero: so much has to go the other way.
    own_limits_wh : float64 array of shape (n, n_periods, 4), or without rows
        Each store's own, as of :func:`ringmain.vpp.advice.store.plan_store`.
    """

    stores: Any
    stored_wh: Any
    node: Any
    parent: Any
    give_wh: Any
    take_wh: Any
    own_limits_wh: Any = field(default_factory=lambda: np.zeros((0, 0, 4)))


@dataclass(frozen=True)
class Missed:
    """A limit that no plan found keeps."""

    node: int
    period: int
    missing_wh: float


@dataclass(frozen=True)
class Optimum:
    """A plan, and how good it is.

    Parameters
    ----------
    given_wh : float64 array of shape (n, n_periods)
        Towards the grid; below zero: taken.
    worth : float
        Of the plan, Wh x ticks: sales less purchases and wear, and what is stored more in the end.
    bound : float
        What no plan can be worth more than.
    limit_prices : float64 array of shape (n_nodes, n_periods)
        What a Wh more that may be given would add, ticks; below zero: a Wh more that may be taken.
    missed : tuple of Missed
        Limits that are not kept.
    rounds : int
    """

    given_wh: Any
    worth: float
    bound: float
    limit_prices: Any
    missed: tuple[Missed, ...]
    rounds: int

    @property
    def gap(self) -> float:
        """How far the plan can be from the best, as a share of the bound."""
        return max(0.0, self.bound - self.worth) / max(abs(self.bound), 1e-9)


def optimise(fleet: Fleet, price_ticks: Any, gap: float = 1e-4, most_rounds: int = 120) -> Optimum:
    """Plan a fleet.

    Parameters
    ----------
    price_ticks : float64 array of shape (n_periods,)
    gap : float
        Good enough.
    most_rounds : int
        Prices to ask the whole fleet about at most.
    """
    with ThreadPoolExecutor(WORKERS) as workers:
        search = _Search(fleet, np.ascontiguousarray(price_ticks, np.float64), workers)
        search.run(gap, most_rounds)
    return search.optimum()


@dataclass(frozen=True)
class _Column:
    """Plans of the whole fleet."""

    given_wh: Any  # float32 (n, n_periods)
    worth: Any  # (n_groups,)


@dataclass
class _Search:
    """The rounds of prices and answers."""

    fleet: Fleet
    price_ticks: Any
    workers: ThreadPoolExecutor
    columns: list[_Column] = field(default_factory=list)
    rounds: int = 0

    def __post_init__(self) -> None:
        fleet, n, n_periods = self.fleet, len(self.fleet.stores), self.price_ticks.size
        beneath = np.bincount(fleet.node, minlength=fleet.parent.size)
        add_up(fleet.parent, beneath)
        order = np.argsort(fleet.node, kind="stable")
        self.n_groups = max(1, min(GROUPS, n))
        self.group = np.empty(n, np.int64)
        self.group[order] = np.arange(n) * self.n_groups // max(n, 1)
        self.own_limits_wh = self._own_limits(beneath)
        self.coupled = self._coupled(beneath)
        self.broken = np.zeros(fleet.parent.size, np.bool_)
        self.best_prices = np.zeros((fleet.parent.size, n_periods))
        self.bound, self.mixed, self.weights = np.inf, -np.inf, np.zeros((0, self.n_groups))
        self.duals = self.best_prices
        self.master = _Master(self)

    def _own_limits(self, beneath: Any) -> Any:
        """Return limits by period of each store, those of a node that it is alone at among them.

        Returns
        -------
        float64 array of shape (n, n_periods, 4), or without rows if no store has any
        """
        fleet = self.fleet
        alone = beneath[fleet.node] == 1
        bounded = np.isfinite(fleet.give_wh) | np.isfinite(fleet.take_wh)
        alone &= bounded.any(axis=1)[fleet.node]
        if not alone.any():
            return fleet.own_limits_wh
        limits = np.empty((len(fleet.stores), self.price_ticks.size, 4))
        limits[:] = fleet.own_limits_wh if len(fleet.own_limits_wh) else UNLIMITED_WH
        for place, node_wh in ((GIVE, fleet.give_wh), (TAKE, fleet.take_wh)):
            least = np.minimum(limits[alone, :, place], np.maximum(node_wh[fleet.node[alone]], 0))
            limits[alone, :, place] = least
        return limits

    def _coupled(self, beneath: Any) -> Any:
        """Return whether several stores together can break a node's limit, or it is forced: (n_nodes,)."""
        fleet, stores = self.fleet, self.fleet.stores
        powers = (
            stores.discharge_wh * stores.discharge_efficiency,
            stores.charge_wh / stores.charge_efficiency,
        )
        out_wh, in_wh = (np.bincount(fleet.node, power, fleet.parent.size) for power in powers)
        add_up(fleet.parent, out_wh)
        add_up(fleet.parent, in_wh)
        exceeds = (fleet.give_wh < out_wh[:, None]) | (fleet.take_wh < in_wh[:, None])
        forced = (fleet.give_wh < 0) | (fleet.take_wh < 0)
        return (exceeds.any(axis=1) & (beneath > 1)) | forced.any(axis=1)

    def run(self, gap: float, most_rounds: int) -> None:
        """Ask for answers until the gap is small enough."""
        self.ask(self.best_prices)
        if not self.mix_again(gap):
            self._sweep_on(gap)
        while not self.is_close(gap) and self.rounds < most_rounds:
            self.ask(SMOOTHING * self.best_prices + (1 - SMOOTHING) * self.duals)
            self.mix_again(gap)

    def _sweep_on(self, gap: float) -> None:
        """Sweep while it brings the gap down."""
        sweeps, gaps = _Sweeps(self), [np.inf, np.inf]
        for _ in range(MOST_SWEEPS):
            self.ask(sweeps.sweep())
            self.keep(sweeps.given_wh.astype(np.float32))
            if self.mix_again(gap):
                return
            gaps.append(self.bound - self.mixed)
            if gaps[-1] > PROGRESS * gaps[-3]:
                return

    def is_close(self, gap: float) -> bool:
        """Tell whether the mix is good enough."""
        return self.bound - self.mixed <= gap * abs(self.bound)

    def mix_again(self, gap: float) -> bool:
        """Mix all columns anew, and tell whether that is good enough."""
        self.mixed, self.weights, self.duals = self.master.solve()
        return self.is_close(gap)

    def ask(self, limit_prices: Any) -> None:
        """Have every store answer to the prices of limits; keep the answers and what they bound."""
        fleet, n, n_periods = self.fleet, len(self.fleet.stores), self.price_ticks.size
        prices = node_prices(fleet.parent, self.price_ticks, limit_prices)
        given_wh, bounds = np.empty((n, n_periods), np.float32), np.zeros(n)
        cuts = np.linspace(0, n, WORKERS + 1).astype(np.int64).tolist()
        parts = [
            self.workers.submit(
                respond, fleet.stores, fleet.stored_wh, fleet.node, self.own_limits_wh, prices,
                rooms(n_periods), begin, end, given_wh, bounds,
            )
            for begin, end in pairwise(cuts)
        ]  # fmt: skip
        for part in parts:
            part.result()
        above, below = np.maximum(limit_prices, 0), np.maximum(-limit_prices, 0)
        bound = float(bounds.sum()) + _priced(above, fleet.give_wh) + _priced(below, fleet.take_wh)
        if bound < self.bound:
            self.bound, self.best_prices = bound, limit_prices
        self.keep(given_wh)
        self.rounds += 1

    def keep(self, given_wh: Any) -> None:
        """Keep plans to mix; a limit that none of them breaks needs no row in the mixing programme."""
        worth = np.zeros(len(self.fleet.stores))
        fleet = self.fleet
        worths(fleet.stores, fleet.stored_wh, self.own_limits_wh, self.price_ticks, given_wh, worth)
        column = _Column(given_wh, np.bincount(self.group, worth, self.n_groups))
        self.columns.append(column)
        broken = self.broken | (self.coupled & (self.misses(given_wh).max(axis=1, initial=0.0) > 0))
        if (broken == self.broken).all():
            self.master.add(column)
            return
        self.broken = broken
        self.master = _Master(self)
        for kept in self.columns:
            self.master.add(kept)

    def mix(self) -> Any:
        """Return the plans that the weights make of the answers, float64 array of shape (n, n_periods)."""
        given_wh = np.zeros((len(self.fleet.stores), self.price_ticks.size))
        for column, weights in zip(self.columns, self.weights, strict=True):
            if weights.any():
                given_wh += weights[self.group][:, None] * column.given_wh
        return given_wh

    def misses(self, given_wh: Any) -> Any:
        """Return by how much each limit is broken, float64 array of shape (n_nodes, n_periods)."""
        fleet = self.fleet
        sums = node_sums(fleet.node, fleet.parent, given_wh)
        misses = np.maximum(sums - fleet.give_wh, -fleet.take_wh - sums)
        finite = (np.where(np.isfinite(limit), np.abs(limit), 0) for limit in (fleet.give_wh, fleet.take_wh))
        return np.where(misses > TOLERANCE * np.maximum(*finite) + 1e-3, misses, 0.0)

    def optimum(self) -> Optimum:
        """Return the mix as each store runs it, and what of the limits it misses."""
        given_wh, worth, fleet = self.mix(), np.zeros(len(self.fleet.stores)), self.fleet
        walk(fleet.stores, fleet.stored_wh, self.own_limits_wh, self.price_ticks, given_wh, worth)
        misses = self.misses(given_wh)
        missed = tuple(
            Missed(node, period, float(misses[node, period]))
            for node, period in zip(*(places.tolist() for places in np.nonzero(misses)), strict=True)
        )
        bound = max(self.bound, float(worth.sum())) if missed else self.bound
        return Optimum(given_wh, float(worth.sum()), bound, self.best_prices, missed, self.rounds)


class _Sweeps:
    """Plans that are made one after the other, in an order that is drawn anew for each sweep."""

    def __init__(self, search: _Search) -> None:
        fleet, shape = search.fleet, search.best_prices.shape
        self._search, self._dice = search, np.random.default_rng(0)
        self.given_wh = np.zeros((len(fleet.stores), shape[1]))
        self._sums, self._prices, self._count = np.zeros(shape), np.zeros(shape), 0
        limits = np.stack(
            [np.where(np.isfinite(wh), np.abs(wh), np.nan) for wh in (fleet.give_wh, fleet.take_wh)]
        )
        known = np.where(np.isnan(limits), 0.0, limits).sum(axis=(0, 2))
        size_wh = known / np.maximum((~np.isnan(limits)).sum(axis=(0, 2)), 1)
        steep = STIFFNESS * float(np.abs(search.price_ticks).max(initial=1.0))
        self._stiffness = np.where(search.coupled, steep / np.maximum(size_wh, 1e-6), 0.0)

    def sweep(self) -> Any:
        """Have every store plan anew, and return the mean prices of limits, (n_nodes, n_periods)."""
        search, fleet = self._search, self._search.fleet
        mean, n_periods = np.zeros_like(self._prices), search.price_ticks.size
        sweep(
            fleet.stores, fleet.stored_wh, fleet.node, fleet.parent, search.own_limits_wh, search.price_ticks,
            self._dice.permutation(len(fleet.stores)), self._prices, self._stiffness, fleet.give_wh,
            fleet.take_wh, self._sums, self.given_wh, rooms(n_periods), np.zeros((2, n_periods)), mean,
        )  # fmt: skip
        beneath = np.bincount(fleet.node, minlength=fleet.parent.size)
        add_up(fleet.parent, beneath)
        mean /= np.maximum(beneath, 1)[:, None]
        rise = self._stiffness[:, None]
        give_wh, take_wh = (np.minimum(wh, UNBOUNDED_WH) for wh in (fleet.give_wh, fleet.take_wh))
        above = np.maximum(0, self._prices + rise * (self._sums - give_wh))
        below = np.maximum(0, rise * (-take_wh - self._sums) - self._prices)
        stepped = np.where(rise > 0, above - below, 0.0)
        self._prices = mean if self._count < 2 else (mean + stepped) / 2
        self._count += 1
        return mean


class _Master:
    """The linear programme that mixes plans, one convex mix for each group of stores.

    Energies are counted in limits of their node, and worth in highest prices of the largest limit: as they
    are, the solver would find them badly scaled.
    """

    def __init__(self, search: _Search) -> None:
        self._search, self._count = search, 0
        self._nodes, self._n_periods = np.flatnonzero(search.broken), search.price_ticks.size
        fleet = search.fleet
        give, take = fleet.give_wh[self._nodes], fleet.take_wh[self._nodes]
        sizes = [np.where(np.isfinite(wh), np.abs(wh), 0.0).max(axis=1, initial=1.0) for wh in (give, take)]
        self._unit_wh = np.maximum(*sizes)
        self._unit_worth = float(np.abs(search.price_ticks).max(initial=1.0)) * self._unit_wh.max(initial=1.0)
        self._solver = new_solver()
        most, least = give / self._unit_wh[:, None], -take / self._unit_wh[:, None]
        for low, high in zip(np.minimum(least, most).ravel(), np.maximum(most, least).ravel(), strict=True):
            self._solver.addRow(low, high, 0, [], [])
        for _ in range(search.n_groups):
            self._solver.addRow(1.0, 1.0, 0, [], [])
        miss_price = MISS_PRICE * np.repeat(self._unit_wh, self._n_periods) / self._unit_wh.max(initial=1.0)
        for row, price in enumerate(miss_price.tolist()):
            for sign in (-1.0, 1.0):
                self._solver.addCol(price, 0.0, highspy.kHighsInf, 1, [row], [sign])

    def add(self, column: _Column) -> None:
        """Add plans of the whole fleet, a column a group."""
        search, fleet, n_rows = self._search, self._search.fleet, self._nodes.size * self._n_periods
        sums = group_sums(
            fleet.node, fleet.parent, search.group, search.n_groups, self._nodes, column.given_wh
        )
        sums = (sums / self._unit_wh[:, None]).reshape(search.n_groups, n_rows)
        for group in range(search.n_groups):
            rows = np.flatnonzero(np.abs(sums[group]) > LEAST_ENTRY)
            places = np.append(rows, n_rows + group).astype(np.int32)
            values = np.append(sums[group, rows], 1.0)
            worth = column.worth[group] / self._unit_worth
            self._solver.addCol(-worth, 0.0, highspy.kHighsInf, places.size, places, values)
        self._count += 1

    def solve(self) -> tuple[float, Any, Any]:
        """Return the mix's worth less the price of misses, the weights, and the limits' next prices."""
        self._solver.run()
        status = self._solver.getModelStatus()
        if status != highspy.HighsModelStatus.kOptimal:  # it can't: limits may be missed, at a price
            name = self._solver.modelStatusToString(status)
            raise RingmainError("RM782", "plan", f"HiGHS says {name}", "Report it with the fleet's file")
        solution, n_rows = self._solver.getSolution(), self._nodes.size * self._n_periods
        weights = np.array(solution.col_value)[2 * n_rows :].reshape(self._count, -1)
        duals = np.zeros_like(self._search.best_prices)
        scaled = -np.array(solution.row_dual)[:n_rows].reshape(-1, self._n_periods)
        duals[self._nodes] = scaled * self._unit_worth / self._unit_wh[:, None]
        worth = -self._solver.getInfo().objective_function_value * self._unit_worth
        return worth, weights, duals


def _priced(prices: Any, limits_wh: Any) -> float:
    """Return what limits cost at their prices; a limit that is infinite has none."""
    return float((prices * np.where(prices > 0, limits_wh, 0.0)).sum())


def add_up(parent: Any, sums: Any) -> None:
    """Add each node's sum to those above it, in place."""
    for node in range(parent.size - 1, 0, -1):
        sums[parent[node]] += sums[node]
