"""What the desk expects of loads and roofs: learnt in portions, the same after a restart, none from later."""

from argparse import Namespace
from typing import Any

import numpy as np
import pytest

from ringmain.core.errors import RingmainError
from ringmain.vpp import home_outlook
from ringmain.vpp.advice.desk import Desk
from ringmain.vpp.advice.forecast import DAY_NS, HOUR_NS, HOURS
from ringmain.vpp.advice.home_forecast import (
    LEAST_DAYS,
    REST,
    HomeForecast,
    group_sums,
    groups_of,
    profiles_of,
)
from ringmain.vpp.advice.homes import foretold_w
from ringmain.vpp.advice.nodes import NodeLimits, limits_of
from ringmain.vpp.home_history import HISTORY_HOURS, Fading, History
from ringmain.vpp.home_views import Homes, Nodes
from ringmain.vpp.loop_messages import FELL_BACK, FORECAST, NAIVE_FORECAST
from ringmain.vpp.messages import (
    FRESH,
    LOAD,
    SCHEMA,
    SOLAR,
    AssetMeasured,
    LoadRegistered,
    NodeSet,
    SolarRegistered,
)
from ringmain.vpp.state import PERIOD_NS
from ringmain.vpp.views import DeskView

BEGIN_PERIOD = 17_672 * 96
HOME_COUNT, DAYS = 12, 16
MINUTE_NS = 60_000_000_000
Floats = np.ndarray[Any, np.dtype[np.float64]]


def made(seed: int = 3, days: int = DAYS) -> tuple[Floats, Floats]:
    """Power of loads and roofs at the begin of quarter-hours, (homes, periods): a day's course and chance."""
    dice, count = np.random.default_rng(seed), days * 96 + 1
    hour = np.arange(count) / 4 % 24
    course = 600 + 400 * np.sin(2 * np.pi * (hour - 9) / 24)
    off = np.zeros((HOME_COUNT, count))
    for n in range(1, count):
        off[:, n] = 0.8 * off[:, n - 1] + dice.normal(0, 0.12, HOME_COUNT)
    loads = -course * np.clip(1 + off, 0.1, 3)
    clouds = np.clip(0.7 + off[::-1], 0.1, 1)
    return loads, 3_000 * np.maximum(0, np.sin(np.pi * (hour - 6) / 12)) * clouds


def street() -> Homes:
    homes = Homes()
    loads, roofs = (np.zeros(HOME_COUNT, record.dtype) for record in (LoadRegistered, SolarRegistered))
    for rows, record, first_id in ((loads, LoadRegistered, 1), (roofs, SolarRegistered, 101)):
        record.stamp(rows)
        rows["asset_id"], rows["node_id"] = first_id + np.arange(HOME_COUNT), 10 + np.arange(HOME_COUNT)
    loads["import_limit_w"] = 10_000
    homes.fold(loads)
    homes.fold(roofs)
    return homes


def census(homes: Homes, n: int, power_w: Floats) -> Any:
    """The census of the n-th quarter-hour; meters run as if power were straight between two of them."""
    metered_wh = (power_w[:, :n] + power_w[:, 1 : n + 1]).sum(axis=1) / 8
    rows = np.zeros(2 * HOME_COUNT, AssetMeasured.dtype)
    AssetMeasured.stamp(rows)
    rows["time_ns"] = (BEGIN_PERIOD + n) * PERIOD_NS + 1
    rows["measured_ns"] = (BEGIN_PERIOD + n) * PERIOD_NS
    rows["asset_id"] = np.concatenate([homes.of(LOAD), homes.of(SOLAR)])
    rows["power_w"], rows["metered_wh"] = np.rint(power_w[:, n]), np.rint(metered_wh)
    rows["desired_power_w"], rows["quality"] = 8_000, FRESH
    return rows


def lived(days: float, seed: int = 3) -> Homes:
    homes, power_w = street(), np.concatenate(made(seed))
    for n in range(int(days * 96) + 1):
        homes.fold(census(homes, n, power_w))
    return homes


def feeders() -> Nodes:
    nodes = Nodes()
    rows = np.zeros(HOME_COUNT + 2, NodeSet.dtype)
    NodeSet.stamp(rows)
    rows["node_id"] = [1, 2, *range(10, 10 + HOME_COUNT)]
    rows["parent_id"] = [0, 0, *([1] * (HOME_COUNT - 4)), *([2] * 4)]
    rows["import_limit_w"] = rows["export_limit_w"] = [20_000, 20_000, *([5_000] * HOME_COUNT)]
    nodes.fold(rows)
    return nodes


def refreshed(homes: Homes, now_ns: int, nodes: Nodes | None = None) -> HomeForecast:
    forecast = HomeForecast()
    for n in range(2_000):
        if forecast.step(homes, nodes or feeders(), {}, now_ns + n):
            return forecast
    raise AssertionError("the refresh does not end")


@pytest.fixture(scope="module")
def homes() -> Homes:
    return lived(15.45)


@pytest.fixture(scope="module")
def forecast(homes: Homes) -> HomeForecast:
    return refreshed(homes, now_of(homes))


def now_of(homes: Homes) -> int:
    return int(homes.measured_period) * PERIOD_NS + 5 * MINUTE_NS


def test_an_hours_mean_is_known_when_it_is_over() -> None:
    history = History()
    ids = np.array([7])
    for n, power_w in enumerate([50.0, 150.0, 250.0, 350.0]):
        history.fold(ids, 4_000 + n, np.array([power_w]))
        assert np.isnan(history.power_w(ids, np.array([1_000]))[0, 0]) == (n < 3)
    assert history.power_w(ids, np.array([1_000]))[0, 0] == pytest.approx(200.0)
    assert np.isnan(history.power_w(np.array([8]), np.array([1_000]))[0, 0])


def test_an_hour_with_a_gap_is_unknown_and_the_ring_forgets() -> None:
    history, ids = History(), np.array([1, 2])
    for n in [0, 1, 3, 4, 5, 6, 7]:
        history.fold(ids, n, np.array([10.0, 20.0]))
    assert np.isnan(history.power_w(ids, np.array([0]))).all()
    assert history.power_w(ids, np.array([1])).tolist() == [[10.0], [20.0]]
    later = (HISTORY_HOURS + 3) * 4
    for n in range(later, later + 4):
        history.fold(ids, n, np.array([30.0, 40.0]))
    assert np.isnan(history.power_w(ids, np.array([1, HISTORY_HOURS + 1]))).all()
    assert history.power_w(ids, np.array([HISTORY_HOURS + 3])).tolist() == [[30.0], [40.0]]


def test_any_batching_gives_the_same_history() -> None:
    power_w, one, two = np.concatenate(made()), lived(1), street()
    two.fold(np.concatenate([census(two, n, power_w) for n in range(97)]))
    hours = np.arange(24) + BEGIN_PERIOD // 4
    ids = one.of(LOAD, SOLAR)
    np.testing.assert_array_equal(one.history.power_w(ids, hours), two.history.power_w(ids, hours))
    assert one.fading[LOAD].slopes(2).tolist() == two.fading[LOAD].slopes(2).tolist()
    assert one.foretold_w(ids, np.arange(4)).tolist() == two.foretold_w(ids, np.arange(4)).tolist()


@pytest.mark.parametrize("is_held_back", [False, True])
def test_a_roof_that_is_held_back_is_no_history(is_held_back: bool) -> None:
    homes, power_w = street(), np.full((2 * HOME_COUNT, 6), 1_000.0)
    for n in range(5):
        rows = census(homes, n, power_w)
        if n == 2 and is_held_back:
            rows["desired_power_w"] = 1_000
        homes.fold(rows)
    found = homes.history.power_w(np.array([101]), np.array([BEGIN_PERIOD // 4]))[0, 0]
    assert np.isnan(found) == is_held_back
    assert is_held_back or found == pytest.approx(1_000)


def test_a_meter_that_runs_over_counts_on() -> None:
    homes, power_w = street(), np.full((2 * HOME_COUNT, 6), 1_000.0)
    for n in range(5):
        rows = census(homes, n, power_w)
        rows["metered_wh"] = (rows["metered_wh"].astype(np.int64) + 2**32 - 400 - 2**31) % 2**32 - 2**31
        homes.fold(rows)
    assert homes.history.power_w(np.array([101]), np.array([BEGIN_PERIOD // 4])) == pytest.approx(1_000)


def test_fading_is_learnt() -> None:
    fading, dice = Fading(), np.random.default_rng(1)
    off = np.zeros(40)
    usual = np.full(40, -500.0)
    for n in range(600):
        mean, off = off.copy(), 0.6 * off + dice.normal(0, 50, 40)
        fading.learn(n, usual + off, usual, usual + mean, usual)
    assert fading.slopes(0).tolist() == [1.0, 0.0]
    found = fading.foretold_w(np.array([1, 2]), usual + 200, usual, np.tile(usual[:, None], 2))
    left = (found[0] + 500) / 200
    assert left[0] == pytest.approx(0.6, abs=0.06)  # the quarter-hour after the next begins as far off
    assert left[1] == pytest.approx(0.36, abs=0.06)


def test_groups_are_feeders_that_are_large_enough() -> None:
    node_id, group = groups_of(feeders(), 10 + np.arange(HOME_COUNT))
    assert node_id.tolist() == [REST, 1]
    assert group.tolist() == [1] * (HOME_COUNT - 4) + [0] * 4
    assert groups_of(Nodes(), 10 + np.arange(HOME_COUNT))[0].tolist() == [REST]


def test_who_is_not_heard_counts_as_the_others_do() -> None:
    power_w = np.array([[100.0, np.nan, np.nan], [300.0, 300.0, np.nan], [200.0, 100.0, 50.0]], np.float32)
    sums = group_sums(power_w, np.array([0, 0, 0]), 1, np.ones(3))
    assert sums[0, :2].tolist() == [600.0, 600.0]
    assert np.isnan(sums[0, 2])


def test_profiles_are_as_the_view_learns_them() -> None:
    course = np.full((1, 3 * HOURS), 10.0)
    course[0, HOURS:] = 20.0
    found = profiles_of(course)
    assert found[0, HOURS] == pytest.approx(13.0)
    assert found[0, 2 * HOURS] == pytest.approx(15.1)


def test_the_refresh_is_done_in_portions(forecast: HomeForecast) -> None:
    assert forecast.count == 4  # loads and roofs of two groups
    for outlook in forecast.outlooks.values():
        assert np.isfinite(outlook.power_kw).all()
        assert (np.diff(outlook.power_kw, axis=2) >= -1e-6).all()
        assert (outlook.low_w <= 0).all() and (outlook.high_w >= 0).all()


def test_over_days_it_is_off_by_less_than_the_profiles() -> None:
    homes, power_w, forecast, off = street(), np.concatenate(made(5, 15)), HomeForecast(), []
    ids, lead = homes.of(LOAD, SOLAR), np.arange(1, 4)
    for n in range(14 * 96):
        homes.fold(census(homes, n, power_w))
        now_ns = (BEGIN_PERIOD + n) * PERIOD_NS
        if now_ns % DAY_NS == 11 * HOUR_NS and n > LEAST_DAYS * 96:
            forecast = refreshed(homes, now_ns)
        if forecast.count and n % 2 == 0:
            truth = (power_w[:, n + lead] + power_w[:, n + lead + 1]) / 2
            found = [foretold_w(homes, ids, BEGIN_PERIOD + n + lead, each) for each in (forecast, None)]
            off.append([np.abs(each - truth).mean() for each in found])
    ours, profiles = np.mean(off, axis=0)
    assert ours < 0.985 * profiles


def test_a_desk_that_was_restarted_comes_to_the_same_forecast(homes: Homes, forecast: HomeForecast) -> None:
    """The history goes on meanwhile; what came after the refresh was due changes nothing."""
    longer = lived(15.9)
    again = refreshed(longer, now_of(longer))
    for kind, outlook in forecast.outlooks.items():
        np.testing.assert_array_equal(outlook.power_kw, again.outlooks[kind].power_kw)
        np.testing.assert_array_equal(outlook.is_better, again.outlooks[kind].is_better)
        np.testing.assert_array_equal(outlook.usual_w, again.outlooks[kind].usual_w)


def test_too_little_history_leaves_the_profiles() -> None:
    homes = lived(LEAST_DAYS - 1)
    forecast = refreshed(homes, now_of(homes))
    assert forecast.count == 0
    ids, periods = homes.of(LOAD, SOLAR), homes.measured_period + np.arange(4)
    assert foretold_w(homes, ids, periods, forecast).tolist() == homes.foretold_w(ids, periods).tolist()
    assert not forecast.is_modelled(homes, ids, periods).any()
    assert forecast.margins_w(homes, np.arange(3)) == ({}, {})


def test_the_desk_notes_where_its_forecast_comes_from_once(homes: Homes) -> None:
    view = DeskView()
    view.homes = lived(2)
    desk, notes = Desk(), []
    for n in range(40):
        commands = desk.advise(view, {}, now_of(view.homes) // (30 * MINUTE_NS) * 30 * MINUTE_NS + n)
        notes += [SCHEMA.unpack_command(row) for row in commands]
    steps = [step for step in notes if step["record"] == "RecordStep"]
    assert [(s["step"], s["outcome"], s["price_source"]) for s in steps] == [
        (FORECAST, FELL_BACK, NAIVE_FORECAST)
    ]


def test_a_margin_comes_off_the_limits_of_sites_and_feeders(homes: Homes, forecast: HomeForecast) -> None:
    nodes, sites = feeders(), 10 + np.arange(HOME_COUNT)
    start_ns = int(homes.measured_period) // 96 * 96 * PERIOD_NS + 12 * HOUR_NS
    less = limits_of(nodes, homes, start_ns, 3, None, forecast)
    _, _, give_less, take_less = less.above(sites, 3)
    _, _, give, take = NodeLimits(nodes, less.others_w).above(sites, 3)
    assert (give_less[3:] < give[3:]).all()
    assert (take_less[3:] < take[3:]).all()
    of_feeder, of_sites = give[1] - give_less[1], (give[3:11] - give_less[3:11]).sum(axis=0)
    assert (of_feeder > 0).all()
    assert (of_feeder < of_sites).all()  # a sum's quantile is no sum of quantiles


def options(**changes: Any) -> Namespace:
    return Namespace(**{"kind": None, "node": None, "day": None, **changes})


def test_the_tool_shows_the_band_beside_what_was_metered(homes: Homes) -> None:
    view = DeskView(homes=homes, nodes=feeders())
    day = str(np.datetime64(now_of(homes) // DAY_NS - 1, "D"))
    made_then = home_outlook.made(view, now_of(homes), day)
    rows = home_outlook.rows_of(view, made_then, options())
    assert {row["kind"] for row in rows} == {"load", "solar"}
    assert {row["node_id"] for row in rows} == {REST, 1}
    metered = [row["metered_kw"] for row in rows]
    assert metered[0] is not None and metered[-1] is None  # the day before is over, the next is not
    assert all(row["q10_kw"] <= row["q50_kw"] <= row["q90_kw"] for row in rows)
    only = home_outlook.rows_of(view, made_then, options(kind="solar", node=1))
    assert len(only) == len(rows) // 4
    picture = home_outlook.chart_of(rows).svg()
    assert "solar: metered" in picture and "load: 90 %" in picture


def test_the_tool_says_when_there_is_no_forecast() -> None:
    view = DeskView(homes=lived(1), nodes=feeders())
    with pytest.raises(RingmainError, match="RM796"):
        home_outlook.made(view, now_of(view.homes), None)
    with pytest.raises(RingmainError, match="RM795"):
        home_outlook.made(view, now_of(view.homes), "yesterday")
