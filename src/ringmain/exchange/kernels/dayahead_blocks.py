"""Blocks: several periods as one order, alone, linked to a parent, or in an exclusive group.

A parent is named when its child is sent, and has to be there by then: links cannot run in a circle.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.dayahead_messages import (
    AUCTION_REJECTIONS,
    AuctionOrderCancelled,
    BlockAccepted,
    BlockRunAccepted,
)
from ringmain.exchange.dayahead_state import (
    BLOCKS,
    COUNTING,
    FAMILY_BLOCKS,
    FILLING,
    FREE_BLOCK,
    GENERATIONS,
    GROUPS,
    PERIODS,
)
from ringmain.exchange.kernels.answers import head_answer
from ringmain.exchange.kernels.credit import CREDIT_EXCEEDED, POSITIONS_FULL, obtain_position
from ringmain.exchange.kernels.dayahead_answers import reject_auction
from ringmain.exchange.kernels.dayahead_curves import (
    PRICE_OUT_OF_RANGE,
    QUANTITY_OUT_OF_RANGE,
    WRONG_SIDE,
    find_curve,
    order_fault,
    owed_or_refused,
    set_lots_aside,
    withdraw_curve,
)
from ringmain.exchange.kernels.dayahead_setup import WRONG_PERIOD, WRONG_ZONE, auction_product_slot
from ringmain.exchange.messages import BUY, SELL
from ringmain.exchange.state import LOTS_MAX
from ringmain.ledger.accounts import reserve, void_expected, void_reserved

AUCTION_ORDER_CANCELLED = AuctionOrderCancelled.kind
BLOCK_ACCEPTED, BLOCK_RUN_ACCEPTED = BlockAccepted.kind, BlockRunAccepted.kind
BLOCKS_FULL, BLOCK_OUTSIDE_AUCTION = (
    AUCTION_REJECTIONS["BLOCKS_FULL"],
    AUCTION_REJECTIONS["BLOCK_OUTSIDE_AUCTION"],
)
RATIO_OUT_OF_RANGE, UNKNOWN_PARENT = (
    AUCTION_REJECTIONS["RATIO_OUT_OF_RANGE"],
    AUCTION_REJECTIONS["UNKNOWN_PARENT"],
)
PARENT_NOT_OWN, LINK_TOO_DEEP = AUCTION_REJECTIONS["PARENT_NOT_OWN"], AUCTION_REJECTIONS["LINK_TOO_DEEP"]
FAMILY_FULL, EXCLUSIVE_GROUPS_FULL = (
    AUCTION_REJECTIONS["FAMILY_FULL"],
    AUCTION_REJECTIONS["EXCLUSIVE_GROUPS_FULL"],
)
NO_BLOCK_TO_EXTEND, UNKNOWN_BLOCK = (
    AUCTION_REJECTIONS["NO_BLOCK_TO_EXTEND"],
    AUCTION_REJECTIONS["UNKNOWN_BLOCK"],
)
BLOCK_HAS_CHILDREN, UNKNOWN_CURVE = (
    AUCTION_REJECTIONS["BLOCK_HAS_CHILDREN"],
    AUCTION_REJECTIONS["UNKNOWN_CURVE"],
)
NONE = -1


@kernel
def find_block(auction: Any, block_id: int) -> int:
    """Return the slot of a block that counts, or 0."""
    slot = block_id % BLOCKS
    block = auction.blocks[slot]
    return slot if slot != 0 and block.block_id == block_id and block.phase == COUNTING else 0


@kernel
def submit_block(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Take a block with its first quantities; return the next event row."""
    command, auction = request.submit_block, exchange.dayahead
    session_id = request.head.session_id
    account_id = exchange.seats[session_id].account_id
    reason = order_fault(exchange, request, command.auction_id)
    if reason == 0:
        reason = _block_fault(auction, command)
    if reason == 0:
        _, reason = _find_parent(auction, int(command.parent_block_id), account_id)
    if reason == 0 and _find_group(auction, account_id, int(command.exclusive_group)) == NONE:
        reason = EXCLUSIVE_GROUPS_FULL
    if reason == 0:
        drop_filling(auction, session_id)
        if auction.block_pool.count >= BLOCKS - 1:
            reason = BLOCKS_FULL
    if reason != 0:
        reject_auction(
            events[count], request, command.auction_id, 0, command.zone, command.first_period, reason
        )
        return count + 1
    slot = _take_block(auction)
    _fill_in(auction.blocks[slot], command, account_id)
    auction.filling[session_id] = slot
    return _add_run(
        exchange, request, slot, int(command.quantity_lots), int(command.run_periods), events, count
    )


@kernel
def extend_block(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Give the session's unfinished block more quantities; return the next event row."""
    command, auction = request.extend_block, exchange.dayahead
    reason = order_fault(exchange, request, command.auction_id)
    slot = int(auction.filling[request.head.session_id])
    block = auction.blocks[slot]
    account_id = exchange.seats[request.head.session_id].account_id
    if reason == 0 and (slot == 0 or block.account_id != account_id):
        reason = NO_BLOCK_TO_EXTEND
    if reason == 0 and not 0 <= command.quantity_lots <= LOTS_MAX:
        reason = QUANTITY_OUT_OF_RANGE
    left = int(block.period_count) - int(block.filled_count)
    if reason == 0 and not 1 <= command.run_periods <= left:
        reason = WRONG_PERIOD
    if reason != 0:
        reject_auction(
            events[count], request, command.auction_id, block.block_id, block.zone, block.first_period, reason
        )
        return count + 1
    return _add_run(
        exchange, request, slot, int(command.quantity_lots), int(command.run_periods), events, count
    )


@kernel
def cancel_auction_order(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Take a block or a curve out; return the next event row."""
    command, auction = request.cancel_auction_order, exchange.dayahead
    account_id = exchange.seats[request.head.session_id].account_id
    block_id = int(command.block_id)
    reason = order_fault(exchange, request, command.auction_id)
    zone, period = int(command.zone), int(command.period)
    if reason == 0 and block_id != 0:
        reason = _cancel_block(exchange, block_id, account_id)
    elif reason == 0:
        reason = _cancel_curve(exchange, zone, period, account_id)
    if reason != 0:
        reject_auction(events[count], request, command.auction_id, block_id, zone, period, reason)
        return count + 1
    if block_id != 0:
        zone = int(auction.blocks[block_id % BLOCKS].zone)
        period = int(auction.blocks[block_id % BLOCKS].first_period)
    head_answer(events[count], request, AUCTION_ORDER_CANCELLED)
    cancelled = events[count].auction_order_cancelled
    cancelled.auction_id = command.auction_id
    cancelled.block_id = block_id
    cancelled.account_id = account_id
    cancelled.zone = zone
    cancelled.period = period
    return count + 1


@kernel
def release_block(exchange: Any, slot: int) -> None:
    """Give back what is set aside for a block."""
    auction = exchange.dayahead
    block = auction.blocks[slot]
    void_reserved(exchange.participants[block.account_id].cash, block.owed_minor)
    block.owed_minor = 0
    first = int(block.first_period)
    for period in range(first, first + int(block.period_count)):
        _release_lots(exchange, slot, period)


@kernel
def give_block(auction: Any, slot: int) -> None:
    """Free a block's slot; its id is kept, so that the next one in the slot has another."""
    block, pool = auction.blocks[slot], auction.block_pool
    for period in range(int(block.first_period), int(block.first_period) + int(block.period_count)):
        block.lots[period] = 0
    block.phase = FREE_BLOCK
    block.next = pool.free
    pool.free = slot
    pool.count -= 1


@kernel
def drop_filling(auction: Any, session_id: int) -> None:
    """Forget a block of the session that never had all its quantities."""
    slot = int(auction.filling[session_id])
    if slot != 0:
        auction.filling[session_id] = 0
        give_block(auction, slot)


@kernel
def _block_fault(auction: Any, command: Any) -> int:
    if command.zone >= auction.zone_count:
        return WRONG_ZONE
    end = int(command.first_period) + int(command.period_count)
    if command.period_count == 0 or end > auction.period_count:
        return BLOCK_OUTSIDE_AUCTION
    if not 1 <= command.run_periods <= command.period_count:
        return WRONG_PERIOD
    if command.side != BUY and command.side != SELL:
        return WRONG_SIDE
    if not 1 <= command.quantity_lots <= LOTS_MAX:
        return QUANTITY_OUT_OF_RANGE
    if not auction.price_min_ticks <= command.price_ticks <= auction.price_max_ticks:
        return PRICE_OUT_OF_RANGE
    return RATIO_OUT_OF_RANGE if not 1 <= command.minimum_ratio_permille <= 1_000 else 0


@kernel
def _find_parent(auction: Any, block_id: int, account_id: int) -> tuple[int, int]:
    """Return the slot of the block that is to be a parent, 0 for none; and why it cannot be, or 0."""
    if block_id == 0:
        return 0, 0
    parent = find_block(auction, block_id)
    if parent == 0:
        return 0, UNKNOWN_PARENT
    block = auction.blocks[parent]
    if block.account_id != account_id:
        return 0, PARENT_NOT_OWN
    if block.generation + 1 >= GENERATIONS:
        return 0, LINK_TOO_DEEP
    if auction.blocks[block.root].family_count >= FAMILY_BLOCKS:
        return 0, FAMILY_FULL
    return parent, 0


@kernel
def _find_group(auction: Any, account_id: int, number: int) -> int:
    """Return the slot of an account's exclusive group, or a free one for it, 0 for none, NONE if full."""
    if number == 0:
        return 0
    free = NONE
    for slot in range(1, GROUPS):
        group = auction.groups[slot]
        if group.block_count > 0 and group.account_id == account_id and group.number == number:
            return slot
        if free == NONE and group.block_count == 0:
            free = slot
    return free


@kernel
def _take_block(auction: Any) -> int:
    pool = auction.block_pool
    slot = int(pool.free)
    if slot == 0:
        pool.highest += 1
        slot = int(pool.highest)
    else:
        pool.free = auction.blocks[slot].next
    pool.count += 1
    block = auction.blocks[slot]
    block.block_id = slot if block.block_id == 0 else block.block_id + BLOCKS
    return slot


@kernel
def _fill_in(block: Any, command: Any, account_id: int) -> None:
    block.account_id = account_id
    block.parent_block_id = command.parent_block_id
    block.group_number = command.exclusive_group
    block.price_ticks = command.price_ticks
    block.parent = 0
    block.group = 0
    block.owed_minor = 0
    block.surplus = 0
    block.ratio = 0
    block.child_count = 0
    block.family_count = 0
    block.zone = command.zone
    block.first_period = command.first_period
    block.period_count = command.period_count
    block.filled_count = 0
    block.minimum_permille = command.minimum_ratio_permille
    block.side = command.side
    block.phase = FILLING
    block.next = 0


@kernel
def _add_run(
    exchange: Any, request: Any, slot: int, lots: int, run_periods: int, events: Any, count: int
) -> int:
    """Give a block some quantities, and let it count if it has them all; return the next event row."""
    auction = exchange.dayahead
    block = auction.blocks[slot]
    first = int(block.first_period) + int(block.filled_count)
    signed = lots if block.side == BUY else -lots
    for period in range(first, first + run_periods):
        block.lots[period] = signed
    block.filled_count += run_periods
    if block.filled_count == block.period_count:
        reason = _let_count(exchange, request, slot)
        if reason != 0:
            reject_auction(
                events[count], request, auction.auction_id, block.block_id, block.zone,
                block.first_period, reason,
            )  # fmt: skip
            drop_filling(auction, request.head.session_id)
            return count + 1
        auction.filling[request.head.session_id] = 0
    head_answer(events[count], request, BLOCK_RUN_ACCEPTED)
    run = events[count].block_run_accepted
    run.auction_id = auction.auction_id
    run.block_id = block.block_id
    run.quantity_lots = lots
    run.first_period = first
    run.run_periods = run_periods
    if block.phase == FILLING:
        return count + 1
    _report_block(auction, slot, request, events[count + 1])
    return count + 2


@kernel
def _let_count(exchange: Any, request: Any, slot: int) -> int:
    """Look once more at links and groups, and set aside what the block may cost; return why not, or 0."""
    auction = exchange.dayahead
    block = auction.blocks[slot]
    account_id, number = int(block.account_id), int(block.group_number)
    parent, fault = _find_parent(auction, int(block.parent_block_id), account_id)
    group = _find_group(auction, account_id, number)
    if fault == 0 and group == NONE:
        fault = EXCLUSIVE_GROUPS_FULL
    if fault == 0:
        fault = _set_block_aside(exchange, slot)
    if fault != 0:
        return fault
    block.phase = COUNTING
    block.parent = parent
    block.root = auction.blocks[parent].root if parent != 0 else slot
    block.generation = auction.blocks[parent].generation + 1 if parent != 0 else 0
    auction.blocks[block.root].family_count += 1
    if parent != 0:
        auction.blocks[parent].child_count += 1
    block.group = group
    if group != 0:
        auction.groups[group].account_id = account_id
        auction.groups[group].number = number
        auction.groups[group].block_count += 1
    auction.block_count += 1
    return 0


@kernel
def _set_block_aside(exchange: Any, slot: int) -> int:
    """Set aside what the block would pay at its limit, and room in every position; all or nothing."""
    auction = exchange.dayahead
    block = auction.blocks[slot]
    first = int(block.first_period)
    end, total_lots = first + int(block.period_count), 0
    for period in range(first, end):
        total_lots += int(block.lots[period])
    owed = owed_or_refused(auction, max(total_lots * int(block.price_ticks), 0))
    cash = exchange.participants[block.account_id].cash
    if owed < 0 or reserve(cash, owed) != 0:
        return CREDIT_EXCEEDED
    for period in range(first, end):
        fault = _set_period_aside(exchange, slot, period)
        if fault != 0:
            for done in range(first, period):
                _release_lots(exchange, slot, done)
            void_reserved(cash, owed)
            return fault
    block.owed_minor = owed
    return 0


@kernel
def _set_period_aside(exchange: Any, slot: int, period: int) -> int:
    auction = exchange.dayahead
    block = auction.blocks[slot]
    product_slot = auction_product_slot(auction, int(block.zone), period)
    index = obtain_position(exchange, product_slot, block.account_id)
    if index == 0:
        return POSITIONS_FULL
    lots = int(block.lots[period])
    return set_lots_aside(exchange, block.account_id, index, max(lots, 0), max(-lots, 0))


@kernel
def _release_lots(exchange: Any, slot: int, period: int) -> None:
    auction = exchange.dayahead
    block = auction.blocks[slot]
    product_slot = auction_product_slot(auction, int(block.zone), period)
    position = exchange.positions[exchange.position_at[product_slot, block.account_id]].lots
    lots = int(block.lots[period])
    void_expected(position, max(lots, 0))
    void_reserved(position, max(-lots, 0))


@kernel
def _report_block(auction: Any, slot: int, request: Any, event: Any) -> None:
    block = auction.blocks[slot]
    head_answer(event, request, BLOCK_ACCEPTED)
    accepted = event.block_accepted
    accepted.block_id = block.block_id
    accepted.account_id = block.account_id
    accepted.price_ticks = block.price_ticks
    accepted.parent_block_id = auction.blocks[block.parent].block_id if block.parent != 0 else 0
    accepted.exclusive_group = auction.groups[block.group].number if block.group != 0 else 0
    accepted.zone = block.zone
    accepted.first_period = block.first_period
    accepted.period_count = block.period_count
    accepted.minimum_ratio_permille = block.minimum_permille
    accepted.side = block.side


@kernel
def _cancel_block(exchange: Any, block_id: int, account_id: int) -> int:
    auction = exchange.dayahead
    slot = find_block(auction, block_id)
    block = auction.blocks[slot]
    if slot == 0 or block.account_id != account_id:
        return UNKNOWN_BLOCK
    if block.child_count > 0:
        return BLOCK_HAS_CHILDREN
    release_block(exchange, slot)
    auction.blocks[block.root].family_count -= 1
    if block.parent != 0:
        auction.blocks[block.parent].child_count -= 1
    if block.group != 0:
        auction.groups[block.group].block_count -= 1
    auction.block_count -= 1
    give_block(auction, slot)
    return 0


@kernel
def _cancel_curve(exchange: Any, zone: int, period: int, account_id: int) -> int:
    auction = exchange.dayahead
    if zone >= auction.zone_count:
        return WRONG_ZONE
    if period >= auction.period_count:
        return WRONG_PERIOD
    curve, _ = find_curve(auction, zone * PERIODS + period, account_id)
    if curve == 0 or auction.curves[curve].first == 0:
        return UNKNOWN_CURVE
    withdraw_curve(exchange, curve)
    return 0
