"""Nodes and their limits, assets of every kind, and what is known of them."""

from typing import Any

import pytest

from ringmain.vpp.messages import (
    ChangeLimits,
    PlugIn,
    RegisterCharger,
    RegisterHeatStore,
    RegisterLoad,
    RegisterSolar,
    SetNode,
    SetRhythm,
    SetTarget,
    SubmitPlan,
    Unplug,
)
from ringmain.vpp.state import NODES, SECOND_NS
from unit.vpp.rig import (
    DESK,
    HOUR_NS,
    LINK,
    LINK_ACCOUNT,
    MIDNIGHT_NS,
    MINUTE_NS,
    OTHER_LINK,
    Rig,
    battery,
    named,
    report,
)
from unit.vpp.test_vpp_dispatch import setpoints

NO_LIMIT = 2_000_000_000


def node(node_id: int, **changes: int) -> Any:
    """A feeder under the fleet without limits, unless told otherwise."""
    values = {"parent_id": 0, "import_limit_w": NO_LIMIT, "export_limit_w": NO_LIMIT, "is_site": 0}
    return SetNode(node_id=node_id, **{**values, **changes})


def place(asset_id: int, **changes: int) -> dict[str, int]:
    return {"asset_id": asset_id, "node_id": asset_id, "link_account_id": LINK_ACCOUNT, **changes}


def charger(asset_id: int, **changes: int) -> Any:
    values = {
        "import_limit_w": 11_000,
        "export_limit_w": 0,
        "energy_capacity_wh": 60_000,
        "wear_price_ticks": 0,
    }
    efficiency = {"charge_efficiency_permille": 1_000, "discharge_efficiency_permille": 1_000}
    return RegisterCharger(**place(asset_id, **{**values, **efficiency, **changes}))


def heat_store(asset_id: int, **changes: int) -> Any:
    values = {"import_limit_w": 3_000, "energy_capacity_wh": 9_000, "reserve_permille": 200}
    return RegisterHeatStore(**place(asset_id, **{**values, **changes}))


def solar(asset_id: int, **changes: int) -> Any:
    return RegisterSolar(**place(asset_id, **{"export_limit_w": 8_000, "is_curtailable": 1, **changes}))


def load(asset_id: int, **changes: int) -> Any:
    return RegisterLoad(**place(asset_id, **{"import_limit_w": 10_000, **changes}))


def target(rig: Rig, power_w: int) -> Any:
    return SetTarget(valid_until_ns=rig.now_ns + HOUR_NS, power_w=power_w)


def reasons(events: list[dict[str, Any]]) -> list[str]:
    return [event["reason"] for event in events if "reason" in event]


def rhythm(**changes: int) -> Any:
    values = {
        "tick_ms": 2_000, "measure_ms": 1_000, "lease_ms": 30_000, "lag_ms": 4_000, "late_ms": 4_000,
        "silent_ms": 8_000,
    }  # fmt: skip
    return SetRhythm(**{**values, **changes})


UNCORRECTED = rhythm(
    tick_ms=60_000, measure_ms=60_000, lease_ms=300_000, lag_ms=3_600_000, late_ms=180_000, silent_ms=600_000
)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (node(0), "NODE_ID_OUT_OF_RANGE"),
        (node(NODES), "NODE_ID_OUT_OF_RANGE"),
        (node(5, parent_id=4), "UNKNOWN_PARENT"),
        (node(2, parent_id=3), "PARENT_NOT_BELOW"),
        (node(4, is_site=2), "FLAG_OUT_OF_RANGE"),
        (node(4, import_limit_w=-1), "NODE_LIMIT_OUT_OF_RANGE"),
        (node(4, export_limit_w=NO_LIMIT + 1), "NODE_LIMIT_OUT_OF_RANGE"),
        (node(8, parent_id=7, is_site=1), "SITE_WITHIN_SITE"),
        (node(7, parent_id=0, is_site=1), "PARENT_CHANGED"),
        (node(7, parent_id=3, is_site=0), "SITE_CHANGED"),
    ],
)
def test_a_node_that_cannot_be_is_refused(asked: Any, reason: str) -> None:
    rig = Rig()
    rig.send(DESK, node(3), node(7, parent_id=3, is_site=1))
    assert reasons(rig.send(DESK, asked)) == [reason]
    assert reasons(rig.send(LINK, node(4))) == ["NOT_OPERATOR"]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (solar(1, export_limit_w=0), "EXPORT_LIMIT_OUT_OF_RANGE"),
        (solar(1, is_curtailable=2), "FLAG_OUT_OF_RANGE"),
        (solar(1, link_account_id=0), "LINK_ACCOUNT_IS_OPERATOR"),
        (load(1, import_limit_w=100_001), "IMPORT_LIMIT_OUT_OF_RANGE"),
        (load(0), "ASSET_ID_OUT_OF_RANGE"),
        (heat_store(1, reserve_permille=1_000), "RESERVE_OUT_OF_RANGE"),
        (heat_store(1, energy_capacity_wh=0), "CAPACITY_OUT_OF_RANGE"),
        (charger(1, export_limit_w=-1), "EXPORT_LIMIT_OUT_OF_RANGE"),
        (charger(1, charge_efficiency_permille=1_001), "CHARGE_EFFICIENCY_OUT_OF_RANGE"),
        (charger(1, node_id=NODES), "NODE_ID_OUT_OF_RANGE"),
    ],
)
def test_an_asset_that_cannot_be_is_refused(asked: Any, reason: str) -> None:
    assert reasons(Rig().send(DESK, asked)) == [reason]


def test_limits_change_within_what_the_kind_has() -> None:
    rig = Rig()
    rig.send(DESK, battery(1), solar(2), load(3), heat_store(4))
    none = {"import_limit_w": 0, "export_limit_w": 0, "energy_capacity_wh": 0, "reserve_permille": 0}
    more = {"import_limit_w": 7_000, "export_limit_w": 6_000, "energy_capacity_wh": 20_000}
    events = rig.send(DESK, ChangeLimits(asset_id=1, reserve_permille=500, wear_price_ticks=9, **more))
    assert [event["record"] for event in events] == ["LimitsChanged"]
    assert (rig.fleet.import_limit_w, rig.fleet.export_limit_w) == (7_000 + 10_000 + 3_000, 6_000 + 8_000)
    assert rig.fleet.assets[1].reserve_wh == 10_000
    wrong = [
        ChangeLimits(asset_id=2, wear_price_ticks=0, **none),
        ChangeLimits(asset_id=2, wear_price_ticks=0, **{**none, "import_limit_w": 1, "export_limit_w": 1}),
        ChangeLimits(
            asset_id=3, wear_price_ticks=0, **{**none, "import_limit_w": 1, "energy_capacity_wh": 1}
        ),
        ChangeLimits(asset_id=4, wear_price_ticks=0, **{**none, "import_limit_w": 1}),
        ChangeLimits(asset_id=5, wear_price_ticks=0, **none),
    ]
    assert reasons(rig.send(DESK, *wrong)) == [
        "EXPORT_LIMIT_OUT_OF_RANGE", "IMPORT_LIMIT_OUT_OF_RANGE", "CAPACITY_OUT_OF_RANGE",
        "CAPACITY_OUT_OF_RANGE", "UNKNOWN_ASSET",
    ]  # fmt: skip


def test_every_node_stays_within_its_limit_and_the_rest_comes_from_elsewhere() -> None:
    """Feeder 1 (4 kW) over sites 11 and 12, site 12 (1 kW); feeder 2 over site 21, without limits."""
    rig = Rig()
    rig.send(
        DESK, node(1, export_limit_w=4_000), node(2), node(11, parent_id=1, is_site=1),
        node(12, parent_id=1, is_site=1, export_limit_w=1_000), node(21, parent_id=2, is_site=1),
    )  # fmt: skip
    rig.send(DESK, *[battery(n, node_id=site) for n, site in ((1, 11), (2, 12), (3, 21))])
    rig.send(LINK, *[report(n, 1, rig.now_ns, energy_wh=9_000) for n in (1, 2, 3)])
    rig.send(DESK, target(rig, 9_000))
    events = rig.advance(MIDNIGHT_NS + MINUTE_NS)
    wishes = setpoints(events)
    assert sum(wishes.values()) == 9_000
    assert wishes[2] <= 1_000
    assert wishes[1] + wishes[2] == 4_000
    rig.send(DESK, UNCORRECTED, target(rig, 2_000))
    calm = setpoints(rig.advance(MIDNIGHT_NS + 2 * MINUTE_NS))
    assert sum(calm.values()) == 2_000
    assert calm[3] == 2_000 * 5_000 // 9_000 + 1  # by room: 4 kW at feeder 1, 5 kW at feeder 2
    told = {event["node_id"]: event for event in named(events, "NodeMeasured")}
    assert set(told) == {1, 2}
    assert told[1]["headroom_up_w"] == 4_000
    assert (told[1]["asset_count"], told[1]["coverage_permille"]) == (2, 1_000)


def test_a_plan_beyond_a_limit_is_moved_into_it() -> None:
    rig = Rig()
    rig.send(DESK, node(5, is_site=1, import_limit_w=3_000), battery(1, node_id=5), battery(2, node_id=5))
    block = {"delivery_start_ns": MIDNIGHT_NS, "delivery_duration_s": 3_600}
    rig.send(
        DESK, SubmitPlan(asset_id=1, power_w=-4_000, **block), SubmitPlan(asset_id=2, power_w=-2_000, **block)
    )
    rig.send(LINK, report(1, 1, rig.now_ns), report(2, 1, rig.now_ns))
    rig.send(DESK, target(rig, -6_000))
    wishes = setpoints(rig.advance(MIDNIGHT_NS + MINUTE_NS))
    assert sum(wishes.values()) == -3_000


def test_what_nobody_can_help_is_told_and_the_least_remains() -> None:
    """A load of 6 kW behind a fuse of 4 kW, with a battery that can give 1 kW."""
    rig = Rig()
    rig.send(DESK, node(5, is_site=1, import_limit_w=4_000), load(1, node_id=5))
    rig.send(DESK, battery(2, node_id=5, discharge_limit_w=1_000))
    rig.send(LINK, report(1, 1, rig.now_ns, power_w=-6_000, energy_wh=0), report(2, 1, rig.now_ns))
    events = rig.advance(MIDNIGHT_NS + MINUTE_NS)
    assert setpoints(events) == {2: 1_000}
    (overload,) = named(events, "NodeOverloaded")
    assert (overload["node_id"], overload["power_w"], overload["import_limit_w"]) == (5, -5_000, 4_000)


def test_cheap_assets_are_moved_before_dear_ones() -> None:
    rig = Rig()
    rig.send(DESK, battery(1, wear_price_ticks=8_000), battery(2, wear_price_ticks=100), solar(3))
    rig.send(LINK, report(1, 1, rig.now_ns, energy_wh=9_000), report(2, 1, rig.now_ns, energy_wh=9_000))
    rig.send(LINK, report(3, 1, rig.now_ns, energy_wh=0, power_w=5_000))
    rig.send(DESK, target(rig, 8_000))
    wishes = setpoints(rig.advance(MIDNIGHT_NS + MINUTE_NS))
    assert wishes == {2: 3_000}  # the roof gives 5 kW, and no more can be had of it
    rig.send(DESK, UNCORRECTED, target(rig, -9_000))
    wishes = setpoints(rig.advance(MIDNIGHT_NS + 2 * MINUTE_NS))
    assert wishes[2] == -4_855  # full at the end of the quarter-hour
    assert sum(wishes.values()) == -9_000


def test_a_roof_is_curtailed_when_nothing_else_is_left() -> None:
    rig = Rig()
    rig.send(DESK, node(5, is_site=1, export_limit_w=3_000), solar(1, node_id=5))
    rig.send(LINK, report(1, 1, rig.now_ns, energy_wh=0, power_w=5_000))
    assert setpoints(rig.advance(MIDNIGHT_NS + MINUTE_NS)) == {1: 3_000}


def test_a_roof_gives_more_than_was_sold_unless_a_power_is_asked_for() -> None:
    rig = Rig()
    rig.send(DESK, solar(1))
    rig.send(LINK, report(1, 1, rig.now_ns, energy_wh=0, power_w=5_000))
    assert setpoints(rig.advance(MIDNIGHT_NS + MINUTE_NS)) == {}
    rig.send(DESK, UNCORRECTED, target(rig, 1_000))
    assert setpoints(rig.advance(MIDNIGHT_NS + 2 * MINUTE_NS)) == {1: 1_000}
    rig.send(DESK, target(rig, 9_000))
    assert setpoints(rig.advance(MIDNIGHT_NS + 3 * MINUTE_NS)) == {1: 8_000}


def test_a_car_is_charged_by_its_departure() -> None:
    rig = Rig()
    rig.send(DESK, charger(1))
    rig.send(LINK, report(1, 1, rig.now_ns, energy_wh=10_000))
    assert setpoints(rig.advance(MIDNIGHT_NS + MINUTE_NS)) == {}  # no car
    departs_s = (MIDNIGHT_NS + 2 * HOUR_NS) // SECOND_NS
    stay = PlugIn(asset_id=1, departs_s=departs_s, required_wh=21_000)
    assert rig.send(LINK, stay)[0]["record"] == "PluggedIn"
    assert setpoints(rig.advance(MIDNIGHT_NS + 2 * MINUTE_NS)) == {}  # an hour of charging, in two hours
    rig.advance(MIDNIGHT_NS + HOUR_NS - MINUTE_NS)
    rig.send(LINK, report(1, 2, rig.now_ns, energy_wh=10_000))
    wishes = setpoints(rig.advance(MIDNIGHT_NS + HOUR_NS))
    assert wishes == {1: -11_000}  # from now on without a break
    assert rig.send(LINK, Unplug(asset_id=1))[0]["record"] == "Unplugged"
    assert setpoints(rig.advance(MIDNIGHT_NS + HOUR_NS + MINUTE_NS)) == {1: 0}


@pytest.mark.parametrize(
    ("session", "asked", "reason"),
    [
        (LINK, PlugIn(asset_id=1, departs_s=1, required_wh=0), "DEPARTURE_OUT_OF_RANGE"),
        (LINK, PlugIn(asset_id=1, departs_s=4 * 10**9, required_wh=0), "DEPARTURE_OUT_OF_RANGE"),
        (
            DESK,
            PlugIn(asset_id=1, departs_s=1_526_900_000, required_wh=60_001),
            "REQUIRED_ENERGY_OUT_OF_RANGE",
        ),
        (OTHER_LINK, PlugIn(asset_id=1, departs_s=1_526_900_000, required_wh=0), "WRONG_LINK"),
        (LINK, PlugIn(asset_id=2, departs_s=1_526_900_000, required_wh=0), "WRONG_KIND"),
        (LINK, Unplug(asset_id=1), "NOT_PLUGGED_IN"),
        (LINK, Unplug(asset_id=9), "UNKNOWN_ASSET"),
    ],
)
def test_a_car_that_cannot_be_is_refused(session: int, asked: Any, reason: str) -> None:
    rig = Rig()
    rig.send(DESK, charger(1), battery(2))
    assert reasons(rig.send(session, asked)) == [reason]


def test_a_heat_store_below_comfort_has_to_run() -> None:
    rig = Rig()
    rig.send(DESK, heat_store(1))
    rig.send(LINK, report(1, 1, rig.now_ns, energy_wh=1_500))
    rig.send(DESK, target(rig, 0))
    wishes = setpoints(rig.advance(MIDNIGHT_NS + MINUTE_NS))
    assert wishes == {1: -1_201}  # 300 Wh within a quarter-hour


def test_a_store_loses_by_itself_what_its_kind_loses() -> None:
    """5 % an hour of 8 kWh; below comfort it has to run, though its last report was above."""
    rig = Rig()
    rig.send(DESK, heat_store(1, self_discharge_ppm=50_000, energy_capacity_wh=10_000, reserve_permille=780))
    rig.send(LINK, report(1, 1, rig.now_ns, energy_wh=8_000))
    measured = named(rig.advance(MIDNIGHT_NS + 9 * MINUTE_NS), "FleetMeasured")
    assert [event["energy_wh"] for event in measured[:3]] == [
        8_000 - 8_000 * ppm // 10**6 for ppm in (833, 1_666, 2_500)
    ]
    rig.send(LINK, report(1, 2, rig.now_ns, energy_wh=7_810))
    assert setpoints(rig.advance(MIDNIGHT_NS + 12 * MINUTE_NS))[1] < 0


def test_a_silent_load_counts_as_it_was_and_is_never_zero() -> None:
    rig = Rig()
    rig.send(DESK, load(1), solar(2, is_curtailable=0))
    rig.send(LINK, report(1, 1, rig.now_ns, power_w=-2_000, energy_wh=0))
    rig.send(LINK, report(2, 1, rig.now_ns, power_w=500, energy_wh=0))
    events = rig.advance(MIDNIGHT_NS + 20 * MINUTE_NS)
    assert named(events, "FleetMeasured")[-1]["power_w"] == -1_500
    assert named(events, "FleetHeard")[-1]["silent_count"] == 2


def test_what_contradicts_itself_three_times_is_estimated() -> None:
    rig = Rig()
    rig.send(DESK, battery(1))
    rig.send(LINK, report(1, 1, rig.now_ns, charged_wh=100))
    rig.advance(MIDNIGHT_NS + MINUTE_NS)
    for number in (2, 3, 4):
        refused = rig.send(LINK, report(1, number, rig.now_ns, charged_wh=50))
        assert reasons(refused) == ["METER_WENT_BACK"]
    events = rig.advance(MIDNIGHT_NS + 2 * MINUTE_NS)
    assert named(events, "FleetHeard")[-1]["contradictory_count"] == 1
    rig.send(LINK, report(1, 5, rig.now_ns, charged_wh=101))
    assert named(rig.advance(MIDNIGHT_NS + 3 * MINUTE_NS), "FleetHeard")[-1]["fresh_count"] == 1


def test_the_deviation_is_learnt_from_reports_and_grows_with_their_age() -> None:
    """A load that wanders by some 100 W a minute; then nothing is heard of it."""
    rig, power = Rig(), 3_000
    rig.send(DESK, load(1))
    for minute in range(60):
        power += (100, -100, -100, 100, 140, -140)[minute % 6]
        rig.now_ns = MIDNIGHT_NS + minute * MINUTE_NS
        rig.run_timers()
        rig.send(LINK, report(1, minute + 1, rig.now_ns, power_w=-power, energy_wh=0))
    deviations = [
        named(rig.advance(rig.now_ns + minutes * MINUTE_NS), "FleetHeard")[-1]["power_deviation_w"]
        for minutes in (1, 4, 20, 60)
    ]
    assert 80 < deviations[0] < 160
    assert deviations == sorted(deviations)
    assert deviations[-1] > 3 * deviations[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"tick_ms": 0}, {"tick_ms": 3_600_001}, {"measure_ms": 0}, {"lease_ms": 3_000}, {"silent_ms": 3_999},
        {"lag_ms": 3_600_001}, {"late_ms": 0},
    ],
)  # fmt: skip
def test_a_rhythm_that_cannot_be_is_refused(wrong: dict[str, int]) -> None:
    assert reasons(Rig().send(DESK, rhythm(**wrong))) == ["RHYTHM_OUT_OF_RANGE"]


def test_a_fleet_is_measured_and_dispatched_by_its_rhythm() -> None:
    rig = Rig()
    assert rig.send(DESK, battery(1), rhythm())[-1]["record"] == "RhythmSet"
    events = rig.advance(MIDNIGHT_NS + MINUTE_NS)
    assert len(named(events, "FleetMeasured")) == 60
    assert len(named(events, "FleetDispatched")) == 30


def test_a_target_ends_and_what_cannot_be_is_refused() -> None:
    rig = Rig()
    rig.send(DESK, battery(1))
    rig.send(LINK, report(1, 1, rig.now_ns))
    past = SetTarget(valid_until_ns=rig.now_ns, power_w=1)
    huge = SetTarget(valid_until_ns=rig.now_ns + 1, power_w=NO_LIMIT + 1)
    assert reasons(rig.send(DESK, past, huge)) == ["TARGET_PAST", "TARGET_OUT_OF_RANGE"]
    rig.send(DESK, SetTarget(valid_until_ns=rig.now_ns + 90 * SECOND_NS, power_w=1_000))
    asked = named(rig.advance(MIDNIGHT_NS + 3 * MINUTE_NS), "FleetDispatched")
    assert asked[0]["target_power_w"] == 1_000
    assert all(abs(event["target_power_w"]) < 100 for event in asked[1:])  # what was given is taken back


def test_a_target_that_ramps_is_asked_for_by_the_lead_earlier() -> None:
    rig = Rig()
    rig.send(DESK, battery(1), rhythm(lead_ms=3_000, lag_ms=0))
    rig.send(LINK, report(1, 1, rig.now_ns))
    ends = {"valid_until_ns": rig.now_ns + 20 * SECOND_NS}
    rig.send(DESK, SetTarget(power_w=1_000, ramp_w_per_s=50, **ends))
    asked = named(rig.advance(rig.now_ns + 19 * SECOND_NS), "FleetDispatched")
    assert [event["target_power_w"] for event in asked] == [
        1_000 + 50 * min(20, second + 3) for second in range(2, 20, 2)
    ]


def test_loads_that_nobody_hears_for_a_moment_go_on_as_the_others_do() -> None:
    """Twenty loads that grow by 10 W a minute, one report a minute each, half of them lost."""
    rig = Rig()
    rig.send(DESK, *[load(n) for n in range(1, 21)])
    errors = []
    for minute in range(240):
        rig.now_ns = MIDNIGHT_NS + minute * MINUTE_NS
        rig.run_timers()
        told = [event for event in rig.take() if event["record"] == "FleetMeasured"]
        power = 500 + 10 * minute
        errors += [told[-1]["power_w"] + 20 * power] if told and minute > 60 else []
        for n in range(1, 21):
            if (n * 7 + minute * 3) % 4 < 2:
                rig.apply(LINK, [report(n, minute + 1, rig.now_ns, power_w=-power, energy_wh=0)])
    assert abs(sum(errors) / len(errors)) < 60  # a minute's growth of all is 200 W


def test_what_the_reports_lack_of_a_target_is_made_good() -> None:
    """A device that gives 95 % of what it is told."""
    rig = Rig()
    rig.send(DESK, battery(1), rhythm(tick_ms=2_000, lag_ms=2_000))
    rig.send(LINK, report(1, 1, rig.now_ns, energy_wh=9_000))
    rig.send(DESK, target(rig, 2_000))
    number, wishes = 1, []
    for second in range(2, 60, 2):
        rig.advance(MIDNIGHT_NS + second * SECOND_NS)
        wishes.append(int(rig.fleet.twins[1].desired_power_w))
        number += 1
        power = wishes[-1] * 95 // 100
        rig.send(LINK, report(1, number, rig.now_ns + SECOND_NS, power_w=power, energy_wh=9_000))
    assert wishes[0] == 2_000
    assert abs(wishes[-1] * 95 // 100 - 2_000) < 20
