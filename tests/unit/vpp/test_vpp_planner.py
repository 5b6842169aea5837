"""The planner beside a store's own plan and under limits of nodes, and the forecast's causality."""

import numpy as np
import pytest

from ringmain.vpp.advice.forecast import DAY_NS, HOUR_NS, PriceForecast, is_weekend
from ringmain.vpp.advice.nodes import limits_of
from ringmain.vpp.advice.planner import Planner, end_value_ticks, stores_of
from ringmain.vpp.advice.store import StorePlanner
from ringmain.vpp.home_views import Homes, Nodes
from ringmain.vpp.messages import SCHEMA, SOLAR, NodeSet
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


@pytest.mark.parametrize("seed", range(4))
def test_a_plan_is_the_stores_own_best_to_the_watt(seed: int) -> None:
    dice = np.random.default_rng(seed)
    battery = fleet({"wear_price_ticks": int(dice.integers(0, 1_000))})
    prices = dice.integers(500, 9_000, 24)
    end_ticks = end_value_ticks(battery, prices)
    (hours,) = Planner(prices, prices).plan(battery, np.array([6_000]))
    given_wh = StorePlanner(stores_of(battery, end_ticks), 24).plan(prices.astype(float), 5_000.0)
    assert np.abs(hours.power_w - given_wh).max() <= 1
    sold, bought = np.maximum(given_wh, 0), np.maximum(-given_wh, 0)
    kept_wh = (bought * 0.95 - sold / 0.95).sum()
    worth = given_wh @ prices - sold.sum() * battery.wear_price_ticks[0] + kept_wh * end_ticks[0]
    gain = Planner(prices, prices).gain(battery, np.array([6_000]))[0]
    assert abs(gain - worth) < 24 * 9_000  # a Wh an hour is lost by rounding at most


def homes_with_a_roof(power_w: int) -> Homes:
    homes = Homes()
    homes.kind[50], homes.node_id[50], homes.power_w[50] = SOLAR, 3, power_w
    return homes


def nodes_of(export_limit_w: int, import_limit_w: int) -> Nodes:
    nodes = Nodes()
    for node_id, parent_id, out_w, in_w in (
        (1, 0, export_limit_w, import_limit_w), (2, 1, 9_000, 9_000), (3, 1, 9_000, 9_000),
    ):  # fmt: skip
        event = np.zeros(1, NodeSet.dtype).view(np.recarray)
        NodeSet.stamp(event)
        event.node_id, event.parent_id = node_id, parent_id
        event.export_limit_w, event.import_limit_w = out_w, in_w
        nodes.fold(SCHEMA.batch([event]))
    return nodes


def test_a_feeders_cable_is_shared_and_what_roofs_give_leaves_less_of_it() -> None:
    prices = np.array([1_000] * 4 + [8_000] * 4, np.int64)
    batteries = fleet({"node_id": 2}, {"asset_id": 2, "node_id": 3}, {"asset_id": 3, "node_id": 3})
    stored_wh, most = np.full(3, 5_000), {}
    for roof_w in (0, 3_000):
        limits = limits_of(nodes_of(6_000, 4_500), homes_with_a_roof(roof_w), MIDNIGHT_NS, 8)
        power_w = Planner(prices, prices, limits).plan(batteries, stored_wh).power_w.sum(axis=0)
        assert (power_w + roof_w <= 6_003).all()
        assert (power_w + roof_w >= -4_503).all()
        most[roof_w] = power_w.max()
    assert most[0] > 5_900
    assert 2_900 < most[3_000] < 3_004
    free = Planner(prices, prices).plan(batteries, stored_wh).power_w.sum(axis=0)
    assert free.max() > 9_000


def test_a_nodes_limit_raises_what_bids_ask_for() -> None:
    """What a limit keeps from being sold is not worth less than the market's price."""
    prices = np.array([1_000, 1_000, 7_000, 7_500], np.int64)
    batteries = fleet(*({"asset_id": n, "node_id": 2} for n in range(1, 4)))
    limits = limits_of(nodes_of(4_000, 50_000), Homes(), MIDNIGHT_NS, 4)
    hours = Planner(prices, prices, limits).plan(batteries, np.full(3, 8_000))
    for n, price in enumerate(prices.tolist()):
        giving = hours[:, n][hours[:, n]["power_w"] > 0]
        assert (giving["sell_ticks"] <= price + 1).all()


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


def test_a_fleet_without_limits_is_planned_as_each_of_its_batteries_alone() -> None:
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


def test_no_batteries_and_no_hours_are_no_plan() -> None:
    prices = np.array([0, 9_000], np.int64)
    assert Planner(prices, prices).plan(fleet(), np.zeros(0, np.int64)).shape == (0, 2)
    assert Planner(prices[:0], prices).plan(fleet({}), np.array([20])).shape == (1, 0)


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
