"""What participants send: place, cancel, replace, mass cancel."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.answers import (
    ORDER_REPLACED,
    head_order,
    reject_order,
    report_accepted,
    report_cancelled,
)
from ringmain.exchange.kernels.book import crosses, fillable, match, reduce_order, rest, unhang
from ringmain.exchange.kernels.cancelling import (
    MASS_CANCEL,
    cancel_resting,
    start_sweep,
    sweep_step,
)
from ringmain.exchange.kernels.credit import give_back, hold, owed_minor, set_aside, settle_trades
from ringmain.exchange.kernels.levels import (
    best_level,
    ladder_of,
    levels_full,
    opposite,
    side_of,
    slot_of,
)
from ringmain.exchange.kernels.orders import find_order, give_order, orders_full, take_order
from ringmain.exchange.kernels.products import UNKNOWN, find_product
from ringmain.exchange.messages import (
    ALL_PRODUCTS,
    BUY,
    CALL,
    CANCELLATIONS,
    CONTINUOUS,
    FOK,
    GOOD_FOR_SESSION,
    HALTED,
    IOC,
    LIMIT,
    MARKET,
    REJECTIONS,
    SELL,
)
from ringmain.exchange.state import ACCOUNTS, LOTS_MAX, PRICE_TICKS_MAX, PRICE_TICKS_MIN

ACCOUNT_NOT_OPEN, PARTICIPANT_ONLY = REJECTIONS["ACCOUNT_NOT_OPEN"], REJECTIONS["PARTICIPANT_ONLY"]
UNKNOWN_PRODUCT, UNKNOWN_ORDER = REJECTIONS["UNKNOWN_PRODUCT"], REJECTIONS["UNKNOWN_ORDER"]
WRONG_PHASE, WRONG_SIDE = REJECTIONS["WRONG_PHASE"], REJECTIONS["WRONG_SIDE"]
WRONG_ORDER_TYPE, WRONG_TIME_IN_FORCE = REJECTIONS["WRONG_ORDER_TYPE"], REJECTIONS["WRONG_TIME_IN_FORCE"]
PRICE_OUT_OF_RANGE, QUANTITY_OUT_OF_RANGE = (
    REJECTIONS["PRICE_OUT_OF_RANGE"],
    REJECTIONS["QUANTITY_OUT_OF_RANGE"],
)
QUANTITY_CHANGED = REJECTIONS["QUANTITY_CHANGED"]
NOTHING_TO_TRADE_WITH = REJECTIONS["NOTHING_TO_TRADE_WITH"]
ORDERS_FULL, PRICE_LEVELS_FULL = REJECTIONS["ORDERS_FULL"], REJECTIONS["PRICE_LEVELS_FULL"]
MASS_CANCEL_RUNNING = REJECTIONS["MASS_CANCEL_RUNNING"]
BY_OWNER, IOC_REMAINDER = CANCELLATIONS["BY_OWNER"], CANCELLATIONS["IOC_REMAINDER"]
FOK_UNFILLED, FILL_LIMIT = CANCELLATIONS["FOK_UNFILLED"], CANCELLATIONS["FILL_LIMIT"]


@kernel
def place(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Accept an order, match it and rest the remainder, or reject it; return the next event row."""
    order, seat = request.place_order, exchange.seats[request.head.session_id]
    slot = find_product(exchange, order.product_id)
    ladder, limit_ticks = 0, 0
    reason = _form_fault(exchange, request, slot)
    if reason == 0:
        ladder = ladder_of(slot, int(order.side))
        limit_ticks = _limit_of(exchange, order, slot, ladder)
        reason = _cover_fault(exchange, request, slot, ladder, limit_ticks)
    if reason != 0:
        reject_order(events[count], request, order.product_id, 0, reason)
        return count + 1
    seat.last_order_number = request.head.session_number
    report_accepted(events[count], request, seat.account_id, limit_ticks)
    return _trade_and_rest(exchange, request, slot, ladder, limit_ticks, events, count + 1)


@kernel
def cancel(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Take an order off the book; return the next event row."""
    order_number = request.cancel_order.order_number
    order_slot = find_order(exchange.matching, request.head.session_id, order_number)
    reason = UNKNOWN_ORDER
    if order_slot != 0:
        reason = 0 if _may_cancel(exchange, order_slot) else WRONG_PHASE
    if reason != 0:
        reject_order(events[count], request, 0, order_number, reason)
    else:
        number = request.head.session_number
        cancel_resting(exchange, request, order_slot, BY_OWNER, number, events[count])
    return count + 1


@kernel
def replace(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Change an order's price and open quantity; return the next event row."""
    matching, change = exchange.matching, request.replace_order
    order_slot = find_order(matching, request.head.session_id, change.order_number)
    reason = _replace_fault(exchange, change, order_slot)
    if reason != 0:
        reject_order(events[count], request, 0, change.order_number, reason)
        return count + 1
    order = matching.orders[order_slot]
    level = matching.levels[order.level]
    keeps_priority = change.price_ticks == level.price_ticks and change.quantity_lots <= order.lots
    product_id = exchange.products[slot_of(level.ladder)].product_id
    _report_replaced(events[count], request, order, level, product_id, keeps_priority)
    if not keeps_priority:
        return _requeue(exchange, request, order_slot, events, count + 1)
    if change.quantity_lots < order.lots:
        reduce_order(matching, order_slot, int(order.lots) - int(change.quantity_lots))
    return count + 1


@kernel
def mass_cancel(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Cancel a session's orders, at once when there are few; return the next event row."""
    session_id, number = request.head.session_id, request.head.session_number
    product_id = request.mass_cancel.product_id
    reason = _participant_fault(exchange, session_id)
    if reason == 0 and product_id != ALL_PRODUCTS and find_product(exchange, product_id) == UNKNOWN:
        reason = UNKNOWN_PRODUCT
    if reason == 0 and exchange.seats[session_id].sweeping:
        reason = MASS_CANCEL_RUNNING
    if reason != 0:
        reject_order(events[count], request, product_id, 0, reason)
        return count + 1
    start_sweep(exchange, session_id, product_id, number, MASS_CANCEL, number)
    return sweep_step(exchange, request, events, count)


@kernel
def _participant_fault(exchange: Any, session_id: int) -> int:
    account_id = exchange.seats[session_id].account_id
    if account_id == 0:
        return PARTICIPANT_ONLY
    if account_id >= ACCOUNTS or exchange.participants[account_id].open == 0:
        return ACCOUNT_NOT_OPEN
    return 0


@kernel
def _form_fault(exchange: Any, request: Any, slot: int) -> int:
    """Return what is wrong with an order as it is written, or 0."""
    reason = _participant_fault(exchange, request.head.session_id)
    if reason != 0:
        return reason
    if slot == UNKNOWN:
        return UNKNOWN_PRODUCT
    order, phase = request.place_order, exchange.products[slot].phase
    if phase != CONTINUOUS and phase != CALL:
        return WRONG_PHASE
    if order.side != BUY and order.side != SELL:
        return WRONG_SIDE
    reason = _terms_fault(order, phase)
    if reason == 0 and order.order_type == LIMIT:
        reason = _price_fault(order.price_ticks)
    return reason if reason != 0 else _quantity_fault(order.quantity_lots)


@kernel
def _terms_fault(order: Any, phase: int) -> int:
    """Return what is wrong with order type and time in force: a call auction takes what rests."""
    time_in_force = order.time_in_force
    if order.order_type != LIMIT and (order.order_type != MARKET or phase == CALL):
        return WRONG_ORDER_TYPE
    if time_in_force == GOOD_FOR_SESSION:
        return 0 if order.order_type == LIMIT else WRONG_TIME_IN_FORCE
    if (time_in_force != IOC and time_in_force != FOK) or phase == CALL:
        return WRONG_TIME_IN_FORCE
    return 0


@kernel
def _price_fault(price_ticks: int) -> int:
    return 0 if PRICE_TICKS_MIN <= price_ticks <= PRICE_TICKS_MAX else PRICE_OUT_OF_RANGE


@kernel
def _quantity_fault(quantity_lots: int) -> int:
    return 0 if 0 < quantity_lots <= LOTS_MAX else QUANTITY_OUT_OF_RANGE


@kernel
def _limit_of(exchange: Any, order: Any, slot: int, ladder: int) -> int:
    """Return an order's limit; a MARKET order's is the end of the range beyond the best price."""
    if order.order_type == LIMIT:
        return int(order.price_ticks)
    best = best_level(exchange.matching, opposite(ladder))
    best_ticks = int(exchange.matching.levels[best].price_ticks)
    range_ticks = int(exchange.products[slot].market_range_ticks)
    if order.side == BUY:
        return min(best_ticks + range_ticks, PRICE_TICKS_MAX)
    return max(best_ticks - range_ticks, PRICE_TICKS_MIN)


@kernel
def _cover_fault(exchange: Any, request: Any, slot: int, ladder: int, limit_ticks: int) -> int:
    """Set aside what a well-formed order may cost; return why that cannot be, or 0."""
    matching, order = exchange.matching, request.place_order
    session_id = request.head.session_id
    if order.order_type == MARKET and best_level(matching, opposite(ladder)) == 0:
        return NOTHING_TO_TRADE_WITH
    if orders_full(matching, session_id, request.head.session_number):
        return ORDERS_FULL
    if levels_full(matching):
        return PRICE_LEVELS_FULL
    account_id, lots = exchange.seats[session_id].account_id, int(order.quantity_lots)
    return set_aside(exchange, slot, account_id, side_of(ladder), limit_ticks, lots)


@kernel
def _trade_and_rest(
    exchange: Any, request: Any, slot: int, ladder: int, limit_ticks: int, events: Any, count: int
) -> int:
    """Match an accepted order, settle its trades, and rest or cancel what is left."""
    matching, head, order = exchange.matching, request.head, request.place_order
    account_id = exchange.seats[head.session_id].account_id
    left, reason = int(order.quantity_lots), 0
    if order.time_in_force == FOK and not fillable(matching, ladder, limit_ticks, left):
        reason = FOK_UNFILLED
    elif exchange.products[slot].phase == CONTINUOUS:
        left, end = match(
            matching, request, head.session_number, account_id, order.product_id,
            ladder, limit_ticks, left, events, count,
        )  # fmt: skip
        settle_trades(exchange, slot, events, count, end)
        count = end
        reason = _leftover_reason(matching, ladder, limit_ticks, order.time_in_force)
    if left == 0:
        return count
    if reason == 0:
        order_slot = take_order(matching, head.session_id, head.session_number, account_id)
        rest(matching, order_slot, ladder, limit_ticks, left)
        return count
    give_back(exchange, slot, account_id, side_of(ladder), limit_ticks, left)
    report_cancelled(
        events[count], request, head.session_id, head.session_number, account_id,
        order.product_id, side_of(ladder), limit_ticks, left, reason, 0,
    )  # fmt: skip
    return count + 1


@kernel
def _leftover_reason(matching: Any, ladder: int, limit_ticks: int, time_in_force: int) -> int:
    """Return why what is left after matching may not rest, or 0 if it may."""
    if crosses(matching, ladder, limit_ticks):
        return FILL_LIMIT
    return 0 if time_in_force == GOOD_FOR_SESSION else IOC_REMAINDER


@kernel
def _may_cancel(exchange: Any, order_slot: int) -> bool:
    """Tell whether the order's product is in a phase in which orders may leave."""
    level = exchange.matching.levels[exchange.matching.orders[order_slot].level]
    phase = exchange.products[slot_of(level.ladder)].phase
    return phase in (CALL, CONTINUOUS, HALTED)


@kernel
def _replace_fault(exchange: Any, change: Any, order_slot: int) -> int:
    """Return why an order cannot become what is asked for; or 0, and then it has set that aside."""
    if order_slot == 0:
        return UNKNOWN_ORDER
    matching = exchange.matching
    order = matching.orders[order_slot]
    level = matching.levels[order.level]
    phase = exchange.products[slot_of(level.ladder)].phase
    if phase != CALL and phase != CONTINUOUS:
        return WRONG_PHASE
    reason = _price_fault(change.price_ticks)
    if reason == 0:
        reason = _quantity_fault(change.quantity_lots)
    if reason != 0:
        return reason
    if change.expected_lots != 0 and change.expected_lots != order.lots:
        return QUANTITY_CHANGED
    if levels_full(matching):
        return PRICE_LEVELS_FULL
    return _cover_change(exchange, change, order, level)


@kernel
def _cover_change(exchange: Any, change: Any, order: Any, level: Any) -> int:
    """Set aside what the order will need instead of what it needs; return why that cannot be, or 0."""
    slot, side = slot_of(level.ladder), side_of(level.ladder)
    account_id = order.account_id
    old_ticks, old_lots = int(level.price_ticks), int(order.lots)
    new_ticks, new_lots = int(change.price_ticks), int(change.quantity_lots)
    old_owed = owed_minor(exchange.products[slot], side, old_ticks, old_lots)
    new_owed = owed_minor(exchange.products[slot], side, new_ticks, new_lots)
    give_back(exchange, slot, account_id, side, old_ticks, old_lots)
    if new_lots <= old_lots and new_owed <= old_owed:
        hold(exchange, slot, account_id, side, new_ticks, new_lots)
        return 0
    reason = set_aside(exchange, slot, account_id, side, new_ticks, new_lots)
    if reason != 0:
        hold(exchange, slot, account_id, side, old_ticks, old_lots)
    return reason


@kernel
def _requeue(exchange: Any, request: Any, order_slot: int, events: Any, count: int) -> int:
    """Match a replaced order anew and put what is left at the end of its new queue."""
    matching, head, change = exchange.matching, request.head, request.replace_order
    order = matching.orders[order_slot]
    ladder, account_id = int(matching.levels[order.level].ladder), order.account_id
    slot = slot_of(ladder)
    product_id = exchange.products[slot].product_id
    limit_ticks, left, reason = int(change.price_ticks), int(change.quantity_lots), 0
    unhang(matching, order_slot)
    if exchange.products[slot].phase == CONTINUOUS:
        left, end = match(
            matching, request, change.order_number, account_id, product_id,
            ladder, limit_ticks, left, events, count,
        )  # fmt: skip
        settle_trades(exchange, slot, events, count, end)
        count = end
        reason = _leftover_reason(matching, ladder, limit_ticks, GOOD_FOR_SESSION)
    if left > 0 and reason == 0:
        rest(matching, order_slot, ladder, limit_ticks, left)
        return count
    give_order(matching, order_slot)
    if left == 0:
        return count
    give_back(exchange, slot, account_id, side_of(ladder), limit_ticks, left)
    report_cancelled(
        events[count], request, head.session_id, change.order_number, account_id,
        product_id, side_of(ladder), limit_ticks, left, reason, head.session_number,
    )  # fmt: skip
    return count + 1


@kernel
def _report_replaced(
    event: Any, request: Any, order: Any, level: Any, product_id: int, keeps_priority: bool
) -> None:
    change = request.replace_order
    head_order(event, request, ORDER_REPLACED, order.session_id, order.session_number)
    replaced = event.order_replaced
    replaced.command_number = request.head.session_number
    replaced.price_ticks = change.price_ticks
    replaced.quantity_lots = change.quantity_lots
    replaced.old_price_ticks = level.price_ticks
    replaced.old_quantity_lots = order.lots
    replaced.product_id = product_id
    replaced.side = side_of(level.ladder)
    replaced.priority_kept = 1 if keeps_priority else 0
