"""Concave welfare in a linear programme: bounded from above by lines, which are added where they are missed.

Curves have tens of thousands of steps, and few of them matter. So each market has one column for
its quantity and one for its welfare. The line through a step bounds the welfare everywhere, and
touches it along the step (Kelley's cutting planes, 1960).
"""

import numpy as np

from ringmain.exchange.advice.dayahead.curves import Stair
from ringmain.exchange.advice.dayahead.solver import INFINITY, Floats, Model

UNIT = 100.0  # ticks x lots in one unit of the objective
FIRST_CUTS = 12  # of each market
MISSED = 0.1  # ticks x lots; at a whole quantity, what is missed is whole
NEIGHBOURS = 2  # steps to either side of a solution, so that borders of steps are corners of the programme


class Envelope:
    """The welfare columns of some markets in a model.

    Parameters
    ----------
    model : Model
    stairs : list of Stair
    quantity, welfare : int
        First of the columns of each kind; the markets' stand in line. A welfare of 0 is that of
        curves that buy nothing, net.
    """

    def __init__(self, model: Model, stairs: list[Stair], quantity: int, welfare: int) -> None:
        self._model, self._stairs = model, stairs
        self._quantity, self._welfare = quantity, welfare
        self._references = [round(stair.value(0)) for stair in stairs]
        self._has_cut: list[set[int]] = [set() for _ in stairs]
        for market, stair in enumerate(stairs):
            if stair.price_ticks.size == 0:
                model.rows([(-INFINITY, 0.0, [welfare + market], [1.0])])
            spread = np.linspace(stair.lowest_lots, stair.highest_lots, FIRST_CUTS)
            self.cut(market, [0.0, *spread.tolist()])

    @property
    def base(self) -> int:
        """Welfare of all curves when each buys nothing, net: what the columns leave out, ticks x lots."""
        return sum(self._references)

    def tighten(self, values: Floats) -> bool:
        """Cut where a solution has more welfare than the curves; True if a cut is new."""
        is_new = False
        for market, stair in enumerate(self._stairs):
            quantity = float(values[self._quantity + market])
            stated = float(values[self._welfare + market]) * UNIT
            real = stair.value(quantity) - self._references[market]
            if stated > real + MISSED:
                is_new = self.cut(market, [quantity], NEIGHBOURS) or is_new
        return is_new

    def cut(self, market: int, quantities: list[float], neighbours: int = 0) -> bool:
        """Bound a market's welfare by the lines through the steps at some quantities."""
        stair, rows = self._stairs[market], []
        for quantity in quantities if stair.price_ticks.size else []:
            middle = stair.step_at(quantity)
            for step in range(middle - neighbours, middle + neighbours + 1):
                if 0 <= step < stair.price_ticks.size and step not in self._has_cut[market]:
                    self._has_cut[market].add(step)
                    price = int(stair.price_ticks[step])
                    at_zero = int(stair.welfare[step]) - price * int(stair.quantity_lots[step])
                    rows.append((
                        -INFINITY, (at_zero - self._references[market]) / UNIT,
                        [self._welfare + market, self._quantity + market], [1.0, -price / UNIT],
                    ))  # fmt: skip
        self._model.rows(rows)
        return bool(rows)
