"""Volatility interruption: a trade too far from the last price doesn't happen, and a call follows.

The range lies around the last price before the order came, or the reference price before the first
trade. The order trades within it; if its limit would then have it trade beyond, the product goes
into a call, in which what is left of the order rests, or is cancelled if it may not rest. The call
uncrosses after its time, or after once more of it if the indicative price is still too far off.
A FOK order that could not be filled within the range is killed, and interrupts nothing.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.answers import head_answer, report_phase
from ringmain.exchange.kernels.auction import auction_price
from ringmain.exchange.kernels.guards import anchor_of
from ringmain.exchange.kernels.levels import best_level, opposite, rank_of
from ringmain.exchange.kernels.matching import crosses
from ringmain.exchange.kernels.timers import MILLISECOND_NS, NEVER, hasten, set_due
from ringmain.exchange.messages import BUY, CALL, OrderFilled, OrderReplaced
from ringmain.exchange.safeguards_messages import InterruptionExtended, VolatilityInterrupted

ORDER_FILLED, ORDER_REPLACED = OrderFilled.kind, OrderReplaced.kind
VOLATILITY_INTERRUPTED, INTERRUPTION_EXTENDED = VolatilityInterrupted.kind, InterruptionExtended.kind
NOTHING_TOLD = -1
NOT_INTERRUPTED, INTERRUPTED, EXTENDED = 0, 1, 2
SECOND_NS = 1_000_000_000


@kernel
def bound_of(exchange: Any, slot: int, ladder: int, limit_ticks: int) -> int:
    """Return the worst price that an order may trade at within the range, no better than its limit.

    Where the best price on the other side lies outside the range, it is a price at which nothing trades.
    """
    guard = exchange.safeguards.products[slot]
    range_ticks = int(exchange.safeguards.groups[guard.product_group].dynamic_range_ticks)
    if range_ticks == 0:
        return limit_ticks
    anchor_ticks = anchor_of(exchange.products[slot])
    best = best_level(exchange.matching, opposite(ladder))
    best_ticks = int(exchange.matching.levels[best].price_ticks)
    is_beyond = best != 0 and abs(best_ticks - anchor_ticks) > range_ticks
    if rank_of(ladder) == BUY:
        return min(limit_ticks, best_ticks - 1 if is_beyond else anchor_ticks + range_ticks)
    return max(limit_ticks, best_ticks + 1 if is_beyond else anchor_ticks - range_ticks)


@kernel
def range_bound(exchange: Any, slot: int, ladder: int, limit_ticks: int) -> int:
    """Return `bound_of` for part of an order over several products; its limit where no safeguard is set."""
    if exchange.safeguards.are_on == 0:
        return limit_ticks
    return bound_of(exchange, slot, ladder, limit_ticks)


@kernel
def restore_limit(
    events: Any, first: int, end: int, session_id: int, session_number: int, limit_ticks: int
) -> None:
    """Write an order's own limit into its rows, which show the bound that it was matched with."""
    for row in range(first, end):
        head = events[row].head
        if head.session_id != session_id or head.session_number != session_number:
            continue
        if head.kind == ORDER_FILLED:
            events[row].order_filled.limit_ticks = limit_ticks
        elif head.kind == ORDER_REPLACED:
            events[row].order_replaced.price_ticks = limit_ticks
            events[row].order_replaced.old_price_ticks = limit_ticks


@kernel
def is_interrupted(matching: Any, ladder: int, bound_ticks: int, limit_ticks: int) -> bool:
    """Tell whether only the range has kept an order, of which something is left, from trading on."""
    if bound_ticks == limit_ticks:
        return False
    return crosses(matching, ladder, limit_ticks) and not crosses(matching, ladder, bound_ticks)


@kernel
def interrupt(
    exchange: Any, request: Any, slot: int, ladder: int, anchor_ticks: int, events: Any, count: int
) -> int:
    """Lead a product into a call instead of the next trade; return the next event row."""
    product, guard = exchange.products[slot], exchange.safeguards.products[slot]
    best = best_level(exchange.matching, opposite(ladder))
    _set_call(exchange, request, slot, INTERRUPTED)
    guard.anchor_ticks = anchor_ticks
    product.indicative_lots = NOTHING_TOLD
    product.indicative_due_ns = NEVER
    if product.indicative_ms != 0:
        product.indicative_due_ns = request.head.time_ns + int(product.indicative_ms) * MILLISECOND_NS
    head_answer(events[count], request, VOLATILITY_INTERRUPTED)
    interrupted = events[count].volatility_interrupted
    interrupted.call_end_ns = product.call_end_ns
    interrupted.product_id = product.product_id
    interrupted.anchor_ticks = anchor_ticks
    interrupted.refused_ticks = exchange.matching.levels[best].price_ticks
    interrupted.dynamic_range_ticks = exchange.safeguards.groups[guard.product_group].dynamic_range_ticks
    report_phase(events[count + 1], request, product.product_id, CALL, product.phase)
    product.phase = CALL
    set_due(exchange, slot, request.head.time_ns)
    hasten(exchange, exchange.due_ns[slot])
    return count + 2


@kernel
def extend(exchange: Any, request: Any, slot: int, event: Any) -> bool:
    """Let an interruption's call go on if its price is too far off, and say so; else it is over."""
    product, guard = exchange.products[slot], exchange.safeguards.products[slot]
    stage, guard.interruption = guard.interruption, NOT_INTERRUPTED
    range_ticks = int(exchange.safeguards.groups[guard.product_group].extension_range_ticks)
    if stage != INTERRUPTED or range_ticks == 0:
        return False
    price_ticks, volume_lots, _ = auction_price(exchange.matching, slot, int(product.reference_price_ticks))
    if volume_lots == 0 or abs(price_ticks - int(guard.anchor_ticks)) <= range_ticks:
        return False
    _set_call(exchange, request, slot, EXTENDED)
    set_due(exchange, slot, request.head.time_ns)
    head_answer(event, request, INTERRUPTION_EXTENDED)
    extended = event.interruption_extended
    extended.call_end_ns = product.call_end_ns
    extended.volume_lots = volume_lots
    extended.product_id = product.product_id
    extended.anchor_ticks = guard.anchor_ticks
    extended.price_ticks = price_ticks
    extended.extension_range_ticks = range_ticks
    return True


@kernel
def _set_call(exchange: Any, request: Any, slot: int, stage: int) -> None:
    """Set a call's end, before the gate closure at the latest."""
    product, guard = exchange.products[slot], exchange.safeguards.products[slot]
    call_s = int(exchange.safeguards.groups[guard.product_group].call_s)
    end_ns = request.head.time_ns + call_s * SECOND_NS
    if product.gate_closure_ns != NEVER:
        end_ns = min(end_ns, product.gate_closure_ns - 1)
    product.call_end_ns = max(end_ns, 1)
    guard.interruption = stage
