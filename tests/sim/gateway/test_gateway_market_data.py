"""The public feed of a real exchange: snapshots, changes, nothing private, and slow subscribers."""

import random
import time

import numpy as np
import pytest
from gateway_rig import Rig
from gateway_venue import data_until, order, set_up

from ringmain.exchange.messages import (
    BUY,
    CONTINUOUS,
    GOOD_FOR_SESSION,
    INSTRUMENT,
    IOC,
    LIMIT,
    SELL,
    CancelOrder,
    DefineProduct,
    PlaceOrder,
    ScheduleCalls,
    ScheduleProduct,
)
from ringmain.gateway.messages import DELAYED, DEPTH, INDICATIVE, ORDERS, PHASES, STATISTICS, TOP, TRADES


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    rig = Rig(tmp_path_factory.mktemp("venue"), "exchange", unread_bytes=65_536, delay_s=3.0)
    set_up(rig)
    yield rig
    rig.close()


class Screen:
    """What a subscriber knows: it begins anew with each snapshot."""

    def __init__(self, client, product_id: int = 1) -> None:
        self.client, self.product_id = client, product_id
        self.levels: dict[tuple[int, int], int] = {}
        self.trades: list[tuple[int, int]] = []
        self.phase = None
        self.snapshots = 0

    def hear(self, records) -> None:
        for record in map(self.client.unpack, records):
            assert record["session_id"] == 0
            assert record["product_id"] == self.product_id
            if record["record"] == "SnapshotBegun" and record["feed"] == DEPTH:
                self.levels.clear()
                self.snapshots += 1
            elif record["record"] == "LevelChanged":
                self.levels[record["side"], record["price_ticks"]] = record["quantity_lots"]
            elif record["record"] == "TradePrinted":
                self.trades.append((record["price_ticks"], record["quantity_lots"]))
            elif record["record"] == "PhaseChanged":
                self.phase = record["phase"]

    def until(self, is_so) -> None:
        for _ in range(200):
            self.hear(self.client.poll_data(0.1))
            if is_so():
                return
        raise AssertionError(f"it is not shown: {self.levels} {self.trades} {self.phase}")

    @property
    def resting(self) -> dict:
        return {level: lots for level, lots in self.levels.items() if lots}


def test_a_subscriber_sees_depth_trades_and_phases_but_no_owner(rig):
    with rig.client(rig.new_token("one")) as one, rig.client(rig.new_token("two", account_id=2)) as two:
        bid = one.send(order(BUY, 4_990, 7))
        one.send(order(SELL, 5_010, 5))
        one.settle()
        screen = Screen(rig.client(rig.new_token("eyes", role="observer")))
        for feed in (DEPTH, TRADES, PHASES):
            screen.client.subscribe(feed, 1)
        screen.until(lambda: screen.resting == {(BUY, 4_990): 7, (SELL, 5_010): 5})
        screen.until(lambda: screen.phase == CONTINUOUS)
        assert screen.snapshots == 1
        two.send(order(SELL, 4_990, 3, lasts=IOC))
        two.settle()
        screen.until(lambda: screen.trades == [(4_990, 3)] and screen.resting[BUY, 4_990] == 4)
        one.send(CancelOrder(order_number=bid))
        one.send(order(BUY, 4_980, 2, product_id=2))  # of no concern to this screen
        one.settle()
        screen.until(lambda: screen.resting == {(SELL, 5_010): 5})
        assert not screen.client.poll().size or (screen.client.poll()["kind"] >= 0xFF00).all()
    screen.until(lambda: screen.resting == {})  # cancelled on disconnect


def test_a_screen_that_did_not_look_is_shown_the_present_not_the_past(rig):
    dice = random.Random(7)
    screen = Screen(rig.client(rig.new_token("sleeper", role="observer")), 2)
    screen.client.subscribe(DEPTH, 2)
    screen.until(lambda: screen.snapshots == 1)
    resting: dict[tuple[int, int], int] = {}
    with rig.client(rig.new_token("busy")) as busy:
        for _ in range(150):
            batch = np.zeros(400, PlaceOrder.dtype)
            PlaceOrder.stamp(batch)
            batch["product_id"], batch["order_type"], batch["time_in_force"] = 2, LIMIT, GOOD_FOR_SESSION
            for command in batch:
                side = dice.choice((BUY, SELL))
                price = dice.randrange(4_000, 5_000) if side == BUY else dice.randrange(5_001, 6_000)
                command["side"], command["price_ticks"], command["quantity_lots"] = side, price, 1
                resting[side, price] = resting.get((side, price), 0) + 1
            busy.send_batch(batch)
        busy.settle()
        screen.until(lambda: screen.resting == resting)


def test_a_feed_that_is_not_there_is_refused_by_name(rig):
    with rig.client(rig.new_token("curious")) as client:
        client.subscribe(9, 1)
        client.settle()
        refused = client.unpack(client.poll()[-1])
        assert (refused["record"], refused["reason"]) == ("Refused", "NO_SUCH_FEED")
        client.wait_answer(client.send(order(BUY, 4_000, 1)))


def test_the_screen_is_whole_again_after_the_gateway_died(rig):
    screen = Screen(rig.client(rig.new_token("patient", role="observer")))
    screen.client.subscribe(DEPTH, 1)
    with rig.client(rig.new_token("steady", cancel_on_disconnect=False)) as steady:
        steady.send(order(BUY, 4_500, 9))
        steady.settle()
        screen.until(lambda: screen.resting.get((BUY, 4_500)) == 9)
        rig.kill("gateway")
        rig.start("gateway")
        steady.send(order(BUY, 4_500, 1))
        steady.settle()
    screen.until(lambda: screen.resting.get((BUY, 4_500)) == 10 and screen.snapshots == 2)


def test_depth_by_order_top_and_figures_tell_of_an_orders_life(rig):
    eyes = rig.client(rig.new_token("all eyes", role="observer"))
    with (
        rig.client(rig.new_token("maker")) as maker,
        rig.client(rig.new_token("taker", account_id=2)) as taker,
    ):
        bids = [maker.send(order(BUY, 4_700, lots)) for lots in (5, 6)]
        maker.settle()
        for feed in (ORDERS, TOP, STATISTICS):
            eyes.subscribe(feed, 1)
        heard = data_until(eyes, lambda e: e["record"] == "SnapshotEnded" and e["feed"] == STATISTICS)
        queue = {
            e["order_id"]: e["quantity_lots"]
            for e in heard
            if e["record"] == "OrderShown" and e["price_ticks"] == 4_700
        }
        first, second = sorted(queue)
        assert (queue[first], queue[second]) == (5, 6), "at a price, the lower id is first"
        taker.send(order(SELL, 4_700, 5, lasts=IOC))
        taker.settle()
        heard = data_until(eyes, lambda e: e["record"] == "StatisticsChanged")
        shown = [(e["order_id"], e["quantity_lots"]) for e in heard if e["record"] == "OrderShown"]
        assert shown == [(first, 0)]
        figures = heard[-1]
        assert figures["last_ticks"] == 4_700
        assert figures["low_ticks"] <= figures["vwap_centiticks"] / 100 <= figures["high_ticks"]
        tops = [e for e in heard if e["record"] == "TopChanged"]
        assert (tops[-1]["bid_ticks"], tops[-1]["bid_lots"]) == (4_700, 6)
        maker.send(CancelOrder(order_number=bids[1]))
        maker.settle()
        gone = data_until(eyes, lambda e: e["record"] == "OrderShown" and e["order_id"] == second)
        shown = [(e["order_id"], e["quantity_lots"]) for e in gone if e["record"] == "OrderShown"]
        assert shown == [(second, 0)]
    eyes.close()


def test_each_subject_counts_its_changes_without_gap(rig):
    eyes = rig.client(rig.new_token("counting", role="observer"))
    eyes.subscribe(DEPTH, 1)
    heard = data_until(eyes, lambda e: e["record"] == "SnapshotEnded")
    count = heard[-1]["session_number"]
    with rig.client(rig.new_token("mover")) as mover:
        for price in range(3_000, 3_060):
            mover.send(order(BUY, price, 1))
            mover.settle()
        heard = data_until(eyes, lambda e: e["record"] == "LevelChanged" and e["price_ticks"] == 3_059)
    numbers = [e["session_number"] for e in heard]
    assert numbers == list(range(count + 1, count + len(numbers) + 1))
    eyes.close()


def test_delayed_data_comes_when_it_is_old_enough_and_not_before(rig):
    late, now = (rig.client(rig.new_token(name, role="observer")) for name in ("late eyes", "quick eyes"))
    late.subscribe(DELAYED | TRADES, 2)
    now.subscribe(TRADES, 2)
    for client, feed in ((late, DELAYED | TRADES), (now, TRADES)):
        heard = data_until(client, lambda e: e["record"] == "SnapshotEnded")
        assert heard[-1]["feed"] == feed
    with (
        rig.client(rig.new_token("maker2")) as maker,
        rig.client(rig.new_token("taker2", account_id=2)) as taker,
    ):
        maker.send(order(BUY, 4_321, 2, product_id=2))
        maker.settle()
        sent_ns = time.time_ns()  # the rig's logical time is the wall's
        taker.send(order(SELL, 4_321, 2, product_id=2, lasts=IOC))
        taker.settle()
        assert [taker.unpack(e)["record"] for e in taker.poll() if e["kind"] < 0xFF00] == [
            "OrderAccepted",
            "OrderFilled",
        ]
        data_until(now, lambda e: e["record"] == "TradePrinted" and e["price_ticks"] == 4_321)
        data_until(late, lambda e: e["record"] == "TradePrinted" and e["price_ticks"] == 4_321)
        assert time.time_ns() - sent_ns >= 3_000_000_000
    late.close()
    now.close()


def test_what_a_call_would_give_is_told_while_it_runs(rig):
    second_ns = 10**9
    with (
        rig.client(rig.new_token("caller", account_id=0, role="operator")) as operator,
        rig.client(rig.new_token("bidder", account_id=1)) as bidder,
        rig.client(rig.new_token("offerer", account_id=2)) as offerer,
        rig.client(rig.new_token("watching", role="observer")) as observer,
    ):
        operator.send(DefineProduct(
            delivery_start_ns=0, product_id=9, value_minor=1, reference_price_ticks=5_000,
            market_range_ticks=100, product_kind=INSTRUMENT,
        ))  # fmt: skip
        operator.send(ScheduleCalls(
            call_start_ns=0, closing_call_ns=0, product_id=9, random_end_ms=0, seed=1, indicative_ms=200,
        ))  # fmt: skip
        closes_ns = time.time_ns() + 600 * second_ns
        operator.send(ScheduleProduct(auction_ns=closes_ns, gate_closure_ns=0, product_id=9))
        operator.settle()
        observer.subscribe(INDICATIVE, 9)
        bidder.send(order(BUY, 5_010, 7, product_id=9))
        offerer.send(order(SELL, 4_990, 5, product_id=9))
        bidder.settle()
        offerer.settle()
        heard = data_until(observer, lambda e: e["record"] == "IndicativeChanged" and e["volume_lots"] == 5)
        told = next(e for e in heard if e["record"] == "IndicativeChanged" and e["volume_lots"] == 5)
        assert told["price_ticks"] == 5_000 and told["surplus_lots"] == 2  # the reference lies between them


def test_nobody_is_shown_what_an_iceberg_hides(rig):
    with (
        rig.client(rig.new_token("iceberg", account_id=3)) as owner,
        rig.client(rig.new_token("hitter", account_id=4)) as taker,
        rig.client(rig.new_token("peeking", role="observer")) as observer,
    ):
        observer.subscribe(DEPTH, 2)
        clip = PlaceOrder(
            side=SELL, price_ticks=6_100, quantity_lots=100, product_id=2, order_type=LIMIT,
            time_in_force=GOOD_FOR_SESSION, display_lots=10,
        )  # fmt: skip
        owner.send(clip)
        owner.settle()

        def shown():
            heard = data_until(observer, lambda e: e.get("price_ticks") == 6_100 and "side" in e)
            return [e["quantity_lots"] for e in heard if e.get("price_ticks") == 6_100 and "side" in e][-1]

        assert shown() == 10
        taker.send(order(BUY, 6_100, 13, product_id=2, lasts=IOC))
        taker.settle()
        assert shown() == 7
        owner.settle()
        told = [owner.unpack(e) for e in owner.poll() if e["kind"] < 0xFF00]
        assert [e["hidden_lots"] for e in told if e["record"] == "ClipShown"] == [90, 80]
