"""The planner against brute force on tiny instances, and the forecast's causality."""

import itertools

import numpy as np
import pytest

from ringmain.vpp.advice import planner
from ringmain.vpp.advice.forecast import DAY_NS, HOUR_NS, PriceForecast, is_weekend
from ringmain.vpp.advice.planner import LEVELS, Planner, earned, end_value_ticks, grid_wh, stores_of
from ringmain.vpp.views import ASSET
from unit.vpp.rig import MIDNIGHT_NS


def fleet(*changes: dict[str, int]) -> np.recarray:
    values = {
        "asset_id": 1,
        "node_id": 1,
        "link_account_id": 100,
        "charge_limit_w": 5_000,
        "discharge_limit_w": 5_000,
        "energy_capacity_wh": 10_000,
        "reserve_permille": 100,
        "charge_efficiency_permille": 950,
        "discharge_efficiency_permille": 950,
        "wear_price_ticks": 2_000,
    }
    rows = [tuple({**values, **change}[name] for name in ASSET.names) for change in changes]
    return np.array(rows, ASSET).view(np.recarray)


def best_by_brute_force(store: object, prices: np.ndarray, start: int) -> int:
    """The most that any sequence of whole-level moves earns."""
    moves = range(-int(store.most_rise), int(store.most_drop) + 1)
    best = None
    for drops in itertools.product(moves, repeat=len(prices)):
        levels = start - np.cumsum(drops)
        if levels.min() < 0 or levels.max() > LEVELS:
            continue
        value = sum(earned(store, drop, int(price)) for drop, price in zip(drops, prices, strict=True))
        value += int(levels[-1]) * int(store.step_wh) * int(store.end_value_ticks)
        best = value if best is None else max(best, value)
    assert best is not None
    return best


@pytest.mark.parametrize("seed", range(12))
def test_the_plan_earns_what_brute_force_earns(seed: int) -> None:
    dice = np.random.default_rng(seed)
    small = {
        "charge_limit_w": 700,
        "discharge_limit_w": 900,
        "wear_price_ticks": int(dice.integers(0, 1_000)),
    }
    prices = dice.integers(-3_000, 9_000, 4)
    plans = Planner(prices, prices)
    store = stores_of(fleet(small), end_value_ticks(fleet(small), prices))
    stored_wh = int(dice.integers(1_000, 10_001))
    (hours,) = plans.plan(fleet(small), np.array([stored_wh]))
    start = planner.nearest_level(stored_wh - 1_000, int(store[0].step_wh))
    held = start * int(store[0].step_wh) * int(store[0].end_value_ticks)
    best = best_by_brute_force(store[0], prices, start)
    assert plans.gain(fleet(small), np.array([stored_wh])).tolist() == [best - held]
    level, total = start, 0
    for hour, price in zip(hours, prices, strict=True):
        (drop,) = [
            d
            for d in range(-int(store[0].most_rise), int(store[0].most_drop) + 1)
            if grid_wh(store[0], d) == hour.power_w
        ]
        level, total = level - drop, total + earned(store[0], drop, int(price))
        assert 0 <= level <= LEVELS
    assert total + level * int(store[0].step_wh) * int(store[0].end_value_ticks) == best


def test_a_plan_buys_low_sells_high_and_its_limits_lie_between() -> None:
    prices = np.array([1_000, 1_100, 9_000, 9_500, 5_000], np.int64)
    (hours,) = Planner(prices, prices).plan(fleet({}), np.array([1_000]))
    assert (hours.power_w[:2] < 0).any()
    assert (hours.power_w[2:4] > 0).any()
    for hour, price in zip(hours, prices, strict=True):
        if hour.power_w > 0:
            assert hour.sell_ticks <= price
        if hour.power_w < 0:
            assert hour.buy_ticks >= price
    assert abs(hours.power_w).max() <= 5_000


def test_flat_prices_move_nothing() -> None:
    prices = np.full(24, 4_000, np.int64)
    assert not Planner(prices, prices).plan(fleet({}), np.array([6_000])).power_w.any()


def test_a_fleet_is_planned_as_each_of_its_batteries_alone() -> None:
    """In any order, whatever shares a value table with what."""
    dice = np.random.default_rng(5)
    prices = dice.integers(1_000, 9_000, 24)
    makes = [
        {},
        {"charge_limit_w": 2_000},
        {"energy_capacity_wh": 30},
        {"discharge_efficiency_permille": 800},
    ]
    batteries = [makes[int(n)] for n in dice.integers(0, len(makes), 20)]
    stored_wh = dice.integers(500, 10_001, 20)
    planner = Planner(prices, prices)
    together, gains = planner.plan(fleet(*batteries), stored_wh), planner.gain(fleet(*batteries), stored_wh)
    for n, battery in enumerate(batteries):
        alone = planner.plan(fleet(battery), stored_wh[n : n + 1])
        assert alone[0].tobytes() == together[n].tobytes()
        assert planner.gain(fleet(battery), stored_wh[n : n + 1])[0] == gains[n]
    assert together.power_w.any() and (gains > 0).any()


def test_a_battery_too_small_to_cut_stays_at_rest() -> None:
    prices = np.array([0, 9_000], np.int64)
    assert not Planner(prices, prices).plan(fleet({"energy_capacity_wh": 30}), np.array([20])).power_w.any()


# The forecast.


def history(days: range, dice: np.random.Generator) -> dict[int, int]:
    return {
        MIDNIGHT_NS + (day * 24 + hour) * HOUR_NS: int(dice.integers(1_000, 6_000))
        for day in days
        for hour in range(24)
    }


def test_nothing_of_the_day_itself_is_looked_at() -> None:
    dice = np.random.default_rng(1)
    known = history(range(-15, 0), dice)
    future = history(range(3), dice)
    forecast = PriceForecast()
    before = forecast.forecast(known, MIDNIGHT_NS)
    assert (forecast.forecast({**known, **future}, MIDNIGHT_NS) == before).all()
    assert before.dtype == np.int64


def test_a_weekly_shape_at_yesterdays_level_is_forecast_exactly() -> None:
    shape = [100 * hour - 1_150 for hour in range(24)]
    prices = {
        MIDNIGHT_NS + (day * 24 + hour) * HOUR_NS: 4_000 + shape[hour] + (500 if day == -1 else 0)
        for day in range(-15, 0)
        for hour in range(24)
    }
    assert PriceForecast().forecast(prices, MIDNIGHT_NS).tolist() == [4_500 + ticks for ticks in shape]


def test_missing_days_are_left_out_and_no_day_is_flat() -> None:
    known = history(range(-15, 0), np.random.default_rng(2))
    without = {hour: ticks for hour, ticks in known.items() if hour < MIDNIGHT_NS - DAY_NS}
    assert PriceForecast().forecast(without, MIDNIGHT_NS).any()
    assert PriceForecast().forecast({}, MIDNIGHT_NS).tolist() == [0] * 24


def test_weekends_are_known() -> None:
    assert [is_weekend(MIDNIGHT_NS + day * DAY_NS) for day in range(7)] == [False] * 5 + [
        True
    ] * 2  # a Monday
