"""The world's own process: it conducts the clock and lives the days, as a participant over the gateway.

``python -m ringmain.world.live PLAN``, where PLAN is the JSON of a :class:`Plan`. At each step, in a
fixed order, so that a seed gives the same day on any machine: the nodes live up to the new time, the
operator opens products, each trader acts in turn, and then the fleet: bridge, desk and devices.
"""

import logging
import signal
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ringmain.bridge.orders import Bridge
from ringmain.client import Client
from ringmain.exchange import messages as exchange
from ringmain.vpp import messages as vpp
from ringmain.world import seats
from ringmain.world.batteries import Batteries, FleetShape, registrations
from ringmain.world.calendar import (
    AUCTION_NS,
    END_NS,
    HOUR_NS,
    HOURLY_VALUE_MINOR,
    MINUTE_NS,
    OPENING_NS,
    Product,
    midnight_ns,
    products_of,
)
from ringmain.world.conductor import Conductor
from ringmain.world.desk import DayPlan, Desk, plan_day
from ringmain.world.market_view import MarketView
from ringmain.world.prices import Prices
from ringmain.world.status import FleetNow, Status, StatusFile
from ringmain.world.traders import TRADERS, View, fair_ticks

LOG = logging.getLogger("ringmain.world")
CREDIT_MINOR = 10**14
LIMIT_LOTS = 1_000_000
MARKET_RANGE_TICKS = 5_000
LAST_CALL_NS = AUCTION_NS - 30 * MINUTE_NS
AFTER_AUCTION_NS = AUCTION_NS + 5 * MINUTE_NS
INTRADAY_NS = AUCTION_NS + 3 * HOUR_NS
FLEET_WAKES_NS = -10 * MINUTE_NS  # before the first delivery
STEP_NS, FLEET_STEP_NS = 5 * MINUTE_NS, MINUTE_NS
REJECTIONS_BY_NAME = {code: name for name, code in exchange.REJECTIONS.items()}


class Plan(msgspec.Struct, frozen=True):
    """What is to be lived: `prices` holds 24 ticks for each day, from the day before the first on."""

    data: str
    first_day: date
    prices: list[list[int]]
    source: str
    seed: int = 1
    speed: float = 0.0  # logical seconds a second; 0: as fast as it goes
    batteries: int = 1_000
    hours: float = 0.0  # stop after so many logical hours; 0: live all days to their end

    @property
    def days(self) -> list[date]:
        """The delivery days."""
        return [self.first_day + timedelta(n) for n in range(len(self.prices) - 1)]

    @property
    def start_ns(self) -> int:
        """When the first day's products open."""
        return midnight_ns(self.first_day) + OPENING_NS

    @property
    def end_ns(self) -> int:
        """When everything is over."""
        if self.hours:
            return self.start_ns + int(self.hours * HOUR_NS)
        return midnight_ns(self.days[-1]) + END_NS


def plan_of(data: Path, prices: Prices, first: date, count: int, **options: Any) -> Plan:
    """Return the plan for `count` days of real prices from `first` on."""
    days = [prices.days[first + timedelta(n)].tolist() for n in range(-1, count)]
    return Plan(str(data), first, days, prices.source, **options)


class Day:
    """One delivery day: its products, its real prices, what the day before made one expect."""

    def __init__(self, day: date, real_ticks: list[int], before_ticks: list[int], shape: FleetShape) -> None:
        self.begin_ns = midnight_ns(day)
        self.products = products_of(day)
        self.real_ticks, self.before_ticks = np.array(real_ticks), np.array(before_ticks)
        self.plan: DayPlan = plan_day(self.before_ticks, shape)


class World:
    """Everyone who takes part, and the loop that lets them act."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.data = plan, Path(plan.data)
        markets = ("exchange", "vpp") if plan.batteries else ("exchange",)
        self.conductor = Conductor(self.data, markets, plan.speed)
        self.view = MarketView(self.data)
        self.operator = seats.connect(self.data, exchange.schema, "operator")
        self.sessions = {t.name: seats.connect(self.data, exchange.schema, t.name) for t in TRADERS}
        shape = FleetShape(plan.batteries)
        self.days = [Day(day, plan.prices[n + 1], plan.prices[n], shape) for n, day in enumerate(plan.days)]
        self.real_ticks = {
            p.product_id: int(ticks)
            for day in self.days
            for p, ticks in zip(day.products, day.real_ticks, strict=True)
        }
        self.fleet = Fleet(self.data, plan, shape) if plan.batteries else None
        self.rejections: dict[str, int] = {}
        self.status = StatusFile(self.data)

    def live(self) -> None:
        """Live to the plan's end."""
        self._open_accounts()
        if self.fleet is not None:
            self.fleet.register()
        for now_ns in self._times():
            self.conductor.advance(now_ns)
            self.step(now_ns)
            if self.status.is_due:
                self.status.write(self._status())
        self.status.write(self._status())
        for client in (self.operator, *self.sessions.values()):
            client.close()

    def step(self, now_ns: int) -> None:
        """Let everyone act at one time."""
        is_trading_step = now_ns % STEP_NS == 0
        for day in self.days:
            if now_ns == day.begin_ns + OPENING_NS:
                self._open(day)
        self.view.update()
        if is_trading_step:
            self._trade(now_ns)
        if self.fleet is not None:
            self.view.update()
            self.fleet.step(now_ns, self.days, self.view, self._fair(now_ns))

    def _times(self) -> Iterator[int]:
        """Yield every step from now on: minutes while the fleet delivers, five of them before."""
        now_ns = max(self.conductor.now_ns, self.plan.start_ns - STEP_NS)
        while now_ns < self.plan.end_ns:
            wakes_ns = midnight_ns(self.plan.first_day) + FLEET_WAKES_NS
            step_ns = FLEET_STEP_NS if self.fleet is not None and now_ns >= wakes_ns else STEP_NS
            now_ns += step_ns - now_ns % step_ns
            yield now_ns

    def _open_accounts(self) -> None:
        accounts = [*seats.TRADER_ACCOUNTS.values(), seats.FLEET_ACCOUNT]
        for account_id in accounts:
            self.operator.send(exchange.OpenAccount(
                credit_minor=CREDIT_MINOR, long_limit_lots=LIMIT_LOTS, short_limit_lots=LIMIT_LOTS,
                account_id=account_id,
            ))  # fmt: skip
        self._settle(self.operator)

    def _open(self, day: Day) -> None:
        """Define and schedule a day's products."""
        for product, before in zip(day.products, day.before_ticks.tolist(), strict=True):
            self.operator.send(exchange.DefineProduct(
                delivery_start_ns=product.delivery_start_ns, product_id=product.product_id,
                value_minor=HOURLY_VALUE_MINOR, reference_price_ticks=before,
                market_range_ticks=MARKET_RANGE_TICKS, product_kind=exchange.HOURLY,
            ))  # fmt: skip
            self.operator.send(exchange.ScheduleProduct(
                auction_ns=product.auction_ns, gate_closure_ns=product.gate_closure_ns,
                product_id=product.product_id,
            ))  # fmt: skip
        self._settle(self.operator)
        self.view.forget(day.products[0].product_id - 48)
        if self.fleet is not None:
            self.fleet.desk.define(day.products)

    def _trade(self, now_ns: int) -> None:
        """Let each trader see and act, one after the other."""
        fair = self._fair(now_ns)
        is_last_call = any(now_ns == day.begin_ns + LAST_CALL_NS for day in self.days)
        books = {n: book for n, book in self.view.books.items() if n in fair}
        view = View(
            now_ns // STEP_NS,
            [n for n in self.view.ids_in(exchange.CALL) if n in fair],
            [n for n in self.view.ids_in(exchange.CONTINUOUS) if n in fair],
            fair,
            {n: book.auction_ticks for n, book in books.items() if book.auction_ticks is not None},
            {n: book.last_ticks for n, book in books.items() if book.last_ticks is not None},
            is_last_call,
        )
        for trader in TRADERS:
            commands = trader.act(self.plan.seed, view)
            if commands.size:
                self.sessions[trader.name].send_batch(commands)
                self._settle(self.sessions[trader.name])
            else:
                self.sessions[trader.name].poll()

    def _fair(self, now_ns: int) -> dict[int, int]:
        """Return the fair price of every product that is or will be traded."""
        fair = {}
        for product_id, real in self.real_ticks.items():
            opened_ns = product_id * HOUR_NS // (24 * HOUR_NS) * 24 * HOUR_NS + AUCTION_NS
            if product_id * HOUR_NS > now_ns and opened_ns - 2 * HOUR_NS <= now_ns:
                step = max(0, now_ns - opened_ns) // STEP_NS
                fair[product_id] = fair_ticks(self.plan.seed, product_id, real, step)
        return fair

    def _settle(self, client: Client) -> None:
        """Wait for the answers, and count what was turned away."""
        client.settle()
        events = client.poll()
        rejected = events.view(exchange.OrderRejected.dtype) if events.size else events
        for place in np.flatnonzero(events["kind"] == exchange.OrderRejected.kind).tolist():
            name = REJECTIONS_BY_NAME.get(int(rejected["reason"][place]), "?")
            self.rejections[name] = self.rejections.get(name, 0) + 1

    def _status(self) -> Status:
        return Status.of(
            self.conductor.now_ns, self.plan, self.view, self.rejections,
            self.fleet.now() if self.fleet is not None else None,
        )  # fmt: skip


class Fleet:
    """The fleet's side of the world: bridge, desk and devices."""

    def __init__(self, data: Path, plan: Plan, shape: FleetShape) -> None:
        self.plan = plan
        trading = seats.connect(data, exchange.schema, "fleet")
        self.bridge = Bridge(data, trading, seats.connect(data, vpp.SCHEMA, "bridge"))
        self.desk = Desk(seats.connect(data, vpp.SCHEMA, "desk"), shape)
        link = seats.connect(data, vpp.SCHEMA, "link")
        self.devices = Batteries(plan.batteries, plan.seed, link, data / "world" / "batteries.npy")

    def register(self) -> None:
        """Take every battery in; those that are in the fleet already are refused, which is well."""
        self.desk.client.send_batch(registrations(self.plan.batteries, seats.LINK_ACCOUNT))
        self.desk.client.settle()
        self.desk.client.poll()

    def step(self, now_ns: int, days: list[Day], view: MarketView, fair: dict[int, int]) -> None:
        """Let bridge, desk and devices act."""
        self.bridge.back()
        for day in days:
            self._desk_acts(now_ns - day.begin_ns, day, view, fair)
        if now_ns >= days[0].begin_ns + FLEET_WAKES_NS:
            self.devices.live(now_ns)
        if self.bridge.forward():
            self.bridge.back()

    def now(self) -> FleetNow:
        """Return what the devices do, for the screen."""
        wanted_w = float(self.devices.wanted_w.sum())
        stored = float(self.devices.energy_wh.sum())
        return FleetNow(float(self.devices.power_w.sum()), wanted_w, stored, self.devices.rejected)

    def _desk_acts(self, since_ns: int, day: Day, view: MarketView, fair: dict[int, int]) -> None:
        products: tuple[Product, ...] = day.products
        if since_ns == LAST_CALL_NS:
            self.desk.bid_auction(products, day.plan, day.before_ticks)
        elif since_ns == AFTER_AUCTION_NS:
            ids = [p.product_id for p in products]
            prices = {n: ticks for n in ids if (ticks := view.books[n].auction_ticks) is not None}
            self.desk.record_prices(products, prices)
            self.desk.submit_plans(products, day.plan)
        elif since_ns == INTRADAY_NS:
            self.desk.bid_intraday(products, day.plan, [fair.get(p.product_id, 0) for p in products])


def main() -> int:
    """Live the plan that is given as the only argument."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    signal.signal(signal.SIGTERM, _leave)
    plan = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan)
    began = time.monotonic()
    World(plan).live()
    LOG.info("the days were lived in %.1f s", time.monotonic() - began)
    return 0


def _leave(*_: Any) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
