"""Products: define, schedule, halt; and the phases that timers lead them through.

FREE > DEFINED > (CALL > UNCROSSING >) CONTINUOUS (<> HALTED) > CLOSING > DELIVERING > FREE. Big
work is done in portions, one step each; a product that has more to do stays due.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.answers import head_answer, reject_setup, report_phase
from ringmain.exchange.kernels.auction import set_auction_price, uncross_portion
from ringmain.exchange.kernels.cancelling import cancel_resting, sweep_step
from ringmain.exchange.kernels.credit import deliver_position
from ringmain.exchange.kernels.expiries import next_expiry_ns
from ringmain.exchange.kernels.guards import clear_guard
from ringmain.exchange.kernels.levels import best_level, ladder_of, stop_ladder_of
from ringmain.exchange.kernels.stops import trigger_stops
from ringmain.exchange.kernels.timers import NEVER, set_deadline, set_due
from ringmain.exchange.kernels.volatility import extend
from ringmain.exchange.messages import (
    BUY,
    CALL,
    CANCELLATIONS,
    CLOSING,
    CONTINUOUS,
    DEFINED,
    DELIVERING,
    FREE,
    HALTED,
    HOURLY,
    INSTRUMENT,
    PRICE_TIME,
    PRO_RATA,
    REJECTIONS,
    SELL,
    UNCROSSING,
    PositionDelivered,
    ProductDefined,
    ProductRulesSet,
    ProductScheduled,
)
from ringmain.exchange.state import (
    CANCELS_PER_STEP,
    EVENTS_PER_COMMAND,
    EVENTS_PER_STEP,
    LOTS_MAX,
    LOTS_OF,
    PRICE_TICKS_MAX,
    PRICE_TICKS_MIN,
    PRODUCTS,
    STEPS_PER_TIMER,
    VALUE_MINOR_MAX,
)
from ringmain.ledger.accounts import LIMIT_MINOR, open_account

UNKNOWN = -1
NO_SLOT = -1
PRODUCT_RULES_SET = ProductRulesSet.kind
PRODUCT_DEFINED, PRODUCT_SCHEDULED = ProductDefined.kind, ProductScheduled.kind
POSITION_DELIVERED = PositionDelivered.kind
OPERATOR_ONLY, UNKNOWN_PRODUCT = REJECTIONS["OPERATOR_ONLY"], REJECTIONS["UNKNOWN_PRODUCT"]
WRONG_PHASE, WRONG_SCHEDULE = REJECTIONS["WRONG_PHASE"], REJECTIONS["WRONG_SCHEDULE"]
PRODUCT_SLOT_TAKEN, PRODUCT_ID_USED = REJECTIONS["PRODUCT_SLOT_TAKEN"], REJECTIONS["PRODUCT_ID_USED"]
WRONG_PRODUCT_KIND, VALUE_OUT_OF_RANGE = REJECTIONS["WRONG_PRODUCT_KIND"], REJECTIONS["VALUE_OUT_OF_RANGE"]
PRICE_OUT_OF_RANGE = REJECTIONS["PRICE_OUT_OF_RANGE"]
WRONG_ALLOCATION, RULE_OUT_OF_RANGE = REJECTIONS["WRONG_ALLOCATION"], REJECTIONS["RULE_OUT_OF_RANGE"]
GATE_CLOSURE, EXPIRED = CANCELLATIONS["GATE_CLOSURE"], CANCELLATIONS["EXPIRED"]


@kernel
def find_product(exchange: Any, product_id: int) -> int:
    """Return the slot of a product that is in some phase, or UNKNOWN."""
    slot = int(product_id) % PRODUCTS
    product = exchange.products[slot]
    if product.product_id != product_id or product.phase == FREE:
        return UNKNOWN
    return slot


@kernel
def is_operator(exchange: Any, session_id: int) -> bool:
    """Tell whether a session speaks for account 0."""
    return exchange.seats[session_id].account_id == 0


@kernel
def define(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Describe a product in a free slot; return the next event row."""
    command = request.define_product
    reason = _define_fault(exchange, request)
    if reason != 0:
        reject_setup(events[count], request, command.product_id, 0, reason)
        return count + 1
    slot = int(command.product_id) % PRODUCTS
    product = exchange.products[slot]
    product.delivery_start_ns = command.delivery_start_ns
    product.product_id = command.product_id
    product.value_minor = command.value_minor
    product.reference_price_ticks = command.reference_price_ticks
    product.market_range_ticks = command.market_range_ticks
    product.kind = command.product_kind
    product.auction_ns = 0
    product.gate_closure_ns = 0
    product.price_step_ticks = 1
    product.lot_step_lots = 1
    product.quantity_min_lots = 1
    product.quantity_max_lots = LOTS_MAX
    product.allocation = PRICE_TIME
    product.has_traded = 0
    product.last_ticks = 0
    clear_guard(exchange, slot)
    open_account(product.delivered, LOTS_OF + slot, LIMIT_MINOR, LIMIT_MINOR)
    _report_defined(events[count], request)
    _enter(exchange, slot, DEFINED, request, events[count + 1])
    return count + 2


@kernel
def schedule(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Set a product's times, and open it if it is new; return the next event row."""
    command = request.schedule_product
    slot = find_product(exchange, command.product_id)
    reason = _schedule_fault(exchange, request, slot)
    if reason != 0:
        reject_setup(events[count], request, command.product_id, 0, reason)
        return count + 1
    product = exchange.products[slot]
    product.auction_ns = command.auction_ns
    product.gate_closure_ns = command.gate_closure_ns
    _report_scheduled(events[count], request)
    count += 1
    if product.phase == DEFINED:
        phase = CALL if command.auction_ns != NEVER else CONTINUOUS
        _enter(exchange, slot, phase, request, events[count])
        count += 1
    set_due(exchange, slot, request.head.time_ns)
    set_deadline(exchange, request.head.time_ns)
    return count


@kernel
def set_rules(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Set what orders a product takes, before it opens; return the next event row."""
    command = request.set_product_rules
    slot = find_product(exchange, command.product_id)
    reason = _rules_fault(exchange, request, slot)
    if reason != 0:
        reject_setup(events[count], request, command.product_id, 0, reason)
        return count + 1
    product = exchange.products[slot]
    product.price_step_ticks = command.price_step_ticks
    product.lot_step_lots = command.lot_step_lots
    product.quantity_min_lots = command.quantity_min_lots
    product.quantity_max_lots = command.quantity_max_lots
    product.allocation = command.allocation
    head_answer(events[count], request, PRODUCT_RULES_SET)
    rules = events[count].product_rules_set
    rules.product_id = command.product_id
    rules.price_step_ticks = command.price_step_ticks
    rules.lot_step_lots = command.lot_step_lots
    rules.quantity_min_lots = command.quantity_min_lots
    rules.quantity_max_lots = command.quantity_max_lots
    rules.allocation = command.allocation
    return count + 1


@kernel
def _rules_fault(exchange: Any, request: Any, slot: int) -> int:
    if not is_operator(exchange, request.head.session_id):
        return OPERATOR_ONLY
    if slot == UNKNOWN:
        return UNKNOWN_PRODUCT
    if exchange.products[slot].phase != DEFINED:
        return WRONG_PHASE
    rules = request.set_product_rules
    if rules.price_step_ticks < 1 or rules.price_step_ticks > PRICE_TICKS_MAX:
        return RULE_OUT_OF_RANGE
    if rules.lot_step_lots < 1 or rules.lot_step_lots > LOTS_MAX:
        return RULE_OUT_OF_RANGE
    if rules.quantity_min_lots < 1 or rules.quantity_max_lots > LOTS_MAX:
        return RULE_OUT_OF_RANGE
    if rules.quantity_min_lots > rules.quantity_max_lots:
        return RULE_OUT_OF_RANGE
    if rules.allocation > PRO_RATA or (rules.allocation == PRO_RATA and rules.lot_step_lots != 1):
        return WRONG_ALLOCATION
    return 0


@kernel
def switch(
    exchange: Any, request: Any, product_id: int, before: int, after: int, events: Any, count: int
) -> int:
    """Halt or resume a product, from one phase to the other; return the next event row."""
    slot = find_product(exchange, product_id)
    reason = 0
    if not is_operator(exchange, request.head.session_id):
        reason = OPERATOR_ONLY
    elif slot == UNKNOWN:
        reason = UNKNOWN_PRODUCT
    elif exchange.products[slot].phase != before:
        reason = WRONG_PHASE
    if reason != 0:
        reject_setup(events[count], request, product_id, 0, reason)
    else:
        _enter(exchange, slot, after, request, events[count])
    return count + 1


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
def _define_fault(exchange: Any, request: Any) -> int:
    if not is_operator(exchange, request.head.session_id):
        return OPERATOR_ONLY
    command = request.define_product
    product = exchange.products[int(command.product_id) % PRODUCTS]
    if product.phase != FREE:
        return PRODUCT_SLOT_TAKEN
    if command.product_id <= product.product_id:  # 0 is no id
        return PRODUCT_ID_USED
    if command.product_kind < HOURLY or command.product_kind > INSTRUMENT:
        return WRONG_PRODUCT_KIND
    if command.value_minor == 0 or command.value_minor > VALUE_MINOR_MAX:
        return VALUE_OUT_OF_RANGE
    if not PRICE_TICKS_MIN <= command.reference_price_ticks <= PRICE_TICKS_MAX:
        return PRICE_OUT_OF_RANGE
    if not 0 <= command.market_range_ticks <= PRICE_TICKS_MAX:
        return PRICE_OUT_OF_RANGE
    return 0


@kernel
def _schedule_fault(exchange: Any, request: Any, slot: int) -> int:
    if not is_operator(exchange, request.head.session_id):
        return OPERATOR_ONLY
    if slot == UNKNOWN:
        return UNKNOWN_PRODUCT
    product = exchange.products[slot]
    if product.phase < DEFINED or product.phase > HALTED or product.phase == UNCROSSING:
        return WRONG_PHASE
    auction_ns = request.schedule_product.auction_ns
    gate_closure_ns = request.schedule_product.gate_closure_ns
    if not _is_future(auction_ns, request.head.time_ns) or not _is_future(
        gate_closure_ns, request.head.time_ns
    ):
        return WRONG_SCHEDULE
    if gate_closure_ns != NEVER and auction_ns >= gate_closure_ns:
        return WRONG_SCHEDULE
    if product.kind != INSTRUMENT and gate_closure_ns == NEVER:
        return WRONG_SCHEDULE
    is_open = product.phase == CONTINUOUS or product.phase == HALTED
    if (is_open and auction_ns != NEVER) or (product.phase == CALL and auction_ns == NEVER):
        return WRONG_SCHEDULE
    return 0


@kernel
def _is_future(moment_ns: int, now_ns: int) -> bool:
    return moment_ns == NEVER or moment_ns > now_ns


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
    product = exchange.products[slot]
    if product.phase == CALL:
        if exchange.safeguards.are_on and extend(exchange, request, slot, events[count]):
            return count + 1
        _enter(exchange, slot, UNCROSSING, request, events[count])
        set_auction_price(exchange, slot, request, events[count + 1])
        exchange.uncrossing_count += 1
        return count + 2
    if product.phase == UNCROSSING:
        return _uncross(exchange, slot, request, events, count)
    if product.phase == CLOSING:
        return _close(exchange, slot, request, events, count)
    if product.phase == DELIVERING:
        return _deliver(exchange, slot, request, events, count)
    assert product.phase == CONTINUOUS or product.phase == HALTED
    if product.stops_due:
        count = trigger_stops(exchange, request, slot, events, count, count + EVENTS_PER_STEP)
        set_due(exchange, slot, request.head.time_ns)
        return count
    _enter(exchange, slot, CLOSING, request, events[count])
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
    _enter(exchange, slot, CONTINUOUS, request, events[count])
    exchange.products[slot].stops_due = 1  # the auction's price may have reached some
    set_due(exchange, slot, request.head.time_ns)
    return count + 1


@kernel
def _close(exchange: Any, slot: int, request: Any, events: Any, count: int) -> int:
    """Cancel a portion of the orders in a product's book, the best first."""
    matching = exchange.matching
    for _ in range(CANCELS_PER_STEP):
        level = _first_level(matching, slot)
        if level == 0:
            _enter(exchange, slot, DELIVERING, request, events[count])
            return count + 1
        order_slot = matching.levels[level].first
        cancel_resting(exchange, request, order_slot, GATE_CLOSURE, 0, events[count])
        count += 1
    return count


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
            _enter(exchange, slot, FREE, request, events[count])
            return count + 1
        account_id, lots = deliver_position(exchange, slot)
        if lots != 0:
            _report_delivered(events[count], request, product, account_id, lots)
            count += 1
    return count


@kernel
def _enter(exchange: Any, slot: int, phase: int, request: Any, event: Any) -> None:
    """Lead a product into a phase, and say so."""
    product = exchange.products[slot]
    report_phase(event, request, product.product_id, phase, product.phase)
    product.phase = phase


@kernel
def _report_defined(event: Any, request: Any) -> None:
    head_answer(event, request, PRODUCT_DEFINED)
    defined, command = event.product_defined, request.define_product
    defined.delivery_start_ns = command.delivery_start_ns
    defined.product_id = command.product_id
    defined.value_minor = command.value_minor
    defined.reference_price_ticks = command.reference_price_ticks
    defined.market_range_ticks = command.market_range_ticks
    defined.product_kind = command.product_kind


@kernel
def _report_scheduled(event: Any, request: Any) -> None:
    head_answer(event, request, PRODUCT_SCHEDULED)
    scheduled, command = event.product_scheduled, request.schedule_product
    scheduled.auction_ns = command.auction_ns
    scheduled.gate_closure_ns = command.gate_closure_ns
    scheduled.product_id = command.product_id


@kernel
def _report_delivered(event: Any, request: Any, product: Any, account_id: int, lots: int) -> None:
    head_answer(event, request, POSITION_DELIVERED)
    delivered = event.position_delivered
    delivered.position_lots = lots
    delivered.delivery_start_ns = product.delivery_start_ns
    delivered.product_id = product.product_id
    delivered.account_id = account_id
    delivered.product_kind = product.kind
