"""The order book: queues of orders at their price levels, and matching in price-time priority."""

from typing import Any

from ringmain.core.jit import kernel, leaf
from ringmain.exchange.kernels.answers import report_fill
from ringmain.exchange.kernels.levels import (
    best_level,
    key_of,
    level_after,
    obtain_level,
    opposite,
    remove_level,
)
from ringmain.exchange.kernels.orders import give_order
from ringmain.exchange.messages import MAKER, TAKER
from ringmain.exchange.state import FILLS_PER_COMMAND


@leaf
def rest(matching: Any, slot: int, ladder: int, price_ticks: int, lots: int) -> None:
    """Queue an order that hangs nowhere at the end of its price level."""
    level_index = obtain_level(matching, ladder, key_of(ladder, price_ticks))
    level = matching.levels[level_index]
    order = matching.orders[slot]
    order.lots = lots
    order.level = level_index
    order.next = 0
    order.previous = level.last
    if level.last == 0:
        level.first = slot
    else:
        matching.orders[level.last].next = slot
    level.last = slot
    level.lots += lots
    level.order_count += 1


@kernel
def unhang(matching: Any, slot: int) -> None:
    """Take an order out of its queue; its slot and its name stay."""
    order = matching.orders[slot]
    level_index = order.level
    level = matching.levels[level_index]
    if order.previous == 0:
        level.first = order.next
    else:
        matching.orders[order.previous].next = order.next
    if order.next == 0:
        level.last = order.previous
    else:
        matching.orders[order.next].previous = order.previous
    level.lots -= order.lots
    level.order_count -= 1
    order.level = 0
    if level.order_count == 0:
        assert level.lots == 0
        remove_level(matching, level_index)


@leaf
def remove_order(matching: Any, slot: int) -> None:
    """Take an order off the book."""
    unhang(matching, slot)
    give_order(matching, slot)


@leaf
def reduce_order(matching: Any, slot: int, lots: int) -> None:
    """Take some of an order's open quantity away; it keeps its place in the queue."""
    order = matching.orders[slot]
    assert 0 < lots < order.lots
    order.lots -= lots
    matching.levels[order.level].lots -= lots


@leaf
def consume(matching: Any, slot: int, lots: int) -> None:
    """Take traded lots from a resting order, which leaves the book when none are left."""
    if lots == matching.orders[slot].lots:
        remove_order(matching, slot)
    else:
        reduce_order(matching, slot, lots)


@kernel
def match(
    matching: Any,
    request: Any,
    order_number: int,
    account_id: int,
    product_id: int,
    ladder: int,
    limit_ticks: int,
    lots: int,
    events: Any,
    count: int,
) -> tuple[int, int]:
    """Trade an incoming order against the best resting ones while the prices cross.

    Parameters
    ----------
    ladder : int
        The incoming order's own side; it trades with the opposite one.
    limit_ticks, lots : int
        Its limit price and open quantity.
    events : recarray of shape (m,), EVENT
        Two are written for a trade, from row `count` on: the maker's, then the taker's.

    Returns
    -------
    lots : int
        What is still open, above zero too when FILLS_PER_COMMAND is reached.
    count : int
        The row after the last event.
    """
    against = opposite(ladder)
    limit_key = key_of(against, limit_ticks)
    level_index = best_level(matching, against)
    trades = 0
    while lots > 0 and level_index != 0 and trades < FILLS_PER_COMMAND:
        level = matching.levels[level_index]
        if level.key > limit_key:
            break
        slot = level.first
        maker = matching.orders[slot]
        traded = min(lots, int(maker.lots))
        lots -= traded
        price_ticks = level.price_ticks
        report_fill(
            events[count], request, maker.session_id, maker.session_number, maker.account_id, product_id,
            against, MAKER, trades, price_ticks, price_ticks, traded, maker.lots - traded,
        )  # fmt: skip
        report_fill(
            events[count + 1], request, request.head.session_id, order_number, account_id, product_id,
            ladder, TAKER, trades, price_ticks, limit_ticks, traded, lots,
        )  # fmt: skip
        consume(matching, slot, traded)
        level_index = best_level(matching, against)
        count += 2
        trades += 1
    return lots, count


@leaf
def crosses(matching: Any, ladder: int, limit_ticks: int) -> bool:
    """Tell whether an incoming order at this limit would trade."""
    against = opposite(ladder)
    level = best_level(matching, against)
    return level != 0 and matching.levels[level].key <= key_of(against, limit_ticks)


@kernel
def fillable(matching: Any, ladder: int, limit_ticks: int, lots: int) -> bool:
    """Tell whether all of an incoming order would trade at once, within FILLS_PER_COMMAND."""
    against = opposite(ladder)
    limit_key = key_of(against, limit_ticks)
    level_index = best_level(matching, against)
    trades = 0
    while level_index != 0 and matching.levels[level_index].key <= limit_key:
        slot = matching.levels[level_index].first
        while slot != 0:
            lots -= matching.orders[slot].lots
            trades += 1
            if lots <= 0:
                return True
            if trades == FILLS_PER_COMMAND:
                return False
            slot = matching.orders[slot].next
        level_index = level_after(matching, against, matching.levels[level_index].key)
    return False
