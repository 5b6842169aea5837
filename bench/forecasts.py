"""One model for the fleet, or one for each home: how good each is, what it costs, and what the rule chose.

All forecasts are of hours that their models had not seen: five real loads and roofs, walked through hour by
hour.
The first weeks, in which there is little to learn from, are left out of the figures.
"""

import time
from typing import Any

import numpy as np

from bench.figures import Row, alternate, row
from bench.home_data import HomeYear, read
from ringmain.vpp.advice.forecast import HOURS
from ringmain.vpp.advice.global_model import GlobalModel
from ringmain.vpp.advice.load_forecast import (
    GLOBAL,
    LOCAL,
    LOCAL_DAYS,
    NAIVE,
    FleetForecast,
    backtest,
    mean_absolute_error,
    pinball,
)
from ringmain.vpp.advice.local_model import LocalModel

YEAR_DAYS = 365
LEFT_OUT_DAYS = 28
LEADS = 48
BANDS = {"next hour": (0, 1), "1–5 h ahead": (1, 6), "6–23 h ahead": (6, 24), "24–47 h ahead": (24, 48)}
LATER_NS = 1 << 62
RUNS = 3


def run(scale: float = 1.0) -> list[Row]:
    """Compare both models over a year, or its first part."""
    year = read(max(LEFT_OUT_DAYS + 14, round(YEAR_DAYS * scale)) * HOURS)
    return [*_compared(year, "load", year.loads), *_compared(year, "sun", year.roofs)]


def _compared(year: HomeYear, kind: str, series: Any) -> list[Row]:
    forecast = FleetForecast(series, year.weather, np.arange(LEADS))
    chosen = backtest(forecast, year.hour_ns[1:])
    said, seen = forecast.said(), forecast.seen()
    actual = [each.meter.at(past.target_ns, LATER_NS) for each, past in zip(series, seen, strict=True)]
    first = LEFT_OUT_DAYS * HOURS
    rows = []
    for home, truth in enumerate(actual):
        for band, (begin, end) in BANDS.items():
            part = (slice(first, None), slice(begin, end))
            by_model = [said[home, model][part] for model in (NAIVE, LOCAL, GLOBAL)]
            rows += _accuracy(f"{kind}, home {home + 1}, {band}", chosen[home][part], by_model, truth[part])
    return rows + _costs(kind, forecast, actual)


def _accuracy(what: str, chosen: Any, by_model: Any, actual: Any) -> list[Row]:
    _, local, fleet = (1_000 * mean_absolute_error(each, actual) for each in by_model)
    naive_loss, local_loss, fleet_loss = (1_000 * pinball(each, actual) for each in by_model)
    best = min(("naive", naive_loss), ("local", local_loss), ("global", fleet_loss), key=lambda pair: pair[1])
    return [
        row(f"{what}, MAE, local", [local], "W", "global", [fleet]),
        row(f"{what}, pinball, local", [local_loss], "W", "global", [fleet_loss]),
        row(
            f"{what}, pinball, the rule", [1e3 * pinball(chosen, actual)], "W", f"best: {best[0]}", [best[1]]
        ),
    ]


def _costs(kind: str, forecast: FleetForecast, actual: Any) -> list[Row]:
    seen = forecast.seen()
    local, fleet = [LocalModel() for _ in seen], GlobalModel()

    def fit_local() -> None:
        recent = slice(-LOCAL_DAYS * HOURS, None)
        for model, past, truth in zip(local, seen, actual, strict=True):
            model.fit(past.part(recent), truth[recent])

    last = [past.part(slice(-1, None)) for past in seen]
    fits = alternate(1, lambda: _seconds(fit_local), lambda: _seconds(lambda: fleet.fit(seen, actual)))
    runs = alternate(
        RUNS,
        lambda: _seconds(lambda: [model.forecast(each) for model, each in zip(local, last, strict=True)]),
        lambda: _seconds(lambda: [fleet.forecast(each) for each in last]),
    )
    days = len(seen[0].origin_ns) // HOURS
    return [
        row(f"{kind}, five homes, fit on {days} days, local", fits[0], "s", "global", fits[1]),
        row(f"{kind}, five homes, forecast of {LEADS} h, local", [1e3 * s for s in runs[0]], "ms", "global",
            [1e3 * s for s in runs[1]]),
        row(f"{kind}, share of leads where the rule listens to the local model alone",
            [100 * float((forecast.choice[:, :6] == LOCAL).mean())], "%"),
    ]  # fmt: skip


def _seconds(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
