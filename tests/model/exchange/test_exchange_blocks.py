"""Blocks over consecutive delivery periods: all of them, at an average price, or none."""

import pytest
from exchange_rig import CloseSession, check_books, venue

from ringmain.exchange import messages as m
from ringmain.exchange import multileg_messages as mm
from ringmain.exchange import multileg_state as ms
from ringmain.exchange import state as s

HOUR_NS = 3_600_000_000_000


def day(hours=4, closure=10**9):
    """Return a venue with hours 10, 11, … on end."""
    desk = venue()
    for hour in range(hours):
        desk.product(10 + hour, kind=m.HOURLY, closure=closure + hour, start=hour * HOUR_NS)
    return desk


def block(desk, session, side, price, lots, first=10, count=3, tif=m.GOOD_FOR_SESSION):
    return desk.send(
        mm.PlaceBlock, session, price_ticks=price, quantity_lots=lots, first_product_id=first,
        product_count=count, side=side, time_in_force=tif,
    )  # fmt: skip


def names(events):
    return [(e["record"], e.get("reason")) for e in events]


def offer(desk, *prices, session=11, lots=5):
    for hour, price in enumerate(prices):
        desk.place(session, m.SELL, price, lots, product=10 + hour)


def test_a_block_sweeps_its_hours_at_the_makers_prices_within_the_average():
    desk = day()
    offer(desk, 90, 30, 60)
    events = block(desk, 12, m.BUY, 60, 5)
    assert [e["record"] for e in events] == ["BlockPlaced", "BlockFilled"] + 6 * ["OrderFilled"]
    assert events[1]["cost_ticks"] == 180 * 5
    assert [(e["price_ticks"], e["limit_ticks"], e["trade_index"]) for e in events[3::2]] == [
        (90, 60, 0),
        (30, 60, 1),
        (60, 60, 2),
    ]
    assert desk.state().participants[2].cash.balance_minor == 10**12 - 900 * 1_000
    check_books(desk.state())


@pytest.mark.parametrize("tif", [m.IOC, m.FOK])
def test_a_block_that_is_dearer_than_its_average_does_not_trade(tif):
    desk = day()
    offer(desk, 90, 30, 61)
    reason = "IOC_REMAINDER" if tif == m.IOC else "FOK_UNFILLED"
    assert names(block(desk, 12, m.BUY, 60, 5, tif=tif)) == [
        ("BlockPlaced", None),
        ("BlockCancelled", reason),
    ]
    assert desk.state().participants[2].cash.reserved_minor == 0
    check_books(desk.state())


def test_a_block_trades_with_the_best_resting_block_of_the_same_span():
    desk = day()
    block(desk, 11, m.SELL, 50, 5)
    block(desk, 13, m.SELL, 40, 5)
    block(desk, 13, m.SELL, 40, 4)
    block(desk, 13, m.SELL, 10, 5, count=2)
    events = block(desk, 12, m.BUY, 55, 5)
    assert [e["record"] for e in events] == ["BlockPlaced", "BlockFilled", "BlockFilled"] + 6 * [
        "OrderFilled"
    ]
    assert {e["price_ticks"] for e in events[3:]} == {40}
    assert desk.state().blocks.counts.tolist() == [0, 3]
    check_books(desk.state())


def test_the_books_come_first_if_they_are_cheaper_and_the_block_if_they_are_not():
    desk = day()
    block(desk, 11, m.SELL, 50, 5)
    offer(desk, 60, 40, 49, session=13)
    assert {e["account_id"] for e in block(desk, 12, m.BUY, 55, 5) if e.get("role") == m.MAKER} == {3}
    offer(desk, 60, 40, 50, session=13)
    assert {e["account_id"] for e in block(desk, 12, m.BUY, 55, 5) if e.get("role") == m.MAKER} == {1}


def test_an_order_that_completes_the_hours_of_a_resting_block_has_it_traded():
    desk = day()
    assert names(block(desk, 12, m.BUY, 60, 5)) == [("BlockPlaced", None)]
    offer(desk, 80, 50)
    assert desk.tick() == []
    desk.place(11, m.SELL, 51, 5, product=12)
    assert desk.tick() == []  # too dear by one tick
    desk.send(m.ReplaceOrder, 11, order_number=desk.numbers[11], price_ticks=50, quantity_lots=5)
    assert [e["record"] for e in desk.tick()] == ["BlockFilled"] + 6 * ["OrderFilled"]
    assert desk.state().products["block_count"].sum() == 0
    check_books(desk.state())


def test_a_halted_hour_keeps_a_block_from_trading_until_it_goes_on():
    desk = day()
    block(desk, 12, m.BUY, 60, 5)
    offer(desk, 60, 60)
    desk.send(m.HaltProduct, 1, product_id=11)
    desk.place(11, m.SELL, 60, 5, product=12)
    assert desk.tick() == []
    desk.send(m.ResumeProduct, 1, product_id=11)
    assert desk.tick()[0]["record"] == "BlockFilled"


def test_a_bid_for_less_than_nothing_and_an_offer_that_pays():
    desk = day()
    desk.account(5, cash=4 * 3 * 7 * 1_000, credit=0)
    desk.open(15, 5)
    assert names(block(desk, 15, m.SELL, -8, 4))[0] == ("OrderRejected", "CREDIT_EXCEEDED")
    assert names(block(desk, 15, m.SELL, -7, 4)) == [("BlockPlaced", None)]
    for hour, price in enumerate((-1_000_000, 900_000, 99_979)):
        desk.place(11, m.BUY, price, 4, product=10 + hour)
    assert desk.tick()[0]["cost_ticks"] == -21 * 4
    assert desk.state().participants[5].cash.balance_minor == 0
    check_books(desk.state())


def test_a_period_that_would_trade_for_more_than_the_limit_is_not_swept():
    desk = venue()
    for hour in range(2):
        desk.product(10 + hour, kind=m.HOURLY, closure=10**9, start=hour * HOUR_NS, value=s.VALUE_MINOR_MAX)
    desk.account(5, credit=10**15, cash=10**16)
    desk.open(15, 5)
    lots = ms.PERIOD_MINOR_MAX // s.VALUE_MINOR_MAX // 8_000_000 + 1
    desk.place(15, m.SELL, 8_000_000, lots, product=10)
    desk.place(15, m.SELL, -8_000_000, lots, product=11)
    fine = block(desk, 12, m.BUY, 0, lots - 1, count=2, tif=m.FOK)
    assert fine[1]["cost_ticks"] == 0
    desk.place(15, m.SELL, 8_000_000, lots, product=10)
    desk.place(15, m.SELL, -8_000_000, lots, product=11)
    assert names(block(desk, 12, m.BUY, 0, lots, count=2, tif=m.FOK))[1][0] == "BlockCancelled"
    check_books(desk.state())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"count": 0}, "BLOCK_SPAN_OUT_OF_RANGE"),
        ({"count": 25}, "BLOCK_SPAN_OUT_OF_RANGE"),
        ({"side": 0}, "WRONG_SIDE"),
        ({"tif": m.GOOD_TILL_CANCELLED}, "WRONG_TIME_IN_FORCE"),
        ({"count": 5}, "BLOCK_PRODUCT_MISSING"),
        ({"first": 0}, "BLOCK_PRODUCT_MISSING"),
        ({"first": 2**32 - 1}, "BLOCK_PRODUCT_MISSING"),
        ({"first": 1, "count": 1}, "WRONG_PRODUCT_KIND"),
        ({"first": 20}, "BLOCK_PRODUCTS_UNLIKE"),
        ({"first": 30}, "BLOCK_NOT_CONSECUTIVE"),
        ({"first": 40}, "BLOCK_OVER_GATE_CLOSURE"),
        ({"first": 13, "count": 1, "price": 2**23}, "PRICE_OUT_OF_RANGE"),
        ({"price": 2**23}, "PRICE_OUT_OF_RANGE"),
        ({"lots": 0}, "QUANTITY_OUT_OF_RANGE"),
        ({"lots": s.LOTS_MAX + 1}, "QUANTITY_ABOVE_MAXIMUM"),
    ],
)
def test_a_block_that_is_at_fault_gets_a_name_for_it(changes, reason):
    desk = day()
    for number, kind, start in (
        (20, m.HOURLY, 0),
        (21, m.QUARTER_HOURLY, HOUR_NS),
        (22, m.HOURLY, 2 * HOUR_NS),
    ):
        desk.product(number, kind=kind, closure=10**9, start=start)
    for number, start in ((30, 0), (31, 2 * HOUR_NS), (32, 3 * HOUR_NS)):
        desk.product(number, kind=m.HOURLY, closure=10**9, start=start)
    for number in (40, 41, 42):
        desk.product(number, kind=m.HOURLY, closure=10**9 - (number == 41), start=number * HOUR_NS)
    desk.tick(10**9 - 1)
    order = {"side": m.BUY, "price": 60, "lots": 5} | changes
    assert names(block(desk, 12, **order)) == [("OrderRejected", reason)]
    check_books(desk.state())


def test_blocks_leave_by_cancel_mass_cancel_close_and_gate_closure():
    desk = day()
    desk.open(15, 3, 1)
    block(desk, 12, m.BUY, 60, 5)
    number = desk.numbers[12]
    assert names(desk.send(m.CancelOrder, 13, order_number=number)) == [("OrderRejected", "UNKNOWN_ORDER")]
    gone = desk.send(m.CancelOrder, 12, order_number=number)
    assert names(gone) == [("BlockCancelled", "BY_OWNER")]
    block(desk, 12, m.BUY, 60, 5)
    block(desk, 12, m.BUY, 60, 5, first=11)
    desk.place(12, m.BUY, 5, 5, product=10)
    swept = desk.send(m.MassCancel, 12, product_id=10)
    assert names(swept)[:2] == [("BlockCancelled", "MASS_CANCEL"), ("OrderCancelled", "MASS_CANCEL")]
    assert swept[-1]["order_count"] == 2
    block(desk, 15, m.SELL, 70, 5)
    assert names(desk.send(CloseSession, 15))[0] == ("BlockCancelled", "SESSION_CLOSED")
    block(desk, 12, m.SELL, 70, 5, first=10, count=1)
    closed = names(desk.tick(10**9 + 1))
    assert closed.count(("BlockCancelled", "GATE_CLOSURE")) == 2
    assert desk.state().participants[2].cash.reserved_minor == 0
    check_books(desk.state())


def test_resting_blocks_have_limits():
    desk = day(hours=1)
    for session in range(100, 100 + ms.BLOCKS // ms.BLOCKS_OF_SESSION + 1):
        desk.open(session, 1)
    for step in range(ms.BLOCKS_OF_SESSION):
        assert names(block(desk, 100, m.BUY, step % 7, 1, count=1)) == [("BlockPlaced", None)]
    assert names(block(desk, 100, m.BUY, 5, 1, count=1)) == [("OrderRejected", "BLOCKS_FULL")]
    desk.twin = None
    for session in range(101, 100 + ms.BLOCKS // ms.BLOCKS_OF_SESSION):
        for _ in range(ms.BLOCKS_OF_SESSION):
            block(desk, session, m.BUY, 5, 1, count=1)
    assert names(block(desk, session + 1, m.BUY, 5, 1, count=1)) == [("OrderRejected", "BLOCKS_FULL")]
    check_books(desk.state())
    desk.tick(10**9)
    assert desk.state().blocks.counts.sum() == 0
    check_books(desk.state())


def test_the_best_blocks_are_tried_and_not_more_than_the_limit():
    desk = day(hours=2)
    for _ in range(ms.BLOCK_TRIES):
        block(desk, 12, m.BUY, 60, 9, count=2)
    block(desk, 13, m.BUY, 50, 1, count=2)
    offer(desk, 40, 40, lots=8)
    assert desk.tick() == []  # enough for the block that is one too many
    desk.send(m.CancelOrder, 12, order_number=desk.numbers[12])
    offer(desk, 50, lots=1)
    assert [e["quantity_lots"] for e in desk.tick() if e["record"] == "BlockFilled"] == [1]
    check_books(desk.state())
