"""How a block trades: with a block of the other side and the same span, or with the books it spans.

With the books it sweeps each product in full, at the makers' prices, if the sum is within its limit
times its products. A block that rests is tried again, by a timer at once, when a book that it spans
has changed: an order in one product thereby trades with a block over many.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.answers import ORDER_FILLED, head_order, report_fill
from ringmain.exchange.kernels.blocks import (
    INCOMING,
    NO_BLOCK,
    remove_block,
    slot_of_product,
    spans,
)
from ringmain.exchange.kernels.credit import settle_trades
from ringmain.exchange.kernels.levels import best_level, ladder_of, opposite
from ringmain.exchange.kernels.stops import trigger_stops
from ringmain.exchange.kernels.sweeping import UNFILLABLE, sweep, sweep_needs
from ringmain.exchange.kernels.timers import have_blocks_tried, set_due
from ringmain.exchange.kernels.volatility import range_bound
from ringmain.exchange.messages import BUY, CONTINUOUS, MAKER, SELL, TAKER
from ringmain.exchange.multileg_messages import BlockFilled
from ringmain.exchange.multileg_state import BLOCK_TRIES, PERIOD_MINOR_MAX
from ringmain.exchange.state import EVENTS_PER_STEP, FILLS_PER_COMMAND, PRICE_TICKS_MAX, PRICE_TICKS_MIN

BLOCK_FILLED = BlockFilled.kind


@kernel
def trade_incoming(exchange: Any, request: Any, events: Any, count: int, end: int) -> tuple[bool, int]:
    """Trade the block that comes in, with whatever is better for it, at equal cost with a block.

    Returns
    -------
    has_traded : bool
    count : int
        The row after the last event.
    """
    block = exchange.blocks.blocks[INCOMING]
    against = _crossing_block(exchange)
    fits, cost = _sweep_fits(exchange, INCOMING)
    if against != NO_BLOCK:
        other = exchange.blocks.blocks[against]
        other_cost = int(other.price_ticks) * int(block.product_count) * int(block.quantity_lots)
        is_better = other_cost <= cost if block.side == BUY else other_cost >= cost
        if not fits or is_better:
            return True, _trade_blocks(exchange, request, against, other_cost, events, count, end)
    if fits:
        return True, _sweep_books(exchange, request, INCOMING, cost, events, count, end)
    return False, count


@kernel
def try_blocks(exchange: Any, slot: int, request: Any, events: Any, count: int) -> int:
    """Let the first block trade that can, of the best ones that span a product; it stays due if one did."""
    product, blocks = exchange.products[slot], exchange.blocks
    product.blocks_due = 0
    for row in range(2):
        tries, place = 0, 0
        while tries < BLOCK_TRIES and place < blocks.counts[row]:
            index = int(blocks.queues[row, place])
            if spans(blocks.blocks[index], product.product_id):
                fits, cost = _sweep_fits(exchange, index)
                if fits:
                    end = count + EVENTS_PER_STEP
                    count = _sweep_books(exchange, request, index, cost, events, count, end)
                    set_due(exchange, slot, request.head.time_ns)
                    return count
                tries += 1
            place += 1
    set_due(exchange, slot, request.head.time_ns)
    return count


@kernel
def _crossing_block(exchange: Any) -> int:
    """Return the best resting block of the other side that is like the one that comes in, or NO_BLOCK."""
    blocks = exchange.blocks
    block = blocks.blocks[INCOMING]
    row = SELL - int(block.side)  # of the other side
    for place in range(blocks.counts[row]):
        other = blocks.blocks[blocks.queues[row, place]]
        if block.side == BUY and other.price_ticks > block.price_ticks:
            return NO_BLOCK
        if block.side == SELL and other.price_ticks < block.price_ticks:
            return NO_BLOCK
        if (
            other.first_product_id == block.first_product_id
            and other.product_count == block.product_count
            and other.quantity_lots == block.quantity_lots
        ):
            return int(blocks.queues[row, place])
    return NO_BLOCK


@kernel
def _sweep_fits(exchange: Any, index: int) -> tuple[bool, int]:
    """Tell whether the books could fill a block within its limit, and at what cost at most."""
    block = exchange.blocks.blocks[index]
    side, lots, trades, cost = int(block.side), int(block.quantity_lots), 0, 0
    any_ticks = PRICE_TICKS_MAX if side == BUY else PRICE_TICKS_MIN
    for place in range(block.product_count):
        slot = slot_of_product(block, place)
        product, ladder = exchange.products[slot], ladder_of(slot, side)
        best = best_level(exchange.matching, opposite(ladder))
        if product.phase != CONTINUOUS or best == 0:
            return False, 0
        bound_ticks = range_bound(exchange, slot, ladder, any_ticks)
        needed, part, worst_ticks = sweep_needs(
            exchange.matching, ladder, bound_ticks, lots, product.allocation
        )
        trades += needed
        if needed == UNFILLABLE or trades > FILLS_PER_COMMAND:
            return False, 0
        best_ticks = int(exchange.matching.levels[best].price_ticks)
        most_ticks = max(abs(best_ticks), abs(worst_ticks))
        if most_ticks * int(product.value_minor) * lots > PERIOD_MINOR_MAX:
            return False, 0
        exchange.blocks.worst_ticks[place] = worst_ticks
        cost += part
    limit = int(block.price_ticks) * int(block.product_count) * lots
    return (cost <= limit if side == BUY else cost >= limit), cost


@kernel
def _sweep_books(
    exchange: Any, request: Any, index: int, cost: int, events: Any, count: int, end: int
) -> int:
    """Fill a block from the books, as `_sweep_fits` has found them; return the next event row."""
    block, said = exchange.blocks.blocks[index], count
    session_id, number, account_id = int(block.session_id), int(block.session_number), int(block.account_id)
    side, lots, limit_ticks = int(block.side), int(block.quantity_lots), int(block.price_ticks)
    _report_filled(exchange, events[count], request, index, TAKER, cost)
    count += 1
    if index != INCOMING:
        remove_block(exchange, index)
    cost = 0
    for place in range(block.product_count):
        slot, first, worst_ticks = slot_of_product(block, place), count, exchange.blocks.worst_ticks[place]
        count = sweep(
            exchange, request, session_id, number, account_id, slot, ladder_of(slot, side),
            worst_ticks, limit_ticks, lots, events, count,
        )  # fmt: skip
        cost += _cost_of(events, first, count)
        settle_trades(exchange, slot, account_id, events, first, count)
    events[said].block_filled.cost_ticks = cost
    return _follow_up(exchange, request, index, events, count, end)


@kernel
def _cost_of(events: Any, first: int, end: int) -> int:
    """Sum up price times lots of the trades in these rows."""
    cost = 0
    for row in range(first, end):
        fill = events[row].order_filled
        if events[row].head.kind == ORDER_FILLED and fill.role == TAKER:
            cost += int(fill.price_ticks) * int(fill.quantity_lots)
    return cost


@kernel
def _trade_blocks(
    exchange: Any, request: Any, against: int, cost: int, events: Any, count: int, end: int
) -> int:
    """Trade the block that comes in with one that rests, at the latter's price; return the next event row."""
    blocks = exchange.blocks
    block, other = blocks.blocks[INCOMING], blocks.blocks[against]
    lots, price_ticks, maker_id = int(block.quantity_lots), int(other.price_ticks), int(other.session_id)
    _report_filled(exchange, events[count], request, against, MAKER, cost)
    _report_filled(exchange, events[count + 1], request, INCOMING, TAKER, cost)
    count += 2
    remove_block(exchange, against)
    for place in range(block.product_count):
        slot = slot_of_product(block, place)
        product_id, ladder = exchange.products[slot].product_id, ladder_of(slot, int(block.side))
        report_fill(
            events[count], request, maker_id, other.session_number, other.account_id, product_id,
            opposite(ladder), MAKER, place, price_ticks, price_ticks, lots, 0, 0,
        )  # fmt: skip
        report_fill(
            events[count + 1], request, block.session_id, block.session_number, block.account_id, product_id,
            ladder, TAKER, place, price_ticks, block.price_ticks, lots, 0, 0,
        )  # fmt: skip
        settle_trades(exchange, slot, int(block.account_id), events, count, count + 2)
        count += 2
    return _follow_up(exchange, request, INCOMING, events, count, end)


@kernel
def _follow_up(exchange: Any, request: Any, index: int, events: Any, count: int, end: int) -> int:
    """Bring in the stop orders that a block's trades have reached, and have other blocks tried."""
    block = exchange.blocks.blocks[index]
    for place in range(block.product_count):
        slot = slot_of_product(block, place)
        if exchange.products[slot].stop_count > 0:
            count = trigger_stops(exchange, request, slot, events, count, end)
        have_blocks_tried(exchange, slot, request.head.time_ns)
    return count


@kernel
def _report_filled(exchange: Any, event: Any, request: Any, index: int, role: int, cost: int) -> None:
    block = exchange.blocks.blocks[index]
    head_order(event, request, BLOCK_FILLED, block.session_id, block.session_number)
    filled = event.block_filled
    filled.cost_ticks = cost
    filled.price_ticks = block.price_ticks
    filled.quantity_lots = block.quantity_lots
    filled.first_product_id = block.first_product_id
    filled.product_count = block.product_count
    filled.side = block.side
    filled.role = role
    filled.account_id = block.account_id
