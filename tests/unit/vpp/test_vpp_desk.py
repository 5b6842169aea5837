"""Products, bids, awards and prices."""

from typing import Any

import pytest

from ringmain.vpp.messages import (
    BUY,
    CANCELLED,
    EXPECTED,
    IMBALANCE,
    REFERENCE,
    SELL,
    CancelBid,
    DefineProduct,
    RecordAward,
    RecordOrderEnded,
    RecordPrice,
    SubmitBid,
)
from ringmain.vpp.state import BIDS, EXCHANGE, FLEET, PERIOD_NS, PERIODS, PRODUCTS
from unit.vpp.rig import BRIDGE, DESK, HOUR_NS, LINK, MIDNIGHT_NS, MINUTE_NS, Rig, battery

DELIVERY_NS = MIDNIGHT_NS + 2 * HOUR_NS


def product(**changes: int) -> Any:
    values = {
        "product_id": 9,
        "delivery_start_ns": DELIVERY_NS,
        "delivery_duration_s": 3_600,
        "gate_closure_ns": DELIVERY_NS - 30 * MINUTE_NS,
        "lot_power_w": 1_000,
        "value_minor": 10,
    }
    return DefineProduct(**{**values, **changes})


def bid(**changes: int) -> Any:
    values = {
        "bid_id": 1,
        "product_id": 9,
        "side": SELL,
        "price_ticks": 4_000,
        "quantity_lots": 6,
        "time_in_force": 0,
    }
    return SubmitBid(**{**values, **changes})


def award(**changes: int) -> Any:
    values = {
        "bid_id": 1,
        "product_id": 9,
        "side": SELL,
        "price_ticks": 4_100,
        "quantity_lots": 2,
        "exchange_sequence": 77,
    }
    return RecordAward(**{**values, **changes})


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.send(DESK, battery(1), battery(2), product())
    return rig


def answer(events: list[dict]) -> tuple[str, Any]:
    return events[-1]["record"], events[-1].get("reason")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"product_id": 0}, "UNKNOWN_PRODUCT"),
        ({}, "PRODUCT_EXISTS"),
        ({"product_id": 9 + PRODUCTS}, "PRODUCTS_FULL"),
        ({"product_id": 1, "lot_power_w": 0}, "LOT_POWER_OUT_OF_RANGE"),
        ({"product_id": 1, "lot_power_w": 2**31 - 1}, "LOT_POWER_OUT_OF_RANGE"),
        ({"product_id": 1, "value_minor": -1}, "VALUE_OUT_OF_RANGE"),
        ({"product_id": 1, "gate_closure_ns": DELIVERY_NS + 1}, "GATE_AFTER_DELIVERY"),
        ({"product_id": 1, "delivery_start_ns": DELIVERY_NS + 1}, "PERIOD_MISALIGNED"),
        ({"product_id": 1, "delivery_duration_s": 0}, "PERIOD_MISALIGNED"),
        ({"product_id": 1, "delivery_duration_s": 900 * (PERIODS + 1)}, "BEYOND_HORIZON"),
        (
            {"product_id": 1, "delivery_start_ns": MIDNIGHT_NS - HOUR_NS, "gate_closure_ns": 0},
            "PERIOD_PAST",
        ),
    ],
)
def test_a_product_that_cannot_be_is_refused(rig: Rig, changes: dict, reason: str) -> None:
    assert answer(rig.send(DESK, product(**changes))) == ("ProductRejected", reason)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bid_id": 0}, "BID_ID_NOT_RISING"),
        ({"product_id": 8}, "UNKNOWN_PRODUCT"),
        ({"product_id": 0}, "UNKNOWN_PRODUCT"),
        ({"side": 0}, "SIDE_UNKNOWN"),
        ({"side": 3}, "SIDE_UNKNOWN"),
        ({"time_in_force": 2}, "TIME_IN_FORCE_UNKNOWN"),
        ({"price_ticks": 1_000_001}, "PRICE_OUT_OF_RANGE"),
        ({"price_ticks": -(2**63)}, "PRICE_OUT_OF_RANGE"),
        ({"quantity_lots": 0}, "QUANTITY_OUT_OF_RANGE"),
        ({"quantity_lots": -3}, "QUANTITY_OUT_OF_RANGE"),
        ({"quantity_lots": 2**31 - 1}, "QUANTITY_OUT_OF_RANGE"),
        ({"quantity_lots": 11}, "ABOVE_FLEET_POWER"),
        ({"quantity_lots": 11, "side": BUY}, "ABOVE_FLEET_POWER"),
    ],
)
def test_a_bid_that_cannot_be_is_refused(rig: Rig, changes: dict, reason: str) -> None:
    assert answer(rig.send(DESK, bid(**changes))) == ("BidRejected", reason)
    assert not rig.fleet.periods["selling_power_w"].any()


def test_a_bid_after_gate_closure_is_refused(rig: Rig) -> None:
    rig.advance(DELIVERY_NS - 30 * MINUTE_NS)
    assert answer(rig.send(DESK, bid())) == ("BidRejected", "AFTER_GATE_CLOSURE")


def test_open_bids_count_against_the_fleets_power(rig: Rig) -> None:
    assert answer(rig.send(DESK, bid(quantity_lots=6))) == ("BidSubmitted", None)
    assert answer(rig.send(DESK, bid(bid_id=2, quantity_lots=5))) == ("BidRejected", "ABOVE_FLEET_POWER")
    assert answer(rig.send(DESK, bid(bid_id=2, quantity_lots=10, side=BUY))) == ("BidSubmitted", None)
    rig.send(BRIDGE, award(quantity_lots=6))
    assert answer(rig.send(DESK, bid(bid_id=3, quantity_lots=6, side=BUY))) == ("BidSubmitted", None)
    assert answer(rig.send(DESK, bid(bid_id=3))) == ("BidRejected", "BID_ID_NOT_RISING")


def test_an_award_commits_every_quarter_hour_and_moves_the_money(rig: Rig) -> None:
    rig.send(DESK, bid(side=BUY))
    events = rig.send(BRIDGE, award(side=BUY, price_ticks=3, quantity_lots=2))
    assert [event["record"] for event in events] == ["AwardRecorded"]
    assert events[0]["amount_minor"] == -60
    first = DELIVERY_NS // PERIOD_NS
    cells = [rig.fleet.periods[(first + k) % PERIODS] for k in range(4)]
    assert [int(cell.committed_power_w) for cell in cells] == [-2_000] * 4
    assert [int(cell.buying_power_w) for cell in cells] == [4_000] * 4
    assert [int(cell.award_minor) for cell in cells] == [-15] * 4
    assert int(rig.fleet.accounts[EXCHANGE].balance_minor) == 60
    assert int(rig.fleet.accounts[FLEET].balance_minor) == -60


def test_the_first_quarter_hours_carry_the_remainder_of_the_money(rig: Rig) -> None:
    rig.send(DESK, product(product_id=10, value_minor=1), bid(product_id=10))
    rig.send(BRIDGE, award(product_id=10, price_ticks=7, quantity_lots=1))
    first = DELIVERY_NS // PERIOD_NS
    assert [int(rig.fleet.periods[(first + k) % PERIODS].award_minor) for k in range(4)] == [2, 2, 2, 1]


def test_the_last_fill_ends_the_bid(rig: Rig) -> None:
    rig.send(DESK, bid())
    rig.send(BRIDGE, award(quantity_lots=2))
    ended = rig.send(BRIDGE, award(quantity_lots=4))[-1]
    assert (ended["record"], ended["awarded_lots"], ended["unfilled_lots"], ended["ending"]) == (
        "BidEnded",
        6,
        0,
        1,
    )
    assert answer(rig.send(BRIDGE, award())) == ("AwardRejected", "BID_ENDED")
    assert answer(rig.send(BRIDGE, RecordOrderEnded(bid_id=1, ending=CANCELLED))) == (
        "AwardRejected",
        "BID_ENDED",
    )
    assert not rig.fleet.periods["selling_power_w"].any()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"product_id": 8}, "UNKNOWN_PRODUCT"),
        ({"bid_id": 2}, "UNKNOWN_BID"),
        ({"bid_id": 0}, "UNKNOWN_BID"),
        ({"bid_id": 1 + BIDS}, "UNKNOWN_BID"),
        ({"side": BUY}, "AWARD_MISMATCH"),
        ({"quantity_lots": 0}, "QUANTITY_OUT_OF_RANGE"),
        ({"quantity_lots": -1}, "QUANTITY_OUT_OF_RANGE"),
        ({"quantity_lots": 7}, "AWARD_ABOVE_BID"),
        ({"price_ticks": 2**62}, "PRICE_OUT_OF_RANGE"),
    ],
)
def test_an_award_that_cannot_be_is_refused(rig: Rig, changes: dict, reason: str) -> None:
    rig.send(DESK, bid())
    assert answer(rig.send(BRIDGE, award(**changes))) == ("AwardRejected", reason)
    assert not rig.fleet.periods["committed_power_w"].any()
    assert not rig.fleet.accounts["balance_minor"].any()


def test_an_award_beyond_the_money_limit_is_refused(rig: Rig) -> None:
    rig.send(DESK, product(product_id=10, value_minor=100_000), bid(product_id=10, quantity_lots=10))
    rig.fleet.accounts[EXCHANGE].balance_minor = -(10**17) + 1
    refused = rig.send(BRIDGE, award(product_id=10, price_ticks=1_000_000, quantity_lots=10))
    assert answer(refused) == ("AwardRejected", "ABOVE_MONEY_LIMIT")


def test_a_cancellation_is_asked_for_and_ends_with_the_exchange(rig: Rig) -> None:
    rig.send(DESK, bid())
    assert answer(rig.send(DESK, CancelBid(bid_id=1))) == ("BidCancelRequested", None)
    assert answer(rig.send(DESK, CancelBid(bid_id=5))) == ("BidRejected", "UNKNOWN_BID")
    rig.send(BRIDGE, award(quantity_lots=1))  # a fill may overtake it
    assert answer(rig.send(BRIDGE, RecordOrderEnded(bid_id=1, ending=9))) == (
        "AwardRejected",
        "ENDING_UNKNOWN",
    )
    (ended,) = rig.send(BRIDGE, RecordOrderEnded(bid_id=1, ending=CANCELLED))
    assert (ended["awarded_lots"], ended["unfilled_lots"], ended["ending"]) == (1, 5, CANCELLED)
    assert not rig.fleet.periods["selling_power_w"].any()
    assert answer(rig.send(DESK, CancelBid(bid_id=1))) == ("BidRejected", "BID_ENDED")


def test_a_full_table_of_bids_refuses_until_their_products_are_settled(rig: Rig) -> None:
    rig.send(DESK, bid(quantity_lots=1))
    assert answer(rig.send(DESK, bid(bid_id=1 + BIDS, quantity_lots=1))) == ("BidRejected", "BIDS_FULL")
    rig.advance(MIDNIGHT_NS + 4 * HOUR_NS)
    later = {"delivery_start_ns": DELIVERY_NS + 4 * HOUR_NS, "gate_closure_ns": DELIVERY_NS + 4 * HOUR_NS}
    rig.send(DESK, product(product_id=9 + PRODUCTS, **later))  # in the settled one's place
    taken = rig.send(DESK, bid(bid_id=1 + BIDS, product_id=9 + PRODUCTS, quantity_lots=1))
    assert answer(taken) == ("BidSubmitted", None)


def test_prices_are_recorded_or_refused(rig: Rig) -> None:
    price = {"delivery_start_ns": DELIVERY_NS, "delivery_duration_s": 3_600, "price_ticks": -50}
    for kind, recorded in ((REFERENCE, True), (IMBALANCE, True), (EXPECTED, True), (0, False), (4, False)):
        events = rig.send(BRIDGE, RecordPrice(**price, price_kind=kind))
        assert answer(events) == (
            ("PriceRecorded", None) if recorded else ("PriceRejected", "PRICE_KIND_UNKNOWN")
        )
    price["price_ticks"] = 10**9
    assert answer(rig.send(BRIDGE, RecordPrice(**price, price_kind=REFERENCE))) == (
        "PriceRejected",
        "PRICE_OUT_OF_RANGE",
    )
    assert answer(rig.send(LINK, RecordPrice(**price, price_kind=REFERENCE)))[1] == "NOT_OPERATOR"
