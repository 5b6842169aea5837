from pathlib import Path

import pytest

from markets.tally import MARKET, stream
from ringmain.core.engine import Machine
from ringmain.core.snapshot import SNAPSHOTS_KEPT, Position, Snapshots, snapshot_path

BEYOND = 1 << 62


class Shelf:
    """Snapshots, and the lines that they said."""

    def __init__(self, folder: Path) -> None:
        self.lines: list[str] = []
        self.snapshots = Snapshots(folder, self.lines.append)

    def take(self, seed: int, sequence: int) -> int:
        machine = Machine(MARKET)
        machine.step(stream(seed, 200), lambda rows: None)
        self.snapshots.take(machine, Position(sequence, sequence * 10, sequence * 2), lambda s: None)
        self.snapshots.wait()
        return machine.digest()

    def load(self, sequence_max: int = BEYOND, tape_max: int = BEYOND) -> tuple[Position, int]:
        machine = Machine(MARKET)
        return self.snapshots.load_newest(machine, sequence_max, tape_max), machine.digest()


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_the_newest_comes_back_byte_for_byte(shelf: Shelf) -> None:
    shelf.take(1, 10)
    digest = shelf.take(2, 20)
    assert shelf.load() == (Position(20, 200, 40), digest)
    assert shelf.lines == []


@pytest.mark.parametrize("spoil", ["cut", "empty", "flip", "head"])
def test_a_torn_one_is_passed_over_with_a_message(shelf: Shelf, spoil: str) -> None:
    digest = shelf.take(1, 10)
    shelf.take(2, 20)
    path = snapshot_path(shelf.snapshots.folder, 20)
    data = bytearray(path.read_bytes())
    data[{"flip": len(data) - 5000, "head": 17}.get(spoil, 0)] ^= 1
    path.write_bytes({"cut": data[:-1], "empty": b""}.get(spoil, data))
    assert shelf.load() == (Position(10, 100, 20), digest)
    assert "20 is passed over" in shelf.lines[0]


def test_one_of_another_layout_is_passed_over(shelf: Shelf) -> None:
    shelf.take(1, 10)
    path = snapshot_path(shelf.snapshots.folder, 10)
    data = bytearray(path.read_bytes())
    place = data.index(MARKET.layout().encode())
    data[place : place + 4] = b"zzzz"
    path.write_bytes(data)
    assert shelf.load()[0] == Position()
    assert "another layout" in shelf.lines[0]


def test_one_beyond_the_journal_or_the_tape_is_passed_over(shelf: Shelf) -> None:
    shelf.take(1, 10)
    shelf.take(2, 20)
    assert shelf.load(sequence_max=19)[0].sequence == 10
    assert shelf.load(tape_max=39)[0].sequence == 10
    assert shelf.load(sequence_max=5)[0] == Position()


def test_the_oldest_go(shelf: Shelf) -> None:
    for sequence in range(10, 10 * (SNAPSHOTS_KEPT + 3), 10):
        shelf.take(1, sequence)
    assert len(shelf.snapshots.sequences()) == SNAPSHOTS_KEPT


def test_a_full_disk_leaves_the_one_before(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.take(1, 10)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ringmain.core.files.os.pwrite", full)
    shelf.take(2, 20)
    assert shelf.load()[0].sequence == 10
    assert "not written: No space left" in shelf.lines[0]
    assert not list(shelf.snapshots.folder.glob("*.part"))
