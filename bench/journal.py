"""The journal's writer beside a bare loop of pwrite and fdatasync, 64 KiB each, on a file written before.

The bare loop writes the same bytes and nothing else: no checksum, no chain, no hand-over between threads.
"""

import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.figures import Row, alternate, row
from ringmain.core.journal.format import SECTOR_BYTES
from ringmain.core.journal.scan import End
from ringmain.core.journal.segments import prewrite
from ringmain.core.journal.writer import BATCH_ROWS, SEGMENT_BYTES, JournalOptions, JournalWriter
from ringmain.core.messages import market_schema
from ringmain.core.node import stamp

BATCH_BYTES = 64 << 10
AHEAD = 3  # as many as the writer has buffers: one is synced, one written, one filled
RUNS = 21  # short ones: a disk that others use changes by the second
POLL_S = 10e-6


def run(scale: float = 1.0) -> list[Row]:
    """Measure 64 KiB batches, each synced by itself.

    The first figure stays inside one prewritten segment, as the bare loop stays inside its file; the
    second goes on over segments of the usual size, which are prewritten meanwhile: every byte twice.
    """
    count = max(int(80 * scale), 10)
    one_segment = 3 * (RUNS + 1) * count * BATCH_BYTES
    figures = {
        "journal, 64 KiB batches, fdatasync": one_segment,
        "journal over segments, 64 KiB batches, fdatasync": SEGMENT_BYTES,
    }
    return [_beside_bare(figure, segment_bytes, count) for figure, segment_bytes in figures.items()]


def _beside_bare(figure: str, segment_bytes: int, count: int) -> Row:
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-journal-") as name:
        journal = _Journal(Path(name) / "journal", segment_bytes)
        bare = _Bare(Path(name) / "bare", (RUNS + 1) * count * BATCH_BYTES)
        journal.measure(count)
        bare.measure(count)
        values, peer_values = alternate(RUNS, lambda: journal.measure(count), lambda: bare.measure(count))
        journal.close()
        bare.close()
    return row(figure, values, "MB/s", "bare pwrite + fdatasync", peer_values)


class _Journal:
    """A writer as the node has it, given one batch at a time."""

    def __init__(self, folder: Path, segment_bytes: int) -> None:
        schema = market_schema("bench", version=1)
        folder.mkdir()
        self._sequence = 0
        options = JournalOptions(segment_bytes=segment_bytes)
        self._may_append = threading.Semaphore(AHEAD)
        self._writer = JournalWriter(folder, schema, schema.digest(), End(), self._on_durable, options)
        # With its head of a sector a batch is 64 KiB on the disk.
        self._batch = schema.empty((BATCH_BYTES - SECTOR_BYTES) // schema.record_bytes)
        self._batch.view(np.uint8)[:] = np.random.default_rng(1).integers(
            0, 256, self._batch.nbytes, np.uint8
        )

    def measure(self, count: int) -> float:
        """Return megabytes a second on the disk."""
        batches = self._writer.written.batches
        begin = time.perf_counter()
        for _ in range(count):
            self._append()
        self._writer.flush()
        elapsed = time.perf_counter() - begin
        assert self._writer.written.batches == batches + count, "two batches were joined"
        return count * BATCH_BYTES / elapsed / 1e6

    def close(self) -> None:
        """End the writer."""
        self._writer.close()

    def _append(self) -> None:
        """Fill the next batch while the one before is written, as the node does."""
        rows, size = self._free_batch(), self._batch.size
        rows[:size].view(np.uint8)[:] = self._batch.view(np.uint8)
        stamp(rows[:size], self._sequence + 1, 0)
        self._sequence += size
        self._writer.append(size)

    def _on_durable(self, sequence: int, took_ns: int) -> None:
        self._may_append.release()

    def _free_batch(self) -> Any:
        """Wait until the writer has taken the batch before: otherwise it would write both as one."""
        self._may_append.acquire()
        while True:
            rows = self._writer.rows()
            if rows.size == BATCH_ROWS:
                return rows
            self._writer.append(0)
            time.sleep(POLL_S)


class _Bare:
    """A file that was written before, overwritten once."""

    def __init__(self, path: Path, size: int) -> None:
        prewrite(path, size)
        self._descriptor, self._offset = os.open(path, os.O_RDWR), 0
        self._data: Any = np.random.default_rng(1).integers(0, 256, BATCH_BYTES, np.uint8)

    def measure(self, count: int) -> float:
        """Return megabytes a second on the disk."""
        begin = time.perf_counter()
        for _ in range(count):
            os.pwrite(self._descriptor, self._data, self._offset)
            os.fdatasync(self._descriptor)
            self._offset += BATCH_BYTES
        return count * BATCH_BYTES / (time.perf_counter() - begin) / 1e6

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)
