"""Forecasts of loads and roofs: a model of the fleet, one of each home, and a rule that chooses.

Both models forecast each hour as it comes, whether they are listened to or not. Before each new fit the
rule looks back at what they said in the last weeks, all of it about hours that they had not seen, and
chooses for every series and group of leads. See docs/explanation/forecasts.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from ringmain.vpp.advice.forecast import DAY_NS, HOUR_NS
from ringmain.vpp.advice.global_model import MOST_EXAMPLES, GlobalModel
from ringmain.vpp.advice.known import Known
from ringmain.vpp.advice.local_model import LEAD_GROUPS, LEAST_EXAMPLES, QUANTILES, LocalModel, lead_group
from ringmain.vpp.advice.metered import SOLAR, Features, Metered, features

NAIVE, LOCAL, GLOBAL, BOTH = 0, 1, 2, 3  # candidates; BOTH is the mean of the two models
CANDIDATES = ("naive", "local", "global", "both")
JUDGED_DAYS = 56
LEAST_JUDGED_DAYS = 3
WORTH_MORE = 0.99  # another candidate has to lose less than this share of what the cheaper one does
FIRST_FITS, FIT_DAYS = (
    (4, 7, 10, 14, 21, 28),
    14,
)  # days of a backtest on which it fits, and every so many after
FLEET_FIRST_DAY = 10  # the model of the fleet from then on, and when its age is a third of its history
NAIVE_SPREAD = (0.4, 0.7, 1.0, 1.3, 1.7)  # of the mean of like hours, by quantile
LOCAL_DAYS = 120  # a home changes its ways: the local models learn from so many days


class FleetForecast:
    """Forecasts of all series of one kind, as of any hour.

    Call :meth:`fit` now and then, and :meth:`run` for each origin, in the order of time.

    Parameters
    ----------
    series : sequence of Metered
    weather : mapping of str to Known
    leads : int64 array of shape (n_leads,)
        Hours after the origin, from 0 on.
    is_global : bool
        Whether there is a global model; without it the local ones are all there is.
    least_examples, most_examples : int
        Of each lead, before a local model says anything; and in all, that the global one learns from.
    """

    def __init__(
        self, series: Sequence[Metered], weather: Mapping[str, Known], leads: Any, is_global: bool = True,
        least_examples: int = LEAST_EXAMPLES, most_examples: int = MOST_EXAMPLES,
    ) -> None:  # fmt: skip
        self.series, self.weather, self.leads = list(series), weather, np.asarray(leads, np.int64)
        self._local = [LocalModel(least_examples) for _ in self.series]
        self._global = GlobalModel(most_examples) if is_global else None
        self._seen: list[list[Features]] = [[] for _ in self.series]
        self._said: list[Any] = []
        self.choice = np.full((len(self.series), len(LEAD_GROUPS)), NAIVE)

    def fit(self, now_ns: int, with_global: bool = True) -> None:
        """Judge the candidates by what they have said, and learn from what is metered as of now.

        Parameters
        ----------
        now_ns : int
        with_global : bool
            False leaves the model of the fleet as it is: it costs several times the local ones.
        """
        for _ in self.fit_in_steps(now_ns, with_global):
            pass

    def fit_in_steps(self, now_ns: int, with_global: bool = True) -> Iterator[None]:
        """Do as :meth:`fit`, with pauses between parts that take a second at most."""
        if not self._seen[0]:
            return
        seen = [_joined(blocks) for blocks in self._seen]
        actual = [each.meter.at(past.target_ns, now_ns) for each, past in zip(self.series, seen, strict=True)]
        self._choose(now_ns, seen[0], actual)
        yield
        for model, past, truth in zip(self._local, seen, actual, strict=True):
            recent = past.origin_ns >= now_ns - LOCAL_DAYS * DAY_NS
            model.fit(past.part(recent), truth[recent])
            yield
        if self._global is not None and with_global:
            yield from self._global.fit_in_steps(seen, actual)

    def run(self, origin_ns: Any) -> Any:
        """Forecast from each of some origins on, and remember what was said.

        Parameters
        ----------
        origin_ns : int64 array of shape (n_origins,)
            Later than all before.

        Returns
        -------
        float32 array of shape (n_series, n_origins, n_leads, len(QUANTILES)), kW
        """
        said = np.stack([self._candidates(i, np.asarray(origin_ns)) for i in range(len(self.series))])
        self._said.append(said)
        chosen = self.choice[:, lead_group(self.leads)]  # (series, leads)
        rows, columns = np.ogrid[: said.shape[0], : self.leads.size]
        found = said[rows, chosen, :, columns]  # (series, leads, origins, quantiles)
        return np.swapaxes(found, 1, 2)

    def said(self) -> Any:
        """Return all that was said: (n_series, len(CANDIDATES), n_origins, n_leads, len(QUANTILES))."""
        return np.concatenate(self._said, axis=2)

    def seen(self) -> list[Features]:
        """Return the features of all origins, for each series."""
        return [_joined(blocks) for blocks in self._seen]

    def _candidates(self, i: int, origin_ns: Any) -> Any:
        seen = features(self.series[i], self.weather, origin_ns, self.leads)
        self._seen[i].append(seen)
        naive = _naive(self.series[i], seen)
        local = _or_else(self._local[i].forecast(seen), naive)
        fleet = local if self._global is None else _or_else(self._global.forecast(seen), local)
        return np.stack([naive, local, fleet, (local + fleet) / 2]).astype(np.float32)

    def _choose(self, now_ns: int, seen: Features, actual: Sequence[Any]) -> None:
        """Take the model that lost least in the last weeks; the local one unless another is worth it."""
        if seen.origin_ns.size == 0:
            return
        judged = np.flatnonzero(seen.origin_ns >= now_ns - JUDGED_DAYS * DAY_NS)
        said, groups = self.said()[:, :, judged], lead_group(self.leads)
        has_models = now_ns - int(seen.origin_ns[0]) >= LEAST_JUDGED_DAYS * DAY_NS
        for i, truth in enumerate(actual):
            for group in np.unique(groups).tolist():
                leads = np.flatnonzero(groups == group)
                losses = [
                    pinball(each[:, leads], truth[np.ix_(judged, leads)]) if has_models else np.nan
                    for each in said[i]
                ]
                self.choice[i, group] = best_of(losses)


def best_of(losses: Sequence[float]) -> int:
    """Return the candidate to listen to: the local model, or one that loses clearly less.

    Parameters
    ----------
    losses : sequence of float
        Mean pinball losses in the order of CANDIDATES; NaN where nothing was judged.
    """
    if np.isnan(losses[LOCAL]):
        return LOCAL
    best = int(np.nanargmin(losses))
    return best if losses[best] < WORTH_MORE * losses[LOCAL] else LOCAL


def pinball(quantiles_kw: Any, actual_kw: Any) -> float:
    """Return the mean pinball loss over all quantiles (Koenker and Bassett, Econometrica 46, 1978), kW.

    Parameters
    ----------
    quantiles_kw : float array of shape (..., len(QUANTILES))
    actual_kw : float array of shape (...)
        NaN where it isn't known: left out. NaN is returned if nothing is known.
    """
    off = actual_kw[..., None] - quantiles_kw
    share = np.array(QUANTILES)
    losses = np.maximum(share * off, (share - 1) * off)
    known = losses[~np.isnan(losses)]
    return float(known.mean()) if known.size else float("nan")


def mean_absolute_error(quantiles_kw: Any, actual_kw: Any) -> float:
    """Return by how much the median is off in the mean, kW; arguments as of :func:`pinball`."""
    off = np.abs(actual_kw - quantiles_kw[..., QUANTILES.index(0.5)])
    return float(off[~np.isnan(off)].mean())


def _naive(metered: Metered, seen: Features) -> Any:
    """Return the mean of the same hour in the last days, or on the first day what was metered last."""
    last = 0.0 if metered.kind == SOLAR else seen.column("last")
    like = seen.column("mean_14")
    level = np.nan_to_num(np.where(np.isnan(like), last, like)) * seen.scale_kw[:, None]
    return level[..., None] * np.array(NAIVE_SPREAD)


def _or_else(wanted: Any, instead: Any) -> Any:
    return np.where(np.isnan(wanted), instead, wanted)


def _joined(blocks: Sequence[Features]) -> Features:
    return replace(
        blocks[0], x=np.concatenate([block.x for block in blocks]),
        scale_kw=np.concatenate([block.scale_kw for block in blocks]),
        origin_ns=np.concatenate([block.origin_ns for block in blocks]),
    )  # fmt: skip


def backtest(forecast: FleetForecast, origin_ns: Any) -> Any:
    """Walk through past origins: fit now and then, run in between; nothing is seen ahead of its time.

    Parameters
    ----------
    origin_ns : int64 array of shape (n_origins,)
        Every hour, in order.

    Returns
    -------
    float32 array of shape (n_series, n_origins, n_leads, len(QUANTILES)), kW
    """
    first_ns, end_ns = int(origin_ns[0]), int(origin_ns[-1]) + HOUR_NS
    days = [*FIRST_FITS, *range(FIRST_FITS[-1] + FIT_DAYS, (end_ns - first_ns) // DAY_NS + 1, FIT_DAYS)]
    bounds = [first_ns, *(first_ns + day * DAY_NS for day in days), end_ns]
    found, fleet_day = [], 0
    for begin, end in pairwise(bounds):
        within = origin_ns[(origin_ns >= begin) & (origin_ns < end)]
        if within.size:
            day = (begin - first_ns) // DAY_NS
            is_due = day >= FLEET_FIRST_DAY and day - fleet_day >= day / 3
            fleet_day = day if is_due else fleet_day
            forecast.fit(begin, is_due)
            found.append(forecast.run(within))
    return np.concatenate(found, axis=1)
