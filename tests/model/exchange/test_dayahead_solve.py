"""The solver beside the search through everything, its hand-made cases, and its answers to odd books."""

import random

import numpy as np
import pytest
import slow_auction as slow

from ringmain.exchange.advice.dayahead.book import NO_BLOCK, NO_GROUP, RATIO_ONE, SEGMENT, Block, Book, Line
from ringmain.exchange.advice.dayahead.curves import stairs_of
from ringmain.exchange.advice.dayahead.dispatch import Dispatch
from ringmain.exchange.advice.dayahead.orders import seeded_book
from ringmain.exchange.advice.dayahead.solve import solve

LOW, HIGH = -2, 7


def book_of(book):
    """Return a slow book as the solver's."""
    rows = [
        (zone, period, begin, end, lots)
        for (zone, period), curves in book.curves.items()
        for curve in curves
        for begin, end, lots in curve
    ]
    places = {id: n for n, id in enumerate(book.blocks)}
    blocks = [
        Block(
            b.id, b.zone, b.first, np.array(b.lots), b.price, b.minimum,
            places.get(b.parent, NO_BLOCK), NO_GROUP if b.group is None else hash(b.group),
        )
        for b in book.blocks.values()
    ]  # fmt: skip
    lines = [Line(n, a, b, np.array(f), np.array(r)) for n, (a, b, f, r) in enumerate(book.lines)]
    return Book(book.zones, book.periods, book.low, book.high, np.array(rows, SEGMENT), blocks, lines)


def slow_of(book):
    """Return the solver's book as a slow one."""
    made = slow.SlowBook(book.zone_count, book.period_count, book.price_min_ticks, book.price_max_ticks)
    for row in book.segments.tolist():
        made.curves.setdefault(row[:2], [[]])[0].append(row[2:])
    for b in book.blocks:
        parent = book.blocks[b.parent].block_id if b.parent != NO_BLOCK else 0
        group = None if b.group == NO_GROUP else b.group
        made.blocks[b.block_id] = slow.SlowBlock(
            b.block_id,
            b.zone,
            b.first_period,
            b.lots.tolist(),
            b.price_ticks,
            b.minimum_permille,
            parent,
            group,
        )
    for line in book.lines:
        ends = (line.from_zone, line.to_zone)
        made.lines.append((*ends, line.forward_lots.tolist(), line.backward_lots.tolist()))
    return made


def proposal(book, found):
    """Return a solution as the slow rules take it."""
    ratios = {b.block_id: int(r) for b, r in zip(book.blocks, found.ratios, strict=True) if r}
    return found.prices.tolist(), ratios, found.flows.tolist()


def random_book(dice, zones, periods=2, blocks=5, minimum=(1_000,)):
    book = slow.SlowBook(zones, periods, LOW, HIGH)
    for zone in range(zones):
        for period in range(periods):
            curves = []
            for _ in range(dice.randint(0, 4)):
                begin, sign = dice.randint(LOW, HIGH), dice.choice([1, -1])
                end = max(LOW, min(HIGH, begin - sign * dice.choice([0, 0, dice.randint(0, 5)])))
                curves.append([(begin, end, sign * dice.randint(1, 9))])
            book.curves[zone, period] = curves
    for id in range(1, blocks + 1):
        first = dice.randrange(periods)
        count = dice.randint(1, periods - first)
        sign, group, parent = dice.choice([1, -1]), None, 0
        if id > 1 and dice.random() < 0.3:
            parent = dice.randrange(1, id)
        elif dice.random() < 0.3:
            group = dice.randint(1, 2)
        lots = [sign * dice.randint(1, 6) for _ in range(count)]
        book.blocks[id] = slow.SlowBlock(
            id,
            dice.randrange(zones),
            first,
            lots,
            dice.randint(LOW, HIGH),
            dice.choice(minimum),
            parent,
            group,
        )
    for begin in range(zones - 1):
        capacity = [[dice.randint(0, 4) for _ in range(periods)] for _ in range(2)]
        book.lines.append((begin, begin + 1, *capacity))
    return book


@pytest.mark.parametrize("seed", range(40))
def test_the_welfare_is_that_of_the_search_through_everything(seed):
    dice = random.Random(seed)
    slow_book = random_book(dice, dice.choice([1, 1, 2]), blocks=dice.randint(1, 5))
    found = solve(book_of(slow_book), 30, 0.0)
    assert slow.fault_of(slow_book, *proposal(book_of(slow_book), found)) is None
    assert slow.welfare_of(slow_book, *proposal(book_of(slow_book), found)) == found.welfare
    assert found.welfare == slow.best_of(slow_book)
    assert found.bound == found.welfare


@pytest.mark.parametrize("seed", range(40))
def test_partial_blocks_keep_every_rule_and_are_never_worse_than_whole_ones(seed):
    dice = random.Random(1_000 + seed)
    slow_book = random_book(dice, dice.choice([1, 2]), blocks=5, minimum=(100, 500, 1_000))
    found = solve(book_of(slow_book), 30, 0.0)
    assert slow.fault_of(slow_book, *proposal(book_of(slow_book), found)) is None
    assert found.bound >= found.welfare
    alone = solve(book_of(slow.SlowBook(**{**vars(slow_book), "blocks": {}})), 30, 0.0)
    assert found.welfare >= alone.welfare


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("zones", [1, 3])
def test_a_large_book_keeps_every_rule(seed, zones):
    book = seeded_book(seed, zones, 6, 300 * zones, 60, linked=0.3, grouped=0.3, curtailable=0.4)
    found = solve(book, 60)
    assert slow.fault_of(slow_of(book), *proposal(book, found)) is None
    assert slow.welfare_of(slow_of(book), *proposal(book, found)) == found.welfare
    assert found.ratios.any() and found.gap <= 1e-3


def test_two_zones_couple_until_the_line_is_full():
    book = slow.SlowBook(2, 1, 0, 100)
    book.curves = {(0, 0): [[(20, 20, -100)]], (1, 0): [[(60, 60, -100)], [(90, 90, 70)]]}
    book.lines = [(0, 1, [40], [0])]
    found = solve(book_of(book))
    assert found.prices.tolist() == [[20], [60]]
    assert found.flows.tolist() == [[40]]
    book.lines = [(0, 1, [80], [0])]
    assert solve(book_of(book)).prices.tolist() == [[20], [20]]


def test_a_block_that_would_lose_at_the_price_is_rejected_though_welfare_would_gain():
    book = slow.SlowBook(1, 1, 0, 100)
    book.curves = {(0, 0): [[(80, 80, 11)], [(40, 40, -10)], [(100, 100, -100)]]}
    book.blocks = {1: slow.SlowBlock(1, 0, 0, [-11], 41)}
    # With the block, the price is between 0 and 40: it would lose. Without it, 10 of 11 lots trade.
    found = solve(book_of(book))
    assert found.ratios.tolist() == [0]
    assert found.paradoxes == 1
    assert found.welfare == 10 * 40


def test_a_family_is_carried_by_its_child():
    book = slow.SlowBook(1, 1, 0, 100)
    book.curves = {(0, 0): [[(50, 50, 20)]]}
    book.blocks = {1: slow.SlowBlock(1, 0, 0, [-10], 60), 2: slow.SlowBlock(2, 0, 0, [-10], 30, parent=1)}
    found = solve(book_of(book))
    assert found.ratios.tolist() == [RATIO_ONE, RATIO_ONE]
    book.blocks[1].price, book.blocks[2].price = 30, 60
    assert solve(book_of(book)).ratios.tolist() == [RATIO_ONE, 0]


def test_of_an_exclusive_group_the_best_is_accepted():
    book = slow.SlowBook(1, 2, 0, 100)
    book.curves = {(0, 0): [[(50, 50, 10)]], (0, 1): [[(70, 70, 10)]]}
    book.blocks = {n + 1: slow.SlowBlock(n + 1, 0, n, [-10], 40, group=1) for n in range(2)}
    assert solve(book_of(book)).ratios.tolist() == [0, RATIO_ONE]


@pytest.mark.parametrize("seed", range(4))
def test_of_a_group_of_stores_days_that_is_accepted_which_earns_most_at_the_prices(seed):
    """Purchases linked to sales, at limits that cancel: which is taken is left to the prices."""
    dice = random.Random(seed)
    book = slow.SlowBook(1, 6, 0, 10_000)
    level = [dice.randrange(2_000, 8_000) for _ in range(6)]
    for period, ticks in enumerate(level):  # a deep market: the profiles hardly move it
        bids = [(ticks + 50, ticks - 50, 100_000)]
        book.curves[0, period] = [bids, [(ticks - 50, ticks + 50, -100_000)]]
    profiles = [(a, b) for a in range(5) for b in range(a + 1, 6)]
    for n, (bought, sold) in enumerate(dice.sample(profiles, 6)):
        book.blocks[2 * n + 1] = slow.SlowBlock(2 * n + 1, 0, bought, [10], 810, group=1)
        book.blocks[2 * n + 2] = slow.SlowBlock(2 * n + 2, 0, sold, [-9], 900, parent=2 * n + 1)
    found = solve(book_of(book))
    prices = found.prices[0].tolist()
    blocks = list(book.blocks.values())
    worth = [9 * prices[blocks[n + 1].first] - 10 * prices[blocks[n].first] for n in range(0, 12, 2)]
    best = max(range(6), key=worth.__getitem__)
    wanted = [0] * 12
    if worth[best] > 0:
        wanted[2 * best : 2 * best + 2] = [RATIO_ONE, RATIO_ONE]
    assert found.ratios.tolist() == wanted


ODD = {
    "no orders": ([], [0]),
    "no supply": ([(50, 50, 10)], [50]),
    "no demand": ([(30, 30, -10)], [30]),
    "all equal": ([(40, 40, 10), (40, 40, -10)], [40]),
    "below zero": ([(-30, -30, 10), (-50, -50, -20)], [-50]),
    "too little": ([(100, 100, 50), (10, 10, -20)], [100]),
    "apart": ([(20, 20, 10), (30, 30, -10)], [25]),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_market_has_its_price(name):
    segments, prices = ODD[name]
    book = slow.SlowBook(1, 1, -100, 100, {(0, 0): [[s] for s in segments]})
    assert solve(book_of(book)).prices[0].tolist() == prices
    assert slow.price_alone(book, 0, 0) == prices[0]


def test_flows_are_whole_where_prices_are_a_tick_apart():
    """Period 3 of this book once came without flows: a cut for less than one tick x lot was left out."""
    book = seeded_book(2, 3, 24, 40_000, 0)
    periods = Dispatch(book, stairs_of(book)).solve(np.zeros((3, 24), np.int64))
    assert periods is not None
    for period in periods:
        assert sum(period.curve_lots) == 0
        assert all(low <= high for low, high in zip(period.lowest, period.highest, strict=True))


def test_when_time_is_over_the_best_so_far_is_the_answer():
    book = seeded_book(1, 1, 24, 2_000, 200)
    found = solve(book, 0.0)
    assert slow.fault_of(slow_of(book), *proposal(book, found)) is None


@pytest.mark.parametrize("seed", range(20))
def test_a_merged_curve_is_the_sum_of_its_stairs(seed):
    dice = random.Random(seed)
    segments = []
    for _ in range(dice.randint(1, 8)):
        begin, sign = dice.randint(-60, 60), dice.choice([1, -1])
        segments.append((begin, begin - sign * dice.choice([0, 3, 40]), sign * dice.choice([1, 5, 90])))
    rows = np.array([(0, 0, *segment) for segment in segments], SEGMENT)
    (stair,) = stairs_of(Book(1, 1, -200, 200, rows))[0]
    for price in range(-120, 120):
        bids, marginal_bids, offers, marginal_offers = slow.at_price(segments, price)
        for lots in (bids - offers - marginal_offers, bids + marginal_bids - offers):
            low, high = stair.price_range(lots)
            assert low <= price <= high
