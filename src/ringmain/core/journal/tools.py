"""What an operator does with a journal: look, verify, repair, export."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ringmain.core.errors import RingmainError
from ringmain.core.files import FolderLock
from ringmain.core.journal.scan import End, JournalScan
from ringmain.core.journal.segments import zero_rest
from ringmain.core.page import NodePage
from ringmain.core.records import Schema


@dataclass(frozen=True)
class JournalSummary:
    """What a journal holds."""

    segments: int
    batches: int
    commands: int
    first_sequence: int
    last_sequence: int
    digests: int
    bytes: int
    torn_bytes: int
    kinds: dict[str, int]


def summarise(folder: Path, schema: Schema) -> JournalSummary:
    """Read the whole journal and check every batch; RM104 if it is damaged."""
    scan = JournalScan(folder, schema)
    batches = commands = digests = 0
    kinds: dict[int, int] = {}
    for batch in scan.batches():
        batches += 1
        commands += batch.commands.size
        digests += batch.digest_sequence > 0
        for kind in batch.commands["kind"].tolist():
            kinds[kind] = kinds.get(kind, 0) + 1
    names = {schema.commands[k].name if k in schema.commands else str(k): n for k, n in kinds.items()}
    size = sum(segment.path.stat().st_size for segment in scan.segments)
    first = scan.segments[0].first_sequence if scan.segments else 0
    return JournalSummary(
        len(scan.segments), batches, commands, first, scan.end.last_sequence, digests, size,
        scan.end.torn_bytes, dict(sorted(names.items())),
    )  # fmt: skip


def commands_between(folder: Path, schema: Schema, first: int, last: int) -> Iterator[Any]:
    """Yield recarrays of the commands with sequences from `first` to `last`, both included."""
    for batch in JournalScan(folder, schema, first - 1).batches():
        if batch.first_sequence > last:
            return
        rows = batch.commands[max(0, first - batch.first_sequence) : last + 1 - batch.first_sequence]
        if rows.size:
            yield rows


def repair(market_folder: Path, schema: Schema, to_sequence: int) -> int:
    """Give up everything after `to_sequence`, keeping a copy; return the sequence it now ends at.

    The files are copied to ``journal-before-repair-N`` first, snapshots from beyond are removed, and
    the page forgets what it said was durable, so that the node starts and writes its tape anew.

    Raises
    ------
    RingmainError
        RM113 if the journal is damaged before `to_sequence`, or does not hold it.
    """
    folder = market_folder / "journal"
    lock = FolderLock(folder, "journal")
    try:
        cut = _whole_batches_to(folder, schema, to_sequence)
        _copy_aside(market_folder, to_sequence)
        assert cut.segment is not None, "a batch lies in a segment"
        for segment_file in sorted(folder.glob("journal-*.seg")):
            if segment_file.name > cut.segment.path.name:
                segment_file.unlink()
        zero_rest(cut.segment.path, cut.offset)
        _forget_beyond(market_folder, cut.last_sequence)
        return cut.last_sequence
    finally:
        lock.release()


def export(folder: Path, schema: Schema, target: Path, first: int = 1, last: int = 1 << 62) -> int:
    """Write commands as JSON lines or, for a target that ends in .parquet, as Parquet; return how many.

    Fields that a kind does not have are absent (JSON) or null (Parquet).
    """
    lines = target if target.suffix != ".parquet" else target.with_suffix(".jsonl.part")
    count = 0
    with lines.open("w", encoding="utf-8") as file:
        for rows in commands_between(folder, schema, first, last):
            for row in rows:
                file.write(json.dumps(schema.unpack_command(row)) + "\n")
            count += rows.size
    if target.suffix == ".parquet":
        _to_parquet(lines, target)
        lines.unlink()
    return count


def _to_parquet(lines: Path, target: Path) -> None:
    import duckdb

    if not lines.stat().st_size:
        raise RingmainError("RM114", "journal", "there are no commands to export", "Widen --from and --to")
    connection = duckdb.connect()
    connection.read_json(str(lines), format="newline_delimited", sample_size=-1).write_parquet(str(target))
    connection.close()


def _whole_batches_to(folder: Path, schema: Schema, to_sequence: int) -> End:
    """Return where the journal is to end: behind the last whole batch that ends at or before."""
    scan = JournalScan(folder, schema)
    cut = End()
    try:
        for batch in scan.batches():
            if batch.last_sequence > to_sequence:
                break
            cut = End(scan.end.segment, scan.end.offset, scan.end.last_sequence)
    except RingmainError:
        if cut.last_sequence < to_sequence:
            raise
    if cut.segment is None or cut.last_sequence != to_sequence:
        raise RingmainError(
            "RM113", "journal", f"no batch ends at sequence {to_sequence}",
            f"Give the end of a whole batch; the nearest before is {cut.last_sequence}",
        )  # fmt: skip
    return cut


def _copy_aside(market_folder: Path, to_sequence: int) -> None:
    copy = market_folder / f"journal-before-repair-{to_sequence}"
    if copy.exists():
        raise RingmainError("RM115", "journal", f"{copy} exists already", "Move it away, then try again")
    shutil.copytree(market_folder / "journal", copy)


def _forget_beyond(market_folder: Path, last_sequence: int) -> None:
    for snapshot in (market_folder / "snapshots").glob("snapshot-*.snap"):
        if int(snapshot.stem[9:]) > last_sequence:
            snapshot.unlink()
    if (market_folder / "page").exists():
        page = NodePage(market_folder / "page")
        page.set("durable_sequence", min(page.get("durable_sequence"), last_sequence))
        page.set("boot", 0)  # the tape runs further than the journal now: it is written anew
        page.set("tape_complete", 0)
