"""The call auction: one price for all, then trades at it in price-time priority.

The price is the one with the largest volume, then the smallest surplus, then the nearest to the
product's reference price (the order of the rules of EUREX and EPEX opening auctions).
"""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.exchange.kernels.answers import head_answer, report_fill
from ringmain.exchange.kernels.book import reduce_order, remove_order
from ringmain.exchange.kernels.credit import settle_trades
from ringmain.exchange.kernels.icebergs import trade_iceberg
from ringmain.exchange.kernels.levels import best_level, ladder_of, level_after, side_of
from ringmain.exchange.kernels.orders import open_lots
from ringmain.exchange.messages import AUCTION, BUY, SELL, AuctionUncrossed
from ringmain.exchange.state import FILLS_PER_COMMAND, PRICE_TICKS_MAX, PRICE_TICKS_MIN

AUCTION_UNCROSSED = AuctionUncrossed.kind
NOBODY = 0


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
        buy_slot = matching.levels[best_level(matching, bids)].first
        sell_slot = matching.levels[best_level(matching, asks)].first
        lots = min(open_lots(matching, buy_slot), open_lots(matching, sell_slot))
        lots = min(lots, int(product.auction_left_lots))
        _fill(events[count], request, matching, buy_slot, product_id, bids, trades, price_ticks, lots)
        _fill(events[count + 1], request, matching, sell_slot, product_id, asks, trades, price_ticks, lots)
        count = _consume(matching, request, buy_slot, product_id, lots, events, count + 2)
        count = _consume(matching, request, sell_slot, product_id, lots, events, count)
        product.auction_left_lots -= lots
        trades += 1
    settle_trades(exchange, slot, NOBODY, events, first, count)
    return count


@kernel
def _fill(
    event: Any,
    request: Any,
    matching: Any,
    slot: int,
    product_id: int,
    ladder: int,
    trade_index: int,
    price_ticks: int,
    lots: int,
) -> None:
    order = matching.orders[slot]
    limit_ticks = matching.levels[order.level].price_ticks
    assert (limit_ticks >= price_ticks) == (side_of(ladder) == BUY) or limit_ticks == price_ticks
    report_fill(
        event, request, order.session_id, order.session_number, order.account_id, product_id, ladder,
        AUCTION, trade_index, price_ticks, limit_ticks, lots, open_lots(matching, slot) - lots,
        0 if _is_iceberg(matching, slot) else lots,
    )  # fmt: skip


@kernel
def _consume(
    matching: Any, request: Any, slot: int, product_id: int, lots: int, events: Any, count: int
) -> int:
    """Take traded lots from an order, which leaves the book when none are left."""
    if _is_iceberg(matching, slot):
        return trade_iceberg(matching, request, slot, product_id, lots, events, count)
    if lots == matching.orders[slot].lots:
        remove_order(matching, slot)
    else:
        reduce_order(matching, slot, lots)
    return count


@kernel
def _is_iceberg(matching: Any, slot: int) -> bool:
    return matching.orders[slot].is_special == 1 and matching.specials[slot].display_lots > 0


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
