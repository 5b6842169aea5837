"""Batteries that are not heard of are carried on through their plans."""

import numpy as np
import pytest

from ringmain.vpp.advice.projection import project
from ringmain.vpp.advice.silence import carried_on, stored_when
from ringmain.vpp.fleets import seeded_fleet
from ringmain.vpp.messages import FRESH, SCHEMA, SILENT, AssetMeasured, BatteryRegistered, PlanAccepted
from ringmain.vpp.state import PERIOD_NS, SILENT_AFTER_NS
from ringmain.vpp.views import DeskView, reserve_wh

COUNT = 12
CENSUS = 1_700_000  # a period
MINUTE_NS = 60_000_000_000


def rig(seed, heard_ago=5):
    """A view of a fleet whose plans are known from ten periods back to ten ahead; half of it is silent."""
    dice = np.random.default_rng([seed, 91])
    rows = np.concatenate(seeded_fleet(COUNT, seed, [1]))
    names = [field.name for field in BatteryRegistered.fields]
    events = [BatteryRegistered(**{name: int(row[name]) for name in names}) for row in rows]
    for row in rows:
        events += [
            PlanAccepted(
                asset_id=int(row["asset_id"]), power_w=int(dice.integers(-3_000, 3_000)),
                delivery_start_ns=(CENSUS + step) * PERIOD_NS, delivery_duration_s=900,
            )
            for step in range(-10, 10)
        ]  # fmt: skip
    is_silent = np.arange(COUNT) % 2 == 0
    energy_wh = np.rint(rows["energy_capacity_wh"] * dice.uniform(0.2, 0.9, COUNT)).astype(int)
    heard_ns = np.where(is_silent, (CENSUS - heard_ago) * PERIOD_NS + 2 * MINUTE_NS, CENSUS * PERIOD_NS)
    events += [
        AssetMeasured(
            asset_id=int(rows["asset_id"][n]), power_w=0, measured_ns=int(heard_ns[n]),
            energy_wh=int(energy_wh[n]), desired_power_w=0, metered_wh=0,
            quality=SILENT if is_silent[n] else FRESH,
        )
        for n in range(COUNT)
    ]  # fmt: skip
    view = DeskView()
    view.fold(SCHEMA.batch(events))
    return view, view.assets.active, is_silent, energy_wh, heard_ns


@pytest.mark.parametrize("seed", range(3))
def test_each_runs_its_plan_from_when_it_was_left_alone(seed):
    view, fleet, is_silent, energy_wh, heard_ns = rig(seed)
    found = stored_when(view, fleet, (CENSUS + 2) * PERIOD_NS, CENSUS * PERIOD_NS + MINUTE_NS)
    for n in np.flatnonzero(is_silent).tolist():
        battery, stored = fleet[n], float(energy_wh[n])
        since_ns = heard_ns[n] + SILENT_AFTER_NS
        for period in range(since_ns // PERIOD_NS, CENSUS + 2):
            left = min(1.0, ((period + 1) * PERIOD_NS - since_ns) / PERIOD_NS)
            planned_w = view.plans.power_w(np.array([battery.asset_id]), np.array([period]))[0, 0]
            given_wh = planned_w * left / 4
            room_wh = (battery.energy_capacity_wh - stored) * 1_000 / battery.charge_efficiency_permille
            spare_wh = max(0, stored - reserve_wh(battery)) * battery.discharge_efficiency_permille / 1_000
            given_wh = min(max(given_wh, -room_wh), spare_wh)
            drop = given_wh * 1_000 / battery.discharge_efficiency_permille
            stored -= drop if given_wh > 0 else given_wh * battery.charge_efficiency_permille / 1_000
        assert found[n] == pytest.approx(stored, abs=25), n
    assert np.abs(found - energy_wh)[is_silent].max() > 500


def test_those_who_are_heard_make_up_for_what_the_others_run():
    view, fleet, is_silent, energy_wh, heard_ns = rig(4)
    periods = np.arange(CENSUS, CENSUS + 2)
    since_ns = heard_ns[is_silent] + SILENT_AFTER_NS
    _, run_w = carried_on(view, fleet[is_silent], energy_wh[is_silent], since_ns, CENSUS + 2)
    alone_w = run_w[:, -2:].sum(axis=0)
    heard = fleet[~is_silent]
    planned_w = view.plans.power_w(heard.asset_id, periods)
    expected, _ = project(view, heard, periods, planned_w, energy_wh[~is_silent], alone_w)
    found = stored_when(view, fleet, (CENSUS + 2) * PERIOD_NS, CENSUS * PERIOD_NS)
    assert (found[~is_silent] == expected).all()


def test_with_everybody_heard_it_is_what_dispatch_would_do():
    view, fleet, _, energy_wh, _ = rig(5)
    view.assets.twins.quality[fleet.asset_id] = FRESH
    periods = np.arange(CENSUS, CENSUS + 3)
    expected, _ = project(view, fleet, periods, view.plans.power_w(fleet.asset_id, periods), energy_wh)
    assert (stored_when(view, fleet, (CENSUS + 3) * PERIOD_NS, CENSUS * PERIOD_NS) == expected).all()


def test_who_was_silent_for_days_is_carried_no_longer_than_plans_are_kept():
    view, fleet, is_silent, energy_wh, _ = rig(6, heard_ago=1_000)
    found = stored_when(view, fleet, (CENSUS + 1) * PERIOD_NS, CENSUS * PERIOD_NS)
    capacity = fleet.energy_capacity_wh
    assert (found >= 0).all() and (found <= capacity).all() and (found != energy_wh)[is_silent].any()
