"""The operator's tools beside a venue that lives: they read, it goes on, and at the end all of it agrees."""

import json
import subprocess
import sys
import time

from ringmain import cli
from ringmain.core.page import NodePage
from ringmain.core.replay import replay
from ringmain.core.times import Span, day_span
from ringmain.exchange.engine import MARKET
from ringmain.exchange.history import statements
from ringmain.exchange.history.export import export
from ringmain.exchange.history.query import History
from ringmain.exchange.history.store import day_text
from ringmain.exchange.history.surveillance import Parameters, surveil
from ringmain.world.calendar import FIRST_RESERVE_UP_ID, IDS_PER_DAY

HOURS = 5  # from the opening over the auction to trading
DRIVER = (
    "import json, sys\n"
    "from types import SimpleNamespace\n"
    "from ringmain.world.run import main\n"
    "sys.exit(main(SimpleNamespace(**json.loads(sys.argv[1]))))\n"
)


def told(capsys, *arguments):
    assert cli.main(["exchange", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_tools_beside_a_living_venue(tmp_path, capsys):
    data = tmp_path / "data"
    options = {
        "data": str(data), "days": 1, "prices": None, "day": None, "seed": 5, "speed": "4000",
        "report": str(tmp_path / "report"), "exchange_port": 0, "vpp_port": 0, "hours": HOURS,
        "batteries": 0, "fleet": None,
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, json.dumps(options)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    looks, exported = 0, []
    try:
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if (data / "exchange" / "page").exists() and NodePage(data / "exchange" / "page").get("epoch"):
                rows = told(capsys, "products", "--data", data)
                assert len(rows) in range(133)
                told(capsys, "limits", "--data", data)
                (public,) = told(capsys, "public", "--delay", "15m", "--data", data)
                assert all(trade["time_ns"] <= public["until_ns"] for trade in public["trades"])
                exported.append(export(data / "exchange", data / "history").position)
                looks += 1
        said, _ = process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)
    assert process.returncode == 0, said
    assert looks > 2 and exported == sorted(exported) and exported[-1] > 0
    _check_the_end(data, json.loads((tmp_path / "report" / "report.json").read_text()))


def _check_the_end(data, figures):
    done = export(data / "exchange", data / "history")
    history = History(data / "history")
    machine, report = replay(data / "exchange", MARKET, verify=True)
    assert report.events == report.events_compared == done.position
    of_energy = f"product_id % {IDS_PER_DAY} < {FIRST_RESERVE_UP_ID}"
    trades = history.ask(f"SELECT count(*) FROM trades WHERE {of_energy}").rows[0][0]
    assert trades == figures["exchange"]["trades"] > 0
    day = day_text(done.time_ns)
    cash = machine.state[0].participants["cash"]["balance_minor"]
    for account in statements.accounts(history):
        found = statements.statement(history, account, day, day_span(day))
        assert found.closing_minor == int(cash[account])
    positions = machine.state[0].positions["lots"]["balance_minor"]
    held = {}
    for product, account, lots in history.ask(
        "SELECT product_id, account_id, position_lots FROM positions"
    ).rows:
        held[product % 2_048, account] = lots
    at = machine.state[0].position_at
    assert held
    for (slot, account), lots in held.items():
        assert lots == int(positions[at[slot, account]])
    assert sum(abs(lots) for lots in held.values()) == int(abs(positions[at[at > 0]]).sum())
    assert surveil(history, Span(), Parameters()) == []
    history.close()
