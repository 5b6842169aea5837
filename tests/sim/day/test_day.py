"""A few logical hours of a real venue: nodes, gateway and world as processes, over a real folder."""

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from ringmain.core.errors import RingmainError
from ringmain.core.page import NodePage
from ringmain.world.run import main, make_plan

HOURS = 1.5  # from the opening at 11:00 over the auction at noon into continuous trading
DRIVER = (
    "import json, sys\n"
    "from types import SimpleNamespace\n"
    "from ringmain.world.run import main\n"
    "sys.exit(main(SimpleNamespace(**json.loads(sys.argv[1]))))\n"
)


def options(data, **more):
    values = {
        "data": str(data), "days": 1, "prices": None, "day": None, "seed": 5, "speed": "max",
        "report": None, "exchange_port": 0, "vpp_port": 0, "hours": HOURS, "batteries": 200,
    }  # fmt: skip
    return {**values, **more}


def launch(data, **more):
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, json.dumps(options(data, **more))],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    data = tmp_path_factory.mktemp("venue") / "data"
    process = launch(data, report=str(data.parent / "report"))
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 0, said
    return data, said, json.loads((data.parent / "report" / "report.json").read_text())


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
    assert fleet["awards"] > 0 and fleet["bids_rejected"] == 0
    assert fleet["awards_eur"] == pytest.approx(figures["exchange"]["cash_eur"]["fleet"])


def test_the_report_is_whole(lived):
    data, _, _ = lived
    folder = data.parent / "report"
    pictures = sorted(path.name for path in folder.glob("*.svg"))
    assert pictures == ["cash.svg", "energy.svg", "fleet.svg", "prices.svg", "trading.svg", "volumes.svg"]
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
    process = launch(data, batteries=0, hours=0, speed="2000")
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


def wait_for(process, what, timeout_s=150):
    deadline = time.monotonic() + timeout_s
    while not (found := what()):
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.05)
    return found


@pytest.mark.parametrize(
    ("wrong", "code"),
    [({"speed": "fast"}, "RM517"), ({"speed": "0"}, "RM517"), ({"days": 0}, "RM517"), ({"day": "x"}, "RM516"),
     ({"day": "1999-01-01"}, "RM515"), ({"days": 1000}, "RM515"), ({"prices": "none.csv"}, "RM511")],
)  # fmt: skip
def test_wrong_options_are_refused_before_anything_starts(tmp_path, wrong, code):
    with pytest.raises(RingmainError, match=code):
        main(SimpleNamespace(**options(tmp_path / "data", **wrong)))
    assert not (tmp_path / "data").exists()
