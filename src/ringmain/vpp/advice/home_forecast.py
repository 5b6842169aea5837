"""What the desk expects of loads and roofs: forecasts of each feeder, dealt out among its homes.

One home's next hours are mostly chance, and the sum of many homes' upper quantiles is no quantile of their
sum. So what is forecast with models is each feeder's loads together, and its roofs together. A home gets of
that what it has had at that hour in the last two weeks; what it does at the moment beside it fades as
departures of its kind have faded.

The models are learnt anew once a day, in portions, one at each call; until they are
through, the last forecast stands. All of it is worked out from the history as it was known at that time of
the day, so a desk that was restarted comes to the same forecast. Where history is short, or where the
profile has been the better forecast, the profile is listened to.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ringmain.vpp.advice.forecast import DAY_NS, HOUR_NS, HOURS
from ringmain.vpp.advice.known import Known
from ringmain.vpp.advice.local_model import QUANTILES, lead_group
from ringmain.vpp.advice.metered import LOAD as LOADS
from ringmain.vpp.advice.metered import SOLAR as ROOFS
from ringmain.vpp.advice.metered import Metered, mean_known
from ringmain.vpp.home_history import PERIODS_PER_HOUR
from ringmain.vpp.home_views import LEARNING, PERIODS_PER_DAY, Homes, Nodes
from ringmain.vpp.messages import LOAD, SOLAR
from ringmain.vpp.state import SECOND_NS

KINDS = {LOAD: LOADS, SOLAR: ROOFS}
SIGNS = {LOAD: -1.0, SOLAR: 1.0}  # of their power; models reckon in what is drawn, or given
LEADS = np.arange(39)  # hours: from ten in the morning to the next day's end, and one more
LEARNT_DAYS, SEEN_DAYS = 20, 34  # origins of so many days are learnt from, and look back so far
ORIGIN_EVERY_NS = 3 * HOUR_NS
FIT_EVERY_DAYS = 5
GLOBAL_FROM_DAY = 10
LEAST_DAYS = 7  # of history, before anything is learnt
LEAST_EXAMPLES, MOST_EXAMPLES = 30, 12_000  # of each lead for a local model; in all for the fleet's
USUAL_DAYS = 14  # whose mean a home usually is
GROUPS, LEAST_MEMBERS = 32, 5  # feeders that are forecast alone, and with so many assets of a kind at least
LEAST_KNOWN = 0.5  # of a group's assets, for its hour to be known
WORTH_MORE = 0.99  # the forecast's absolute error has to be below this share of the profile's
AFTER_NS = 180 * SECOND_NS  # the hour's last census is in by then
PROFILE, MEDIAN = -1, QUANTILES.index(0.5)
REST = 0  # the node of the group of all others


@dataclass(frozen=True)
class Outlook:
    """What is expected of one kind of asset, by group and hour, and each asset's part in it.

    Parameters
    ----------
    asset_id : int64 array of shape (n,)
    group : int64 array of shape (n,)
        Row of each asset's group.
    node_id : int64 array of shape (n_groups,)
    begin_hour : int
        Since 1970, of lead 0.
    power_kw : float array of shape (n_groups, n_leads, len(QUANTILES))
        Drawn, or given: not below zero.
    usual_w : float array of shape (n, HOURS)
        Mean power of each asset by hour of the day.
    low_w, high_w : float arrays of shape (n, HOURS)
        How far the lower and upper tenth of the hours were from that, by hour of the day; low_w: 0 or below.
    is_better : bool array of shape (n_groups, n_leads)
        Where the forecast is listened to, and not the profile.
    """

    kind: int
    asset_id: Any
    group: Any
    node_id: Any
    begin_hour: int
    power_kw: Any
    usual_w: Any
    low_w: Any
    high_w: Any
    is_better: Any

    def leads(self, hours: Any) -> tuple[Any, Any]:
        """Return the leads of hours, within what is known, and which are."""
        leads = hours - self.begin_hour
        is_known = (leads >= 0) & (leads < self.power_kw.shape[1])
        return np.clip(leads, 0, self.power_kw.shape[1] - 1), is_known

    def expected_w(self, rows: Any, hours: Any) -> Any:
        """Return the mean power that is expected of assets, (n, m); NaN where the profile is better."""
        leads, is_known = self.leads(hours)
        group_w = SIGNS[self.kind] * 1_000 * self.power_kw[:, leads, MEDIAN]
        sums_w = np.zeros((self.node_id.size, HOURS))
        np.add.at(sums_w, self.group, self.usual_w)
        usual_w = sums_w[:, hours % HOURS]
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = np.where(np.abs(usual_w) > 1.0, np.clip(group_w / usual_w, 0.0, 4.0), 0.0)
        factor = np.where(is_known & self.is_better[:, leads], factor, np.nan)
        return self.usual_w[rows][:, hours % HOURS] * factor[self.group[rows]]

    def margins_w(self, hours: Any) -> tuple[Any, Any]:
        """Return how far each group's lower and upper quantile are from its median, W, (n_groups, m) each."""
        leads, is_known = self.leads(hours)
        off_w = 1_000 * np.where(is_known[:, None], self.power_kw[:, leads], np.nan)
        low, high = (np.abs(off_w[:, :, n] - off_w[:, :, MEDIAN]) for n in (0, -1))
        return (high, low) if self.kind == LOAD else (low, high)


@dataclass
class HomeForecast:
    """Forecasts of the homes, refreshed once a day; :meth:`step` is called as often as the desk looks.

    Parameters
    ----------
    refresh_ns : int
        Time of day of the refresh: before the desk bids for tomorrow.
    """

    refresh_ns: int = 10 * HOUR_NS
    outlooks: dict[int, Outlook] = field(default_factory=dict)
    _due_ns: int = -1
    _work: Iterator[None] | None = None

    def step(self, homes: Homes, nodes: Nodes, weather: Mapping[str, Known], now_ns: int) -> int:
        """Do a portion of what is due.

        Parameters
        ----------
        weather : mapping of str to Known
            What others foretell of the hours; seen only as it was known when the refresh was due.

        Returns
        -------
        int
            When the refresh that has just been done was due; 0 while none has been done in this call.
        """
        due_ns = (now_ns - AFTER_NS - self.refresh_ns) // DAY_NS * DAY_NS + self.refresh_ns
        if due_ns != self._due_ns:
            self._due_ns, self._work = due_ns, self._refresh(homes, nodes, weather, due_ns)
        if self._work is None:
            return 0
        if next(self._work, self) is self:
            self._work = None
            return due_ns
        return 0

    def _refresh(
        self, homes: Homes, nodes: Nodes, weather: Mapping[str, Known], due_ns: int
    ) -> Iterator[None]:
        """Learn from the history as of a time, and replace the outlooks; empty where history is too short."""
        hours = np.arange(due_ns // HOUR_NS - SEEN_DAYS * HOURS, due_ns // HOUR_NS)
        found: dict[int, Outlook] = {}
        taken = {kind: homes.history.power_w(homes.of(kind), hours) for kind in KINDS}  # before it moves on
        ids = {kind: homes.of(kind) for kind in KINDS}
        for kind, power_w in taken.items():
            is_known = ~np.isnan(power_w)
            if is_known.any(axis=0).sum() >= LEAST_DAYS * HOURS:
                outlook = yield from self._learnt(homes, nodes, weather, due_ns, kind, ids[kind], power_w)
                found[kind] = outlook
        self.outlooks = found

    def _learnt(
        self, homes: Homes, nodes: Nodes, weather: Mapping[str, Known], due_ns: int, kind: int, ids: Any,
        power_w: Any,
    ) -> Any:  # fmt: skip
        from ringmain.vpp.advice.load_forecast import FleetForecast

        node_id, group = groups_of(nodes, homes.node_id[ids])
        begin_ns = due_ns - SEEN_DAYS * DAY_NS
        weights = np.maximum(homes.import_limit_w[ids], 1) if kind == LOAD else np.ones(ids.size)
        sums_kw = SIGNS[kind] * group_sums(power_w, group, node_id.size, weights) / 1_000
        series = [Metered(KINDS[kind], _meter(kw, begin_ns)) for kw in sums_kw]
        forecast = FleetForecast(
            series, weather, LEADS, is_global=node_id.size > 1,
            least_examples=LEAST_EXAMPLES, most_examples=MOST_EXAMPLES,
        )  # fmt: skip
        known = np.flatnonzero(~np.isnan(sums_kw).all(axis=0))
        first_ns = max(due_ns - LEARNT_DAYS * DAY_NS, begin_ns + (int(known[0]) // HOURS + 2) * DAY_NS)
        origins = np.arange(first_ns, due_ns, ORIGIN_EVERY_NS)
        for day in range(0, -(-(due_ns - first_ns) // DAY_NS), FIT_EVERY_DAYS):
            yield from forecast.fit_in_steps(first_ns + day * DAY_NS, day >= GLOBAL_FROM_DAY)
            within = (origins - first_ns) // DAY_NS // FIT_EVERY_DAYS == day // FIT_EVERY_DAYS
            for begin in origins[within][::HOURS]:
                part = origins[within & (origins >= begin) & (origins < begin + HOURS * ORIGIN_EVERY_NS)]
                forecast.run(part)
                yield
        yield from forecast.fit_in_steps(due_ns)
        best = best_medians(sums_kw, begin_ns, origins, forecast.said()[..., MEDIAN])
        power_kw = forecast.run(np.array([due_ns]))[:, 0]
        rows, leads = np.ogrid[: node_id.size, : LEADS.size]
        median_kw = forecast.said()[rows, np.maximum(best, 0), -1, leads, MEDIAN]
        power_kw = np.maximum(power_kw + (median_kw - power_kw[..., MEDIAN])[..., None], 0.0)
        usual = usual_of(power_w, homes, ids, due_ns)
        return Outlook(kind, ids, group, node_id, due_ns // HOUR_NS, power_kw, *usual, best != PROFILE)

    @property
    def count(self) -> int:
        """How many series there are forecasts of; 0: the profiles tell."""
        return sum(outlook.node_id.size for outlook in self.outlooks.values())

    # What is asked of it.

    def is_modelled(self, homes: Homes, asset_ids: Any, periods: Any) -> Any:
        """Tell which forecasts are from models, bool array of shape (n, m); the others are from profiles."""
        return ~np.isnan(self._expected(homes, asset_ids, periods))

    def foretold_w(self, homes: Homes, asset_ids: Any, periods: Any) -> Any:
        """Return what assets will run by themselves, float array of shape (n, m), W.

        Parameters
        ----------
        asset_ids : int64 array of shape (n,)
            Loads, roofs and heat stores.
        periods : int64 array of shape (m,)
            Quarter-hours since 1970.
        """
        foretold = homes.foretold_w(asset_ids, periods)
        now = homes.measured_period
        for kind, outlook in self.outlooks.items():
            rows = np.flatnonzero(np.isin(asset_ids, outlook.asset_id) & (homes.kind[asset_ids] == kind))
            ids = asset_ids[rows]
            expected = self._expected(homes, ids, periods)
            usual = np.where(np.isnan(expected), homes.mean_profile_w(ids, periods), expected)
            here = homes.profile_w(ids, np.array([now]))[:, 0]
            found = homes.fading[kind].foretold_w(periods - now, homes.power_w[ids], here, usual)
            found = np.maximum(found, 0.0) if kind == SOLAR else np.minimum(found, 0.0)
            foretold[rows] = np.where(np.isnan(found), foretold[rows], found)
        return foretold

    def margins_w(
        self, homes: Homes, hours: Any
    ) -> tuple[dict[int, tuple[Any, Any]], dict[int, tuple[Any, Any]]]:
        """Return how far what is foretold may be off, as its lower and upper tenth.

        Returns
        -------
        of sites, of groups : dicts of int to (low_w, high_w), float arrays of shape (m,), not below zero
            By node. Of kinds and of assets at a site the squares are added, as of what is independent.
        """
        sites: dict[int, Any] = {}
        groups: dict[int, Any] = {}
        for outlook in self.outlooks.values():
            of_day = np.stack([outlook.low_w, outlook.high_w], axis=1) ** 2
            node_ids, place = np.unique(homes.node_id[outlook.asset_id], return_inverse=True)
            squares = np.zeros((node_ids.size, 2, HOURS))
            np.add.at(squares, place, of_day)
            for row, node_id in enumerate(node_ids.tolist()):
                sites[node_id] = sites.get(node_id, 0.0) + squares[row][:, hours % HOURS]
            low, high = outlook.margins_w(hours)
            for row, node_id in enumerate(outlook.node_id.tolist()):
                if node_id != REST:
                    both = np.nan_to_num(np.stack([low[row], high[row]])) ** 2
                    groups[node_id] = groups.get(node_id, 0.0) + both
        return tuple(
            {node_id: (np.sqrt(both[0]), np.sqrt(both[1])) for node_id, both in found.items()}
            for found in (sites, groups)
        )  # type: ignore[return-value]

    def _expected(self, homes: Homes, asset_ids: Any, periods: Any) -> Any:
        """Return what assets are expected to run whatever they do now; NaN where profiles are better."""
        usual = np.full((len(asset_ids), len(periods)), np.nan)
        for outlook in self.outlooks.values():
            is_there = np.isin(asset_ids, outlook.asset_id) & (homes.kind[asset_ids] == outlook.kind)
            rows = np.searchsorted(outlook.asset_id, asset_ids[is_there])
            expected = outlook.expected_w(rows, periods // PERIODS_PER_HOUR)
            usual[is_there] = expected * within_hour(homes, outlook.asset_id, periods)
        return usual


def within_hour(homes: Homes, asset_ids: Any, periods: Any) -> Any:
    """Return how quarter-hours stand to their hours, by the profiles of all assets of a kind, (m,)."""
    means = np.nansum(homes.mean_profile_w(asset_ids, np.arange(PERIODS_PER_DAY)), axis=0)
    hourly = np.repeat(means.reshape(HOURS, PERIODS_PER_HOUR).mean(axis=1), PERIODS_PER_HOUR)
    with np.errstate(divide="ignore", invalid="ignore"):
        shape = np.where(np.abs(hourly) > 1.0, np.clip(means / hourly, 0.0, 4.0), 1.0)
    return shape[periods % PERIODS_PER_DAY]


def groups_of(nodes: Nodes, node_ids: Any) -> tuple[Any, Any]:
    """Return the groups that assets at some nodes are forecast in: their feeders, where those are large.

    Returns
    -------
    node_id : int64 array of shape (n_groups,)
        The node right below the fleet; REST, for all others, comes first if there are any.
    group : int64 array of shape (n,)
    """
    tops = {}
    for below in np.unique(node_ids).tolist():
        node_id = below
        while (parent_id := nodes.parent_id(node_id)) != 0:
            node_id = parent_id
        tops[below] = node_id
    top = np.array([tops[node_id] for node_id in node_ids.tolist()], np.int64)
    found, counts = np.unique(top, return_counts=True)
    large = found[counts >= LEAST_MEMBERS]
    if large.size > GROUPS:
        large = np.sort(large[np.argsort(-counts[counts >= LEAST_MEMBERS], kind="stable")[: GROUPS - 1]])
    return np.unique(np.where(np.isin(top, large), top, REST), return_inverse=True)


def group_sums(power_w: Any, group: Any, n_groups: int, weights: Any) -> Any:
    """Return each group's power by hour; those that are unknown in an hour are as the others of the group.

    Parameters
    ----------
    power_w : float32 array of shape (n, n_hours)
    group : int64 array of shape (n,)
    weights : float array of shape (n,)
        What each may be expected to run, beside the others.

    Returns
    -------
    float64 array of shape (n_groups, n_hours)
        NaN where less than LEAST_KNOWN of a group is known.
    """
    is_known = ~np.isnan(power_w)
    sums, known = np.zeros((2, n_groups, power_w.shape[1]))
    np.add.at(sums, group, np.nan_to_num(power_w).astype(float))
    np.add.at(known, group, is_known * weights[:, None])
    share = known / np.bincount(group, weights, n_groups)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(share >= LEAST_KNOWN, sums / share, np.nan)


def usual_of(power_w: Any, homes: Homes, ids: Any, due_ns: int) -> tuple[Any, Any, Any]:
    """Return each asset's mean by hour of the day, and how far the lower and upper tenth are from it.

    An hour of which nothing is known is as the profile has it.

    Parameters
    ----------
    power_w : float32 array of shape (n, n_hours)
        Up to `due_ns`.
    """
    days = power_w[:, -USUAL_DAYS * HOURS :].reshape(len(ids), USUAL_DAYS, HOURS)
    days = np.roll(days, due_ns // HOUR_NS % HOURS, axis=2).astype(float)  # each begins at midnight
    profile = np.nan_to_num(homes.mean_profile_w(ids, np.arange(PERIODS_PER_DAY)))
    profile = profile.reshape(len(ids), HOURS, PERIODS_PER_HOUR).mean(axis=2)
    means = mean_known(days, axis=1)
    means = np.where(np.isnan(means), profile, means)
    off = np.where(np.isnan(days), 0.0, days - means[:, None])  # what is unknown makes no margin wider
    low, high = np.quantile(off, (QUANTILES[0], QUANTILES[-1]), axis=1)
    return means, np.minimum(low, 0.0), np.maximum(high, 0.0)


def best_medians(sums_kw: Any, begin_ns: int, origins: Any, median_kw: Any) -> Any:
    """Return whose median was off by least, (n_groups, n_leads): PROFILE, or a place among CANDIDATES.

    All are judged on the same origins, by group and group of leads; none had seen the hours. The profile is
    listened to unless another is off by less than WORTH_MORE of what it is off by.

    Parameters
    ----------
    sums_kw : float array of shape (n_groups, n_hours)
        From `begin_ns` on.
    median_kw : float array of shape (n_groups, len(CANDIDATES), n_origins, n_leads)
    """
    hours = ((origins - begin_ns) // HOUR_NS)[:, None] + LEADS
    last = sums_kw.shape[1] - 1
    actual = np.where(hours <= last, sums_kw[:, np.minimum(hours, last)], np.nan)
    profile = profiles_of(sums_kw)[:, np.minimum(hours - (LEADS // HOURS + 1) * HOURS, last)]
    off = np.abs(np.concatenate([profile[:, None], median_kw], axis=1) - actual[:, None])
    off = np.where(np.isnan(off).any(axis=1, keepdims=True), 0.0, off)
    off[:, 0] *= WORTH_MORE
    found = np.zeros((sums_kw.shape[0], LEADS.size), np.int64)
    for lead in np.unique(lead_group(LEADS)).tolist():
        leads = lead_group(LEADS) == lead
        found[:, leads] = off[..., leads].sum(axis=(2, 3)).argmin(axis=1)[:, None] - 1
    return found


def profiles_of(sums_kw: Any) -> Any:
    """Return what profiles would have become after each hour of a course, float array of its shape."""
    found = sums_kw.copy()
    for hour in range(HOURS, sums_kw.shape[1]):
        before, now = found[:, hour - HOURS], sums_kw[:, hour]
        learnt = np.where(np.isnan(before), now, before + LEARNING * (now - before))
        found[:, hour] = np.where(np.isnan(now), before, learnt)
    return found


def _meter(kw: Any, begin_ns: int) -> Known:
    """Return a group's hours as a series in which each is known when it is over."""
    series, start_ns = Known(), begin_ns + np.arange(kw.size) * HOUR_NS
    is_known = ~np.isnan(kw)
    series.add(start_ns[is_known], np.maximum(kw[is_known], 0.0), start_ns[is_known] + HOUR_NS)
    return series
