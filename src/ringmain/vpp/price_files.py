"""Files of hourly prices, and of what was foretold with them: CSV, columns found by their names."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from ringmain.core.errors import RingmainError

TICKS_PER_EURO = 100  # 1 tick is 0.01 EUR/MWh
PRICE_LIMIT_EUR = 50_000.0
TIME_NAMES = ("time", "date", "datetime", "timestamp", "utc", "start", "hour", "mtu")
PRICE_NAMES = ("price", "eur/mwh", "€/mwh", "value", "spot")
FORETOLD_NAME = "forecast"  # a column of what is known the day before says so
HOUR_NS = 3_600_000_000_000


@dataclass(frozen=True)
class HourlyFile:
    """Prices by hour, and the columns beside them that were foretold.

    Parameters
    ----------
    source : str
        The file's name.
    start_ns : int64 array of shape (n,)
        Starts of hours, ascending, UTC; gaps are possible.
    price_eur : float64 array of shape (n,)
        EUR/MWh.
    inputs : dict of str to float64 array of shape (n,)
        Columns whose name holds "forecast"; not a number where a cell is empty.
    """

    source: str
    start_ns: Any
    price_eur: Any
    inputs: dict[str, Any]


def read_hourly(path: Path) -> HourlyFile:
    """Read a CSV file with a column of times and one of prices in EUR/MWh.

    Times are ISO 8601, taken as UTC without an offset. Several rows within an hour (quarter-hours, or an
    hour that comes twice when clocks are set back) are averaged.

    Raises
    ------
    RingmainError
        RM511 if the file cannot be read, RM512 for its first line, RM513 for any other, each with
        the line and what is wrong with it.
    """
    starts, rows, header, columns = _read(path, _price_and_foretold)
    hours, place = np.unique(starts // HOUR_NS * HOUR_NS, return_inverse=True)
    means = np.zeros((hours.size, rows.shape[1]))
    np.add.at(means, place, rows)
    means /= np.bincount(place, minlength=hours.size)[:, None]
    inputs = {header[column].strip(): means[:, 1 + n] for n, column in enumerate(columns[1:])}
    return HourlyFile(path.name, hours, means[:, 0], inputs)


def read_columns(path: Path) -> tuple[Any, dict[str, Any]]:
    """Read all columns of numbers of a CSV file beside its times, such as forecasts that others made.

    Returns
    -------
    start_ns : int64 array of shape (n,)
        As they stand in the file.
    columns : dict of str to float64 array of shape (n,)

    Raises
    ------
    RingmainError
        As of :func:`read_hourly`.
    """
    starts, rows, header, columns = _read(path, _all_but_time)
    return starts, {header[column].strip(): rows[:, n] for n, column in enumerate(columns)}


def _read(
    path: Path, choose: Callable[[Path, list[str]], list[int]]
) -> tuple[Any, Any, list[str], list[int]]:
    """Return times, numbers of shape (n, columns), the first line and the columns that were chosen."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file)
            header = next(lines, None)
            if header is None:
                _refuse("RM512", path, 1, "the file is empty")
            time, columns = _time_column(path, header), choose(path, header)
            read = list(_rows(path, lines, len(header), time, columns))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        what = f"{path}: {error.strerror if isinstance(error, OSError) else error}"
        raise RingmainError("RM511", "prices", what, "Give a CSV file with --prices") from None
    starts = np.array([start_ns for start_ns, _ in read], np.int64)
    rows = np.array([row for _, row in read], np.float64).reshape(len(read), len(columns))
    return starts, rows, header, columns


def _rows(
    path: Path, lines: Any, width: int, time_column: int, columns: list[int]
) -> Iterator[tuple[int, list[float]]]:
    for row in lines:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) <= max(time_column, *columns):
            _refuse("RM513", path, lines.line_num, f"{len(row)} columns; the first line has {width}")
        time = _time(path, lines.line_num, row[time_column].strip())
        price = _price(path, lines.line_num, row[columns[0]].strip())
        others = [_number(path, lines.line_num, row[column].strip()) for column in columns[1:]]
        yield round(time.timestamp()) * 1_000_000_000, [price, *others]


def _time_column(path: Path, header: list[str]) -> int:
    """Find the column of times by its name; an empty first name is that of an index of times."""
    names = [name.strip().lower() for name in header]
    times = [n for n, name in enumerate(names) if any(word in name for word in TIME_NAMES)]
    if not times and names[0] == "":
        times = [0]
    if not times:
        _refuse("RM512", path, 1, f"no column of times among: {_listed(header)}")
    return times[0]


def _price_and_foretold(path: Path, header: list[str]) -> list[int]:
    """Return the column of prices, and behind it those that were foretold."""
    time = _time_column(path, header)
    names = [name.strip().lower() for name in header]
    others = [n for n, name in enumerate(names) if n != time and FORETOLD_NAME not in name]
    prices = [n for n in others if any(word in names[n] for word in PRICE_NAMES)]
    if not prices and len(names) == 2:
        prices = [1 - time]  # what else could it be
    if not prices:
        _refuse("RM512", path, 1, f"no column of prices among: {_listed(header)}")
    return prices[:1] + [
        n for n, name in enumerate(names) if FORETOLD_NAME in name and n not in (time, prices[0])
    ]


def _all_but_time(path: Path, header: list[str]) -> list[int]:
    time = _time_column(path, header)
    if len(header) < 2:
        _refuse("RM512", path, 1, f"no column of numbers among: {_listed(header)}")
    return [n for n in range(len(header)) if n != time]


def _listed(header: list[str]) -> str:
    return ", ".join(name.strip() or "(empty)" for name in header)


def _time(path: Path, line: int, text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        _refuse("RM513", path, line, f"{text!r} is no time such as 2024-05-01 13:00")
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _price(path: Path, line: int, text: str) -> float:
    try:
        price = float(text)
    except ValueError:
        _refuse("RM513", path, line, f"{text!r} is no price")
    if not abs(price) <= PRICE_LIMIT_EUR:  # not a number is refused too
        _refuse("RM513", path, line, f"a price of {text} EUR/MWh is out of range")
    return price


def _number(path: Path, line: int, text: str) -> float:
    try:
        return float(text) if text else float("nan")
    except ValueError:
        _refuse("RM513", path, line, f"{text!r} is no number")


def _refuse(code: str, path: Path, line: int, what: str) -> NoReturn:
    step = "Correct the line" if code == "RM513" else "Name the columns, such as: time, price"
    raise RingmainError(code, "prices", f"{path}, line {line}: {what}", step)
