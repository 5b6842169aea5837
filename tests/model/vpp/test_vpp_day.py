"""A whole trading day: forecast, plans, bids, auction, intraday, dispatch, metering, settlement."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from batteries import Batteries

from ringmain.vpp.advice.desk import Desk
from ringmain.vpp.block_messages import ExtendBlockBid, SubmitBlockBid
from ringmain.vpp.block_views import BlockBid
from ringmain.vpp.fleets import seeded_fleet
from ringmain.vpp.messages import (
    BUY,
    CANCELLED,
    EXPIRED,
    FILLED,
    REFERENCE,
    REFUSED,
    SCHEMA,
    SELL,
    DefineProduct,
    RecordAward,
    RecordOrderEnded,
    RecordPrice,
    SubmitBid,
)
from ringmain.vpp.state import BALANCING, EXCHANGE, FLEET, SITE_ACCOUNTS, WEAR
from ringmain.vpp.views import Bid, DeskView, tracking_error
from unit.vpp.rig import BRIDGE, DESK, HOUR_NS, LINK, LINK_ACCOUNT, MIDNIGHT_NS, MINUTE_NS, Rig

LOT_W = 20_000  # a fifth of the real lot, for a fifth of the fleet
BATTERIES = 200
PRICE_TICKS = [
    3_100, 2_900, 2_800, 2_700, 2_750, 3_000, 3_900, 4_800, 5_200, 5_000, 4_600, 4_300,
    4_100, 3_900, 3_800, 3_900, 4_200, 5_100, 6_000, 6_200, 5_600, 4_700, 4_000, 3_500,
]  # fmt: skip


@dataclass
class Day:
    """The main job's timeline in a test: D-1 10:00 to D+1 00:30, one step a minute."""

    seed: int
    loss: float = 0.0
    silent_from_ns: int = 0
    silent_until_ns: int = 2**62
    silent_share: float = 0.3
    price_ticks: list[int] = field(default_factory=lambda: PRICE_TICKS)
    rig: Rig = field(default_factory=lambda: Rig(MIDNIGHT_NS - 14 * HOUR_NS))
    view: DeskView = field(default_factory=DeskView)
    desk: Desk = field(default_factory=Desk)

    def __post_init__(self) -> None:
        self.dice = np.random.default_rng(self.seed)
        fleet = seeded_fleet(BATTERIES, self.seed, [LINK_ACCOUNT])
        self.batteries = Batteries(fleet, self.dice, delivery=0.97)
        self.silent = self.dice.random(BATTERIES) < self.silent_share
        self.history = {
            MIDNIGHT_NS + (day * 24 + hour) * HOUR_NS: self.price_ticks[hour]
            + int(self.dice.integers(-200, 200))
            for day in range(-15, 0)
            for hour in range(24)
        }
        self.send(DESK, fleet)
        for hour in range(24):
            self.send(BRIDGE, [product(100 + hour, hour * HOUR_NS, 3_600, 30)])
            for quarter in range(4):
                start_ns = hour * HOUR_NS + quarter * 15 * MINUTE_NS
                self.send(BRIDGE, [product(1_000 + 4 * hour + quarter, start_ns, 900, 5)])

    def send(self, session: int, commands: list[Any]) -> None:
        self.rig.apply(session, commands)
        self.drain()

    def drain(self) -> None:
        rows = self.rig.rows()
        self.rig.blocks.clear()
        self.view.fold(rows)
        self.batteries.obey(rows, ~self.silent if self.is_cut(self.rig.now_ns) else None)

    def is_cut(self, now_ns: int) -> bool:
        """Tell whether some are cut off at a time."""
        return bool(self.silent_from_ns) and self.silent_from_ns <= now_ns < self.silent_until_ns

    def live(self) -> None:
        while self.rig.now_ns < MIDNIGHT_NS + 24 * HOUR_NS + 31 * MINUTE_NS:
            self.minute()

    def minute(self) -> None:
        rig, now_ns = self.rig, self.rig.now_ns
        self.batteries.run(now_ns, MINUTE_NS)
        rig.now_ns += MINUTE_NS
        heard = self.dice.random(BATTERIES) >= self.loss
        if self.batteries.device_number == 0:
            heard[:] = True
            self.first_meters_wh = self.batteries.net_meter_wh().sum()
        if self.is_cut(now_ns):
            heard &= ~self.silent
        rig.send_batch(LINK, self.batteries.reports(rig.now_ns, heard))
        rig.run_timers()
        self.drain()
        if now_ns == MIDNIGHT_NS - 12 * HOUR_NS:
            self.publish_prices()
        self.trade()
        rig.send_batch(DESK, self.desk.advise(self.view, self.history, rig.now_ns))
        self.drain()

    def publish_prices(self) -> None:
        for hour in range(24):
            self.send(
                BRIDGE,
                [
                    RecordPrice(
                        delivery_start_ns=MIDNIGHT_NS + hour * HOUR_NS,
                        delivery_duration_s=3_600,
                        price_ticks=self.price_ticks[hour],
                        price_kind=REFERENCE,
                    )
                ],
            )

    def trade(self) -> None:
        """The exchange: from the auction on, all that accepts the day's price is filled at it."""
        if self.rig.now_ns < MIDNIGHT_NS - 12 * HOUR_NS:
            return
        self.clear_blocks()
        for bid in list(self.view.bids.open()):
            price = self.price_of(bid)
            good = price >= bid.price_ticks if bid.side == SELL else price <= bid.price_ticks
            if good:
                self.send(BRIDGE, [award(bid, price)])
            elif bid.cancelling or bid.time_in_force:
                self.send(BRIDGE, [RecordOrderEnded(bid_id=bid.bid_id, ending=CANCELLED)])
            else:
                self.send(BRIDGE, [RecordOrderEnded(bid_id=bid.bid_id, ending=EXPIRED)])

    def clear_blocks(self) -> None:
        """The auction: of the exclusive group, the family that is worth most at its limits is accepted."""
        families: dict[int, list[BlockBid]] = {}
        blocks = [block for block in self.view.bids.blocks.by_id.values() if block.ending is None]
        for block in blocks:
            families.setdefault(block.parent_bid_id or block.bid_id, []).append(block)
        best = max(families.values(), key=lambda family: sum(map(self.worth, family)), default=[])
        is_good = sum(map(self.worth, best)) > 0
        for block in blocks:
            is_accepted = is_good and block in best
            if is_accepted:
                self.send(BRIDGE, [
                    RecordAward(
                        bid_id=block.bid_id, product_id=product_id, price_ticks=self.price_at(product_id),
                        exchange_sequence=1, quantity_lots=lots, side=block.side,
                    )
                    for product_id, lots in zip(block.product_ids, block.lots, strict=True) if lots
                ])  # fmt: skip
            ending = FILLED if is_accepted else EXPIRED
            self.send(BRIDGE, [RecordOrderEnded(bid_id=block.bid_id, ending=ending)])

    def worth(self, block: BlockBid) -> int:
        sign = 1 if block.side == SELL else -1
        return sum(
            sign * lots * (self.price_at(product_id) - block.price_ticks)
            for product_id, lots in zip(block.product_ids, block.lots, strict=True)
        )

    def price_of(self, bid: Bid) -> int:
        return self.price_at(bid.product_id)

    def price_at(self, product_id: int) -> int:
        delivery_ns = self.view.commitments.products[product_id].delivery_start_ns
        return self.price_ticks[(delivery_ns - MIDNIGHT_NS) // HOUR_NS]

    def every_bid(self) -> dict[int, Any]:
        return {**self.view.bids.by_id, **self.view.bids.blocks.by_id}


def product(product_id: int, start_ns: int, duration_s: int, gate_minutes: int) -> Any:
    return DefineProduct(
        product_id=product_id,
        delivery_start_ns=MIDNIGHT_NS + start_ns,
        delivery_duration_s=duration_s,
        gate_closure_ns=MIDNIGHT_NS + start_ns - gate_minutes * MINUTE_NS,
        lot_power_w=LOT_W,
        value_minor=200 * duration_s // 3_600,
    )


def award(bid: Bid, price_ticks: int) -> Any:
    return RecordAward(
        bid_id=bid.bid_id,
        product_id=bid.product_id,
        price_ticks=price_ticks,
        exchange_sequence=bid.bid_id,
        quantity_lots=bid.open_lots,
        side=bid.side,
    )


@pytest.fixture(scope="module")
def calm() -> Day:
    day = Day(seed=1, loss=0.1)
    day.live()
    return day


def test_the_books_balance_to_the_last_unit(calm: Day) -> None:
    balances = calm.rig.fleet.accounts["balance_minor"]
    statements = calm.view.settlement.statements
    assert balances.sum() == 0
    assert -balances[EXCHANGE] == sum(bid.amount_minor for bid in calm.every_bid().values())
    assert -balances[EXCHANGE] == sum(statement.award_minor for statement in statements)
    assert -balances[BALANCING] == sum(statement.imbalance_minor for statement in statements)
    assert balances[WEAR] == sum(statement.wear_minor for statement in statements)
    site_balances = {site_id: int(balances[SITE_ACCOUNTS + site_id]) for site_id in range(1, BATTERIES + 1)}
    assert calm.view.settlement.site_balance_minor == {k: v for k, v in site_balances.items() if v}
    assert 0 <= balances[FLEET] < BATTERIES * len(statements)  # remainders only


def test_every_metered_watt_hour_is_settled(calm: Day) -> None:
    statements = calm.view.settlement.statements
    shown = calm.batteries.net_meter_wh().sum() - calm.first_meters_wh
    settled = sum(s.metered_wh - s.estimated_wh + s.late_wh for s in statements)
    still_open = calm.rig.fleet.meters
    open_wh = int(still_open["discharged_wh"].sum()) - int(still_open["charged_wh"].sum())
    assert abs(shown - settled - open_wh) <= BATTERIES  # a report that was lost last


def test_the_day_earns_and_the_fleet_follows_its_commitments(calm: Day) -> None:
    view = calm.view
    assert view.settlement.income_minor > 0
    assert {bid.side for bid in calm.every_bid().values() if bid.awarded_lots} == {BUY, SELL}
    assert tracking_error(view.track, view.assets.discharge_limit_w) < 0.01
    owed_wh = sum(abs(statement.committed_wh) for statement in view.settlement.statements)
    missed_wh = sum(abs(s.metered_wh - s.committed_wh) for s in view.settlement.statements)
    assert owed_wh > 1_000_000
    assert missed_wh < 0.01 * owed_wh
    assert len(view.settlement.statements) == 4 * 38 + 1  # each quarter-hour from D-1 10:00 to D+1 00:15


def test_a_third_of_the_fleet_falls_silent_and_is_estimated() -> None:
    day = Day(seed=3, loss=0.1, silent_from_ns=MIDNIGHT_NS + 18 * HOUR_NS + 20 * MINUTE_NS)
    day.live()
    last = [s for s in day.view.settlement.statements if s.period_start_ns >= MIDNIGHT_NS + 19 * HOUR_NS]
    assert any(statement.estimated_wh > 0 for statement in last)
    assert all(abs(s.metered_wh - s.committed_wh) < 0.1 * abs(s.committed_wh) + 5_000 for s in last)
    assert day.rig.fleet.accounts["balance_minor"].sum() == 0
    assert day.view.track.last is not None
    assert day.view.track.last.silent_count == int(day.silent.sum())


def test_a_fleet_that_is_cut_in_half_comes_together_again() -> None:
    """For three hours one half hears nothing and isn't heard; afterwards all that it moved is settled."""
    cut_ns = MIDNIGHT_NS + 6 * HOUR_NS + 7 * MINUTE_NS
    day = Day(seed=9, loss=0.1, silent_share=0.5, silent_from_ns=cut_ns, silent_until_ns=cut_ns + 3 * HOUR_NS)
    day.live()
    statements, fleet = day.view.settlement.statements, day.rig.fleet
    counts = {tick.time_ns: tick.silent_count for tick in day.view.track.ticks}
    assert max(counts.values()) == int(day.silent.sum()) > 80
    assert counts[max(counts)] == 0
    assert any(s.estimated_wh > 0 for s in statements) and any(s.late_wh for s in statements)
    shown = day.batteries.net_meter_wh().sum() - day.first_meters_wh
    settled = sum(s.metered_wh - s.estimated_wh + s.late_wh for s in statements)
    open_wh = int(fleet.meters["discharged_wh"].sum()) - int(fleet.meters["charged_wh"].sum())
    assert abs(shown - settled - open_wh) <= BATTERIES
    assert fleet.accounts["balance_minor"].sum() == 0


def test_with_prices_below_zero_the_fleet_is_paid_to_fill_up() -> None:
    """At night, and all of a day: it is paid for what it buys, earns by it, and the books balance."""
    night = [-1_500 if hour < 6 else price for hour, price in enumerate(PRICE_TICKS)]
    for price_ticks in (night, [price - 9_000 for price in PRICE_TICKS]):
        day = Day(seed=10, price_ticks=price_ticks)
        day.live()
        bids = [bid for bid in day.view.bids.by_id.values() if bid.awarded_lots]
        bought = [bid for bid in bids if bid.side == BUY and day.price_of(bid) < 0]
        assert bought and all(bid.amount_minor > 0 for bid in bought), "who takes it is paid"
        received_minor = sum(bid.amount_minor for bid in day.every_bid().values())
        assert received_minor > 0 < day.view.settlement.income_minor
        assert day.rig.fleet.accounts["balance_minor"].sum() == 0


def test_every_bid_has_its_reason_and_every_step_its_note(calm: Day) -> None:
    view = calm.view
    assert calm.every_bid().keys() == view.reasons.by_bid.keys()
    for bid_id, bid in view.bids.by_id.items():
        reason = view.reasons.by_bid[bid_id]
        missing_w = reason.wanted_power_w - reason.owed_power_w
        assert (missing_w > 0) == (bid.side == SELL), "a bid goes from what is owed to what is wanted"
        assert abs(missing_w) >= bid.quantity_lots * LOT_W - LOT_W
    for bid_id, block in view.bids.blocks.by_id.items():
        assert abs(view.reasons.by_bid[bid_id].wanted_power_w) == max(block.lots) * LOT_W
    assert view.steps.done["BID", MIDNIGHT_NS].outcome == "DONE"
    assert view.steps.done["BID", MIDNIGHT_NS].count == len(view.bids.blocks.by_id)
    assert view.steps.done["FORECAST", MIDNIGHT_NS].price_source == "NAIVE"
    slots = [about_ns for step, about_ns in view.steps.done if step == "PLAN" and about_ns != MIDNIGHT_NS]
    assert len(slots) == len(set(slots)) > 40


def test_a_desk_that_dies_in_the_middle_bids_for_the_rest_and_nothing_twice() -> None:
    whole = Day(seed=2)
    until_ns = MIDNIGHT_NS - 12 * HOUR_NS - 3 * MINUTE_NS
    while whole.rig.now_ns < MIDNIGHT_NS - 13 * HOUR_NS - MINUTE_NS:
        whole.minute()
    whole.rig.now_ns += MINUTE_NS
    commands = whole.desk.advise(whole.view, whole.history, whole.rig.now_ns)
    submitted = np.flatnonzero(commands["kind"] == SubmitBlockBid.kind)
    extended = np.flatnonzero(commands["kind"] == ExtendBlockBid.kind)
    assert submitted.size > 6 and np.isin(submitted[5] + 1, extended)
    whole.rig.send_batch(DESK, commands[: submitted[5] + 1])  # the sixth block began, its other runs are lost
    whole.drain()
    assert len(whole.view.bids.blocks.by_id) == 5
    whole.desk = Desk()  # a new one, which knows the tape alone
    while whole.rig.now_ns < until_ns:
        whole.minute()
    blocks = list(whole.view.bids.blocks.by_id.values())
    assert not whole.view.bids.by_id
    assert [(block.exclusive_group == 0) == (block.parent_bid_id > 0) for block in blocks]
    purchases = [tuple(block.lots) for block in blocks if block.side == BUY]
    assert len(purchases) == len(blocks) // 2 and len(blocks) >= submitted.size - 4  # from plans made anew
    assert whole.view.steps.done["BID", MIDNIGHT_NS].outcome == "DONE"


def test_a_desk_that_dies_before_its_note_makes_no_bid_of_another_kind() -> None:
    day = Day(seed=2)
    while day.rig.now_ns < MIDNIGHT_NS - 13 * HOUR_NS - MINUTE_NS:
        day.minute()
    day.rig.now_ns += MINUTE_NS
    commands = day.desk.advise(day.view, day.history, day.rig.now_ns)
    last = int(np.flatnonzero(np.isin(commands["kind"], [SubmitBlockBid.kind, ExtendBlockBid.kind]))[-1])
    day.rig.send_batch(DESK, commands[: last + 1])  # every block, but not the note that they are made
    day.drain()
    made = dict(day.view.bids.blocks.by_id)
    assert made and ("BID", MIDNIGHT_NS) not in day.view.steps.done
    day.desk = Desk()
    while day.rig.now_ns < MIDNIGHT_NS - 12 * HOUR_NS - 3 * MINUTE_NS:
        day.minute()
    assert not day.view.bids.by_id and day.view.bids.blocks.by_id.keys() >= made.keys()
    assert day.view.steps.done["BID", MIDNIGHT_NS].outcome == "DONE"


@pytest.mark.parametrize(("days_missing", "source"), [(1, "LAST_GOOD"), (2, "LAST_GOOD")])
def test_prices_that_are_late_are_replaced_by_the_last_good_ones(days_missing: int, source: str) -> None:
    day = Day(seed=4)
    day.history = {
        ns: p for ns, p in day.history.items() if ns < MIDNIGHT_NS - (days_missing + 1) * 24 * HOUR_NS
    }
    while day.rig.now_ns < MIDNIGHT_NS - 12 * HOUR_NS - 5 * MINUTE_NS:
        day.minute()
    step = day.view.steps.done["BID", MIDNIGHT_NS]
    assert (step.outcome, step.price_source) == ("FELL_BACK", source)
    assert day.every_bid()


def test_without_any_price_nothing_is_bid_and_the_journal_says_so() -> None:
    day = Day(seed=5)
    day.history = {}
    while day.rig.now_ns < MIDNIGHT_NS - 12 * HOUR_NS - 5 * MINUTE_NS:
        day.minute()
    assert not day.every_bid()
    assert day.view.steps.done["BID", MIDNIGHT_NS].outcome == "MISSED"


def test_a_market_that_refuses_every_bid_leaves_the_fleet_owing_nothing() -> None:
    day = Day(seed=7)

    def refuse() -> None:
        for bid in list(day.every_bid().values()):
            if bid.ending is not None:
                continue
            day.send(BRIDGE, [RecordOrderEnded(bid_id=bid.bid_id, ending=REFUSED)])

    day.trade = refuse  # type: ignore[method-assign]
    while day.rig.now_ns < MIDNIGHT_NS - 6 * HOUR_NS:
        day.minute()
    view = day.view
    assert view.bids.by_id and view.bids.blocks.by_id
    assert {bid.ending for bid in day.every_bid().values()} == {"REFUSED"}
    assert not any(view.commitments.power_w.values())
    assert view.steps.done["BID", MIDNIGHT_NS].outcome == "DONE"
    assert len(view.bids.blocks.by_id) <= 32, "a refused block is not sent again"
    slots = sum(step == "BID" and about_ns != MIDNIGHT_NS for step, about_ns in view.steps.done)
    assert len(view.bids.by_id) <= 24 + slots * 120


def test_a_fleet_without_assets_bids_nothing() -> None:
    day = Day(seed=8)
    empty = DeskView()
    empty.commitments = day.view.commitments
    for now_ns in (MIDNIGHT_NS - 13 * HOUR_NS + MINUTE_NS, MIDNIGHT_NS - 8 * HOUR_NS + 3 * MINUTE_NS):
        commands = Desk().advise(empty, day.history, now_ns)
        assert not np.isin(commands["kind"], [SubmitBid.kind, SubmitBlockBid.kind]).any()


def test_a_desk_that_wakes_after_the_gate_has_missed_it() -> None:
    day = Day(seed=6)
    desk, day.desk = day.desk, type("Asleep", (), {"advise": lambda self, *_: SCHEMA.empty(0)})()
    while day.rig.now_ns < MIDNIGHT_NS - 12 * HOUR_NS - 10 * MINUTE_NS:
        day.minute()
    early, late = (MIDNIGHT_NS - 12 * HOUR_NS + k * MINUTE_NS for k in (-1, 0))
    found = SCHEMA.unpack_command(desk.advise(day.view, day.history, early)[-1:])
    assert found["outcome"] == 2  # DONE_LATE
    missed = SCHEMA.unpack_command(Desk().advise(day.view, day.history, late)[:1])
    assert (missed["record"], missed["outcome"]) == ("RecordStep", 4)


def test_trading_today_leaves_the_bids_for_tomorrow_alone() -> None:
    day = Day(seed=9)
    day.history = {ns: p for ns, p in day.history.items() if ns >= MIDNIGHT_NS - 3 * 24 * HOUR_NS}
    day.send(BRIDGE, [product(90, -4 * HOUR_NS, 3_600, 30)])
    for hour in range(11, 24):
        day.send(BRIDGE, [
            RecordPrice(
                delivery_start_ns=MIDNIGHT_NS + (hour - 24) * HOUR_NS, delivery_duration_s=3_600,
                price_ticks=PRICE_TICKS[hour], price_kind=REFERENCE,
            )
        ])  # fmt: skip
    while day.rig.now_ns < MIDNIGHT_NS - 12 * HOUR_NS - 5 * MINUTE_NS:
        day.minute()
    tomorrow = [bid for bid in day.view.bids.by_id.values() if bid.product_id >= 100]
    assert day.view.steps.done["BID", MIDNIGHT_NS - 12 * HOUR_NS - 30 * MINUTE_NS].outcome == "DONE"
    assert tomorrow and not any(bid.cancelling for bid in tomorrow), "too little was known for a choice"
