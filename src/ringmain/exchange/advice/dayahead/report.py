"""What a solution says, for people and for programs."""

from typing import Any

from ringmain.exchange.advice.dayahead.book import RATIO_ONE
from ringmain.exchange.advice.dayahead.files import NamedBook
from ringmain.exchange.advice.dayahead.solve import Solution

TICKS_A_EURO, LOTS_A_MW = 100, 10


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
        f"welfare {solution.welfare / TICKS_A_EURO / LOTS_A_MW:,.2f} EUR, gap {solution.gap:.2g}, "
        f"{solution.iterations} iterations in {solution.seconds:.2f} s"
    )
    return "\n".join(lines)
