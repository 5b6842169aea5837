"""Home batteries against a run of the challenge's own, and their plans against what must be."""

import numpy as np
import pytest

from ringmain.vpp.advice.home_battery import home_batteries, most_kwh, one_way_efficiency, run_hour
from ringmain.vpp.advice.home_control import HomeControl, safe_rule, scenarios

# CityLearn 1.3.6, home 1 of the 2022 challenge: what was asked of the battery, what it held and moved then.
WANTED_KWH = (3.52, 3.84, -1.28, 1.92, 0.0, -5.76, -0.64, 6.4, -6.4, 0.192, 3.2, -4.224)
STORED_KWH = (
    3.3393652091378088, 6.399982400000001, 4.994999872131964, 6.399959869052961, 6.399952225673177,
    0.9766907802067726, 0.2741995162727542, 4.883971744919197, 0.0, 0.17492032471957056, 3.1929461695393266,
    0.0,
)  # fmt: skip
MOVED_KWH = (
    3.52, 3.2261737896636036, -1.28, 1.5286663713202924, -6.963450384418037e-06, -5.0, -0.64, 5.0,
    -4.502799463044486, 0.192, 3.2, -3.010187997237485,
)  # fmt: skip
CAPACITY_KWH = 6.3998444991660985


def test_the_physics_are_the_challenge_s_own() -> None:
    battery, moved = home_batteries([6.4], [5.0]), np.zeros(1)
    for wanted, stored, seen in zip(WANTED_KWH, STORED_KWH, MOVED_KWH, strict=True):
        run_hour(battery, np.array([wanted]), moved)
        assert battery.stored_kwh[0] == pytest.approx(stored, abs=1e-9)
        assert moved[0] == pytest.approx(seen, abs=1e-9)
    assert battery.capacity_kwh[0] == pytest.approx(CAPACITY_KWH, abs=1e-12)


def test_efficiency_and_power_follow_their_curves() -> None:
    round_trip = [one_way_efficiency(share * 5.0, 5.0) ** 2 for share in (0.0, 0.3, 0.5, 0.75, 1.0)]
    assert round_trip == pytest.approx([0.83, 0.83, 0.865, 0.9, 0.85])
    assert [most_kwh(full * 8.0, 8.0, 5.0) for full in (0.2, 0.8, 0.9, 1.0)] == pytest.approx([5, 5, 3, 1])


def plan(net_kwh: list[list[float]], price: list[float], stored_kwh: float = 0.0) -> float:
    """The coming hour's energy of one home whose hours are each a list of scenarios."""
    battery = home_batteries([6.4], [5.0])
    battery.stored_kwh = stored_kwh
    control = HomeControl(battery, hours=len(price))
    cost = np.array(price)
    return float(control.decide(np.array([net_kwh]), np.zeros(cost.size), cost)[0])


def test_a_surplus_is_stored_for_the_evening() -> None:
    assert plan([[-2.0], [0.0], [2.0]], [0.2, 0.2, 0.5]) >= 2.0


def test_it_gives_what_the_home_draws_and_no_more() -> None:
    assert plan([[1.0], [9.0]], [0.5, 0.3], stored_kwh=5.0) == pytest.approx(-1.0, abs=0.03)


def test_an_uncertain_draw_is_met_to_its_quantile() -> None:
    """What a stored kWh is worth later against what it saves now: the newsvendor's share."""
    draws = list(np.linspace(0.1, 2.0, 20))
    near_certain = plan([draws, [5.0] * 20], [0.5, 0.5], stored_kwh=5.0)
    cheap_later = plan([draws, [5.0] * 20], [0.5, 0.1], stored_kwh=5.0)
    assert near_certain > cheap_later
    assert cheap_later == pytest.approx(-1.6, abs=0.15)  # 0.5 with a chance of a fifth is worth 0.1 later


def test_nothing_is_moved_when_nothing_is_gained() -> None:
    assert plan([[1.0], [1.0]], [0.3, 0.3]) == 0.0


def test_homes_lend_each_other_what_is_paid_together() -> None:
    batteries = home_batteries([6.4, 6.4], [5.0, 5.0])
    batteries.stored_kwh = [5.0, 0.0]
    net_kwh = np.array([[[0.0], [0.0]], [[3.0], [0.0]]])
    together = HomeControl(batteries, 2).decide(net_kwh, np.array([0.5, 0.2]), np.zeros(2))
    alone = HomeControl(batteries, 2).decide(net_kwh, np.zeros(2), np.array([0.5, 0.2]))
    assert together[0] == pytest.approx(-3.0, abs=0.03)
    assert alone[0] == 0.0


def test_scenarios_are_past_errors_of_days_that_are_whole() -> None:
    errors = np.zeros((1, 4, 2))
    errors[0, :, 0] = (1, 2, 3, 4)
    errors[0, 3, 1] = np.nan
    found = scenarios(np.array([[10.0, 20.0]]), errors)
    assert found is not None
    assert found[0, 0].tolist() == [11, 12, 13]
    assert scenarios(np.array([[10.0, 20.0]]), errors[:, :2]) is None


def test_the_safe_rule_stores_surplus_and_gives_in_dear_hours() -> None:
    last = np.array([-1.0, 2.0])
    assert safe_rule(last, 0.2, 0.3).tolist() == [1.0, 0.0]
    assert safe_rule(last, 0.5, 0.3).tolist() == [1.0, -2.0]
