"""With the blocks fixed: quantities and flows of largest welfare, period by period, in whole lots."""

from dataclasses import dataclass

import numpy as np

from ringmain.exchange.advice.dayahead.book import Book, Integers
from ringmain.exchange.advice.dayahead.curves import Stair
from ringmain.exchange.advice.dayahead.envelope import Envelope
from ringmain.exchange.advice.dayahead.solver import INFINITY, Model

SECONDS = 20.0


@dataclass(frozen=True)
class Period:
    """The best of one period, for given blocks.

    Parameters
    ----------
    curve_lots : tuple of int
        What each zone's curves buy, net.
    flow_lots : tuple of int
        On each line.
    welfare : int
        Of the curves, ticks x lots.
    lowest, highest : tuple of int
        Between which prices each zone may lie.
    """

    curve_lots: tuple[int, ...]
    flow_lots: tuple[int, ...]
    welfare: int
    lowest: tuple[int, ...]
    highest: tuple[int, ...]


class Dispatch:
    """Solves periods, and remembers what it has solved."""

    def __init__(self, book: Book, stairs: list[list[Stair]]) -> None:
        self.book, self.stairs = book, stairs
        self._networks: dict[int, _Network] = {}
        self._known: dict[tuple[int, tuple[int, ...]], Period | None] = {}

    def solve(self, block_net: Integers) -> list[Period] | None:
        """Return every period's best, or None where blocks and curves cannot be balanced.

        Parameters
        ----------
        block_net : int64 array of shape (zone_count, period_count)
            What blocks buy, net.
        """
        periods = []
        for period in range(self.book.period_count):
            found = self._period(period, tuple(block_net[:, period].tolist()))
            if found is None:
                return None
            periods.append(found)
        return periods

    def _period(self, period: int, net: tuple[int, ...]) -> Period | None:
        key = (period, net)
        if key not in self._known:
            self._known[key] = self._solve(period, net)
        return self._known[key]

    def _solve(self, period: int, net: tuple[int, ...]) -> Period | None:
        stairs = [zone[period] for zone in self.stairs]
        if not self.book.lines:
            return self._period_of(period, net, ())
        for whole in (False, True):
            flows = self._network(period, stairs).flows(net, whole)
            found = self._period_of(period, net, flows) if flows is not None else None
            if found is not None:
                return found
        return None

    def _period_of(self, period: int, net: tuple[int, ...], flows: tuple[int, ...]) -> Period | None:
        """Return what curves do with these flows; None if that is out of reach, or not the best."""
        stairs = [zone[period] for zone in self.stairs]
        lots = [-blocks for blocks in net]
        for line, flow in zip(self.book.lines, flows, strict=True):
            lots[line.from_zone] -= flow
            lots[line.to_zone] += flow
        if any(not s.lowest_lots <= x <= s.highest_lots for s, x in zip(stairs, lots, strict=True)):
            return None
        welfare = sum(round(s.value(x)) for s, x in zip(stairs, lots, strict=True))
        lowest, highest = self._narrowed(
            period, flows, [s.price_range(x) for s, x in zip(stairs, lots, strict=True)]
        )
        if any(low > high for low, high in zip(lowest, highest, strict=True)):
            return None  # no prices go with them: other flows have more welfare
        return Period(tuple(lots), flows, welfare, lowest, highest)

    def _network(self, period: int, stairs: list[Stair]) -> "_Network":
        if period not in self._networks:
            self._networks[period] = _Network(self.book, period, stairs)
        return self._networks[period]

    def _narrowed(
        self, period: int, flows: tuple[int, ...], ranges: list[tuple[int, int]]
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the zones' lowest and highest prices, once lines have passed on what they tie."""
        lowest, highest = [low for low, _ in ranges], [high for _, high in ranges]
        for _ in range(len(ranges)):
            for line, flow in zip(self.book.lines, flows, strict=True):
                begin, end = line.from_zone, line.to_zone
                if flow < line.forward_lots[period]:  # else the end might be dearer
                    lowest[begin] = max(lowest[begin], lowest[end])
                    highest[end] = min(highest[end], highest[begin])
                if flow > -line.backward_lots[period]:
                    lowest[end] = max(lowest[end], lowest[begin])
                    highest[begin] = min(highest[begin], highest[end])
        return tuple(lowest), tuple(highest)


class _Network:
    """The flows of one period, as a small programme that is solved again whenever blocks change.

    All that is given is whole, and it is a network: the corners of the programme are whole too, once
    the steps beside the solution have their cuts.
    """

    def __init__(self, book: Book, period: int, stairs: list[Stair]) -> None:
        zones, lines = len(stairs), book.lines
        self._flow, self._lines = 2 * zones, len(lines)
        self._model = Model(
            [*[0.0] * zones, *[1.0] * zones, *[0.0] * len(lines)],
            [
                *[float(stair.lowest_lots) for stair in stairs],
                *[-INFINITY] * zones,
                *[-float(line.backward_lots[period]) for line in lines],
            ],
            [
                *[float(stair.highest_lots) for stair in stairs],
                *[INFINITY] * zones,
                *[float(line.forward_lots[period]) for line in lines],
            ],
        )
        for zone in range(zones):
            out = [(self._flow + n, 1.0) for n, line in enumerate(lines) if line.from_zone == zone]
            into = [(self._flow + n, -1.0) for n, line in enumerate(lines) if line.to_zone == zone]
            columns = [zone, *(column for column, _ in out + into)]
            self._model.rows([(0.0, 0.0, columns, [1.0, *(sign for _, sign in out + into)])])
        self._model.option("mip_rel_gap", 0.0)
        self._envelope = Envelope(self._model, stairs, 0, zones)

    def flows(self, net: tuple[int, ...], whole: bool = False) -> tuple[int, ...] | None:
        """Return the flows of largest welfare while blocks buy so much in each zone; None: impossible.

        Parameters
        ----------
        whole : bool
            Have the solver look for whole flows, where rounding those of a corner is not enough.
        """
        flows = range(self._flow, self._flow + self._lines)
        self._model.row_bounds(range(len(net)), [-float(lots) for lots in net])
        self._model.integers(flows, whole)
        values = self._model.solve(SECONDS)
        while values is not None and self._envelope.tighten(values):
            values = self._model.solve(SECONDS)
        return None if values is None else tuple(np.rint(values[self._flow :]).astype(int).tolist())
