"""Pictures of reserve: its prices by block, what the fleet held, and how well it followed calls."""

from typing import Any

from ringmain.core.drawing import Chart, Series
from ringmain.world.calendar import BLOCK_HOURS, HOUR_NS, QUARTER_NS

BLUE, ORANGE, GREEN, GREY = "#2f6fde", "#e8871e", "#2a9d6f", "#9aa5b8"


def reserve_charts(blocks: list[dict[str, Any]], fleet: dict[str, Any] | None) -> dict[str, Chart]:
    """Return the charts by name: of the market, and of a fleet that has sold any."""
    charts = {"reserve_prices": Chart("Reserve: price by block", "EUR per MW and hour", [
        Series("up", BLUE, _priced(blocks, "up"), "step", BLOCK_HOURS * HOUR_NS),
        Series("down", ORANGE, _priced(blocks, "down"), "step", BLOCK_HOURS * HOUR_NS),
    ])}  # fmt: skip
    if fleet is None or not fleet["reserve"]["quarters"]:
        return charts
    quarters = fleet["reserve"]["quarters"]
    charts["fleet_reserve"] = Chart("Fleet: reserve held and called", "MW, up is positive", [
        Series("held up", BLUE, [(r["time_ns"], r["up_mw"]) for r in quarters], "step", QUARTER_NS),
        Series("held down", ORANGE, [(r["time_ns"], -r["down_mw"]) for r in quarters], "step", QUARTER_NS),
        Series("called", GREEN, [(r["time_ns"], r["called_mw"]) for r in fleet["power"]]),
    ])  # fmt: skip
    charts["calls"] = Chart("Fleet: energy called and given, by quarter-hour", "kWh, up is positive", [
        Series("called", GREY, _called(quarters, "called_mwh"), "bar", QUARTER_NS),
        Series("given", GREEN, _called(quarters, "given_mwh"), "bar", QUARTER_NS),
    ])  # fmt: skip
    return charts


def _priced(blocks: list[dict[str, Any]], direction: str) -> list[tuple[int, float | None]]:
    return [(b["delivery_start_ns"], b["price_eur"]) for b in blocks if b["direction"] == direction]


def _called(quarters: list[dict[str, Any]], name: str) -> list[tuple[int, float | None]]:
    """Return a figure of the quarter-hours with a call, in kWh; the others are left out."""
    return [(r["time_ns"], r[name] * 1_000 if r["called_mwh"] else None) for r in quarters]
