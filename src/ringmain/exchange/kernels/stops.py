"""Stop orders: they wait in ladders of their own until a trade reaches their stop price.

A buyer's waits for a last price at or above it, a seller's for one at or below it. The one whose
stop price is reached first goes first, then the one that has waited longest.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.answers import head_order
from ringmain.exchange.kernels.book import rest, unhang
from ringmain.exchange.kernels.entering import enter_again
from ringmain.exchange.kernels.levels import best_level, ladder_of, side_of, stop_ladder_of
from ringmain.exchange.kernels.timers import hasten, set_due
from ringmain.exchange.messages import BUY, CONTINUOUS, SELL, OrderTriggered
from ringmain.exchange.state import EVENTS_PER_STEP

ORDER_TRIGGERED = OrderTriggered.kind


@kernel
def await_stop(exchange: Any, order_slot: int, slot: int, side: int, stop_ticks: int, lots: int) -> None:
    """Queue an order that hangs nowhere at its stop price."""
    exchange.matching.specials[order_slot].is_waiting = 1
    exchange.products[slot].stop_count += 1
    rest(exchange.matching, order_slot, stop_ladder_of(slot, side), stop_ticks, lots)


@kernel
def trigger_stops(exchange: Any, request: Any, slot: int, events: Any, count: int, end: int) -> int:
    """Bring in the orders whose stop price is reached, as far as rows up to `end` suffice for sure.

    The rest waits for a timer at once.
    """
    product = exchange.products[slot]
    order_slot = _reached(exchange, slot)
    while order_slot != 0 and count + EVENTS_PER_STEP <= end:
        count = _trigger(exchange, request, slot, order_slot, events, count)
        order_slot = _reached(exchange, slot)
    if order_slot != 0 or product.stops_due:
        product.stops_due = 1 if order_slot != 0 else 0
        set_due(exchange, slot, request.head.time_ns)
        hasten(exchange, exchange.due_ns[slot])
    return count


@kernel
def _reached(exchange: Any, slot: int) -> int:
    """Return the first order whose stop price the last trade has reached, or 0."""
    product, matching = exchange.products[slot], exchange.matching
    if product.stop_count == 0 or product.has_traded == 0 or product.phase != CONTINUOUS:
        return 0
    buys = matching.levels[best_level(matching, stop_ladder_of(slot, BUY))]
    if buys.first != 0 and buys.price_ticks <= product.last_ticks:
        return buys.first
    sells = matching.levels[best_level(matching, stop_ladder_of(slot, SELL))]
    if sells.first != 0 and sells.price_ticks >= product.last_ticks:
        return sells.first
    return 0


@kernel
def _trigger(exchange: Any, request: Any, slot: int, order_slot: int, events: Any, count: int) -> int:
    matching, product = exchange.matching, exchange.products[slot]
    order, special = matching.orders[order_slot], matching.specials[order_slot]
    side = side_of(matching.levels[order.level].ladder)
    lots, limit_ticks = int(order.lots), int(special.limit_ticks)
    unhang(matching, order_slot)
    special.is_waiting = 0
    product.stop_count -= 1
    event = events[count]
    head_order(event, request, ORDER_TRIGGERED, order.session_id, order.session_number)
    triggered = event.order_triggered
    triggered.price_ticks = limit_ticks
    triggered.quantity_lots = lots
    triggered.trigger_ticks = product.last_ticks
    triggered.product_id = product.product_id
    triggered.account_id = order.account_id
    triggered.shown_lots = lots
    triggered.side = side
    return enter_again(
        exchange, request, order_slot, ladder_of(slot, side), limit_ticks, lots, 0, events, count + 1
    )
