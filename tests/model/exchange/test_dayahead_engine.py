"""The auction in the engine: orders in, frozen, proposed, verified, booked; and every refusal by name."""

import pytest
from dayahead_rig import Floor, check_ledger, of
from exchange_rig import CloseSession

from ringmain.exchange import dayahead_messages as d
from ringmain.exchange.messages import BUY, SELL, ExpireProduct, HaltProduct
from ringmain.exchange.safeguards_messages import EngageKillSwitch

ONE = d.RATIO_ONE


def reason(events):
    (event,) = events
    assert event["record"] in ("AuctionCommandRejected", "ProposalRejected", "SetupRejected"), event
    return event["reason"]


@pytest.fixture
def floor():
    floor = Floor()
    floor.draft()
    return floor


def test_curves_trade_at_one_price_and_the_marginal_ones_share(floor):
    floor.segment(11, BUY, 9_000, 30)
    floor.segment(12, SELL, 4_000, 20)
    floor.segment(13, SELL, 5_000, 20)
    floor.segment(14, SELL, 5_000, 10)
    assert of(floor.freeze(), "AuctionPhaseChanged")[-1]["phase"] == d.FROZEN
    assert of(floor.propose([[5_000, 0]]), "AuctionPhaseChanged")[-1]["phase"] == d.BOOKING
    events = floor.book()
    awards = {event["account_id"]: event for event in of(events, "CurveAwarded")}
    assert [awards[n]["sold_lots"] for n in (2, 3, 4)] == [20, 6, 4]
    assert awards[1]["bought_lots"] == 30
    assert awards[1]["amount_minor"] == -30 * 5_000 * 1_000
    check_ledger(floor)


def test_a_proposal_out_of_balance_is_named_and_another_may_follow(floor):
    floor.segment(11, BUY, 9_000, 30)
    floor.segment(12, SELL, 4_000, 20)
    floor.freeze()
    (fault,) = floor.propose([[4_000, 0]])
    assert (fault["reason"], fault["excess_lots"]) == ("NOT_BALANCED", 10)
    assert floor.propose([[9_000, 0]])[-1]["record"] == "AuctionPhaseChanged"
    floor.book()
    check_ledger(floor)


def test_without_a_proposal_the_curves_alone_are_cleared(floor):
    floor.segment(11, BUY, 9_000, 30)
    floor.segment(12, SELL, 4_000, 30)
    floor.block(13, SELL, 1_000, 10)
    floor.freeze()
    events = floor.tick(floor.now_ns + 2_000)
    prices = [event["price_ticks"] for event in of(events, "PriceSet")]
    assert prices == [6_500, 0]
    (block,) = of(events, "BlockAwarded")
    assert (block["ratio_billionths"], block["surplus_tick_lots"]) == (0, 10 * (5_500 - 1_000))
    (end,) = of(events, "AuctionEnded")
    assert (end["outcome"], end["paradox_count"]) == (d.FALLBACK, 1)
    check_ledger(floor)


def test_a_block_trades_over_all_its_periods():
    floor = Floor(periods=3)
    floor.draft()
    for period in range(3):
        floor.segment(11, BUY, 9_000, 100, period=period)
    (_, block) = floor.block(12, SELL, 3_000, 100)
    floor.freeze()
    assert floor.propose([[3_000] * 3], [(block["block_id"], ONE)])[-1]["record"] == "AuctionPhaseChanged"
    (award,) = of(floor.book(), "BlockAwarded")
    assert award["amount_minor"] == 3 * 100 * 3_000 * 1_000
    check_ledger(floor)


def test_two_zones_share_what_the_line_carries_and_the_rent_is_the_operators():
    floor = Floor(zones=2, periods=1, lines=[(0, 1, 40, 10)])
    floor.draft()
    floor.segment(11, SELL, 2_000, 100, zone=0)
    floor.segment(12, SELL, 6_000, 100, zone=1)
    floor.segment(13, BUY, 9_000, 70, zone=1)
    floor.freeze()
    assert reason(floor.propose([[2_000], [6_000]], flows=[(0, 0, 30)])) == "FLOW_AGAINST_PRICES"
    assert reason(floor.propose([[2_000], [6_000]], flows=[(0, 0, 41)])) == "FLOW_ABOVE_CAPACITY"
    assert reason(floor.propose([[6_000], [2_000]], flows=[(0, 0, 40)])) == "FLOW_AGAINST_PRICES"
    assert floor.propose([[2_000], [6_000]], flows=[(0, 0, 40)])[-1]["record"] == "AuctionPhaseChanged"
    events = floor.book()
    (end,) = of(events, "AuctionEnded")
    assert end["congestion_minor"] == 40 * 4_000 * 1_000
    state = floor.state()
    held = [int(state.positions[state.position_at[slot, 0]].lots.balance_minor) for slot in (1, 2)]
    assert held == [40, -40]  # what leaves zone 0 reaches zone 1
    check_ledger(floor)


def test_a_child_may_carry_its_parent_and_not_the_reverse():
    floor = Floor(periods=1)
    floor.draft()
    floor.segment(11, BUY, 5_000, 20)
    parent = floor.block(12, SELL, 6_000, 10)[-1]["block_id"]
    child = floor.block(12, SELL, 4_000, 10, parent=parent)[-1]["block_id"]
    floor.freeze()
    assert reason(floor.propose([[5_000]], [(child, ONE)])) == "CHILD_ABOVE_PARENT"
    assert reason(floor.propose([[5_000]], [(parent, ONE)])) == "BLOCK_OUT_OF_MONEY"
    good = floor.propose([[5_000]], [(parent, ONE), (child, ONE)])
    assert good[-1]["record"] == "AuctionPhaseChanged"
    floor.book()
    check_ledger(floor)


def test_an_exclusive_group_is_accepted_once():
    floor = Floor(periods=1)
    floor.draft()
    floor.segment(11, BUY, 5_000, 20)
    one = floor.block(12, SELL, 1_000, 10, group=7)[-1]["block_id"]
    other = floor.block(12, SELL, 1_000, 10, group=7, minimum=1)[-1]["block_id"]
    stranger = floor.block(13, SELL, 1_000, 10, group=7)[-1]["block_id"]
    floor.freeze()
    both = [(one, ONE), (other, ONE // 10), (stranger, ONE)]
    assert reason(floor.propose([[5_000]], both)) == "EXCLUSIVE_GROUP_ABOVE_ONE"
    assert reason(floor.propose([[5_000]], [(other, ONE // 2000), (stranger, ONE)])) == "BLOCK_BELOW_MINIMUM"
    floor.propose([[5_000]], [(one, ONE), (stranger, ONE)])
    assert of(floor.book(), "AuctionEnded")[0]["outcome"] == d.PROPOSAL
    check_ledger(floor)


def test_a_straight_line_is_a_stair_of_whole_lots(floor):
    floor.curve(11, [(BUY, 110, 100, 7)])
    floor.curve(12, [(SELL, 90, 90, 4)])
    floor.freeze()
    # From 110 down: 0, 0, 1, 2, 2, 3, 4 at 104.
    floor.propose([[104, 0]])
    awards = of(floor.book(), "CurveAwarded")
    assert [(a["bought_lots"], a["sold_lots"]) for a in awards] == [(4, 0), (0, 4)]
    check_ledger(floor)


def test_a_curve_counts_when_it_is_whole_and_takes_the_place_of_the_former(floor):
    floor.segment(11, BUY, 9_000, 30)
    floor.segment(11, BUY, 8_000, 99, index=0, count=2)
    assert floor.auction().curve_count == 1
    assert floor.auction().curves[1].bid_lots == 30
    assert reason(floor.segment(11, BUY, 8_000, 99, index=2, count=3)) == "SEGMENT_OUT_OF_ORDER"
    floor.segment(11, SELL, 8_100, 5, index=1, count=2)
    own = floor.auction().curves[1]
    assert (own.bid_lots, own.offer_lots) == (99, 5)
    floor.operate(d.CancelAuctionOrder, 11, block_id=0, zone=0, period=0)
    assert floor.auction().curve_count == 0
    assert floor.auction().segment_pool.count == 0
    floor.freeze()
    floor.tick(floor.now_ns + 2_000)
    check_ledger(floor)


def test_what_an_account_cannot_pay_is_not_taken():
    floor = Floor(cash=10**9)
    floor.draft()
    assert reason(floor.segment(11, BUY, 1_000, 1_001)) == "CREDIT_EXCEEDED"
    floor.segment(11, BUY, 1_000, 900)
    assert reason(floor.segment(11, BUY, 1_000, 1_001)) == "CREDIT_EXCEEDED"
    assert floor.auction().curves[1].bid_lots == 900
    assert reason(floor.block(11, BUY, 1_000, 51)) == "CREDIT_EXCEEDED"
    floor.block(11, BUY, 1_000, 50)
    floor.operate(d.VoidAuction)
    events = floor.tick()
    assert of(events, "AuctionEnded")[0]["outcome"] == d.VOID
    assert [e["ratio_billionths"] for e in of(events, "BlockAwarded")] == [0]
    check_ledger(floor)


def test_positions_are_limited():
    floor = Floor(limit=100)
    floor.draft()
    floor.segment(11, SELL, 1_000, 60)
    assert reason(floor.block(11, SELL, 1_000, 41)) == "POSITION_LIMIT_EXCEEDED"
    floor.block(11, SELL, 1_000, 40)
    assert reason(floor.segment(11, SELL, 1_000, 61)) == "POSITION_LIMIT_EXCEEDED"


def test_bad_orders_are_named(floor):
    cases = [
        ("WRONG_ZONE", {"zone": 1}), ("WRONG_PERIOD", {"period": 2}), ("WRONG_SIDE", {"side": 3}),
        ("QUANTITY_OUT_OF_RANGE", {"lots": 0}), ("QUANTITY_OUT_OF_RANGE", {"lots": -2**31}),
        ("PRICE_OUT_OF_RANGE", {"begin": 2**31 - 1}), ("WRONG_SLOPE", {"begin": 5, "end": 6}),
        ("WRONG_SLOPE", {"side": SELL, "begin": 6, "end": 5}), ("CURVE_TOO_LONG", {"count": 257}),
        ("CURVE_TOO_LONG", {"count": 0}), ("SEGMENT_OUT_OF_ORDER", {"index": 1}),
    ]  # fmt: skip
    for expected, values in cases:
        usual = {"side": BUY, "begin": 100, "lots": 1}
        assert reason(floor.segment(11, **{**usual, **values})) == expected
    assert reason(floor.segment(1, BUY, 100, 1)) == "PARTICIPANT_ONLY"
    floor.auction_id += 1
    assert reason(floor.segment(11, BUY, 100, 1)) == "UNKNOWN_AUCTION"
    floor.auction_id -= 1
    floor.freeze()
    assert reason(floor.segment(11, BUY, 100, 1)) == "WRONG_AUCTION_PHASE"
    assert reason(floor.block(11, BUY, 100, 1)) == "WRONG_AUCTION_PHASE"


def test_bad_blocks_are_named(floor):
    own = floor.block(11, SELL, 100, 1)[-1]["block_id"]
    cases = [
        ("BLOCK_OUTSIDE_AUCTION", {"first": 1, "count": 2, "run": 1}),
        ("BLOCK_OUTSIDE_AUCTION", {"count": 0}),
        ("BLOCK_OUTSIDE_AUCTION", {"first": 65_535, "count": 65_535}), ("WRONG_ZONE", {"zone": 9}),
        ("WRONG_PERIOD", {"run": 0}), ("WRONG_PERIOD", {"run": 3}), ("WRONG_SIDE", {"side": 0}),
        ("QUANTITY_OUT_OF_RANGE", {"lots": 10**6 + 1}), ("PRICE_OUT_OF_RANGE", {"price": -2**31}),
        ("RATIO_OUT_OF_RANGE", {"minimum": 0}), ("RATIO_OUT_OF_RANGE", {"minimum": 1_001}),
        ("UNKNOWN_PARENT", {"parent": own + 1}), ("UNKNOWN_PARENT", {"parent": 2**32 - 1}),
    ]  # fmt: skip
    for expected, values in cases:
        usual = {"side": SELL, "price": 100, "lots": 1}
        assert reason(floor.block(11, **{**usual, **values})) == expected, values
    assert reason(floor.block(12, SELL, 100, 1, parent=own)) == "PARENT_NOT_OWN"
    extend = {"quantity_lots": 1, "run_periods": 1}
    assert reason(floor.operate(d.ExtendBlock, 11, **extend)) == "NO_BLOCK_TO_EXTEND"
    cancel = {"zone": 0, "period": 0}
    assert reason(floor.operate(d.CancelAuctionOrder, 12, block_id=own, **cancel)) == "UNKNOWN_BLOCK"
    assert reason(floor.operate(d.CancelAuctionOrder, 12, block_id=0, **cancel)) == "UNKNOWN_CURVE"
    floor.block(11, SELL, 100, 1, parent=own)
    assert reason(floor.operate(d.CancelAuctionOrder, 11, block_id=own, **cancel)) == "BLOCK_HAS_CHILDREN"
    family = own
    for _ in range(7):
        family = floor.block(11, SELL, 100, 1, parent=family)[-1]["block_id"]
    assert reason(floor.block(11, SELL, 100, 1, parent=family)) == "LINK_TOO_DEEP"


def test_a_block_with_a_profile_counts_when_all_its_quantities_are_in():
    floor = Floor(periods=4)
    floor.draft()
    floor.block(11, SELL, 100, 5, count=4, run=1)
    extend = {"quantity_lots": 0, "run_periods": 1}
    assert [e["record"] for e in floor.operate(d.ExtendBlock, 11, **extend)] == ["BlockRunAccepted"]
    assert reason(floor.operate(d.ExtendBlock, 11, quantity_lots=2, run_periods=3)) == "WRONG_PERIOD"
    run, block = floor.operate(d.ExtendBlock, 11, quantity_lots=9, run_periods=2)
    assert (run["first_period"], block["record"]) == (2, "BlockAccepted")
    assert floor.auction().blocks[1].lots[:5].tolist() == [-5, 0, -9, -9, 0]
    assert floor.auction().block_count == 1


def test_a_product_that_awaits_awards_does_not_expire(floor):
    floor.segment(11, BUY, 9_000, 30)
    floor.send(HaltProduct, 1, product_id=1)
    assert reason(floor.send(ExpireProduct, 1, product_id=1)) == "HELD_BY_AUCTION"
    floor.segment(12, SELL, 4_000, 30)
    floor.freeze()
    floor.propose([[6_000, 0]])
    floor.book()
    check_ledger(floor)


@pytest.mark.parametrize("scope", [(1, 11), (2, 1), (4, 0)], ids=["session", "account", "venue"])
def test_a_kill_switch_keeps_orders_from_the_auction_and_lets_them_leave(floor, scope):
    floor.segment(11, BUY, 9_000, 30)
    floor.send(EngageKillSwitch, 1, scope=scope[0], target_id=scope[1], cause=1)
    assert reason(floor.segment(11, BUY, 8_000, 30)) == "KILL_SWITCH_ENGAGED"
    assert reason(floor.block(11, SELL, 1_000, 10)) == "KILL_SWITCH_ENGAGED"
    cancelled = floor.operate(d.CancelAuctionOrder, 11, block_id=0, zone=0, period=0)
    assert [event["record"] for event in cancelled] == ["AuctionOrderCancelled"]


def test_nobody_finishes_a_block_that_another_account_has_begun(floor):
    floor.block(11, BUY, 9_000, 5, count=2, run=1)
    floor.open(11, 2)
    more = {"quantity_lots": 5, "run_periods": 1}
    assert reason(floor.operate(d.ExtendBlock, 11, **more)) == "NO_BLOCK_TO_EXTEND"


def test_a_session_that_closes_leaves_no_unfinished_block(floor):
    floor.block(11, BUY, 9_000, 5, count=2, run=1)
    assert floor.state().dayahead.filling[11] != 0
    floor.send(CloseSession, 11)
    assert floor.state().dayahead.filling[11] == 0


def test_setting_up_is_guarded():
    floor = Floor()
    assert reason(floor.operate(d.OpenAuction)) == "UNKNOWN_AUCTION"
    floor.draft()
    again = {
        "gate_ns": 10**4,
        "result_ns": 10**5,
        "price_min_ticks": 0,
        "price_max_ticks": 9,
        "period_count": 1,
    }
    assert reason(floor.operate(d.DefineAuction, **again, zone_count=1)) == "AUCTION_RUNNING"
    assert reason(floor.operate(d.DefineZone, first_product_id=1, zone=0)) == "WRONG_AUCTION_PHASE"
    assert reason(floor.operate(d.OpenAuction, 11)) == "OPERATOR_ONLY"
    from ringmain.exchange.messages import ScheduleProduct

    held = {"auction_ns": 0, "gate_closure_ns": floor.now_ns + 500, "product_id": 2}
    assert reason(floor.send(ScheduleProduct, 1, **held)) == "HELD_BY_AUCTION"
    floor.operate(d.VoidAuction)
    floor.tick()
    assert reason(floor.operate(d.DefineAuction, **again, zone_count=1)) == "AUCTION_ID_USED"
    floor.auction_id += 1
    bad = [
        ("WRONG_AUCTION_SIZE", {"zone_count": 0}), ("WRONG_AUCTION_SIZE", {"period_count": 101}),
        ("WRONG_AUCTION_TIMES", {"gate_ns": 0}), ("WRONG_AUCTION_TIMES", {"result_ns": 10**4}),
        ("PRICE_OUT_OF_RANGE", {"price_min_ticks": 9}), ("PRICE_OUT_OF_RANGE", {"price_max_ticks": 2**30}),
    ]  # fmt: skip
    for expected, values in bad:
        assert reason(floor.operate(d.DefineAuction, **{**again, "zone_count": 1, **values})) == expected
    floor.operate(d.DefineAuction, **again, zone_count=1)
    assert reason(floor.operate(d.OpenAuction)) == "ZONE_MISSING"
    floor.operate(d.DefineZone, first_product_id=77, zone=0)
    assert reason(floor.operate(d.OpenAuction)) == "PRODUCT_NOT_FIT"
    floor.operate(d.DefineZone, first_product_id=1, zone=0)
    assert reason(floor.operate(d.OpenAuction)) == "PRODUCT_NOT_FIT"  # it closes before the result


def test_a_second_auction_finds_a_clean_table(floor):
    for n in range(2):
        block = floor.block(11, SELL, 100, 5)[-1]["block_id"]
        floor.segment(12, BUY, 500, 5)
        floor.segment(12, BUY, 500, 5, period=1)
        floor.freeze()
        floor.propose([[100, 100]], [(block, ONE)])
        floor.tick(floor.now_ns + 2_000)
        check_ledger(floor)
        floor.draft(first_product=10 * (n + 1))
    assert block == 1 + 4_096
