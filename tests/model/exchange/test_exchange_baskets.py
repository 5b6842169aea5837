"""Linked baskets: all legs or none."""

import pytest
from exchange_rig import CloseSession, check_books, venue

from ringmain.exchange import messages as m
from ringmain.exchange import multileg_messages as mm
from ringmain.exchange import multileg_state as ms
from ringmain.exchange import state as s


def basket(desk, session, *legs):
    """Send a basket of (product, side, price, lots); return the events of its last command."""
    events = desk.send(mm.BeginBasket, session, leg_count=len(legs))
    for product, side, price, lots in legs:
        events = desk.send(
            mm.AddBasketLeg, session, price_ticks=price, quantity_lots=lots, product_id=product, side=side
        )
    return events


def two_books():
    desk = venue()
    desk.product(2)
    desk.place(11, m.SELL, 50, 10, product=1)
    desk.place(11, m.BUY, 40, 10, product=2)
    return desk


def test_all_legs_trade_at_the_makers_prices():
    desk = two_books()
    events = basket(desk, 12, (1, m.BUY, 60, 10), (2, m.SELL, 30, 4))
    assert [e["record"] for e in events] == ["BasketExecuted"] + 4 * ["OrderFilled"]
    assert [(e["product_id"], e["price_ticks"], e["trade_index"]) for e in events[1::2]] == [
        (1, 50, 0),
        (2, 40, 1),
    ]
    assert desk.state().participants[2].cash.reserved_minor == 0
    assert desk.state().participants[2].cash.balance_minor == 10**12 - 50 * 10 * 1_000 + 40 * 4 * 1_000
    check_books(desk.state())


def test_one_leg_that_cannot_be_filled_keeps_all_from_trading():
    desk = two_books()
    before = desk.machine.digest()
    events = basket(desk, 12, (1, m.BUY, 60, 10), (2, m.SELL, 30, 11))
    assert [(e["record"], e["leg_index"], e["reason"]) for e in events] == [
        ("BasketRejected", 1, "BASKET_LEG_UNFILLED")
    ]
    assert desk.machine.digest() != before  # the session's count has moved on
    assert desk.state().matching.order_pool.count == 2
    check_books(desk.state())


@pytest.mark.parametrize(
    ("leg", "reason"),
    [
        ((9, m.BUY, 60, 1), "UNKNOWN_PRODUCT"),
        ((1, m.SELL, 40, 1), "BASKET_LEG_REPEATED"),  # it would cross the first
        ((2, 3, 40, 1), "WRONG_SIDE"),
        ((2, m.SELL, 2**23, 1), "PRICE_OUT_OF_RANGE"),
        ((2, m.SELL, 30, 0), "QUANTITY_OUT_OF_RANGE"),
        ((2, m.SELL, 30, s.LOTS_MAX + 1), "QUANTITY_ABOVE_MAXIMUM"),
        ((2, m.SELL, 41, 1), "BASKET_LEG_UNFILLED"),
        ((3, m.SELL, 41, 1), "WRONG_PHASE"),
    ],
)
def test_a_leg_that_is_at_fault_is_named(leg, reason):
    desk = two_books()
    desk.product(3, auction=10)
    events = basket(desk, 12, (1, m.BUY, 60, 10), leg)
    assert [(e["record"], e["leg_index"], e["reason"]) for e in events] == [("BasketRejected", 1, reason)]
    assert [e["reason"] for e in basket(desk, 12)[:1]] == ["BASKET_LEGS_OUT_OF_RANGE"]
    check_books(desk.state())


def test_what_the_account_cannot_afford_together_is_set_back():
    desk = two_books()
    desk.account(5, cash=600_000, long=10**6, short=3)
    desk.open(15, 5)
    assert basket(desk, 15, (2, m.SELL, 30, 4), (1, m.BUY, 60, 9))[0]["reason"] == "POSITION_LIMIT_EXCEEDED"
    refused = basket(desk, 15, (2, m.SELL, 30, 3), (1, m.BUY, 61, 10))
    assert (refused[0]["reason"], refused[0]["leg_index"]) == ("CREDIT_EXCEEDED", 1)
    check_books(desk.state())
    assert basket(desk, 15, (2, m.SELL, 30, 3), (1, m.BUY, 60, 10))[0]["record"] == "BasketExecuted"
    check_books(desk.state())


def test_a_basket_has_a_limit_of_fills():
    desk = venue()
    desk.product(2)
    for product in (1, 2):
        for _ in range(s.FILLS_PER_COMMAND // 2 + 1):
            desk.place(11, m.SELL, 5, 1, product=product)
    half = s.FILLS_PER_COMMAND // 2
    events = basket(desk, 12, (1, m.BUY, 5, half), (2, m.BUY, 5, half + 1))
    assert [(e["leg_index"], e["reason"]) for e in events] == [(1, "BASKET_FILLS_EXCEEDED")]
    events = basket(desk, 12, (1, m.BUY, 5, half), (2, m.BUY, 5, half))
    assert len(events) == 1 + 2 * s.FILLS_PER_COMMAND
    assert [e["trade_index"] for e in events[1::2]] == list(range(s.FILLS_PER_COMMAND))


def test_pro_rata_fills_a_leg_that_many_share():
    desk = venue(rules={"allocation": m.PRO_RATA})
    for _ in range(100):
        desk.place(11, m.SELL, 5, 2)
    assert basket(desk, 12, (1, m.BUY, 5, 86))[0]["reason"] == "BASKET_LEG_UNFILLED"  # up to 129 trades
    assert basket(desk, 12, (1, m.BUY, 5, 84))[0]["record"] == "BasketExecuted"
    check_books(desk.state())


def test_a_hundred_legs():
    desk = venue()
    for number in range(2, 102):
        desk.product(number)
        desk.place(11, m.SELL, number, 1, product=number)
    legs = [(number, m.BUY, number, 1) for number in range(2, 102)]
    events = basket(desk, 12, *legs)
    assert [e["record"] for e in events] == ["BasketExecuted"] + 200 * ["OrderFilled"]
    assert basket(desk, 12, *legs, (1, m.BUY, 1, 1))[0]["reason"] == "BASKET_NOT_BEGUN"
    check_books(desk.state())


def test_an_unfinished_basket_is_dropped():
    desk = two_books()
    desk.send(mm.BeginBasket, 12, leg_count=3)
    again = desk.send(mm.BeginBasket, 12, leg_count=2)
    assert [(e["record"], e.get("reason")) for e in again] == [
        ("BasketDropped", "BASKET_SUPERSEDED"),
        ("BasketBegun", None),
    ]
    closed = desk.send(CloseSession, 12)
    assert [(e["record"], e["reason"]) for e in closed] == [("BasketDropped", "SESSION_CLOSED")]
    assert desk.state().preparing.basket_of[12] == 0


def test_baskets_in_preparation_have_a_limit():
    desk = venue()
    for session in range(100, 100 + ms.BASKETS + 1):
        desk.open(session, 1)
        events = desk.send(mm.BeginBasket, session, leg_count=1)
    assert events[0]["reason"] == "BASKETS_FULL"
    desk.send(CloseSession, 100)
    assert desk.send(mm.BeginBasket, session, leg_count=1)[0]["record"] == "BasketBegun"


def test_a_stop_order_that_a_leg_brings_in_comes_after_all_legs():
    desk = two_books()
    desk.place(13, m.BUY, 55, 1, type=m.STOP_LIMIT, stop_ticks=50)
    events = basket(desk, 12, (1, m.BUY, 50, 9), (2, m.SELL, 40, 1))
    assert [e["record"] for e in events] == ["BasketExecuted"] + 4 * ["OrderFilled"] + [
        "OrderTriggered",
        "OrderFilled",
        "OrderFilled",
    ]
