"""What the operator sets: order limits, product groups, volatility ranges, order rates."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.core.sessions import SESSIONS
from ringmain.exchange.kernels.answers import head_answer, reject_order, reject_setup
from ringmain.exchange.kernels.entry import place, replace
from ringmain.exchange.kernels.guards import admit
from ringmain.exchange.kernels.products import UNKNOWN, find_product, is_operator
from ringmain.exchange.messages import DEFINED, REJECTIONS, PlaceOrder
from ringmain.exchange.safeguards_messages import (
    OrderLimitsSet,
    OrderRateSet,
    OrderToTradeSet,
    ProductGroupAssigned,
    VolatilityRangeSet,
)
from ringmain.exchange.safeguards_state import (
    BURST_ORDERS_MAX,
    CALL_S_MAX,
    FREE_ORDERS_MAX,
    GROUPS,
    ORDERS_PER_SECOND_MAX,
    ORDERS_PER_TRADE_MAX,
)
from ringmain.exchange.state import ACCOUNTS, LOTS_MAX, PRICE_TICKS_MAX, PRICE_TICKS_MIN

ORDER_LIMITS_SET, PRODUCT_GROUP_ASSIGNED = OrderLimitsSet.kind, ProductGroupAssigned.kind
VOLATILITY_RANGE_SET, ORDER_RATE_SET = VolatilityRangeSet.kind, OrderRateSet.kind
ORDER_TO_TRADE_SET = OrderToTradeSet.kind
PLACE_ORDER = PlaceOrder.kind
OPERATOR_ONLY, UNKNOWN_PRODUCT = REJECTIONS["OPERATOR_ONLY"], REJECTIONS["UNKNOWN_PRODUCT"]
WRONG_PHASE, ACCOUNT_OUT_OF_RANGE = REJECTIONS["WRONG_PHASE"], REJECTIONS["ACCOUNT_OUT_OF_RANGE"]
GROUP_OUT_OF_RANGE, TARGET_OUT_OF_RANGE = REJECTIONS["GROUP_OUT_OF_RANGE"], REJECTIONS["TARGET_OUT_OF_RANGE"]
SAFEGUARD_OUT_OF_RANGE = REJECTIONS["SAFEGUARD_OUT_OF_RANGE"]
SPAN_TICKS = PRICE_TICKS_MAX - PRICE_TICKS_MIN
SECOND_NS = 1_000_000_000


@kernel
def enter_guarded(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Place or replace an order if its sender may; return the next event row."""
    is_new = request.head.kind == PLACE_ORDER
    reason, count = admit(exchange, request, events, count)
    if reason != 0:
        product_id = request.place_order.product_id if is_new else 0
        number = 0 if is_new else request.replace_order.order_number
        reject_order(events[count], request, product_id, number, reason)
        return count + 1
    if is_new:
        return place(exchange, request, events, count)
    return replace(exchange, request, events, count)


@kernel
def set_order_limits(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Set what orders of an account, or of everybody, pass in a product group."""
    command = request.set_order_limits
    reason = _order_limits_fault(exchange, request)
    if reason != 0:
        reject_setup(events[count], request, 0, command.account_id, reason)
        return count + 1
    exchange.safeguards.are_on = 1
    limits = exchange.safeguards.order_limits[command.account_id, command.product_group]
    limits.value_max_minor = command.value_max_minor
    limits.quantity_max_lots = command.quantity_max_lots
    limits.static_collar_ticks = command.static_collar_ticks
    limits.dynamic_collar_ticks = command.dynamic_collar_ticks
    head_answer(events[count], request, ORDER_LIMITS_SET)
    answer = events[count].order_limits_set
    answer.value_max_minor = command.value_max_minor
    answer.account_id = command.account_id
    answer.quantity_max_lots = command.quantity_max_lots
    answer.static_collar_ticks = command.static_collar_ticks
    answer.dynamic_collar_ticks = command.dynamic_collar_ticks
    answer.product_group = command.product_group
    return count + 1


@kernel
def assign_group(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Put a product into a group, before it opens."""
    command = request.assign_product_group
    slot = find_product(exchange, command.product_id)
    reason = _group_fault(exchange, request, command.product_group)
    if reason == 0 and slot == UNKNOWN:
        reason = UNKNOWN_PRODUCT
    if reason == 0 and exchange.products[slot].phase != DEFINED:
        reason = WRONG_PHASE
    if reason != 0:
        reject_setup(events[count], request, command.product_id, 0, reason)
        return count + 1
    exchange.safeguards.products[slot].product_group = command.product_group
    head_answer(events[count], request, PRODUCT_GROUP_ASSIGNED)
    answer = events[count].product_group_assigned
    answer.product_id = command.product_id
    answer.product_group = command.product_group
    return count + 1


@kernel
def set_volatility(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Set when a product group's trading is interrupted."""
    command = request.set_volatility_range
    reason = _group_fault(exchange, request, command.product_group)
    if reason == 0 and not (0 <= command.dynamic_range_ticks <= SPAN_TICKS):
        reason = SAFEGUARD_OUT_OF_RANGE
    if reason == 0 and not (0 <= command.extension_range_ticks <= SPAN_TICKS):
        reason = SAFEGUARD_OUT_OF_RANGE
    if reason == 0 and (command.call_s == 0 or command.call_s > CALL_S_MAX):
        reason = SAFEGUARD_OUT_OF_RANGE
    if reason != 0:
        reject_setup(events[count], request, 0, 0, reason)
        return count + 1
    exchange.safeguards.are_on = 1
    group = exchange.safeguards.groups[command.product_group]
    group.dynamic_range_ticks = command.dynamic_range_ticks
    group.extension_range_ticks = command.extension_range_ticks
    group.call_s = command.call_s
    head_answer(events[count], request, VOLATILITY_RANGE_SET)
    answer = events[count].volatility_range_set
    answer.dynamic_range_ticks = command.dynamic_range_ticks
    answer.extension_range_ticks = command.extension_range_ticks
    answer.call_s = command.call_s
    answer.product_group = command.product_group
    return count + 1


@kernel
def set_order_rate(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Set how many orders and changes a session may send; what it has sent is forgotten."""
    command = request.set_order_rate
    rate, burst, reason = int(command.orders_per_s), int(command.burst_orders), 0
    if not is_operator(exchange, request.head.session_id):
        reason = OPERATOR_ONLY
    elif command.target_session_id == 0 or command.target_session_id >= SESSIONS:
        reason = TARGET_OUT_OF_RANGE
    elif rate > ORDERS_PER_SECOND_MAX or burst > BURST_ORDERS_MAX or (rate > 0 and burst == 0):
        reason = SAFEGUARD_OUT_OF_RANGE
    if reason != 0:
        reject_setup(events[count], request, 0, 0, reason)
        return count + 1
    exchange.safeguards.are_on = 1
    session = exchange.safeguards.sessions[command.target_session_id]
    session.interval_ns = SECOND_NS // rate if rate > 0 else 0
    session.slack_ns = session.interval_ns * max(burst - 1, 0)
    session.paid_until_ns = 0
    head_answer(events[count], request, ORDER_RATE_SET)
    answer = events[count].order_rate_set
    answer.target_session_id = command.target_session_id
    answer.orders_per_s = rate
    answer.burst_orders = burst
    return count + 1


@kernel
def set_order_to_trade(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Set how many orders and changes an account may send on a day for its trades."""
    command = request.set_order_to_trade
    reason = 0
    if not is_operator(exchange, request.head.session_id):
        reason = OPERATOR_ONLY
    elif command.account_id == 0 or command.account_id >= ACCOUNTS:
        reason = ACCOUNT_OUT_OF_RANGE
    elif command.orders_per_trade > ORDERS_PER_TRADE_MAX or command.free_orders > FREE_ORDERS_MAX:
        reason = SAFEGUARD_OUT_OF_RANGE
    if reason != 0:
        reject_setup(events[count], request, 0, command.account_id, reason)
        return count + 1
    exchange.safeguards.are_on = 1
    account = exchange.safeguards.accounts[command.account_id]
    account.orders_per_trade = command.orders_per_trade
    account.free_orders = command.free_orders
    head_answer(events[count], request, ORDER_TO_TRADE_SET)
    answer = events[count].order_to_trade_set
    answer.account_id = command.account_id
    answer.orders_per_trade = command.orders_per_trade
    answer.free_orders = command.free_orders
    return count + 1


@kernel
def _group_fault(exchange: Any, request: Any, product_group: int) -> int:
    if not is_operator(exchange, request.head.session_id):
        return OPERATOR_ONLY
    return GROUP_OUT_OF_RANGE if product_group >= GROUPS else 0


@kernel
def _order_limits_fault(exchange: Any, request: Any) -> int:
    command = request.set_order_limits
    reason = _group_fault(exchange, request, command.product_group)
    if reason != 0:
        return reason
    if command.account_id >= ACCOUNTS:
        return ACCOUNT_OUT_OF_RANGE
    if command.value_max_minor < 0 or not 0 <= command.quantity_max_lots <= LOTS_MAX:
        return SAFEGUARD_OUT_OF_RANGE
    if not 0 <= command.static_collar_ticks <= SPAN_TICKS:
        return SAFEGUARD_OUT_OF_RANGE
    if not 0 <= command.dynamic_collar_ticks <= SPAN_TICKS:
        return SAFEGUARD_OUT_OF_RANGE
    return 0
