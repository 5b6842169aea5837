"""``--report DIR``: report.json, pictures, and a page that shows them."""

import json
from html import escape
from itertools import accumulate
from pathlib import Path
from typing import Any

from ringmain.world.drawing import Chart, Series
from ringmain.world.figures import QUARTER_NS, gather
from ringmain.world.live import Plan

BLUE, ORANGE, GREEN, GREY, RED = "#2f6fde", "#e8871e", "#2a9d6f", "#9aa5b8", "#d1495b"
PAGE_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
color: #14213d; } img { width: 100%; border: 1px solid #e4e8ef; border-radius: 8px; margin: .5rem 0; }
table { border-collapse: collapse; width: 100%; } td { padding: .3rem .6rem; border-top: 1px solid #e4e8ef; }
td:last-child { text-align: right; font-variant-numeric: tabular-nums; }
.good { color: #2a9d6f; } .bad { color: #d1495b; }
@media (prefers-color-scheme: dark) { body { background: #11151c; color: #e6eaf2; }
td, img { border-color: #232a36; } }
"""


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
    charts = _charts(figures)
    for name, chart in charts.items():
        (folder / f"{name}.svg").write_text(chart.svg())
    rows = summary(figures)
    (folder / "index.html").write_text(_page(figures, list(charts), rows))
    return [f"{name}: {value}" for name, value in rows]


def summary(figures: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what matters most, as names and values."""
    market, fleet = figures["exchange"], figures["fleet"]
    rows = [
        ("days", ", ".join(figures["days"])),
        ("prices", f"{figures['prices']}, seed {figures['seed']}"),
        ("orders", f"{market['orders']:,} accepted, {sum(market['rejected'].values()):,} rejected"),
        ("auction", f"{market['auction_mwh']:,.1f} MWh"),
        ("trades", f"{market['trades']:,}, {market['traded_mwh']:,.1f} MWh"),
    ]
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


def _fleet_rows(fleet: dict[str, Any]) -> list[tuple[str, str]]:
    settled, share = fleet["settled_eur"], fleet["deviation_share"]
    of = "" if share is None else f", {share:.2%} of them"
    rows = [
        ("fleet", f"{fleet['batteries']:,} batteries sold {fleet['sold_mwh']:.1f} MWh "
         f"and bought {fleet['bought_mwh']:.1f} MWh"),
        ("fleet's bids", f"{fleet['bids']:,}, {fleet['intraday_bids']:,} of them intraday, "
         f"{fleet['bids_rejected']:,} refused; {fleet['awards']:,} awards, "
         f"{fleet['intraday_awards']:,} of them intraday"),
        ("fleet's deviation", f"{fleet['deviation_mwh']:.3f} MWh from its commitments{of}"),
        ("fleet's settlement", f"awards {settled['award']:+,.2f} EUR, imbalance "
         f"{settled['imbalance']:+,.2f} EUR, wear {-settled['wear']:+,.2f} EUR"),
    ]  # fmt: skip
    if fleet["forecast_error_eur"] is not None:
        rows.append(("fleet's forecast", f"{fleet['forecast_error_eur']:.2f} EUR/MWh off on average"))
    for day in fleet["foresight"]:
        through = "nothing was to be earned" if day["share"] is None else f"{day['share']:.0%}"
        euros = f"{day['earned_eur']:+,.2f} EUR of {day['perfect_eur']:+,.2f} EUR"
        rows.append(
            (f"foresight on {day['day']}", f"{euros} that perfect foresight of the auction earns: {through}")
        )
    return rows


def _charts(figures: dict[str, Any]) -> dict[str, Chart]:
    market, fleet = figures["exchange"], figures["fleet"]
    products = market["products"]
    start = "delivery_start_ns"
    traded = [(row["time_ns"], row["mwh"]) for row in market["intraday"]]

    def by_hour(name: str) -> list[tuple[int, float | None]]:
        return [(row[start], row[name]) for row in products]

    charts = {
        "prices": Chart("Prices by hour of delivery", "EUR/MWh", [
            Series("auction", BLUE, by_hour("auction_eur"), "step"),
            Series("intraday average", ORANGE, by_hour("intraday_eur"), "step"),
            Series("real", GREY, by_hour("real_eur"), "step", dash="3 3"),
        ]),
        "volumes": Chart("Volume by hour of delivery", "MWh", [
            Series("auction", BLUE, by_hour("auction_mwh"), "bar"),
            Series("intraday", ORANGE, by_hour("intraday_mwh"), "bar"),
        ]),
        "trading": Chart("Continuous trading through the day", "MWh in a quarter-hour", [
            Series("traded", GREEN, traded, "bar", QUARTER_NS),
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
    return charts


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


def _page(figures: dict[str, Any], charts: list[str], rows: list[tuple[str, str]]) -> str:
    table = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in rows)
    images = "".join(f'<img src="{name}.svg" alt="{name}">' for name in charts)
    good = figures["ledger_balanced"]
    verdict = "Every ledger is balanced to the last unit." if good else "A ledger is NOT balanced."
    title = f"Ringmain: {', '.join(figures['days'])}"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f"<style>{PAGE_STYLE}</style><h1>{escape(title)}</h1>"
        f'<p class="{"good" if good else "bad"}">{verdict}</p>{images}<table>{table}</table></html>\n'
    )
