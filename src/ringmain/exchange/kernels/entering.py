"""How an order that is accepted meets the book: it trades, and what is left rests or is cancelled."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.answers import report_cancelled
from ringmain.exchange.kernels.book import rest
from ringmain.exchange.kernels.credit import give_back, settle_trades
from ringmain.exchange.kernels.guards import anchor_of
from ringmain.exchange.kernels.icebergs import rest_iceberg
from ringmain.exchange.kernels.levels import levels_full, side_of, slot_of
from ringmain.exchange.kernels.matching import crosses, match, trades_in
from ringmain.exchange.kernels.orders import give_order
from ringmain.exchange.kernels.volatility import bound_of, interrupt, is_interrupted, restore_limit
from ringmain.exchange.messages import CANCELLATIONS, CONTINUOUS, STOP

NO_PRICE_LEVEL_LEFT = CANCELLATIONS["NO_PRICE_LEVEL_LEFT"]
FILL_LIMIT, IOC_REMAINDER = CANCELLATIONS["FILL_LIMIT"], CANCELLATIONS["IOC_REMAINDER"]
VOLATILITY = CANCELLATIONS["VOLATILITY"]


@kernel
def leftover_reason(matching: Any, ladder: int, limit_ticks: int, may_rest: bool) -> int:
    """Return why what is left after matching may not rest, or 0 if it may."""
    if crosses(matching, ladder, limit_ticks):
        return FILL_LIMIT
    return 0 if may_rest else IOC_REMAINDER


@kernel
def enter_again(
    exchange: Any,
    request: Any,
    order_slot: int,
    ladder: int,
    limit_ticks: int,
    left: int,
    command_number: int,
    events: Any,
    count: int,
) -> int:
    """Match an order that has a slot and hangs nowhere; rest what is left, or cancel it and free the slot."""
    matching = exchange.matching
    order, special = matching.orders[order_slot], matching.specials[order_slot]
    slot, account_id, reason = slot_of(ladder), int(order.account_id), 0
    product = exchange.products[slot]
    is_iceberg = order.is_special == 1 and special.display_lots > 0
    balancing = special.balancing if order.is_special else 0
    if trades_in(product.phase, balancing):
        bound_ticks, anchor_ticks = limit_ticks, 0
        if exchange.safeguards.are_on and product.phase == CONTINUOUS:
            anchor_ticks = anchor_of(product)
            bound_ticks = bound_of(exchange, slot, ladder, limit_ticks)
        left, end, reason = match(
            matching, request, order.session_id, order.session_number, account_id, product.product_id, ladder,
            bound_ticks, left, not is_iceberg, order.self_trade, product.allocation, events, count,
        )  # fmt: skip
        if bound_ticks != limit_ticks:
            restore_limit(events, count, end, order.session_id, order.session_number, limit_ticks)
        settle_trades(exchange, slot, account_id, events, count, end)
        count = end
        if reason == 0:
            may_rest = order.is_special == 0 or special.order_type != STOP
            if left > 0 and is_interrupted(matching, ladder, bound_ticks, limit_ticks):
                count = interrupt(exchange, request, slot, ladder, anchor_ticks, events, count)
                reason = 0 if may_rest else VOLATILITY
            else:
                reason = leftover_reason(matching, ladder, limit_ticks, may_rest)
    if left > 0 and reason == 0 and levels_full(matching):  # orders before it in this command took the room
        reason = NO_PRICE_LEVEL_LEFT
    if left > 0 and reason == 0:
        if not is_iceberg:
            rest(matching, order_slot, ladder, limit_ticks, left)
            return count
        rest_iceberg(
            matching, request, order_slot, product.product_id, ladder, limit_ticks, left, events[count]
        )
        return count + 1
    if left > 0:
        give_back(exchange, slot, account_id, side_of(ladder), limit_ticks, left)
        report_cancelled(
            events[count], request, order.session_id, order.session_number, account_id, product.product_id,
            side_of(ladder), limit_ticks, left, 0 if is_iceberg else left, reason, command_number,
        )  # fmt: skip
        count += 1
    if order.is_special:
        special.hidden_lots = 0
    give_order(matching, order_slot)
    return count
