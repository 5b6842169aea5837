"""The fleet's plan: every battery's, over the same hours, as commands and as what the fleet wants to run."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ringmain.vpp.advice.bidding import Want
from ringmain.vpp.advice.forecast import HOUR_NS, Prices
from ringmain.vpp.advice.home_forecast import HomeForecast
from ringmain.vpp.advice.homes import HomePlans, plan_homes
from ringmain.vpp.advice.nodes import limits_of
from ringmain.vpp.advice.parts import Part, fleet_part
from ringmain.vpp.advice.planner import Planner
from ringmain.vpp.advice.projection import project
from ringmain.vpp.advice.reserve import Holding, ReserveRules, offers, owed_of
from ringmain.vpp.advice.reserve_supply import Offered
from ringmain.vpp.advice.silence import stored_when
from ringmain.vpp.messages import SubmitPlan
from ringmain.vpp.state import FALLBACK_SPREAD_PERMILLE, PERIOD_NS, SECOND_NS
from ringmain.vpp.views import DeskView, Product

PERIODS_PER_HOUR = HOUR_NS // PERIOD_NS
URGENT_W = 10_000


@dataclass(frozen=True)
class FleetPlan:
    """Plans of all batteries over the same hours.

    Parameters
    ----------
    fleet : recarray of shape (n,), ASSET
    hours : recarray of shape (n, n_hours), HOUR
    energy_wh : int64 array of shape (n,)
        Stored when the plan begins.
    others : HomePlans
        Of the same hours.
    idle_id : int64 array of shape (n_idle,)
        Batteries that take no part.
    holding : Holding, optional
        Who holds what of the reserve that is owed.
    unit_id : int
        The unit whose batteries they are; 0: the fleet.
    """

    start_ns: int
    fleet: Any
    hours: Any
    energy_wh: Any
    others: HomePlans
    idle_id: Any = field(default_factory=lambda: np.zeros(0, np.int64))
    holding: Holding | None = None
    unit_id: int = 0

    @property
    def periods(self) -> Any:
        """The quarter-hours of the plan, int64 array of shape (4 * n_hours,)."""
        first = self.start_ns // PERIOD_NS
        return np.arange(first, first + self.hours.shape[1] * PERIODS_PER_HOUR)

    def commands(self, view: DeskView) -> Any:
        """Return the plans as blocks of equal power, where an asset's plan is not that already.

        Returns
        -------
        array of shape (n_blocks,), SubmitPlan
        """
        asset_id = np.concatenate([self.fleet.asset_id, self.idle_id])
        idle_w = np.zeros((self.idle_id.size, self.hours.shape[1]), np.int64)
        power_w = np.concatenate([self.hours.power_w, idle_w])
        row, first, count = blocks(power_w)
        standing = view.plans.power_w(asset_id, self.periods)
        differs = standing != np.repeat(power_w, PERIODS_PER_HOUR, axis=1)
        differs = differs.reshape(*power_w.shape, PERIODS_PER_HOUR)
        runs = row * power_w.shape[1] + first  # where each block begins among all hours of all batteries
        is_new = np.logical_or.reduceat(differs.any(axis=2).ravel(), runs) if runs.size else runs == 0
        row, first, count = row[is_new], first[is_new], count[is_new]
        commands = np.zeros(row.size, SubmitPlan.dtype)
        SubmitPlan.stamp(commands)
        commands["asset_id"] = asset_id[row]
        commands["power_w"] = power_w[row, first]
        commands["delivery_start_ns"] = self.start_ns + first * HOUR_NS
        commands["delivery_duration_s"] = count * (HOUR_NS // SECOND_NS)
        return commands

    def home_commands(self, view: DeskView) -> Any:
        """Return plans of cars and heat stores that differ from what stands, shape (n,), SubmitPlan."""
        return self.others.commands(self.start_ns, view.plans.power_w(self.others.asset_id, self.periods))

    def wants(self) -> dict[int, Want]:
        """Return what is to be traded by quarter-hour; prices are means over the batteries that move."""
        wants: dict[int, Want] = {}
        for i in range(self.hours.shape[1]):
            hour = self.hours[:, i]
            moving = hour[hour["power_w"] != 0]
            counted = moving if len(moving) else hour
            sell, buy = (
                int(counted[name].sum()) // len(counted) if len(counted) else 0
                for name in ("sell_ticks", "buy_ticks")
            )
            first = self.start_ns // PERIOD_NS + i * PERIODS_PER_HOUR
            for k in range(PERIODS_PER_HOUR):
                shifted_w = int(self.others.shifted_w[i * PERIODS_PER_HOUR + k])
                wants[first + k] = Want(int(hour["power_w"].sum()) + shifted_w, sell, buy)
        return wants


def plan_fleet(
    view: DeskView, start_ns: int, price_ticks: Prices, day_price_ticks: Prices, now_ns: int,
    part: Part | None = None, expected: HomeForecast | None = None, holding: Holding | None = None,
) -> FleetPlan:  # fmt: skip
    """Plan every battery from `start_ns` on, from the energy that it will have then.

    The fleet holds the reserve that it owes. A unit of it is planned as if it owed none.

    Parameters
    ----------
    part : Part, optional
        Who is planned, and the others idle; else all who take part in the fleet's own bids.
    expected : HomeForecast, optional
        Of what loads and roofs will run.
    holding : Holding, optional
        Who holds the reserve that is owed, if that was shared out already.
    """
    part = part or fleet_part(view.units)
    fleet, idle, stored_wh = stores_ahead(view, start_ns, now_ns, part)
    free = limits_of(view.nodes, view.homes, start_ns, len(price_ticks), None, expected)
    others = plan_homes(view.homes, start_ns, price_ticks, day_price_ticks, part, free)
    limits = limits_of(view.nodes, view.homes, start_ns, len(price_ticks), others, expected)
    planner = Planner(price_ticks, day_price_ticks, limits)
    owed = None if part.unit_id else owed_of(view.reserves, start_ns, len(price_ticks))
    hours, holding = planner.plan_holding(fleet, stored_wh, owed, holding)
    return FleetPlan(start_ns, fleet, hours, stored_wh, others, idle.asset_id, holding, part.unit_id)


def stores_ahead(view: DeskView, start_ns: int, now_ns: int, part: Part) -> tuple[Any, Any, Any]:
    """Return the batteries of a part, all others, and what the former will have stored at `start_ns`."""
    batteries = view.assets.active
    is_in = part.is_in[batteries.node_id]
    fleet, idle = batteries[is_in], batteries[~is_in]
    return fleet, idle, stored_when(view, fleet, start_ns, now_ns, is_asked=not part.unit_id)


def reserve_offers(
    view: DeskView, day_ns: int, price_ticks: Prices, now_ns: int, products: list[Product],
    rules: ReserveRules, expected: HomeForecast | None = None,
) -> list[tuple[Product, list[Offered]]]:  # fmt: skip
    """Return what the fleet offers of a day's reserve products.

    Parameters
    ----------
    price_ticks : int64 array of shape (24,)
        Of energy, as foretold for the day.
    """
    part = fleet_part(view.units)
    fleet, _, stored_wh = stores_ahead(view, day_ns, now_ns, part)
    free = limits_of(view.nodes, view.homes, day_ns, len(price_ticks), None, expected)
    others = plan_homes(view.homes, day_ns, price_ticks, price_ticks, part, free)
    limits = limits_of(view.nodes, view.homes, day_ns, len(price_ticks), others, expected)
    problem = Planner(price_ticks, price_ticks, limits).problem(fleet, stored_wh)
    return offers(problem, price_ticks, day_ns, products, rules)


def with_urgency(plan: FleetPlan, view: DeskView, prices: Prices) -> dict[int, Want]:
    """Return the plan's wants, with wider prices in the hours where the fleet can't deliver what it owes.

    There the trade is worth what the imbalance would cost. What is less than URGENT_W in the mean of an
    hour is left to the imbalance.
    """
    wants = plan.wants()
    planned_w = np.repeat(plan.hours.power_w, PERIODS_PER_HOUR, axis=1)
    _, missing_w = project(view, plan.fleet, plan.periods, planned_w, plan.energy_wh, plan.others.shifted_w)
    hourly_w = np.abs(missing_w.reshape(-1, PERIODS_PER_HOUR).mean(axis=1))
    for hour in np.flatnonzero(hourly_w >= URGENT_W).tolist():
        reference = int(prices[hour])
        spread = abs(reference) * FALLBACK_SPREAD_PERMILLE // 1_000
        for period in plan.periods[hour * PERIODS_PER_HOUR : (hour + 1) * PERIODS_PER_HOUR].tolist():
            want = wants[period]
            wants[period] = Want(
                want.power_w,
                min(want.sell_ticks, reference - spread),
                max(want.buy_ticks, reference + spread),
            )
    return wants


def blocks(power_w: Any) -> tuple[Any, Any, Any]:
    """Return the runs of equal power in an array of shape (n, hours), row by row.

    Returns
    -------
    row, first hour, number of hours : int64 arrays of shape (n_blocks,)
    """
    begins = np.ones(power_w.shape, np.bool_)
    begins[:, 1:] = power_w[:, 1:] != power_w[:, :-1]
    places = np.flatnonzero(begins)
    counts = np.diff(np.append(places, power_w.size))
    return places // power_w.shape[1], places % power_w.shape[1], counts
