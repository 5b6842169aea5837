"""``ringmain vpp backtest``: forecasts and earnings over a file of prices, as they would have been made."""

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from ringmain.core import times
from ringmain.core.drawing import Chart, Series
from ringmain.core.errors import RingmainError
from ringmain.core.terminal import show
from ringmain.vpp.advice import backtest as walking
from ringmain.vpp.advice.forecast import DAY_NS, HOUR_NS, HOURS
from ringmain.vpp.advice.known import Known
from ringmain.vpp.advice.price_forecast import LEAST_DAYS
from ringmain.vpp.price_files import TICKS_PER_EURO, HourlyFile, read_columns, read_hourly

DAYS = 728  # two years of 52 weeks
PUBLISHED_NS = -11 * HOUR_NS  # of the day that a price is of: 13:00 the day before
FORETOLD_NS = -14 * HOUR_NS
DRAWN_DAYS = 10
BLUE, RED, PALE = "#1f77b4", "#d62728", "#9ecae1"


def backtest(options: Namespace) -> None:
    """Print the figures of a backtest, and draw its last days if asked."""
    if not 0 < options.round_trip <= 1 or not 0 < options.hours <= HOURS:
        what = f"a battery of {options.hours} h with a round trip of {options.round_trip}"
        raise RingmainError("RM780", "backtest", what, "Give --hours up to 24, and --round-trip up to 1")
    if options.days < 0:
        what = f"--days {options.days} is no number of days"
        raise RingmainError("RM780", "backtest", what, "Give 1 or more, or leave it out")
    file = read_hourly(options.prices)
    known = knowledge(file, options.peers)
    first_day, n_days = chosen_days(file, known, options)
    days = list(_tracked(known, first_day, n_days, options))
    rows = walking.figures(days)
    if options.svg is not None:
        _write(options.svg, _band_chart(days[-DRAWN_DAYS:]))
    if options.calibration is not None:
        _write(options.calibration, _calibration_chart(days))
    span, battery = f"{_date(days[0].day)} to {_date(days[-1].day)}", f"battery of {options.hours:g} h"
    title = f"{file.source}, {span}; {battery}, round trip {options.round_trip:g}"
    if not (options.json or options.csv):
        rows = [{**row, "value": round(row["value"], 3)} for row in rows]
    show(options, title, ["figure", "value", "unit", "days"], rows)


def knowledge(file: HourlyFile, peers: Path | None = None) -> walking.Inputs:
    """Return what a file holds, each value with when it became known.

    Prices of a day are published at 13:00 the day before; what is foretold of it is known from 10:00.
    """
    day_ns = file.start_ns // DAY_NS * DAY_NS
    prices = Known()
    prices.add(file.start_ns, np.rint(file.price_eur * TICKS_PER_EURO), day_ns + PUBLISHED_NS)
    inputs = {}
    for name, values in file.inputs.items():
        inputs[name] = Known()
        inputs[name].add(file.start_ns, values, day_ns + FORETOLD_NS)
    others = {}
    if peers is not None:
        start_ns, columns = read_columns(peers)
        for name, values in columns.items():
            if "price" in name.lower():
                continue  # what came
            others[name] = Known()
            others[name].add(start_ns, values * TICKS_PER_EURO, start_ns // DAY_NS * DAY_NS + FORETOLD_NS)
    return walking.Inputs(prices, inputs, others)


def chosen_days(file: HourlyFile, known: walking.Inputs, options: Namespace) -> tuple[int, int]:
    """Return the first day to report and their number; RM781 if there is none."""
    least = walking.least_first_day(known.prices)
    last = int(file.start_ns[-1]) // DAY_NS if file.start_ns.size else 0
    if least is None or least > last:
        what = f"{file.source} holds too few days: {LEAST_DAYS} are needed before the first"
        raise RingmainError("RM781", "backtest", what, "Give a longer file")
    first = max(least, last - DAYS + 1)
    if options.first is not None:
        first = times.day_span(options.first).begin_ns // DAY_NS
    if not least <= first <= last:
        span = f"{_date(least)} to {_date(last)}"
        raise RingmainError(
            "RM781", "backtest", f"{_date(first)} is not within {span}", "Choose another --from"
        )
    return first, min(options.days or last, last - first + 1)


def _date(day: int) -> str:
    return times.time_text(day * DAY_NS)[:10]


def _tracked(known: walking.Inputs, first: int, count: int, options: Namespace) -> Iterator[walking.DayTold]:
    walk = walking.walk(known, first, count, options.hours, options.round_trip)
    console = Console(stderr=True)
    days = list(track(walk, "days", total=count, console=console, disable=not console.is_terminal))
    if not days:
        raise RingmainError("RM781", "backtest", "none of the days has a price", "Choose another --from")
    yield from days


def _band_chart(drawn: list[walking.DayTold]) -> Chart:
    """Return days' prices within the band that was foretold for them."""
    starts = np.concatenate([walking.starts_of(day.day) for day in drawn]).tolist()

    def points(rows: list[Any]) -> list[tuple[int, float | None]]:
        values = (np.concatenate(rows) / TICKS_PER_EURO).tolist()
        return [(at, None if value != value else value) for at, value in zip(starts, values, strict=True)]

    return Chart("Prices: what came, within the 95 % band of the forecast", "EUR/MWh", [
        Series("97.5 %", PALE, points([day.quantiles[-1] for day in drawn]), "line", HOUR_NS),
        Series("2.5 %", PALE, points([day.quantiles[0] for day in drawn]), "line", HOUR_NS),
        Series("forecast", BLUE, points([day.forecasts[walking.MODEL] for day in drawn]), "line", HOUR_NS),
        Series("price", RED, points([day.price_ticks for day in drawn]), "line", HOUR_NS),
    ])  # fmt: skip


def _calibration_chart(days: list[walking.DayTold]) -> Chart:
    """Return how much of the prices lay within the 95 % and the 80 % band, by hour of the day."""
    series = []
    for share, low, high, colour in ((95, 0, -1, BLUE), (80, 1, -2, RED)):
        percents = (100 * walking.within(days, low, high)).tolist()
        found = [(hour * HOUR_NS, None if x != x else x) for hour, x in enumerate(percents)]
        series.append(Series(f"within the {share} % band", colour, found, "line", HOUR_NS))
        nominal = [(0, float(share)), ((HOURS - 1) * HOUR_NS, float(share))]
        series.append(Series(f"{share} %", colour, nominal, "line", HOUR_NS, "4 3"))
    return Chart("Calibration by hour of the day", "% of prices", series)


def _write(path: Path, chart: Chart) -> None:
    try:
        path.write_text(chart.svg(), "utf-8")
    except OSError as error:
        what = f"{path} cannot be written: {error.strerror}"
        raise RingmainError("RM775", "vpp", what, "Give a file in a folder that you may write to") from None
