"""What a batch has changed of the public book, as records for those who follow; and snapshots of it."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.messages import BUY
from ringmain.gateway.depth import CENTI, LEVEL_FEED, ORDER_FEED, STATISTICS_FEED, TOP_FEED
from ringmain.gateway.directory import remove, unlink


@kernel
def write_level(record: Any, product: Any, level: Any, side: int) -> None:
    """Write a level as LevelChanged."""
    record.sequence = level.sequence
    record.session_number = product.counts[LEVEL_FEED]
    record.product_id = product.product_id
    record.side = side
    record.price_ticks = level.number
    record.quantity_lots = level.lots


@kernel
def write_order(record: Any, product: Any, order: Any, lots: int) -> None:
    """Write an order as OrderShown."""
    record.sequence = order.sequence
    record.session_number = product.counts[ORDER_FEED]
    record.order_id = order.order_id
    record.product_id = product.product_id
    record.side = order.side
    record.price_ticks = order.price_ticks
    record.quantity_lots = lots


@kernel
def write_top(record: Any, product: Any) -> None:
    """Write the best bid and offer, as told, as TopChanged."""
    record.sequence = product.sequence
    record.session_number = product.counts[TOP_FEED]
    record.product_id = product.product_id
    record.bid_ticks = product.told_ticks[0]
    record.bid_lots = product.told_lots[0]
    record.ask_ticks = product.told_ticks[1]
    record.ask_lots = product.told_lots[1]


@kernel
def write_statistics(record: Any, product: Any) -> None:
    """Write the figures of a product that has traded as StatisticsChanged."""
    record.sequence = product.trade_sequence
    record.session_number = product.counts[STATISTICS_FEED]
    record.product_id = product.product_id
    record.volume_lots = product.volume_lots
    record.open_ticks = product.open_ticks
    record.high_ticks = product.high_ticks
    record.low_ticks = product.low_ticks
    record.last_ticks = product.last_ticks
    # Rounded down, and in two steps, because a hundred times the turnover may not fit.
    whole = product.turnover // product.volume_lots
    rest = product.turnover - whole * product.volume_lots
    record.vwap_centiticks = whole * CENTI + rest * CENTI // product.volume_lots


@kernel
def tell_levels(state: Any, followed: Any, out: Any) -> int:
    """Write the levels that look different now; give emptied ones back; return how many were written."""
    depth, table, count = state[0], state[0].levels, 0
    for place in range(table.changed_count):
        row = table.changed[place]
        level = table.rows[row]
        slot, ladder = level.owner // 2, level.owner % 2
        product = depth.products[slot]
        if level.lots != level.told_lots and followed[slot, LEVEL_FEED] == 1:
            product.counts[LEVEL_FEED] += 1
            write_level(out[count], product, level, ladder + 1)
            count += 1
        level.told_lots = level.lots
        level.is_changed = 0
        if level.lots == 0:
            if product.best_level[ladder] == row:
                product.best_level[ladder] = 0
                product.is_stale[ladder] = 1
            product.first_level[ladder] = unlink(table, row, product.first_level[ladder])
            product.level_count -= 1
            remove(table, row)
    table.changed_count = 0
    return count


@kernel
def tell_orders(state: Any, followed: Any, out: Any) -> int:
    """Write the orders that look different now, ended ones first; return how many were written."""
    depth, table, count = state[0], state[0].orders, 0
    for place in range(depth.gone_count):
        gone = depth.gone[place]
        if followed[gone.slot, ORDER_FEED] == 1:
            depth.products[gone.slot].counts[ORDER_FEED] += 1
            write_order(out[count], depth.products[gone.slot], gone, 0)
            count += 1
    depth.gone_count = 0
    for place in range(table.changed_count):
        row = table.changed[place]
        order = table.rows[row]
        product = depth.products[order.slot]
        is_other = order.lots != order.told_lots or order.price_ticks != order.told_price_ticks
        if is_other and (order.lots != 0 or order.told_lots != 0) and followed[order.slot, ORDER_FEED] == 1:
            product.counts[ORDER_FEED] += 1
            write_order(out[count], product, order, order.lots)
            count += 1
        order.told_lots = order.lots
        order.told_price_ticks = order.price_ticks
        order.is_changed = 0
        if order.lots == 0:
            product.first_order = unlink(table, row, product.first_order)
            product.order_count -= 1
            remove(table, row)
    table.changed_count = 0
    return count


@kernel
def seek_best(depth: Any, product: Any, ladder: int) -> None:
    """Look through a ladder's levels for the best one."""
    best, sign = 0, 1 if ladder + 1 == BUY else -1
    row = product.first_level[ladder]
    while row != 0:
        level = depth.levels.rows[row]
        if level.lots > 0 and (best == 0 or (level.number - depth.levels.rows[best].number) * sign > 0):
            best = row
        row = level.next
    product.best_level[ladder] = best
    product.is_stale[ladder] = 0


@kernel
def note_top(depth: Any, product: Any) -> bool:
    """Bring the best bid and offer up to date; True if they look different."""
    is_other = False
    for ladder in range(2):
        if product.is_stale[ladder] == 1:
            seek_best(depth, product, ladder)
        lots, price_ticks = 0, 0
        if product.best_level[ladder] != 0:
            level = depth.levels.rows[product.best_level[ladder]]
            lots, price_ticks = level.lots, level.number
        if product.told_lots[ladder] != lots or product.told_ticks[ladder] != price_ticks:
            is_other = True
            product.told_lots[ladder] = lots
            product.told_ticks[ladder] = price_ticks
    return is_other


@kernel
def tell_products(state: Any, followed: Any, tops: Any, statistics: Any, counts: Any) -> None:
    """Write tops and figures that look different now, behind :func:`tell_levels`; `counts` says how many."""
    depth = state[0]
    top_count, statistics_count = 0, 0
    for place in range(depth.touched_count):
        slot = depth.touched[place]
        product = depth.products[slot]
        product.is_touched = 0
        if note_top(depth, product) and followed[slot, TOP_FEED] == 1:
            product.counts[TOP_FEED] += 1
            write_top(tops[top_count], product)
            top_count += 1
        if product.has_traded == 1 and followed[slot, STATISTICS_FEED] == 1:
            product.counts[STATISTICS_FEED] += 1
            write_statistics(statistics[statistics_count], product)
            statistics_count += 1
        product.has_traded = 0
    depth.touched_count = 0
    counts[0] = top_count
    counts[1] = statistics_count


@kernel
def copy_levels(state: Any, slot: int, out: Any) -> None:
    """Write every level of a product."""
    depth = state[0]
    product, count = depth.products[slot], 0
    for ladder in range(2):
        row = product.first_level[ladder]
        while row != 0:
            write_level(out[count], product, depth.levels.rows[row], ladder + 1)
            row = depth.levels.rows[row].next
            count += 1


@kernel
def copy_orders(state: Any, slot: int, out: Any) -> None:
    """Write every order of a product."""
    depth = state[0]
    product = depth.products[slot]
    row, count = product.first_order, 0
    while row != 0:
        order = depth.orders.rows[row]
        write_order(out[count], product, order, order.lots)
        row = order.next
        count += 1


@kernel
def copy_top(state: Any, slot: int, out: Any) -> None:
    """Write a product's best bid and offer."""
    write_top(out[0], state[0].products[slot])


@kernel
def copy_statistics(state: Any, slot: int, out: Any) -> None:
    """Write a product's figures; it has traded."""
    write_statistics(out[0], state[0].products[slot])
