"""Products: define, schedule, halt, balance, expire."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.answers import head_answer, reject_setup
from ringmain.exchange.kernels.fees import clear_fees, fix_fees
from ringmain.exchange.kernels.guards import clear_guard
from ringmain.exchange.kernels.phases import begin_call, begin_closing, begin_uncrossing, enter_phase
from ringmain.exchange.kernels.reserve_rules import clear_reserve, opening_fault
from ringmain.exchange.kernels.timers import MILLISECOND_NS, NEVER, set_call_end, set_deadline, set_due
from ringmain.exchange.messages import (
    BALANCING,
    CALL,
    CLOSED,
    CONTINUOUS,
    DEFINED,
    FREE,
    HALTED,
    HOURLY,
    INSTRUMENT,
    PRE_OPEN,
    PRICE_TIME,
    PRO_RATA,
    REJECTIONS,
    RESERVE_DOWN,
    CallsScheduled,
    ProductDefined,
    ProductRulesSet,
    ProductScheduled,
)
from ringmain.exchange.state import (
    INDICATIVE_MS_MIN,
    LOTS_MAX,
    LOTS_OF,
    PRICE_TICKS_MAX,
    PRICE_TICKS_MIN,
    PRODUCTS,
    RANDOM_END_MS_MAX,
    VALUE_MINOR_MAX,
)
from ringmain.ledger.accounts import LIMIT_MINOR, open_account

UNKNOWN = -1
PRODUCT_RULES_SET = ProductRulesSet.kind
PRODUCT_DEFINED, PRODUCT_SCHEDULED = ProductDefined.kind, ProductScheduled.kind
CALLS_SCHEDULED = CallsScheduled.kind
OPERATOR_ONLY, UNKNOWN_PRODUCT = REJECTIONS["OPERATOR_ONLY"], REJECTIONS["UNKNOWN_PRODUCT"]
WRONG_PHASE, WRONG_SCHEDULE = REJECTIONS["WRONG_PHASE"], REJECTIONS["WRONG_SCHEDULE"]
PRODUCT_SLOT_TAKEN, PRODUCT_ID_USED = REJECTIONS["PRODUCT_SLOT_TAKEN"], REJECTIONS["PRODUCT_ID_USED"]
WRONG_PRODUCT_KIND, VALUE_OUT_OF_RANGE = REJECTIONS["WRONG_PRODUCT_KIND"], REJECTIONS["VALUE_OUT_OF_RANGE"]
PRICE_OUT_OF_RANGE = REJECTIONS["PRICE_OUT_OF_RANGE"]
WRONG_ALLOCATION, RULE_OUT_OF_RANGE = REJECTIONS["WRONG_ALLOCATION"], REJECTIONS["RULE_OUT_OF_RANGE"]


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
    product.call_start_ns = NEVER
    product.closing_call_ns = NEVER
    product.random_end_ms = 0
    product.indicative_ms = 0
    product.stops_due = 0
    product.is_expiring = 0 if command.product_kind == INSTRUMENT else 1
    product.has_traded = 0
    product.last_ticks = 0
    product.blocks_due = 0
    clear_fees(product)
    clear_guard(exchange, slot)
    clear_reserve(exchange, slot)
    open_account(product.delivered, LOTS_OF + slot, LIMIT_MINOR, LIMIT_MINOR)
    _report_defined(events[count], request)
    enter_phase(exchange, slot, DEFINED, request, events[count + 1])
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
        count = fix_fees(exchange, slot, request, events, count)
    if product.phase == DEFINED or product.phase == CLOSED:
        count = _open(exchange, slot, request, events, count)
    elif exchange.safeguards.products[slot].interruption != 0:
        if product.gate_closure_ns != NEVER:
            product.call_end_ns = max(1, min(product.call_end_ns, product.gate_closure_ns - 1))
    elif product.phase == CALL:
        set_call_end(product)
    set_due(exchange, slot, request.head.time_ns)
    set_deadline(exchange, request.head.time_ns)
    return count


@kernel
def _open(exchange: Any, slot: int, request: Any, events: Any, count: int) -> int:
    """Lead a product into its session's first phase."""
    product = exchange.products[slot]
    if product.auction_ns == NEVER:
        enter_phase(exchange, slot, CONTINUOUS, request, events[count])
        return count + 1
    if product.call_start_ns == NEVER:
        return begin_call(exchange, slot, CALL, request, events, count)
    enter_phase(exchange, slot, PRE_OPEN, request, events[count])
    return count + 1


@kernel
def schedule_calls(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Describe the calls of a product's next session; return the next event row."""
    command = request.schedule_calls
    slot = find_product(exchange, command.product_id)
    reason = _calls_fault(exchange, request, slot)
    if reason != 0:
        reject_setup(events[count], request, command.product_id, 0, reason)
        return count + 1
    product = exchange.products[slot]
    product.call_start_ns = command.call_start_ns
    product.closing_call_ns = command.closing_call_ns
    product.random_end_ms = command.random_end_ms
    product.seed = command.seed
    product.indicative_ms = command.indicative_ms
    head_answer(events[count], request, CALLS_SCHEDULED)
    calls = events[count].calls_scheduled
    calls.call_start_ns = command.call_start_ns
    calls.closing_call_ns = command.closing_call_ns
    calls.product_id = command.product_id
    calls.random_end_ms = command.random_end_ms
    calls.seed = command.seed
    calls.indicative_ms = command.indicative_ms
    return count + 1


@kernel
def _calls_fault(exchange: Any, request: Any, slot: int) -> int:
    if not is_operator(exchange, request.head.session_id):
        return OPERATOR_ONLY
    if slot == UNKNOWN:
        return UNKNOWN_PRODUCT
    if exchange.products[slot].phase != DEFINED and exchange.products[slot].phase != CLOSED:
        return WRONG_PHASE
    calls, now_ns = request.schedule_calls, request.head.time_ns
    if not _is_future(calls.call_start_ns, now_ns) or not _is_future(calls.closing_call_ns, now_ns):
        return WRONG_SCHEDULE
    if calls.random_end_ms > RANDOM_END_MS_MAX:
        return RULE_OUT_OF_RANGE
    if calls.indicative_ms != 0 and calls.indicative_ms < INDICATIVE_MS_MIN:
        return RULE_OUT_OF_RANGE
    return 0


@kernel
def _contradicts_calls(product: Any, auction_ns: int, gate_closure_ns: int, now_ns: int) -> bool:
    """Tell whether a session's times leave no room for its calls and their random ends."""
    random_ns = int(product.random_end_ms) * MILLISECOND_NS
    if auction_ns != NEVER and gate_closure_ns != NEVER and auction_ns + random_ns >= gate_closure_ns:
        return True
    is_before = product.phase in (DEFINED, CLOSED, PRE_OPEN)
    if is_before and product.call_start_ns != NEVER and not now_ns < product.call_start_ns < auction_ns:
        return True
    if product.closing_call_ns == NEVER:
        return False
    if gate_closure_ns == NEVER or product.closing_call_ns + random_ns >= gate_closure_ns:
        return True
    return auction_ns != NEVER and auction_ns + random_ns >= product.closing_call_ns


@kernel
def end_balancing(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Uncross what has crossed in a balancing phase, and go on; return the next event row."""
    product_id = request.end_balancing.product_id
    slot = find_product(exchange, product_id)
    reason = _switch_fault(exchange, request, slot, BALANCING, BALANCING)
    if reason != 0:
        reject_setup(events[count], request, product_id, 0, reason)
        return count + 1
    count = begin_uncrossing(exchange, slot, CONTINUOUS, request, events, count)
    set_deadline(exchange, request.head.time_ns)
    return count


@kernel
def expire(exchange: Any, request: Any, events: Any, count: int) -> int:
    """End a product that is closed or halted: orders leave, positions are delivered; return the next row."""
    product_id = request.expire_product.product_id
    slot = find_product(exchange, product_id)
    reason = _switch_fault(exchange, request, slot, CLOSED, HALTED)
    if reason != 0:
        reject_setup(events[count], request, product_id, 0, reason)
        return count + 1
    exchange.products[slot].is_expiring = 1
    count = begin_closing(exchange, slot, request, events, count)
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
    reason = _switch_fault(exchange, request, slot, before, before)
    if reason != 0:
        reject_setup(events[count], request, product_id, 0, reason)
        return count + 1
    enter_phase(exchange, slot, after, request, events[count])
    set_due(exchange, slot, request.head.time_ns)
    set_deadline(exchange, request.head.time_ns)
    return count + 1


@kernel
def _switch_fault(exchange: Any, request: Any, slot: int, before: int, or_before: int) -> int:
    """Return why the operator can't lead a product out of one of two phases, or 0."""
    if not is_operator(exchange, request.head.session_id):
        return OPERATOR_ONLY
    if slot == UNKNOWN:
        return UNKNOWN_PRODUCT
    phase = exchange.products[slot].phase
    return 0 if phase in (before, or_before) else WRONG_PHASE


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
    if command.product_kind < HOURLY or command.product_kind > RESERVE_DOWN:
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
    if product.phase not in (DEFINED, PRE_OPEN, CALL, CONTINUOUS, HALTED, CLOSED):
        return WRONG_PHASE
    reason = opening_fault(exchange, slot, request.schedule_product.gate_closure_ns)
    if reason != 0:
        return reason
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
    is_interrupted = exchange.safeguards.products[slot].interruption != 0
    is_open = product.phase == CONTINUOUS or product.phase == HALTED or is_interrupted
    is_before = product.phase == PRE_OPEN or (product.phase == CALL and not is_interrupted)
    if (is_open and auction_ns != NEVER) or (is_before and auction_ns == NEVER):
        return WRONG_SCHEDULE
    if _contradicts_calls(product, auction_ns, gate_closure_ns, request.head.time_ns):
        return WRONG_SCHEDULE
    return 0


@kernel
def _is_future(moment_ns: int, now_ns: int) -> bool:
    return moment_ns == NEVER or moment_ns > now_ns


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
