"""Curves: sent segment by segment, and what they buy and sell at a price.

A segment from `begin_ticks` to `end_ticks` is a stair of steps one tick wide: at a price beyond its
begin it is not accepted, at its end it is accepted whole, and between them it has
floor(lots x way gone / whole way) lots. What it gains by the last tick stands at the price itself,
and may be accepted in part; all the rest is better than the price. A step gains all at once.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.dayahead_messages import (
    ABSENT,
    AUCTION_REJECTIONS,
    OPEN,
    CancelAuctionOrder,
    CurveSegmentAccepted,
)
from ringmain.exchange.dayahead_state import (
    CURVE_BUCKETS,
    CURVE_SEGMENTS,
    CURVES,
    MARKET_LOTS_MAX,
    PERIODS,
    SEGMENTS,
)
from ringmain.exchange.kernels.answers import head_answer
from ringmain.exchange.kernels.credit import (
    CREDIT_EXCEEDED,
    POSITION_LIMIT_EXCEEDED,
    POSITIONS_FULL,
    obtain_position,
)
from ringmain.exchange.kernels.dayahead_answers import reject_auction
from ringmain.exchange.kernels.dayahead_setup import (
    UNKNOWN_AUCTION,
    WRONG_AUCTION_PHASE,
    WRONG_PERIOD,
    WRONG_ZONE,
    auction_product_slot,
)
from ringmain.exchange.kernels.guards import KILL_SWITCH_ENGAGED, is_stopped
from ringmain.exchange.kernels.terms import participant_fault
from ringmain.exchange.messages import BUY, REJECTIONS, SELL
from ringmain.exchange.state import ACCOUNTS, LOTS_MAX
from ringmain.ledger.accounts import (
    LIMIT_MINOR,
    expect,
    reserve,
    set_limits,
    void_expected,
    void_reserved,
)

CURVE_SEGMENT_ACCEPTED = CurveSegmentAccepted.kind
CANCEL_AUCTION_ORDER = CancelAuctionOrder.kind
WRONG_SIDE, PRICE_OUT_OF_RANGE = REJECTIONS["WRONG_SIDE"], REJECTIONS["PRICE_OUT_OF_RANGE"]
QUANTITY_OUT_OF_RANGE = REJECTIONS["QUANTITY_OUT_OF_RANGE"]
SEGMENT_OUT_OF_ORDER = AUCTION_REJECTIONS["SEGMENT_OUT_OF_ORDER"]
CURVE_TOO_LONG, CURVES_FULL = AUCTION_REJECTIONS["CURVE_TOO_LONG"], AUCTION_REJECTIONS["CURVES_FULL"]
SEGMENTS_FULL, WRONG_SLOPE = AUCTION_REJECTIONS["SEGMENTS_FULL"], AUCTION_REJECTIONS["WRONG_SLOPE"]
SPREAD = 2_654_435_761  # Knuth's multiplier


@kernel
def order_fault(exchange: Any, request: Any, auction_id: int) -> int:
    """Return why a session can send no order to the auction now, or 0."""
    auction, session_id = exchange.dayahead, request.head.session_id
    reason = participant_fault(exchange, session_id)
    if reason != 0:
        return reason
    account_id = int(exchange.seats[session_id].account_id)
    if request.head.kind != CANCEL_AUCTION_ORDER and is_stopped(exchange, session_id, account_id):
        return KILL_SWITCH_ENGAGED
    if auction.phase == ABSENT or auction_id != auction.auction_id:
        return UNKNOWN_AUCTION
    if auction.phase != OPEN or request.head.time_ns >= auction.gate_ns:
        return WRONG_AUCTION_PHASE
    return 0


@kernel
def owed_or_refused(auction: Any, tick_lots: int) -> int:
    """Return the money for a price times lots, or -1 if no account could have it."""
    if tick_lots > LIMIT_MINOR // int(auction.value_minor):
        return -1
    return tick_lots * int(auction.value_minor)


@kernel
def submit_segment(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Take one segment; with the last, let the curve count. Return the next event row."""
    command, auction = request.submit_curve_segment, exchange.dayahead
    account_id = exchange.seats[request.head.session_id].account_id
    reason = order_fault(exchange, request, command.auction_id)
    if reason == 0:
        reason = _segment_fault(auction, command)
    if reason == 0:
        reason = _take_segment(exchange, request, command, account_id)
    if reason != 0:
        reject_auction(events[count], request, command.auction_id, 0, command.zone, command.period, reason)
        return count + 1
    head_answer(events[count], request, CURVE_SEGMENT_ACCEPTED)
    accepted = events[count].curve_segment_accepted
    accepted.auction_id = command.auction_id
    accepted.begin_ticks = command.begin_ticks
    accepted.end_ticks = command.end_ticks
    accepted.quantity_lots = command.quantity_lots
    accepted.account_id = account_id
    accepted.zone = command.zone
    accepted.period = command.period
    accepted.segment_index = command.segment_index
    accepted.segment_count = command.segment_count
    accepted.side = command.side
    return count + 1


@kernel
def stair_lots(begin_ticks: int, end_ticks: int, lots: int, price_ticks: int) -> int:
    """Return how much of a segment stands at the price or better.

    Parameters
    ----------
    lots : int
        Above zero for a bid, below zero for an offer; the answer has the same sign.
    """
    if lots > 0:
        if price_ticks <= end_ticks:
            return lots
        if price_ticks >= begin_ticks:
            return 0
        return lots * (begin_ticks - price_ticks) // (begin_ticks - end_ticks)
    if price_ticks >= end_ticks:
        return lots
    if price_ticks <= begin_ticks:
        return 0
    return -(-lots * (price_ticks - begin_ticks) // (end_ticks - begin_ticks))


@kernel
def curve_lots(auction: Any, curve: int, price_ticks: int) -> tuple[int, int, int, int]:
    """Return what a curve bids for certain and at the price, and what it offers for certain and at it."""
    bids_sure, bids_marginal, offers_sure, offers_marginal = 0, 0, 0, 0
    index = int(auction.curves[curve].first)
    while index != 0:
        segment = auction.segments[index]
        begin, end, lots = int(segment.begin_ticks), int(segment.end_ticks), int(segment.lots)
        whole = stair_lots(begin, end, lots, price_ticks)
        if lots > 0:
            sure = stair_lots(begin, end, lots, price_ticks + 1)
            bids_sure += sure
            bids_marginal += whole - sure
        else:
            sure = stair_lots(begin, end, lots, price_ticks - 1)
            offers_sure -= sure
            offers_marginal -= whole - sure
        index = int(segment.next)
    return bids_sure, bids_marginal, offers_sure, offers_marginal


@kernel
def find_curve(auction: Any, market: int, account_id: int) -> tuple[int, int]:
    """Return the slot of an account's curve in a market, or 0, and the bucket where it is or would be."""
    bucket = (market * ACCOUNTS + int(account_id)) * SPREAD % CURVE_BUCKETS
    while True:
        curve = int(auction.curve_at[bucket])
        if curve == 0:
            return 0, bucket
        if auction.curves[curve].market == market and auction.curves[curve].account_id == account_id:
            return curve, bucket
        bucket = (bucket + 1) % CURVE_BUCKETS


@kernel
def free_segments(auction: Any, first: int) -> None:
    """Give back a chain of segments."""
    pool = auction.segment_pool
    while first != 0:
        following = int(auction.segments[first].next)
        auction.segments[first].next = pool.free
        pool.free = first
        pool.count -= 1
        first = following


@kernel
def release_curve(exchange: Any, curve: int) -> None:
    """Give back what is set aside for a curve."""
    auction = exchange.dayahead
    own = auction.curves[curve]
    market = int(own.market)
    slot = auction_product_slot(auction, market // PERIODS, market % PERIODS)
    void_reserved(exchange.participants[own.account_id].cash, own.owed_minor)
    index = exchange.position_at[slot, own.account_id]
    if index != 0:
        void_expected(exchange.positions[index].lots, own.bid_lots)
        void_reserved(exchange.positions[index].lots, own.offer_lots)
    auction.markets[market].curve_lots -= int(own.bid_lots) + int(own.offer_lots)
    own.owed_minor = 0
    own.bid_lots = 0
    own.offer_lots = 0


@kernel
def withdraw_curve(exchange: Any, curve: int) -> None:
    """Let a curve count no longer; its place in line is kept."""
    auction = exchange.dayahead
    release_curve(exchange, curve)
    free_segments(auction, int(auction.curves[curve].first))
    auction.curves[curve].first = 0
    auction.curve_count -= 1


@kernel
def _segment_fault(auction: Any, command: Any) -> int:
    if command.zone >= auction.zone_count:
        return WRONG_ZONE
    if command.period >= auction.period_count:
        return WRONG_PERIOD
    if command.side != BUY and command.side != SELL:
        return WRONG_SIDE
    if not 1 <= command.quantity_lots <= LOTS_MAX:
        return QUANTITY_OUT_OF_RANGE
    lowest, highest = auction.price_min_ticks, auction.price_max_ticks
    if not lowest <= command.begin_ticks <= highest or not lowest <= command.end_ticks <= highest:
        return PRICE_OUT_OF_RANGE
    if command.side == BUY and command.begin_ticks < command.end_ticks:
        return WRONG_SLOPE
    if command.side == SELL and command.begin_ticks > command.end_ticks:
        return WRONG_SLOPE
    if not 1 <= command.segment_count <= CURVE_SEGMENTS:
        return CURVE_TOO_LONG
    return SEGMENT_OUT_OF_ORDER if command.segment_index >= command.segment_count else 0


@kernel
def _take_segment(exchange: Any, request: Any, command: Any, account_id: int) -> int:
    """Hang the segment on the curve that comes; return why not, or 0."""
    auction = exchange.dayahead
    market = int(command.zone) * PERIODS + int(command.period)
    curve, bucket = find_curve(auction, market, account_id)
    if auction.segment_pool.count >= SEGMENTS - 1:
        return SEGMENTS_FULL
    if command.segment_index == 0:
        if curve == 0:
            if auction.curve_pool.count >= CURVES - 1:
                return CURVES_FULL
            curve = _take_curve(auction, market, account_id, bucket)
        _forget_coming(auction, curve)
        auction.curves[curve].coming_session_id = request.head.session_id
        auction.curves[curve].coming_total = command.segment_count
    own = auction.curves[curve]
    if curve == 0 or own.coming_session_id != request.head.session_id:
        return SEGMENT_OUT_OF_ORDER
    if own.coming_count != command.segment_index or own.coming_total != command.segment_count:
        return SEGMENT_OUT_OF_ORDER
    _append_segment(auction, curve, command)
    if own.coming_count < own.coming_total:
        return 0
    reason = _replace_curve(exchange, curve)
    _forget_coming(auction, curve)
    return reason


@kernel
def _take_curve(auction: Any, market: int, account_id: int, bucket: int) -> int:
    auction.curve_pool.count += 1
    curve = int(auction.curve_pool.count)
    auction.curve_at[bucket] = curve
    own = auction.curves[curve]
    own.account_id = account_id
    own.market = market
    place = auction.markets[market]
    if place.first_curve == 0:
        place.first_curve = curve
    else:
        auction.curves[place.last_curve].next = curve
    place.last_curve = curve
    return curve


@kernel
def _forget_coming(auction: Any, curve: int) -> None:
    own = auction.curves[curve]
    free_segments(auction, int(own.coming_first))
    own.coming_first = 0
    own.coming_last = 0
    own.coming_count = 0
    own.coming_total = 0
    own.coming_session_id = 0


@kernel
def _append_segment(auction: Any, curve: int, command: Any) -> None:
    pool, own = auction.segment_pool, auction.curves[curve]
    index = int(pool.free)
    if index == 0:
        pool.highest += 1
        index = int(pool.highest)
    else:
        pool.free = auction.segments[index].next
    pool.count += 1
    segment = auction.segments[index]
    segment.begin_ticks = command.begin_ticks
    segment.end_ticks = command.end_ticks
    segment.lots = command.quantity_lots if command.side == BUY else -command.quantity_lots
    segment.next = 0
    if own.coming_first == 0:
        own.coming_first = index
    else:
        auction.segments[own.coming_last].next = index
    own.coming_last = index
    own.coming_count += 1


@kernel
def _replace_curve(exchange: Any, curve: int) -> int:
    """Set aside what the new curve may cost and let it count; or leave the old one, and say why."""
    auction = exchange.dayahead
    own = auction.curves[curve]
    old_owed, old_bids, old_offers = int(own.owed_minor), int(own.bid_lots), int(own.offer_lots)
    release_curve(exchange, curve)
    reason = _set_curve_aside(exchange, curve)
    if reason != 0:
        _hold_curve(exchange, curve, old_owed, old_bids, old_offers)
        return reason
    if own.first == 0:
        auction.curve_count += 1
    free_segments(auction, int(own.first))
    own.first = own.coming_first
    own.coming_first = 0
    return 0


@kernel
def _set_curve_aside(exchange: Any, curve: int) -> int:
    """Set aside what the coming curve would pay if all of it traded at its limits; return why not, or 0."""
    auction = exchange.dayahead
    own = auction.curves[curve]
    bids, offers, tick_lots = 0, 0, 0
    index = int(own.coming_first)
    while index != 0:
        segment = auction.segments[index]
        lots, begin = int(segment.lots), int(segment.begin_ticks)
        bids += max(lots, 0)
        offers += max(-lots, 0)
        tick_lots += max(lots * begin, 0)
        index = int(segment.next)
    market = int(own.market)
    if auction.markets[market].curve_lots + bids + offers > MARKET_LOTS_MAX:
        return QUANTITY_OUT_OF_RANGE
    slot = auction_product_slot(auction, market // PERIODS, market % PERIODS)
    owed = owed_or_refused(auction, tick_lots)
    participant = exchange.participants[own.account_id]
    position_index = obtain_position(exchange, slot, own.account_id)
    if position_index == 0:
        return POSITIONS_FULL
    if owed < 0 or reserve(participant.cash, owed) != 0:
        return CREDIT_EXCEEDED
    fault = set_lots_aside(exchange, own.account_id, position_index, bids, offers)
    if fault != 0:
        void_reserved(participant.cash, owed)
        return fault
    own.owed_minor = owed
    own.bid_lots = bids
    own.offer_lots = offers
    auction.markets[market].curve_lots += bids + offers
    return 0


@kernel
def set_lots_aside(exchange: Any, account_id: int, position_index: int, bids: int, offers: int) -> int:
    """Keep room for bids and set offers aside in a position; return why not, or 0."""
    participant = exchange.participants[account_id]
    position = exchange.positions[position_index].lots
    set_limits(position, participant.short_limit_lots, participant.long_limit_lots)
    if expect(position, bids) != 0:
        return POSITION_LIMIT_EXCEEDED
    if reserve(position, offers) != 0:
        void_expected(position, bids)
        return POSITION_LIMIT_EXCEEDED
    return 0


@kernel
def _hold_curve(exchange: Any, curve: int, owed: int, bids: int, offers: int) -> None:
    """Set aside again what the old curve had, whatever the limits are by now."""
    auction = exchange.dayahead
    own = auction.curves[curve]
    if owed == 0 and bids == 0 and offers == 0:
        return
    market = int(own.market)
    slot = auction_product_slot(auction, market // PERIODS, market % PERIODS)
    own.owed_minor = owed
    own.bid_lots = bids
    own.offer_lots = offers
    auction.markets[market].curve_lots += bids + offers
    exchange.participants[own.account_id].cash.reserved_minor += owed
    position = exchange.positions[exchange.position_at[slot, own.account_id]].lots
    position.expected_minor += bids
    position.reserved_minor += offers
