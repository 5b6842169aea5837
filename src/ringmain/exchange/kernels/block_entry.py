"""PlaceBlock: what a block may ask for, and what becomes of it."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.answers import head_answer, reject_order
from ringmain.exchange.kernels.block_trades import trade_incoming
from ringmain.exchange.kernels.blocks import (
    INCOMING,
    blocks_full,
    cover_block,
    report_block_cancelled,
    rest_block,
    slot_of_product,
)
from ringmain.exchange.kernels.guards import part_fault
from ringmain.exchange.kernels.products import UNKNOWN, find_product
from ringmain.exchange.kernels.terms import participant_fault, price_fault, quantity_fault
from ringmain.exchange.messages import (
    BUY,
    CANCELLATIONS,
    CLOSING,
    CONTINUOUS,
    DELIVERING,
    FOK,
    FREE,
    GOOD_FOR_SESSION,
    HOURLY,
    IOC,
    QUARTER_HOURLY,
    REJECTIONS,
    SELL,
)
from ringmain.exchange.multileg_messages import BLOCK_PRODUCTS_MAX, BlockPlaced
from ringmain.exchange.state import EVENTS_PER_COMMAND, PRODUCTS

BLOCK_PLACED = BlockPlaced.kind
BLOCK_SPAN_OUT_OF_RANGE = REJECTIONS["BLOCK_SPAN_OUT_OF_RANGE"]
BLOCK_PRODUCT_MISSING = REJECTIONS["BLOCK_PRODUCT_MISSING"]
BLOCK_OVER_GATE_CLOSURE = REJECTIONS["BLOCK_OVER_GATE_CLOSURE"]
BLOCK_PRODUCTS_UNLIKE = REJECTIONS["BLOCK_PRODUCTS_UNLIKE"]
BLOCK_NOT_CONSECUTIVE, BLOCKS_FULL = REJECTIONS["BLOCK_NOT_CONSECUTIVE"], REJECTIONS["BLOCKS_FULL"]
WRONG_PHASE, WRONG_PRODUCT_KIND = REJECTIONS["WRONG_PHASE"], REJECTIONS["WRONG_PRODUCT_KIND"]
WRONG_SIDE, WRONG_TIME_IN_FORCE = REJECTIONS["WRONG_SIDE"], REJECTIONS["WRONG_TIME_IN_FORCE"]
QUANTITY_BELOW_MINIMUM = REJECTIONS["QUANTITY_BELOW_MINIMUM"]
FOK_UNFILLED, IOC_REMAINDER = CANCELLATIONS["FOK_UNFILLED"], CANCELLATIONS["IOC_REMAINDER"]
HOUR_NS, QUARTER_NS = 3_600_000_000_000, 900_000_000_000


@kernel
def place_block(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Accept a block, and trade it whole or let it rest; or reject it; return the next event row."""
    order, head, end = request.place_block, request.head, count + EVENTS_PER_COMMAND
    reason = _form_fault(exchange, request)
    if reason == 0 and order.time_in_force == GOOD_FOR_SESSION and blocks_full(exchange, head.session_id):
        reason = BLOCKS_FULL
    if reason == 0:
        _note_incoming(exchange, request)
        reason = cover_block(exchange, INCOMING)
    if reason != 0:
        reject_order(events[count], request, order.first_product_id, 0, reason)
        return count + 1
    _report_accepted(exchange, events[count], request)
    has_traded, count = trade_incoming(exchange, request, events, count + 1, end)
    if has_traded:
        return count
    if order.time_in_force == GOOD_FOR_SESSION:
        rest_block(exchange)
        return count
    reason = FOK_UNFILLED if order.time_in_force == FOK else IOC_REMAINDER
    report_block_cancelled(exchange, request, INCOMING, reason, 0, events[count])
    return count + 1


@kernel
def _form_fault(exchange: Any, request: Any) -> int:
    """Return what is wrong with a block as it is written, or 0."""
    order = request.place_block
    reason = participant_fault(exchange, request.head.session_id)
    if reason != 0:
        return reason
    if order.product_count < 1 or order.product_count > BLOCK_PRODUCTS_MAX:
        return BLOCK_SPAN_OUT_OF_RANGE
    if order.side != BUY and order.side != SELL:
        return WRONG_SIDE
    if order.time_in_force not in (GOOD_FOR_SESSION, IOC, FOK):
        return WRONG_TIME_IN_FORCE
    account_id = int(exchange.seats[request.head.session_id].account_id)
    for place in range(order.product_count):
        reason = _product_fault(exchange, order, place, account_id)
        if reason != 0:
            return reason
    return 0


@kernel
def _product_fault(exchange: Any, order: Any, place: int, account_id: int) -> int:
    """Return why a block may not span its product at a place, or 0."""
    product_id = int(order.first_product_id) + place
    product, first = (
        exchange.products[product_id % PRODUCTS],
        exchange.products[slot_of_product(order, 0)],
    )
    is_past = product.product_id == product_id and product.phase == FREE and product_id != 0
    if is_past or (product.product_id == product_id and product.phase in (CLOSING, DELIVERING)):
        return BLOCK_OVER_GATE_CLOSURE
    if find_product(exchange, product_id) == UNKNOWN:
        return BLOCK_PRODUCT_MISSING
    if product.kind != HOURLY and product.kind != QUARTER_HOURLY:
        return WRONG_PRODUCT_KIND
    is_alike = product.value_minor == first.value_minor and product.price_step_ticks == first.price_step_ticks
    if product.kind != first.kind or not is_alike:
        return BLOCK_PRODUCTS_UNLIKE
    period_ns = HOUR_NS if product.kind == HOURLY else QUARTER_NS
    if product.delivery_start_ns != first.delivery_start_ns + place * period_ns:
        return BLOCK_NOT_CONSECUTIVE
    if product.phase != CONTINUOUS:
        return WRONG_PHASE
    reason = price_fault(product, order.price_ticks)
    if reason == 0:
        reason = quantity_fault(product, order.quantity_lots)
    if reason == 0 and order.quantity_lots < product.quantity_min_lots:
        return QUANTITY_BELOW_MINIMUM
    if reason != 0:
        return reason
    slot = slot_of_product(order, place)
    return part_fault(exchange, slot, account_id, int(order.price_ticks), int(order.quantity_lots))


@kernel
def _note_incoming(exchange: Any, request: Any) -> None:
    block, order = exchange.blocks.blocks[INCOMING], request.place_block
    block.session_number = request.head.session_number
    block.session_id = request.head.session_id
    block.account_id = exchange.seats[request.head.session_id].account_id
    block.first_product_id = order.first_product_id
    block.price_ticks = order.price_ticks
    block.quantity_lots = order.quantity_lots
    block.product_count = order.product_count
    block.side = order.side


@kernel
def _report_accepted(exchange: Any, event: Any, request: Any) -> None:
    head_answer(event, request, BLOCK_PLACED)
    accepted, order = event.block_placed, request.place_block
    accepted.price_ticks = order.price_ticks
    accepted.quantity_lots = order.quantity_lots
    accepted.first_product_id = order.first_product_id
    accepted.product_count = order.product_count
    accepted.side = order.side
    accepted.time_in_force = order.time_in_force
    accepted.account_id = exchange.seats[request.head.session_id].account_id
