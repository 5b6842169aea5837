"""Plans that hold reserve: shares, narrower power, energy in store; and what is offered."""

import numpy as np
import pytest

from ringmain.vpp.advice.planner import Planner
from ringmain.vpp.advice.reserve import Owed, ReserveRules, beneath, offers, owed_of, spread
from ringmain.vpp.advice.reserve_programme import Claim, Programme
from ringmain.vpp.advice.reserve_supply import supply
from ringmain.vpp.home_views import Homes, Nodes
from ringmain.vpp.reserve_messages import RESERVE_DOWN, RESERVE_UP
from ringmain.vpp.reserve_views import Reserves
from ringmain.vpp.state import PERIOD_NS
from ringmain.vpp.views import Product, reserve_wh
from unit.vpp.rig import HOUR_NS, MIDNIGHT_NS
from unit.vpp.test_reserve_programme import groups_of, powers, some_stores
from unit.vpp.test_vpp_planner import fleet, limits_of, nodes_of

WAVE = (4_000 + 1_800 * np.sin(np.arange(24) / 24 * 4 * np.pi)).astype(np.int64)
EVERY_WH = 0.5  # hours


def owed(up_w, down_w, hours=24, first=8, last=12):
    """Return reserve owed between two hours."""
    up, down = np.zeros((2, hours))
    up[first:last], down[first:last] = up_w, down_w
    return Owed(up, down, np.full(hours, EVERY_WH))


def some_fleet(n, seed=0):
    dice = np.random.default_rng(seed)
    makes = [{}, {"charge_limit_w": 3_000, "discharge_limit_w": 4_000}, {"energy_capacity_wh": 14_000},
             {"discharge_efficiency_permille": 900, "wear_price_ticks": 500}]  # fmt: skip
    rows = [{**makes[int(k)], "asset_id": i + 1} for i, k in enumerate(dice.integers(0, 4, n))]
    batteries = fleet(*rows)
    low_wh = reserve_wh(batteries)
    return batteries, low_wh + (dice.random(n) * (batteries.energy_capacity_wh - low_wh)).astype(np.int64)


def stored_after(batteries, stored_wh, power_w):
    """Return what each battery has after each hour, usable Wh."""
    into, out = batteries.charge_efficiency_permille / 1_000, batteries.discharge_efficiency_permille / 1_000
    drops = np.where(power_w > 0, power_w / out[:, None], power_w * into[:, None])
    return (stored_wh - reserve_wh(batteries))[:, None] - np.cumsum(drops, axis=1)


def check_holds(batteries, stored_wh, hours, holding, up_w, down_w):
    """Assert that a plan leaves the power and the energy that each battery's share needs."""
    power_w = hours.power_w
    assert (power_w + holding.up_w <= batteries.discharge_limit_w[:, None] + 2).all()
    assert (holding.down_w - power_w <= batteries.charge_limit_w[:, None] + 2).all()
    assert holding.up_w.sum(axis=0) == pytest.approx(up_w, abs=1)
    assert holding.down_w.sum(axis=0) == pytest.approx(down_w, abs=1)
    held = stored_after(batteries, stored_wh, power_w)
    begins = np.concatenate([(stored_wh - reserve_wh(batteries))[:, None], held[:, :-1]], axis=1)
    out = batteries.discharge_efficiency_permille[:, None] / 1_000
    into = batteries.charge_efficiency_permille[:, None] / 1_000
    room_wh = (batteries.energy_capacity_wh - reserve_wh(batteries))[:, None]
    for at_wh in (begins, held):
        assert (at_wh >= holding.up_w * EVERY_WH / out - 25).all()
        assert (room_wh - at_wh >= holding.down_w * EVERY_WH * into - 25).all()


@pytest.mark.parametrize("seed", range(3))
def test_a_plan_holds_what_is_owed_in_power_and_in_energy(seed):
    batteries, stored_wh = some_fleet(40, seed)
    wanted = owed(60_000.0, 40_000.0)
    planner = Planner(WAVE, WAVE)
    hours, holding = planner.plan_holding(batteries, stored_wh, wanted)
    assert not holding.short
    check_holds(batteries, stored_wh, hours, holding, wanted.up_w, wanted.down_w)
    free = planner.plan(batteries, stored_wh)
    assert (free.power_w != hours.power_w).any()
    cash = [plan.power_w.sum(axis=0) @ WAVE for plan in (free, hours)]
    assert cash[1] > 0.5 * cash[0] > 0


def test_without_reserve_the_plan_is_the_same_bit_for_bit():
    batteries, stored_wh = some_fleet(12)
    planner = Planner(WAVE, WAVE)
    hours, holding = planner.plan_holding(batteries, stored_wh, None)
    assert holding is None
    assert hours.tobytes() == planner.plan(batteries, stored_wh).tobytes()


def test_empty_batteries_are_charged_for_what_they_have_to_hold_and_the_bids_pay_for_it():
    batteries, _ = some_fleet(10)
    empty_wh, wanted = reserve_wh(batteries), owed(30_000.0, 0.0, 12, 3, 9)
    prices = np.full(12, 5_000, np.int64)  # nothing to be earned
    assert not Planner(prices, prices).plan(batteries, empty_wh).power_w.any()
    hours, holding = Planner(prices, prices).plan_holding(batteries, empty_wh, wanted)
    assert not holding.short
    check_holds(batteries, empty_wh, hours, holding, wanted.up_w, wanted.down_w)
    buying = hours.power_w[:, :3] < 0
    assert buying.any()
    assert (hours.buy_ticks[:, :3][buying] >= 5_000).all()


def test_what_cannot_be_held_is_named_and_the_least():
    batteries = fleet({}, {"asset_id": 2})
    empty_wh = reserve_wh(batteries)
    hours, holding = Planner(WAVE[:4], WAVE).plan_holding(batteries, empty_wh, owed(10_000.0, 0.0, 4, 0, 4))
    assert [(short.hour, short.is_up) for short in holding.short] == [(0, True)]
    assert holding.short[0].missing_w == pytest.approx(10_000)  # nothing is stored in the first hour
    needed_wh = 10_000 * EVERY_WH / 0.95
    assert stored_after(batteries, empty_wh, hours.power_w)[:, 0].sum() == pytest.approx(needed_wh, abs=5)
    hours, holding = Planner(WAVE, WAVE).plan_holding(batteries, empty_wh, owed(25_000.0, 7_000.0))
    assert {(short.hour, short.is_up) for short in holding.short} == {(hour, True) for hour in range(8, 12)}
    assert [short.missing_w for short in holding.short] == pytest.approx([15_000] * 4, abs=5)


def test_a_cable_is_shared_by_energy_and_reserve():
    batteries = fleet(*({"asset_id": n, "node_id": 2 + n % 2} for n in range(1, 7)))
    limits = limits_of(nodes_of(12_000, 14_000), Homes(), MIDNIGHT_NS, 24)
    planner, stored_wh = Planner(WAVE, WAVE, limits), np.full(6, 6_000)
    wanted = owed(9_000.0, 5_000.0)
    hours, holding = planner.plan_holding(batteries, stored_wh, wanted)
    assert not holding.short
    check_holds(batteries, stored_wh, hours, holding, wanted.up_w, wanted.down_w)
    power_w = hours.power_w.sum(axis=0)
    assert (power_w + wanted.up_w <= 12_006).all()
    assert (wanted.down_w - power_w <= 14_006).all()
    assert power_w.max() > 11_900, "it is used where nothing is held"
    problem = planner.problem(batteries, stored_wh)
    assert beneath(problem, holding.up_w)[0] == pytest.approx(wanted.up_w, abs=1)


def test_parts_are_shared_out_as_far_as_each_can():
    label = np.array([0, 0, 1, 1])
    assert spread(np.array([4.0, 2.0]), label, np.full(4, 3.0)).tolist() == [2, 2, 1, 1]
    assert spread(np.array([8.0, 0.0]), label, np.full(4, 3.0)).tolist() == [3, 3, 1, 1]
    assert spread(np.array([80.0, 1.0]), label, np.full(4, 3.0)).tolist() == [3, 3, 3, 3]
    assert spread(np.array([1.0, 1.0]), label, np.zeros(4)).tolist() == [0, 0, 0, 0]


def test_what_is_owed_comes_from_the_awards_by_hour():
    reserves = Reserves()
    assert owed_of(reserves, MIDNIGHT_NS, 4) is None
    first = MIDNIGHT_NS // PERIOD_NS
    reserves.up_w = {first + 5: 3_000, first + 6: 5_000}
    reserves._longest_s = {first + 5: 1_800, first + 6: 900}
    found = owed_of(reserves, MIDNIGHT_NS, 4)
    assert found.up_w.tolist() == [0, 5_000, 0, 0]
    assert not found.down_w.any()
    assert found.duration_hours[1] == EVERY_WH
    assert found.claims() == [Claim(True, 1, 1, EVERY_WH)]


# What is offered.


def product(product_id, service, first, count=4, **changes):
    values = {
        "product_id": product_id, "delivery_start_ns": MIDNIGHT_NS + first * HOUR_NS,
        "delivery_duration_s": count * 3_600, "gate_closure_ns": MIDNIGHT_NS - 12 * HOUR_NS,
        "lot_power_w": 10_000, "value_minor": 400, "service": service, "activation_ticks": 5_000,
        "activation_max_s": 1_800,
    }  # fmt: skip
    return Product(**{**values, **changes})


def day_products():
    return [
        product(2 * block + (service == RESERVE_DOWN), service, 4 * block)
        for block in range(6)
        for service in (RESERVE_UP, RESERVE_DOWN)
    ]


@pytest.fixture(scope="module")
def offered():
    batteries, stored_wh = some_fleet(60)
    problem = Planner(WAVE, WAVE).problem(batteries, stored_wh)
    return problem, offers(problem, WAVE, MIDNIGHT_NS, day_products(), ReserveRules())


def test_steps_rise_and_are_no_more_than_may_be_offered(offered):
    problem, found = offered
    most = {RESERVE_UP: problem.stores.discharge_wh @ problem.stores.discharge_efficiency,
            RESERVE_DOWN: (problem.stores.charge_wh / problem.stores.charge_efficiency).sum()}  # fmt: skip
    assert [made.product_id for made, _ in found] == list(range(12))
    for made, steps in found:
        prices = [step.price_ticks for step in steps]
        assert prices == sorted(prices)
        assert all(step.lots > 0 and step.price_ticks >= max(0, step.cost_ticks) - 1e-3 for step in steps)
        assert len(steps) <= 8
        assert 0 < sum(step.lots for step in steps) * made.lot_power_w <= 0.8 * most[made.service]


def test_whatever_is_taken_of_it_asks_for_what_it_costs_and_can_be_held(offered):
    problem, found = offered
    give, take = powers(problem.stores, 24)
    groups = groups_of(problem.stores, problem.stored_wh, give, take)
    claims = [Claim(made.service == RESERVE_UP, 4 * (made.product_id // 2), 4, 0.5, 0.05, 5_000.0)
              for made, _ in found]  # fmt: skip
    programme, dice = Programme(groups, WAVE.astype(float), claims), np.random.default_rng(1)
    alone = programme.at(np.zeros(12)).worth
    for _ in range(30):
        clearing = dice.uniform(0, 1_500, 12)
        pairs = zip(found, clearing, strict=True)
        taken = [[s for s in steps if s.price_ticks <= price] for (_, steps), price in pairs]
        level = np.array([10_000.0 * sum(s.lots for s in steps) for steps in taken])
        asked = sum(4 * 10_000.0 * s.lots * s.price_ticks for steps in taken for s in steps)
        held = programme.at(level)
        assert held.short_w.max() < 1.0
        assert asked >= alone - held.worth - 1e-6 * abs(alone)


def test_a_watt_alone_costs_what_the_first_step_asks_for_at_least():
    dice = np.random.default_rng(2)
    stores, held = some_stores(dice, 4, 20)
    claims = [Claim(True, 4, 4, 0.5), Claim(False, 4, 4, 0.5)]
    programme = Programme(groups_of(stores, held, *powers(stores)), dice.uniform(1_000, 8_000, 12), claims)
    steps = supply(programme, np.array([6, 0]), np.array([2_000.0, 2_000.0]), 3)
    assert steps[1] == []
    assert [step.lots for step in steps[0]] == [2, 2, 2]
    nothing, level = programme.at(np.zeros(2)).worth, np.zeros(2)
    for step in steps[0]:
        level[0] += step.lots * 2_000.0
        cost = (nothing - programme.at(level).worth) / 4 / (step.lots * 2_000.0)
        assert step.cost_ticks >= cost - 1e-3
        nothing = programme.at(level).worth


def test_what_cannot_be_offered_is_not():
    batteries, stored_wh = some_fleet(6)
    problem = Planner(WAVE, WAVE).problem(batteries, stored_wh)
    odd = [product(1, RESERVE_UP, 22), product(2, RESERVE_UP, 0, delivery_duration_s=900)]
    assert offers(problem, WAVE, MIDNIGHT_NS, odd, ReserveRules()) == []
    big = [product(3, RESERVE_UP, 0, lot_power_w=1_000_000)]
    assert offers(problem, WAVE, MIDNIGHT_NS, big, ReserveRules()) == [(big[0], [])]
    nobody = Planner(WAVE, WAVE).problem(fleet(), np.zeros(0, np.int64))
    assert offers(nobody, WAVE, MIDNIGHT_NS, big, ReserveRules()) == [(big[0], [])]
    empty = Planner(WAVE, WAVE).problem(batteries, reserve_wh(batteries))
    ((_, early), (_, late)) = offers(
        empty, WAVE, MIDNIGHT_NS, [product(4, RESERVE_UP, 0), product(5, RESERVE_UP, 8)], ReserveRules()
    )
    assert not early, "an empty battery can't be called on in the first hour"
    assert late


def test_a_store_beneath_nothing_that_was_said_has_no_limit():
    batteries, stored_wh = some_fleet(3)
    limits = limits_of(Nodes(), Homes(), MIDNIGHT_NS, 24)
    hours, holding = Planner(WAVE, WAVE, limits).plan_holding(batteries, stored_wh, owed(2_000.0, 2_000.0))
    check_holds(batteries, stored_wh, hours, holding, *(owed(2_000.0, 2_000.0).up_w,) * 2)
