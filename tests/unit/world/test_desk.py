"""The desk's plan for a day."""

import numpy as np

from ringmain.world.batteries import FleetShape
from ringmain.world.desk import plan_day


def test_charges_cheap_then_discharges_dear():
    prices = np.full(24, 4_000)
    prices[[2, 3]] = 1_000
    prices[[18, 19]] = 9_000
    lots = plan_day(prices, FleetShape(1_000)).lots
    assert np.flatnonzero(lots < 0).tolist() == [2, 3]
    assert np.flatnonzero(lots > 0).tolist() == [18, 19]
    assert lots.min() == -40 and lots.max() == 35


def test_does_nothing_when_nothing_is_to_be_earned():
    assert not plan_day(np.arange(24)[::-1] * 1_000 + 1_000, FleetShape(1_000)).lots.any()
