"""The call auction: one price for all, then trades at it in price-time priority.

The price is the one with the largest volume, then the smallest surplus, then the nearest to the
product's reference price (the order of the rules of EUREX and EPEX opening auctions).
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.answers import head_answer, report_fill
from ringmain.exchange.kernels.book import consume
from ringmain.exchange.kernels.credit import settle_trades
from ringmain.exchange.kernels.levels import best_level, ladder_of, level_after
from ringmain.exchange.messages import AUCTION, BUY, SELL, AuctionUncrossed
from ringmain.exchange.state import FILLS_PER_COMMAND, PRICE_TICKS_MAX, PRICE_TICKS_MIN

AUCTION_UNCROSSED = AuctionUncrossed.kind


@kernel
def set_auction_price(exchange: Any, slot: int, request: Any, event: Any) -> None:
    """Find price, volume and surplus of a book that may be crossed, keep them, and say so."""
    product = exchange.products[slot]
    reference_ticks = int(product.reference_price_ticks)
    price_ticks, volume_lots, surplus_lots = auction_price(exchange.matching, slot, reference_ticks)
    product.auction_price_ticks = price_ticks
    product.auction_left_lots = volume_lots
    head_answer(event, request, AUCTION_UNCROSSED)
    uncrossed = event.auction_uncrossed
    uncrossed.volume_lots = volume_lots
    uncrossed.surplus_lots = surplus_lots
    uncrossed.product_id = product.product_id
    uncrossed.price_ticks = price_ticks


@kernel
def auction_price(matching: Any, slot: int, reference_ticks: int) -> tuple[int, int, int]:
    """Return the uniform price, the volume that trades at it, and the bids less the offers left.

    Bids and offers are paired from the best on while they cross. Every price between the last
    offer and the last bid that were paired gives the same, largest volume; between them at most
    one side has a surplus, which the next level of either side bounds.
    """
    bid, ask = best_level(matching, ladder_of(slot, BUY)), best_level(matching, ladder_of(slot, SELL))
    bid_lots, ask_lots = matching.levels[bid].lots, matching.levels[ask].lots
    last_bid, last_ask, volume_lots = 0, 0, 0
    while bid != 0 and ask != 0 and matching.levels[bid].price_ticks >= matching.levels[ask].price_ticks:
        last_bid, last_ask = bid, ask
        paired = min(bid_lots, ask_lots)
        volume_lots += paired
        bid_lots -= paired
        ask_lots -= paired
        if bid_lots == 0:
            bid = _next_level(matching, bid)
            bid_lots = matching.levels[bid].lots
        if ask_lots == 0:
            ask = _next_level(matching, ask)
            ask_lots = matching.levels[ask].lots
    if volume_lots == 0:
        return reference_ticks, 0, 0
    low = int(matching.levels[last_ask].price_ticks)
    high = int(matching.levels[last_bid].price_ticks)
    if bid == last_bid:  # bids are left at the last price: the higher, the fewer
        beneath = _price_or(matching, _next_level(matching, bid), PRICE_TICKS_MIN - 1)
        return _nearest(reference_ticks, max(low, beneath + 1), high), volume_lots, bid_lots
    if ask == last_ask:
        beyond = _price_or(matching, _next_level(matching, ask), PRICE_TICKS_MAX + 1)
        return _nearest(reference_ticks, low, min(high, beyond - 1)), volume_lots, -ask_lots
    beneath = _price_or(matching, bid, PRICE_TICKS_MIN - 1)
    beyond = _price_or(matching, ask, PRICE_TICKS_MAX + 1)
    if beneath + 1 < beyond:
        return _nearest(reference_ticks, max(low, beneath + 1), min(high, beyond - 1)), volume_lots, 0
    # The best bid and offer left are a tick apart: up to the one and from the other on there is a surplus.
    if bid_lots < ask_lots or (bid_lots == ask_lots and reference_ticks <= beneath):
        lower = _price_or(matching, _next_level(matching, bid), PRICE_TICKS_MIN - 1)
        return _nearest(reference_ticks, max(low, lower + 1), beneath), volume_lots, bid_lots
    higher = _price_or(matching, _next_level(matching, ask), PRICE_TICKS_MAX + 1)
    return _nearest(reference_ticks, beyond, min(high, higher - 1)), volume_lots, -ask_lots


@kernel
def uncross_portion(exchange: Any, slot: int, request: Any, events: Any, count: int) -> int:
    """Trade up to FILLS_PER_COMMAND pairs at the auction's price, and settle them."""
    matching, product = exchange.matching, exchange.products[slot]
    bids, asks = ladder_of(slot, BUY), ladder_of(slot, SELL)
    price_ticks, product_id = product.auction_price_ticks, product.product_id
    first, trades = count, 0
    while product.auction_left_lots > 0 and trades < FILLS_PER_COMMAND:
        bid_level = matching.levels[best_level(matching, bids)]
        ask_level = matching.levels[best_level(matching, asks)]
        assert ask_level.price_ticks <= price_ticks <= bid_level.price_ticks
        buy_slot, sell_slot = bid_level.first, ask_level.first
        lots = min(int(matching.orders[buy_slot].lots), int(matching.orders[sell_slot].lots))
        lots = min(lots, product.auction_left_lots)
        buy, sell = events[count], events[count + 1]
        _fill(buy, request, matching.orders[buy_slot], product_id, bids, trades, price_ticks, bid_level, lots)
        _fill(
            sell, request, matching.orders[sell_slot], product_id, asks, trades, price_ticks, ask_level, lots
        )
        consume(matching, buy_slot, lots)
        consume(matching, sell_slot, lots)
        product.auction_left_lots -= lots
        count += 2
        trades += 1
    settle_trades(exchange, slot, events, first, count)
    return count


@kernel
def _fill(
    event: Any,
    request: Any,
    order: Any,
    product_id: int,
    ladder: int,
    trade_index: int,
    price_ticks: int,
    level: Any,
    lots: int,
) -> None:
    report_fill(
        event, request, order.session_id, order.session_number, order.account_id, product_id,
        ladder, AUCTION, trade_index, price_ticks, level.price_ticks, lots, order.lots - lots,
    )  # fmt: skip


@kernel
def _next_level(matching: Any, level: int) -> int:
    return level_after(matching, matching.levels[level].ladder, matching.levels[level].key)


@kernel
def _price_or(matching: Any, level: int, otherwise_ticks: int) -> int:
    return int(matching.levels[level].price_ticks) if level != 0 else otherwise_ticks


@kernel
def _nearest(price_ticks: int, low: int, high: int) -> int:
    assert low <= high
    return min(max(price_ticks, low), high)
