"""What homes run by themselves, and the cheapest hours of their cars."""

from typing import Any

import numpy as np
import pytest

from ringmain.vpp.advice.homes import baselines, plan_cars
from ringmain.vpp.fleets import seeded_homes
from ringmain.vpp.home_views import Homes
from ringmain.vpp.messages import PlugIn, Unplug
from ringmain.vpp.state import PERIOD_NS, SECOND_NS
from unit.vpp.rig import DESK, HOUR_NS, LINK, LINK_ACCOUNT, MIDNIGHT_NS, MINUTE_NS, Rig, battery, report
from unit.vpp.test_vpp_hierarchy import charger, heat_store, load, solar

CHARGER, LOAD, SOLAR = 4, 2, 3
PRICES = np.array([50, 40, 90, 10, 20, 70, 60, 80], np.int64) * 100


class Street:
    """A rig with a battery, a load, a roof and a charger at one site, and the view of it."""

    def __init__(self) -> None:
        self.rig, self.view, self.number = Rig(), Homes(), 0
        others = [load(LOAD, node_id=1), solar(SOLAR, node_id=1), charger(CHARGER, node_id=1)]
        self.rig.apply(DESK, [battery(1), *others])

    def run(self, minutes: int, **power_w: int) -> None:
        """Report by the minute: power by the asset's name, the car's energy as `car_wh`."""
        for _ in range(minutes):
            self.number += 1
            rig = self.rig
            rig.now_ns += MINUTE_NS
            said = {"load": LOAD, "solar": SOLAR, "charger": CHARGER}
            for name, asset_id in said.items():
                energy_wh = power_w.get("car_wh", 0) if name == "charger" else 0
                values = {"power_w": power_w.get(name, 0), "energy_wh": energy_wh}
                rig.apply(LINK, [report(asset_id, self.number, rig.now_ns, **values)])
            rig.run_timers()
        self.view.fold(self.rig.rows())
        self.rig.blocks.clear()

    def plug(self, hours: int, required_wh: int) -> None:
        departs_s = (self.rig.now_ns + hours * HOUR_NS) // SECOND_NS
        self.rig.apply(LINK, [PlugIn(asset_id=CHARGER, departs_s=departs_s, required_wh=required_wh)])


@pytest.fixture
def street() -> Street:
    street = Street()
    street.run(16, load=-800, solar=300)
    return street


def said(commands: Any) -> list[int]:
    return commands["power_w"].tolist()


def test_what_is_not_known_yet_is_foretold_as_it_is_now(street: Street) -> None:
    commands = baselines(street.view, street.rig.now_ns)
    assert said(commands) == [-500, -500, -500]
    assert set(commands["site_id"].tolist()) == {1}
    first = street.rig.now_ns // PERIOD_NS + 1
    assert (commands["delivery_start_ns"] // PERIOD_NS).tolist() == [first, first + 1, first + 2]
    street.rig.apply(DESK, [commands[i : i + 1] for i in range(3)])
    assert [event["record"] for event in street.rig.take()] == ["BaselineAccepted"] * 3


def test_a_day_is_learnt_as_its_profile(street: Street) -> None:
    day = 24 * 60 - 16
    street.run(day // 2, load=-800)
    street.run(day - day // 2, load=-2_000)
    street.run(15, load=-800)
    periods = np.array([street.view.measured_period + n for n in (1, 70)])
    foretold = street.view.foretold_w(np.array([LOAD]), periods)[0]
    assert foretold[0] == pytest.approx(-800, abs=1)
    assert foretold[1] == pytest.approx(-2_000, abs=1)


def test_a_departure_from_the_profile_fades() -> None:
    street = Street()
    street.run(24 * 60, load=-1_000)
    street.run(15, load=-2_000)
    periods = street.view.measured_period + np.array([0, 4, 60])
    now, soon, later = street.view.foretold_w(np.array([LOAD]), periods)[0]
    assert now == pytest.approx(-2_000, abs=1)
    assert -2_000 < soon < -1_100
    assert later == pytest.approx(-1_000, abs=1)


def test_a_car_is_charged_in_the_cheapest_hours_and_the_rest_is_traded(street: Street) -> None:
    street.plug(hours=8, required_wh=20_000)
    street.run(16, car_wh=5_000)
    start_ns = (street.rig.now_ns // HOUR_NS + 1) * HOUR_NS
    plan = plan_cars(street.view, start_ns, PRICES, PRICES[:0])
    drawn = -plan.power_w[0]
    needed = 15_000 * 1_000 // street.view.efficiency_permille[CHARGER]
    assert drawn.sum() == needed
    limit = int(street.view.import_limit_w[CHARGER])
    cheapest = np.argsort(PRICES[:7])[: -(-needed // limit)]
    assert set(np.flatnonzero(drawn).tolist()) == set(cheapest.tolist())
    periods = np.arange(0, 200) + MIDNIGHT_NS // PERIOD_NS
    by_itself = street.view.charging_w(street.view.cars[CHARGER][-1], periods)
    assert -by_itself.sum() // 4 == needed
    assert plan.missing_wh == {}


def test_a_car_that_stays_longer_than_prices_are_known_waits_for_cheaper_ones(street: Street) -> None:
    street.plug(hours=14, required_wh=12_000)
    street.run(16, car_wh=5_000)
    start_ns = (street.rig.now_ns // HOUR_NS + 1) * HOUR_NS
    dear, cheap = np.full(4, 9_000), np.full(8, 1_000)
    assert plan_cars(street.view, start_ns, dear, cheap).power_w.sum() == 0
    assert plan_cars(street.view, start_ns, cheap[:4], np.full(8, 9_000)).power_w.sum() < 0


def test_what_cannot_be_charged_in_time_is_named(street: Street) -> None:
    street.plug(hours=2, required_wh=40_000)
    street.run(16, car_wh=5_000)
    start_ns = (street.rig.now_ns // HOUR_NS + 1) * HOUR_NS
    plan = plan_cars(street.view, start_ns, PRICES, PRICES[:0])
    assert plan.missing_wh[CHARGER] > 10_000
    assert (plan.power_w[0, :1] == -street.view.import_limit_w[CHARGER]).all()


def test_what_a_car_would_draw_is_said_once_whatever_it_does_later(street: Street) -> None:
    """Else a car that waits would be paid for again and again."""
    street.plug(hours=8, required_wh=20_000)
    street.run(16, car_wh=5_000)
    periods = np.arange(0, 40) + MIDNIGHT_NS // PERIOD_NS
    before = street.view.charging_w(street.view.cars[CHARGER][-1], periods)
    street.run(60, car_wh=5_000)
    street.plug(hours=6, required_wh=20_000)
    street.run(16, car_wh=5_000)
    assert street.view.charging_w(street.view.cars[CHARGER][-1], periods).tolist() == before.tolist()
    street.rig.apply(LINK, [Unplug(asset_id=CHARGER)])
    street.run(1)
    gone = street.view.charging_w(street.view.cars[CHARGER][-1], periods)
    assert gone.sum() >= before.sum()


def test_seeded_homes_hang_on_feeders_and_are_all_taken_in() -> None:
    commands = seeded_homes(120, 3, LINK_ACCOUNT, LINK_ACCOUNT + 1)
    rig = Rig()
    rig.take()
    answers = [event["record"] for command in commands for event in rig.send(DESK, command)]
    assert len(answers) == len(commands)
    assert not any("Rejected" in name for name in answers)
    assert answers.count("NodeSet") == 120 + 3
    assert answers.count("BatteryRegistered") == answers.count("LoadRegistered") == 120
    assert rig.fleet.feeder_count == 3
    same = seeded_homes(120, 3, LINK_ACCOUNT, LINK_ACCOUNT + 1)
    assert [c.tobytes()[32:] for c in same] == [c.tobytes()[32:] for c in commands]


def test_a_heat_store_that_is_too_cold_is_asked_for_an_even_power() -> None:
    """Else it would do little at a quarter-hour's begin, and the census would take that for its mean."""
    rig = Rig()
    rig.send(DESK, heat_store(1))
    rig.now_ns += 1
    asked = []
    for minute in (1, 13):
        rig.advance(MIDNIGHT_NS + minute * MINUTE_NS + 1)
        cold_wh = int(rig.fleet.assets[1].reserve_wh) - 100
        rig.send(LINK, report(1, minute, MIDNIGHT_NS + minute * MINUTE_NS, energy_wh=cold_wh))
        rig.advance(MIDNIGHT_NS + (minute + 1) * MINUTE_NS + 1)
        asked.append(int(rig.fleet.twins[1].desired_power_w))
    assert asked[0] == asked[1] < -350
