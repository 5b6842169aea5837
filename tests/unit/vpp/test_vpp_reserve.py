"""Reserve: sold, held ready, called on across quarter-hours, ended early, settled, paid."""

from typing import Any

import pytest

from ringmain.vpp.loop_messages import SubmitBaseline
from ringmain.vpp.messages import BUY, SELL, CancelBid, RecordOrderEnded
from ringmain.vpp.reserve_messages import (
    RESERVE_DOWN,
    RESERVE_REASONS,
    RESERVE_UP,
    DefineReserve,
    RecordActivation,
    RecordReserveSettled,
)
from ringmain.vpp.state import ACTIVATIONS, EXCHANGE, FLEET, MONEY_LIMIT_MINOR, PERIOD_NS, PRODUCTS, SECOND_NS
from ringmain.vpp.views import DeskView
from unit.vpp.rig import BRIDGE, DESK, HOUR_NS, LINK, MIDNIGHT_NS, MINUTE_NS, Rig, battery, named, report
from unit.vpp.test_vpp_desk import DELIVERY_NS, answer, award, bid, product

UP, DOWN = 30, 31
START_S = DELIVERY_NS // SECOND_NS
END_NS = DELIVERY_NS + HOUR_NS


def block(**changes: int) -> Any:
    """An hour of up reserve, lots of 1 kW."""
    values = {
        "product_id": UP, "delivery_start_s": START_S, "delivery_duration_s": 3_600,
        "gate_closure_s": START_S - 1_800, "lot_power_w": 1_000, "value_minor": 10,
        "activation_ticks": 6_000, "activation_max_s": 1_800, "service": RESERVE_UP,
    }  # fmt: skip
    return DefineReserve(**{**values, **changes})


def offer(bid_id: int = 1, product_id: int = UP, lots: int = 4, **changes: int) -> Any:
    return bid(**{"bid_id": bid_id, "product_id": product_id, "quantity_lots": lots, **changes})


def won(bid_id: int = 1, product_id: int = UP, lots: int = 4, price_ticks: int = 1_001) -> Any:
    return award(bid_id=bid_id, product_id=product_id, quantity_lots=lots, price_ticks=price_ticks)


def call(lots: int, until_ns: int = END_NS, product_id: int = UP) -> Any:
    return RecordActivation(product_id=product_id, quantity_lots=lots, until_ns=until_ns)


def paid(amount_minor: int = 9_001, product_id: int = UP) -> Any:
    return RecordReserveSettled(product_id=product_id, amount_minor=amount_minor, activated_wh=1_500)


@pytest.fixture
def rig() -> Rig:
    """Two batteries of 5 kW, a product of energy, and one of reserve each way."""
    rig = Rig()
    rig.send(DESK, battery(1), battery(2), product(), block(), block(product_id=DOWN, service=RESERVE_DOWN))
    return rig


def holding(rig: Rig, lots: int = 4, down_lots: int = 3) -> Rig:
    """Sell reserve both ways; the batteries are well filled when delivery begins."""
    rig.send(DESK, offer(1, UP, lots), offer(2, DOWN, down_lots))
    rig.send(BRIDGE, won(1, UP, lots), won(2, DOWN, down_lots))
    rig.advance(DELIVERY_NS - MINUTE_NS)
    heard(rig, 1)
    return rig


def heard(rig: Rig, number: int, energy_wh: int = 6_000, **changes: int) -> None:
    rig.apply(LINK, [report(asset, number, rig.now_ns, energy_wh=energy_wh, **changes) for asset in (1, 2)])
    rig.take()


def committed_w(rig: Rig, at_ns: int) -> int:
    """Return what the last tick by a time says is owed."""
    return named(rig.advance(at_ns), "FleetDispatched")[-1]["committed_power_w"]


class TestProducts:
    def test_it_is_known_with_its_terms(self, rig: Rig) -> None:
        events = rig.send(DESK, block(product_id=40))
        assert answer(events) == ("ReserveDefined", None)
        assert (events[0]["activation_ticks"], events[0]["activation_max_s"]) == (6_000, 1_800)

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [({"service": 0}, "SERVICE_UNKNOWN"), ({"service": 3}, "SERVICE_UNKNOWN"),
         ({"activation_ticks": -1}, "ACTIVATION_TERMS_OUT_OF_RANGE"),
         ({"activation_ticks": 1_000_001}, "ACTIVATION_TERMS_OUT_OF_RANGE"),
         ({"activation_max_s": 3_601}, "ACTIVATION_TERMS_OUT_OF_RANGE"),
         ({"product_id": 0}, "UNKNOWN_PRODUCT"), ({"product_id": UP}, "PRODUCT_EXISTS"),
         ({"product_id": 9}, "PRODUCT_EXISTS"), ({"product_id": UP + PRODUCTS}, "PRODUCTS_FULL"),
         ({"lot_power_w": 0}, "LOT_POWER_OUT_OF_RANGE"), ({"value_minor": 0}, "VALUE_OUT_OF_RANGE"),
         ({"gate_closure_s": START_S + 1}, "GATE_AFTER_DELIVERY"),
         ({"delivery_start_s": START_S + 1}, "PERIOD_MISALIGNED"),
         ({"delivery_start_s": 0, "gate_closure_s": 0}, "PERIOD_PAST"),
         ({"delivery_start_s": 2**32 - 2**32 % 900}, "BEYOND_HORIZON")],
    )  # fmt: skip
    def test_what_cannot_be_is_refused(self, rig: Rig, changes: dict[str, int], reason: str) -> None:
        asked = {"product_id": 40, **changes}
        assert answer(rig.send(DESK, block(**asked))) == ("ProductRejected", reason)

    def test_only_the_operator_may(self, rig: Rig) -> None:
        for asked in (block(product_id=40), call(0), paid()):
            assert answer(rig.send(LINK, asked))[1] == "NOT_OPERATOR"


class TestBids:
    def test_it_is_sold_and_never_bought(self, rig: Rig) -> None:
        assert answer(rig.send(DESK, offer(side=BUY))) == ("BidRejected", "RESERVE_IS_SOLD_ONLY")
        assert answer(rig.send(DESK, offer(side=SELL))) == ("BidSubmitted", None)

    def test_up_reserve_fits_beside_what_is_sold_of_energy(self, rig: Rig) -> None:
        rig.send(DESK, bid(quantity_lots=3))  # 3 kW of energy, from the same time on
        assert answer(rig.send(DESK, offer(2, lots=8))) == ("BidRejected", "ABOVE_FLEET_POWER")
        rig.send(BRIDGE, award(quantity_lots=3))
        assert answer(rig.send(DESK, offer(3, lots=8))) == ("BidRejected", "ABOVE_FLEET_POWER")
        assert answer(rig.send(DESK, offer(4, lots=7))) == ("BidSubmitted", None)
        assert answer(rig.send(DESK, bid(bid_id=5, quantity_lots=1))) == ("BidRejected", "ABOVE_FLEET_POWER")
        assert answer(rig.send(DESK, offer(6, DOWN, lots=13))) == (
            "BidSubmitted",
            None,
        )  # 3 kW less, and 10 in
        assert answer(rig.send(DESK, offer(7, DOWN, lots=1))) == ("BidRejected", "ABOVE_FLEET_POWER")

    def test_a_fill_is_held_and_no_energy_is_owed(self, rig: Rig) -> None:
        rig.send(DESK, offer(1, lots=4), offer(2, DOWN, lots=3))
        rig.send(BRIDGE, won(1, lots=4, price_ticks=1_001), won(2, DOWN, lots=2, price_ticks=500))
        cells = rig.fleet.periods[rig.fleet.periods["reserve_up_w"] > 0]
        assert cells["reserve_up_w"].tolist() == [4_000] * 4
        assert cells["reserve_down_w"].tolist() == [2_000] * 4
        assert cells["offered_up_w"].tolist() == [0] * 4
        assert cells["offered_down_w"].tolist() == [1_000] * 4
        assert not cells["committed_power_w"].any()
        assert cells["award_minor"].tolist() == [12_510] * 4  # 4 x 1,001 x 10 and 2 x 500 x 10, over four
        assert cells["availability_minor"].tolist() == [12_510] * 4
        assert int(rig.fleet.accounts[FLEET].balance_minor) == 50_040

    def test_the_first_quarter_hours_carry_the_remainder_of_the_money(self, rig: Rig) -> None:
        rig.send(DESK, block(product_id=40, value_minor=3), offer(1, 40, lots=1))
        rig.send(BRIDGE, won(1, 40, lots=1, price_ticks=21))
        assert [m for m in rig.fleet.periods["availability_minor"].tolist() if m] == [16, 16, 16, 15]

    def test_what_is_not_filled_is_free_again(self, rig: Rig) -> None:
        rig.send(DESK, offer(lots=10), CancelBid(bid_id=1))
        rig.send(BRIDGE, RecordOrderEnded(bid_id=1, ending=2))
        assert not rig.fleet.periods["offered_up_w"].any()
        assert answer(rig.send(DESK, offer(2, lots=10))) == ("BidSubmitted", None)


class TestActivation:
    def test_it_acts_at_once_and_ends_by_itself(self, rig: Rig) -> None:
        holding(rig)
        assert committed_w(rig, DELIVERY_NS + 90 * SECOND_NS) == 0
        (event,) = rig.send(BRIDGE, call(3, DELIVERY_NS + 400 * SECOND_NS))
        assert (event["record"], event["power_w"]) == ("ReserveActivated", 3_000)
        events = rig.advance(rig.now_ns)
        told = named(events, "FleetDispatched")
        assert [(e["time_ns"], e["committed_power_w"]) for e in told] == [(rig.now_ns, 3_000)]
        assert told[0]["target_power_w"] == 3_000
        assert sum(e["power_w"] for e in named(events, "SetpointIssued")) == 3_000
        ends = named(rig.advance(DELIVERY_NS + 401 * SECOND_NS), "FleetDispatched")[-1]
        assert (ends["time_ns"], ends["committed_power_w"]) == (DELIVERY_NS + 400 * SECOND_NS, 0)
        assert not rig.fleet.activations["product_id"].any()

    def test_it_is_owed_like_energy_across_the_border_of_quarter_hours(self, rig: Rig) -> None:
        holding(rig)
        rig.advance(DELIVERY_NS + 10 * MINUTE_NS)
        rig.send(BRIDGE, call(4, DELIVERY_NS + 40 * MINUTE_NS))  # 5, 15 and 10 minutes of 4 kW
        rig.advance(DELIVERY_NS + 20 * MINUTE_NS)
        rig.send(BRIDGE, call(1, DELIVERY_NS + 13 * MINUTE_NS, DOWN))  # over before it is heard
        rig.send(BRIDGE, call(3, DELIVERY_NS + 25 * MINUTE_NS, DOWN))  # 5 minutes of 3 kW less
        events = rig.advance(END_NS + 15 * MINUTE_NS)
        owed = [e["committed_wh"] for e in named(events, "FleetMetered")]
        assert owed[-4:] == [333, 1_000 - 250, 667, 0]
        kept = named(events, "ReserveKept")
        assert [k["activated_wh"] for k in kept] == owed[-4:]
        assert [(k["up_w"], k["down_w"]) for k in kept] == [(4_000, 3_000)] * 4
        assert [k["availability_minor"] for k in kept] == [4 * 1_001 * 10 // 4 + 3 * 1_001 * 10 // 4 + n
                                                           for n in (1, 1, 0, 0)]  # fmt: skip

    def test_a_new_one_replaces_it_and_none_ends_it(self, rig: Rig) -> None:
        holding(rig)
        rig.advance(DELIVERY_NS)
        rig.send(BRIDGE, call(4))
        rig.advance(DELIVERY_NS + 3 * MINUTE_NS)
        assert answer(rig.send(BRIDGE, call(1)))[0] == "ReserveActivated"
        rig.advance(DELIVERY_NS + 9 * MINUTE_NS)
        (event,) = rig.send(BRIDGE, call(0, 0))
        assert (event["power_w"], event["until_ns"]) == (0, 0)
        events = rig.advance(DELIVERY_NS + 30 * MINUTE_NS)
        assert named(events, "ReserveKept")[-1]["activated_wh"] == 4_000 * 3 // 60 + 1_000 * 6 // 60
        assert answer(rig.send(BRIDGE, call(0)))[0] == "ReserveActivated"  # nothing runs: nothing changes

    def test_before_its_delivery_it_begins_with_that(self, rig: Rig) -> None:
        holding(rig)
        rig.send(BRIDGE, call(2, DELIVERY_NS + MINUTE_NS))
        events = rig.advance(DELIVERY_NS + 30 * MINUTE_NS)
        told = [e["time_ns"] for e in named(events, "FleetDispatched") if e["committed_power_w"] == 2_000]
        assert told == [DELIVERY_NS]
        assert named(events, "ReserveKept")[-1]["activated_wh"] == 33

    def test_what_is_lacking_of_it_is_made_good(self, rig: Rig) -> None:
        holding(rig)
        rig.advance(DELIVERY_NS)
        heard(rig, 2)
        rig.send(BRIDGE, call(4, DELIVERY_NS + 10 * MINUTE_NS))
        rig.advance(DELIVERY_NS + 10 * MINUTE_NS - 1)
        heard(rig, 3, 5_800, power_w=1_500, discharged_wh=250)  # 500 Wh of 667 Wh
        told = named(rig.advance(DELIVERY_NS + 10 * MINUTE_NS), "FleetDispatched")[-1]
        assert told["committed_power_w"] == 0
        assert told["target_power_w"] == pytest.approx(167 * 12, abs=50)  # in the 5 minutes that are left

    def test_a_target_that_was_asked_for_goes_first(self, rig: Rig) -> None:
        from unit.vpp.test_vpp_hierarchy import target

        holding(rig)
        rig.advance(DELIVERY_NS)
        rig.send(DESK, target(rig, 1_000))
        rig.send(BRIDGE, call(4))
        told = named(rig.advance(rig.now_ns), "FleetDispatched")[-1]
        assert (told["target_power_w"], told["committed_power_w"]) == (1_000, 4_000)

    @pytest.mark.parametrize(
        ("asked", "reason"),
        [(call(1, product_id=99), "UNKNOWN_PRODUCT"), (call(1, product_id=9), "NOT_A_RESERVE"),
         (call(-1), "QUANTITY_OUT_OF_RANGE"), (call(5), "ACTIVATION_ABOVE_AWARD"),
         (call(1, END_NS + 1), "ACTIVATION_OUTSIDE_DELIVERY"),
         (call(1, DELIVERY_NS), "ACTIVATION_OUTSIDE_DELIVERY"), (call(1, 0), "ACTIVATION_OUTSIDE_DELIVERY")],
    )  # fmt: skip
    def test_what_cannot_be_is_refused(self, rig: Rig, asked: Any, reason: str) -> None:
        holding(rig)
        rig.send(BRIDGE, call(2, DELIVERY_NS + MINUTE_NS))
        before = rig.fleet.activations.copy()
        assert answer(rig.send(BRIDGE, asked)) == ("ReserveRejected", reason)
        assert rig.fleet.activations.tobytes() == before.tobytes()

    def test_after_the_delivery_and_after_settlement_it_is_refused(self, rig: Rig) -> None:
        holding(rig)
        for at_ns in (END_NS, END_NS + HOUR_NS):
            rig.advance(at_ns)
            assert answer(rig.send(BRIDGE, call(1))) == ("ReserveRejected", "ACTIVATION_OUTSIDE_DELIVERY")
            assert answer(rig.send(BRIDGE, call(0)))[0] == "ReserveActivated"
        assert not rig.fleet.periods["activated_w_ms"].any()

    def test_a_full_table_refuses_until_one_is_over(self, rig: Rig) -> None:
        many = range(100, 100 + ACTIVATIONS + 1)
        for n, product_id in enumerate(many, 1):
            small = block(product_id=product_id, lot_power_w=10)
            rig.send(DESK, small, offer(n, product_id, 1))
            rig.send(BRIDGE, won(n, product_id, 1))
        rig.advance(DELIVERY_NS)
        for product_id in many[:-1]:
            rig.send(BRIDGE, call(1, DELIVERY_NS + MINUTE_NS, product_id))
        last = call(1, END_NS, many[-1])
        assert answer(rig.send(BRIDGE, last)) == ("ReserveRejected", "ACTIVATIONS_FULL")
        assert answer(rig.send(BRIDGE, call(1, END_NS, many[0])))[0] == "ReserveActivated"
        rig.now_ns = DELIVERY_NS + MINUTE_NS
        assert answer(rig.send(BRIDGE, last))[0] == "ReserveActivated"
        assert committed_w(rig, rig.now_ns) == 20

    def test_a_node_that_was_away_settles_what_was_active(self, rig: Rig) -> None:
        holding(rig)
        rig.advance(DELIVERY_NS + 10 * MINUTE_NS)
        rig.send(BRIDGE, call(4, DELIVERY_NS + 50 * MINUTE_NS))
        rig.now_ns = DELIVERY_NS + 3 * HOUR_NS
        kept = named(rig.advance(rig.now_ns), "ReserveKept")
        assert [k["activated_wh"] for k in kept] == [333, 1_000, 1_000, 333]


class TestShortage:
    def test_it_is_told_when_it_begins_and_when_it_gets_worse(self, rig: Rig) -> None:
        holding(rig)
        assert named(rig.advance(DELIVERY_NS + MINUTE_NS), "ReserveShort") == []
        heard(rig, 2, 1_250)  # 475 Wh above what stays with the homes, together
        (short,) = named(rig.advance(DELIVERY_NS + 2 * MINUTE_NS), "ReserveShort")
        assert (short["owed_up_w"], short["owed_down_w"]) == (4_000, 3_000)
        assert short["available_up_w"] == 2 * (237 * 60 // 13)
        assert short["available_down_w"] == 10_000
        assert named(rig.advance(DELIVERY_NS + 3 * MINUTE_NS), "ReserveShort") == []  # it is no worse
        heard(rig, 3, 1_000)
        (worst,) = named(rig.advance(DELIVERY_NS + 4 * MINUTE_NS), "ReserveShort")
        assert worst["available_up_w"] == 0
        rig.advance(DELIVERY_NS + 10 * MINUTE_NS)
        heard(rig, 4, 1_000)
        (again,) = named(rig.advance(DELIVERY_NS + 15 * MINUTE_NS), "ReserveShort")
        assert (again["time_ns"], again["available_up_w"]) == (DELIVERY_NS + 15 * MINUTE_NS, 0)
        events = rig.advance(DELIVERY_NS + 30 * MINUTE_NS)
        kept = named(events, "ReserveKept")[-1]
        assert (kept["short_up_w"], kept["short_down_w"]) == (4_000, 0)

    def test_what_is_active_is_not_held_any_more(self, rig: Rig) -> None:
        holding(rig, 10, 0 + 1)
        rig.advance(DELIVERY_NS + MINUTE_NS)
        rig.send(BRIDGE, call(10, DELIVERY_NS + 3 * MINUTE_NS))
        events = rig.advance(DELIVERY_NS + 5 * MINUTE_NS)
        assert named(events, "ReserveShort") == []  # nor while the power follows

    def test_energy_that_is_owed_and_baselines_take_their_part(self, rig: Rig) -> None:
        rig.send(
            DESK,
            SubmitBaseline(site_id=1, power_w=-2_000, delivery_start_ns=DELIVERY_NS, delivery_duration_s=900),
            bid(bid_id=1, side=BUY, quantity_lots=5),
        )
        rig.send(BRIDGE, award(bid_id=1, side=BUY, quantity_lots=5))
        rig.send(DESK, offer(2, DOWN, lots=5))
        rig.send(BRIDGE, won(2, DOWN, lots=5))
        rig.advance(DELIVERY_NS - MINUTE_NS)
        heard(rig, 1)
        (short,) = named(rig.advance(DELIVERY_NS), "ReserveShort")
        assert (short["owed_down_w"], short["available_down_w"]) == (5_000, 3_000)


class TestPayment:
    def test_it_is_shared_with_the_products_last_quarter_hour(self, rig: Rig) -> None:
        holding(rig)
        rig.advance(END_NS)
        before = int(rig.fleet.accounts[FLEET].balance_minor)
        (event,) = rig.send(BRIDGE, paid(9_001))
        assert (event["record"], event["amount_minor"]) == ("ReservePaid", 9_001)
        assert event["period_start_ns"] == END_NS - PERIOD_NS
        assert int(rig.fleet.accounts[FLEET].balance_minor) == before + 9_001
        settled = named(rig.advance(END_NS + 15 * MINUTE_NS), "FleetSettled")[-1]
        assert settled["award_minor"] == 10_010 + 3 * 1_001 * 10 // 4 + 9_001
        assert rig.fleet.accounts["balance_minor"].sum() == 0

    def test_the_fleet_keeps_what_comes_late(self, rig: Rig) -> None:
        holding(rig)
        rig.advance(END_NS + 20 * MINUTE_NS)
        sites = rig.fleet.accounts["balance_minor"][4:].copy()
        (event,) = rig.send(BRIDGE, paid(9_001))
        assert event["period_start_ns"] == 0
        rig.advance(END_NS + 2 * HOUR_NS)
        assert (rig.fleet.accounts["balance_minor"][4:] == sites).all()
        assert rig.fleet.accounts["balance_minor"].sum() == 0
        assert int(rig.fleet.accounts[EXCHANGE].balance_minor) == -(4 + 3) * 1_001 * 10 - 9_001

    @pytest.mark.parametrize(
        ("asked", "reason"),
        [(paid(-1), "AMOUNT_OUT_OF_RANGE"), (paid(5, 9), "NOT_A_RESERVE"), (paid(5, 99), "UNKNOWN_PRODUCT"),
         (paid(MONEY_LIMIT_MINOR + 1), "ABOVE_MONEY_LIMIT"), (paid(MONEY_LIMIT_MINOR), "ABOVE_MONEY_LIMIT")],
    )  # fmt: skip
    def test_what_cannot_be_is_refused(self, rig: Rig, asked: Any, reason: str) -> None:
        holding(rig)
        assert answer(rig.send(BRIDGE, asked)) == ("ReserveRejected", reason)

    def test_it_is_paid_once(self, rig: Rig) -> None:
        holding(rig)
        rig.send(BRIDGE, paid(0))
        assert answer(rig.send(BRIDGE, paid(5))) == ("ReserveRejected", "RESERVE_ALREADY_PAID")


def a_called_hour() -> Rig:
    """An hour of reserve with everything that can happen to it; its events are still untaken."""
    rig = Rig()
    rig.send(DESK, battery(1), battery(2), product(), block(), block(product_id=DOWN, service=RESERVE_DOWN))
    holding(rig)
    for minute, asked in (
        (0, call(4, DELIVERY_NS + 7 * MINUTE_NS + 1)), (12, call(2, DELIVERY_NS + 40 * MINUTE_NS)),
        (14, call(3, DELIVERY_NS + 50 * MINUTE_NS, DOWN)), (20, call(0)), (21, call(9)), (60, paid()),
    ):  # fmt: skip
        while rig.now_ns < DELIVERY_NS + minute * MINUTE_NS:
            rig.now_ns += MINUTE_NS
            rig.run_timers()
        rig.apply(BRIDGE, [asked])
        rig.apply(LINK, [report(1, 2 + minute, rig.now_ns, energy_wh=5_000 - 60 * minute, power_w=1)])
    rig.now_ns = END_NS + 15 * MINUTE_NS
    rig.run_timers()
    return rig


@pytest.mark.parametrize("cut", [1, 7, 10_000])
def test_a_view_says_what_is_held_and_what_came_of_it(cut: int) -> None:
    rig = Rig()
    rig.apply(DESK, [battery(1), battery(2), product(), block(), block(product_id=DOWN, service=RESERVE_DOWN),
                     offer(1), offer(2, DOWN, 3)])  # fmt: skip
    rig.apply(BRIDGE, [won(1), won(2, DOWN, 2)])
    rig.now_ns = DELIVERY_NS + MINUTE_NS
    rig.run_timers()
    rig.apply(BRIDGE, [call(1, DELIVERY_NS + 5 * MINUTE_NS), call(2, END_NS, DOWN), call(0)])
    rig.now_ns = DELIVERY_NS + 30 * MINUTE_NS
    rig.run_timers()
    rig.apply(BRIDGE, [paid()])
    rows, view = rig.rows(), DeskView()
    for begin in range(0, len(rows), cut):
        view.fold(rows[begin : begin + cut])
    first, held = DELIVERY_NS // PERIOD_NS, view.reserves
    assert held.up_w == dict.fromkeys(range(first, first + 4), 4_000)
    assert held.down_w == dict.fromkeys(range(first, first + 4), 2_000)
    assert (held.duration_s(first + 3), held.duration_s(first + 4)) == (1_800, 0)
    assert view.commitments.power_w == {}
    known = view.commitments.products[UP]
    assert (known.service, known.activation_ticks, known.activation_max_s) == (RESERVE_UP, 6_000, 1_800)
    assert (known.delivery_start_ns, known.gate_closure_ns) == (DELIVERY_NS, DELIVERY_NS - 30 * MINUTE_NS)
    assert [(p, a.power_w) for p, a in held.active.items()] == [(DOWN, -2_000)]
    assert held.kept[first].activated_wh == -2_000 * 14 // 60
    assert held.shorts[first].owed_up_w == 4_000  # nobody was ever heard of
    assert held.paid_minor == 9_001


def test_the_codes_are_the_schemas() -> None:
    from ringmain.vpp.messages import SCHEMA

    assert all(SCHEMA.reasons[code] == name for name, code in RESERVE_REASONS.items())
    assert len(set(SCHEMA.reasons.values())) == len(SCHEMA.reasons)


def test_days_that_come_find_free_quarter_hours() -> None:
    rig = a_called_hour()
    rig.now_ns = MIDNIGHT_NS + 6 * HOUR_NS
    rig.run_timers()
    for name in ("reserve_up_w", "reserve_down_w", "offered_up_w", "offered_down_w", "availability_minor",
                 "activated_w_ms", "short_up_w", "short_down_w"):  # fmt: skip
        assert not rig.fleet.periods[name].any()
