"""Self-trade prevention: what happens instead of a trade of an account with itself."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.answers import report_cancelled, report_replaced
from ringmain.exchange.kernels.book import reduce_order, remove_order
from ringmain.exchange.kernels.icebergs import cut_iceberg
from ringmain.exchange.kernels.levels import opposite, side_of
from ringmain.exchange.kernels.orders import open_lots
from ringmain.exchange.messages import CANCEL_BOTH, CANCEL_NEWEST, CANCELLATIONS, DECREMENT

SELF_TRADE = CANCELLATIONS["SELF_TRADE"]


@kernel
def avoid_self_trade(
    matching: Any,
    request: Any,
    self_trade: int,
    session_id: int,
    order_number: int,
    product_id: int,
    ladder: int,
    limit_ticks: int,
    lots: int,
    is_shown: bool,
    slot: int,
    events: Any,
    count: int,
) -> tuple[int, int, int]:
    """Treat an incoming order that meets one of its own account's, as it asks.

    Returns
    -------
    lots, count : int
        What is still open of it, and the row after the last event.
    reason : int
        SELF_TRADE if that is to be cancelled, else 0.
    """
    resting_lots = open_lots(matching, slot)
    if self_trade == CANCEL_NEWEST:
        return lots, count, SELF_TRADE
    if self_trade == DECREMENT and resting_lots > lots:
        return lots, _reduce(matching, request, slot, product_id, lots, events, count), SELF_TRADE
    count = _cancel(matching, request, slot, product_id, opposite(ladder), events, count)
    if self_trade == CANCEL_BOTH or (self_trade == DECREMENT and resting_lots == lots):
        return lots, count, SELF_TRADE
    if self_trade == DECREMENT:
        report_replaced(
            events[count], request, session_id, order_number, product_id, side_of(ladder),
            limit_ticks, lots - resting_lots, limit_ticks, lots, True, is_shown, 0,
        )  # fmt: skip
        return lots - resting_lots, count + 1, 0
    return lots, count, 0


@kernel
def _cancel(
    matching: Any, request: Any, slot: int, product_id: int, ladder: int, events: Any, count: int
) -> int:
    order = matching.orders[slot]
    price_ticks = matching.levels[order.level].price_ticks
    report_cancelled(
        events[count], request, order.session_id, order.session_number, order.account_id, product_id,
        side_of(ladder), price_ticks, open_lots(matching, slot), order.lots, SELF_TRADE, 0,
    )  # fmt: skip
    remove_order(matching, slot)
    return count + 1


@kernel
def _reduce(
    matching: Any, request: Any, slot: int, product_id: int, lots: int, events: Any, count: int
) -> int:
    """Take lots away from a resting order that has more; hidden ones first."""
    order, old_lots = matching.orders[slot], open_lots(matching, slot)
    level = matching.levels[order.level]
    is_iceberg = old_lots > order.lots
    report_replaced(
        events[count], request, order.session_id, order.session_number, product_id, side_of(level.ladder),
        level.price_ticks, old_lots - lots, level.price_ticks, old_lots, True, not is_iceberg, 0,
    )  # fmt: skip
    if is_iceberg:
        return cut_iceberg(matching, request, slot, product_id, old_lots - lots, events, count + 1)
    reduce_order(matching, slot, lots)
    return count + 1
