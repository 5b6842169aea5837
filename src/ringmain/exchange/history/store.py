"""The history's folder: Parquet files by table and day, and the manifest that says which of them count.

``TABLE/day=2026-11-24/BEGIN-END.parquet`` holds the rows of the events from position BEGIN up to END.
New files are synced under another name and renamed; then the manifest is, and only with it do they
count. A kill at any moment leaves the manifest as it was, and at most some files that it does not
name; the next export deletes those. Readers go by the manifest.
"""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ringmain.core.errors import RingmainError
from ringmain.core.files import sync_folder
from ringmain.core.times import DAY_NS, SECOND_NS
from ringmain.exchange.history.columns import Columns, Table
from ringmain.exchange.history.quotes import LEVEL

MERGED_ROWS = 65_536  # a file of fewer rows is taken into the next one of its table and day
MANIFEST, FORMAT = "manifest.json", 1
PARQUET = "FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2"  # docs/decisions/0012 has the figures


class Part(msgspec.Struct, frozen=True):
    """A Parquet file: rows of one table and day, for events from `begin` up to `end`."""

    table: str
    day: str
    begin: int
    end: int
    rows: int

    @property
    def path(self) -> str:
        """The file, in the history's folder."""
        return f"{self.table}/day={self.day}/{self.begin:015d}-{self.end:015d}.parquet"


class Manifest(msgspec.Struct, frozen=True):
    """What an export has reached.

    Parameters
    ----------
    layout : str
        Digest of the schema whose events these are.
    position : int
        The events before it are in.
    sequence, time_ns : int
        Of the last event that is in.
    parts : tuple of Part
    levels : tuple of (product_id, side, price_ticks, lots)
        What rests in the books at `position`: from there the fold of quotes goes on.
    """

    layout: str
    position: int = 0
    sequence: int = 0
    time_ns: int = 0
    parts: tuple[Part, ...] = ()
    levels: tuple[tuple[int, int, int, int], ...] = ()
    format: int = FORMAT


class Store:
    """A history's folder, for one writer and any number of readers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def manifest(self, layout: str) -> Manifest:
        """Return what has been committed; an empty one for a new folder.

        Raises
        ------
        RingmainError
            RM640 if it cannot be read, RM641 if it is of another schema.
        """
        path = self.folder / MANIFEST
        if not path.exists():
            return Manifest(layout)
        try:
            found = msgspec.json.decode(path.read_bytes(), type=Manifest)
        except (OSError, msgspec.DecodeError) as error:
            raise RingmainError(
                "RM640", "history", f"{path} cannot be read: {error}", "Remove the folder and export anew"
            ) from None
        if (found.format, found.layout) != (FORMAT, layout):
            raise RingmainError(
                "RM641", "history", f"{self.folder} holds events of another layout, {found.layout}",
                "Export into another folder with --to",
            )  # fmt: skip
        return found

    def clean(self, manifest: Manifest) -> None:
        """Delete what an export that was interrupted has left."""
        named = {self.folder / part.path for part in manifest.parts}
        for file in self.folder.glob("*/day=*/*"):
            if file not in named:
                file.unlink()
        (self.folder / f"{MANIFEST}.part").unlink(missing_ok=True)

    def write(
        self, connection: Any, table: Table, columns: Columns, span: tuple[int, int], old: tuple[Part, ...]
    ) -> tuple[Part, tuple[Part, ...]]:
        """Write rows of one day; return the new file, and the small ones of `old` that it takes in.

        Parameters
        ----------
        connection : duckdb connection
        columns : dict of raw columns, at least one row
        span : (begin, end)
            Positions whose events the rows come from.
        old : tuple of Part
            The files of the table that count.
        """
        times = columns["time_ns"]
        day, count = day_text(int(times[0])), times.size
        taken: list[Part] = []
        for part in sorted((p for p in old if p.day == day), key=lambda p: p.begin, reverse=True):
            if part.rows >= MERGED_ROWS or part.rows > 2 * count:
                break
            taken.insert(0, part)
            count += part.rows
        begin = taken[0].begin if taken else span[0]
        part = Part(table.name, day, begin, span[1], count)
        self._write_file(connection, table, columns, taken, part)
        return part, tuple(taken)

    def commit(self, manifest: Manifest) -> None:
        """Make the manifest's files count, and no others."""
        for folder in {(self.folder / part.path).parent for part in manifest.parts}:
            sync_folder(folder)
            sync_folder(folder.parent)
        path = self.folder / MANIFEST
        part = path.with_name(f"{MANIFEST}.part")
        part.write_bytes(msgspec.json.encode(manifest))
        _sync_file(part)
        part.rename(path)
        sync_folder(self.folder)

    def drop(self, parts: tuple[Part, ...]) -> None:
        """Delete files that no longer count."""
        for part in parts:
            (self.folder / part.path).unlink(missing_ok=True)

    def _write_file(
        self, connection: Any, table: Table, columns: Columns, taken: list[Part], part: Part
    ) -> None:
        target = self.folder / part.path
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(".part")
        source = f"SELECT {table.select} FROM raw_rows"
        if taken:
            source = f"SELECT * FROM {parquet_files(self.folder / p.path for p in taken)} UNION ALL {source}"
        connection.register("raw_rows", columns)
        try:
            connection.execute(f"COPY ({source}) TO '{_quoted(partial)}' ({PARQUET})")
        finally:
            connection.unregister("raw_rows")
        _sync_file(partial)
        partial.rename(target)


def split_by_day(columns: Columns) -> list[Columns]:
    """Cut columns, in order of time, at the ends of days in UTC."""
    days = columns["time_ns"] // DAY_NS
    edges = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), days.size]
    return [
        {name: values[begin:end] for name, values in columns.items()}
        for begin, end in pairwise(edges)
        if end > begin
    ]


def day_text(time_ns: int) -> str:
    """Return the day of a time, in UTC."""
    return f"{datetime.fromtimestamp(time_ns // SECOND_NS, UTC):%Y-%m-%d}"


def parquet_files(paths: Iterable[Path]) -> str:
    """Return the SQL that reads Parquet files as one table."""
    listed = ", ".join(f"'{_quoted(path)}'" for path in paths)
    return f"read_parquet([{listed}], hive_partitioning=false)"


def said_by(error: Exception) -> str:
    """Return what DuckDB or the system says, in one line, without the query's text."""
    return " ".join(str(error).split("\n\n")[0].split()).removesuffix(".")


def kept_levels(levels: Any) -> tuple[tuple[int, int, int, int], ...]:
    """Return levels of the fold of quotes as a manifest keeps them."""
    names = ("product_id", "side", "price_ticks", "lots")
    return tuple(sorted(zip(*(levels[name].tolist() for name in names), strict=True)))


def levels_again(kept: tuple[tuple[int, int, int, int], ...]) -> Any:
    """Return what :func:`kept_levels` was given."""
    levels = np.zeros(len(kept), LEVEL)
    for place, name in enumerate(("product_id", "side", "price_ticks", "lots")):
        levels[name] = [row[place] for row in kept]
    return levels


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
