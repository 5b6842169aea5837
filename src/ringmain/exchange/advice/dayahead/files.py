"""Order books in files: CSV or JSON, one row for each segment, block and line.

=========  ===================================================================================
column     meaning
=========  ===================================================================================
order      ``curve``, ``block`` or ``line``
zone       name of the zone; of a line, where it begins
period     number from 0; of a block its first; of a line empty for all periods
price      EUR/MWh, in whole cents
to_price   of a curve's segment that slopes: the price at which all of it is accepted
mw         above zero: buy, below: sell, in steps of 0.1; a block may give one for each period,
           parted by blanks; of a line: how much may flow forward
periods    of a block with one quantity: for how many periods
name       of a block
minimum    of a block: least part that may be accepted, 0.001 to 1; empty: 1
parent     of a block: the name of the block that has to be accepted too
group      of a block: the name of its exclusive group
to_zone    of a line: where it ends
back_mw    of a line: how much may flow backward; empty: nothing
=========  ===================================================================================
"""

import csv
import json
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.core.errors import RingmainError
from ringmain.exchange.advice.dayahead.book import NO_BLOCK, NO_GROUP, SEGMENT, Block, Book, Line
from ringmain.exchange.dayahead_state import BLOCKS, LINES, PERIODS, SEGMENTS, ZONES
from ringmain.exchange.state import LOTS_MAX

PRICE_MIN_TICKS, PRICE_MAX_TICKS = -50_000, 400_000  # -500 and 4,000 EUR/MWh, as in Europe's auctions


@dataclass(frozen=True)
class NamedBook:
    """A book, and what its zones and blocks are called."""

    book: Book
    zones: list[str]
    blocks: list[str]


def read_book(path: Path) -> NamedBook:
    """Return the orders in a CSV or JSON file.

    Raises
    ------
    RingmainError
        RM622 for a file that can't be read, RM623 for a row that is no order, RM624 for links that
        lead nowhere or in a circle, RM625 for a book that is larger than an auction can be.
    """
    rows = _rows(path)
    draft = _Draft(path.name)
    for number, row in enumerate(rows, 1):
        draft.take(number, row)
    return draft.finished()


def _rows(path: Path) -> list[Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".csv":
            return list(csv.DictReader(text.splitlines()))
        if path.suffix == ".json":
            return list(json.loads(text, parse_float=Decimal))
    except (OSError, ValueError, TypeError, csv.Error, RecursionError) as error:
        what = error.strerror if isinstance(error, OSError) else error
        raise RingmainError("RM622", path.name, f"cannot be read: {what}", "Check the file") from None
    raise RingmainError("RM622", path.name, "is neither .csv nor .json", "Name it after what it is")


class _RowError(Exception):
    """What is wrong with a row."""


@dataclass
class _Draft:
    """A book that is being read."""

    source: str
    zones: dict[str, int] = field(default_factory=dict)
    segments: list[tuple[int, ...]] = field(default_factory=list)
    blocks: list[tuple[str, str, str, Block]] = field(default_factory=list)  # name, parent, group
    lines: dict[tuple[int, int], list[tuple[int | None, int, int]]] = field(default_factory=dict)
    period_count: int = 1

    def take(self, number: int, row: Any) -> None:
        """Take one row, or raise RM623."""
        try:
            if not isinstance(row, dict):
                raise _RowError("is no row of columns")
            kind = str(row.get("order", "")).strip()
            takers = {"curve": self._segment, "block": self._block, "line": self._line}
            if kind not in takers:
                raise _RowError(f"order is {kind or 'missing'}: give curve, block or line")
            takers[kind](row)
        except _RowError as fault:
            raise RingmainError("RM623", self.source, f"row {number}: {fault}", "Correct the row") from None

    def finished(self) -> NamedBook:
        """Return the book, or raise RM624 or RM625."""
        self._check_size()
        names = {name: place for place, (name, _, _, _) in enumerate(self.blocks)}
        groups: dict[str, int] = {}
        blocks = []
        for place, (name, parent, group, block) in enumerate(self.blocks):
            if parent and parent not in names:
                self._refuse_link(f"block {name} is linked to {parent}, which is not there")
            blocks.append(
                Block(
                    place + 1, block.zone, block.first_period, block.lots, block.price_ticks,
                    block.minimum_permille, names[parent] if parent else NO_BLOCK,
                    groups.setdefault(group, len(groups)) if group else NO_GROUP,
                )
            )  # fmt: skip
        self._check_links(blocks)
        book = Book(
            max(len(self.zones), 1), self.period_count, PRICE_MIN_TICKS, PRICE_MAX_TICKS,
            np.array(self.segments, SEGMENT), blocks,
            [self._finished_line(n, ends) for n, ends in enumerate(self.lines)],
        )  # fmt: skip
        return NamedBook(book, list(self.zones) or ["-"], list(names))

    def _segment(self, row: dict[str, Any]) -> None:
        lots = _lots(row, "mw")
        begin = _ticks(row, "price")
        end = begin if _is_empty(row, "to_price") else _ticks(row, "to_price")
        if (begin < end and lots > 0) or (begin > end and lots < 0):
            raise _RowError("to_price is better than price: a segment begins at its better price")
        if lots == 0:
            raise _RowError("mw is 0")
        self.segments.append((self._zone(row, "zone"), self._period(row), begin, end, lots))

    def _block(self, row: dict[str, Any]) -> None:
        name = str(row.get("name") or "").strip()
        if not name:
            raise _RowError("name is missing")
        given = row.get("mw")
        parts = given if isinstance(given, list) else str(given or "").split()
        lots = np.array([_lots({"mw": part}, "mw") for part in parts], np.int64)
        if lots.size == 1:
            lots = np.repeat(lots, 1 if _is_empty(row, "periods") else _whole(row, "periods", 1, PERIODS))
        if not lots.any() or (lots.min() < 0 < lots.max()):
            raise _RowError("mw is missing, 0, or of both signs")
        minimum = Decimal(1) if _is_empty(row, "minimum") else _number(row, "minimum")
        if not Decimal("0.001") <= minimum <= 1:
            raise _RowError(f"minimum is {minimum}: give 0.001 to 1")
        if minimum * 1_000 % 1:
            raise _RowError(f"minimum is {minimum}: give steps of 0.001")
        first = self._period(row, lots.size)
        block = Block(0, self._zone(row, "zone"), first, lots, _ticks(row, "price"), int(minimum * 1_000))
        self.blocks.append(
            (name, str(row.get("parent") or "").strip(), str(row.get("group") or "").strip(), block)
        )

    def _line(self, row: dict[str, Any]) -> None:
        begin, end = self._zone(row, "zone"), self._zone(row, "to_zone")
        if begin == end:
            raise _RowError("a line leads from one zone to another")
        back = 0 if _is_empty(row, "back_mw") else _lots(row, "back_mw")
        forward = _lots(row, "mw")
        if forward < 0 or back < 0:
            raise _RowError("a capacity is below 0")
        period = None if _is_empty(row, "period") else self._period(row)
        self.lines.setdefault((begin, end), []).append((period, forward, back))

    def _zone(self, row: dict[str, Any], column: str) -> int:
        name = str(row.get(column) if row.get(column) is not None else "").strip()
        if not name:
            raise _RowError(f"{column} is missing")
        return self.zones.setdefault(name, len(self.zones))

    def _period(self, row: dict[str, Any], count: int = 1) -> int:
        first = _whole(row, "period", 0, PERIODS - count)
        self.period_count = max(self.period_count, first + count)
        return first

    def _finished_line(self, number: int, ends: tuple[int, int]) -> Line:
        forward, backward = np.zeros(self.period_count, np.int64), np.zeros(self.period_count, np.int64)
        for period, most, back in self.lines[ends]:
            where = slice(None) if period is None else slice(period, period + 1)
            forward[where], backward[where] = most, back
        return Line(number, *ends, forward, backward)

    def _check_size(self) -> None:
        names = [name for name, *_ in self.blocks]
        for what, count, most in (
            ("zones", len(self.zones), ZONES), ("segments", len(self.segments), SEGMENTS - 1),
            ("blocks", len(names), BLOCKS - 1), ("lines", len(self.lines), LINES),
        ):  # fmt: skip
            if count > most:
                raise RingmainError(
                    "RM625", self.source, f"holds {count} {what}, of {most}", "Leave some out"
                )
        if len(set(names)) < len(names):
            twice = next(name for n, name in enumerate(names) if name in names[:n])
            self._refuse_link(f"two blocks are called {twice}")

    def _check_links(self, blocks: list[Block]) -> None:
        for place in range(len(blocks)):
            seen, parent = {place}, blocks[place].parent
            while parent != NO_BLOCK:
                if parent in seen:
                    self._refuse_link(f"the links of block {self.blocks[place][0]} run in a circle")
                seen.add(parent)
                parent = blocks[parent].parent

    def _refuse_link(self, what: str) -> None:
        raise RingmainError("RM624", self.source, what, "Correct the blocks")


def _is_empty(row: dict[str, Any], column: str) -> bool:
    return row.get(column) is None or str(row[column]).strip() == ""


def _number(row: dict[str, Any], column: str) -> Decimal:
    if _is_empty(row, column):
        raise _RowError(f"{column} is missing")
    try:
        value = Decimal(str(row[column]).strip())
    except InvalidOperation:
        raise _RowError(f"{column} is {row[column]}, which is no number") from None
    if not value.is_finite() or abs(value) > 10**9:
        raise _RowError(f"{column} is {value}, which is out of range")
    return value


def _whole(row: dict[str, Any], column: str, least: int, most: int) -> int:
    value = _number(row, column)
    if value != int(value) or not least <= value <= most:
        raise _RowError(f"{column} is {value}: give a whole number from {least} to {most}")
    return int(value)


def _ticks(row: dict[str, Any], column: str) -> int:
    value = _number(row, column) * 100
    if value != int(value):
        raise _RowError(f"{column} is {value / 100}: give whole cents")
    if not PRICE_MIN_TICKS <= value <= PRICE_MAX_TICKS:
        raise _RowError(f"{column} is {value / 100}: give -500 to 4000 EUR/MWh")
    return int(value)


def _lots(row: dict[str, Any], column: str) -> int:
    value = _number(row, column) * 10
    if value != int(value) or abs(value) > LOTS_MAX:
        raise _RowError(f"{column} is {value / 10}: give at most {LOTS_MAX // 10} MW, in steps of 0.1")
    return int(value)
