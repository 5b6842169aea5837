"""Traders of the books: the opening call, and continuous trading up to gate closure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ringmain.exchange.messages import (
    BUY,
    FOK,
    GOOD_FOR_SESSION,
    GOOD_TILL_DATE,
    IOC,
    LIMIT,
    MARKET,
    MARKET_TO_LIMIT,
    SELL,
    STOP,
    STOP_LIMIT,
)
from ringmain.exchange.multileg_messages import AddBasketLeg, BeginBasket, PlaceBlock, PlaceQuote
from ringmain.world.calendar import FIRST_QUARTER_ID, HOURS, IDS_PER_DAY, quarter_ids
from ringmain.world.traders import PRICE_TICKS_MAX, View, batch, cancel_all, dice_of, in_range, nothing, place

EITHER = np.array([BUY, SELL])
WIDE = (-PRICE_TICKS_MAX, PRICE_TICKS_MAX)  # where nothing is quoted
BLOCK_SPANS = ((0, 6), (8, 20), (12, 16), (16, 20), (18, 22))  # hours: night, peak, and parts of the day


def away_from(sides: Any, ticks: Any) -> Any:
    """Return how far a price lies from another so that it is worse to trade with, by `ticks`."""
    return np.where(sides == BUY, -ticks, ticks)


@dataclass(frozen=True)
class CallLadder:
    """Trades in the opening call: offers more the dearer it is, or bids more the cheaper."""

    name: str
    side: int
    lots: int
    rungs: int = 5
    spread_ticks: int = 1_200
    error_ticks: int = 50

    def act(self, seed: int, view: View) -> Any:
        """Send the ladder as the call ends, and again if the market has lost it."""
        if not view.call_ids:
            return nothing()
        dice = dice_of(seed, self.name, view.step)
        ids = np.array(view.call_ids)
        fair = np.array([view.fair_ticks[n] for n in view.call_ids])
        fair = fair + dice.normal(0, self.error_ticks, ids.size)
        offsets = np.linspace(-0.5, 0.5, self.rungs) ** 3 * 4 * self.spread_ticks
        prices = fair[:, None] + offsets + dice.normal(0, 15, (ids.size, self.rungs))
        lots = dice.integers(self.lots // 2, self.lots * 3 // 2, prices.shape)
        return place(ids[:, None], self.side, prices, lots, GOOD_FOR_SESSION)


@dataclass(frozen=True)
class Quoter:
    """A market maker that quotes: each quote replaces both sides of the one before, in one step."""

    name: str
    half_width_ticks: int
    lots: int
    turns: int = 3

    def act(self, seed: int, view: View) -> Any:
        """Quote the products whose turn it is."""
        due = [n for n in view.open_ids if (n + view.step) % self.turns == 0]
        if not due:
            return nothing()
        dice = dice_of(seed, self.name, view.step)
        fair = np.array([view.fair_ticks[n] for n in due])
        fair = fair + dice.normal(0, self.half_width_ticks / 3, fair.size)
        quotes = np.zeros(len(due), PlaceQuote.dtype)
        PlaceQuote.stamp(quotes)
        quotes["product_id"] = due
        quotes["bid_price_ticks"] = in_range(fair - self.half_width_ticks)
        quotes["offer_price_ticks"] = in_range(fair + self.half_width_ticks)
        quotes["bid_lots"], quotes["offer_lots"] = dice.integers(self.lots // 2, self.lots, (2, len(due)))
        return quotes


@dataclass(frozen=True)
class PostOnlyMaker:
    """A market maker that never takes: orders on several levels, which are rejected if they would trade."""

    name: str
    half_width_ticks: int
    lots: int
    levels: int = 2
    turns: int = 5

    def act(self, seed: int, view: View) -> Any:
        """Cancel and place anew in the hours whose turn it is."""
        due = [n for n in view.hour_ids if (n + view.step) % self.turns == 0]
        if not due:
            return nothing()
        dice = dice_of(seed, self.name, view.step)
        ids = np.array(due)[:, None, None]
        fair = np.array([view.fair_ticks[n] for n in due])
        fair = fair + dice.normal(0, self.half_width_ticks / 3, fair.size)
        sides = EITHER[None, :, None]
        ticks = self.half_width_ticks * (1 + 0.8 * np.arange(self.levels))[None, None, :]
        bids, asks = np.array([view.tops.get(n, WIDE) for n in due]).T[:, :, None, None]
        prices = fair[:, None, None] + away_from(sides, ticks)
        prices = np.where(sides == BUY, np.minimum(prices, asks - 1), np.maximum(prices, bids + 1))
        lots = dice.integers(2, self.lots, prices.shape) * (1 + np.arange(self.levels))
        orders = place(ids, sides, prices, lots, GOOD_FOR_SESSION, post_only=1)
        return batch([cancel_all(due), orders])


@dataclass(frozen=True)
class NoiseTaker:
    """Wants to trade now and then, for reasons of its own, and takes what is there, in any way there is."""

    name: str
    orders_per_step: float
    lots: int
    reach_ticks: int = 300

    def act(self, seed: int, view: View) -> Any:
        """Take from a few products."""
        dice = dice_of(seed, self.name, view.step)
        count = int(dice.poisson(self.orders_per_step)) if view.tops else 0
        if not count:
            return nothing()
        ids = dice.choice(np.array(sorted(view.tops)), count)
        sides = dice.choice(EITHER, count)
        fair = np.array([view.fair_ticks[n] for n in ids.tolist()])
        prices = fair - away_from(sides, self.reach_ticks)
        lots = dice.integers(1, self.lots, count)
        kinds, forces = np.array(
            [(LIMIT, IOC), (LIMIT, FOK), (MARKET, IOC), (MARKET_TO_LIMIT, GOOD_FOR_SESSION)]
        )[dice.choice(4, count, p=[0.6, 0.15, 0.15, 0.1])].T
        orders = place(ids, sides, prices, lots, IOC, order_type=kinds)
        orders["time_in_force"] = forces
        return orders


@dataclass(frozen=True)
class TrendFollower:
    """Buys what has risen since the auction, sells what has fallen, and leaves stops behind itself."""

    name: str
    threshold_ticks: int
    lots: int
    turns: int = 6
    stop_ticks: int = 120

    def act(self, seed: int, view: View) -> Any:
        """Follow the hours whose last trade is far from the auction's price; renew the stops there."""
        due = [
            n
            for n in view.hour_ids
            if (n + view.step) % self.turns == 0
            and n in view.last_ticks
            and n in view.anchor_ticks
            and abs(view.last_ticks[n] - view.anchor_ticks[n]) > self.threshold_ticks
        ]
        if not due:
            return nothing()
        dice = dice_of(seed, self.name, view.step)
        ids = np.array(due)
        last = np.array([view.last_ticks[n] for n in due])
        sides = np.where(last > [view.anchor_ticks[n] for n in due], BUY, SELL)
        lots = dice.integers(1, self.lots, ids.size)
        follow = place(ids, sides, last - away_from(sides, 100), lots, IOC)
        back = np.where(sides == BUY, SELL, BUY)
        stops = last + away_from(sides, self.stop_ticks)
        kinds = np.where(ids % 2, STOP, STOP_LIMIT)
        limits = stops - away_from(back, self.stop_ticks)
        stop = place(ids, back, limits, lots, GOOD_FOR_SESSION, order_type=kinds, stop_ticks=in_range(stops))
        return batch([cancel_all(due), follow, stop])


@dataclass(frozen=True)
class IcebergTrader:
    """Has much to trade in an hour, and shows little of it at a time; it ends after a while."""

    name: str
    side: int
    lots: int
    clip_lots: int
    turns: int = 24
    lasts_s: int = 7_200

    def act(self, seed: int, view: View) -> Any:
        """Begin in the hours whose turn it is, near the fair price, each clip a little less good."""
        due = [n for n in view.hour_ids if (n + view.step) % self.turns == 0]
        if not due:
            return nothing()
        dice = dice_of(seed, self.name, view.step)
        ids = np.array(due)
        fair = np.array([view.fair_ticks[n] for n in due])
        prices = fair + away_from(self.side, dice.uniform(25, 90, ids.size))
        lots = dice.integers(self.lots // 2, self.lots * 3 // 2, ids.size)
        return place(
            ids, self.side, prices, lots, GOOD_TILL_DATE, display_lots=np.minimum(self.clip_lots, lots),
            clip_step_ticks=int(away_from(self.side, 2)), expires_s=view.now_s + self.lasts_s,
        )  # fmt: skip


@dataclass(frozen=True)
class BlockTrader:
    """Trades the same in hours on end, all or none: a night, a peak, or a part of the day."""

    name: str
    side: int
    lots: int
    turns: int = 6

    def act(self, seed: int, view: View) -> Any:
        """Bid or offer for the spans that are open; now and then it wants to trade at once."""
        if view.step % self.turns:
            return nothing()
        dice = dice_of(seed, self.name, view.step)
        open_ids, commands = set(view.hour_ids), []
        for day in sorted({n // IDS_PER_DAY for n in view.hour_ids}):
            for first, end in BLOCK_SPANS:
                ids = range(day * IDS_PER_DAY + first, day * IDS_PER_DAY + end)
                if open_ids.issuperset(ids):
                    commands.append(self._block(dice, view, ids))
        return batch([cancel_all([0]), *commands]) if commands else nothing()

    def _block(self, dice: np.random.Generator, view: View, ids: Sequence[int]) -> Any:
        fair = sum(view.fair_ticks[n] for n in ids) / len(ids)
        is_urgent = dice.random() < 0.25
        worse = -120 if is_urgent else dice.uniform(0, 60)
        return PlaceBlock(
            first_product_id=ids[0], product_count=len(ids), side=self.side, quantity_lots=self.lots,
            price_ticks=int(in_range(fair + float(away_from(self.side, worse)))),
            time_in_force=IOC if is_urgent else GOOD_FOR_SESSION,
        )  # fmt: skip


@dataclass(frozen=True)
class Shaper:
    """Brings an hour's flat delivery into the shape of its quarters: a linked basket, all legs or none."""

    name: str
    lots: int
    share: float = 0.4  # of the steps at which it does so
    reach_ticks: int = 150

    def act(self, seed: int, view: View) -> Any:
        """Sell two quarters of an hour and buy the two others, at once or not at all."""
        hours = sorted({_hour_of(n) for n in view.quarter_ids})
        quoted = [h for h in hours if all(n in view.tops for n in quarter_ids(h))]
        dice = dice_of(seed, self.name, view.step)
        if not quoted or dice.random() > self.share:
            return nothing()
        ids = quarter_ids(int(dice.choice(quoted)))
        lots = int(dice.integers(1, self.lots))
        sells = (0, 1) if dice.random() < 0.5 else (2, 3)
        legs = [self._leg(view, n, SELL if k in sells else BUY, lots) for k, n in enumerate(ids)]
        return batch([BeginBasket(leg_count=len(legs)), *legs])

    def _leg(self, view: View, product_id: int, side: int, lots: int) -> Any:
        bid, ask = view.tops[product_id]
        price = ask + self.reach_ticks if side == BUY else bid - self.reach_ticks
        return AddBasketLeg(product_id=product_id, side=side, price_ticks=price, quantity_lots=lots)


def _hour_of(quarter_id: int) -> int:
    day, place_in_day = divmod(quarter_id, IDS_PER_DAY)
    hour = (place_in_day - FIRST_QUARTER_ID) // 4
    assert 0 <= hour < HOURS, "a quarter-hour lies in an hour of its day"
    return day * IDS_PER_DAY + hour
