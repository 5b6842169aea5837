"""What each asset ran in the last weeks, by the hour, and how fast a departure from the usual fades.

Both are folded from the census alone, so that whoever reads the tape anew has them again. The history is
what forecasts are made of; a value is known when its hour is over.
"""

from typing import Any

import numpy as np

from ringmain.vpp.state import ASSETS, PERIOD_NS, SECOND_NS

HOUR_NS = 3_600 * SECOND_NS
PERIODS_PER_HOUR = HOUR_NS // PERIOD_NS
HISTORY_DAYS = 35
HISTORY_HOURS = HISTORY_DAYS * 24
FIRST_ROWS = 64
SAMPLES = 8  # quarter-hours that are kept until their hour is over


class History:
    """Mean power by asset and hour over the last HISTORY_DAYS days: a ring, 3.4 kB an asset.

    An hour with a quarter-hour missing is unknown, and so is one that the asset was held back in.
    """

    def __init__(self) -> None:
        self._row = np.full(ASSETS, -1, np.int32)
        self._power_w = np.full((0, HISTORY_HOURS), np.nan, np.float32)
        self._sampled_w = np.full((0, SAMPLES), np.nan, np.float32)
        self._rows = 0
        self._period = -1  # the last that is over
        self.end_hour = 0  # one beyond the last that is over

    def fold(self, asset_ids: Any, period: int, power_w: Any) -> None:
        """Take the mean powers of a quarter-hour that is over; NaN where none is to be trusted."""
        rows = self._rows_of(asset_ids)
        self._move_on(period)
        self._sampled_w[rows, period % SAMPLES] = power_w
        if (period + 1) % PERIODS_PER_HOUR == 0:
            columns = np.arange(period + 1 - PERIODS_PER_HOUR, period + 1) % SAMPLES
            means = self._sampled_w[np.ix_(rows, columns)].mean(axis=1)
            self._power_w[rows, period // PERIODS_PER_HOUR % HISTORY_HOURS] = means

    def _move_on(self, period: int) -> None:
        """Clear what the quarter-hours up to this one will be written over."""
        if period <= self._period:
            return
        begun = max(self._period + 1, period - SAMPLES + 1)
        self._sampled_w[:, np.arange(begun, period + 1) % SAMPLES] = np.nan
        self._period = period
        end_hour = (period + 1) // PERIODS_PER_HOUR
        begun = max(self.end_hour, end_hour - HISTORY_HOURS)
        self._power_w[:, np.arange(begun, end_hour) % HISTORY_HOURS] = np.nan
        self.end_hour = end_hour

    def _rows_of(self, asset_ids: Any) -> Any:
        """Return the rows of assets, with room made for the new ones."""
        new = asset_ids[self._row[asset_ids] < 0]
        if new.size:
            self._row[new] = self._rows + np.arange(new.size)
            self._rows += new.size
            missing = self._rows - len(self._power_w)
            if missing > 0:
                room = max(missing, len(self._power_w), FIRST_ROWS)
                self._power_w, self._sampled_w = (
                    np.concatenate([table, np.full((room, table.shape[1]), np.nan, np.float32)])
                    for table in (self._power_w, self._sampled_w)
                )
        return self._row[asset_ids]

    def power_w(self, asset_ids: Any, hours: Any) -> Any:
        """Return mean powers, float32 array of shape (n, m); NaN where they aren't known.

        Parameters
        ----------
        asset_ids : int64 array of shape (n,)
        hours : int64 array of shape (m,)
            Since 1970.
        """
        rows = self._row[asset_ids]
        is_kept = (hours >= self.end_hour - HISTORY_HOURS) & (hours < self.end_hour)
        if not len(self._power_w):
            return np.full((len(asset_ids), len(hours)), np.nan, np.float32)
        found = self._power_w[np.ix_(np.maximum(rows, 0), hours % HISTORY_HOURS)]
        return np.where((rows >= 0)[:, None] & is_kept, found, np.float32(np.nan))


LEADS = 4  # quarter-hours, for which the fading is learnt; beyond, it goes on alike
FORGETTING = 0.999  # of what was learnt, each quarter-hour: it halves in a week
RIDGE = 0.02  # of the squares, towards PRIOR
PRIOR = np.array([0.85, 0.0])  # what was taken for it before anything was learnt


class Fading:
    """How much of a departure is left some quarter-hours later: two lines through all assets of a kind.

    What an asset does beside its usual is foretold from what it does beside it now, once as a power and
    once as a share of the usual: a cloud takes a share of whatever the sun would give.
    """

    def __init__(self) -> None:
        self._squares, self._products = np.zeros((LEADS, 2, 2)), np.zeros((LEADS, 2))
        self._past: list[tuple[int, Any, Any]] = []  # quarter-hour, power, usual power; the newest last

    def learn(self, period: int, power_w: Any, usual_w: Any, mean_w: Any, usual_mean_w: Any) -> None:
        """Take what all assets of a kind did when a quarter-hour began, and in the one before it.

        Parameters
        ----------
        power_w, usual_w : float arrays of shape (n,)
            When it began, beside the usual, in the order of the ids; NaN where unknown.
        mean_w, usual_mean_w : float arrays of shape (n,)
            In the mean of the quarter-hour before, beside what that had been taken to be.
        """
        if self._past and (self._past[-1][0] != period - 1 or self._past[-1][1].size != power_w.size):
            self._past.clear()
        for lead in range(1, min(LEADS, len(self._past) - 1) + 1):
            self._learn(lead, mean_w, usual_mean_w)
        self._past.append((period, power_w, usual_w))
        del self._past[: -LEADS - 1]

    def _learn(self, lead: int, mean_w: Any, usual_mean_w: Any) -> None:
        """Compare the quarter-hour that has just ended with what was seen `lead` before it."""
        _, seen, usual_then = self._past[-1 - lead]
        off = mean_w - usual_mean_w
        x = np.stack([seen - usual_then, share_off(seen, usual_then) * usual_mean_w], axis=1)
        is_known = ~np.isnan(x).any(axis=1) & ~np.isnan(off)
        x, off = x[is_known], off[is_known]
        self._squares[lead - 1] = FORGETTING * self._squares[lead - 1] + x.T @ x
        self._products[lead - 1] = FORGETTING * self._products[lead - 1] + x.T @ off

    def foretold_w(self, leads: Any, power_w: Any, usual_now_w: Any, usual_w: Any) -> Any:
        """Return what assets will run, float array of shape (n, m).

        Parameters
        ----------
        leads : int64 array of shape (m,)
            Quarter-hours from now on, 0: the one that runs.
        power_w, usual_now_w : float arrays of shape (n,)
        usual_w : float array of shape (n, m)
        """
        off = np.nan_to_num(power_w - usual_now_w)[:, None]
        share = np.nan_to_num(share_off(power_w, usual_now_w))[:, None] * usual_w
        slopes = np.stack([self.slopes(lead) for lead in leads.tolist()])
        return usual_w + slopes[:, 0] * off + slopes[:, 1] * share

    def slopes(self, lead: int) -> Any:
        """Return what is left of a departure as a power and as a share, after some quarter-hours."""
        if lead <= 0:
            return np.array([1.0, 0.0])
        known = min(lead, LEADS)
        prior = PRIOR ** np.array([known, 1])
        squares = self._squares[known - 1]
        ridge = RIDGE * np.diag(np.diag(squares)) + 1e-6 * np.eye(2)
        found = np.linalg.solve(squares + ridge, self._products[known - 1] + ridge @ prior)
        if lead > LEADS:  # it goes on as it went in the last of the quarter-hours that were looked at
            found = found * PRIOR[0] ** (lead - LEADS)
        return found


def share_off(power_w: Any, usual_w: Any) -> Any:
    """Return a departure as a share of the usual, between -1 and 1; 0 where the usual is next to nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (power_w - usual_w) / usual_w
    return np.where(np.abs(usual_w) > 20.0, np.clip(share, -1.0, 1.0), 0.0)
