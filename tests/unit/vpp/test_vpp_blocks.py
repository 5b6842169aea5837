"""Block bids: begun, extended, placed whole; what they may add; their awards and ends."""

from typing import Any

import pytest

from ringmain.vpp.block_messages import ExtendBlockBid, SubmitBlockBid
from ringmain.vpp.loop_messages import SUBMIT_OFF, SUBMIT_SHADOW, SetSubmitMode
from ringmain.vpp.messages import (
    BUY,
    CANCELLED,
    FILLED,
    SELL,
    CancelBid,
    DefineProduct,
    RecordAward,
    RecordOrderEnded,
    SubmitBid,
)
from ringmain.vpp.state import BLOCKS, EXCHANGE, FLEET, PERIOD_NS, PERIODS
from ringmain.vpp.views import DeskView
from unit.vpp.rig import BRIDGE, DESK, HOUR_NS, LINK, MIDNIGHT_NS, Rig, battery

FIRST_NS = MIDNIGHT_NS + 24 * HOUR_NS
GATE_NS = MIDNIGHT_NS + 12 * HOUR_NS


def products() -> list[Any]:
    return [
        DefineProduct(
            product_id=100 + k, delivery_start_ns=FIRST_NS + k * HOUR_NS, delivery_duration_s=3_600,
            gate_closure_ns=GATE_NS, lot_power_w=1_000, value_minor=10,
        )
        for k in range(24)
    ]  # fmt: skip


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.send(DESK, battery(1), battery(2), *products())  # 10 kW, both ways
    return rig


def block(bid_id: int, side: int, *runs: tuple[int, int], first: int = 100, **changes: int) -> list[Any]:
    """A block of runs of (products, lots)."""
    (periods, lots), *others = runs
    begin = SubmitBlockBid(
        bid_id=bid_id, first_product_id=first, price_ticks=4_000, quantity_lots=lots,
        period_count=changes.pop("period_count", sum(run[0] for run in runs)), run_periods=periods,
        side=side, **changes,
    )  # fmt: skip
    return [begin] + [
        ExtendBlockBid(bid_id=bid_id, quantity_lots=lots, run_periods=periods) for periods, lots in others
    ]


def names(events: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    return [(event["record"], event.get("reason")) for event in events]


def exposed_w(rig: Rig, hour: int) -> tuple[int, int]:
    """Return what open bids may sell and buy in an hour, by its first and its last quarter-hour alike."""
    first = (FIRST_NS + hour * HOUR_NS) // PERIOD_NS
    cells = [rig.fleet.periods[(first + k) % PERIODS] for k in (0, 3)]
    values = {(int(cell.selling_power_w), int(cell.buying_power_w)) for cell in cells}
    assert len(values) == 1
    return values.pop()


def test_a_block_is_told_whole_and_only_when_it_is_whole(rig: Rig) -> None:
    begin, *runs = block(1, BUY, (2, 3), (1, 0), (2, 5), (1, 5))
    assert rig.send(DESK, begin, *runs[:2]) == []
    events = rig.send(DESK, runs[2])
    assert names(events) == [("BlockBidSubmitted", None), ("BlockBidRun", None), ("BlockBidRun", None)]
    assert [(e["quantity_lots"], e["run_periods"]) for e in events] == [(3, 2), (0, 1), (5, 3)]
    assert (events[0]["period_count"], events[0]["first_product_id"], events[0]["side"]) == (6, 100, BUY)
    assert [exposed_w(rig, hour) for hour in range(7)] == [
        (0, 3_000), (0, 3_000), (0, 0), (0, 5_000), (0, 5_000), (0, 5_000), (0, 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bid_id": 0}, "BID_ID_NOT_RISING"),
        ({"side": 0}, "SIDE_UNKNOWN"),
        ({"price_ticks": 1_000_001}, "PRICE_OUT_OF_RANGE"),
        ({"quantity_lots": 0}, "QUANTITY_OUT_OF_RANGE"),
        ({"quantity_lots": -1}, "QUANTITY_OUT_OF_RANGE"),
        ({"quantity_lots": 11}, "ABOVE_FLEET_POWER"),
        ({"period_count": 31}, "BLOCK_TOO_LONG"),
        ({"period_count": 0}, "BLOCK_TOO_LONG"),
        ({"run_periods": 0}, "RUN_OUT_OF_RANGE"),
        ({"run_periods": 3}, "RUN_OUT_OF_RANGE"),
        ({"first_product_id": 99}, "UNKNOWN_PRODUCT"),
        ({"first_product_id": 123}, "UNKNOWN_PRODUCT"),
        ({"parent_bid_id": 7}, "UNKNOWN_PARENT_BID"),
        ({"parent_bid_id": 7, "exclusive_group": 1}, "CHILD_IN_GROUP"),
    ],
)
def test_a_block_that_cannot_be_is_refused(rig: Rig, changes: dict, reason: str) -> None:
    values = {
        "bid_id": 1, "first_product_id": 100, "price_ticks": 4_000, "quantity_lots": 3, "period_count": 2,
        "run_periods": 2, "side": SELL,
    }  # fmt: skip
    events = rig.send(DESK, SubmitBlockBid(**{**values, **changes}))
    assert names(events) == [("BidRejected", reason)]
    assert not rig.fleet.periods["selling_power_w"].any()


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        ({"bid_id": 2}, "NO_BLOCK_BEGUN"),
        ({"quantity_lots": -1}, "QUANTITY_OUT_OF_RANGE"),
        ({"run_periods": 3}, "RUN_OUT_OF_RANGE"),
        ({"run_periods": 0}, "RUN_OUT_OF_RANGE"),
    ],
)
def test_quantities_that_are_not_the_next_ones_are_refused_and_the_block_waits(rig, run, reason) -> None:
    begin, good = block(1, SELL, (1, 2), (2, 1))
    bad = ExtendBlockBid(**{"bid_id": 1, "quantity_lots": 1, "run_periods": 2, **run})
    assert names(rig.send(DESK, begin, bad)) == [("BidRejected", reason)]
    assert names(rig.send(DESK, good))[0] == ("BlockBidSubmitted", None)
    assert names(rig.send(DESK, good)) == [("BidRejected", "NO_BLOCK_BEGUN")]


def test_a_block_that_begins_gives_up_the_one_before(rig: Rig) -> None:
    first, rest = block(1, SELL, (1, 2), (1, 3))
    whole = block(2, SELL, (2, 1))
    assert names(rig.send(DESK, first, *whole, rest)) == [
        ("BlockBidSubmitted", None), ("BidRejected", "NO_BLOCK_BEGUN"),
    ]  # fmt: skip


def test_only_the_operator_makes_block_bids(rig: Rig) -> None:
    assert names(rig.send(LINK, *block(1, SELL, (2, 1)))) == [("BidRejected", "NOT_OPERATOR")]


def test_time_may_pass_before_a_block_is_whole(rig: Rig) -> None:
    begin, rest = block(1, SELL, (1, 2), (1, 3))
    rig.send(DESK, begin)
    rig.advance(GATE_NS)
    assert names(rig.send(DESK, rest)) == [("BidRejected", "AFTER_GATE_CLOSURE")]
    assert names(rig.send(DESK, *block(2, SELL, (1, 2)))) == [("BidRejected", "AFTER_GATE_CLOSURE")]


def test_of_a_group_the_largest_counts_and_a_child_is_of_its_parents_group(rig: Rig) -> None:
    sent = [
        *block(1, BUY, (1, 6), exclusive_group=5),
        *block(2, SELL, (1, 4), first=102, parent_bid_id=1),
        *block(3, BUY, (2, 7), exclusive_group=5),
        *block(4, SELL, (1, 6), first=102, parent_bid_id=3),
    ]
    assert {name for name, _ in names(rig.send(DESK, *sent))} == {"BlockBidSubmitted"}
    assert [exposed_w(rig, hour) for hour in range(3)] == [(0, 7_000), (0, 7_000), (6_000, 0)]
    alone = block(5, BUY, (1, 4))
    assert names(rig.send(DESK, *alone)) == [("BidRejected", "ABOVE_FLEET_POWER")]
    plain = SubmitBid(bid_id=6, product_id=102, price_ticks=1, quantity_lots=5, side=SELL, time_in_force=0)
    assert names(rig.send(DESK, plain)) == [("BidRejected", "ABOVE_FLEET_POWER")]
    for bid_id in (3, 1, 4, 2):
        rig.send(BRIDGE, RecordOrderEnded(bid_id=bid_id, ending=CANCELLED))
        if bid_id == 3:
            assert exposed_w(rig, 0) == (0, 6_000)
    assert [exposed_w(rig, hour) for hour in range(3)] == [(0, 0)] * 3


def test_a_parent_has_one_child_and_no_parent(rig: Rig) -> None:
    rig.send(DESK, *block(1, BUY, (1, 2)), *block(2, SELL, (1, 1), first=103, parent_bid_id=1))
    second = block(3, SELL, (1, 1), first=104, parent_bid_id=1)
    assert names(rig.send(DESK, *second)) == [("BidRejected", "PARENT_HAS_CHILD")]
    grandchild = block(4, SELL, (1, 1), first=104, parent_bid_id=2)
    assert names(rig.send(DESK, *grandchild)) == [("BidRejected", "UNKNOWN_PARENT_BID")]


def award(bid_id: int, product_id: int, lots: int, **changes: int) -> Any:
    values = {"price_ticks": 5, "side": SELL, "exchange_sequence": 9}
    return RecordAward(bid_id=bid_id, product_id=product_id, quantity_lots=lots, **{**values, **changes})


def test_awards_commit_product_by_product_and_the_end_frees(rig: Rig) -> None:
    rig.send(DESK, *block(1, SELL, (2, 3), (1, 0), (1, 2)))
    events = rig.send(BRIDGE, award(1, 100, 3), award(1, 101, 3, price_ticks=-7), award(1, 103, 2))
    assert [event["amount_minor"] for event in events] == [150, -210, 100]
    first = FIRST_NS // PERIOD_NS
    committed = [int(rig.fleet.periods[(first + 4 * k) % PERIODS].committed_power_w) for k in range(4)]
    assert committed == [3_000, 3_000, 0, 2_000]
    assert int(rig.fleet.accounts[EXCHANGE].balance_minor) == -int(rig.fleet.accounts[FLEET].balance_minor)
    (ended,) = rig.send(BRIDGE, RecordOrderEnded(bid_id=1, ending=FILLED))
    assert (ended["record"], ended["awarded_lots"], ended["unfilled_lots"]) == ("BidEnded", 8, 0)
    assert [exposed_w(rig, hour) for hour in range(4)] == [(0, 0)] * 4
    assert names(rig.send(BRIDGE, award(1, 100, 1))) == [("AwardRejected", "BID_ENDED")]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"product_id": 104}, "AWARD_MISMATCH"),
        ({"product_id": 99}, "AWARD_MISMATCH"),
        ({"side": BUY}, "AWARD_MISMATCH"),
        ({"lots": 4}, "AWARD_ABOVE_BID"),
        ({"product_id": 102, "lots": 1}, "AWARD_ABOVE_BID"),
        ({"lots": 0}, "QUANTITY_OUT_OF_RANGE"),
        ({"price_ticks": -1_000_001}, "PRICE_OUT_OF_RANGE"),
    ],
)
def test_an_award_that_is_not_the_blocks_is_refused(rig: Rig, changes: dict, reason: str) -> None:
    rig.send(DESK, *block(1, SELL, (2, 3), (1, 0), (1, 2)))
    values = {"bid_id": 1, "product_id": 100, "lots": 3, **changes}
    assert names(rig.send(BRIDGE, award(**values))) == [("AwardRejected", reason)]
    assert not rig.fleet.periods["committed_power_w"].any()


def test_a_block_is_cancelled_by_asking_the_exchange(rig: Rig) -> None:
    rig.send(DESK, *block(1, SELL, (2, 3)))
    (asked,) = rig.send(DESK, CancelBid(bid_id=1))
    assert (asked["record"], asked["bid_id"], asked["product_id"]) == ("BidCancelRequested", 1, 100)
    assert exposed_w(rig, 0) == (3_000, 0)
    rig.send(BRIDGE, RecordOrderEnded(bid_id=1, ending=CANCELLED))
    assert names(rig.send(DESK, CancelBid(bid_id=1))) == [("BidRejected", "BID_ENDED")]


def test_a_place_is_taken_until_its_block_has_ended(rig: Rig) -> None:
    rig.send(DESK, *block(1, SELL, (1, 1)))
    again = block(1 + BLOCKS, SELL, (1, 1))
    assert names(rig.send(DESK, *again)) == [("BidRejected", "BLOCKS_FULL")]
    rig.send(BRIDGE, RecordOrderEnded(bid_id=1, ending=CANCELLED))
    assert names(rig.send(DESK, *again)) == [("BlockBidSubmitted", None)]
    assert names(rig.send(DESK, CancelBid(bid_id=1))) == [("BidRejected", "UNKNOWN_BID")]


def test_submit_modes_hold_for_blocks(rig: Rig) -> None:
    rig.send(DESK, SetSubmitMode(product_id=101, submit_mode=SUBMIT_SHADOW))
    assert names(rig.send(DESK, *block(1, SELL, (1, 1), (1, 2)))) == [("BlockBidShadowed", None)]
    assert exposed_w(rig, 0) == (0, 0)
    rig.send(DESK, SetSubmitMode(product_id=102, submit_mode=SUBMIT_OFF))
    assert names(rig.send(DESK, *block(2, SELL, (3, 1)))) == [("BidRejected", "SUBMIT_MODE_OFF")]


def test_the_view_follows_blocks_to_their_end() -> None:
    view, rig = DeskView(), Rig()
    rig.apply(DESK, [battery(1), battery(2), *products()])
    rig.apply(DESK, [*block(1, BUY, (2, 3), (1, 1), exclusive_group=4)])
    rig.apply(DESK, [*block(2, SELL, (1, 2), first=104, parent_bid_id=1), CancelBid(bid_id=2)])
    rig.apply(BRIDGE, [award(1, 101, 3, side=BUY), RecordOrderEnded(bid_id=1, ending=FILLED)])
    view.fold(rig.rows())
    bought, sold = view.bids.blocks.by_id.values()
    assert (bought.lots, bought.exclusive_group, bought.awarded_lots, bought.ending) == (
        [3, 3, 1],
        4,
        3,
        "FILLED",
    )
    assert (bought.amount_minor, list(bought.product_ids)) == (-150, [100, 101, 102])
    assert (sold.lots, sold.parent_bid_id, sold.cancelling, sold.ending) == ([2], 1, True, None)
    assert view.bids.last_bid_id == view.bids.last_answered_id == 2 and not view.bids.by_id
    assert view.commitments.power_w[FIRST_NS // PERIOD_NS + 4] == -3_000
