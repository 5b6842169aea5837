"""What an order may ask for: its terms, checked before anything is set aside for it."""

from typing import Any

from ringmain.core.jit import kernel, leaf
from ringmain.exchange.kernels.expiries import enter_expiry
from ringmain.exchange.kernels.levels import best_level, ladder_of, opposite
from ringmain.exchange.kernels.matching import crosses, trades_in
from ringmain.exchange.kernels.products import UNKNOWN
from ringmain.exchange.kernels.reserve_rules import is_reserve, side_fault
from ringmain.exchange.kernels.timers import NEVER, hasten
from ringmain.exchange.messages import (
    BALANCING,
    BUY,
    CALL,
    CLOSING_CALL,
    CONTINUOUS,
    DECREMENT,
    FOK,
    GOOD_FOR_SESSION,
    GOOD_TILL_CANCELLED,
    GOOD_TILL_DATE,
    IOC,
    LIMIT,
    MARKET,
    MARKET_TO_LIMIT,
    PRE_OPEN,
    REJECTIONS,
    SELL,
    STOP,
    STOP_LIMIT,
)
from ringmain.exchange.state import ACCOUNTS, PRICE_TICKS_MAX, PRICE_TICKS_MIN

SECOND_NS = 1_000_000_000
ACCOUNT_NOT_OPEN, PARTICIPANT_ONLY = REJECTIONS["ACCOUNT_NOT_OPEN"], REJECTIONS["PARTICIPANT_ONLY"]
UNKNOWN_PRODUCT, WRONG_PHASE = REJECTIONS["UNKNOWN_PRODUCT"], REJECTIONS["WRONG_PHASE"]
WRONG_SIDE, WRONG_ORDER_TYPE = REJECTIONS["WRONG_SIDE"], REJECTIONS["WRONG_ORDER_TYPE"]
WRONG_TIME_IN_FORCE, WRONG_SELF_TRADE = REJECTIONS["WRONG_TIME_IN_FORCE"], REJECTIONS["WRONG_SELF_TRADE"]
PRICE_OUT_OF_RANGE, OFF_TICK = REJECTIONS["PRICE_OUT_OF_RANGE"], REJECTIONS["OFF_TICK"]
QUANTITY_OUT_OF_RANGE, OFF_LOT = REJECTIONS["QUANTITY_OUT_OF_RANGE"], REJECTIONS["OFF_LOT"]
QUANTITY_BELOW_MINIMUM = REJECTIONS["QUANTITY_BELOW_MINIMUM"]
QUANTITY_ABOVE_MAXIMUM = REJECTIONS["QUANTITY_ABOVE_MAXIMUM"]
DISPLAY_OUT_OF_RANGE = REJECTIONS["DISPLAY_OUT_OF_RANGE"]
CLIP_STEP_OUT_OF_RANGE = REJECTIONS["CLIP_STEP_OUT_OF_RANGE"]
NOT_BALANCING = REJECTIONS["NOT_BALANCING"]
EXPIRY_OUT_OF_RANGE, WOULD_TRADE = REJECTIONS["EXPIRY_OUT_OF_RANGE"], REJECTIONS["WOULD_TRADE"]


@kernel
def participant_fault(exchange: Any, session_id: int) -> int:
    """Return why a session may not trade, or 0."""
    account_id = exchange.seats[session_id].account_id
    if account_id == 0:
        return PARTICIPANT_ONLY
    if account_id >= ACCOUNTS or exchange.participants[account_id].open == 0:
        return ACCOUNT_NOT_OPEN
    return 0


@leaf
def is_plain(order: Any) -> bool:
    """Tell whether a limit and a quantity say all about an order once it rests."""
    if order.order_type >= STOP or order.time_in_force >= GOOD_TILL_CANCELLED:
        return False
    is_noted = order.balancing != 0 and order.time_in_force == GOOD_FOR_SESSION
    return order.display_lots == 0 and order.post_only == 0 and not is_noted


@leaf
def is_waiting_type(order: Any) -> bool:
    """Tell whether an order waits for a stop price first."""
    return order.order_type == STOP or order.order_type == STOP_LIMIT


@kernel
def rests_orders(phase: int) -> bool:
    """Tell whether orders that come in during a phase rest first, all or most of them."""
    return phase in (PRE_OPEN, CALL, CLOSING_CALL, BALANCING)


@kernel
def _may_balance(exchange: Any, session_id: int) -> bool:
    return exchange.participants[exchange.seats[session_id].account_id].may_balance == 1


@kernel
def form_fault(exchange: Any, request: Any, slot: int) -> int:
    """Return what is wrong with an order as it is written, or 0."""
    reason = participant_fault(exchange, request.head.session_id)
    if reason != 0:
        return reason
    if slot == UNKNOWN:
        return UNKNOWN_PRODUCT
    order, product = request.place_order, exchange.products[slot]
    if product.phase != CONTINUOUS and not rests_orders(product.phase):
        return WRONG_PHASE
    if order.side != BUY and order.side != SELL:
        return WRONG_SIDE
    if is_reserve(product):
        account_id = int(exchange.seats[request.head.session_id].account_id)
        reason = side_fault(exchange, slot, account_id, int(order.side))
        if reason != 0:
            return reason
    if order.balancing != 0 and not _may_balance(exchange, request.head.session_id):
        return NOT_BALANCING
    reason = _terms_fault(order, trades_in(product.phase, order.balancing))
    if reason == 0 and (order.order_type == LIMIT or order.order_type == STOP_LIMIT):
        reason = price_fault(product, order.price_ticks)
    if reason == 0:
        reason = quantity_fault(product, order.quantity_lots)
    if reason == 0 and order.quantity_lots < product.quantity_min_lots:
        reason = QUANTITY_BELOW_MINIMUM
    if reason == 0 and not is_plain(order):
        reason = _special_fault(exchange, request, slot)
    return reason


@kernel
def _terms_fault(order: Any, is_trading: bool) -> int:
    """Return what is wrong with order type and time in force: a call auction takes what rests."""
    kind, force = order.order_type, order.time_in_force
    if kind < LIMIT or kind > STOP_LIMIT:
        return WRONG_ORDER_TYPE
    if not is_trading and kind in (MARKET, MARKET_TO_LIMIT):
        return WRONG_ORDER_TYPE
    is_immediate = force in (IOC, FOK)
    if force < GOOD_FOR_SESSION or force > GOOD_TILL_DATE:
        return WRONG_TIME_IN_FORCE
    if kind == MARKET and not is_immediate:
        return WRONG_TIME_IN_FORCE
    if is_immediate and (not is_trading or (kind != MARKET and kind != LIMIT)):
        return WRONG_TIME_IN_FORCE
    return WRONG_SELF_TRADE if order.self_trade > DECREMENT else 0


@kernel
def price_fault(product: Any, price_ticks: int) -> int:
    """Return why a product takes no order at a price, or 0."""
    if price_ticks < PRICE_TICKS_MIN or price_ticks > PRICE_TICKS_MAX:
        return PRICE_OUT_OF_RANGE
    if product.price_step_ticks != 1 and price_ticks % product.price_step_ticks != 0:
        return OFF_TICK
    return 0


@kernel
def quantity_fault(product: Any, quantity_lots: int) -> int:
    """Return why a product takes no order with so much open, or 0."""
    if quantity_lots <= 0:
        return QUANTITY_OUT_OF_RANGE
    if quantity_lots > product.quantity_max_lots:
        return QUANTITY_ABOVE_MAXIMUM
    if product.lot_step_lots != 1 and quantity_lots % product.lot_step_lots != 0:
        return OFF_LOT
    return 0


@kernel
def _special_fault(exchange: Any, request: Any, slot: int) -> int:
    """Return what is wrong with the terms that few orders have, or 0."""
    order, product = request.place_order, exchange.products[slot]
    if order.time_in_force == GOOD_TILL_DATE and int(order.expires_s) * SECOND_NS <= request.head.time_ns:
        return EXPIRY_OUT_OF_RANGE
    if is_waiting_type(order):
        reason = price_fault(product, order.stop_ticks)
        if reason != 0:
            return reason
    if order.post_only != 0 or order.display_lots != 0:
        if order.order_type != LIMIT:
            return WRONG_ORDER_TYPE
        if order.time_in_force == IOC or order.time_in_force == FOK:
            return WRONG_TIME_IN_FORCE
    if order.display_lots != 0:
        reason = _iceberg_fault(product, order)
        if reason != 0:
            return reason
    ladder = ladder_of(slot, int(order.side))
    if order.post_only != 0 and trades_in(product.phase, order.balancing):
        return WOULD_TRADE if crosses(exchange.matching, ladder, int(order.price_ticks)) else 0
    return 0


@kernel
def _iceberg_fault(product: Any, order: Any) -> int:
    if order.display_lots < 0 or order.display_lots > order.quantity_lots:
        return DISPLAY_OUT_OF_RANGE
    if product.lot_step_lots != 1 and order.display_lots % product.lot_step_lots != 0:
        return OFF_LOT
    if (order.side == BUY and order.clip_step_ticks > 0) or (
        order.side == SELL and order.clip_step_ticks < 0
    ):
        return CLIP_STEP_OUT_OF_RANGE
    if product.price_step_ticks != 1 and order.clip_step_ticks % product.price_step_ticks != 0:
        return OFF_TICK
    return 0


@kernel
def limit_of(exchange: Any, order: Any, slot: int, ladder: int) -> int:
    """Return the worst price that an order may trade at.

    A MARKET order's is the end of the market range beyond the best price, a STOP order's the end of
    that range beyond its stop price, a MARKET_TO_LIMIT order's the best price itself.
    """
    kind = order.order_type
    if kind in (LIMIT, STOP_LIMIT):
        return int(order.price_ticks)
    range_ticks = 0 if kind == MARKET_TO_LIMIT else int(exchange.products[slot].market_range_ticks)
    from_ticks = int(order.stop_ticks)
    if kind != STOP:
        best = best_level(exchange.matching, opposite(ladder))
        from_ticks = int(exchange.matching.levels[best].price_ticks)
    if order.side == BUY:
        return min(from_ticks + range_ticks, PRICE_TICKS_MAX)
    return max(from_ticks - range_ticks, PRICE_TICKS_MIN)


@kernel
def describe_special(exchange: Any, order_slot: int, order: Any, limit_ticks: int) -> None:
    """Note the terms of an order that is more than a limit and a quantity."""
    matching = exchange.matching
    special = matching.specials[order_slot]
    matching.orders[order_slot].is_special = 1
    special.order_type = order.order_type
    special.time_in_force = order.time_in_force
    special.display_lots = order.display_lots
    special.clip_step_ticks = order.clip_step_ticks
    special.limit_ticks = limit_ticks
    special.post_only = 1 if order.post_only != 0 else 0
    special.balancing = 1 if order.balancing != 0 else 0
    if order.time_in_force == GOOD_TILL_DATE:
        special.expires_ns = int(order.expires_s) * SECOND_NS
        enter_expiry(matching, order_slot)
        hasten(exchange, special.expires_ns)
    else:
        special.expires_ns = NEVER
