"""The public book of an exchange, folded from its tape: orders, levels, trades, figures; no owner is told."""

from typing import Any

import numpy as np

from ringmain.core.jit import kernel
from ringmain.exchange.messages import AUCTION, BUY, TAKER, OrderFilled, PhaseChanged
from ringmain.exchange.state import LEVELS, ORDERS, PRODUCTS
from ringmain.gateway import messages
from ringmain.gateway.directory import add, buckets_for, find, link
from ringmain.gateway.moves import KINDS

BATCH_EVENTS = 16_384
CHANGES = 2 * BATCH_EVENTS  # an event changes two rows at most
LEVEL_ROWS, ORDER_ROWS = LEVELS + CHANGES + 1, ORDERS + CHANGES + 1  # emptied ones stay for a batch
FEED_NUMBERS = 8
CENTI = 100

FILLED, PHASE = OrderFilled.kind, PhaseChanged.kind
FILLED_RECORD, PHASE_RECORD = OrderFilled.dtype, PhaseChanged.dtype
ORDER_FEED, LEVEL_FEED, TRADE_FEED = messages.ORDERS, messages.DEPTH, messages.TRADES
TOP_FEED, STATISTICS_FEED, PHASE_FEED = messages.TOP, messages.STATISTICS, messages.PHASES

LEVEL = np.dtype(
    [
        ("owner", "i8"),  # the ladder: its product's slot and side
        ("number", "i8"),  # price, ticks
        ("lots", "i8"),
        ("told_lots", "i8"),
        ("sequence", "i8"),
        ("next", "i4"),
        ("previous", "i4"),
        ("is_changed", "i4"),
    ],
    align=True,
)
ORDER = np.dtype(
    [
        ("owner", "i8"),  # session
        ("number", "i8"),
        ("order_id", "i8"),
        ("price_ticks", "i8"),
        ("lots", "i8"),
        ("told_lots", "i8"),
        ("told_price_ticks", "i8"),
        ("sequence", "i8"),
        ("next", "i4"),
        ("previous", "i4"),
        ("slot", "i4"),
        ("side", "i4"),
        ("is_changed", "i4"),
    ],
    align=True,
)
PRODUCT = np.dtype(
    [
        ("volume_lots", "i8"),
        ("turnover", "i8"),  # ticks times lots
        ("sequence", "i8"),
        ("trade_sequence", "i8"),
        ("phase_sequence", "i8"),
        ("told_lots", "i8", (2,)),
        ("told_ticks", "i8", (2,)),
        ("counts", "i8", (FEED_NUMBERS,)),  # messages of each feed
        ("product_id", "u4"),
        ("first_level", "i4", (2,)),
        ("best_level", "i4", (2,)),
        ("first_order", "i4"),
        ("level_count", "i4"),
        ("order_count", "i4"),
        ("open_ticks", "i4"),
        ("high_ticks", "i4"),
        ("low_ticks", "i4"),
        ("last_ticks", "i4"),
        ("is_stale", "i4", (2,)),  # the best level is to be looked for
        ("is_touched", "i4"),
        ("has_traded", "i4"),
        ("phase", "i4"),
    ],
    align=True,
)


def _table(row: np.dtype[Any], rows: int) -> np.dtype[Any]:
    buckets = buckets_for(rows)
    fields: Any = [("free", "i4"), ("highest", "i4"), ("changed_count", "i8"), ("changed", "i4", (CHANGES,))]
    return np.dtype([*fields, ("directory", "i4", (buckets,)), ("rows", row, (rows,))], align=True)


DEPTH = np.dtype(
    [
        ("last_order_id", "i8"),
        ("gone_count", "i8"),
        ("touched_count", "i8"),
        ("trade_count", "i8"),
        ("touched", "i4", (PRODUCTS,)),
        ("gone", ORDER, (CHANGES,)),  # rows as they were told, of order ids that have ended
        ("products", PRODUCT, (PRODUCTS,)),
        ("levels", _table(LEVEL, LEVEL_ROWS)),
        ("orders", _table(ORDER, ORDER_ROWS)),
    ],
    align=True,
)


@kernel
def touch(depth: Any, product_id: int, sequence: int) -> int:
    """Return the slot of a product, emptied if another one had it; note that it may look different now."""
    slot = product_id % PRODUCTS
    product = depth.products[slot]
    if product.product_id != product_id:
        begin_product(product, product_id)
    product.sequence = sequence
    if product.is_touched == 0:
        product.is_touched = 1
        depth.touched[depth.touched_count] = slot
        depth.touched_count += 1
    return slot


@kernel
def begin_product(product: Any, product_id: int) -> None:
    """Forget the figures of the product that had the slot before."""
    product.product_id = product_id
    product.volume_lots = 0
    product.turnover = 0
    product.has_traded = 0
    product.phase = 0
    product.phase_sequence = 0
    for feed in range(FEED_NUMBERS):
        product.counts[feed] = 0


@kernel
def change_level(depth: Any, slot: int, side: int, price_ticks: int, lots: int, sequence: int) -> None:
    """Add lots to a level, or take them away."""
    table, product, ladder = depth.levels, depth.products[slot], side - 1
    owner = 2 * slot + ladder
    row = find(table, owner, price_ticks)
    if row == 0:
        row = add(table, owner, price_ticks)
        product.first_level[ladder] = link(table, row, product.first_level[ladder])
        product.level_count += 1
        table.rows[row].lots = 0
        table.rows[row].told_lots = 0
    level = table.rows[row]
    level.lots += lots
    level.sequence = sequence
    if level.is_changed == 0:
        level.is_changed = 1
        table.changed[table.changed_count] = row
        table.changed_count += 1
    best = product.best_level[ladder]
    if level.lots <= 0:
        if row == best:
            product.is_stale[ladder] = 1
    elif best == 0 or (price_ticks - table.rows[best].number) * (1 if side == BUY else -1) > 0:
        product.best_level[ladder] = row


@kernel
def change_order(
    depth: Any, head: Any, slot: int, side: int, taken: int, added: int, price_ticks: int, keeps: bool
) -> None:
    """Take lots from what an order shows, and add some at a price; its id ends unless it keeps its place."""
    table = depth.orders
    row = find(table, head.session_id, head.session_number)
    if row == 0:
        if added == 0:
            return
        row = add(table, head.session_id, head.session_number)
        order, product = table.rows[row], depth.products[slot]
        product.first_order = link(table, row, product.first_order)
        product.order_count += 1
        order.lots = 0
        order.told_lots = 0
        order.slot = slot
        order.side = side
        order.order_id = 0
    order = table.rows[row]
    order.lots -= taken
    order.sequence = head.sequence
    if added != 0:
        if not keeps or order.order_id == 0:
            retire(depth, row, head.sequence)
            depth.last_order_id += 1
            order.order_id = depth.last_order_id
        order.price_ticks = price_ticks
        order.lots += added
    if order.is_changed == 0:
        order.is_changed = 1
        table.changed[table.changed_count] = row
        table.changed_count += 1


@kernel
def retire(depth: Any, row: int, sequence: int) -> None:
    """Note that an order's id ends, if anyone was told of it."""
    order = depth.orders.rows[row]
    if order.told_lots != 0:
        gone = depth.gone[depth.gone_count]
        gone.order_id = order.order_id
        gone.price_ticks = order.told_price_ticks
        gone.slot = order.slot
        gone.side = order.side
        gone.sequence = sequence
        depth.gone_count += 1
        order.told_lots = 0


@kernel
def note_trade(product: Any, sequence: int, price_ticks: int, lots: int) -> None:
    """Count a trade into the product's figures."""
    if product.volume_lots == 0:
        product.open_ticks = price_ticks
        product.high_ticks = price_ticks
        product.low_ticks = price_ticks
    product.high_ticks = max(product.high_ticks, price_ticks)
    product.low_ticks = min(product.low_ticks, price_ticks)
    product.last_ticks = price_ticks
    product.volume_lots += lots
    product.turnover += int(price_ticks) * int(lots)
    product.trade_sequence = sequence
    product.has_traded = 1


@kernel
def print_trade(depth: Any, fill: Any, slot: int, followed: Any, trades: Any) -> None:
    """Note a trade, from one of its two fills, and print it if somebody follows."""
    product = depth.products[slot]
    note_trade(product, fill.sequence, fill.price_ticks, fill.quantity_lots)
    if followed[slot, TRADE_FEED] == 1:
        product.counts[TRADE_FEED] += 1
        trade = trades[depth.trade_count]
        trade.sequence = fill.sequence
        trade.session_number = product.counts[TRADE_FEED]
        trade.price_ticks = fill.price_ticks
        trade.quantity_lots = fill.quantity_lots
        trade.product_id = fill.product_id
        depth.trade_count += 1


@kernel
def make_move(depth: Any, head: Any, words: Any, data: Any, move: Any) -> None:
    """Do what one event says to its order and to its levels."""
    if move.shown >= 0 and data[move.shown] == 0:
        return
    side = int(data[move.side])
    slot = touch(depth, words[move.product], head.sequence)
    taken, added, price_ticks = 0, 0, 0
    if move.take_lots >= 0:
        taken = int(words[move.take_lots])
        if taken != 0:
            change_level(depth, slot, side, words[move.take_price], -taken, head.sequence)
    if move.add_lots >= 0:
        added = int(words[move.add_lots])
        price_ticks = int(words[move.add_price])
        if added != 0:
            change_level(depth, slot, side, price_ticks, added, head.sequence)
    keeps = move.priority >= 0 and data[move.priority] == 1
    change_order(depth, head, slot, side, taken, added, price_ticks, keeps)


@kernel
def fold(
    state: Any,
    heads: Any,
    words: Any,
    data: Any,
    filled: Any,
    phases: Any,
    moves: Any,
    followed: Any,
    trades: Any,
) -> None:
    """Fold a batch into the book, printing trades on the way.

    Parameters
    ----------
    state : recarray of shape (1,), DEPTH
    heads, filled, phases : recarrays of shape (n,), n <= BATCH_EVENTS
        The events as the market's header, as OrderFilled and as PhaseChanged.
    words, data : int32 and uint8 arrays of shape (n, record)
        The same.
    moves : recarray of shape (KINDS,), MOVE
    followed : uint8 array of shape (PRODUCTS, FEED_NUMBERS)
        1 for each product's slot and feed that somebody follows.
    trades : recarray of shape (>= n,), TradePrinted, written
    """
    depth = state[0]
    depth.trade_count = 0
    for i in range(heads.size):
        kind = heads[i].kind
        if kind >= KINDS:
            continue
        if moves[kind].moves == 1:
            make_move(depth, heads[i], words[i], data[i], moves[kind])
        if kind == FILLED:
            fill = filled[i]
            if fill.role == TAKER or (fill.role == AUCTION and fill.side == BUY):
                print_trade(depth, fill, touch(depth, fill.product_id, fill.sequence), followed, trades)
        elif kind == PHASE:
            slot = touch(depth, phases[i].product_id, heads[i].sequence)
            depth.products[slot].phase = phases[i].phase
            depth.products[slot].phase_sequence = heads[i].sequence
