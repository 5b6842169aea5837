"""The order book: queues of orders at their price levels, and matching in price-time priority."""

from typing import Any

from ringmain.core.jit import kernel, leaf
from ringmain.exchange.kernels.levels import (
    key_of,
    obtain_level,
    remove_level,
)
from ringmain.exchange.kernels.orders import give_order, open_lots


@leaf
def rest(matching: Any, slot: int, ladder: int, price_ticks: int, lots: int) -> None:
    """Queue an order that hangs nowhere at the end of its price level, with so many lots shown."""
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
    level.lots += open_lots(matching, slot)
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
    level.lots -= open_lots(matching, slot)
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
    """Take some of an order's shown quantity away; it keeps its place in the queue."""
    order = matching.orders[slot]
    assert 0 < lots < order.lots
    order.lots -= lots
    matching.levels[order.level].lots -= lots
