"""The tape: what the engine decided, readable by any process from any position.

Positions count events from 0 and do not depend on batching. Events lie in segment files of
EVENTS_A_SEGMENT, written with ``pwrite`` (a full disk is then an error, not a signal) before the
node's page moves ``tape_readable`` over them, which it does once the commands they answer are durable.
The tape is derived: lose it, and the node writes it again from the journal.
"""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.core.errors import RingmainError
from ringmain.core.files import write_all
from ringmain.core.jit import compare_exchange, full_fence, kernel, load_acquire, store_release
from ringmain.core.page import TAPE_READABLE, TAPE_WAITERS, TAPE_WAKEUPS, NodePage
from ringmain.core.records import Schema

EVENTS_A_SEGMENT = 1 << 20
READ_LIMIT = 16_384


def segment_path(folder: Path, segment: int) -> Path:
    """Return the file of a segment; it holds events from ``segment * EVENTS_A_SEGMENT``."""
    return folder / f"tape-{segment:010d}.seg"


def kept_segments(folder: Path) -> list[int]:
    """Return the numbers of the segments that are there, ascending."""
    return sorted(int(file.stem[5:]) for file in folder.glob("tape-*.seg"))


class _Segments:
    """Open segment files, at most one at a time."""

    def __init__(self, folder: Path, flags: int) -> None:
        self._folder, self._flags = folder, flags
        self._number, self._descriptor = -1, -1

    def descriptor(self, segment: int) -> int:
        if segment != self._number:
            self.close()
            self._descriptor = os.open(segment_path(self._folder, segment), self._flags, 0o600)
            self._number = segment
        return self._descriptor

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._number, self._descriptor = -1, -1


class TapeWriter:
    """The node's end.

    Parameters
    ----------
    folder : Path
        Where the segments lie.
    page : NodePage
        Whose words tell readers what they may read.
    record_bytes : int
        Size of one event.
    """

    def __init__(self, folder: Path, page: NodePage, record_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._page, self._record_bytes = folder, page, record_bytes
        self._segments = _Segments(folder, os.O_RDWR | os.O_CREAT)
        self.position = 0
        page.set("record_bytes", record_bytes)

    def append(self, events: Any) -> None:
        """Write events at :attr:`position`, unseen until :meth:`publish`; OSError if there is no room.

        After an error nothing has moved: the call may be repeated.
        """
        data = events.view(np.uint8)
        for segment, offset, rows, done in _pieces(self.position, events.size):
            descriptor = self._segments.descriptor(segment)
            begin = done * self._record_bytes
            write_all(
                descriptor, data[begin : begin + rows * self._record_bytes], offset * self._record_bytes
            )
        self.position += events.size
        self._page.set("tape_written", self.position)

    def publish(self, position: int) -> None:
        """Let readers see every event before `position`, and wake those who wait."""
        array = self._page.array
        if release_tape(array, position):
            self._page.words.wake(TAPE_WAKEUPS)

    def drop_before(self, position: int) -> None:
        """Delete whole segments before `position`; readers that were still there are told."""
        last_dropped = position // EVENTS_A_SEGMENT - 1
        for segment in kept_segments(self._folder):
            if segment <= last_dropped:
                self._page.set("tape_first", (segment + 1) * EVENTS_A_SEGMENT)
                segment_path(self._folder, segment).unlink()

    def covers(self, first: int, end: int) -> bool:
        """Tell whether every event from `first` up to `end` has its file, long enough."""
        for segment, offset, rows, _ in _pieces(first, end - first):
            path = segment_path(self._folder, segment)
            if not path.exists() or path.stat().st_size < (offset + rows) * self._record_bytes:
                return False
        return True

    def discard(self) -> None:
        """Delete every segment."""
        for segment in kept_segments(self._folder):
            segment_path(self._folder, segment).unlink()

    def sync(self) -> None:
        """Put every segment on the disk."""
        for segment in kept_segments(self._folder):
            os.fdatasync(self._segments.descriptor(segment))

    def close(self) -> None:
        """Close the files."""
        self._segments.close()


@kernel
def release_tape(words: Any, position: int) -> bool:
    """Move the readable position; True if a reader sleeps."""
    store_release(words, TAPE_READABLE, position)
    words[TAPE_WAKEUPS] = (words[TAPE_WAKEUPS] + 1) & 0x3FFFFFFF
    full_fence()
    return load_acquire(words, TAPE_WAITERS) != 0


class TapeReader:
    """One reader's end, in any process; it never holds up the node.

    Parameters
    ----------
    folder : Path
        The market's folder, which holds the node's page and the tape.
    schema : Schema
        Gives the events their layout.
    position : int
        Where to begin; 0 is the first event ever.
    """

    def __init__(self, folder: Path, schema: Schema, position: int = 0) -> None:
        self.page = NodePage(folder / "page")
        self.schema, self.position = schema, position
        self._segments = _Segments(folder / "tape", os.O_RDONLY)
        self._rows = schema.empty(READ_LIMIT)

    def readable(self) -> int:
        """Return the position up to which events may be read."""
        return self.page.get("tape_readable")

    def first(self) -> int:
        """Return the oldest position that is kept."""
        return self.page.get("tape_first")

    def read(self, limit: int = READ_LIMIT) -> Any:
        """Return the next events as a recarray, empty if there are none; valid until the next read.

        Raises
        ------
        RingmainError
            RM121 if the position is older than what is kept: take a snapshot of the view, or start
            from :meth:`first`.
        """
        count = max(0, min(limit, READ_LIMIT, self.readable() - self.position))
        rows = self._rows[:count]
        self._read_into(rows, self.position)
        self.position += count
        return rows

    def wait(self, timeout_s: float) -> bool:
        """Sleep until there is something to read; False if the timeout came first."""
        deadline = time.monotonic() + timeout_s
        while self.readable() <= self.position:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            self._park(remaining)
        return True

    def seek_sequence(self, sequence: int) -> int:
        """Move to the first kept event that answers `sequence` or a later command; return the position."""
        low, high = self.first(), self.readable()
        one = self.schema.empty(1)
        while low < high:
            middle = (low + high) // 2
            self._read_into(one, middle)
            low, high = (middle + 1, high) if int(one["sequence"][0]) < sequence else (low, middle)
        self.position = low
        return low

    def close(self) -> None:
        """Close the files."""
        self._segments.close()

    def _park(self, timeout_s: float) -> None:
        words = self.page.words
        add_waiter(words.array, 1)
        try:
            wakeups = self.page.get("tape_wakeups")
            if self.readable() <= self.position:
                words.park(TAPE_WAKEUPS, wakeups, timeout_s)
        finally:
            add_waiter(words.array, -1)

    def _read_into(self, rows: Any, position: int) -> None:
        data, record_bytes = rows.view(np.uint8), self.schema.record_bytes
        for segment, offset, count, done in _pieces(position, rows.size):
            try:
                descriptor = self._segments.descriptor(segment)
            except FileNotFoundError:
                first = self.first()
                raise RingmainError(
                    "RM121", "tape", f"position {position} is older than {first}, the oldest that is kept",
                    f"Read from {first}, or replay the journal",
                ) from None  # fmt: skip
            begin = done * record_bytes
            piece = data[begin : begin + count * record_bytes]
            got = os.preadv(descriptor, [piece], offset * record_bytes)
            assert got == piece.size, "the readable position is never beyond what was written"


@kernel
def add_waiter(words: Any, change: int) -> None:
    """Count a sleeper in or out."""
    while True:
        waiters = load_acquire(words, TAPE_WAITERS)
        if compare_exchange(words, TAPE_WAITERS, waiters, waiters + change):
            return


def _pieces(position: int, count: int) -> list[tuple[int, int, int, int]]:
    """Cut a range of positions at segment borders: (segment, offset in it, rows, rows before)."""
    pieces, done = [], 0
    while done < count:
        segment, offset = divmod(position + done, EVENTS_A_SEGMENT)
        rows = min(count - done, EVENTS_A_SEGMENT - offset)
        pieces.append((segment, offset, rows, done))
        done += rows
    return pieces
