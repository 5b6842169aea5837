"""What traders see, and how they write down what they want.

Each trader is a pure function of its seed, the step and what it sees, yielding exchange commands. A
participant is one account and session; it may trade in several ways, in the order in which they are
listed. Those of the day-ahead auction are in `auction_traders`, those of the books in `book_traders`, those
of reserve in `reserve_traders`, and who there is in `participants`.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from ringmain.exchange.messages import CANCEL_OLDEST, LIMIT, MassCancel, PlaceOrder, schema

WAVES = 4  # of which a fair price's path is made
WAVE_STEPS = (40.0, 400.0)  # shortest and longest wave, in steps
PATH_SHARE = 0.02  # of the price, and of PATH_TICKS: a wave's height, one standard deviation
QUARTER_SHARE = 0.006  # what a quarter-hour's path has of its own, likewise
PATH_TICKS = 800
PRICE_TICKS_MAX = 5_000_000  # as much as an input's prices may be


@dataclass(frozen=True)
class Auction:
    """The day-ahead auction while it takes orders, as one participant sees it.

    Parameters
    ----------
    fair_ticks : tuple of int
        What the world holds for fair, by period.
    curve_count : int
        How many curves of the participant's own are in.
    block_ids : tuple of int
        Its own blocks that are in, in the order in which they were sent.
    """

    auction_id: int
    fair_ticks: tuple[int, ...]
    curve_count: int = 0
    block_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class View:
    """What a trader sees at a step.

    Parameters
    ----------
    step : int
        Number of the step, rising through the day.
    now_s : int
        Logical time, seconds since 1970 UTC.
    auction : Auction or None
        The day-ahead auction, when it is time to send orders to it.
    call_ids : sequence of int
        Products whose opening call is about to end, where the participant has no orders.
    hour_ids, quarter_ids : sequences of int
        Products in continuous trading; of the quarter-hours, those that are delivered soon.
    fair_ticks : mapping
        What the world holds for fair, by product.
    anchor_ticks : mapping
        What the day-ahead auction gave, by hourly product.
    last_ticks : mapping
        Price of the last trade, by product.
    tops : mapping
        Best bid and best offer, by product that has both.
    reserve_ids : sequence of int
        Blocks of reserve whose call runs, where the participant has no orders.
    idle_reserve : mapping
        Lots that the participant has bought of each block that is held now, while nothing of it is called.
    """

    step: int
    now_s: int = 0
    auction: Auction | None = None
    call_ids: Sequence[int] = ()
    hour_ids: Sequence[int] = ()
    quarter_ids: Sequence[int] = ()
    fair_ticks: Mapping[int, int] = field(default_factory=dict)
    anchor_ticks: Mapping[int, int] = field(default_factory=dict)
    last_ticks: Mapping[int, int] = field(default_factory=dict)
    tops: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    reserve_ids: Sequence[int] = ()
    idle_reserve: Mapping[int, int] = field(default_factory=dict)

    @property
    def open_ids(self) -> list[int]:
        """All products in continuous trading that a trader looks at."""
        return [*self.hour_ids, *self.quarter_ids]


def without_books(view: View) -> View:
    """Return what is left to see where the books are closed: calls and auctions, and reserve that is held.

    What traders send there they send once, however often they look.
    """
    return replace(view, hour_ids=(), quarter_ids=(), last_ticks={}, tops={})


class Trader(Protocol):
    """One way to trade."""

    @property
    def name(self) -> str:
        """What it is called; its dice come from it."""

    def act(self, seed: int, view: View) -> Any:
        """Return the commands that it sends at this step, of shape (n,), maybe empty."""


@dataclass(frozen=True)
class Participant:
    """An account with a session, and the ways in which it trades."""

    name: str
    ways: tuple[Trader, ...]

    def act(self, seed: int, view: View) -> Any:
        """Return the commands of all its ways at this step, of shape (n,), maybe empty."""
        return batch([way.act(seed, view) for way in self.ways])


@functools.lru_cache(maxsize=4_096)
def _waves(seed: int, product_id: int) -> tuple[Any, Any, Any]:
    dice = np.random.default_rng([seed, product_id, 11])
    phases = dice.uniform(0, 2 * np.pi, WAVES)
    lengths = np.exp(dice.uniform(np.log(WAVE_STEPS[0]), np.log(WAVE_STEPS[1]), WAVES))
    return phases, lengths, dice.normal(0, 1, WAVES)


def fair_ticks(seed: int, product_id: int, price_ticks: int, step: int, share: float = PATH_SHARE) -> int:
    """Return a product's fair price at a step: a path of waves around the real price, where it begins."""
    phases, lengths, heights = _waves(seed, product_id)
    moved = heights * (np.sin(phases + 2 * np.pi * step / lengths) - np.sin(phases))
    return int(price_ticks + round(float(moved.sum()) * share * (PATH_TICKS + abs(price_ticks))))


def place(ids: Any, sides: Any, prices: Any, lots: Any, time_in_force: int, **terms: Any) -> Any:
    """Return PlaceOrder records of shape (n,) from what broadcasts to it; LIMIT unless `terms` say so.

    Nobody trades with himself: the order that was there is cancelled.

    Parameters
    ----------
    terms : by name
        Further fields, each of what broadcasts to the shape.
    """
    wanted = {"order_type": LIMIT, "self_trade": CANCEL_OLDEST, **terms}
    arrays = np.broadcast_arrays(ids, sides, prices, lots, *wanted.values())
    orders = np.zeros(arrays[0].size, PlaceOrder.dtype)
    PlaceOrder.stamp(orders)
    ids, sides, prices, lots, *rest = (array.ravel() for array in arrays)
    orders["product_id"], orders["side"], orders["quantity_lots"] = ids, sides, lots
    orders["price_ticks"] = in_range(prices)
    orders["time_in_force"] = time_in_force
    for name, values in zip(wanted, rest, strict=True):
        orders[name] = values
    return orders


def in_range(prices: Any) -> Any:
    """Return prices as whole ticks that an order may have."""
    return np.clip(np.rint(prices), -PRICE_TICKS_MAX, PRICE_TICKS_MAX).astype(np.int64)


def cancel_all(ids: Sequence[int]) -> Any:
    """Return MassCancel records, one for each product; 0 stands for all products."""
    cancels = np.zeros(len(ids), MassCancel.dtype)
    MassCancel.stamp(cancels)
    cancels["product_id"] = ids
    return cancels


def nothing() -> Any:
    """Return no commands."""
    return schema.empty(0)


def batch(parts: Sequence[Any]) -> Any:
    """Return commands one after the other, of shape (n,)."""
    full = [part for part in parts if part.size]
    return schema.batch(full) if full else nothing()


def dice_of(seed: int, name: str, number: int) -> np.random.Generator:
    """Return a trader's dice at a step, or for an auction."""
    return np.random.default_rng([seed, number, *name.encode()])
