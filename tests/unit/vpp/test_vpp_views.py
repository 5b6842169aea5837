"""Views, bids from plans, and fleets from seeds and files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ringmain.core.errors import RingmainError
from ringmain.vpp.advice.bidding import Order, Want, orders, shared_lots
from ringmain.vpp.advice.fleet_plan import blocks
from ringmain.vpp.fleets import FIELDS, fleet_from_file, seeded_fleet
from ringmain.vpp.messages import BUY, SCHEMA, SELL, PlanAccepted, SubmitPlan
from ringmain.vpp.state import PERIOD_NS, PLAN_PERIODS
from ringmain.vpp.views import DeskView, Plans, Product
from unit.vpp.rig import BRIDGE, DESK, HOUR_NS, LINK, MIDNIGHT_NS, MINUTE_NS, Rig, battery, report
from unit.vpp.test_vpp_desk import DELIVERY_NS, award, bid, product

FIRST = MIDNIGHT_NS // PERIOD_NS


def a_short_life() -> Rig:
    """A rig that has done a little of everything, its events still untaken."""
    rig = Rig()
    rig.apply(DESK, [battery(1), battery(2), product(), bid(), bid(bid_id=2, side=BUY, quantity_lots=1)])
    rig.apply(BRIDGE, [award(quantity_lots=6)])
    plan = SubmitPlan(asset_id=1, power_w=900, delivery_start_ns=DELIVERY_NS, delivery_duration_s=1_800)
    rig.apply(DESK, [plan])
    for minute in range(0, 200, 2):
        rig.now_ns = MIDNIGHT_NS + minute * MINUTE_NS
        rig.run_timers()
        discharged_wh = max(0, minute - 118) * 30
        rig.apply(LINK, [report(1, minute + 1, rig.now_ns, discharged_wh=discharged_wh)])
    return rig


@pytest.mark.parametrize("cut", [1, 7, 10_000])
def test_a_view_is_the_same_however_the_tape_is_cut(cut: int) -> None:
    rows = a_short_life().rows()
    view = DeskView()
    for begin in range(0, len(rows), cut):
        view.fold(rows[begin : begin + cut])
    assert view.assets.active.asset_id.tolist() == [1, 2]
    assert view.assets.twins[1].energy_wh == 5_000
    assert (view.bids.by_id[1].ending, view.bids.by_id[1].amount_minor) == ("FILLED", 4_100 * 6 * 10)
    assert [(b.bid_id, b.open_lots) for b in view.bids.open()] == [(2, 1)]
    assert (view.bids.last_bid_id, view.bids.last_answered_id) == (2, 2)
    assert set(view.commitments.power_w.values()) == {6_000}
    assert view.plans.fleet_power_w(DELIVERY_NS // PERIOD_NS + 1) == 900
    assert len(view.settlement.statements) == 12
    assert view.track.last is not None
    assert view.track.last.committed_power_w == 0
    assert any(tick.committed_power_w == 6_000 for tick in view.track.ticks)
    owed = {s.period_start_ns: s.committed_wh for s in view.settlement.statements}
    assert owed[DELIVERY_NS] == 1_500
    assert sum(view.settlement.site_metered_wh.values()) == sum(
        s.metered_wh for s in view.settlement.statements
    )


def hourly(product_id: int, hour: int, seconds: int = 3_600) -> Product:
    return Product(product_id, MIDNIGHT_NS + hour * HOUR_NS, seconds, 0, 1_000, 10)


def test_hours_take_what_their_quarters_share_and_quarters_the_rest() -> None:
    wants = {FIRST + k: Want(power_w, 30, 20) for k, power_w in enumerate([5_400, 5_900, 8_000, 5_000])}
    quarters = [Product(20 + k, MIDNIGHT_NS + k * PERIOD_NS, 900, 0, 1_000, 10) for k in range(4)]
    asked = list(orders(wants, {FIRST: 1_000}, [*quarters, hourly(1, 0)]))
    assert asked == [
        Order(1, SELL, 30, 4),
        Order(21, SELL, 30, 1),
        Order(22, SELL, 30, 4),
        Order(23, SELL, 30, 1),
    ]


def test_what_is_owed_too_much_is_bought_back() -> None:
    wants = dict.fromkeys(range(FIRST, FIRST + 4), Want(-500, 30, 20))
    owed = dict.fromkeys(range(FIRST, FIRST + 4), 2_000)
    assert list(orders(wants, owed, [hourly(1, 0), hourly(2, 1)])) == [Order(1, BUY, 20, 2)]


@pytest.mark.parametrize(("missing", "lots"), [([999, 5_000], 0), ([-2_500, -3_000], -2), ([-1, 9_000], 0)])
def test_lots_never_overshoot_what_is_missing(missing: list[int], lots: int) -> None:
    assert shared_lots(missing, 1_000) == lots


def test_equal_hours_make_one_block() -> None:
    rows, firsts, counts = blocks(np.array([[0, 0, 5, 5, 5, -1], [-1, -1, -1, -1, -1, -1]]))
    assert rows.tolist() == [0, 0, 0, 1]
    assert firsts.tolist() == [0, 2, 5, 0]
    assert counts.tolist() == [2, 3, 1, 6]
    assert all(not part.size for part in blocks(np.zeros((0, 24))))


def test_a_seed_gives_a_fleet_that_the_engine_takes() -> None:
    fleet = seeded_fleet(300, 7, [100, 101])
    assert [r.tobytes() for r in fleet] == [r.tobytes() for r in seeded_fleet(300, 7, [100, 101])]
    events = Rig().send(DESK, *fleet)
    assert sum(event["record"] == "BatteryRegistered" for event in events) == 300


def test_a_fleet_comes_from_csv_and_json(tmp_path: Path) -> None:
    rows = [{name: int(r[name][0]) for name in FIELDS} for r in seeded_fleet(3, 1, [100])]
    (tmp_path / "fleet.json").write_text(json.dumps(rows))
    lines = [",".join(FIELDS), *[",".join(str(value) for value in row.values()) for row in rows]]
    (tmp_path / "fleet.csv").write_text("\n".join(lines) + "\n")
    for name in ("fleet.json", "fleet.csv"):
        loaded = fleet_from_file(tmp_path / name)
        assert [r.tobytes() for r in loaded] == [r.tobytes() for r in seeded_fleet(3, 1, [100])]


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("fleet.xlsx", "", "RM601"),
        ("fleet.csv", "asset_id\nseven\n", "RM602"),
        ("fleet.json", '[{"asset_id": 1}]', "RM602"),
        ("fleet.json", "{", "RM601"),
        ("fleet.json", "7", "RM601"),
        ("fleet.json", "[7]", "RM602"),
    ],
)
def test_a_file_that_is_no_fleet_is_refused_in_words(tmp_path: Path, name: str, text: str, code: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(RingmainError, match=code):
        fleet_from_file(tmp_path / name)


def accepted(asset_id: int, first: int, count: int, power_w: int) -> Any:
    return PlanAccepted(
        asset_id=asset_id,
        power_w=power_w,
        delivery_start_ns=first * PERIOD_NS,
        delivery_duration_s=count * 900,
    )


@pytest.mark.parametrize("cut", [1, 2, 100])
def test_plans_forget_what_is_long_past_and_keep_the_newest(cut: int) -> None:
    """However the tape is cut: a ring that comes round shows nothing of the round before."""
    events = [
        accepted(1, FIRST, 8, 100),
        accepted(2, FIRST + 4, 4, 50),
        accepted(1, FIRST + 2, 2, 70),
        accepted(1, FIRST + 5, 1, 0),
        accepted(2, FIRST + PLAN_PERIODS + 6, 1, 30),
    ]
    view = Plans()
    for begin in range(0, len(events), cut):
        view.fold(SCHEMA.batch(events[begin : begin + cut]))
    kept = view.power_w(np.array([1, 2, 3]), np.arange(FIRST, FIRST + 9))
    assert kept.tolist() == [[0] * 7 + [100, 0], [0] * 7 + [50, 0], [0] * 9]
    later = np.arange(FIRST + PLAN_PERIODS, FIRST + PLAN_PERIODS + 9)
    assert view.power_w(np.array([1, 2]), later).tolist() == [[0] * 9, [0] * 6 + [30, 0, 0]]
    assert view.fleet_power_w(FIRST + 7) == 150


def test_the_newest_of_two_plans_stands() -> None:
    view = Plans()
    view.fold(
        SCHEMA.batch([accepted(1, FIRST, 4, 100), accepted(1, FIRST + 1, 2, -60), accepted(1, FIRST, 1, 5)])
    )
    assert view.power_w(np.array([1]), np.arange(FIRST, FIRST + 4)).tolist() == [[5, -60, -60, 100]]
