"""What a run is to live: prices, what the forecast knows before, and the fleet."""

import json
from datetime import date, timedelta
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from ringmain.core.errors import RingmainError
from ringmain.vpp.fleets import FIELDS
from ringmain.world.calendar import DAY_NS, HOUR_NS, midnight_ns
from ringmain.world.desk import published_ticks
from ringmain.world.live import HISTORY_DAYS, Plan, plan_of
from ringmain.world.prices import Prices
from ringmain.world.run import FLEET_FILE, HOMES, OTHERS_FILE, make_plan
from ringmain.world.seats import HOMES_ACCOUNT, LINK_ACCOUNT

FIRST = date(2024, 5, 20)


def prices(days):
    return Prices("made up", {day: np.arange(24) + 100 * day.day for day in days})


def before(count, end=FIRST):
    return [end - timedelta(n) for n in range(count, 0, -1)]


def plan_for(days, tmp_path):
    return plan_of(tmp_path, prices([*days, FIRST]), FIRST, 1)


@pytest.mark.parametrize(("days", "known"), [(1, 1), (9, 9), (HISTORY_DAYS + 9, HISTORY_DAYS)])
def test_the_forecast_knows_the_days_before(tmp_path, days, known):
    plan = plan_for(before(days), tmp_path)
    assert plan.days == [FIRST]
    assert len(plan.history) == known and plan.history[-1] == plan.prices[0]
    ticks = plan.known_ticks()
    last_ns = midnight_ns(FIRST) - HOUR_NS
    assert len(ticks) == 24 * known and max(ticks) == last_ns
    assert ticks[last_ns] == 23 + 100 * (FIRST - timedelta(1)).day
    assert ticks[midnight_ns(FIRST) - known * DAY_NS] == 100 * (FIRST - timedelta(known)).day


def test_a_gap_ends_what_it_knows(tmp_path):
    plan = plan_for([*before(9, FIRST - timedelta(4)), *before(3)], tmp_path)
    assert len(plan.history) == 3


def test_published_prices_are_by_hour():
    quarter = HOUR_NS // 4
    assert published_ticks({8: 70, 9: 70, 10: 70, 11: 70, 12: -5}) == {8 * quarter: 70, 12 * quarter: -5}


# The fleet of a run.


def options(data, **more):
    values = {
        "data": data, "days": 1, "prices": None, "day": None, "seed": 5, "speed": "max", "batteries": None,
        "fleet": None,
    }  # fmt: skip
    return SimpleNamespace(**{**values, **more})


def rows_of(count, **changes):
    row = dict(zip(FIELDS, (1, 1, 4_000, 3_000, 9_000, 77, 100, 950, 940, 200), strict=True))
    return [{**row, "asset_id": 900 - 3 * n, "node_id": n + 1, **changes} for n in range(count)]


def fleet_file(tmp_path, rows):
    path = tmp_path / "fleet.json"
    path.write_text(json.dumps(rows))
    return path


def test_a_fleet_is_seeded_or_read_and_hangs_on_the_worlds_link(tmp_path):
    whole = make_plan(options(tmp_path))
    assert len(whole.fleet) == HOMES
    assert {row["kind"] for row in whole.others} == {"node", "load", "solar", "charger", "heat_store"}
    assert {row.get("link_account_id", HOMES_ACCOUNT) for row in whole.others} == {HOMES_ACCOUNT}
    assert msgspec.json.decode(msgspec.json.encode(whole), type=Plan) == whole
    assert (
        make_plan(options(tmp_path, batteries=7)).fleet == make_plan(options(tmp_path, batteries=9)).fleet[:7]
    )
    assert make_plan(options(tmp_path, batteries=0)).fleet == []
    plan = make_plan(options(tmp_path, fleet=fleet_file(tmp_path, rows_of(3))))
    registered = plan.registrations()
    assert registered["asset_id"].tolist() == [900, 897, 894]
    assert set(registered["link_account_id"].tolist()) == {LINK_ACCOUNT}
    assert set(registered["discharge_limit_w"].tolist()) == {3_000}
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


def test_a_folder_keeps_its_fleet(tmp_path):
    kept = make_plan(options(tmp_path, batteries=7)).fleet
    (tmp_path / FLEET_FILE).parent.mkdir()
    (tmp_path / FLEET_FILE).write_bytes(msgspec.json.encode(kept))
    (tmp_path / OTHERS_FILE).write_bytes(b"[]")
    for same in ({}, {"seed": 8}, {"batteries": 7}):
        assert make_plan(options(tmp_path, **same)).fleet == kept
    assert make_plan(options(tmp_path, batteries=0)).fleet == []
    for other in ({"batteries": 8}, {"homes": 7}, {"fleet": fleet_file(tmp_path, rows_of(7))}):
        with pytest.raises(RingmainError, match=r"RM519 run: .* has a fleet of 7 batteries"):
            make_plan(options(tmp_path, **other))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "RM601 .* holds no asset"),
        ([{"asset_id": 1}], "RM602 .* row 1: node_id is missing"),
        (rows_of(1, reserve_permille="a"), "RM602 .* row 1: reserve_permille is a"),
        (rows_of(1, charge_limit_w=4_000.5), "RM602 .* row 1: charge_limit_w is 4000.5"),
        (rows_of(1, reserve_permille=70_000), "RM602 .* row 1: reserve_permille is 70000"),
        (rows_of(2, asset_id=4), "RM603 .* row 2, asset 4: ASSET_EXISTS"),
        (rows_of(1, charge_limit_w=0), "RM603 .* row 1, asset 900: CHARGE_LIMIT_OUT_OF_RANGE"),
        (rows_of(1, asset_id=16_384), "RM603 .* ASSET_ID_OUT_OF_RANGE"),
    ],
)
def test_a_wrong_fleet_is_refused_in_words(tmp_path, rows, said):
    with pytest.raises(RingmainError, match=said):
        make_plan(options(tmp_path, fleet=fleet_file(tmp_path, rows)))


def node_row(node_id, parent_id, limit_w, is_site):
    limits = {"import_limit_w": limit_w, "export_limit_w": limit_w}
    return {"kind": "node", "node_id": node_id, "parent_id": parent_id, "is_site": is_site, **limits}


def test_a_file_may_describe_homes(tmp_path):
    rows = [
        node_row(2, 1, 9_000, is_site=1),
        node_row(1, 0, 90_000, is_site=0),
        {"kind": "battery", **rows_of(1, node_id=2)[0]},
        {"kind": "load", "asset_id": 5, "node_id": 2, "import_limit_w": 14_000, "link_account_id": 9},
    ]  # fmt: skip
    plan = make_plan(options(tmp_path, fleet=fleet_file(tmp_path, rows)))
    assert [row["kind"] for row in plan.others] == ["node", "node", "load"]
    assert [row["node_id"] for row in plan.others] == [1, 2, 2]  # parents first
    for wrong, said in (
        ({**rows[3], "kind": "boat"}, "RM602 .* boat is no kind of asset"),
        ({**rows[3], "import_limit_kw": 14}, "RM604 .* import_limit_kw is not the unit that is read"),
        ({**rows[3], "import_limit_w": 14}, "RM604 .* as if it were in kilowatts"),
        ({**rows[3], "asset_id": 900}, "RM603 .* asset 900: ASSET_EXISTS"),
    ):
        with pytest.raises(RingmainError, match=said):
            make_plan(options(tmp_path, fleet=fleet_file(tmp_path, [*rows, wrong])))
    with pytest.raises(RingmainError, match=r"RM521 .* has no battery"):
        make_plan(options(tmp_path, fleet=fleet_file(tmp_path, rows[:2])))


@pytest.mark.parametrize("count", [-1, 16_384])
def test_a_wrong_number_of_batteries_is_refused(tmp_path, count):
    with pytest.raises(RingmainError, match=f"RM518 run: --batteries {count} is no number from 0 to 16383"):
        make_plan(options(tmp_path, batteries=count))


def test_what_was_foretold_is_known_the_day_before_and_its_own_days_alone(tmp_path):
    made = prices([*before(3), FIRST])
    wind = {day: np.arange(24.0) + day.day for day in made.days if day != FIRST - timedelta(2)}
    plan = plan_of(tmp_path, Prices("made up", made.days, {"wind": wind}), FIRST, 1)
    known = plan.known_inputs()["wind"]
    at_ns = midnight_ns(FIRST) + 5 * HOUR_NS
    assert np.isnan(known.at(at_ns, midnight_ns(FIRST) - 14 * HOUR_NS - 1))
    assert known.at(at_ns, midnight_ns(FIRST) - 14 * HOUR_NS) == FIRST.day + 5
    assert np.isnan(known.at(at_ns - 2 * DAY_NS, 2**62))
