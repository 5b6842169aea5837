"""Dispatch and settlement by logged timers."""

import pytest

from ringmain.vpp.messages import IMBALANCE, REFERENCE, RecordPrice, RetireAsset, SubmitPlan
from ringmain.vpp.state import (
    BALANCING,
    EXCHANGE,
    FLEET,
    LEASE_NS,
    SETPOINTS_PER_TIMER,
    SITE_ACCOUNTS,
    SITES_PER_TIMER,
    WEAR,
)
from unit.vpp.rig import (
    BRIDGE,
    CLOSE_SESSION,
    DESK,
    HOUR_NS,
    LINK,
    LINK_ACCOUNT,
    MIDNIGHT_NS,
    MINUTE_NS,
    OPEN_SESSION,
    Rig,
    battery,
    named,
    report,
)
from unit.vpp.test_vpp_desk import DELIVERY_NS, award, bid, product


def sold(lots: int, *batteries: int) -> Rig:
    """A fleet that owes `lots` kW from DELIVERY_NS on for an hour, and stands just before."""
    rig = Rig()
    rig.send(DESK, *[battery(asset_id) for asset_id in batteries], product(), bid(quantity_lots=lots))
    rig.send(BRIDGE, award(quantity_lots=lots, price_ticks=4_000))
    rig.advance(DELIVERY_NS - MINUTE_NS)
    rig.send(LINK, *[report(asset_id, 1, rig.now_ns, energy_wh=6_000) for asset_id in batteries])
    return rig


def setpoints(events: list[dict]) -> dict[int, int]:
    return {event["asset_id"]: event["power_w"] for event in named(events, "SetpointIssued")}


def test_the_target_is_shared_by_headroom_and_sent_to_the_links_session() -> None:
    rig = sold(6, 1, 2)
    rig.send(LINK, report(2, 2, rig.now_ns + 1, energy_wh=1_250))  # 250 Wh above its reserve
    events = rig.advance(DELIVERY_NS)
    dispatched = named(events, "FleetDispatched")[-1]
    assert (dispatched["committed_power_w"], dispatched["target_power_w"]) == (6_000, 6_000)
    assert dispatched["allocated_power_w"] == 5_000 + 948  # all that the two can hold for a quarter-hour
    assert setpoints(events) == {1: 5_000, 2: 948}
    issued = named(events, "SetpointIssued")[0]
    assert (issued["session_id"], issued["valid_until_ns"]) == (LINK, DELIVERY_NS + LEASE_NS)


def test_plans_come_first_and_the_rest_is_spread() -> None:
    rig = sold(6, 1, 2)
    block = {"delivery_start_ns": DELIVERY_NS, "delivery_duration_s": 3_600}
    rig.send(
        DESK, SubmitPlan(asset_id=1, power_w=4_000, **block), SubmitPlan(asset_id=2, power_w=-1_000, **block)
    )
    assert setpoints(rig.advance(DELIVERY_NS)) == {1: 4_428, 2: 1_572}  # 3 kW more over 1 kW and 6 kW of room


def test_what_is_behind_is_made_good_in_the_quarter_hour() -> None:
    rig = sold(6, 1, 2)
    rig.advance(DELIVERY_NS)
    rig.send(LINK, *[report(asset_id, 2, rig.now_ns, energy_wh=6_000) for asset_id in (1, 2)])
    rig.advance(DELIVERY_NS + 5 * MINUTE_NS - 1)
    for asset_id in (1, 2):  # each gave 2.4 kW for 5 minutes, not 3
        rig.send(LINK, report(asset_id, 3, rig.now_ns, energy_wh=5_800, power_w=2_400, discharged_wh=200))
    dispatched = named(rig.advance(DELIVERY_NS + 5 * MINUTE_NS), "FleetDispatched")[-1]
    assert dispatched["delivered_wh"] == pytest.approx(400, abs=15)
    assert dispatched["target_power_w"] == pytest.approx(6_600, abs=100)


def test_a_lease_is_renewed_and_rest_needs_none() -> None:
    rig = sold(6, 1, 2)
    rig.advance(DELIVERY_NS)
    renewed = [minute for minute in range(1, 9) if setpoints(rig.advance(DELIVERY_NS + minute * MINUTE_NS))]
    assert renewed[0] == 4  # while two more ticks are left of five
    idle = Rig()
    idle.send(DESK, battery(1))
    idle.send(LINK, report(1, 1, MIDNIGHT_NS))
    assert setpoints(idle.advance(MIDNIGHT_NS + 3 * MINUTE_NS)) == {}


def test_a_silent_battery_counts_as_planned_and_others_do_the_rest() -> None:
    rig = sold(6, 1, 2)
    block = {"delivery_start_ns": DELIVERY_NS, "delivery_duration_s": 3_600}
    rig.send(DESK, SubmitPlan(asset_id=2, power_w=2_000, **block))
    for minute in range(-1, 14):
        rig.advance(DELIVERY_NS + minute * MINUTE_NS)
        rig.send(LINK, report(1, 10 + minute, rig.now_ns, energy_wh=6_000))
    events = rig.advance(DELIVERY_NS + 14 * MINUTE_NS)
    assert named(events, "FleetHeard")[-1]["silent_count"] == 1
    assert rig.fleet.twins[2].desired_power_w == 2_000
    rig.advance(DELIVERY_NS + 29 * MINUTE_NS)
    (metered,) = named(rig.advance(DELIVERY_NS + 30 * MINUTE_NS), "FleetMetered")
    assert (metered["metered_wh"], metered["estimated_wh"]) == (500, 500)


def test_a_new_session_of_the_link_hears_the_setpoints_again() -> None:
    rig = sold(5, 1)
    assert setpoints(rig.advance(DELIVERY_NS)) == {1: 5_000}
    closing, opening = (
        CLOSE_SESSION(),
        OPEN_SESSION(account_id=LINK_ACCOUNT, numbering=0, cancel_on_disconnect=0),
    )
    closing["session_id"], opening["session_id"] = LINK, 9
    rig._apply(closing)
    assert setpoints(rig.advance(DELIVERY_NS + 4 * MINUTE_NS)) == {}
    rig._apply(opening)
    rig.send(9, report(1, 2, rig.now_ns, energy_wh=5_700, power_w=0))
    events = rig.advance(DELIVERY_NS + 5 * MINUTE_NS)
    assert [event["session_id"] for event in named(events, "SetpointIssued")] == [9]


def test_setpoints_come_in_bounded_portions_of_one_tick() -> None:
    count = SETPOINTS_PER_TIMER + 88
    rig = Rig()
    rig.send(DESK, *[battery(asset_id) for asset_id in range(1, count + 1)], product(lot_power_w=100_000))
    rig.send(DESK, bid(quantity_lots=20))
    rig.send(BRIDGE, award(quantity_lots=20))
    rig.advance(DELIVERY_NS - 1)
    for asset_id in range(1, count + 1):
        rig.apply(LINK, [report(asset_id, 1, rig.now_ns)])
    events = named(rig.advance(DELIVERY_NS), "SetpointIssued")
    assert len(events) == count
    assert sum(event["power_w"] for event in events) == 2_000_000
    assert len({event["sequence"] for event in events}) == 2
    assert {event["setpoint_number"] for event in events} == {DELIVERY_NS // MINUTE_NS}


def settled_hour(rig: Rig, price: list[int] | None = None) -> list[dict]:
    """Deliver 250 Wh short of 1500 Wh in the first quarter-hour, and settle it."""
    rig.advance(DELIVERY_NS)
    rig.send(LINK, report(1, 2, rig.now_ns, energy_wh=6_000), report(2, 2, rig.now_ns, energy_wh=6_000))
    rig.advance(DELIVERY_NS + 15 * MINUTE_NS)
    for asset_id, discharged_wh in ((1, 1_000), (2, 250)):
        rig.send(
            LINK,
            report(asset_id, 3, rig.now_ns, energy_wh=5_000, discharged_wh=discharged_wh),
        )
    for kind in price or []:
        rig.send(
            BRIDGE,
            RecordPrice(
                delivery_start_ns=DELIVERY_NS, delivery_duration_s=900, price_ticks=5_000, price_kind=kind
            ),
        )
    rig.take()
    return rig.advance(DELIVERY_NS + 30 * MINUTE_NS)


def test_a_quarter_hour_is_settled_and_shared_by_energy_moved() -> None:
    rig = sold(6, 1, 2)
    events = settled_hour(rig, [IMBALANCE])
    metered, settled = named(events, "FleetMetered")[-1], named(events, "FleetSettled")[-1]
    assert (metered["committed_wh"], metered["metered_wh"], metered["estimated_wh"]) == (1_500, 1_250, 0)
    assert metered["imbalance_price_ticks"] == 5_000
    assert settled["award_minor"] == 4_000 * 6 * 10 // 4
    assert settled["imbalance_minor"] == -250 * 5_000 // 100
    assert settled["wear_minor"] == 1_250 * 2_000 // 100
    income = 60_000 - 12_500 - 25_000
    shares = {event["site_id"]: event["amount_minor"] for event in named(events, "SiteSettled")}
    assert shares == {1: income * 1_000 // 1_250, 2: income * 250 // 1_250}
    balances = rig.fleet.accounts["balance_minor"]
    assert [int(balances[SITE_ACCOUNTS + site_id]) for site_id in (1, 2)] == [18_000, 4_500]
    assert (int(balances[BALANCING]), int(balances[WEAR])) == (12_500, 25_000)
    assert int(balances[FLEET]) == 3 * 60_000  # quarter-hours that are still to come
    assert balances.sum() == 0


@pytest.mark.parametrize(
    ("prices", "ticks"), [([], 0), ([REFERENCE], 5_500), ([REFERENCE, IMBALANCE], 5_000)]
)
def test_without_an_imbalance_price_the_reference_stands_in_made_worse(prices: list[int], ticks: int) -> None:
    metered = named(settled_hour(sold(6, 1, 2), prices), "FleetMetered")[-1]
    assert metered["imbalance_price_ticks"] == ticks


def test_a_share_is_rounded_down_and_the_fleet_keeps_the_remainder() -> None:
    rig = sold(6, 1, 2)
    rig.fleet.assets[1].wear_price_ticks = 2_001
    events = settled_hour(rig, [IMBALANCE])
    settled = named(events, "FleetSettled")[-1]
    income = settled["award_minor"] + settled["imbalance_minor"] - settled["wear_minor"]
    shares = [event["amount_minor"] for event in named(events, "SiteSettled")]
    assert shares == [income * 1_000 // 1_250, income * 250 // 1_250]
    assert int(rig.fleet.accounts[FLEET].balance_minor) == 3 * 60_000 + income - sum(shares)


def test_a_retired_battery_is_still_paid_for_what_it_moved() -> None:
    rig = sold(6, 1, 2)
    rig.advance(DELIVERY_NS)
    rig.send(LINK, report(1, 2, rig.now_ns, energy_wh=6_000))
    rig.advance(DELIVERY_NS + 10 * MINUTE_NS)
    rig.send(LINK, report(1, 3, rig.now_ns, energy_wh=5_500, discharged_wh=500))
    rig.send(DESK, RetireAsset(asset_id=1))
    rig.advance(DELIVERY_NS + 29 * MINUTE_NS)
    (paid,) = named(rig.advance(DELIVERY_NS + 30 * MINUTE_NS), "SiteSettled")
    assert (paid["site_id"], paid["metered_wh"]) == (1, 500)


def test_sites_are_paid_in_bounded_portions() -> None:
    count = SITES_PER_TIMER + 5
    rig = Rig()
    rig.send(DESK, *[battery(asset_id) for asset_id in range(1, count + 1)])
    for number, discharged_wh in ((1, 0), (2, 10)):
        rig.advance(MIDNIGHT_NS + 5 * number * MINUTE_NS)
        for asset_id in range(1, count + 1):
            rig.apply(LINK, [report(asset_id, number, rig.now_ns, discharged_wh=discharged_wh)])
    rig.advance(MIDNIGHT_NS + 29 * MINUTE_NS)
    paid = named(rig.advance(MIDNIGHT_NS + 30 * MINUTE_NS), "SiteSettled")
    assert len(paid) == count
    assert len({event["sequence"] for event in paid}) == 2
    assert rig.fleet.accounts["balance_minor"].sum() == 0
    assert int(rig.fleet.accounts[EXCHANGE].balance_minor) == 0


def test_an_empty_fleet_lives_on() -> None:
    rig = Rig()
    events = rig.advance(MIDNIGHT_NS + HOUR_NS)
    assert len(named(events, "FleetMeasured")) == 60
    assert len(named(events, "FleetSettled")) == 3


def test_a_node_that_was_away_settles_the_past_before_it_dispatches() -> None:
    rig = sold(6, 1, 2)
    rig.now_ns = DELIVERY_NS + 5 * HOUR_NS
    events = rig.advance(rig.now_ns)
    order = [e["record"] for e in events if e["record"] in ("FleetSettled", "FleetDispatched")]
    assert order == ["FleetSettled"] * 21 + ["FleetDispatched"]
    assert rig.fleet.accounts["balance_minor"].sum() == 0
