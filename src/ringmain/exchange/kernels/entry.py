"""What participants send: place, cancel, replace, mass cancel."""

from typing import Any

from ringmain.core.jit import kernel, leaf
from ringmain.exchange.kernels.answers import (
    reject_order,
    report_accepted,
    report_cancelled,
    report_clip,
    report_replaced,
)
from ringmain.exchange.kernels.blocks import cancel_block_named, cancel_blocks_of
from ringmain.exchange.kernels.book import reduce_order, rest, unhang
from ringmain.exchange.kernels.cancelling import (
    MASS_CANCEL,
    cancel_resting,
    start_sweep,
    sweep_step,
)
from ringmain.exchange.kernels.credit import give_back, hold, owed_minor, set_aside, settle_trades
from ringmain.exchange.kernels.entering import VOLATILITY, enter_again, leftover_reason
from ringmain.exchange.kernels.guards import anchor_of, limits_fault
from ringmain.exchange.kernels.icebergs import cut_iceberg
from ringmain.exchange.kernels.levels import (
    best_level,
    ladder_of,
    levels_full,
    opposite,
    side_of,
    slot_of,
)
from ringmain.exchange.kernels.matching import crosses, fillable, match, trades_in
from ringmain.exchange.kernels.orders import find_order, open_lots, orders_full, take_order
from ringmain.exchange.kernels.products import UNKNOWN, find_product
from ringmain.exchange.kernels.stops import await_stop, trigger_stops
from ringmain.exchange.kernels.terms import (
    describe_special,
    form_fault,
    is_plain,
    is_waiting_type,
    limit_of,
    participant_fault,
    price_fault,
    quantity_fault,
    rests_orders,
)
from ringmain.exchange.kernels.timers import have_blocks_tried
from ringmain.exchange.kernels.volatility import bound_of, interrupt, is_interrupted, restore_limit
from ringmain.exchange.messages import (
    ALL_PRODUCTS,
    CANCELLATIONS,
    CLOSED,
    CONTINUOUS,
    FOK,
    HALTED,
    IOC,
    MARKET,
    MARKET_TO_LIMIT,
    REJECTIONS,
)
from ringmain.exchange.state import EVENTS_PER_COMMAND

UNKNOWN_PRODUCT, UNKNOWN_ORDER = REJECTIONS["UNKNOWN_PRODUCT"], REJECTIONS["UNKNOWN_ORDER"]
WRONG_PHASE, WOULD_TRADE = REJECTIONS["WRONG_PHASE"], REJECTIONS["WOULD_TRADE"]
QUANTITY_CHANGED = REJECTIONS["QUANTITY_CHANGED"]
NOTHING_TO_TRADE_WITH = REJECTIONS["NOTHING_TO_TRADE_WITH"]
ORDERS_FULL, PRICE_LEVELS_FULL = REJECTIONS["ORDERS_FULL"], REJECTIONS["PRICE_LEVELS_FULL"]
MASS_CANCEL_RUNNING = REJECTIONS["MASS_CANCEL_RUNNING"]
NO_PRICE_LEVEL_LEFT = CANCELLATIONS["NO_PRICE_LEVEL_LEFT"]
BY_OWNER, FOK_UNFILLED = CANCELLATIONS["BY_OWNER"], CANCELLATIONS["FOK_UNFILLED"]


@kernel
def place(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Accept an order, match it and rest the remainder, or reject it; return the next event row."""
    order, seat = request.place_order, exchange.seats[request.head.session_id]
    slot, end = find_product(exchange, order.product_id), count + EVENTS_PER_COMMAND
    ladder, limit_ticks = 0, 0
    reason = form_fault(exchange, request, slot)
    if reason == 0:
        ladder = ladder_of(slot, int(order.side))
        limit_ticks = limit_of(exchange, order, slot, ladder)
        reason = _cover_fault(exchange, request, slot, ladder, limit_ticks)
    if reason != 0:
        reject_order(events[count], request, order.product_id, 0, reason)
        return count + 1
    seat.last_order_number = request.head.session_number
    if is_plain(order):
        report_accepted(events[count], request, seat.account_id, limit_ticks, order.quantity_lots)
        count = _trade_and_rest(exchange, request, slot, ladder, limit_ticks, events, count + 1)
    else:
        shown_lots = 0 if is_waiting_type(order) or order.display_lots > 0 else order.quantity_lots
        report_accepted(events[count], request, seat.account_id, limit_ticks, shown_lots)
        count = _enter_special(exchange, request, slot, ladder, limit_ticks, events, count + 1)
    return _follow_up(exchange, request, slot, events, count, end)


@kernel
def cancel(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Take an order off the book; return the next event row."""
    order_number = request.cancel_order.order_number
    order_slot = find_order(exchange.matching, request.head.session_id, order_number)
    reason = UNKNOWN_ORDER
    if order_slot != 0:
        reason = 0 if _may_cancel(exchange, order_slot) else WRONG_PHASE
    elif cancel_block_named(exchange, request, order_number, BY_OWNER, events[count]):
        return count + 1
    if reason != 0:
        reject_order(events[count], request, 0, order_number, reason)
    else:
        number = request.head.session_number
        cancel_resting(exchange, request, order_slot, BY_OWNER, number, events[count])
    return count + 1


@kernel
def replace(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Change an order's price and open quantity; return the next event row."""
    matching, change, end = exchange.matching, request.replace_order, count + EVENTS_PER_COMMAND
    order_slot = find_order(matching, request.head.session_id, change.order_number)
    reason = _replace_fault(exchange, change, order_slot)
    if reason != 0:
        reject_order(events[count], request, 0, change.order_number, reason)
        return count + 1
    order = matching.orders[order_slot]
    slot = slot_of(matching.levels[order.level].ladder)
    if order.is_special:
        count = _replace_special(exchange, request, order_slot, slot, events, count)
    else:
        count = _replace_plain(exchange, request, order_slot, slot, events, count)
    return _follow_up(exchange, request, slot, events, count, end)


@leaf
def _follow_up(exchange: Any, request: Any, slot: int, events: Any, count: int, end: int) -> int:
    """Bring in what a changed book brings in: stop orders now, blocks soon; return the next event row."""
    if exchange.products[slot].stop_count > 0:
        count = trigger_stops(exchange, request, slot, events, count, end)
    if exchange.products[slot].block_count > 0:
        have_blocks_tried(exchange, slot, request.head.time_ns)
    return count


@kernel
def _replace_plain(exchange: Any, request: Any, order_slot: int, slot: int, events: Any, count: int) -> int:
    matching, change = exchange.matching, request.replace_order
    order = matching.orders[order_slot]
    level = matching.levels[order.level]
    ladder, price_ticks, lots = int(level.ladder), int(change.price_ticks), int(change.quantity_lots)
    keeps_priority = price_ticks == level.price_ticks and lots <= order.lots
    report_replaced(
        events[count], request, order.session_id, order.session_number, exchange.products[slot].product_id,
        side_of(ladder), price_ticks, lots, level.price_ticks, order.lots, keeps_priority, True,
        request.head.session_number,
    )  # fmt: skip
    if not keeps_priority:
        unhang(matching, order_slot)
        number = request.head.session_number
        return enter_again(
            exchange, request, order_slot, ladder, price_ticks, lots, number, events, count + 1
        )
    if lots < order.lots:
        reduce_order(matching, order_slot, int(order.lots) - lots)
    return count + 1


@kernel
def _replace_special(exchange: Any, request: Any, order_slot: int, slot: int, events: Any, count: int) -> int:
    """Change an iceberg, an order that waits for its stop price, or one that ends at a time."""
    matching, change, number = exchange.matching, request.replace_order, request.head.session_number
    order, special = matching.orders[order_slot], matching.specials[order_slot]
    level, product_id = matching.levels[order.level], exchange.products[slot].product_id
    ladder, price_ticks, lots = int(level.ladder), int(change.price_ticks), int(change.quantity_lots)
    side, old_lots, old_shown = side_of(ladder), open_lots(matching, order_slot), int(order.lots)
    is_iceberg, is_waiting = special.display_lots > 0, special.is_waiting == 1
    old_ticks = int(special.limit_ticks) if is_waiting else int(level.price_ticks)
    keeps_priority = price_ticks == old_ticks and lots <= old_lots
    if is_waiting:
        keeps_priority = change.stop_ticks == level.price_ticks and lots <= old_lots
    report_replaced(
        events[count], request, order.session_id, order.session_number, product_id, side, price_ticks, lots,
        old_ticks, old_lots, keeps_priority, not is_iceberg and not is_waiting, number,
    )  # fmt: skip
    count += 1
    if is_waiting:
        special.limit_ticks = price_ticks
        if not keeps_priority:
            unhang(matching, order_slot)
            rest(matching, order_slot, ladder, change.stop_ticks, lots)
        elif lots < old_lots:
            reduce_order(matching, order_slot, old_lots - lots)
        return count
    if keeps_priority and is_iceberg and lots < old_lots:
        return cut_iceberg(matching, request, order_slot, product_id, lots, events, count)
    if keeps_priority:
        if lots < old_lots:
            reduce_order(matching, order_slot, old_lots - lots)
        return count
    if is_iceberg:
        report_clip(
            events[count], request, order, product_id, side, price_ticks, 0, lots, old_ticks, old_shown
        )
        count += 1
    unhang(matching, order_slot)
    special.hidden_lots = 0
    return enter_again(exchange, request, order_slot, ladder, price_ticks, lots, number, events, count)


@kernel
def mass_cancel(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Cancel a session's orders, at once when there are few; return the next event row."""
    session_id, number = request.head.session_id, request.head.session_number
    product_id = request.mass_cancel.product_id
    reason = participant_fault(exchange, session_id)
    if reason == 0 and product_id != ALL_PRODUCTS and find_product(exchange, product_id) == UNKNOWN:
        reason = UNKNOWN_PRODUCT
    if reason == 0 and exchange.seats[session_id].sweeping:
        reason = MASS_CANCEL_RUNNING
    if reason != 0:
        reject_order(events[count], request, product_id, 0, reason)
        return count + 1
    start_sweep(exchange, session_id, product_id, number, MASS_CANCEL, number)
    count = cancel_blocks_of(exchange, request, product_id, MASS_CANCEL, number, events, count)
    return sweep_step(exchange, request, events, count)


@kernel
def _cover_fault(exchange: Any, request: Any, slot: int, ladder: int, limit_ticks: int) -> int:
    """Set aside what a well-formed order may cost; return why that cannot be, or 0."""
    matching, order = exchange.matching, request.place_order
    session_id = request.head.session_id
    needs_other_side = order.order_type == MARKET or order.order_type == MARKET_TO_LIMIT
    if needs_other_side and best_level(matching, opposite(ladder)) == 0:
        return NOTHING_TO_TRADE_WITH
    account_id, lots = exchange.seats[session_id].account_id, int(order.quantity_lots)
    if exchange.safeguards.are_on:
        reason = limits_fault(exchange, slot, account_id, limit_ticks, lots)
        if reason != 0:
            return reason
    if orders_full(matching, session_id, request.head.session_number):
        return ORDERS_FULL
    if levels_full(matching):
        return PRICE_LEVELS_FULL
    return set_aside(exchange, slot, account_id, side_of(ladder), limit_ticks, lots)


@kernel
def _trade_and_rest(
    exchange: Any, request: Any, slot: int, ladder: int, limit_ticks: int, events: Any, count: int
) -> int:
    """Match an accepted order, settle its trades, and rest or cancel what is left."""
    matching, head, order = exchange.matching, request.head, request.place_order
    account_id, product = int(exchange.seats[head.session_id].account_id), exchange.products[slot]
    left, reason, bound_ticks, anchor_ticks = int(order.quantity_lots), 0, limit_ticks, 0
    if exchange.safeguards.are_on and product.phase == CONTINUOUS:
        anchor_ticks = anchor_of(product)
        bound_ticks = bound_of(exchange, slot, ladder, limit_ticks)
    if order.time_in_force == FOK and not fillable(
        matching, ladder, bound_ticks, left, account_id, order.self_trade, product.allocation
    ):
        reason = FOK_UNFILLED
    elif trades_in(product.phase, order.balancing):
        left, end, reason = match(
            matching, request, head.session_id, head.session_number, account_id, order.product_id, ladder,
            bound_ticks, left, True, order.self_trade, product.allocation, events, count,
        )  # fmt: skip
        if bound_ticks != limit_ticks:
            restore_limit(events, count, end, head.session_id, head.session_number, limit_ticks)
        settle_trades(exchange, slot, account_id, events, count, end)
        count = end
        if reason == 0:
            may_rest = order.time_in_force != IOC and order.time_in_force != FOK
            if left > 0 and is_interrupted(matching, ladder, bound_ticks, limit_ticks):
                count = interrupt(exchange, request, slot, ladder, anchor_ticks, events, count)
                reason = 0 if may_rest else VOLATILITY
            else:
                reason = leftover_reason(matching, ladder, limit_ticks, may_rest)
    if left == 0:
        return count
    if reason == 0 and levels_full(matching):  # the clips that this order met took the room
        reason = NO_PRICE_LEVEL_LEFT
    if reason == 0:
        order_slot = take_order(matching, head.session_id, head.session_number, account_id, order.self_trade)
        rest(matching, order_slot, ladder, limit_ticks, left)
        return count
    give_back(exchange, slot, account_id, side_of(ladder), limit_ticks, left)
    report_cancelled(
        events[count], request, head.session_id, head.session_number, account_id, order.product_id,
        side_of(ladder), limit_ticks, left, left, reason, 0,
    )  # fmt: skip
    return count + 1


@kernel
def _enter_special(
    exchange: Any, request: Any, slot: int, ladder: int, limit_ticks: int, events: Any, count: int
) -> int:
    """Enter an order that needs more than a limit and a quantity: it gets its slot before it trades."""
    matching, head, order = exchange.matching, request.head, request.place_order
    account_id = int(exchange.seats[head.session_id].account_id)
    order_slot = take_order(matching, head.session_id, head.session_number, account_id, order.self_trade)
    describe_special(exchange, order_slot, order, limit_ticks)
    if is_waiting_type(order):
        await_stop(exchange, order_slot, slot, int(order.side), order.stop_ticks, order.quantity_lots)
        return count
    lots = int(order.quantity_lots)
    return enter_again(exchange, request, order_slot, ladder, limit_ticks, lots, 0, events, count)


@kernel
def _may_cancel(exchange: Any, order_slot: int) -> bool:
    """Tell whether the order's product is in a phase in which orders may leave."""
    level = exchange.matching.levels[exchange.matching.orders[order_slot].level]
    phase = exchange.products[slot_of(level.ladder)].phase
    return rests_orders(phase) or phase in (CONTINUOUS, HALTED, CLOSED)


@kernel
def _replace_fault(exchange: Any, change: Any, order_slot: int) -> int:
    """Return why an order cannot become what is asked for; or 0, and then it has set that aside."""
    if order_slot == 0:
        return UNKNOWN_ORDER
    matching = exchange.matching
    order = matching.orders[order_slot]
    level = matching.levels[order.level]
    product = exchange.products[slot_of(level.ladder)]
    if product.phase != CONTINUOUS and not rests_orders(product.phase):
        return WRONG_PHASE
    reason = price_fault(product, change.price_ticks)
    if reason == 0:
        reason = quantity_fault(product, change.quantity_lots)
    if reason == 0 and order.is_special:
        reason = _special_change_fault(exchange, change, order_slot, product)
    if reason != 0:
        return reason
    if change.expected_lots != 0 and change.expected_lots != open_lots(matching, order_slot):
        return QUANTITY_CHANGED
    if exchange.safeguards.are_on:
        slot, lots = slot_of(level.ladder), int(change.quantity_lots)
        reason = limits_fault(exchange, slot, order.account_id, int(change.price_ticks), lots)
        if reason != 0:
            return reason
    if levels_full(matching):
        return PRICE_LEVELS_FULL
    return _cover_change(exchange, change, order_slot)


@kernel
def _special_change_fault(exchange: Any, change: Any, order_slot: int, product: Any) -> int:
    special = exchange.matching.specials[order_slot]
    if special.is_waiting:
        return price_fault(product, change.stop_ticks)
    ladder = int(exchange.matching.levels[exchange.matching.orders[order_slot].level].ladder)
    if special.post_only and trades_in(product.phase, special.balancing):
        return WOULD_TRADE if crosses(exchange.matching, ladder, int(change.price_ticks)) else 0
    return 0


@kernel
def _cover_change(exchange: Any, change: Any, order_slot: int) -> int:
    """Set aside what the order will need instead of what it needs; return why that cannot be, or 0."""
    matching = exchange.matching
    order = matching.orders[order_slot]
    level = matching.levels[order.level]
    slot, side = slot_of(level.ladder), side_of(level.ladder)
    account_id = order.account_id
    old_ticks, old_lots = int(level.price_ticks), open_lots(matching, order_slot)
    if order.is_special and matching.specials[order_slot].is_waiting:
        old_ticks = int(matching.specials[order_slot].limit_ticks)
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
