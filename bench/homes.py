"""Five real homes through a year: what their batteries save, scored as in the CityLearn challenge 2022.

The score is the mean of two ratios to a year without control, lower is better. Price: what all homes draw
together, an hour at a time and not below zero, at the tariff. Emissions: what each home draws, not below 0,
at the grid's intensity. The control is causal: each hour is decided on what was known when it began; load and
sun of the hour itself are not. Its forecasts are fitted on the days before each fit alone.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.figures import Row, row
from bench.home_data import HomeYear, read
from bench.home_lp import clairvoyant
from ringmain.vpp.advice.forecast import HOUR_NS, HOURS
from ringmain.vpp.advice.home_battery import home_batteries, run_hour
from ringmain.vpp.advice.home_control import SCENARIOS, HomeControl, safe_rule, scenarios
from ringmain.vpp.advice.known import Known
from ringmain.vpp.advice.load_forecast import FleetForecast, backtest
from ringmain.vpp.advice.local_model import QUANTILES

YEAR_DAYS = 365
MEDIAN = QUANTILES.index(0.5)
FIRST_SHARES = (1.0, 0.5)  # of price and emissions to each other, while no day is over
Decide = Callable[[int, Any, Any], Any]


def run(scale: float = 1.0) -> list[Row]:
    """Score a year of control, or the first part of it, beside the hand rule and the plan that knows all."""
    year = read(max(4, round(YEAR_DAYS * scale)) * HOURS)
    ours, rule, known = (
        walk(year, decide) for decide in (causal(year, *net_forecasts(year)), hand_rule(year), foreseen(year))
    )
    names = ("score", "price", "emissions")
    peers = (("the hand rule", rule), ("clairvoyant LP", known), ("no control", year.net_kwh))
    rows = [
        row(f"homes, {name}, causal control", [value], "of no control", peer, [score(year, theirs)[i]])
        for peer, theirs in peers
        for i, (name, value) in enumerate(zip(names, score(year, ours), strict=True))
    ]
    for home in range(year.net_kwh.shape[0]):
        value, theirs = (score(year, net, home)[0] for net in (ours, known))
        rows.append(
            row(f"home {home + 1} alone, score", [value], "of no control", "clairvoyant LP", [theirs])
        )
    return rows


def score(year: HomeYear, net_kwh: Any, home: int | None = None) -> tuple[float, float, float]:
    """Return the mean of both ratios, price and emissions, of all homes or as if one were alone."""
    kept = slice(None) if home is None else slice(home, home + 1)

    def totals(net: Any) -> Any:
        return np.array([
            np.maximum(net[kept].sum(axis=0) * year.price, 0).sum(),
            np.maximum(net[kept] * year.carbon_kg, 0).sum(),
        ])  # fmt: skip

    price, emissions = totals(net_kwh) / totals(year.net_kwh)
    return float((price + emissions) / 2), float(price), float(emissions)


def walk(year: HomeYear, decide: Decide) -> Any:
    """Run the batteries through the year; return what the homes draw, (n, n_hours), kWh.

    As in the challenge, the first hour has no control.

    Parameters
    ----------
    decide : callable
        Of the hour's number, the batteries, and what the homes drew without them before it; returns what each
        is to take in, kWh.
    """
    batteries = home_batteries(year.capacity_kwh, year.nominal_kw)
    net_kwh, moved_kwh = year.net_kwh.copy(), np.zeros(batteries.size)
    for hour in range(1, net_kwh.shape[1]):
        run_hour(batteries, decide(hour, batteries, year.net_kwh[:, :hour]), moved_kwh)
        net_kwh[:, hour] += moved_kwh
    return net_kwh


# What knows the past alone.


def net_forecasts(year: HomeYear) -> tuple[Any, Any]:
    """Return what each hour's forecasts say of the next 24: the homes' net draw, and the intensity.

    Returns
    -------
    float64 array of shape (n, n_origins, 24), kWh
        The first origin is the second hour of the data.
    float64 array of shape (n_origins, 24), kg/kWh
    """
    origins, leads = year.hour_ns[1:], np.arange(HOURS)
    load = backtest(FleetForecast(year.loads, year.weather, leads), origins)
    sun = backtest(FleetForecast(year.roofs, year.weather, leads), origins)
    carbon = backtest(FleetForecast([year.carbon], {}, leads, is_global=False), origins)
    net = load[..., MEDIAN].astype(float) - sun[..., MEDIAN]
    return net, carbon[0, ..., MEDIAN].astype(float)


def causal(year: HomeYear, net_kwh: Any, carbon_kg: Any) -> Decide:
    """Return the control by scenarios; until there are enough, the safe rule."""
    errors = _errors(year, net_kwh)
    control: list[HomeControl] = []

    def decide(hour: int, batteries: Any, past_kwh: Any) -> Any:
        control[:] = control or [HomeControl(batteries)]
        hours = min(HOURS, year.price.size - hour)
        now_ns = int(year.hour_ns[hour])
        days = hour - 1 - HOURS * np.arange(1, SCENARIOS + 1)
        drawn = scenarios(net_kwh[:, hour - 1, :hours], errors[:, days[days >= 0], :hours])
        price = tariff_ahead(year.tariff, now_ns, hours)
        if drawn is None:
            return safe_rule(past_kwh[:, -1], price[0], price.mean())
        whole = _totals(year, past_kwh)
        return control[0].decide(drawn, price / whole[0] / 2, carbon_kg[hour - 1, :hours] / whole[1] / 2)

    return decide


def tariff_ahead(tariff: Known, now_ns: int, hours: int) -> Any:
    """Return the tariff as it is known ahead; hours of which nothing was said are as the day before."""
    start_ns = now_ns + np.arange(hours) * HOUR_NS
    price = tariff.at(start_ns, now_ns)
    price = np.where(np.isnan(price), tariff.at(start_ns - HOURS * HOUR_NS, now_ns), price)
    return np.where(np.isnan(price), tariff.at(now_ns - HOUR_NS, now_ns), price)


def _errors(year: HomeYear, net_kwh: Any) -> Any:
    """Return by how much each forecast was off; whoever reads it takes only what is over."""
    hours = np.arange(net_kwh.shape[1])[:, None] + 1 + np.arange(HOURS)
    actual = np.where(
        hours < year.price.size, year.net_kwh[:, np.minimum(hours, year.price.size - 1)], np.nan
    )
    return actual - net_kwh


def _totals(year: HomeYear, past_kwh: Any) -> tuple[float, float]:
    """Return what the past cost and emitted without control, the weights of the two."""
    hours = past_kwh.shape[1]
    if hours < HOURS:
        return FIRST_SHARES
    price = np.maximum(past_kwh.sum(axis=0) * year.price[:hours], 0).sum()
    return float(price), float(np.maximum(past_kwh * year.carbon_kg[:hours], 0).sum())


def hand_rule(year: HomeYear) -> Decide:
    """Return a rule as one would set it by hand: store the surplus, give it in the tariff's dear hours."""

    def decide(hour: int, batteries: Any, past_kwh: Any) -> Any:
        price = tariff_ahead(year.tariff, int(year.hour_ns[hour]), HOURS)
        return safe_rule(past_kwh[:, -1], price[0], price.mean())

    return decide


# What knows all.


def foreseen(year: HomeYear) -> Decide:
    """Return the plan of a linear programme over the year's true loads, sun, tariff and intensity."""
    price, emissions = _totals(year, year.net_kwh)
    wanted = np.zeros(year.net_kwh.shape)
    wanted[:, 1:] = clairvoyant(
        year.net_kwh[:, 1:], year.price[1:] / price / 2, year.carbon_kg[1:] / emissions / 2,
        year.capacity_kwh, year.nominal_kw,
    )  # fmt: skip
    return lambda hour, batteries, past_kwh: wanted[:, hour]
