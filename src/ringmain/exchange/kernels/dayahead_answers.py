"""The day-ahead auction's events that more than one kernel writes."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.dayahead_messages import AuctionCommandRejected, AuctionPhaseChanged
from ringmain.exchange.kernels.answers import head_answer

AUCTION_COMMAND_REJECTED = AuctionCommandRejected.kind
AUCTION_PHASE_CHANGED = AuctionPhaseChanged.kind


@kernel
def reject_auction(
    event: Any, request: Any, auction_id: int, block_id: int, zone: int, period: int, reason: int
) -> None:
    """Write that a command changed nothing."""
    head_answer(event, request, AUCTION_COMMAND_REJECTED)
    rejected = event.auction_command_rejected
    rejected.auction_id = auction_id
    rejected.block_id = block_id
    rejected.rejected_kind = request.head.kind
    rejected.reason = reason
    rejected.zone = zone
    rejected.period = period


@kernel
def enter_phase(auction: Any, phase: int, request: Any, event: Any) -> None:
    """Lead the auction into a phase, and say so."""
    head_answer(event, request, AUCTION_PHASE_CHANGED)
    changed = event.auction_phase_changed
    changed.auction_id = auction.auction_id
    changed.curve_count = auction.curve_count
    changed.block_count = auction.block_count
    changed.phase = phase
    changed.previous_phase = auction.phase
    auction.phase = phase
