"""What the bridge makes of the records of one market for the other."""

import pytest

from ringmain.bridge.orders import _award, _end, _order
from ringmain.exchange import messages as exchange
from ringmain.vpp import messages as vpp

BID = {"product_id": 7, "price_ticks": -120, "quantity_lots": 9, "bid_id": 44}


@pytest.mark.parametrize(
    ("force", "expected"),
    [(vpp.REST, exchange.GOOD_FOR_SESSION), (vpp.IMMEDIATE_OR_CANCEL, exchange.IOC)],
)
@pytest.mark.parametrize(("side", "sides"), [(vpp.BUY, exchange.BUY), (vpp.SELL, exchange.SELL)])
def test_a_bid_becomes_an_order(force, expected, side, sides):
    order = exchange.PlaceOrder.unpack(_order({**BID, "side": side, "time_in_force": force}))
    assert (order["product_id"], order["price_ticks"], order["quantity_lots"]) == (7, -120, 9)
    assert (order["side"], order["time_in_force"], order["order_type"]) == (sides, expected, exchange.LIMIT)


def event(record, **values):
    names = {field.name: 0 for field in record.fields}
    return record(**{**names, **values})


def test_a_fill_becomes_an_award():
    fill = event(exchange.OrderFilled, price_ticks=-5, quantity_lots=3, product_id=7, side=exchange.SELL)
    fill["sequence"] = 991
    award = vpp.RecordAward.unpack(_award(fill, 44))
    assert (award["bid_id"], award["price_ticks"], award["quantity_lots"]) == (44, -5, 3)
    assert (award["side"], award["exchange_sequence"]) == (vpp.SELL, 991)


@pytest.mark.parametrize(
    ("reason", "ending"),
    [("BY_OWNER", vpp.CANCELLED), ("GATE_CLOSURE", vpp.EXPIRED), ("IOC_REMAINDER", vpp.EXPIRED)],
)
def test_a_cancellation_ends_the_bid(reason, ending):
    cancelled = event(exchange.OrderCancelled, reason=exchange.CANCELLATIONS[reason])
    assert vpp.RecordOrderEnded.unpack(_end(cancelled, 44))["ending"] == ending


def test_only_a_refused_order_ends_its_bid():
    refused = event(exchange.OrderRejected, rejected_kind=exchange.PlaceOrder.kind, reason=6)
    assert vpp.RecordOrderEnded.unpack(_end(refused, 44))["ending"] == vpp.REFUSED
    assert _end(event(exchange.OrderRejected, rejected_kind=exchange.CancelOrder.kind), 44) is None
