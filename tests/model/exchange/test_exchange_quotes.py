"""Quotes: two sides that replace the two before them in one step."""

import pytest
from exchange_rig import CloseSession, check_books, venue

from ringmain.core.sessions import SESSIONS
from ringmain.exchange import messages as m
from ringmain.exchange import multileg_messages as mm
from ringmain.exchange import multileg_state as ms
from ringmain.exchange import state as s


def quoting(**product):
    desk = venue(**product)
    desk.send(mm.AllowQuoting, 1, quoter_id=11, is_allowed=1)
    return desk


def quote(desk, bid, bid_lots, offer, offer_lots, session=11, product=1):
    return desk.send(
        mm.PlaceQuote, session, bid_price_ticks=bid, bid_lots=bid_lots, offer_price_ticks=offer,
        offer_lots=offer_lots, product_id=product,
    )  # fmt: skip


def names(events):
    return [(e["record"], e.get("reason")) for e in events]


def test_a_quote_replaces_the_one_before_it_and_frees_what_that_set_aside():
    desk = quoting()
    desk.account(1, cash=0, long=10, short=10)
    first = quote(desk, 40, 10, 50, 10)
    assert [e["record"] for e in first] == ["QuotePlaced", "OrderAccepted", "OrderAccepted"]
    number = desk.numbers[11]
    assert [e["session_number"] for e in first[1:]] == [number, -number]
    second = quote(desk, 41, 10, 51, 10)  # both could not stand beside the first
    assert names(second)[1:3] == 2 * [("OrderCancelled", "QUOTE_REPLACED")]
    assert desk.state().matching.order_pool.count == 2
    check_books(desk.state())


def test_a_quote_that_is_too_much_leaves_the_one_before_it():
    desk = quoting()
    desk.account(1, cash=0, long=10, short=10)
    quote(desk, 40, 10, 50, 10)
    assert names(quote(desk, 41, 10, 51, 11)) == [("OrderRejected", "POSITION_LIMIT_EXCEEDED")]
    assert names(quote(desk, 41, 11, 51, 10)) == [("OrderRejected", "POSITION_LIMIT_EXCEEDED")]
    assert sorted(order.price for order in desk.twin.orders.values()) == [40, 50]
    check_books(desk.state())


def test_each_side_trades_and_the_rest_of_it_rests():
    desk = quoting()
    desk.place(12, m.SELL, 40, 3)
    events = quote(desk, 40, 10, 50, 10)
    assert [e["record"] for e in events] == [
        "QuotePlaced",
        "OrderAccepted",
        "OrderFilled",
        "OrderFilled",
        "OrderAccepted",
    ]
    hit = desk.place(12, m.BUY, 50, 4)
    assert hit[1]["session_number"] == -desk.numbers[11]
    check_books(desk.state())


def test_no_lots_are_no_side_and_no_side_at_all_withdraws():
    desk = quoting()
    quote(desk, 40, 10, 0, 0)
    assert desk.state().matching.order_pool.count == 1
    assert names(quote(desk, 0, 0, 0, 0)) == [("QuotePlaced", None), ("OrderCancelled", "QUOTE_REPLACED")]
    assert desk.state().matching.order_pool.count == 0


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ((50, 1, 50, 1), "QUOTE_CROSSED"),
        ((51, 1, 50, 1), "QUOTE_CROSSED"),
        ((40, -1, 50, 1), "QUANTITY_OUT_OF_RANGE"),
        ((40, 1, 50, s.LOTS_MAX + 1), "QUANTITY_ABOVE_MAXIMUM"),
        ((-(2**23) - 1, 1, 50, 1), "PRICE_OUT_OF_RANGE"),
        ((40, 1, 2**23, 1), "PRICE_OUT_OF_RANGE"),
    ],
)
def test_a_quote_that_is_at_fault_changes_nothing(values, reason):
    desk = quoting()
    quote(desk, 40, 5, 60, 5)
    assert names(quote(desk, *values)) == [("OrderRejected", reason)]
    assert desk.state().matching.order_pool.count == 2
    check_books(desk.state())


def test_the_bid_and_the_offer_are_cancelled_and_replaced_as_orders_are():
    desk = quoting()
    quote(desk, 40, 10, 50, 10)
    number = desk.numbers[11]
    desk.send(m.ReplaceOrder, 11, order_number=-number, price_ticks=49, quantity_lots=6)
    assert names(desk.send(m.CancelOrder, 11, order_number=-number)) == [("OrderCancelled", "BY_OWNER")]
    assert names(desk.send(m.CancelOrder, 11, order_number=-number)) == [("OrderRejected", "UNKNOWN_ORDER")]
    assert names(desk.send(m.CancelOrder, 11, order_number=number)) == [("OrderCancelled", "BY_OWNER")]
    check_books(desk.state())


def test_mass_cancel_and_a_closed_session_take_both_sides():
    desk = quoting()
    desk.open(15, 1, 1)
    desk.send(mm.AllowQuoting, 1, quoter_id=15, is_allowed=1)
    quote(desk, 40, 10, 50, 10)
    quote(desk, 30, 10, 60, 10, session=15)
    assert desk.send(m.MassCancel, 11, product_id=0)[-1]["order_count"] == 2
    assert names(desk.send(CloseSession, 15))[:2] == 2 * [("OrderCancelled", "SESSION_CLOSED")]
    assert desk.state().matching.order_pool.count == 0


def test_many_quotes_are_found_by_their_negative_numbers():
    desk = quoting()
    for product in range(2, 200):
        desk.product(product)
        quote(desk, 40, 1, 50, 1, product=product)
    for product in range(2, 200):
        assert names(quote(desk, 41, 1, 51, 1, product=product))[1][1] == "QUOTE_REPLACED"
    assert desk.state().matching.order_pool.count == 2 * 198
    check_books(desk.state())


def test_who_may_quote_is_the_operators_to_say():
    desk = quoting()
    assert names(quote(desk, 40, 1, 50, 1, session=12)) == [("OrderRejected", "NOT_A_QUOTER")]
    asked = desk.send(mm.AllowQuoting, 12, quoter_id=12, is_allowed=1)
    assert names(asked) == [("SetupRejected", "OPERATOR_ONLY")]
    for session in (0, SESSIONS):
        asked = desk.send(mm.AllowQuoting, 1, quoter_id=session, is_allowed=1)
        assert names(asked) == [("SetupRejected", "SESSION_OUT_OF_RANGE")]
    quote(desk, 40, 1, 50, 1)
    desk.send(mm.AllowQuoting, 1, quoter_id=11, is_allowed=0)
    assert names(quote(desk, 40, 1, 50, 1)) == [("OrderRejected", "NOT_A_QUOTER")]
    desk.send(mm.AllowQuoting, 1, quoter_id=11, is_allowed=1)
    assert names(quote(desk, 41, 1, 50, 1))[:2] == [("QuotePlaced", None), ("OrderAccepted", None)]
    assert desk.state().matching.order_pool.count == 4  # the former quote stands as plain orders


def test_quoters_have_a_limit():
    desk = venue()
    for session in range(100, 100 + ms.QUOTERS):
        assert desk.send(mm.AllowQuoting, 1, quoter_id=session, is_allowed=1)[0]["record"] == "QuotingAllowed"
    asked = desk.send(mm.AllowQuoting, 1, quoter_id=99, is_allowed=1)
    assert names(asked) == [("SetupRejected", "QUOTERS_FULL")]


def test_a_quote_of_a_product_before_is_none_of_the_one_that_has_its_slot():
    desk = quoting(closure=100, kind=m.HOURLY)
    quote(desk, 40, 1, 50, 1)
    desk.tick(100)
    desk.product(1 + s.PRODUCTS, closure=200, kind=m.HOURLY)
    events = quote(desk, 40, 1, 50, 1, product=1 + s.PRODUCTS)
    assert [e["record"] for e in events] == ["QuotePlaced", "OrderAccepted", "OrderAccepted"]
    check_books(desk.state())


def test_a_session_that_speaks_for_another_account_replaces_the_quote_of_the_first():
    desk = quoting()
    quote(desk, 40, 10, 50, 10)
    desk.open(11, 2)
    events = quote(desk, 41, 10, 51, 10)
    assert [e["account_id"] for e in events] == [2, 1, 1, 2, 2]
    check_books(desk.state())
