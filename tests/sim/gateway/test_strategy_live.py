"""Strategies over the gateway of a real venue, whose clock the test steps: they decide as in a simulation."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from gateway_rig import Rig

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "unit" / "client"))
from strategies import EXAMPLES, Watcher, market_maker, twap_taker

from ringmain.client.strategy import BUY, IOC, SELL, Latency, Level, LiveRun, Plan, Strategy, simulate
from ringmain.client.strategy.flow import MAKER_SESSION, TAKER_SESSION
from ringmain.client.strategy.live import HEARTBEAT_MS
from ringmain.core.clock import Clock
from ringmain.core.errors import RingmainError
from ringmain.core.page import NodePage
from ringmain.exchange import messages as m
from ringmain.gateway.entitlements import Entitlement, write
from ringmain.gateway.messages import TOP

SECOND_NS = 1_000_000_000
PLAN = Plan(product_ids=(1, 2), call_s=10.0, trading_s=60.0)
ACCOUNTS = (1, 2, 11, 12)
ORDER_FIELDS = ("product_id", "side", "price_ticks", "quantity_lots", "filled_lots", "status", "reason")


class Stepped:
    """A node and a gateway over a clock that stands until it is stepped."""

    def __init__(self, data: Path) -> None:
        data.mkdir(exist_ok=True)
        self.clock = Clock.stepped(data / "clock", PLAN.begin_ns)
        self.rig = Rig(data, "exchange")
        self.page = NodePage(data / "exchange" / "page")

    def step_to(self, time_ns: int) -> None:
        """Move the clock, and wait until all that was due is done."""
        self.clock.step_to(time_ns)
        deadline = time.monotonic() + 20
        while self.page.get("settled_ns") < time_ns:
            assert time.monotonic() < deadline, "the node does not follow its clock"
            time.sleep(0.01)

    def live(self, account_id: int, strategy: Strategy, **options) -> LiveRun:
        token = self.rig.new_token(f"trader {account_id}", account_id=account_id)
        return LiveRun(self.rig.client(token, heartbeat_ms=HEARTBEAT_MS, **options), strategy)


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    venue = Stepped(tmp_path_factory.mktemp("stepped") / "data")
    set_up(venue.rig)
    yield venue
    venue.rig.close()


def set_up(rig: Rig) -> None:
    """Open what a simulation with PLAN has."""
    with rig.client(rig.new_token("operator", account_id=0, role="operator")) as operator:
        for account_id in ACCOUNTS:
            limits = {"long_limit_lots": PLAN.limit_lots, "short_limit_lots": PLAN.limit_lots}
            operator.send(m.OpenAccount(account_id=account_id, credit_minor=PLAN.credit_minor, **limits))
        for product_id in PLAN.product_ids:
            operator.send(
                m.DefineProduct(
                    product_id=product_id, product_kind=m.INSTRUMENT, delivery_start_ns=0,
                    value_minor=PLAN.value_minor, reference_price_ticks=PLAN.fair_ticks,
                    market_range_ticks=500,
                )
            )  # fmt: skip
            operator.send(
                m.ScheduleProduct(
                    product_id=product_id, auction_ns=PLAN.open_ns, gate_closure_ns=PLAN.gate_closure_ns
                )
            )
        operator.settle()


def others(seed: int):
    """Return what two others send: when, who, what; one command at a time."""
    dice, lines = random.Random(seed), []
    for step in range(70):
        time_ns = PLAN.begin_ns + SECOND_NS // 2 + step * SECOND_NS
        for place, product_id in enumerate(PLAN.product_ids):
            who = dice.choice([MAKER_SESSION, MAKER_SESSION, TAKER_SESSION])
            side = dice.choice([BUY, SELL])
            away = dice.randint(3, 20) * (1 if side == SELL else -1)
            force = m.GOOD_FOR_SESSION if who == MAKER_SESSION else IOC
            price = PLAN.fair_ticks + (away if who == MAKER_SESSION else -away)
            order = m.PlaceOrder(
                product_id=product_id, side=side, price_ticks=price, quantity_lots=dice.randint(1, 30),
                order_type=m.LIMIT, time_in_force=force,
            )  # fmt: skip
            lines.append((time_ns + place * SECOND_NS // 10, who, order))
    return lines


def as_source(lines):
    numbers = dict.fromkeys((MAKER_SESSION, TAKER_SESSION), 0)
    for time_ns, who, order in lines:
        numbers[who] += 1
        packed = m.schema.batch([order])
        packed["session_id"], packed["session_number"] = who, numbers[who]
        yield time_ns, packed


def live_through(venue: Stepped, runs: list[LiveRun], lines) -> None:
    """Step to whatever is next: a line, the venue's own timers, a strategy's."""
    clients = {
        who: venue.rig.client(venue.rig.new_token(f"other {who}", account_id=account))
        for who, account in ((MAKER_SESSION, 1), (TAKER_SESSION, 2))
    }
    waiting, timers = list(lines), [PLAN.open_ns, PLAN.gate_closure_ns]
    settle(runs)
    while True:
        times = [time_ns for run in runs if (time_ns := run.driver.next_timer_ns) is not None]
        times += [waiting[0][0]] if waiting else []
        times += timers[:1]
        if not times or all(run.driver.desk.is_stopped for run in runs):
            break
        now_ns = min(times)
        venue.step_to(now_ns)
        timers = [each for each in timers if each > now_ns]
        while waiting and waiting[0][0] <= now_ns:
            _, who, order = waiting.pop(0)
            clients[who].send(order)
            clients[who].settle()
        settle(runs)
    for client in clients.values():
        client.close()


def settle(runs: list[LiveRun]) -> None:
    """Let runs hear and answer until there is nothing more to say at this time."""
    is_busy = True
    while is_busy:
        is_busy = False
        for run in runs:
            run.client.settle()  # private events
            run.client.settle()  # and the market data behind them
            sent = len(run.driver.desk.commands)
            run.turn(0.0)
            is_busy = is_busy or len(run.driver.desk.commands) > sent


def decisions(result):
    """Return what was sent and when, with orders named by their place."""
    numbers = [order["number"] for order in result.orders]
    return [
        {name: numbers.index(value) if name == "order_number" else value for name, value in command.items()}
        for command in result.commands
    ]


def orders(result):
    return [[order[name] for name in ORDER_FIELDS] for order in result.orders]


def test_the_same_strategies_decide_the_same_simulated_and_live(venue):
    def make():
        return [
            market_maker(product_id=1, closure_s=5),
            twap_taker(product_id=2, quantity_lots=80, seconds=40, slices=8, closure_s=5),
        ]

    lines = others(7)
    simulated = simulate(
        make(), 1, PLAN, latency=Latency(0, 0), source=as_source([(t, w, o.copy()) for t, w, o in lines])
    )
    runs = [venue.live(11 + n, strategy) for n, strategy in enumerate(make())]
    live_through(venue, runs, lines)
    results = [run.stop() for run in runs]
    for one, other in zip(simulated, results, strict=True):
        assert len(one.commands) > 5
        assert one.fills
        assert decisions(one) == decisions(other)
        assert orders(one) == orders(other)
        assert [f | {"order_number": 0} for f in one.fills] == [f | {"order_number": 0} for f in other.fills]
        assert (one.cash_minor, one.profit_minor, one.positions) == (
            other.cash_minor, other.profit_minor, other.positions,
        )  # fmt: skip
        assert one.figures == other.figures


class Resting(Watcher):
    """Keeps one bid in the book."""

    product_ids = (3,)
    order = None

    def __init__(self):
        super().__init__((3,))

    def on_start(self, desk):
        super().on_start(desk)
        self.bid(desk)

    def on_order(self, desk, update):
        super().on_order(desk, update)
        if update.what == "cancelled" and not desk.is_stopped:
            self.bid(desk)

    def bid(self, desk):
        self.order = desk.place(3, BUY, 4_000, 5)


def until(run: LiveRun, is_so) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, run.driver.strategy.heard
        run.turn(0.1)


def test_a_lost_gateway_costs_the_orders_and_nothing_else_and_the_end_is_clean(venue):
    rig = venue.rig
    operator_token = rig.new_token("operator 3", account_id=0, role="operator")
    strategy = Resting()
    run = venue.live(12, strategy, reconnect_s=60)
    with rig.client(operator_token) as operator:
        run.turn(0.2)
        assert not run.driver.is_started, "the product is not there yet"
        operator.send(
            m.DefineProduct(
                product_id=3, product_kind=m.INSTRUMENT, delivery_start_ns=0, market_range_ticks=500,
                value_minor=1_000, reference_price_ticks=4_500,
            )
        )  # fmt: skip
        operator.send(m.ScheduleProduct(product_id=3, auction_ns=0, gate_closure_ns=0))
        operator.settle()
    until(run, lambda: strategy.order is not None and strategy.order.is_settled)
    first = strategy.order
    rig.kill("gateway")
    rig.start("gateway")
    until(run, lambda: strategy.told("cancelled") and strategy.order.status == "open")
    assert strategy.told("cancelled") == ["SESSION_CLOSED"], "as it was asked for at log-in"
    assert (first.status, strategy.order.number) == ("done", first.number + 1)
    venue.step_to(venue.clock.now_ns() + 5 * SECOND_NS)
    until(run, lambda: run.now_ns == venue.clock.now_ns())
    result = run.stop()
    assert [order["reason"] for order in result.orders] == ["SESSION_CLOSED", "MASS_CANCEL"]
    assert result.rejections == {}


def test_orders_are_kept_if_wanted_and_the_next_run_begins_with_none(venue):
    token = venue.rig.new_token("keeper", account_id=12, cancel_on_disconnect=False)

    def run():
        return LiveRun(venue.rig.client(token, heartbeat_ms=HEARTBEAT_MS), Resting())

    first = run()
    until(first, lambda: first.driver.strategy.order and first.driver.strategy.order.status == "open")
    first.stop(keep_orders=True)
    second = run()
    until(second, lambda: second.driver.desk.live_orders(3))
    until(second, lambda: second.driver.desk.best_bid(3) == Level(4_000, 5))  # the first one's is gone
    second.stop()


def test_the_command_trades_live_and_ends_in_order_at_a_signal(venue, tmp_path):
    token = tmp_path / "token"
    token.write_text(venue.rig.new_token("commanded", account_id=11), "utf-8")
    strategy = f"{EXAMPLES / 'market_maker.py'}:MarketMaker"
    place = ["--live", f"127.0.0.1:{venue.rig.port}", "--token", str(token)]
    run = [sys.executable, "-m", "ringmain.cli", "strategy", "run", strategy]
    command = [*run, *place, "--set", "product_id=3", "--json"]
    with venue.rig.client(venue.rig.new_token("two sides", account_id=1)) as other:
        for side, price_ticks in ((BUY, 4_400), (SELL, 4_600)):
            other.send(
                m.PlaceOrder(
                    product_id=3, side=side, price_ticks=price_ticks, quantity_lots=10, order_type=m.LIMIT,
                    time_in_force=m.GOOD_FOR_SESSION,
                )
            )  # fmt: skip
        other.settle()
        other.subscribe(TOP, 3)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        best = None
        while best != (4_490, 4_510):
            for record in other.poll_data(0.5):
                said = other.unpack(record)
                best = (said["bid_ticks"], said["ask_ticks"]) if said["record"] == "TopChanged" else best
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        result = json.loads(process.communicate(timeout=60)[0])
    assert process.returncode == 0
    assert result["mode"] == "live"
    assert [(order["price_ticks"], order["reason"]) for order in result["orders"]] == [
        (4_490, "MASS_CANCEL"),
        (4_510, "MASS_CANCEL"),
    ]


class Twice(Resting):
    """Bids twice at once, and once more when it has heard."""

    def bid(self, desk):
        super().bid(desk)
        super().bid(desk)

    def on_order(self, desk, update):
        Watcher.on_order(self, desk, update)
        if len(self.told("rejected")) == 2:
            Resting.bid(self, desk)


def test_what_the_gateway_refuses_is_a_rejection(venue):
    write(venue.rig.data, [Entitlement("exchange", 12, trade=False)])
    strategy = Twice()
    run = venue.live(12, strategy)
    until(run, lambda: len(strategy.told("rejected")) == 3)
    result = run.stop()
    assert [order["reason"] for order in result.orders] == ["NOT_ENTITLED", "AFTER_REFUSED", "NOT_ENTITLED"]
    assert result.orders[0]["number"] == result.orders[2]["number"], "which the gateway gives back"


def test_whoever_may_not_see_depth_is_told(venue):
    write(venue.rig.data, [Entitlement("exchange", 12, data="top")])
    run = venue.live(12, Watcher((3,)))
    with pytest.raises(RingmainError, match="RM370"):
        for _ in range(50):
            run.turn(0.1)
