"""The day-ahead auction: seeded books of a real day's shape, solved, and verified by the engine.

The peer is the textbook's programme for the same book, given to HiGHS as it stands: a column for
each step of the curves, a whole one for each block, no cuts, no prices. It answers less: which
blocks would be best, without prices that they can live with.
"""

import time

import numpy as np

from bench.figures import Row, row
from ringmain.exchange.advice.dayahead.book import NO_BLOCK, NO_GROUP, Book
from ringmain.exchange.advice.dayahead.curves import stairs_of
from ringmain.exchange.advice.dayahead.orders import seeded_book
from ringmain.exchange.advice.dayahead.solve import solve
from ringmain.exchange.advice.dayahead.solver import Model

RUNS = 3
LIMIT_S = 120.0
SHAPES = {  # zones, steps, blocks; whether the peer is run
    "1 zone x 24 h, 20k steps, 500 blocks": (1, 20_000, 500, True),
    "3 zones x 24 h, 40k steps, 2,000 linked and exclusive blocks": (3, 40_000, 2_000, False),
}


def run(scale: float = 1.0) -> list[Row]:
    """Measure on ``scale`` times the orders."""
    rows = []
    for name, (zones, steps, blocks, has_peer) in SHAPES.items():
        seconds, gaps, peer_seconds = [], [], []
        for seed in range(RUNS):
            book = seeded_book(seed, zones, 24, round(steps * scale), round(blocks * scale))
            began = time.perf_counter()
            found = solve(book, LIMIT_S)
            seconds.append(time.perf_counter() - began)
            gaps.append(found.gap)
            if has_peer:
                began = time.perf_counter()
                textbook(book)
                peer_seconds.append(time.perf_counter() - began)
        peer = "HiGHS, a column a step" if has_peer else ""
        rows.append(row(f"day-ahead, {name}, time", seconds, "s", peer, peer_seconds))
        rows.append(row(f"day-ahead, {name}, gap", gaps, ""))
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
