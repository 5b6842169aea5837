"""Prices, with blocks and quantities fixed: whole ticks that every accepted block can live with.

Quantities leave each market a range of prices, mostly of one tick; within the ranges the prices are
chosen such that no accepted block is out of the money, if that can be.
"""

from dataclasses import dataclass

import numpy as np

from ringmain.exchange.advice.dayahead.book import Book, Integers
from ringmain.exchange.advice.dayahead.dispatch import Period
from ringmain.exchange.advice.dayahead.solver import INFINITY, Model

SECONDS = 10.0


@dataclass(frozen=True)
class Priced:
    """Prices, int64 array of shape (zone_count, period_count), and the places of blocks out of the money."""

    prices: Integers
    losses: dict[int, int]


def find_prices(book: Book, ratios: Integers, periods: list[Period]) -> Priced:
    """Return prices that suit all accepted blocks, or those that miss it by the least."""
    lowest = np.array([period.lowest for period in periods], np.int64).T
    highest = np.array([period.highest for period in periods], np.int64).T
    usual = _between(book, lowest, highest)
    middle = (lowest + highest) // 2
    best: Priced | None = None
    for prices in (usual, middle, lowest, highest):
        if prices is usual and not _is_tied(book, periods, prices):
            continue
        priced = Priced(prices, losses_of(book, ratios, prices))
        if not priced.losses:
            return priced
        if best is None or sum(priced.losses.values()) < sum(best.losses.values()):
            best = priced
    assert best is not None
    if (lowest == highest).all():
        return best
    chosen = _choose(book, ratios, periods, lowest, highest)
    return best if chosen is None or sum(chosen.losses.values()) > sum(best.losses.values()) else chosen


def losses_of(book: Book, ratios: Integers, prices: Integers) -> dict[int, int]:
    """Return the accepted blocks that are out of the money with their descendants, and by how much."""
    surplus = book.family_surplus(ratios, prices)
    return {place: -int(surplus[place]) for place in np.flatnonzero((ratios > 0) & (surplus < 0)).tolist()}


def _between(book: Book, lowest: Integers, highest: Integers) -> Integers:
    """Choose as the engine does where it clears curves alone."""
    least, most = book.price_min_ticks, book.price_max_ticks
    middle = (lowest + highest) // 2
    prices = np.where(highest == most, lowest, middle)
    prices = np.where(lowest == least, highest, prices)
    return np.where((lowest == least) & (highest == most), min(max(0, least), most), prices)


def _is_tied(book: Book, periods: list[Period], prices: Integers) -> bool:
    """Tell whether prices differ over full lines only."""
    for column, period in enumerate(periods):
        for line, flow in zip(book.lines, period.flow_lots, strict=True):
            begin, end = prices[line.from_zone, column], prices[line.to_zone, column]
            if end > begin and flow < line.forward_lots[column]:
                return False
            if end < begin and flow > -line.backward_lots[column]:
                return False
    return True


def _choose(
    book: Book, ratios: Integers, periods: list[Period], lowest: Integers, highest: Integers
) -> Priced | None:
    """Return whole prices whose losses are least, by a small integer programme."""
    count = lowest.size
    descendants = book.descendants
    rows, slack_count = [], 0
    for place in np.flatnonzero(ratios).tolist():
        weight, value = np.zeros(lowest.shape), 0
        for member in descendants[place]:
            if ratios[member]:
                block = book.blocks[member]
                part = block.part(int(ratios[member]))
                weight[block.zone, block.periods] += part
                value += int(part.sum()) * block.price_ticks
        columns = np.flatnonzero(weight)
        scale = max(float(np.abs(weight).max()), 1.0)
        most = float((weight * np.where(weight > 0, highest, lowest)).sum())
        if value >= most:
            continue  # whatever the prices, it has no loss
        rows.append((
            -INFINITY, value / scale, [*columns.tolist(), count + slack_count],
            [*(weight.ravel()[columns] / scale).tolist(), -1.0],
        ))  # fmt: skip
        slack_count += 1
    model = Model(
        [0.0] * count + [-1.0] * slack_count,
        [*lowest.ravel().astype(float).tolist(), *[0.0] * slack_count],
        [*highest.ravel().astype(float).tolist(), *[INFINITY] * slack_count],
    )
    model.rows([*rows, *_tied_rows(book, periods)])
    model.integers(np.flatnonzero((lowest < highest).ravel()), True)
    values = model.solve(SECONDS)
    if values is None:
        return None
    prices = np.rint(values[:count]).astype(np.int64).reshape(lowest.shape)
    return Priced(prices, losses_of(book, ratios, prices))


def _tied_rows(book: Book, periods: list[Period]) -> list[tuple[float, float, list[int], list[float]]]:
    """Return how lines tie the prices at their ends."""
    rows = []
    for column, period in enumerate(periods):
        for line, flow in zip(book.lines, period.flow_lots, strict=True):
            begin = line.from_zone * book.period_count + column
            end = line.to_zone * book.period_count + column
            most = INFINITY if flow >= line.forward_lots[column] else 0.0  # of end less begin
            least = -INFINITY if flow <= -line.backward_lots[column] else 0.0
            if most < INFINITY or least > -INFINITY:
                rows.append((least, most, [end, begin], [1.0, -1.0]))
    return rows
