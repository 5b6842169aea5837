"""The day-ahead auction: seeded books of a real day's shape, solved, and verified by the engine.

The peer is the textbook's programme for the same book, given to HiGHS as it stands: a column for
each step of the curves, a whole one for each block, no cuts, no prices. It answers less: which
blocks would be best, without prices that they can live with.
"""

import time

import numpy as np

from bench.figures import Row, row
from ringmain.core.engine import Machine
from ringmain.core.messages import record_of
from ringmain.exchange import dayahead_messages as d
from ringmain.exchange import messages as m
from ringmain.exchange.advice.dayahead.book import NO_BLOCK, NO_GROUP, Book
from ringmain.exchange.advice.dayahead.curves import stairs_of
from ringmain.exchange.advice.dayahead.orders import seeded_book
from ringmain.exchange.advice.dayahead.proposal import proposal_commands
from ringmain.exchange.advice.dayahead.solve import Solution, solve
from ringmain.exchange.advice.dayahead.solver import Model
from ringmain.exchange.engine import MARKET

RUNS = 3
LIMIT_S = 120.0
GATE_NS = 10**12
SEGMENTS_A_CURVE = 20
SHAPES = {  # zones, steps, blocks; whether the peer is run
    "1 zone x 24 h, 20k steps, 500 blocks": (1, 20_000, 500, True),
    "3 zones x 24 h, 40k steps, 2,000 linked and exclusive blocks": (3, 40_000, 2_000, False),
}


def run(scale: float = 1.0) -> list[Row]:
    """Measure on ``scale`` times the orders."""
    rows = []
    for name, (zones, steps, blocks, has_peer) in SHAPES.items():
        seconds, gaps, peer_seconds, booking = [], [], [], []
        for seed in range(RUNS):
            book = seeded_book(seed, zones, 24, round(steps * scale), round(blocks * scale))
            began = time.perf_counter()
            found = solve(book, LIMIT_S)
            seconds.append(time.perf_counter() - began)
            gaps.append(found.gap)
            booking.append(booked_seconds(book, found)[1])
            if has_peer:
                began = time.perf_counter()
                textbook(book)
                peer_seconds.append(time.perf_counter() - began)
        peer = "HiGHS, a column a step" if has_peer else ""
        rows.append(row(f"day-ahead, {name}, time", seconds, "s", peer, peer_seconds))
        rows.append(row(f"day-ahead, {name}, gap", gaps, ""))
        rows.append(row(f"day-ahead, {name}, verified and booked by the engine", booking, "s"))
    return rows


def textbook(book: Book) -> float:
    """Solve the programme of every step and block to the same gap; return its welfare in ticks x lots."""
    stairs = [stair for zone in stairs_of(book) for stair in zone]
    count = len(book.blocks)
    cost = [float(b.lots.sum()) * b.price_ticks for b in book.blocks]
    upper = [1.0] * count
    columns: list[list[int]] = [[] for _ in stairs]
    for market, stair in enumerate(stairs):
        columns[market] = list(range(len(cost), len(cost) + stair.price_ticks.size))
        cost += stair.price_ticks.astype(float).tolist()
        upper += np.diff(stair.quantity_lots).astype(float).tolist()
    partial = [n for n, b in enumerate(book.blocks) if b.minimum_permille < 1_000]
    switch = {n: len(cost) + place for place, n in enumerate(partial)}
    cost, upper = cost + [0.0] * len(partial), upper + [1.0] * len(partial)
    model = Model(cost, [0.0] * len(cost), upper)
    rows = []
    for market, stair in enumerate(stairs):
        zone, period = divmod(market, book.period_count)
        own = [
            (n, float(b.lots[period - b.first_period]))
            for n, b in enumerate(book.blocks)
            if b.zone == zone and 0 <= period - b.first_period < b.lots.size
        ]
        values = [1.0] * len(columns[market]) + [lots for _, lots in own]
        sold = -float(stair.lowest_lots)
        rows.append((sold, sold, columns[market] + [n for n, _ in own], values))
    groups: dict[int, list[int]] = {}
    for n, block in enumerate(book.blocks):
        if n in switch:
            rows.append((0.0, 1e30, [n, switch[n]], [1.0, -block.minimum_permille / 1_000]))
            rows.append((-1e30, 0.0, [n, switch[n]], [1.0, -1.0]))
        if block.parent != NO_BLOCK:
            rows.append((-1e30, 0.0, [n, block.parent], [1.0, -1.0]))
        if block.group != NO_GROUP:
            groups.setdefault(block.group, []).append(n)
    rows += [(-1e30, 1.0, own, [1.0] * len(own)) for own in groups.values()]
    model.rows(rows)
    model.integers([switch.get(n, n) for n in range(count)], True)
    least = sum(int(stair.welfare[0]) for stair in stairs)
    model.option("mip_rel_gap", 0.0)
    model.option("mip_abs_gap", 2.5e-6 * abs(least + 2e11))
    assert model.solve(LIMIT_S) is not None, "the textbook's programme found nothing in time"
    return model.objective + least


class Engine:
    """The exchange's machine with a book's auction, driven without a node."""

    def __init__(self, book: Book) -> None:
        self.machine, self.book = Machine(MARKET), book
        self.numbers: dict[int, int] = {}
        self.sequence, self.now_ns = 0, 1
        self.events: list[np.ndarray] = []
        self.seconds = 0.0
        opening = record_of(m.schema, "OpenSession")
        accounts = -(-book.segments.size // (book.zone_count * book.period_count * SEGMENTS_A_CURVE)) + 2
        self.members = list(range(1, accounts + 1))
        for account in [0, *self.members]:
            session = 1_000 + account
            values = {"account_id": account, "numbering": 0, "cancel_on_disconnect": 0}
            self.send(opening(session, **values), 0)
        limits = {"credit_minor": 10**15, "long_limit_lots": 10**9, "short_limit_lots": 10**9}
        for account in self.members:
            self.send(m.OpenAccount(account_id=account, **limits))
        self._open_auction()

    def send(self, commands, session: int = 1_000) -> None:
        """Stamp commands as a session's and a node's, and apply them."""
        commands = np.atleast_1d(commands)
        if session:
            first = self.numbers.get(session, 0) + 1
            commands["session_id"] = session
            commands["session_number"] = np.arange(first, first + commands.size)
            self.numbers[session] = first + commands.size - 1
        commands["sequence"] = np.arange(self.sequence + 1, self.sequence + 1 + commands.size)
        self.sequence += commands.size
        commands["time_ns"] = self.now_ns
        began = time.perf_counter()
        self.machine.step(commands.view(m.schema.header), lambda rows: self.events.append(rows.copy()))
        self.seconds += time.perf_counter() - began

    def tick(self, now_ns: int) -> None:
        """Send the timers that are due."""
        self.now_ns = now_ns
        timer = record_of(m.schema, "Timer")
        while 0 < self.machine.next_deadline_ns <= now_ns:
            self.send(timer(), 0)

    def submit(self) -> int:
        """Send every order; return how many commands it took."""
        before = self.sequence
        rows = self.book.segments
        market = rows["zone"].astype(np.int64) * self.book.period_count + rows["period"]
        for own in np.split(np.arange(rows.size), np.flatnonzero(np.diff(market)) + 1):
            for place, begin in enumerate(range(0, own.size, SEGMENTS_A_CURVE)):
                self._curve(rows[own[begin : begin + SEGMENTS_A_CURVE]], 1_000 + self.members[place])
        for block in self.book.blocks:
            self._block(block)
        return self.sequence - before

    def found(self, record) -> np.ndarray:
        """Return the events of one kind."""
        events = np.concatenate([np.asarray(batch) for batch in self.events])
        return events[events["kind"] == record.kind].view(record.dtype)

    def _curve(self, rows, session: int) -> None:
        commands = np.zeros(rows.size, d.SubmitCurveSegment.dtype)
        d.SubmitCurveSegment.stamp(commands)
        commands["auction_id"] = 1
        for name in ("begin_ticks", "end_ticks", "zone", "period"):
            commands[name] = rows[name]
        commands["quantity_lots"] = np.abs(rows["lots"])
        commands["side"] = np.where(rows["lots"] > 0, m.BUY, m.SELL)
        commands["segment_index"], commands["segment_count"] = np.arange(rows.size), rows.size
        self.send(commands, session)

    def _block(self, block) -> None:
        lots = np.abs(block.lots)
        parent = self.book.blocks[block.parent].block_id if block.parent != NO_BLOCK else 0
        submit = d.SubmitBlock(
            auction_id=1, price_ticks=block.price_ticks, quantity_lots=int(lots[0]), parent_block_id=parent,
            exclusive_group=block.group + 1, zone=block.zone, first_period=block.first_period,
            period_count=lots.size, run_periods=1, minimum_ratio_permille=block.minimum_permille,
            side=m.BUY if block.lots[0] > 0 else m.SELL,
        )  # fmt: skip
        more = [d.ExtendBlock(auction_id=1, quantity_lots=int(x), run_periods=1) for x in lots[1:]]
        for command in (submit, *more):
            self.send(command, 1_000 + self.members[-1])

    def _open_auction(self) -> None:
        book = self.book
        for product in range(1, book.zone_count * book.period_count + 1):
            self.send(
                m.DefineProduct(
                    product_id=product, product_kind=m.INSTRUMENT, delivery_start_ns=0, value_minor=1_000,
                    reference_price_ticks=0, market_range_ticks=100,
                )
            )  # fmt: skip
            self.send(m.ScheduleProduct(product_id=product, auction_ns=0, gate_closure_ns=0))
        self.send(
            d.DefineAuction(
                auction_id=1, gate_ns=GATE_NS, result_ns=2 * GATE_NS, price_min_ticks=book.price_min_ticks,
                price_max_ticks=book.price_max_ticks, period_count=book.period_count,
                zone_count=book.zone_count,
            )
        )  # fmt: skip
        for zone in range(book.zone_count):
            self.send(d.DefineZone(auction_id=1, first_product_id=1 + zone * book.period_count, zone=zone))
        for line in book.lines:
            for period in range(book.period_count):
                self.send(
                    d.DefineTransfer(
                        auction_id=1, forward_lots=int(line.forward_lots[period]),
                        backward_lots=int(line.backward_lots[period]), line=line.number,
                        from_zone=line.from_zone, to_zone=line.to_zone, first_period=period, period_count=1,
                    )
                )  # fmt: skip
        self.send(d.OpenAuction(auction_id=1))


def booked_seconds(book: Book, found: Solution) -> tuple[float, float]:
    """Return how long the engine takes the orders in, and verifies and books the proposal."""
    engine = Engine(book)
    engine.seconds = 0.0
    engine.submit()
    taken = engine.seconds
    engine.tick(GATE_NS)
    engine.seconds = 0.0
    engine.send(proposal_commands(1, book, found))
    engine.tick(GATE_NS)
    (end,) = engine.found(d.AuctionEnded)
    assert end["outcome"] == d.PROPOSAL, "the engine refuses the proposal"
    assert engine.found(d.BlockAwarded).size == len(book.blocks)
    return taken, engine.seconds
