"""What a FIX session keeps on the disk: the commands that came in, and the messages that went out.

``commands.map`` is mapped into memory: a page of words, then an entry for each number of the
session's commands. An entry is there before its command goes into the ring: what the market has not
answered when a process dies is offered again, under the same number, so that it counts once.
``requests-E`` holds the messages that asked for several commands; their entries say where each stands.
``out-E`` holds the messages of epoch E, in segments of blocks; a block is there before its bytes go
to a socket, and says up to where on the tape it tells.
"""

import mmap
import os
import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ringmain.core.errors import RingmainError
from ringmain.core.jit import bare, records
from ringmain.core.shared import boot_word
from ringmain.gateway.fix.directory import ENTRY, UNNAMED, add_all, add_id, find_id
from ringmain.gateway.fix.outlog import OutLog
from ringmain.gateway.fix.requests import Requests

MAGIC = 0x4649_5853_544F_5245
VERSION = 3
PAGE_BYTES = 4_096
ROWS_GROWN = 1 << 16
DIRECTORY_SLOTS = 1 << 12
LOST_NUMBERS = 10_000_000  # stepped over when the machine went down with messages in its cache

_MAGIC, _VERSION, _FIRST, _LAST, _NEXT_IN, _EPOCH, _BOOT, _START, _PERIOD, _NEXT_OUT = range(10)


class Identity(msgspec.Struct, frozen=True):
    """Who the counterparty is: fixed as long as the numbers go on."""

    begin_string: str
    client_id: str


class Store:
    """One session's files.

    Parameters
    ----------
    folder : Path
        The session's own; made if it is not there.
    last_number : int
        The session's last number at the market, for a store that is new: commands begin behind it.
    tape_position : int
        For a store that is new: what is on the tape before it is of no concern.

    Raises
    ------
    RingmainError
        RM331 if the folder holds something else.
    """

    def __init__(self, folder: Path, last_number: int = 0, tape_position: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._path = folder, folder / "commands.map"
        is_new = not self._path.exists() or self._path.stat().st_size < PAGE_BYTES
        self.descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        if is_new:
            os.posix_fallocate(self.descriptor, 0, PAGE_BYTES)
        self._map_words()
        if is_new:
            self._begin(last_number, tape_position)
        if self.words[_MAGIC] != MAGIC or self.words[_VERSION] != VERSION:
            what = f"{self._path} is no store of this version"
            raise RingmainError("RM331", "fix", what, "Move the folder away; its FIX numbers begin at 1 then")
        self._map_entries()
        self.out = OutLog(self._out_folder())
        self.requests = Requests(folder, self.epoch)
        self._identity = _read_identity(folder / "session.json")
        self.was_cut_off = bool(self.words[_BOOT] != boot_word())
        self._recover()
        self._index()

    # Words.

    @property
    def first(self) -> int:
        """The number of the command in the first row."""
        return int(self.words[_FIRST])

    @property
    def last(self) -> int:
        """The number of the last command that was written down."""
        return int(self.words[_LAST])

    @property
    def next_in(self) -> int:
        """The MsgSeqNum that is expected."""
        return int(self.words[_NEXT_IN])

    @next_in.setter
    def next_in(self, number: int) -> None:
        """Expect this one next."""
        self.words[_NEXT_IN] = number

    @property
    def epoch(self) -> int:
        """How often the numbers have begun at 1, less one."""
        return int(self.words[_EPOCH])

    @property
    def period(self) -> int:
        """When the schedule's session began that the numbers are of."""
        return int(self.words[_PERIOD])

    @period.setter
    def period(self, start_s: int) -> None:
        """Note that the numbers are of this one."""
        self.words[_PERIOD] = start_s

    @property
    def told_until(self) -> int:
        """The position on the tape up to which the messages tell."""
        return max(int(self.words[_START]), self.out.tape_end)

    @property
    def next_out(self) -> int:
        """The MsgSeqNum of the next message."""
        return max(self.out.next_number, int(self.words[_NEXT_OUT]))

    @property
    def identity(self) -> Identity | None:
        """Who logged on first since the numbers began at 1."""
        return self._identity

    @identity.setter
    def identity(self, identity: Identity) -> None:
        """Bind the numbers to a counterparty."""
        temporary = self.folder / f".session.{os.getpid()}"
        temporary.write_bytes(msgspec.json.encode(identity))
        temporary.replace(self.folder / "session.json")
        self._identity = identity

    # Commands.

    def reserve(self, count: int) -> None:
        """See that there is room for so many more commands; OSError if the disk has none."""
        if self.last + count - self.first >= self.entries.size:
            rows = self.entries.size + max(ROWS_GROWN, count)
            os.posix_fallocate(self.descriptor, 0, PAGE_BYTES + rows * ENTRY.itemsize)
            self._map_entries()
        if 2 * (self._id_count + count) > self.directory.size:
            self._index(2 * (self._id_count + count))

    def note(self, count: int, next_in: int) -> None:
        """Count entries in that were written behind the last; their ClOrdIDs are in the directory."""
        self._id_count += count
        self.words[_LAST] += count
        self.words[_NEXT_IN] = next_in

    def leave_out(self, number: int) -> None:
        """Go on behind `number`: another door has used the numbers up to it."""
        count = max(0, number - self.last)
        self.reserve(count)
        begin = self.last + 1 - self.first
        self.entry_words[begin : begin + count] = 0
        self.words[_LAST] = self.last + count

    def entry(self, number: int) -> Any:
        """Return the entry of a command, None if it is not of this door."""
        if not self.first <= number <= self.last:
            return None
        entry = self.entries[number - self.first]
        return entry if entry["kind"] else None

    def commands(self, begin: int, end: int) -> Any:
        """Return a copy of the commands numbered `begin` up to, not including, `end`, as int64 rows."""
        return self.entries["command"][begin - self.first : end - self.first].copy()

    def find(self, cl_ord_id: bytes) -> int:
        """Return the number of the command with that ClOrdID, or 0."""
        text = np.frombuffer(cl_ord_id, np.uint8)
        return int(find_id(self.directory, self.rows, self.first, text, 0, text.size))

    def add(self, entry: Any, next_in: int) -> int:
        """Write one entry behind the last; return its number."""
        self.reserve(1)
        number = self.last + 1
        self.entries[number - self.first] = entry
        add_id(self.directory, entry["cl_ord_id"], 0, int(entry["id_bytes"]), number)
        self.note(1, next_in)
        return number

    def add_together(self, entries: Any, next_in: int) -> None:
        """Write entries behind the last; after a death in between, none of them is there."""
        self.reserve(entries.size)
        first = self.last + 1
        self.entries[first - self.first : first - self.first + entries.size] = entries
        for place, entry in enumerate(entries):
            if entry["kind"] not in UNNAMED:
                add_id(self.directory, entry["cl_ord_id"], 0, int(entry["id_bytes"]), first + place)
        self.note(entries.size, next_in)

    def request(self, number: int) -> bytes | None:
        """Return the message that asked for a command and others, None if it is not there any more."""
        entry = self.entry(number)
        if entry is None or not entry["request_count"]:
            return None
        return self.requests.read(int(entry["epoch"]), int(entry["request_at"]))

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The files that have to be on the disk before anybody is told of a command."""
        return (*self.requests.descriptors, self.descriptor)

    # Numbers.

    def begin_again(self) -> None:
        """Both numbers begin at 1 again; ClOrdIDs of orders that have ended may be used once more."""
        told_until, old = self.told_until, self._out_folder()
        self.out.close()
        self.words[_START] = told_until
        self.words[_EPOCH] += 1
        self.words[_NEXT_IN], self.words[_NEXT_OUT] = 1, 0
        self.out = OutLog(self._out_folder())
        self.requests.begin(self.epoch)
        shutil.rmtree(old, ignore_errors=True)
        self._index()

    def close(self) -> None:
        """Close the files."""
        self.out.close()
        self.requests.close()
        os.close(self.descriptor)

    # Inside.

    def _out_folder(self) -> Path:
        return self.folder / f"out-{self.epoch}"

    def _begin(self, last_number: int, tape_position: int) -> None:
        self.words[_FIRST], self.words[_LAST] = last_number + 1, last_number
        self.words[_NEXT_IN], self.words[_START] = 1, tape_position
        self.words[_BOOT], self.words[_VERSION] = boot_word(), VERSION
        self.words[_MAGIC] = MAGIC

    def _map_words(self) -> None:
        self.words: Any = np.frombuffer(mmap.mmap(self.descriptor, PAGE_BYTES), np.int64)

    def _map_entries(self) -> None:
        size = os.fstat(self.descriptor).st_size
        rows = (size - PAGE_BYTES) // ENTRY.itemsize
        if rows <= 0:
            self.entries: Any = records(np.zeros(0, ENTRY))
        else:
            mapped = mmap.mmap(self.descriptor, size)
            self.entries = records(np.frombuffer(mapped, ENTRY, rows, PAGE_BYTES))
        self.rows = bare(self.entries)
        words = self.entries.view(np.ndarray).view(np.int64)
        self.entry_words = words.reshape(self.entries.size, ENTRY.itemsize // 8)

    def _recover(self) -> None:
        """After a death: the last entry may have been counted before the FIX number behind it."""
        last = self.entry(self.last)
        if last is not None and last["epoch"] == self.epoch:
            self.words[_NEXT_IN] = max(self.next_in, int(last["in_number"]) + 1)
        if self.was_cut_off:
            self.words[_NEXT_OUT] = self.next_out + LOST_NUMBERS
            self.words[_BOOT] = boot_word()

    def _index(self, at_least: int = 0) -> None:
        """Make the directory of ClOrdIDs anew."""
        used = self.last - self.first + 1
        slots = DIRECTORY_SLOTS
        while slots < max(2 * at_least, 4 * used):
            slots *= 2
        self.directory = np.zeros(slots, np.int64)
        self._id_count = int(add_all(self.directory, self.rows, self.first, 0, used, self.epoch))


def _read_identity(path: Path) -> Identity | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Identity)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def session_folder(market_folder: Path, session_id: int) -> Path:
    """Return where a session's files lie."""
    return market_folder / "fix" / f"{session_id:04d}"
