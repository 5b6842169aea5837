"""Models of day-ahead prices: a linear one over recent windows, and trees over years.

The linear one is an autoregression of all 24 hours on all hours of the days before and on what is foretold
of the day, after Lago et al., "Forecasting day-ahead electricity prices", Applied Energy 293 (2021), whose
lasso is a ridge here: it is fitted in one solve for all hours. Several windows are averaged. The trees see
an hour at a time, relative to the last day's level.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
from sklearn.linear_model import Ridge

from ringmain.vpp.advice.forecast import HOURS
from ringmain.vpp.advice.price_table import PriceTable

PRICE_LAGS = (1, 2, 3, 7)  # days
INPUT_LAGS = (0, 1, 7)
TREE_LAGS = (1, 2, 3, 7, 14)
MEDIAN_TO_DEVIATION = 1.4826  # of a normal distribution's median absolute deviation


@dataclass(frozen=True)
class LinearModel:
    """A ridge regression over the last days, of prices whose spikes are drawn in (area hyperbolic sine).

    Parameters
    ----------
    window_days : int
        Days that it is fitted to, or what there is.
    penalty : float
        Of squared coefficients, on inputs of unit spread.
    """

    window_days: int
    penalty: float = 10.0

    def forecast(self, table: PriceTable) -> Any:
        """Return the last day's prices, float64 array of shape (24,), ticks."""
        first = max(*PRICE_LAGS, table.n_days - 1 - self.window_days)
        known, target = linear_inputs(table, first), table.price_ticks[first:-1]
        middle, spread = middle_and_spread(known[:-1])
        drawn = np.arcsinh((known - middle) / spread)
        days = weekdays(table)[first:]
        drawn = np.hstack([drawn, np.eye(7)[days]])
        target_middle, target_spread = middle_and_spread(target)
        model = Ridge(self.penalty, solver="cholesky")
        model.fit(drawn[:-1], np.arcsinh((target - target_middle) / target_spread))
        bound = 2 * np.abs(target).max(initial=1.0)  # sinh of an extrapolation has no end
        prices = np.sinh(np.clip(model.predict(drawn[-1:])[0], -20, 20)) * target_spread + target_middle
        return np.clip(prices, -bound, bound)


def linear_inputs(table: PriceTable, first: int) -> Any:
    """Return what the linear model sees of each day from row `first` on, float64 array of shape (n, m)."""
    rows = [table.price_ticks[first - lag : table.n_days - lag] for lag in PRICE_LAGS]
    for values in table.inputs.values():
        rows += [values[first - lag : table.n_days - lag] for lag in INPUT_LAGS]
    return np.hstack(rows)


def middle_and_spread(values: Any) -> tuple[Any, Any]:
    """Return the median of each column, and its median absolute deviation scaled to a standard one."""
    middle = np.median(values, axis=0)
    spread = np.median(np.abs(values - middle), axis=0) * MEDIAN_TO_DEVIATION
    deviation = values.std(axis=0)
    return middle, np.where(spread > 0, spread, np.where(deviation > 0, deviation, 1.0))


@dataclass(frozen=True)
class TreeModel:
    """Boosted trees, one set for all hours.

    Parameters
    ----------
    objective : "l1" or "l2"
        What is least in the fit: absolute or squared errors.
    half_life_days : int
        A day so long ago counts half; 0: all days count alike.
    """

    objective: str
    rounds: int
    half_life_days: int = 0
    window_days: int = 1_200
    learning_rate: float = 0.05
    leaves: int = 31

    def fit(self, table: PriceTable) -> Any:
        """Return the trees for days from the table's last on; that day's own prices are not looked at."""
        first = max(*TREE_LAGS, table.n_days - 1 - self.window_days)
        seen, level = tree_inputs(table, range(first, table.n_days - 1))
        target = table.price_ticks[first:-1] - level[:, None]
        weight = None
        if self.half_life_days:
            age = np.arange(len(target) - 1, -1, -1)
            weight = np.repeat(0.5 ** (age / self.half_life_days), HOURS)
        data = lightgbm.Dataset(seen.reshape(-1, seen.shape[2]), target.ravel(), weight=weight)
        return lightgbm.train(self._parameters(), data, self.rounds)

    def forecast(self, trees: Any, table: PriceTable) -> Any:
        """Return the last day's prices, float64 array of shape (24,), ticks."""
        seen, level = tree_inputs(table, range(table.n_days - 1, table.n_days))
        return trees.predict(seen[0]) + level[0]

    def _parameters(self) -> dict[str, Any]:
        return {
            "objective": self.objective, "learning_rate": self.learning_rate, "num_leaves": self.leaves,
            "min_data_in_leaf": 40, "feature_fraction": 0.5, "bagging_fraction": 0.7, "bagging_freq": 1,
            "seed": 1, "deterministic": True, "force_row_wise": True, "num_threads": 1, "verbosity": -1,
        }  # fmt: skip


def tree_inputs(table: PriceTable, rows: Sequence[int]) -> tuple[Any, Any]:
    """Return what the trees see of each hour of some days, and the level that their prices are relative to.

    Returns
    -------
    float64 arrays of shape (n, 24, m) and (n,)
    """
    days = np.asarray(rows)
    price = table.price_ticks
    level = price[days - 1].mean(axis=1)
    week = np.stack([price[days - lag] for lag in range(1, 8)]).mean(axis=0)
    hourly = [price[days - lag] - level[:, None] for lag in TREE_LAGS] + [week - level[:, None]]
    yesterday = price[days - 1]
    daily = [
        level, weekdays(table)[days], season(table)[days],
        yesterday[:, -1] - level, yesterday[:, -4] - level, yesterday.max(axis=1) - level,
        yesterday.min(axis=1) - level, price[days - 2].mean(axis=1) - level,
        price[days - 7].mean(axis=1) - level, week.mean(axis=1) - level,
    ]  # fmt: skip
    for values in table.inputs.values():
        more_hourly, more_daily = _input_columns(values, days)
        hourly += more_hourly
        daily += more_daily
    if len(table.inputs) > 1:  # load less wind, say: what others have to give
        first, *rest = table.inputs.values()
        residual = first - np.sum(rest, axis=0)
        hourly.append(residual[days] - residual[days - 1])
        daily += [residual[days].mean(axis=1), residual[days].max(axis=1)]
    hour = np.broadcast_to(np.arange(HOURS, dtype=float), yesterday.shape)
    columns = [hour, *hourly, *(np.repeat(column[:, None], HOURS, axis=1) for column in daily)]
    return np.stack(columns, axis=2), level


def _input_columns(values: Any, days: Any) -> tuple[list[Any], list[Any]]:
    """Return an input's columns by hour, and those by day."""
    today, yesterday, last_week = values[days], values[days - 1], values[days - 7]
    week = np.stack([values[days - lag].mean(axis=1) for lag in range(1, 8)]).mean(axis=0)
    mean = today.mean(axis=1)
    hourly = [
        today,
        today - yesterday,
        today - last_week,
        today - mean[:, None],
        today - np.roll(today, 1, axis=1),
    ]
    return hourly, [mean - yesterday.mean(axis=1), mean - week]


def weekdays(table: PriceTable) -> Any:
    """Return each row's weekday, Monday 0; 1970 began on a Thursday."""
    return (np.arange(table.last_day - table.n_days + 1, table.last_day + 1) + 3) % 7


def season(table: PriceTable) -> Any:
    """Return each row's place in the year, in days from its begin."""
    days = np.arange(table.last_day - table.n_days + 1, table.last_day + 1)
    dates = days.astype("datetime64[D]")
    return (dates - dates.astype("datetime64[Y]")).astype(np.int64)
