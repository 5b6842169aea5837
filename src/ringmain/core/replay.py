"""Replay: the same journal gives the same state and the same events, or stops and says where it differs."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ringmain.core.engine import Machine, Market, Publish
from ringmain.core.errors import RingmainError
from ringmain.core.journal.scan import Batch, JournalScan
from ringmain.core.snapshot import Position, Snapshots
from ringmain.core.tape import TapeReader


class Replay:
    """Feeds a journal to a machine and checks every digest on the way.

    Parameters
    ----------
    machine : Machine
        At `position`.
    position : Position
    publish : callable
        Gets the events, in order.
    """

    def __init__(self, machine: Machine, position: Position, publish: Publish) -> None:
        self.machine, self.position = machine, position
        self._publish_further = publish
        self.digests_checked = 0

    def run(self, scan: JournalScan, to_sequence: int | None = None) -> Position:
        """Apply the commands after the position, up to `to_sequence` if given; return where it ended."""
        check_layout(scan, self.machine.market)
        self._check_begin(scan)
        for batch in scan.runs():
            if to_sequence is not None and batch.first_sequence > to_sequence:
                break
            self._apply(batch, to_sequence)
        return self.position

    def _check_begin(self, scan: JournalScan) -> None:
        first = scan.segments[0].first_sequence if scan.segments else 1
        if first > self.position.sequence + 1:
            raise RingmainError(
                "RM110", "replay", f"the journal begins at {first}, and no good snapshot reaches that far",
                "Restore a snapshot, or the segments before",
            )  # fmt: skip

    def _apply(self, batch: Batch, to_sequence: int | None) -> None:
        last = batch.last_sequence if to_sequence is None else min(batch.last_sequence, to_sequence)
        if batch.digest_sequence:
            self._advance(batch, min(batch.digest_sequence, last))
            self._check(batch)
        self._advance(batch, last)

    def _advance(self, batch: Batch, last: int) -> None:
        begin = self.position.sequence + 1 - batch.first_sequence
        commands = batch.commands[max(begin, 0) : last + 1 - batch.first_sequence]
        if last <= self.position.sequence or not commands.size:
            return
        assert int(commands["sequence"][0]) == self.position.sequence + 1, "commands follow without a gap"
        self.machine.step(commands, self._publish)
        self.position = replace(self.position, sequence=last, time_ns=int(commands["time_ns"][-1]))

    def _publish(self, events: Any) -> None:
        self._publish_further(events)
        self.position = replace(self.position, tape_position=self.position.tape_position + events.size)

    def _check(self, batch: Batch) -> None:
        if batch.digest_sequence != self.position.sequence:
            return  # before the snapshot, or beyond what was asked for
        if self.machine.digest() != batch.digest:
            raise RingmainError(
                "RM107", "replay", f"the state after {batch.digest_sequence} has not the journal's digest",
                "Compare releases: this engine does not decide as the one that wrote the journal",
            )  # fmt: skip
        self.digests_checked += 1


@dataclass(frozen=True)
class ReplayReport:
    """What a replay found."""

    market: str
    from_sequence: int
    sequence: int
    time_ns: int
    events: int
    digests_checked: int
    events_compared: int
    digest: int


def check_layout(scan: JournalScan, market: Market) -> None:
    """Refuse a journal whose commands have another layout."""
    for segment in scan.segments:
        if segment.layout != market.schema.digest():
            raise RingmainError(
                "RM108", "journal", f"{segment.path.name} holds commands of layout {segment.layout}, "
                f"this {market.schema.name} has {market.schema.digest()}",
                "Replay it with the release that wrote it",
            )  # fmt: skip


def replay(
    folder: Path,
    market: Market,
    to_sequence: int | None = None,
    verify: bool = False,
    from_start: bool = True,
) -> tuple[Machine, ReplayReport]:
    """Replay a market's folder, read only; the node may be running.

    Parameters
    ----------
    folder : Path
        The market's folder.
    to_sequence : int, optional
        Stop after this command.
    verify : bool
        Also compare every event with the tape, byte by byte.
    from_start : bool
        Begin with the first command that is kept, else with the newest snapshot.
    """
    machine, position = Machine(market), Position()
    first_scan = JournalScan(folder / "journal", market.schema)
    kept_from = first_scan.segments[0].first_sequence if first_scan.segments else 1
    if not from_start or kept_from > 1:
        limit = to_sequence if to_sequence is not None else 1 << 62
        position = Snapshots(folder / "snapshots", lambda line: None).load_newest(machine, limit, 1 << 62)
    began = position.sequence
    compare = _TapeComparison(folder, market, position.tape_position) if verify else None
    run = Replay(machine, position, compare or (lambda events: None))
    end = run.run(JournalScan(folder / "journal", market.schema, position.sequence), to_sequence)
    report = ReplayReport(
        market.schema.name, began, end.sequence, end.time_ns, end.tape_position, run.digests_checked,
        compare.compared if compare else 0, machine.digest(),
    )  # fmt: skip
    return machine, report


class _TapeComparison:
    """Holds each event against what stands on the tape."""

    def __init__(self, folder: Path, market: Market, position: int) -> None:
        self._tape = TapeReader(folder, market.schema, position)
        self._first, self.compared = self._tape.first(), 0

    def __call__(self, events: Any) -> None:
        skipped = max(0, min(self._first - self._tape.position, events.size))
        self._tape.position += skipped
        done = skipped
        while done < events.size:
            seen = self._tape.read(events.size - done)
            if not seen.size:
                return  # beyond what is readable: the node is running, or stopped before
            if seen.tobytes() != events[done : done + seen.size].tobytes():
                sequence = int(events["sequence"][done])
                raise RingmainError(
                    "RM109", "replay", f"an event that answers command {sequence} or a later one differs",
                    "Stop the node, remove its folder tape, start it: the journal gives the tape anew",
                )  # fmt: skip
            done += seen.size
            self.compared += seen.size
