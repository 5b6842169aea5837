"""What a tape and a journal hold of the time that a run has lived, by record."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ringmain.client.protocol import pick
from ringmain.core.journal.scan import JournalScan
from ringmain.core.records import Record, Schema
from ringmain.core.tape import TapeReader
from ringmain.world.live import Plan

MINOR_PER_EURO = 1_000_000
TICKS_PER_EURO = 100
LOTS_PER_MWH = 10  # of an hourly product


class Rows:
    """Records of some kinds between two logical times, each kind of shape (n,).

    Parameters
    ----------
    batches : iterable of arrays
        What a tape or a journal holds, in order.
    """

    def __init__(self, batches: Iterable[Any], schema: Schema, records: Sequence[Record], plan: Plan) -> None:
        kept: dict[int, list[Any]] = {record.kind: [] for record in records}
        for rows in batches:
            lived = (rows["time_ns"] >= plan.start_ns) & (rows["time_ns"] <= plan.end_ns)
            for kind, chosen in kept.items():
                mask = lived & (rows["kind"] == kind)
                if mask.any():
                    chosen.append(pick(rows, mask))
        self._rows = {
            kind: schema.batch(chosen) if chosen else schema.empty(0) for kind, chosen in kept.items()
        }

    def of(self, record: Record) -> Any:
        """Return the rows of one record, of shape (n,)."""
        return self._rows[record.kind].view(record.dtype)


def events(folder: Path, schema: Schema, records: Sequence[Record], plan: Plan) -> Rows:
    """Return events of a market's tape."""
    tape = TapeReader(folder, schema)
    tape.position = tape.first()
    try:
        return Rows(_to_the_end(tape), schema, records, plan)
    finally:
        tape.close()


def commands(folder: Path, schema: Schema, records: Sequence[Record], plan: Plan) -> Rows:
    """Return commands of a market's journal."""
    runs = JournalScan(folder / "journal", schema).runs()
    return Rows((run.commands for run in runs), schema, records, plan)


def _to_the_end(tape: TapeReader) -> Iterator[Any]:
    while (rows := tape.read()).size:
        yield rows
