"""The day-ahead bid as a choice: profiles of the day, of which the auction takes the best at its prices.

Each profile is the fleet's best plan for one course that the prices may take, in whole lots: a block of what
it buys, and hanging on it a block of what it sells. All are of one exclusive group. A block's limit is what
its energy is worth to the stores when the day ends (a purchase), or costs them (a sale, wear included): so
what the auction finds each profile to be worth is what the fleet does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from ringmain.vpp.advice.bidding import Order
from ringmain.vpp.advice.profiles import PROFILES, choose_profiles
from ringmain.vpp.block_messages import ExtendBlockBid, SubmitBlockBid
from ringmain.vpp.messages import BUY, SELL


@dataclass(frozen=True)
class Limits:
    """What bought energy is worth to the fleet, and what sold energy costs it, ticks."""

    buy_ticks: float
    sell_ticks: float


@dataclass(frozen=True)
class Profile:
    """A day's trades in one piece.

    Parameters
    ----------
    lots : int64 array of shape (n_products,)
        Of products in line; above zero: sold.
    """

    lots: Any

    def sides(self) -> list[tuple[int, Any]]:
        """Return its purchases and its sales, each with their lots by product; only what there is."""
        parts = ((BUY, np.maximum(-self.lots, 0)), (SELL, np.maximum(self.lots, 0)))
        return [(side, lots) for side, lots in parts if lots.any()]


def profile_of(orders: Sequence[Order], product_ids: Sequence[int]) -> Profile:
    """Return the trades that a plan asks for, by product."""
    lots = dict.fromkeys(product_ids, 0)
    for order in orders:
        lots[order.product_id] = order.quantity_lots if order.side == SELL else -order.quantity_lots
    return Profile(np.array(list(lots.values()), np.int64))


def limits_of(fleet: Any, end_value_ticks: Any) -> Limits:
    """Return the limits of a fleet's trades, in the mean over its batteries by their power.

    Parameters
    ----------
    fleet : recarray of shape (n,), ASSET
        At least one.
    end_value_ticks : float64 array of shape (n,)
        What a stored Wh is worth when the day ends.
    """
    power_w = np.maximum(fleet.discharge_limit_w + fleet.charge_limit_w, 1)
    bought = end_value_ticks * fleet.charge_efficiency_permille / 1_000
    sold = end_value_ticks / (fleet.discharge_efficiency_permille / 1_000) + fleet.wear_price_ticks
    return Limits(float(np.average(bought, weights=power_w)), float(np.average(sold, weights=power_w)))


def choose(
    candidates: Sequence[Profile], scenarios_ticks: Any, limits: Limits, most: int = PROFILES
) -> list[Profile]:
    """Return the profiles to offer, without twins, the one that is best in the mean first.

    Parameters
    ----------
    scenarios_ticks : float64 array of shape (n_scenarios, n_products)
        Courses of the prices, equally likely.
    """
    distinct = list(
        {profile.lots.tobytes(): profile for profile in candidates if profile.lots.any()}.values()
    )
    if not distinct:
        return []
    lots = np.array([profile.lots for profile in distinct], float)
    fixed = (
        np.maximum(-lots, 0).sum(axis=1) * limits.buy_ticks
        - np.maximum(lots, 0).sum(axis=1) * limits.sell_ticks
    )
    return [distinct[place] for place in choose_profiles(lots, scenarios_ticks, most, fixed)]


@dataclass(frozen=True)
class BlockOrder:
    """A block bid to make: what :class:`SubmitBlockBid` says, and its runs as (products, lots)."""

    bid_id: int
    parent_bid_id: int
    first_product_id: int
    price_ticks: int
    side: int
    runs: tuple[tuple[int, int], ...]

    @property
    def most_lots(self) -> int:
        """The most of one product."""
        return max(lots for _, lots in self.runs)

    @property
    def product_ids(self) -> range:
        """The products that it spans."""
        return range(self.first_product_id, self.first_product_id + sum(periods for periods, _ in self.runs))

    def commands(self, exclusive_group: int) -> list[Any]:
        """Return the SubmitBlockBid and its ExtendBlockBids; a child is of no group."""
        (periods, lots), *others = self.runs
        begin = SubmitBlockBid(
            bid_id=self.bid_id, first_product_id=self.first_product_id, price_ticks=self.price_ticks,
            quantity_lots=lots, parent_bid_id=self.parent_bid_id,
            exclusive_group=0 if self.parent_bid_id else exclusive_group,
            period_count=len(self.product_ids), run_periods=periods, side=self.side,
        )  # fmt: skip
        return [begin] + [
            ExtendBlockBid(bid_id=self.bid_id, quantity_lots=lots, run_periods=periods)
            for periods, lots in others
        ]


def block_orders(
    profiles: Sequence[Profile], limits: Limits, first_product_id: int, known_ids: Sequence[int], next_id: int
) -> list[BlockOrder]:
    """Return the block bids of the profiles, parents before their children, all that there are to be.

    Parameters
    ----------
    known_ids : sequence of int
        Bids of the first of them, which have been made already.
    next_id : int
        The id of the first that has not.
    """
    made: list[BlockOrder] = []
    for profile in profiles:
        parent_id = 0
        for side, lots in profile.sides():
            place = len(made)
            bid_id = known_ids[place] if place < len(known_ids) else next_id + place - len(known_ids)
            ticks = limits.buy_ticks if side == BUY else limits.sell_ticks
            made.append(block_order(bid_id, parent_id, first_product_id, round(ticks), side, lots))
            parent_id = bid_id
    return made


def block_order(
    bid_id: int, parent_bid_id: int, first_product_id: int, ticks: int, side: int, lots: Any
) -> BlockOrder:
    """Return a block of what is traded on one side, from the first product with any to the last."""
    traded = np.flatnonzero(lots)
    span = lots[traded[0] : traded[-1] + 1].tolist()
    runs = tuple((len(list(equal)), value) for value, equal in groupby(span))
    return BlockOrder(bid_id, parent_bid_id, first_product_id + int(traded[0]), ticks, side, runs)
