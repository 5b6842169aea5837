"""Checkpoints: what is kept is found again, and what is no good is passed over."""

import pickle
from collections import deque
from pathlib import Path

import numpy as np
import pytest

from ringmain.client import checkpoint as module
from ringmain.client.checkpoint import Checkpoint
from ringmain.core.page import NodePage
from ringmain.core.tape import TapeReader, TapeWriter
from ringmain.vpp import messages as vpp
from ringmain.vpp.views import Bids


class Tape:
    """A tape of so many events, whose prices are their numbers."""

    def __init__(self, folder, count=100, first=0):
        folder.mkdir()
        self.folder = folder
        page = NodePage(folder / "page", create=True)
        self.writer = TapeWriter(folder / "tape", page, vpp.SCHEMA.record_bytes)
        self.add(count, first)

    def add(self, count, first=0):
        self.writer.append(vpp.SCHEMA.batch([
            vpp.PriceRecorded(delivery_start_ns=0, price_ticks=first + n, delivery_duration_s=0, price_kind=0)
            for n in range(count)
        ]))  # fmt: skip
        self.writer.publish(self.writer.position)

    def reader(self, position=0):
        return TapeReader(self.folder, vpp.SCHEMA, position)


STATE = {
    "words": {("a", 1): [1, 2]}, "ring": deque([3], maxlen=4), "hours": range(3, 9),
    "rows": np.zeros(3, [("x", "i8")]).view(np.recarray),
}  # fmt: skip


@pytest.fixture
def tape(tmp_path):
    return Tape(tmp_path / "vpp")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fold.checkpoint"


@pytest.fixture
def kept(tape, path):
    """A state that was kept at position 60."""
    Checkpoint(path, (tape.reader(60),)).save(STATE)
    return path.read_bytes()


def load(path, *tapes, **options):
    readers = [tape.reader() for tape in tapes]
    state = Checkpoint(path, readers).load(**options)
    return state, [reader.position for reader in readers]


def test_what_is_kept_is_found_again_and_can_be_written_to(tape, path, kept):
    state, positions = load(path, tape)
    assert positions == [60]
    assert state["words"] == STATE["words"] and state["ring"].maxlen == 4
    assert state["hours"] == STATE["hours"]
    state["rows"].x[1] = 7
    assert state["rows"].x.tolist() == [0, 7, 0]


def test_it_is_due_after_so_many_events(tape, path):
    reader = tape.reader()
    checkpoint = Checkpoint(path, (reader,), every_events=50)
    reader.read(49)
    assert not checkpoint.is_due
    reader.read(1)
    assert checkpoint.is_due
    checkpoint.save({})
    assert not checkpoint.is_due
    again = tape.reader()
    checkpoint = Checkpoint(path, (again,), every_events=50)
    checkpoint.load()
    again.read(49)
    assert not checkpoint.is_due


def test_an_absent_one_is_nothing_to_speak_of(tape, path, caplog):
    assert load(path, tape) == (None, [0])
    assert not caplog.records


@pytest.mark.parametrize("seed", range(20))
def test_a_torn_one_is_passed_over(tape, path, kept, seed, caplog):
    print(f"seed {seed}")
    dice = np.random.default_rng(seed)
    if seed % 2:
        data = kept[: int(dice.integers(len(kept)))]
    else:
        data = bytearray(kept)
        data[int(dice.integers(len(kept)))] ^= 1 << int(dice.integers(8))
    path.write_bytes(data)
    assert load(path, tape) == (None, [0])
    assert "is passed over" in caplog.text


def test_one_of_another_program_is_passed_over(tape, path, kept, monkeypatch, caplog):
    monkeypatch.setattr(module, "program_digest", lambda: 7)
    assert load(path, tape) == (None, [0])
    assert "another program has written it" in caplog.text


@pytest.mark.parametrize(("count", "first"), [(100, 1), (59, 0), (0, 0)])
def test_one_of_another_tape_is_passed_over(tmp_path, path, kept, count, first, caplog):
    """Whether that tape is shorter, or its events are others."""
    assert load(path, Tape(tmp_path / "other", count, first)) == (None, [0])
    assert "it is of another tape" in caplog.text


def test_all_of_its_tapes_count(tmp_path, tape, path):
    second = Tape(tmp_path / "second", 10)
    Checkpoint(path, (tape.reader(60), second.reader(5))).save(STATE)
    assert load(path, tape, second)[1] == [60, 5]
    assert load(path, tape, Tape(tmp_path / "third", 4)) == (None, [0, 0])
    assert load(path, tape) == (None, [0])


def test_one_that_does_not_fit_to_the_market_is_passed_over(tape, path, kept, caplog):
    assert load(path, tape, is_fit=lambda state: "words" not in state) == (None, [0])
    assert "ahead of what the market has" in caplog.text


class Command:
    def __reduce__(self):
        return __import__("os").system, ("true",)


@pytest.mark.parametrize("what", [Command(), np.save, Path("x"), module.program_digest])
def test_only_values_arrays_and_own_classes_are_made(tape, path, what, caplog):
    Checkpoint(path, (tape.reader(60),)).save({"x": what})
    assert load(path, tape) == (None, [0])
    assert "nothing that a fold keeps" in caplog.text


def test_a_fold_of_this_program_is_made(tape, path):
    Checkpoint(path, (tape.reader(60),)).save({"view": Bids()})
    assert isinstance(load(path, tape)[0]["view"], Bids)


def test_names_within_names_are_not_followed(tape, path, monkeypatch, caplog):
    """Such as ``ringmain.core.files.os.system``."""
    data = b"\x80\x04\x8c\x13ringmain.core.files\x8c\x09os.system\x93\x8c\x04true\x85R."
    monkeypatch.setattr(pickle, "dumps", lambda *_, **__: data)
    Checkpoint(path, (tape.reader(60),)).save({})
    assert load(path, tape) == (None, [0])
    assert "ringmain.core.files.os.system is nothing that a fold keeps" in caplog.text


def test_without_room_the_one_before_stands(tape, path, kept, caplog):
    path.with_name(path.name + ".part").mkdir()  # it can't be written
    reader = tape.reader(80)
    checkpoint = Checkpoint(path, (reader,), every_events=1)
    checkpoint.save({})
    assert "is not written" in caplog.text
    assert not checkpoint.is_due  # it is tried again later, not at each step
    assert load(path, tape)[1] == [60]
