"""What is known of a market's prices at a time, as one row of 24 hours a day."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ringmain.vpp.advice.forecast import DAY_NS, HOUR_NS, HOURS
from ringmain.vpp.advice.known import Known

GAP_HOURS = 3  # so many missing hours of a day are drawn as a line; the day the clocks change has one


@dataclass(frozen=True)
class PriceTable:
    """Days in a row, of which the last is to be forecast.

    Parameters
    ----------
    last_day : int
        Number of the last row's day since 1970.
    price_ticks : float64 array of shape (n_days, 24)
        No hour is missing but those of the last row, which are not looked at.
    inputs : dict of str to float64 array of shape (n_days, 24)
        What was foretold of each hour, the last day's too, such as load or wind.
    """

    last_day: int
    price_ticks: Any
    inputs: dict[str, Any]

    @property
    def n_days(self) -> int:
        """How many rows there are."""
        return len(self.price_ticks)

    def until(self, last_day: int) -> "PriceTable":
        """Return the rows up to a day."""
        count = self.n_days - (self.last_day - last_day)
        inputs = {name: rows[:count] for name, rows in self.inputs.items()}
        return PriceTable(last_day, self.price_ticks[:count], inputs)


def table_as_of(
    prices: Known, inputs: Mapping[str, Known], day: int, now_ns: int, most_days: int
) -> PriceTable | None:
    """Return the days up to `day` as they were known at a time, or None if there is no price at all.

    A gap of up to GAP_HOURS hours in a day is drawn as a line, a longer one is filled with the prices of a
    week or a day before. Where an input is missing, the day before stands in.

    Parameters
    ----------
    day : int
        The day that is to be forecast, by its number since 1970.
    most_days : int
        Days before it to look at.
    """
    start_ns = (np.arange(day - most_days, day + 1) * DAY_NS)[:, None] + np.arange(HOURS) * HOUR_NS
    price_ticks = prices.at(start_ns, now_ns)
    price_ticks[-1] = np.nan
    known = np.flatnonzero(~np.isnan(price_ticks).all(axis=1))
    if not known.size:
        return None
    price_ticks, start_ns = price_ticks[known[0] :], start_ns[known[0] :]
    fill_prices(price_ticks[:-1])
    rows = {name: filled_input(series.at(start_ns, now_ns)) for name, series in sorted(inputs.items())}
    return PriceTable(day, price_ticks, rows)


def fill_prices(price_ticks: Any) -> None:
    """Fill the gaps of whole days in a row, in place; the first row has at least one price."""
    for n in np.flatnonzero(np.isnan(price_ticks).any(axis=1)).tolist():
        row = price_ticks[n]
        missing = np.isnan(row)
        if n and missing.sum() > GAP_HOURS:
            row[missing] = price_ticks[n - 7 if n >= 7 else n - 1][missing]
        else:
            row[missing] = np.interp(np.flatnonzero(missing), np.flatnonzero(~missing), row[~missing])


def filled_input(rows: Any) -> Any:
    """Return an input with each missing hour as it was a day before; what was never known is its mean."""
    rows = rows.copy()
    for n in np.flatnonzero(np.isnan(rows).any(axis=1)).tolist():
        if n:
            rows[n] = np.where(np.isnan(rows[n]), rows[n - 1], rows[n])
    mean = np.nanmean(rows) if not np.isnan(rows).all() else 0.0
    return np.nan_to_num(rows, nan=float(mean))
