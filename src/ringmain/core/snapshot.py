"""Snapshots: the machine's bytes at a sequence, so that a start need not replay everything.

A snapshot is copied between two batches (the pause is in the node's page) and written by a thread.
Forking instead of copying was measured too: docs/decisions/0009. It is written under another name,
synced and then renamed, and it carries a digest, so that a torn one is recognised; one from another
layout is passed over. Both are said, and the one before is taken.
"""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from ringmain.core.engine import Machine
from ringmain.core.files import sync_folder, write_all

SNAPSHOTS_KEPT = 3
_MAGIC = 0x52_4D_50_31
_PAGE_BYTES = 4096
_HEAD = np.dtype(
    {
        "names": [
            "magic",
            "digest",
            "sequence",
            "time_ns",
            "tape_position",
            "state_bytes",
            "session_bytes",
            "layout",
        ],
        "formats": ["<i8", "<i8", "<i8", "<i8", "<i8", "<i8", "<i8", "S16"],
        "itemsize": _PAGE_BYTES,
    }
)


@dataclass(frozen=True)
class Position:
    """Where a machine stands: its last command, that command's time, and the events emitted so far."""

    sequence: int = 0
    time_ns: int = 0
    tape_position: int = 0


def snapshot_path(folder: Path, sequence: int) -> Path:
    """Return the file of the snapshot taken after `sequence`."""
    return folder / f"snapshot-{sequence:020d}.snap"


class Snapshots:
    """The snapshots of one engine.

    Parameters
    ----------
    folder : Path
    say : callable
        Takes one line about a snapshot that was passed over or could not be written.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._say = folder, say
        self._thread: threading.Thread | None = None
        self._copy: Any = None

    @property
    def is_writing(self) -> bool:
        """Whether the last snapshot is still on its way to the disk."""
        return self._thread is not None and self._thread.is_alive()

    def take(self, machine: Machine, position: Position, on_written: Callable[[int], None]) -> None:
        """Copy the machine now, and write the copy in a thread; `on_written` gets the sequence."""
        assert not self.is_writing, "one at a time"
        head, parts = _head(machine, position), machine.parts()
        size = _PAGE_BYTES + sum(part.size for part in parts)
        if self._copy is None or self._copy.size != size:
            self._copy = np.zeros(size, np.uint8)
        np.concatenate([head.view(np.uint8), *parts], out=self._copy)
        self._thread = threading.Thread(target=self._write, args=(position.sequence, on_written), daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait until the last snapshot is on the disk."""
        if self._thread is not None:
            self._thread.join()

    def sequences(self) -> list[int]:
        """Return the sequences of the snapshots that are there, newest first."""
        return sorted((int(file.stem[9:]) for file in self.folder.glob("snapshot-*.snap")), reverse=True)

    def load_newest(self, machine: Machine, sequence_max: int, tape_position_max: int) -> Position:
        """Load the newest good snapshot into a new machine; say why others were passed over.

        Parameters
        ----------
        sequence_max : int
            The journal's last sequence: a snapshot beyond it is of another journal.
        tape_position_max : int
            How far the tape is there; an older snapshot lets the replay write the rest anew.

        Returns
        -------
        Position
            Of the snapshot; all zeros if none is good, and the machine is as new.
        """
        for sequence in self.sequences():
            position, fault = self._load(machine, sequence, sequence_max, tape_position_max)
            if position is not None:
                return position
            self._say(f"snapshot {sequence} is passed over: {fault}")
        return Position()

    def _load(
        self, machine: Machine, sequence: int, sequence_max: int, tape_position_max: int
    ) -> tuple[Position | None, str]:
        data = np.fromfile(snapshot_path(self.folder, sequence), np.uint8)
        if data.size < _PAGE_BYTES:
            return None, "it is torn"
        head = data[:_PAGE_BYTES].view(_HEAD)[0]
        state, sessions = machine.parts()
        if head["magic"] != _MAGIC or head["layout"].decode("ascii", "replace") != machine.market.layout():
            return None, "it is of another layout"
        if data.size != _PAGE_BYTES + state.size + sessions.size or head["digest"] != _digest(data):
            return None, "it is torn"
        if sequence > sequence_max:
            return None, f"the journal ends at {sequence_max}"
        if head["tape_position"] > tape_position_max:
            return None, f"the tape ends at {tape_position_max}"
        state[:] = data[_PAGE_BYTES : _PAGE_BYTES + state.size]
        sessions[:] = data[_PAGE_BYTES + state.size :]
        return Position(int(head["sequence"]), int(head["time_ns"]), int(head["tape_position"])), ""

    def _write(self, sequence: int, on_written: Callable[[int], None]) -> None:
        path = snapshot_path(self.folder, sequence)
        try:
            self._copy[:_PAGE_BYTES].view(_HEAD)["digest"] = _digest(self._copy)
            _write_file(path, self._copy)
        except OSError as error:
            self._say(f"snapshot {sequence} is not written: {error.strerror}; the one before stands")
            path.with_suffix(".part").unlink(missing_ok=True)
            return
        for old in self.sequences()[SNAPSHOTS_KEPT:]:
            snapshot_path(self.folder, old).unlink()
        on_written(sequence)


def _head(machine: Machine, position: Position) -> Any:
    state, sessions = machine.parts()
    head = np.zeros(1, _HEAD)
    head["magic"], head["layout"] = _MAGIC, machine.market.layout().encode()
    head["sequence"], head["time_ns"] = position.sequence, position.time_ns
    head["tape_position"] = position.tape_position
    head["state_bytes"], head["session_bytes"] = state.size, sessions.size
    return head


def _digest(data: Any) -> int:
    """Digest a snapshot's bytes, the digest's own field taken as zero."""
    head = data[:_PAGE_BYTES].copy()
    head.view(_HEAD)["digest"] = 0
    hasher = xxhash.xxh3_64(head)
    hasher.update(data[_PAGE_BYTES:])
    return hasher.intdigest() >> 1


def _write_file(path: Path, data: Any) -> None:
    part = path.with_suffix(".part")
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        for begin in range(0, data.size, 1 << 20):
            piece = data[begin : begin + (1 << 20)]
            if piece.any():  # what is all zeros stays a hole: most of a state is room to grow
                write_all(descriptor, piece, begin)
        os.ftruncate(descriptor, data.size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part.rename(path)
    sync_folder(path.parent)
