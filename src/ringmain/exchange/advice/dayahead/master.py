"""The master programme: which blocks, by how much, with the curves' welfare bounded from above.

Cuts are added where solutions lie, until nothing is gained by more of them. Every such programme,
with few cuts or with many, bounds the auction's welfare.
"""

import numpy as np

from ringmain.exchange.advice.dayahead.book import NO_BLOCK, NO_GROUP, RATIO_ONE, Book, Integers
from ringmain.exchange.advice.dayahead.curves import Stair
from ringmain.exchange.advice.dayahead.envelope import UNIT, Envelope
from ringmain.exchange.advice.dayahead.solver import INFINITY, Floats, Model

WINDOW_CUTS = 24  # around the relaxed solution, of each market
ROUNDS = 40

Row = tuple[float, float, list[int], list[float]]


class Master:
    """The programme of one auction; blocks may be forbidden or fixed, and it is solved again."""

    def __init__(self, book: Book, stairs: list[list[Stair]]) -> None:
        self.book = book
        self.stairs = [stair for zone in stairs for stair in zone]
        self.count = len(book.blocks)
        self._partial = [n for n, b in enumerate(book.blocks) if b.minimum_permille < 1_000]
        markets, flows = len(self.stairs), len(book.lines) * book.period_count
        self._switch = list(range(self.count))  # the column that says whether a block is accepted at all
        for n, place in enumerate(self._partial):
            self._switch[place] = self.count + n
        self._quantity = self.count + len(self._partial)
        self._welfare = self._quantity + markets
        self._flow = self._welfare + markets
        ones = self.count + len(self._partial)
        value = [float(b.lots.sum()) * b.price_ticks / UNIT for b in book.blocks]
        forward = [float(lots) for line in book.lines for lots in line.forward_lots]
        backward = [-float(lots) for line in book.lines for lots in line.backward_lots]
        self._model = Model(
            [*value, *[0.0] * (len(self._partial) + markets), *[1.0] * markets, *[0.0] * flows],
            [*[0.0] * ones, *[float(s.lowest_lots) for s in self.stairs], *[-INFINITY] * markets, *backward],
            [*[1.0] * ones, *[float(s.highest_lots) for s in self.stairs], *[INFINITY] * markets, *forward],
        )
        self._model.rows([*self._balance_rows(), *self._ratio_rows()])
        self._envelope = Envelope(self._model, self.stairs, self._quantity, self._welfare)

    def relax(self, time_limit_s: float) -> float:
        """Solve without whole blocks, add the cuts that it takes; return the bound, ticks x lots."""
        self._model.integers(sorted(set(self._switch)), False)
        bound = float("inf")
        for _ in range(ROUNDS):
            values = self._model.solve(time_limit_s)
            if values is None:
                return bound
            bound = self._model.objective
            if not self._envelope.tighten(values):
                break
        for market, stair in enumerate(self.stairs):
            if self.count and values is not None:
                self._envelope.cut(
                    market, self._window(market, stair, float(values[self._quantity + market]))
                )
        return bound * UNIT + self._envelope.base

    def solve(self, time_limit_s: float, gap_tick_lots: float) -> tuple[Integers | None, float]:
        """Solve with whole blocks; return ratios in billionths, or None, and the bound, ticks x lots."""
        self._model.integers(sorted(set(self._switch)), True)
        self._model.option("mip_rel_gap", 0.0)
        self._model.option("mip_abs_gap", max(gap_tick_lots / UNIT, 1e-6))
        values = self._model.solve(time_limit_s)
        bound = self._model.bound * UNIT + self._envelope.base
        if values is None:
            return None, bound
        self._envelope.tighten(values)
        return self._ratios(values), bound

    def settle(self, ratios: Integers, time_limit_s: float) -> Integers:
        """Return the best ratios while the same blocks are accepted; only minimum ratios leave a choice."""
        if not any(ratios[place] for place in self._partial):
            return ratios
        accepted = (ratios > 0).astype(float)
        self._model.integers(sorted(set(self._switch)), False)
        self._model.bounds(self._switch, accepted, accepted)
        values = None
        for _ in range(ROUNDS):
            values = self._model.solve(time_limit_s)
            if values is None or not self._envelope.tighten(values):
                break
        self._model.bounds(self._switch, 0.0, 1.0)
        return ratios if values is None else self._ratios(values)

    def forbid(self, places: set[int]) -> None:
        """Have these blocks rejected from now on, and allow all others."""
        upper = np.ones(self.count)
        upper[sorted(places)] = 0.0
        self._model.bounds(self._switch, 0.0, upper)

    def exclude(self, ratios: Integers) -> None:
        """Have another choice of blocks than this one from now on."""
        accepted = ratios > 0
        signs = np.where(accepted, -1.0, 1.0)
        self._model.rows([(1.0 - float(accepted.sum()), INFINITY, self._switch, signs.tolist())])

    def start_from(self, ratios: Integers) -> None:
        """Let the next solution begin with these blocks."""
        self._model.start_from(self._switch, (ratios > 0).astype(float))

    def _balance_rows(self) -> list[Row]:
        """What curves and blocks buy in a market has flowed there."""
        periods = self.book.period_count
        columns: list[list[int]] = [[self._quantity + n] for n in range(len(self.stairs))]
        values: list[list[float]] = [[1.0] for _ in self.stairs]
        for place, block in enumerate(self.book.blocks):
            for n, lots in enumerate(block.lots.tolist()):
                if lots:
                    market = block.zone * periods + block.first_period + n
                    columns[market].append(place)
                    values[market].append(float(lots))
        for n, line in enumerate(self.book.lines):
            for period in range(periods):
                for zone, sign in ((line.from_zone, 1.0), (line.to_zone, -1.0)):
                    columns[zone * periods + period].append(self._flow + n * periods + period)
                    values[zone * periods + period].append(sign)
        return [(0.0, 0.0, own, signs) for own, signs in zip(columns, values, strict=True)]

    def _ratio_rows(self) -> list[Row]:
        """Minimum ratios, links and exclusive groups."""
        rows: list[Row] = []
        for place in self._partial:
            least = self.book.blocks[place].minimum_permille / 1_000
            rows.append((0.0, INFINITY, [place, self._switch[place]], [1.0, -least]))
            rows.append((-INFINITY, 0.0, [place, self._switch[place]], [1.0, -1.0]))
        groups: dict[int, list[int]] = {}
        for place, block in enumerate(self.book.blocks):
            if block.group != NO_GROUP:
                groups.setdefault(block.group, []).append(place)
            if block.parent != NO_BLOCK:
                rows.append((-INFINITY, 0.0, [place, block.parent], [1.0, -1.0]))
                rows.append((-INFINITY, 0.0, [self._switch[place], self._switch[block.parent]], [1.0, -1.0]))
        rows += [(-INFINITY, 1.0, own, [1.0] * len(own)) for own in groups.values()]
        return rows

    def _window(self, market: int, stair: Stair, quantity: float) -> list[float]:
        """Return quantities around one that blocks may move a market to."""
        zone, period = divmod(market, self.book.period_count)
        sizes = [
            abs(int(block.lots[period - block.first_period]))
            for block in self.book.blocks
            if block.zone == zone and 0 <= period - block.first_period < block.lots.size
        ]
        reach = float(2 * max(sizes, default=0))
        return np.linspace(quantity - reach, quantity + reach, WINDOW_CUTS).tolist() if reach else []

    def _ratios(self, values: Floats) -> Integers:
        """Return whole ratios in billionths that keep minimum ratios, links and groups."""
        ratios = np.zeros(self.count, np.int64)
        for place, block in enumerate(self.book.blocks):
            if values[self._switch[place]] > 0.5:
                least = block.minimum_permille * (RATIO_ONE // 1_000)
                ratios[place] = min(max(round(float(values[place]) * RATIO_ONE), least), RATIO_ONE)
                if RATIO_ONE - ratios[place] < 100:
                    ratios[place] = RATIO_ONE
        return kept_to_rules(self.book, ratios)


def kept_to_rules(book: Book, ratios: Integers) -> Integers:
    """Take back what rounding has left above a parent's ratio, or above 1 in an exclusive group."""
    sums: dict[int, int] = {}
    for place in reversed(book.children_first):
        block = book.blocks[place]
        if block.parent != NO_BLOCK:
            ratios[place] = min(ratios[place], ratios[block.parent])
        if block.group != NO_GROUP:
            ratios[place] = min(ratios[place], RATIO_ONE - sums.get(block.group, 0))
        if ratios[place] < block.minimum_permille * (RATIO_ONE // 1_000):
            ratios[place] = 0
        if block.group != NO_GROUP:
            sums[block.group] = sums.get(block.group, 0) + int(ratios[place])
    return ratios
