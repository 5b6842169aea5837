"""The day-ahead bid as a choice of profiles, and the courses of prices that it is chosen for."""

import numpy as np
import pytest

from ringmain.vpp.advice.bidding import Order
from ringmain.vpp.advice.block_bidding import Limits, Profile, block_orders, choose, limits_of, profile_of
from ringmain.vpp.advice.forecast import DAY_NS, HOUR_NS
from ringmain.vpp.advice.scenarios import ERROR_DAYS, Scenarios
from ringmain.vpp.block_messages import ExtendBlockBid, SubmitBlockBid
from ringmain.vpp.messages import BUY, SELL
from ringmain.vpp.views import ASSET


def profile(*lots):
    return Profile(np.array(lots, np.int64))


def test_a_profile_is_what_a_plan_trades_by_product():
    orders = [Order(12, SELL, 40, 3), Order(10, BUY, 50, 2)]
    assert profile_of(orders, [10, 11, 12, 13]).lots.tolist() == [-2, 0, 3, 0]


def test_of_profiles_those_are_offered_that_are_best_for_some_course():
    early, late, never = profile(-2, 2, 0, 0), profile(0, 0, -2, 2), profile(2, 0, 0, -2)
    courses = np.array([[10, 90, 50, 50], [50, 50, 10, 80]], float)
    limits = Limits(buy_ticks=0.0, sell_ticks=0.0)
    assert choose([early, never, early, late, profile(0, 0, 0, 0)], courses, limits) == [early, late]
    dear = Limits(buy_ticks=0.0, sell_ticks=75.0)  # wear takes what the second would earn
    assert choose([early, late], courses, dear) == [early]
    assert choose([profile(0, 0, 0, 0)], courses, limits) == []


def test_limits_are_worth_of_stored_energy_through_the_losses():
    fleet = np.zeros(2, ASSET).view(np.recarray)
    fleet.charge_limit_w = fleet.discharge_limit_w = (1_000, 3_000)
    fleet.charge_efficiency_permille, fleet.discharge_efficiency_permille = 900, 800
    fleet.wear_price_ticks = (100, 500)
    limits = limits_of(fleet, np.array([2_000.0, 2_000.0]))
    assert limits.buy_ticks == pytest.approx(1_800)
    assert limits.sell_ticks == pytest.approx(2_500 + 400)


def test_blocks_hang_sales_on_purchases_and_share_a_group():
    profiles = [profile(0, -2, -2, 0, 1, 3), profile(-1, 0, 0, 0, 0, 0), profile(0, 0, 4, 0, 0, 4)]
    made = block_orders(profiles, Limits(100.4, 250.6), 200, [], 7)
    assert [(b.bid_id, b.parent_bid_id, b.side, b.price_ticks) for b in made] == [
        (7, 0, BUY, 100), (8, 7, SELL, 251), (9, 0, BUY, 100), (10, 0, SELL, 251),
    ]  # fmt: skip
    assert [b.product_ids for b in made] == [
        range(201, 203), range(204, 206), range(200, 201), range(202, 206),
    ]  # fmt: skip
    assert made[3].runs == ((1, 4), (2, 0), (1, 4)) and made[3].most_lots == 4
    begin, *runs = made[3].commands(55)
    said = SubmitBlockBid.unpack(begin)
    assert (said["exclusive_group"], said["period_count"], said["run_periods"]) == (55, 4, 1)
    assert [ExtendBlockBid.unpack(run)["quantity_lots"] for run in runs] == [0, 4]
    child = SubmitBlockBid.unpack(made[1].commands(55)[0])
    assert (child["exclusive_group"], child["parent_bid_id"]) == (0, 7)


def test_blocks_that_were_made_already_keep_their_ids():
    profiles = [profile(-2, 1), profile(-1, 1)]
    made = block_orders(profiles, Limits(1, 2), 200, [3, 4, 6], 9)
    assert [(b.bid_id, b.parent_bid_id) for b in made] == [(3, 0), (4, 3), (6, 0), (9, 6)]


def history(days, price):
    return {day * DAY_NS + hour * HOUR_NS: price(day, hour) for day in days for hour in range(24)}


def test_courses_are_the_forecast_with_the_errors_of_the_days_before():
    """A level that jumps each day by as much as the day's number: the naive forecast misses by just that."""
    known = history(range(100, 130), lambda day, hour: sum(range(100, day + 1)) + 10 * hour)
    courses = Scenarios().around(np.full(24, 5_000), known, {}, 130 * DAY_NS, 130 * DAY_NS - 13 * HOUR_NS)
    assert courses.shape == (ERROR_DAYS, 24)
    assert courses[:, 0].tolist() == [5_000 + day for day in range(130 - ERROR_DAYS, 130)]


def test_no_course_looks_at_the_day_itself_or_uses_a_day_with_gaps():
    known = history(range(100, 110), lambda day, hour: 100 * day + hour)
    before = Scenarios().around(np.zeros(24), known, {}, 110 * DAY_NS, 110 * DAY_NS)
    later = {**known, **history(range(110, 112), lambda day, hour: 9_999)}
    assert np.array_equal(before, Scenarios().around(np.zeros(24), later, {}, 110 * DAY_NS, 110 * DAY_NS))
    del known[108 * DAY_NS + 5 * HOUR_NS]
    assert len(Scenarios().around(np.zeros(24), known, {}, 110 * DAY_NS, 110 * DAY_NS)) < len(before)
    assert Scenarios().around(np.zeros(24), {}, {}, 110 * DAY_NS, 110 * DAY_NS).shape == (0, 24)


def test_where_enough_is_known_the_errors_are_those_of_the_linear_models():
    """A weekly pattern that the linear models know and the naive forecast does not."""
    dice = np.random.default_rng(5)
    noise = dice.normal(0, 20, 200)
    known = history(
        range(100, 200), lambda day, hour: round(4_000 + 900 * (day % 7 == 3) + noise[day - 100] + hour)
    )
    courses = Scenarios().around(np.zeros(24), known, {}, 200 * DAY_NS, 200 * DAY_NS - 13 * HOUR_NS)
    assert np.abs(courses).mean() < 150
