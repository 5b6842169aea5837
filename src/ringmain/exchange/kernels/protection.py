"""A market maker's protection: quotes that trade too much within a while are withdrawn, and stay away.

The trades of a quoter's quotes are counted by product group, in a window that moves in sixteenths of its
length: what has happened within fifteen of them counts in any case, and nothing older than sixteen. The
limits are looked at after each trade; what an incoming order has still to trade, it trades, and then the
quotes go. Trades of a call are not counted: they have one price, and come all at once.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.answers import head_answer, head_order, reject_setup
from ringmain.exchange.kernels.cancelling import cancel_resting
from ringmain.exchange.kernels.orders import find_order
from ringmain.exchange.kernels.products import is_operator
from ringmain.exchange.kernels.timers import hasten
from ringmain.exchange.messages import CANCELLATIONS, REJECTIONS
from ringmain.exchange.multileg_messages import (
    QuoteProtectionReset,
    QuoteProtectionSet,
    QuoteProtectionTripped,
)
from ringmain.exchange.multileg_state import (
    PROTECTED_FILLS_MAX,
    PROTECTED_LOTS_MAX,
    QUOTERS,
    WINDOW_MS_MAX,
    WINDOW_PARTS,
)
from ringmain.exchange.safeguards_state import GROUPS
from ringmain.exchange.state import PRODUCTS

PROTECTION_SET, PROTECTION_RESET = QuoteProtectionSet.kind, QuoteProtectionReset.kind
PROTECTION_TRIPPED = QuoteProtectionTripped.kind
OPERATOR_ONLY, NOT_A_QUOTER = REJECTIONS["OPERATOR_ONLY"], REJECTIONS["NOT_A_QUOTER"]
GROUP_OUT_OF_RANGE = REJECTIONS["GROUP_OUT_OF_RANGE"]
OUT_OF_RANGE = REJECTIONS["QUOTE_PROTECTION_OUT_OF_RANGE"]
BEING_WITHDRAWN = REJECTIONS["QUOTES_BEING_WITHDRAWN"]
QUOTE_PROTECTION = CANCELLATIONS["QUOTE_PROTECTION"]
MILLISECOND_NS = 1_000_000


@kernel
def set_protection(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Set a quoter's limits in a product group; what was counted is forgotten, a trip is not."""
    command = request.set_quote_protection
    quoter_id = _quoter_of(request, int(command.quoter_id))
    reason = _protected_fault(exchange, request, quoter_id, int(command.product_group))
    if reason == 0 and (
        command.window_ms > WINDOW_MS_MAX
        or not 0 <= command.volume_max_lots <= PROTECTED_LOTS_MAX
        or not 0 <= command.net_max_lots <= PROTECTED_LOTS_MAX
        or command.fills_max > PROTECTED_FILLS_MAX
    ):
        reason = OUT_OF_RANGE
    if reason != 0:
        reject_setup(events[count], request, 0, 0, reason)
        return count + 1
    exchange.safeguards.are_on = 1
    index = int(exchange.quoting.quoter_of[quoter_id])
    protection = exchange.quoting.protections[index, int(command.product_group)]
    _forget(protection)
    protection.part_ns = int(command.window_ms) * MILLISECOND_NS // WINDOW_PARTS
    protection.volume_max_lots = command.volume_max_lots
    protection.net_max_lots = command.net_max_lots
    protection.fills_max = command.fills_max
    head_answer(events[count], request, PROTECTION_SET)
    answer = events[count].quote_protection_set
    answer.volume_max_lots = command.volume_max_lots
    answer.net_max_lots = command.net_max_lots
    answer.fills_max = command.fills_max
    answer.window_ms = command.window_ms
    answer.quoter_id = quoter_id
    answer.product_group = command.product_group
    return count + 1


@kernel
def reset_protection(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Take a quoter's quotes again in a product group, and count from zero."""
    command = request.reset_quote_protection
    quoter_id, group = _quoter_of(request, int(command.quoter_id)), int(command.product_group)
    reason = _protected_fault(exchange, request, quoter_id, group)
    index = int(exchange.quoting.quoter_of[quoter_id]) if reason == 0 else 0
    if reason == 0 and exchange.quoting.protections[index, group].is_withdrawing:
        reason = BEING_WITHDRAWN
    if reason != 0:
        reject_setup(events[count], request, 0, 0, reason)
        return count + 1
    protection = exchange.quoting.protections[index, group]
    _forget(protection)
    protection.tripped = 0
    head_answer(events[count], request, PROTECTION_RESET)
    answer = events[count].quote_protection_reset
    answer.quoter_id = quoter_id
    answer.product_group = group
    return count + 1


@kernel
def drop_protections(quoting: Any, index: int) -> None:
    """Forget the protections of a session that quotes no longer: its quotes are plain orders now."""
    for group in range(GROUPS):
        protection = quoting.protections[index, group]
        if protection.is_withdrawing:
            quoting.withdrawals -= 1
        _forget(protection)
        protection.part_ns = 0
        protection.volume_max_lots = 0
        protection.net_max_lots = 0
        protection.fills_max = 0
        protection.tripped = 0
        protection.is_withdrawing = 0


@kernel
def withdraw_quotes(exchange: Any, request: Any, events: Any, count: int, end: int) -> int:
    """Say which protections have tripped, and cancel their quotes up to row `end`; the rest at a timer.

    An auction that is being uncrossed goes first: its volume has been announced.
    """
    quoting = exchange.quoting
    for index in range(1, QUOTERS + 1):
        for group in range(GROUPS):
            if quoting.protections[index, group].is_withdrawing:
                count = _withdraw(exchange, request, index, group, events, count, end)
    if quoting.withdrawals > 0:
        hasten(exchange, max(int(request.head.time_ns), 1))
    return count


@kernel
def _withdraw(exchange: Any, request: Any, index: int, group: int, events: Any, count: int, end: int) -> int:
    quoting = exchange.quoting
    protection, session_id = quoting.protections[index, group], int(quoting.sessions[index])
    if protection.is_told == 0:
        if count + 1 > end:
            return count
        _report_tripped(exchange, events[count], request, protection, session_id, group)
        protection.is_told = 1
        count += 1
    if exchange.uncrossing_count > 0:
        return count
    while protection.next_slot < PRODUCTS:
        slot = int(protection.next_slot)
        number = int(exchange.quote_numbers[index, slot])
        if number != 0 and exchange.safeguards.products[slot].product_group == group:
            if count + 2 > end:
                return count
            count = _cancel_side(exchange, request, session_id, number, events, count)
            count = _cancel_side(exchange, request, session_id, -number, events, count)
        protection.next_slot += 1
    protection.is_withdrawing = 0
    quoting.withdrawals -= 1
    return count


@kernel
def _cancel_side(exchange: Any, request: Any, session_id: int, number: int, events: Any, count: int) -> int:
    order_slot = find_order(exchange.matching, session_id, number)
    if order_slot == 0:
        return count
    cancel_resting(exchange, request, order_slot, QUOTE_PROTECTION, 0, events[count])
    return count + 1


@kernel
def _report_tripped(
    exchange: Any, event: Any, request: Any, protection: Any, session_id: int, group: int
) -> None:
    head_order(event, request, PROTECTION_TRIPPED, session_id, 0)
    tripped = event.quote_protection_tripped
    volume_lots, net_lots, fills = 0, 0, 0
    for part in range(WINDOW_PARTS):
        volume_lots += protection.volume_lots[part]
        net_lots += protection.net_lots[part]
        fills += protection.fills[part]
    tripped.volume_lots = volume_lots
    tripped.net_lots = net_lots
    tripped.fill_count = fills
    tripped.product_id = protection.product_id
    tripped.account_id = exchange.seats[session_id].account_id
    tripped.product_group = group
    tripped.limit_reached = protection.tripped


@kernel
def _forget(protection: Any) -> None:
    protection.newest_part = 0
    for part in range(WINDOW_PARTS):
        protection.volume_lots[part] = 0
        protection.net_lots[part] = 0
        protection.fills[part] = 0


@kernel
def _quoter_of(request: Any, quoter_id: int) -> int:
    return quoter_id if quoter_id != 0 else int(request.head.session_id)


@kernel
def _protected_fault(exchange: Any, request: Any, quoter_id: int, group: int) -> int:
    session_id = int(request.head.session_id)
    if quoter_id != session_id and not is_operator(exchange, session_id):
        return OPERATOR_ONLY
    if quoter_id >= exchange.quoting.quoter_of.size or exchange.quoting.quoter_of[quoter_id] == 0:
        return NOT_A_QUOTER
    return GROUP_OUT_OF_RANGE if group >= GROUPS else 0
