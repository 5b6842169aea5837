"""What the batteries of homes do in the coming hour: plans of a day, made anew each hour.

Scenarios are the forecast with the errors that forecasts of the same hour made on the days before, all
homes' errors of one day together. Until there are enough of them, a rule that needs no forecast is in charge.
"""

from typing import Any

import numpy as np

from ringmain.vpp.advice.forecast import HOURS
from ringmain.vpp.advice.home_plan import (
    ACTION_KWH,
    COST,
    FIRST_ACTION_KWH,
    LEVELS,
    action_grid,
    plan_homes,
)

SCENARIOS, LEAST_SCENARIOS = 32, 3  # days whose errors are taken
ROUNDS = 2
END_SHARE = 0.7  # a stored kWh is worth so much of the cheapest kWh, when the plan ends


class HomeControl:
    """Control of a few homes' batteries together.

    Parameters
    ----------
    batteries : recarray of shape (n,), HOME_BATTERY
        As they are now: whoever owns them runs them.
    hours : int
        How far the plans reach.
    """

    def __init__(self, batteries: Any, hours: int = HOURS) -> None:
        self.batteries = batteries
        self._actions = action_grid(float(batteries.nominal_kw.max()), ACTION_KWH)
        self._first = action_grid(float(batteries.nominal_kw.max()), FIRST_ACTION_KWH)
        self._places, self._ends = np.zeros((LEVELS, self._actions.size)), np.zeros((LEVELS, 2))
        self._plans_kwh = np.zeros((batteries.size, hours + 1))

    def decide(self, net_kwh: Any, pooled_cost: Any, own_cost: Any) -> Any:
        """Return what each battery is to take in (positive) or give in the coming hour.

        Parameters
        ----------
        net_kwh : float64 array of shape (n, n_hours, n_scenarios)
            What the homes will draw without a battery, at most as many hours as the plans reach.
        pooled_cost, own_cost : float64 arrays of shape (n_hours,)
            Of a kWh that all homes together draw, and that a home draws, in one unit.

        Returns
        -------
        float64 array of shape (n,), kWh
        """
        hours = net_kwh.shape[1]
        costs: Any = np.zeros(hours, COST).view(np.recarray)
        costs.pooled, costs.own = pooled_cost, own_cost
        mean_costs, values = np.zeros((hours, self._actions.size)), np.zeros((hours + 1, LEVELS))
        end_value = END_SHARE * float((costs.pooled + costs.own).min())
        self._plans_kwh[:, :-1] = self._plans_kwh[:, 1:]  # an hour has gone by
        plans_kwh = np.ascontiguousarray(self._plans_kwh[:, :hours])
        plan_homes(
            self.batteries, costs, np.ascontiguousarray(net_kwh, float), np.zeros(net_kwh.shape[1:]),
            self._actions, self._first, self._places, self._ends, mean_costs, values, end_value, ROUNDS,
            plans_kwh,
        )  # fmt: skip
        self._plans_kwh[:, :hours] = plans_kwh
        return plans_kwh[:, 0].copy()


def scenarios(forecast_kwh: Any, errors_kwh: Any) -> Any:
    """Return scenarios of what homes draw, or None while too few errors are known.

    Parameters
    ----------
    forecast_kwh : float64 array of shape (n, n_hours)
    errors_kwh : float64 array of shape (n, n_days, n_hours)
        What was metered less what was forecast, from the same hour of the days before on. A day with
        something unknown is left out.

    Returns
    -------
    float64 array of shape (n, n_hours, n_scenarios), or None
    """
    is_whole = ~np.isnan(errors_kwh).any(axis=(0, 2))
    if is_whole.sum() < LEAST_SCENARIOS:
        return None
    return forecast_kwh[:, :, None] + np.moveaxis(errors_kwh[:, is_whole], 1, 2)


def safe_rule(last_net_kwh: Any, price: float, usual_price: float) -> Any:
    """Return what batteries do without a forecast: store the surplus of the last hour, give in dear hours.

    Parameters
    ----------
    last_net_kwh : float64 array of shape (n,)
        What each home drew in the last hour.
    price, usual_price : float
        Of the coming hour, and in the mean.
    """
    return np.where((last_net_kwh < 0) | (price > usual_price), -last_net_kwh, 0.0)
