"""Depth by price, trades and phases for FIX subscribers, folded from the tape; no owner is in it."""

from typing import Any

import numpy as np

from ringmain.core.jit import kernel, records
from ringmain.exchange.messages import (
    AUCTION,
    BUY,
    TAKER,
    ClipShown,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderReplaced,
    OrderTriggered,
    PhaseChanged,
)
from ringmain.exchange.state import LEVELS as LEVELS_OF_ENGINE

LEVELS = 2 * LEVELS_OF_ENGINE  # a power of two; the engine has at most half of them at a time
LEVELS_USED_MAX = LEVELS // 4 * 3  # emptied levels are swept out beyond that
BATCH_EVENTS = 16_384
PRIMES = (0x9E3779B1, 0x85EBCA6B, 0xC2B2AE35)

ACCEPTED, FILLED, CANCELLED, REPLACED, PHASE = (
    record.kind for record in (OrderAccepted, OrderFilled, OrderCancelled, OrderReplaced, PhaseChanged)
)
ACCEPTED_RECORD, FILLED_RECORD = OrderAccepted.dtype, OrderFilled.dtype
CANCELLED_RECORD, REPLACED_RECORD = OrderCancelled.dtype, OrderReplaced.dtype
TRIGGERED_RECORD, CLIP_RECORD = OrderTriggered.dtype, ClipShown.dtype
TRIGGERED, CLIP_SHOWN = OrderTriggered.kind, ClipShown.kind
PRODUCT_PRIME, PRICE_PRIME, SIDE_PRIME = PRIMES

LEVEL = np.dtype(
    [
        ("sequence", "i8"),
        ("price_ticks", "i8"),
        ("quantity_lots", "i8"),
        ("shown_lots", "i8"),
        ("product_id", "u4"),
        ("side", "u1"),
        ("is_used", "u1"),
        ("is_changed", "u1"),
    ],
    align=True,
)
TRADE = np.dtype(
    [("sequence", "i8"), ("price_ticks", "i8"), ("quantity_lots", "i8"), ("product_id", "u4")], align=True
)
DEPTH = np.dtype(
    [
        ("used_count", "i8"),
        ("changed_count", "i8"),
        ("trade_count", "i8"),
        ("changed", "i4", (2 * BATCH_EVENTS,)),
        ("trades", TRADE, (BATCH_EVENTS,)),
        ("levels", LEVEL, (LEVELS,)),
    ],
    align=True,
)


@kernel
def level_at(depth: Any, product_id: int, side: int, price_ticks: int) -> int:
    """Return the place of a price level, new if it was not there."""
    mixed = np.int64(product_id) * PRODUCT_PRIME + np.int64(price_ticks) * PRICE_PRIME + side * SIDE_PRIME
    place = int((mixed ^ (mixed >> 17)) & (LEVELS - 1))
    while depth.levels[place].is_used == 1:
        level = depth.levels[place]
        if level.price_ticks == price_ticks and level.product_id == product_id and level.side == side:
            return place
        place = (place + 1) & (LEVELS - 1)
    level = depth.levels[place]
    level.is_used = 1
    level.product_id = product_id
    level.side = side
    level.price_ticks = price_ticks
    depth.used_count += 1
    return place


@kernel
def change(depth: Any, sequence: int, product_id: int, side: int, price_ticks: int, lots: int) -> None:
    """Add lots to a level, or take them away."""
    place = level_at(depth, product_id, side, price_ticks)
    level = depth.levels[place]
    level.quantity_lots += lots
    level.sequence = sequence
    if level.is_changed == 0:
        level.is_changed = 1
        depth.changed[depth.changed_count] = place
        depth.changed_count += 1


@kernel
def print_trade(depth: Any, fill: Any) -> None:
    """Note a trade, from one of its two fills."""
    trade = depth.trades[depth.trade_count]
    trade.sequence = fill.sequence
    trade.price_ticks = fill.price_ticks
    trade.quantity_lots = fill.quantity_lots
    trade.product_id = fill.product_id
    depth.trade_count += 1


@kernel
def fold(
    state: Any,
    events: Any,
    accepted: Any,
    filled: Any,
    cancelled: Any,
    replaced: Any,
    triggered: Any,
    clips: Any,
) -> None:
    """Fold a batch, seen as each of the records that orders are told of by."""
    depth = state[0]
    for i in range(events.size):
        kind, sequence = events[i].kind, events[i].sequence
        if kind == ACCEPTED:
            e = accepted[i]
            change(depth, sequence, e.product_id, e.side, e.price_ticks, e.shown_lots)
        elif kind == TRIGGERED:
            t = triggered[i]
            change(depth, sequence, t.product_id, t.side, t.price_ticks, t.shown_lots)
        elif kind == FILLED:
            f = filled[i]
            change(depth, sequence, f.product_id, f.side, f.limit_ticks, -f.shown_lots)
            if f.role == TAKER or (f.role == AUCTION and f.side == BUY):
                print_trade(depth, f)
        elif kind == CANCELLED:
            c = cancelled[i]
            change(depth, sequence, c.product_id, c.side, c.price_ticks, -c.shown_lots)
        elif kind == REPLACED:
            r = replaced[i]
            if r.is_shown == 1:
                change(depth, sequence, r.product_id, r.side, r.old_price_ticks, -r.old_quantity_lots)
                change(depth, sequence, r.product_id, r.side, r.price_ticks, r.quantity_lots)
        elif kind == CLIP_SHOWN:
            s = clips[i]
            change(depth, sequence, s.product_id, s.side, s.old_price_ticks, -s.old_shown_lots)
            change(depth, sequence, s.product_id, s.side, s.price_ticks, s.shown_lots)


@kernel
def put_back(state: Any, kept: Any) -> None:
    """Fill an emptied table with the levels that are to stay."""
    depth = state[0]
    for i in range(kept.size):
        place = level_at(depth, kept[i].product_id, kept[i].side, kept[i].price_ticks)
        depth.levels[place].quantity_lots = kept[i].quantity_lots
        depth.levels[place].shown_lots = kept[i].shown_lots
        depth.levels[place].sequence = kept[i].sequence


class Depth:
    """What rests at each price of each product, as far as the tape was folded.

    Attributes
    ----------
    sequence : int
        Of the last event folded.
    phases : dict of product_id to (sequence, phase)
    """

    def __init__(self) -> None:
        self._state = records(np.zeros(1, DEPTH))
        self._levels = self._state["levels"][0]
        self.sequence = 0
        self.phases: dict[int, tuple[int, int]] = {}

    def fold(self, events: Any) -> None:
        """Fold a batch of at most BATCH_EVENTS events; what changed stands in :meth:`take_changes`."""
        dtypes = (
            ACCEPTED_RECORD, FILLED_RECORD, CANCELLED_RECORD, REPLACED_RECORD, TRIGGERED_RECORD, CLIP_RECORD,
        )  # fmt: skip
        fold(self._state, events, *(events.view(dtype) for dtype in dtypes))
        if events.size:
            self.sequence = int(events["sequence"][-1])

    def phase_changes(self, events: Any) -> list[tuple[int, int, int]]:
        """Note the phases that a batch tells of; return each as (sequence, product_id, phase)."""
        changes = []
        told = events.view(PhaseChanged.dtype)
        for row in np.flatnonzero(events["kind"] == PHASE).tolist():
            product_id, phase = int(told["product_id"][row]), int(told["phase"][row])
            self.phases[product_id] = (int(events["sequence"][row]), phase)
            changes.append((int(events["sequence"][row]), product_id, phase))
        return changes

    def take_changes(self) -> tuple[Any, Any]:
        """Return copies of the levels that look different now, and of the new trades; forget them."""
        state = self._state
        places = state["changed"][0, : int(state["changed_count"][0])].copy()
        trades = state["trades"][0, : int(state["trade_count"][0])].copy()
        levels = self._levels[places]
        self._levels["is_changed"][places] = 0
        self._levels["shown_lots"][places] = levels["quantity_lots"]
        state["changed_count"] = state["trade_count"] = 0
        if state["used_count"][0] > LEVELS_USED_MAX:
            self._sweep()
        return levels[levels["quantity_lots"] != levels["shown_lots"]], trades

    def levels_of(self, product_ids: set[int]) -> dict[int, Any]:
        """Return copies of all levels of some products, by product."""
        levels = self._resting()
        wanted = levels[np.isin(levels["product_id"], list(product_ids))]
        return {product_id: wanted[wanted["product_id"] == product_id] for product_id in product_ids}

    def _resting(self) -> Any:
        return self._levels[self._levels["quantity_lots"] != 0]

    def _sweep(self) -> None:
        """Drop levels at which nothing rests."""
        kept = records(self._resting())
        self._levels.view(np.uint8).fill(0)
        self._state["used_count"] = 0
        put_back(self._state, kept)
