"""Machine and twin side by side on one stream of commands."""

import numpy as np
from exchange_twin import ExchangeTwin

from ringmain.core.engine import Machine
from ringmain.core.messages import record_of
from ringmain.exchange import messages as m
from ringmain.exchange import reserve_messages as rm
from ringmain.exchange import state as s
from ringmain.exchange.engine import MARKET as EXCHANGE

DROPPED = ("kind", "slots", "version")
CORE_EVENTS = ("SessionOpened", "SessionClosed", "CommandRefused")
OpenSession, CloseSession = record_of(m.schema, "OpenSession"), record_of(m.schema, "CloseSession")
Timer = record_of(m.schema, "Timer")


class Desk:
    """Stamps commands as a node would, and gives them to a machine, and to a twin as well if asked."""

    def __init__(self, twin=True):
        self.machine = Machine(EXCHANGE)
        self.twin = ExchangeTwin() if twin else None
        self.now_ns, self.sequence = 1, 0
        self.numbers = {}
        self.journal = []

    def send(self, record, session=0, **values):
        """Send one command; return its events, the core's left out."""
        if session and record.kind < 0xFF00:
            self.numbers[session] = self.numbers.get(session, 0) + 1
        packed = record(session, self.numbers.get(session, 0), **values)
        return self.send_packed(packed)

    def send_packed(self, packed):
        self.sequence += 1
        packed["sequence"], packed["time_ns"] = self.sequence, self.now_ns
        batch = m.schema.batch([packed])
        self.journal.append(batch.tobytes())
        events = []
        self.machine.step(batch, lambda rows: events.append(m.schema.batch([rows])))
        events = [event for rows in events for event in unpacked(rows)]
        if self.twin:
            command = m.schema.unpack_command(batch)
            refused = [e for e in events if e["record"] == "CommandRefused"]
            expected = [] if refused else self.twin.apply(command)
            answers = [e for e in events if e["record"] not in CORE_EVENTS]
            assert answers == expected, f"{command}\n{answers}\n{expected}"
            assert refused or self._asks_in_time(command["record"])
        return [e for e in events if e["record"] not in CORE_EVENTS]

    def _asks_in_time(self, record):
        """Whether the machine asks for its next timer, perhaps one too many for an order that has left."""
        asked, due = self.machine.next_deadline_ns, self.twin.deadline()
        return asked == due if record == "Timer" else due == 0 or 0 < asked <= due

    def open(self, session, account, cancel_on_disconnect=0):
        return self.send(
            OpenSession, session, account_id=account, numbering=0, cancel_on_disconnect=cancel_on_disconnect
        )

    def tick(self, time_ns=None):
        """Send the timers that are due, up to a time; return their events."""
        self.now_ns = self.now_ns if time_ns is None else time_ns
        events = []
        while 0 < self.machine.next_deadline_ns <= self.now_ns:
            events += self.send(Timer)
        return events

    def place(self, session, side, price, lots, product=1, type=m.LIMIT, tif=m.GOOD_FOR_SESSION, **terms):
        return self.send(
            m.PlaceOrder, session, price_ticks=price, quantity_lots=lots, product_id=product, side=side,
            order_type=type, time_in_force=tif, **terms,
        )  # fmt: skip

    def product(
        self,
        number=1,
        auction=0,
        closure=0,
        kind=m.INSTRUMENT,
        value=1_000,
        reference=0,
        reach=100,
        rules=None,
        start=None,
        calls=None,
        terms=None,
    ):
        """Define and open a product, as session 1."""
        start = closure if start is None else start
        self.send(
            m.DefineProduct, 1, product_id=number, product_kind=kind, delivery_start_ns=start,
            value_minor=value, reference_price_ticks=reference, market_range_ticks=reach,
        )  # fmt: skip
        if rules:
            plain = {"price_step_ticks": 1, "lot_step_lots": 1, "quantity_min_lots": 1, "allocation": 0}
            plain["quantity_max_lots"] = s.LOTS_MAX
            self.send(m.SetProductRules, 1, product_id=number, **plain | rules)
        if calls:
            plain = {"call_start_ns": 0, "closing_call_ns": 0, "random_end_ms": 5_000, "seed": 7}
            self.send(m.ScheduleCalls, 1, product_id=number, indicative_ms=1_500, **plain | calls)
        if terms:
            plain = {"delivery_duration_s": 100, "activation_max_s": 100, "activation_ticks": 7_200}
            self.send(rm.SetReserveTerms, 1, product_id=number, **plain | terms)
        return self.send(m.ScheduleProduct, 1, auction_ns=auction, gate_closure_ns=closure, product_id=number)

    def account(self, number, cash=10**12, credit=0, long=10**6, short=10**6):
        """Open an account and pay cash in, as session 1."""
        limits = {"long_limit_lots": long, "short_limit_lots": short}
        self.send(m.OpenAccount, 1, account_id=number, credit_minor=credit, **limits)
        if cash:
            self.send(m.Deposit, 1, account_id=number, amount_minor=cash)

    def state(self):
        return self.machine.state[0]


def venue(twin=True, **product):
    """Return a desk with the operator as session 1, accounts 1 to 4 as sessions 11 to 14, one product."""
    desk = Desk(twin)
    desk.open(1, 0)
    for account in (1, 2, 3, 4):
        desk.account(account)
        desk.open(10 + account, account)
    desk.product(**product)
    return desk


def unpacked(rows):
    """Return events as dicts, without what is the same in all."""
    found = [m.schema.unpack_event(rows[i : i + 1]) for i in range(rows.size)]
    return [{k: v for k, v in event.items() if k not in DROPPED} for event in found]


def check_books(state):
    """Balances sum to zero, what is set aside is what the orders need, and the links are whole."""
    cash = state.participants["cash"]
    assert cash["balance_minor"].sum() == 0
    assert (cash["reserved_minor"] >= 0).all()
    lots = state.positions["lots"]
    used = np.unique(state.position_at[state.position_at > 0])
    assert used.size == state.position_pool.count
    for unit in np.unique(lots["unit"][used]):
        assert lots["balance_minor"][used][lots["unit"][used] == unit].sum() == 0
    matching = state.matching
    resting = np.flatnonzero(matching.orders["lots"])
    assert resting.size == matching.order_pool.count == np.count_nonzero(matching.directory["order"])
    levels = matching.levels[matching.orders["level"][resting]]
    assert np.unique(matching.orders["level"][resting]).size == matching.level_pool.count
    products = state.products[levels["ladder"] // 2 % s.PRODUCTS]
    open_lots = matching.orders["lots"][resting].astype(np.int64) + matching.specials["hidden_lots"][resting]
    is_waiting = matching.specials["is_waiting"][resting] == 1
    price = np.where(is_waiting, matching.specials["limit_ticks"][resting], levels["price_ticks"])
    is_bid = (levels["ladder"] % 2 == 0) != is_waiting
    value = price.astype(np.int64) * products["value_minor"] * open_lots
    fees = products["fee_reserve_minor"].astype(np.int64) * open_lots
    owed = np.maximum(fees + np.where(is_bid, value, -value), 0)
    accounts = matching.orders["account_id"][resting]
    needed = np.zeros(cash.size, np.int64)
    np.add.at(needed, accounts, owed)
    block_lots = needed_by_blocks(state, needed)
    np.add.at(needed, state.reserves["buyer_account_id"], state.reserves["set_aside_minor"])
    check_shares(state, used)
    assert (needed == cash["reserved_minor"]).all()
    assert lots["expected_minor"][used].sum() == open_lots[is_bid].sum() + block_lots[0]
    assert lots["reserved_minor"][used].sum() == open_lots[~is_bid].sum() + block_lots[1]
    special = matching.orders["is_special"][resting] == 1
    assert (
        not matching.specials.view(np.uint8).reshape(-1, matching.specials.itemsize)[resting[~special]].any()
    )
    assert np.count_nonzero(matching.specials["expires_ns"]) == matching.expiries.count
    assert np.count_nonzero(matching.specials["is_waiting"]) == state.products["stop_count"].sum()


def check_shares(state, used):
    """What is called of a product is what its sellers' shares add up to; no share outlives its position."""
    shares = state.shares
    called = np.flatnonzero(shares.view(np.uint8).reshape(-1, shares.itemsize).any(axis=1))
    assert np.isin(called, used).all()
    for slot in np.flatnonzero(state.products["phase"] == m.HOLDING):
        held, own = state.reserves[slot], state.position_at[slot][state.position_at[slot] > 0]
        assert shares["lots"][own].sum() == held["level_lots"]
        sold = -state.positions["lots"]["balance_minor"][own]
        given, most = shares["activated_lot_ms"][own], int(held["activation_max_s"]) * 1_000
        assert (given <= np.maximum(sold, 0) * most).all()
        if held["paid_minor"] == 0:
            assert given.sum() == held["activated_lot_ms"]


def needed_by_blocks(state, needed):
    """Add the cash that resting blocks set aside to `needed`; return their lots, bought and sold."""
    table, lots, spans = state.blocks, [0, 0], np.zeros(s.PRODUCTS, np.int64)
    assert np.count_nonzero(table.blocks["session_id"][1:]) == table.counts.sum()
    for row in range(2):
        blocks = table.blocks[table.queues[row, : table.counts[row]]]
        assert (np.diff(blocks["price_ticks"].astype(np.int64)) * (1 if row else -1) >= 0).all()
        for block in blocks:
            assert block["side"] == row + m.BUY
            for number in range(
                block["first_product_id"], block["first_product_id"] + block["product_count"]
            ):
                product = state.products[number % s.PRODUCTS]
                assert product["product_id"] == number
                value = int(block["price_ticks"]) * int(product["value_minor"]) * int(block["quantity_lots"])
                fees = int(product["fee_reserve_minor"]) * int(block["quantity_lots"])
                needed[block["account_id"]] += max(fees + (-value if row else value), 0)
                lots[row] += int(block["quantity_lots"])
                spans[number % s.PRODUCTS] += 1
    assert (spans == state.products["block_count"]).all()
    return lots
