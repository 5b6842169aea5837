"""A light model for one meter alone: a ridge regression for each group of leads.

What it learns is by how much an hour differs from the mean of the same hour in the last two weeks; with few
examples the ridge shrinks that to nothing, and the mean remains. The spread is conformal: the quantiles of
the errors on the latest examples, hour by hour, which the regression that made them had not seen (split
conformal prediction, Lei et al., JASA 113, 2018).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ringmain.vpp.advice.forecast import HOURS
from ringmain.vpp.advice.metered import Features

QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)
LEAD_GROUPS = (0, 1, 3, 6, 12, 24, 48)  # bounds: leads of one group share their coefficients
RIDGE = 100.0
KEPT_SHARE, KEPT_DAYS = 4, 28  # one example in so many is kept from the first fit, for the spread
LEAST_EXAMPLES = 5 * HOURS  # of each lead
LEAST_ERRORS = 4  # of an hour of the day; fewer: those of all hours
PRIOR = "mean_14"
LIKE_HOURS = ("day_1", "day_2", "mean_7", "most_14", "weekday_4", "neighbours_7")
OFF = ("off_1", "off_3", "off_6", "off_24")
OFF_SHARES = ("off_share_1", "off_share_3", "off_share_6", "off_share_24")


def lead_group(leads: Any) -> Any:
    """Return the number of each lead's group."""
    return np.searchsorted(LEAD_GROUPS, leads, side="right") - 1


class LocalModel:
    """Quantiles of one series, learnt from it alone.

    Costs a fraction of a second to fit on months of hours and less than a millisecond to run, needs neither
    other homes nor a library of trees: it can live on the device.

    Parameters
    ----------
    least_examples : int
        Of each lead, before it says anything.
    """

    def __init__(self, least_examples: int = LEAST_EXAMPLES) -> None:
        self._lines: dict[int, _Line] = {}
        self._least_examples = least_examples

    def fit(self, seen: Features, actual_kw: Any) -> None:
        """Learn from examples, the oldest first.

        Parameters
        ----------
        seen : Features
        actual_kw : float64 array of shape (n_origins, n_leads)
            NaN where it isn't known: such examples are left out.
        """
        x, hour = _inputs(seen), seen.column("hour").astype(np.int64)
        off = actual_kw / seen.scale_kw[:, None] - seen.column(PRIOR)
        for group, leads in _groups(seen):
            usable = ~np.isnan(off[:, leads])
            if usable.sum() >= self._least_examples * leads.size:
                self._lines[group] = _Line(
                    x[:, leads][usable], off[:, leads][usable], hour[:, leads][usable], leads.size
                )

    def forecast(self, seen: Features) -> Any:
        """Return quantiles of the power, kW.

        Returns
        -------
        float64 array of shape (n_origins, n_leads, len(QUANTILES))
            NaN for leads of which too few examples were seen.
        """
        shares = np.full((*seen.x.shape[:2], len(QUANTILES)), np.nan)
        x, hour = _inputs(seen), seen.column("hour").astype(np.int64)
        for group, leads in _groups(seen):
            if group in self._lines:
                off = self._lines[group].at(x[:, leads], hour[:, leads])
                shares[:, leads] = seen.column(PRIOR)[:, leads, None] + off
        return np.maximum(np.sort(shares, axis=2), 0.0) * seen.scale_kw[:, None, None]


def _groups(seen: Features) -> Iterator[tuple[int, Any]]:
    """Yield each group of leads with the places of its leads."""
    groups = lead_group(seen.leads)
    for group in np.unique(groups).tolist():
        yield group, np.flatnonzero(groups == group)


def _inputs(seen: Features) -> Any:
    """Return what the lines run through, (n_origins, n_leads, n_inputs): all of it zero when all is as usual.

    A roof's differences are in proportion to what it gives at that hour, so none is foretold at night.
    """
    prior = seen.column(PRIOR)
    columns = [seen.column(name) - prior for name in LIKE_HOURS]
    columns += [prior * np.clip(seen.column(name), -1.5, 1.5) for name in OFF_SHARES]
    if not seen.is_solar:
        columns += [seen.column(name) for name in OFF]
        columns += [seen.column(name) for name in seen.names if name.endswith("_off")]
    return np.nan_to_num(np.stack(columns, axis=-1)).astype(float)


class _Line:
    """A ridge regression over standardised inputs, and the quantiles of its errors by hour of the day."""

    def __init__(self, x: Any, y: Any, hour: Any, leads: int) -> None:
        kept = min(y.size // KEPT_SHARE, KEPT_DAYS * HOURS * leads)
        self._learn(x[:-kept], y[:-kept])
        errors = y[-kept:] - x[-kept:] @ self.slope
        self.spread = np.tile(np.quantile(errors, QUANTILES, method="weibull"), (HOURS, 1))
        for of_day in range(HOURS):
            if (hour[-kept:] == of_day).sum() >= LEAST_ERRORS:
                self.spread[of_day] = np.quantile(errors[hour[-kept:] == of_day], QUANTILES, method="weibull")
        self._learn(x, y)

    def _learn(self, x: Any, y: Any) -> None:
        width = np.maximum(np.sqrt((x * x).mean(axis=0)), 1e-3)
        z = x / width
        self.slope = np.linalg.solve(z.T @ z + RIDGE * np.eye(z.shape[1]), z.T @ y) / width

    def at(self, x: Any, hour: Any) -> Any:
        """Return the quantiles at points, array of shape (..., len(QUANTILES))."""
        return (x @ self.slope)[..., None] + self.spread[hour]
