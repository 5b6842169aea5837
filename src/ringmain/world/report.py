"""``--report DIR``: report.json, pictures, and a page that shows them."""

import json
from itertools import accumulate
from pathlib import Path
from typing import Any

from ringmain.core.drawing import Chart, Series
from ringmain.world.auction_pictures import auction_pictures
from ringmain.world.calendar import HOURS, QUARTER_NS
from ringmain.world.exchange_figures import charted
from ringmain.world.figures import gather
from ringmain.world.live import Plan
from ringmain.world.report_page import page
from ringmain.world.reserve_figures import reserve_sums
from ringmain.world.reserve_pictures import reserve_charts

NAMES = {"solar": "roofs", "load": "households", "charger": "chargers", "heat_store": "heat stores"}
BLUE, ORANGE, GREEN, GREY, RED = "#2f6fde", "#e8871e", "#2a9d6f", "#9aa5b8", "#d1495b"


def write(data: Path, plan: Plan, folder: Path) -> list[str]:
    """Write the report of the days in `plan`; return the lines that say how they went.

    Parameters
    ----------
    data : Path
        The data folder of a venue that has stopped: its journals are replayed.
    """
    figures = gather(data, plan)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(figures, indent=1) + "\n")
    pictures = {name: chart.svg() for name, chart in _charts(figures).items()} | auction_pictures(data)
    for name, picture in pictures.items():
        (folder / f"{name}.svg").write_text(picture)
    rows = summary(figures)
    (folder / "index.html").write_text(page(figures, list(pictures), rows))
    return [f"{name}: {value}" for name, value in rows]


def summary(figures: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what matters most, as names and values."""
    market, fleet = figures["exchange"], figures["fleet"]
    rows = [
        ("days", ", ".join(figures["days"])),
        ("prices", f"{figures['prices']}, seed {figures['seed']}"),
        ("orders", f"{market['orders']:,} accepted, {sum(market['rejected'].values()):,} rejected"),
        *(_auction_row(auction) for auction in market["auctions"]),
        ("trades", f"{market['trades']:,}, {market['traded_mwh']:,.1f} MWh; {_traded_by(market)}"),
    ]
    rows.append(("reserve", _reserve(market["reserve"])))
    if fleet is not None:
        rows += _fleet_rows(fleet)
    for name, ledger in figures["ledgers"].items():
        said = "balanced to the last unit" if ledger["is_balanced"] else "NOT BALANCED"
        replayed = f"{ledger['commands_replayed']:,} commands and {ledger['events_compared']:,} events"
        rows.append((f"{name}'s ledger", f"{said}; {replayed} replayed bit for bit"))
    for name, node in figures["nodes"].items():
        p50, p99 = (node[f"commit_{q}_ns_below"] / 1e6 for q in ("p50", "p99"))
        rows.append((f"{name}'s commits", f"p50 < {p50:.2f} ms, p99 < {p99:.2f} ms"))
    return rows


def _auction_row(auction: dict[str, Any]) -> tuple[str, str]:
    accepted, count = auction["blocks_accepted"], len(auction["blocks"])
    mean = "" if auction["mean_eur"] is None else f" at {auction['mean_eur']:.2f} EUR/MWh on average"
    return (
        f"auction for {auction['day']}",
        f"{auction['bought_mwh']:,.1f} MWh{mean}, by {auction['outcome']}; {accepted} of {count} blocks, "
        f"{auction['blocks_paradoxical']} paradoxically rejected; welfare {auction['welfare_eur']:,.0f} EUR, "
        f"gap {auction['gap']:.2g}",
    )


def _traded_by(market: dict[str, Any]) -> str:
    """Return how often each kind of order has taken, the most frequent first."""
    rows = sorted(market["trade_kinds"], key=lambda row: -row["taken"])
    return ", ".join(f"{row['kind']} {row['taken']:,}" for row in rows if row["taken"])


def _fleet_rows(fleet: dict[str, Any]) -> list[tuple[str, str]]:
    settled, share = fleet["settled_eur"], fleet["deviation_share"]
    of = "" if share is None else f", {share:.2%} of them"
    others = ", ".join(f"{count:,} {NAMES[kind]}" for kind, count in fleet["others"].items() if kind in NAMES)
    rows = [("homes", f"{others}; by themselves {fleet['baseline_mwh']:+.1f} MWh")] if others else []
    rows += [
        ("fleet", f"{fleet['batteries']:,} batteries sold {fleet['sold_mwh']:.1f} MWh "
         f"and bought {fleet['bought_mwh']:.1f} MWh"),
        ("fleet's bids", f"{fleet['bids']:,}, {fleet['intraday_bids']:,} of them intraday, "
         f"{fleet['bids_rejected']:,} refused; {fleet['awards']:,} awards, "
         f"{fleet['intraday_awards']:,} of them intraday"),
        ("fleet's deviation", f"{fleet['deviation_mwh']:.3f} MWh from its commitments{of}"),
        ("fleet's settlement", f"awards {settled['award']:+,.2f} EUR, imbalance "
         f"{settled['imbalance']:+,.2f} EUR, wear {-settled['wear']:+,.2f} EUR"),
    ]  # fmt: skip
    rows.append(("fleet's reserve", _fleet_reserve(fleet["reserve"])))
    if fleet["forecast_error_eur"] is not None:
        rows.append(("fleet's forecast", f"{fleet['forecast_error_eur']:.2f} EUR/MWh off on average"))
    for day in fleet["foresight"]:
        through = "nothing was to be earned" if day["share"] is None else f"{day['share']:.0%}"
        euros = f"{day['earned_eur']:+,.2f} EUR of {day['perfect_eur']:+,.2f} EUR"
        rows.append(
            (f"foresight on {day['day']}", f"{euros} that perfect foresight of the auction earns, "
             f"reserve held alike: {through}")
        )  # fmt: skip
    return rows


def _reserve(blocks: list[dict[str, Any]]) -> str:
    sums = reserve_sums(blocks)
    return (
        f"{sums['up_mw']:,.1f} MW up and {sums['down_mw']:,.1f} MW down held on average for "
        f"{sums['availability_eur']:,.2f} EUR; "
        f"{sums['calls']:.0f} calls, {sums['called_mwh']:,.1f} MWh for {sums['activation_eur']:,.2f} EUR"
    )


def _fleet_reserve(reserve: dict[str, Any]) -> str:
    held = f"held {reserve['up_mw']:.2f} MW up and {reserve['down_mw']:.2f} MW down on average"
    followed = reserve["followed_share"]
    called = "nothing was called" if followed is None else (
        f"{reserve['called_mwh']:.3f} MWh called, {reserve['activation_eur']:+,.2f} EUR, "
        f"followed to {followed:.1%}"
    )  # fmt: skip
    short = reserve["short_quarters"]
    return f"{held}, {reserve['availability_eur']:+,.2f} EUR; {called}; short in {short} quarter-hours"


def _charts(figures: dict[str, Any]) -> dict[str, Chart]:
    market, fleet = figures["exchange"], figures["fleet"]
    products, quarters = market["products"], market["quarters"]
    start = "delivery_start_ns"

    def traded(name: str) -> list[tuple[int, float | None]]:
        return [(row["time_ns"], row[name]) for row in market["intraday"]]

    charts = {
        "prices": Chart("Prices by hour of delivery", "EUR/MWh", [
            Series("given", GREY, charted(products, "real_eur"), "step", dash="3 3"),
            Series("day-ahead auction", BLUE, charted(products, "auction_eur"), "step"),
            Series("intraday average", ORANGE, charted(products, "intraday_eur"), "step"),
        ]),
        "quarters": Chart("Prices by quarter-hour of delivery", "EUR/MWh", [
            Series("day-ahead auction, by hour", GREY, charted(products, "auction_eur"), "step"),
            Series("opening call", GREEN, charted(quarters, "call_eur"), "step", QUARTER_NS),
            Series("intraday average", ORANGE, charted(quarters, "intraday_eur"), "step", QUARTER_NS),
        ]),
        "volumes": Chart("Volume by hour of delivery, its quarters included", "MWh", [
            Series("day-ahead auction", BLUE, charted(products, "auction_mwh"), "bar"),
            Series("opening call", GREEN, by_hour(products, quarters, "call_mwh"), "bar"),
            Series("intraday", ORANGE, by_hour(products, quarters, "intraday_mwh"), "bar"),
        ]),
        "trading": Chart("Continuous trading through the day", "MWh in a quarter-hour", [
            Series("hours", BLUE, traded("hours_mwh"), "bar", QUARTER_NS),
            Series("quarter-hours", ORANGE, traded("quarters_mwh"), "bar", QUARTER_NS),
        ]),
    }  # fmt: skip
    if fleet is not None:
        forecast, power = fleet["forecast"], fleet["power"]
        charts["forecast"] = Chart("Fleet: its forecast and the auction, by hour of delivery", "EUR/MWh", [
            Series("auction", BLUE, [(r[start], r["auction_eur"]) for r in forecast], "step"),
            Series("forecast", ORANGE, [(r[start], r["forecast_eur"]) for r in forecast], "step", dash="5 4"),
        ])  # fmt: skip
        charts["fleet"] = Chart("Fleet: power against target", "MW, positive to the grid", [
            Series("committed", GREY, [(r["time_ns"], r["committed_mw"]) for r in power], "area"),
            Series("power", BLUE, [(r["time_ns"], r["power_mw"]) for r in power]),
            Series("target", ORANGE, [(r["time_ns"], r["target_mw"]) for r in power], dash="3 3"),
        ])  # fmt: skip
        charts["energy"] = Chart("Fleet: stored energy", "MWh", [
            Series("stored", GREEN, [(r["time_ns"], r["energy_mwh"]) for r in power], "area"),
        ])  # fmt: skip
        charts["cash"] = _cash_chart(fleet["quarters"])
    return charts | reserve_charts(market["reserve"], fleet)


def by_hour(
    products: list[dict[str, Any]], quarters: list[dict[str, Any]], name: str
) -> list[tuple[int, float | None]]:
    """Return a volume by hour of delivery: of the hour itself, and of its four quarters."""
    assert len(quarters) == 4 * len(products) and len(products) % HOURS == 0
    return [
        (row["delivery_start_ns"], row[name] + sum(each[name] for each in quarters[4 * n : 4 * n + 4]))
        for n, row in enumerate(products)
    ]


def _cash_chart(quarters: list[dict[str, Any]]) -> Chart:
    """Draw what the fleet has earned so far."""
    lines = {
        "awards": (BLUE, lambda row: row["award_eur"]),
        "imbalance": (RED, lambda row: row["imbalance_eur"]),
        "wear": (GREY, lambda row: -row["wear_eur"]),
        "in all": (GREEN, lambda row: row["award_eur"] + row["imbalance_eur"] - row["wear_eur"]),
    }
    times = [row["time_ns"] for row in quarters]
    series = [
        Series(name, colour, list(zip(times, accumulate(map(of, quarters)), strict=True)), "step", QUARTER_NS)
        for name, (colour, of) in lines.items()
    ]
    return Chart("Fleet: money so far", "EUR", series)
