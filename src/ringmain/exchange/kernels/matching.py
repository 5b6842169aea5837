"""Matching: an incoming order trades with the best resting ones while the prices cross."""

from typing import Any

from ringmain.core.jit import kernel, leaf
from ringmain.exchange.kernels.answers import report_fill
from ringmain.exchange.kernels.book import reduce_order, remove_order
from ringmain.exchange.kernels.icebergs import next_clip
from ringmain.exchange.kernels.levels import best_level, key_of, level_after, opposite
from ringmain.exchange.kernels.orders import open_lots
from ringmain.exchange.kernels.self_trade import avoid_self_trade
from ringmain.exchange.messages import (
    ALLOWED,
    BALANCING,
    CANCEL_OLDEST,
    CONTINUOUS,
    MAKER,
    PRO_RATA,
    TAKER,
)
from ringmain.exchange.state import FILLS_PER_COMMAND, PRO_RATA_ORDERS


@kernel
def match(
    matching: Any,
    request: Any,
    session_id: int,
    order_number: int,
    account_id: int,
    product_id: int,
    ladder: int,
    limit_ticks: int,
    lots: int,
    is_shown: bool,
    self_trade: int,
    allocation: int,
    events: Any,
    count: int,
) -> tuple[int, int, int]:
    """Trade an incoming order against the best resting ones while the prices cross.

    Parameters
    ----------
    session_id, order_number, account_id : int
        The incoming order's name and owner.
    ladder : int
        The incoming order's own side; it trades with the opposite one.
    limit_ticks, lots, is_shown : int
        Its limit price and open quantity, and whether that counts as shown.
    events : recarray of shape (m,), EVENT
        From row `count` on: a trade's maker and taker, then what else befell the maker.

    Returns
    -------
    lots, count : int
        What is open, above zero too after FILLS_PER_COMMAND trades; the row after the last event.
    reason : int
        Why what is open may not rest: SELF_TRADE, or 0.
    """
    against = opposite(ladder)
    limit_key = key_of(against, limit_ticks)
    level_index = best_level(matching, against)
    trades, reason = 0, 0
    while lots > 0 and level_index != 0 and trades < FILLS_PER_COMMAND and reason == 0:
        level = matching.levels[level_index]
        if level.key > limit_key:
            break
        own_slot = 0
        if self_trade != ALLOWED:
            own_slot = _own_order(matching, level.first, account_id, allocation)
        if own_slot != 0:
            lots, count, reason = avoid_self_trade(
                matching, request, self_trade, session_id, order_number, product_id,
                ladder, limit_ticks, lots, is_shown, own_slot, events, count,
            )  # fmt: skip
            trades += 1
        elif allocation == PRO_RATA and _shown_lots(matching, level.first) > lots:
            lots, count = _share(
                matching, request, session_id, order_number, account_id, product_id,
                ladder, limit_ticks, level_index, lots, FILLS_PER_COMMAND - trades, is_shown, events, count,
            )  # fmt: skip
            break
        else:
            traded = min(lots, int(matching.orders[level.first].lots))
            lots -= traded
            count = _trade(
                matching, request, session_id, order_number, account_id, product_id,
                ladder, limit_ticks, level.first, traded, lots, trades, is_shown, events, count,
            )  # fmt: skip
            trades += 1
        level_index = best_level(matching, against)
    return lots, count, reason


@leaf
def _trade(
    matching: Any,
    request: Any,
    session_id: int,
    order_number: int,
    account_id: int,
    product_id: int,
    ladder: int,
    limit_ticks: int,
    slot: int,
    traded: int,
    left: int,
    trade_index: int,
    is_shown: bool,
    events: Any,
    count: int,
) -> int:
    """Trade with one resting order; return the row after the last event."""
    maker = matching.orders[slot]
    price_ticks, against = matching.levels[maker.level].price_ticks, opposite(ladder)
    report_fill(
        events[count], request, maker.session_id, maker.session_number, maker.account_id, product_id, against,
        MAKER, trade_index, price_ticks, price_ticks, traded, open_lots(matching, slot) - traded, traded,
    )  # fmt: skip
    report_fill(
        events[count + 1], request, session_id, order_number, account_id, product_id, ladder,
        TAKER, trade_index, price_ticks, limit_ticks, traded, left, traded if is_shown else 0,
    )  # fmt: skip
    if traded < maker.lots:
        reduce_order(matching, slot, traded)
    elif maker.is_special:
        return next_clip(matching, request, slot, product_id, events, count + 2)
    else:
        remove_order(matching, slot)
    return count + 2


@leaf
def trades_in(phase: int, balancing: int) -> bool:
    """Tell whether an order that comes in during a phase trades at once."""
    return phase == CONTINUOUS or (phase == BALANCING and balancing != 0)


@leaf
def crosses(matching: Any, ladder: int, limit_ticks: int) -> bool:
    """Tell whether an incoming order at this limit would trade."""
    against = opposite(ladder)
    level = best_level(matching, against)
    return level != 0 and matching.levels[level].key <= key_of(against, limit_ticks)


@kernel
def _own_order(matching: Any, first: int, account_id: int, allocation: int) -> int:
    """Return the order of this account that the incoming one meets next, or 0."""
    if allocation != PRO_RATA:
        return first if matching.orders[first].account_id == account_id else 0
    slot = first
    for _ in range(PRO_RATA_ORDERS):
        if slot == 0 or matching.orders[slot].account_id == account_id:
            return slot
        slot = matching.orders[slot].next
    return 0


# Pro rata: at a price that has more than is wanted, each of the first PRO_RATA_ORDERS orders gets its
# share by shown lots, rounded down; what rounding leaves goes to them in their order in time.


@kernel
def _shown_lots(matching: Any, slot: int) -> int:
    """Return the shown lots of the orders that share, from the first one on."""
    lots = 0
    for _ in range(PRO_RATA_ORDERS):
        if slot == 0:
            break
        lots += matching.orders[slot].lots
        slot = matching.orders[slot].next
    return lots


@kernel
def _share(
    matching: Any,
    request: Any,
    session_id: int,
    order_number: int,
    account_id: int,
    product_id: int,
    ladder: int,
    limit_ticks: int,
    level_index: int,
    lots: int,
    trades_left: int,
    is_shown: bool,
    events: Any,
    count: int,
) -> tuple[int, int]:
    """Trade an incoming order with a level that has more than it wants; return lots left and next row."""
    first = matching.levels[level_index].first
    shown = _shown_lots(matching, first)
    extra, slot = lots, first
    for _ in range(PRO_RATA_ORDERS):
        if slot == 0:
            break
        extra -= lots * int(matching.orders[slot].lots) // shown
        slot = matching.orders[slot].next
    left, slot, trades = lots, first, 0
    for _ in range(PRO_RATA_ORDERS):
        if slot == 0 or left == 0 or trades == trades_left:
            break
        following = matching.orders[slot].next
        share = lots * int(matching.orders[slot].lots) // shown
        more = min(extra, int(matching.orders[slot].lots) - share)
        if share + more > 0:
            extra -= more
            left -= share + more
            count = _trade(
                matching, request, session_id, order_number, account_id, product_id, ladder, limit_ticks,
                slot, share + more, left, FILLS_PER_COMMAND - trades_left + trades, is_shown, events, count,
            )  # fmt: skip
            trades += 1
        slot = following
    return left, count


# Fill or kill: all of it at once, or nothing.


@kernel
def fillable(
    matching: Any,
    ladder: int,
    limit_ticks: int,
    lots: int,
    account_id: int,
    self_trade: int,
    allocation: int,
) -> bool:
    """Tell whether all of an incoming order would trade at once, within FILLS_PER_COMMAND.

    It counts on the hidden lots of icebergs without a price step, and lets those with one, whose
    next clips may come in between, count as trades alone. It never passes one of its own account's
    orders but by cancelling it.
    """
    against = opposite(ladder)
    limit_key = key_of(against, limit_ticks)
    level_index = best_level(matching, against)
    trades = 0
    while level_index != 0 and matching.levels[level_index].key <= limit_key:
        wanted, before = lots, trades
        lots, trades, is_blocked = count_on_level(matching, level_index, lots, trades, account_id, self_trade)
        if lots <= 0 and allocation == PRO_RATA:
            most, is_at_once, is_blocked = _count_sharing(
                matching, level_index, wanted, account_id, self_trade
            )
            trades = most + (before if is_at_once else trades)
        if lots <= 0 and not is_blocked:
            return trades <= FILLS_PER_COMMAND
        if is_blocked or trades >= FILLS_PER_COMMAND:
            return False
        level_index = level_after(matching, against, matching.levels[level_index].key)
    return False


@kernel
def _count_sharing(
    matching: Any, level_index: int, wanted: int, account_id: int, self_trade: int
) -> tuple[int, bool, bool]:
    """Return the most trades that sharing takes, whether it begins at once, and whether it is blocked.

    All the orders that share are met at once, one's own among them.
    """
    slot = matching.levels[level_index].first
    sharing, own, shown = 0, 0, 0
    while slot != 0 and sharing < PRO_RATA_ORDERS and own <= FILLS_PER_COMMAND:
        order = matching.orders[slot]
        if self_trade == ALLOWED or order.account_id != account_id:
            sharing += 1
            shown += int(order.lots)
        elif self_trade != CANCEL_OLDEST:
            return 0, False, True
        else:
            own += 1
        slot = order.next
    return own + min(sharing, wanted), shown > wanted, False


@kernel
def count_on_level(
    matching: Any, level_index: int, lots: int, trades: int, account_id: int, self_trade: int
) -> tuple[int, int, bool]:
    """Take what a level has off the wanted lots: what is shown first, then clip by clip."""
    clip, is_more = 0, True
    while is_more and lots > 0 and trades <= FILLS_PER_COMMAND:
        is_more = False
        slot = matching.levels[level_index].first
        while slot != 0 and lots > 0 and trades <= FILLS_PER_COMMAND:
            order = matching.orders[slot]
            if self_trade != ALLOWED and order.account_id == account_id:
                if self_trade != CANCEL_OLDEST:
                    return lots, trades, True
                trades += 1 if clip == 0 else 0
            elif clip == 0:
                lots -= int(order.lots)
                trades += 1
                if order.is_special:
                    special = matching.specials[slot]
                    if special.clip_step_ticks != 0 and special.hidden_lots > 0:
                        trades += (int(special.hidden_lots) - 1) // int(special.display_lots) + 1
                    else:
                        is_more = is_more or special.hidden_lots > 0
            elif order.is_special and matching.specials[slot].clip_step_ticks == 0:
                special = matching.specials[slot]
                hidden = int(special.hidden_lots) - (clip - 1) * int(special.display_lots)
                if hidden > 0:
                    lots -= min(hidden, int(special.display_lots))
                    trades += 1
                    is_more = is_more or hidden > special.display_lots
            slot = order.next
        clip += 1
    return lots, trades, False
