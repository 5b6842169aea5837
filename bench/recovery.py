"""Replay, and a start after kill -9, on the exchange's journal."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.figures import Row, row
from ringmain.core.clock import Clock
from ringmain.core.journal.writer import PROCESS, JournalOptions
from ringmain.core.messages import record_of
from ringmain.core.node import Node, NodeOptions
from ringmain.core.page import NodePage
from ringmain.core.replay import replay
from ringmain.core.ring import Ring
from ringmain.core.shared import is_alive, ring_path
from ringmain.exchange import messages as m
from ringmain.exchange.engine import MARKET

COMMANDS = 10_000_000
RUNS = 3
PIECE = 16_384
OPERATOR, TRADER = 1, 2


def run(scale: float = 1.0) -> list[Row]:
    """Measure on a journal of ``scale`` times 10 M commands."""
    count = max(PIECE, round(COMMANDS * scale))
    folder = Path(tempfile.mkdtemp(prefix="ringmain-bench-"))
    try:
        _write_journal(folder, count)
        replays = [_replay_rate(folder) for _ in range(RUNS)]
        starts = [_start_seconds(folder) for _ in range(RUNS)]
    finally:
        ring_path(folder / "exchange").unlink(missing_ok=True)
        shutil.rmtree(folder)
    name = f"{count / 1e6:g} M commands"
    return [row(f"replay, {name}", replays, "M/s"), row(f"start after kill -9, {name}", starts, "s")]


def _write_journal(folder: Path, count: int) -> None:
    """Fill a journal and leave it as a killed node would: no snapshot, no orderly stop."""
    pid = os.fork()
    if pid == 0:
        options = NodeOptions(JournalOptions(PROCESS), ring_slots=PIECE, snapshot_commands=1 << 62)
        node = Node(folder / "exchange", MARKET, Clock.running(folder / "clock"), options)
        producer = Ring.open(ring_path(folder / "exchange")).producer()
        producer.offer(_opening())
        node.turn(0)
        number, dice = 1, np.random.default_rng(1)
        while node.position.sequence < count:
            batch = _orders(number, dice)
            number += PIECE
            taken = 0
            while taken < PIECE:
                taken += producer.offer(batch[taken:])
                node.turn(0)
        node._journal.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL, "the journal could not be written"


def _opening() -> Any:
    """Return two sessions, an account without practical limits, and one instrument in trading."""
    limit = 10**9
    open_session = record_of(m.schema, "OpenSession")
    setup = [
        m.OpenAccount(credit_minor=10**14, long_limit_lots=limit, short_limit_lots=limit, account_id=1),
        m.Deposit(amount_minor=10**14, account_id=1),
        m.DefineProduct(
            delivery_start_ns=0, product_id=1, value_minor=1, reference_price_ticks=5_000,
            market_range_ticks=1_000, product_kind=m.INSTRUMENT,
        ),
        m.ScheduleProduct(auction_ns=0, gate_closure_ns=0, product_id=1),
    ]  # fmt: skip
    for number, record in enumerate(setup, start=1):
        record["session_id"], record["session_number"] = OPERATOR, number
    opens = [
        open_session(session_id=session, account_id=account, numbering=0, cancel_on_disconnect=0)
        for session, account in ((OPERATOR, 0), (TRADER, 1))
    ]
    return m.schema.batch([*opens, *setup])


def _orders(first_number: int, dice: np.random.Generator) -> Any:
    """Return PIECE commands: two orders, then a cancel of an earlier one, and so on."""
    batch = m.schema.empty(PIECE)
    m.PlaceOrder.stamp(batch)
    orders = batch.view(m.PlaceOrder.dtype)
    orders["session_id"], orders["session_number"] = TRADER, np.arange(first_number, first_number + PIECE)
    orders["price_ticks"] = 5_000 + dice.integers(-60, 61, PIECE)
    orders["quantity_lots"], orders["product_id"] = dice.integers(1, 50, PIECE), 1
    orders["side"] = dice.choice([m.BUY, m.SELL], PIECE)
    orders["order_type"], orders["time_in_force"] = m.LIMIT, m.GOOD_FOR_SESSION
    cancels = batch[2::3]
    cancels["body"] = 0
    m.CancelOrder.stamp(cancels)
    cancels.view(m.CancelOrder.dtype)["order_number"] = cancels["session_number"] - 2
    return batch


def _replay_rate(folder: Path) -> float:
    began = time.perf_counter()
    _, report = replay(folder / "exchange", MARKET)
    return report.sequence / (time.perf_counter() - began) / 1e6


def _start_seconds(folder: Path) -> float:
    """Start a node process, wait until it serves, and kill it again."""
    page = NodePage(folder / "exchange" / "page")
    epoch, began = page.get("epoch"), time.perf_counter()
    command = [sys.executable, "-m", "ringmain.cli", "node", "exchange", "--data", str(folder)]
    node = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while page.get("epoch") == epoch or not is_alive(page.get("node")):
            assert node.poll() is None and time.perf_counter() - began < 120, "the node did not come up"
            time.sleep(0.005)
        return time.perf_counter() - began
    finally:
        node.kill()
        node.wait()
