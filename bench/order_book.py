"""The order book: 46 % new orders, 35 % cancels, 13.5 % moves, 5 % IOC, each answered by an event.

The stream is seeded and made by playing it: cancels and moves name orders that rest, a tenth of
the new orders cross, and an aggressor is larger while more than the wanted number rests. It is
then run on the matching kernel (books and events, no accounts: what the peers do), on the whole
engine (accounts, credit, positions, settlement), and on a pure-Python book of sorted dicts.
"""

import gc
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
from sortedcontainers import SortedDict

from bench.figures import Row, alternate, row
from ringmain.core.engine import Machine
from ringmain.core.jit import kernel, records
from ringmain.core.messages import record_of
from ringmain.exchange.engine import MARKET as EXCHANGE
from ringmain.exchange.engine import apply
from ringmain.exchange.kernels.answers import (
    reject_order,
    report_accepted,
    report_cancelled,
    report_replaced,
)
from ringmain.exchange.kernels.book import remove_order, rest, unhang
from ringmain.exchange.kernels.levels import ladder_of, levels_full, side_of, slot_of
from ringmain.exchange.kernels.lookahead import look_ahead
from ringmain.exchange.kernels.matching import match
from ringmain.exchange.kernels.orders import find_order, give_order, orders_full, take_order
from ringmain.exchange.messages import (
    ALLOWED,
    BUY,
    CANCELLATIONS,
    GOOD_FOR_SESSION,
    INSTRUMENT,
    IOC,
    LIMIT,
    PRICE_TIME,
    REJECTIONS,
    SELL,
    CancelOrder,
    DefineProduct,
    Deposit,
    OpenAccount,
    PlaceOrder,
    ReplaceOrder,
    ScheduleProduct,
    schema,
)
from ringmain.exchange.state import COMMAND, EVENT, EVENTS_PER_COMMAND, MATCHING

MESSAGES, PYTHON_MESSAGES = 5_000_000, 200_000
RUNS = 5
BATCH = 16_384
BOOKS = {"one book": (1, 1_700), "1,000 books": (1_000, 174_000)}  # how many, and how many orders rest
PEER = "a book on sortedcontainers"
SEED = 88_172_645_463_325_252
MIDDLE_TICKS, DRIFT = 5_000, 256  # once in so many orders the middle moves by a tick

PLACE_ORDER, CANCEL_ORDER, REPLACE_ORDER = PlaceOrder.kind, CancelOrder.kind, ReplaceOrder.kind
BY_OWNER, IOC_REMAINDER = CANCELLATIONS["BY_OWNER"], CANCELLATIONS["IOC_REMAINDER"]
UNKNOWN_ORDER, ORDERS_FULL = REJECTIONS["UNKNOWN_ORDER"], REJECTIONS["ORDERS_FULL"]
SESSION, ACCOUNT = 1, 1

GENERATOR = np.dtype([("random", "i8"), ("resting", "i8"), ("wanted", "i8"), ("books", "i8")], align=True)


# The matching kernel alone: what the peers do.


@kernel
def apply_matching(state: Any, commands: Any, events: Any) -> int:
    """Match a batch without accounts; return how many events were written."""
    matching = state[0]
    count = 0
    for i in range(commands.size):
        look_ahead(matching, commands, i)
        request = commands[i]
        kind = request.head.kind
        if kind == PLACE_ORDER:
            count = place(matching, request, events, count)
        elif kind == CANCEL_ORDER:
            count = cancel(matching, request, events, count)
        else:
            count = move(matching, request, events, count)
    return count


@kernel
def place(matching: Any, request: Any, events: Any, count: int) -> int:
    head, order = request.head, request.place_order
    if levels_full(matching) or orders_full(matching, head.session_id, head.session_number):
        reject_order(events[count], request, order.product_id, 0, ORDERS_FULL)
        return count + 1
    report_accepted(events[count], request, ACCOUNT, order.price_ticks, order.quantity_lots)
    ladder = ladder_of(order.product_id, order.side)
    left, count, _ = match(
        matching, request, head.session_id, head.session_number, ACCOUNT, order.product_id,
        ladder, order.price_ticks, order.quantity_lots, True, ALLOWED, PRICE_TIME, events, count + 1,
    )  # fmt: skip
    if left == 0:
        return count
    if order.time_in_force == GOOD_FOR_SESSION:
        slot = take_order(matching, head.session_id, head.session_number, ACCOUNT, ALLOWED)
        rest(matching, slot, ladder, order.price_ticks, left)
        return count
    report_cancelled(
        events[count], request, head.session_id, head.session_number, ACCOUNT,
        order.product_id, order.side, order.price_ticks, left, left, IOC_REMAINDER, 0,
    )  # fmt: skip
    return count + 1


@kernel
def cancel(matching: Any, request: Any, events: Any, count: int) -> int:
    number = request.cancel_order.order_number
    slot = find_order(matching, request.head.session_id, number)
    if slot == 0:
        reject_order(events[count], request, 0, number, UNKNOWN_ORDER)
        return count + 1
    order = matching.orders[slot]
    level = matching.levels[order.level]
    report_cancelled(
        events[count], request, order.session_id, number, ACCOUNT, slot_of(level.ladder),
        side_of(level.ladder), level.price_ticks, order.lots, order.lots, BY_OWNER,
        request.head.session_number,
    )  # fmt: skip
    remove_order(matching, slot)
    return count + 1


@kernel
def move(matching: Any, request: Any, events: Any, count: int) -> int:
    head, change = request.head, request.replace_order
    slot = find_order(matching, request.head.session_id, change.order_number)
    if slot == 0:
        reject_order(events[count], request, 0, change.order_number, UNKNOWN_ORDER)
        return count + 1
    order = matching.orders[slot]
    level = matching.levels[order.level]
    ladder = int(level.ladder)
    report_replaced(
        events[count], request, order.session_id, change.order_number, slot_of(ladder), side_of(ladder),
        change.price_ticks, change.quantity_lots, level.price_ticks, order.lots, False, True,
    )  # fmt: skip
    unhang(matching, slot)
    left, count, _ = match(
        matching, request, head.session_id, change.order_number, ACCOUNT, slot_of(ladder),
        ladder, change.price_ticks, change.quantity_lots, True, ALLOWED, PRICE_TIME, events, count + 1,
    )  # fmt: skip
    if left > 0:
        rest(matching, slot, ladder, change.price_ticks, left)
    else:
        give_order(matching, slot)
    return count


# The stream.


@kernel
def draw(generator: Any, limit: int) -> int:
    """Return a number from 0 to `limit` - 1 (xorshift; Marsaglia 2003)."""
    x = generator.random
    x ^= (x & 0x3FFFFFFFFFFFF) << 13
    x ^= x >> 7
    x ^= (x & 0x3FFFFFFFFFFF) << 17
    generator.random = x
    return (x >> 11) % limit


@kernel
def away_ticks(generator: Any) -> int:
    """Return how far from the middle a passive price is: geometric, 16 ticks on average."""
    ticks = 1
    while draw(generator, 16) != 0:
        ticks += 1
    return ticks


@kernel
def make_stream(state: Any, generator: Any, middles: Any, numbers: Any, commands: Any, events: Any) -> None:
    """Write a stream of commands while playing it, so that its cancels and moves hit resting orders."""
    matching, mix = state[0], generator[0]
    for i in range(commands.size):
        request = commands[i]
        request.head.session_id = SESSION
        request.head.session_number = i + 1
        request.head.sequence = i + 1
        request.head.slots = 1
        request.head.version = 1
        what = draw(mix, 1_000)
        slot = 0
        if what >= 510:
            slot = pick(matching, mix, numbers)
        if slot == 0:
            write_place(matching, mix, middles, request, what >= 460 and what < 510)
            place(matching, request, events, 0)
            if find_order(matching, SESSION, i + 1) != 0:
                numbers[mix.resting] = i + 1
                mix.resting += 1
        elif what < 863:
            request.head.kind = CANCEL_ORDER
            request.cancel_order.order_number = matching.orders[slot].session_number
            cancel(matching, request, events, 0)
        else:
            write_move(matching, mix, middles, request, slot)
            move(matching, request, events, 0)


@kernel
def pick(matching: Any, mix: Any, numbers: Any) -> int:
    """Return the slot of a resting order, or 0; numbers that rest no more are dropped on the way."""
    while mix.resting > 0:
        place = draw(mix, mix.resting)
        slot = find_order(matching, SESSION, numbers[place])
        if slot != 0:
            return slot
        mix.resting -= 1
        numbers[place] = numbers[mix.resting]
    return 0


@kernel
def write_place(matching: Any, mix: Any, middles: Any, request: Any, is_ioc: bool) -> None:
    order = request.place_order
    request.head.kind = PLACE_ORDER
    book = draw(mix, mix.books)
    order.product_id = 1 + book
    order.side = BUY + draw(mix, 2)
    order.order_type = LIMIT
    order.time_in_force = IOC if is_ioc else GOOD_FOR_SESSION
    order.quantity_lots = 1 + draw(mix, 40)
    if draw(mix, DRIFT) == 0:
        middles[book] += 2 * draw(mix, 2) - 1
    ticks = -away_ticks(mix)
    if is_ioc or draw(mix, 10) == 0:
        ticks = 8
        too_many = matching.order_pool.count > mix.wanted
        order.quantity_lots = 2 * order.quantity_lots if too_many else 1 + order.quantity_lots % 3
    order.price_ticks = middles[book] + ticks if order.side == BUY else middles[book] - ticks


@kernel
def write_move(matching: Any, mix: Any, middles: Any, request: Any, slot: int) -> None:
    change, order = request.replace_order, matching.orders[slot]
    request.head.kind = REPLACE_ORDER
    change.order_number = order.session_number
    change.quantity_lots = order.lots
    ladder = matching.levels[order.level].ladder
    ticks = away_ticks(mix)
    middle = middles[slot_of(ladder) - 1]
    change.price_ticks = middle - ticks if side_of(ladder) == BUY else middle + ticks


def stream(books: int, resting: int, messages: int) -> tuple[Any, int]:
    """Return the commands, and how many orders rest after them."""
    state = records(np.zeros(1, MATCHING))
    generator = records(np.zeros(1, GENERATOR))
    generator["random"], generator["wanted"], generator["books"] = SEED, resting, books
    commands = records(np.zeros(messages, COMMAND))
    middles, numbers = np.full(books, MIDDLE_TICKS), np.zeros(messages, np.int64)
    make_stream(state, generator, middles, numbers, commands, records(np.zeros(EVENTS_PER_COMMAND, EVENT)))
    return commands, int(state["order_pool"]["count"][0])


# What is measured: each takes the commands and returns seconds.


def time_matching(commands: Any, books: int) -> float:
    state = records(np.zeros(1, MATCHING))
    state.view(np.uint8)[:] = 0  # touch every page before the clock starts
    events = records(np.zeros(4 * BATCH, EVENT))
    begin = time.perf_counter()
    for at in range(0, commands.size, BATCH):
        apply_matching(state, commands[at : at + BATCH], events)
    return time.perf_counter() - begin


def time_engine(commands: Any, books: int) -> float:
    machine = venue(books)
    headers = commands.view(schema.header).view(np.recarray)
    events = schema.empty(2 * BATCH + EVENTS_PER_COMMAND)
    begin = time.perf_counter()
    for at in range(0, headers.size, BATCH):
        batch = headers[at : at + BATCH]
        while batch.size:
            used, _ = apply(machine.state, batch, events)
            batch = batch[used:]
    return time.perf_counter() - begin


def venue(books: int) -> Machine:
    """Return an exchange that has carried out :func:`opening`."""
    batch = opening(books)
    batch["sequence"], batch["time_ns"] = np.arange(1, batch.size + 1), 1
    machine = Machine(EXCHANGE)
    machine.step(batch, lambda events: None)
    return machine


def opening(books: int) -> Any:
    """Return the commands that open the sessions, one rich participant and the books."""
    limits = {"credit_minor": 10**15, "long_limit_lots": 10**9, "short_limit_lots": 10**9}
    open_session = record_of(schema, "OpenSession")
    setup = [
        open_session(2, account_id=0, numbering=0, cancel_on_disconnect=0),
        open_session(SESSION, account_id=ACCOUNT, numbering=0, cancel_on_disconnect=0),
        OpenAccount(2, 1, account_id=ACCOUNT, **limits),
        Deposit(2, 2, account_id=ACCOUNT, amount_minor=10**18),
    ]
    for book in range(books):
        setup.append(DefineProduct(
            2, 2 * book + 3, product_id=1 + book, product_kind=INSTRUMENT, delivery_start_ns=0,
            value_minor=1, reference_price_ticks=MIDDLE_TICKS, market_range_ticks=100,
        ))  # fmt: skip
        setup.append(ScheduleProduct(2, 2 * book + 4, product_id=1 + book, auction_ns=0, gate_closure_ns=0))
    return schema.batch(setup)


class PythonBook:
    """The peer: price levels in sorted dicts, a dict of orders in each, a dict from number to order."""

    def __init__(self) -> None:
        self.sides: dict[tuple[int, int], Any] = defaultdict(SortedDict)
        self.orders: dict[int, list[int]] = {}  # number -> [book, side, key, lots]
        self.events: list[tuple[Any, ...]] = []

    def place(self, number: int, book: int, side: int, price: int, lots: int, is_ioc: bool) -> None:
        self.events.append((1, number, book, side, price, lots))
        sign = -1 if side == BUY else 1
        against = self.sides[book, SELL + BUY - side]
        while lots and against:
            key, level = against.peekitem(0)
            if key > -sign * price:  # keys of the opposite side have the opposite sign
                break
            maker, maker_lots = next(iter(level.items()))
            traded = min(lots, maker_lots)
            lots -= traded
            self.events.append((3, maker, abs(key), traded, maker_lots - traded))
            self.events.append((3, number, abs(key), traded, lots))
            if traded == maker_lots:
                del level[maker], self.orders[maker]
                if not level:
                    del against[key]
            else:
                level[maker] = maker_lots - traded
        if lots and is_ioc:
            self.events.append((4, number, lots))
        elif lots:
            key = sign * price
            levels = self.sides[book, side]
            if key not in levels:
                levels[key] = {}
            levels[key][number] = lots
            self.orders[number] = [book, side, key]

    def cancel(self, number: int) -> tuple[int, int] | None:
        found = self.orders.pop(number, None)
        self.events.append((4, number, found is not None))
        if found is None:
            return None
        book, side, key = found
        levels = self.sides[book, side]
        del levels[key][number]
        if not levels[key]:
            del levels[key]
        return book, side

    def move(self, number: int, price: int, lots: int) -> None:
        found = self.cancel(number)
        if found is not None:
            self.place(number, *found, price, lots, False)


def time_python(commands: Any, books: int) -> float:
    rows = [request_row(request) for request in commands]
    book = PythonBook()
    gc.freeze()  # what stands already is not searched for garbage again and again
    begin = time.perf_counter()
    for kind, *values in rows:
        if kind == PLACE_ORDER:
            book.place(*values)
        elif kind == CANCEL_ORDER:
            book.cancel(*values)
        else:
            book.move(*values)
        if len(book.events) > BATCH:
            book.events.clear()
    return time.perf_counter() - begin


def request_row(request: Any) -> tuple[Any, ...]:
    kind = int(request.head.kind)
    if kind == PLACE_ORDER:
        order = request.place_order
        values = (order.product_id, order.side, order.price_ticks, order.quantity_lots)
        return (kind, int(request.head.session_number), *map(int, values), order.time_in_force == IOC)
    if kind == CANCEL_ORDER:
        return kind, int(request.cancel_order.order_number)
    change = request.replace_order
    return kind, int(change.order_number), int(change.price_ticks), int(change.quantity_lots)


def rate(measure: Callable[[Any, int], float], commands: Any, books: int) -> Callable[[], float]:
    """Return what measures millions of messages a second; it has been compiled."""
    measure(commands[:BATCH], books)
    return lambda: commands.size / measure(commands, books) / 1e6


def run(scale: float = 1.0) -> list[Row]:
    """Measure matching kernel and engine beside the Python book; `scale` shortens the streams."""
    rows = []
    for name, (books, resting) in BOOKS.items():
        commands, _ = stream(books, resting, max(BATCH, int(MESSAGES * scale)))
        few = commands[: max(BATCH, int(PYTHON_MESSAGES * scale))]
        python, matching, engine = alternate(
            RUNS,
            rate(time_python, few, books),
            rate(time_matching, commands, books),
            rate(time_engine, commands, books),
        )
        rows.append(row(f"matching kernel, {name}", matching, "M/s", PEER, python))
        rows.append(row(f"engine with ledger, {name}", engine, "M/s", PEER, python))
    return rows


if __name__ == "__main__":
    for line in run():
        print(line)
