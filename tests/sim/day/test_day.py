"""Logical days of a real venue: nodes, gateway and world as processes, over a real folder."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

from ringmain.cli import main as command
from ringmain.core.clock import Clock
from ringmain.core.errors import RingmainError
from ringmain.core.page import NodePage
from ringmain.core.tape import TapeReader
from ringmain.core.times import day_span
from ringmain.exchange import messages as exchange
from ringmain.exchange import reserve_messages
from ringmain.exchange.history.export import export
from ringmain.exchange.history.query import History
from ringmain.exchange.history.statements import statement
from ringmain.vpp.fleets import FIELDS, seeded_fleet
from ringmain.vpp.messages import SCHEMA, FleetHeard, FleetMeasured, PlanAccepted
from ringmain.vpp.reserve_messages import ReserveActivated, ReservePaid, ReserveRejected
from ringmain.vpp.rows import rows_of
from ringmain.world.calendar import MINUTE_NS
from ringmain.world.run import main, make_plan
from ringmain.world.seats import FLEET_ACCOUNT, TRADER_ACCOUNTS

HOURS = 4.4  # from the opening at 11:00 over the auction at noon into continuous trading from 15:00 on
MISHAPS = {"WOULD_TRADE", "NOTHING_TO_TRADE_WITH", "BASKET_LEG_UNFILLED"}  # of a market, not of a mistake
BATTERIES, HOMES = 200, 80
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
    return data, *live(data, homes=HOMES, batteries=None)


def exchange_events_of(data, record):
    return events_of(data, record, "exchange", exchange.schema)


def events_of(data, record, market="vpp", schema=SCHEMA):
    tape = TapeReader(data / market, schema)
    found = []
    while (events := tape.read()).size:
        found.append(rows_of(events, record))
    tape.close()
    return np.concatenate(found)


def test_the_days_auction_takes_blocks_and_the_advice_finds_its_result(lived):
    _, said, figures = lived
    (auction,) = figures["exchange"]["auctions"]
    assert auction["outcome"] == "proposal" and auction["gap"] < 0.01
    blocks = auction["blocks"]
    assert 0 < auction["blocks_accepted"] < len(blocks)
    assert auction["blocks_accepted"] == sum(block["ratio"] > 0 for block in blocks)
    assert any(block["parent_block_id"] for block in blocks)
    assert any(block["minimum_ratio"] < 1 for block in blocks)
    groups = {block["exclusive_group"] for block in blocks if block["exclusive_group"]}
    assert len(groups) > 1  # a factory's shift, and the fleet's profiles of the day
    for group in groups:
        ratios_in = [block["ratio"] for block in blocks if block["exclusive_group"] == group]
        assert len(ratios_in) > 1 and sum(ratios_in) <= 1
    ratios = {block["block_id"]: block["ratio"] for block in blocks}
    assert all(
        block["ratio"] <= ratios[block["parent_block_id"]] for block in blocks if block["parent_block_id"]
    )
    assert f"{auction['blocks_paradoxical']} paradoxically rejected" in said


def test_every_way_to_trade_is_alive(lived):
    _, _, figures = lived
    market = figures["exchange"]
    assert all(count > 0 for count in market["order_kinds"].values()), market["order_kinds"]
    kinds = {row["kind"]: row for row in market["trade_kinds"]}
    assert kinds["opening call"]["taken"] > 0
    assert kinds["iceberg"]["made"] > 0 and kinds["post-only"]["made"] > 0 and kinds["quote"]["made"] > 0
    assert kinds["stop"]["taken"] > 0 and kinds["block"]["taken"] > 0 and kinds["basket leg"]["taken"] > 0
    assert kinds["post-only"]["taken"] == 0
    assert sum(row["taken"] for row in kinds.values()) == market["trades"]
    assert market["blocks"]["filled"] > 0 and market["baskets"]["executed"] > 0
    quarters = market["quarters"]
    assert len(quarters) == 96 and all(row["call_eur"] is not None for row in quarters)
    assert sum(row["intraday_trades"] for row in quarters) > 0


def test_intraday_prices_lie_around_the_auctions(lived):
    _, _, figures = lived
    products = figures["exchange"]["products"]
    traded = [row for row in products if row["intraday_eur"] is not None]
    assert len(traded) > 20
    assert all(abs(row["intraday_eur"] - row["auction_eur"]) < 20 for row in traded)


def test_statements_are_the_ledgers(lived):
    """What the report counts up from the tape is what the statements say that the history gives."""
    data, _, figures = lived
    found = figures["exchange"]["statements"]
    assert sum(line["cash_eur"] for line in found.values()) == pytest.approx(0, abs=1e-6)
    assert sum(line["delivered_mwh"] for line in found.values()) == pytest.approx(0, abs=1e-6)
    export(data / "exchange", data / "history")
    history = History(data / "history")
    for name, account_id in {**TRADER_ACCOUNTS, "fleet": FLEET_ACCOUNT}.items():
        days = [statement(history, account_id, day, day_span(day)) for day in lived_days(figures)]
        assert found[name]["cash_eur"] == pytest.approx(days[-1].closing_minor / 1e6, abs=1e-6)
        assert not any(line.closing_lots for line in days[-1].positions)  # all of it is delivered
    history.close()


def lived_days(figures):
    day = date.fromisoformat(figures["days"][0])
    return [(day + timedelta(n)).isoformat() for n in (-1, 0, 1)]  # the last block ends at midnight


def test_the_auction_clears_near_the_real_prices(lived):
    _, _, figures = lived
    products = figures["exchange"]["products"]
    assert len(products) == 24
    assert all(abs(row["auction_eur"] - row["real_eur"]) < 8 for row in products)
    assert all(row["auction_mwh"] > 0 for row in products)
    assert sum(row["intraday_trades"] for row in products) > 0
    assert set(figures["exchange"]["rejected"]) <= MISHAPS


def test_ledgers_are_balanced_and_replayed(lived):
    _, said, figures = lived
    assert figures["ledger_balanced"]
    assert set(figures["ledgers"]) == {"exchange", "vpp"}
    assert figures["ledgers"]["exchange"]["events_compared"] > figures["exchange"]["trades"]
    assert "balanced to the last unit" in said


def test_the_fleets_awards_are_the_exchanges_fills(lived):
    _, _, figures = lived
    fleet = figures["fleet"]
    assert fleet["awards"] > fleet["intraday_awards"] > 0
    assert fleet["bids"] > fleet["intraday_bids"] > 0
    received = figures["exchange"]["statements"]["fleet"]
    assert fleet["awards_eur"] + received["activation_eur"] == pytest.approx(received["cash_eur"])
    assert received["reserve_eur"] > 0 and received["activation_eur"] > 0
    assert fleet["bids_rejected"] == fleet["reports_rejected"] == 0


def test_the_fleet_does_what_it_sold(lived):
    _, _, figures = lived
    fleet = figures["fleet"]
    assert fleet["sold_mwh"] > 1 and fleet["bought_mwh"] > 1
    assert 0 < fleet["deviation_share"] < 0.01
    settled = fleet["settled_eur"]
    paid_eur = fleet["awards_eur"] + fleet["reserve"]["activation_eur"]
    assert settled["award"] == pytest.approx(paid_eur, abs=1e-6)
    income = settled["award"] + settled["imbalance"] - settled["wear"]
    assert income > 0
    assert fleet["paid_to_sites_eur"] == pytest.approx(income, abs=0.05)  # less remainders, and unmoved hours


def test_reserve_is_sold_called_followed_and_paid(lived):
    _, said, figures = lived
    blocks, fleet = figures["exchange"]["reserve"], figures["fleet"]["reserve"]
    assert len(blocks) == 12
    assert all(block["price_eur"] > 0 and block["mw"] > 20 for block in blocks)
    called = [block for block in blocks if block["calls"]]
    assert len(called) > 3 and all(block["called_mwh"] > 0 for block in called)
    assert all(block["activation_eur"] > 0 for block in called)
    for direction in ("up", "down"):
        sold = sum(block["fleet_mw"] for block in blocks if block["direction"] == direction)
        assert fleet[f"{direction}_mw_hours"] == pytest.approx(4 * sold)
    assert fleet["up_mw_hours"] + fleet["down_mw_hours"] > 0
    paid = {
        name: sum(block[f"fleet_{name}"] for block in blocks)
        for name in ("availability_eur", "activation_eur")
    }
    assert (
        fleet["availability_eur"] == pytest.approx(paid["availability_eur"], abs=1e-4)
        and paid["availability_eur"] > 0
    )
    assert (
        fleet["activation_eur"] == pytest.approx(paid["activation_eur"], abs=1e-6)
        and paid["activation_eur"] > 0
    )
    by_direction = {
        d: sum(b["fleet_called_mwh"] for b in blocks if b["direction"] == d) for d in ("up", "down")
    }
    net_mwh = sum(quarter["called_mwh"] for quarter in fleet["quarters"])  # down is below zero
    assert net_mwh == pytest.approx(by_direction["up"] - by_direction["down"], abs=1e-3)
    assert by_direction["up"] > 0 < by_direction["down"]
    assert fleet["calls"] > 0 and fleet["followed_share"] > 0.8 and fleet["short_quarters"] == 0
    assert f"followed to {fleet['followed_share']:.1%}" in said


def test_every_battery_has_a_plan_of_its_own(lived):
    data, _, figures = lived
    plans = events_of(data, PlanAccepted)
    planned = plans[plans["power_w"] != 0]
    is_battery = planned["asset_id"] <= HOMES
    assert np.unique(planned["asset_id"][is_battery]).size == HOMES
    assert np.unique(planned["asset_id"][~is_battery]).size > HOMES // 5  # cars, each in its own hours
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
    everyone = HOMES + sum(n for kind, n in figures["fleet"]["others"].items() if kind != "node")
    assert (heard["fresh_count"][heard["time_ns"] > figures["from_ns"] + MINUTE_NS] == everyone).all()


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
    _, again = live(tmp_path / "data", hours=HOURS, speed="4000", homes=HOMES, batteries=None)
    for name in ("auction_eur", "auction_mwh", "call_eur", "call_mwh"):
        first, second = ([row[name] for row in each["exchange"]["products"]] for each in (figures, again))
        assert first == second
    assert again["fleet"]["forecast"] == figures["fleet"]["forecast"]
    moments = len(again["fleet"]["power"])
    assert moments > 80 and again["fleet"]["power"] == figures["fleet"]["power"][:moments]


def test_the_tools_show_the_day(lived, capsys, tmp_path):
    data, _, figures = lived

    def said(*arguments):
        assert command(["vpp", *arguments, "--data", str(data), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    assets = said("assets")
    assert len(assets) == HOMES + sum(n for kind, n in figures["fleet"]["others"].items() if kind != "node")
    assert {row["kind"] for row in assets} == {"battery", "solar", "load", "charger", "heat_store"}
    assert len(said("assets", "--kind", "charger")) == figures["fleet"]["others"]["charger"]
    (twin,) = said("twin", "3", "--svg", str(tmp_path / "twin.svg"))
    assert (
        twin["quality"] == "FRESH" and twin["reserve_wh"] <= twin["energy_wh"] <= twin["energy_capacity_wh"]
    )
    nodes = said("aggregate")
    assert [row["role"] for row in nodes] == ["fleet"] + ["feeder"] * (len(nodes) - 1)
    assert sum(row["power_w"] for row in nodes[1:]) == nodes[0]["power_w"]
    bids = said("bids", "--last", "999")
    assert len(bids) == figures["fleet"]["bids"] and all(row["purpose"] for row in bids)
    (why,) = said("bids", "--why", str(bids[0]["bid_id"]))
    assert why["prices_from"] == "MODEL" and why["side"] in ("BUY", "SELL")
    steps = {row["step"] for row in said("steps", "--last", "999")}
    assert steps == {"FORECAST", "PLAN", "BID", "RESERVE"}
    settled = said("settle")
    income = sum(row["income_eur"] for row in settled)
    assert income == pytest.approx(sum(
        sign * figures["fleet"]["settled_eur"][name]
        for name, sign in (("award", 1), ("imbalance", 1), ("wear", -1))
    ))  # fmt: skip
    sites = said("settle", "--sites")
    assert sum(row["balance_eur"] for row in sites) == pytest.approx(figures["fleet"]["paid_to_sites_eur"])
    last = said("settle", "--site", str(sites[0]["site_id"]))[-1]
    assert last["balance_eur"] == pytest.approx(sites[0]["balance_eur"])
    assert len(said("dispatch", "--last", "5", "--svg", str(tmp_path / "dispatch.svg"))) == 5
    foretold = said("forecast", "--svg", str(tmp_path / "forecast.svg"))
    assert len(foretold) == 48
    assert all(row["forecast_eur_mwh"] is None and not row["made_from"] for row in foretold[:24])
    assert {row["made_from"] for row in foretold[24:]} == {"NAIVE"}
    told = {row["delivery_start_ns"]: row["forecast_eur"] for row in figures["fleet"]["forecast"]}
    expected = {r["hour_ns"]: r["desk_expected_eur_mwh"] for r in foretold if r["desk_expected_eur_mwh"]}
    assert expected and all(price == pytest.approx(told[hour_ns]) for hour_ns, price in expected.items())
    for name in ("twin", "dispatch", "forecast"):
        ElementTree.parse(tmp_path / f"{name}.svg")


def test_wrong_calls_of_the_tools_are_answered_in_words(lived, capsys, tmp_path):
    data, _, _ = lived
    for arguments, code in (
        (["twin", "99999"], "RM771"), (["bids", "--why", "99999"], "RM773"), (["plan", "99999"], "RM771"),
        (["dispatch", "--svg", str(tmp_path / "none" / "x.svg")], "RM775"),
    ):  # fmt: skip
        assert command(["vpp", *arguments, "--data", str(data)]) == 1
        assert capsys.readouterr().err.startswith(code)
    assert command(["vpp", "assets", "--data", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("RM770")


def test_the_report_is_whole(lived):
    data, _, _ = lived
    folder = data.parent / "report"
    pictures = sorted(path.name for path in folder.glob("*.svg"))
    assert pictures == ["calls.svg", "cash.svg", "cheapest.svg", "dearest.svg", "energy.svg", "fleet.svg",
                        "fleet_reserve.svg", "forecast.svg", "prices.svg", "quarters.svg",
                        "reserve_prices.svg", "trading.svg", "volumes.svg"]  # fmt: skip
    for name in pictures:
        ElementTree.parse(folder / name)
        assert name in (folder / "index.html").read_text()


def test_a_second_run_goes_on_with_the_next_day(lived):
    data, _, figures = lived
    homes = {"homes": HOMES, "batteries": None}
    plan = make_plan(SimpleNamespace(**options(data, **homes)))
    assert plan.days[0].isoformat() > figures["days"][0]
    with pytest.raises(RingmainError, match="RM516 run: the clock of"):
        make_plan(SimpleNamespace(**options(data, day=figures["days"][0], **homes)))


def test_a_killed_node_is_started_again_and_the_day_goes_on(tmp_path):
    """Nor does it wait for advice that hangs; a second run refuses the folder; SIGTERM ends all in order."""
    data = tmp_path / "data"
    process = launch(data, batteries=0, speed="2000")
    try:
        status = data / "world" / "status.json"
        wait_for(process, status.exists)
        auctioneer = child_of(process.pid, "world.auctioneer")
        os.kill(auctioneer, signal.SIGSTOP)
        wait_for(process, lambda: json.loads(status.read_text())["auction"]["outcome"])
        os.kill(auctioneer, signal.SIGCONT)
        auction = json.loads(status.read_text())["auction"]
        assert auction["outcome"] == "fallback"
        assert auction["accepted"] == 0 < auction["bought_lots"] and auction["blocks"] > 0
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


def kill_in_turn(data, process, victims):
    """Kill children by their words, each at a minute of the day's, and see the day through."""
    status = data / "world" / "status.json"
    try:
        for words, minute in victims:
            wait_for(process, lambda at=minute: minutes_lived(status) >= at)
            os.kill(child_of(process.pid, words), signal.SIGKILL)
        said, _ = process.communicate(timeout=200)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)
    assert process.returncode == 0, said
    assert said.count("ended with signal SIGKILL; it starts again") == len(victims)


def test_whoever_is_killed_no_award_is_lost_or_doubled(tmp_path):
    """The auctioneer, the fleet's node, the gateway; the world itself in the auction, after it, and later."""
    data = tmp_path / "data"
    fleet = [{name: int(row[name][0]) for name in FIELDS} for row in seeded_fleet(BATTERIES, 3, [1])]
    for number, row in enumerate(fleet):
        row["asset_id"] = 5 * (BATTERIES - number)
    (tmp_path / "fleet.json").write_text(json.dumps(fleet))
    process = launch(
        data, report=str(tmp_path / "report"), hours=5, speed="1200", batteries=None,
        fleet=str(tmp_path / "fleet.json"),
    )  # fmt: skip
    kill_in_turn(data, process, [
        ("world.live", 33), ("world.auctioneer", 41), ("node vpp", 52), ("world.live", 64),
        ("world.doors", 218), ("world.live", 247),
    ])  # fmt: skip
    figures = json.loads((tmp_path / "report" / "report.json").read_text())
    assert figures["ledger_balanced"]
    assert figures["fleet"]["awards"] > figures["fleet"]["intraday_awards"] > 0
    assert figures["fleet"]["awards_eur"] == pytest.approx(
        figures["exchange"]["statements"]["fleet"]["cash_eur"]
    )
    assert figures["fleet"]["reports_rejected"] == figures["fleet"]["bids_rejected"] == 0
    assert all(row["auction_mwh"] > 0 for row in figures["exchange"]["products"])
    assert all(row["call_mwh"] > 0 for row in figures["exchange"]["quarters"])
    (auction,) = figures["exchange"]["auctions"]
    assert auction["outcome"] == "proposal" and auction["curves"] >= 5 * 24
    sent = [
        tuple(block[name] for name in ("account", "side", "first_hour", "limit_eur"))
        for block in auction["blocks"]
        if block["account"] != "fleet"  # whose profiles may differ in their lots alone
    ]
    assert len(sent) == len(set(sent)) == 16
    assert len({row["delivery_start_ns"] for row in figures["fleet"]["forecast"] if row["auction_eur"]}) == 24


def test_whoever_is_killed_no_call_of_reserve_is_lost_or_doubled(tmp_path):
    """The world while it offers reserve, and bridge, fleet and exchange while reserve is held and called."""
    data = tmp_path / "data"
    process = launch(data, report=str(tmp_path / "report"), hours=17.3, speed="1500", seed=6)
    kill_in_turn(data, process, [
        ("world.live", 3), ("world.live", 20), ("world.live", 803), ("world.live", 818),
        ("node vpp", 850), ("node exchange", 868), ("world.live", 916),
    ])  # fmt: skip
    figures = json.loads((tmp_path / "report" / "report.json").read_text())
    assert figures["ledger_balanced"]
    assert figures["fleet"]["awards_eur"] + figures["fleet"]["reserve"]["activation_eur"] == pytest.approx(
        figures["exchange"]["statements"]["fleet"]["cash_eur"]
    )
    calls = exchange_events_of(data, reserve_messages.ReserveActivated)
    calls = calls[calls["account_id"] == FLEET_ACCOUNT]
    followed = events_of(data, ReserveActivated)
    assert followed["product_id"].tolist() == calls["product_id"].tolist()
    assert np.abs(followed["power_w"]).tolist() == (100_000 * calls["quantity_lots"]).tolist()
    assert (followed["time_ns"] >= calls["time_ns"]).all() and (calls["quantity_lots"] > 0).any()
    assert events_of(data, ReserveRejected).size == 0
    settled = exchange_events_of(data, reserve_messages.ReserveSettled)
    settled = settled[settled["account_id"] == FLEET_ACCOUNT]
    assert events_of(data, ReservePaid)["amount_minor"].tolist() == settled["amount_minor"].tolist()


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
