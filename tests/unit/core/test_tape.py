import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from markets.tally import SCHEMA, Added
from ringmain.core import tape as tape_module
from ringmain.core.errors import RingmainError
from ringmain.core.page import NodePage
from ringmain.core.tape import TapeReader, TapeWriter


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tape_module, "EVENTS_A_SEGMENT", 100)


@pytest.fixture
def writer(tmp_path: Path) -> TapeWriter:
    return TapeWriter(tmp_path / "tape", NodePage(tmp_path / "page", create=True), 64)


def events(first: int, count: int) -> Any:
    """Return events of which each two answer one command."""
    batch = SCHEMA.batch([Added(1, n, amount=n, total=n) for n in range(first, first + count)])
    batch["sequence"] = [n // 2 for n in range(first, first + count)]
    return batch


def test_nothing_is_read_beyond_what_is_published(writer: TapeWriter, tmp_path: Path) -> None:
    reader = TapeReader(tmp_path, SCHEMA)
    writer.append(events(0, 250))
    assert reader.read().size == 0
    writer.publish(120)
    assert reader.read(50)["session_number"].tolist() == list(range(50))
    assert reader.read()["session_number"].tolist() == list(range(50, 120))
    assert reader.read().size == 0 and reader.position == 120


def test_any_position_can_be_read_again(writer: TapeWriter, tmp_path: Path) -> None:
    writer.append(events(0, 333))
    writer.publish(333)
    for position in (0, 99, 100, 101, 250, 332, 333):
        reader = TapeReader(tmp_path, SCHEMA, position)
        assert reader.read()["session_number"].tolist() == list(range(position, 333))


def test_the_first_event_of_a_sequence_is_found(writer: TapeWriter, tmp_path: Path) -> None:
    writer.append(events(0, 333))
    writer.publish(333)
    reader = TapeReader(tmp_path, SCHEMA)
    assert [reader.seek_sequence(s) for s in (0, 1, 60, 166, 167, 10**9)] == [0, 2, 120, 332, 333, 333]


def test_a_reader_behind_what_is_kept_is_told(writer: TapeWriter, tmp_path: Path) -> None:
    writer.append(events(0, 333))
    writer.publish(333)
    writer.drop_before(250)
    reader = TapeReader(tmp_path, SCHEMA)
    with pytest.raises(RingmainError, match=r"RM121.*older than 200"):
        reader.read()
    assert reader.seek_sequence(0) == 200 == reader.first()
    assert not writer.covers(0, 333) and writer.covers(200, 333) and not writer.covers(200, 401)


def test_a_sleeping_reader_wakes(writer: TapeWriter, tmp_path: Path) -> None:
    reader = TapeReader(tmp_path, SCHEMA)
    writer.append(events(0, 1))
    assert not reader.wait(0.01)
    timer = threading.Timer(0.05, lambda: writer.publish(1))
    timer.start()
    began = time.monotonic()
    assert reader.wait(20.0) and time.monotonic() - began < 10.0
    timer.join()


def test_a_reader_that_stops_holds_up_nobody(writer: TapeWriter, tmp_path: Path) -> None:
    TapeReader(tmp_path, SCHEMA).read()
    for first in range(0, 5_000, 100):
        writer.append(events(first, 100))
        writer.publish(first + 100)
    assert writer.position == 5_000


def test_a_full_disk_moves_nothing_and_the_call_may_be_repeated(
    writer: TapeWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.append(events(0, 50))
    real, calls = os.pwrite, []

    def short_then_full(descriptor: int, data: Any, offset: int) -> int:
        calls.append(offset)
        if len(calls) == 1:
            return real(descriptor, data[:64], offset)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("ringmain.core.files.os.pwrite", short_then_full)
        with pytest.raises(OSError, match="No space"):
            writer.append(events(50, 10))
    assert writer.position == 50
    writer.append(events(50, 10))
    writer.publish(60)
    assert TapeReader(tmp_path, SCHEMA).read()["session_number"].tolist() == list(range(60))
