"""Safeguards: what each stops, and what it says; engine and slow twin beside each other."""

import random

import pytest
from exchange_rig import check_books, venue
from test_exchange_twin import guard, opened, trade

from ringmain.core.messages import record_of
from ringmain.exchange import messages as m
from ringmain.exchange import multileg_messages as mm
from ringmain.exchange import safeguards_messages as sm
from ringmain.exchange import safeguards_state as ss
from ringmain.exchange import state as s

SECOND_NS = 10**9


def names(events):
    return [event["record"] for event in events]


def reasons(events):
    return [event.get("reason") for event in events]


@pytest.mark.parametrize("seed", range(100, 103))
def test_the_same_events_on_a_day_of_safeguards(seed):
    dice = random.Random(seed)
    desk = opened(dice)
    for step in range(900):
        if dice.random() < 0.08:
            product = dice.choice([1, 2, 3, 6, 7])
            guard(desk, dice, 1 if dice.random() < 0.9 else 11, product)
        trade(desk, dice, spread=dice.choice([5, 30]))
        desk.tick(desk.now_ns + dice.choice([SECOND_NS // 3, SECOND_NS]))
        if step % 100 == 0:
            check_books(desk.state())
    desk.tick(10_000 * SECOND_NS)
    check_books(desk.state())


SCOPES = [(sm.SESSION_SCOPE, 11), (sm.ACCOUNT_SCOPE, 1), (sm.PRODUCT_SCOPE, 1), (sm.VENUE_SCOPE, 0)]


@pytest.mark.parametrize(("scope", "target"), SCOPES)
def test_a_kill_switch_clears_the_book_and_blocks_until_it_is_released(scope, target):
    desk = venue()
    kill = {"scope": scope, "target_id": target, "cause": 7}
    for price in range(5):
        desk.place(11, m.BUY, price, 1)
    desk.place(11, m.SELL, 50, 1, type=m.STOP_LIMIT, stop_ticks=-50)
    desk.place(12, m.BUY, -1, 1)
    events = desk.send(sm.EngageKillSwitch, 1, **kill)
    gone = [event for event in events if event["record"] == "OrderCancelled"]
    assert {event["reason"] for event in gone} == {"KILL_SWITCH"}
    assert len(gone) == (6 if scope in (sm.SESSION_SCOPE, sm.ACCOUNT_SCOPE) else 7)
    assert names(events)[0] == "KillSwitchEngaged"
    assert names(events)[-1] == "MassCancelled"
    assert reasons(desk.place(11, m.BUY, 1, 1)) == ["KILL_SWITCH_ENGAGED"]
    assert reasons(desk.send(sm.EngageKillSwitch, 1, **kill)) == ["ALREADY_ENGAGED"]
    assert names(desk.send(sm.ReleaseKillSwitch, 1, **kill)) == ["KillSwitchReleased"]
    assert names(desk.place(11, m.BUY, 1, 1)) == ["OrderAccepted"]
    check_books(desk.state())


def test_a_killed_session_may_still_cancel_while_the_sweep_goes_on():
    desk = venue()
    for _ in range(2 * s.CANCELS_PER_STEP):
        desk.place(11, m.BUY, 1, 1)
    desk.send(sm.EngageKillSwitch, 1, scope=sm.SESSION_SCOPE, target_id=11, cause=1)
    release = {"scope": sm.SESSION_SCOPE, "target_id": 11, "cause": 1}
    assert reasons(desk.send(sm.ReleaseKillSwitch, 1, **release)) == ["KILL_SWITCH_SWEEPING"]
    last = max(number for _, number in desk.twin.orders)
    change = {"order_number": last, "price_ticks": 2, "quantity_lots": 1}
    assert reasons(desk.send(m.ReplaceOrder, 11, **change)) == ["KILL_SWITCH_ENGAGED"]
    assert reasons(desk.send(m.CancelOrder, 11, order_number=last)) == ["BY_OWNER"]
    desk.tick()
    assert not desk.twin.orders
    assert names(desk.send(sm.ReleaseKillSwitch, 1, **release)) == ["KillSwitchReleased"]
    check_books(desk.state())


def test_only_the_operator_sets_safeguards():
    desk = venue()
    for name in ("EngageKillSwitch", "ReleaseKillSwitch", "SetOrderLimits", "AssignProductGroup"):
        record = record_of(m.schema, name)
        values = {field.name: 1 for field in record.fields}
        assert reasons(desk.send(record, 11, **values)) == ["OPERATOR_ONLY"]


def limits(desk, account=0, group=0, lots=0, value=0, static=0, dynamic=0):
    return desk.send(
        sm.SetOrderLimits, 1, account_id=account, product_group=group, quantity_max_lots=lots,
        value_max_minor=value, static_collar_ticks=static, dynamic_collar_ticks=dynamic,
    )  # fmt: skip


@pytest.mark.parametrize("account", [0, 1])
def test_an_order_beyond_a_limit_is_rejected_by_name(account):
    desk = venue(reference=100)
    limits(desk, account, lots=10)
    assert reasons(desk.place(11, m.BUY, 100, 11)) == ["ORDER_TOO_LARGE"]
    assert names(desk.place(11, m.BUY, 100, 10)) == ["OrderAccepted"]
    limits(desk, account, value=1_000 * 1_000)
    assert reasons(desk.place(11, m.SELL, -101, 10)) == ["ORDER_VALUE_TOO_LARGE"]
    assert names(desk.place(11, m.BUY, 100, 10)) == ["OrderAccepted"]
    limits(desk, account, static=20)
    assert reasons(desk.place(11, m.BUY, 121, 1)) == ["OUTSIDE_COLLAR"]
    assert reasons(desk.place(11, m.BUY, 79, 1)) == ["OUTSIDE_COLLAR"]
    limits(desk, account, dynamic=5)
    desk.place(12, m.SELL, 100, 1)  # the last price is 100, as the reference price was
    assert reasons(desk.place(11, m.BUY, 106, 1)) == ["OUTSIDE_COLLAR"]
    number = desk.numbers[11]
    desk.place(11, m.BUY, 105, 1)
    change = {"order_number": number + 1, "price_ticks": 106, "quantity_lots": 1}
    assert reasons(desk.send(m.ReplaceOrder, 11, **change)) == ["OUTSIDE_COLLAR"]


def test_limits_are_those_of_the_products_group():
    desk = venue()
    desk.send(
        m.DefineProduct, 1, product_id=2, product_kind=m.INSTRUMENT, delivery_start_ns=0, value_minor=1,
        reference_price_ticks=0, market_range_ticks=0,
    )  # fmt: skip
    desk.send(sm.AssignProductGroup, 1, product_id=2, product_group=3)
    desk.send(m.ScheduleProduct, 1, product_id=2, auction_ns=0, gate_closure_ns=0)
    limits(desk, group=3, lots=1)
    assert names(desk.place(11, m.BUY, 1, 2)) == ["OrderAccepted"]
    assert reasons(desk.place(11, m.BUY, 1, 2, product=2)) == ["ORDER_TOO_LARGE"]
    late = desk.send(sm.AssignProductGroup, 1, product_id=2, product_group=0)
    assert reasons(late) == ["WRONG_PHASE"]


def nervous(reach=10, extension=0, call_s=60, **product):
    """Return a venue whose product is interrupted by a trade further off than `reach`."""
    desk = venue(reference=100, **product)
    desk.send(
        sm.SetVolatilityRange, 1, product_group=0, dynamic_range_ticks=reach,
        extension_range_ticks=extension, call_s=call_s,
    )  # fmt: skip
    return desk


def test_a_trade_outside_the_range_does_not_happen_and_a_call_follows():
    desk = nervous()
    desk.place(12, m.SELL, 105, 2)
    desk.place(12, m.SELL, 111, 5)
    events = desk.place(11, m.BUY, 120, 4)
    assert names(events) == [
        "OrderAccepted", "OrderFilled", "OrderFilled", "VolatilityInterrupted", "PhaseChanged",
    ]  # fmt: skip
    tripped = events[3]
    assert (tripped["anchor_ticks"], tripped["refused_ticks"], tripped["dynamic_range_ticks"]) == (
        100,
        111,
        10,
    )
    assert events[2]["limit_ticks"] == 120
    desk.place(12, m.SELL, 108, 1)
    events = desk.tick(desk.now_ns + 60 * SECOND_NS)
    assert "AuctionUncrossed" in names(events)
    assert events[-1]["phase"] == m.CONTINUOUS
    check_books(desk.state())
    assert desk.twin.products[1].last == 111


@pytest.mark.parametrize(("side", "price"), [(m.BUY, 50), (m.SELL, 150)])
def test_a_price_too_good_is_outside_the_range_as_well(side, price):
    desk = nervous()
    desk.place(12, m.BUY + m.SELL - side, price, 1)
    assert "VolatilityInterrupted" in names(desk.place(11, side, price, 1))
    check_books(desk.state())


def test_what_may_not_rest_is_cancelled_and_a_fok_order_interrupts_nothing():
    desk = nervous()
    desk.place(12, m.SELL, 105, 1)
    desk.place(12, m.SELL, 130, 5)
    assert reasons(desk.place(11, m.BUY, 130, 3, tif=m.FOK))[-1] == "FOK_UNFILLED"
    events = desk.place(11, m.BUY, 130, 3, tif=m.IOC)
    assert reasons(events)[-1] == "VOLATILITY"
    assert events[-1]["quantity_lots"] == 2
    check_books(desk.state())


def test_the_call_is_extended_once_while_its_price_is_too_far_off():
    desk = nervous(extension=20)
    desk.place(12, m.SELL, 130, 5)
    desk.place(11, m.BUY, 130, 3)
    events = desk.tick(desk.now_ns + 60 * SECOND_NS)
    assert names(events) == ["InterruptionExtended"]
    assert (events[0]["anchor_ticks"], events[0]["price_ticks"], events[0]["volume_lots"]) == (100, 130, 3)
    assert "AuctionUncrossed" in names(desk.tick(desk.now_ns + 60 * SECOND_NS))
    check_books(desk.state())


def test_an_interruption_ends_before_the_gate_closure():
    desk = nervous(closure=20 * SECOND_NS, kind=m.HOURLY, call_s=86_400)
    desk.place(12, m.SELL, 130, 5)
    desk.place(11, m.BUY, 130, 3)
    events = desk.tick(20 * SECOND_NS)
    assert "AuctionUncrossed" in names(events)
    assert [e["position_lots"] for e in events if e["record"] == "PositionDelivered"] != []
    check_books(desk.state())


def test_a_stop_order_that_would_trade_too_far_off_interrupts():
    desk = nervous()
    desk.place(11, m.BUY, 130, 2, type=m.STOP_LIMIT, stop_ticks=105)
    desk.place(12, m.SELL, 105, 1)
    desk.place(12, m.SELL, 125, 5)
    assert "VolatilityInterrupted" in names(desk.place(13, m.BUY, 105, 1))
    check_books(desk.state())


def test_a_session_sends_no_faster_than_its_rate():
    desk = venue()
    desk.send(sm.SetOrderRate, 1, target_session_id=11, orders_per_s=10, burst_orders=3)
    desk.now_ns = SECOND_NS
    assert [names(desk.place(11, m.BUY, 1, 1)) for _ in range(3)] == 3 * [["OrderAccepted"]]
    assert names(desk.place(11, m.BUY, 1, 1)) == ["SafeguardTripped", "OrderRejected"]
    assert reasons(desk.place(11, m.BUY, 1, 1)) == ["RATE_LIMIT_EXCEEDED"]
    assert names(desk.place(12, m.BUY, 1, 1)) == ["OrderAccepted"]
    assert reasons(desk.send(m.CancelOrder, 11, order_number=1)) == ["BY_OWNER"]
    desk.now_ns += SECOND_NS // 10
    assert names(desk.place(11, m.BUY, 1, 1)) == ["OrderAccepted"]
    assert names(desk.place(11, m.BUY, 1, 1)) == ["SafeguardTripped", "OrderRejected"]


def test_an_account_sends_so_many_orders_for_its_trades_of_the_day():
    desk = venue()
    desk.send(sm.SetOrderToTrade, 1, account_id=1, orders_per_trade=4, free_orders=2)
    for _ in range(2):
        desk.place(11, m.BUY, 1, 1)
    events = desk.place(11, m.BUY, 1, 1)
    assert reasons(events)[-1] == "ORDER_TO_TRADE_EXCEEDED"
    assert (events[0]["order_count"], events[0]["trade_count"]) == (2, 0)
    desk.place(12, m.SELL, 1, 1)
    assert [names(desk.place(11, m.BUY, 1, 1)) for _ in range(2)] == 2 * [["OrderAccepted"]]
    assert reasons(desk.place(11, m.BUY, 1, 1))[-1] == "ORDER_TO_TRADE_EXCEEDED"
    desk.now_ns += 86_400 * SECOND_NS
    assert names(desk.place(11, m.BUY, 1, 1)) == ["OrderAccepted"]


def traded(price=100, lots=5):
    """Return a venue with a second session of the operator, and one trade that is kept."""
    desk = venue()
    desk.open(2, 0)
    limits(desk)  # nothing is limited, but from now on trades are kept
    desk.place(12, m.SELL, price, lots)
    trade = desk.place(11, m.BUY, price, lots)[1]
    return desk, {"trade_sequence": trade["sequence"], "trade_index": trade["trade_index"]}


def change(desk, trade, action=sm.BUST, price=0, by=1, approved_by=2):
    events = desk.send(sm.ProposeTradeChange, by, **trade, action=action, price_ticks=price)
    if names(events) != ["TradeChangeProposed"]:
        return events
    return desk.send(sm.ApproveTradeChange, approved_by, proposal_sequence=events[0]["sequence"])


def holdings(desk):
    cash = desk.state().participants["cash"]["balance_minor"][1:3]
    used = desk.state().position_at[1, 1:3]
    return [*cash.tolist(), *desk.state().positions["lots"]["balance_minor"][used].tolist()]


@pytest.mark.parametrize("price", [100, -100])
def test_a_bust_takes_cash_and_lots_back(price):
    desk, trade = traded(price)
    events = change(desk, trade)
    assert [(e["account_id"], e["amount_minor"], e["position_change_lots"]) for e in events] == [
        (1, price * 5_000, -5), (2, -price * 5_000, 5),
    ]  # fmt: skip
    assert holdings(desk) == [10**12, 10**12, 0, 0]
    assert reasons(change(desk, trade)) == ["ALREADY_BUSTED"]
    check_books(desk.state())


def test_a_correction_moves_the_difference_and_a_bust_then_the_new_price():
    desk, trade = traded()
    change(desk, trade, sm.CORRECT, price=90)
    assert holdings(desk) == [10**12 - 90 * 5_000, 10**12 + 90 * 5_000, 5, -5]
    change(desk, trade)
    assert holdings(desk) == [10**12, 10**12, 0, 0]
    check_books(desk.state())


def test_a_change_needs_two_sessions_of_the_operator_in_time():
    desk, trade = traded()
    assert reasons(change(desk, trade, by=11)) == ["OPERATOR_ONLY"]
    assert reasons(change(desk, trade, approved_by=1)) == ["APPROVED_BY_PROPOSER"]
    assert reasons(change(desk, trade, approved_by=11)) == ["OPERATOR_ONLY"]
    sequence = desk.sequence - 1
    desk.now_ns += (ss.PROPOSAL_S + 1) * SECOND_NS
    late = desk.send(sm.ApproveTradeChange, 2, proposal_sequence=sequence)
    assert reasons(late) == ["PROPOSAL_EXPIRED"]
    assert reasons(desk.send(sm.ApproveTradeChange, 2, proposal_sequence=10**6)) == ["UNKNOWN_PROPOSAL"]
    for _ in range(ss.PROPOSALS):
        desk.send(sm.ProposeTradeChange, 1, **trade, action=sm.BUST, price_ticks=0)
    assert reasons(change(desk, trade)) == ["PROPOSALS_FULL"]


def test_a_bust_that_would_overdraw_an_account_is_refused_until_it_has_credit():
    desk, trade = traded()
    desk.send(m.Withdraw, 1, account_id=2, amount_minor=10**12 + 100 * 5_000)
    assert reasons(change(desk, trade)) == ["INSUFFICIENT_FUNDS"]
    desk.account(2, cash=0, credit=100 * 5_000)
    assert names(change(desk, trade)) == 2 * ["TradeChanged"]
    check_books(desk.state())


def test_a_bust_that_would_break_a_position_limit_is_refused():
    desk, trade = traded()
    desk.account(1, cash=0, short=0)
    desk.place(11, m.SELL, 500, 5)
    assert reasons(change(desk, trade)) == ["POSITION_LIMIT_EXCEEDED"]
    check_books(desk.state())


def test_a_trade_of_long_ago_is_no_longer_known():
    desk, trade = traded(lots=1)
    desk.twin = None
    for _ in range(ss.TRADES_KEPT):
        desk.place(12, m.SELL, 1, 1)
        desk.place(11, m.BUY, 1, 1)
    assert reasons(change(desk, trade)) == ["UNKNOWN_TRADE"]
    latest = {"trade_sequence": desk.sequence - 1, "trade_index": 0}
    assert names(change(desk, latest)) == 2 * ["TradeChanged"]
    check_books(desk.state())


def test_a_kill_switch_stops_blocks_baskets_and_quotes_too():
    desk = venue()
    desk.send(mm.AllowQuoting, 1, quoter_id=11, is_allowed=1)
    desk.send(sm.EngageKillSwitch, 1, scope=sm.ACCOUNT_SCOPE, target_id=1, cause=1)
    desk.tick()
    quote = {"bid_price_ticks": 40, "bid_lots": 1, "offer_price_ticks": 60, "offer_lots": 1}
    for record, values in (
        (mm.PlaceQuote, {"product_id": 1, **quote}),
        (mm.BeginBasket, {"leg_count": 1}),
    ):
        assert desk.send(record, 11, **values)[0]["reason"] == "KILL_SWITCH_ENGAGED"


# Orders over several products, and quotes.


def hours(desk, count=3, group=0):
    """Consecutive hours from product 101 on, open and continuous, in a group."""
    for place in range(count):
        product = 101 + place
        desk.send(
            m.DefineProduct, 1, delivery_start_ns=10**15 + place * 3_600 * SECOND_NS, product_id=product,
            value_minor=1_000, reference_price_ticks=0, market_range_ticks=50, product_kind=m.HOURLY,
        )  # fmt: skip
        desk.send(sm.AssignProductGroup, 1, product_id=product, product_group=group)
        desk.send(m.ScheduleProduct, 1, auction_ns=0, gate_closure_ns=9 * 10**14, product_id=product)


def block(desk, session, side, price, lots=1, count=3, tif=m.GOOD_FOR_SESSION):
    return desk.send(
        mm.PlaceBlock, session, price_ticks=price, quantity_lots=lots, first_product_id=101,
        product_count=count, side=side, time_in_force=tif,
    )  # fmt: skip


def basket(desk, session, *legs):
    desk.send(mm.BeginBasket, session, leg_count=len(legs))
    events = []
    for product, side, price, lots in legs:
        events = desk.send(
            mm.AddBasketLeg, session, price_ticks=price, quantity_lots=lots, product_id=product, side=side
        )
    return events


def quote(desk, session, bid, offer, lots=1, product=101):
    return desk.send(
        mm.PlaceQuote, session, bid_price_ticks=bid, bid_lots=lots, offer_price_ticks=offer, offer_lots=lots,
        product_id=product,
    )  # fmt: skip


def limited(desk, account=0, group=3, **limits):
    none = dict.fromkeys(
        ("value_max_minor", "quantity_max_lots", "static_collar_ticks", "dynamic_collar_ticks"), 0
    )
    desk.send(sm.SetOrderLimits, 1, account_id=account, product_group=group, **none | limits)


LIMITS = [
    ({"quantity_max_lots": 2}, "ORDER_TOO_LARGE"),
    ({"value_max_minor": 29_999}, "ORDER_VALUE_TOO_LARGE"),
    ({"static_collar_ticks": 9}, "OUTSIDE_COLLAR"),
    ({"dynamic_collar_ticks": 9}, "OUTSIDE_COLLAR"),
]


@pytest.mark.parametrize(("limits", "reason"), LIMITS)
@pytest.mark.parametrize("account", [0, 1])
def test_order_limits_hold_for_each_product_of_a_block_a_basket_and_a_quote(limits, reason, account):
    desk = venue()
    hours(desk, group=3)
    desk.send(mm.AllowQuoting, 1, quoter_id=11, is_allowed=1)
    limited(desk, account, **limits)
    assert reasons(block(desk, 11, m.BUY, 10, 3)) == [reason]
    assert reasons(basket(desk, 11, (101, m.BUY, 10, 3), (102, m.BUY, 1, 1))) == ["BASKET_NOT_BEGUN"]
    assert reasons(basket(desk, 11, (101, m.BUY, 1, 1), (102, m.BUY, 10, 3)))[-1] == reason
    assert reasons(quote(desk, 11, 1, 10, 3)) == [reason]
    assert names(block(desk, 12, m.BUY, 10, 3))[0] == ("OrderRejected" if account == 0 else "BlockPlaced")
    assert names(block(desk, 11, m.BUY, 1, 1))[0] == "BlockPlaced"
    check_books(desk.state())


def test_a_killed_product_takes_no_block_over_it_no_leg_and_no_quote():
    desk = venue()
    hours(desk)
    desk.send(mm.AllowQuoting, 1, quoter_id=11, is_allowed=1)
    desk.send(sm.EngageKillSwitch, 1, scope=sm.PRODUCT_SCOPE, target_id=102, cause=1)
    assert reasons(block(desk, 11, m.BUY, 1)) == ["KILL_SWITCH_ENGAGED"]
    assert names(block(desk, 11, m.BUY, 1, count=1)) == ["BlockPlaced"]
    assert reasons(basket(desk, 11, (101, m.BUY, 1, 1), (102, m.BUY, 1, 1)))[-1] == "KILL_SWITCH_ENGAGED"
    assert reasons(quote(desk, 11, 1, 10, product=102)) == ["KILL_SWITCH_ENGAGED"]
    assert names(quote(desk, 11, 1, 10)) == ["QuotePlaced", "OrderAccepted", "OrderAccepted"]


KILLS = [
    (sm.SESSION_SCOPE, 11, 2),
    (sm.ACCOUNT_SCOPE, 1, 2),
    (sm.PRODUCT_SCOPE, 103, 2),
    (sm.VENUE_SCOPE, 0, 3),
]


@pytest.mark.parametrize(("scope", "target", "count"), KILLS)
def test_a_kill_switch_takes_resting_blocks_too(scope, target, count):
    desk = venue()
    hours(desk)
    block(desk, 11, m.BUY, 1)
    block(desk, 11, m.SELL, 9, count=2)
    block(desk, 12, m.BUY, 2)
    desk.place(12, m.BUY, -1, 1)
    events = desk.send(sm.EngageKillSwitch, 1, scope=scope, target_id=target, cause=1)
    gone = [event for event in events if event["record"] == "BlockCancelled"]
    assert [event["reason"] for event in gone] == ["KILL_SWITCH"] * count
    assert events[-1]["order_count"] == count + (scope == sm.VENUE_SCOPE)
    check_books(desk.state())


def ranged(desk, group=3):
    desk.send(
        sm.SetVolatilityRange, 1, dynamic_range_ticks=10, extension_range_ticks=0, call_s=60,
        product_group=group,
    )  # fmt: skip


def test_a_basket_and_a_block_trade_nothing_outside_the_range_and_interrupt_nothing():
    desk = venue()
    hours(desk, group=3)
    ranged(desk)
    for product, price in ((101, 10), (102, 11), (103, 0)):
        desk.place(12, m.SELL, price, 5, product=product)
    assert reasons(basket(desk, 11, (101, m.BUY, 20, 1), (102, m.BUY, 20, 1)))[-1] == "BASKET_LEG_UNFILLED"
    assert names(basket(desk, 11, (101, m.BUY, 20, 1), (103, m.BUY, 20, 1)))[0] == "BasketExecuted"
    assert reasons(block(desk, 11, m.BUY, 20, tif=m.FOK))[-1] == "FOK_UNFILLED"
    assert names(block(desk, 11, m.BUY, 20, count=1, tif=m.FOK))[1] == "BlockFilled"
    check_books(desk.state())


def test_a_call_of_an_interruption_is_moved_with_the_gate_closure():
    desk = venue()
    hours(desk, group=3)
    ranged(desk)
    desk.place(12, m.SELL, 11, 5, product=101)
    events = desk.place(11, m.BUY, 20, 1, product=101)
    assert "VolatilityInterrupted" in names(events)
    closure = desk.now_ns + 30 * SECOND_NS
    wrong = {"auction_ns": desk.now_ns + SECOND_NS, "gate_closure_ns": closure, "product_id": 101}
    assert reasons(desk.send(m.ScheduleProduct, 1, **wrong)) == ["WRONG_SCHEDULE"]
    moved = desk.send(m.ScheduleProduct, 1, **wrong | {"auction_ns": 0})
    assert names(moved) == ["ProductScheduled"]
    told = desk.tick(closure + SECOND_NS)
    assert "AuctionUncrossed" in names(told)
    check_books(desk.state())


@pytest.mark.parametrize("seed", range(200, 203))
def test_the_same_events_where_safeguards_meet_blocks_baskets_and_quotes(seed):
    dice = random.Random(seed)
    desk = venue()
    hours(desk, 4, group=3)
    for quoter in (11, 12):
        desk.send(mm.AllowQuoting, 1, quoter_id=quoter, is_allowed=1)
    for step in range(500):
        session, price, lots = dice.choice([11, 12, 13]), dice.randint(-25, 25), dice.randint(1, 6)
        side, product = dice.choice([m.BUY, m.SELL]), dice.randint(101, 104)
        act = dice.random()
        if act < 0.35:
            desk.place(session, side, price, lots, product=product)
        elif act < 0.5:
            count = dice.randint(1, 4)
            block(desk, session, side, price, lots, count, dice.choice([m.GOOD_FOR_SESSION, m.FOK, m.IOC]))
        elif act < 0.65:
            chosen = dice.sample(range(101, 105), 2)
            basket(
                desk, session, *[(p, side, price + 10 * (1 if side == m.BUY else -1), lots) for p in chosen]
            )
        elif act < 0.8:
            quote(desk, session, price - dice.randint(1, 9), price, lots, product)
        elif act < 0.84:
            limits = dice.choice([{}, {"quantity_max_lots": 4}, {"static_collar_ticks": 20},
                                  {"dynamic_collar_ticks": 15}, {"value_max_minor": 60_000}])  # fmt: skip
            limited(desk, dice.choice([0, 1]), **limits)
        elif act < 0.87:
            ranged(desk)
        elif act < 0.9:
            scope, target, _ = dice.choice(KILLS)
            desk.send(sm.EngageKillSwitch, 1, scope=scope, target_id=target, cause=1)
        elif act < 0.97:
            scope, target, _ = dice.choice(KILLS)
            desk.send(sm.ReleaseKillSwitch, 1, scope=scope, target_id=target, cause=1)
        desk.tick(desk.now_ns + dice.choice([SECOND_NS // 3, SECOND_NS, 30 * SECOND_NS]))
        if step % 100 == 0:
            check_books(desk.state())
    desk.tick(desk.now_ns + 1_000 * SECOND_NS)
    check_books(desk.state())
