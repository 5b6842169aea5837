"""The day-ahead auction's commands, each led to its kernel."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.dayahead_messages import (
    CancelAuctionOrder,
    CommitProposal,
    DefineAuction,
    DefineTransfer,
    DefineZone,
    ExtendBlock,
    OpenAuction,
    ProposeBlock,
    ProposeFlow,
    ProposePrice,
    SubmitBlock,
    SubmitCurveSegment,
    VoidAuction,
)
from ringmain.exchange.kernels.answers import reject_setup
from ringmain.exchange.kernels.dayahead_blocks import cancel_auction_order, extend_block, submit_block
from ringmain.exchange.kernels.dayahead_curves import submit_segment
from ringmain.exchange.kernels.dayahead_setup import (
    HELD_BY_AUCTION,
    define_auction,
    define_transfer,
    define_zone,
    holds_product,
    open_auction,
    void_auction,
)
from ringmain.exchange.kernels.dayahead_verify import (
    commit_proposal,
    propose_block,
    propose_flow,
    propose_price,
)
from ringmain.exchange.kernels.products import expire, schedule

DEFINE_AUCTION, DEFINE_ZONE, DEFINE_TRANSFER = DefineAuction.kind, DefineZone.kind, DefineTransfer.kind
OPEN_AUCTION, VOID_AUCTION = OpenAuction.kind, VoidAuction.kind
SUBMIT_CURVE_SEGMENT, SUBMIT_BLOCK, EXTEND_BLOCK = SubmitCurveSegment.kind, SubmitBlock.kind, ExtendBlock.kind
CANCEL_AUCTION_ORDER, PROPOSE_PRICE = CancelAuctionOrder.kind, ProposePrice.kind
PROPOSE_BLOCK, PROPOSE_FLOW, COMMIT_PROPOSAL = ProposeBlock.kind, ProposeFlow.kind, CommitProposal.kind


@kernel
def is_dayahead(kind: int) -> bool:
    """Tell whether a command is the day-ahead auction's."""
    return DEFINE_AUCTION <= kind <= COMMIT_PROPOSAL


@kernel
def carry_out_dayahead(exchange: Any, request: Any, kind: int, events: Any, count: int) -> int:
    """Answer one of the auction's commands; return the next event row."""
    if kind == SUBMIT_CURVE_SEGMENT:
        return submit_segment(exchange, request, events, count)
    if kind == SUBMIT_BLOCK:
        return submit_block(exchange, request, events, count)
    if kind == EXTEND_BLOCK:
        return extend_block(exchange, request, events, count)
    if kind == CANCEL_AUCTION_ORDER:
        return cancel_auction_order(exchange, request, events, count)
    if kind == PROPOSE_PRICE:
        return propose_price(exchange, request, events, count)
    if kind == PROPOSE_BLOCK:
        return propose_block(exchange, request, events, count)
    if kind == PROPOSE_FLOW:
        return propose_flow(exchange, request, events, count)
    if kind == COMMIT_PROPOSAL:
        return commit_proposal(exchange, request, events, count)
    return _carry_out_operator(exchange, request, kind, events, count)


@kernel
def _carry_out_operator(exchange: Any, request: Any, kind: int, events: Any, count: int) -> int:
    if kind == DEFINE_AUCTION:
        return define_auction(exchange, request, events, count)
    if kind == DEFINE_ZONE:
        return define_zone(exchange, request, events, count)
    if kind == DEFINE_TRANSFER:
        return define_transfer(exchange, request, events, count)
    if kind == OPEN_AUCTION:
        return open_auction(exchange, request, events, count)
    assert kind == VOID_AUCTION
    return void_auction(exchange, request, events, count)


@kernel
def schedule_unless_held(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Set a product's times, unless the auction still has to book awards in it; return the next row."""
    command = request.schedule_product
    closes = 0 < command.gate_closure_ns <= exchange.dayahead.result_ns
    if closes and holds_product(exchange.dayahead, command.product_id):
        reject_setup(events[count], request, command.product_id, 0, HELD_BY_AUCTION)
        return count + 1
    return schedule(exchange, request, events, count)


@kernel
def expire_unless_held(exchange: Any, request: Any, events: Any, count: int) -> int:
    """End a product, unless the auction still has to book awards in it; return the next row."""
    product_id = request.expire_product.product_id
    if holds_product(exchange.dayahead, product_id):
        reject_setup(events[count], request, product_id, 0, HELD_BY_AUCTION)
        return count + 1
    return expire(exchange, request, events, count)
