"""What a solution says, for people and for programs, and a picture of a market's curves."""

from html import escape
from typing import Any

import numpy as np

from ringmain.exchange.advice.dayahead.book import RATIO_ONE, Book, Integers
from ringmain.exchange.advice.dayahead.curves import stairs_of
from ringmain.exchange.advice.dayahead.files import NamedBook
from ringmain.exchange.advice.dayahead.solve import Solution

TICKS_A_EURO, LOTS_A_MW = 100, 10
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 720, 420, 64, 48, 20, 40
Side = tuple[Integers, Integers]  # price and reached quantity of each step
STYLE = """
svg { font: 12px system-ui, sans-serif; background: #fff; } text { fill: #5c677d; }
.title { font-size: 16px; font-weight: 600; fill: #14213d; } .axis { stroke: #98a2b3; }
@media (prefers-color-scheme: dark) {
svg { background: #11151c; } .title { fill: #e6eaf2; } text { fill: #9aa5b8; } }
"""


def as_dict(named: NamedBook, solution: Solution) -> dict[str, Any]:
    """Return a solution in EUR/MWh, MW and EUR an hour, as JSON takes it."""
    book = named.book
    return {
        "prices_eur": dict(zip(named.zones, (solution.prices / TICKS_A_EURO).tolist(), strict=True)),
        "curves_mw": dict(zip(named.zones, (solution.curve_lots / LOTS_A_MW).tolist(), strict=True)),
        "flows_mw": {
            f"{named.zones[line.from_zone]} > {named.zones[line.to_zone]}": (row / LOTS_A_MW).tolist()
            for line, row in zip(book.lines, solution.flows, strict=True)
        },
        "blocks": {
            name: ratio / RATIO_ONE
            for name, ratio in zip(named.blocks, solution.ratios.tolist(), strict=True)
        },
        "welfare_eur": solution.welfare / TICKS_A_EURO / LOTS_A_MW,
        "bound_eur": solution.bound / TICKS_A_EURO / LOTS_A_MW,
        "gap": solution.gap,
        "paradoxically_rejected": solution.paradoxes,
        "iterations": solution.iterations,
        "seconds": round(solution.seconds, 3),
        "phases_s": {name: round(seconds, 3) for name, seconds in solution.phases_s.items()},
    }


def as_text(named: NamedBook, solution: Solution) -> str:
    """Return a solution as a table of prices, and how good it is."""
    accepted = int((solution.ratios > 0).sum())
    width = max(10, *(len(name) + 2 for name in named.zones))
    lines = ["period" + "".join(f"{name:>{width}}" for name in named.zones) + "  EUR/MWh"]
    for period in range(named.book.period_count):
        prices = solution.prices[:, period] / TICKS_A_EURO
        lines.append(f"{period:>6}" + "".join(f"{price:>{width}.2f}" for price in prices))
    lines.append(
        f"{len(named.book.segments):,} segments, {accepted} of {len(named.blocks)} blocks accepted, "
        f"{solution.paradoxes} paradoxically rejected"
    )
    lines.append(
        f"welfare {solution.welfare / TICKS_A_EURO / LOTS_A_MW:,.2f} EUR, gap {solution.gap:.1e}, "
        f"{solution.iterations} iterations in {solution.seconds:.2f} s"
    )
    return "\n".join(lines)


def picture(named: NamedBook, solution: Solution, zone: int, period: int) -> str:
    """Return a market's demand and supply as a drawing, with the price that was found; SVG."""
    bids, offers = _sides(named.book, zone, period)
    price = int(solution.prices[zone, period])
    most = max(int(bids[1][-1]) if bids[1].size else 0, int(offers[1][-1]) if offers[1].size else 0, 1)
    near = [p for prices, _ in (bids, offers) for p in prices.tolist() if abs(p - price) < 15_000]
    low, high = min([price - 1_000, *near]), max([price + 1_000, *near])
    frame = _Frame(most, low, high)
    title = f"{named.zones[zone]}, period {period}: {price / TICKS_A_EURO:.2f} EUR/MWh"
    y = frame.y(price)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<text class="title" x="{LEFT}" y="26">{escape(title)}</text>',
        f'<text x="{LEFT}" y="{HEIGHT - 12}">0</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 12}" text-anchor="end">{most / LOTS_A_MW:,.1f} MW</text>',
        f'<text x="{LEFT - 8}" y="{TOP + 4}" text-anchor="end">{high / TICKS_A_EURO:,.0f}</text>',
        f'<text x="{LEFT - 8}" y="{HEIGHT - BOTTOM}" text-anchor="end">{low / TICKS_A_EURO:,.0f}</text>',
        f'<path class="axis" d="M{LEFT} {TOP} V{HEIGHT - BOTTOM} H{WIDTH - RIGHT}" fill="none"/>',
        f'<path class="axis" d="M{LEFT} {y} H{WIDTH - RIGHT}" stroke-dasharray="4 4"/>',
        frame.path(bids, "#2a6fdb"),
        frame.path(offers, "#d1495b"),
        "</svg>\n",
    ])  # fmt: skip


def _sides(book: Book, zone: int, period: int) -> tuple[Side, Side]:
    """Return price and reached quantity of the bids, falling, and of the offers, rising."""
    own = book.segments[(book.segments["zone"] == zone) & (book.segments["period"] == period)]
    sides = []
    for rows, sign in ((own[own["lots"] > 0], 1), (own[own["lots"] < 0], -1)):
        side = Book(1, 1, book.price_min_ticks, book.price_max_ticks, _moved(rows))
        stair = stairs_of(side)[0][0]
        sizes = np.diff(stair.quantity_lots)[::sign]
        sides.append((stair.price_ticks[::sign], np.cumsum(sizes)))
    return sides[0], sides[1]


def _moved(rows: Any) -> Any:
    moved = rows.copy()
    moved["zone"] = moved["period"] = 0
    return moved


class _Frame:
    """Where quantities and prices lie in the picture."""

    def __init__(self, most_lots: int, low_ticks: int, high_ticks: int) -> None:
        self.most_lots, self.low_ticks, self.high_ticks = most_lots, low_ticks, high_ticks

    def x(self, lots: float) -> float:
        return round(LEFT + lots / self.most_lots * (WIDTH - LEFT - RIGHT), 1)

    def y(self, ticks: float) -> float:
        share = (min(max(ticks, self.low_ticks), self.high_ticks) - self.low_ticks) / (
            self.high_ticks - self.low_ticks
        )
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    def path(self, side: Side, colour: str) -> str:
        """Return one side as a stair."""
        prices, reached = side
        if prices.size == 0:
            return ""
        parts = [f"M{self.x(0)} {self.y(prices[0])}"]
        for price, lots in zip(prices.tolist(), reached.tolist(), strict=True):
            parts.append(f"V{self.y(price)} H{self.x(lots)}")
        return f'<path d="{" ".join(parts)}" fill="none" stroke="{colour}" stroke-width="2"/>'
