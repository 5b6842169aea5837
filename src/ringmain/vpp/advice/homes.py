"""What the homes beside their batteries are to do: baselines of what runs by itself, plans for cars and heat.

A site's baseline is what its loads and roofs are foretold to run, what its heat stores draw if they draw what
they are drained of, and what its cars would draw if they were charged at once. The plan charges each car in
the cheapest hours before it leaves, lets those that can give do so where it pays, and runs each heat store in
the cheapest hours that keep it within comfort; the difference between the two is what the fleet trades.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ringmain.vpp.advice.cars import Limits, plan_two_way
from ringmain.vpp.advice.forecast import HOUR_NS, Prices
from ringmain.vpp.advice.heat import plan_heat
from ringmain.vpp.advice.home_forecast import HomeForecast
from ringmain.vpp.advice.parts import WHOLE, Part
from ringmain.vpp.home_views import RUNS_BY_ITSELF, Car, Homes
from ringmain.vpp.loop_messages import SubmitBaseline
from ringmain.vpp.messages import CHARGER, SubmitPlan
from ringmain.vpp.state import PERIOD_NS, SECOND_NS

BASELINE_PERIODS = 3  # so many quarter-hours ahead, until they are said anew
PERIODS_PER_HOUR = HOUR_NS // PERIOD_NS


def baselines(homes: Homes, now_ns: int, forecast: HomeForecast | None = None) -> Any:
    """Return what each site would run by itself in the next quarter-hours that have not begun.

    Parameters
    ----------
    forecast : HomeForecast, optional
        Without it, or where it has nothing better, the profiles tell.

    Returns
    -------
    array of shape (n * BASELINE_PERIODS,), SubmitBaseline
    """
    periods = np.arange(1, BASELINE_PERIODS + 1) + now_ns // PERIOD_NS
    ids = homes.of(*RUNS_BY_ITSELF)
    sites, place = np.unique(np.concatenate([homes.node_id[ids], homes.node_id[homes.of(CHARGER)]]),
                             return_inverse=True)  # fmt: skip
    power_w = np.zeros((sites.size, periods.size))
    if ids.size:
        np.add.at(power_w, place[: ids.size], foretold_w(homes, ids, periods, forecast))
    for row, asset_id in zip(place[ids.size :].tolist(), homes.of(CHARGER).tolist(), strict=True):
        for car in homes.cars.get(asset_id, ()):
            power_w[row] += homes.charging_w(car, periods)
    commands = np.zeros(power_w.size, SubmitBaseline.dtype)
    SubmitBaseline.stamp(commands)
    commands["site_id"] = np.repeat(sites, periods.size)
    commands["power_w"] = np.rint(power_w).ravel()
    commands["delivery_start_ns"] = np.tile(periods * PERIOD_NS, sites.size)
    commands["delivery_duration_s"] = PERIOD_NS // SECOND_NS
    return commands


def foretold_w(homes: Homes, asset_ids: Any, periods: Any, forecast: HomeForecast | None) -> Any:
    """Return what assets will run by themselves, by the forecast if there is one; float array, (n, m)."""
    if forecast is None:
        return homes.foretold_w(asset_ids, periods)
    return forecast.foretold_w(homes, asset_ids, periods)


@dataclass(frozen=True)
class HomePlans:
    """Plans of cars and heat stores over the same hours.

    Parameters
    ----------
    asset_id : int64 array of shape (n,)
    power_w : int64 array of shape (n, n_hours)
    shifted_w : int64 array of shape (4 * n_hours,)
        By quarter-hour, what they will draw less than they would by themselves; this is traded.
    missing_wh : dict of int to int
        By charger, what a car will lack when it leaves, whatever is done.
    """

    asset_id: Any
    power_w: Any
    shifted_w: Any
    missing_wh: dict[int, int]

    def commands(self, start_ns: int, standing_w: Any) -> Any:
        """Return the plans of hours that differ from what stands, array of shape (m,), SubmitPlan.

        Parameters
        ----------
        standing_w : int64 array of shape (n, 4 * n_hours)
        """
        wanted_w = np.repeat(self.power_w, PERIODS_PER_HOUR, axis=1)
        differs = (wanted_w != standing_w).reshape(*self.power_w.shape, PERIODS_PER_HOUR).any(axis=2)
        rows, hours = np.nonzero(differs)
        commands = np.zeros(rows.size, SubmitPlan.dtype)
        SubmitPlan.stamp(commands)
        commands["asset_id"] = self.asset_id[rows]
        commands["power_w"] = self.power_w[rows, hours]
        commands["delivery_start_ns"] = start_ns + hours * HOUR_NS
        commands["delivery_duration_s"] = HOUR_NS // SECOND_NS
        return commands


def plan_homes(
    homes: Homes, start_ns: int, price_ticks: Prices, next_ticks: Prices, part: Part = WHOLE,
    limits: Limits | None = None,
) -> HomePlans:  # fmt: skip
    """Plan cars and heat stores; the other parameters are those of :func:`plan_cars`.

    What is not in the part is to run as it would by itself, and nothing of it is traded.
    """
    cars = plan_cars(homes, start_ns, price_ticks, next_ticks, part, limits)
    stores, power_w = plan_heat(homes, start_ns, price_ticks, next_ticks)
    demand_w = homes.heat_demand_w(stores, np.arange(len(price_ticks)) + start_ns // HOUR_NS)
    is_alone = ~part.is_in[homes.node_id[stores]]
    power_w[is_alone] = -np.rint(demand_w[is_alone]).astype(np.int64)
    shifted_w = power_w[~is_alone].sum(axis=0) + demand_w[~is_alone].sum(axis=0)
    return HomePlans(
        np.concatenate([cars.asset_id, stores]),
        np.concatenate([cars.power_w, power_w]),
        cars.shifted_w + np.rint(np.repeat(shifted_w, PERIODS_PER_HOUR)).astype(np.int64),
        cars.missing_wh,
    )


def plan_cars(
    homes: Homes, start_ns: int, price_ticks: Prices, next_ticks: Prices, part: Part = WHOLE,
    limits: Limits | None = None,
) -> HomePlans:  # fmt: skip
    """Charge each car in the cheapest hours that are left to it, as far as can be; others at once.

    A car at a charger that can give is planned as a store: it gives in dear hours what it takes back before
    it leaves, if that pays after wear.

    Parameters
    ----------
    start_ns : int
        Start of the first hour of `price_ticks`.
    next_ticks : int64 array of shape (n,)
        What the hours after them are taken to cost: a car that stays longer may wait for those.
    part : Part
        Whose cars wait.
    limits : Limits, optional
        Of the nodes above the cars, which those that give keep to.
    """
    chargers, ahead_ticks = homes.of(CHARGER), np.concatenate([price_ticks, next_ticks])
    power_w = np.zeros((chargers.size, len(price_ticks)), np.int64)
    periods = np.arange(len(price_ticks) * PERIODS_PER_HOUR) + start_ns // PERIOD_NS
    by_itself_w = np.zeros(periods.size, np.int64)
    missing_wh: dict[int, int] = {}
    two_way: dict[int, Car] = {}
    waits, at_once = part.is_in[homes.node_id[chargers]], np.zeros_like(ahead_ticks)
    for row, asset_id in enumerate(chargers.tolist()):
        for car in homes.cars.get(asset_id, ()) if waits[row] else ():
            by_itself_w += homes.charging_w(car, periods)
        if cars := [car for car in homes.cars.get(asset_id, ()) if not car.unplugged_ns]:
            if waits[row] and homes.export_limit_w[asset_id] > 0 and cars[-1].start_wh >= 0:
                two_way[row] = cars[-1]
                continue
            drawn_w = np.zeros(len(ahead_ticks), np.int64)
            lacking = charge(homes, cars[-1], start_ns, ahead_ticks if waits[row] else at_once, drawn_w)
            power_w[row] = drawn_w[: len(price_ticks)]
            if lacking > 0:
                missing_wh[asset_id] = lacking
    lacking_wh = plan_two_way(
        homes, list(two_way.values()), start_ns, price_ticks, ahead_ticks, limits, power_w, list(two_way)
    )
    missing_wh |= {int(chargers[row]): wh for row, wh in zip(two_way, lacking_wh, strict=True) if wh > 0}
    planned_w = np.repeat(power_w[waits].sum(axis=0), PERIODS_PER_HOUR)
    return HomePlans(chargers, power_w, planned_w - by_itself_w, missing_wh)


def charge(homes: Homes, car: Car, start_ns: int, price_ticks: Prices, power_w: Any) -> int:
    """Write a car's charging into the cheapest hours before it leaves; return the Wh that it will lack."""
    if car.start_wh < 0:
        return 0
    efficiency = max(1, int(homes.efficiency_permille[car.asset_id]))
    needed_wh = max(0, car.required_wh - int(homes.energy_wh[car.asset_id])) * 1_000 // efficiency
    hours = min(len(price_ticks), max(0, (car.departs_ns - start_ns) // HOUR_NS))
    limit_w = int(homes.import_limit_w[car.asset_id])
    for hour in np.argsort(price_ticks[:hours], kind="stable").tolist():
        drawn_wh = min(limit_w, needed_wh)
        power_w[hour] = -drawn_wh
        needed_wh -= drawn_wh
    return int(needed_wh) if hours * HOUR_NS + start_ns + HOUR_NS > car.departs_ns else 0
