"""The rules of single orders and phases, one case each; the twin looks on."""

from exchange_rig import check_books, venue

from ringmain.exchange import messages as m
from ringmain.exchange import state as s

SECOND_NS = 10**9


def told(events, record):
    return [event for event in events if event["record"] == record]


def names(events):
    return [event["record"] + (":" + event["reason"] if "reason" in event else "") for event in events]


def fills(events):
    """Maker's session, price and lots of each trade."""
    return [
        (e["session_id"], e["price_ticks"], e["quantity_lots"])
        for e in told(events, "OrderFilled")
        if e["role"] == m.MAKER
    ]


def test_an_iceberg_shows_a_clip_at_a_time_and_each_goes_to_the_end_of_its_queue():
    desk = venue()
    accepted, clip = desk.place(11, m.SELL, 50, 25, display_lots=10)
    assert (accepted["shown_lots"], clip["shown_lots"], clip["hidden_lots"]) == (0, 10, 15)
    desk.place(12, m.SELL, 50, 5)
    events = desk.place(13, m.BUY, 50, 18)
    assert fills(events) == [(11, 50, 10), (12, 50, 5), (11, 50, 3)]
    assert [(c["shown_lots"], c["hidden_lots"]) for c in told(events, "ClipShown")] == [(10, 5)]
    check_books(desk.state())


def test_the_next_clip_of_an_iceberg_with_a_step_is_dearer():
    desk = venue()
    desk.place(11, m.SELL, 50, 20, display_lots=10, clip_step_ticks=3)
    desk.place(12, m.SELL, 52, 5)
    events = desk.place(13, m.BUY, 60, 20)
    assert fills(events) == [(11, 50, 10), (12, 52, 5), (11, 53, 5)]
    assert names(desk.place(11, m.SELL, 50, 20, display_lots=10, clip_step_ticks=-1)) == [
        "OrderRejected:CLIP_STEP_OUT_OF_RANGE"
    ]


def test_a_stop_order_waits_for_the_last_price_and_then_trades_within_its_range():
    desk = venue(reach=5)
    assert names(desk.place(11, m.BUY, 0, 5, type=m.STOP, stop_ticks=60)) == ["OrderAccepted"]
    desk.place(12, m.SELL, 60, 1)
    desk.place(12, m.SELL, 64, 3)
    desk.place(12, m.SELL, 66, 9)
    events = desk.place(13, m.BUY, 60, 1)
    assert told(events, "OrderTriggered")[0]["trigger_ticks"] == 60
    assert fills(events) == [(12, 60, 1), (12, 64, 3)]
    assert names(events)[-1] == "OrderCancelled:IOC_REMAINDER"  # 66 is beyond the range of 5
    check_books(desk.state())


def test_stop_limit_orders_come_in_by_stop_price_and_then_by_time():
    desk = venue()
    for session, stop in ((11, 61), (12, 60), (13, 60)):
        desk.place(session, m.BUY, 40, 1, type=m.STOP_LIMIT, stop_ticks=stop)
    desk.place(14, m.SELL, 61, 1)
    events = desk.place(13, m.BUY, 61, 1)
    assert [e["session_id"] for e in told(events, "OrderTriggered")] == [12, 13, 11]


def test_what_is_left_of_a_market_to_limit_order_rests_at_the_price_it_traded_at():
    desk = venue()
    desk.place(11, m.SELL, 50, 3)
    desk.place(11, m.SELL, 51, 9)
    events = desk.place(12, m.BUY, 0, 5, type=m.MARKET_TO_LIMIT)
    assert fills(events) == [(11, 50, 3)]
    assert fills(desk.place(13, m.SELL, 50, 2)) == [(12, 50, 2)]
    assert names(desk.place(13, m.SELL, 0, 2, type=m.MARKET_TO_LIMIT)) == [
        "OrderRejected:NOTHING_TO_TRADE_WITH"
    ]


def test_a_post_only_order_never_takes():
    desk = venue()
    desk.place(11, m.SELL, 50, 3)
    assert names(desk.place(12, m.BUY, 50, 1, post_only=1)) == ["OrderRejected:WOULD_TRADE"]
    order = desk.place(12, m.BUY, 49, 1, post_only=1)[0]["session_number"]
    change = {"order_number": order, "price_ticks": 50, "quantity_lots": 1}
    assert names(desk.send(m.ReplaceOrder, 12, **change)) == ["OrderRejected:WOULD_TRADE"]


def test_an_order_with_a_date_leaves_at_it():
    desk = venue()
    desk.place(11, m.SELL, 50, 3, tif=m.GOOD_TILL_DATE, expires_s=9)
    desk.place(11, m.SELL, 51, 3, tif=m.GOOD_TILL_DATE, expires_s=5)
    assert desk.machine.next_deadline_ns == 5 * SECOND_NS
    assert [e["price_ticks"] for e in desk.tick(5 * SECOND_NS)] == [51]
    assert names(desk.tick(9 * SECOND_NS)) == ["OrderCancelled:EXPIRED"]
    rejected = desk.place(11, m.SELL, 50, 3, tif=m.GOOD_TILL_DATE, expires_s=9)
    assert names(rejected) == ["OrderRejected:EXPIRY_OUT_OF_RANGE"]


def test_self_trades_are_prevented_as_the_incoming_order_asks():
    left = {}
    for mode in (m.ALLOWED, m.CANCEL_NEWEST, m.CANCEL_OLDEST, m.CANCEL_BOTH, m.DECREMENT):
        desk = venue()
        desk.place(11, m.SELL, 50, 4)
        desk.place(12, m.SELL, 50, 4)
        events = desk.place(11, m.BUY, 50, 6, self_trade=mode)
        orders = desk.state().matching.orders
        resting = orders[orders["lots"] > 0]
        by_name = sorted((int(o["session_id"]), int(o["lots"])) for o in resting)
        left[mode] = fills(events), by_name
        check_books(desk.state())
    assert left[m.ALLOWED] == ([(11, 50, 4), (12, 50, 2)], [(12, 2)])
    assert left[m.CANCEL_NEWEST] == ([], [(11, 4), (12, 4)])
    assert left[m.CANCEL_OLDEST] == ([(12, 50, 4)], [(11, 2)])
    assert left[m.CANCEL_BOTH] == ([], [(12, 4)])
    assert left[m.DECREMENT] == ([(12, 50, 2)], [(12, 2)])


def test_pro_rata_shares_by_size_and_what_rounding_leaves_goes_by_time():
    desk = venue(rules={"allocation": m.PRO_RATA})
    for session, lots in ((11, 10), (12, 20), (13, 31)):
        desk.place(session, m.SELL, 50, lots)
    assert fills(desk.place(14, m.BUY, 50, 30)) == [(11, 50, 6), (12, 50, 9), (13, 50, 15)]


def test_prices_and_quantities_keep_the_products_steps():
    rules = {"price_step_ticks": 5, "lot_step_lots": 10, "quantity_min_lots": 20, "quantity_max_lots": 40}
    desk = venue(rules=rules)
    cases = {(50, 20): None, (51, 20): "OFF_TICK", (50, 25): "OFF_LOT"}
    cases |= {(50, 10): "QUANTITY_BELOW_MINIMUM", (50, 50): "QUANTITY_ABOVE_MAXIMUM"}
    for (price, lots), why in cases.items():
        expected = "OrderAccepted" if why is None else f"OrderRejected:{why}"
        assert names(desk.place(11, m.SELL, price, lots)) == [expected]


def test_a_session_goes_from_pre_open_through_both_calls_to_closed():
    desk = venue()
    calls = {"call_start_ns": 10 * SECOND_NS, "closing_call_ns": 60 * SECOND_NS}
    desk.product(3, auction=20 * SECOND_NS, closure=90 * SECOND_NS, calls=calls)
    desk.place(11, m.BUY, 55, 4, product=3)
    desk.place(12, m.SELL, 45, 6, product=3, tif=m.GOOD_TILL_CANCELLED)
    events = desk.tick(10 * SECOND_NS)
    while desk.machine.next_deadline_ns and desk.machine.next_deadline_ns <= 90 * SECOND_NS:
        events += desk.tick(desk.machine.next_deadline_ns)
    phases = [e["phase"] for e in told(events, "PhaseChanged")]
    assert phases == [
        m.CALL, m.UNCROSSING, m.CONTINUOUS, m.CLOSING_CALL, m.UNCROSSING, m.CLOSING, m.CLOSED,
    ]  # fmt: skip
    assert told(events, "IndicativePriceChanged")[0]["volume_lots"] == 4
    uncrossed_ns = told(events, "AuctionUncrossed")[0]["time_ns"]
    assert 20 * SECOND_NS <= uncrossed_ns <= 25 * SECOND_NS  # its end is drawn
    assert told(events, "AuctionUncrossed")[0]["volume_lots"] == 4
    assert names(desk.send(m.CancelOrder, 12, order_number=1)) == ["OrderCancelled:BY_OWNER"]  # it has lasted


def test_in_a_balancing_phase_orders_rest_crossed_and_balancing_ones_alone_trade():
    desk = venue()
    limits = {"credit_minor": 0, "long_limit_lots": 10**6, "short_limit_lots": 10**6}
    desk.send(m.OpenAccount, 1, account_id=4, may_balance=1, **limits)
    desk.send(m.StartBalancing, 1, product_id=1)
    assert names(desk.place(11, m.BUY, 60, 5)) == ["OrderAccepted"]
    assert names(desk.place(12, m.SELL, 50, 3)) == ["OrderAccepted"]
    assert names(desk.place(13, m.BUY, 60, 5, balancing=1)) == ["OrderRejected:NOT_BALANCING"]
    assert fills(desk.place(14, m.SELL, 55, 1, tif=m.IOC, balancing=1)) == [(11, 60, 1)]
    events = desk.send(m.EndBalancing, 1, product_id=1) + desk.tick()
    assert told(events, "AuctionUncrossed")[0]["volume_lots"] == 3
    check_books(desk.state())


def test_fill_or_kill_counts_with_all_who_share():
    desk = venue(rules={"allocation": m.PRO_RATA})
    for session in (11, 12):
        for _ in range(75):
            desk.place(session, m.SELL, 50, 3)
    events = desk.place(14, m.BUY, 50, 140, tif=m.FOK)  # 150 shares are too many
    assert names(events) == ["OrderAccepted", "OrderCancelled:FOK_UNFILLED"]
    filled = fills(desk.place(14, m.BUY, 50, 100, tif=m.FOK))
    assert sum(lots for _, _, lots in filled) == 100


def test_fill_or_kill_sees_an_own_order_among_those_who_share():
    desk = venue(rules={"allocation": m.PRO_RATA})
    desk.place(13, m.SELL, 49, 5)
    desk.place(13, m.SELL, 50, 10)
    desk.place(11, m.SELL, 50, 10)
    events = desk.place(11, m.BUY, 50, 10, tif=m.FOK, self_trade=m.CANCEL_NEWEST)
    assert names(events) == ["OrderAccepted", "OrderCancelled:FOK_UNFILLED"]


def test_when_price_levels_run_out_an_order_is_cancelled_and_the_exchange_lives():
    desk = venue(twin=False)
    for limit in range(70, 76):
        desk.place(11, m.BUY, limit, 1, type=m.STOP_LIMIT, stop_ticks=60)
    pool = desk.state().matching.level_pool
    desk.place(12, m.SELL, 60, 1)
    taken = int(pool.count)
    pool.count = s.LEVELS - 2  # as if other books had all the others
    events = desk.place(13, m.BUY, 60, 1)
    pool.count += taken - (s.LEVELS - 2)
    ends = [event["reason"] for event in told(events, "OrderCancelled")]
    assert len(told(events, "OrderTriggered")) == 6 > len(ends)
    assert set(ends) == {"NO_PRICE_LEVEL_LEFT"}
    check_books(desk.state())
