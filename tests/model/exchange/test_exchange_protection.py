"""A market maker's protection: quotes that trade too much within a while go, and stay away until a reset."""

import pytest
from exchange_rig import check_books, venue
from test_exchange_quotes import names, quote

from ringmain.exchange import messages as m
from ringmain.exchange import multileg_messages as mm
from ringmain.exchange import safeguards_messages as sm
from ringmain.exchange import state as s

SECOND_NS = 10**9
TRIPPED, GONE = ("QuoteProtectionTripped", None), ("OrderCancelled", "QUOTE_PROTECTION")


def protected(products=(1,), group=0, window_ms=16_000, **limits):
    desk = venue()
    for product in products[1:]:
        desk.product(product)
    desk.send(mm.AllowQuoting, 1, quoter_id=11, is_allowed=1)
    assert names(protect(desk, group=group, window_ms=window_ms, **limits)) == [("QuoteProtectionSet", None)]
    for product in products:
        quote(desk, 40, 10, 50, 10, product=product)
    return desk


def protect(desk, session=11, quoter=0, group=0, window_ms=16_000, volume=0, net=0, fills=0):
    return desk.send(
        mm.SetQuoteProtection, session, quoter_id=quoter, product_group=group, window_ms=window_ms,
        volume_max_lots=volume, net_max_lots=net, fills_max=fills,
    )  # fmt: skip


def reset(desk, session=11, quoter=0, group=0):
    return desk.send(mm.ResetQuoteProtection, session, quoter_id=quoter, product_group=group)


@pytest.mark.parametrize(
    ("limits", "hits", "limit"),
    [
        ({"volume": 6}, [(m.BUY, 3), (m.SELL, 3)], mm.VOLUME),
        ({"net": 6}, [(m.SELL, 1), (m.BUY, 7)], mm.NET),
        ({"fills": 2}, [(m.BUY, 1), (m.SELL, 1)], mm.FILLS),
    ],
)
def test_a_limit_that_is_reached_withdraws_the_quotes_of_the_group(limits, hits, limit):
    desk = protected((1, 2), **limits)
    for side, lots in hits:
        events = desk.place(12, side, 50 if side == m.BUY else 40, lots)
        is_last = (side, lots) == hits[-1] and events[-1]["record"] == "OrderCancelled"
        assert is_last or events[-1]["record"] == "OrderFilled"
    assert names(events)[3:] == [TRIPPED, *4 * [GONE]]
    assert events[3]["limit_reached"] == limit
    assert desk.state().matching.order_pool.count == 0
    assert names(quote(desk, 40, 1, 50, 1)) == [("OrderRejected", "QUOTE_PROTECTION_TRIPPED")]
    assert names(reset(desk)) == [("QuoteProtectionReset", None)]
    assert names(quote(desk, 40, 1, 50, 1))[0] == ("QuotePlaced", None)
    check_books(desk.state())


def test_an_order_that_came_in_trades_on_beyond_the_limit():
    desk = protected(volume=2)
    events = desk.place(12, m.BUY, 50, 12)
    tripped = next(e for e in events if e["record"] == "QuoteProtectionTripped")
    assert (tripped["volume_lots"], tripped["net_lots"], tripped["fill_count"]) == (10, -10, 1)
    assert names(events)[-1] == GONE  # the bid
    assert desk.state().matching.order_pool.count == 1  # what the order has left


def test_what_is_older_than_the_window_does_not_count():
    desk = protected(volume=6)
    desk.place(12, m.BUY, 50, 5)
    desk.now_ns += 16 * SECOND_NS
    assert ("QuoteProtectionTripped", None) not in names(desk.place(12, m.BUY, 50, 5))
    desk.now_ns += 14 * SECOND_NS
    quote(desk, 40, 10, 50, 10)
    assert TRIPPED in names(desk.place(12, m.BUY, 50, 1))


def test_other_orders_other_groups_and_calls_are_not_counted():
    desk = protected(volume=3)
    desk.send(m.DefineProduct, 1, product_id=2, product_kind=m.INSTRUMENT, value_minor=1_000,
              delivery_start_ns=0, reference_price_ticks=45, market_range_ticks=100)  # fmt: skip
    desk.send(sm.AssignProductGroup, 1, product_id=2, product_group=1)
    desk.send(m.ScheduleProduct, 1, product_id=2, auction_ns=0, gate_closure_ns=0)
    desk.product(3, auction=100 * SECOND_NS)
    for product in (2, 3):
        quote(desk, 40, 10, 50, 10, product=product)
    desk.place(11, m.SELL, 45, 10)
    desk.place(12, m.BUY, 45, 10)
    desk.place(12, m.BUY, 50, 10, product=2)
    desk.place(12, m.BUY, 50, 10, product=3)
    desk.tick(100 * SECOND_NS)
    assert TRIPPED not in names(desk.place(12, m.BUY, 50, 2))
    assert TRIPPED in names(desk.place(12, m.BUY, 50, 1))
    assert [order.product.id for order in desk.twin.orders.values()] == [2]
    check_books(desk.state())


def test_more_quotes_than_a_command_has_room_for_go_with_the_timers_after_it():
    count = 700
    desk = protected(tuple(range(1, 1 + count)), fills=1)
    events = desk.place(12, m.BUY, 50, 1, product=9)
    assert len(events) <= s.EVENTS_PER_COMMAND
    assert 0 < desk.state().matching.order_pool.count < 2 * count
    assert names(reset(desk)) == [("SetupRejected", "QUOTES_BEING_WITHDRAWN")] or not desk.twin.orders
    desk.tick()
    assert desk.state().matching.order_pool.count == 0
    assert desk.machine.next_deadline_ns == 0
    check_books(desk.state())


def test_who_may_set_and_reset():
    desk = protected(volume=3)
    assert names(protect(desk, session=12, quoter=11)) == [("SetupRejected", "OPERATOR_ONLY")]
    assert names(protect(desk, session=12)) == [("SetupRejected", "NOT_A_QUOTER")]
    assert names(protect(desk, session=1, quoter=2**32 - 1)) == [("SetupRejected", "NOT_A_QUOTER")]
    assert names(protect(desk, session=1, quoter=11, fills=1)) == [("QuoteProtectionSet", None)]
    assert names(protect(desk, group=16)) == [("SetupRejected", "GROUP_OUT_OF_RANGE")]
    for values in ({"window_ms": 3_600_001}, {"volume": -1}, {"net": 10**15 + 1}, {"fills": 2**32 - 1}):
        assert names(protect(desk, **values)) == [("SetupRejected", "QUOTE_PROTECTION_OUT_OF_RANGE")]
    assert TRIPPED in names(desk.place(12, m.BUY, 50, 1))
    assert names(reset(desk, session=12, quoter=11)) == [("SetupRejected", "OPERATOR_ONLY")]
    assert names(reset(desk, session=1, quoter=11)) == [("QuoteProtectionReset", None)]


def test_who_quotes_no_longer_has_no_protection():
    desk = protected(volume=3)
    desk.place(12, m.BUY, 50, 3)
    desk.send(mm.AllowQuoting, 1, quoter_id=11, is_allowed=0)
    desk.send(mm.AllowQuoting, 1, quoter_id=11, is_allowed=1)
    quote(desk, 40, 10, 50, 10)
    assert TRIPPED not in names(desk.place(12, m.BUY, 50, 5))


def test_trades_of_stop_orders_are_numbered_on_from_those_of_the_order_that_reached_them():
    desk = venue()
    desk.place(13, m.SELL, 50, 1)
    desk.place(13, m.SELL, 51, 1)
    desk.place(12, m.BUY, 0, 1, type=m.STOP, stop_ticks=50)
    events = desk.place(14, m.BUY, 50, 1)
    fills = [e["trade_index"] for e in events if e["record"] == "OrderFilled"]
    assert fills == [0, 0, 1, 1]
