"""``ringmain vpp forecast --homes``: the band that loads and roofs are expected in, beside what came."""

from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import numpy as np

from ringmain.core.drawing import HOUR_NS, SECOND_NS, Chart, Series
from ringmain.core.errors import RingmainError
from ringmain.vpp.advice.home_forecast import AFTER_NS, KINDS, LEAST_DAYS, HomeForecast, Outlook
from ringmain.vpp.advice.local_model import QUANTILES
from ringmain.vpp.look import KIND_NAMES, Rows
from ringmain.vpp.views import DeskView

DAY_NS = 24 * HOUR_NS
MOST_PORTIONS = 100_000
COLOURS = {"load": ("#f2c6a0", "#d6701c"), "solar": ("#f4dd7a", "#b58900")}
TRUTH = "#d62728"


def made(view: DeskView, now_ns: int, day: str | None) -> HomeForecast:
    """Return the forecast that the desk had in the end, or had made on a day.

    Raises
    ------
    RingmainError
        RM795 for what is no day; RM796 if too little is known for a forecast.
    """
    forecast = HomeForecast()
    at_ns = now_ns if day is None else _day_ns(day) + forecast.refresh_ns + AFTER_NS
    for _ in range(MOST_PORTIONS):
        if forecast.step(view.homes, view.nodes, {}, at_ns):
            break
    if not forecast.count:
        what = f"less than {LEAST_DAYS} days of loads and roofs are known: their profiles are all there is"
        raise RingmainError("RM796", "vpp", what, "Wait until there are")
    return forecast


def _day_ns(day: str) -> int:
    try:
        begin = datetime.combine(date.fromisoformat(day), time(), UTC)
    except ValueError:
        raise RingmainError("RM795", "vpp", f"{day} is no day", "Write it as 2024-05-01") from None
    return int(begin.timestamp()) * SECOND_NS


def rows_of(view: DeskView, forecast: HomeForecast, options: Namespace) -> Rows:
    """Return the hours of each kind and feeder: quantiles, what was metered, and which forecast is used."""
    found: Rows = []
    for kind, outlook in forecast.outlooks.items():
        if options.kind not in (None, KIND_NAMES[kind]):
            continue
        hours = outlook.begin_hour + np.arange(outlook.power_kw.shape[1])
        metered_kw = metered(view, outlook, hours)
        for group, node_id in enumerate(outlook.node_id.tolist()):
            if options.node not in (None, node_id):
                continue
            found += [
                {"hour_ns": int(hour) * HOUR_NS, "kind": KIND_NAMES[kind], "node_id": node_id}
                | {f"q{round(100 * q)}_kw": round(float(kw), 3)
                   for q, kw in zip(QUANTILES, outlook.power_kw[group, lead], strict=True)}
                | {"metered_kw": metered_kw[group][lead],
                   "used": "model" if outlook.is_better[group, lead] else "profile"}
                for lead, hour in enumerate(hours.tolist())
            ]  # fmt: skip
    return found


def metered(view: DeskView, outlook: Outlook, hours: Any) -> list[list[float | None]]:
    """Return what each group drew or gave in the hours, kW; None where one of its meters isn't known."""
    power_w = np.abs(view.homes.history.power_w(outlook.asset_id, hours))
    sums = np.zeros((outlook.node_id.size, hours.size))
    np.add.at(sums, outlook.group, power_w)
    return [[None if np.isnan(w) else round(float(w) / 1_000, 3) for w in row] for row in sums]


def chart_of(rows: Rows) -> Chart:
    """Return the band of the outer quantiles and the median beside what came, all chosen nodes together.

    Margins of nodes are added as of what is independent.
    """
    series = []
    outer = [f"q{round(100 * q)}_kw" for q in (QUANTILES[0], 0.5, QUANTILES[-1])]
    for kind in dict.fromkeys(row["kind"] for row in rows):
        own = [row for row in rows if row["kind"] == kind]
        pale, dark = COLOURS[kind]
        points: dict[str, list[tuple[int, float | None]]] = {"low": [], "median": [], "high": [], "came": []}
        for hour_ns in sorted({row["hour_ns"] for row in own}):
            low, median, high, came = _together([row for row in own if row["hour_ns"] == hour_ns], outer)
            for name, value in (("low", low), ("median", median), ("high", high), ("came", came)):
                points[name].append((hour_ns + HOUR_NS // 2, value))
        series += [
            Series(f"{kind}: 90 %", pale, points["high"]), Series(f"{kind}: 10 %", pale, points["low"]),
            Series(f"{kind}: expected", dark, points["median"]),
            Series(f"{kind}: metered", TRUTH, points["came"], dash="" if kind == "load" else "5 3"),
        ]  # fmt: skip
    return Chart("Loads and roofs: what is expected, and what came", "kW", series)


def _together(
    rows: Sequence[dict[str, Any]], outer: Sequence[str]
) -> tuple[float, float, float, float | None]:
    low, median, high = (np.array([row[name] for row in rows]) for name in outer)
    came = [row["metered_kw"] for row in rows]
    middle = float(median.sum())
    return (
        max(0.0, middle - float(np.sqrt(((median - low) ** 2).sum()))), middle,
        middle + float(np.sqrt(((high - median) ** 2).sum())), None if None in came else sum(came),
    )  # fmt: skip


assert {KIND_NAMES[kind] for kind in KINDS} == set(COLOURS)
