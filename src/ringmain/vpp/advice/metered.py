"""What the forecasts of loads and roofs read: calendar, weather and lags, each as of the forecast's origin.

An *origin* is the start of the first hour that is not metered yet; a *lead* of n is the hour that begins
n hours after it. Features of many origins are computed at once, and yet each sees only what was known at
its own origin, because everything is looked up in :class:`Known`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ringmain.vpp.advice.forecast import DAY_NS, HOUR_NS, HOURS
from ringmain.vpp.advice.known import Known

LOAD, SOLAR, INTENSITY = "load", "solar", "intensity"
DAYS = 14  # of the same hour, that are looked at
WEEKS = 4
FADE = {1: 0.6, 3: 0.85}  # an hour, of what is off: trees find products hard
LEAST_USUAL = 0.05  # of the scale: less is no denominator
LEAST_SCALE = 0.05  # a home that draws next to nothing is not blown up to a mean of one

CALENDAR = ("lead", "hour", "weekday", "is_weekend", "season_sin", "season_cos")
LAGS = ("last", "last_3", "last_24")
OFF_HOURS = (1, 3, 6, 24)  # by how much the last hours were off from what is usual, in the mean
SAME_HOUR = ("day_1", "day_2", "day_3", "mean_7", "mean_14", "most_14", "weekday_4", "neighbours_7")


@dataclass(frozen=True)
class Metered:
    """A load or roof with its meter.

    Parameters
    ----------
    kind : str
        LOAD, SOLAR, or INTENSITY for a series of another unit that is forecast alike.
    meter : Known
        Mean power of each hour, kW, by the hour's start.
    peak_kw : float
        What a roof's panels give at most; 0 where it isn't known: its own mean is then the scale.
    """

    kind: str
    meter: Known
    peak_kw: float = 0.0


@dataclass(frozen=True)
class Features:
    """Features of one series, for many origins and leads.

    Parameters
    ----------
    x : float32 array of shape (n_origins, n_leads, n_features)
        Powers as shares of the scale; NaN where something is unknown.
    scale_kw : float64 array of shape (n_origins,)
    names : tuple of str
    origin_ns : int64 array of shape (n_origins,)
    leads : int64 array of shape (n_leads,)
    """

    x: Any
    scale_kw: Any
    names: tuple[str, ...]
    origin_ns: Any
    leads: Any
    is_solar: bool

    @property
    def target_ns(self) -> Any:
        """Return the starts of the hours that are forecast, int64 array of shape (n_origins, n_leads)."""
        return self.origin_ns[:, None] + self.leads * HOUR_NS

    def column(self, name: str) -> Any:
        """Return one feature, array of shape (n_origins, n_leads)."""
        return self.x[..., self.names.index(name)]

    def part(self, origins: Any) -> "Features":
        """Return the features of some of the origins."""
        return replace(
            self, x=self.x[origins], scale_kw=self.scale_kw[origins], origin_ns=self.origin_ns[origins]
        )


def features(
    metered: Metered, weather: Mapping[str, Known], origin_ns: Sequence[int] | Any, leads: Any
) -> Features:
    """Return what is known at each origin about the hours that follow.

    Parameters
    ----------
    weather : mapping of str to Known
        By what is measured or forecast. An hour that is not known yet is taken to be as the day before.
    origin_ns : int64 array of shape (n_origins,)
    leads : int64 array of shape (n_leads,)
        Hours after the origin.
    """
    origin_ns, leads = np.asarray(origin_ns, np.int64), np.asarray(leads, np.int64)
    same_hour = _same_hours(metered.meter, origin_ns, leads)
    recent = metered.meter.at(origin_ns[:, None] - np.arange(1, HOURS + 1) * HOUR_NS, origin_ns[:, None])
    scale_kw = _scale(metered, same_hour, recent)
    shape = (origin_ns.size, leads.size)
    columns = dict(zip(CALENDAR, _calendar(origin_ns, leads), strict=True))
    columns |= _lag_columns(metered.meter, origin_ns, recent, scale_kw)
    columns |= {f"carried_{hours}": columns[f"off_{hours}"] * FADE[hours] ** (leads + 1) for hours in FADE}
    for name, values in _same_hour_columns(metered.meter, origin_ns, leads, same_hour).items():
        columns[name] = values / scale_kw[:, None]
    for name, series in weather.items():
        columns |= _weather_columns(name, series, origin_ns, leads)
    x = np.stack([np.broadcast_to(column, shape) for column in columns.values()], axis=-1)
    return Features(x.astype(np.float32), scale_kw, tuple(columns), origin_ns, leads, metered.kind == SOLAR)


def _calendar(origin_ns: Any, leads: Any) -> tuple[Any, ...]:
    start_ns = origin_ns[:, None] + leads * HOUR_NS
    weekday = (start_ns // DAY_NS + 3) % 7  # 1970 began on a Thursday
    angle = 2 * np.pi * (start_ns / DAY_NS / 365.25)
    hour = start_ns % DAY_NS // HOUR_NS
    return leads[None], hour, weekday, weekday >= 5, np.sin(angle), np.cos(angle)


def _same_hours(meter: Known, origin_ns: Any, leads: Any) -> Any:
    """Return the last DAYS days' values of each wanted hour that may be metered: (origins, leads, DAYS)."""
    days = leads[:, None] // HOURS + np.arange(1, DAYS + 1)
    start_ns = origin_ns[:, None, None] + leads[:, None] * HOUR_NS - days * DAY_NS
    return meter.at(start_ns, origin_ns[:, None, None])


def _scale(metered: Metered, same_hour: Any, recent: Any) -> Any:
    if metered.peak_kw:
        return np.full(same_hour.shape[0], metered.peak_kw)
    of_days = np.concatenate([same_hour.reshape(same_hour.shape[0], -1), recent], axis=1)
    return np.maximum(np.nan_to_num(mean_known(of_days, axis=1), nan=1.0), LEAST_SCALE)


def _lag_columns(meter: Known, origin_ns: Any, recent: Any, scale_kw: Any) -> dict[str, Any]:
    """Return the last values, how far they are off from the mean of seven days, and that as a share of it."""
    ages = np.arange(1, HOURS + 1)[:, None] * HOUR_NS + np.arange(1, 8) * DAY_NS
    usual = mean_known(meter.at(origin_ns[:, None, None] - ages, origin_ns[:, None, None]), axis=2)
    means = recent[:, 0], mean_known(recent[:, :3], axis=1), mean_known(recent, axis=1)
    columns = {name: mean / scale_kw for name, mean in zip(LAGS, means, strict=True)}
    for hours in OFF_HOURS:
        off_kw = mean_known(recent[:, :hours] - usual[:, :hours], axis=1)
        usual_kw = mean_known(usual[:, :hours], axis=1)
        columns[f"off_{hours}"] = off_kw / scale_kw
        columns[f"off_share_{hours}"] = off_kw / np.maximum(usual_kw, LEAST_USUAL * scale_kw)
    return {name: column[:, None] for name, column in columns.items()}


def _same_hour_columns(meter: Known, origin_ns: Any, leads: Any, same_hour: Any) -> dict[str, Any]:
    weeks = np.maximum(1, -(-(leads[:, None] // HOURS + 1) // 7)) + np.arange(WEEKS)
    week_ns = origin_ns[:, None, None] + leads[:, None] * HOUR_NS - weeks * 7 * DAY_NS
    like_days = mean_known(meter.at(week_ns, origin_ns[:, None, None]), axis=2)
    week = mean_known(same_hour[..., :7], axis=2)
    around = np.stack([np.roll(week, -1, axis=1), np.roll(week, 1, axis=1)])
    return dict(zip(SAME_HOUR, (
        same_hour[..., 0], same_hour[..., 1], same_hour[..., 2], week, mean_known(same_hour, axis=2),
        np.fmax.reduce(same_hour, axis=2), like_days, mean_known(around, axis=0),
    ), strict=True))  # fmt: skip


def _weather_columns(name: str, series: Known, origin_ns: Any, leads: Any) -> dict[str, Any]:
    """Return a forecast of the wanted hour, and by how much it is above the last 24 hours."""
    nows = origin_ns[:, None]
    start_ns = nows + leads * HOUR_NS
    value = series.at(start_ns, nows)
    for days in (1, 2):
        value = np.where(np.isnan(value), series.at(start_ns - days * DAY_NS, nows), value)
    day_ns = nows - np.arange(1, HOURS + 1) * HOUR_NS
    last_day = mean_known(series.at(day_ns, nows), axis=1)[:, None]
    return {name: value, f"{name}_off": value - last_day}


def mean_known(values: Any, axis: int) -> Any:
    """Return the mean of what isn't NaN, NaN where nothing is."""
    is_known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(is_known, values, 0.0).sum(axis=axis) / is_known.sum(axis=axis)
