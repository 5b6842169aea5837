"""A market's curves as one: what welfare they have at each quantity, and between which prices it lies.

All bids and offers of a zone and period are merged into one falling stair. At its left end every
offer is accepted and no bid; each step to the right accepts a bid, or takes an offer back, for its
price. So the welfare is a concave function of the net quantity, and its slope is the price.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ringmain.exchange.advice.dayahead.book import Book, Integers


@dataclass(frozen=True)
class Stair:
    """The merged curve of one market.

    Parameters
    ----------
    price_ticks : int64 array of shape (n,)
        Of each step, falling.
    quantity_lots : int64 array of shape (n + 1,)
        Net quantity bought, at the left end of each step and at the right end of the last.
    welfare : int64 array of shape (n + 1,)
        In ticks x lots, at the same places.
    """

    price_ticks: Integers
    quantity_lots: Integers
    welfare: Integers
    price_min_ticks: int
    price_max_ticks: int

    @property
    def lowest_lots(self) -> int:
        """Net quantity where everything offered is sold."""
        return int(self.quantity_lots[0])

    @property
    def highest_lots(self) -> int:
        """Net quantity where everything bid for is bought."""
        return int(self.quantity_lots[-1])

    def step_at(self, quantity_lots: float) -> int:
        """Return the step that holds a quantity; at a border, the one to the left."""
        place = int(np.searchsorted(self.quantity_lots, quantity_lots, "left")) - 1
        return min(max(place, 0), self.price_ticks.size - 1)

    def value(self, quantity_lots: float) -> float:
        """Return the welfare at a quantity, in ticks x lots."""
        if self.price_ticks.size == 0:
            return 0.0
        step = self.step_at(quantity_lots)
        beyond = quantity_lots - int(self.quantity_lots[step])
        return int(self.welfare[step]) + beyond * int(self.price_ticks[step])

    def price_range(self, quantity_lots: int) -> tuple[int, int]:
        """Return the lowest and the highest price at which this quantity, a whole number, is bought."""
        right = int(np.searchsorted(self.quantity_lots, quantity_lots, "right")) - 1  # step to the right
        left = int(np.searchsorted(self.quantity_lots, quantity_lots, "left")) - 1
        low = self.price_min_ticks if right >= self.price_ticks.size else int(self.price_ticks[right])
        high = self.price_max_ticks if left < 0 else int(self.price_ticks[left])
        return low, high


def stairs_of(book: Book) -> list[list[Stair]]:
    """Return the merged curve of each market, by zone and period."""
    order = np.lexsort((book.segments["period"], book.segments["zone"]))
    segments = book.segments[order]
    market = segments["zone"].astype(np.int64) * book.period_count + segments["period"]
    bounds = np.searchsorted(market, np.arange(book.zone_count * book.period_count + 1))
    stairs = [
        _stair(segments[bounds[n] : bounds[n + 1]], book) for n in range(book.zone_count * book.period_count)
    ]
    return [stairs[n : n + book.period_count] for n in range(0, len(stairs), book.period_count)]


def _stair(segments: Any, book: Book) -> Stair:
    prices, lots = _steps(segments)
    price_ticks, place = np.unique(-prices, return_inverse=True)
    price_ticks = -price_ticks
    bids, offers = np.zeros(price_ticks.size, np.int64), np.zeros(price_ticks.size, np.int64)
    np.add.at(bids, place, np.maximum(lots, 0))
    np.add.at(offers, place, np.maximum(-lots, 0))
    size = bids + offers
    quantity = np.concatenate([[0], np.cumsum(size)]) - int(offers.sum())
    welfare = np.concatenate([[0], np.cumsum(size * price_ticks)]) - int((offers * price_ticks).sum())
    return Stair(price_ticks, quantity, welfare, book.price_min_ticks, book.price_max_ticks)


def _steps(segments: Any) -> tuple[Integers, Integers]:
    """Return price and lots of every step, a sloping segment as its stair of one tick."""
    level = segments["begin_ticks"] == segments["end_ticks"]
    prices, lots = [segments["begin_ticks"][level]], [segments["lots"][level]]
    for segment in segments[~level]:
        price, part = _slope(int(segment["begin_ticks"]), int(segment["end_ticks"]), int(segment["lots"]))
        prices.append(price)
        lots.append(part)
    return np.concatenate(prices), np.concatenate(lots)


def _slope(begin_ticks: int, end_ticks: int, lots: int) -> tuple[Integers, Integers]:
    """Return the stair of a sloping segment: what each tick adds, as the engine counts it."""
    way = abs(end_ticks - begin_ticks)
    if way <= abs(lots):
        gone = np.arange(1, way + 1, dtype=np.int64)
        reached = abs(lots) * gone // way
    else:  # fewer lots than ticks: each lot at the first tick that reaches it
        reached = np.arange(1, abs(lots) + 1, dtype=np.int64)
        gone = -(-reached * way // abs(lots))
    part = np.diff(reached, prepend=0)
    sign = 1 if lots > 0 else -1
    return begin_ticks - sign * gone, sign * part
