"""Hourly prices of whole days: from a file of real ones, or a generated year."""

import math
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.core.errors import RingmainError
from ringmain.vpp.price_files import HOUR_NS, TICKS_PER_EURO, read_hourly

HOURS = 24
EPOCH = date(1970, 1, 1)
GENERATED_FIRST_DAY = date(2025, 1, 1)
GENERATED_DAYS = 366
HISTORY_DAYS = 60  # so many make a good forecast


@dataclass(frozen=True)
class Prices:
    """Day-ahead prices of whole days.

    Parameters
    ----------
    source : str
        Where they come from, for people.
    days : dict of date to int64 array of shape (24,)
        Price of each hour in ticks of 0.01 EUR/MWh.
    foretold : dict of str to dict of date to float64 array of shape (24,)
        What was foretold of each hour the day before, such as load and wind, by its name.
    """

    source: str
    days: dict[date, Any]
    foretold: dict[str, dict[date, Any]] = field(default_factory=dict)

    def first_day(self) -> date:
        """Return the first day with HISTORY_DAYS before it, or else one day; RM514 if there is none."""
        run, first = 0, None
        for day in sorted(self.days):
            run = run + 1 if day - timedelta(1) in self.days else 0
            first = first or (day if run else None)
            if run == HISTORY_DAYS:
                return day
        if first:
            return first
        raise RingmainError("RM514", "prices", f"{self.source} holds no two whole days in a row",
                            "Give a file with at least 48 hours")  # fmt: skip

    def check(self, first: date, count: int) -> None:
        """Raise RM515 unless `count` days from `first` on are there, and the day before."""
        for offset in range(-1, count):
            day = first + timedelta(offset)
            if day not in self.days:
                known = sorted(self.days)
                span = f"whole days lie between {known[0]} and {known[-1]}" if known else "no day is whole"
                raise RingmainError("RM515", "prices", f"{self.source} has no whole {day}; its {span}",
                                    "Choose another --day, or fewer --days")  # fmt: skip


def load(path: Path) -> Prices:
    """Read a CSV file of hourly prices, as :func:`ringmain.vpp.price_files.read_hourly` does."""
    file = read_hourly(path)
    ticks = np.rint(file.price_eur * TICKS_PER_EURO).astype(np.int64)
    foretold = {}
    for name, values in file.inputs.items():
        known = ~np.isnan(values)
        foretold[name] = _whole_days(file.start_ns[known], values[known])
    return Prices(file.source, _whole_days(file.start_ns, ticks), foretold)


def generate(seed: int) -> Prices:
    """Return a year with a shape for the day, the week and the season, noise, and some negative hours."""
    dice = np.random.default_rng([seed, 1])
    hours = np.arange(GENERATED_DAYS * HOURS)
    hour, day = hours % HOURS, hours // HOURS
    peaks = 22 * np.exp(-((hour - 8) ** 2) / 6) + 30 * np.exp(-((hour - 19) ** 2) / 8)
    weekend = ((day + GENERATED_FIRST_DAY.weekday()) % 7 >= 5) * -12.0
    season = 12 * np.cos(2 * math.pi * (day - 15) / 365)
    summer = 0.5 - 0.5 * np.cos(2 * math.pi * (day - 5) / 365)
    sun = dice.uniform(0.2, 1.0, GENERATED_DAYS)[day] * (0.35 + 0.65 * summer)
    noon = -72 * sun * np.exp(-((hour - 13) ** 2) / 9)
    wind = np.repeat(_wander(dice, GENERATED_DAYS, 0.75, 12.0), HOURS) + _wander(dice, hours.size, 0.9, 2.5)
    euros = 52 + peaks + weekend + season + noon + wind
    ticks = np.rint(euros * TICKS_PER_EURO).astype(np.int64).reshape(GENERATED_DAYS, HOURS)
    days = {GENERATED_FIRST_DAY + timedelta(n): ticks[n] for n in range(GENERATED_DAYS)}
    return Prices("a generated year", days)


def _wander(dice: np.random.Generator, count: int, memory: float, size: float) -> Any:
    """Return noise that remembers: each value is `memory` of the last one and something new."""
    out, value = np.zeros(count), 0.0
    news = dice.normal(0.0, size * math.sqrt(1 - memory**2), count)
    for n in range(count):
        value = memory * value + news[n]
        out[n] = value
    return out


def _whole_days(start_ns: Any, values: Any) -> dict[date, Any]:
    """Return the hours of the days that lack none."""
    hours = start_ns // HOUR_NS
    days, first, count = np.unique(hours // HOURS, return_index=True, return_counts=True)
    return {
        EPOCH + timedelta(day): values[begin : begin + HOURS]
        for day, begin, n in zip(days.tolist(), first.tolist(), count.tolist(), strict=True)
        if n == HOURS
    }
