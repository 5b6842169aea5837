"""Seeded traders: pure functions of their seed, the step and what they see, yielding exchange commands.

Each knows a fair price of its own, near the one that the world has in mind. In the call before an
auction suppliers offer and consumers bid along ladders around it; afterwards market makers quote both
sides, noise takers hit what is there, and trend followers run behind the last trades.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ringmain.exchange.messages import (
    BUY,
    GOOD_FOR_SESSION,
    IOC,
    LIMIT,
    SELL,
    MassCancel,
    PlaceOrder,
    schema,
)

WAVES = 4  # of which a fair price's path is made
WAVE_STEPS = (40.0, 400.0)  # shortest and longest wave, in steps
PRICE_TICKS_MAX = 400_000


@dataclass(frozen=True)
class View:
    """What a trader sees at a step.

    Parameters
    ----------
    step : int
        Number of the step, rising through the day.
    call_ids, open_ids : sequences of int
        Products in the call before their auction where it has no orders, and those in continuous trading.
    fair_ticks : dict
        What the world holds for fair, by product.
    anchor_ticks : dict
        Price at which the auction cleared, by product.
    last_ticks : dict
        Price of the last trade, by product.
    is_last_call : bool
        Whether auction orders are to be sent now, where there are none.
    """

    step: int
    call_ids: Sequence[int] = ()
    open_ids: Sequence[int] = ()
    fair_ticks: dict[int, int] = field(default_factory=dict)
    anchor_ticks: dict[int, int] = field(default_factory=dict)
    last_ticks: dict[int, int] = field(default_factory=dict)
    is_last_call: bool = False


class Trader(Protocol):
    """One participant."""

    @property
    def name(self) -> str:
        """What it is called."""

    def act(self, seed: int, view: View) -> Any:
        """Return the commands that it sends at this step, of shape (n,), maybe empty."""


def fair_ticks(seed: int, product_id: int, price_ticks: int, step: int) -> int:
    """Return a product's fair price at a step: a path of waves around the real price."""
    dice = np.random.default_rng([seed, product_id, 11])
    phases = dice.uniform(0, 2 * np.pi, WAVES)
    lengths = np.exp(dice.uniform(np.log(WAVE_STEPS[0]), np.log(WAVE_STEPS[1]), WAVES))
    heights = dice.normal(0, 0.02, WAVES) * (800 + abs(price_ticks))
    moved = heights * (np.sin(phases + 2 * np.pi * step / lengths) - np.sin(phases))
    return int(price_ticks + round(float(moved.sum())))


def place(ids: Any, sides: Any, prices: Any, lots: Any, time_in_force: int) -> Any:
    """Return PlaceOrder records of shape (n,) from what broadcasts to it."""
    ids, sides, prices, lots = np.broadcast_arrays(ids, sides, prices, lots)
    orders = np.zeros(ids.size, PlaceOrder.dtype)
    PlaceOrder.stamp(orders)
    orders["product_id"], orders["side"] = ids.ravel(), sides.ravel()
    orders["price_ticks"] = np.clip(np.rint(prices.ravel()), -PRICE_TICKS_MAX, PRICE_TICKS_MAX)
    orders["quantity_lots"] = lots.ravel()
    orders["order_type"], orders["time_in_force"] = LIMIT, time_in_force
    return orders


def cancel_all(ids: Sequence[int]) -> Any:
    """Return MassCancel records, one for each product."""
    cancels = np.zeros(len(ids), MassCancel.dtype)
    MassCancel.stamp(cancels)
    cancels["product_id"] = ids
    return cancels


def nothing() -> Any:
    """Return no commands."""
    return schema.empty(0)


def _dice(seed: int, name: str, step: int) -> np.random.Generator:
    return np.random.default_rng([seed, step, *name.encode()])


@dataclass(frozen=True)
class AuctionLadder:
    """Trades in the auction: a supplier offers more the dearer it is, a consumer bids more the cheaper.

    Parameters
    ----------
    side : int
    lots : int
        Of each rung.
    rungs : int
    spread_ticks : int
        From the first rung to the last, around the fair price.
    error_ticks : int
        How wrong its fair price may be, one standard deviation.
    """

    name: str
    side: int
    lots: int
    rungs: int = 12
    spread_ticks: int = 6_000
    error_ticks: int = 60

    def act(self, seed: int, view: View) -> Any:
        """Send the ladder at the last call, and again if the market has lost it."""
        if not view.is_last_call or not view.call_ids:
            return nothing()
        dice = _dice(seed, self.name, view.step)
        ids = np.array(view.call_ids)
        fair = np.array([view.fair_ticks[n] for n in view.call_ids])
        fair = fair + dice.normal(0, self.error_ticks, ids.size)
        offsets = np.linspace(-0.5, 0.5, self.rungs) ** 3 * 4 * self.spread_ticks
        prices = fair[:, None] + offsets + dice.normal(0, 15, (ids.size, self.rungs))
        lots = dice.integers(self.lots // 2, self.lots * 3 // 2, prices.shape)
        return place(ids[:, None], self.side, prices, lots, GOOD_FOR_SESSION)


@dataclass(frozen=True)
class MarketMaker:
    """Quotes both sides of every product on several levels, and renews a part of its quotes each step."""

    name: str
    half_width_ticks: int
    lots: int
    levels: int = 3
    turns: int = 4

    def act(self, seed: int, view: View) -> Any:
        """Cancel and quote anew the products whose turn it is."""
        due = [n for n in view.open_ids if (n + view.step) % self.turns == 0]
        if not due:
            return nothing()
        dice = _dice(seed, self.name, view.step)
        ids = np.array(due)[:, None, None]
        fair = np.array([view.fair_ticks[n] for n in due])
        fair = fair + dice.normal(0, self.half_width_ticks / 3, fair.size)
        sides = np.array([BUY, SELL])[None, :, None]
        away = self.half_width_ticks * (1 + 0.8 * np.arange(self.levels))[None, None, :]
        prices = fair[:, None, None] + np.where(sides == BUY, -away, away)
        lots = dice.integers(1, self.lots, prices.shape) * (1 + np.arange(self.levels))
        quotes = place(ids, sides, prices, lots, GOOD_FOR_SESSION)
        return schema.batch([cancel_all(due), quotes])


@dataclass(frozen=True)
class NoiseTaker:
    """Wants to trade now and then, for reasons of its own, and takes what is there."""

    name: str
    orders_per_step: float
    lots: int
    reach_ticks: int = 300

    def act(self, seed: int, view: View) -> Any:
        """Take from a few products."""
        dice = _dice(seed, self.name, view.step)
        count = int(dice.poisson(self.orders_per_step)) if view.open_ids else 0
        if not count:
            return nothing()
        ids = dice.choice(np.array(view.open_ids), count)
        sides = dice.choice([BUY, SELL], count)
        fair = np.array([view.fair_ticks[n] for n in ids.tolist()])
        prices = fair + np.where(sides == BUY, self.reach_ticks, -self.reach_ticks)
        return place(ids, sides, prices, dice.integers(1, self.lots, count), IOC)


@dataclass(frozen=True)
class TrendFollower:
    """Buys what has risen since the auction and sells what has fallen, a little at a time."""

    name: str
    threshold_ticks: int
    lots: int
    turns: int = 6

    def act(self, seed: int, view: View) -> Any:
        """Follow the products whose last trade is far from the auction's price."""
        dice = _dice(seed, self.name, view.step)
        ids, sides, prices = [], [], []
        for product_id in view.open_ids:
            moved = view.last_ticks.get(product_id, 0) - view.anchor_ticks.get(product_id, 0)
            knows = product_id in view.last_ticks and product_id in view.anchor_ticks
            if knows and abs(moved) > self.threshold_ticks and (product_id + view.step) % self.turns == 0:
                ids.append(product_id)
                sides.append(BUY if moved > 0 else SELL)
                prices.append(view.last_ticks[product_id] + (100 if moved > 0 else -100))
        if not ids:
            return nothing()
        return place(ids, sides, prices, dice.integers(1, self.lots, len(ids)), IOC)


TRADERS: tuple[Trader, ...] = (
    AuctionLadder("hydro", SELL, 260),
    AuctionLadder("thermal", SELL, 180, error_ticks=120),
    AuctionLadder("city", BUY, 240),
    AuctionLadder("industry", BUY, 200, error_ticks=100),
    MarketMaker("maker-north", 45, 30),
    MarketMaker("maker-south", 70, 60, turns=5),
    NoiseTaker("retail", 3.0, 25),
    TrendFollower("momentum", 150, 15),
)
