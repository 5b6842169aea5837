"""A real exchange in a folder: its node runs in this process, over a clock that the test steps."""

from datetime import UTC, datetime
from pathlib import Path

from ringmain.core.clock import Clock
from ringmain.core.journal.writer import PROCESS, JournalOptions
from ringmain.core.messages import record_of
from ringmain.core.node import Node, NodeOptions
from ringmain.core.ring import Ring
from ringmain.core.shared import ring_path
from ringmain.core.tape import TapeReader
from ringmain.exchange import messages as m
from ringmain.exchange.engine import MARKET
from ringmain.exchange.history.columns import EVENT_TABLES
from ringmain.exchange.history.query import History

SECOND_NS, MINUTE_NS, HOUR_NS = 10**9, 60 * 10**9, 3600 * 10**9
OPERATOR = 1
MORNING = int(datetime(2026, 3, 2, 8, tzinfo=UTC).timestamp()) * SECOND_NS
OpenSession, CloseSession = record_of(m.schema, "OpenSession"), record_of(m.schema, "CloseSession")


class Venue:
    """Accounts 1 to `accounts` with a session each, 10 + account; one hourly product unless told."""

    def __init__(self, data: Path, accounts=5, product=True, start_ns=MORNING, **options):
        self.data, self.folder = data, data / "exchange"
        data.mkdir(parents=True, exist_ok=True)
        self.clock = Clock.stepped(data / "clock", start_ns)
        self._options = NodeOptions(JournalOptions(PROCESS), **options)
        self._numbers = {}
        self._start()
        self.open(OPERATOR, 0)
        for account in range(1, accounts + 1):
            self.account(account)
            self.open(10 + account, account)
        if product:
            self.product()

    @property
    def now_ns(self):
        return self.clock.now_ns()

    @property
    def state(self):
        return self.node.machine.state[0]

    def _start(self):
        self.node = Node(self.folder, MARKET, self.clock, self._options)
        self._producer = Ring.open(ring_path(self.folder)).producer()

    def restart(self):
        self.close()
        self._start()

    def close(self):
        self._producer.close()
        self.node.close()

    def send(self, record, session, **values):
        """Send one command; return its number once it is answered."""
        number = self._numbers.get(session, 0)
        if record.kind < 0xFF00:
            number = self._numbers[session] = number + 1
        self.send_batch(m.schema.batch([record(session, number, **values)]))
        return number

    def send_batch(self, batch):
        while batch.size:
            batch = batch[self._producer.offer(batch) :]
            self.node.turn(0)
        self.settle()

    def settle(self):
        """Let everything that is due happen, and become readable."""
        while self.node._fire_timers(self.now_ns) or self.node._drain(self.now_ns):
            pass
        self.node._journal.flush()

    def step(self, seconds):
        self.clock.step_to(self.now_ns + round(seconds * SECOND_NS))
        self.settle()

    def step_to(self, time_ns):
        self.clock.step_to(time_ns)
        self.settle()

    def open(self, session, account, cancel_on_disconnect=0):
        self.send(
            OpenSession, session, account_id=account, numbering=0, cancel_on_disconnect=cancel_on_disconnect
        )

    def account(self, number, cash=10**12, credit=0, long=10**6, short=10**6):
        self.send(
            m.OpenAccount, OPERATOR, account_id=number, credit_minor=credit, long_limit_lots=long,
            short_limit_lots=short,
        )  # fmt: skip
        if cash:
            self.send(m.Deposit, OPERATOR, account_id=number, amount_minor=cash)

    def product(self, number=1, auction=0, closure=None, kind=m.HOURLY, reference=5_000, delivery=None):
        closure = self.now_ns + 8 * HOUR_NS if closure is None else closure
        self.send(
            m.DefineProduct, OPERATOR, product_id=number, product_kind=kind,
            delivery_start_ns=closure + 5 * MINUTE_NS if delivery is None else delivery,
            value_minor=250 if kind == m.QUARTER_HOURLY else 1_000,
            reference_price_ticks=reference, market_range_ticks=500,
        )  # fmt: skip
        self.send(m.ScheduleProduct, OPERATOR, auction_ns=auction, gate_closure_ns=closure, product_id=number)

    def place(self, account, side, price, lots, product=1, tif=m.GOOD_FOR_SESSION, type=m.LIMIT):
        return self.send(
            m.PlaceOrder, 10 + account, price_ticks=price, quantity_lots=lots, product_id=product, side=side,
            order_type=type, time_in_force=tif,
        )  # fmt: skip

    def cancel(self, account, number):
        self.send(m.CancelOrder, 10 + account, order_number=number)

    def buy(self, account, price, lots, **more):
        return self.place(account, m.BUY, price, lots, **more)

    def sell(self, account, price, lots, **more):
        return self.place(account, m.SELL, price, lots, **more)

    def replace(self, account, number, price, lots):
        self.send(
            m.ReplaceOrder, 10 + account, order_number=number, price_ticks=price, quantity_lots=lots,
            expected_lots=0,
        )  # fmt: skip


def trade_at_random(venue, dice, count, products=(1,), middle=5_000, settle_each=False):
    """Send random participants' commands: limits, IOCs, cancels, replaces."""
    placed = {}
    for _ in range(count):
        account = dice.randint(1, 5)
        own = placed.setdefault(account, [])
        what = dice.random()
        if what < 0.65 or not own:
            force = dice.choice([m.GOOD_FOR_SESSION, m.GOOD_FOR_SESSION, m.GOOD_FOR_SESSION, m.IOC, m.FOK])
            side = dice.choice([m.BUY, m.SELL])
            price, lots = middle + dice.randint(-12, 12), dice.randint(1, 20)
            own.append(venue.place(account, side, price, lots, product=dice.choice(products), tif=force))
        elif what < 0.85:
            venue.cancel(account, own.pop(dice.randrange(len(own))))
        else:
            venue.replace(account, dice.choice(own), middle + dice.randint(-12, 12), dice.randint(1, 20))
        if dice.random() < 0.3:
            venue.step(dice.random())


def tape_of(folder):
    tape = TapeReader(folder, m.schema)
    events = []
    while (rows := tape.read()).size:
        events += [m.schema.unpack_event(rows[i : i + 1]) for i in range(rows.size)]
    tape.close()
    return events


def contents(folder):
    """Return every table's rows, in order."""
    history = History(folder)
    names = [table.name for table in EVENT_TABLES.values()] + ["trades", "quotes"]
    found = {name: history.ask(f"SELECT * FROM {name} ORDER BY ALL").rows for name in names}
    history.close()
    return found
