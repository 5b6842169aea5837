"""Cars that give: planned as stores with what they need at departure, dispatched, settled with their wear."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from ringmain.core.solver import new_solver
from ringmain.vpp.advice.cars import MISS_TICKS
from ringmain.vpp.advice.homes import plan_cars, plan_homes
from ringmain.vpp.advice.nodes import NodeLimits
from ringmain.vpp.advice.store import NO_LIMITS_WH, STORE_LIMITS, plan_departure, rooms
from ringmain.vpp.home_views import Car, Homes, Nodes
from ringmain.vpp.kernels.ranges import MADE_UP_PERMILLE, charger_range_w, time_left_ns
from ringmain.vpp.messages import CHARGER, NodeSet, PlugIn, SetpointIssued
from ringmain.vpp.state import PERIOD_NS, SECOND_NS
from ringmain.world.chargers import Wallbox
from ringmain.world.homes import Homes as Devices
from unit.vpp.rig import DESK, HOUR_NS, LINK, MIDNIGHT_NS, MINUTE_NS, Rig, battery, named, report
from unit.vpp.test_vpp_hierarchy import charger, target

CAPACITY_WH, LIMIT_W, WEAR_TICKS = 60_000, 10_000, 1_000
PRICES = np.array([9_000, 8_000, 1_000, 2_000, 7_000, 1_500, 3_000, 2_500], np.int64)


def homes_with(*stored_wh: int, required_wh: int = 30_000, hours: int = 8) -> Homes:
    homes = Homes()
    homes.measured_period = MIDNIGHT_NS // PERIOD_NS
    for asset_id, held_wh in enumerate(stored_wh, 1):
        homes.kind[asset_id], homes.node_id[asset_id] = CHARGER, 10 + asset_id
        homes.import_limit_w[asset_id] = homes.export_limit_w[asset_id] = LIMIT_W
        homes.efficiency_permille[asset_id] = homes.discharge_permille[asset_id] = 900
        homes.wear_ticks[asset_id], homes.capacity_wh[asset_id] = WEAR_TICKS, CAPACITY_WH
        homes.energy_wh[asset_id] = held_wh
        departs_ns = MIDNIGHT_NS + hours * HOUR_NS
        homes.cars[asset_id] = [Car(asset_id, MIDNIGHT_NS - HOUR_NS, departs_ns, required_wh, held_wh)]
    return homes


def stored_after(held_wh: float, power_w: Any) -> Any:
    drops = np.where(power_w > 0, power_w / 0.9, power_w * 0.9)
    return held_wh - np.cumsum(drops)


def best_worth(held_wh: float, required_wh: float, prices: Any, end_ticks: float) -> float:
    """The same as a linear programme (right for prices that are not below zero)."""
    solver, level, cost = new_solver(), held_wh, 0
    for price in prices:
        taken, given = solver.addVariable(0, LIMIT_W), solver.addVariable(0, LIMIT_W)
        level = level + 0.9 * taken - given / 0.9
        solver.addConstr(level >= 0)
        solver.addConstr(level <= CAPACITY_WH)
        cost = cost + float(price) * taken - float(price - WEAR_TICKS) * given
    lacking = solver.addVariable(0, CAPACITY_WH)
    solver.addConstr(level + lacking >= required_wh)
    solver.minimize(cost + MISS_TICKS / 100 * lacking - end_ticks * (level + lacking))
    return float(solver.getObjectiveValue())


@pytest.mark.parametrize("seed", range(8))
def test_the_plan_is_the_best_that_leaves_with_what_is_required(seed: int) -> None:
    dice = np.random.default_rng(seed)
    prices = dice.integers(0, 9_000, 12).astype(float)
    held_wh, required_wh = float(dice.integers(0, 60_000)), float(dice.integers(0, 60_000))
    store = np.zeros(1, STORE_LIMITS).view(np.recarray)
    store.capacity_wh, store.charge_wh, store.discharge_wh = CAPACITY_WH, LIMIT_W * 0.9, LIMIT_W / 0.9
    store.charge_efficiency = store.discharge_efficiency = 0.9
    store.wear_ticks, store.end_value_ticks = WEAR_TICKS, 500.0
    given_wh = np.zeros(12)
    lacking = plan_departure(
        store[0], prices, held_wh, required_wh, MISS_TICKS, NO_LIMITS_WH, rooms(12), given_wh
    )
    end_wh = stored_after(held_wh, given_wh)[-1]
    assert lacking == pytest.approx(max(0.0, required_wh - end_wh), abs=1e-3)
    worth = given_wh @ prices - np.maximum(given_wh, 0).sum() * WEAR_TICKS + 500.0 * (end_wh + lacking)
    cost = MISS_TICKS / 100 * lacking - worth
    assert cost == pytest.approx(best_worth(held_wh, required_wh, prices, 500.0), rel=1e-6, abs=50)


def test_a_car_gives_in_dear_hours_and_leaves_with_what_it_needs() -> None:
    homes = homes_with(35_000)
    plan = plan_cars(homes, MIDNIGHT_NS, PRICES, PRICES[:0])
    assert plan.power_w[0, 0] == LIMIT_W
    assert plan.power_w[0, 2] == -LIMIT_W
    assert stored_after(35_000, plan.power_w[0])[-1] >= 30_000 - 8
    assert plan.missing_wh == {}
    by_itself = homes.charging_w(homes.cars[1][0], np.arange(32) + MIDNIGHT_NS // PERIOD_NS)
    assert plan.shifted_w.tolist() == (np.repeat(plan.power_w[0], 4) - by_itself).tolist()


def test_what_does_not_pay_after_wear_is_not_given() -> None:
    homes = homes_with(30_000)
    homes.wear_ticks[1] = 9_000
    assert (plan_cars(homes, MIDNIGHT_NS, PRICES, PRICES[:0]).power_w <= 0).all()


def test_what_cannot_be_had_is_missed_by_the_least_and_named() -> None:
    homes = homes_with(5_000, required_wh=50_000, hours=3)
    plan = plan_cars(homes, MIDNIGHT_NS, PRICES, PRICES[:0])
    assert plan.power_w[0, :3].tolist() == [-LIMIT_W] * 3
    assert not plan.power_w[0, 3:].any()
    assert plan.missing_wh == {1: 50_000 - 5_000 - 27_000}


def test_a_car_that_stays_longer_than_prices_are_known_keeps_what_cannot_be_charged_later() -> None:
    homes = homes_with(40_000, required_wh=50_000, hours=10)
    plan = plan_cars(homes, MIDNIGHT_NS, PRICES, PRICES[:0])
    assert stored_after(40_000, plan.power_w[0])[-1] >= 50_000 - 2 * 9_000 - 8


def test_cars_that_give_keep_to_the_limits_of_sites_and_feeders() -> None:
    homes, nodes = homes_with(50_000, 50_000, required_wh=10_000), Nodes()
    rows = np.zeros(3, NodeSet.dtype)
    NodeSet.stamp(rows)
    rows["node_id"], rows["parent_id"] = [1, 11, 12], [0, 1, 1]
    rows["import_limit_w"], rows["export_limit_w"] = [9_000, 9_000, 9_000], [12_000, 7_000, 20_000]
    nodes.fold(rows)
    limits = NodeLimits(nodes, {11: np.full(8, -1_000.0)})  # a load: so much more may be given
    power_w = plan_homes(homes, MIDNIGHT_NS, PRICES, PRICES[:0], limits=limits).power_w
    assert power_w[0].max() == 8_000
    assert power_w.sum(axis=0).max() <= 13_000
    assert power_w.sum(axis=0).min() >= -9_000 + 1_000
    assert power_w.max() > 0


# Dispatch, twins, settlement.


class Fleet:
    """A rig with a charger that gives, and its car."""

    def __init__(self, **plug: int) -> None:
        self.rig, self.number, self.given_wh, self.energy_wh = Rig(), 0, 0, 40_000
        values = {"export_limit_w": 8_000, "wear_price_ticks": 3_000}
        self.rig.send(DESK, charger(1, **values), battery(2))
        departs_s = (self.rig.now_ns + plug.get("hours", 12) * HOUR_NS) // SECOND_NS
        self.rig.send(
            LINK, PlugIn(asset_id=1, departs_s=departs_s, required_wh=plug.get("required_wh", 20_000))
        )
        self.power_w = 0

    def minute(self) -> list[dict[str, Any]]:
        rig = self.rig
        self.number += 1
        events = rig.advance(rig.now_ns + MINUTE_NS)
        self.given_wh += self.power_w // 60
        self.energy_wh -= self.power_w // 60
        said = {"power_w": self.power_w, "energy_wh": self.energy_wh, "discharged_wh": self.given_wh}
        events += rig.send(LINK, report(1, self.number, rig.now_ns, **said))
        for event in named(events, "SetpointIssued"):
            if event["asset_id"] == 1:
                self.power_w = event["power_w"]
        return events


def test_a_set_point_to_give_goes_out_and_its_telemetry_is_taken() -> None:
    fleet = Fleet()
    fleet.minute()
    fleet.rig.send(DESK, target(fleet.rig, 6_000))
    events = list(itertools.chain.from_iterable(fleet.minute() for _ in range(5)))
    asked_w = fleet.power_w
    fleet.minute()  # it reports what it was told a minute before
    issued = [event for event in named(events, "SetpointIssued") if event["asset_id"] == 1]
    assert issued and all(0 < event["power_w"] <= 8_000 for event in issued)
    assert not named(events, "TelemetryRejected")
    assert fleet.rig.fleet.twins[1].power_w == asked_w > 0


def test_a_car_beyond_what_its_charger_can_give_is_refused() -> None:
    fleet = Fleet()
    fleet.minute()
    fleet.rig.now_ns += MINUTE_NS
    refused = fleet.rig.send(LINK, report(1, 99, fleet.rig.now_ns, power_w=9_500, energy_wh=40_000))
    assert named(refused, "TelemetryRejected")


def test_what_a_car_gave_is_settled_with_its_wear() -> None:
    fleet = Fleet()
    for _ in range(2):
        fleet.minute()
    fleet.rig.send(DESK, target(fleet.rig, 8_000))
    events = list(itertools.chain.from_iterable(fleet.minute() for _ in range(34)))
    metered, settled = named(events, "FleetMetered")[0], named(events, "FleetSettled")[0]
    assert metered["metered_wh"] > 500
    assert settled["wear_minor"] == metered["metered_wh"] * 3_000 // 100
    assert fleet.rig.fleet.nodes[1].site_id == 1


def test_a_car_gives_what_it_needs_only_if_it_can_take_it_again() -> None:
    asset = np.zeros(1, Rig().fleet.assets.dtype).view(np.recarray)[0]
    twin = np.zeros(1, Rig().fleet.twins.dtype).view(np.recarray)[0]
    asset.import_limit_w = asset.export_limit_w = 10_000
    asset.energy_capacity_wh, asset.required_wh = 60_000, 40_000
    asset.charge_efficiency_permille = asset.discharge_efficiency_permille = 1_000
    twin.energy_wh, twin.measured_ns = 40_000, MIDNIGHT_NS
    asset.departs_s = (MIDNIGHT_NS + 6 * HOUR_NS) // SECOND_NS
    assert charger_range_w(asset, twin, MIDNIGHT_NS)[1] == 10_000
    asset.departs_s = (MIDNIGHT_NS + PERIOD_NS) // SECOND_NS
    assert charger_range_w(asset, twin, MIDNIGHT_NS)[1] == 0


@settings(max_examples=60, deadline=None)
@given(
    stored_wh=some.integers(0, 60_000), required_wh=some.integers(0, 60_000),
    stay_min=some.integers(-30, 900), passed_s=some.integers(0, 899),
    give_w=some.sampled_from([0, 3_000, 11_000]),
    into=some.integers(600, 1_000), out=some.integers(600, 1_000),
)  # fmt: skip
def test_the_range_is_as_its_rule_says(
    stored_wh: int, required_wh: int, stay_min: int, passed_s: int, give_w: int, into: int, out: int
) -> None:
    now_ns = MIDNIGHT_NS + passed_s * SECOND_NS
    asset = np.zeros(1, Rig().fleet.assets.dtype).view(np.recarray)[0]
    twin = np.zeros(1, Rig().fleet.twins.dtype).view(np.recarray)[0]
    asset.import_limit_w, asset.export_limit_w, asset.energy_capacity_wh = 11_000, give_w, 60_000
    asset.required_wh, asset.charge_efficiency_permille = required_wh, into
    asset.discharge_efficiency_permille = out
    asset.departs_s = max(0, now_ns // SECOND_NS + 60 * stay_min)
    twin.energy_wh, twin.measured_ns = stored_wh, now_ns
    found = charger_range_w(asset, twin, now_ns)
    stay_h = (int(asset.departs_s) * SECOND_NS - now_ns) / HOUR_NS
    if stay_h <= 0:
        assert tuple(found) == (0, 0)
        return
    span_h = time_left_ns(now_ns) / HOUR_NS
    low = -min(11_000, (60_000 - stored_wh) * 1_000 / into / span_h)
    later_wh = 11_000 * max(0.0, stay_h - span_h)
    needed_wh = (required_wh - stored_wh) * 1_000 / into
    if needed_wh > later_wh:
        high = max(low, -(needed_wh - later_wh) / max(1 / 60, min(span_h, stay_h)))
    else:
        spare_wh = stored_wh - max(0.0, required_wh - later_wh * MADE_UP_PERMILLE / 1_000 * into / 1_000)
        high = min(give_w, max(0.0, spare_wh * out / 1_000 / span_h))
    near = {"abs": 3 / span_h + 2}  # energies are whole Wh, rounded down on the way
    assert found[0] == pytest.approx(low, **near)
    assert found[1] == pytest.approx(high, **near)


# The simulated cars.


def test_a_wallbox_gives_what_it_is_told_until_the_car_is_nearly_empty() -> None:
    box = Wallbox(3, gives_w=7_000.0)
    car = box.come(MIDNIGHT_NS)
    box.live(MIDNIGHT_NS, -5_000.0)
    assert box.power_w == max(-5_000.0, -car.most_w)
    before_wh = car.energy_wh
    box.live(MIDNIGHT_NS + HOUR_NS // 2, -5_000.0)
    assert box.given_wh == pytest.approx(-max(-5_000.0, -car.most_w) / 2)
    assert car.energy_wh < before_wh - box.given_wh
    for n in range(1, 200):
        box.live(MIDNIGHT_NS + n * HOUR_NS, -5_000.0)
    assert box.power_w == 0 and car.energy_wh >= 0
    assert Wallbox(3).measured().given_wh is None


class Quiet:
    """A link that keeps what is sent, and says what it is told to."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.events = np.zeros(0, SetpointIssued.dtype)

    def send(self, command: Any) -> None:
        self.sent.append(command)

    def send_batch(self, commands: Any) -> None:
        self.reports = commands

    def settle(self) -> None:
        pass

    def poll(self) -> Any:
        events, self.events = self.events, self.events[:0]
        return events


def test_the_worlds_cars_give_within_their_lease_and_leave_with_what_they_need(tmp_path: Path) -> None:
    link: Any = Quiet()
    now_ns = MIDNIGHT_NS + 21 * HOUR_NS
    devices = Devices([charger(1, export_limit_w=9_000)], 4, link, tmp_path / "homes.npy")
    devices.live(now_ns)
    assert link.sent and devices.devices.departs_ns[0] > now_ns
    issued = np.zeros(1, SetpointIssued.dtype)
    SetpointIssued.stamp(issued)
    leaves_ns, lowest_wh = int(devices.devices.departs_ns[0]), np.inf
    for minute in range(1, 1_000):
        at_ns = now_ns + minute * MINUTE_NS
        if at_ns >= leaves_ns - MINUTE_NS:
            break
        issued["asset_id"], issued["power_w"], issued["valid_until_ns"] = 1, 20_000, at_ns + HOUR_NS
        link.events = issued.copy()
        devices.live(at_ns)
        lowest_wh = min(lowest_wh, float(devices.devices.energy_wh[0]))
    assert devices.devices.discharged_wh[0] > 1_000
    assert link.reports["power_w"].max() <= 9_000
    assert lowest_wh >= 0
    assert devices.devices.energy_wh[0] >= devices.devices.required_wh[0] - 400
