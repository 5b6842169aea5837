"""The fleet's best plan, beside one linear programme for all of it."""

from dataclasses import replace

import highspy
import numpy as np
import pytest

from ringmain.core.solver import new_solver
from ringmain.vpp.advice.fleet_kernels import node_sums
from ringmain.vpp.advice.fleet_optimum import Fleet, optimise
from ringmain.vpp.advice.store import (
    CEILING,
    FLOOR,
    GIVE,
    STORE_LIMITS,
    TAKE,
    UNLIMITED_WH,
    StorePlanner,
)

CHAIN = np.array([-1])
TREE = np.array([-1, 0, 0, 1, 1])  # two feeders, the first with two sites


def some_stores(dice, n, hours=1.0):
    stores = np.zeros(n, STORE_LIMITS).view(np.recarray)
    power_w = dice.uniform(2_000, 12_000, n)
    stores.capacity_wh = power_w * dice.uniform(1, 4, n)
    stores.charge_efficiency, stores.discharge_efficiency = dice.uniform(0.88, 0.99, (2, n))
    stores.charge_wh = power_w * hours * stores.charge_efficiency
    stores.discharge_wh = power_w * hours / stores.discharge_efficiency
    stores.wear_ticks = dice.uniform(50, 900, n)
    stores.end_value_ticks = 2_000
    return stores, stores.capacity_wh * dice.uniform(0, 1, n)


def some_fleet(dice, n, parent, n_periods, share):
    stores, stored = some_stores(dice, n)
    node = dice.integers(0 if parent.size == 1 else 1, parent.size, n)
    most = node_sums(node, parent, (stores.discharge_wh * stores.discharge_efficiency)[:, None])
    limit = np.repeat(share * most, n_periods, axis=1)
    return Fleet(stores, stored, node, parent, limit, 1.2 * limit)


def programme(fleet, prices):
    """Return the most that any plan is worth, found by HiGHS over all stores at once."""
    n, periods = len(fleet.stores), len(prices)
    solver = new_solver()
    sums = [[0 for _ in range(periods)] for _ in fleet.parent]
    worth = 0
    for i in range(n):
        store, held = fleet.stores[i], float(fleet.stored_wh[i])
        for t in range(periods):
            taken, given = (solver.addVariable(0, wh) for wh in (store.charge_wh, store.discharge_wh))
            held = held + taken - given
            solver.addConstr(held >= 0)
            solver.addConstr(held <= store.capacity_wh)
            bought, sold = taken / store.charge_efficiency, given * store.discharge_efficiency
            worth = worth + prices[t] * (sold - bought) - store.wear_ticks * sold
            at = fleet.node[i]
            while at >= 0:
                sums[at][t] = sums[at][t] + sold - bought
                at = fleet.parent[at]
        worth = worth + store.end_value_ticks * (held - float(fleet.stored_wh[i]))
    for k, rows in enumerate(sums):
        for t, row in enumerate(rows):
            if not isinstance(row, int):
                solver.addConstr(row <= fleet.give_wh[k, t])
                solver.addConstr(row >= -fleet.take_wh[k, t])
    solver.maximize(worth)
    assert solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return solver.getObjectiveValue()


def check_runs(fleet, found):
    """Assert that every store can run its plan and that every limit is kept."""
    given, stores = found.given_wh, fleet.stores
    drops = np.where(
        given > 0, given / stores.discharge_efficiency[:, None], given * stores.charge_efficiency[:, None]
    )
    held = fleet.stored_wh[:, None] - np.cumsum(drops, axis=1)
    assert (held >= -0.1).all()
    assert (held <= stores.capacity_wh[:, None] + 0.1).all()
    assert (drops <= stores.discharge_wh[:, None] * (1 + 1e-6)).all()
    assert (-drops <= stores.charge_wh[:, None] * (1 + 1e-6)).all()
    sums = node_sums(fleet.node, fleet.parent, given)
    assert (sums <= fleet.give_wh * (1 + 1e-6) + 0.1).all()
    assert (-sums <= fleet.take_wh * (1 + 1e-6) + 0.1).all()


@pytest.mark.parametrize(("seed", "parent"), [(1, CHAIN), (2, CHAIN), (3, TREE), (4, TREE)])
def test_the_plan_keeps_every_limit_and_is_within_its_gap_of_the_linear_programme(seed, parent):
    dice = np.random.default_rng(seed)
    fleet = some_fleet(dice, 30, parent, 24, 0.35)
    prices = 4_000 + 1_500 * np.sin(np.arange(24) / 24 * 4 * np.pi) + dice.normal(0, 400, 24)
    found, best = optimise(fleet, prices), programme(fleet, prices)
    assert not found.missed
    check_runs(fleet, found)
    assert found.worth <= best * (1 + 1e-6)
    assert found.bound >= best * (1 - 1e-6)
    assert found.gap < 2e-3
    assert best - found.worth <= found.gap * abs(found.bound) + 1e-6 * best


def test_a_big_fleet_with_quarter_hours_comes_close():
    dice = np.random.default_rng(6)
    stores, stored = some_stores(dice, 3_000, hours=0.25)
    limit = np.full((1, 96), 0.35 * (stores.discharge_wh * stores.discharge_efficiency).sum())
    fleet = Fleet(stores, stored, np.zeros(3_000, np.int64), CHAIN, limit, limit)
    prices = 4_000 + 1_500 * np.sin(np.arange(96) / 96 * 4 * np.pi) + dice.normal(0, 300, 96)
    found = optimise(fleet, prices)
    check_runs(fleet, found)
    assert found.gap < 1e-4


def test_without_limits_each_store_runs_its_own_best_plan():
    dice = np.random.default_rng(7)
    fleet = some_fleet(dice, 20, TREE, 24, np.inf)
    prices = dice.uniform(1_000, 8_000, 24)
    found = optimise(fleet, prices)
    assert found.rounds == 1
    assert found.gap < 1e-6
    for i in range(20):
        own = StorePlanner(fleet.stores[i : i + 1], 24).plan(prices, fleet.stored_wh[i])
        assert found.given_wh[i] == pytest.approx(own, abs=1e-2)


def test_a_store_alone_at_its_node_keeps_a_limit_that_changes_by_period():
    stores, _ = some_stores(np.random.default_rng(8), 1)
    give, take = np.full((2, 24), np.inf), np.full((2, 24), np.inf)
    give[1], take[1] = np.arange(24) * 100.0, 700.0
    fleet = Fleet(stores, np.zeros(1), np.array([1]), np.array([-1, 0]), give, take)
    prices = np.random.default_rng(8).uniform(0, 9_000, 24)
    found = optimise(fleet, prices)
    check_runs(fleet, found)
    assert found.worth == pytest.approx(programme(fleet, prices), rel=1e-5)
    assert np.ptp(found.given_wh) > 0


def test_a_limit_that_cannot_be_kept_is_named_and_missed_by_the_least():
    stores, _ = some_stores(np.random.default_rng(9), 8)
    stores.capacity_wh, stores.charge_wh, stores.discharge_wh = 4_000, 2_000, 2_000
    give, take = np.full((1, 4), 1e6), np.full((1, 4), 1e6)
    take[0, 2] = -50_000.0  # so much has to be given in the third period
    fleet = Fleet(stores, np.zeros(8), np.zeros(8, np.int64), CHAIN, give, take)
    found = optimise(fleet, np.full(4, 3_000.0))
    assert [(missed.node, missed.period) for missed in found.missed] == [(0, 2)]
    most = float((stores.discharge_wh * stores.discharge_efficiency).sum())
    assert found.missed[0].missing_wh == pytest.approx(50_000 - most, rel=1e-3)


def test_prices_below_zero_are_bounded_too():
    dice = np.random.default_rng(10)
    fleet = some_fleet(dice, 40, CHAIN, 24, 0.3)
    prices = dice.normal(500, 3_000, 24)
    found = optimise(fleet, prices)
    check_runs(fleet, found)
    assert found.worth <= found.bound
    assert found.worth > 0.9 * programme(fleet, prices)


def test_no_stores_and_stores_of_nothing_are_no_trouble():
    none = np.zeros(0, STORE_LIMITS).view(np.recarray)
    empty = Fleet(none, np.zeros(0), np.zeros(0, np.int64), CHAIN, np.zeros((1, 3)), np.zeros((1, 3)))
    found = optimise(empty, np.array([1.0, 2.0, 3.0]))
    assert found.given_wh.shape == (0, 3)
    assert not found.missed
    stores = np.zeros(2, STORE_LIMITS).view(np.recarray)
    stores.charge_efficiency = stores.discharge_efficiency = 1.0
    still = Fleet(stores, np.zeros(2), np.zeros(2, np.int64), CHAIN, np.zeros((1, 3)), np.zeros((1, 3)))
    assert not optimise(still, np.array([1.0, 2.0, 3.0])).given_wh.any()


def test_the_same_fleet_is_planned_the_same_each_time():
    fleet = some_fleet(np.random.default_rng(11), 60, TREE, 24, 0.3)
    prices = np.random.default_rng(11).uniform(1_000, 8_000, 24)
    assert np.array_equal(optimise(fleet, prices).given_wh, optimise(fleet, prices).given_wh)


def holding(dice, fleet, periods):
    """Return own limits: most stores hold some power and energy ready in the middle of the day."""
    own = np.tile(UNLIMITED_WH, (len(fleet.stores), periods, 1))
    share = np.where(dice.random(len(fleet.stores)) < 0.8, 0.4, 0.0)
    middle = slice(periods // 4, periods // 2)
    stores = fleet.stores
    own[:, middle, GIVE] = ((1 - share) * stores.discharge_wh * stores.discharge_efficiency)[:, None]
    own[:, middle, TAKE] = ((1 - share) * stores.charge_wh / stores.charge_efficiency)[:, None]
    own[:, middle, FLOOR] = (share * stores.capacity_wh)[:, None]
    own[:, middle, CEILING] = ((1 - share / 2) * stores.capacity_wh)[:, None]
    return own


@pytest.mark.parametrize(("seed", "parent"), [(1, CHAIN), (2, TREE)])
def test_stores_that_hold_something_ready_are_planned_to_a_certified_gap_too(seed, parent):
    dice = np.random.default_rng(seed)
    fleet = some_fleet(dice, 60, parent, 24, 0.35)
    fleet.stores.miss_ticks = 60_000
    fleet.stored_wh[:5] = 0.0
    own = holding(dice, fleet, 24)
    fleet = replace(fleet, own_limits_wh=own)
    prices = 4_000 + 1_500 * np.sin(np.arange(24) / 24 * 4 * np.pi) + dice.normal(0, 400, 24)
    found = optimise(fleet, prices)
    check_runs(fleet, found)
    assert found.gap < 2e-3
    assert (found.given_wh <= own[:, :, GIVE] * (1 + 1e-6) + 1e-3).all()
    assert (-found.given_wh <= own[:, :, TAKE] * (1 + 1e-6) + 1e-3).all()
    drops = np.where(
        found.given_wh > 0,
        found.given_wh / fleet.stores.discharge_efficiency[:, None],
        found.given_wh * fleet.stores.charge_efficiency[:, None],
    )
    held = fleet.stored_wh[:, None] - np.cumsum(drops, axis=1)
    assert (held >= own[:, :, FLOOR] - 1.0).all()
    assert (held <= own[:, :, CEILING] + 1.0).all()
