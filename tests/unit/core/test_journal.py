import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import pytest

from markets.tally import SCHEMA, Add, stamped
from ringmain.core.errors import RingmainError
from ringmain.core.files import FolderLock
from ringmain.core.journal.batches import checksum_of
from ringmain.core.journal.format import BATCH_HEAD_BYTES, batch_bytes
from ringmain.core.journal.scan import End, JournalScan, begun_segments
from ringmain.core.journal.segments import drop_before
from ringmain.core.journal.tools import commands_between, export, repair, summarise
from ringmain.core.journal.writer import SEGMENT_BYTES_MIN, JournalOptions, JournalWriter

OPTIONS = JournalOptions(segment_bytes=SEGMENT_BYTES_MIN)


class Journal:
    """A journal and the durable sequences that it reported."""

    def __init__(self, folder: Path, options: JournalOptions = OPTIONS) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.durable = folder, [0]
        self.sequence = (end := self.scan().run()).last_sequence
        self.torn_bytes = end.torn_bytes
        self.writer = JournalWriter(folder, SCHEMA, SCHEMA.digest(), end, self._on_durable, options)

    def _on_durable(self, sequence: int, took_ns: int) -> None:
        assert sequence >= self.durable[-1] and took_ns > 0
        self.durable.append(sequence)

    def scan(self, after: int = 0) -> JournalScan:
        return JournalScan(self.folder, SCHEMA, after)

    def append(self, count: int, flush: bool = True) -> None:
        while count:
            rows = self.writer.rows()
            piece = min(count, rows.size)
            numbers = range(self.sequence + 1, self.sequence + piece + 1)
            batch = stamped([Add(1, 1, amount=1, echoes=0)] * piece, self.sequence + 1)
            rows[:piece].view(np.uint8)[:] = batch.view(np.uint8)  # an assignment of rows copies no body
            rows["session_number"][:piece] = numbers
            self.sequence, count = self.sequence + piece, count - piece
            self.writer.append(piece)
        if flush:
            self.writer.flush()

    def read(self) -> list[int]:
        return [n for batch in self.scan().batches() for n in batch.commands["session_number"].tolist()]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal")
    yield journal
    if journal.writer.error is None and journal.writer._threads[0].is_alive():
        journal.writer.close()


def last_segment(folder: Path) -> Path:
    return begun_segments(folder)[-1].path


def damage(path: Path, offset: int, data: bytes | None = None) -> None:
    """Write `data` over a file's bytes at `offset`, or flip a bit there."""
    with path.open("r+b") as file:
        file.seek(offset)
        replacement = data if data is not None else bytes([file.read(1)[0] ^ 0x10])
        file.seek(offset)
        file.write(replacement)


def test_what_is_flushed_is_there_after_a_new_start(journal: Journal) -> None:
    for count in (1, 100, 5_000, 40_000):
        journal.append(count)
    assert journal.durable[-1] == journal.sequence == 45_101
    journal.writer.close()
    again = Journal(journal.folder)
    again.append(10)
    again.writer.close()
    assert again.read() == list(range(1, 45_112))


def test_segments_follow_each_other_and_are_dropped_behind_a_sequence(journal: Journal) -> None:
    journal.append(200_000)
    segments = begun_segments(journal.folder)
    assert len(segments) >= 3
    assert journal.scan(after=segments[2].first_sequence).segments[0].number == 3
    assert drop_before(journal.folder, segments[1].first_sequence - 1) == 0
    assert drop_before(journal.folder, segments[2].first_sequence) == 2
    assert journal.read() == list(range(segments[2].first_sequence, 200_001))


def test_a_missing_segment_is_named(journal: Journal) -> None:
    journal.append(200_000)
    begun_segments(journal.folder)[1].path.unlink()
    with pytest.raises(RingmainError, match=r"RM105.*segment 2 is missing"):
        journal.scan()


@pytest.mark.parametrize("cut", [1, BATCH_HEAD_BYTES - 1, BATCH_HEAD_BYTES, BATCH_HEAD_BYTES + 70, 700])
def test_a_torn_end_is_cut_and_the_rest_stands(journal: Journal, cut: int) -> None:
    journal.append(50)
    end = journal.scan().run().offset
    journal.append(20)
    journal.writer.close()
    size = batch_bytes(20, 64)
    damage(last_segment(journal.folder), end + cut, bytes(size - cut))
    again = Journal(journal.folder)
    assert again.torn_bytes > 0 and again.sequence == 50
    again.append(5)
    again.writer.close()
    assert again.read() == list(range(1, 56)) and again.scan().run().torn_bytes == 0


def test_garbage_behind_the_end_is_cut(journal: Journal) -> None:
    journal.append(3)
    end = journal.scan().run().offset
    journal.writer.close()
    damage(last_segment(journal.folder), end + 9_000, b"garbage")
    again = Journal(journal.folder)
    assert again.torn_bytes >= 9_007 and again.sequence == 3
    again.writer.close()
    assert again.scan().run().torn_bytes == 0


@pytest.mark.parametrize("place", [0, 5, 17, 33, BATCH_HEAD_BYTES + 3, BATCH_HEAD_BYTES + 64 * 9 + 1])
def test_a_flipped_bit_in_the_middle_is_refused_with_what_to_do(journal: Journal, place: int) -> None:
    journal.append(10)
    end = journal.scan().run().offset
    journal.append(10)
    journal.append(10)
    journal.writer.close()
    damage(last_segment(journal.folder), end + place)
    with pytest.raises(RingmainError, match=r"RM104.*after sequence 10.*repair tally --to 10"):
        journal.scan().run()


def test_an_old_batch_behind_the_end_is_not_believed(journal: Journal) -> None:
    """A whole batch in the wrong place: its checksum is right, but it does not continue the last."""
    journal.append(10)
    first_end = journal.scan().run().offset
    journal.append(10)
    second_end = journal.scan().run().offset
    journal.writer.close()
    path = last_segment(journal.folder)
    damage(path, second_end, path.read_bytes()[first_end:second_end])
    end = journal.scan().run()
    assert end.last_sequence == 20 and end.torn_bytes > 0
    assert journal.read() == list(range(1, 21))


def test_a_torn_head_of_a_new_segment_is_begun_again(journal: Journal) -> None:
    journal.append(200_000)
    segments = begun_segments(journal.folder)
    journal.writer.close()
    following = segments[-1].path.with_name(f"journal-{segments[-1].number + 1:010d}.seg")
    following.write_bytes(bytes([0x31, 0x53]) + bytes(SEGMENT_BYTES_MIN - 2))
    again = Journal(journal.folder)
    again.append(100_000)
    again.writer.close()
    assert again.read() == list(range(1, 300_001))


def test_a_damaged_head_is_refused(journal: Journal) -> None:
    journal.append(10)
    journal.writer.close()
    damage(last_segment(journal.folder), 20)
    with pytest.raises(RingmainError, match="RM103"):
        journal.scan()


def test_one_owner_at_a_time(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path, "journal")
    with pytest.raises(RingmainError, match=r"RM106.*in use by process \d+"):
        FolderLock(tmp_path, "journal")
    lock.release()
    FolderLock(tmp_path, "journal").release()


def test_a_limit_stops_and_room_lets_go_on(tmp_path: Path) -> None:
    journal = Journal(
        tmp_path / "journal", JournalOptions(segment_bytes=SEGMENT_BYTES_MIN, bytes_max=3 * SEGMENT_BYTES_MIN)
    )
    while journal.writer.room_rows > 0 and not journal.writer.full_because:
        journal.append(min(1_000, journal.writer.room_rows))
    assert "limit" in journal.writer.full_because
    segments = begun_segments(journal.folder)
    assert drop_before(journal.folder, segments[-1].first_sequence) >= 1
    journal.append(60_000)
    assert journal.writer.full_because == ""
    journal.writer.close()
    assert journal.durable[-1] == journal.sequence


def test_a_digest_travels_with_the_next_batch(journal: Journal) -> None:
    journal.append(10)
    journal.writer.append_digest(10, 1234)
    journal.writer.flush()
    journal.append(1)
    noted = [(b.digest_sequence, b.digest) for b in journal.scan().batches() if b.digest_sequence]
    assert noted == [(10, 1234)]
    assert journal.read() == list(range(1, 12))


@pytest.mark.parametrize(
    ("device", "error"),
    [("/dev/full", "No space left"), ("/dev/null", "Invalid argument")],
    ids=["no write", "no sync"],
)
def test_an_error_of_the_disk_stops_the_writer(journal: Journal, device: str, error: str) -> None:
    journal.append(1)
    with open(device, "r+b", buffering=0) as file:  # noqa: PTH123
        os.dup2(file.fileno(), journal.writer._descriptor)
    with pytest.raises(OSError, match=error):
        journal.append(1)
    assert journal.durable[-1] == 1


@pytest.mark.parametrize("seed", range(3))
def test_joined_batches_are_the_same_commands_and_the_same_end(journal: Journal, seed: int) -> None:
    dice = np.random.default_rng(seed)
    for _ in range(400):
        journal.append(int(dice.choice([1, 1, 2, 7, 300, 1_500])), flush=bool(dice.random() < 0.8))
        if dice.random() < 0.05:
            journal.writer.append_digest(journal.sequence, int(dice.integers(1, 1 << 60)))
    journal.writer.flush()
    singly, joined = journal.scan(), journal.scan()
    batches = [(b.commands.tobytes(), b.digest_sequence, b.digest) for b in singly.batches()]
    runs = [(r.commands.tobytes(), r.digest_sequence, r.digest) for r in joined.runs()]
    assert len(runs) < len(batches)
    assert b"".join(r[0] for r in runs) == b"".join(b[0] for b in batches)
    assert [r[1:] for r in runs if r[1]] == [b[1:] for b in batches if b[1]]
    assert joined.end == singly.end


@pytest.mark.parametrize("words", [1, 8, 767, 768, 769, 5_000])
def test_the_compiled_checksum_is_a_crc32c(words: int) -> None:
    data = np.random.default_rng(words).integers(-(1 << 62), 1 << 62, words, np.int64)
    data[0] &= 0xFFFF_FFFF
    assert checksum_of(data, 0, words) == google_crc32c.value(data.view(np.uint8))


def test_summary_export_and_a_range(journal: Journal, tmp_path: Path) -> None:
    import duckdb

    journal.append(100)
    journal.append(50)
    summary = summarise(journal.folder, SCHEMA)
    assert (summary.commands, summary.first_sequence, summary.last_sequence) == (150, 1, 150)
    assert summary.kinds == {"Add": 150}
    rows = [
        n for r in commands_between(journal.folder, SCHEMA, 90, 110) for n in r["session_number"].tolist()
    ]
    assert rows == list(range(90, 111))
    assert export(journal.folder, SCHEMA, tmp_path / "out.jsonl", 1, 10) == 10
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 10
    assert export(journal.folder, SCHEMA, tmp_path / "out.parquet") == 150
    table = duckdb.read_parquet(str(tmp_path / "out.parquet"))
    assert table.aggregate("count(*), sum(amount), max(sequence)").fetchall() == [(150, 150, 150)]


def repair_after(journal: Journal, spoil: Callable[[Path, int], Any]) -> Journal:
    for _ in range(3):
        journal.append(10)
    offsets = [batch.offset for batch in journal.scan().batches()]
    journal.writer.close()
    spoil(last_segment(journal.folder), offsets[2])
    assert repair(journal.folder.parent, SCHEMA, 20) == 20
    return Journal(journal.folder)


@pytest.mark.parametrize("offset_in_batch", [3, BATCH_HEAD_BYTES + 5])
def test_repair_gives_up_what_follows_and_keeps_a_copy(journal: Journal, offset_in_batch: int) -> None:
    again = repair_after(journal, lambda path, offset: damage(path, offset + offset_in_batch))
    assert again.sequence == 20
    again.append(5)
    again.writer.close()
    assert again.read() == list(range(1, 26))
    assert (journal.folder.parent / "journal-before-repair-20").is_dir()


def test_repair_inside_a_batch_is_refused_and_changes_nothing(journal: Journal) -> None:
    journal.append(10)
    journal.append(10)
    journal.writer.close()
    with pytest.raises(RingmainError, match=r"RM113.*nearest before is 10"):
        repair(journal.folder.parent, SCHEMA, 15)
    assert journal.read() == list(range(1, 21))


def test_an_empty_journal_is_no_error(tmp_path: Path) -> None:
    assert JournalScan(tmp_path, SCHEMA).run() == End()


def test_a_start_at_the_very_end_of_a_segment_finds_room_in_the_next(journal: Journal) -> None:
    for count in (16_383, 16_383, 16_383, 16_375):  # with their heads they fill the segment to the last byte
        journal.append(count)
    journal.writer.close()
    last, prewritten = sorted(journal.folder.glob("journal-*.seg"))
    prewritten.unlink()  # as after a kill before it was made
    again = Journal(journal.folder)
    assert again.writer._offset == last.stat().st_size
    deadline = time.monotonic() + 30
    while again.writer.room_rows <= 0:
        assert time.monotonic() < deadline, "there is never room again"
        time.sleep(0.01)
    again.append(10)
    assert again.read() == list(range(1, 65_535))
    again.writer.close()
