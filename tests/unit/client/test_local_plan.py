"""A device's own plan: the fleet's, on the prices that it was sent, within what it and its site can do."""

import dataclasses

import numpy as np
import pytest

from ringmain.client.devices.local_plan import COMMANDED, OWN, PLANNING, RESTING, LocalPlans, own_of
from ringmain.gateway.sheets import HOUR_NS, Sheet
from ringmain.vpp.advice.planner import Planner
from ringmain.vpp.fleets import seeded_fleet
from ringmain.vpp.messages import SCHEMA, BatteryRegistered
from ringmain.vpp.views import Assets
from ringmain.world.grid_batteries import GridBattery

BEGIN_NS = 460_000 * HOUR_NS
MINUTE_NS = HOUR_NS // 60
PRICES = (
    3_100, 2_900, 2_800, 2_700, 2_750, 3_000, 3_900, 4_800, 5_200, 5_000, 4_600, 4_300,
    4_100, 3_900, 3_800, 3_900, 4_200, 5_100, 6_000, 6_200, 5_600, 4_700, 4_000, 3_500,
)  # fmt: skip
ALL = np.array([True])


def sheet(number=1, prices=PRICES, commanded_ns=BEGIN_NS, period_s=3_600, begins_ns=BEGIN_NS):
    ends_ns = begins_ns + len(prices) * period_s * 1_000_000_000
    return Sheet(number, commanded_ns, ends_ns, begins_ns, period_s, tuple(prices))


def one(**values):
    own = np.zeros(1, OWN)
    limits = {
        "charge_limit_w": 5_000, "discharge_limit_w": 5_000, "capacity_wh": 10_000, "reserve_wh": 1_000,
        "charge_efficiency": 0.95, "discharge_efficiency": 0.95, "wear_ticks": 300,
        "fuse_import_w": np.inf, "fuse_export_w": np.inf,
    }  # fmt: skip
    for name, value in (limits | values).items():
        own[name] = value
    return own


def power(plans, at_ns, energy_wh=5_000.0, site_w=0.0):
    return float(plans.power_w(at_ns, np.array([energy_wh]), ALL, site_w)[0])


def run(plans, own, energy_wh, end_ns, site_w=0.0, step_ns=MINUTE_NS, begin_ns=BEGIN_NS):
    """Live as planned, minute by minute; return energies, powers, and what was earned in Wh x ticks."""
    energies, powers, earned = [], [], 0.0
    for now_ns in range(begin_ns, end_ns, step_ns):
        power_w = power(plans, now_ns, energy_wh, site_w)
        given_wh = power_w * step_ns / HOUR_NS
        out_wh = given_wh / own["discharge_efficiency"][0] if given_wh > 0 else 0.0
        energy_wh += -given_wh * own["charge_efficiency"][0] if given_wh < 0 else -out_wh
        energies.append(energy_wh)
        powers.append(power_w)
        price = plans.sheet.price_ticks[
            (now_ns - plans.sheet.begins_ns) // (plans.sheet.period_s * 10**9)
        ] if now_ns < plans.sheet.ends_ns else 0  # fmt: skip
        earned += given_wh * price - max(given_wh, 0.0) * own["wear_ticks"][0]
    return np.array(energies), np.array(powers), earned


@pytest.mark.parametrize("seed", range(4))
def test_it_is_what_the_fleet_would_plan(seed):
    """For every battery, at any hour, as long as no limit above the battery binds."""
    rows = np.concatenate(seeded_fleet(30, seed, [1]))
    dice = np.random.default_rng(seed)
    prices = np.array(PRICES) + dice.integers(-900, 900, 24)
    hour = int(dice.integers(0, 20))
    energy_wh = np.rint(rows["energy_capacity_wh"] * dice.uniform(0, 1, rows.size))
    plans = LocalPlans(own_of(rows))
    assert plans.hear(sheet(prices=prices.tolist()))
    course = plans.course(BEGIN_NS + hour * HOUR_NS, energy_wh)
    fleet = _fleet_of(rows)
    theirs = Planner(prices[hour:], prices).plan(fleet, energy_wh.astype(np.int64)).power_w
    assert np.abs(course.power_w - theirs).max() <= 1.0
    assert (course.power_w > 0).any() and (course.power_w < 0).any()


def _fleet_of(rows):
    """Return batteries as the planner takes them, from the events that took them in."""
    events = []
    for row in rows:
        fields = [field.name for field in BatteryRegistered.fields]
        events.append(BatteryRegistered(**{name: int(row[name]) for name in fields}))
    assets = Assets()
    assets.fold(SCHEMA.batch(events))
    return assets.active


def test_phases_and_their_ends():
    plans = LocalPlans(one())
    assert plans.phase(BEGIN_NS) == RESTING and power(plans, BEGIN_NS) == 0
    plans.hear(sheet(prices=(1_000, 9_000), commanded_ns=BEGIN_NS + 10 * MINUTE_NS))
    expected = {0: COMMANDED, 10: PLANNING, 119: PLANNING, 120: RESTING}
    assert {minute: plans.phase(BEGIN_NS + minute * MINUTE_NS) for minute in expected} == expected
    assert plans.phase(BEGIN_NS - 1) == RESTING
    assert [power(plans, BEGIN_NS + minute * MINUTE_NS) != 0 for minute in expected] == [
        False, True, True, False,
    ]  # fmt: skip


def test_older_and_unfit_sheets_are_dropped():
    plans = LocalPlans(one())
    good = sheet(number=7)
    assert plans.hear(good) and not plans.hear(sheet(number=7)) and not plans.hear(sheet(number=6))
    bad = [
        {"number": 0}, {"price_ticks": ()}, {"price_ticks": (1,) * 193}, {"period_s": 60},
        {"begins_ns": BEGIN_NS + 1}, {"valid_until_ns": good.ends_ns + 1}, {"valid_until_ns": 0},
        {"price_ticks": (1 << 62,) * 24}, {"commanded_until_ns": -1},
    ]  # fmt: skip
    for changes in bad:
        assert not plans.hear(dataclasses.replace(good, **{"number": 8} | changes)), changes
    assert plans.sheet == good and plans.dropped == 2 + len(bad)


@pytest.mark.parametrize("seed", range(6))
def test_limits_hold_whatever_the_prices(seed):
    """Store, reserve, own limits and fuse, at prices below zero and in quarter-hours too."""
    dice = np.random.default_rng([seed, 5])
    own = one(
        charge_limit_w=dice.uniform(500, 9_000), discharge_limit_w=dice.uniform(500, 9_000),
        fuse_import_w=6_000, fuse_export_w=4_000,
    )  # fmt: skip
    period_s = (900, 3_600)[seed % 2]
    plans = LocalPlans(own)
    plans.hear(sheet(prices=dice.integers(-5_000, 20_000, 96).tolist(), period_s=period_s))
    site_w = float(dice.uniform(-3_000, 1_000))
    begin_ns = BEGIN_NS + int(dice.integers(0, 60)) * MINUTE_NS
    energies, powers, _ = run(
        plans, own, dice.uniform(1_000, 10_000), plans.sheet.ends_ns, site_w, begin_ns=begin_ns
    )
    assert energies.min() >= 1_000 - 1e-3 and energies.max() <= 10_000 + 1e-3
    assert powers.max() <= own["discharge_limit_w"][0] and powers.min() >= -own["charge_limit_w"][0]
    assert (powers + site_w).max() <= 4_000 + 1e-6 and (powers + site_w).min() >= -6_000 - 1e-6
    assert np.abs(powers).max() > 100


def test_planned_anew_each_hour_it_earns_what_was_planned_at_first():
    own = one()
    plans = LocalPlans(own)
    plans.hear(sheet())
    course = plans.course(BEGIN_NS, np.array([5_000.0]))
    planned = course.power_w[0] @ course.price_ticks - np.maximum(course.power_w[0], 0).sum() * 300
    _, _, earned = run(plans, own, 5_000.0, BEGIN_NS + 24 * HOUR_NS)
    assert earned > 0 and earned == pytest.approx(planned, rel=1e-6)


def test_an_hour_that_has_begun_counts_as_much_as_is_left_of_it():
    plans = LocalPlans(one())
    plans.hear(sheet(prices=(1_000, 9_000, 9_000)))
    course = plans.course(BEGIN_NS + 30 * MINUTE_NS, np.array([1_000.0]))
    assert course.power_w[0, 0] == pytest.approx(-5_000)
    assert course.power_w[0, 1:].sum() == pytest.approx(2_500 * 0.95 * 0.95)
    assert (course.ends_ns - course.starts_ns)[:2].tolist() == [HOUR_NS // 2, HOUR_NS]


def test_a_load_beyond_the_fuse_is_helped_out():
    """The site takes 8 kW through a fuse of 6: 2 kW come from the store, even where it is planned to rest."""
    plans = LocalPlans(one(fuse_import_w=6_000))
    plans.hear(sheet(prices=(4_000,) * 24))
    assert power(plans, BEGIN_NS) == 0
    assert power(plans, BEGIN_NS + MINUTE_NS, site_w=-8_000.0) == pytest.approx(2_000)
    assert power(plans, BEGIN_NS + 2 * MINUTE_NS, energy_wh=1_000.0, site_w=-8_000.0) == 0


def test_another_price_is_planned_for_at_once_and_a_renewal_changes_nothing():
    plans = LocalPlans(one())
    plans.hear(sheet(prices=(1_000, 9_000)))
    before = power(plans, BEGIN_NS)
    plans.hear(sheet(number=2, prices=(1_000, 9_000)))
    assert power(plans, BEGIN_NS + MINUTE_NS, 5_100.0) == before < 0
    plans.hear(sheet(number=3, prices=(9_000, 1_000)))
    assert power(plans, BEGIN_NS + MINUTE_NS, 5_100.0) > 0


def test_droop_stays_on_top_of_the_plan():
    battery = GridBattery(1)
    battery.plans.hear(sheet(prices=(1_000,) * 4 + (4_500,) * 2 + (9_000,)))
    battery.live(BEGIN_NS, 50.0)
    assert battery.power_w == battery.plans.power_w(BEGIN_NS, np.array([battery.energy_wh]), ALL)[0]
    resting, planned = GridBattery(1), battery.power_w
    battery.live(BEGIN_NS + 1, 49.9)
    resting.live(BEGIN_NS + 1, 49.9)
    answer_w = resting.power_w
    assert answer_w > 0
    assert battery.power_w == pytest.approx(planned + answer_w)
    battery.want(1, -1_500, BEGIN_NS + HOUR_NS)
    battery.live(BEGIN_NS + 2, 49.9)
    assert battery.power_w == pytest.approx(-1_500 + answer_w)
    battery.live(BEGIN_NS + 2 * HOUR_NS, 49.9)  # the lease is over: the plan again
    own_w = battery.plans.power_w(BEGIN_NS + 2 * HOUR_NS, np.array([battery.energy_wh]), ALL)[0]
    assert battery.power_w == pytest.approx(own_w + answer_w)
