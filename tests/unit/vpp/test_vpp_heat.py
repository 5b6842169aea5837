"""Heat stores are run in the cheapest hours that keep them within comfort, beside a linear programme."""

import numpy as np
import pytest

from ringmain.core.solver import new_solver
from ringmain.vpp.advice.heat import MARGIN, TOP_MARGIN, plan_heat
from ringmain.vpp.home_views import Homes
from ringmain.vpp.messages import HEAT_STORE

LIMIT_W, CAPACITY_WH, FLOOR_WH = 2_500, 9_000, 2_250
LOWEST_WH = FLOOR_WH + MARGIN * (CAPACITY_WH - FLOOR_WH)
HIGHEST_WH = CAPACITY_WH - TOP_MARGIN * (CAPACITY_WH - FLOOR_WH)


def homes_with(stored_wh, demand_w):
    homes = Homes()
    for asset_id, held_wh in enumerate(stored_wh, 1):
        homes.kind[asset_id], homes.import_limit_w[asset_id] = HEAT_STORE, LIMIT_W
        homes.capacity_wh[asset_id], homes.floor_wh[asset_id] = CAPACITY_WH, FLOOR_WH
        homes.energy_wh[asset_id] = held_wh
        homes._profile_w[asset_id, 10:30] = -demand_w
    return homes


def least_cost(held_wh, demand_w, prices):
    solver, level, cost = new_solver(), held_wh, 0
    for price in prices:
        drawn = solver.addVariable(0, LIMIT_W)
        level = level + drawn - demand_w
        solver.addConstr(level >= LOWEST_WH)
        solver.addConstr(level <= HIGHEST_WH)
        cost = cost + float(price) * drawn
    solver.minimize(cost)
    return solver.getObjectiveValue()


@pytest.mark.parametrize("seed", range(6))
def test_heat_is_bought_as_cheaply_as_can_be_within_comfort(seed):
    dice = np.random.default_rng(seed)
    demand_w, prices = int(dice.integers(200, 700)), dice.integers(500, 9_000, 36)
    stored_wh = dice.integers(int(LOWEST_WH) + 700, int(HIGHEST_WH), 5).tolist()
    homes = homes_with(stored_wh, demand_w)
    ids, power_w = plan_heat(homes, 0, prices, prices[:0])
    assert ids.tolist() == [1, 2, 3, 4, 5]
    assert (power_w <= 0).all() and (power_w >= -LIMIT_W).all()
    levels = np.array(stored_wh)[:, None] - np.cumsum(power_w + demand_w, axis=1)
    assert (levels >= LOWEST_WH - 36).all() and (levels <= HIGHEST_WH + 36).all()
    for row, held_wh in enumerate(stored_wh):
        best = least_cost(held_wh, demand_w, prices)
        assert -(power_w[row] @ prices) == pytest.approx(best, rel=2e-3, abs=9_000 * 36)


def test_the_next_days_prices_count_for_what_is_left_until_then():
    homes = homes_with([5_000], 400)
    dear = np.full(12, 8_000)
    _, soon = plan_heat(homes, 0, dear, np.full(24, 1_000))
    _, late = plan_heat(homes, 0, dear, np.full(24, 9_000))
    assert soon.shape == late.shape == (1, 12)
    assert soon.sum() > late.sum()


def test_nothing_known_and_no_stores_plan_nothing():
    assert plan_heat(Homes(), 0, np.full(24, 100), np.full(24, 100))[1].shape == (0, 24)
    homes = homes_with([5_000], 0)
    homes._profile_w[:] = np.nan
    assert not plan_heat(homes, 0, np.full(24, 100), np.full(24, 100))[1].any()


def test_a_store_below_comfort_is_filled_as_fast_as_it_can():
    _, power_w = plan_heat(homes_with([0], 300), 0, np.array([9_000, 100, 100]), np.full(3, 50))
    assert power_w[0, 0] == -LIMIT_W
