"""A desk that resumes, from a checkpoint or from the tape's begin, is the desk that never died."""

import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ringmain.core.page import NodePage
from ringmain.core.tape import TapeWriter
from ringmain.vpp.messages import REFERENCE, SCHEMA, DefineProduct, PlugIn, RecordPrice, RetireAsset, Unplug
from ringmain.vpp.state import SECOND_NS
from ringmain.vpp.views import DeskView
from ringmain.world import desk as module
from ringmain.world.desk import FleetDesk
from unit.vpp.rig import BRIDGE, DESK, HOUR_NS, LINK, MIDNIGHT_NS, MINUTE_NS, Rig, battery, report
from unit.vpp.test_vpp_desk import award, bid
from unit.vpp.test_vpp_hierarchy import charger, heat_store, load, solar
from unit.vpp.test_vpp_reserve import block, offer, won

BATTERIES, LOAD, SOLAR, HEAT, CHARGER = (1, 2, 3), 4, 5, 6, 7
RESERVE = 600  # a product
MADE_ON_DEMAND = ("_counts",)  # from the rest of a view
HOURS = 27  # so that each quarter-hour of some is met twice


def plain(value: Any) -> Any:
    """Return a view as what can be compared, to the last bit."""
    if isinstance(value, np.ndarray):
        return (str(value.dtype), value.shape, value.tobytes())
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items() if key not in MADE_ON_DEMAND}
    if isinstance(value, (str, int, float)) or value is None:
        return value
    if hasattr(value, "__dict__"):
        return (type(value).__name__, plain(vars(value)))
    return [plain(each) for each in value]


@pytest.fixture(scope="module")
def rows():
    """Return the events of a day and a bit of a small fleet with everything in it."""
    rig, dice, number = Rig(), np.random.default_rng(4), 0
    others = [load(LOAD, node_id=1), solar(SOLAR, node_id=1), heat_store(HEAT, node_id=2),
              charger(CHARGER, node_id=2)]  # fmt: skip
    rig.apply(DESK, [*map(battery, BATTERIES), *others])
    for hour in range(1, 48):
        start_ns, price_ticks = MIDNIGHT_NS + hour * HOUR_NS, int(dice.integers(-500, 9_000))
        defined = DefineProduct(
            product_id=hour, delivery_start_ns=start_ns, delivery_duration_s=3_600,
            gate_closure_ns=start_ns - 5 * MINUTE_NS, lot_power_w=1_000, value_minor=10,
        )  # fmt: skip
        price = RecordPrice(
            delivery_start_ns=start_ns, delivery_duration_s=3_600, price_ticks=price_ticks,
            price_kind=REFERENCE,
        )  # fmt: skip
        rig.apply(BRIDGE, [defined, price])
    for minute in range(5, HOURS * 60, 5):
        rig.now_ns, number = MIDNIGHT_NS + minute * MINUTE_NS, number + 1
        rig.run_timers()
        for asset_id in (*BATTERIES, LOAD, SOLAR, HEAT, CHARGER):
            limit_w = {LOAD: (-3_000, 0), SOLAR: (0, 2_000)}.get(asset_id, (-2_000, 0))
            said = {"power_w": int(dice.integers(*limit_w)), "energy_wh": int(dice.integers(2_000, 6_000))}
            rig.apply(LINK, [report(asset_id, number, rig.now_ns, **said)])
        if minute % 240 == 20:
            departs_s = (rig.now_ns + 6 * HOUR_NS) // SECOND_NS
            rig.apply(LINK, [PlugIn(asset_id=CHARGER, departs_s=departs_s, required_wh=9_000)])
        if minute % 240 == 200:
            rig.apply(LINK, [Unplug(asset_id=CHARGER)])
        if minute % 120 == 0:
            bid_id = minute // 120 + (500 if minute > 300 else 0)
            rig.apply(DESK, [bid(bid_id=bid_id, product_id=minute // 120 + 30)])
            rig.apply(BRIDGE, [award(bid_id=bid_id, product_id=minute // 120 + 30)])
        if minute == 300:
            start_s = (MIDNIGHT_NS + 30 * HOUR_NS) // SECOND_NS
            held = {"product_id": RESERVE, "bid_id": 500}
            rig.apply(BRIDGE, [
                block(product_id=RESERVE, delivery_start_s=start_s, gate_closure_s=start_s - 1_800)
            ])  # fmt: skip
            rig.apply(DESK, [offer(**held)])
            rig.apply(BRIDGE, [won(**held)])
        if minute == 600:
            rig.apply(DESK, [RetireAsset(asset_id=3)])
    return rig.rows()


def folded(rows, sizes):
    view, at = DeskView(), 0
    for size in sizes:
        view.fold(rows[at : at + size])
        at += size
    assert at >= len(rows)
    return plain(view)


def test_a_view_is_the_same_however_the_tape_is_cut(rows):
    """A desk that reads on by the minute, and one that reads all again in large pieces."""
    whole = folded(rows, [len(rows)])
    assert whole[1]["reserves"][1]["up_w"], "reserve is held"
    kinds = {SCHEMA.unpack_event(row)["record"] for row in rows}
    assert {
        "AssetRetired",
        "PluggedIn",
        "Unplugged",
        "AssetMeasured",
        "AwardRecorded",
        "ReserveDefined",
    } <= kinds
    for seed in range(6):
        print(f"seed {seed}")
        dice = random.Random(seed)
        largest = dice.choice((40, 400, 4_000))
        sizes = [dice.randrange(1, largest) for _ in range(len(rows))]
        cut = []
        while sum(cut) < len(rows):
            cut.append(sizes.pop())
        assert folded(rows, cut) == whole


class Venue:
    """A fleet's tape that goes on bit by bit, and a session that notes what is sent."""

    def __init__(self, folder, rows):
        (folder / "vpp").mkdir(parents=True)
        self.folder, self.rows, self.sent = folder, rows, []
        page = NodePage(folder / "vpp" / "page", create=True)
        self.tape = TapeWriter(folder / "vpp" / "tape", page, SCHEMA.record_bytes)
        self.client = SimpleNamespace(
            send_batch=lambda batch: self.sent.append(batch.tobytes()), settle=lambda: None,
            poll=lambda: SCHEMA.empty(0),
        )  # fmt: skip

    def go_on(self, count):
        begin = self.tape.position
        self.tape.append(self.rows[begin : begin + count])
        self.tape.publish(self.tape.position)
        return int(self.rows["time_ns"][self.tape.position - 1])

    def desk(self, memory=None):
        return FleetDesk(self.folder, self.client, known_ticks(), {}, memory)

    def advice(self, desk, now_ns):
        self.sent.clear()
        desk.act(now_ns)
        return list(self.sent)


def known_ticks():
    return {MIDNIGHT_NS - n * HOUR_NS: 3_000 + 700 * (n % 24) for n in range(1, 24 * 21)}


@pytest.mark.parametrize("seed", range(4))
def test_a_resumed_desk_sends_what_one_from_the_begin_sends(tmp_path, rows, monkeypatch, seed):
    """It dies at random; its checkpoint is torn at times."""
    print(f"seed {seed}")
    monkeypatch.setattr(module, "KEPT_EVERY", 50)
    dice, venue, memory = random.Random(seed), Venue(tmp_path, rows), tmp_path / "desk.checkpoint"
    lasting, mortal = venue.desk(), venue.desk(memory)
    sent = 0
    while venue.tape.position < len(rows):
        now_ns = venue.go_on(dice.randrange(1, 2_500)) + dice.randrange(30) * MINUTE_NS
        if memory.exists() and dice.random() < 0.1:
            memory.write_bytes(memory.read_bytes()[:-1])
        mortal.look()
        mortal = venue.desk(memory)
        for desk in (mortal, lasting):
            desk.look()
        assert plain(mortal.view) == plain(lasting.view)
        advice = venue.advice(mortal, now_ns)
        assert advice == venue.advice(venue.desk(), now_ns)
        sent += len(advice)
    assert sent > 1


def test_a_checkpoint_spares_the_reading(tmp_path, rows, monkeypatch):
    venue, memory = Venue(tmp_path, rows), tmp_path / "desk.checkpoint"
    venue.go_on(len(rows))
    monkeypatch.setattr(module, "KEPT_EVERY", 50)
    venue.desk(memory).look()
    resumed = venue.desk(memory)
    folds = []
    monkeypatch.setattr(resumed.view, "fold", folds.append)
    resumed.look()
    assert not folds
