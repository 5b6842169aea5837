"""Reserve against its slow twin, on random streams in which most is about reserve."""

from collections import Counter
from typing import Any

import pytest
from slow_fleet import QUARTER_NS
from test_vpp_slow_twin import ASSET_COUNT, Twins

from ringmain.vpp.messages import SELL, RecordAward, SubmitBid
from ringmain.vpp.reserve_messages import RecordActivation
from ringmain.vpp.state import ACCOUNTS, SECOND_NS
from unit.vpp.rig import BRIDGE, DESK, HOUR_NS, MIDNIGHT_NS, report


class Callers(Twins):
    """A fleet that sells much reserve, and a buyer who calls on it all the time, at any nanosecond."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.said: Counter[str] = Counter()

    def live(self, hours: int) -> None:
        acts = [self.product, self.sell, self.sell, self.fill, self.fill, self.call, self.call, self.call,
                self.call, self.payment, self.price, self.baseline, self.all_report]  # fmt: skip
        while self.rig.now_ns < MIDNIGHT_NS + hours * HOUR_NS:
            self.pass_time(self.roll(1, 100 * SECOND_NS))
            acts[self.roll(0, len(acts) - 1)]()

    def watch_reserve(self, events: list[dict[str, Any]]) -> None:
        super().watch_reserve(events)
        self.said.update(event["record"] for event in events)

    def all_report(self) -> None:
        """All are half full and heard of, or nearly empty; their meters stand still."""
        if self.rig.now_ns % QUARTER_NS > QUARTER_NS // 10:  # who falls silent is so before the settlement
            return
        energy_wh = (5_000, 1_200)[self.roll(0, 1)]
        for asset_id in range(1, ASSET_COUNT + 1):
            self.number[asset_id] += 1
            said = {"asset_id": asset_id, "device_number": self.number[asset_id], "power_w": 0,
                    "measured_ns": self.rig.now_ns // 10**6 * 10**6, "energy_wh": energy_wh,
                    "charged_wh": 1_000, "discharged_wh": 2_000}  # fmt: skip
            self.rig.send(3 if asset_id % 2 else 4, report(**said))
            self.slow.report(100 if asset_id % 2 else 101, self.rig.now_ns, said)

    def sell(self) -> None:
        products = [p for p in self.slow.products.values() if self.rig.now_ns < p["gate_closure_ns"]]
        if not products:
            return
        product, self.bid_id = products[self.roll(0, len(products) - 1)], self.bid_id + 1
        bid = {"bid_id": self.bid_id, "product_id": product["product_id"], "side": SELL, "price_ticks": 0,
               "quantity_lots": self.roll(1, 12), "unit_id": 0}  # fmt: skip
        refused = self.slow.submit_bid(self.rig.now_ns, bid)
        (event,) = self.rig.send(DESK, SubmitBid(**bid, time_in_force=0))
        assert event.get("reason") == refused

    def fill(self) -> None:
        bids = [b for b in self.slow.bids.values() if b["open_lots"]]
        if not bids:
            return
        bid = bids[self.roll(0, len(bids) - 1)]
        award = {name: bid[name] for name in ("bid_id", "product_id", "side")}
        award |= {"price_ticks": self.roll(-500, 9_000), "quantity_lots": self.roll(1, bid["open_lots"])}
        refused = self.slow.record_award(award)
        events = self.rig.send(BRIDGE, RecordAward(**award, exchange_sequence=1))
        assert events[0].get("reason") == refused

    def call(self) -> None:
        won = {b["product_id"] for b in self.slow.bids.values() if b["quantity_lots"] > b["open_lots"]}
        products = [p for p in self.slow.products.values() if p["service"] and p["product_id"] in won]
        near = [p for p in products if abs(p["delivery_start_ns"] - self.rig.now_ns) < HOUR_NS]
        if not near:
            return
        product = near[self.roll(0, len(near) - 1)]
        end_ns = product["delivery_start_ns"] + product["delivery_duration_s"] * SECOND_NS
        lots, until_ns = self.roll(0, 4), self.roll(min(self.rig.now_ns, end_ns) - 60 * SECOND_NS, end_ns)
        said = {"product_id": product["product_id"], "quantity_lots": lots, "until_ns": until_ns}
        expected = self.slow.activate(self.rig.now_ns, said)
        (event,) = self.rig.send(BRIDGE, RecordActivation(**said))
        assert event.get("reason", event.get("power_w")) == expected
        self.said["called"] += isinstance(expected, int) and expected != 0


@pytest.mark.parametrize("seed", range(8))
def test_reserve_is_what_its_slow_twin_says(seed: int) -> None:
    twins = Callers(seed)
    twins.live(hours=10)
    fleet, slow = twins.rig.fleet, twins.slow
    balances = [int(fleet.accounts[i].balance_minor) for i in range(ACCOUNTS)]
    assert sum(balances) == 0
    assert balances[:4] == [slow.balance[name] for name in ("exchange", "fleet", "balancing", "wear")]
    assert twins.said["called"] > 10, "no stream calls on nothing"
    assert twins.said["ReserveKept"] > 10
    assert twins.said["ReserveShort"] > 3
