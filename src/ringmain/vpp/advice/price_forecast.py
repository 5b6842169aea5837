"""The forecast of day-ahead prices: models averaged, and what their errors were as scenarios.

What a forecast is made of depends on the table alone, not on when it was last asked: trees are fitted to
the days before the last day whose number is a multiple of REFIT_DAYS. So a forecast can be made again.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ringmain.vpp.advice.forecast import HOURS
from ringmain.vpp.advice.price_models import TREE_LAGS, LinearModel, TreeModel
from ringmain.vpp.advice.price_table import PriceTable

MOST_DAYS = 1_240  # that a table need have
LEAST_DAYS = 56  # with fewer there is no forecast by a model
TREE_LEAST_DAYS = 364 + max(TREE_LAGS)
REFIT_DAYS = 14
SCENARIO_DAYS = 120

# Chosen on Nord Pool's 2016; see docs/explanation/price_forecasts.md.
LINEAR = (LinearModel(84), LinearModel(364), LinearModel(1_092))
TREES = (TreeModel("l1", 600), TreeModel("l2", 250, half_life_days=365))
LINEAR_WEIGHT = 0.3


@dataclass
class ModelForecast:
    """A forecast by several models. It keeps the trees of the last fit, and nothing else."""

    _fitted_day: int = -1
    _trees: list[Any] = field(default_factory=list)

    def forecast(self, table: PriceTable) -> Any | None:
        """Return the last day's prices, float64 array of shape (24,), ticks; None if too little is known."""
        members = self.members(table)
        if not members:
            return None
        linear = np.mean([prices for name, prices in members.items() if name.startswith("linear")], axis=0)
        trees = [prices for name, prices in members.items() if name.startswith("trees")]
        if not trees:
            return linear
        return LINEAR_WEIGHT * linear + (1 - LINEAR_WEIGHT) * np.mean(trees, axis=0)

    def members(self, table: PriceTable) -> Mapping[str, Any]:
        """Return each model's forecast by its name, float64 arrays of shape (24,), ticks."""
        members = linear_members(table)
        if table.n_days - 1 >= TREE_LEAST_DAYS:
            self._fit(table)
            for model, trees in zip(TREES, self._trees, strict=True):
                members[f"trees {model.objective}"] = model.forecast(trees, table)
        return members

    def _fit(self, table: PriceTable) -> None:
        day = table.last_day // REFIT_DAYS * REFIT_DAYS
        if day == self._fitted_day:
            return
        known = table.until(day)
        with ThreadPoolExecutor(len(TREES)) as workers:  # each in one thread: they do not wait for each other
            self._trees = list(workers.map(lambda model: model.fit(known), TREES))
        self._fitted_day = day


def linear_members(table: PriceTable) -> dict[str, Any]:
    """Return the forecast of each linear model by its name, float64 arrays of shape (24,), ticks."""
    known_days = table.n_days - 1
    if known_days < LEAST_DAYS:
        return {}
    windows = {min(model.window_days, known_days): model for model in reversed(LINEAR)}
    return {f"linear {n}": windows[n].forecast(table) for n in sorted(windows)}


@dataclass
class Errors:
    """What forecasts have missed by, the last days of it: what the next one may miss by.

    Attributes
    ----------
    days : list of float64 arrays of shape (24,)
        Price less forecast, ticks, the oldest first.
    """

    days: list[Any] = field(default_factory=list)

    def learn(self, forecast: Any, price_ticks: Any) -> None:
        """Take in a day whose price has come; hours without one count as foreseen."""
        error = np.nan_to_num(price_ticks - forecast)
        self.days = [*self.days, error][-SCENARIO_DAYS:]

    def scenarios(self, forecast: Any) -> Any:
        """Return courses that the prices may take, float64 array of shape (n, 24), equally likely.

        Each is the forecast with the errors of one day, so that hours that miss together stay together.
        With no error known it is the forecast alone.
        """
        if not self.days:
            return np.asarray(forecast)[None, :]
        return forecast + np.array(self.days)

    def quantiles(self, forecast: Any, shares: Any) -> Any:
        """Return quantiles of each hour's price, float64 array of shape (len(shares), 24), ticks.

        They are those of the errors of the hour and its two neighbours.
        """
        spread = self.scenarios(forecast) - forecast
        near = np.stack(
            [np.take(spread, np.arange(HOURS) + shift, axis=1, mode="clip") for shift in (-1, 0, 1)]
        )
        return forecast + np.quantile(near.reshape(-1, HOURS), shares, axis=0)


def pinball_ticks(price_ticks: Any, quantiles: Any, shares: Any) -> float:
    """Return the mean pinball loss of quantiles of shape (n_shares, 24), ticks."""
    over = price_ticks - quantiles
    share = np.asarray(shares)[:, None]
    return float(np.nanmean(np.maximum(share * over, (share - 1) * over)))
