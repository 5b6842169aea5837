"""The day-ahead auction's timers: freeze, clear the curves alone if need be, book in portions, end.

The operator's account stands between all awards. What it holds of a product afterwards is what the
zone imports (below zero) or exports, and what it earns is the price difference on the lines.
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.dayahead_messages import (
    ABSENT,
    BOOKING,
    FALLBACK,
    FROZEN,
    OPEN,
    PRICING,
    RATIO_ONE,
    VOID,
    AuctionEnded,
    BlockAwarded,
    CurveAwarded,
    FlowSet,
    PriceSet,
)
from ringmain.exchange.dayahead_state import (
    AWARDS_PER_STEP,
    BLOCK_AWARDS,
    COUNTING,
    CURVE_AWARDS,
    END,
    FLOWS,
    LINES,
    MARKETS_PRICED_PER_STEP,
    PERIODS,
    PRICES,
)
from ringmain.exchange.kernels.answers import head_answer
from ringmain.exchange.kernels.dayahead_answers import enter_phase
from ringmain.exchange.kernels.dayahead_blocks import release_block
from ringmain.exchange.kernels.dayahead_clearing import clear_curves_alone, wipe_auction
from ringmain.exchange.kernels.dayahead_curves import curve_lots, release_curve
from ringmain.exchange.kernels.dayahead_setup import OPERATOR, auction_product_slot, forget_proposal
from ringmain.exchange.kernels.dayahead_verify import begin_booking, block_part, own_surplus
from ringmain.exchange.kernels.timers import set_deadline
from ringmain.ledger.accounts import post

PRICE_SET, FLOW_SET, CURVE_AWARDED = PriceSet.kind, FlowSet.kind, CurveAwarded.kind
BLOCK_AWARDED, AUCTION_ENDED = BlockAwarded.kind, AuctionEnded.kind


@kernel
def auction_is_due(exchange: Any, time_ns: int) -> bool:
    """Tell whether the auction changes by itself at this time."""
    due_ns = exchange.dayahead.due_ns
    return due_ns != 0 and due_ns <= time_ns


@kernel
def run_auction(exchange: Any, request: Any, events: Any, count: int) -> int:
    """Do one portion of what is due; return the next event row."""
    auction = exchange.dayahead
    if auction.phase == OPEN:
        auction.due_ns = auction.result_ns
        enter_phase(auction, FROZEN, request, events[count])
        count += 1
    elif auction.phase == FROZEN:
        forget_proposal(auction)
        auction.outcome = FALLBACK
        auction.cursor = 0
        auction.due_ns = max(request.head.time_ns, 1)
        enter_phase(auction, PRICING, request, events[count])
        count += 1
    elif auction.phase == PRICING:
        count = _price_portion(auction, request, events, count)
    else:
        assert auction.phase == BOOKING
        count = _book_portion(exchange, request, events, count)
    set_deadline(exchange, request.head.time_ns)
    return count


@kernel
def _price_portion(auction: Any, request: Any, events: Any, count: int) -> int:
    periods = int(auction.period_count)
    total = int(auction.zone_count) * periods
    for _ in range(MARKETS_PRICED_PER_STEP):
        if auction.cursor < total:
            place = int(auction.cursor)
            clear_curves_alone(auction, place // periods * PERIODS + place % periods)
            auction.cursor += 1
    if auction.cursor < total:
        return count
    begin_booking(auction, request, events[count])
    return count + 1


@kernel
def _book_portion(exchange: Any, request: Any, events: Any, count: int) -> int:
    auction = exchange.dayahead
    end = count + AWARDS_PER_STEP
    while auction.stage < END:
        if count == end:
            return count
        if auction.stage == PRICES:
            count = _set_prices(auction, request, events, count, end)
        elif auction.stage == FLOWS:
            count = _set_flows(auction, request, events, count, end)
        elif auction.stage == CURVE_AWARDS:
            count = _award_curves(exchange, request, events, count, end)
        else:
            assert auction.stage == BLOCK_AWARDS
            count = _award_blocks(exchange, request, events, count, end)
    _report_end(auction, request, events[count])
    wipe_auction(auction)
    enter_phase(auction, ABSENT, request, events[count + 1])
    return count + 2


@kernel
def _next_stage(auction: Any) -> None:
    auction.stage += 1
    auction.cursor = 0


@kernel
def _set_prices(auction: Any, request: Any, events: Any, count: int, end: int) -> int:
    periods = int(auction.period_count)
    total = int(auction.zone_count) * periods
    while count < end and auction.cursor < total:
        zone, period = int(auction.cursor) // periods, int(auction.cursor) % periods
        market = auction.markets[zone * PERIODS + period]
        head_answer(events[count], request, PRICE_SET)
        price = events[count].price_set
        price.bought_lots = market.bought_lots
        price.sold_lots = market.sold_lots
        price.auction_id = auction.auction_id
        price.price_ticks = market.price_ticks
        price.zone = zone
        price.period = period
        auction.cursor += 1
        count += 1
    if auction.cursor == total:
        _next_stage(auction)
    return count


@kernel
def _set_flows(auction: Any, request: Any, events: Any, count: int, end: int) -> int:
    periods = int(auction.period_count)
    total = LINES * periods
    while count < end and auction.cursor < total:
        number, period = int(auction.cursor) // periods, int(auction.cursor) % periods
        auction.cursor += 1
        line = auction.lines[number]
        if line.is_defined == 1:
            begin_ticks = int(auction.markets[int(line.from_zone) * PERIODS + period].price_ticks)
            end_ticks = int(auction.markets[int(line.to_zone) * PERIODS + period].price_ticks)
            flow_lots = int(line.flow_lots[period])
            congestion_minor = flow_lots * (end_ticks - begin_ticks) * int(auction.value_minor)
            auction.congestion_minor += congestion_minor
            head_answer(events[count], request, FLOW_SET)
            flow = events[count].flow_set
            flow.congestion_minor = congestion_minor
            flow.auction_id = auction.auction_id
            flow.flow_lots = flow_lots
            flow.line = number
            flow.period = period
            count += 1
    if auction.cursor == total:
        _next_stage(auction)
    return count


@kernel
def _award_curves(exchange: Any, request: Any, events: Any, count: int, end: int) -> int:
    auction = exchange.dayahead
    total = int(auction.curve_pool.count)
    while count < end and auction.cursor < total:
        auction.cursor += 1
        curve = int(auction.cursor)
        if auction.curves[curve].first != 0:
            _award_curve(exchange, curve, request, events[count])
            count += 1
    if auction.cursor == total:
        _next_stage(auction)
    return count


@kernel
def _award_curve(exchange: Any, curve: int, request: Any, event: Any) -> None:
    """Give a curve what is better than the price, and its share of what stands at it."""
    auction = exchange.dayahead
    own = auction.curves[curve]
    index = int(own.market)
    market = auction.markets[index]
    bought_lots, sold_lots = 0, 0
    if auction.outcome != VOID:
        bought_lots, bids_marginal, sold_lots, offers_marginal = curve_lots(
            auction, curve, int(market.price_ticks)
        )
        bought_lots += share(market.passed_bids, bids_marginal, market.marginal_bought, market.bids_marginal)
        sold_lots += share(
            market.passed_offers, offers_marginal, market.marginal_sold, market.offers_marginal
        )
        market.passed_bids += bids_marginal
        market.passed_offers += offers_marginal
    release_curve(exchange, curve)
    slot = auction_product_slot(auction, index // PERIODS, index % PERIODS)
    net_lots = bought_lots - sold_lots
    amount_minor = -net_lots * int(market.price_ticks) * int(auction.value_minor)
    _pay(exchange, own.account_id, amount_minor)
    _move(exchange, slot, own.account_id, net_lots)
    head_answer(event, request, CURVE_AWARDED)
    awarded = event.curve_awarded
    awarded.amount_minor = amount_minor
    awarded.bought_lots = bought_lots
    awarded.sold_lots = sold_lots
    awarded.auction_id = auction.auction_id
    awarded.account_id = own.account_id
    awarded.price_ticks = market.price_ticks
    awarded.zone = index // PERIODS
    awarded.period = index % PERIODS


@kernel
def share(passed_lots: int, own_lots: int, accepted_lots: int, all_lots: int) -> int:
    """Return the part of `accepted_lots` for an order at the price, in proportion to its lots.

    Orders come in the order of their curves' first segments. Each has what all orders up to it are
    due, rounded down, less what those before it have had: the parts sum to the whole exactly.
    """
    if own_lots == 0:
        return 0
    until = (passed_lots + own_lots) * accepted_lots // all_lots
    return until - passed_lots * accepted_lots // all_lots


@kernel
def _award_blocks(exchange: Any, request: Any, events: Any, count: int, end: int) -> int:
    auction = exchange.dayahead
    total = int(auction.block_pool.highest)
    while count < end and auction.cursor < total:
        auction.cursor += 1
        slot = int(auction.cursor)
        if auction.blocks[slot].phase == COUNTING:
            _award_block(exchange, slot, request, events[count])
            count += 1
    if auction.cursor == total:
        _next_stage(auction)
    return count


@kernel
def _award_block(exchange: Any, slot: int, request: Any, event: Any) -> None:
    auction = exchange.dayahead
    block = auction.blocks[slot]
    ratio, zone, tick_lots = int(block.ratio), int(block.zone), 0
    surplus = own_surplus(auction, slot, RATIO_ONE) if auction.outcome != VOID else 0
    if surplus > 0 and ratio == 0:
        auction.paradox_count += 1
    release_block(exchange, slot)
    for period in range(int(block.first_period), int(block.first_period) + int(block.period_count)):
        part = block_part(int(block.lots[period]), ratio)
        tick_lots -= part * int(auction.markets[zone * PERIODS + period].price_ticks)
        _move(exchange, auction_product_slot(auction, zone, period), block.account_id, part)
    amount_minor = tick_lots * int(auction.value_minor)
    _pay(exchange, block.account_id, amount_minor)
    head_answer(event, request, BLOCK_AWARDED)
    awarded = event.block_awarded
    awarded.amount_minor = amount_minor
    awarded.surplus_tick_lots = surplus
    awarded.auction_id = auction.auction_id
    awarded.block_id = block.block_id
    awarded.account_id = block.account_id
    awarded.ratio_billionths = ratio


@kernel
def _pay(exchange: Any, account_id: int, amount_minor: int) -> None:
    """Move money from the operator to an account; below zero the other way."""
    operator, cash = exchange.participants[OPERATOR].cash, exchange.participants[account_id].cash
    if amount_minor >= 0:
        post(operator, cash, amount_minor)
    else:
        post(cash, operator, -amount_minor)


@kernel
def _move(exchange: Any, slot: int, account_id: int, lots: int) -> None:
    """Move lots from the operator's position to an account's; below zero the other way."""
    if lots == 0:
        return
    operator = exchange.positions[exchange.position_at[slot, OPERATOR]].lots
    position = exchange.positions[exchange.position_at[slot, account_id]].lots
    if lots >= 0:
        post(operator, position, lots)
    else:
        post(position, operator, -lots)


@kernel
def _report_end(auction: Any, request: Any, event: Any) -> None:
    head_answer(event, request, AUCTION_ENDED)
    ended = event.auction_ended
    ended.congestion_minor = auction.congestion_minor
    ended.welfare_tick_lots = auction.welfare_tick_lots
    ended.auction_id = auction.auction_id
    ended.gap_millionths = auction.gap_millionths
    ended.paradox_count = auction.paradox_count
    ended.outcome = auction.outcome
