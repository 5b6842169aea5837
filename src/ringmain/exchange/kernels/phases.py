"""The phases that timers lead a product through.

PRE_OPEN > CALL > UNCROSSING > CONTINUOUS > CLOSING_CALL > UNCROSSING > CLOSING, then CLOSED until the
next session, or, for a product that expires, DELIVERING > FREE; reserve is HOLDING before that, until its
block is over. Without calls CONTINUOUS comes first and CLOSING follows it. CONTINUOUS leads to HALTED and
back, and to BALANCING and through UNCROSSING back. Big work is done in portions, one step each; a product
that has more to do stays due.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.answers import head_answer, report_phase
from ringmain.exchange.kernels.auction import auction_price, set_auction_price, uncross_portion
from ringmain.exchange.kernels.block_trades import try_blocks
from ringmain.exchange.kernels.blocks import cancel_blocks_over
from ringmain.exchange.kernels.cancelling import cancel_resting, sweep_step
from ringmain.exchange.kernels.credit import deliver_position
from ringmain.exchange.kernels.expiries import next_expiry_ns
from ringmain.exchange.kernels.levels import best_level, ladder_of, slot_of, stop_ladder_of
from ringmain.exchange.kernels.reserve_rules import is_reserve
from ringmain.exchange.kernels.reserve_shares import end_level, is_settled, settle_shares, tell_shares
from ringmain.exchange.kernels.stops import trigger_stops
from ringmain.exchange.kernels.timers import (
    MILLISECOND_NS,
    NEVER,
    have_blocks_tried,
    set_call_end,
    set_deadline,
    set_due,
)
from ringmain.exchange.kernels.volatility import extend
from ringmain.exchange.messages import (
    BALANCING,
    BUY,
    CALL,
    CANCELLATIONS,
    CLOSED,
    CLOSING,
    CLOSING_CALL,
    CONTINUOUS,
    DELIVERING,
    FREE,
    GOOD_FOR_SESSION,
    HALTED,
    HOLDING,
    PRE_OPEN,
    SELL,
    UNCROSSING,
    IndicativePriceChanged,
    PositionDelivered,
)
from ringmain.exchange.state import (
    CANCELS_PER_STEP,
    EVENTS_PER_COMMAND,
    EVENTS_PER_STEP,
    PRODUCTS,
    SLOTS_SWEPT_PER_STEP,
    STEPS_PER_TIMER,
)

NO_SLOT = -1
NOTHING_TOLD = -1
POSITION_DELIVERED, INDICATIVE_PRICE_CHANGED = PositionDelivered.kind, IndicativePriceChanged.kind
GATE_CLOSURE, EXPIRED = CANCELLATIONS["GATE_CLOSURE"], CANCELLATIONS["EXPIRED"]
SESSION_END = CANCELLATIONS["SESSION_END"]


@kernel
def run_timers(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Do what is due at the command's time, in steps, as far as its events suffice."""
    end = count + EVENTS_PER_COMMAND - EVENTS_PER_STEP
    for _ in range(STEPS_PER_TIMER):
        slot = _due_slot(exchange, request.head.time_ns)
        if count > end:
            break
        if slot != NO_SLOT:
            count = _step(exchange, slot, request, events, count)
        elif exchange.sweep.count > 0:
            count = sweep_step(exchange, request, events, count)
        elif not _is_expiry_due(exchange, request.head.time_ns):
            break
        else:
            count = _expire(exchange, request, events, count)
    set_deadline(exchange, request.head.time_ns)
    return count


@kernel
def _due_slot(exchange: Any, now_ns: int) -> int:
    """Return the slot of the product that has been due longest, or NO_SLOT."""
    longest, longest_ns = NO_SLOT, now_ns
    for slot in range(PRODUCTS):
        due_ns = exchange.due_ns[slot]
        if due_ns != NEVER and (due_ns < longest_ns or (due_ns == now_ns and longest == NO_SLOT)):
            longest, longest_ns = slot, due_ns
    return longest


@kernel
def _step(exchange: Any, slot: int, request: Any, events: Any, count: int) -> int:
    """Do one portion of what a due product has to do; return the next event row."""
    product, now_ns = exchange.products[slot], request.head.time_ns
    if product.phase == PRE_OPEN:
        return begin_call(exchange, slot, CALL, request, events, count)
    if product.phase == CALL or product.phase == CLOSING_CALL:
        if now_ns < product.call_end_ns:
            return _indicate(exchange, slot, request, events, count)
        if exchange.safeguards.are_on and extend(exchange, request, slot, events[count]):
            return count + 1
        following = CONTINUOUS if product.phase == CALL else CLOSING
        return begin_uncrossing(exchange, slot, following, request, events, count)
    if product.phase == UNCROSSING:
        return _uncross(exchange, slot, request, events, count)
    if product.phase == CLOSING:
        return _close(exchange, slot, request, events, count)
    if product.phase == HOLDING:
        return _hold(exchange, slot, request, events, count)
    if product.phase == DELIVERING:
        return _deliver(exchange, slot, request, events, count)
    if product.phase == CONTINUOUS and product.stops_due:
        count = trigger_stops(exchange, request, slot, events, count, count + EVENTS_PER_STEP)
        have_blocks_tried(exchange, slot, now_ns)
        set_due(exchange, slot, now_ns)
        return count
    if product.phase == CONTINUOUS and product.blocks_due:
        return try_blocks(exchange, slot, request, events, count)
    if product.phase == CONTINUOUS and product.closing_call_ns != NEVER and now_ns < product.gate_closure_ns:
        return begin_call(exchange, slot, CLOSING_CALL, request, events, count)
    assert product.phase in (CONTINUOUS, HALTED, BALANCING)
    return begin_closing(exchange, slot, request, events, count)


@kernel
def begin_call(exchange: Any, slot: int, phase: int, request: Any, events: Any, count: int) -> int:
    """Let a call run until its time, drawn now; return the next event row."""
    product, now_ns = exchange.products[slot], request.head.time_ns
    enter_phase(exchange, slot, phase, request, events[count])
    set_call_end(product)
    product.indicative_lots = NOTHING_TOLD
    product.indicative_due_ns = NEVER
    if product.indicative_ms != 0:
        product.indicative_due_ns = now_ns + int(product.indicative_ms) * MILLISECOND_NS
    set_due(exchange, slot, now_ns)
    return count + 1


@kernel
def begin_uncrossing(exchange: Any, slot: int, following: int, request: Any, events: Any, count: int) -> int:
    """End a call, or a balancing phase: its price is known, and trades follow; return the next event row."""
    product = exchange.products[slot]
    exchange.due_ns[slot] = max(request.head.time_ns, 1)
    enter_phase(exchange, slot, UNCROSSING, request, events[count])
    set_auction_price(exchange, slot, request, events[count + 1])
    product.after_uncrossing = following
    exchange.uncrossing_count += 1
    return count + 2


@kernel
def begin_closing(exchange: Any, slot: int, request: Any, events: Any, count: int) -> int:
    """End a session: orders leave first; return the next event row."""
    exchange.products[slot].swept = 1
    exchange.due_ns[slot] = max(request.head.time_ns, 1)
    enter_phase(exchange, slot, CLOSING, request, events[count])
    return count + 1


@kernel
def _indicate(exchange: Any, slot: int, request: Any, events: Any, count: int) -> int:
    """Tell what the call would give if it ended now, if that has changed."""
    product = exchange.products[slot]
    reference_ticks = int(product.reference_price_ticks)
    price_ticks, volume_lots, surplus_lots = auction_price(exchange.matching, slot, reference_ticks)
    product.indicative_due_ns += int(product.indicative_ms) * MILLISECOND_NS
    set_due(exchange, slot, request.head.time_ns)
    if product.indicative_lots == volume_lots and product.indicative_ticks == price_ticks:
        return count
    product.indicative_lots = volume_lots
    product.indicative_ticks = price_ticks
    head_answer(events[count], request, INDICATIVE_PRICE_CHANGED)
    told = events[count].indicative_price_changed
    told.volume_lots = volume_lots
    told.surplus_lots = surplus_lots
    told.product_id = product.product_id
    told.price_ticks = price_ticks
    return count + 1


@kernel
def _is_expiry_due(exchange: Any, now_ns: int) -> bool:
    """Tell whether an order has ended; not while an auction is uncrossed: its volume has been announced."""
    expires_ns = next_expiry_ns(exchange.matching)
    return expires_ns != NEVER and expires_ns <= now_ns and exchange.uncrossing_count == 0


@kernel
def _expire(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Cancel a portion of the orders that have ended."""
    for _ in range(CANCELS_PER_STEP):
        if not _is_expiry_due(exchange, request.head.time_ns):
            break
        cancel_resting(exchange, request, exchange.matching.expiries.orders[0], EXPIRED, 0, events[count])
        count += 1
    return count


@kernel
def _uncross(exchange: Any, slot: int, request: Any, events: Any, count: int) -> int:
    count = uncross_portion(exchange, slot, request, events, count)
    if exchange.products[slot].auction_left_lots > 0:
        return count
    exchange.uncrossing_count -= 1
    if exchange.products[slot].after_uncrossing == CLOSING:
        return begin_closing(exchange, slot, request, events, count)
    enter_phase(exchange, slot, CONTINUOUS, request, events[count])
    exchange.products[slot].stops_due = 1  # the auction's price may have reached some
    set_due(exchange, slot, request.head.time_ns)
    return count + 1


@kernel
def _close(exchange: Any, slot: int, request: Any, events: Any, count: int) -> int:
    """Cancel a portion of the orders in a product's book, the best first."""
    matching = exchange.matching
    if exchange.products[slot].block_count > 0:
        return cancel_blocks_over(exchange, slot, request, GATE_CLOSURE, events, count)
    if exchange.products[slot].is_expiring == 0:
        return _end_session(exchange, slot, request, events, count)
    for _ in range(CANCELS_PER_STEP):
        level = _first_level(matching, slot)
        if level == 0:
            return _end_trading(exchange, slot, request, events, count)
        order_slot = matching.levels[level].first
        cancel_resting(exchange, request, order_slot, GATE_CLOSURE, 0, events[count])
        count += 1
    return count


@kernel
def _end_trading(exchange: Any, slot: int, request: Any, events: Any, count: int) -> int:
    """Deliver a product's positions, or hold them while they are reserve."""
    if not is_reserve(exchange.products[slot]):
        enter_phase(exchange, slot, DELIVERING, request, events[count])
        return count + 1
    enter_phase(exchange, slot, HOLDING, request, events[count])
    set_due(exchange, slot, request.head.time_ns)
    return count + 1


@kernel
def _hold(exchange: Any, slot: int, request: Any, events: Any, count: int) -> int:
    """End a call whose time has come, tell the sellers, or settle a block that is over: a portion of it."""
    held, now_ns = exchange.reserves[slot], request.head.time_ns
    if held.level_lots > 0 and held.until_ns <= now_ns:
        count = end_level(exchange, slot, request, events, count)
    elif held.untold > 0:
        count = tell_shares(exchange, slot, request, events, count)
    else:
        count = settle_shares(exchange, slot, request, events, count)
        if is_settled(exchange, slot):
            enter_phase(exchange, slot, DELIVERING, request, events[count])
            return count + 1
    set_due(exchange, slot, now_ns)
    return count


@kernel
def _end_session(exchange: Any, slot: int, request: Any, events: Any, count: int) -> int:
    """Cancel a portion of the orders that were good for the session, as they lie in the order table."""
    product, limit = exchange.products[slot], count + CANCELS_PER_STEP
    for _ in range(SLOTS_SWEPT_PER_STEP):
        if product.swept > exchange.matching.order_pool.highest:
            product.call_start_ns = NEVER
            product.closing_call_ns = NEVER
            enter_phase(exchange, slot, CLOSED, request, events[count])
            set_due(exchange, slot, request.head.time_ns)
            return count + 1
        if count == limit:
            return count
        if _ends_with_session(exchange.matching, product.swept, slot):
            cancel_resting(exchange, request, product.swept, SESSION_END, 0, events[count])
            count += 1
        product.swept += 1
    return count


@kernel
def _ends_with_session(matching: Any, order_slot: int, slot: int) -> bool:
    order = matching.orders[order_slot]
    if order.lots == 0 or slot_of(matching.levels[order.level].ladder) != slot:
        return False
    return order.is_special == 0 or matching.specials[order_slot].time_in_force == GOOD_FOR_SESSION


@kernel
def _first_level(matching: Any, slot: int) -> int:
    """Return a level that holds orders of the product: bids, offers, then those that wait for a stop."""
    level = best_level(matching, ladder_of(slot, BUY))
    if level == 0:
        level = best_level(matching, ladder_of(slot, SELL))
    if level == 0:
        level = best_level(matching, stop_ladder_of(slot, BUY))
    return level if level != 0 else best_level(matching, stop_ladder_of(slot, SELL))


@kernel
def _deliver(exchange: Any, slot: int, request: Any, events: Any, count: int) -> int:
    """Hand a portion of a product's positions over for delivery; its slot is free after the last."""
    product = exchange.products[slot]
    for _ in range(CANCELS_PER_STEP):
        if product.first_position == 0:
            assert product.delivered.balance_minor == 0
            exchange.due_ns[slot] = NEVER
            enter_phase(exchange, slot, FREE, request, events[count])
            return count + 1
        account_id, lots = deliver_position(exchange, slot)
        if lots != 0:
            _report_delivered(events[count], request, product, account_id, lots)
            count += 1
    return count


@kernel
def enter_phase(exchange: Any, slot: int, phase: int, request: Any, event: Any) -> None:
    """Lead a product into a phase, and say so."""
    product = exchange.products[slot]
    report_phase(event, request, product.product_id, phase, product.phase)
    product.phase = phase
    if phase == CONTINUOUS and product.block_count > 0:
        product.blocks_due = 1


@kernel
def _report_delivered(event: Any, request: Any, product: Any, account_id: int, lots: int) -> None:
    head_answer(event, request, POSITION_DELIVERED)
    delivered = event.position_delivered
    delivered.position_lots = lots
    delivered.delivery_start_ns = product.delivery_start_ns
    delivered.product_id = product.product_id
    delivered.account_id = account_id
    delivered.product_kind = product.kind
