"""``ringmain strategy run``."""

import json
import signal
import subprocess
import sys

import pytest
from strategies import EXAMPLES
from venue_rig import Venue

from ringmain import cli

TWAP = f"{EXAMPLES / 'twap_taker.py'}:TwapTaker"


def run(*arguments):
    return cli.main(["strategy", "run", *map(str, arguments)])


def test_a_simulation_is_a_table_or_json(capsys):
    assert run(TWAP, "--simulate", 7, "--minutes", 2, "--set", "seconds=60", "--set", "side=SELL") == 0
    shown = capsys.readouterr().out
    assert "slippage, ticks" in shown
    assert "TwapTaker" in shown
    assert run(TWAP, "--simulate", 7, "--minutes", 2, "--set", "seconds=60", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["mode"] == "simulated"
    assert sum(fill["quantity_lots"] for fill in found["fills"]) == 200


def test_a_replay_is_run_from_a_data_folder(tmp_path, capsys):
    venue = Venue(tmp_path / "data")
    venue.sell(1, 5_000, 30)
    venue.buy(2, 4_900, 30)
    venue.step(60)
    venue.buy(2, 4_901, 30)
    venue.close()
    settings = ("--set", "quantity_lots=10", "--set", "seconds=0", "--set", "slices=1")
    assert run(TWAP, "--replay", tmp_path / "data", *settings, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [fill["price_ticks"] for fill in found["fills"]] == [5_000]
    assert found["figures"]["slippage, ticks"] == 50


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("nowhere.py:TwapTaker", "--simulate", 1), "RM371"),
        ((TWAP + "s", "--simulate", 1), "RM371"),
        ((str(EXAMPLES / "auction.py") + ":schema", "--simulate", 1), "RM37"),
        ((TWAP, "--simulate", 1, "--set", "side=UP"), "RM372"),
        ((TWAP, "--simulate", 1, "--set", "colour=3"), "RM372"),
        ((TWAP, "--simulate", 1, "--set", "side"), "RM372"),
        ((TWAP, "--simulate", 1, "--latency-us", -1), "RM365"),
        ((TWAP, "--simulate", 1, "--minutes", -1), "RM373"),
        ((TWAP, "--simulate", 1, "--minutes", "nan"), "RM373"),
        ((TWAP, "--live", "127.0.0.1", "--token", "t"), "RM375"),
        ((TWAP, "--live", "127.0.0.1:1"), "RM374"),
        ((TWAP, "--live", "127.0.0.1:1", "--token", "nowhere"), "RM374"),
        ((TWAP, "--replay", "nowhere"), "RM642"),
    ],
)
def test_a_wrong_call_is_one_line(arguments, code, capsys):
    assert run(*arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith(code)
    assert len(said.strip().splitlines()) == 1


def test_one_place_to_trade_is_to_be_named(capsys):
    for places in ((), ("--simulate", "1", "--replay", "data")):
        with pytest.raises(SystemExit):
            run(TWAP, *places)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_example_says_how_it_is_run():
    for name in ("market_maker", "twap_taker"):
        text = (EXAMPLES / f"{name}.py").read_text("utf-8")
        (line,) = [each.strip() for each in text.splitlines() if each.strip().startswith("ringmain ")]
        arguments = [*line.split()[1:], "--minutes", "1", "--json"]
        done = subprocess.run(
            [sys.executable, "-m", "ringmain.cli", *arguments], cwd=EXAMPLES.parent, capture_output=True,
            text=True, timeout=200, check=True,
        )  # fmt: skip
        assert json.loads(done.stdout)["mode"] == "simulated"
