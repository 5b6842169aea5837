"""The ring between two processes, beside the LMAX Disruptor between two threads.

Both sides fill every 64-byte record, publish it by itself, and checksum all of it at the consumer.
Ours copies a record in and out, as the node and its producers do; the Disruptor's events are written
and read in place.
"""

import ctypes
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.figures import Row, alternate, row
from ringmain.core.jit import kernel, leaf, pause
from ringmain.core.ring import Ring, drain_lane, put

RING_SLOTS = (1_024, 16_384, 65_536)
RECORD_WORDS = 8
ROWS_A_BATCH, ROWS_A_DRAIN = 64, 256
ROUNDS_A_BATCH = 1_000
RUNS = 5
FEW, PAUSES = 256, 32  # the consumer pauses when it found few, the producer when the ring is full
IDLE_POLLS = 1_000_000_000  # seconds of nothing: the other process is gone
PR_SET_PDEATHSIG = 1  # prctl(2)
DISRUPTOR = Path("/usr/share/java/disruptor.jar")  # where Debian's libdisruptor-java puts it
PACKAGES = ("libdisruptor-java", "default-jdk-headless")
PEER = "LMAX Disruptor 3.4.4"
WAITS = ("busy", "yield")  # its wait strategies; the better one counts


@leaf
def back_off() -> None:
    """Let the other side get on: two that wait for each other's every move pass a line per record."""
    for _ in range(PAUSES):
        pause()


@leaf
def fill(record_words: Any, row: int, value: int) -> None:
    """Write 64 bytes that depend on `value`."""
    for word in range(RECORD_WORDS):
        record_words[row * RECORD_WORDS + word] = value + word


@kernel
def produce(words: Any, cursors: Any, record_words: Any, count: int) -> None:
    """Publish `count` records, each by itself; they are made a batch at a time, as clients send them."""
    for first in range(0, count, ROWS_A_BATCH):
        rows = min(ROWS_A_BATCH, count - first)
        for place in range(rows):
            fill(record_words, place, first + place)
        for place in range(rows):
            while not put(words, 0, cursors, record_words, place):
                back_off()


@kernel
def consume(words: Any, cursors: Any, out_words: Any, count: int) -> int:
    """Take `count` records; return the sum of all their words."""
    total, taken, idle = 0, 0, 0
    while taken < count and idle < IDLE_POLLS // PAUSES:
        rows = drain_lane(words, 0, cursors, out_words, 0, min(ROWS_A_DRAIN, count - taken))
        for word in range(rows * RECORD_WORDS):
            total += out_words[word]
        taken += rows
        idle = idle + 1 if rows == 0 else 0
        if rows < FEW:
            back_off()
    return total


@leaf
def receive(words: Any, cursors: Any, out_words: Any) -> int:
    """Wait for one record; return its first word, or -1 if none comes."""
    for _ in range(IDLE_POLLS):
        if drain_lane(words, 0, cursors, out_words, 0, 1) == 1:
            return out_words[0]
    return -1


@kernel
def ping(
    there: Any, back: Any, sending: Any, receiving: Any, record_words: Any, first: int, rounds: int
) -> None:
    """Send a record and wait for its reply, `rounds` times."""
    for value in range(first, first + rounds):
        fill(record_words, 0, value)
        put(there, 0, sending, record_words, 0)
        assert receive(back, receiving, record_words) == value


@kernel
def pong(there: Any, back: Any, sending: Any, receiving: Any, record_words: Any, rounds: int) -> None:
    """Answer `rounds` records with what they hold."""
    for _ in range(rounds):
        fill(record_words, 0, receive(there, receiving, record_words))
        put(back, 0, sending, record_words, 0)


def run(scale: float = 1.0) -> list[Row]:
    """Measure throughput for each size of ring, and half a round trip."""
    has_peer = _peer_is_there()
    rows = [_throughput(slots, max(int(20_000_000 * scale), 100_000), has_peer) for slots in RING_SLOTS]
    return [*rows, _round_trip(max(int(1_000_000 * scale), 10_000), has_peer)]


def _throughput(slots: int, count: int, has_peer: bool) -> Row:
    with tempfile.TemporaryDirectory(dir=_memory_folder()) as folder:
        ring = Ring.create(Path(folder) / "ring", slots=slots, lanes=1)
        consumer = ring.consumer()
        out = np.zeros(ROWS_A_DRAIN * RECORD_WORDS, np.int64)

        def measure() -> float:
            begin = time.perf_counter()
            total = consume(ring.array, consumer._cursors, out, count)
            elapsed = time.perf_counter() - begin
            assert total == 4 * count * (count - 1) + 28 * count, "checksum"
            return count / elapsed / 1e6

        with _Other(_produce_runs, ring.words.path, count) as other:
            other.beside(measure)  # compiles, and touches every page
            sides = [lambda: other.beside(measure)]
            if has_peer:
                sides.append(lambda: max(_disruptor("throughput", slots, count, w) for w in WAITS))
            values, *peer_values = alternate(RUNS, *sides)
    figure = f"ring, two processes, 64 B, publish each, {slots // 1024} Ki slots"
    return row(figure, values, "M records/s", PEER, *peer_values)


def _round_trip(count: int, has_peer: bool) -> Row:
    with tempfile.TemporaryDirectory(dir=_memory_folder()) as folder:
        there, back = (Ring.create(Path(folder) / name, slots=1_024, lanes=1) for name in ("there", "back"))
        replies = back.consumer()
        sending = there.producer()
        record_words = np.zeros(RECORD_WORDS, np.int64)

        def measure() -> float:
            batches = []
            for first in range(0, count, ROUNDS_A_BATCH):
                begin = time.perf_counter_ns()
                ping(
                    there.array, back.array, sending._cursors, replies._cursors,
                    record_words, first, ROUNDS_A_BATCH,
                )  # fmt: skip
                batches.append((time.perf_counter_ns() - begin) / 2 / ROUNDS_A_BATCH)
            return median(batches)

        with _Other(_pong_runs, Path(folder), count // ROUNDS_A_BATCH * ROUNDS_A_BATCH) as other:
            other.beside(measure)
            sides = [lambda: other.beside(measure)]
            if has_peer:
                sides.append(partial(_disruptor, "pingpong", 1_024, count))
            values, *peer_values = alternate(RUNS, *sides)
    return row("ring, round trip / 2, 64 B", values, "ns", PEER, *peer_values)


class _Other:
    """The other process: it does one run each time it is told to."""

    def __init__(self, runs: Callable[..., None], path: Path, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._go, other_end = context.Pipe()
        self._process = context.Process(target=runs, args=(path, count, other_end), daemon=True)

    def __enter__(self) -> "_Other":
        self._process.start()
        assert self._go.recv() == "ready"
        return self

    def beside(self, measure: Callable[[], float]) -> float:
        self._go.send("go")
        return measure()

    def __exit__(self, *failure: object) -> None:
        self._go.send("end")
        self._process.join(10)
        self._process.kill()


def _end_with_parent() -> None:
    """Have the kernel end this process with its parent: alone it would spin for ever."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _produce_runs(path: Path, count: int, told: Any) -> None:
    _end_with_parent()
    ring = Ring.open(path)
    producer = ring.producer()
    record_words = np.zeros(ROWS_A_BATCH * RECORD_WORDS, np.int64)
    produce(ring.array, producer._cursors, record_words, 0)
    told.send("ready")
    while told.recv() == "go":
        produce(ring.array, producer._cursors, record_words, count)


def _pong_runs(folder: Path, count: int, told: Any) -> None:
    _end_with_parent()
    there, back = Ring.open(folder / "there"), Ring.open(folder / "back")
    requests = there.consumer()
    sending = back.producer()
    record_words = np.zeros(RECORD_WORDS, np.int64)
    pong(there.array, back.array, sending._cursors, requests._cursors, record_words, 0)
    told.send("ready")
    while told.recv() == "go":
        pong(there.array, back.array, sending._cursors, requests._cursors, record_words, count)


def _disruptor(*arguments: object) -> float:
    """Run one figure of the peer, after a run that warms it up."""
    source = Path(__file__).parent / "disruptor" / "DisruptorBench.java"
    command = [
        "java",
        "-cp",
        str(DISRUPTOR),
        str(source),
        *map(str, arguments[:3]),
        "1",
        *map(str, arguments[3:]),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return float(done.stdout)


def _peer_is_there() -> bool:
    """Look for a JDK and the Disruptor, and install them where that is ours to do."""
    if not _peer_is_installed() and os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (["update"], ["install", "--yes", "--no-install-recommends", *PACKAGES]):
            subprocess.run(["apt-get", "--quiet", *command], capture_output=True, check=False, timeout=600)
    if not _peer_is_installed():
        print(
            f"bench ring: no peer, for want of the Debian packages {' and '.join(PACKAGES)}", file=sys.stderr
        )
    return _peer_is_installed()


def _peer_is_installed() -> bool:
    return DISRUPTOR.is_file() and shutil.which("javac") is not None


def _memory_folder() -> str | None:
    """Shared memory where there is some: a ring's pages are not to be written to a disk meanwhile."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
