"""The checks that an order passes where safeguards are set: kill switches, rates, limits.

Nothing here is asked while `safeguards.are_on` is 0.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.answers import head_answer
from ringmain.exchange.messages import REJECTIONS
from ringmain.exchange.safeguards_messages import ORDER_TO_TRADE, RATE, SafeguardTripped
from ringmain.exchange.safeguards_state import TRADES_KEPT
from ringmain.exchange.state import ACCOUNTS

OPERATOR, EVERYBODY = 0, 0
DAY_NS = 86_400_000_000_000
KILL_SWITCH_ENGAGED, OUTSIDE_COLLAR = REJECTIONS["KILL_SWITCH_ENGAGED"], REJECTIONS["OUTSIDE_COLLAR"]
ORDER_TOO_LARGE = REJECTIONS["ORDER_TOO_LARGE"]
ORDER_VALUE_TOO_LARGE = REJECTIONS["ORDER_VALUE_TOO_LARGE"]
RATE_LIMIT_EXCEEDED = REJECTIONS["RATE_LIMIT_EXCEEDED"]
ORDER_TO_TRADE_EXCEEDED = REJECTIONS["ORDER_TO_TRADE_EXCEEDED"]
SAFEGUARD_TRIPPED = SafeguardTripped.kind


@kernel
def admit(exchange: Any, request: Any, events: Any, count: int) -> tuple[int, int]:
    """Count a new order or a change against its sender's limits.

    Returns
    -------
    reason : int
        Why it may not be looked at; or 0.
    count : int
        The next event row: a limit's first trip is an event of its own.
    """
    session_id = request.head.session_id
    account_id = int(exchange.seats[session_id].account_id)
    if account_id == OPERATOR or account_id >= ACCOUNTS:
        return 0, count  # the order is rejected for that
    safeguards, now_ns = exchange.safeguards, request.head.time_ns
    session, account = safeguards.sessions[session_id], safeguards.accounts[account_id]
    if is_stopped(exchange, session_id, account_id):
        return KILL_SWITCH_ENGAGED, count
    begin_day(account, now_ns)
    safeguard, reason = 0, 0
    if session.interval_ns > 0 and session.paid_until_ns > now_ns + session.slack_ns:
        safeguard, reason = RATE, RATE_LIMIT_EXCEEDED
        is_first, session.has_tripped = session.has_tripped == 0, 1
    elif account.orders_per_trade > 0 and account.order_count >= _orders_allowed(account):
        safeguard, reason = ORDER_TO_TRADE, ORDER_TO_TRADE_EXCEEDED
        is_first, account.has_tripped = account.has_tripped == 0, 1
    else:
        session.paid_until_ns = max(session.paid_until_ns, now_ns) + session.interval_ns
        session.has_tripped, account.has_tripped, is_first = 0, 0, False
        session.order_count += 1
        account.order_count += 1
    if is_first:
        _report_tripped(events[count], request, session, account, account_id, safeguard)
        count += 1
    return reason, count


@kernel
def begin_day(account: Any, now_ns: int) -> None:
    """Count from zero when a day (UTC) has begun since the last count."""
    day = now_ns // DAY_NS
    if account.day != day:
        account.day = day
        account.order_count = 0
        account.trade_count = 0


@kernel
def _orders_allowed(account: Any) -> int:
    return max(int(account.free_orders), int(account.orders_per_trade) * int(account.trade_count))


@kernel
def note_trade(exchange: Any, bought: Any, sold: Any) -> None:
    """Count a trade for both of its accounts, and keep it for a while: it may be busted."""
    safeguards = exchange.safeguards
    _count_trade(safeguards.accounts[bought.account_id], bought.time_ns)
    _count_trade(safeguards.accounts[sold.account_id], sold.time_ns)
    trade = safeguards.trades[safeguards.trade_count % TRADES_KEPT]
    trade.trade_index = bought.trade_index
    trade.sequence = bought.sequence
    trade.product_id = bought.product_id
    trade.price_ticks = bought.price_ticks
    trade.lots = bought.quantity_lots
    trade.buyer_id = bought.account_id
    trade.seller_id = sold.account_id
    trade.is_busted = 0
    safeguards.trade_count += 1


@kernel
def _count_trade(account: Any, now_ns: int) -> None:
    begin_day(account, now_ns)
    account.trade_count += 1


@kernel
def limits_fault(exchange: Any, slot: int, account_id: int, price_ticks: int, lots: int) -> int:
    """Return why an order of this price and quantity may not stand in a product; or 0."""
    safeguards = exchange.safeguards
    guard = safeguards.products[slot]
    if guard.is_killed:
        return KILL_SWITCH_ENGAGED
    product = exchange.products[slot]
    limits = safeguards.order_limits[EVERYBODY, guard.product_group]
    reason = _limit_fault(limits, product, price_ticks, lots)
    if reason == 0:
        limits = safeguards.order_limits[account_id, guard.product_group]
        reason = _limit_fault(limits, product, price_ticks, lots)
    return reason


@kernel
def part_fault(exchange: Any, slot: int, account_id: int, price_ticks: int, lots: int) -> int:
    """Return why part of an order over several products, or of a quote, may not stand in a product; or 0."""
    if exchange.safeguards.are_on == 0:
        return 0
    return limits_fault(exchange, slot, account_id, price_ticks, lots)


@kernel
def _limit_fault(limits: Any, product: Any, price_ticks: int, lots: int) -> int:
    if limits.quantity_max_lots > 0 and lots > limits.quantity_max_lots:
        return ORDER_TOO_LARGE
    value_minor = abs(price_ticks * int(product.value_minor) * lots)
    if limits.value_max_minor > 0 and value_minor > limits.value_max_minor:
        return ORDER_VALUE_TOO_LARGE
    from_reference = abs(price_ticks - int(product.reference_price_ticks))
    if limits.static_collar_ticks > 0 and from_reference > limits.static_collar_ticks:
        return OUTSIDE_COLLAR
    if (
        limits.dynamic_collar_ticks > 0
        and abs(price_ticks - anchor_of(product)) > limits.dynamic_collar_ticks
    ):
        return OUTSIDE_COLLAR
    return 0


@kernel
def anchor_of(product: Any) -> int:
    """Return a product's last price, or its reference price before the first trade."""
    return int(product.last_ticks) if product.has_traded else int(product.reference_price_ticks)


@kernel
def is_killed(exchange: Any, session_id: int, account_id: int, slot: int) -> bool:
    """Tell whether a kill switch means an order of this session and account in this product's slot."""
    return exchange.safeguards.products[slot].is_killed == 1 or is_stopped(exchange, session_id, account_id)


@kernel
def is_stopped(exchange: Any, session_id: int, account_id: int) -> bool:
    """Tell whether a kill switch stops a session, its account, or the venue."""
    safeguards = exchange.safeguards
    if safeguards.venue_is_killed or safeguards.accounts[account_id].is_killed:
        return True
    return safeguards.sessions[session_id].is_killed == 1


@kernel
def clear_guard(exchange: Any, slot: int) -> None:
    """Forget what was known of the product that had the slot before."""
    guard = exchange.safeguards.products[slot]
    guard.anchor_ticks = 0
    guard.product_group = 0
    guard.interruption = 0
    guard.is_killed = 0


@kernel
def _report_tripped(
    event: Any, request: Any, session: Any, account: Any, account_id: int, safeguard: int
) -> None:
    head_answer(event, request, SAFEGUARD_TRIPPED)
    tripped = event.safeguard_tripped
    tripped.order_count = session.order_count if safeguard == RATE else account.order_count
    tripped.trade_count = account.trade_count if safeguard == ORDER_TO_TRADE else 0
    tripped.account_id = account_id
    tripped.target_session_id = request.head.session_id
    tripped.safeguard = safeguard
