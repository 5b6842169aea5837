"""Replay, and a start after kill -9, on the exchange's journal: the order book's mix, one book."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bench import order_book
from bench.figures import Row, row
from ringmain.core.clock import Clock
from ringmain.core.journal.writer import PROCESS, JournalOptions
from ringmain.core.node import Node, NodeOptions
from ringmain.core.page import NodePage
from ringmain.core.replay import replay
from ringmain.core.ring import Ring
from ringmain.core.shared import is_alive, ring_path
from ringmain.exchange.engine import MARKET

COMMANDS = 10_000_000
RUNS = 3
PIECE = 16_384


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
    stream, _ = order_book.stream(*order_book.BOOKS["one book"], count)
    commands = stream.view(MARKET.schema.header).view(np.recarray)
    pid = os.fork()
    if pid == 0:
        options = NodeOptions(JournalOptions(PROCESS), ring_slots=PIECE, snapshot_commands=1 << 62)
        node = Node(folder / "exchange", MARKET, Clock.running(folder / "clock"), options)
        producer = Ring.open(ring_path(folder / "exchange")).producer()
        producer.offer(order_book.opening(1))
        node.turn(0)
        for begin in range(0, commands.size, PIECE):
            batch = commands[begin : begin + PIECE]
            while batch.size:
                batch = batch[producer.offer(batch) :]
                node.turn(0)
        node._journal.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL, "the journal could not be written"


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
