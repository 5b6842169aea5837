"""Reading a journal: every whole batch in order, and what its end means.

A batch that fails its checksum is a torn end if nothing whole follows it and nothing acknowledged is
lost with it; it then is cut, with a message. Otherwise it is damage, and nothing is guessed: RM104.
"""

import itertools
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.core.errors import RingmainError
from ringmain.core.jit import bare, records
from ringmain.core.journal.batches import gather
from ringmain.core.journal.format import (
    BATCH_HEAD,
    BATCH_HEAD_BYTES,
    BATCH_MAGIC,
    FORMAT_VERSION,
    SECTOR_BYTES,
    SEGMENT_HEAD,
    SEGMENT_MAGIC,
    batch_bytes,
    checksum,
    is_whole,
)
from ringmain.core.records import Schema

JOINED_ROWS = 1_024  # a batch of more is read where it lies


@dataclass(frozen=True)
class Segment:
    """A segment that has been begun: its file and what its head says."""

    path: Path
    number: int
    first_sequence: int
    chain: int
    layout: str


@dataclass(frozen=True)
class Batch:
    """A whole batch. `commands` is a read-only array of the header's dtype, over the mapped file."""

    segment: Segment
    offset: int
    first_sequence: int
    commands: Any
    time_ns: int
    digest_sequence: int
    digest: int
    crc: int

    @property
    def last_sequence(self) -> int:
        """Sequence of its last command; one less than the first if it has none."""
        return self.first_sequence + int(self.commands.size) - 1


@dataclass
class End:
    """Where a journal ends: what the next batch has to continue."""

    segment: Segment | None = None
    offset: int = SECTOR_BYTES
    last_sequence: int = 0
    time_ns: int = 0
    chain: int = 0
    torn_bytes: int = 0


def segment_path(folder: Path, number: int) -> Path:
    """Return the file of a segment."""
    return folder / f"journal-{number:010d}.seg"


def begun_segments(folder: Path) -> list[Segment]:
    """Return the segments that have been begun, ascending; one that is only prewritten is none."""
    found = []
    paths = sorted(folder.glob("journal-*.seg"))
    for path in paths:
        with path.open("rb") as file:
            data = np.frombuffer(file.read(2 * SECTOR_BYTES).ljust(2 * SECTOR_BYTES, b"\0"), np.uint8)
        is_torn_begin = path == paths[-1] and not data[SECTOR_BYTES:].any() and not _head_is_whole(data)
        if data.any() and not is_torn_begin:
            found.append(_read_head(path, data[:SECTOR_BYTES]))
    return found


def _head_is_whole(data: Any) -> bool:
    head = data[:SECTOR_BYTES].copy().view(SEGMENT_HEAD)  # a copy of structured rows copies no padding
    crc = int(head["crc"][0])
    head["crc"] = 0
    return int(head["magic"][0]) == SEGMENT_MAGIC and checksum(head.view(np.uint8)) == crc


def _read_head(path: Path, data: Any) -> Segment:
    head = data.view(SEGMENT_HEAD)
    if not _head_is_whole(data):
        raise RingmainError(
            "RM103", "journal", f"the head of {path.name} is damaged",
            "Restore the file from a copy, or run ringmain journal repair",
        )  # fmt: skip
    if int(head["version"][0]) != FORMAT_VERSION:
        version = int(head["version"][0])
        raise RingmainError(
            "RM102", "journal", f"{path.name} is of format {version}, this is format {FORMAT_VERSION}",
            "Read it with the release that wrote it",
        )  # fmt: skip
    row = head[0]
    return Segment(
        path, int(row["number"]), int(row["first_sequence"]), int(row["chain"]), row["layout"].decode()
    )


class JournalScan:
    """One pass over a journal.

    Parameters
    ----------
    folder : Path
        The journal's folder.
    schema : Schema
        Gives the commands their layout.
    after_sequence : int
        Segments that hold only commands up to this one are passed over unread.
    """

    def __init__(self, folder: Path, schema: Schema, after_sequence: int = 0) -> None:
        self.folder, self.schema = folder, schema
        self.end = End()
        segments = begun_segments(folder)
        _check_numbering(segments)
        skipped = [s for s, following in itertools.pairwise(segments)
                   if following.first_sequence <= after_sequence + 1]  # fmt: skip
        self.segments = segments[len(skipped) :]
        if self.segments:
            first = self.segments[0]
            self.end = End(first, SECTOR_BYTES, first.first_sequence - 1, 0, first.chain)

    def batches(self) -> Iterator[Batch]:
        """Yield whole batches in order; :attr:`end` moves along. Stops at a torn end.

        Raises
        ------
        RingmainError
            RM104 for damage that has something whole behind it.
        """
        for place, segment in enumerate(self.segments):
            is_last = place == len(self.segments) - 1
            self._enter(segment)
            data = _map(segment.path)
            while (batch := self._next(segment, data)) is not None:
                yield batch
            self._check_rest(segment, data, is_last)

    def runs(self) -> Iterator[Batch]:
        """Yield the same commands in fewer pieces: small batches joined, valid until the next is asked for.

        A batch with a digest comes by itself. Of a joined piece, `offset` and `crc` are the last batch's.
        """
        joined = np.zeros(JOINED_ROWS * self.schema.record_bytes, np.uint8)
        for place, segment in enumerate(self.segments):
            is_last = place == len(self.segments) - 1
            self._enter(segment)
            data = _map(segment.path)
            while True:
                batch = self._join(segment, data, joined) or self._next(segment, data)
                if batch is None:
                    break
                yield batch
            self._check_rest(segment, data, is_last)

    def run(self) -> End:
        """Read to the end and return where it is."""
        for _ in self.runs():
            pass
        return self.end

    def _enter(self, segment: Segment) -> None:
        end = self.end
        if segment.first_sequence != end.last_sequence + 1 or segment.chain != end.chain:
            raise self._damage(
                segment.path.name, SECTOR_BYTES, end.last_sequence, "does not continue the one before"
            )
        self.end = End(segment, SECTOR_BYTES, end.last_sequence, end.time_ns, end.chain)

    def _next(self, segment: Segment, data: Any) -> Batch | None:
        end, batch = self.end, self._peek(segment, data)
        if batch is None:
            return None
        end.offset += batch_bytes(batch.commands.size, self.schema.record_bytes)
        end.last_sequence, end.chain = batch.last_sequence, batch.crc
        end.time_ns = batch.time_ns or end.time_ns
        return batch

    def _peek(self, segment: Segment, data: Any) -> Batch | None:
        """Return the next batch if it is whole and continues the one before."""
        batch = read_batch(segment, data, self.end.offset, self.schema)
        if batch is None or batch.first_sequence != self.end.last_sequence + 1:
            return None
        return batch if _chain(data, self.end.offset) == self.end.chain else None

    def _join(self, segment: Segment, data: Any, joined: Any) -> Batch | None:
        """Return the next batches as one, or None if the next is large, has a digest or is not whole."""
        end, first = self.end, self.end.last_sequence + 1
        count, offset, last, chain, time_ns = gather(
            data.view(np.int64), bare(records(data.view(BATCH_HEAD))), self.schema.record_bytes // 8,
            end.offset, end.last_sequence, end.chain, joined.view(np.int64),
        )  # fmt: skip
        if offset == end.offset:
            return None
        end.offset, end.last_sequence, end.chain, end.time_ns = offset, last, chain, time_ns or end.time_ns
        commands = bare(records(joined[: count * self.schema.record_bytes].view(self.schema.header)))
        return Batch(segment, offset, first, commands, time_ns, 0, 0, chain)

    def _check_rest(self, segment: Segment, data: Any, is_last: bool) -> None:
        """Tell a clean end from a torn one, and from damage."""
        rest = data[self.end.offset :]
        used = np.flatnonzero(rest[: rest.size // 8 * 8].view(np.int64)) if rest.size else rest
        if used.size == 0:
            return
        name, last = segment.path.name, self.end.last_sequence
        if not is_last:
            raise self._damage(name, self.end.offset, last, "fails its checksum, and segments follow")
        for offset in range(self.end.offset + SECTOR_BYTES, data.size, SECTOR_BYTES):
            follower = read_batch(segment, data, offset, self.schema)
            if follower is not None and follower.first_sequence > last:
                if self._peek(segment, data) is not None:
                    return  # a living writer was about to end it
                raise self._damage(
                    name,
                    self.end.offset,
                    last,
                    f"fails its checksum, and batch {follower.first_sequence} follows",
                )
        self.end.torn_bytes = (int(used[-1]) + 1) * 8

    def _damage(self, name: str, offset: int, last_sequence: int, what: str) -> RingmainError:
        repair = f"ringmain journal repair {self.schema.name} --to {last_sequence}"
        return RingmainError(
            "RM104", "journal", f"{name}, byte {offset}: the batch after sequence {last_sequence} {what}",
            f'Restore the file from a copy, or give up what follows: "{repair}"',
        )  # fmt: skip


def read_batch(segment: Segment, data: Any, offset: int, schema: Schema) -> Batch | None:
    """Return the batch at `offset` if it is whole, whatever came before it; None otherwise."""
    if offset + BATCH_HEAD_BYTES > data.size:
        return None
    head = data[offset : offset + BATCH_HEAD_BYTES].view(BATCH_HEAD)
    row = head[0]
    if row["magic"] != BATCH_MAGIC:
        return None
    size = BATCH_HEAD_BYTES + int(row["count"]) * schema.record_bytes
    if offset + size > data.size or not is_whole(data[offset : offset + size], head):
        return None
    commands = bare(records(data[offset + BATCH_HEAD_BYTES : offset + size].view(schema.header)))
    return Batch(
        segment, offset, int(row["first_sequence"]), commands, int(row["time_ns"]),
        int(row["digest_sequence"]), int(row["digest"]), int(row["crc"]),
    )  # fmt: skip


def _chain(data: Any, offset: int) -> int:
    return int(data[offset : offset + BATCH_HEAD_BYTES].view(BATCH_HEAD)["chain"][0])


def _map(path: Path) -> Any:
    """Map a file, all of its pages at once: one fault for each would take longer than the checksums."""
    with path.open("rb") as file:
        flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
        return np.frombuffer(mmap.mmap(file.fileno(), 0, flags, mmap.PROT_READ), np.uint8)


def _check_numbering(segments: list[Segment]) -> None:
    for segment, following in itertools.pairwise(segments):
        if following.number != segment.number + 1:
            raise RingmainError(
                "RM105", "journal", f"segment {segment.number + 1} is missing",
                f"Restore {segment_path(segment.path.parent, segment.number + 1).name} from a copy",
            )  # fmt: skip
