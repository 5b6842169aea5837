"""The engine against its slow twin, on random streams."""

from typing import Any

import numpy as np
import pytest
from slow_fleet import QUARTER_NS, SlowFleet

from ringmain.vpp.loop_messages import CorrectMeter, SetSubmitMode, SubmitBaseline
from ringmain.vpp.messages import (
    EXPECTED,
    IMBALANCE,
    REFERENCE,
    DefineProduct,
    RecordAward,
    RecordPrice,
    SubmitBid,
    SubmitPlan,
)
from ringmain.vpp.reserve_messages import DefineReserve, RecordActivation, RecordReserveSettled
from ringmain.vpp.state import ACCOUNTS, METER_PERIODS, PERIODS, SECOND_NS
from unit.vpp.rig import (
    BRIDGE,
    DESK,
    HOUR_NS,
    LINK,
    LINK_ACCOUNT,
    MIDNIGHT_NS,
    OTHER_ACCOUNT,
    OTHER_LINK,
    Rig,
    battery,
    named,
    report,
)
from unit.vpp.test_vpp_hierarchy import node

ASSET_COUNT = 8
UNITS = {20: 0, 21: 20, 22: 21, 23: 20}  # nodes beside the sites, and the node above each
ACCOUNT_OF = {LINK: LINK_ACCOUNT, OTHER_LINK: OTHER_ACCOUNT}


class Twins:
    """One random stream, fed to both."""

    def __init__(self, seed: int) -> None:
        self.dice = np.random.default_rng(seed)
        self.rig, self.slow = Rig(), SlowFleet(MIDNIGHT_NS)
        self.number = dict.fromkeys(range(1, ASSET_COUNT + 1), 0)
        self.meters = {a: [1_000, 2_000] for a in self.number}
        self.quiet_until = dict.fromkeys(self.number, 0)
        self.bid_id = 0
        self.sites = {a: 1 + (a - 1) // 2 for a in self.number}
        for asset_id in self.number:
            asked = battery(
                asset_id,
                node_id=self.sites[asset_id],
                link_account_id=LINK_ACCOUNT if asset_id % 2 else OTHER_ACCOUNT,
                wear_price_ticks=int(self.dice.integers(0, 3_001)),
            )
            self.rig.send(DESK, asked)
            self.slow.assets[asset_id] = {name: int(asked[name][0]) for name in asked.dtype.names}
        for unit_id, parent_id in UNITS.items():
            self.rig.send(DESK, node(unit_id, parent_id=parent_id))
            self.slow.parents[unit_id] = parent_id
        self.short_w: dict[int, tuple[int, int]] = {}

    def roll(self, low: int, high: int) -> int:
        return int(self.dice.integers(low, high + 1))

    def live(self, hours: int) -> None:
        while self.rig.now_ns < MIDNIGHT_NS + hours * HOUR_NS:
            self.pass_time(self.roll(10, 90) * SECOND_NS)
            act = self.roll(0, 109)
            if act < 74:
                self.report()
            elif act < 77:
                self.baseline()
            elif act < 82:
                self.correct()
            elif act < 88:
                self.plan()
            elif act < 90:
                self.price()
            elif act < 92:
                self.product()
            elif act < 96:
                self.bid()
            elif act < 101:
                self.award()
            elif act < 107:
                self.activation()
            elif act < 109:
                self.payment()
            else:
                self.mode()

    def pass_time(self, span_ns: int) -> None:
        events = self.rig.advance(self.rig.now_ns + span_ns)
        self.watch_reserve(events)
        sites = named(events, "SiteSettled")
        for energy, money in zip(named(events, "FleetMetered"), named(events, "FleetSettled"), strict=True):
            expected = self.slow.settle()
            start_ns = (self.slow.next_period - 1) * QUARTER_NS
            assert start_ns == energy["period_start_ns"] == money["period_start_ns"]
            assert expected["energy"] == tuple(list(energy.values())[-5:])
            assert expected["money"] == tuple(list(money.values())[-3:])
            paid = [tuple(list(s.values())[-4:]) for s in sites if s["period_start_ns"] == start_ns]
            assert expected["sites"] == paid
            applied = [b for b in named(events, "BaselineApplied") if b["period_start_ns"] == start_ns]
            assert [b["baseline_wh"] for b in applied] in ([expected["baseline"]], [])
            assert applied or expected["baseline"] == 0
            kept = [k for k in named(events, "ReserveKept") if k["period_start_s"] * SECOND_NS == start_ns]
            self.check_reserve(start_ns, kept, expected["reserve"])

    def watch_reserve(self, events: list[dict[str, Any]]) -> None:
        """What is owed at each tick is what the slow twin says; a shortage is told only when it grows."""
        for event in named(events, "FleetDispatched"):
            owed_w = self.slow.committed_w[event["period_start_ns"] // QUARTER_NS]
            assert event["committed_power_w"] == owed_w + self.slow.active_w(event["time_ns"])
        for event in named(events, "ReserveShort"):
            before = self.short_w.get(event["period_start_ns"], (0, 0))
            ways = ("up", "down")
            now = tuple(event[f"owed_{way}_w"] - event[f"available_{way}_w"] for way in ways)
            assert now[0] > before[0] or now[1] > before[1]
            self.short_w[event["period_start_ns"]] = (max(before[0], now[0]), max(before[1], now[1]))

    def check_reserve(self, start_ns: int, kept: list[dict[str, Any]], expected: tuple[int, ...]) -> None:
        if not kept:
            assert expected == (0, 0, 0, 0)
            return
        (told,) = kept
        names = ("activated_wh", "availability_minor", "up_w", "down_w")
        assert tuple(told[name] for name in names) == expected
        assert (told["short_up_w"], told["short_down_w"]) == self.short_w.get(start_ns, (0, 0))

    def report(self) -> None:
        """Reports that are mostly true; an asset that skips a border stays away until it is silent."""
        asset_id, now_ns = self.roll(1, ASSET_COUNT), self.rig.now_ns
        if now_ns < self.quiet_until[asset_id]:
            return
        if self.roll(0, 40) == 0:
            self.quiet_until[asset_id] = now_ns + self.roll(1, 100) * 60 * SECOND_NS
        session = LINK if asset_id % 2 else OTHER_LINK
        self.number[asset_id] += self.roll(1, 3)
        charged, discharged = self.meters[asset_id]
        said: dict[str, int] = {
            "asset_id": asset_id,
            "device_number": self.number[asset_id],
            "measured_ns": (now_ns // 10**6 - self.roll(0, 4_000)) * 10**6,
            "power_w": self.roll(-5_000, 5_000),
            "energy_wh": self.roll(1_000, 10_000),
            "charged_wh": charged + self.roll(0, 1) * self.roll(0, 120),
            "discharged_wh": discharged + self.roll(0, 1) * self.roll(0, 120),
        }
        session = self.spoil(said, session)
        refused = self.slow.report(ACCOUNT_OF[session], now_ns, said)
        events = self.rig.send(session, report(**said))
        assert [event["reason"] for event in events] == ([refused] if refused else [])
        if refused is None:
            last = self.slow.last.get(asset_id, said)
            self.meters[asset_id] = [last["charged_wh"], last["discharged_wh"]]

    def spoil(self, said: dict[str, int], session: int) -> int:
        """Now and then make a report that is not good; return the session that sends it."""
        fault = self.roll(0, 60)
        if fault == 0:
            said["device_number"] -= self.roll(1, 5)
            said["device_number"] = max(0, said["device_number"])
        elif fault == 1:
            said["measured_ns"] += self.roll(-3_600, 3_600) * SECOND_NS
        elif fault == 2:
            said["power_w"] *= 3
        elif fault == 3:
            said["energy_wh"] += 4_000
        elif fault == 4:
            said["charged_wh"] += self.roll(-500, 5_000)
        elif fault == 5:
            said["asset_id"] = ASSET_COUNT + 1
        elif fault == 6:
            return LINK + OTHER_LINK - session
        return session

    def plan(self) -> None:
        first = self.rig.now_ns // QUARTER_NS + self.roll(1, 6)
        block = {"asset_id": self.roll(1, ASSET_COUNT), "power_w": self.roll(-5_000, 5_000)}
        count = self.roll(1, 4)
        for period in range(first, first + count):
            self.slow.plan[block["asset_id"], period] = (
                int(block["power_w"] / 4) * 4
            )  # kept in steps of 4 W, towards zero
        asked = SubmitPlan(**block, delivery_start_ns=first * QUARTER_NS, delivery_duration_s=900 * count)
        assert self.rig.send(DESK, asked)[0]["record"] == "PlanAccepted"

    def baseline(self) -> None:
        site, first = self.roll(1, ASSET_COUNT // 2), self.rig.now_ns // QUARTER_NS + self.roll(0, 6)
        power_w, count = self.roll(-4_000, 4_000), self.roll(1, 3)
        has_begun = first * QUARTER_NS < self.rig.now_ns
        asked = SubmitBaseline(
            site_id=site,
            power_w=power_w,
            delivery_start_ns=first * QUARTER_NS,
            delivery_duration_s=900 * count,
        )
        (event,) = self.rig.send(DESK, asked)
        assert event.get("reason") == ("PERIOD_PAST" if has_begun else None)
        if not has_begun:
            self.slow.baseline_w.update(dict.fromkeys(((site, first + k) for k in range(count)), power_w))

    def correct(self) -> None:
        site, period = self.roll(1, ASSET_COUNT // 2 + 1), self.slow.next_period - self.roll(0, 12)
        metered = self.slow.settled.get((site, period), 0) + self.roll(-3, 3) * 50
        expected = self.slow.correct(site, period, metered)
        asked = CorrectMeter(period_start_ns=period * QUARTER_NS, site_id=site, metered_wh=metered)
        events = self.rig.send(DESK, asked)
        if isinstance(expected, str):
            assert [event["reason"] for event in events] == [expected]
            return
        one, whole = events
        assert (one["amount_minor"], one["balance_minor"], whole["correction_wh"]) == expected
        assert one["metered_wh"] == metered

    def price(self) -> None:
        first, kind = self.rig.now_ns // QUARTER_NS + self.roll(0, 6), self.roll(REFERENCE, EXPECTED)
        ticks = self.roll(-3_000, 9_000)
        known = {REFERENCE: self.slow.reference, IMBALANCE: self.slow.imbalance, EXPECTED: {}}[kind]
        known[first] = ticks
        asked = RecordPrice(
            delivery_start_ns=first * QUARTER_NS, delivery_duration_s=900, price_ticks=ticks, price_kind=kind
        )
        assert self.rig.send(BRIDGE, asked)[0]["record"] == "PriceRecorded"

    def product(self) -> None:
        first, count = self.rig.now_ns // QUARTER_NS + self.roll(1, 8), (1, 4)[self.roll(0, 1)]
        product: dict[str, int] = {
            "product_id": len(self.slow.products) + 1,
            "delivery_start_ns": first * QUARTER_NS,
            "delivery_duration_s": 900 * count,
            "gate_closure_ns": first * QUARTER_NS - 300 * SECOND_NS,
            "lot_power_w": 1_000,
            "value_minor": self.roll(1, 40),
        }
        service = self.roll(0, 2)
        self.slow.products[product["product_id"]] = {**product, "service": service}
        if service:
            product["delivery_start_s"] = product.pop("delivery_start_ns") // SECOND_NS
            product["gate_closure_s"] = product.pop("gate_closure_ns") // SECOND_NS
            (event,) = self.rig.send(BRIDGE, DefineReserve(**product, service=service))
        else:
            (event,) = self.rig.send(BRIDGE, DefineProduct(**product))
        assert event["record"] == ("ReserveDefined" if service else "ProductDefined")

    def bid(self) -> None:
        self.bid_id += self.roll(0, 1)
        bid = {
            "bid_id": self.bid_id,
            "product_id": self.roll(1, len(self.slow.products) + 1),
            "side": self.roll(1, 2),
            "price_ticks": 0,
            "quantity_lots": self.roll(0, 20),
            "unit_id": (0, 0, 0, 3, 20, 21, 22, 23, 24)[self.roll(0, 8)],
        }
        refused = self.slow.submit_bid(self.rig.now_ns, bid)
        (event,) = self.rig.send(DESK, SubmitBid(**bid, time_in_force=0))
        if refused == "shadowed":
            assert event["record"] == "BidShadowed"
        else:
            assert event.get("reason") == refused

    def mode(self) -> None:
        unit_id, mode = (3, 20, 21, 22, 23, 24)[self.roll(0, 5)], (0, 1, 2, 3)[self.roll(0, 3)]
        (event,) = self.rig.send(DESK, SetSubmitMode(product_id=0, submit_mode=mode, unit_id=unit_id))
        assert event.get("reason") == ("UNKNOWN_UNIT" if unit_id == 24 else None)
        if unit_id != 24:
            self.slow.unit_mode[unit_id] = mode

    def reserve_id(self) -> int:
        """Mostly a reserve that is near its delivery, now and then any product."""
        near = [
            product_id for product_id, p in self.slow.products.items()
            if p["service"] and abs(p["delivery_start_ns"] - self.rig.now_ns) < HOUR_NS
        ]  # fmt: skip
        if not near or self.roll(0, 9) == 0:
            return self.roll(1, len(self.slow.products) + 1)
        return near[self.roll(0, len(near) - 1)]

    def activation(self) -> None:
        product_id = self.reserve_id()
        product = self.slow.products.get(product_id, {"delivery_start_ns": 0, "delivery_duration_s": 900})
        span_ns = product["delivery_duration_s"] * SECOND_NS
        said = {
            "product_id": product_id,
            "quantity_lots": self.roll(-1, 9),
            "until_ns": product["delivery_start_ns"] + self.roll(0, span_ns + span_ns // 20),
        }
        expected = self.slow.activate(self.rig.now_ns, said)
        (event,) = self.rig.send(BRIDGE, RecordActivation(**said))
        assert event.get("reason", event.get("power_w")) == expected

    def payment(self) -> None:
        product_id, amount = self.reserve_id(), self.roll(-20, 5_000)
        expected = self.slow.pay(product_id, amount)
        asked = RecordReserveSettled(product_id=product_id, amount_minor=amount, activated_wh=7)
        (event,) = self.rig.send(BRIDGE, asked)
        start_ns = expected * QUARTER_NS if isinstance(expected, int) else expected
        assert event.get("reason", event.get("period_start_ns")) == start_ns

    def award(self) -> None:
        bid = self.slow.bids.get(self.roll(1, self.bid_id + 1), {})
        award: dict[str, Any] = {
            "bid_id": bid.get("bid_id", self.bid_id + 5),
            "product_id": bid.get("product_id", 1),
            "side": bid.get("side", 1) if self.roll(0, 9) else 1,
            "price_ticks": self.roll(-500, 9_000),
            "quantity_lots": self.roll(0, 12),
        }
        refused = self.slow.record_award(award)
        events = self.rig.send(BRIDGE, RecordAward(**award, exchange_sequence=1))
        assert events[0].get("reason") == refused


@pytest.mark.parametrize("seed", range(12))
def test_the_engine_says_what_its_slow_twin_says(seed: int) -> None:
    twins = Twins(seed)
    twins.live(hours=8)
    fleet, slow = twins.rig.fleet, twins.slow
    assert fleet.dropped_count == slow.dropped
    assert fleet.next_period == slow.next_period
    for period in range(slow.next_period, slow.next_period + 20):
        assert fleet.periods[period % PERIODS].committed_power_w == slow.committed_w[period]
        assert fleet.periods[period % PERIODS].reserve_up_w == slow.held_w[1, period]
        assert fleet.periods[period % PERIODS].reserve_down_w == slow.held_w[2, period]
    for asset_id in range(1, ASSET_COUNT + 1):
        for period in range(slow.next_period, slow.next_period + METER_PERIODS):
            cell = fleet.meters[asset_id, period % METER_PERIODS]
            assert cell["charged_wh"] == slow.in_wh[asset_id, period]
            assert cell["discharged_wh"] == slow.out_wh[asset_id, period]
    balances = [int(fleet.accounts[i].balance_minor) for i in range(ACCOUNTS)]
    assert sum(balances) == 0
    assert any(version > 1 for version in fleet.settled["version"]), "no stream corrects nothing"
    names = {0: "exchange", 1: "fleet", 2: "balancing", 3: "wear"}
    for account, name in names.items():
        assert balances[account] == slow.balance[name]
