"""Tomorrow's prices by the best model that what is known allows, with what they come from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ringmain.vpp.advice.forecast import DAY_NS, HOURS, Foretold, PriceForecast
from ringmain.vpp.advice.known import Known
from ringmain.vpp.loop_messages import MODEL_FORECAST, NAIVE_FORECAST
from ringmain.vpp.state import PRICE_LIMIT_TICKS

LEAST_KNOWN_DAYS = 56  # below that the models aren't even loaded


@dataclass
class Foreteller:
    """Forecasts of a day's prices; its models are loaded when enough is known for them.

    Parameters
    ----------
    inputs : mapping of str to Known
        What third parties foretell of the hours, such as load and wind. What has not come is taken as it
        was a day before.
    """

    inputs: Mapping[str, Known] = field(default_factory=dict)
    naive: PriceForecast = field(default_factory=PriceForecast)
    _model: Any = None

    def foretell(self, history: Mapping[int, int], day_start_ns: int, now_ns: int) -> Foretold:
        """Return the prices of a day and their source.

        Parameters
        ----------
        history : mapping of int to int
            Start of hour, nanoseconds, to its price in ticks, as it is known now. Hours of the day itself
            and later are not looked at.
        day_start_ns : int
            First hour of the day that is forecast.
        now_ns : int
            Inputs count that were known by then.
        """
        simple = self.naive.foretell(history, day_start_ns)
        if simple.source != NAIVE_FORECAST or len(history) < LEAST_KNOWN_DAYS * HOURS:
            return simple
        from ringmain.vpp.advice.price_forecast import MOST_DAYS, ModelForecast
        from ringmain.vpp.advice.price_table import table_as_of

        starts = np.array([start_ns for start_ns in history if start_ns < day_start_ns], np.int64)
        prices = Known()
        prices.add(starts, np.array([history[start_ns] for start_ns in starts.tolist()], float), 0)
        table = table_as_of(prices, self.inputs, day_start_ns // DAY_NS, max(now_ns, 0), MOST_DAYS)
        self._model = self._model or ModelForecast()
        foretold = None if table is None else self._model.forecast(table)
        if foretold is None:
            return simple
        ticks = np.clip(np.rint(foretold), -PRICE_LIMIT_TICKS, PRICE_LIMIT_TICKS).astype(np.int64)
        return Foretold(ticks, MODEL_FORECAST)
