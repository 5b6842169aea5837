"""Days on which processes die at random, and one whose market takes nothing."""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))  # bench lies beside src, not in it

from bench import kills
from test_day import child_of, launch, minutes_lived, wait_for

from ringmain.client import Client
from ringmain.core.tape import TapeReader
from ringmain.exchange import messages as exchange
from ringmain.exchange.safeguards_messages import EngageKillSwitch
from ringmain.vpp.messages import SCHEMA
from ringmain.vpp.views import DeskView
from ringmain.world.seats import FLEET_ACCOUNT

SEEDS = [int(os.environ["RINGMAIN_SEED"])] if "RINGMAIN_SEED" in os.environ else [7]
VICTIMS = ("node exchange", "node vpp", "world.doors", "world.auctioneer", "world.live", "world.live")


@pytest.mark.parametrize("seed", SEEDS)
def test_whoever_dies_at_random_no_bid_is_lost_or_doubled(tmp_path, seed):
    """Everyone in a random order at random minutes; the world twice, with the bridge and the desk in it.

    Bids on the fleet's tape are laid beside the orders in the exchange's journal one by one, awards beside
    fills. The bench `kills` does the same a hundred times.
    """
    print(f"seed {seed}: RINGMAIN_SEED={seed} python -m pytest {__file__} -k at_random")
    dice, data = random.Random(seed), tmp_path / "data"
    victims = dice.sample(VICTIMS, len(VICTIMS))
    minutes = [40 * n + dice.randrange(12, 36) for n in range(len(victims))]
    process = launch(data, hours=4.6, speed="1200", batteries=60, seed=seed)
    try:
        status = data / "world" / "status.json"
        wait_for(process, status.exists, 500)  # kernels may have to be compiled
        for words, minute in zip(victims, minutes, strict=True):
            wait_for(process, lambda at=minute: minutes_lived(status) >= at)
            time.sleep(dice.random() * 0.05)  # somewhere in a step
            os.kill(wait_for(process, lambda w=words: child_or_none(process.pid, w)), signal.SIGKILL)
        said, _ = process.communicate(timeout=150)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)
    assert process.returncode == 0, said
    assert said.count("ended with signal SIGKILL; it starts again") == len(victims)
    lost, doubled, bids = kills.compare_bids(data)
    assert (lost, doubled) == (0, 0) and bids > 10
    assert kills.compare_awards(data) == 0
    assert (data / "world" / "bridge.checkpoint").exists()
    assert "Traceback" not in (data / "log" / "world.log").read_text()


def child_or_none(pid, words):
    """Return the process id of a child, 0 while it is being started again."""
    try:
        return child_of(pid, words)
    except (AssertionError, OSError):
        return 0


def test_a_market_that_rejects_every_order_leaves_the_fleet_running(tmp_path):
    """The operator has stopped the fleet's account: each bid is refused, and said so; nothing is owed."""
    data = tmp_path / "data"
    process = launch(data, hours=4.6, speed="1200", batteries=60)
    try:
        status = data / "world" / "status.json"
        wait_for(process, status.exists, 500)  # kernels may have to be compiled
        tokens = json.loads((data / "world" / "tokens.json").read_text())
        port = json.loads((data / "ports.json").read_text())["exchange"]
        with Client.connect("127.0.0.1", port, tokens["exchange operator"], exchange.schema) as operator:
            kill = EngageKillSwitch(scope=2, target_id=FLEET_ACCOUNT, cause=1)
            answers = [operator.unpack(each) for each in operator.wait_answer(operator.send(kill))]
            assert answers[0]["record"] == "KillSwitchEngaged"
            wait_for(process, lambda: minutes_lived(status) >= 260)
        process.terminate()
        process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(60)
    view = DeskView()
    tape = TapeReader(data / "vpp", SCHEMA)
    while (events := tape.read()).size:
        view.fold(events)
    assert len(view.bids.by_id) > 10
    every = [*view.bids.by_id.values(), *view.bids.blocks.by_id.values()]
    assert {bid.ending for bid in every} == {"REFUSED"}
    assert not any(view.commitments.power_w.values())
    assert {step.outcome for step in view.steps.done.values()} == {"DONE"}
    assert len(view.settlement.statements) > 12 and view.track.last.fresh_count == 60
    lost, doubled, bids = kills.compare_bids(data)
    assert (lost, doubled) == (0, 0) and bids > 10
