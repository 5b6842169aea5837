"""A node in a process of its own, under load, killed and starved: nothing acknowledged is lost."""

import os
import shutil
import signal
import subprocess
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from markets.tally import MARKET, SCHEMA, Add, SetAlarm, opening
from ringmain.core.clock import Clock
from ringmain.core.errors import RingmainError
from ringmain.core.journal.scan import JournalScan, begun_segments
from ringmain.core.journal.writer import SEGMENT_BYTES_MIN, JournalOptions
from ringmain.core.messages import COMMAND_REFUSED, SESSION_OPENED, STOPPING
from ringmain.core.node import Node, NodeOptions, serve
from ringmain.core.replay import replay
from ringmain.core.ring import Ring
from ringmain.core.shared import ring_path
from ringmain.core.snapshot import snapshot_path
from ringmain.core.tape import TapeReader

KILLS = int(os.environ.get("RINGMAIN_KILLS", "200"))
SESSION = 5
JOURNAL = JournalOptions(segment_bytes=SEGMENT_BYTES_MIN)
OPTIONS = NodeOptions(JOURNAL, ring_slots=1024, ring_lanes=4, snapshot_commands=20_000, digest_commands=5_000)


@pytest.fixture(scope="module", autouse=True)
def _compiled(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Live a node's life here before any is forked, so that a child finds every kernel loaded."""
    folder = tmp_path_factory.mktemp("first") / "tally"
    node = Node(folder, MARKET, Clock.running(folder.parent / "clock"), OPTIONS)
    producer = Ring.open(ring_path(folder)).producer()
    producer.offer(SCHEMA.batch([opening(SESSION), Add(SESSION, 1, amount=1, echoes=0)]))
    node.turn(0)
    node.turn(0.01)
    producer.close()
    node.close()
    assert node.machine.state[0].total == 1


class Venue:
    """A folder, the process that runs its node, and a client that counts on what it is told."""

    def __init__(self, folder: Path, options: NodeOptions = OPTIONS) -> None:
        self.data, self.folder, self.options = folder, folder / "tally", options
        self.clock = Clock.running(folder / "clock")
        self.pid = 0
        self.producer: Any = None
        self.reader: TapeReader | None = None
        self.answered = 0
        self.refused: list[int] = []

    def start(self) -> None:
        epoch = self.page("epoch") if (self.folder / "page").exists() else 0
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                serve(self.folder, MARKET, self.clock, self.options)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        deadline = time.monotonic() + 60
        while not (self.folder / "page").exists() or self.page("epoch") == epoch:
            assert time.monotonic() < deadline and os.waitpid(self.pid, os.WNOHANG) == (0, 0)
            time.sleep(0.002)
        self.reader = self.reader or TapeReader(self.folder, SCHEMA)

    def page(self, name: str) -> int:
        return (self.reader or TapeReader(self.folder, SCHEMA)).page.get(name)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.pid = 0

    def stop(self) -> None:
        os.kill(self.pid, signal.SIGTERM)
        assert os.waitpid(self.pid, 0)[1] == 0
        self.pid = 0

    def log_in(self) -> None:
        """Claim a lane under the node that runs now, and learn what it has answered."""
        if self.producer is not None:
            self.producer.close()
        self.producer = Ring.open(ring_path(self.folder)).producer()
        assert self.producer.offer(opening(SESSION).view(SCHEMA.header)) == 1
        last = None
        deadline = time.monotonic() + 30
        while last is None:
            assert time.monotonic() < deadline
            last = self.listen(0.05)
        assert last >= self.answered, "an acknowledged command was forgotten"
        self.answered = last

    def offer(self, count: int) -> int:
        """Offer the next `count` commands after the last that was answered; return how many were taken."""
        batch = SCHEMA.empty(count)
        Add.stamp(batch)
        adds = batch.view(Add.dtype)
        adds["session_id"], adds["amount"] = SESSION, 1
        adds["session_number"] = np.arange(self.answered + 1, self.answered + 1 + count)
        return int(self.producer.offer(batch))

    def listen(self, timeout_s: float) -> int | None:
        """Read the tape; return the last number that a SessionOpened told, if one came."""
        assert self.reader is not None
        self.reader.wait(timeout_s)
        told = None
        while (rows := self.reader.read()).size:
            added = rows[rows["kind"] == 1]
            if added.size:
                numbers = added["session_number"]
                assert numbers[0] == self.answered + 1 or told is not None or numbers[0] <= self.answered + 1
                self.answered = max(self.answered, int(numbers[-1]))
            self.refused += rows[rows["kind"] == COMMAND_REFUSED]["session_number"].tolist()
            opened = rows[rows["kind"] == SESSION_OPENED]
            if opened.size:
                told = int(opened.view(SCHEMA.events[SESSION_OPENED].dtype)["last_number"][-1])
        return told

    def trade(self, count: int, timeout_s: float = 60.0) -> None:
        """Send until `count` more commands are answered."""
        goal, deadline = self.answered + count, time.monotonic() + timeout_s
        while self.answered < goal:
            assert time.monotonic() < deadline
            sent_from = self.answered
            taken = self.offer(min(200, goal - self.answered))
            while self.answered < sent_from + taken:
                assert time.monotonic() < deadline
                self.listen(0.02)

    def numbers_on_tape(self) -> list[int]:
        reader, numbers = TapeReader(self.folder, SCHEMA), []
        while (rows := reader.read()).size:
            numbers += rows["session_number"][rows["kind"] == 1].tolist()
        return numbers


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    venue = Venue(tmp_path)
    yield venue
    if venue.pid:
        venue.kill()
    if venue.folder.exists():
        ring_path(venue.folder).unlink(missing_ok=True)


def test_kill_9_loses_nothing_acknowledged_and_doubles_nothing(venue: Venue) -> None:
    """At KILLS seeded instants under load; RINGMAIN_KILLS says how many."""
    dice = np.random.default_rng(2026)
    for _ in range(KILLS):
        venue.start()
        venue.log_in()
        if dice.random() < 0.75:  # a slow disk must not keep every life from being acknowledged anything
            venue.trade(2)
        end = time.monotonic() + float(dice.uniform(0.0, 0.04))
        while time.monotonic() < end:
            taken = venue.offer(int(dice.integers(1, 300)))
            if dice.random() < 0.8:
                before = venue.answered
                while taken and venue.answered < before + taken and time.monotonic() < end:
                    venue.listen(0.002)
                if venue.answered < before + taken:
                    break
        venue.kill()
    venue.start()
    venue.log_in()
    venue.trade(100)
    venue.stop()
    assert venue.numbers_on_tape() == list(range(1, venue.answered + 1))
    machine, report = replay(venue.folder, MARKET, verify=True)
    assert machine.state[0].total == venue.answered > KILLS
    assert report.digests_checked > 0 and report.digest == venue.page("digest")
    assert report.events_compared == venue.page("tape_readable")


def test_a_replay_from_a_snapshot_agrees_with_one_from_the_start(venue: Venue) -> None:
    venue.start()
    venue.log_in()
    venue.trade(50_000)
    venue.stop()
    from_start = replay(venue.folder, MARKET, from_start=True)[1]
    from_snapshot = replay(venue.folder, MARKET, from_start=False)[1]
    assert from_snapshot.from_sequence > 0 and from_snapshot.digest == from_start.digest
    part = replay(venue.folder, MARKET, to_sequence=1_000)[0]
    assert part.state[0].total == 999


def test_a_lost_tape_is_written_anew(venue: Venue) -> None:
    venue.start()
    venue.log_in()
    venue.trade(5_000)
    venue.stop()
    before = [p.read_bytes() for p in sorted((venue.folder / "tape").iterdir())]
    shutil.rmtree(venue.folder / "tape")
    venue.start()
    venue.stop()
    assert [p.read_bytes() for p in sorted((venue.folder / "tape").iterdir())] == before


def test_a_lost_page_costs_nothing(venue: Venue) -> None:
    venue.start()
    venue.log_in()
    venue.trade(5_000)
    venue.stop()
    (venue.folder / "page").unlink()
    venue.reader = None
    venue.start()
    assert venue.reader is not None
    venue.reader.position = venue.reader.readable()
    venue.log_in()
    venue.trade(10)
    venue.stop()
    assert venue.numbers_on_tape() == list(range(1, 5_011))


def test_a_torn_snapshot_is_passed_over_at_the_start(venue: Venue) -> None:
    venue.start()
    venue.log_in()
    venue.trade(45_000)
    venue.stop()
    newest = max((venue.folder / "snapshots").iterdir())
    newest.write_bytes(newest.read_bytes()[:-100])
    venue.start()
    venue.log_in()
    assert venue.answered == 45_000
    venue.trade(10)
    venue.stop()
    assert replay(venue.folder, MARKET, verify=True)[0].state[0].total == 45_010


def test_an_acknowledged_batch_that_is_damaged_is_no_torn_end(venue: Venue) -> None:
    venue.start()
    venue.log_in()
    venue.trade(100)
    venue.kill()
    scan = JournalScan(venue.folder / "journal", SCHEMA)
    last = list(scan.batches())[-1]
    with last.segment.path.open("r+b") as file:
        file.seek(last.offset + 70)
        file.write(b"\xff\xff")
    with pytest.raises(RingmainError, match=r"RM104.*was acknowledged"):
        Node(venue.folder, MARKET, venue.clock, OPTIONS)


def test_two_nodes_do_not_share_a_folder(venue: Venue) -> None:
    venue.start()
    with pytest.raises(RingmainError, match=r"RM106.*in use by process"):
        Node(venue.folder, MARKET, venue.clock, OPTIONS)


def test_timers_ring_in_order_and_time_never_steps_back(tmp_path: Path) -> None:
    clock = Clock.stepped(tmp_path / "clock", 1_000)
    node = Node(tmp_path / "tally", MARKET, clock, OPTIONS)
    producer, reader = (
        Ring.open(ring_path(tmp_path / "tally")).producer(),
        TapeReader(tmp_path / "tally", SCHEMA),
    )
    producer.offer(SCHEMA.batch([opening(SESSION), SetAlarm(SESSION, 1, at_ns=5_000)]))
    node.turn(0)
    clock.step_to(700)  # the clock steps back: logical time does not
    producer.offer(SCHEMA.batch([Add(SESSION, 2, amount=1, echoes=0)]))
    node.turn(0)
    clock.step_to(9_000)
    producer.offer(SCHEMA.batch([Add(SESSION, 3, amount=1, echoes=0)]))
    node.turn(0)
    node._journal.flush()
    rows = reader.read()
    assert rows["kind"].tolist() == [SESSION_OPENED, 1, 2, 1]
    assert rows["time_ns"].tolist() == [1_000, 1_000, 5_000, 9_000]
    node.turn(0)
    assert node.page.get("settled_ns") == 9_000
    node.close()


def test_a_node_that_stops_takes_what_is_there_and_nothing_further(tmp_path: Path) -> None:
    node = Node(tmp_path / "tally", MARKET, Clock.running(tmp_path / "clock"), OPTIONS)
    producer = Ring.open(ring_path(tmp_path / "tally")).producer()
    producer.offer(SCHEMA.batch([opening(SESSION), Add(SESSION, 1, amount=1, echoes=0)]))
    node.close()
    assert node.position.sequence == 2
    assert producer.refusal == STOPPING
    assert producer.offer(SCHEMA.batch([Add(SESSION, 2, amount=1, echoes=0)])) == 0


def fill_and_release(venue: Venue, release: Any) -> None:
    """Send until the node refuses, make room, and see it take commands again."""
    venue.start()
    venue.log_in()
    deadline = time.monotonic() + 120
    while not venue.producer.refusal:
        assert time.monotonic() < deadline
        venue.offer(500)
        venue.listen(0.01)
    assert venue.offer(1) == 0
    release()
    while venue.producer.refusal:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    venue.listen(0.3)
    venue.trade(1_000)
    venue.stop()
    assert venue.numbers_on_tape() == list(range(1, venue.answered + 1))
    assert replay(venue.folder, MARKET)[0].state[0].total == venue.answered


def test_a_full_disk_refuses_and_resumes(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if (
        os.getuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "none", disk], check=False).returncode
    ):
        pytest.skip("a small disk of its own needs root and mount")
    try:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(20 << 20))
        fill_and_release(Venue(disk), ballast.unlink)
    finally:
        for attempt in range(50):
            if subprocess.run(["umount", "--lazy", disk], check=False, capture_output=True).returncode == 0:
                break
            time.sleep(0.1 * attempt)


def test_retention_keeps_what_a_start_needs(tmp_path: Path) -> None:
    options = NodeOptions(
        JOURNAL, 1024, 4, snapshot_commands=20_000, digest_commands=5_000, keep_journal=False
    )
    venue = Venue(tmp_path, options)
    venue.start()
    venue.log_in()
    venue.trade(300_000, 120)
    venue.stop()
    first = begun_segments(venue.folder / "journal")[0].first_sequence
    oldest = min(int(p.stem[9:]) for p in (venue.folder / "snapshots").iterdir())
    assert 1 < first <= oldest + 1
    assert snapshot_path(venue.folder / "snapshots", oldest).exists()
    venue.start()
    venue.log_in()
    assert venue.answered == 300_000
    venue.stop()
    shutil.rmtree(venue.folder / "tape")  # a lost tape begins again at a snapshot
    venue.start()
    assert venue.page("tape_first") > 0
    venue.stop()


def test_what_a_node_is_told_while_it_recovers_is_heeded_then(venue: Venue) -> None:
    venue.start()
    venue.log_in()
    venue.trade(5_000)
    venue.kill()
    for _ in range(10):
        venue.start()  # returns when the page says so, which is before the loop begins
        venue.stop()
    assert venue.page("node") == 0 and venue.page("snapshot_sequence") == venue.page("sequence")
