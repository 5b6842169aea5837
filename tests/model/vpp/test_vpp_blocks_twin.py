"""Block bids against their slow twin, on random streams."""

from typing import Any

import numpy as np
import pytest
from slow_blocks import SlowBlocks

from ringmain.core.engine import Machine
from ringmain.vpp.block_messages import ExtendBlockBid, SubmitBlockBid
from ringmain.vpp.engine import MARKET
from ringmain.vpp.messages import CANCELLED, DefineProduct, RecordAward, RecordOrderEnded
from ringmain.vpp.state import BLOCK_PERIODS, BLOCKS, PERIOD_NS, PERIODS
from unit.vpp.rig import BRIDGE, DESK, HOUR_NS, MIDNIGHT_NS, Rig, battery

FIRST, LAST, LOT_W = 100, 107, 1_000
FIRST_NS = MIDNIGHT_NS + 24 * HOUR_NS


class Twins:
    """One random stream, fed to both."""

    def __init__(self, seed: int) -> None:
        self.dice = np.random.default_rng(seed)
        self.rig = Rig()
        self.rig.send(
            DESK, battery(1), battery(2), battery(3, discharge_limit_w=10_000, charge_limit_w=10_000)
        )
        for product_id in range(FIRST, LAST + 1):
            self.rig.send(DESK, DefineProduct(
                product_id=product_id, delivery_start_ns=FIRST_NS + (product_id - FIRST) * HOUR_NS,
                delivery_duration_s=3_600, gate_closure_ns=FIRST_NS, lot_power_w=LOT_W, value_minor=10,
            ))  # fmt: skip
        self.slow = SlowBlocks(FIRST, LAST, LOT_W, 20_000, BLOCKS, BLOCK_PERIODS)
        self.bid_id = 0

    def roll(self, low: int, high: int) -> int:
        return int(self.dice.integers(low, high + 1))

    def live(self, steps: int) -> None:
        for _ in range(steps):
            act = self.roll(0, 9)
            if act < 4:
                self.begin()
            elif act < 7:
                self.extend()
            elif act < 8:
                self.award()
            else:
                self.end()
            self.compare()

    def known_id(self) -> int:
        """Return mostly a bid that there is."""
        known = list(self.slow.blocks)[-8:]
        return (
            known[self.roll(0, len(known) - 1)]
            if known and self.roll(0, 9)
            else self.roll(0, self.bid_id + 1)
        )

    def begin(self) -> None:
        self.bid_id += self.roll(0, 9) > 0
        if self.roll(0, 30) == 0:
            self.bid_id += BLOCKS - 3  # so that places are taken
        has_parent = self.roll(0, 2) == 0
        asked = {
            "bid_id": self.bid_id, "first_product_id": self.roll(FIRST - (self.roll(0, 9) == 0), LAST - 2),
            "price_ticks": self.roll(-500, 9_000), "quantity_lots": self.roll(-(self.roll(0, 9) == 0), 9),
            "parent_bid_id": self.known_id() if has_parent else 0,
            "exclusive_group": self.roll(0, 2) if not has_parent or self.roll(0, 9) == 0 else 0,
            "period_count": self.roll(1, 3), "run_periods": self.roll(1, 2), "side": self.roll(1, 2),
        }  # fmt: skip
        self.say(SubmitBlockBid(**asked), self.slow.begin(asked))

    def extend(self) -> None:
        begun = self.slow.begun
        bid_id = begun.bid_id if begun and self.roll(0, 9) else self.bid_id + self.roll(0, 1)
        run = {
            "bid_id": bid_id,
            "quantity_lots": self.roll(-(self.roll(0, 9) == 0), 9),
            "run_periods": self.roll(1, 2),
        }
        self.say(ExtendBlockBid(**run), self.slow.extend(run))

    def say(self, command: Any, refused: str | None) -> None:
        events = self.rig.send(DESK, command)
        if refused:
            assert [(event["record"], event["reason"]) for event in events] == [("BidRejected", refused)]
        elif self.slow.begun is not None:
            assert events == []
        else:
            runs = [(event["quantity_lots"], event["run_periods"]) for event in events]
            told = [lots for lots, periods in runs for _ in range(periods)]
            assert told == self.slow.blocks[events[0]["bid_id"]].lots
            assert [event["record"] for event in events[1:]] == ["BlockBidRun"] * len(runs[1:])

    def award(self) -> None:
        bid_id = self.known_id()
        block = self.slow.blocks.get(bid_id)
        product_id = self.roll(block.first, block.first + block.count) if block else FIRST
        product_id = min(product_id, LAST)
        lots = self.roll(0, block.lots_of(product_id) + 1) if block else 1
        side = block.side if block and self.roll(0, 9) else self.roll(1, 2)
        refused = self.slow.award(bid_id, product_id, lots, side)
        events = self.rig.send(BRIDGE, RecordAward(
            bid_id=bid_id, product_id=product_id, price_ticks=self.roll(-900, 900), exchange_sequence=1,
            quantity_lots=lots, side=side,
        ))  # fmt: skip
        assert [event.get("reason") for event in events] == [refused]

    def end(self) -> None:
        bid_id = self.known_id()
        refused = self.slow.end(bid_id)
        (event,) = self.rig.send(BRIDGE, RecordOrderEnded(bid_id=bid_id, ending=CANCELLED))
        assert event.get("reason") == refused
        if refused is None:
            block = self.slow.blocks[bid_id]
            awarded = sum(block.awarded.values())
            assert (event["awarded_lots"], event["unfilled_lots"]) == (awarded, sum(block.lots) - awarded)

    def compare(self) -> None:
        for product_id in range(FIRST, LAST + 1):
            period = (FIRST_NS + (product_id - FIRST) * HOUR_NS) // PERIOD_NS + self.roll(0, 3)
            cell = self.rig.fleet.periods[period % PERIODS]
            assert int(cell.selling_power_w) == self.slow.exposed_w(product_id, 2)
            assert int(cell.buying_power_w) == self.slow.exposed_w(product_id, 1)
            assert int(cell.committed_power_w) == self.slow.committed_w[product_id]


@pytest.mark.parametrize("seed", range(6))
def test_block_bids_are_as_their_slow_twin_says(seed: int) -> None:
    twins = Twins(seed)
    twins.live(400)
    assert len(twins.slow.blocks) > 20
    assert twins.rig.fleet.accounts["balance_minor"].sum() == 0


def test_a_stream_of_block_bids_is_replayed_to_the_last_byte() -> None:
    twins = Twins(99)
    twins.live(300)
    again, told = Machine(MARKET), []
    for batch in twins.rig.journal:
        again.step(batch, lambda events: told.append(events.tobytes()))
    assert again.state.tobytes() == twins.rig.machine.state.tobytes()
    assert any(told)
