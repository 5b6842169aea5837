"""Forecasts as the desk had them, and the share of perfect foresight."""

import itertools
from datetime import date, timedelta

import numpy as np
import pytest

from ringmain.vpp.advice.foresight import Told, reserve_minor
from ringmain.vpp.fleets import FIELDS, seeded_fleet
from ringmain.vpp.reserve_views import Kept
from ringmain.vpp.views import Statement
from ringmain.world.calendar import DAY_NS, HOUR_NS, MINUTE_NS, QUARTER_NS, midnight_ns
from ringmain.world.foresight import forecasts, foresight
from ringmain.world.live import Plan

FIRST = date(2024, 5, 20)
BEGIN_NS = midnight_ns(FIRST)
CHEAP_THEN_DEAR = [1_000] * 6 + [5_000] * 6 + [1_000] * 6 + [9_000] * 6
FLAT = [4_000] * 24


@pytest.fixture
def plan():
    fleet = [[int(command[name][0]) for name in FIELDS] for command in seeded_fleet(30, 1, [1])]
    return Plan(
        "data", FIRST, [FLAT, FLAT, FLAT], "made up", [[ticks + n for ticks in FLAT] for n in range(8)], fleet
    )


def told(plan, days, stored_share=(0.5, 0.5, 0.5)):
    ticks = {BEGIN_NS + n * HOUR_NS: price for n, price in enumerate(itertools.chain(*days))}
    ids, capacity = zip(
        *[(row[0], row[FIELDS.index("energy_capacity_wh")]) for row in plan.fleet], strict=True
    )
    stored = {
        BEGIN_NS + n * DAY_NS: {i: int(share * wh) for i, wh in zip(ids, capacity, strict=True)}
        for n, share in enumerate(stored_share)
    }
    found = Told(stored)
    for start_ns, price in ticks.items():
        first = start_ns // QUARTER_NS
        found.prices.price_ticks.update(dict.fromkeys(range(first, first + 4), price))
    return found


def earned(begin_ns, amount_minor):
    """A quarter-hour whose awards paid, or cost, an amount."""
    return Statement(begin_ns, 0, 0, 0, 0, 0, award_minor=amount_minor + 7, imbalance_minor=-4, wear_minor=3)


def test_a_day_that_earned_what_was_to_be_earned_has_the_whole_share(plan):
    days = told(plan, [CHEAP_THEN_DEAR, FLAT])
    (first, second) = foresight(plan, days, [])
    assert first["perfect_eur"] > 1 and first["earned_eur"] == 0 and first["share"] == 0
    assert (second["perfect_eur"], second["share"]) == (0, None)
    whole = round(first["perfect_eur"] * 1e6)
    statements = [earned(BEGIN_NS - 15 * MINUTE_NS, 10**9), earned(BEGIN_NS, whole // 2),
                  earned(BEGIN_NS + DAY_NS - 15 * MINUTE_NS, whole - whole // 2)]  # fmt: skip
    (first, second) = foresight(plan, days, statements)
    assert first["share"] == 1 and second["earned_eur"] == 0
    days.called_minor.update({BEGIN_NS: whole // 4, BEGIN_NS + DAY_NS: 10**9})
    (first, _) = foresight(plan, days, statements)
    assert first["share"] == pytest.approx(0.75, abs=1e-3)  # what reserve brought is left out
    assert first["reserve_eur"] == pytest.approx(whole / 4e6, abs=1e-6)


def test_who_held_reserve_is_laid_beside_foresight_that_holds_it(plan):
    days = told(plan, [CHEAP_THEN_DEAR, FLAT])
    (free, _) = foresight(plan, days, [])
    power_w = sum(row[FIELDS.index("discharge_limit_w")] for row in plan.fleet)
    periods = range(BEGIN_NS // QUARTER_NS, (BEGIN_NS + DAY_NS) // QUARTER_NS)
    days.reserves.up_w.update(dict.fromkeys(periods, power_w * 19 // 20))
    (bound, _) = foresight(plan, days, [])
    assert 0 < bound["perfect_eur"] < 0.8 * free["perfect_eur"]


def test_called_energy_counts_at_the_auctions_price(plan):
    days = told(plan, [CHEAP_THEN_DEAR, FLAT])
    period = BEGIN_NS // QUARTER_NS + 1
    days.called_minor[BEGIN_NS] = 50
    days.reserves.kept[period] = Kept(
        **{**dict.fromkeys(Kept.__dataclass_fields__, 0), "activated_wh": 100_000, "availability_minor": 7}
    )
    start_ns = period * QUARTER_NS  # at 10 EUR/MWh
    assert reserve_minor(days) == {BEGIN_NS: 50, start_ns: 7 - 1_000_000}


def test_what_is_stored_counts_for_what_it_costs_to_store_again(plan):
    (first, _) = foresight(plan, told(plan, [CHEAP_THEN_DEAR, FLAT], (0.5, 0.6, 0.6)), [])
    capacity_mwh = sum(row[FIELDS.index("energy_capacity_wh")] for row in plan.fleet) / 1e6
    efficiency = np.mean([row[FIELDS.index("charge_efficiency_permille")] for row in plan.fleet]) / 1_000
    assert first["earned_eur"] == pytest.approx(0.1 * capacity_mwh * 10 / efficiency, rel=0.01)


def test_a_day_that_was_not_lived_whole_or_has_no_price_is_left_out(plan):
    without = told(plan, [CHEAP_THEN_DEAR, FLAT])
    for period in range(4):
        del without.prices.price_ticks[(BEGIN_NS + 30 * HOUR_NS) // QUARTER_NS + period]
    assert [line["day"] for line in foresight(plan, without, [])] == [FIRST.isoformat()]
    cut = told(plan, [CHEAP_THEN_DEAR, FLAT], (0.5, 0.5))
    assert [line["day"] for line in foresight(plan, cut, [])] == [FIRST.isoformat()]
    assert foresight(plan, told(plan, [], ()), []) == []


def test_forecasts_know_the_file_before_and_the_auctions_since(plan):
    """And nothing of the day itself: yesterday's level is the second day's forecast."""
    expected = forecasts(plan, told(plan, [CHEAP_THEN_DEAR, [77] * 24]))
    assert len(expected) == 48 and min(expected) == BEGIN_NS
    first, second = np.array(list(expected.values())).reshape(2, 24)
    assert (first == 4_007).all()
    assert second.mean() == pytest.approx(np.mean(CHEAP_THEN_DEAR), abs=1)
    known = forecasts(plan, told(plan, [CHEAP_THEN_DEAR]))
    assert known == expected
    assert FIRST + timedelta(1) == plan.days[1]
