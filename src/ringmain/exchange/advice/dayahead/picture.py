"""A drawing of each market: what is demanded and supplied at which price, and where the two meet.

Accepted blocks, and what flows over lines, are bought or sold at whatever price: they stand before the
curves. So demand and supply cross where the market was cleared.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.exchange.advice.dayahead.book import Book, Integers
from ringmain.exchange.advice.dayahead.curves import stairs_of
from ringmain.exchange.advice.dayahead.files import NamedBook
from ringmain.exchange.advice.dayahead.report import LOTS_A_MW, TICKS_A_EURO
from ringmain.exchange.advice.dayahead.solve import Solution

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 720, 480, 76, 96, 24, 56
GUTTER = 14  # at the frame's top and bottom, for what lies beyond the prices that are shown
TICKS = 5  # about so many on an axis
LEAST_TICKS = 1_000  # of the axis of prices
NEAR_TICKS = 15_000  # steps so near to the price are shown
STYLE = """
svg { font: 12px system-ui, sans-serif; background: #fff; } text { fill: #5c677d; }
.title { font-size: 16px; font-weight: 600; fill: #14213d; } .end { text-anchor: end; }
.middle { text-anchor: middle; } .frame { fill: none; stroke: #98a2b3; } .grid { stroke: #eaecf0; }
.demand, .supply { fill: none; stroke-width: 2; stroke-linejoin: round; } .far { stroke-dasharray: 3 4; }
.demand { stroke: #2a6fdb; } .supply { stroke: #d1495b; } .price { stroke: #14213d; stroke-dasharray: 6 4; }
.drop { stroke: #98a2b3; stroke-dasharray: 2 3; } .dot { fill: #14213d; stroke: #fff; stroke-width: 2; }
.said { font-weight: 600; fill: #14213d; stroke: #fff; stroke-width: 4; paint-order: stroke; }
@media (prefers-color-scheme: dark) {
svg { background: #11151c; } .title, .said, .dot { fill: #e6eaf2; } text { fill: #9aa5b8; }
.grid { stroke: #232a36; } .frame, .drop { stroke: #5c677d; } .price { stroke: #e6eaf2; }
.said, .dot { stroke: #11151c; } .demand { stroke: #6ea0f5; } .supply { stroke: #ec7f8d; } }
"""


@dataclass(frozen=True)
class Side:
    """Demand or supply of a market.

    Parameters
    ----------
    price_ticks, reached_lots : int64 array of shape (n,)
        Of the curves' steps, the better price first; what is reached counts from zero.
    blocks_lots, flow_lots : int
        What accepted blocks and lines add, at whatever price.
    sign : int
        1 for demand, -1 for supply.
    """

    price_ticks: Integers
    reached_lots: Integers
    blocks_lots: int
    flow_lots: int
    sign: int

    @property
    def firm_lots(self) -> int:
        """What stands before the curve."""
        return self.blocks_lots + self.flow_lots

    @property
    def total_lots(self) -> int:
        """All of it."""
        return self.firm_lots + (int(self.reached_lots[-1]) if self.reached_lots.size else 0)

    def lots_at(self, price_ticks: int) -> int:
        """Return how much is bid or offered at a price, or at a better one."""
        count = int((self.sign * self.price_ticks >= self.sign * price_ticks).sum())
        return self.firm_lots + (int(self.reached_lots[count - 1]) if count else 0)

    @property
    def last_ticks(self) -> float:
        """The price of the last step; infinite if there is no curve."""
        return float(self.price_ticks[-1]) if self.price_ticks.size else self.sign * math.inf

    def steps(self) -> Iterator[tuple[float, int, int]]:
        """Yield price, begin and end of each step."""
        if self.firm_lots:
            yield self.sign * math.inf, 0, self.firm_lots
        begin = self.firm_lots
        for price, reached in zip(self.price_ticks.tolist(), self.reached_lots.tolist(), strict=True):
            yield price, begin, self.firm_lots + reached
            begin = self.firm_lots + reached


def draw_all(folder: Path, named: NamedBook, solution: Solution) -> None:
    """Draw each zone and period into ``ZONE-period-NN.svg``; OSError if the folder cannot be written."""
    folder.mkdir(parents=True, exist_ok=True)
    for zone, name in enumerate(_file_names(named.zones)):
        for period in range(named.book.period_count):
            file = folder / f"{name}-period-{period:02}.svg"
            file.write_text(picture(named, solution, zone, period), "utf-8")


def picture(named: NamedBook, solution: Solution, zone: int, period: int) -> str:
    """Return a market's demand and supply, with the price and the quantity that were found, as SVG."""
    demand, supply = sides(named.book, solution, zone, period)
    price = int(solution.prices[zone, period])
    cleared = min(demand.lots_at(price), supply.lots_at(price))
    frame = _Frame((demand, supply), price)
    title = f"{named.zones[zone]}, period {period}: {price / TICKS_A_EURO:,.2f} EUR/MWh"
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<text class="title" x="{LEFT}" y="28">{escape(title)}</text>',
        f'<text x="{LEFT}" y="48">{_said(cleared, demand, supply)}</text>',
        _legend(),
        frame.axes(),
        frame.stair(supply, "supply"),
        frame.stair(demand, "demand"),
        frame.meeting(price, cleared),
        "</svg>\n",
    ])  # fmt: skip


def sides(book: Book, solution: Solution, zone: int, period: int) -> tuple[Side, Side]:
    """Return demand and supply of a market."""
    own = book.segments[(book.segments["zone"] == zone) & (book.segments["period"] == period)]
    added = {1: [0, 0], -1: [0, 0]}  # demand and supply: of blocks, of flows
    for block, ratio in zip(book.blocks, solution.ratios.tolist(), strict=True):
        if block.zone == zone and 0 <= period - block.first_period < block.lots.size:
            lots = int(block.part(ratio)[period - block.first_period])
            added[1 if lots > 0 else -1][0] += abs(lots)
    for line, row in zip(book.lines, solution.flows.tolist(), strict=True):
        out = row[period] * ((line.from_zone == zone) - (line.to_zone == zone))
        added[1 if out > 0 else -1][1] += abs(out)
    (bought, out_lots), (sold, in_lots) = added[1], added[-1]
    demand = Side(*_curve(book, own[own["lots"] > 0], 1), bought, out_lots, 1)
    supply = Side(*_curve(book, own[own["lots"] < 0], -1), sold, in_lots, -1)
    return demand, supply


def _curve(book: Book, rows: Any, sign: int) -> tuple[Integers, Integers]:
    """Return price and reached quantity of the bids, falling, or of the offers, rising."""
    moved = rows.copy()
    moved["zone"] = moved["period"] = 0
    stair = stairs_of(Book(1, 1, book.price_min_ticks, book.price_max_ticks, moved, [], []))[0][0]
    return stair.price_ticks[::sign], np.cumsum(np.diff(stair.quantity_lots)[::sign])


class _Frame:
    """Where quantities and prices lie in the picture."""

    def __init__(self, both: tuple[Side, Side], price: int) -> None:
        self.most_lots = max(1, *(side.total_lots for side in both)) * 1.05
        prices = np.concatenate([side.price_ticks for side in both])
        near = prices[np.abs(prices - price) <= NEAR_TICKS].tolist()
        low, high = min([price, *near]), max([price, *near])
        room = max(0.06 * (high - low), (LEAST_TICKS - (high - low)) / 2)
        self.low_ticks, self.high_ticks = low - room, high + room

    def x(self, lots: float) -> float:
        return round(LEFT + lots / self.most_lots * (WIDTH - LEFT - RIGHT), 1)

    def y(self, ticks: float) -> float:
        if ticks > self.high_ticks:
            return TOP + GUTTER / 2
        if ticks < self.low_ticks:
            return HEIGHT - BOTTOM - GUTTER / 2
        share = (ticks - self.low_ticks) / (self.high_ticks - self.low_ticks)
        return round(HEIGHT - BOTTOM - GUTTER - share * (HEIGHT - TOP - BOTTOM - 2 * GUTTER), 1)

    def axes(self) -> str:
        """Return grid, frame, and what the axes count."""
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        parts = []
        for ticks, text in _round_values(self.low_ticks / TICKS_A_EURO, self.high_ticks / TICKS_A_EURO):
            y = self.y(ticks * TICKS_A_EURO)
            parts.append(f'<path class="grid" d="M{LEFT} {y} H{right}"/>')
            parts.append(f'<text class="end" x="{LEFT - 8}" y="{y + 4}">{text}</text>')
        for megawatts, text in _round_values(0, self.most_lots / LOTS_A_MW):
            x = self.x(megawatts * LOTS_A_MW)
            parts.append(f'<path class="grid" d="M{x} {TOP} V{bottom}"/>')
            parts.append(f'<text class="middle" x="{x}" y="{bottom + 18}">{text}</text>')
        parts.append(f'<path class="frame" d="M{LEFT} {TOP} V{bottom} H{right}"/>')
        parts.append(f'<text class="end" x="{right}" y="{bottom + 38}">MW</text>')
        parts.append(f'<text class="end" x="{LEFT - 8}" y="{TOP - 4}">EUR/MWh</text>')
        return "\n".join(parts)

    def stair(self, side: Side, name: str) -> str:
        """Return one side as a stair; what lies beyond the prices that are shown is dashed."""
        paths: dict[bool, list[str]] = {False: [], True: []}
        before: bool | None = None
        for price, begin, end in side.steps():
            is_far = not self.low_ticks <= price <= self.high_ticks
            if before is None or before != is_far:
                paths[is_far].append(f"M{self.x(begin)} {self.y(price)}")
            if before is True and not is_far:  # down from the edge, in full
                paths[False][-1] = f"M{self.x(begin)} {self.y(side.sign * math.inf)} V{self.y(price)}"
            if before is False and is_far:
                paths[False].append(f"V{self.y(price)}")
            paths[is_far].append(f"V{self.y(price)} H{self.x(end)}")
            before = is_far
        if before is not None:  # there is no more of it, whatever the price
            edge = HEIGHT - BOTTOM if side.sign > 0 else TOP
            start = "" if before is False else f"M{self.x(side.total_lots)} {self.y(side.last_ticks)} "
            paths[False].append(f"{start}V{edge}")
        return "\n".join(
            f'<path class="{name}{" far" if is_far else ""}" d="{" ".join(path)}"/>'
            for is_far, path in paths.items() if path
        )  # fmt: skip

    def meeting(self, price: int, cleared_lots: int) -> str:
        """Return the line of the price, and the dot where it was found."""
        y, x = self.y(price), self.x(cleared_lots)
        above = y - 8 if y > TOP + 40 else y + 18
        at, anchor = (
            (WIDTH - RIGHT - 4, ' class="said end"') if x < WIDTH * 0.6 else (LEFT + 8, ' class="said"')
        )
        drawn = [
            f'<path class="price" d="M{LEFT} {y} H{WIDTH - RIGHT}"/>',
            f'<text{anchor} x="{at}" y="{above}">{price / TICKS_A_EURO:,.2f} EUR/MWh</text>',
        ]
        if cleared_lots:
            drawn.append(f'<path class="drop" d="M{x} {y} V{HEIGHT - BOTTOM}"/>')
            drawn.append(f'<circle class="dot" cx="{x}" cy="{y}" r="5"/>')
        return "\n".join(drawn)


def _said(cleared: int, demand: Side, supply: Side) -> str:
    """Return what was cleared, and what of it is not of the curves."""
    kinds = ((demand.blocks_lots, "bought by blocks"), (supply.blocks_lots, "sold by blocks"),
             (demand.flow_lots, "flowing out"), (supply.flow_lots, "flowing in"))  # fmt: skip
    parts = [f", {lots / LOTS_A_MW:,.1f} {what}" for lots, what in kinds if lots]
    return f"{cleared / LOTS_A_MW:,.1f} MW change hands{''.join(parts)}"


def _legend() -> str:
    parts, x = [], LEFT
    for name, text in (("demand", "bids"), ("supply", "offers"), ("price", "price"),
                       ("frame far", "accepted blocks, flows, prices beyond the frame")):  # fmt: skip
        parts.append(f'<path class="{name}" d="M{x} 66 H{x + 22}"/><text x="{x + 28}" y="70">{text}</text>')
        x += 82
    return "\n".join(parts)


def _round_values(low: float, high: float) -> list[tuple[float, str]]:
    """Return about TICKS round values from low to high, each with its text."""
    rough = (high - low) / TICKS
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough * 0.8)
    decimals = max(0, -math.floor(math.log10(step)))
    first, last = math.ceil(low / step), math.floor(high / step)
    return [(n * step, f"{n * step:,.{decimals}f}") for n in range(first, last + 1)]


def _file_names(zones: list[str]) -> list[str]:
    """Return a name of a file for each zone; two that would get the same one are numbered."""
    safe = [re.sub(r"[^\w-]+", "-", name)[:60] or "-" for name in zones]
    lower = [name.lower() for name in safe]
    return [name if lower.count(name.lower()) == 1 else f"{name}-{n}" for n, name in enumerate(safe)]
