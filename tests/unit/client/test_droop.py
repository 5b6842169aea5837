"""The answer to frequency."""

import math

import pytest

from ringmain.client.devices.droop import Droop
from ringmain.world.grid_batteries import GridBattery, frequency_hz

DROOP = Droop(rated_w=5_000, droop=0.004, deadband_hz=0.010, most_w=2_000)
HOUR_NS = 3_600 * 10**9


@pytest.mark.parametrize(
    ("measured_hz", "response_w"),
    [
        (50.000, 0),
        (50.010, 0),  # the dead band's edge
        (49.990, 0),
        (49.980, 250),  # 10 mHz beyond it, of the 200 mHz that all of its power is for
        (50.030, -500),
        (49.900, 2_000),  # no more than it may
        (51.000, -2_000),
        (math.nan, 0),
        (math.inf, 0),
    ],
)
def test_power_rises_as_frequency_falls(measured_hz, response_w):
    assert DROOP.response_w(measured_hz) == pytest.approx(response_w, abs=1e-6)


def test_it_is_about_the_set_point_and_within_limits():
    assert DROOP.power_w(1_000, 49.980, (-5_000, 5_000)) == pytest.approx(1_250)
    assert DROOP.power_w(-1_000, 50.030, (-5_000, 5_000)) == pytest.approx(-1_500)
    assert DROOP.power_w(4_900, 49.9, (-5_000, 5_000)) == 5_000
    assert DROOP.power_w(0, 49.9, (-5_000, 0)) == 0, "an empty battery gives nothing"


def test_a_battery_answers_with_no_set_point_too():
    battery = GridBattery(1)
    battery.live(HOUR_NS, 49.980)
    assert battery.power_w == pytest.approx(250)
    battery.want(2, 3_000, 2 * HOUR_NS)
    battery.want(1, -3_000, 3 * HOUR_NS)  # an older one
    battery.live(HOUR_NS + 10**9, 50.0)
    assert battery.power_w == 3_000
    battery.live(2 * HOUR_NS, 50.0)
    assert battery.power_w == 0, "the lease is over"
    assert not battery.want(3, 6_000, 3 * HOUR_NS)


def test_frequency_stays_near_the_nominal():
    seen = [frequency_hz(n * 10**9, seed=3) for n in range(2_000)]
    assert 0.02 < max(abs(each - 50) for each in seen) < 0.05
    assert seen == [frequency_hz(n * 10**9, seed=3) for n in range(2_000)]
