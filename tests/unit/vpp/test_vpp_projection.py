"""Projections: what batteries will have stored, and what of the commitments can't be kept."""

import numpy as np
import pytest

from ringmain.vpp.advice.fleet_plan import FleetPlan, with_urgency
from ringmain.vpp.advice.homes import plan_cars
from ringmain.vpp.advice.planner import Planner
from ringmain.vpp.advice.projection import project
from ringmain.vpp.messages import RegisterBattery
from ringmain.vpp.state import PERIOD_NS
from ringmain.vpp.views import DeskView
from unit.vpp.rig import MIDNIGHT_NS, MINUTE_NS, Rig, battery, report
from unit.vpp.test_vpp_planner import fleet

FIRST = MIDNIGHT_NS // PERIOD_NS
LOSSLESS = {"charge_efficiency_permille": 1_000, "discharge_efficiency_permille": 1_000}


def view_owing(power_w: list[int]) -> DeskView:
    view = DeskView()
    view.commitments.power_w = {FIRST + k: watts for k, watts in enumerate(power_w)}
    return view


def run(owed_w: list[int], planned_w: list[list[int]], stored_wh: list[int], *batteries: dict) -> tuple:
    periods = np.arange(FIRST, FIRST + len(owed_w))
    rows = fleet(*batteries)
    return project(view_owing(owed_w), rows, periods, np.array(planned_w), np.array(stored_wh))


def test_plans_run_and_the_difference_is_spread_by_headroom() -> None:
    left_wh, missing_w = run(
        [4_000], [[1_000], [0]], [6_000, 6_000], LOSSLESS, {**LOSSLESS, "discharge_limit_w": 3_000}
    )
    assert missing_w.tolist() == [0]
    assert (6_000 - left_wh).tolist() == [679, 321]  # 250 by plan, and 750 as 4 to 3


def test_who_fills_up_first_leaves_the_rest_to_the_others() -> None:
    """Until their power is not enough: a fleet's room is less than the sum of its batteries' rooms."""
    small, large = {**LOSSLESS, "energy_capacity_wh": 4_000}, {**LOSSLESS, "energy_capacity_wh": 20_000}
    left_wh, missing_w = run([-10_000] * 6, [[0] * 6] * 2, [1_000, 1_000], small, large)
    assert left_wh.tolist() == [4_000, 8_500]
    assert missing_w.tolist() == [0, 0, -3_000, -5_000, -5_000, -5_000]
    assert -missing_w.sum() / 4 == 15_000 - (left_wh - 1_000).sum()


def test_what_is_below_the_reserve_is_not_given() -> None:
    left_wh, missing_w = run([2_000, 0], [[2_000, 0]], [700], LOSSLESS)
    assert (left_wh.tolist(), missing_w.tolist()) == ([1_000], [2_000, 0])


def test_it_agrees_with_the_engines_dispatch() -> None:
    """A day of the engine, whose devices are exact, ends in what was projected."""
    dice = np.random.default_rng(4)
    batteries = [
        {"asset_id": n, "energy_capacity_wh": int(dice.integers(4, 14)) * 1_000, "wear_price_ticks": 0}
        for n in range(1, 9)
    ]
    rig = Rig(MIDNIGHT_NS - MINUTE_NS)
    rig.send(1, *(battery(b["asset_id"], energy_capacity_wh=b["energy_capacity_wh"]) for b in batteries))
    rows = fleet(*({**b, **{k: int(battery(1)[k][0]) for k in SHARED}} for b in batteries))
    stored = rows.energy_capacity_wh // 2
    owed_w = np.repeat(dice.integers(-6, 7, 6) * 4_000, 4)
    planned_w = np.zeros((8, owed_w.size), np.int64)
    projected_wh, _ = project(
        view_owing(owed_w.tolist()), rows, np.arange(FIRST, FIRST + 24), planned_w, stored
    )
    lived_wh = live(rig, rows, stored.astype(float), owed_w)
    assert np.abs(projected_wh - lived_wh).max() < 150
    assert np.abs(projected_wh - stored).max() > 1_000


SHARED = [field.name for field in RegisterBattery.fields if field.name not in
          ("asset_id", "node_id", "link_account_id", "energy_capacity_wh", "wear_price_ticks",
           "self_discharge_ppm")]  # fmt: skip


def live(rig: Rig, rows: np.recarray, stored: np.ndarray, owed_w: np.ndarray) -> np.ndarray:
    """Let exact devices follow the engine's wishes, minute by minute."""
    charged, discharged, power = np.zeros(8), np.zeros(8), np.zeros(8)
    for minute in range(15 * owed_w.size + 1):
        rig.now_ns = MIDNIGHT_NS + minute * MINUTE_NS
        stored -= np.where(power > 0, power / rows.discharge_efficiency_permille,
                           power * rows.charge_efficiency_permille / 1e6) * 1_000 / 60  # fmt: skip
        charged, discharged = charged + np.maximum(-power, 0) / 60, discharged + np.maximum(power, 0) / 60
        reports = [
            report(n + 1, minute + 1, rig.now_ns, power_w=round(power[n]), energy_wh=max(0, round(stored[n])),
                   charged_wh=int(charged[n]), discharged_wh=int(discharged[n]))
            for n in range(8)
        ]  # fmt: skip
        rig.apply(3, reports)
        cells = rig.fleet.periods
        cells["committed_power_w"][np.arange(FIRST, FIRST + owed_w.size) % len(cells)] = owed_w
        rig.run_timers()
        power = rig.fleet.twins["desired_power_w"][1:9].astype(float)
    return stored


@pytest.mark.parametrize(("owed_w", "is_urgent"), [(-10_000, True), (-8_000, False)])
def test_what_cannot_be_delivered_is_traded_at_the_price_of_an_imbalance(
    owed_w: int, is_urgent: bool
) -> None:
    """In the hour where it is missing, for all of its quarters, and nowhere else."""
    prices = np.array([3_000, 3_000, 3_100], np.int64)
    rows = fleet(*[{**LOSSLESS, "energy_capacity_wh": wh} for wh in (100_000, 200_000)] * 5)
    stored_wh = np.array([94_000, 100_000] * 5)
    view = view_owing([owed_w * 5] * 8)
    no_cars = plan_cars(view.homes, MIDNIGHT_NS, prices, prices)
    plan = FleetPlan(MIDNIGHT_NS, rows, Planner(prices, prices).plan(rows, stored_wh), stored_wh, no_cars)
    calm, wants = plan.wants(), with_urgency(plan, view, prices)
    assert {p: wants[p] for p in wants if not FIRST + 4 <= p < FIRST + 8} == {
        p: calm[p] for p in calm if not FIRST + 4 <= p < FIRST + 8
    }
    changed = {p for p in wants if wants[p] != calm[p]}
    assert changed == (set(range(FIRST + 4, FIRST + 8)) if is_urgent else set())
    if is_urgent:
        assert all(wants[p].sell_ticks <= 2_700 and wants[p].buy_ticks >= 3_300 for p in changed)
