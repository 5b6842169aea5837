"""Strategies at the real engine in this process."""

import json
import subprocess
import sys
from collections import Counter

import pytest
from slow_book import SlowBook
from strategies import Once, Watcher, market_maker, sweep, twap_taker

from ringmain.client.strategy import BUY, SELL, Latency, Plan, Strategy, lots_of, simulate, ticks_of
from ringmain.core.errors import RingmainError
from ringmain.exchange import messages as m

SECOND_NS = 1_000_000_000
PLAN = Plan(call_s=10.0, trading_s=60.0)


class Tape:
    """The engine's events, for whoever does not believe the desk."""

    def __init__(self):
        self.events = []

    def __call__(self, rows):
        self.events += [m.schema.unpack_event(rows[i : i + 1]) for i in range(rows.size)]

    def fills(self, account_id):
        return [e for e in self.events if e["record"] == "OrderFilled" and e["account_id"] == account_id]


def test_the_same_seed_gives_the_same_day_and_another_one_another():
    first, again, other = (
        simulate([market_maker(closure_s=5), twap_taker(seconds=30)], seed, PLAN) for seed in (3, 3, 4)
    )
    assert [each.as_dict() for each in first] == [each.as_dict() for each in again]
    assert first[0].fills != other[0].fills
    assert first[0].fills
    assert "WOULD_TRADE" not in first[0].rejections, "no side meets the other"
    assert first[1].fills


def test_position_cash_and_fills_are_the_engines():
    tape = Tape()
    (result,) = simulate([market_maker(closure_s=5)], 5, PLAN, publish=tape)
    fills = tape.fills(11)
    assert len(fills) == len(result.fills) > 5
    sign = {m.BUY: 1, m.SELL: -1}
    assert result.positions[0]["position_lots"] == sum(sign[e["side"]] * e["quantity_lots"] for e in fills)
    spent = sum(sign[e["side"]] * e["quantity_lots"] * e["price_ticks"] * PLAN.value_minor for e in fills)
    assert result.cash_minor == -spent
    last = [e["price_ticks"] for e in tape.events if e["record"] == "OrderFilled"][-1]
    assert result.profit_minor == -spent + result.positions[0]["position_lots"] * last * PLAN.value_minor
    placed = [e for e in tape.events if e["record"] == "OrderAccepted" and e["account_id"] == 11]
    assert {e["session_number"] for e in placed} == {
        o["number"] for o in result.orders if o["reason"] in ("", "MASS_CANCEL", "BY_OWNER")
    }
    assert all(order["status"] == "done" for order in result.orders), "cancelled at the end"


def test_the_books_a_strategy_sees_are_those_of_the_slow_twin():
    watcher, rows = Watcher(), []
    simulate([watcher], 6, PLAN, latency=Latency(0, 0), publish=lambda events: rows.append(events.copy()))
    events = m.schema.batch(rows)
    twin, books, trades = SlowBook(), {}, []
    for row in range(events.size):
        event = m.schema.unpack_event(events[row : row + 1])
        twin.fold(event)
        books[event["time_ns"]] = None
        if row + 1 == events.size or events["time_ns"][row + 1] != event["time_ns"]:
            twin.tidy()
            books[event["time_ns"]] = twin.depth(1)
    seen = [(time_ns, book) for time_ns, what, book in watcher.heard if what == "book"]
    assert len(seen) > 50
    assert [book for _, book in seen] == [books[time_ns] for time_ns, _ in seen]
    trades = [(t.price_ticks, t.quantity_lots) for t in watcher.told("trade")]
    assert trades == [(price, lots) for _, price, lots, _ in twin.trades]


def test_a_strategy_lives_through_call_trading_and_closure():
    watcher = Watcher()
    simulate([watcher], 1, PLAN, latency=Latency(2_000, 1_000))
    phases = [(time_ns, name) for time_ns, what, name in watcher.heard if what == "phase"]
    assert phases[0] == (PLAN.open_ns + 1_000, "CONTINUOUS")
    assert phases[1] == (PLAN.gate_closure_ns + 1_000, "FREE") or phases[1][0] == PLAN.gate_closure_ns + 1_000
    assert watcher.heard[0][1] == "start"
    assert watcher.heard[-1][1] == "stop"


def test_an_order_of_the_call_trades_in_the_auction():
    buyer = Once(lambda desk: desk.place(1, BUY, 4_700, 30))
    (result,) = simulate([buyer], 2, PLAN)
    assert {fill["role"] for fill in result.fills} == {"AUCTION"}
    assert sum(fill["quantity_lots"] for fill in result.fills) == 30


def test_latency_is_logical_time_there_and_back():
    buyer = Once(sweep, PLAN.open_ns + 5 * SECOND_NS)
    simulate([buyer], 2, PLAN, latency=Latency(3_000, 7_000))
    times = {what: time_ns for time_ns, what, _ in buyer.heard if what in ("timer", "accepted")}
    assert times["timer"] == PLAN.open_ns + 5 * SECOND_NS
    assert times["accepted"] == times["timer"] + 10_000


def test_whoever_answers_himself_for_ever_without_latency_is_stopped():
    class Echo(Strategy):
        product_ids = (1,)

        def on_start(self, desk):
            desk.place(1, BUY, 10, 1)

        def on_order(self, desk, update):
            desk.place(1, BUY, 10, 1)

    with pytest.raises(RingmainError, match="RM366"):
        simulate([Echo()], 1, PLAN, latency=Latency(0, 0))


def test_the_maker_is_gone_in_a_halt_and_before_closure():
    begin, end = PLAN.open_ns + 20 * SECOND_NS, PLAN.open_ns + 40 * SECOND_NS
    script = [(begin, m.HaltProduct(product_id=1)), (end, m.ResumeProduct(product_id=1))]
    tape = Tape()
    plan = Plan(call_s=10.0, trading_s=60.0, script=script)
    (result,) = simulate([market_maker(closure_s=10)], 5, plan, publish=tape)
    placed = [command["time_ns"] for command in result.commands if command["record"] == "PlaceOrder"]
    assert not [time_ns for time_ns in placed if begin + SECOND_NS // 2 < time_ns < end]
    assert [time_ns for time_ns in placed if time_ns >= end], "it comes back"
    assert max(placed) < plan.gate_closure_ns - 10 * SECOND_NS
    resting: Counter = Counter()
    for event in tape.events:
        if event["session_id"] == 11 and event["record"] in ("OrderAccepted", "OrderCancelled"):
            resting[event["session_number"]] += 1
            if event["record"] == "OrderCancelled":
                assert event["reason"] != "GATE_CLOSURE"


def test_the_maker_keeps_its_limit_and_leans_against_its_position():
    (result,) = simulate([market_maker(limit_lots=40)], 9, Plan(call_s=0, trading_s=200.0))
    position = 0
    for fill in result.fills:
        position += fill["quantity_lots"] if fill["side"] == "BUY" else -fill["quantity_lots"]
        assert abs(position) <= 40
    assert len(result.fills) > 20


def test_rejections_are_counted_and_not_answered_by_a_storm():
    plan = Plan(call_s=0, trading_s=60.0, limit_lots=10)
    (result,) = simulate([market_maker(quantity_lots=20, closure_s=5)], 3, plan)
    assert result.rejections["POSITION_LIMIT_EXCEEDED"] > 10
    assert len(result.orders) <= 2 * 62, "two tries in a second"
    assert result.fills == []


def test_twap_fills_its_quantity_in_time_and_within_its_limit():
    plan = Plan(call_s=10.0, trading_s=120.0)
    (result,) = simulate([twap_taker(quantity_lots=150, seconds=1_000, slices=10, closure_s=20)], 4, plan)
    assert sum(fill["quantity_lots"] for fill in result.fills) == 150
    assert max(fill["time_ns"] for fill in result.fills) <= plan.gate_closure_ns - 19 * SECOND_NS
    times = [command["time_ns"] for command in result.commands]
    assert len(times) >= 10
    mean = sum(f["price_ticks"] * f["quantity_lots"] for f in result.fills) / 150
    assert result.figures["slippage, ticks"] == pytest.approx(mean - result.figures["arrival price, ticks"])
    limit = result.figures["arrival price, ticks"] + 8
    (kept,) = simulate([twap_taker(quantity_lots=150, seconds=90, slices=10, limit_ticks=limit)], 4, plan)
    assert all(fill["price_ticks"] <= limit for fill in kept.fills)
    assert 0 < kept.figures["not filled, lots"] < 150


def test_twap_sells_too_and_rolls_over_a_halt():
    plan = Plan(call_s=10.0, trading_s=120.0)
    halt = plan.open_ns + 10 * SECOND_NS
    script = [(halt, m.HaltProduct(product_id=1)), (halt + 30 * SECOND_NS, m.ResumeProduct(product_id=1))]
    halted = Plan(call_s=10.0, trading_s=120.0, script=script)
    (result,) = simulate([twap_taker(side="SELL", quantity_lots=60, seconds=60, slices=6)], 4, halted)
    assert {fill["side"] for fill in result.fills} == {"SELL"}
    assert result.figures["filled, lots"] == 60
    assert not [f for f in result.fills if halt < f["time_ns"] < halt + 30 * SECOND_NS]


def test_replace_cancel_quote_and_mass_cancel_do_what_they_say():
    orders = {}

    def begin(desk):
        orders["moved"] = desk.place(1, BUY, 4_000, 10)
        orders["gone"] = desk.place(1, BUY, 4_001, 10)
        orders["bad"] = desk.place(1, BUY, 4_001, 0)
        desk.replace(orders["moved"], 3_999, 7)
        desk.cancel(orders["gone"])
        desk.quote(1, 3_990, 5, 5_010, 6)
        assert [order.status for order in orders.values()] == ["sent"] * 3

    class Checked(Once):
        def on_timer(self, desk, tag):
            if tag == "do":
                begin(desk)
                desk.call_in(1.0, "look")
            elif tag == "look":
                moved = orders["moved"]
                assert (moved.price_ticks, moved.open_lots, moved.is_settled) == (3_999, 7, True)
                assert (orders["gone"].status, orders["gone"].reason) == ("done", "BY_OWNER")
                assert (orders["bad"].status, orders["bad"].reason) == ("done", "QUANTITY_OUT_OF_RANGE")
                shown = [(o.side, o.price_ticks, o.open_lots) for o in desk.live_orders(1)]
                assert shown == [(BUY, 3_999, 7), (BUY, 3_990, 5), (SELL, 5_010, 6)]
                desk.mass_cancel(1)
                desk.call_in(1.0, "end")
            else:
                assert desk.live_orders() == []
                orders["end"] = True

    simulate([Checked(begin, PLAN.open_ns + SECOND_NS)], 1, PLAN)
    assert orders["end"]


def test_a_result_is_plain_enough_for_json():
    (result,) = simulate([twap_taker(seconds=10)], 1, Plan(call_s=0, trading_s=30.0))
    assert json.loads(json.dumps(result.as_dict()))["fills"] == result.fills


def test_amounts_are_exact():
    assert ticks_of(45.25) == 4_525
    assert ticks_of("-0.05") == -5
    assert ticks_of(45.255) == 4_526, "half a tick goes to the even neighbour"
    assert lots_of(12.3) == 123


def test_what_cannot_be_is_refused():
    with pytest.raises(RingmainError, match="RM365"):
        Latency(-1)
    with pytest.raises(RingmainError, match="RM367"):
        simulate([], 1)


def test_the_command_stays_light():
    code = "import sys; from ringmain import cli; cli.parser(); sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
