"""Top of book, folded from the tape: the best bid and offer of each product after each command.

The fold keeps quantities by price in the engine's own ladders (`kernels/levels`), without orders. What
an order brings in one command is entered once the command has said what of it traded at once,
so that there are never more levels than in the engine.
"""

from typing import Any

import numpy as np

from ringmain.core.jit import bare, kernel, records
from ringmain.exchange.kernels.levels import (
    best_level,
    key_of,
    ladder_of,
    obtain_level,
    remove_level,
)
from ringmain.exchange.messages import (
    BUY,
    SELL,
    ClipShown,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderReplaced,
    OrderTriggered,
)
from ringmain.exchange.state import EVENT, MATCHING, PRODUCTS

ACCEPTED, FILLED = OrderAccepted.kind, OrderFilled.kind
CANCELLED, REPLACED = OrderCancelled.kind, OrderReplaced.kind
TRIGGERED, CLIP_SHOWN = OrderTriggered.kind, ClipShown.kind

QUOTE = np.dtype(
    [
        ("position", "i8"),
        ("sequence", "i8"),
        ("time_ns", "i8"),
        ("bid_lots", "i8"),  # 0: no bid
        ("ask_lots", "i8"),
        ("product_id", "u4"),
        ("bid_ticks", "i4"),
        ("ask_ticks", "i4"),
    ],
    align=True,
)
INCOMING = np.dtype(  # the order that the command at hand brings, as far as it has not traded
    [
        ("session_number", "i8"),
        ("lots", "i8"),
        ("session_id", "u4"),
        ("product_id", "u4"),
        ("price_ticks", "i4"),
        ("side", "u1"),
    ],
    align=True,
)
LEVEL = np.dtype([("lots", "i8"), ("product_id", "u4"), ("price_ticks", "i4"), ("side", "u1")], align=True)
FOLD = np.dtype(
    [
        ("touched_count", "i8"),
        ("touched", "i4", (PRODUCTS,)),  # slots whose book the command at hand has changed
        ("is_touched", "u1", (PRODUCTS,)),
        ("incoming", INCOMING),
        ("tops", QUOTE, (PRODUCTS,)),
        ("matching", MATCHING),
    ],
    align=True,
)


@kernel
def fold_quotes(state: Any, events: Any, position: int, quotes: Any) -> int:
    """Fold whole commands; write a quote wherever the top of a book has changed; return how many.

    Parameters
    ----------
    events : array of shape (n,), EVENT
        All events of one or more commands.
    position : int
        Of the first one on the tape.
    quotes : array of shape (>= n,), QUOTE
    """
    fold = state[0]
    count = 0
    for i in range(events.size):
        event = events[i]
        if i > 0 and event.head.sequence != events[i - 1].head.sequence:
            count = _tell(fold, events[i - 1].head, position + i - 1, quotes, count)
        _fold_event(fold, event)
    last = events.size - 1
    return _tell(fold, events[last].head, position + last, quotes, count)


@kernel
def _fold_event(fold: Any, event: Any) -> None:
    kind = event.head.kind
    if kind == ACCEPTED:
        body = event.order_accepted
        _bring(fold, event.head, body.product_id, body.side, body.price_ticks, body.shown_lots)
    elif kind == TRIGGERED:
        body = event.order_triggered
        _bring(fold, event.head, body.product_id, body.side, body.price_ticks, body.shown_lots)
    elif kind == FILLED:
        body = event.order_filled
        _take(fold, event.head, body.product_id, body.side, body.limit_ticks, body.shown_lots)
    elif kind == CANCELLED:
        body = event.order_cancelled
        _take(fold, event.head, body.product_id, body.side, body.price_ticks, body.shown_lots)
    elif kind == REPLACED:
        body = event.order_replaced
        if body.is_shown == 0:
            return  # ClipShown tells of it
        _enter_incoming(fold)
        _change(fold, body.product_id, body.side, body.old_price_ticks, -int(body.old_quantity_lots))
        _bring(fold, event.head, body.product_id, body.side, body.price_ticks, body.quantity_lots)
    elif kind == CLIP_SHOWN:
        body = event.clip_shown
        _change(fold, body.product_id, body.side, body.old_price_ticks, -int(body.old_shown_lots))
        _change(fold, body.product_id, body.side, body.price_ticks, int(body.shown_lots))


@kernel
def _bring(fold: Any, head: Any, product_id: int, side: int, price_ticks: int, lots: int) -> None:
    _enter_incoming(fold)
    incoming = fold.incoming
    incoming.session_id = head.session_id
    incoming.session_number = head.session_number
    incoming.product_id = product_id
    incoming.side = side
    incoming.price_ticks = price_ticks
    incoming.lots = lots


@kernel
def _take(fold: Any, head: Any, product_id: int, side: int, price_ticks: int, lots: int) -> None:
    """Take lots away, from the incoming order if it is that one, else from what rests."""
    incoming = fold.incoming
    is_incoming = incoming.session_number == head.session_number and incoming.session_id == head.session_id
    if incoming.lots > 0 and is_incoming:
        assert lots <= incoming.lots
        incoming.lots -= lots
    else:
        _change(fold, product_id, side, price_ticks, -lots)


@kernel
def _enter_incoming(fold: Any) -> None:
    incoming = fold.incoming
    if incoming.lots > 0:
        _change(fold, incoming.product_id, incoming.side, incoming.price_ticks, incoming.lots)
        incoming.lots = 0


@kernel
def _change(fold: Any, product_id: int, side: int, price_ticks: int, lots: int) -> None:
    """Add lots to a level, or take them away; an empty level goes."""
    slot = product_id % PRODUCTS
    ladder = ladder_of(slot, side)
    index = obtain_level(fold.matching, ladder, key_of(ladder, price_ticks))
    level = fold.matching.levels[index]
    level.lots += lots
    assert level.lots >= 0
    if level.lots == 0:
        remove_level(fold.matching, index)
    fold.tops[slot].product_id = product_id
    if fold.is_touched[slot] == 0:
        fold.is_touched[slot] = 1
        fold.touched[fold.touched_count] = slot
        fold.touched_count += 1


@kernel
def _tell(fold: Any, head: Any, position: int, quotes: Any, count: int) -> int:
    """End a command: write the tops that it has changed; return the next row."""
    _enter_incoming(fold)
    for i in range(fold.touched_count):
        slot = fold.touched[i]
        fold.is_touched[slot] = 0
        if _look(fold, slot):
            top, quote = fold.tops[slot], quotes[count]
            quote.position = position
            quote.sequence = head.sequence
            quote.time_ns = head.time_ns
            quote.product_id = top.product_id
            quote.bid_ticks = top.bid_ticks
            quote.bid_lots = top.bid_lots
            quote.ask_ticks = top.ask_ticks
            quote.ask_lots = top.ask_lots
            count += 1
    fold.touched_count = 0
    return count


@kernel
def _look(fold: Any, slot: int) -> bool:
    """Note the best prices of a book; tell whether they or their quantities are other ones."""
    matching, top = fold.matching, fold.tops[slot]
    bid = matching.levels[best_level(matching, ladder_of(slot, BUY))]  # level 0 has no lots
    ask = matching.levels[best_level(matching, ladder_of(slot, SELL))]
    is_same = (
        bid.lots == top.bid_lots
        and ask.lots == top.ask_lots
        and (bid.lots == 0 or bid.price_ticks == top.bid_ticks)
        and (ask.lots == 0 or ask.price_ticks == top.ask_ticks)
    )
    top.bid_lots, top.ask_lots = bid.lots, ask.lots
    top.bid_ticks, top.ask_ticks = bid.price_ticks, ask.price_ticks
    return not is_same


@kernel
def put_back(state: Any, levels: Any) -> None:
    """Enter levels that were kept."""
    fold = state[0]
    for i in range(levels.size):
        level = levels[i]
        _change(fold, level.product_id, level.side, level.price_ticks, level.lots)
        slot = level.product_id % PRODUCTS
        _look(fold, slot)
        fold.is_touched[slot] = 0
    fold.touched_count = 0


class Quotes:
    """The fold with its state, which can be kept and taken up again between two commands."""

    def __init__(self) -> None:
        self._state = bare(records(np.zeros(1, FOLD)))

    def fold(self, events: Any, position: int) -> Any:
        """Return the quotes that whole commands give, array of shape (n,), QUOTE."""
        quotes = bare(records(np.zeros(events.size, QUOTE)))
        if not events.size:
            return quotes
        return quotes[
            : fold_quotes(self._state, bare(records(np.asarray(events).view(EVENT))), position, quotes)
        ]

    def levels(self) -> Any:
        """Return what rests at each price, array of shape (n,), LEVEL, in no order."""
        state = self._state.view(np.ndarray)[0]
        resting = state["matching"]["levels"]
        resting = resting[resting["lots"] > 0]
        levels = np.zeros(resting.size, LEVEL)
        levels["product_id"] = state["tops"]["product_id"][resting["ladder"] // 2]
        levels["side"] = BUY + resting["ladder"] % 2
        for name in ("price_ticks", "lots"):
            levels[name] = resting[name]
        return levels

    def tops(self) -> Any:
        """Return the top of each book that has one, array of shape (n,), QUOTE; `position` is not told."""
        tops = self._state.view(np.ndarray)[0]["tops"]
        return tops[(tops["bid_lots"] > 0) | (tops["ask_lots"] > 0)].copy()

    def put_back(self, levels: Any) -> None:
        """Begin with levels that :meth:`levels` gave."""
        put_back(self._state, bare(records(levels)))
