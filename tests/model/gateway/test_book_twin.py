"""The public book in kernels beside its slow twin, over what a real engine decides on random orders."""

import random

import numpy as np
import pytest
from exchange_rig import Desk, venue
from slow_book import SlowBook

from ringmain.core.engine import Machine
from ringmain.exchange import messages as m
from ringmain.exchange.engine import MARKET as EXCHANGE
from ringmain.exchange.state import PRODUCTS
from ringmain.gateway import messages
from ringmain.gateway.book import Book
from ringmain.gateway.messages import gateway_schema

IDS = (1, 2, 3 + PRODUCTS)
FEEDS = (messages.DEPTH, messages.ORDERS, messages.TRADES, messages.TOP, messages.STATISTICS, messages.PHASES)


def tape(seed: int, count: int):
    """Return the events of a random trading day, all of them."""
    dice, desk = random.Random(seed), venue(twin=False)
    for product in IDS[1:]:
        desk.product(product, reference=5)
    for _ in range(count):
        trade(desk, dice)
    machine, rows = Machine(EXCHANGE), []
    for batch in desk.journal:
        machine.step(
            np.frombuffer(bytearray(batch), m.schema.header).view(np.recarray),
            lambda events: rows.append(events.copy()),
        )
    return m.schema.batch(rows)


def trade(desk: Desk, dice: random.Random) -> None:
    session, product = dice.choice([11, 12, 13, 14]), dice.choice(IDS)
    what, price, lots = dice.random(), dice.randint(-12, 12), dice.randint(1, 30)
    number = dice.randint(1, max(1, desk.numbers.get(session, 1)))
    if what < 0.6:
        force = dice.choices([m.GOOD_FOR_SESSION, m.IOC, m.FOK], [8, 1, 1])[0]
        desk.place(session, dice.choice([m.BUY, m.SELL]), price, lots, product, m.LIMIT, force)
    elif what < 0.75:
        desk.send(m.CancelOrder, session, order_number=number)
    elif what < 0.98:
        desk.send(
            m.ReplaceOrder, session, order_number=number, price_ticks=price, quantity_lots=lots,
            expected_lots=0,
        )  # fmt: skip
    elif what < 0.99:
        desk.send(m.MassCancel, session, product_id=dice.choice([0, product]))
    else:
        desk.send(dice.choice([m.HaltProduct, m.ResumeProduct]), 1, product_id=product)


class Mirror:
    """What a subscriber of some subjects makes of what it is told."""

    def __init__(self) -> None:
        self.depth, self.queue, self.trades = {}, {}, []
        self.top, self.statistics, self.phase = (0, 0, 0, 0), None, None
        self.counts: dict[int, int] = {}

    def hear(self, feed: int, data: bytes, is_snapshot: bool = False) -> None:
        records = np.frombuffer(data, m.schema.header)
        for row in range(records.size):
            event = gateway_schema(1).unpack_event(records[row : row + 1])
            if not is_snapshot:
                self.counts[feed] = self.counts.get(feed, 0) + 1
                assert event["session_number"] == self.counts[feed]
            assert event["session_id"] == 0, "nobody is named"
            getattr(self, f"hear_{event['record']}")(event)

    def hear_LevelChanged(self, event):
        level = event["side"], event["price_ticks"]
        self.depth.pop(level, None)
        if event["quantity_lots"]:
            self.depth[level] = event["quantity_lots"]

    def hear_OrderShown(self, event):
        if event["quantity_lots"]:
            shown = event["side"], event["price_ticks"], event["quantity_lots"]
            self.queue[event["order_id"]] = shown
        else:
            del self.queue[event["order_id"]]

    def hear_TradePrinted(self, event):
        self.trades.append(
            (event["product_id"], event["price_ticks"], event["quantity_lots"], event["sequence"])
        )

    def hear_TopChanged(self, event):
        self.top = event["bid_ticks"], event["bid_lots"], event["ask_ticks"], event["ask_lots"]

    def hear_StatisticsChanged(self, event):
        names = ("open_ticks", "high_ticks", "low_ticks", "last_ticks", "volume_lots", "vwap_centiticks")
        self.statistics = tuple(event[name] for name in names)

    def hear_PhaseChanged(self, event):
        self.phase = event["phase"]


def check(mirror: Mirror, slow: SlowBook, product: int) -> None:
    assert mirror.depth == slow.depth(product)
    assert mirror.queue == slow.queue(product)
    assert mirror.top == slow.top(product)
    assert mirror.trades == [trade for trade in slow.trades if trade[0] == product]
    assert mirror.statistics == slow.statistics(product)
    assert mirror.phase == slow.phases.get(product)


@pytest.mark.parametrize("seed", range(4))
def test_changes_add_up_to_the_book_in_any_batching(seed):
    events, dice = tape(seed, 700), random.Random(seed)
    book, slow = Book(m.schema), SlowBook()
    mirrors = {product: Mirror() for product in IDS}
    followed = {(feed, product) for feed in FEEDS for product in IDS}
    begin = 0
    while begin < events.size:
        end = min(begin + dice.choice([1, 2, 7, 60, 400]), events.size)
        while end < events.size and events["sequence"][end] == events["sequence"][end - 1]:
            end += 1  # a command's events stay together, as the feed keeps them
        for (feed, product), data in book.fold(events[begin:end], followed).items():
            mirrors[product].hear(feed, data)
        for row in range(begin, end):
            slow.fold(m.schema.unpack_event(events[row : row + 1]))
        slow.tidy()
        begin = end
        for product, mirror in mirrors.items():
            check(mirror, slow, product)
    assert slow.trades, "the stream is to trade"


@pytest.mark.parametrize("seed", range(2))
def test_a_snapshot_is_the_book_and_changes_go_on_from_it(seed):
    events = tape(10 + seed, 500)
    middle = int(np.searchsorted(events["sequence"], events["sequence"][events.size // 2]))
    book, slow, product = Book(m.schema), SlowBook(), IDS[2]
    book.fold(events[:middle], set())
    mirror = Mirror()
    for feed in FEEDS:
        mirror.counts[feed] = book.count((feed, product))
        mirror.hear(feed, book.snapshot((feed, product)), is_snapshot=True)
    for row in range(middle):
        slow.fold(m.schema.unpack_event(events[row : row + 1]))
    slow.tidy()
    mirror.trades = [trade for trade in slow.trades if trade[0] == product]  # those are not repeated
    check(mirror, slow, product)
    changes = book.fold(events[middle:], {(feed, product) for feed in FEEDS})
    assert {subject[1] for subject in changes} == {product}
    for (feed, _), data in changes.items():
        mirror.hear(feed, data)
    for row in range(middle, events.size):
        slow.fold(m.schema.unpack_event(events[row : row + 1]))
    slow.tidy()
    check(mirror, slow, product)


def test_order_ids_are_the_same_whoever_folds_and_when():
    events = tape(30, 300)
    books = [Book(m.schema), Book(m.schema)]
    books[0].fold(events, set())
    for begin in range(0, events.size, 50):
        books[1].fold(events[begin : begin + 50], {(messages.ORDERS, 1)})
    rows = [np.sort(np.frombuffer(b.snapshot((messages.ORDERS, 1)), "V64")) for b in books]
    ids = [sorted(gateway_schema(1).unpack_event(r)["order_id"] for r in row) for row in rows]
    assert ids[0] == ids[1] != []


def test_a_full_fold_finds_every_order_again_and_forgets_those_that_left():
    events = tape(40, 400)
    book, slow = Book(m.schema), SlowBook()
    book.fold(events, set())
    for row in range(events.size):
        slow.fold(m.schema.unpack_event(events[row : row + 1]))
    slow.tidy()
    for (session, number), order in slow.orders.items():
        assert book.product_of(session, number) == order[1]
    assert book.product_of(11, 10**6) == 0
    gone = [key for key in ((11, n) for n in range(1, 60)) if key not in slow.orders]
    assert gone and all(book.product_of(*key) == 0 for key in gone)
