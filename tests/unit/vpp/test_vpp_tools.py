"""The operator's tools on a fleet that holds reserve: a real node in a folder, its clock stepped."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ringmain.cli import main
from ringmain.core.clock import Clock
from ringmain.core.journal.writer import PROCESS, JournalOptions
from ringmain.core.node import Node, NodeOptions
from ringmain.core.ring import Ring
from ringmain.core.shared import ring_path
from ringmain.vpp.engine import MARKET
from ringmain.vpp.loop_messages import LAST_GOOD, PLANNED, SUBMIT_SHADOW, ExplainBid, SetSubmitMode
from ringmain.vpp.messages import SCHEMA
from ringmain.vpp.reserve_messages import RESERVE_DOWN
from unit.vpp.rig import DESK, MIDNIGHT_NS, MINUTE_NS, OPEN_SESSION, battery
from unit.vpp.test_vpp_desk import DELIVERY_NS, bid, product
from unit.vpp.test_vpp_hierarchy import node
from unit.vpp.test_vpp_reserve import DOWN, UP, block, call, offer, won


class House:
    """A fleet's node in this process; everything is said in the operator's one session."""

    def __init__(self, data: Path) -> None:
        self.clock = Clock.stepped(data / "clock", MIDNIGHT_NS)
        self.node = Node(data / "vpp", MARKET, self.clock, NodeOptions(JournalOptions(PROCESS)))
        self.producer, self.number = Ring.open(ring_path(data / "vpp")).producer(), 0
        opening = OPEN_SESSION(account_id=0, numbering=0, cancel_on_disconnect=0)
        opening["session_id"] = DESK
        self._offer(opening)

    def say(self, *records: Any) -> None:
        for record in records:
            self.number += 1
            record["session_id"], record["session_number"] = DESK, self.number
            self._offer(record)

    def _offer(self, record: Any) -> None:
        batch = SCHEMA.batch([record])
        while batch.size:
            batch = batch[self.producer.offer(batch) :]
            self.node.turn(0)
        self.step_to(self.clock.now_ns())

    def step_to(self, time_ns: int) -> None:
        self.clock.step_to(time_ns)
        while self.node._fire_timers(time_ns) or self.node._drain(time_ns):
            pass
        self.node._journal.flush()

    def close(self) -> None:
        self.producer.close()
        self.node.close()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fleet 20 minutes into a delivery of 4 kW up and 3 kW down, of which 2 kW down are called on."""
    folder = tmp_path_factory.mktemp("fleet")
    house = House(folder)
    reason = ExplainBid(
        bid_id=1, wanted_power_w=4_000, owed_power_w=0, expected_price_ticks=1_200, worth_ticks=900,
        purpose=PLANNED, price_source=LAST_GOOD,
    )  # fmt: skip
    house.say(battery(1), battery(2), product(), block(), block(product_id=DOWN, service=RESERVE_DOWN))
    house.say(reason, offer(1, UP, 4), offer(2, DOWN, 3), offer(3, UP, 1))
    house.say(node(20), SetSubmitMode(product_id=0, submit_mode=SUBMIT_SHADOW, unit_id=20))
    house.say(bid(bid_id=4, quantity_lots=1, unit_id=20), won(1, UP, 4), won(2, DOWN, 3))
    house.step_to(DELIVERY_NS + MINUTE_NS)
    house.say(call(4, DELIVERY_NS + 7 * MINUTE_NS))
    house.step_to(DELIVERY_NS + 20 * MINUTE_NS)
    house.say(call(2, DELIVERY_NS + 50 * MINUTE_NS, DOWN))
    house.step_to(DELIVERY_NS + 31 * MINUTE_NS)
    yield folder
    house.close()


def said(capsys: pytest.CaptureFixture[str], data: Path, *arguments: str) -> Any:
    assert main(["vpp", *arguments, "--data", str(data), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_reserve_is_told_by_quarter_hour(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = said(capsys, data, "reserve")
    assert [row["settled"] for row in rows] == [True, False, False, False]
    assert [row["up_mw"] for row in rows] == [0.004] * 4
    assert [row["down_mw"] for row in rows] == [0.003] * 4
    assert [row["offered_up_mw"] for row in rows] == [0, 0.001, 0.001, 0.001]
    assert [row["activated_kwh"] for row in rows] == [0.4, -0.333, -0.033, 0]
    # Nobody was ever heard of; the 2 kW that are owed less in the third leave as much room.
    assert [row["short_up_mw"] for row in rows] == [0.004, 0.004, 0.002, 0]
    assert [row["availability_eur"] for row in rows] == pytest.approx(
        [0.017518, 0.017518, 0.017517, 0.017517]
    )
    assert len(said(capsys, data, "reserve", "--last", "0")) == 3


def test_what_is_called_on_is_told(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = said(capsys, data, "reserve", "--active")
    assert (row["product_id"], row["service"], row["power_mw"]) == (DOWN, "reserve_down", -0.002)
    assert row["until_ns"] == DELIVERY_NS + 50 * MINUTE_NS
    assert said(capsys, data, "dispatch", "--last", "1")[0]["committed_power_w"] == -2_000


def test_bids_show_their_service_and_unit(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = said(capsys, data, "bids")
    assert [(row["service"], row["unit_id"], row["ending"]) for row in rows] == [
        ("reserve_up", 0, "FILLED"), ("reserve_down", 0, "FILLED"), ("reserve_up", 0, "OPEN"),
        ("energy", 20, "SHADOWED"),
    ]  # fmt: skip
    assert main(["vpp", "bids", "--why", "1", "--data", str(data)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "to sell 0.004 MW of up reserve" in told
    assert "holding it costs 9.00" in told


def test_plans_and_nodes_show_reserve_and_modes(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [row["reserve_up_w"] for row in said(capsys, data, "plan")] == [4_000, 4_000]
    assert [row["submit_mode"] for row in said(capsys, data, "aggregate")] == ["", "SHADOW"]


def test_the_operator_may_send_the_commands(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vpp", "send"]) == 0
    told = capsys.readouterr().out
    for name in ("define-reserve", "record-activation", "record-reserve-settled"):
        assert name in told
