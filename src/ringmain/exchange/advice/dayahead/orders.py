"""Order books that look like a real day's: seeded, for benches and tests."""

from typing import Any

import numpy as np

from ringmain.exchange.advice.dayahead.book import NO_BLOCK, NO_GROUP, SEGMENT, Block, Book, Line

PRICE_MIN_TICKS, PRICE_MAX_TICKS = -50_000, 400_000


def seeded_book(
    seed: int, zone_count: int = 1, period_count: int = 24, steps: int = 20_000, block_count: int = 500,
    linked: float = 0.1, grouped: float = 0.1, sloping: float = 0.2, curtailable: float = 0.2,
) -> Book:  # fmt: skip
    """Return a book in the shape of a European day-ahead auction.

    Parameters
    ----------
    steps : int
        Curve segments in all; half of them bid, half offer. A part `sloping` of them slopes.
    linked, grouped, curtailable : float
        The part of the blocks that is linked to a parent, in an exclusive group of three, or may be
        accepted in part.

    Notes
    -----
    Demand is 3 GW a zone, mostly at any price, offers follow a merit order from renewables at or
    below 0 to gas and peakers; blocks of 5 to 80 MW stand around the price of the hours they cover.
    """
    dice = np.random.default_rng(seed)
    hours = np.arange(period_count) * 24 / period_count
    shape = 1 + 0.18 * np.sin((hours - 10) / 24 * 2 * np.pi) + 0.08 * np.sin((hours - 17) / 12 * 2 * np.pi)
    level = 1 + 0.1 * dice.standard_normal(zone_count)
    segments = [
        _curves(
            dice, zone, period, steps // (zone_count * period_count), shape[period] * level[zone], sloping
        )
        for zone in range(zone_count)
        for period in range(period_count)
    ]
    blocks = _blocks(dice, zone_count, shape, level, block_count, linked, grouped, curtailable)
    lines = [
        Line(
            n, n, n + 1,
            dice.integers(1_000, 5_000) + dice.integers(-500, 500, period_count),
            dice.integers(1_000, 5_000) + dice.integers(-500, 500, period_count),
        )
        for n in range(zone_count - 1)
    ]  # fmt: skip
    return Book(
        zone_count, period_count, PRICE_MIN_TICKS, PRICE_MAX_TICKS, np.concatenate(segments), blocks, lines
    )


def _curves(dice: Any, zone: int, period: int, count: int, demand: float, sloping: float) -> Any:
    """Return a market's segments: 3 GW of demand, 4.2 GW of offers."""
    rows = np.zeros(count, SEGMENT)
    rows["zone"], rows["period"] = zone, period
    bids, offers = count // 2, count - count // 2
    lots = np.maximum(dice.exponential(1.0, count), 0.02)
    lots[:bids] *= 30_000 * demand / lots[:bids].sum()
    lots[bids:] *= 42_000 / lots[bids:].sum()
    rows["lots"] = np.maximum(lots.round(), 1).astype(np.int64)
    at_any_price = dice.random(bids) < 0.55
    usual = (dice.normal(7_000, 4_500, bids)).round()
    rows["begin_ticks"][:bids] = np.where(at_any_price, PRICE_MAX_TICKS, np.clip(usual, -10_000, 60_000))
    place = dice.random(offers)
    merit = np.select(
        [place < 0.22, place < 0.45, place < 0.9],
        [
            dice.choice([-50_000, -1_000, 0, 0, 500], offers),
            dice.normal(1_500, 700, offers),
            dice.normal(7_500, 2_500, offers),
        ],
        dice.normal(15_000, 6_000, offers),
    )
    rows["begin_ticks"][bids:] = np.clip(merit.round(), PRICE_MIN_TICKS, PRICE_MAX_TICKS)
    rows["end_ticks"] = rows["begin_ticks"]
    slopes = (dice.random(count) < sloping) & (np.abs(rows["begin_ticks"]) < PRICE_MAX_TICKS - 2_000)
    way = dice.integers(1, 800, count)
    rows["end_ticks"][:bids] -= np.where(slopes[:bids], way[:bids], 0)
    rows["end_ticks"][bids:] += np.where(slopes[bids:], way[bids:], 0)
    rows["lots"][bids:] *= -1
    rows["end_ticks"] = np.clip(rows["end_ticks"], PRICE_MIN_TICKS, PRICE_MAX_TICKS)
    return rows


def _blocks(
    dice: Any, zone_count: int, shape: Any, level: Any, count: int,
    linked: float, grouped: float, curtailable: float,
) -> list[Block]:  # fmt: skip
    blocks: list[Block] = []
    while len(blocks) < count:
        zone = int(dice.integers(zone_count))
        if dice.random() < grouped / 3 and count - len(blocks) >= 3:
            blocks += [
                _block(dice, len(blocks) + n, zone, shape, level, curtailable, group=len(blocks))
                for n in range(3)
            ]
            continue
        parents = [n for n, b in enumerate(blocks[-20:], max(len(blocks) - 20, 0)) if b.zone == zone]
        parents = [n for n in parents if blocks[n].parent == NO_BLOCK and blocks[n].group == NO_GROUP]
        parent = int(dice.choice(parents)) if parents and dice.random() < linked else NO_BLOCK
        blocks.append(_block(dice, len(blocks), zone, shape, level, curtailable, parent=parent))
    return blocks


def _block(
    dice: Any, place: int, zone: int, shape: Any, level: Any, curtailable: float,
    parent: int = NO_BLOCK, group: int = NO_GROUP,
) -> Block:  # fmt: skip
    periods = shape.size
    length = int(min(dice.choice([3, 4, 6, 8, 12, 24]) * periods / 24, periods)) or 1
    first = int(dice.integers(periods - length + 1))
    sign = 1 if dice.random() < 0.3 else -1
    lots = np.full(length, int(dice.integers(50, 800)), np.int64)
    if dice.random() < 0.3:
        lots = np.maximum((lots * dice.uniform(0.4, 1.0, length)).round(), 1).astype(np.int64)
    around = 6_800 + 9_000 * float(shape[first : first + length].mean() * level[zone] - 1)
    price = int(np.clip(around + dice.normal(0, 1_200), PRICE_MIN_TICKS, PRICE_MAX_TICKS))
    minimum = int(dice.choice([250, 500, 750])) if dice.random() < curtailable else 1_000
    return Block(place + 1, zone, first, sign * lots, price, minimum, parent, group)
