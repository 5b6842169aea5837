"""Who may do what, and which batteries there can be."""

import pytest

from ringmain.vpp.messages import RetireAsset, SubmitPlan
from ringmain.vpp.state import ASSETS, NODES
from unit.vpp.rig import DESK, HOUR_NS, LINK, MIDNIGHT_NS, OTHER_LINK, Rig, battery, named, report


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.take()
    return rig


def reasons(events: list[dict]) -> list[str]:
    return [event["reason"] for event in events]


def test_a_battery_is_registered_and_repeated_in_the_event(rig: Rig) -> None:
    (event,) = rig.send(DESK, battery(7, node_id=3))
    assert event["record"] == "BatteryRegistered"
    assert (event["asset_id"], event["node_id"], event["wear_price_ticks"]) == (7, 3, 2_000)
    assert rig.fleet.export_limit_w == 5_000


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"asset_id": 0}, "ASSET_ID_OUT_OF_RANGE"),
        ({"asset_id": ASSETS}, "ASSET_ID_OUT_OF_RANGE"),
        ({"node_id": 0}, "NODE_ID_OUT_OF_RANGE"),
        ({"node_id": NODES}, "NODE_ID_OUT_OF_RANGE"),
        ({"link_account_id": 0}, "LINK_ACCOUNT_IS_OPERATOR"),
        ({"charge_limit_w": 0}, "CHARGE_LIMIT_OUT_OF_RANGE"),
        ({"charge_limit_w": 2_000_000}, "CHARGE_LIMIT_OUT_OF_RANGE"),
        ({"discharge_limit_w": -1}, "DISCHARGE_LIMIT_OUT_OF_RANGE"),
        ({"energy_capacity_wh": 0}, "CAPACITY_OUT_OF_RANGE"),
        ({"energy_capacity_wh": 2**31 - 1}, "CAPACITY_OUT_OF_RANGE"),
        ({"reserve_permille": 1_000}, "RESERVE_OUT_OF_RANGE"),
        ({"charge_efficiency_permille": 0}, "CHARGE_EFFICIENCY_OUT_OF_RANGE"),
        ({"discharge_efficiency_permille": 1_001}, "DISCHARGE_EFFICIENCY_OUT_OF_RANGE"),
    ],
)
def test_an_impossible_battery_is_refused_by_its_field(rig: Rig, changes: dict, reason: str) -> None:
    (event,) = rig.send(DESK, battery(**{"asset_id": 7, **changes}))
    assert (event["record"], event["reason"]) == ("AssetRejected", reason)
    assert rig.fleet.asset_end == 0


def test_an_id_is_given_once(rig: Rig) -> None:
    rig.send(DESK, battery(7))
    assert reasons(rig.send(DESK, battery(7))) == ["ASSET_EXISTS"]
    assert rig.send(DESK, RetireAsset(asset_id=7))[0]["record"] == "AssetRetired"
    assert reasons(rig.send(DESK, battery(7), RetireAsset(asset_id=7))) == ["ASSET_EXISTS", "ASSET_RETIRED"]
    assert reasons(rig.send(DESK, RetireAsset(asset_id=8))) == ["UNKNOWN_ASSET"]
    assert rig.fleet.export_limit_w == 0


def test_only_the_operator_commands_and_only_the_link_reports(rig: Rig) -> None:
    assert reasons(rig.send(LINK, battery(7))) == ["NOT_OPERATOR"]
    rig.send(DESK, battery(7))
    assert reasons(rig.send(LINK, RetireAsset(asset_id=7))) == ["NOT_OPERATOR"]
    assert reasons(rig.send(OTHER_LINK, report(7, 1, rig.now_ns))) == ["WRONG_LINK"]
    assert reasons(rig.send(DESK, report(7, 1, rig.now_ns))) == ["WRONG_LINK"]
    assert rig.send(LINK, report(7, 1, rig.now_ns)) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"asset_id": 8}, "UNKNOWN_ASSET"),
        ({"asset_id": ASSETS + 5}, "UNKNOWN_ASSET"),
        ({"power_w": 5_001}, "POWER_OUT_OF_RANGE"),
        ({"power_w": -5_001}, "POWER_OUT_OF_RANGE"),
        ({"power_w": -(2**31)}, "POWER_OUT_OF_RANGE"),
        ({"delivery_start_ns": MIDNIGHT_NS + 1}, "PERIOD_MISALIGNED"),
        ({"delivery_duration_s": 0}, "PERIOD_MISALIGNED"),
        ({"delivery_duration_s": 1_000}, "PERIOD_MISALIGNED"),
        ({"delivery_start_ns": MIDNIGHT_NS - HOUR_NS}, "PERIOD_PAST"),
        ({"delivery_start_ns": -HOUR_NS}, "PERIOD_PAST"),
        ({"delivery_duration_s": 49 * 3_600}, "BEYOND_HORIZON"),
        ({"delivery_start_ns": MIDNIGHT_NS + 10**6 * HOUR_NS}, "BEYOND_HORIZON"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(rig: Rig, changes: dict, reason: str) -> None:
    rig.send(DESK, battery(7))
    block = {"asset_id": 7, "power_w": 100, "delivery_start_ns": MIDNIGHT_NS, "delivery_duration_s": 3_600}
    (event,) = rig.send(DESK, SubmitPlan(**{**block, **changes}))
    assert (event["record"], event["reason"]) == ("PlanRejected", reason)
    assert not rig.fleet.plans.any()


def test_the_newest_block_of_a_plan_stands(rig: Rig) -> None:
    rig.send(DESK, battery(7))
    for power_w, hours in ((1_000, 3), (-2_000, 1)):
        events = rig.send(
            DESK,
            SubmitPlan(
                asset_id=7,
                power_w=power_w,
                delivery_start_ns=MIDNIGHT_NS + HOUR_NS,
                delivery_duration_s=hours * 3_600,
            ),
        )
        assert len(named(events, "PlanAccepted")) == 1
    first = (MIDNIGHT_NS + HOUR_NS) // (HOUR_NS // 4)
    plan = [4 * int(rig.fleet.plans[7, (first + k) % 192]) for k in range(13)]
    assert plan == [-2_000] * 4 + [1_000] * 8 + [0]
