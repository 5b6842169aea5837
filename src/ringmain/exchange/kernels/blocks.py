"""Resting blocks: their table, who is first among them, and how they leave.

A block sets aside in each of its products what an order at its average price would, so that in
all it has what it may cost, whatever the price in each product turns out to be.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.answers import head_order
from ringmain.exchange.kernels.credit import give_back, set_aside
from ringmain.exchange.kernels.guards import is_killed
from ringmain.exchange.messages import ALL_PRODUCTS, BUY, SELL
from ringmain.exchange.multileg_messages import BlockCancelled
from ringmain.exchange.multileg_state import BLOCKS, BLOCKS_OF_SESSION
from ringmain.exchange.state import CANCELS_PER_STEP, PRODUCTS

BLOCK_CANCELLED = BlockCancelled.kind
INCOMING = 0  # the slot of the block that comes in
NO_BLOCK = 0
NOBODY = 0  # the session in whose name kill switches sweep


@kernel
def slot_of_product(block: Any, place: int) -> int:
    """Return the slot of the block's product at a place, from 0."""
    return (int(block.first_product_id) + place) % PRODUCTS


@kernel
def spans(block: Any, product_id: int) -> bool:
    """Tell whether a product is one of the block's."""
    return 0 <= int(product_id) - int(block.first_product_id) < block.product_count


@kernel
def cover_block(exchange: Any, index: int) -> int:
    """Set aside in each product what a block may cost, or nothing and return why not."""
    block = exchange.blocks.blocks[index]
    account_id, side = int(block.account_id), int(block.side)
    price_ticks, lots = int(block.price_ticks), int(block.quantity_lots)
    for place in range(block.product_count):
        reason = set_aside(exchange, slot_of_product(block, place), account_id, side, price_ticks, lots)
        if reason != 0:
            for before in range(place):
                give_back(exchange, slot_of_product(block, before), account_id, side, price_ticks, lots)
            return reason
    return 0


@kernel
def blocks_full(exchange: Any, session_id: int) -> bool:
    """Tell whether no more block of a session may rest."""
    blocks = exchange.blocks
    own_count = 0
    for side in (BUY, SELL):
        for place in range(blocks.counts[side - BUY]):
            own_count += blocks.blocks[blocks.queues[side - BUY, place]].session_id == session_id
    return blocks.counts[0] + blocks.counts[1] >= BLOCKS or own_count >= BLOCKS_OF_SESSION


@kernel
def rest_block(exchange: Any) -> None:
    """Let the block that comes in rest, behind all that are as good; the caller has asked `blocks_full`."""
    blocks = exchange.blocks
    index = 1
    while blocks.blocks[index].session_id != 0:
        index += 1
    assert index <= BLOCKS
    block, incoming = blocks.blocks[index], blocks.blocks[INCOMING]
    block.session_number = incoming.session_number
    block.session_id = incoming.session_id
    block.account_id = incoming.account_id
    block.first_product_id = incoming.first_product_id
    block.price_ticks = incoming.price_ticks
    block.quantity_lots = incoming.quantity_lots
    block.product_count = incoming.product_count
    block.side = incoming.side
    row = int(block.side) - BUY
    place = int(blocks.counts[row])
    while place > 0 and _is_better(block, blocks.blocks[blocks.queues[row, place - 1]]):
        blocks.queues[row, place] = blocks.queues[row, place - 1]
        place -= 1
    blocks.queues[row, place] = index
    blocks.counts[row] += 1
    for i in range(block.product_count):
        exchange.products[slot_of_product(block, i)].block_count += 1


@kernel
def remove_block(exchange: Any, index: int) -> None:
    """Take a resting block out of the table; what it has set aside is the caller's to free."""
    blocks = exchange.blocks
    block = blocks.blocks[index]
    row, place = int(block.side) - BUY, 0
    while blocks.queues[row, place] != index:
        place += 1
    blocks.counts[row] -= 1
    while place < blocks.counts[row]:
        blocks.queues[row, place] = blocks.queues[row, place + 1]
        place += 1
    blocks.queues[row, place] = NO_BLOCK
    for i in range(block.product_count):
        exchange.products[slot_of_product(block, i)].block_count -= 1
    block.session_id = 0


@kernel
def report_block_cancelled(
    exchange: Any, request: Any, index: int, reason: int, command_number: int, event: Any
) -> None:
    """Free what a block has set aside, and say that it is gone."""
    block = exchange.blocks.blocks[index]
    account_id, side = int(block.account_id), int(block.side)
    price_ticks, lots = int(block.price_ticks), int(block.quantity_lots)
    for place in range(block.product_count):
        give_back(exchange, slot_of_product(block, place), account_id, side, price_ticks, lots)
    head_order(event, request, BLOCK_CANCELLED, block.session_id, block.session_number)
    cancelled = event.block_cancelled
    cancelled.command_number = command_number
    cancelled.price_ticks = price_ticks
    cancelled.quantity_lots = lots
    cancelled.first_product_id = block.first_product_id
    cancelled.product_count = block.product_count
    cancelled.side = side
    cancelled.account_id = account_id
    cancelled.reason = reason


@kernel
def cancel_block_named(exchange: Any, request: Any, number: int, reason: int, event: Any) -> bool:
    """Cancel the session's block of this number; tell whether there was one."""
    blocks, session_id = exchange.blocks, request.head.session_id
    for row in range(2):
        for place in range(blocks.counts[row]):
            index = int(blocks.queues[row, place])
            block = blocks.blocks[index]
            if block.session_number == number and block.session_id == session_id:
                _cancel(exchange, request, index, reason, request.head.session_number, event)
                return True
    return False


@kernel
def cancel_blocks_of(
    exchange: Any, request: Any, product_id: int, reason: int, command_number: int, events: Any, count: int
) -> int:
    """Cancel the session's blocks that span a product, or all; its running sweep counts them."""
    blocks, session_id = exchange.blocks, request.head.session_id
    for row in range(2):
        place = 0
        while place < blocks.counts[row]:
            index = int(blocks.queues[row, place])
            block = blocks.blocks[index]
            is_meant = product_id == ALL_PRODUCTS or spans(block, product_id)
            if block.session_id == session_id and is_meant:
                _cancel(exchange, request, index, reason, command_number, events[count])
                exchange.seats[session_id].sweep_count += 1
                count += 1
            else:
                place += 1
    return count


@kernel
def cancel_killed_blocks(
    exchange: Any, request: Any, reason: int, events: Any, count: int, limit: int
) -> int:
    """Cancel the blocks that a kill switch means, bids first; the sweep in nobody's name counts them."""
    blocks = exchange.blocks
    for row in range(2):
        place = 0
        while place < blocks.counts[row] and count < limit:
            index = int(blocks.queues[row, place])
            if _is_killed(exchange, blocks.blocks[index]):
                _cancel(exchange, request, index, reason, 0, events[count])
                exchange.seats[NOBODY].sweep_count += 1
                count += 1
            else:
                place += 1
    return count


@kernel
def _is_killed(exchange: Any, block: Any) -> bool:
    """Tell whether a kill switch stops a block's owner, or one of its products."""
    for place in range(block.product_count):
        if is_killed(exchange, block.session_id, block.account_id, slot_of_product(block, place)):
            return True
    return False


@kernel
def cancel_blocks_over(exchange: Any, slot: int, request: Any, reason: int, events: Any, count: int) -> int:
    """Cancel a portion of the blocks that span a product, bids first; return the next event row."""
    blocks, product_id = exchange.blocks, exchange.products[slot].product_id
    limit = count + CANCELS_PER_STEP
    for row in range(2):
        place = 0
        while place < blocks.counts[row] and count < limit:
            index = int(blocks.queues[row, place])
            if spans(blocks.blocks[index], product_id):
                _cancel(exchange, request, index, reason, 0, events[count])
                count += 1
            else:
                place += 1
    return count


@kernel
def _cancel(exchange: Any, request: Any, index: int, reason: int, command_number: int, event: Any) -> None:
    report_block_cancelled(exchange, request, index, reason, command_number, event)
    remove_block(exchange, index)


@kernel
def _is_better(block: Any, than: Any) -> bool:
    if block.side == BUY:
        return block.price_ticks > than.price_ticks
    return block.price_ticks < than.price_ticks
