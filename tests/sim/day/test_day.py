"""Logical days of a real venue: nodes, gateway and world as processes, over a real folder."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

from ringmain.core.clock import Clock
from ringmain.core.errors import RingmainError
from ringmain.core.page import NodePage
from ringmain.core.tape import TapeReader
from ringmain.vpp.app import FIELDS, seeded_fleet
from ringmain.vpp.messages import SCHEMA, FleetHeard, FleetMeasured, PlanAccepted
from ringmain.vpp.views import rows_of
from ringmain.world.calendar import MINUTE_NS
from ringmain.world.run import main, make_plan

HOURS = 1.5  # from the opening at 11:00 over the auction at noon into continuous trading
BATTERIES = 200
DRIVER = (
    "import json, sys\n"
    "from types import SimpleNamespace\n"
    "from ringmain.world.run import main\n"
    "sys.exit(main(SimpleNamespace(**json.loads(sys.argv[1]))))\n"
)


def options(data, **more):
    values = {
        "data": str(data), "days": 1, "prices": None, "day": None, "seed": 5, "speed": "max",
        "report": None, "exchange_port": 0, "vpp_port": 0, "hours": 0, "batteries": BATTERIES, "fleet": None,
    }  # fmt: skip
    return {**values, **more}


def launch(data, **more):
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, json.dumps(options(data, **more))],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def live(data, **more):
    """Live to the end; return what was said, and the report's figures."""
    process = launch(data, report=str(data.parent / "report"), **more)
    said, _ = process.communicate(timeout=250)
    assert process.returncode == 0, said
    return said, json.loads((data.parent / "report" / "report.json").read_text())


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """A whole day."""
    data = tmp_path_factory.mktemp("venue") / "data"
    return data, *live(data)


def events_of(data, record):
    tape = TapeReader(data / "vpp", SCHEMA)
    found = []
    while (events := tape.read()).size:
        found.append(rows_of(events, record))
    tape.close()
    return np.concatenate(found)


def test_the_auction_clears_near_the_real_prices(lived):
    _, _, figures = lived
    products = figures["exchange"]["products"]
    assert len(products) == 24
    assert all(abs(row["auction_eur"] - row["real_eur"]) < 8 for row in products)
    assert all(row["auction_mwh"] > 0 for row in products)
    assert sum(row["intraday_trades"] for row in products) > 0
    assert figures["exchange"]["rejected"] == {}


def test_ledgers_are_balanced_and_replayed(lived):
    _, said, figures = lived
    assert figures["ledger_balanced"]
    assert set(figures["ledgers"]) == {"exchange", "vpp"}
    assert figures["ledgers"]["exchange"]["events_compared"] > figures["exchange"]["trades"]
    assert sum(figures["exchange"]["cash_eur"].values()) == pytest.approx(0, abs=1e-6)
    assert "balanced to the last unit" in said


def test_the_fleets_awards_are_the_exchanges_fills(lived):
    _, _, figures = lived
    fleet = figures["fleet"]
    assert fleet["awards"] > fleet["intraday_awards"] > 0
    assert fleet["bids"] > fleet["intraday_bids"] > 0
    assert fleet["awards_eur"] == pytest.approx(figures["exchange"]["cash_eur"]["fleet"])
    assert fleet["bids_rejected"] == fleet["reports_rejected"] == 0


def test_the_fleet_does_what_it_sold(lived):
    _, _, figures = lived
    fleet = figures["fleet"]
    assert fleet["sold_mwh"] > 1 and fleet["bought_mwh"] > 1
    assert 0 < fleet["deviation_share"] < 0.01
    settled = fleet["settled_eur"]
    assert settled["award"] == pytest.approx(fleet["awards_eur"], abs=1e-6)
    income = settled["award"] + settled["imbalance"] - settled["wear"]
    assert income > 0
    assert fleet["paid_to_sites_eur"] == pytest.approx(income, abs=0.05)  # less remainders, and unmoved hours


def test_every_battery_has_a_plan_of_its_own(lived):
    data, _, figures = lived
    plans = events_of(data, PlanAccepted)
    planned = plans[plans["power_w"] != 0]
    assert np.unique(planned["asset_id"]).size == BATTERIES
    for start_ns in np.unique(planned["delivery_start_ns"]).tolist()[:3]:
        assert np.unique(planned["power_w"][planned["delivery_start_ns"] == start_ns]).size > 1
    (day,) = figures["fleet"]["foresight"]
    assert day["day"] == figures["days"][0]
    assert 0.5 < day["share"] < 1.2
    assert day["share"] == pytest.approx(day["earned_eur"] / day["perfect_eur"])


def test_devices_report_from_the_opening_on(lived):
    data, _, figures = lived
    measured = events_of(data, FleetMeasured)
    measured = measured[measured["time_ns"] > figures["from_ns"] + MINUTE_NS]
    assert measured.size > 36 * 60
    assert (measured["energy_wh"] > 0).all()
    heard = events_of(data, FleetHeard)
    assert (heard["fresh_count"][heard["time_ns"] > figures["from_ns"] + MINUTE_NS] == BATTERIES).all()


def test_the_forecast_stands_beside_the_auction(lived):
    _, said, figures = lived
    rows = figures["fleet"]["forecast"]
    auctions = [row["auction_eur"] for row in figures["exchange"]["products"]]
    assert [row["auction_eur"] for row in rows] == auctions
    errors = [abs(row["forecast_eur"] - row["auction_eur"]) for row in rows]
    assert figures["fleet"]["forecast_error_eur"] == pytest.approx(sum(errors) / 24)
    assert 0 < sum(errors) / 24 < 20
    assert "that perfect foresight of the auction earns" in said and "EUR/MWh off on average" in said


def test_the_same_seed_gives_the_same_day_at_another_speed(lived, tmp_path):
    _, _, figures = lived
    _, again = live(tmp_path / "data", hours=HOURS, speed="4000")
    for name in ("auction_eur", "auction_mwh"):
        first, second = ([row[name] for row in each["exchange"]["products"]] for each in (figures, again))
        assert first == second
    assert again["fleet"]["forecast"] == figures["fleet"]["forecast"]
    moments = len(again["fleet"]["power"])
    assert moments > 80 and again["fleet"]["power"] == figures["fleet"]["power"][:moments]


def test_the_report_is_whole(lived):
    data, _, _ = lived
    folder = data.parent / "report"
    pictures = sorted(path.name for path in folder.glob("*.svg"))
    assert pictures == ["cash.svg", "energy.svg", "fleet.svg", "forecast.svg", "prices.svg", "trading.svg",
                        "volumes.svg"]  # fmt: skip
    for name in pictures:
        ElementTree.parse(folder / name)
        assert name in (folder / "index.html").read_text()


def test_a_second_run_goes_on_with_the_next_day(lived):
    data, _, figures = lived
    plan = make_plan(SimpleNamespace(**options(data)))
    assert plan.days[0].isoformat() > figures["days"][0]
    with pytest.raises(RingmainError, match="RM516 run: the clock of"):
        make_plan(SimpleNamespace(**options(data, day=figures["days"][0])))


def test_a_killed_node_is_started_again_and_the_day_goes_on(tmp_path):
    """And a second run refuses the folder meanwhile; SIGTERM ends all in order."""
    data = tmp_path / "data"
    process = launch(data, batteries=0, speed="2000")
    try:
        status = data / "world" / "status.json"
        wait_for(process, lambda: status.exists() and json.loads(status.read_text())["trades"])
        with pytest.raises(RingmainError, match="RM106"):
            main(SimpleNamespace(**options(data)))
        page = NodePage(data / "exchange" / "page")
        os.kill(page.get("node") & 0x3FFFFF, signal.SIGKILL)
        wait_for(process, lambda: page.get("epoch") == 2)
        before = json.loads(status.read_text())["trades"]
        wait_for(process, lambda: json.loads(status.read_text())["trades"] > before + 20)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 130, said
        assert "exchange ended with signal SIGKILL; it starts again" in said
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)
    assert "stopped at sequence" in (data / "log" / "exchange.log").read_text()


def test_whoever_is_killed_no_award_is_lost_or_doubled(tmp_path):
    """The gateway in the call, which costs the traders their orders; the fleet's node; the world itself."""
    data = tmp_path / "data"
    fleet = [{name: int(row[name][0]) for name in FIELDS} for row in seeded_fleet(BATTERIES, 3, [1])]
    for number, row in enumerate(fleet):
        row["asset_id"] = 5 * (BATTERIES - number)
    (tmp_path / "fleet.json").write_text(json.dumps(fleet))
    process = launch(
        data, report=str(tmp_path / "report"), hours=5, speed="1200", batteries=None,
        fleet=str(tmp_path / "fleet.json"),
    )  # fmt: skip
    try:
        status = data / "world" / "status.json"
        victims = [("world.doors", 33), ("node vpp", 52), ("world.live", 61), ("world.live", 243)]
        for words, minute in victims:
            wait_for(process, lambda at=minute: minutes_lived(status) >= at)
            os.kill(child_of(process.pid, words), signal.SIGKILL)
        said, _ = process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)
    assert process.returncode == 0, said
    assert said.count("ended with signal SIGKILL; it starts again") == len(victims)
    figures = json.loads((tmp_path / "report" / "report.json").read_text())
    assert figures["ledger_balanced"]
    assert figures["fleet"]["awards"] > figures["fleet"]["intraday_awards"] > 0
    assert figures["fleet"]["awards_eur"] == pytest.approx(figures["exchange"]["cash_eur"]["fleet"])
    assert figures["fleet"]["reports_rejected"] == figures["fleet"]["bids_rejected"] == 0
    assert all(row["auction_mwh"] > 0 for row in figures["exchange"]["products"])
    assert len({row["delivery_start_ns"] for row in figures["fleet"]["forecast"] if row["auction_eur"]}) == 24


def minutes_lived(status):
    if not status.exists():
        return -1
    said = json.loads(status.read_text())
    return (said["time_ns"] - said["start_ns"]) // MINUTE_NS


def child_of(pid, words):
    """Return the process id of the child whose command has these words."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if words in Path(f"/proc/{child}/cmdline").read_text().replace("\0", " "):
            return int(child)
    raise AssertionError(f"no child runs {words}")


def wait_for(process, what, timeout_s=150):
    deadline = time.monotonic() + timeout_s
    while not (found := what()):
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.05)
    return found


def test_a_folder_whose_clock_runs_by_itself_is_refused(tmp_path):
    Clock.running(tmp_path / "clock")
    with pytest.raises(RingmainError, match=r"RM520 run: the clock of .* runs by itself"):
        make_plan(SimpleNamespace(**options(tmp_path)))


@pytest.mark.parametrize(
    ("wrong", "code"),
    [({"speed": "fast"}, "RM517"), ({"speed": "0"}, "RM517"), ({"days": 0}, "RM517"), ({"day": "x"}, "RM516"),
     ({"day": "1999-01-01"}, "RM515"), ({"days": 1000}, "RM515"), ({"prices": "none.csv"}, "RM511"),
     ({"batteries": -1}, "RM518"), ({"batteries": 20_000}, "RM518"), ({"fleet": "none.csv"}, "RM601")],
)  # fmt: skip
def test_wrong_options_are_refused_before_anything_starts(tmp_path, wrong, code):
    with pytest.raises(RingmainError, match=code):
        main(SimpleNamespace(**options(tmp_path / "data", **wrong)))
    assert not (tmp_path / "data").exists()
