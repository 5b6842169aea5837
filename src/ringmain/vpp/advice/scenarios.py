"""Courses that tomorrow's prices may take: the forecast, with the errors of the last days' forecasts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ringmain.vpp.advice.forecast import DAY_NS, HOURS, PriceForecast, day_prices
from ringmain.vpp.advice.foretelling import LEAST_KNOWN_DAYS
from ringmain.vpp.advice.known import Known

ERROR_DAYS = 20  # so many days' errors


@dataclass
class Scenarios:
    """Prices as they may come about; each day's error is worked out once, from what was known before it.

    A past day is forecast by the linear models where enough is known before it, else naively: the trees would
    take minutes, and miss by about as much.
    """

    naive: PriceForecast = field(default_factory=PriceForecast)
    _errors: dict[int, Any] = field(default_factory=dict)

    def around(
        self,
        price_ticks: Any,
        history: Mapping[int, int],
        inputs: Mapping[str, Known],
        day_ns: int,
        now_ns: int,
    ) -> Any:
        """Return courses of a day's prices, equally likely, the oldest day's error first.

        Parameters
        ----------
        price_ticks : int64 array of shape (24,)
            As they are foretold.
        history : mapping of int to int
            Start of hour, nanoseconds, to its price in ticks, as it is known now.
        inputs : mapping of str to Known
            What others foretell of the hours.
        day_ns, now_ns : int
            Start of the day; the time it is.

        Returns
        -------
        float64 array of shape (n, 24), n being ERROR_DAYS at most
        """
        ages = range(ERROR_DAYS, 0, -1)
        errors = [self._error(history, inputs, day_ns - age * DAY_NS, now_ns - age * DAY_NS) for age in ages]
        found = [error for error in errors if error is not None]
        return price_ticks + np.array(found).reshape(-1, HOURS)

    def _error(
        self, history: Mapping[int, int], inputs: Mapping[str, Known], day_ns: int, then_ns: int
    ) -> Any | None:
        """Return what a day's forecast missed by, or None if it could not be made or the day has gaps."""
        if day_ns not in self._errors:
            came = day_prices(history, day_ns)
            forecast = None if came is None else self._forecast(history, inputs, day_ns, then_ns)
            if came is None or forecast is None:
                return None
            self._errors[day_ns] = came - forecast
            self._errors = {ns: self._errors[ns] for ns in sorted(self._errors)[-2 * ERROR_DAYS :]}
        return self._errors[day_ns]

    def _forecast(
        self, history: Mapping[int, int], inputs: Mapping[str, Known], day_ns: int, then_ns: int
    ) -> Any | None:
        starts = np.array([start_ns for start_ns in history if start_ns < day_ns], np.int64)
        if starts.size >= LEAST_KNOWN_DAYS * HOURS:
            from ringmain.vpp.advice.price_forecast import MOST_DAYS, linear_members
            from ringmain.vpp.advice.price_table import table_as_of

            prices = Known()
            prices.add(starts, np.array([history[start_ns] for start_ns in starts.tolist()], float), 0)
            table = table_as_of(prices, inputs, day_ns // DAY_NS, max(then_ns, 0), MOST_DAYS)
            members = {} if table is None else linear_members(table)
            if members:
                return np.mean(list(members.values()), axis=0)
        foretold = self.naive.foretell(history, day_ns)
        return foretold.price_ticks if foretold.source else None
