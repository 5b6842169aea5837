"""What it takes to fill an order at once and in full: asked before an order over several products trades."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.answers import ORDER_FILLED
from ringmain.exchange.kernels.levels import best_level, key_of, level_after, opposite
from ringmain.exchange.kernels.matching import count_on_level, match
from ringmain.exchange.messages import ALLOWED, PRO_RATA, TAKER
from ringmain.exchange.state import FILLS_PER_COMMAND, PRO_RATA_ORDERS

UNFILLABLE = -1


@kernel
def sweep_needs(
    matching: Any, ladder: int, limit_ticks: int, lots: int, allocation: int
) -> tuple[int, int, int]:
    """Return what it takes to fill an incoming order at once.

    Clips of icebergs with a price step are not counted on: they can only make it cheaper.

    Returns
    -------
    trades : int
        The most that it can take; UNFILLABLE if that is beyond FILLS_PER_COMMAND, or lots are missing.
    cost : int
        The most that it can cost, in ticks times lots.
    worst_ticks : int
        The price of the last lot counted on.
    """
    against = opposite(ladder)
    limit_key = key_of(against, limit_ticks)
    level_index = best_level(matching, against)
    trades, cost = 0, 0
    while level_index != 0 and matching.levels[level_index].key <= limit_key:
        level, wanted = matching.levels[level_index], lots
        price_ticks = int(level.price_ticks)
        lots, trades, _ = count_on_level(matching, level_index, lots, trades, 0, ALLOWED)
        cost += price_ticks * (wanted - max(lots, 0))
        if lots <= 0 and allocation == PRO_RATA:  # so many may share what is wanted last
            trades += min(int(level.order_count), PRO_RATA_ORDERS, wanted)
        if lots <= 0 and trades <= FILLS_PER_COMMAND:
            return trades, cost, price_ticks
        if lots <= 0 or trades >= FILLS_PER_COMMAND:
            return UNFILLABLE, 0, 0
        level_index = level_after(matching, against, level.key)
    return UNFILLABLE, 0, 0


@kernel
def sweep(
    exchange: Any,
    request: Any,
    session_id: int,
    session_number: int,
    account_id: int,
    slot: int,
    ladder: int,
    worst_ticks: int,
    limit_ticks: int,
    lots: int,
    events: Any,
    count: int,
) -> int:
    """Trade all of what `sweep_needs` has found fillable; the caller settles it.

    Parameters
    ----------
    session_id, session_number, account_id : int
        The order's name and owner.
    worst_ticks, limit_ticks : int
        The worst price to trade at, and the one at which the order has set aside what it may cost.

    Returns
    -------
    int
        The row after the last event.
    """
    product = exchange.products[slot]
    left, end, _ = match(
        exchange.matching, request, session_id, session_number, account_id, product.product_id, ladder,
        worst_ticks, lots, False, ALLOWED, product.allocation, events, count,
    )  # fmt: skip
    assert left == 0
    for row in range(count, end):
        fill = events[row].order_filled
        if events[row].head.kind == ORDER_FILLED and fill.role == TAKER:
            fill.limit_ticks = limit_ticks
    return end
