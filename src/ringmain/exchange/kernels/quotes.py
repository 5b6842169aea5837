"""Quotes: a bid and an offer that replace the ones before them in one step.

Both sides are plain orders of the session: the bid is named by the PlaceQuote's session_number, the
offer by its negative. So whatever cancels or replaces an order does so with a quote's side.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.core.sessions import SESSIONS
from ringmain.exchange.kernels.answers import (
    ORDER_ACCEPTED,
    head_answer,
    head_order,
    reject_order,
    reject_setup,
)
from ringmain.exchange.kernels.cancelling import cancel_resting
from ringmain.exchange.kernels.credit import give_back, hold, set_aside
from ringmain.exchange.kernels.entering import enter_again
from ringmain.exchange.kernels.guards import part_fault
from ringmain.exchange.kernels.levels import ladder_of
from ringmain.exchange.kernels.orders import find_order, open_lots, orders_full, take_order
from ringmain.exchange.kernels.products import UNKNOWN, find_product, is_operator
from ringmain.exchange.kernels.protection import drop_protections
from ringmain.exchange.kernels.reserve_rules import is_reserve
from ringmain.exchange.kernels.stops import trigger_stops
from ringmain.exchange.kernels.terms import (
    participant_fault,
    price_fault,
    quantity_fault,
    rests_orders,
)
from ringmain.exchange.kernels.timers import have_blocks_tried
from ringmain.exchange.messages import (
    ALLOWED,
    BUY,
    CANCELLATIONS,
    CONTINUOUS,
    GOOD_FOR_SESSION,
    LIMIT,
    REJECTIONS,
    SELL,
)
from ringmain.exchange.multileg_messages import QuotePlaced, QuotingAllowed
from ringmain.exchange.multileg_state import QUOTERS
from ringmain.exchange.state import DEPTH, EVENTS_PER_COMMAND, LEVELS, NODES, ORDERS, PRODUCTS

QUOTING_ALLOWED, QUOTE_PLACED = QuotingAllowed.kind, QuotePlaced.kind
OPERATOR_ONLY, SESSION_OUT_OF_RANGE = REJECTIONS["OPERATOR_ONLY"], REJECTIONS["SESSION_OUT_OF_RANGE"]
QUOTERS_FULL, NOT_A_QUOTER = REJECTIONS["QUOTERS_FULL"], REJECTIONS["NOT_A_QUOTER"]
QUOTE_PROTECTION_TRIPPED = REJECTIONS["QUOTE_PROTECTION_TRIPPED"]
WRONG_PRODUCT_KIND = REJECTIONS["WRONG_PRODUCT_KIND"]
QUOTE_CROSSED, UNKNOWN_PRODUCT = REJECTIONS["QUOTE_CROSSED"], REJECTIONS["UNKNOWN_PRODUCT"]
WRONG_PHASE, QUANTITY_OUT_OF_RANGE = REJECTIONS["WRONG_PHASE"], REJECTIONS["QUANTITY_OUT_OF_RANGE"]
QUANTITY_BELOW_MINIMUM = REJECTIONS["QUANTITY_BELOW_MINIMUM"]
ORDERS_FULL, PRICE_LEVELS_FULL = REJECTIONS["ORDERS_FULL"], REJECTIONS["PRICE_LEVELS_FULL"]
QUOTE_REPLACED = CANCELLATIONS["QUOTE_REPLACED"]


@kernel
def allow_quoting(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Make a session a quoter, or one no longer; its quotes stay; return the next event row."""
    command, quoting = request.allow_quoting, exchange.quoting
    quoter_id, reason, index = int(command.quoter_id), 0, 0
    if not is_operator(exchange, request.head.session_id):
        reason = OPERATOR_ONLY
    elif quoter_id < 1 or quoter_id >= SESSIONS:
        reason = SESSION_OUT_OF_RANGE
    else:
        index = int(quoting.quoter_of[quoter_id])
    if reason == 0 and command.is_allowed != 0 and index == 0:
        index = _free_quoter(quoting)
        reason = QUOTERS_FULL if index == 0 else 0
    if reason != 0:
        reject_setup(events[count], request, 0, 0, reason)
        return count + 1
    if command.is_allowed != 0:
        quoting.quoter_of[quoter_id] = index
        quoting.sessions[index] = quoter_id
    elif index != 0:
        quoting.quoter_of[quoter_id] = 0
        drop_protections(quoting, index)
        quoting.sessions[index] = 0
        for slot in range(PRODUCTS):
            exchange.quote_numbers[index, slot] = 0
    head_answer(events[count], request, QUOTING_ALLOWED)
    events[count].quoting_allowed.quoter_id = quoter_id
    events[count].quoting_allowed.is_allowed = 1 if command.is_allowed != 0 else 0
    return count + 1


@kernel
def place_quote(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Put a quote in the place of the one before it, or reject it; return the next event row."""
    quote, head, end = request.place_quote, request.head, count + EVENTS_PER_COMMAND
    session_id, number, quoting = int(head.session_id), int(head.session_number), exchange.quoting
    slot = find_product(exchange, quote.product_id)
    reason = _quote_fault(exchange, request, slot)
    old_bid, old_offer, index = 0, 0, int(quoting.quoter_of[session_id])
    if reason == 0:
        old_number = int(exchange.quote_numbers[index, slot])
        if old_number != 0:
            old_bid = find_order(exchange.matching, session_id, old_number)
            old_offer = find_order(exchange.matching, session_id, -old_number)
        reason = _cover_change(exchange, request, slot, old_bid, old_offer)
    if reason != 0:
        reject_order(events[count], request, quote.product_id, 0, reason)
        return count + 1
    exchange.seats[session_id].last_order_number = number
    exchange.quote_numbers[index, slot] = number
    _report_placed(exchange, events[count], request)
    count += 1
    for order_slot in (old_bid, old_offer):
        if order_slot != 0:
            cancel_resting(exchange, request, order_slot, QUOTE_REPLACED, number, events[count])
            count += 1
    if quote.bid_lots > 0:
        bid_ticks, bid_lots = int(quote.bid_price_ticks), int(quote.bid_lots)
        count = _enter_side(exchange, request, slot, BUY, number, bid_ticks, bid_lots, events, count)
    if quote.offer_lots > 0:
        offer_ticks, offer_lots = int(quote.offer_price_ticks), int(quote.offer_lots)
        count = _enter_side(exchange, request, slot, SELL, -number, offer_ticks, offer_lots, events, count)
    if exchange.products[slot].stop_count > 0:
        count = trigger_stops(exchange, request, slot, events, count, end)
    have_blocks_tried(exchange, slot, head.time_ns)
    return count


@kernel
def _quote_fault(exchange: Any, request: Any, slot: int) -> int:
    """Return what is wrong with a quote as it is written, or 0."""
    quote, session_id = request.place_quote, request.head.session_id
    reason = participant_fault(exchange, session_id)
    if reason != 0:
        return reason
    if exchange.quoting.quoter_of[session_id] == 0:
        return NOT_A_QUOTER
    if slot == UNKNOWN:
        return UNKNOWN_PRODUCT
    if is_reserve(exchange.products[slot]):
        return WRONG_PRODUCT_KIND
    index, group = (
        int(exchange.quoting.quoter_of[session_id]),
        exchange.safeguards.products[slot].product_group,
    )
    if exchange.quoting.protections[index, int(group)].tripped != 0:
        return QUOTE_PROTECTION_TRIPPED
    product = exchange.products[slot]
    if product.phase != CONTINUOUS and not rests_orders(product.phase):
        return WRONG_PHASE
    account_id = int(exchange.seats[session_id].account_id)
    reason = _side_fault(exchange, slot, account_id, int(quote.bid_price_ticks), int(quote.bid_lots))
    if reason == 0:
        reason = _side_fault(exchange, slot, account_id, int(quote.offer_price_ticks), int(quote.offer_lots))
    if reason != 0:
        return reason
    if quote.bid_lots > 0 and quote.offer_lots > 0 and quote.bid_price_ticks >= quote.offer_price_ticks:
        return QUOTE_CROSSED
    return _room_fault(exchange.matching, session_id, int(request.head.session_number))


@kernel
def _side_fault(exchange: Any, slot: int, account_id: int, price_ticks: int, lots: int) -> int:
    if lots == 0:
        return 0
    product = exchange.products[slot]
    if lots < 0:
        return QUANTITY_OUT_OF_RANGE
    reason = price_fault(product, price_ticks)
    if reason == 0:
        reason = quantity_fault(product, lots)
    if reason == 0 and lots < product.quantity_min_lots:
        return QUANTITY_BELOW_MINIMUM
    return reason if reason != 0 else part_fault(exchange, slot, account_id, price_ticks, lots)


@kernel
def _room_fault(matching: Any, session_id: int, number: int) -> int:
    """Return why two more orders at two more prices may find no room, or 0."""
    if orders_full(matching, session_id, number) or orders_full(matching, session_id, -number):
        return ORDERS_FULL
    if matching.order_pool.count >= ORDERS - 2:
        return ORDERS_FULL
    if matching.level_pool.count >= LEVELS - 2 or matching.node_pool.count >= NODES - 1 - 2 * DEPTH:
        return PRICE_LEVELS_FULL
    return 0


@kernel
def _cover_change(exchange: Any, request: Any, slot: int, old_bid: int, old_offer: int) -> int:
    """Set aside what a quote may cost once the one before it is gone; or nothing, and return why not."""
    quote, account_id = request.place_quote, int(exchange.seats[request.head.session_id].account_id)
    _free_old(exchange, slot, BUY, old_bid)
    _free_old(exchange, slot, SELL, old_offer)
    bid_ticks, bid_lots = int(quote.bid_price_ticks), int(quote.bid_lots)
    offer_ticks, offer_lots = int(quote.offer_price_ticks), int(quote.offer_lots)
    reason = 0
    if bid_lots > 0:
        reason = set_aside(exchange, slot, account_id, BUY, bid_ticks, bid_lots)
    if reason == 0 and offer_lots > 0:
        reason = set_aside(exchange, slot, account_id, SELL, offer_ticks, offer_lots)
        if reason != 0 and bid_lots > 0:
            give_back(exchange, slot, account_id, BUY, bid_ticks, bid_lots)
    _hold_old(exchange, slot, BUY, old_bid)  # until it is cancelled
    _hold_old(exchange, slot, SELL, old_offer)
    return reason


@kernel
def _free_old(exchange: Any, slot: int, side: int, order_slot: int) -> None:
    if order_slot != 0:
        matching = exchange.matching
        account_id = int(matching.orders[order_slot].account_id)  # the session may speak for another now
        price_ticks = int(matching.levels[matching.orders[order_slot].level].price_ticks)
        give_back(exchange, slot, account_id, side, price_ticks, open_lots(matching, order_slot))


@kernel
def _hold_old(exchange: Any, slot: int, side: int, order_slot: int) -> None:
    if order_slot != 0:
        matching = exchange.matching
        account_id = int(matching.orders[order_slot].account_id)
        price_ticks = int(matching.levels[matching.orders[order_slot].level].price_ticks)
        hold(exchange, slot, account_id, side, price_ticks, open_lots(matching, order_slot))


@kernel
def _enter_side(
    exchange: Any,
    request: Any,
    slot: int,
    side: int,
    number: int,
    price_ticks: int,
    lots: int,
    events: Any,
    count: int,
) -> int:
    """Enter one side as an order of its own; return the next event row."""
    session_id = int(request.head.session_id)
    account_id = int(exchange.seats[session_id].account_id)
    head_order(events[count], request, ORDER_ACCEPTED, session_id, number)
    accepted = events[count].order_accepted
    accepted.price_ticks = price_ticks
    accepted.quantity_lots = lots
    accepted.product_id = request.place_quote.product_id
    accepted.account_id = account_id
    accepted.side = side
    accepted.order_type = LIMIT
    accepted.time_in_force = GOOD_FOR_SESSION
    accepted.self_trade = ALLOWED
    accepted.shown_lots = lots
    order_slot = take_order(exchange.matching, session_id, number, account_id, ALLOWED)
    ladder = ladder_of(slot, side)
    return enter_again(exchange, request, order_slot, ladder, price_ticks, lots, 0, events, count + 1)


@kernel
def _report_placed(exchange: Any, event: Any, request: Any) -> None:
    head_answer(event, request, QUOTE_PLACED)
    placed, quote = event.quote_placed, request.place_quote
    placed.bid_price_ticks = quote.bid_price_ticks
    placed.bid_lots = quote.bid_lots
    placed.offer_price_ticks = quote.offer_price_ticks
    placed.offer_lots = quote.offer_lots
    placed.product_id = quote.product_id
    placed.account_id = exchange.seats[request.head.session_id].account_id


@kernel
def _free_quoter(quoting: Any) -> int:
    for index in range(1, QUOTERS + 1):
        if quoting.sessions[index] == 0:
            return index
    return 0
