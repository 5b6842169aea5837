"""Energy and reserve together, beside a programme of every battery that is written out by hand."""

import highspy
import numpy as np
import pytest

from ringmain.core.solver import new_solver
from ringmain.vpp.advice.reserve_groups import groups_of, median_cut
from ringmain.vpp.advice.reserve_programme import SHORT_PRICE, Claim, Programme
from ringmain.vpp.advice.store import STORE_LIMITS

HOURS = 12
CLAIMS = (
    Claim(True, 0, 4, 0.5, 0.05, 6_000.0), Claim(False, 0, 4, 0.5, 0.03, 500.0),
    Claim(True, 4, 4, 0.5, 0.05, 6_000.0), Claim(True, 6, 2, 1.0, 0.0, 0.0), Claim(False, 8, 4, 0.5),
)  # fmt: skip


def some_stores(dice, kinds, n):
    """Return stores of some kinds, each a multiple of its kind, and what they hold."""
    kind, size = dice.integers(0, kinds, n), dice.uniform(0.5, 2, n)
    make = np.zeros(kinds, STORE_LIMITS).view(np.recarray)
    power_w = dice.uniform(2_000, 12_000, kinds)
    make.capacity_wh = power_w * dice.uniform(1, 3, kinds)
    make.charge_efficiency, make.discharge_efficiency = dice.uniform(0.88, 0.99, (2, kinds))
    make.charge_wh = 0.8 * power_w * make.charge_efficiency
    make.discharge_wh = power_w / make.discharge_efficiency
    make.wear_ticks, make.end_value_ticks = dice.uniform(50, 900, kinds), dice.uniform(500, 2_500, kinds)
    stores, held = make[kind], (make.capacity_wh * dice.uniform(0, 1, kinds))[kind] * size
    for name in ("capacity_wh", "charge_wh", "discharge_wh"):
        stores[name] *= size
    return stores.view(np.recarray), held


def powers(stores, hours=HOURS):
    give = np.repeat((stores.discharge_wh * stores.discharge_efficiency)[:, None], hours, axis=1)
    take = np.repeat((stores.charge_wh / stores.charge_efficiency)[:, None], hours, axis=1)
    return give, take


def by_hand(stores, held, prices, claims, level_w, give_w, take_w):
    """Return the worth of the best plan and what is short, one battery after the other."""
    solver, give, take = new_solver(), *powers(stores)
    parts = [[solver.addVariable(0) for _ in claims] for _ in stores]
    short = [solver.addVariable(0) for _ in claims]
    net, worth, penalty = [0] * HOURS, 0, 0
    for i, store in enumerate(stores):
        stored, into, out = float(held[i]), store.charge_efficiency, store.discharge_efficiency
        for t in range(HOURS + 1):
            for near in (t - 1, t):  # both the hour that ends and the one that begins
                up = [k for k, c in enumerate(claims) if c.is_up and near in c.hours]
                down = [k for k, c in enumerate(claims) if not c.is_up and near in c.hours]
                ready = sum(parts[i][k] * (claims[k].activation_hours / out) for k in up)
                solver.addConstr(stored >= ready + 0 * short[0])
                room = sum(parts[i][k] * (claims[k].activation_hours * into) for k in down)
                solver.addConstr(stored + room + 0 * short[0] <= store.capacity_wh)
            if t == HOURS:
                break
            taken, given = solver.addVariable(0), solver.addVariable(0)
            up = [k for k, c in enumerate(claims) if c.is_up and t in c.hours]
            down = [k for k, c in enumerate(claims) if not c.is_up and t in c.hours]
            solver.addConstr(given + sum(parts[i][k] for k in up) <= give[i, t])
            solver.addConstr(taken + sum(parts[i][k] for k in down) <= take[i, t])
            stored = stored + into * taken - given / out
            worth = worth + prices[t] * (given - taken) - store.wear_ticks * given
            net[t] = net[t] + given - taken
            for k in up + down:
                part, claim = parts[i][k], claims[k]
                wear = store.wear_ticks if claim.is_up else 0.0
                worth = worth + part * (claim.activated_share * (claim.activation_ticks - wear))
                stored = stored + part * (claim.activated_share * (-1 / out if claim.is_up else into))
        worth = worth + store.end_value_ticks * (stored - float(held[i]))
    for t in range(HOURS):
        up = [p[k] for p in parts for k, c in enumerate(claims) if c.is_up and t in c.hours]
        down = [p[k] for p in parts for k, c in enumerate(claims) if not c.is_up and t in c.hours]
        solver.addConstr(net[t] + sum(up) <= give_w[t])
        solver.addConstr(sum(down) - net[t] <= take_w[t])
    for k, claim in enumerate(claims):
        solver.addConstr(sum(p[k] for p in parts) + short[k] == level_w[k])
        penalty = penalty + short[k] * (SHORT_PRICE * float(np.abs(prices).max()) * claim.count)
    solver.maximize(worth - penalty)
    assert solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    values = np.array(solver.getSolution().col_value)
    lacking = np.array([values[column.index] for column in short])
    spans = np.array([claim.count for claim in claims])
    return solver.getObjectiveValue() + SHORT_PRICE * np.abs(prices).max() * (lacking @ spans), lacking


@pytest.mark.parametrize("seed", range(4))
def test_groups_of_multiples_are_worth_what_every_battery_by_itself_is(seed):
    dice = np.random.default_rng(seed)
    stores, held = some_stores(dice, 4, 12)
    give, take = powers(stores)
    prices, groups = dice.uniform(1_000, 8_000, HOURS), groups_of(stores, held, give, take)
    assert len(groups.capacity_wh) <= 4
    whole_w = 0.6 * give.sum(axis=0), 0.7 * take.sum(axis=0)
    programme = Programme(groups, prices, CLAIMS, *whole_w)
    for share in (0.0, 0.2, 2.0):
        level = share * give[:, 0].sum() * np.array([0.5, 0.4, 0.5, 0.3, 0.8])
        found = programme.at(level)
        worth, short = by_hand(stores, held, prices, CLAIMS, level, *whole_w)
        assert found.worth == pytest.approx(worth, rel=1e-5)
        assert found.short_w.sum() == pytest.approx(short.sum(), rel=1e-4, abs=1.0)
        assert found.power_w.sum(axis=0) + found.short_w == pytest.approx(level, abs=1e-2)
    assert short.sum() > 0


def test_fewer_groups_than_kinds_come_close():
    dice = np.random.default_rng(7)
    stores, held = some_stores(dice, 40, 40)
    give, take = powers(stores)
    prices, whole_w = dice.uniform(1_000, 8_000, HOURS), (give.sum(axis=0), take.sum(axis=0))
    programme = Programme(groups_of(stores, held, give, take), prices, CLAIMS, *whole_w)
    level = 0.2 * give[:, 0].sum() * np.ones(5)
    worth, _ = by_hand(stores, held, prices, CLAIMS, level, *whole_w)
    none, _ = by_hand(stores, held, prices, CLAIMS, 0 * level, *whole_w)
    assert programme.at(level).worth == pytest.approx(worth, rel=0.03)
    assert none - worth == pytest.approx(programme.at(0 * level).worth - programme.at(level).worth, rel=0.1)


def test_what_a_watt_more_costs_is_the_slope_of_the_worth():
    dice = np.random.default_rng(3)
    stores, held = some_stores(dice, 5, 30)
    give, take = powers(stores)
    prices = dice.uniform(1_000, 8_000, HOURS)
    programme = Programme(groups_of(stores, held, give, take), prices, CLAIMS)
    level = 0.15 * give[:, 0].sum() * np.ones(5)
    middle = programme.at(level)
    assert middle.short_w.sum() == pytest.approx(0, abs=1e-3)
    for k, claim in enumerate(CLAIMS):
        step = np.zeros(5)
        step[k] = 500.0
        less, more = programme.at(level - step), programme.at(level + step)
        slopes = [(a.worth - b.worth) / 500 / claim.count for a, b in ((less, middle), (middle, more))]
        assert slopes[0] - 1 <= middle.marginal_ticks[k] <= slopes[1] + 1


def test_reserve_is_sold_up_to_where_it_costs_as_much_as_it_earns():
    dice = np.random.default_rng(4)
    stores, held = some_stores(dice, 5, 30)
    give, take = powers(stores)
    prices = dice.uniform(1_000, 8_000, HOURS)
    programme = Programme(groups_of(stores, held, give, take), prices, CLAIMS)
    most, reserve_ticks = np.full(5, give[:, 0].sum()), np.array([300.0, 100, 900, 500, 50])
    spans = np.array([claim.count for claim in CLAIMS])
    best = programme.best(most, reserve_ticks)

    def income(held):
        return held.worth + held.level_w @ (reserve_ticks * spans)

    assert best.short_w == pytest.approx(0, abs=1e-3)
    for _ in range(10):
        other = programme.at(best.level_w * dice.uniform(0.5, 1.2, 5))
        assert other.short_w.sum() > 1 or income(other) <= income(best) * (1 + 1e-6)


def test_prices_below_zero_and_fleets_of_nothing_have_a_solution_too():
    dice = np.random.default_rng(5)
    stores, held = some_stores(dice, 3, 9)
    programme = Programme(groups_of(stores, held, *powers(stores)), dice.normal(0, 3_000, HOURS), CLAIMS)
    assert np.isfinite(programme.at(np.full(5, 1_000.0)).worth)
    none = np.zeros(0, STORE_LIMITS).view(np.recarray)
    empty = Programme(groups_of(none, np.zeros(0), *powers(none)), np.full(HOURS, 100.0), CLAIMS)
    assert empty.at(np.full(5, 700.0)).short_w.tolist() == [700.0] * 5


def test_the_widest_set_is_cut_first_and_equals_stay_together():
    points = np.array([[0.0], [0.0], [1.0], [9.0], [9.5]])
    assert median_cut(points, np.ones(5), 2).tolist() == [0, 0, 0, 1, 1]
    assert len(set(median_cut(points, np.ones(5), 99).tolist())) == 4
    assert median_cut(np.zeros((0, 2)), np.zeros(0), 3).size == 0
