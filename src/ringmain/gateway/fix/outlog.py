"""The messages that went out, in blocks, in segments: written before they are sent, read to resend."""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import google_crc32c

SEGMENT_BYTES = 16 << 20
MAGIC = 0x46495842
SESSION_LAYER, MARKET_DATA = 1, 2  # blocks that are not sent again; of market data the bytes are not kept
_HEAD = struct.Struct("<IIqIIqqII")  # magic, crc, first number, count, bytes, tape end, time, flags, 0


@dataclass(frozen=True)
class Block:
    """Some messages that were written together.

    Parameters
    ----------
    first, count : int
        The messages' numbers.
    flags : int
        SESSION_LAYER, MARKET_DATA or 0.
    tape_end : int
        The position on the tape up to which they tell; 0 if they don't.
    time_ns : int
        When they were sent.
    data : bytes
    """

    first: int
    count: int
    flags: int
    tape_end: int
    time_ns: int
    data: bytes


class OutLog:
    """The messages of one epoch of a session."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._descriptor, self._offset = -1, 0
        self.next_number, self.tape_end = 1, 0
        self._recover()

    def append(self, block: Block) -> None:
        """Write a block; OSError if there is no room, and then nothing has changed."""
        if self._descriptor < 0 or self._offset >= SEGMENT_BYTES:
            self._open(self._folder / f"{block.first:020d}.seg")
        head = _packed(block)
        size = len(head) + len(block.data)
        written = os.pwritev(self._descriptor, [head, block.data], self._offset)
        while written < size:
            written += os.pwrite(self._descriptor, (head + block.data)[written:], self._offset + written)
        self._offset += size
        self.next_number = block.first + block.count
        self.tape_end = max(self.tape_end, block.tape_end)

    def read(self, number: int) -> Iterator[Block]:
        """Yield the blocks from the one that holds message `number` on, as many as there are."""
        segments = self._segments()
        begin = 0
        for place, path in enumerate(segments):
            if int(path.stem) <= number:
                begin = place
        for path in segments[begin:]:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                for block, _ in _blocks(descriptor, number):
                    if block.first + block.count > number:
                        yield block
            finally:
                os.close(descriptor)

    def close(self) -> None:
        """Close the files."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _segments(self) -> list[Path]:
        return sorted(self._folder.glob("*.seg"))

    def _open(self, path: Path) -> None:
        self.close()
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._offset = 0

    def _recover(self) -> None:
        """Find the end; a torn block is cut off: nobody was sent what is in it."""
        segments = self._segments()
        while segments:
            self._open(segments[-1])
            last: Block | None = None
            for block, end in _blocks(self._descriptor):
                last, self._offset = block, end
                self.tape_end = max(self.tape_end, block.tape_end)
            os.ftruncate(self._descriptor, self._offset)
            if last is not None:
                self.next_number = last.first + last.count
                break
            self.close()
            segments.pop().unlink()
        for path in segments[:-1][::-1]:  # told positions only rise: the last block that tells says all
            if self.tape_end:
                break
            descriptor = os.open(path, os.O_RDONLY)
            self.tape_end = max((block.tape_end for block, _ in _blocks(descriptor)), default=0)
            os.close(descriptor)


def _packed(block: Block) -> bytes:
    body = (block.first, block.count, len(block.data), block.tape_end, block.time_ns, block.flags, 0)
    crc = google_crc32c.extend(google_crc32c.value(_HEAD.pack(MAGIC, 0, *body)), block.data)
    return _HEAD.pack(MAGIC, crc, *body)


def _blocks(descriptor: int, number: int = 0) -> Iterator[tuple[Block, int]]:
    """Yield each whole block of a segment with its end; the bytes of those before `number` are left out."""
    offset, size = 0, os.fstat(descriptor).st_size
    while offset + _HEAD.size <= size:
        head = os.pread(descriptor, _HEAD.size, offset)
        magic, crc, first, count, length, tape_end, time_ns, flags, _ = _HEAD.unpack(head)
        end = offset + _HEAD.size + length
        if magic != MAGIC or end > size:
            return
        data = b""
        if first + count > number:
            data = os.pread(descriptor, length, offset + _HEAD.size)
            blank = _HEAD.pack(MAGIC, 0, first, count, length, tape_end, time_ns, flags, 0)
            if google_crc32c.extend(google_crc32c.value(blank), data) != crc:
                return
        yield Block(first, count, flags, tape_end, time_ns, data), end
        offset = end
