"""A backtest of forecasts and of what a battery earns by them; nothing is used before it was known."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ringmain.vpp.advice.forecast import DAY_NS, HOUR_NS, HOURS
from ringmain.vpp.advice.known import Known
from ringmain.vpp.advice.price_forecast import (
    LEAST_DAYS,
    MOST_DAYS,
    SCENARIO_DAYS,
    Errors,
    ModelForecast,
    pinball_ticks,
)
from ringmain.vpp.advice.price_table import PriceTable, table_as_of
from ringmain.vpp.advice.profiles import accepted, choose_profiles
from ringmain.vpp.advice.store import StorePlanner, store_limits

DECISION_NS = -13 * HOUR_NS  # of the day that is bid for: 11:00 the day before
SHARES = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
NAIVE_LAGS = {"yesterday's prices": 1, "last week's prices": 7}
MEAN, SPREAD, PERFECT = "mean of the forecast", "spread of the forecast", "perfect foresight"
MODEL = "forecast"


@dataclass(frozen=True)
class Inputs:
    """What the backtest may know, each with when.

    Parameters
    ----------
    prices : Known
        Ticks, by start of hour.
    inputs : dict of str to Known
    peers : dict of str to Known
        Forecasts that others have made, ticks.
    """

    prices: Known
    inputs: Mapping[str, Known] = field(default_factory=dict)
    peers: Mapping[str, Known] = field(default_factory=dict)


@dataclass(frozen=True)
class DayTold:
    """One day: what was foretold, what came, and what a battery of 1 MW earned.

    Parameters
    ----------
    day : int
        By its number since 1970.
    price_ticks : float64 array of shape (24,)
        As it is known now; not a number where there is none.
    forecasts : dict of str to float64 array of shape (24,)
        Ticks, by what made them; MODEL is this project's.
    quantiles : float64 array of shape (len(SHARES), 24)
    earned_eur : dict of str to float
        By what was acted on, and by each forecast's name.
    """

    day: int
    price_ticks: Any
    forecasts: Mapping[str, Any]
    quantiles: Any
    earned_eur: Mapping[str, float]


def walk(
    known: Inputs, first_day: int, n_days: int, hours: float = 2.0, round_trip: float = 0.9
) -> Iterator[DayTold]:
    """Live through the days in order, bidding for each at DECISION_NS with what was known by then.

    Days without any price are passed over. Up to SCENARIO_DAYS days before the first are forecast too, so
    that there are errors to draw scenarios from; they are not reported.

    Parameters
    ----------
    hours : float
        Energy of the battery in hours at full power; it begins each day empty.
    round_trip : float
        Share of the energy taken that it gives back.
    """
    model, errors = ModelForecast(), Errors()
    store = StorePlanner(store_limits(1e6, hours, round_trip), HOURS)
    for day in range(first_day - SCENARIO_DAYS, first_day + n_days):
        table = table_as_of(known.prices, known.inputs, day, day * DAY_NS + DECISION_NS, MOST_DAYS)
        price_ticks = known.prices.at(starts_of(day), np.iinfo(np.int64).max)
        forecast = None if table is None else model.forecast(table)
        if table is None or forecast is None or np.isnan(price_ticks).all():
            continue
        if day >= first_day:
            forecasts = {MODEL: forecast, **naive(table), **peers_of(known, day)}
            earned = earn(store, forecasts, errors.scenarios(forecast), price_ticks)
            quantiles = errors.quantiles(forecast, SHARES)
            yield DayTold(day, price_ticks, forecasts, quantiles, earned)
        errors.learn(forecast, price_ticks)


def starts_of(day: int) -> Any:
    """Return the starts of a day's hours, int64 array of shape (24,), nanoseconds."""
    return day * DAY_NS + np.arange(HOURS) * HOUR_NS


def naive(table: PriceTable) -> dict[str, Any]:
    """Return forecasts that repeat a day."""
    return {name: table.price_ticks[-1 - lag] for name, lag in NAIVE_LAGS.items() if table.n_days > lag}


def peers_of(known: Inputs, day: int) -> dict[str, Any]:
    """Return the others' forecasts of a day, those that are whole."""
    told = {name: peer.at(starts_of(day), day * DAY_NS + DECISION_NS) for name, peer in known.peers.items()}
    return {name: prices for name, prices in told.items() if not np.isnan(prices).any()}


def earn(
    store: StorePlanner, forecasts: Mapping[str, Any], scenarios: Any, price_ticks: Any
) -> dict[str, float]:
    """Return what each way of acting earned on a day, EUR; an hour without a price can't be traded."""
    real_ticks = np.nan_to_num(price_ticks)
    eur = 1e-8 * real_ticks  # Wh x ticks: 0.01 EUR/MWh
    plans = {name: store.plan(prices, 0.0) for name, prices in forecasts.items()}
    candidates = np.array([plans[MODEL], *(store.plan(prices, 0.0) for prices in scenarios)])
    offered = candidates[choose_profiles(candidates, scenarios)]
    place = accepted(offered, real_ticks)
    earned = {name: float(plan @ eur) for name, plan in plans.items() if name != MODEL}
    earned[MEAN] = float(plans[MODEL] @ eur)
    earned[SPREAD] = float(offered[place] @ eur) if place >= 0 else 0.0
    earned[PERFECT] = float(store.plan(real_ticks, 0.0) @ eur)
    return earned


def figures(days: Sequence[DayTold]) -> list[dict[str, Any]]:
    """Return the figures of a backtest, as the benches give theirs."""
    if not days:
        return []
    rows = []
    for name in days[0].forecasts:
        told = [day for day in days if name in day.forecasts]
        misses = np.array([day.price_ticks - day.forecasts[name] for day in told])
        rows.append(
            _row(f"mean absolute error, {name}", float(np.nanmean(np.abs(misses))) / 100, "EUR/MWh", told)
        )
        taus = [rank_correlation(day.forecasts[name], day.price_ticks) for day in told]
        rows.append(_row(f"rank correlation, {name}", float(np.mean(taus)), "Kendall's tau", told))
    rows += _calibration(days)
    for name in days[0].earned_eur:
        told = [day for day in days if name in day.earned_eur]
        perfect = sum(day.earned_eur[PERFECT] for day in told)
        earned = sum(day.earned_eur[name] for day in told)
        share = 100 * earned / perfect if perfect > 0 else float("nan")
        rows.append(_row(f"share of perfect foresight, acting on {name}", share, "%", told))
    return rows


def _calibration(days: Sequence[DayTold]) -> list[dict[str, Any]]:
    rows = []
    for low, high in ((0, -1), (1, -2)):
        percent = 100 * float(np.nanmean(within(days, low, high)))
        rows.append(_row(f"prices within the {SHARES[high] - SHARES[low]:.0%} band", percent, "%", days))
    losses = [pinball_ticks(day.price_ticks, day.quantiles, SHARES) for day in days]
    rows.append(_row("mean pinball loss", float(np.mean(losses)) / 100, "EUR/MWh", days))
    return rows


def within(days: Sequence[DayTold], low: int, high: int) -> Any:
    """Return the share of prices between two of SHARES's quantiles, by hour, float64 array of shape (24,)."""
    prices, bands = np.array([day.price_ticks for day in days]), np.array([day.quantiles for day in days])
    is_within = (prices >= bands[:, low]) & (prices <= bands[:, high])
    known = ~np.isnan(prices)
    return np.where(
        known.any(axis=0), (is_within & known).sum(axis=0) / np.maximum(known.sum(axis=0), 1), np.nan
    )


def _row(figure: str, value: float, unit: str, days: Sequence[DayTold]) -> dict[str, Any]:
    return {"figure": figure, "value": value, "unit": unit, "days": len(days)}


def rank_correlation(one: Any, other: Any) -> float:
    """Return Kendall's tau of two courses: of all pairs of hours, those in the same order less the others."""
    is_known = ~np.isnan(other)
    one, other = one[is_known], other[is_known]
    pairs = np.triu_indices(one.size, 1)
    same = np.sign(one[pairs[0]] - one[pairs[1]]) * np.sign(other[pairs[0]] - other[pairs[1]])
    return float(same.mean()) if same.size else 0.0


def least_first_day(prices: Known) -> int | None:
    """Return the first day that has enough days before it to be forecast, or None without any price."""
    start_ns, _ = prices.as_of(np.iinfo(np.int64).max)
    return int(start_ns[0]) // DAY_NS + LEAST_DAYS + 1 if start_ns.size else None
