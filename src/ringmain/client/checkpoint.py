"""Checkpoints: what a fold has made of its tapes, and where on them it stood, kept in one file.

A fold is a function of the events alone, so a checkpoint saves the time of reading them again and nothing
else: one that is absent, torn, of another program or of other tapes is passed over, and the fold reads from
the first event that is kept. It is written under another name and then renamed; it is not synced, because
what a failure of the power tears is recognised by its digest.

The state is pickled: it is whatever the fold keeps, and any change of the program's sources begins anew.
Only plain values, arrays and classes of this program are unpickled.
"""

import functools
import io
import logging
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from ringmain.core.tape import TapeReader

LOG = logging.getLogger("ringmain.checkpoint")
EVERY_EVENTS = 8_192
_MAGIC = 0x52_4D_46_31
_HEAD = np.dtype([("magic", "<u8"), ("digest", "<u8"), ("program", "<u8"), ("tapes", "<u8")])
_PLACE = np.dtype([("position", "<i8"), ("before", "<u8")])  # where, and a digest of the event before
_FOREIGN_CLASSES = frozenset({
    ("builtins", "range"), ("collections", "deque"), ("collections", "defaultdict"),
    ("numpy", "dtype"), ("numpy", "ndarray"), ("numpy", "record"), ("numpy", "recarray"),
    ("numpy.rec", "recarray"), ("numpy._core.records", "recarray"), ("numpy._core.records", "record"),
    ("numpy._core.numeric", "_frombuffer"), ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
})  # fmt: skip

_UNREADABLE = (pickle.UnpicklingError, AttributeError, ImportError, TypeError, ValueError, EOFError)

State = dict[str, Any]


class Checkpoint:
    """The checkpoint of one fold.

    Parameters
    ----------
    path : Path
        Its file.
    tapes : sequence of TapeReader
        What is folded; :meth:`load` moves them.
    every_events : int
        How many events may be read before the state is kept again.
    """

    def __init__(self, path: Path, tapes: Sequence[TapeReader], every_events: int = EVERY_EVENTS) -> None:
        self._path, self._tapes, self._every_events = path, tapes, every_events
        self._kept_at = 0

    def load(self, is_fit: Callable[[State], bool] = lambda _: True) -> State | None:
        """Return the state that was kept, and move the tapes to where it was; None, and nothing is moved.

        Parameters
        ----------
        is_fit : callable
            Tells whether a state fits to what else is known.
        """
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return None
        positions, state, fault = self._decode(data)
        if state is not None and not is_fit(state):
            state, fault = None, "it is ahead of what the market has"
        if state is None:
            LOG.warning("%s is passed over: %s; the tape is read anew", self._path.name, fault)
            return None
        for tape, position in zip(self._tapes, positions, strict=True):
            tape.position = position
        self._kept_at = sum(positions)
        return state

    @property
    def is_due(self) -> bool:
        """Whether enough has been read since the state was kept."""
        return sum(tape.position for tape in self._tapes) - self._kept_at >= self._every_events

    def save(self, state: Mapping[str, Any]) -> None:
        """Keep what the fold has made of all events before the tapes' positions."""
        head, places = np.zeros(1, _HEAD), np.zeros(len(self._tapes), _PLACE)
        head["magic"], head["program"], head["tapes"] = _MAGIC, program_digest(), len(self._tapes)
        places["position"] = [tape.position for tape in self._tapes]
        places["before"] = [_event_before(tape, tape.position) for tape in self._tapes]
        body = places.tobytes() + pickle.dumps(dict(state), protocol=5)
        head["digest"] = xxhash.xxh3_64_intdigest(body)
        part = self._path.with_name(self._path.name + ".part")
        try:
            with part.open("wb") as file:
                file.write(head.tobytes())
                file.write(body)
            part.replace(self._path)
        except OSError as error:
            LOG.warning("%s is not written: %s", self._path.name, error.strerror)
        self._kept_at = sum(tape.position for tape in self._tapes)

    def _decode(self, data: bytes) -> tuple[list[int], State | None, str]:
        """Return positions and state, or what is wrong."""
        count = len(self._tapes)
        begin = _HEAD.itemsize + count * _PLACE.itemsize
        if len(data) < begin:
            return [], None, "it is torn"
        head = np.frombuffer(data, _HEAD, 1)[0]
        if head["magic"] != _MAGIC or head["tapes"] != count or head["program"] != program_digest():
            return [], None, "another program has written it"
        body = memoryview(data)[_HEAD.itemsize :]
        if head["digest"] != xxhash.xxh3_64_intdigest(body):
            return [], None, "it is torn"
        places = np.frombuffer(data, _PLACE, count, _HEAD.itemsize)
        positions = places["position"].tolist()
        for tape, position, before in zip(self._tapes, positions, places["before"].tolist(), strict=True):
            if not tape.first() <= position <= tape.readable() or _event_before(tape, position) != before:
                return [], None, "it is of another tape"
        try:
            return positions, _Unpickler(io.BytesIO(memoryview(data)[begin:])).load(), ""
        except _UNREADABLE as error:
            return [], None, str(error)


def _event_before(tape: TapeReader, position: int) -> int:
    """Return a digest of the event before a position; 0 where there is none, or none is kept."""
    if position <= tape.first():
        return 0
    after, tape.position = tape.position, position - 1
    digest = xxhash.xxh3_64_intdigest(tape.read(1).tobytes())
    tape.position = after
    return digest


@functools.cache
def program_digest() -> int:
    """Return a digest of the program's sources, and of the versions that it runs on."""
    folder = Path(__file__).parents[1]
    hasher = xxhash.xxh3_64(f"{sys.version} {np.__version__}".encode())
    for file in sorted(folder.rglob("*.py")):
        hasher.update(str(file.relative_to(folder)).encode())
        hasher.update(file.read_bytes())
    return hasher.intdigest()


class _Unpickler(pickle.Unpickler):
    """Makes values, arrays and objects of this program's own classes, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _FOREIGN_CLASSES:
            return super().find_class(module, name)
        if module.startswith("ringmain.") and "." not in name:
            found = super().find_class(module, name)
            if isinstance(found, type) and found.__module__ == module:
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is nothing that a fold keeps")
