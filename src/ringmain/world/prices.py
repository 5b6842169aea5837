"""Hourly prices of whole days: from a file of real ones, or a generated year."""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from ringmain.core.errors import RingmainError

HOURS = 24
TICKS_PER_EURO = 100  # 1 tick is 0.01 EUR/MWh
PRICE_LIMIT_EUR = 50_000.0
TIME_NAMES = ("time", "date", "datetime", "timestamp", "utc", "start", "hour", "mtu")
PRICE_NAMES = ("price", "eur/mwh", "€/mwh", "value", "spot")
GENERATED_FIRST_DAY = date(2025, 1, 1)
GENERATED_DAYS = 366


@dataclass(frozen=True)
class Prices:
    """Day-ahead prices of whole days.

    Parameters
    ----------
    source : str
        Where they come from, for people.
    days : dict of date to int64 array of shape (24,)
        Price of each hour in ticks of 0.01 EUR/MWh.
    """

    source: str
    days: dict[date, Any]

    def first_day(self) -> date:
        """Return the first day that has a day before it; RM514 if there is none."""
        for day in sorted(self.days):
            if day - timedelta(1) in self.days:
                return day
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
    """Read a CSV file with a column of times and one of prices in EUR/MWh.

    Columns are found by their names; times are ISO 8601, taken as UTC without an offset. Several
    prices within an hour (quarter-hours) are averaged.

    Raises
    ------
    RingmainError
        RM511 if the file cannot be read, RM512 for its first line, RM513 for any other, each with
        the line and what is wrong with it.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            sums: dict[datetime, tuple[float, int]] = {}
            for hour, price in _rows(path, csv.reader(file)):
                total, count = sums.get(hour, (0.0, 0))
                sums[hour] = total + price, count + 1
    except (OSError, UnicodeDecodeError) as error:
        what = f"{path}: {error.strerror if isinstance(error, OSError) else error}"
        raise RingmainError("RM511", "prices", what, "Give a CSV file with --prices") from None
    return Prices(path.name, _whole_days({hour: total / count for hour, (total, count) in sums.items()}))


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


def _rows(path: Path, lines: Any) -> Iterator[tuple[datetime, float]]:
    header = next(lines, None)
    if header is None:
        _refuse("RM512", path, 1, "the file is empty")
    time_column, price_column = _columns(path, header)
    for row in lines:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) <= max(time_column, price_column):
            _refuse("RM513", path, lines.line_num, f"{len(row)} columns; the first line has {len(header)}")
        yield (
            _time(path, lines.line_num, row[time_column].strip()),
            _price(path, lines.line_num, row[price_column].strip()),
        )


def _columns(path: Path, header: list[str]) -> tuple[int, int]:
    """Find the columns by name; an empty first name is that of an index of times."""
    names = [name.strip().lower() for name in header]
    listed = ", ".join(name.strip() or "(empty)" for name in header)
    times = [n for n, name in enumerate(names) if any(word in name for word in TIME_NAMES)]
    if not times and names[0] == "":
        times = [0]
    if not times:
        _refuse("RM512", path, 1, f"no column of times among: {listed}")
    prices = [n for n, name in enumerate(names) if n != times[0] and any(w in name for w in PRICE_NAMES)]
    if not prices and len(names) == 2:
        prices = [1 - times[0]]  # what else could it be
    if not prices:
        _refuse("RM512", path, 1, f"no column of prices among: {listed}")
    return times[0], prices[0]


def _time(path: Path, line: int, text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        _refuse("RM513", path, line, f"{text!r} is no time such as 2024-05-01 13:00")
    time = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    return time.replace(minute=0, second=0, microsecond=0)


def _price(path: Path, line: int, text: str) -> float:
    try:
        price = float(text)
    except ValueError:
        _refuse("RM513", path, line, f"{text!r} is no price")
    if not abs(price) <= PRICE_LIMIT_EUR:  # not a number is refused too
        _refuse("RM513", path, line, f"a price of {text} EUR/MWh is out of range")
    return price


def _refuse(code: str, path: Path, line: int, what: str) -> NoReturn:
    step = "Correct the line" if code == "RM513" else "Name the columns, such as: time, price"
    raise RingmainError(code, "prices", f"{path}, line {line}: {what}", step)


def _whole_days(euros: dict[datetime, float]) -> dict[date, Any]:
    days: dict[date, dict[int, int]] = {}
    for hour, price in euros.items():
        days.setdefault(hour.date(), {})[hour.hour] = round(price * TICKS_PER_EURO)
    return {
        day: np.array([hours[n] for n in range(HOURS)], np.int64)
        for day, hours in sorted(days.items())
        if len(hours) == HOURS
    }
