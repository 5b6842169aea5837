"""Group commit: a thread writes and syncs one batch while the engine fills the next.

The node's thread asks for free rows (:meth:`JournalWriter.rows`), lets commands be copied into them,
applies them, and appends. The writer's thread takes whatever was appended since its last commit,
writes it as one batch, syncs it, and only then reports the sequence as durable. So the engine runs
ahead of the disk, and nobody sees what it ran ahead with.
"""

import errno
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
from ringmain.core.journal.batches import SYNC_FAILED, WRITE_FAILED, commit
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
        self._is_filling = False
        self._idle = False
        self._closing = False
        self._changed = threading.Condition()
        self.written = Written()
        self.error: BaseException | None = None
        self._chain, self._offset, self._next_sequence = end.chain, end.offset, end.last_sequence + 1
        self._supply = SegmentSupply(folder, self.options.segment_bytes, self.options.bytes_max)
        self._number, self._descriptor = 0, -1
        self._continue(end)
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()

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
        with self._changed:
            while self._open.count == BATCH_ROWS:
                if self._free:
                    self._hand_over()
                else:
                    self._changed.wait(0.1)
                self._raise_error()
            self._is_filling = True
        return self._open.rows[self._open.count :]

    def append(self, count: int) -> None:
        """Take the first `count` of the rows into the journal."""
        with self._changed:
            self._is_filling = False
            if count and not self._open.count:
                self._open.first_sequence = int(self._open.rows["sequence"][0])
            self._open.count += count
            self._offer_work()

    def append_digest(self, sequence: int, digest: int) -> None:
        """Note, with the next batch, the digest of the state after `sequence`, the last appended command."""
        with self._changed:
            self._open.digest = (sequence, digest)
            self._offer_work()

    def flush(self) -> None:
        """Wait until everything that was appended is durable."""
        with self._changed:
            self._changed.wait_for(
                lambda: self.error is not None or (self._idle and not self._handed and not self._has_work())
            )
            self._raise_error()

    def close(self) -> None:
        """Make everything durable and end the threads."""
        self.flush()
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
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
        if self._idle and self._has_work():
            if self._free:
                self._hand_over()
            self._changed.notify_all()

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
                self._commit(batch)
                with self._changed:
                    batch.count, batch.digest = 0, (0, 0)
                    self._free.append(batch)
                    self._changed.notify_all()
        except BaseException as error:  # the node's thread stops on it: nothing further is acknowledged
            with self._changed:
                self.error = error
                self._changed.notify_all()

    def _next(self) -> Filling | None:
        with self._changed:
            self._idle = True
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: (
                    self._handed
                    or self._closing
                    or (self._has_work() and not self._is_filling and self._free)
                )
            )
            self._idle = False
            if not self._handed and not self._closing:
                self._hand_over()
            return self._handed.pop(0) if self._handed else None

    def _commit(self, batch: Filling) -> None:
        began = time.perf_counter_ns()
        size = batch_bytes(batch.count, self._schema.record_bytes)
        if self._offset + size > self.options.segment_bytes:
            self._begin_segment(segment_path(self._folder, self._number + 1))
        self._chain = self._write(batch)
        self._offset += size
        self._next_sequence += batch.count
        self.written.batches += 1
        self.written.bytes += size
        self._ask_ahead()
        self._on_durable(self._next_sequence - 1, time.perf_counter_ns() - began)

    def _write(self, batch: Filling) -> int:
        """Seal a batch, write it and have the disk take it; return its checksum."""
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
        is_synced = int(self.options.durability == DISK)
        result = int(commit(self._descriptor, self._offset, batch.words, batch.head, size // 8, is_synced))
        if result == SYNC_FAILED:  # a second try could succeed without the first one's bytes on the disk
            raise OSError(errno.EIO, "the disk did not take a batch of the journal")
        if result == WRITE_FAILED:
            write_all(self._descriptor, batch.data[: sectors(size)], self._offset)
            if is_synced:
                os.fdatasync(self._descriptor)
            return int(batch.head["crc"][0])
        return result

    def _begin_segment(self, path: Path) -> None:
        """Go on in the next prewritten segment; waits while the disk has no room for one."""
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
