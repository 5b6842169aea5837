"""How an order that is accepted meets the book: it trades, and what is left rests or is cancelled."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.answers import report_cancelled
from ringmain.exchange.kernels.book import rest
from ringmain.exchange.kernels.credit import give_back, settle_trades
from ringmain.exchange.kernels.icebergs import rest_iceberg
from ringmain.exchange.kernels.levels import side_of, slot_of
from ringmain.exchange.kernels.matching import crosses, match, trades_in
from ringmain.exchange.kernels.orders import give_order
from ringmain.exchange.messages import CANCELLATIONS, STOP

FILL_LIMIT, IOC_REMAINDER = CANCELLATIONS["FILL_LIMIT"], CANCELLATIONS["IOC_REMAINDER"]


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
        left, end, reason = match(
            matching, request, order.session_id, order.session_number, account_id, product.product_id, ladder,
            limit_ticks, left, not is_iceberg, order.self_trade, product.allocation, events, count,
        )  # fmt: skip
        settle_trades(exchange, slot, account_id, events, count, end)
        count = end
        if reason == 0:
            may_rest = order.is_special == 0 or special.order_type != STOP
            reason = leftover_reason(matching, ladder, limit_ticks, may_rest)
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
