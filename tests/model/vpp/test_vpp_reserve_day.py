"""A trading day with reserve: offered, sold, held beside energy, called on; and units in shadow."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import test_vpp_day
from test_vpp_day import BATTERIES, LOT_W, Day, award

from ringmain.vpp.advice.desk import Desk
from ringmain.vpp.loop_messages import SUBMIT_SHADOW, SetSubmitMode
from ringmain.vpp.messages import EXPIRED, SELL, RecordOrderEnded, SubmitBid
from ringmain.vpp.reserve_messages import (
    ENERGY,
    RESERVE_DOWN,
    RESERVE_UP,
    DefineReserve,
    RecordActivation,
)
from ringmain.vpp.state import PERIOD_NS, SECOND_NS
from ringmain.vpp.views import Bid
from unit.vpp.rig import BRIDGE, DESK, HOUR_NS, MIDNIGHT_NS, MINUTE_NS

AUCTION_NS = MIDNIGHT_NS - 13 * HOUR_NS + 15 * MINUTE_NS  # 11:15 of the day before
CLEARING_TICKS = 250
CALLED_NS = MIDNIGHT_NS + 13 * HOUR_NS + 20 * MINUTE_NS
SHADOWED = 20  # sites, a battery each, in shadow


@dataclass
class ReserveDay(Day):
    """The day of the other tests, with twelve products of reserve that are auctioned before the energy."""

    is_traded: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for block in range(6):
            for service in (RESERVE_UP, RESERVE_DOWN):
                self.send(BRIDGE, [reserve(2_000 + 2 * block + (service == RESERVE_DOWN), block, service)])

    @property
    def reserve_bids(self) -> list[Bid]:
        return [bid for bid in self.view.bids.by_id.values() if self.is_reserve(bid)]

    def is_reserve(self, bid: Bid) -> bool:
        return self.view.commitments.products[bid.product_id].service != ENERGY

    def trade(self) -> None:
        if self.rig.now_ns >= AUCTION_NS and self.is_traded:
            for bid in [bid for bid in self.view.bids.open() if self.is_reserve(bid)]:
                if bid.price_ticks <= CLEARING_TICKS:
                    self.send(BRIDGE, [award(bid, CLEARING_TICKS)])
                else:
                    self.send(BRIDGE, [RecordOrderEnded(bid_id=bid.bid_id, ending=EXPIRED)])
        if self.rig.now_ns == CALLED_NS:
            self.call_on(RESERVE_UP, 15)
        super().trade()

    def call_on(self, service: int, minutes: int) -> None:
        """The buyer calls on all that it bought of the product that is delivered now."""
        block = (self.rig.now_ns - MIDNIGHT_NS) // (4 * HOUR_NS)
        product_id = 2_000 + 2 * block + (service == RESERVE_DOWN)
        lots = sum(bid.awarded_lots for bid in self.reserve_bids if bid.product_id == product_id)
        until_ns = self.rig.now_ns + minutes * MINUTE_NS
        self.send(BRIDGE, [RecordActivation(product_id=product_id, quantity_lots=lots, until_ns=until_ns)])

    def run_until(self, until_ns: int) -> None:
        while self.rig.now_ns < until_ns:
            self.minute()


def reserve(product_id: int, block: int, service: int) -> Any:
    return DefineReserve(
        product_id=product_id, delivery_start_s=(MIDNIGHT_NS + 4 * block * HOUR_NS) // SECOND_NS,
        delivery_duration_s=4 * 3_600, gate_closure_s=AUCTION_NS // SECOND_NS, lot_power_w=LOT_W,
        value_minor=800, activation_ticks=6_000 if service == RESERVE_UP else 0, activation_max_s=1_800,
        service=service,
    )  # fmt: skip


@pytest.fixture(scope="module")
def day() -> ReserveDay:
    day = ReserveDay(seed=1)
    day.live()
    return day


def test_reserve_is_offered_once_with_its_reasons_before_its_gate(day: ReserveDay) -> None:
    step = day.view.steps.done["RESERVE", MIDNIGHT_NS]
    assert (step.outcome, step.price_source, step.gate_ns) == ("DONE", "NAIVE", AUCTION_NS)
    assert step.count == len(day.reserve_bids) > 12
    assert AUCTION_NS - 10 * MINUTE_NS <= step.time_ns < AUCTION_NS
    for bid in day.reserve_bids:
        reason = day.view.reasons.by_bid[bid.bid_id]
        assert bid.side == SELL
        assert reason.wanted_power_w - reason.owed_power_w == bid.quantity_lots * LOT_W
        assert bid.price_ticks >= reason.worth_ticks
    by_product: dict[int, list[int]] = {}
    for bid in day.reserve_bids:
        by_product.setdefault(bid.product_id, []).append(bid.price_ticks)
    assert all(prices == sorted(prices) for prices in by_product.values())


def test_energy_is_bid_for_once_the_reserve_is_sold_and_leaves_room_for_it(day: ReserveDay) -> None:
    assert day.view.steps.done["BID", MIDNIGHT_NS].time_ns >= AUCTION_NS
    held = day.view.reserves
    assert held.up_w and held.down_w
    limit_w = day.view.assets.discharge_limit_w
    take_w = int(day.view.assets.active.charge_limit_w.sum())
    for period in range(MIDNIGHT_NS // PERIOD_NS, MIDNIGHT_NS // PERIOD_NS + 96):
        owed_w = day.view.commitments.power_w.get(period, 0)
        assert owed_w + held.up_w.get(period, 0) <= limit_w
        assert held.down_w.get(period, 0) - owed_w <= take_w
    assert any(day.view.commitments.power_w.values())


def test_what_was_sold_is_there_all_day_and_when_it_is_called_on(day: ReserveDay) -> None:
    kept = [kept for kept in day.view.reserves.kept.values() if kept.up_w or kept.down_w]
    assert len(kept) > 40
    assert all(each.short_up_w <= 0.01 * each.up_w for each in kept)
    assert all(each.short_down_w <= 0.01 * each.down_w for each in kept)
    called = [s for s in day.view.settlement.statements if 0 <= s.period_start_ns - CALLED_NS < HOUR_NS]
    assert sum(each.activated_wh for each in kept) > 0
    assert all(abs(s.metered_wh - s.committed_wh) < 0.02 * BATTERIES * 1_000 for s in called)
    assert day.rig.fleet.accounts["balance_minor"].sum() == 0


def test_a_desk_that_dies_in_the_middle_offers_the_rest_and_nothing_twice() -> None:
    day = ReserveDay(seed=2)
    day.run_until(AUCTION_NS - 10 * MINUTE_NS)
    whole = ReserveDay(seed=2)
    whole.run_until(AUCTION_NS - 6 * MINUTE_NS)
    day.rig.now_ns += MINUTE_NS
    commands = day.desk.advise(day.view, day.history, day.rig.now_ns)
    submitted = np.flatnonzero(commands["kind"] == SubmitBid.kind)
    assert submitted.size > 6
    day.rig.send_batch(DESK, commands[: submitted[3] + 2])  # the fifth bid's reason went, not the bid
    day.drain()
    assert ("RESERVE", MIDNIGHT_NS) not in day.view.steps.done
    day.desk = Desk()  # a new one, which knows the tape alone
    day.run_until(AUCTION_NS - 6 * MINUTE_NS)
    assert day.view.steps.done["RESERVE", MIDNIGHT_NS].outcome == "DONE"

    def lots(of: ReserveDay) -> dict[int, int]:
        sums: dict[int, int] = {}
        for bid in of.reserve_bids:
            sums[bid.product_id] = sums.get(bid.product_id, 0) + bid.quantity_lots
        return sums

    assert lots(day) == lots(whole)
    before = len(day.reserve_bids)
    day.desk = Desk()
    day.run_until(AUCTION_NS - 3 * MINUTE_NS)
    assert len(day.reserve_bids) == before


def test_without_any_price_no_reserve_is_offered_and_the_journal_says_so() -> None:
    day = ReserveDay(seed=3)
    day.history = {}
    day.run_until(AUCTION_NS - 5 * MINUTE_NS)
    assert not day.reserve_bids
    assert day.view.steps.done["RESERVE", MIDNIGHT_NS].outcome == "MISSED"


def test_a_desk_that_wakes_after_the_gate_offers_nothing_and_says_so() -> None:
    day = ReserveDay(seed=4)
    desk, day.desk = day.desk, type("Asleep", (), {"advise": lambda self, *_: np.zeros(0)})()
    day.rig.now_ns = AUCTION_NS
    commands = desk.reserve(day.view, day.history, day.rig.now_ns)
    assert [int(command["outcome"][0]) for command in commands] == [4]  # MISSED


def test_energy_waits_for_the_reserve_as_long_as_it_can() -> None:
    day = ReserveDay(seed=5, is_traded=False)  # its auction never tells
    day.run_until(MIDNIGHT_NS - 12 * HOUR_NS - 5 * MINUTE_NS)
    assert day.reserve_bids
    assert ("BID", MIDNIGHT_NS) not in day.view.steps.done
    day.run_until(MIDNIGHT_NS - 12 * HOUR_NS - MINUTE_NS)
    assert day.view.steps.done["BID", MIDNIGHT_NS].outcome == "DONE_LATE"
    assert all(bid.ending is None and not bid.cancelling for bid in day.reserve_bids)


@pytest.fixture(scope="module")
def shadowed() -> ReserveDay:
    """The day until its energy is sold, a tenth of the sites in shadow; lots are small enough for one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(test_vpp_day, "LOT_W", 2_000)
        day = ReserveDay(seed=6)
    shadow = {"submit_mode": SUBMIT_SHADOW, "product_id": 0}
    day.send(DESK, [SetSubmitMode(unit_id=1 + n, **shadow) for n in range(SHADOWED)])
    day.run_until(MIDNIGHT_NS - 10 * HOUR_NS)
    return day


def test_a_unit_in_shadow_idles_and_its_bids_are_noted_as_its_own(shadowed: ReserveDay) -> None:
    fleet = shadowed.view.assets.active
    is_shadow = fleet.node_id <= SHADOWED
    periods = np.arange(96) + MIDNIGHT_NS // PERIOD_NS
    planned_w = shadowed.view.plans.power_w(fleet.asset_id, periods)
    assert not planned_w[is_shadow].any()
    assert planned_w[~is_shadow].any()
    for bid in shadowed.view.bids.by_id.values():
        assert (bid.ending == "SHADOWED") == (bid.unit_id != 0)
        assert bid.unit_id in range(SHADOWED + 1)
    assert any(bid.unit_id for bid in shadowed.view.bids.by_id.values())


def test_what_is_sold_of_the_fleet_is_without_it(shadowed: ReserveDay) -> None:
    fleet = shadowed.view.assets.active
    limit_w = int(fleet.discharge_limit_w[fleet.node_id > SHADOWED].sum())
    for product_id in (2_000, 2_004):
        own = [bid for bid in shadowed.reserve_bids if bid.product_id == product_id]
        assert sum(bid.quantity_lots for bid in own) * LOT_W <= 0.8 * limit_w
