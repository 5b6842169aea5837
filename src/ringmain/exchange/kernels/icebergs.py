"""Iceberg orders: a clip is shown, the rest is hidden; a new clip goes to the end of its queue."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.answers import report_clip
from ringmain.exchange.kernels.book import remove_order, rest, unhang
from ringmain.exchange.kernels.levels import levels_full, side_of
from ringmain.exchange.kernels.orders import give_order
from ringmain.exchange.state import PRICE_TICKS_MAX, PRICE_TICKS_MIN


@kernel
def rest_iceberg(
    matching: Any,
    request: Any,
    slot: int,
    product_id: int,
    ladder: int,
    price_ticks: int,
    lots: int,
    event: Any,
) -> None:
    """Rest an order that hangs nowhere, show its first clip, and say so."""
    special = matching.specials[slot]
    shown_lots = min(int(special.display_lots), lots)
    special.hidden_lots = lots - shown_lots
    rest(matching, slot, ladder, price_ticks, shown_lots)
    order, side, hidden_lots = matching.orders[slot], side_of(ladder), special.hidden_lots
    report_clip(event, request, order, product_id, side, price_ticks, shown_lots, hidden_lots, price_ticks, 0)


@kernel
def next_clip(matching: Any, request: Any, slot: int, product_id: int, events: Any, count: int) -> int:
    """Show the next clip of an order whose shown lots have traded; without one it leaves the book."""
    order, special = matching.orders[slot], matching.specials[slot]
    if special.hidden_lots == 0:
        remove_order(matching, slot)
        return count
    level = matching.levels[order.level]
    ladder, old_ticks = int(level.ladder), int(level.price_ticks)
    level.lots -= order.lots
    order.lots = 0
    unhang(matching, slot)
    price_ticks = old_ticks
    if not levels_full(matching):
        price_ticks = min(max(old_ticks + int(special.clip_step_ticks), PRICE_TICKS_MIN), PRICE_TICKS_MAX)
    shown_lots = min(int(special.display_lots), int(special.hidden_lots))
    special.hidden_lots -= shown_lots
    rest(matching, slot, ladder, price_ticks, shown_lots)
    side, hidden_lots = side_of(ladder), special.hidden_lots
    report_clip(
        events[count], request, order, product_id, side, price_ticks, shown_lots, hidden_lots, old_ticks, 0
    )
    return count + 1


@kernel
def cut_iceberg(
    matching: Any, request: Any, slot: int, product_id: int, lots: int, events: Any, count: int
) -> int:
    """Leave an iceberg with so many open lots, at its place; hidden ones go first."""
    order, special = matching.orders[slot], matching.specials[slot]
    level = matching.levels[order.level]
    old_shown, price_ticks, side = int(order.lots), int(level.price_ticks), side_of(level.ladder)
    level.lots -= old_shown + int(special.hidden_lots) - lots
    order.lots = min(old_shown, lots)
    special.hidden_lots = lots - order.lots
    report_clip(
        events[count], request, order, product_id, side, price_ticks, order.lots, special.hidden_lots,
        price_ticks, old_shown,
    )  # fmt: skip
    return count + 1


@kernel
def trade_iceberg(
    matching: Any, request: Any, slot: int, product_id: int, lots: int, events: Any, count: int
) -> int:
    """Take lots that an auction has traded, shown ones first; what is left keeps its place."""
    order, special = matching.orders[slot], matching.specials[slot]
    level = matching.levels[order.level]
    old_shown, price_ticks, side = int(order.lots), int(level.price_ticks), side_of(level.ladder)
    left = old_shown + int(special.hidden_lots) - lots
    level.lots -= lots
    order.lots = old_shown - lots if lots < old_shown else min(int(special.display_lots), left)
    special.hidden_lots = left - order.lots
    report_clip(
        events[count], request, order, product_id, side, price_ticks, order.lots, special.hidden_lots,
        price_ticks, old_shown,
    )  # fmt: skip
    if left == 0:
        unhang(matching, slot)
        give_order(matching, slot)
    return count + 1
