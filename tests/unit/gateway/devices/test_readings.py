"""Units, what can't be true, and meters that never run back."""

import math

import pytest

from ringmain.gateway.devices.charging import Sample, reading_of, time_ns
from ringmain.gateway.devices.meters import Meters
from ringmain.gateway.devices.pace import Backoff, Pace
from ringmain.gateway.devices.readings import (
    CLOCK_WENT_BACK,
    FUTURE_DATED,
    METER_JUMPED,
    NOT_A_NUMBER,
    NOTHING_MEASURED,
    POWER_OUT_OF_RANGE,
    TOO_OLD,
    UNKNOWN_UNIT,
    WRONG_SCALE,
    Bounds,
    Reading,
    UnfitError,
    check,
)

SECOND_NS = 1_000_000_000
NOW_NS = 1_700_000_000 * SECOND_NS
WALLBOX = Bounds(import_limit_w=11_000, export_limit_w=0, energy_capacity_wh=60_000)
POWER, METER = "Power.Active.Import", "Energy.Active.Import.Register"


def refusal(act) -> str:
    with pytest.raises(UnfitError) as caught:
        act()
    return caught.value.reason


def power_of(*samples: Sample) -> float:
    return reading_of(samples, NOW_NS, 60_000).power_w


def test_phases_are_summed_and_kilowatts_are_watts():
    of_phases = [Sample(v, POWER, f"L{n}", "kW") for n, v in enumerate(("2.3", "2.2", "2.5"), 1)]
    assert power_of(*of_phases) == pytest.approx(-7_000)
    assert power_of(*of_phases, Sample("7100", POWER, None, "W")) == -7_100
    assert power_of(Sample("7.1", POWER, None, "W", multiplier=3)) == -7_100
    assert power_of(Sample("2300", POWER, "L1-N"), Sample("400", POWER, "L1-L2")) == -2_300


def test_what_lies_at_the_inlet_is_no_part_of_it():
    assert power_of(Sample(7_000, POWER), Sample(9_000, POWER, location="Inlet")) == -7_000


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (Sample("NaN", POWER), NOT_A_NUMBER),
        (Sample("Infinity", POWER), NOT_A_NUMBER),
        (Sample("1e999", POWER), NOT_A_NUMBER),
        (Sample("a lot", POWER), NOT_A_NUMBER),
        (Sample(True, POWER), NOT_A_NUMBER),
        (Sample(None, POWER), NOT_A_NUMBER),
        (Sample("7", POWER, multiplier=30), NOT_A_NUMBER),
        (Sample("7", POWER, unit="Wh"), UNKNOWN_UNIT),
        (Sample("7", METER, unit="kvarh"), UNKNOWN_UNIT),
        (Sample("7", "Voltage", unit="V"), NOTHING_MEASURED),
        (Sample("7", METER, is_signed=True), "SIGNED_DATA"),
    ],
)
def test_garbage_has_a_reason(sample, reason):
    assert refusal(lambda: reading_of([sample], NOW_NS, 60_000)) == reason


def test_times_have_a_zone():
    assert time_ns("2023-11-14T22:13:20Z") == NOW_NS
    assert time_ns("2023-11-14T23:13:20.5+01:00") == NOW_NS + SECOND_NS // 2
    for text in ("2023-11-14T22:13:20", "yesterday", None, "9999999-01-01T00:00:00Z"):
        assert refusal(lambda text=text: time_ns(text)) == "BAD_TIME"


@pytest.mark.parametrize(
    ("reading", "reason"),
    [
        (Reading(NOW_NS, -7_000_000.0), POWER_OUT_OF_RANGE),  # kW were sent as MW, or W as kW
        (Reading(NOW_NS, 500.0), POWER_OUT_OF_RANGE),  # a wallbox gives nothing
        (Reading(NOW_NS + 6 * SECOND_NS, -7_000.0), FUTURE_DATED),
        (Reading(NOW_NS - 25 * 3_600 * SECOND_NS, -7_000.0), TOO_OLD),
        (Reading(NOW_NS, math.nan), NOT_A_NUMBER),
        (Reading(NOW_NS), NOTHING_MEASURED),
        (Reading(NOW_NS, -1.0, energy_wh=70_000.0), "ENERGY_OUT_OF_RANGE"),
        (Reading(NOW_NS, -1.0, charged_wh=-1.0), "METER_OUT_OF_RANGE"),
    ],
)
def test_what_cannot_be_true_has_a_reason(reading, reason):
    assert refusal(lambda: check(reading, WALLBOX, NOW_NS)) == reason
    check(Reading(NOW_NS, -11_000.0, 0.0, 0.0, 60_000.0), WALLBOX, NOW_NS)


@pytest.fixture
def meters(tmp_path):
    return Meters(tmp_path / "meters", 16)


def after(seconds: float) -> int:
    return NOW_NS + int(seconds * SECOND_NS)


def test_a_meter_of_its_own_is_followed(meters):
    assert meters.take(1, Reading(after(0), -6_000.0, 123_456.0), WALLBOX).charged_wh == 123_456
    metered = meters.take(1, Reading(after(60), -6_000.0, 123_556.0), WALLBOX)
    assert (metered.charged_wh, metered.discharged_wh) == (123_556, 0)
    assert metered.device_number == after(60) // SECOND_NS


def test_power_alone_is_integrated_but_not_for_ever(meters):
    meters.take(1, Reading(after(0), -6_000.0), WALLBOX)
    assert meters.take(1, Reading(after(60), -6_000.0), WALLBOX).charged_wh == pytest.approx(100)
    a_day_later = meters.take(1, Reading(after(86_400), 0.0), WALLBOX)
    assert a_day_later.charged_wh == pytest.approx(100 + 6_000 / 4)


def test_energy_alone_tells_the_power(meters):
    meters.take(1, Reading(after(0), None, 1_000.0), WALLBOX)
    assert meters.take(1, Reading(after(60), None, 1_100.0), WALLBOX).power_w == pytest.approx(-6_000)


def test_a_meter_that_is_set_back_does_not_run_back(meters):
    meters.take(1, Reading(after(0), -6_000.0, 90_000.0), WALLBOX)
    assert meters.take(1, Reading(after(60), -6_000.0, 5.0), WALLBOX).charged_wh == pytest.approx(90_100)
    assert meters.take(1, Reading(after(120), -6_000.0, 105.0), WALLBOX).charged_wh == pytest.approx(90_200)


def test_a_meter_that_jumps_is_refused_until_it_is_another_one(meters):
    meters.take(1, Reading(after(0), -6_000.0, 1_000.0), WALLBOX)
    for n in (1, 2):
        jump = Reading(after(60 * n), -6_000.0, 1_000_000.0 + 100 * n)
        assert refusal(lambda jump=jump: meters.take(1, jump, WALLBOX)) == METER_JUMPED
    believed = meters.take(1, Reading(after(180), -6_000.0, 1_000_300.0), WALLBOX)
    assert believed.charged_wh == pytest.approx(1_300)
    assert meters.take(1, Reading(after(240), -6_000.0, 1_000_400.0), WALLBOX).charged_wh == pytest.approx(
        1_400
    )


@pytest.mark.parametrize(("power_w", "step_wh"), [(-6.0, 100.0), (-6_000.0, 0.1)])
def test_kilowatts_for_watts_show_beside_the_meter(meters, power_w, step_wh):
    meters.take(1, Reading(after(0), power_w, 1_000.0), WALLBOX)
    wrong = Reading(after(60), power_w, 1_000.0 + step_wh)
    assert refusal(lambda: meters.take(1, wrong, WALLBOX)) == WRONG_SCALE


def test_a_car_that_has_just_begun_is_not_taken_for_that(meters):
    meters.take(1, Reading(after(0), 0.0, 1_000.0), WALLBOX)
    assert meters.take(1, Reading(after(60), -6_000.0, 1_001.0), WALLBOX).charged_wh == 1_001


def test_time_goes_on(meters):
    meters.take(1, Reading(after(0), -1.0), WALLBOX)
    assert refusal(lambda: meters.take(1, Reading(after(0), -1.0), WALLBOX)) == CLOCK_WENT_BACK


def test_meters_outlive_the_process(tmp_path):
    Meters(tmp_path / "meters", 16).take(3, Reading(after(0), -6_000.0, 500.0), WALLBOX)
    again = Meters(tmp_path / "meters", 16)
    assert again.taken_wh(3) == 500
    assert again.take(3, Reading(after(60), -6_000.0, 600.0), WALLBOX).charged_wh == 600


def test_pace_lets_a_burst_pass_and_then_holds_back():
    pace = Pace(per_s=1.0, burst=3)
    assert [pace.wait_s() for _ in range(3)] == [0, 0, 0]
    assert pace.wait_s() > 0.5
    assert pace.wait_s() > 1.5


def test_backoff_grows_jitters_and_opens_its_circuit():
    backoff = Backoff(1.0, 8.0, circuit=6, open_s=100.0, seed=4)
    pauses = [backoff.failed() for _ in range(5)]
    for pause, most in zip(pauses, (1, 2, 4, 8, 8), strict=True):
        assert most / 2 <= pause <= most
    assert not backoff.is_open
    assert backoff.failed() >= 50
    assert backoff.is_open
    backoff.succeeded()
    assert backoff.failed() <= 1
