"""Linked baskets: legs in several products, all of which are filled at once, or none.

A session announces how many legs it will send; they wait here, and the last one has all of them
carried out. No product stands in a basket twice, so that no leg takes what another was promised.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.answers import head_answer, head_order, reject_order
from ringmain.exchange.kernels.credit import give_back, set_aside, settle_trades
from ringmain.exchange.kernels.guards import part_fault
from ringmain.exchange.kernels.levels import ladder_of
from ringmain.exchange.kernels.products import UNKNOWN, find_product
from ringmain.exchange.kernels.reserve_rules import side_fault
from ringmain.exchange.kernels.stops import trigger_stops
from ringmain.exchange.kernels.sweeping import UNFILLABLE, sweep, sweep_needs
from ringmain.exchange.kernels.terms import participant_fault, price_fault, quantity_fault
from ringmain.exchange.kernels.timers import have_blocks_tried
from ringmain.exchange.kernels.volatility import range_bound
from ringmain.exchange.messages import BUY, CANCELLATIONS, CONTINUOUS, REJECTIONS, SELL
from ringmain.exchange.multileg_messages import (
    BASKET_LEGS_MAX,
    BasketBegun,
    BasketDropped,
    BasketExecuted,
    BasketLegAdded,
    BasketRejected,
)
from ringmain.exchange.multileg_state import BASKETS
from ringmain.exchange.state import EVENTS_PER_COMMAND, FILLS_PER_COMMAND

BASKET_BEGUN, BASKET_LEG_ADDED = BasketBegun.kind, BasketLegAdded.kind
BASKET_EXECUTED, BASKET_REJECTED, BASKET_DROPPED = (
    BasketExecuted.kind,
    BasketRejected.kind,
    BasketDropped.kind,
)
BASKETS_FULL, BASKET_NOT_BEGUN = REJECTIONS["BASKETS_FULL"], REJECTIONS["BASKET_NOT_BEGUN"]
BASKET_LEGS_OUT_OF_RANGE = REJECTIONS["BASKET_LEGS_OUT_OF_RANGE"]
BASKET_LEG_REPEATED = REJECTIONS["BASKET_LEG_REPEATED"]
BASKET_LEG_UNFILLED = REJECTIONS["BASKET_LEG_UNFILLED"]
BASKET_FILLS_EXCEEDED = REJECTIONS["BASKET_FILLS_EXCEEDED"]
UNKNOWN_PRODUCT, WRONG_PHASE = REJECTIONS["UNKNOWN_PRODUCT"], REJECTIONS["WRONG_PHASE"]
WRONG_SIDE, QUANTITY_BELOW_MINIMUM = REJECTIONS["WRONG_SIDE"], REJECTIONS["QUANTITY_BELOW_MINIMUM"]
BASKET_SUPERSEDED = CANCELLATIONS["BASKET_SUPERSEDED"]


@kernel
def begin_basket(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Make room for a session's legs; an unfinished basket of its own is forgotten; return the next row."""
    session_id, leg_count = request.head.session_id, int(request.begin_basket.leg_count)
    reason = participant_fault(exchange, session_id)
    if reason == 0 and (leg_count < 1 or leg_count > BASKET_LEGS_MAX):
        reason = BASKET_LEGS_OUT_OF_RANGE
    index = int(exchange.preparing.basket_of[session_id])
    if reason == 0 and index == 0:
        index = _free_basket(exchange.preparing)
        reason = BASKETS_FULL if index == 0 else 0
    if reason != 0:
        reject_order(events[count], request, 0, 0, reason)
        return count + 1
    count = drop_basket(exchange, request, BASKET_SUPERSEDED, events, count)
    basket = exchange.preparing.baskets[index]
    basket.session_number = request.head.session_number
    basket.session_id = session_id
    basket.leg_count = leg_count
    exchange.preparing.basket_of[session_id] = index
    head_answer(events[count], request, BASKET_BEGUN)
    events[count].basket_begun.leg_count = leg_count
    return count + 1


@kernel
def add_leg(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Note a leg, and carry the basket out if it is the last one; return the next event row.

    A leg that nobody could fill ends the whole basket at once.
    """
    session_id, number, order = request.head.session_id, request.head.session_number, request.add_basket_leg
    index = int(exchange.preparing.basket_of[session_id])
    if index == 0:
        reject_order(events[count], request, order.product_id, 0, BASKET_NOT_BEGUN)
        return count + 1
    basket = exchange.preparing.baskets[index]
    place = int(basket.added_count)
    leg = basket.legs[place]
    leg.session_number = number
    leg.product_id = order.product_id
    leg.price_ticks = order.price_ticks
    leg.quantity_lots = order.quantity_lots
    leg.side = order.side
    basket.added_count += 1
    reason = participant_fault(exchange, session_id)
    if reason == 0:
        reason = _leg_fault(exchange, basket, place)
    if reason != 0:
        return _reject(exchange, request, index, place, reason, events, count)
    if basket.added_count == basket.leg_count:
        return _carry_out(exchange, request, index, events, count)
    head_order(events[count], request, BASKET_LEG_ADDED, session_id, basket.session_number)
    added = events[count].basket_leg_added
    added.command_number = number
    added.leg_index = place
    return count + 1


@kernel
def drop_basket(exchange: Any, request: Any, reason: int, events: Any, count: int) -> int:
    """Forget the basket that a session is preparing, if there is one, and say so."""
    session_id = request.head.session_id
    index = int(exchange.preparing.basket_of[session_id])
    if index == 0:
        return count
    basket = exchange.preparing.baskets[index]
    head_order(events[count], request, BASKET_DROPPED, session_id, basket.session_number)
    dropped = events[count].basket_dropped
    dropped.leg_count = basket.leg_count
    dropped.reason = reason
    _forget(exchange.preparing, index)
    return count + 1


@kernel
def _carry_out(exchange: Any, request: Any, index: int, events: Any, count: int) -> int:
    """Trade all legs, or say which one cannot."""
    basket, end = exchange.preparing.baskets[index], count + EVENTS_PER_COMMAND
    leg_count, session_id = int(basket.leg_count), request.head.session_id
    account_id = int(exchange.seats[session_id].account_id)
    place, reason = _unfillable_leg(exchange, basket)
    if reason == 0:
        place, reason = _cover(exchange, basket, account_id)
    if reason != 0:
        return _reject(exchange, request, index, place, reason, events, count)
    head_order(events[count], request, BASKET_EXECUTED, session_id, basket.session_number)
    executed = events[count].basket_executed
    executed.command_number = request.head.session_number
    executed.leg_count = leg_count
    executed.account_id = account_id
    count += 1
    for i in range(leg_count):
        leg = basket.legs[i]
        slot, first, limit_ticks = find_product(exchange, leg.product_id), count, int(leg.price_ticks)
        ladder, lots = ladder_of(slot, int(leg.side)), int(leg.quantity_lots)
        worst_ticks = range_bound(exchange, slot, ladder, limit_ticks)
        count = sweep(
            exchange, request, session_id, leg.session_number, account_id, slot, ladder,
            worst_ticks, limit_ticks, lots, events, count,
        )  # fmt: skip
        settle_trades(exchange, slot, account_id, events, first, count)
    for i in range(leg_count):
        slot = find_product(exchange, basket.legs[i].product_id)
        if exchange.products[slot].stop_count > 0:
            count = trigger_stops(exchange, request, slot, events, count, end)
        have_blocks_tried(exchange, slot, request.head.time_ns)
    _forget(exchange.preparing, index)
    return count


@kernel
def _unfillable_leg(exchange: Any, basket: Any) -> tuple[int, int]:
    """Return the first leg that cannot be filled at once, and why; or 0 and 0."""
    trades = 0
    for i in range(basket.leg_count):
        leg = basket.legs[i]
        reason = _leg_fault(exchange, basket, i)
        if reason != 0:
            return i, reason
        slot = find_product(exchange, leg.product_id)
        if exchange.products[slot].phase != CONTINUOUS:
            return i, WRONG_PHASE
        ladder, allocation = ladder_of(slot, int(leg.side)), exchange.products[slot].allocation
        worst_ticks = range_bound(exchange, slot, ladder, int(leg.price_ticks))
        needed, _, _ = sweep_needs(exchange.matching, ladder, worst_ticks, int(leg.quantity_lots), allocation)
        if needed == UNFILLABLE:
            return i, BASKET_LEG_UNFILLED
        trades += needed
        if trades > FILLS_PER_COMMAND:
            return i, BASKET_FILLS_EXCEEDED
    return 0, 0


@kernel
def _cover(exchange: Any, basket: Any, account_id: int) -> tuple[int, int]:
    """Set aside what all legs may cost; or nothing, and return the leg that is too much, and why."""
    for i in range(basket.leg_count):
        leg = basket.legs[i]
        slot = find_product(exchange, leg.product_id)
        side, price_ticks, lots = int(leg.side), int(leg.price_ticks), int(leg.quantity_lots)
        reason = set_aside(exchange, slot, account_id, side, price_ticks, lots)
        if reason != 0:
            for j in range(i):
                leg = basket.legs[j]
                slot = find_product(exchange, leg.product_id)
                give_back(exchange, slot, account_id, leg.side, leg.price_ticks, leg.quantity_lots)
            return i, reason
    return 0, 0


@kernel
def _leg_fault(exchange: Any, basket: Any, place: int) -> int:
    """Return what is wrong with a leg as it is written, or 0."""
    leg = basket.legs[place]
    slot = find_product(exchange, leg.product_id)
    if slot == UNKNOWN:
        return UNKNOWN_PRODUCT
    for i in range(place):
        if basket.legs[i].product_id == leg.product_id:
            return BASKET_LEG_REPEATED
    if leg.side != BUY and leg.side != SELL:
        return WRONG_SIDE
    product, account_id = exchange.products[slot], int(exchange.seats[basket.session_id].account_id)
    reason = side_fault(exchange, slot, account_id, int(leg.side))
    if reason == 0:
        reason = price_fault(product, leg.price_ticks)
    if reason == 0:
        reason = quantity_fault(product, leg.quantity_lots)
    if reason == 0 and leg.quantity_lots < product.quantity_min_lots:
        return QUANTITY_BELOW_MINIMUM
    if reason != 0:
        return reason
    return part_fault(exchange, slot, account_id, int(leg.price_ticks), int(leg.quantity_lots))


@kernel
def _reject(exchange: Any, request: Any, index: int, place: int, reason: int, events: Any, count: int) -> int:
    basket = exchange.preparing.baskets[index]
    head_order(events[count], request, BASKET_REJECTED, basket.session_id, basket.session_number)
    rejected = events[count].basket_rejected
    rejected.command_number = request.head.session_number
    rejected.leg_index = place
    rejected.reason = reason
    _forget(exchange.preparing, index)
    return count + 1


@kernel
def _free_basket(preparing: Any) -> int:
    for index in range(1, BASKETS + 1):
        if preparing.baskets[index].session_id == 0:
            return index
    return 0


@kernel
def _forget(preparing: Any, index: int) -> None:
    basket = preparing.baskets[index]
    preparing.basket_of[basket.session_id] = 0
    basket.session_id = 0
    basket.added_count = 0
