"""Telemetry: applied once, in the device's order, or refused by a named reason."""

import pytest

from ringmain.vpp.messages import RetireAsset
from ringmain.vpp.state import METER_PERIODS, PERIOD_NS, SECOND_NS
from unit.vpp.rig import (
    CLOSE_SESSION,
    DESK,
    HOUR_NS,
    LINK,
    MIDNIGHT_NS,
    MINUTE_NS,
    Rig,
    battery,
    named,
    report,
)


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.send(DESK, battery(1), battery(2, node_id=1))
    return rig


def test_doubled_and_overtaken_reports_are_counted_and_change_nothing(rig: Rig) -> None:
    rig.send(LINK, report(1, 5, MIDNIGHT_NS))
    rig.advance(MIDNIGHT_NS + MINUTE_NS)
    newest = report(1, 7, rig.now_ns, discharged_wh=80, energy_wh=4_900, power_w=5_000)
    rig.send(LINK, newest)
    before = rig.fleet.twins[1].tobytes(), rig.fleet.meters.tobytes()
    assert rig.send(LINK, newest) == []
    assert rig.send(LINK, report(1, 6, rig.now_ns - 10 * SECOND_NS, discharged_wh=70)) == []
    assert (rig.fleet.twins[1].tobytes(), rig.fleet.meters.tobytes()) == before
    assert rig.fleet.dropped_count == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"asset_id": 3}, "UNKNOWN_ASSET"),
        ({"asset_id": 2**32 - 1}, "UNKNOWN_ASSET"),
        ({"power_w": 5_501}, "POWER_OUT_OF_RANGE"),
        ({"power_w": -(2**31)}, "POWER_OUT_OF_RANGE"),
        ({"energy_wh": -1}, "ENERGY_OUT_OF_RANGE"),
        ({"energy_wh": 10_501}, "ENERGY_OUT_OF_RANGE"),
        ({"measured_ns": MIDNIGHT_NS + HOUR_NS}, "FUTURE_DATED"),
        ({"measured_ns": 2**62}, "FUTURE_DATED"),
        ({"measured_ns": MIDNIGHT_NS + 24 * HOUR_NS}, "FUTURE_DATED"),  # a clock that is a day off
        ({"measured_ns": MIDNIGHT_NS - 24 * HOUR_NS}, "CLOCK_WENT_BACK"),
        ({"measured_ns": MIDNIGHT_NS}, "CLOCK_WENT_BACK"),
        ({"measured_ns": -(2**62)}, "CLOCK_WENT_BACK"),
        ({"charged_wh": 99}, "METER_WENT_BACK"),
        ({"discharged_wh": 99}, "METER_WENT_BACK"),
        ({"discharged_wh": 100 + 91 + 21 + 1}, "METER_JUMPED"),
        ({"charged_wh": 2**32 - 1}, "METER_JUMPED"),
    ],
)
def test_a_report_that_cannot_be_true_is_refused(rig: Rig, changes: dict, reason: str) -> None:
    rig.send(LINK, report(1, 1, MIDNIGHT_NS, charged_wh=100, discharged_wh=100))
    rig.advance(MIDNIGHT_NS + MINUTE_NS)
    values = {"asset_id": 1, "device_number": 2, "measured_ns": rig.now_ns}
    values |= {"charged_wh": 100, "discharged_wh": 100}
    (event,) = rig.send(LINK, report(**{**values, **changes}))
    assert (event["record"], event["reason"]) == ("TelemetryRejected", reason)
    assert rig.fleet.twins[1].device_number == 1


def test_a_retired_asset_is_not_heard(rig: Rig) -> None:
    rig.send(DESK, RetireAsset(asset_id=1))
    (event,) = rig.send(LINK, report(1, 1, MIDNIGHT_NS))
    assert event["reason"] == "ASSET_RETIRED"


def test_a_report_beyond_the_meters_waits_for_settlement(rig: Rig) -> None:
    rig.now_ns = MIDNIGHT_NS + METER_PERIODS * PERIOD_NS  # the node was away: no timer came
    (event,) = rig.send(LINK, report(1, 1, rig.now_ns))
    assert event["reason"] == "SETTLEMENT_BEHIND"
    rig.advance(rig.now_ns + MINUTE_NS)
    assert rig.send(LINK, report(1, 1, rig.now_ns)) == []


def test_energy_is_split_at_the_quarter_hour_by_the_clock(rig: Rig) -> None:
    rig.advance(MIDNIGHT_NS + 14 * MINUTE_NS)
    rig.send(LINK, report(1, 1, rig.now_ns))
    rig.advance(MIDNIGHT_NS + 17 * MINUTE_NS)
    rig.send(LINK, report(1, 2, rig.now_ns, discharged_wh=100))
    first = MIDNIGHT_NS // PERIOD_NS
    metered = [int(rig.fleet.meters[1, (first + k) % METER_PERIODS]["discharged_wh"]) for k in range(2)]
    assert metered == [33, 67]


def test_what_the_meters_bring_after_settlement_is_late(rig: Rig) -> None:
    rig.send(LINK, report(1, 1, MIDNIGHT_NS))
    events = rig.advance(MIDNIGHT_NS + 46 * MINUTE_NS)  # the first two quarter-hours are settled
    assert [event["metered_wh"] for event in named(events, "FleetMetered")] == [0, 0]
    rig.send(LINK, report(1, 2, MIDNIGHT_NS + 45 * MINUTE_NS, charged_wh=900))
    assert rig.fleet.late_wh == -600
    (event,) = named(rig.advance(MIDNIGHT_NS + HOUR_NS), "FleetMetered")
    assert (event["metered_wh"], event["estimated_wh"], event["late_wh"]) == (-300, 0, -600)


def test_after_ten_days_of_silence_everything_is_late(rig: Rig) -> None:
    rig.send(LINK, report(1, 1, MIDNIGHT_NS))
    rig.advance(MIDNIGHT_NS + 11 * 24 * HOUR_NS)
    rig.send(LINK, report(1, 2, rig.now_ns, discharged_wh=50_000))
    assert rig.fleet.late_wh == 50_000
    assert not rig.fleet.meters["discharged_wh"].any()


def test_quality_turns_from_fresh_to_late_to_silent(rig: Rig) -> None:
    rig.send(LINK, report(1, 1, MIDNIGHT_NS), report(2, 1, MIDNIGHT_NS))
    for minute, counts in ((1, (2, 0, 0)), (5, (0, 2, 0)), (12, (0, 0, 2))):
        event = named(rig.advance(MIDNIGHT_NS + minute * MINUTE_NS), "FleetHeard")[-1]
        assert (event["fresh_count"], event["late_count"], event["silent_count"]) == counts


def test_the_census_tells_each_twin_once_a_quarter_hour(rig: Rig) -> None:
    rig.send(LINK, report(1, 1, MIDNIGHT_NS, energy_wh=7_000))
    told = named(rig.advance(MIDNIGHT_NS + 2 * MINUTE_NS), "AssetMeasured")
    assert [(t["asset_id"], t["energy_wh"], t["quality"]) for t in told] == [(1, 7_000, 1), (2, 1_000, 3)]
    assert len(named(rig.advance(MIDNIGHT_NS + 16 * MINUTE_NS), "AssetMeasured")) == 2


def test_a_closed_link_gets_no_setpoints(rig: Rig) -> None:
    rig.send(LINK, report(1, 1, MIDNIGHT_NS))
    closing = CLOSE_SESSION()
    closing["session_id"] = LINK
    rig._apply(closing)
    assert rig.fleet.sessions[LINK].open == 0
