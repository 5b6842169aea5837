"""The node: the one process that owns an engine's state.

Its loop, over and over: drain the ring into the journal's open batch, stamp sequence and time, apply,
write the events to the tape, hand the batch to the journal's writer. What the writer has made durable
becomes readable on the tape. Timers that the engine asked for become commands here.
"""

import gc
import logging
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.core.clock import Clock
from ringmain.core.commit import CommitPosition
from ringmain.core.engine import NO_DEADLINE, Machine, Market
from ringmain.core.errors import RingmainError
from ringmain.core.files import FolderLock
from ringmain.core.jit import kernel
from ringmain.core.journal.scan import End, JournalScan, begun_segments
from ringmain.core.journal.segments import drop_before
from ringmain.core.journal.writer import DISK, JournalOptions, JournalWriter
from ringmain.core.messages import JOURNAL_FULL, STOPPING, TAPE_FULL, record_of
from ringmain.core.page import NodePage
from ringmain.core.replay import Replay
from ringmain.core.ring import ACCEPTING, Consumer, Ring
from ringmain.core.shared import boot_word, process_word, ring_path
from ringmain.core.snapshot import SNAPSHOTS_KEPT, Position, Snapshots
from ringmain.core.tape import EVENTS_A_SEGMENT, TapeWriter

LOG = logging.getLogger("ringmain.node")
IDLE_S = 0.25
TIMERS_A_PASS = 256
FULL_RETRY_S = 0.1
COMPILED_S = 5.0  # loading takes less


@dataclass(frozen=True)
class NodeOptions:
    """How a node is run.

    Parameters
    ----------
    ring_slots, ring_lanes : int
        Capacity of a producer's lane in slots of 64 bytes; how many producers.
    snapshot_commands : int
        A snapshot is taken after so many commands, on SIGUSR1, and at an orderly stop.
    digest_commands : int
        A digest of the state goes into the journal after so many commands.
    keep_journal : bool
        False: segments that every kept snapshot covers are deleted.
    tape_segments : int
        How many segments of the tape are kept, 64 MiB each; 0: all.
    """

    journal: JournalOptions = field(default_factory=JournalOptions)
    ring_slots: int = 16_384
    ring_lanes: int = 8
    snapshot_commands: int = 4_000_000
    digest_commands: int = 1 << 20
    keep_journal: bool = True
    tape_segments: int = 0


HEEDED = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


def serve(folder: Path, market: Market, clock: Clock, options: NodeOptions | None = None) -> None:
    """Run a node in this process until it is told to stop; what it is told while it recovers is heeded then.

    Parameters and errors are :class:`Node`'s.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, HEEDED)
    node = Node(folder, market, clock, options)
    gc.freeze()  # what lives as long as the process is not searched for garbage again and again
    node.run()


@kernel
def stamp(commands: Any, first_sequence: int, time_ns: int) -> None:
    """Give each command its place and its time."""
    for i in range(commands.size):
        commands[i].sequence = first_sequence + i
        commands[i].time_ns = time_ns


class Node:
    """Runs one market in its folder: recovers, then serves until :meth:`stop`.

    Parameters
    ----------
    folder : Path
        The market's folder: journal, tape, snapshots, page.
    market : Market
    clock : Clock
    options : NodeOptions, optional

    Raises
    ------
    RingmainError
        RM104 for a damaged journal, RM106 if another process has the folder.
    """

    def __init__(
        self, folder: Path, market: Market, clock: Clock, options: NodeOptions | None = None
    ) -> None:
        self.options = options or NodeOptions()
        self.folder, self.market, self.clock = folder, market, clock
        self._lock = FolderLock(folder / "journal", market.schema.name)
        self.page = NodePage(folder / "page", create=True)
        self.tape = TapeWriter(folder / "tape", self.page, market.schema.record_bytes)
        self.snapshots = Snapshots(folder / "snapshots", LOG.warning)
        self.machine = Machine(market)
        self._compile()
        self._timer = record_of(market.schema, "Timer")
        self._is_stopping = self._snapshot_wanted = False
        self._consumer: Consumer | None = None  # until everything is recovered
        end = self._recover()
        sequence = self.position.sequence
        self._commit = CommitPosition(self.tape.publish, ("journal",), sequence)
        self._journal = JournalWriter(
            folder / "journal",
            market.schema,
            market.schema.digest(),
            end,
            self._on_durable,
            self.options.journal,
        )
        self._digest_sequence = sequence
        self._snapshot_sequence = self.page.get("snapshot_sequence")  # a node that dies often takes them too
        self._ring = Ring.create(
            ring_path(folder), self.options.ring_slots, self.options.ring_lanes, market.schema.slots
        )
        self._consumer = self._ring.consumer()
        self._announce()

    def run(self) -> None:
        """Serve until :meth:`stop` or SIGTERM, then end in order: everything durable, a last snapshot."""
        signal.signal(signal.SIGTERM, lambda *_: self.stop())
        signal.signal(signal.SIGINT, lambda *_: self.stop())
        signal.signal(signal.SIGUSR1, lambda *_: self.want_snapshot())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEEDED)
        while not self._is_stopping:
            self.turn()
        self.close()

    def stop(self) -> None:
        """Let the loop end after its current pass."""
        self._is_stopping = True

    def want_snapshot(self) -> None:
        """Take a snapshot at the end of the current pass."""
        self._snapshot_wanted = True

    def turn(self, idle_s: float = IDLE_S) -> None:
        """One pass: due timers, what the ring holds, and, if there was nothing, sleep up to `idle_s`."""
        now_ns = self._now_ns()
        worked = self._fire_timers(now_ns) + self._drain(now_ns)
        if self._snapshot_wanted or self._since(self._snapshot_sequence) >= self.options.snapshot_commands:
            self._take_snapshot()
        if not worked:
            self._rest(now_ns, idle_s)

    def close(self) -> None:
        """End in order."""
        self._tell_producers(STOPPING)
        while self._drain(self._now_ns()):
            pass
        self._journal.append_digest(self.position.sequence, self.machine.digest())
        self._journal.flush()
        self.snapshots.wait()
        if self._since(self.page.get("snapshot_sequence")):
            self._take_snapshot()
            self.snapshots.wait()
        self._journal.close()
        self.tape.sync()
        self.page.set("tape_complete", 1)
        self.page.set("node", 0)
        self.tape.close()
        ring_path(self.folder).unlink(missing_ok=True)
        self._lock.release()
        LOG.info("%s stopped at sequence %d", self.market.schema.name, self.position.sequence)

    # Start.

    def _compile(self) -> None:
        """See that no command ever waits for a compiler, and say so if this start had to."""
        began = time.perf_counter()
        self.machine.compile()
        seconds = time.perf_counter() - began
        if seconds > COMPILED_S:
            LOG.info(
                "%s: kernels compiled in %.0f s; later starts find them", self.market.schema.name, seconds
            )

    def _recover(self) -> End:
        """Load the newest good snapshot, replay the journal behind it, write the tape that is missing."""
        began = time.perf_counter()
        scan_to_end = JournalScan(self.folder / "journal", self.market.schema, 1 << 62)
        journal_last = scan_to_end.run().last_sequence
        self._check_acknowledged(journal_last)
        tape_end = self._tape_end()
        kept = begun_segments(self.folder / "journal")
        is_whole_journal = not kept or kept[0].first_sequence == 1
        tape_limit = 1 << 62 if tape_end == 0 and not is_whole_journal else tape_end
        position = self.snapshots.load_newest(self.machine, journal_last, tape_limit)
        if tape_end == 0:
            self.page.set("tape_first", position.tape_position)
        self.tape.position = position.tape_position
        self.page.set("tape_complete", 0)
        run = Replay(self.machine, position, lambda events: self._restore_tape(events, tape_end))
        scan = JournalScan(self.folder / "journal", self.market.schema, position.sequence)
        self.position = run.run(scan)
        self.page.set("snapshot_sequence", position.sequence)
        self._say_recovered(scan.end, position, time.perf_counter() - began)
        return scan.end

    def _restore_tape(self, events: Any, tape_end: int) -> None:
        """Write what a replay has found of the tape, but for what is there."""
        there = max(0, min(tape_end - self.tape.position, events.size))
        self.tape.position += there
        self._append_to_tape(events[there:])

    def _check_acknowledged(self, journal_last: int) -> None:
        """Refuse to go on if what was acknowledged is not in the journal."""
        acknowledged = self.page.get("durable_sequence")
        name = self.market.schema.name
        survived = self.options.journal.durability == DISK or self.page.get("boot") == boot_word()
        if acknowledged > journal_last and survived:
            raise RingmainError(
                "RM104", "journal", f"sequence {acknowledged} was acknowledged, "
                f"but what can be read ends at {journal_last}",
                f'Restore it, or give the rest up: "ringmain journal repair {name} --to {journal_last}"',
            )  # fmt: skip

    def _tape_end(self) -> int:
        """Return how far the tape is surely there: nothing after an unclean boot, or with files missing."""
        if self.page.get("epoch") == 0 and not begun_segments(self.folder / "journal"):
            return 0  # a new folder
        intact = self.page.get("tape_complete") or self.page.get("boot") == boot_word()
        if not intact or not self.tape.covers(self.page.get("tape_first"), self.page.get("tape_readable")):
            LOG.warning("the tape is lost; it is written anew from the journal")
            self.page.set("tape_readable", 0)
            self.tape.discard()
            return 0
        return self.page.get("tape_readable")

    def _say_recovered(self, end: End, snapshot: Position, seconds: float) -> None:
        if end.torn_bytes and end.segment is not None:
            LOG.warning(
                "journal: a torn end of %d bytes behind sequence %d in %s was cut; it was never acknowledged",
                end.torn_bytes, end.last_sequence, end.segment.path.name,
            )  # fmt: skip
        LOG.info(
            "%s is at sequence %d: snapshot %d and %d commands replayed in %.3f s",
            self.market.schema.name, self.position.sequence, snapshot.sequence,
            self.position.sequence - snapshot.sequence, seconds,
        )  # fmt: skip

    def _announce(self) -> None:
        """Show that everything recovered is readable, and who runs the node."""
        self.tape.publish(self.position.tape_position)
        self.page.set("boot", boot_word())
        self.page.set("sequence", self.position.sequence)
        self.page.set("durable_sequence", self.position.sequence)
        self.page.set("durability", int(self.options.journal.durability == DISK))
        self._tell_producers(ACCEPTING)
        self.page.set("epoch", self.page.get("epoch") + 1)
        self.page.set("node", process_word(os.getpid()))

    # The loop.

    def _now_ns(self) -> int:
        """Return the logical time; it never steps back, whatever the clock does."""
        return max(self.clock.now_ns(), self.position.time_ns)

    def _since(self, sequence: int) -> int:
        return self.position.sequence - sequence

    def _fire_timers(self, now_ns: int) -> int:
        """Turn due deadlines into commands; return how many."""
        for fired in range(TIMERS_A_PASS):
            deadline_ns = self.machine.next_deadline_ns
            if deadline_ns == NO_DEADLINE or deadline_ns > now_ns:
                return fired
            rows = self._journal.rows()
            rows[:1].view(np.uint8)[:] = self._timer().view(np.uint8)
            self._apply(rows[:1], max(deadline_ns, self.position.time_ns))
        return TIMERS_A_PASS

    def _drain(self, now_ns: int) -> int:
        """Take what the ring holds, as far as the journal has room; return how many commands."""
        room = self._room()
        if room == 0:
            time.sleep(FULL_RETRY_S)
        assert self._consumer is not None
        rows = self._journal.rows()
        count = self._consumer.drain(rows[:room])
        self._apply(rows[:count], now_ns)
        return count

    def _apply(self, commands: Any, time_ns: int) -> None:
        """Stamp, apply, write events, and leave the commands to the journal's writer."""
        count = commands.size
        if not count:
            self._journal.append(0)
            return
        stamp(commands, self.position.sequence + 1, time_ns)
        self.machine.step(commands, self._append_to_tape)
        sequence = self.position.sequence + count
        self.position = Position(sequence, time_ns, self.tape.position)
        self.page.set("sequence", sequence)
        self.page.set("time_ns", time_ns)
        self._commit.emitted(sequence, self.tape.position)
        self._journal.append(count)
        if self._since(self._digest_sequence) >= self.options.digest_commands:
            self._digest()

    def _digest(self) -> None:
        self._digest_sequence = self.position.sequence
        digest = self.machine.digest()
        self._journal.append_digest(self.position.sequence, digest)
        self.page.set("digest", digest)
        self.page.set("digest_sequence", self.position.sequence)

    def _append_to_tape(self, events: Any) -> None:
        """Write events; while the disk has no room, take no commands and try again."""
        while True:
            try:
                self.tape.append(events)
                return
            except OSError as error:
                self._refuse(TAPE_FULL, error.strerror or str(error))
                time.sleep(FULL_RETRY_S)

    def _room(self) -> int:
        """Return how many commands the journal can surely take; refuse new ones when they run out."""
        room = self._journal.room_rows
        reserve = self.options.ring_slots * self.options.ring_lanes // 8
        if room < reserve and self._journal.full_because:
            self._refuse(JOURNAL_FULL, self._journal.full_because)
        elif self.page.get("refusal") in (JOURNAL_FULL, TAPE_FULL):
            LOG.warning("%s accepts commands again", self.market.schema.name)
            self._tell_producers(ACCEPTING)
        return max(0, room)

    def _refuse(self, reason: int, why: str) -> None:
        if not self.page.get("refusal"):
            LOG.error("%s takes no more commands: %s", self.market.schema.name, why)
        self._tell_producers(reason)

    def _tell_producers(self, reason: int) -> None:
        self.page.set("refusal", reason)
        if self._consumer is not None:
            self._consumer.refuse(reason)

    def _rest(self, now_ns: int, idle_s: float) -> None:
        """Say that nothing is left to do at this time, and sleep until there may be."""
        is_settled = self.page.get("durable_sequence") == self.position.sequence
        if is_settled:
            self.page.set("settled_ns", now_ns)
        deadline_ns = self.machine.next_deadline_ns
        if deadline_ns != NO_DEADLINE:
            idle_s = min(idle_s, self.clock.wall_seconds_until(deadline_ns))
        if self.page.get("refusal"):
            idle_s = min(idle_s, FULL_RETRY_S)
        assert self._consumer is not None
        self._consumer.wait(idle_s, lambda: self._has_news(now_ns, is_settled))

    def _has_news(self, now_ns: int, was_settled: bool) -> bool:
        """Look once more before sleeping: a stepped clock may have moved, the journal caught up."""
        if self.clock.is_stepped and self.clock.now_ns() > now_ns:
            return True
        return not was_settled and self.page.get("durable_sequence") == self.position.sequence

    def _take_snapshot(self) -> None:
        if self.snapshots.is_writing:
            return
        began = time.perf_counter_ns()
        self._digest()
        self.snapshots.take(self.machine, self.position, self._on_snapshot)
        self._snapshot_wanted, self._snapshot_sequence = False, self.position.sequence
        self.page.set("snapshot_pause_ns", time.perf_counter_ns() - began)
        if self.options.tape_segments:
            kept = self.options.tape_segments * EVENTS_A_SEGMENT
            self.tape.drop_before(max(0, self.position.tape_position - kept))

    # Other threads.

    def _on_durable(self, sequence: int, took_ns: int) -> None:
        """The journal's writer: commands up to `sequence` are safe."""
        self.page.set("durable_sequence", sequence)
        self._commit.confirm("journal", sequence)
        self.page.count_latency(took_ns)
        self.page.set("journal_batches", self._journal.written.batches)
        self.page.set("journal_bytes", self._journal.written.bytes)
        if self.clock.is_stepped:
            self._ring.nudge()

    def _on_snapshot(self, sequence: int) -> None:
        """The snapshot's thread: it is on the disk."""
        self.page.set("snapshot_sequence", sequence)
        kept = self.snapshots.sequences()
        if not self.options.keep_journal and len(kept) == SNAPSHOTS_KEPT:
            drop_before(self.folder / "journal", min(kept[-1], self.page.get("durable_sequence")))
