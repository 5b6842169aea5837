"""Segment files: prewritten ahead of use, one owner at a time, deleted when a snapshot covers them."""

import itertools
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.core.files import sync_folder, write_all
from ringmain.core.journal.format import (
    FORMAT_VERSION,
    SECTOR_BYTES,
    SEGMENT_HEAD,
    SEGMENT_MAGIC,
    checksum,
)
from ringmain.core.journal.scan import begun_segments, segment_path

_PREWRITE_PIECE = np.zeros(1 << 20, np.uint8)
RETRY_S = 0.25


def prewrite(path: Path, size: int) -> None:
    """Make a file of `size` zero bytes that are on the disk; OSError and no file if there is no room.

    Blocks that are written, and not merely allocated, halve the time of a later fdatasync.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        for offset in range(0, size, _PREWRITE_PIECE.size):
            write_all(descriptor, _PREWRITE_PIECE[: size - offset], offset)
        os.fsync(descriptor)
    except OSError:
        path.unlink()
        raise
    finally:
        os.close(descriptor)
    sync_folder(path.parent)


def segment_head(number: int, first_sequence: int, chain: int, slots: int, layout: str, market: str) -> Any:
    """Return the sector that begins a segment, as a uint8 array."""
    head = np.zeros(1, SEGMENT_HEAD)
    head["magic"], head["version"], head["slots"] = SEGMENT_MAGIC, FORMAT_VERSION, slots
    head["number"], head["first_sequence"], head["chain"] = number, first_sequence, chain
    head["layout"], head["market"] = layout.encode(), market.encode()
    head["crc"] = checksum(head.view(np.uint8))
    return head.view(np.uint8)


class SegmentSupply:
    """Prewrites the next segment in a thread of its own, and keeps trying while the disk is full."""

    def __init__(self, folder: Path, segment_bytes: int, bytes_max: int = 0) -> None:
        self.folder, self.segment_bytes, self._bytes_max = folder, segment_bytes, bytes_max
        self._ready: Path | None = None
        self._wanted: int | None = None
        self._changed = threading.Condition()
        self._closing = False
        self.last_error = ""
        self._thread = threading.Thread(target=self._run, name="journal-segments", daemon=True)
        self._thread.start()

    def want(self, number: int) -> None:
        """Ask for segment `number` to be made ready."""
        with self._changed:
            if self._wanted != number and self._ready is None:
                self._wanted = number
                self._changed.notify_all()

    @property
    def is_ready(self) -> bool:
        """Whether the segment that was asked for can be taken."""
        return self._ready is not None

    def take(self) -> Path:
        """Wait until the segment is ready, and take it."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready is not None)
            assert self._ready is not None
            path, self._ready, self._wanted = self._ready, None, None
            return path

    def close(self) -> None:
        """End the thread; a segment that was made ready stays for the next start."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closing or (self._wanted is not None and self._ready is None)
                )
                if self._closing:
                    return
                assert self._wanted is not None
                path = segment_path(self.folder, self._wanted)
            made = self._make(path)
            with self._changed:
                if made:
                    self._ready = path
                    self._changed.notify_all()
                else:
                    self._changed.wait_for(lambda: self._closing, timeout=RETRY_S)

    def _make(self, path: Path) -> bool:
        if self._bytes_max and self._used() + self.segment_bytes > self._bytes_max:
            self.last_error = f"the limit of {self._bytes_max} bytes for the journal is reached"
            return False
        try:
            prewrite(path, self.segment_bytes)
        except OSError as error:
            self.last_error = error.strerror or str(error)
            return False
        self.last_error = ""
        return True

    def _used(self) -> int:
        return sum(path.stat().st_size for path in self.folder.glob("journal-*.seg"))


def drop_before(folder: Path, sequence: int) -> int:
    """Delete the segments that hold only commands before `sequence`; return how many."""
    segments = begun_segments(folder)
    covered = [
        segment for segment, following in itertools.pairwise(segments) if following.first_sequence <= sequence
    ]
    for segment in covered:
        segment.path.unlink()
    return len(covered)


def zero_rest(path: Path, offset: int) -> None:
    """Overwrite a segment with zeros from `offset` (a sector's begin) on, and sync it."""
    assert offset % SECTOR_BYTES == 0
    descriptor = os.open(path, os.O_RDWR)
    try:
        size = os.fstat(descriptor).st_size
        for begin in range(offset, size, _PREWRITE_PIECE.size):
            write_all(descriptor, _PREWRITE_PIECE[: size - begin], begin)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
