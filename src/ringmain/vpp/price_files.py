"""Files of hourly prices, and of what was foretold with them: CSV, columns found by their names."""

import csv
from collections.abc import Iterator
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
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file)
            header = next(lines, None)
            if header is None:
                _refuse("RM512", path, 1, "the file is empty")
            time_column, price_column = _columns(path, header)
            foretold = _foretold(header, (time_column, price_column))
            starts, rows = [], []
            for start_ns, row in _rows(path, lines, len(header), time_column, (price_column, *foretold)):
                starts.append(start_ns)
                rows.append(row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        what = f"{path}: {error.strerror if isinstance(error, OSError) else error}"
        raise RingmainError("RM511", "prices", what, "Give a CSV file with --prices") from None
    hours, place = np.unique(np.array(starts, np.int64), return_inverse=True)
    means = np.zeros((hours.size, 1 + len(foretold)))
    np.add.at(means, place, np.array(rows, np.float64).reshape(len(rows), 1 + len(foretold)))
    means /= np.bincount(place, minlength=hours.size)[:, None]
    inputs = {header[column].strip(): means[:, 1 + n] for n, column in enumerate(foretold)}
    return HourlyFile(path.name, hours, means[:, 0], inputs)


def _rows(
    path: Path, lines: Any, width: int, time_column: int, columns: tuple[int, ...]
) -> Iterator[tuple[int, list[float]]]:
    for row in lines:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) <= max(time_column, *columns):
            _refuse("RM513", path, lines.line_num, f"{len(row)} columns; the first line has {width}")
        time = _time(path, lines.line_num, row[time_column].strip())
        price = _price(path, lines.line_num, row[columns[0]].strip())
        foretold = [_number(path, lines.line_num, row[column].strip()) for column in columns[1:]]
        yield int(time.timestamp()) * 1_000_000_000 // HOUR_NS * HOUR_NS, [price, *foretold]


def _columns(path: Path, header: list[str]) -> tuple[int, int]:
    """Find the columns by name; an empty first name is that of an index of times."""
    names = [name.strip().lower() for name in header]
    listed = ", ".join(name.strip() or "(empty)" for name in header)
    times = [n for n, name in enumerate(names) if any(word in name for word in TIME_NAMES)]
    if not times and names[0] == "":
        times = [0]
    if not times:
        _refuse("RM512", path, 1, f"no column of times among: {listed}")
    others = [n for n, name in enumerate(names) if n != times[0] and FORETOLD_NAME not in name]
    prices = [n for n in others if any(word in names[n] for word in PRICE_NAMES)]
    if not prices and len(names) == 2:
        prices = [1 - times[0]]  # what else could it be
    if not prices:
        _refuse("RM512", path, 1, f"no column of prices among: {listed}")
    return times[0], prices[0]


def _foretold(header: list[str], taken: tuple[int, ...]) -> list[int]:
    return [n for n, name in enumerate(header) if FORETOLD_NAME in name.lower() and n not in taken]


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
