"""Export: the tape into the history's folder, from where the last export ended.

Events are taken in pieces of whole commands; each piece is decoded column by column, written and
committed. Memory is bounded by the piece, whatever the tape's length. What is no longer on the tape is
decided anew from the journal, where that is whole.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np

from ringmain.core.engine import Machine
from ringmain.core.errors import RingmainError
from ringmain.core.files import FolderLock
from ringmain.core.journal.scan import JournalScan
from ringmain.core.replay import Replay
from ringmain.core.snapshot import Position
from ringmain.core.tape import TapeReader
from ringmain.exchange.engine import MARKET
from ringmain.exchange.history.columns import (
    EVENT_TABLES,
    QUOTES,
    TRADES,
    Columns,
    Table,
    event_columns,
    quote_columns,
    trade_columns,
)
from ringmain.exchange.history.quotes import Quotes
from ringmain.exchange.history.store import (
    Manifest,
    Part,
    Store,
    kept_levels,
    levels_again,
    said_by,
    split_by_day,
)
from ringmain.exchange.messages import OrderFilled, schema

PIECE_EVENTS = 1 << 20  # 64 MiB of the tape
EVENTS_PER_COMMAND_MAX = 1 << 16  # far more than any command gives: a piece always has room for one more


@dataclass(frozen=True)
class Exported:
    """What an export did: `events` written now, up to `position`."""

    events: int
    position: int
    sequence: int
    time_ns: int
    folder: Path


class Export:
    """Takes events in order, and writes what they say in pieces.

    Parameters
    ----------
    folder : Path
        The history's.
    piece_events : int
        A piece is written once it has so many.

    Raises
    ------
    RingmainError
        RM106 if another process exports into the folder; RM640, RM641 as :meth:`Store.manifest`.
    """

    def __init__(self, folder: Path, piece_events: int = PIECE_EVENTS) -> None:
        self._lock = FolderLock(folder, "history")
        try:
            self.store = Store(folder)
            self.manifest = self.store.manifest(schema.digest())
            self.store.clean(self.manifest)
        except BaseException:
            self._lock.release()
            raise
        self._piece_events, self._count = piece_events, 0
        self._piece = schema.empty(piece_events + EVENTS_PER_COMMAND_MAX)
        self._quotes = Quotes()
        self._quotes.put_back(levels_again(self.manifest.levels))
        self._connection = duckdb.connect(config={"threads": 1})  # as fast as two here, and leaves one alone

    @property
    def position(self) -> int:
        """Of the next event that is wanted."""
        return self.manifest.position + self._count

    def add(self, events: Any) -> None:
        """Take the events that follow; any number, cut anywhere."""
        done = 0
        while done < events.size:
            room = self._piece.size - self._count
            count = min(room, events.size - done)
            self._piece[self._count : self._count + count] = events[done : done + count]
            self._count += count
            done += count
            if self._count >= self._piece_events:
                self._write(self._whole_commands())

    def finish(self) -> None:
        """Write what is left; the last command is known to be whole."""
        self._write(self._count)
        self._connection.close()
        self._lock.release()

    def abandon(self) -> None:
        """Let go of the folder; what is committed stands."""
        self._connection.close()
        self._lock.release()

    def _whole_commands(self) -> int:
        """Return how many of the piece's events belong to commands that have surely ended."""
        sequences = self._piece["sequence"][: self._count]
        return int(np.searchsorted(sequences, sequences[-1]))

    def _write(self, count: int) -> None:
        """Write and commit the first `count` events of the piece, and keep the others."""
        if not count:
            return
        events = self._piece[:count]
        begin = self.manifest.position
        parts = list(self.manifest.parts)
        outdated: list[Part] = []
        for table, columns in self._tables(events, begin):
            own = tuple(part for part in parts if part.table == table.name)
            for day in split_by_day(columns):
                part, taken = self.store.write(self._connection, table, day, (begin, begin + count), own)
                outdated += taken
                parts = [each for each in parts if each not in taken] + [part]
        self.manifest = msgspec.structs.replace(
            self.manifest, position=begin + count, sequence=int(events["sequence"][-1]),
            time_ns=int(events["time_ns"][-1]), parts=tuple(parts), levels=kept_levels(self._quotes.levels()),
        )  # fmt: skip
        self.store.commit(self.manifest)
        self.store.drop(tuple(outdated))
        left = self._count - count
        self._piece[:left] = self._piece[count : self._count].copy()
        self._count = left

    def _tables(self, events: Any, begin: int) -> list[tuple[Table, Columns]]:
        """Return each table that the events have rows for, with its raw columns."""
        found = []
        kinds = events["kind"]
        for kind in np.unique(kinds).tolist():
            if kind not in EVENT_TABLES:
                continue
            places = np.flatnonzero(kinds == kind)
            rows = np.asarray(events)[places]
            found.append((EVENT_TABLES[kind], event_columns(schema.events[kind], rows, places + begin)))
            if kind == OrderFilled.kind:
                fills = rows.view(OrderFilled.dtype)
                found.append((TRADES, trade_columns(fills, places + begin)))
        quotes = self._quotes.fold(events, begin)
        if quotes.size:
            found.append((QUOTES, quote_columns(quotes)))
        return found


def export(market_folder: Path, target: Path) -> Exported:
    """Bring the history in `target` up to what the tape of a market's folder says; the node may run.

    Raises
    ------
    RingmainError
        RM642 if the folder has no tape; RM643 if the history is ahead of it, RM644 if what lies between
        is neither on the tape nor in the journal; RM657 if the history cannot be written.
    """
    check_market_folder(market_folder)
    try:
        return _export(market_folder, target)
    except (OSError, duckdb.IOException) as error:
        raise RingmainError(
            "RM657", "history", f"{target} cannot be written: {said_by(error)}; what was there stands",
            "Make room, or give another folder with --to",
        ) from None  # fmt: skip


def _export(market_folder: Path, target: Path) -> Exported:
    tape = TapeReader(market_folder, schema)
    goal = tape.readable()
    work = Export(target)
    began = work.position
    try:
        _check_same_venue(tape, work.manifest, goal)
        if began < min(tape.first(), goal):
            _export_journal(market_folder, work, tape, min(tape.first(), goal))
        tape.position = work.position
        while tape.position < goal:
            work.add(tape.read(goal - tape.position))
        work.finish()
    except BaseException:
        work.abandon()
        raise
    finally:
        tape.close()
    manifest: Manifest = work.manifest
    return Exported(manifest.position - began, manifest.position, manifest.sequence, manifest.time_ns, target)


def check_market_folder(folder: Path) -> None:
    """Refuse a folder in which no exchange has run; RM642."""
    if not (folder / "page").exists():
        raise RingmainError(
            "RM642", "exchange", f"{folder} holds no exchange", "Give the data folder with --data"
        )


def _check_same_venue(tape: TapeReader, manifest: Manifest, goal: int) -> None:
    """Refuse a tape whose event before the position is not the history's last one."""
    last = manifest.position - 1
    is_same = last < goal
    if tape.first() <= last < goal:
        tape.position = last
        event = tape.read(1)
        is_same = (int(event["sequence"][0]), int(event["time_ns"][0])) == (
            manifest.sequence, manifest.time_ns,
        )  # fmt: skip
    if not is_same:
        raise RingmainError(
            "RM643", "history", f"what the history holds up to event {last} is not what the tape says",
            "Give each venue, and a repaired journal, a new folder with --to",
        )  # fmt: skip


def _export_journal(market_folder: Path, work: Export, tape: TapeReader, end: int) -> None:
    """Decide anew, from the first command on, the events before `end` that the tape has no longer."""
    scan = JournalScan(market_folder / "journal", MARKET.schema)
    if not scan.segments or scan.segments[0].first_sequence != 1:
        raise RingmainError(
            "RM644", "history", f"events {work.position} to {end} are neither on the tape nor in the journal",
            "Export more often, or let the node keep more of its tape",
        )  # fmt: skip
    position = 0

    def take(events: Any) -> None:
        nonlocal position
        begin = max(work.position - position, 0)
        last = min(end - position, events.size)
        if begin < last:
            work.add(events[begin:last])
        position += events.size

    tape.position = end
    kept = tape.read(1)
    last_sequence = int(kept["sequence"][0]) if kept.size else None
    Replay(Machine(MARKET), Position(), take).run(scan, last_sequence)
