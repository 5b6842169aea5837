"""Calling upon reserve: a level for a product, shared among its sellers, while its block is delivered.

Energy is counted in lot-milliseconds, from and up to times cut down to whole milliseconds. What a call
costs up to its end is set aside of the buyer's cash when it begins, so that settlement cannot fail.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.answers import head_answer
from ringmain.exchange.kernels.products import UNKNOWN, find_product
from ringmain.exchange.kernels.reserve_rules import delivery_end_ns, is_reserve
from ringmain.exchange.kernels.reserve_shares import (
    count_energy,
    report_level,
    set_level,
    share_of,
    sold_lots,
    tell_shares,
)
from ringmain.exchange.kernels.terms import participant_fault
from ringmain.exchange.kernels.timers import MILLISECOND_NS, set_deadline, set_due
from ringmain.exchange.messages import HOLDING, REJECTIONS
from ringmain.exchange.reserve_messages import ActivationRejected
from ringmain.exchange.reserve_state import LOT_MS_PER_MINOR
from ringmain.exchange.state import ACCOUNTS
from ringmain.ledger.accounts import LIMIT_MINOR, reserve, void_reserved

ACTIVATION_REJECTED = ActivationRejected.kind
UNKNOWN_PRODUCT, WRONG_PRODUCT_KIND = REJECTIONS["UNKNOWN_PRODUCT"], REJECTIONS["WRONG_PRODUCT_KIND"]
BUYER_ONLY, WRONG_PHASE = REJECTIONS["RESERVE_BUYER_ONLY"], REJECTIONS["WRONG_PHASE"]
KILL_SWITCH_ENGAGED, CREDIT_EXCEEDED = REJECTIONS["KILL_SWITCH_ENGAGED"], REJECTIONS["CREDIT_EXCEEDED"]
QUANTITY_OUT_OF_RANGE = REJECTIONS["QUANTITY_OUT_OF_RANGE"]
ABOVE_POSITION = REJECTIONS["ACTIVATION_ABOVE_POSITION"]
OUTSIDE_DELIVERY = REJECTIONS["ACTIVATION_OUTSIDE_DELIVERY"]
TOO_LONG = REJECTIONS["ACTIVATION_TOO_LONG"]


@kernel
def activate(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Set how much of a product is called, from now until a time; return the next event row."""
    command, now_ns = request.activate_reserve, request.head.time_ns
    slot, lots = find_product(exchange, command.product_id), int(command.quantity_lots)
    until_ns = int(command.until_ns) if lots > 0 else now_ns
    reason = _form_fault(exchange, request, slot)
    if reason == 0:
        count_energy(exchange, slot, now_ns)
        reason = _level_fault(exchange, request, slot, lots)
    if reason == 0:
        reason = _set_aside(exchange, slot, lots, now_ns, until_ns)
    if reason != 0:
        head_answer(events[count], request, ACTIVATION_REJECTED)
        rejected = events[count].activation_rejected
        rejected.product_id = command.product_id
        rejected.quantity_lots = lots
        rejected.reason = reason
        return count + 1
    set_level(exchange, slot, lots, now_ns, until_ns)
    report_level(exchange, slot, request, events[count])
    count = tell_shares(exchange, slot, request, events, count + 1)
    set_due(exchange, slot, now_ns)
    set_deadline(exchange, now_ns)
    return count


@kernel
def _form_fault(exchange: Any, request: Any, slot: int) -> int:
    """Return why a session may not call upon a product now, or 0."""
    session_id, now_ns = request.head.session_id, request.head.time_ns
    reason = participant_fault(exchange, session_id)
    if reason != 0:
        return reason
    if slot == UNKNOWN:
        return UNKNOWN_PRODUCT
    product = exchange.products[slot]
    if not is_reserve(product):
        return WRONG_PRODUCT_KIND
    if exchange.seats[session_id].account_id != exchange.reserves[slot].buyer_account_id:
        return BUYER_ONLY
    if product.phase != HOLDING:
        return WRONG_PHASE
    if now_ns < product.delivery_start_ns or now_ns >= delivery_end_ns(exchange, slot):
        return OUTSIDE_DELIVERY
    return 0


@kernel
def _level_fault(exchange: Any, request: Any, slot: int, lots: int) -> int:
    """Return why so much may not be called so long, or 0; nothing may always be called."""
    held = exchange.reserves[slot]
    buyer_id, now_ns = int(held.buyer_account_id), request.head.time_ns
    until_ns = int(request.activate_reserve.until_ns)
    if lots <= 0:
        return 0 if lots == 0 else QUANTITY_OUT_OF_RANGE
    safeguards = exchange.safeguards
    if safeguards.accounts[buyer_id].is_killed or safeguards.sessions[request.head.session_id].is_killed:
        return KILL_SWITCH_ENGAGED
    if lots > -sold_lots(exchange, slot, buyer_id):
        return ABOVE_POSITION
    if until_ns <= now_ns or until_ns > delivery_end_ns(exchange, slot):
        return OUTSIDE_DELIVERY
    return TOO_LONG if _is_too_long(exchange, slot, lots, now_ns, until_ns) else 0


@kernel
def _is_too_long(exchange: Any, slot: int, lots: int, now_ns: int, until_ns: int) -> bool:
    """Tell whether a seller would give more energy than its position allows."""
    held, before_lots = exchange.reserves[slot], 0
    duration_ms = until_ns // MILLISECOND_NS - now_ns // MILLISECOND_NS
    all_lots = -sold_lots(exchange, slot, int(held.buyer_account_id))
    for account_id in range(1, ACCOUNTS):
        sold = sold_lots(exchange, slot, account_id)
        if sold > 0:
            share = share_of(lots, before_lots, sold, all_lots)
            before_lots += sold
            given_lot_ms = int(exchange.shares[exchange.position_at[slot, account_id]].activated_lot_ms)
            if given_lot_ms + share * duration_ms > sold * int(held.activation_max_s) * 1_000:
                return True
    return False


@kernel
def _set_aside(exchange: Any, slot: int, lots: int, now_ns: int, until_ns: int) -> int:
    """Set aside what the energy may cost, or give back what it no longer does; return why not, or 0."""
    held = exchange.reserves[slot]
    cash = exchange.participants[held.buyer_account_id].cash
    duration_ms = until_ns // MILLISECOND_NS - now_ns // MILLISECOND_NS
    energy_lot_ms, ticks = int(held.activated_lot_ms) + lots * duration_ms, int(held.activation_ticks)
    if energy_lot_ms > LIMIT_MINOR // max(ticks, 1):
        return CREDIT_EXCEEDED
    more_minor = ticks * energy_lot_ms // LOT_MS_PER_MINOR - int(held.set_aside_minor)
    if more_minor > 0 and reserve(cash, more_minor) != 0:
        return CREDIT_EXCEEDED
    if more_minor < 0:
        void_reserved(cash, -more_minor)
    held.set_aside_minor += more_minor
    return 0
