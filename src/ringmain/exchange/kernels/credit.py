"""Cash and positions: what an order sets aside, what a trade moves, and what goes back.

A bid sets aside what it would pay at its limit, an offer at a negative limit likewise; both keep
room in the product's position. A trade is never dearer than the limit, so what is set aside
always covers it, and settling cannot fail.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.fees import charge
from ringmain.exchange.kernels.guards import note_trade
from ringmain.exchange.kernels.quote_counts import note_quote
from ringmain.exchange.messages import (
    BUY,
    REJECTIONS,
    ClipShown,
    OrderCancelled,
    OrderFilled,
    OrderReplaced,
)
from ringmain.exchange.state import LOTS_OF, POSITIONS
from ringmain.ledger.accounts import (
    expect,
    open_account,
    post,
    reserve,
    set_limits,
    void_expected,
    void_reserved,
)

ORDER_FILLED, ORDER_CANCELLED = OrderFilled.kind, OrderCancelled.kind
ORDER_REPLACED, CLIP_SHOWN = OrderReplaced.kind, ClipShown.kind
CREDIT_EXCEEDED = REJECTIONS["CREDIT_EXCEEDED"]
POSITION_LIMIT_EXCEEDED = REJECTIONS["POSITION_LIMIT_EXCEEDED"]
POSITIONS_FULL = REJECTIONS["POSITIONS_FULL"]


@kernel
def owed_minor(product: Any, side: int, price_ticks: int, lots: int) -> int:
    """Return what an order and its fees cost if all of it trades at this price; 0 if it would receive."""
    value_minor = int(price_ticks) * int(product.value_minor) * int(lots)
    fees_minor = int(product.fee_reserve_minor) * int(lots)
    return max(fees_minor + value_minor, 0) if side == BUY else max(fees_minor - value_minor, 0)


@kernel
def obtain_position(exchange: Any, slot: int, account_id: int) -> int:
    """Return the index of an account's position in a product, opened if there is none; 0 if full."""
    index = exchange.position_at[slot, account_id]
    if index == 0:
        if exchange.position_pool.count >= POSITIONS - 1:
            return 0
        index = _take_position(exchange)
        position = exchange.positions[index]
        open_account(position.lots, LOTS_OF + slot, 0, 0)
        position.account_id = account_id
        position.next = exchange.products[slot].first_position
        exchange.products[slot].first_position = index
        exchange.position_at[slot, account_id] = index
    return index


@kernel
def set_aside(exchange: Any, slot: int, account_id: int, side: int, price_ticks: int, lots: int) -> int:
    """Set aside what an order may cost, in cash and in position; return why not, or 0."""
    index = obtain_position(exchange, slot, account_id)
    if index == 0:
        return POSITIONS_FULL
    participant = exchange.participants[account_id]
    position = exchange.positions[index].lots
    set_limits(position, participant.short_limit_lots, participant.long_limit_lots)
    if reserve(participant.cash, owed_minor(exchange.products[slot], side, price_ticks, lots)) != 0:
        return CREDIT_EXCEEDED
    fault = expect(position, lots) if side == BUY else reserve(position, lots)
    if fault != 0:
        void_reserved(participant.cash, owed_minor(exchange.products[slot], side, price_ticks, lots))
        return POSITION_LIMIT_EXCEEDED
    return 0


@kernel
def give_back(exchange: Any, slot: int, account_id: int, side: int, price_ticks: int, lots: int) -> None:
    """Free what was set aside for lots that are no longer open."""
    owed = owed_minor(exchange.products[slot], side, price_ticks, lots)
    void_reserved(exchange.participants[account_id].cash, owed)
    position = exchange.positions[exchange.position_at[slot, account_id]].lots
    if side == BUY:
        void_expected(position, lots)
    else:
        void_reserved(position, lots)


@kernel
def hold(exchange: Any, slot: int, account_id: int, side: int, price_ticks: int, lots: int) -> None:
    """Set aside what an order needs that stands already, whatever the limits are by now."""
    owed = owed_minor(exchange.products[slot], side, price_ticks, lots)
    exchange.participants[account_id].cash.reserved_minor += owed
    position = exchange.positions[exchange.position_at[slot, account_id]].lots
    if side == BUY:
        position.expected_minor += lots
    else:
        position.reserved_minor += lots


@kernel
def settle_trades(exchange: Any, slot: int, account_id: int, events: Any, first: int, end: int) -> None:
    """Settle what stands in rows `first` to `end` - 1: trades, and what befell orders beside them.

    `account_id` is the incoming order's, whose self-trades were prevented. The trades get their places among
    all of their command.
    """
    row = first
    if row < end and events[row].head.sequence != exchange.trade_sequence:
        exchange.trade_sequence = events[row].head.sequence
        exchange.trade_count = 0
    while row < end:
        kind = events[row].head.kind
        if kind == ORDER_FILLED:
            one, other = events[row].order_filled, events[row + 1].order_filled
            one.trade_index = exchange.trade_count
            other.trade_index = exchange.trade_count
            exchange.trade_count += 1
            if one.side == BUY:
                _settle(exchange, slot, one, other)
            else:
                _settle(exchange, slot, other, one)
            row += 2
        else:
            _follow(exchange, slot, account_id, kind, events[row])
            row += 1


@kernel
def _follow(exchange: Any, slot: int, account_id: int, kind: int, event: Any) -> None:
    """Free what an order no longer needs that was cancelled, reduced, or has another price."""
    if kind == ORDER_CANCELLED:
        gone = event.order_cancelled
        give_back(exchange, slot, gone.account_id, gone.side, gone.price_ticks, gone.quantity_lots)
    elif kind == ORDER_REPLACED:
        change = event.order_replaced
        lots = int(change.old_quantity_lots) - int(change.quantity_lots)
        give_back(exchange, slot, account_id, change.side, change.price_ticks, lots)
    elif kind == CLIP_SHOWN:
        clip = event.clip_shown
        if clip.price_ticks != clip.old_price_ticks:
            lots = int(clip.shown_lots) + int(clip.hidden_lots)
            give_back(exchange, slot, clip.account_id, clip.side, clip.old_price_ticks, lots)
            hold(exchange, slot, clip.account_id, clip.side, clip.price_ticks, lots)


@kernel
def _settle(exchange: Any, slot: int, bought: Any, sold: Any) -> None:
    """Move lots from the seller to the buyer and cash the other way, or both ways round below zero."""
    lots = int(bought.quantity_lots)
    give_back(exchange, slot, bought.account_id, BUY, bought.limit_ticks, lots)
    give_back(exchange, slot, sold.account_id, sold.side, sold.limit_ticks, lots)
    buyer = exchange.participants[bought.account_id].cash
    seller = exchange.participants[sold.account_id].cash
    value_minor = exchange.products[slot].value_minor
    price_minor = int(bought.price_ticks) * int(value_minor) * lots
    if price_minor >= 0:
        post(buyer, seller, price_minor)
    else:
        post(seller, buyer, -price_minor)
    received = exchange.positions[exchange.position_at[slot, bought.account_id]].lots
    given = exchange.positions[exchange.position_at[slot, sold.account_id]].lots
    post(given, received, lots)
    product = exchange.products[slot]
    if product.has_fees:
        charge(exchange, product, bought)
        charge(exchange, product, sold)
    product.last_ticks = bought.price_ticks
    product.has_traded = 1
    if exchange.safeguards.are_on:
        note_trade(exchange, bought, sold)
        note_quote(exchange, slot, bought)
        note_quote(exchange, slot, sold)


@kernel
def deliver_position(exchange: Any, slot: int) -> tuple[int, int]:
    """Move the first position of a product to its delivery account; return its account and lots."""
    product = exchange.products[slot]
    index = product.first_position
    position = exchange.positions[index]
    lots = position.lots.balance_minor
    assert position.lots.reserved_minor == 0
    assert position.lots.expected_minor == 0
    if lots >= 0:
        post(position.lots, product.delivered, lots)
    else:
        post(product.delivered, position.lots, -lots)
    account_id = position.account_id
    product.first_position = position.next
    exchange.position_at[slot, account_id] = 0
    _give_position(exchange, index)
    return account_id, lots


@kernel
def _take_position(exchange: Any) -> int:
    pool = exchange.position_pool
    index = pool.free
    if index == 0:
        pool.highest += 1
        index = pool.highest
    else:
        pool.free = exchange.positions[index].next
    pool.count += 1
    assert index < POSITIONS
    return index


@kernel
def _give_position(exchange: Any, index: int) -> None:
    exchange.positions[index].next = exchange.position_pool.free
    exchange.position_pool.free = index
    exchange.position_pool.count -= 1
