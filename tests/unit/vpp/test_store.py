"""The exact plan of one store, beside a linear programme solved by HiGHS."""

import highspy
import numpy as np
import pytest

from ringmain.core.solver import new_solver
from ringmain.vpp.advice.store import (
    CEILING,
    FLOOR,
    GIVE,
    STORE_LIMITS,
    TAKE,
    UNLIMITED_WH,
    StorePlanner,
    store_limits,
)


def random_store(dice):
    limits = np.zeros(1, STORE_LIMITS).view(np.recarray)
    limits.capacity_wh = dice.uniform(1, 20)
    limits.charge_wh, limits.discharge_wh = dice.uniform(0.5, 8, 2)
    limits.charge_efficiency, limits.discharge_efficiency = dice.uniform(0.8, 1, 2)
    limits.wear_ticks, limits.end_value_ticks = dice.uniform(0, 1_000), dice.uniform(0, 4_000)
    return limits


def programme(store, prices, stored, limits=None):
    """Return the most that can be earned, from charging and discharging by period as columns."""
    n, solver = len(prices), new_solver()
    limits = np.tile(UNLIMITED_WH, (n, 1)) if limits is None else limits
    most_in = np.minimum(store.charge_wh, limits[:, TAKE] * store.charge_efficiency)
    most_out = np.minimum(store.discharge_wh, limits[:, GIVE] / store.discharge_efficiency)
    into = [solver.addVariable(0, wh) for wh in most_in]  # measured in the store
    out = [solver.addVariable(0, wh) for wh in most_out]
    held, worth = stored, 0
    for taken, given, price, limit in zip(into, out, prices, limits, strict=True):
        held = held + taken - given
        solver.addConstr(held >= 0)
        solver.addConstr(held <= store.capacity_wh)
        worth = worth - price / store.charge_efficiency * taken
        worth = worth + (price - store.wear_ticks) * store.discharge_efficiency * given
        low, high = solver.addVariable(0), solver.addVariable(0)
        solver.addConstr(held + low >= min(limit[FLOOR], store.capacity_wh))
        if np.isfinite(limit[CEILING]):
            solver.addConstr(held - high <= limit[CEILING])
        worth = worth - store.miss_ticks * (low + high)
    solver.maximize(worth + store.end_value_ticks * (held - stored))
    assert solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return solver.getObjectiveValue() + store.end_value_ticks * stored


def earned(store, prices, stored, given):
    """Return what a plan earns, having checked that it can be run."""
    drops = np.where(given > 0, given / store.discharge_efficiency, given * store.charge_efficiency)
    held = stored - np.cumsum(drops)
    assert (drops <= store.discharge_wh + 1e-9).all()
    assert (-drops <= store.charge_wh + 1e-9).all()
    assert (held >= -1e-9).all()
    assert (held <= store.capacity_wh + 1e-9).all()
    wear = np.maximum(given, 0).sum() * store.wear_ticks
    return float(given @ prices - wear + held[-1] * store.end_value_ticks)


@pytest.mark.parametrize("seed", range(12))
def test_a_plan_is_worth_what_the_linear_programme_finds(seed):
    dice = np.random.default_rng(seed)
    limits, n = random_store(dice), int(dice.choice([1, 24, 48]))
    store, stored = limits[0], float(dice.uniform(0, limits.capacity_wh[0]))
    prices = dice.uniform(0, 9_000, n)
    given = StorePlanner(limits, n).plan(prices, stored)
    assert earned(store, prices, stored, given) == pytest.approx(programme(store, prices, stored), rel=1e-9)


def some_holdings(dice, store, n):
    """Return limits of a store that holds something ready in some periods, more than it can in a few."""
    limits = np.tile(UNLIMITED_WH, (n, 1))
    for first in range(0, n, 4):
        if dice.random() < 0.7:
            block = slice(first, first + 4)
            limits[block, GIVE], limits[block, TAKE] = dice.uniform(0, 6, 2)
            limits[block, FLOOR] = store.capacity_wh * dice.uniform(0, 1.05)
            limits[block, CEILING] = store.capacity_wh * dice.uniform(0.2, 1.1)
    return limits


def missing(store, stored, given, limits):
    """Return what a plan lacks at each period's floor and ceiling."""
    drops = np.where(given > 0, given / store.discharge_efficiency, given * store.charge_efficiency)
    held = stored - np.cumsum(drops)
    floor = np.minimum(limits[:, FLOOR], store.capacity_wh)
    return np.maximum(0, floor - held) + np.maximum(0, held - limits[:, CEILING])


@pytest.mark.parametrize("seed", range(24))
def test_a_store_that_holds_something_ready_is_planned_as_well_as_the_linear_programme_does(seed):
    dice = np.random.default_rng(seed)
    limits, n = random_store(dice), int(dice.choice([3, 24, 48]))
    store, stored = limits[0], float(dice.uniform(0, limits.capacity_wh[0]))
    limits.miss_ticks = float(dice.choice([500.0, 90_000.0]))  # cheap: it may pay to miss
    prices, holding = dice.uniform(0, 9_000, n), some_holdings(dice, store, n)
    given = StorePlanner(limits, n).plan(prices, stored, holding)
    assert (given <= holding[:, GIVE] + 1e-9).all()
    assert (-given <= holding[:, TAKE] + 1e-9).all()
    cost = store.miss_ticks * missing(store, stored, given, holding).sum()
    best = programme(store, prices, stored, holding)
    assert earned(store, prices, stored, given) - cost == pytest.approx(best, rel=1e-7, abs=1e-3)


def test_a_store_that_holds_too_little_is_charged_at_once_and_is_never_left_without_a_plan():
    limits = store_limits(power_w=1_000, hours=4, round_trip=1.0)
    limits.miss_ticks = 100_000
    holding = np.tile(UNLIMITED_WH, (6, 1))
    holding[1:, FLOOR] = 3_000
    given = StorePlanner(limits, 6).plan(np.array([9_000.0, 9_000, 9_000, 100, 100, 100]), 0.0, holding)
    assert given.tolist() == [-1_000, -1_000, -1_000, 0, 0, 0]
    assert missing(limits[0], 0.0, given, holding).tolist() == [0, 1_000, 0, 0, 0, 0]


def best_by_trial(store, prices, levels):
    """Return the most that can be earned from an empty store, on a grid that the moves are multiples of."""
    step = store.capacity_wh / levels
    worth = np.arange(levels + 1) * step * store.end_value_ticks
    for price in prices[::-1]:
        earlier = np.full(levels + 1, -np.inf)
        for held in range(levels + 1):
            for after in range(levels + 1):
                drop = (held - after) * step
                if -store.charge_wh - 1e-9 <= drop <= store.discharge_wh + 1e-9:
                    given = drop * store.discharge_efficiency if drop > 0 else drop / store.charge_efficiency
                    gain = given * price - max(0, given) * store.wear_ticks + worth[after]
                    earlier[held] = max(earlier[held], gain)
        worth = earlier
    return worth[0]


def test_below_zero_a_plan_never_charges_and_discharges_at_once_and_comes_close_to_the_best():
    limits = store_limits(power_w=1, hours=2, round_trip=0.9)
    limits.charge_wh = limits.discharge_wh = 1.0  # so that a grid of levels is exact
    store, planner, dice = limits[0], StorePlanner(limits, 24), np.random.default_rng(5)
    shares = []
    for _ in range(20):
        prices = dice.normal(500, 3_000, 24)
        best = best_by_trial(store, prices, 4)
        found = earned(store, prices, 0.0, planner.plan(prices, 0.0))
        assert found <= best + 1e-6
        shares.append(found / best)
    assert min(shares) > 0.95
    assert np.mean(shares) > 0.99


def test_a_store_without_room_or_power_stays_at_rest():
    prices = np.array([100.0, 5_000.0, 10.0])
    for name in ("capacity_wh", "charge_wh"):
        limits = store_limits(power_w=1_000, hours=2, round_trip=0.9)
        limits[name] = 0
        assert not StorePlanner(limits, 3).plan(prices, 0.0).any()


def test_an_end_value_keeps_what_is_stored():
    limits = store_limits(power_w=1_000, hours=2, round_trip=1.0, end_value_ticks=6_000)
    assert not StorePlanner(limits, 2).plan(np.array([5_000.0, 5_500.0]), 2_000.0).any()
