"""Group commit: one batch is written and synced while the engine fills the next.

The node's thread asks for free rows (:meth:`JournalWriter.rows`), lets commands be copied into them,
applies them, and appends. A writer's thread takes whatever was appended since the last commit, writes
it as one batch, syncs it, and only then reports the sequence as durable. So the engine runs ahead of
the disk, and nobody sees what it ran ahead with.

There are two writers. While one waits for the disk, the other writes the next batch if that is large
already, and leaves its sync to the first, which goes on as long as there is something to sync.
"""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.core.files import write_all
from ringmain.core.jit import bare, records
from ringmain.core.journal.batches import WRITE_FAILED, seal_and_write
from ringmain.core.journal.format import (
    BATCH_HEAD,
    BATCH_HEAD_BYTES,
    BATCH_MAGIC,
    SECTOR_BYTES,
    batch_bytes,
    sectors,
)
from ringmain.core.journal.scan import End, segment_path
from ringmain.core.journal.segments import SegmentSupply, segment_head, zero_rest
from ringmain.core.records import Schema

PROCESS, DISK = "process", "disk"  # durability: survives kill -9; survives power loss
BATCH_ROWS = 16_384
SEGMENT_BYTES = 64 << 20
SEGMENT_BYTES_MIN = 4 << 20
BUFFERS = 3
WRITERS = 2
EARLY_ROWS = 512  # so many are written while a sync runs; fewer wait, and become more


@dataclass
class Filling:
    """A batch that is being filled: its bytes in four readings, rows used, the digest it will carry."""

    data: Any
    head: Any
    words: Any
    rows: Any
    count: int = 0
    first_sequence: int = 0
    digest: tuple[int, int] = (0, 0)


@dataclass
class JournalOptions:
    """How an engine's journal is kept.

    Parameters
    ----------
    durability : str
        ``disk``: fdatasync before anything shows. ``process``: the page cache, which survives
        kill -9 but no power loss.
    segment_bytes : int
        Size of one segment file, prewritten.
    bytes_max : int
        No more than this for all segments together; 0: as much as the disk has.
    """

    durability: str = DISK
    segment_bytes: int = SEGMENT_BYTES
    bytes_max: int = 0


@dataclass
class Written:
    """What the writer has done so far."""

    batches: int = 0
    bytes: int = 0


class JournalWriter:
    """Appends to a journal from where a scan of it ended.

    Parameters
    ----------
    folder, schema, layout
        The journal's folder; the commands' layout; the name of the market's layout.
    end : End
        From :class:`ringmain.core.journal.scan.JournalScan`; torn bytes behind it are cut here.
    on_durable : callable
        Called in the writer's thread with (last sequence, nanoseconds the commit took).
    """

    def __init__(
        self,
        folder: Path,
        schema: Schema,
        layout: str,
        end: End,
        on_durable: Callable[[int, int], None],
        options: JournalOptions | None = None,
    ) -> None:
        self.options = options or JournalOptions()
        assert self.options.segment_bytes >= SEGMENT_BYTES_MIN, "a segment holds at least one full batch"
        self._folder, self._schema, self._layout, self._on_durable = folder, schema, layout, on_durable
        self._free = [self._buffer() for _ in range(BUFFERS)]
        self._open = self._free.pop()
        self._handed: list[Filling] = []
        self._is_filling = self._is_writing = self._is_syncing = self._closing = False
        self._lock = threading.Lock()
        self._freed, self._work = threading.Condition(self._lock), threading.Condition(self._lock)
        self.written = Written()
        self.error: BaseException | None = None
        self._chain, self._offset, self._next_sequence = end.chain, end.offset, end.last_sequence + 1
        self._supply = SegmentSupply(folder, self.options.segment_bytes, self.options.bytes_max)
        self._number, self._descriptor = 0, -1
        self._unsynced_since_ns = 0
        self._written_sequence = end.last_sequence
        self._taken_batches = self._written_batches = self._synced_batches = 0
        self._continue(end)
        self._threads = [
            threading.Thread(target=self._run, name=f"journal-writer-{n}", daemon=True)
            for n in range(WRITERS)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def room_rows(self) -> int:
        """How many more commands are sure to find room on the disk."""
        left = self.options.segment_bytes - self._offset
        ready = self.options.segment_bytes - SECTOR_BYTES if self._supply.is_ready else 0
        # In the worst case each command makes a batch of its own.
        waiting = self._open.count + sum(batch.count for batch in self._handed)
        return (left + ready) // batch_bytes(1, self._schema.record_bytes) - waiting

    @property
    def full_because(self) -> str:
        """Why the next segment could not be made ready, or an empty string."""
        return self._supply.last_error

    def rows(self) -> Any:
        """Return the free rows of the open batch; waits for the writer while there are none.

        Every call is followed by one of :meth:`append`, with no other thread in between.
        """
        with self._lock:
            while self._open.count == BATCH_ROWS:
                if self._free:
                    self._hand_over()
                    self._work.notify()
                else:
                    self._freed.wait(0.1)
                self._raise_error()
            self._is_filling = True
        return self._open.rows[self._open.count :]

    def append(self, count: int) -> None:
        """Take the first `count` of the rows into the journal."""
        with self._lock:
            self._is_filling = False
            if count and not self._open.count:
                self._open.first_sequence = int(self._open.rows["sequence"][0])
            self._open.count += count
            self._offer_work()

    def append_digest(self, sequence: int, digest: int) -> None:
        """Note, with the next batch, the digest of the state after `sequence`, the last appended command."""
        with self._lock:
            self._open.digest = (sequence, digest)
            self._offer_work()

    def flush(self) -> None:
        """Wait until everything that was appended is durable."""
        with self._lock:
            self._freed.wait_for(
                lambda: self.error is not None or not (self._handed or self._has_work() or self._is_at_work())
            )
            self._raise_error()

    def close(self) -> None:
        """Make everything durable and end the threads."""
        self.flush()
        with self._lock:
            self._closing = True
            self._work.notify_all()
        for thread in self._threads:
            thread.join()
        self._supply.close()
        os.close(self._descriptor)

    def _buffer(self) -> Filling:
        data = np.zeros(sectors(BATCH_HEAD_BYTES + BATCH_ROWS * self._schema.record_bytes), np.uint8)
        rows = data[BATCH_HEAD_BYTES : BATCH_HEAD_BYTES + BATCH_ROWS * self._schema.record_bytes]
        head = data[:BATCH_HEAD_BYTES].view(BATCH_HEAD)
        return Filling(
            data, bare(records(head)), data.view(np.int64), bare(records(rows.view(self._schema.header)))
        )

    def _has_work(self) -> bool:
        return self._open.count > 0 or self._open.digest != (0, 0)

    def _offer_work(self) -> None:
        if self._is_worth_writing():
            self._work.notify()

    def _hand_over(self) -> None:
        self._handed.append(self._open)
        self._open = self._free.pop()

    def _raise_error(self) -> None:
        if self.error is not None:
            raise self.error

    # The writer's thread.

    def _run(self) -> None:
        try:
            while (batch := self._next()) is not None:
                self._write(batch)
                self._sync_written()
        except BaseException as error:  # the node's thread stops on it: nothing further is acknowledged
            with self._lock:
                self.error, self._closing = error, True
                self._freed.notify_all()
                self._work.notify_all()

    def _next(self) -> Filling | None:
        """Wait for a batch that no other writer has; None at the end."""
        with self._lock:
            self._work.wait_for(
                lambda: self._closing or (not self._is_writing and (self._handed or self._is_worth_writing()))
            )
            if self.error is not None or not (self._handed or self._is_worth_writing()):
                return None
            if not self._handed:
                self._hand_over()
            self._is_writing = True
            self._taken_batches += 1
            return self._handed.pop(0)

    def _is_worth_writing(self) -> bool:
        """Whether the open batch can be taken, and gains nothing by waiting for the sync that runs."""
        if self._is_filling or self._is_writing or not self._free or not self._has_work():
            return False
        return not self._is_syncing or self._open.count >= EARLY_ROWS

    def _is_at_work(self) -> bool:
        return self._taken_batches > self._synced_batches

    def _write(self, batch: Filling) -> None:
        began_ns = time.perf_counter_ns()
        size = batch_bytes(batch.count, self._schema.record_bytes)
        if self._offset + size > self.options.segment_bytes:
            self._begin_segment(segment_path(self._folder, self._number + 1))
        self._chain = self._seal_and_write(batch)
        self._offset += size
        self._next_sequence += batch.count
        self.written.batches += 1
        self.written.bytes += size
        self._ask_ahead()
        with self._lock:
            self._unsynced_since_ns = self._unsynced_since_ns or began_ns
            self._written_sequence = self._next_sequence - 1
            self._written_batches += 1
            batch.count, batch.digest = 0, (0, 0)
            self._free.append(batch)
            self._is_writing = False
            self._freed.notify_all()
            if self._handed:
                self._work.notify()

    def _sync_written(self) -> None:
        """Have the disk take what is written, and again while there is more; one writer at a time."""
        while (due := self._begin_sync()) is not None:
            sequence, batches, began_ns = due
            if self.options.durability == DISK:
                os.fdatasync(self._descriptor)
            self._on_durable(sequence, time.perf_counter_ns() - began_ns)
            with self._lock:
                self._is_syncing = False
                self._synced_batches = batches
                self._freed.notify_all()

    def _begin_sync(self) -> tuple[int, int, int] | None:
        """Return what the next sync will cover: last sequence, batches, since when the oldest waits."""
        with self._lock:
            if self._is_syncing or self._written_batches == self._synced_batches:
                return None
            self._is_syncing = True
            began_ns, self._unsynced_since_ns = self._unsynced_since_ns, 0
            return self._written_sequence, self._written_batches, began_ns

    def _seal_and_write(self, batch: Filling) -> int:
        """Seal a batch and write it; return its checksum."""
        assert not batch.count or batch.first_sequence == self._next_sequence, "sequences have no gaps"
        size = BATCH_HEAD_BYTES + batch.count * self._schema.record_bytes
        time_ns = int(batch.rows["time_ns"][batch.count - 1]) if batch.count else 0
        batch.head[0] = (
            BATCH_MAGIC,
            0,
            self._chain,
            batch.count,
            self._next_sequence,
            time_ns,
            *batch.digest,
            0,
        )
        checksum = int(seal_and_write(self._descriptor, self._offset, batch.words, batch.head, size // 8))
        if checksum == WRITE_FAILED:
            write_all(self._descriptor, batch.data[: sectors(size)], self._offset)
            return int(batch.head["crc"][0])
        return checksum

    def _begin_segment(self, path: Path) -> None:
        """Go on in the next prewritten segment; waits while the disk has no room for one."""
        with self._lock:
            self._freed.wait_for(lambda: self.error or self._written_batches == self._synced_batches)
            self._raise_error()
        self._supply.want(self._number + 1)
        taken = self._supply.take()
        assert taken == path, "segments are taken in order"
        self._open_segment(path, self._number + 1)

    def _open_segment(self, path: Path, number: int) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = os.open(path, os.O_RDWR)
        slots, market = self._schema.slots, self._schema.name
        head = segment_head(number, self._next_sequence, self._chain, slots, self._layout, market)
        write_all(self._descriptor, head, 0)
        if self.options.durability == DISK:
            os.fdatasync(self._descriptor)
        self._number, self._offset = number, SECTOR_BYTES

    def _continue(self, end: End) -> None:
        """Open the segment where the scan ended, and cut what was torn behind it."""
        if end.segment is None:
            self._begin_segment(segment_path(self._folder, 1))
            return
        size = end.segment.path.stat().st_size
        if end.torn_bytes:
            zero_rest(end.segment.path, end.offset)
        self._number = end.segment.number
        if size != self.options.segment_bytes:  # the option was changed: go on in a segment of the new size
            self._begin_segment(segment_path(self._folder, self._number + 1))
            return
        self._descriptor = os.open(end.segment.path, os.O_RDWR)
        self._ask_ahead()

    def _ask_ahead(self) -> None:
        """Have the next segment made in good time: there is no room for a command without it."""
        if self._offset > self.options.segment_bytes // 2:
            self._supply.want(self._number + 1)
