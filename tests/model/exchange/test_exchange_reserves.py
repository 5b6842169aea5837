"""Reserve: its buyer, its calls and their shares, what is set aside and settled; engine and twin."""

import pytest
from dayahead_rig import Floor
from exchange_rig import CloseSession, check_books
from reserve_rig import BUYER, DOWN, END, SECOND, START, UP, call, of, reserve, sell, shares, sold, venue, why

from ringmain.exchange import dayahead_messages as dm
from ringmain.exchange import messages as m
from ringmain.exchange import multileg_messages as mm
from ringmain.exchange import reserve_messages as rm
from ringmain.exchange import reserve_state as rs
from ringmain.exchange import safeguards_messages as sm
from ringmain.exchange import state as s

TICKS = 7_200  # 72 EUR/MWh: two minor units for a lot and a millisecond


def cash(desk, account):
    return int(desk.state().participants[account].cash.balance_minor)


def set_aside(desk, account=BUYER):
    return int(desk.state().participants[account].cash.reserved_minor)


def phase(desk, product=UP):
    return desk.state().products[product % s.PRODUCTS].phase


def test_reserve_needs_terms_before_it_opens_and_closes_before_its_block():
    desk = venue()
    desk.send(
        m.DefineProduct, 1, product_id=31, product_kind=m.RESERVE_UP, delivery_start_ns=START,
        value_minor=28, reference_price_ticks=0, market_range_ticks=0,
    )  # fmt: skip
    times = {"auction_ns": 0, "product_id": 31}
    assert why(desk.send(m.ScheduleProduct, 1, gate_closure_ns=START, **times)) == ["RESERVE_TERMS_MISSING"]
    terms = {
        "product_id": 31, "buyer_account_id": BUYER, "activation_ticks": 0, "delivery_duration_s": 100,
        "activation_max_s": 100,
    }  # fmt: skip

    def refused(session=1, **changed):
        return why(desk.send(rm.SetReserveTerms, session, **terms | changed))

    assert refused(session=11) == ["OPERATOR_ONLY"]
    assert refused(product_id=32) == ["UNKNOWN_PRODUCT"]
    assert refused(product_id=UP) == ["WRONG_PHASE"]
    assert refused(buyer_account_id=0) == refused(buyer_account_id=s.ACCOUNTS) == ["ACCOUNT_OUT_OF_RANGE"]
    assert refused(buyer_account_id=77) == ["ACCOUNT_NOT_OPEN"]
    for bad in (
        {"activation_ticks": -1}, {"activation_ticks": s.PRICE_TICKS_MAX + 1}, {"delivery_duration_s": 0},
        {"delivery_duration_s": rs.RESERVE_DURATION_S_MAX + 1}, {"activation_max_s": 101},
    ):  # fmt: skip
        assert refused(**bad) == ["RESERVE_TERMS_OUT_OF_RANGE"]
    assert of(desk.send(rm.SetReserveTerms, 1, **terms), "ReserveTermsSet")
    assert why(desk.send(m.ScheduleProduct, 1, gate_closure_ns=START + 1, **times)) == ["WRONG_SCHEDULE"]
    assert of(desk.send(m.ScheduleProduct, 1, gate_closure_ns=START, **times), "ProductScheduled")
    desk.product(33, closure=50, kind=m.HOURLY)
    assert refused(product_id=33) == ["WRONG_PRODUCT_KIND"]


@pytest.mark.parametrize("start", [0, -1, rs.DELIVERY_START_NS_MAX + 1])
def test_a_block_begins_at_a_time_whose_end_is_one_too(start):
    desk = venue()
    assert why(reserve(desk, 31, start=start)[-1:]) == ["RESERVE_TERMS_MISSING"]


def test_the_buyer_alone_buys_and_never_sells():
    desk = venue()
    assert why(desk.place(11, m.BUY, 100, 1, UP)) == ["RESERVE_BUYER_ONLY"]
    assert why(desk.place(15, m.SELL, 100, 1, UP)) == ["RESERVE_BUYER_MAY_NOT_SELL"]
    assert why(desk.place(1, m.BUY, 100, 1, UP)) == ["PARTICIPANT_ONLY"]
    assert of(desk.place(15, m.BUY, 100, 1, UP), "OrderAccepted")
    assert of(desk.place(11, m.SELL, 100, 1, UP), "OrderAccepted")


def test_baskets_keep_the_sides_and_blocks_and_quotes_take_no_reserve():
    desk = venue()
    desk.tick(10 * SECOND)
    for session, side, reason in ((11, m.BUY, "BUYER_ONLY"), (15, m.SELL, "BUYER_MAY_NOT_SELL")):
        desk.send(mm.BeginBasket, session, leg_count=2)
        leg = {"price_ticks": 1, "quantity_lots": 1, "product_id": UP, "side": side}
        assert why(desk.send(mm.AddBasketLeg, session, **leg)) == [f"RESERVE_{reason}"]
    block = {"price_ticks": 1, "quantity_lots": 1, "first_product_id": UP, "product_count": 1}
    rejected = desk.send(mm.PlaceBlock, 15, side=m.BUY, time_in_force=m.IOC, **block)
    assert why(rejected) == ["WRONG_PRODUCT_KIND"]
    desk.send(mm.AllowQuoting, 1, quoter_id=11, is_allowed=1)
    quote = {"bid_price_ticks": 1, "bid_lots": 0, "offer_price_ticks": 2, "offer_lots": 1}
    assert why(desk.send(mm.PlaceQuote, 11, product_id=UP, **quote)) == ["WRONG_PRODUCT_KIND"]


def test_a_basket_that_the_buyer_fills_trades_reserve():
    desk = venue()
    desk.product(1, kind=m.INSTRUMENT)
    desk.tick(10 * SECOND)
    desk.place(11, m.SELL, 100, 3, UP)
    desk.place(12, m.SELL, 50, 3, 1)
    desk.send(mm.BeginBasket, 15, leg_count=2)
    for product in (1, UP):
        events = desk.send(
            mm.AddBasketLeg, 15, price_ticks=100, quantity_lots=3, product_id=product, side=m.BUY
        )
    assert len(of(events, "OrderFilled")) == 4
    check_books(desk.state())


def test_the_day_ahead_auction_takes_no_reserve():
    floor = Floor(periods=1)
    floor.auction_id = 1
    floor.product(
        7, kind=m.RESERVE_UP, closure=5_000, start=5_000, terms={"buyer_account_id": 4}
    )  # fmt: skip
    floor.operate(
        dm.DefineAuction, price_min_ticks=-5, price_max_ticks=5, period_count=1, zone_count=1,
        gate_ns=1_000, result_ns=2_000,
    )  # fmt: skip
    floor.operate(dm.DefineZone, first_product_id=7, zone=0)
    rejected = floor.operate(dm.OpenAuction)
    assert [event["reason"] for event in rejected] == ["PRODUCT_NOT_FIT"]


def test_positions_are_held_from_gate_closure_until_the_block_is_over():
    desk = venue()
    sell(desk, (4, 6))
    desk.place(13, m.SELL, 900, 5, UP, tif=m.GOOD_TILL_CANCELLED)
    events = desk.tick(20 * SECOND)
    assert [e["product_id"] for e in of(events, "OrderCancelled")] == [UP]
    assert phase(desk) == phase(desk, DOWN) == m.HOLDING
    for record in (m.ExpireProduct, m.HaltProduct, m.ResumeProduct):
        assert why(desk.send(record, 1, product_id=UP)) == ["WRONG_PHASE"]
    later = {"auction_ns": 0, "gate_closure_ns": START, "product_id": UP}
    assert why(desk.send(m.ScheduleProduct, 1, **later)) == ["WRONG_PHASE"]
    assert why(desk.place(11, m.SELL, 1, 1, UP)) == ["WRONG_PHASE"]
    assert desk.tick(END - 1) == []
    events = desk.tick(END)
    assert {e["account_id"]: e["position_lots"] for e in of(events, "PositionDelivered")} == {
        1: -4, 2: -6, BUYER: 10,
    }  # fmt: skip
    assert not of(events, "ReserveSettled") and not of(events, "ReserveBilled")
    assert phase(desk) == phase(desk, DOWN) == m.FREE
    check_books(desk.state())


def test_trading_that_is_ended_early_does_not_end_the_holding():
    desk = venue()
    desk.tick(10 * SECOND)
    sell(desk, (5,))
    desk.send(m.HaltProduct, 1, product_id=UP)
    desk.send(m.ExpireProduct, 1, product_id=UP)
    desk.tick()
    assert phase(desk) == m.HOLDING
    desk.tick(START)
    assert shares(call(desk, 5)) == {1: 5}
    assert of(desk.tick(END), "ReserveSettled")


def test_a_call_is_shared_by_position_and_the_shares_add_up():
    desk = sold((10, 10, 10))
    assert shares(call(desk, 10)) == {1: 3, 2: 3, 3: 4}
    assert shares(call(desk, 11)) == {2: 4}
    assert shares(call(desk, 11)) == {}
    assert shares(call(desk, 11, until=END - 1)) == {1: 3, 2: 4, 3: 4}
    assert shares(call(desk, 30)) == {1: 10, 2: 10, 3: 10}
    assert shares(call(desk, 0)) == {1: 0, 2: 0, 3: 0}
    events = call(desk, 1)
    assert shares(events) == {3: 1}
    assert of(events, "ReserveActivated")[0]["activation_ticks"] == TICKS
    assert shares(call(desk, 0)) == {3: 0}
    check_books(desk.state())


def test_a_call_ends_by_itself_and_energy_is_paid_at_the_end_of_the_block():
    desk = sold((10, 20), now=START + 999_999)
    before = [cash(desk, account) for account in (1, 2, BUYER)]
    assert of(call(desk, 15, until=START + 4 * SECOND), "ReserveLevelSet")[0]["quantity_lots"] == 15
    events = desk.tick(START + 4 * SECOND)
    assert shares(events) == {1: 0, 2: 0}
    assert [e["until_ns"] for e in of(events, "ReserveActivated")] == [START + 4 * SECOND] * 2
    assert {e["session_id"] for e in events} == {0}
    desk.tick(START + 50 * SECOND)
    call(desk, 30, until=END)
    desk.now_ns = START + 51 * SECOND
    call(desk, 0)
    assert set_aside(desk) == 2 * (15 * 4_000 + 30 * 1_000)
    events = desk.tick(END)
    energy = {1: 5 * 4_000 + 10 * 1_000, 2: 10 * 4_000 + 20 * 1_000}
    settled = of(events, "ReserveSettled")
    assert {e["account_id"]: e["activated_lot_ms"] for e in settled} == energy
    assert {e["account_id"]: e["amount_minor"] for e in settled} == {a: 2 * e for a, e in energy.items()}
    billed = of(events, "ReserveBilled")[0]
    assert (billed["account_id"], billed["amount_minor"]) == (BUYER, 2 * sum(energy.values()))
    after = [cash(desk, account) for account in (1, 2, BUYER)]
    gains = [b - a for a, b in zip(before, after, strict=True)]
    assert gains == [2 * energy[1], 2 * energy[2], -2 * sum(energy.values())]
    assert set_aside(desk) == 0
    check_books(desk.state())


def test_what_a_call_may_cost_is_set_aside_and_what_is_not_used_comes_back():
    desk = sold((10,), cash=28_000 + 100_000)  # the reserve itself costs 28,000
    events = call(desk, 10, until=START + 5 * SECOND)
    assert of(events, "ReserveLevelSet")[0]["set_aside_minor"] == 100_000
    assert why(call(desk, 10, until=START + 5 * SECOND + 10**6)) == ["CREDIT_EXCEEDED"]
    withdrawal = {"account_id": BUYER, "amount_minor": 1}
    assert why(desk.send(m.Withdraw, 1, **withdrawal)) == ["INSUFFICIENT_FUNDS"]
    desk.now_ns = START + SECOND
    events = call(desk, 4, until=START + 2 * SECOND)
    assert of(events, "ReserveLevelSet")[0]["set_aside_minor"] == 2 * (10_000 + 4_000)
    assert of(desk.send(m.Withdraw, 1, **withdrawal), "AccountChanged")
    desk.tick(START + 3 * SECOND)
    events = call(desk, 0)
    assert of(events, "ReserveLevelSet")[0]["set_aside_minor"] == 28_000
    desk.tick(END)
    assert cash(desk, BUYER) == 128_000 - 28_000 - 28_000 - 1
    check_books(desk.state())


def test_an_amount_is_rounded_down_and_the_buyer_keeps_the_rest():
    desk = sold((1, 1, 1), activation_ticks=1_000)
    call(desk, 3, until=START + 5 * 10**6)
    events = desk.tick(END)
    assert [e["amount_minor"] for e in of(events, "ReserveSettled")] == [1, 1, 1]  # of 1,000 x 5 / 3,600
    assert of(events, "ReserveBilled")[0]["amount_minor"] == 3
    check_books(desk.state())


def test_energy_that_costs_nothing_is_settled_all_the_same():
    desk = sold((3,), activation_ticks=0)
    assert of(call(desk, 3), "ReserveLevelSet")[0]["set_aside_minor"] == 0
    events = desk.tick(END)
    assert [(e["amount_minor"], e["activated_lot_ms"]) for e in of(events, "ReserveSettled")] == [
        (0, 300_000)
    ]
    assert of(events, "ReserveBilled")[0]["amount_minor"] == 0


def test_a_sellers_energy_is_bounded_by_its_position():
    desk = sold((10, 10), activation_max_s=10)
    assert why(call(desk, 20, until=START + 10 * SECOND + 10**6)) == ["ACTIVATION_TOO_LONG"]
    call(desk, 20, until=START + 8 * SECOND)
    desk.tick(START + 8 * SECOND)
    assert why(call(desk, 10, until=START + 13 * SECOND)) == ["ACTIVATION_TOO_LONG"]
    call(desk, 10, until=START + 12 * SECOND)
    desk.tick(START + 12 * SECOND)
    assert why(call(desk, 1, until=START + 12 * SECOND + 10**6)) == ["ACTIVATION_TOO_LONG"]
    assert [e["activated_lot_ms"] for e in of(desk.tick(END), "ReserveSettled")] == [100_000, 100_000]


def test_one_seller_that_the_rounding_always_meets_bounds_the_call():
    desk = sold((1, 1, 1), activation_max_s=10)
    call(desk, 1, until=START + 10 * SECOND)
    desk.tick(START + 10 * SECOND)
    assert why(call(desk, 1, until=START + 11 * SECOND)) == ["ACTIVATION_TOO_LONG"]
    check_books(desk.state())


def test_who_may_call_what_and_when():
    desk = sold((10,), now=START - 1)
    assert why(call(desk, 1, session=1)) == ["PARTICIPANT_ONLY"]
    assert why(call(desk, 1, session=11)) == ["RESERVE_BUYER_ONLY"]
    assert why(call(desk, 1, product=99)) == ["UNKNOWN_PRODUCT"]
    desk.product(1, kind=m.INSTRUMENT)
    assert why(call(desk, 1, product=1)) == ["WRONG_PRODUCT_KIND"]
    assert why(call(desk, 1)) == ["ACTIVATION_OUTSIDE_DELIVERY"]
    assert why(call(desk, 0)) == ["ACTIVATION_OUTSIDE_DELIVERY"]
    reserve(desk, 31, auction=0, closure=START + 5, start=START + 9)
    assert why(call(desk, 1, product=31)) == ["WRONG_PHASE"]
    desk.tick(START)
    assert why(call(desk, 11)) == why(call(desk, 2**31 - 1)) == ["ACTIVATION_ABOVE_POSITION"]
    assert why(call(desk, 1, product=DOWN)) == ["ACTIVATION_ABOVE_POSITION"]
    assert why(call(desk, -1)) == why(call(desk, -(2**31))) == ["QUANTITY_OUT_OF_RANGE"]
    for until in (START, 0, -1, END + 1, 2**63 - 1):
        assert why(call(desk, 1, until=until)) == ["ACTIVATION_OUTSIDE_DELIVERY"]
    assert of(call(desk, 0, until=-5), "ReserveLevelSet")[0]["until_ns"] == START
    assert of(call(desk, 10), "ReserveActivated")
    desk.now_ns = END
    assert why(call(desk, 0)) == ["ACTIVATION_OUTSIDE_DELIVERY"]
    desk.tick(END)
    assert why(call(desk, 1)) == ["UNKNOWN_PRODUCT"]


def test_a_call_beyond_all_money_is_refused_before_it_is_computed():
    desk = venue(delivery_duration_s=rs.RESERVE_DURATION_S_MAX, activation_ticks=s.PRICE_TICKS_MAX,
                 activation_max_s=rs.RESERVE_DURATION_S_MAX)  # fmt: skip
    for account in (1, 2, BUYER):
        wide = {"long_limit_lots": s.POSITION_LOTS_MAX, "short_limit_lots": s.POSITION_LOTS_MAX}
        desk.send(m.OpenAccount, 1, account_id=account, credit_minor=s.CREDIT_MINOR_MAX, **wide)
    sell(desk, (10**6, 10**6))
    for session, side in ((11, m.SELL), (15, m.BUY)):
        for _ in range(20):
            desk.place(session, side, 0, s.LOTS_MAX, UP)
    desk.tick(START)
    week = rs.RESERVE_DURATION_S_MAX * SECOND
    assert why(call(desk, 20 * 10**6, until=START + week)) == ["CREDIT_EXCEEDED"]
    assert of(call(desk, 1, until=START + SECOND), "ReserveLevelSet")
    check_books(desk.state())


def test_a_late_timer_changes_nothing_of_a_call_that_has_ended():
    desk = sold((10,))
    call(desk, 10, until=START + SECOND)
    desk.now_ns = START + 5 * SECOND
    assert why(call(desk, 99)) == ["ACTIVATION_ABOVE_POSITION"]
    assert shares(call(desk, 10, until=START + 6 * SECOND)) == {1: 10}
    desk.tick(START + 6 * SECOND)
    assert [e["activated_lot_ms"] for e in of(desk.tick(END), "ReserveSettled")] == [20_000]


def test_a_trade_of_reserve_stands_from_when_its_block_begins():
    desk = venue()
    sell(desk, (4, 6))
    first, *_ = of(desk.tick(20 * SECOND), "OrderFilled")
    trade = {"trade_sequence": first["sequence"], "trade_index": first["trade_index"]}

    def change(action, session=1):
        return desk.send(sm.ProposeTradeChange, session, price_ticks=90, action=action, **trade)

    desk.send(sm.EngageKillSwitch, 1, scope=sm.SESSION_SCOPE, target_id=14, cause=1)  # trades are kept now
    assert why(change(sm.BUST)) == ["UNKNOWN_TRADE"]
    desk = venue()
    desk.send(sm.EngageKillSwitch, 1, scope=sm.SESSION_SCOPE, target_id=14, cause=1)
    sell(desk, (4, 6))
    first, *_ = of(desk.tick(20 * SECOND), "OrderFilled")
    trade = {"trade_sequence": first["sequence"], "trade_index": first["trade_index"]}
    desk.now_ns = START - 1
    proposal = change(sm.BUST)[0]["sequence"]
    waiting = change(sm.CORRECT)[0]["sequence"]
    busted = desk.send(sm.ApproveTradeChange, 2, proposal_sequence=proposal)
    assert {e["account_id"]: e["position_change_lots"] for e in busted} == {BUYER: -4, 1: 4}
    desk.now_ns = START
    assert why(desk.send(sm.ApproveTradeChange, 2, proposal_sequence=waiting)) == ["ALREADY_BUSTED"]
    trade["trade_index"] += 1
    assert why(change(sm.BUST)) == why(change(sm.CORRECT)) == ["WRONG_PHASE"]
    desk.tick(START)
    assert why(call(desk, 7)) == ["ACTIVATION_ABOVE_POSITION"]
    assert shares(call(desk, 6)) == {2: 6}
    check_books(desk.state())


@pytest.mark.parametrize(
    ("scope", "target", "stops"),
    [
        (sm.SESSION_SCOPE, 15, True), (sm.ACCOUNT_SCOPE, BUYER, True),
        (sm.PRODUCT_SCOPE, UP, False), (sm.VENUE_SCOPE, 0, False),
    ],
)  # fmt: skip
def test_a_kill_switch_of_the_buyer_stops_calls_but_never_their_ends(scope, target, stops):
    desk = sold((10,))
    call(desk, 5)
    desk.send(sm.EngageKillSwitch, 1, scope=scope, target_id=target, cause=1)
    events = call(desk, 6)
    assert (why(events) == ["KILL_SWITCH_ENGAGED"]) if stops else (shares(events) == {1: 6})
    assert shares(call(desk, 0)) == {1: 0}


def test_a_call_outlives_the_session_that_sent_it():
    desk = sold((10,))
    call(desk, 5, until=START + 10 * SECOND)
    desk.send(CloseSession, 15)
    assert shares(desk.tick(START + 10 * SECOND)) == {1: 0}
    desk.open(16, BUYER)
    assert shares(call(desk, 2, session=16)) == {1: 2}


def test_many_sellers_are_told_and_paid_in_portions():
    count = 2 * rs.SHARES_TOLD_PER_STEP + 9
    desk = sold([1] * 4, sellers=count, now=9 * SECOND)
    more = range(BUYER + 1, count + 2)
    for number in more:
        desk.place(10 + number, m.SELL, 100, 1, UP)
    desk.place(15, m.BUY, 100, len(more), UP)
    desk.tick(START)
    first = call(desk, count)
    assert len(shares(first)) == rs.SHARES_TOLD_PER_STEP
    again = call(desk, count - 1)  # the next one goes on where the first has stopped
    assert len(shares(again)) == rs.SHARES_TOLD_PER_STEP
    assert not shares(first).keys() & shares(again).keys()
    rest = desk.tick()
    assert len(shares(first) | shares(again) | shares(rest)) == count
    assert sum((shares(first) | shares(again) | shares(rest)).values()) == count - 1
    desk.tick(END - 1)
    settled = desk.tick(END)
    assert len(of(settled, "ReserveSettled")) == count - 1 and len({e["sequence"] for e in settled}) > 1
    assert phase(desk) == m.FREE
    check_books(desk.state())


def test_a_slot_is_free_for_the_next_block():
    desk = sold((10,), activation_max_s=10)
    call(desk, 10, until=START + 10 * SECOND)
    desk.tick(END)
    number = UP + s.PRODUCTS
    reserve(
        desk, number, m.RESERVE_DOWN, END + 10 * SECOND, END + 20 * SECOND, END + 30 * SECOND,
        activation_max_s=5,
    )  # fmt: skip
    sell(desk, (10,), number)
    desk.tick(END + 30 * SECOND)
    assert shares(call(desk, 10, until=END + 35 * SECOND, product=number)) == {1: 10}
    desk.tick(END + 130 * SECOND)
    desk.product(UP + 2 * s.PRODUCTS, kind=m.INSTRUMENT)
    assert of(desk.place(11, m.BUY, 1, 1, UP + 2 * s.PRODUCTS), "OrderAccepted")
    check_books(desk.state())
