"""Tomorrow's prices from the days before: level of yesterday, shape of like days."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ringmain.vpp.loop_messages import LAST_GOOD, NAIVE_FORECAST
from ringmain.vpp.state import SECOND_NS

HOURS = 24
HOUR_NS = 3_600 * SECOND_NS
DAY_NS = HOURS * HOUR_NS
OLDEST_DAY = 14  # that a forecast falls back to
LIKE_DAYS = (7, 14)  # the same weekday, one and two weeks ago

Prices = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Foretold:
    """Prices of a day's hours, and what they come from: one of SOURCES, 0 if there are none."""

    price_ticks: Prices
    source: int


class PriceForecast:
    """A seasonal naive forecast of the day-ahead prices, in whole ticks.

    Each hour is yesterday's mean plus that hour's mean deviation from the day's mean: yesterday's
    own and that of the same weekday in the last two weeks. When the weekday changes sides between
    working day and weekend, yesterday's shape is left out. A day that lacks an hour is left out
    whole; with no day at all the forecast is flat zero, on which no battery would move.

    Examples
    --------
    >>> history = {hour * HOUR_NS: 4_000 + 100 * hour for hour in range(24)}
    >>> PriceForecast().forecast(history, DAY_NS)[:3]
    array([4000, 4100, 4200])
    """

    def forecast(self, history: Mapping[int, int], day_start_ns: int) -> Prices:
        """Return the prices of 24 hours, int64 array of shape (24,), ticks.

        Parameters
        ----------
        history : mapping of int to int
            Start of hour, nanoseconds, to its price in ticks. Hours of the day itself and later are
            not looked at.
        day_start_ns : int
            First hour of the day that is forecast.
        """
        yesterday = day_prices(history, day_start_ns - DAY_NS)
        like = [day_prices(history, day_start_ns - age * DAY_NS) for age in LIKE_DAYS]
        shapes = [day - day.mean() for day in like if day is not None]
        if yesterday is not None and (not shapes or same_kind_of_day(day_start_ns)):
            shapes.append(yesterday - yesterday.mean())
        if not shapes:
            return np.zeros(HOURS, np.int64)
        level = yesterday if yesterday is not None else next(day for day in like if day is not None)
        prices = level.mean() + np.mean(shapes, axis=0)
        return np.rint(prices).astype(np.int64)

    def foretell(self, history: Mapping[int, int], day_start_ns: int) -> Foretold:
        """Return the forecast and its source; where the days before are missing, the last day that is known.

        Parameters
        ----------
        history, day_start_ns
            As of :meth:`forecast`.
        """
        if day_prices(history, day_start_ns - DAY_NS) is not None:
            return Foretold(self.forecast(history, day_start_ns), NAIVE_FORECAST)
        for age in range(2, OLDEST_DAY + 1):
            prices = day_prices(history, day_start_ns - age * DAY_NS)
            if prices is not None:
                return Foretold(prices, LAST_GOOD)
        return Foretold(np.zeros(HOURS, np.int64), 0)


def day_prices(history: Mapping[int, int], day_start_ns: int) -> Prices | None:
    """Return a day's 24 prices, or None if one is missing."""
    hours = range(day_start_ns, day_start_ns + DAY_NS, HOUR_NS)
    if any(hour not in history for hour in hours):
        return None
    return np.array([history[hour] for hour in hours], np.int64)


def same_kind_of_day(day_start_ns: int) -> bool:
    """Tell whether a day and the one before are both working days or both of a weekend."""
    return is_weekend(day_start_ns) == is_weekend(day_start_ns - DAY_NS)


def is_weekend(day_start_ns: int) -> bool:
    """Tell whether a day (UTC) is a Saturday or Sunday; 1970 began on a Thursday."""
    return (day_start_ns // DAY_NS + 3) % 7 >= 5
