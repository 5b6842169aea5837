"""Bids in the day-ahead auction: which become curves, and what becomes of them."""

import pytest

from ringmain.bridge.auctions import Auctions, Place, curve_of, withdrawal_of
from ringmain.bridge.orders import _end
from ringmain.bridge.products import Products
from ringmain.exchange import dayahead_messages as dayahead
from ringmain.exchange import messages as exchange
from ringmain.vpp import messages as vpp

BID = {"product_id": 101, "price_ticks": -120, "quantity_lots": 9, "bid_id": 44}
PLACE = Place(5, 0, 1)


def event(record, **values):
    names = {field.name: 0 for field in record.fields}
    return record(**{**names, **values})


def auctions(*phases):
    seen = Auctions()
    seen.fold(event(dayahead.AuctionDefined, auction_id=5, period_count=24, zone_count=1))
    seen.fold(event(dayahead.ZoneDefined, auction_id=5, first_product_id=100))
    for phase in phases:
        seen.fold(event(dayahead.AuctionPhaseChanged, auction_id=5, phase=phase))
    return seen


def test_a_product_has_a_place_while_its_auction_takes_orders():
    assert auctions().place_of(101) is None
    seen = auctions(dayahead.OPEN)
    assert (seen.place_of(101), seen.place_of(99), seen.place_of(124)) == (PLACE, None, None)
    assert seen.product_id(0, 23) == 123
    assert auctions(dayahead.OPEN, dayahead.FROZEN).place_of(101) is None


@pytest.mark.parametrize(("side", "sides"), [(vpp.BUY, exchange.BUY), (vpp.SELL, exchange.SELL)])
def test_a_bid_becomes_a_curve_of_one_step(side, sides):
    said = dayahead.SubmitCurveSegment.unpack(curve_of({**BID, "side": side}, PLACE))
    assert (said["auction_id"], said["zone"], said["period"], said["side"]) == (5, 0, 1, sides)
    assert said["begin_ticks"] == said["end_ticks"] == -120 and said["quantity_lots"] == 9
    assert (said["segment_index"], said["segment_count"]) == (0, 1)
    taken_back = dayahead.CancelAuctionOrder.unpack(withdrawal_of(PLACE))
    assert (taken_back["auction_id"], taken_back["block_id"], taken_back["period"]) == (5, 0, 1)


def test_only_a_refused_curve_ends_its_bid():
    refused = event(
        dayahead.AuctionCommandRejected, rejected_kind=dayahead.SubmitCurveSegment.kind, reason=153
    )
    assert vpp.RecordOrderEnded.unpack(_end(refused, 44))["ending"] == vpp.REFUSED
    other = event(dayahead.AuctionCommandRejected, rejected_kind=dayahead.CancelAuctionOrder.kind)
    assert _end(other, 44) is None


def test_a_call_does_not_overrule_the_day_ahead_price():
    products, hour_ns = Products(), 3_600_000_000_000
    for product_id, kind, start_ns in (
        (7, exchange.HOURLY, hour_ns), (8, exchange.QUARTER_HOURLY, hour_ns), (9, exchange.HOURLY, 0),
    ):  # fmt: skip
        products.command(
            event(
                exchange.ProductDefined, product_id=product_id, product_kind=kind, delivery_start_ns=start_ns
            )
        )
    said = vpp.RecordPrice.unpack(products.day_ahead_price(7, 4_000))
    assert (said["delivery_start_ns"], said["price_ticks"]) == (hour_ns, 4_000)

    def call(product_id):
        return event(exchange.AuctionUncrossed, product_id=product_id, volume_lots=3, price_ticks=50)

    assert products.command(call(7)) is None and products.command(call(8)) is None
    assert vpp.RecordPrice.unpack(products.command(call(9)))["price_ticks"] == 50
    assert products.day_ahead_price(77, 1) is None
