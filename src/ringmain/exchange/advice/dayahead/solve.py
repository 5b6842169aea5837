"""The auction solved: the largest welfare that one price for each zone and period can carry.

1. The master programme gives a bound, and blocks that would be best if prices did not have to be.
2. With these blocks, prices are sought that put no accepted block out of the money. Blocks that
   lose at any prices (paradoxically accepted) are forbidden, the worst first, and the master solved
   again, until none is left.
3. What was rejected though in the money is tried once more, block by block.

The gap is between what was found and the bound of step 1, which knows nothing of prices: the real
one is smaller. With few blocks every choice is excluded in turn instead of forbidding, so that the
first one with prices is the best there is.
"""

import math
import time
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np

from ringmain.core.errors import RingmainError
from ringmain.exchange.advice.dayahead.book import NO_BLOCK, NO_GROUP, RATIO_ONE, Book, Integers
from ringmain.exchange.advice.dayahead.curves import Stair, stairs_of
from ringmain.exchange.advice.dayahead.dispatch import Dispatch, Period
from ringmain.exchange.advice.dayahead.master import Master
from ringmain.exchange.advice.dayahead.pricing import find_prices

EXACT_BLOCKS = 14  # up to so many, choices are excluded one by one
STALLED_ROUNDS = 6  # rounds without a better result, after which no more blocks are forbidden
ROUNDING = 0.01  # ticks x lots that HiGHS may be off
TIME_LIMIT_S, GAP = 60.0, 1e-5


@dataclass(frozen=True)
class Solution:
    """A result that keeps every rule of the auction.

    Parameters
    ----------
    prices : int64 array of shape (zone_count, period_count)
    ratios : int64 array of shape (block_count,)
        In billionths.
    flows : int64 array of shape (line_count, period_count)
    curve_lots : int64 array of shape (zone_count, period_count)
        What curves buy, net.
    welfare, bound : int
        Ticks x lots; no result has more welfare than the bound.
    paradoxes : int
        Blocks in the money that are rejected.
    """

    prices: Integers
    ratios: Integers
    flows: Integers
    curve_lots: Integers
    welfare: int
    bound: int = 0
    paradoxes: int = 0
    iterations: int = 0
    seconds: float = 0.0
    phases_s: dict[str, float] = field(default_factory=dict)

    @property
    def gap(self) -> float:
        """How far the welfare is from the bound, as a part of it."""
        return max(self.bound - self.welfare, 0) / max(abs(self.bound), 1)


def solve(book: Book, time_limit_s: float = TIME_LIMIT_S, gap: float = GAP) -> Solution:
    """Return the best result found within the time; it is there from the beginning, if only of curves.

    Parameters
    ----------
    time_limit_s : float
        Wall time; a step that has begun may end a little later.
    gap : float
        Good enough: stop there.
    """
    return _Search(book, time_limit_s, gap).run()


class _Search:
    """One auction's search."""

    def __init__(self, book: Book, time_limit_s: float, gap: float) -> None:
        self.book, self.gap = book, gap
        self._began = time.perf_counter()
        self._end = self._began + time_limit_s
        self._limit_s = time_limit_s
        self._phases: dict[str, float] = {}
        self.stairs: list[list[Stair]] = stairs_of(book)
        self.dispatch = Dispatch(book, self.stairs)
        self.iterations = 0
        nothing = np.zeros(len(book.blocks), np.int64)
        found, _ = self._result(nothing)
        if found is None:
            raise RingmainError(
                "RM627",
                "dayahead",
                "the solver finds no flows for curves alone",
                "Keep the book, and report it",
            )
        self.best: Solution = found
        self.bound = float("inf")
        self._note("curves")

    def run(self) -> Solution:
        master = Master(self.book, self.stairs)
        self.bound = master.relax(self._left_s())
        self._note("relaxation")
        if self.book.blocks:
            if len(self.book.blocks) <= EXACT_BLOCKS:
                self._exclude(master)
            else:
                self._forbid(master)
                self._note("blocks")
                self._reinsert()
                self._note("reinsertion")
        bound = max(round(min(self.bound, 9e18)), self.best.welfare)
        found = self.best
        return Solution(
            found.prices, found.ratios, found.flows, found.curve_lots, found.welfare, bound,
            self._count_paradoxes(), self.iterations, time.perf_counter() - self._began, self._phases,
        )  # fmt: skip

    # Steps.

    def _exclude(self, master: Master) -> None:
        """Take the master's choices in falling welfare, until one has prices."""
        while not self._is_done():
            ratios, bound = self._choice(master)
            if ratios is None:
                self.bound = self.best.welfare  # every choice has been seen
                return
            whole = float(math.floor(bound + ROUNDING))  # welfare is a whole number
            self.bound = min(self.bound, max(whole, self.best.welfare))
            if whole <= self.best.welfare:
                return
            ratios = master.settle(ratios, self._left_s())
            self._try(ratios)
            master.exclude(ratios)

    def _forbid(self, master: Master) -> None:
        """Forbid blocks that lose, until none does."""
        forbidden: set[int] = set()
        stalled, best = 0, self.best.welfare
        for round_number in count():
            ratios, bound = self._choice(master)
            if round_number == 0:
                self.bound = min(self.bound, bound)
            if ratios is None:
                return
            ratios = master.settle(ratios, self._left_s())
            losses = self._try(ratios)
            if not losses:
                return
            self._drop(ratios, losses)
            stalled, best = (0 if self.best.welfare > best else stalled + 1), self.best.welfare
            if self._is_done() or stalled == STALLED_ROUNDS:
                return
            forbidden |= self._worst(losses)
            master.forbid(forbidden)

    def _choice(self, master: Master) -> tuple[Integers | None, float]:
        """Return the master's best blocks; as it is cut to size by them, until both agree."""
        self.iterations += 1
        goal = self.gap * abs(self.best.welfare) / 4
        return master.solve(max(self._left_s() * 0.25, 0.1), goal)

    def _drop(self, ratios: Integers, losses: dict[int, int]) -> None:
        """Reject the blocks that lose from this choice, without choosing anew: quick, and often good."""
        ratios = ratios.copy()
        while losses and time.perf_counter() < self._end:
            for place in self._worst(losses):
                ratios[self.book.descendants[place]] = 0
            losses = self._try(ratios)

    def _worst(self, losses: dict[int, int]) -> set[int]:
        """Return the blocks with the larger losses, at least one: prices move when they go."""
        most = max(losses.values())
        return {place for place, loss in losses.items() if 2 * loss >= most}

    def _reinsert(self) -> None:
        """Try to accept blocks that are rejected though in the money, the richest first."""
        is_better = True
        while is_better and not self._is_done():
            is_better = False
            for place in self._in_the_money():
                if self._is_done():
                    return
                ratios = self._with_block(place)
                if ratios is not None and self._would_gain(ratios):
                    before = self.best.welfare
                    self._try(ratios)
                    is_better = is_better or self.best.welfare > before

    def _with_block(self, place: int) -> Integers | None:
        """Return the best choice with one more block, in the place of its group's; None if it may not be."""
        block = self.book.blocks[place]
        if block.parent != NO_BLOCK and self.best.ratios[block.parent] != RATIO_ONE:
            return None
        ratios = self.best.ratios.copy()
        if block.group != NO_GROUP:
            for other, rival in enumerate(self.book.blocks):
                if rival.group == block.group:
                    ratios[self.book.descendants[other]] = 0
        ratios[place] = RATIO_ONE
        return ratios

    def _would_gain(self, ratios: Integers) -> bool:
        periods = self.dispatch.solve(self.book.block_net(ratios))
        return periods is not None and self._welfare(ratios, periods) > self.best.welfare

    # Results.

    def _try(self, ratios: Integers) -> dict[int, int]:
        """Keep the choice if it has prices and is better; return the blocks that lose."""
        found, losses = self._result(ratios)
        if found is not None and found.welfare > self.best.welfare:
            self.best = found
        return losses

    def _result(self, ratios: Integers) -> tuple[Solution | None, dict[int, int]]:
        periods = self.dispatch.solve(self.book.block_net(ratios))
        if periods is None:  # rounding has left no balance: the largest partial block goes
            partial = dict.fromkeys(np.flatnonzero((ratios > 0) & (ratios < RATIO_ONE)).tolist(), 1)
            return None, partial or dict.fromkeys(np.flatnonzero(ratios).tolist(), 1)
        priced = find_prices(self.book, ratios, periods)
        if priced.losses:
            return None, priced.losses
        solution = Solution(
            priced.prices,
            ratios.copy(),
            np.array([p.flow_lots for p in periods], np.int64).T.reshape(
                len(self.book.lines), self.book.period_count
            ),
            np.array([p.curve_lots for p in periods], np.int64).T,
            self._welfare(ratios, periods),
        )
        return solution, {}

    def _welfare(self, ratios: Integers, periods: list[Period]) -> int:
        return sum(period.welfare for period in periods) + self.book.block_value(ratios)

    def _surpluses(self) -> dict[int, int]:
        """Return what rejected blocks would earn at the best prices, accepted whole; where above 0."""
        found: dict[int, int] = {}
        for place in np.flatnonzero(self.best.ratios == 0).tolist():
            block = self.book.blocks[place]
            prices = self.best.prices[block.zone, block.periods]
            surplus = int((block.lots * (block.price_ticks - prices)).sum())
            if surplus > 0:
                found[place] = surplus
        return found

    def _in_the_money(self) -> list[int]:
        surpluses = self._surpluses()
        return sorted(surpluses, key=lambda place: -surpluses[place])

    def _count_paradoxes(self) -> int:
        return len(self._surpluses())

    # Time.

    def _left_s(self) -> float:
        return max(self._end - time.perf_counter(), 0.01)

    def _is_done(self) -> bool:
        if time.perf_counter() >= self._end:
            return True
        return self.bound - self.best.welfare <= self.gap * max(abs(self.bound), 1)

    def _note(self, phase: str) -> None:
        spent: Any = time.perf_counter() - self._began - sum(self._phases.values())
        self._phases[phase] = spent
