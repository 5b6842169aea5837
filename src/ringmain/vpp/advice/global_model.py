"""One model for all loads, or all roofs, of the fleet: boosted trees for each quantile.

It learns from every home at once, in shares of each home's own scale, and knows no home by name. So a home
that joined this week is forecast by what the others did.
"""

from collections.abc import Sequence
from typing import Any

import lightgbm
import numpy as np

from ringmain.vpp.advice.local_model import PRIOR, QUANTILES
from ringmain.vpp.advice.metered import Features

TREES = 90
MOST_EXAMPLES = 60_000  # drawn from all of them
SETTINGS = {
    "objective": "quantile", "learning_rate": 0.08, "num_leaves": 20, "min_data_in_leaf": 60,
    "feature_fraction": 0.7, "bagging_fraction": 0.7, "bagging_freq": 1, "lambda_l2": 1.0, "max_bin": 127,
    "seed": 1, "num_threads": 1, "deterministic": True, "force_row_wise": True, "verbosity": -1,
}  # fmt: skip


class GlobalModel:
    """Quantiles of all series of one kind, learnt from all of them.

    The same examples give the same model: one thread, fixed seeds.
    """

    def __init__(self) -> None:
        self._trees: list[Any] = []

    def fit(self, seen: Sequence[Features], actual_kw: Sequence[Any]) -> None:
        """Learn from the examples of all homes.

        Parameters
        ----------
        seen : sequence of Features
            One for each home.
        actual_kw : sequence of float64 arrays of shape (n_origins, n_leads)
            NaN where it isn't known.
        """
        off = [
            (actual / each.scale_kw[:, None] - each.column(PRIOR)).ravel() for each, actual in zip(seen, actual_kw, strict=True)
        ]
        y = np.concatenate(off)
        rows = np.flatnonzero(~np.isnan(y))
        if rows.size > MOST_EXAMPLES:
            rows = np.sort(np.random.default_rng(1).choice(rows, MOST_EXAMPLES, replace=False))
        x = np.concatenate([each.x.reshape(-1, each.x.shape[2]) for each in seen])[rows]
        data = lightgbm.Dataset(x, y[rows], params=SETTINGS, free_raw_data=False)
        self._trees = [lightgbm.train(SETTINGS | {"alpha": share}, data, TREES) for share in QUANTILES]

    def forecast(self, seen: Features) -> Any:
        """Return quantiles of the power, kW, float64 array of shape (n_origins, n_leads, len(QUANTILES))."""
        shape = (*seen.x.shape[:2], len(QUANTILES))
        if not self._trees:
            return np.full(shape, np.nan)
        x = seen.x.reshape(-1, seen.x.shape[2])
        shares = np.stack([trees.predict(x, num_threads=1) for trees in self._trees], axis=1).reshape(shape)
        shares += seen.column(PRIOR)[..., None]
        return np.maximum(np.sort(shares, axis=2), 0.0) * seen.scale_kw[:, None, None]
