"""The world's own process: it conducts the clock and lives the days, as a participant over the gateway.

``python -m ringmain.world.live PLAN``, where PLAN is the JSON of a :class:`Plan`. At each step, in a
fixed order, so that a seed gives the same day on any machine: the nodes live up to the new time, the
operator opens products, each trader acts in turn, and then the fleet: bridge, desk and devices.
"""

import dataclasses
import logging
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ringmain.bridge.orders import Bridge
from ringmain.client import Client
from ringmain.exchange import messages as exchange
from ringmain.vpp import messages as vpp
from ringmain.vpp.app import FIELDS
from ringmain.world import seats
from ringmain.world.batteries import Batteries
from ringmain.world.calendar import (
    AUCTION_NS,
    DAY_NS,
    END_NS,
    HOUR_NS,
    HOURLY_VALUE_MINOR,
    MINUTE_NS,
    OPENING_NS,
    midnight_ns,
    products_of,
)
from ringmain.world.conductor import Conductor
from ringmain.world.desk import FleetDesk
from ringmain.world.market_view import MarketView
from ringmain.world.prices import Prices
from ringmain.world.status import FleetNow, Status, StatusFile
from ringmain.world.traders import TRADERS, View, fair_ticks

LOG = logging.getLogger("ringmain.world")
CREDIT_MINOR = 10**14
LIMIT_LOTS = 1_000_000
MARKET_RANGE_TICKS = 5_000
LAST_CALL_NS = AUCTION_NS - 30 * MINUTE_NS
HISTORY_DAYS = 15  # the forecast looks back two weeks and a day
STEP_NS, FLEET_STEP_NS = 5 * MINUTE_NS, MINUTE_NS
REJECTIONS_BY_NAME = {code: name for name, code in exchange.REJECTIONS.items()}


class Plan(msgspec.Struct, frozen=True):
    """What is to be lived.

    Parameters
    ----------
    prices : list of 24 ticks for each day
        From the day before the first on.
    history : list of 24 ticks for each day
        Up to HISTORY_DAYS days in a row that end with the day before the first: what the fleet's
        forecast knows when it begins.
    fleet : list of rows, each the fields of RegisterBattery in their order
        Empty: there is no fleet.
    speed : float
        Logical seconds a second; 0: as fast as it goes.
    hours : float
        Stop after so many logical hours; 0: live all days to their end.
    """

    data: str
    first_day: date
    prices: list[list[int]]
    source: str
    history: list[list[int]] = []
    fleet: list[list[int]] = []
    seed: int = 1
    speed: float = 0.0
    hours: float = 0.0

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

    def known_ticks(self) -> dict[int, int]:
        """Return the prices of `history` by start of hour, nanoseconds."""
        begin_ns = midnight_ns(self.first_day) - len(self.history) * DAY_NS
        ticks = (ticks for day in self.history for ticks in day)
        return {begin_ns + n * HOUR_NS: price for n, price in enumerate(ticks)}

    def registrations(self) -> Any:
        """Return the fleet as commands, array of shape (n,), RegisterBattery."""
        return registrations_of(self.fleet)


def registrations_of(fleet: Sequence[Sequence[int]]) -> Any:
    """Return rows of a battery's FIELDS as commands, array of shape (n,)."""
    rows = np.zeros(len(fleet), vpp.RegisterBattery.dtype)
    vpp.RegisterBattery.stamp(rows)
    for place, name in enumerate(FIELDS):
        rows[name] = [row[place] for row in fleet]
    return rows


def plan_of(data: Path, prices: Prices, first: date, count: int, **options: Any) -> Plan:
    """Return the plan for `count` days of real prices from `first` on."""
    days = [prices.days[first + timedelta(n)].tolist() for n in range(-1, count)]
    history: list[list[int]] = []
    while len(history) < HISTORY_DAYS and (day := first - timedelta(len(history) + 1)) in prices.days:
        history.insert(0, prices.days[day].tolist())
    return Plan(str(data), first, days, prices.source, history, **options)


class Day:
    """One delivery day: its products, its real prices, what the day before made one expect."""

    def __init__(self, day: date, real_ticks: list[int], before_ticks: list[int]) -> None:
        self.begin_ns = midnight_ns(day)
        self.products = products_of(day)
        self.real_ticks, self.before_ticks = np.array(real_ticks), np.array(before_ticks)


class World:
    """Everyone who takes part, and the loop that lets them act."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.data = plan, Path(plan.data)
        markets = ("exchange", "vpp") if plan.fleet else ("exchange",)
        self.conductor = Conductor(self.data, markets, plan.speed)
        self.view = MarketView(self.data)
        self.operator = seats.connect(self.data, exchange.schema, "operator")
        self.sessions = {t.name: seats.connect(self.data, exchange.schema, t.name) for t in TRADERS}
        self.days = [Day(day, plan.prices[n + 1], plan.prices[n]) for n, day in enumerate(plan.days)]
        self.real_ticks = {
            p.product_id: int(ticks)
            for day in self.days
            for p, ticks in zip(day.products, day.real_ticks, strict=True)
        }
        self.fleet = Fleet(self.data, plan) if plan.fleet else None
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
        self.view.update()
        for day in self.days:
            if day.begin_ns + OPENING_NS <= now_ns < day.begin_ns + AUCTION_NS:
                self._open(day)
        if is_trading_step:
            self._trade(now_ns)
        if self.fleet is not None:
            self.fleet.step(now_ns)

    def _times(self) -> Iterator[int]:
        """Yield every step from now on: each minute with a fleet, each five without one."""
        now_ns = max(self.conductor.now_ns, self.plan.start_ns - STEP_NS)
        step_ns = STEP_NS if self.fleet is None else FLEET_STEP_NS
        while now_ns < self.plan.end_ns:
            now_ns += step_ns - now_ns % step_ns
            yield now_ns

    def _open_accounts(self) -> None:
        accounts = [*seats.TRADER_ACCOUNTS.values(), seats.FLEET_ACCOUNT, seats.GUEST_ACCOUNT]
        for account_id in accounts:
            self.operator.send(exchange.OpenAccount(
                credit_minor=CREDIT_MINOR, long_limit_lots=LIMIT_LOTS, short_limit_lots=LIMIT_LOTS,
                account_id=account_id,
            ))  # fmt: skip
        self._settle(self.operator)

    def _open(self, day: Day) -> None:
        """Define and schedule those of a day's products that are not open yet."""
        missing = [
            (product, before)
            for product, before in zip(day.products, day.before_ticks.tolist(), strict=True)
            if product.product_id not in self.view.books
        ]
        if not missing:
            return
        for product, before in missing:
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
        self.view.update()

    def _trade(self, now_ns: int) -> None:
        """Let each trader see and act, one after the other."""
        fair = self._fair(now_ns)
        is_last_call = any(LAST_CALL_NS <= now_ns - day.begin_ns < AUCTION_NS for day in self.days)
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
            session = self.sessions[trader.name]
            own = session.protocol.session_id
            uncalled = [n for n in view.call_ids if own not in books[n].resting]
            commands = trader.act(self.plan.seed, dataclasses.replace(view, call_ids=uncalled))
            if commands.size:
                session.send_batch(commands)
                self._settle(session)
            else:
                session.poll()

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

    def __init__(self, data: Path, plan: Plan) -> None:
        trading = seats.connect(data, exchange.schema, "fleet")
        self.bridge = Bridge(data, trading, seats.connect(data, vpp.SCHEMA, "bridge"))
        self.desk = FleetDesk(data, seats.connect(data, vpp.SCHEMA, "desk"), plan.known_ticks())
        self._batteries = plan.registrations()
        link = seats.connect(data, vpp.SCHEMA, "link")
        self.devices = Batteries(self._batteries, plan.seed, link, data / "world" / "batteries.npy")

    def register(self) -> None:
        """Take every battery in."""
        self.desk.register(self._batteries)

    def step(self, now_ns: int) -> None:
        """Let bridge, desk and devices act."""
        self.bridge.back()
        self.desk.act(now_ns)
        self.devices.live(now_ns)
        if self.bridge.forward():
            self.bridge.back()

    def now(self) -> FleetNow:
        """Return what the devices do and what the fleet knows of itself, for the screen."""
        devices, view = self.devices.devices, self.desk.view
        known = view.track.last
        return FleetNow(
            power_w=float(devices.power_w.sum()),
            target_w=float(devices.wanted_w.sum()),
            energy_wh=float(devices.energy_wh.sum()),
            fresh=known.fresh_count if known else 0,
            late=known.late_count if known else 0,
            silent=known.silent_count if known else 0,
            income_minor=view.settlement.income_minor,
            rejected=self.devices.rejected + self.desk.rejected + self.bridge.rejected,
        )


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
