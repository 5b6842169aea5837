"""The fallback: each market's curves cleared by themselves, without blocks and flows; and the clean-up."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.dayahead_state import CURVE_BUCKETS, FREE_BLOCK, GROUPS, LINES, PERIODS
from ringmain.exchange.kernels.dayahead_curves import curve_lots
from ringmain.exchange.kernels.dayahead_setup import clear_sums
from ringmain.exchange.kernels.dayahead_verify import divide_market


@kernel
def clear_curves_alone(auction: Any, index: int) -> None:
    """Find a market's price and what it trades, from its curves alone."""
    lowest, highest = _balanced_prices(auction, index)
    assert lowest <= highest
    market = auction.markets[index]
    market.price_ticks = price_between(
        lowest, highest, int(auction.price_min_ticks), int(auction.price_max_ticks)
    )
    market.is_priced = 1
    _sum_market(auction, index, int(market.price_ticks))
    excess_lots = divide_market(auction, index)
    assert excess_lots == 0


@kernel
def price_between(lowest: int, highest: int, price_min: int, price_max: int) -> int:
    """Choose among prices that all balance a market.

    The middle, rounded down; where a bound of the auction is the only thing on one side, the other
    side's end, which an order has set; without any order the price nearest to 0.
    """
    if lowest == price_min and highest == price_max:
        return min(max(0, price_min), price_max)
    if lowest == price_min:
        return highest
    if highest == price_max:
        return lowest
    return (lowest + highest) // 2


@kernel
def _balanced_prices(auction: Any, index: int) -> tuple[int, int]:
    """Return the lowest and the highest price at which what is bid and what is offered can balance."""
    low, high = int(auction.price_min_ticks), int(auction.price_max_ticks)
    while low < high:  # the lowest price with not too much demand
        middle = low + (high - low) // 2
        if _excess_at_least(auction, index, middle) <= 0:
            high = middle
        else:
            low = middle + 1
    lowest = low
    low, high = int(auction.price_min_ticks), int(auction.price_max_ticks)
    while low < high:  # the highest price with not too much supply
        middle = low + (high - low + 1) // 2
        if _excess_at_most(auction, index, middle) >= 0:
            low = middle
        else:
            high = middle - 1
    return lowest, low


@kernel
def _excess_at_least(auction: Any, index: int, price_ticks: int) -> int:
    """Return bids less offers, if at the price everyone sells and nobody buys."""
    _sum_market(auction, index, price_ticks)
    market = auction.markets[index]
    return market.bids_sure - market.offers_sure - market.offers_marginal


@kernel
def _excess_at_most(auction: Any, index: int, price_ticks: int) -> int:
    """Return bids less offers, if at the price everyone buys and nobody sells."""
    _sum_market(auction, index, price_ticks)
    market = auction.markets[index]
    return market.bids_sure + market.bids_marginal - market.offers_sure


@kernel
def _sum_market(auction: Any, index: int, price_ticks: int) -> None:
    market = auction.markets[index]
    market.bids_sure = 0
    market.bids_marginal = 0
    market.offers_sure = 0
    market.offers_marginal = 0
    curve = int(market.first_curve)
    while curve != 0:
        bids_sure, bids_marginal, offers_sure, offers_marginal = curve_lots(auction, curve, price_ticks)
        market.bids_sure += bids_sure
        market.bids_marginal += bids_marginal
        market.offers_sure += offers_sure
        market.offers_marginal += offers_marginal
        curve = int(auction.curves[curve].next)


@kernel
def wipe_auction(auction: Any) -> None:
    """Leave nothing of the auction but its id and the blocks' ids."""
    _wipe_orders(auction)
    for zone in range(auction.zone_count):
        auction.first_product_id[zone] = 0
        for period in range(auction.period_count):
            _wipe_market(auction.markets[zone * PERIODS + period])
    for number in range(LINES):
        line = auction.lines[number]
        line.is_defined = 0
        line.from_zone = 0
        line.to_zone = 0
        for period in range(auction.period_count):
            line.forward_lots[period] = 0
            line.backward_lots[period] = 0
            line.flow_lots[period] = 0
    auction.due_ns = 0
    auction.gate_ns = 0
    auction.result_ns = 0
    auction.welfare_tick_lots = 0
    auction.congestion_minor = 0
    auction.value_minor = 0
    auction.gap_millionths = 0
    auction.price_min_ticks = 0
    auction.price_max_ticks = 0
    auction.cursor = 0
    auction.curve_count = 0
    auction.block_count = 0
    auction.paradox_count = 0
    auction.period_count = 0
    auction.zone_count = 0
    auction.outcome = 0
    auction.stage = 0


@kernel
def _wipe_orders(auction: Any) -> None:
    for bucket in range(CURVE_BUCKETS):
        auction.curve_at[bucket] = 0
    for curve in range(1, int(auction.curve_pool.count) + 1):
        _wipe_curve(auction.curves[curve])
    for index in range(1, int(auction.segment_pool.highest) + 1):
        segment = auction.segments[index]
        segment.begin_ticks = 0
        segment.end_ticks = 0
        segment.lots = 0
        segment.next = 0
    for slot in range(1, int(auction.block_pool.highest) + 1):
        block = auction.blocks[slot]
        block.phase = FREE_BLOCK
        block.ratio = 0
        block.next = 0
        for period in range(auction.period_count):
            block.lots[period] = 0
    for slot in range(1, GROUPS):
        auction.groups[slot].ratio = 0
        auction.groups[slot].account_id = 0
        auction.groups[slot].number = 0
        auction.groups[slot].block_count = 0
    for session_id in range(auction.filling.size):
        auction.filling[session_id] = 0
    _wipe_pool(auction.curve_pool)
    _wipe_pool(auction.segment_pool)
    _wipe_pool(auction.block_pool)


@kernel
def _wipe_pool(pool: Any) -> None:
    pool.free = 0
    pool.highest = 0
    pool.count = 0


@kernel
def _wipe_curve(curve: Any) -> None:
    curve.owed_minor = 0
    curve.bid_lots = 0
    curve.offer_lots = 0
    curve.first = 0
    curve.coming_first = 0
    curve.coming_last = 0
    curve.coming_session_id = 0
    curve.account_id = 0
    curve.market = 0
    curve.next = 0
    curve.coming_count = 0
    curve.coming_total = 0


@kernel
def _wipe_market(market: Any) -> None:
    market.curve_lots = 0
    clear_sums(market)
    market.passed_bids = 0
    market.passed_offers = 0
    market.price_ticks = 0
    market.first_curve = 0
    market.last_curve = 0
    market.is_priced = 0
