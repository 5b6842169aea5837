"""One model for all loads, or all roofs, of the fleet: boosted trees for each quantile.

It learns from every home at once, in shares of each home's own scale, and knows no home by name. So a home
that joined this week is forecast by what the others did.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import lightgbm
import numpy as np

from ringmain.vpp.advice.local_model import PRIOR, QUANTILES
from ringmain.vpp.advice.metered import Features

LEARNT = (0.1, 0.5, 0.9)  # quantiles that trees are grown for; the others lie between them as in a bell curve
BETWEEN = np.array([[1, 0, 0], [0.41, 0.59, 0], [0, 1, 0], [0, 0.59, 0.41], [0, 0, 1]])
NEXT_HOUR, LATER = 0, 1  # the hour that comes has trees of its own: there the last minutes count most
TREES = (90, 70)
MOST_EXAMPLES = 40_000  # drawn from all of them
SETTINGS = {
    "objective": "quantile", "learning_rate": 0.09, "num_leaves": 18, "min_data_in_leaf": 50,
    "feature_fraction": 0.7, "bagging_fraction": 0.7, "bagging_freq": 1, "lambda_l2": 1.0, "max_bin": 127,
    "seed": 1, "num_threads": 1, "deterministic": True, "force_row_wise": True, "verbosity": -1,
}  # fmt: skip


class GlobalModel:
    """Quantiles of all series of one kind, learnt from all of them.

    The same examples give the same model: one thread, fixed seeds.

    Parameters
    ----------
    most_examples : int
        That it learns from, drawn from all of them.
    """

    def __init__(self, most_examples: int = MOST_EXAMPLES) -> None:
        self._trees: dict[int, list[Any]] = {}
        self._most_examples = most_examples

    def fit(self, seen: Sequence[Features], actual_kw: Sequence[Any]) -> None:
        """Learn from the examples of all homes.

        Parameters
        ----------
        seen : sequence of Features
            One for each home.
        actual_kw : sequence of float64 arrays of shape (n_origins, n_leads)
            NaN where it isn't known.
        """
        for _ in self.fit_in_steps(seen, actual_kw):
            pass

    def fit_in_steps(self, seen: Sequence[Features], actual_kw: Sequence[Any]) -> Iterator[None]:
        """Do as :meth:`fit`, pausing after each quantile's trees; what it forecasts changes at the end."""
        grown: dict[int, list[Any]] = {}
        for part in (NEXT_HOUR, LATER):
            leads = _part(seen[0].leads, part)
            off = [
                (actual / each.scale_kw[:, None] - each.column(PRIOR))[:, leads].ravel()
                for each, actual in zip(seen, actual_kw, strict=True)
            ]
            x = [each.x[:, leads].reshape(-1, each.x.shape[2]) for each in seen]
            if leads.size and sum(map(len, off)):
                grown[part] = []
                for trees in _grown(np.concatenate(x), np.concatenate(off), TREES[part], self._most_examples):
                    grown[part].append(trees)
                    yield
        self._trees |= grown

    def forecast(self, seen: Features) -> Any:
        """Return quantiles of the power, kW, float64 array of shape (n_origins, n_leads, len(QUANTILES))."""
        shares = np.full((*seen.x.shape[:2], len(QUANTILES)), np.nan)
        for part, trees in self._trees.items():
            leads = _part(seen.leads, part)
            if leads.size:
                x = seen.x[:, leads].reshape(-1, seen.x.shape[2])
                off = np.stack([tree.predict(x, num_threads=1) for tree in trees], axis=1)
                off = np.sort(off, axis=1) @ BETWEEN.T
                shares[:, leads] = off.reshape(-1, leads.size, len(QUANTILES))
        shares += seen.column(PRIOR)[..., None]
        return np.maximum(shares, 0.0) * seen.scale_kw[:, None, None]


def _part(leads: Any, part: int) -> Any:
    """Return the places of the leads that a part forecasts."""
    return np.flatnonzero(leads == 0 if part == NEXT_HOUR else leads > 0)


def _grown(x: Any, y: Any, trees: int, most_examples: int) -> Iterator[Any]:
    """Grow the trees of one quantile after the other."""
    rows = np.flatnonzero(~np.isnan(y))
    if rows.size > most_examples:
        rows = np.sort(np.random.default_rng(1).choice(rows, most_examples, replace=False))
    data = lightgbm.Dataset(x[rows], y[rows], params=SETTINGS, free_raw_data=False)
    for share in LEARNT:
        yield lightgbm.train(SETTINGS | {"alpha": share}, data, trees)
