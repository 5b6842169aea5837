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
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ringmain.bridge.orders import Bridge
from ringmain.client import Client, pick
from ringmain.exchange import messages as exchange
from ringmain.exchange.dayahead_messages import OPEN, AuctionCommandRejected
from ringmain.exchange.multileg_messages import BasketRejected
from ringmain.exchange.reserve_messages import ActivationRejected
from ringmain.vpp import messages as vpp
from ringmain.vpp.advice.known import Known
from ringmain.vpp.fleets import FIELDS, KINDS
from ringmain.world import seats
from ringmain.world.batteries import Batteries
from ringmain.world.calendar import (
    AUCTION_NS,
    DAY_NS,
    END_NS,
    HOUR_NS,
    HOURS,
    MINUTE_NS,
    OPENING_NS,
    SECOND_NS,
    Product,
    hour_id,
    midnight_ns,
)
from ringmain.world.conductor import Conductor
from ringmain.world.desk import FleetDesk
from ringmain.world.fair import STEP_NS, FairPrices
from ringmain.world.homes import Homes
from ringmain.world.market_view import MarketView
from ringmain.world.operator import Operator
from ringmain.world.participants import PARTICIPANTS, QUOTERS
from ringmain.world.prices import Prices
from ringmain.world.status import FleetNow, Status, StatusFile
from ringmain.world.traders import Auction, View, without_books
from ringmain.world.warming import warm

LOG = logging.getLogger("ringmain.world")
LAST_CALL_NS = 30 * MINUTE_NS  # before a call or an auction ends, orders are sent to it
QUARTERS_AHEAD_NS = 8 * HOUR_NS  # quarter-hours are traded so long before delivery
FORETOLD_BEFORE_NS = 14 * HOUR_NS
HISTORY_DAYS = 400  # what the forecast is made of at most when the fleet begins
FLEET_STEP_NS = MINUTE_NS
REJECTED = (exchange.OrderRejected, BasketRejected, AuctionCommandRejected, ActivationRejected)


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
    others : list of the fields of the commands that register nodes and all that are no batteries, and kind
    speed : float
        Logical seconds a second; 0: as fast as it goes.
    hours : float
        Stop after so many logical hours; 0: live all days to their end.
    foretold : dict of str to dict of int to list of 24 numbers
        What is foretold of days the day before, such as load and wind: by its name, and by the day's number
        since 1970.
    """

    data: str
    first_day: date
    prices: list[list[int]]
    source: str
    history: list[list[int]] = []
    fleet: list[list[int]] = []
    others: list[dict[str, int | str]] = []
    seed: int = 1
    speed: float = 0.0
    hours: float = 0.0
    foretold: dict[str, dict[int, list[float]]] = {}

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

    def known_inputs(self) -> dict[str, Known]:
        """Return what is foretold, each day's known from 10:00 of the day before."""
        inputs: dict[str, Known] = {}
        for name, days in self.foretold.items():
            inputs[name] = Known()
            for day, values in days.items():
                starts = day * DAY_NS + np.arange(HOURS) * HOUR_NS
                inputs[name].add(starts, values, day * DAY_NS - FORETOLD_BEFORE_NS)
        return inputs

    def registrations(self) -> Any:
        """Return the fleet as commands, array of shape (n,), RegisterBattery."""
        return registrations_of(self.fleet)


def rows_of_others(commands: Sequence[Any]) -> list[dict[str, int | str]]:
    """Return commands that register nodes and assets as rows of their fields, with their kind."""
    names = {record.kind: name for name, record in KINDS.items()}
    return [
        {"kind": names[int(command["kind"][0])]}
        | {field.name: int(command[field.name][0]) for field in KINDS[names[int(command["kind"][0])]].fields}
        for command in commands
    ]


def others_of(rows: Sequence[dict[str, int | str]]) -> list[Any]:
    """Return the commands of such rows."""
    return [
        KINDS[str(row["kind"])](**{name: int(value) for name, value in row.items() if name != "kind"})
        for row in rows
    ]


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
    foretold = {
        name: {midnight_ns(day) // DAY_NS: known[day].tolist()
               for n in range(-len(history), count) if (day := first + timedelta(n)) in known}
        for name, known in prices.foretold.items()
    }  # fmt: skip
    return Plan(str(data), first, days, prices.source, history, foretold=foretold, **options)


class World:
    """Everyone who takes part, and the loop that lets them act."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.data = plan, Path(plan.data)
        markets = ("exchange", "vpp") if plan.fleet else ("exchange",)
        self.conductor = Conductor(self.data, markets, plan.speed)
        self.view = MarketView(self.data, self.data / "world" / "market.checkpoint")
        self.operator = Operator(seats.connect(self.data, exchange.schema, "operator"), self.view)
        self.sessions = {p.name: seats.connect(self.data, exchange.schema, p.name) for p in PARTICIPANTS}
        self.fair = FairPrices(plan.seed, plan.days, plan.prices[1:])
        self.fleet = Fleet(self.data, plan) if plan.fleet else None
        self.rejections: dict[str, int] = {}
        self.status = StatusFile(self.data)
        self._is_stepping = self._is_leaving = False
        self._is_new = True  # and may have lost orders of a call

    def live(self) -> None:
        """Live to the plan's end."""
        accounts = [*seats.TRADER_ACCOUNTS.values(), seats.FLEET_ACCOUNT, seats.GUEST_ACCOUNT]
        self.operator.open_accounts(accounts, [self.sessions[n].protocol.session_id for n in QUOTERS])
        if self.fleet is not None:
            self.fleet.register()
        for now_ns in self._times():
            self.conductor.advance(now_ns)
            self._is_stepping = True
            self.step(now_ns)
            self._is_stepping = False
            if self._is_leaving:
                break
            if self.status.is_due:
                self.status.write(self._status())
        self.status.write(self._status())
        for client in (self.operator.client, *self.sessions.values()):
            client.close()

    def leave(self) -> None:
        """End in order: behind the step that is under way, so that all bids are passed on; else at once."""
        if not self._is_stepping:
            raise SystemExit(0)
        self._is_leaving = True

    def step(self, now_ns: int) -> None:
        """Let everyone act at one time."""
        self.operator.await_result()
        for day, before_ticks in zip(self.plan.days, self.plan.prices, strict=False):
            begin_ns = midnight_ns(day)
            if begin_ns + OPENING_NS <= now_ns < begin_ns + AUCTION_NS:
                self.operator.open_day(day, before_ticks)
        if now_ns % STEP_NS == 0:
            self._trade(now_ns, self._look(now_ns))
        elif self._is_new:
            self._trade(now_ns, without_books(self._look(now_ns)))
        self._is_new = False
        if self.fleet is not None:
            self.fleet.step(now_ns)

    def _times(self) -> Iterator[int]:
        """Yield every step from now on: each minute with a fleet, each five without one."""
        now_ns = max(self.conductor.now_ns, self.plan.start_ns - STEP_NS)
        step_ns = STEP_NS if self.fleet is None else FLEET_STEP_NS
        while now_ns < self.plan.end_ns:
            now_ns += step_ns - now_ns % step_ns
            yield now_ns

    def _trade(self, now_ns: int, view: View) -> None:
        """Let each participant see and act, one after the other."""
        auction = self._auction(now_ns, view.fair_ticks)
        for participant in PARTICIPANTS:
            session = self.sessions[participant.name]
            account_id = seats.TRADER_ACCOUNTS[participant.name]
            seen = dataclasses.replace(
                view, auction=self._own(auction, account_id),
                call_ids=self._without_orders(view.call_ids, session),
                reserve_ids=self._without_orders(view.reserve_ids, session),
                idle_reserve=self._idle_reserve(now_ns, account_id),
            )  # fmt: skip
            commands = participant.act(self.plan.seed, seen)
            if commands.size:
                session.send_batch(commands)
                self._settle(session)
            else:
                session.poll()

    def _look(self, now_ns: int) -> View:
        """Return what everybody sees."""
        fair = self.fair.at(now_ns)
        reserve_ids = [n for n in self.view.ids_in(exchange.CALL) if Product(n).is_reserve]
        call_ids, open_ids = (
            [Product(n) for n in self.view.ids_in(phase) if n in fair]
            for phase in (exchange.CALL, exchange.CONTINUOUS)
        )
        hours = [p.product_id for p in open_ids if p.is_hour]
        quarters = [p.product_id for p in open_ids if not p.is_hour]
        books = {n: self.view.books[n] for n in (*hours, *quarters)}
        return View(
            now_ns // STEP_NS,
            now_ns // SECOND_NS,
            None,
            [p.product_id for p in call_ids if 0 < p.call_end_ns - now_ns <= LAST_CALL_NS],
            hours,
            [n for n in quarters if Product(n).delivery_start_ns < now_ns + QUARTERS_AHEAD_NS],
            fair,
            {n: ticks for n, ticks in self.view.day_ahead.prices.items() if n in fair},
            {n: book.last_ticks for n, book in books.items() if book.last_ticks is not None},
            self.view.tops(books),
            reserve_ids,
        )

    def _auction(self, now_ns: int, fair: Mapping[int, int]) -> Auction | None:
        """Return the day-ahead auction if it is time to send orders to it."""
        seen = self.view.day_ahead
        gate_ns = seen.auction_id * DAY_NS + AUCTION_NS
        if seen.phase != OPEN or not gate_ns - LAST_CALL_NS <= now_ns < gate_ns:
            return None
        first = hour_id(seen.auction_id * DAY_NS)
        return Auction(seen.auction_id, tuple(fair[n] for n in range(first, first + HOURS)))

    def _own(self, auction: Auction | None, account_id: int) -> Auction | None:
        """Return the auction as one participant sees it."""
        if auction is None:
            return None
        seen = self.view.day_ahead
        return dataclasses.replace(
            auction,
            curve_count=len(seen.curves.get(account_id, ())),
            block_ids=tuple(seen.blocks.get(account_id, ())),
        )

    def _without_orders(self, product_ids: Sequence[int], session: Client) -> list[int]:
        """Return the products in their call where a session has no orders."""
        own = session.protocol.session_id
        return [n for n in product_ids if own not in self.view.books[n].resting]

    def _idle_reserve(self, now_ns: int, account_id: int) -> dict[int, int]:
        """Return what an account has bought of each block that is held now and of which nothing is called."""
        reserve, found = self.view.reserve, {}
        for product_id, lots in sorted(reserve.lots.items()):
            product = Product(product_id)
            is_held = product.delivery_start_ns <= now_ns < product.delivery_end_ns
            if is_held and lots.get(account_id, 0) > 0 and product_id not in reserve.called_lots:
                found[product_id] = lots[account_id]
        return found

    def _settle(self, client: Client) -> None:
        """Wait for the answers, and count what was turned away."""
        client.settle()
        events = client.poll()
        for record in REJECTED:
            rows = pick(events, events["kind"] == record.kind).view(record.dtype)
            for reason in rows["reason"].tolist():
                name = exchange.schema.reasons.get(reason, "?")
                self.rejections[name] = self.rejections.get(name, 0) + 1

    def _status(self) -> Status:
        return Status.of(
            self.conductor.now_ns, self.plan, self.view, self.fair, self.rejections,
            self.fleet.now() if self.fleet is not None else None,
        )  # fmt: skip


class Fleet:
    """The fleet's side of the world: bridge, desk and devices."""

    def __init__(self, data: Path, plan: Plan) -> None:
        trading = seats.connect(data, exchange.schema, "fleet")
        telling, memory = seats.connect(data, vpp.SCHEMA, "bridge"), data / "world"
        self.bridge = Bridge(data, trading, telling, memory / "bridge.checkpoint")
        self.desk = FleetDesk(data, seats.connect(data, vpp.SCHEMA, "desk"), plan.known_ticks(),
                              plan.known_inputs(), memory / "desk.checkpoint")  # fmt: skip
        self._batteries, self._others = plan.registrations(), others_of(plan.others)
        link = seats.connect(data, vpp.SCHEMA, "link")
        self.devices = Batteries(self._batteries, plan.seed, link, data / "world" / "batteries.npy")
        devices = [c for c in self._others if int(c["kind"][0]) != vpp.SetNode.kind]
        self.homes = None
        if devices:
            link = seats.connect(data, vpp.SCHEMA, "homes")
            self.homes = Homes(devices, plan.seed, link, data / "world" / "homes.npy")

    def register(self) -> None:
        """Take every asset in."""
        self.desk.register(self._batteries, self._others)

    def step(self, now_ns: int) -> None:
        """Let bridge, desk and devices act."""
        self.bridge.back()
        self.desk.act(now_ns)
        self.devices.live(now_ns)
        if self.homes is not None:
            self.homes.live(now_ns)
        if self.bridge.forward():
            self.bridge.back()

    def now(self) -> FleetNow:
        """Return what the devices do and what the fleet knows of itself, for the screen."""
        devices, view = self.devices.devices, self.desk.view
        known = view.track.last
        return FleetNow(
            power_w=float(devices.power_w.sum()),
            homes_w=float(self.homes.devices.power_w.sum()) if self.homes else 0.0,
            target_w=float(devices.wanted_w.sum()),
            energy_wh=float(devices.energy_wh.sum()),
            fresh=known.fresh_count if known else 0,
            late=known.late_count if known else 0,
            silent=known.silent_count if known else 0,
            income_minor=view.settlement.income_minor,
            rejected=self.devices.rejected
            + self.desk.rejected
            + self.bridge.rejected
            + (self.homes.rejected if self.homes else 0),
        )


def main() -> int:
    """Live the plan that is given as the first argument; with --spare behind it, after a line of input."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    signal.signal(signal.SIGTERM, _leave)
    plan = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan)
    if "--spare" in sys.argv[2:]:
        warm(Path(plan.data), bool(plan.fleet), len(plan.history))
        if not sys.stdin.readline():
            return 0
    began = time.monotonic()
    world = World(plan)
    signal.signal(signal.SIGTERM, lambda *_: world.leave())
    world.live()
    LOG.info("the days were lived in %.1f s", time.monotonic() - began)
    return 0


def _leave(*_: Any) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
