"""Price sheets: what the next hours cost, for devices that go on by themselves when nobody speaks to them.

A sheet is whole: the newer one, by its number, takes the place of the older. It says until when the fleet
is in command, so that a device without a set-point rests; from then on the device plans by the sheet's
prices, until the sheet's lease ends too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ringmain.core.records import Schema
from ringmain.gateway.messages import PRICE_SHOWN, PRICES, SNAPSHOT_BEGUN, SNAPSHOT_ENDED, session_record
from ringmain.vpp.messages import REFERENCE, PriceRecorded, RhythmSet
from ringmain.vpp.rows import rows_of
from ringmain.vpp.state import PERIOD_NS, PRICE_LIMIT_TICKS, SECOND_NS, SILENT_AFTER_NS

HOUR_S, QUARTER_S = 3_600, 900
HOUR_NS = HOUR_S * SECOND_NS
QUARTERS = HOUR_S // QUARTER_S
DAY_PERIODS, SHEET_PERIODS = 96, 192  # quarter-hours
SHEET_LEASE_NS = 36 * HOUR_NS  # from one auction to the end of the day that it is about
PERIODS_KEPT = 4_096  # quarter-hours whose price is remembered
RENEWALS = 4  # in the time after which an asset is silent


@dataclass(frozen=True)
class Sheet:
    """Prices of periods in a row.

    Parameters
    ----------
    number : int
        Its version: a higher one is newer.
    commanded_until_ns : int
        Until then a device without a set-point rests, for that is what it was told.
    valid_until_ns : int
        From then on a device rests again.
    begins_ns : int
        Start of the first period, on the hour.
    period_s : int
        3600, or 900 if prices change within an hour.
    price_ticks : tuple of int
        0.01 EUR/MWh, one a period.
    """

    number: int
    commanded_until_ns: int
    valid_until_ns: int
    begins_ns: int
    period_s: int
    price_ticks: tuple[int, ...]

    @property
    def ends_ns(self) -> int:
        """End of the last period."""
        return self.begins_ns + len(self.price_ticks) * self.period_s * SECOND_NS

    @property
    def is_fit(self) -> bool:
        """Whether a device can plan by it."""
        return (
            self.number > 0
            and 0 < len(self.price_ticks) <= SHEET_PERIODS
            and self.period_s in (HOUR_S, QUARTER_S)
            and self.begins_ns >= 0
            and self.begins_ns % (self.period_s * SECOND_NS) == 0
            and self.commanded_until_ns >= 0
            and 0 < self.valid_until_ns <= self.ends_ns
            and max(map(abs, self.price_ticks)) <= PRICE_LIMIT_TICKS
        )


class PriceBook:
    """The reference prices on a fleet's tape, and when the fleet takes an asset to be silent."""

    def __init__(self) -> None:
        self._price_ticks: dict[int, int] = {}  # by quarter-hour
        self._silent_ns = SILENT_AFTER_NS
        self.sequence = self.time_ns = 0

    def fold(self, events: Any) -> bool:
        """Follow the tape; tell whether a price has changed."""
        if not events.size:
            return False
        self.sequence = max(self.sequence, int(events["sequence"].max()))
        self.time_ns = max(self.time_ns, int(events["time_ns"].max()))
        for row in rows_of(events, RhythmSet):
            self._silent_ns = int(row["silent_ms"]) * 1_000_000
        is_other = False
        for row in rows_of(events, PriceRecorded):
            is_other |= row["price_kind"] == REFERENCE and self._note(row)
        if is_other and len(self._price_ticks) > PERIODS_KEPT:
            for period in sorted(self._price_ticks)[:-PERIODS_KEPT]:
                del self._price_ticks[period]
        return is_other

    def _note(self, row: Any) -> bool:
        """Note a price; tell whether it is another than before."""
        first, price = int(row["delivery_start_ns"]) // PERIOD_NS, int(row["price_ticks"])
        spans = range(first, first + int(row["delivery_duration_s"]) // QUARTER_S)
        is_other = any(self._price_ticks.get(period) != price for period in spans)
        self._price_ticks.update(dict.fromkeys(spans, price))
        return is_other

    @property
    def renewal_ns(self) -> int:
        """How often a sheet that stays the same is told anew."""
        return self._silent_ns // RENEWALS

    def sheet(self) -> Sheet | None:
        """Return the prices from the present hour on, or from the first that is known, without a gap.

        Where that is less than a day, it begins as much earlier: what is stored in the end is worth what the
        day's cheapest hour makes it.
        """
        begin = self.time_ns // HOUR_NS * QUARTERS
        if begin not in self._price_ticks:
            begin = min((period for period in self._price_ticks if period >= begin), default=-1)
            begin += -begin % QUARTERS
        end = begin
        while end - begin < SHEET_PERIODS and self._knows_hour(end):
            end += QUARTERS
        if begin < 0 or end == begin:
            return None
        while end - begin < DAY_PERIODS and self._knows_hour(begin - QUARTERS):
            begin -= QUARTERS
        prices, period_s = [self._price_ticks[period] for period in range(begin, end)], QUARTER_S
        if all(len(set(prices[n : n + QUARTERS])) == 1 for n in range(0, len(prices), QUARTERS)):
            period_s, prices = HOUR_S, prices[::QUARTERS]
        return Sheet(
            self.sequence, self.time_ns + self._silent_ns,
            min(end * PERIOD_NS, self.time_ns + SHEET_LEASE_NS), begin * PERIOD_NS, period_s, tuple(prices),
        )  # fmt: skip

    def _knows_hour(self, first: int) -> bool:
        return all(first + n in self._price_ticks for n in range(QUARTERS))


def records_of(sheet: Sheet, schema: Schema, time_ns: int = 0) -> bytes:
    """Return a sheet as session-level records: one a period, between the marks of a snapshot."""
    shown = session_record(schema.slots, "PriceShown")
    rows = np.zeros(len(sheet.price_ticks) + 2, shown.dtype)
    shown.stamp(rows)
    for place, name in ((0, "SnapshotBegun"), (-1, "SnapshotEnded")):
        rows[place] = session_record(schema.slots, name)(feed=PRICES, product_id=0).view(shown.dtype)[0]
    rows["sequence"], rows["time_ns"] = sheet.number, time_ns
    prices = rows[1:-1]
    prices["commanded_until_ns"], prices["valid_until_ns"] = sheet.commanded_until_ns, sheet.valid_until_ns
    prices["price_ticks"], prices["delivery_duration_s"] = sheet.price_ticks, sheet.period_s
    prices["delivery_start_ns"] = (
        sheet.begins_ns + np.arange(prices.size, dtype=np.int64) * sheet.period_s * SECOND_NS
    )
    return rows.tobytes()


class SheetReader:
    """Puts sheets together again from the market data of a session."""

    def __init__(self, schema: Schema) -> None:
        self._shown = session_record(schema.slots, "PriceShown").dtype
        self._mark = session_record(schema.slots, "SnapshotBegun").dtype
        self._rows: list[Any] | None = None

    def read(self, data: Any) -> Iterator[Sheet]:
        """Yield the sheets that are whole by now; `data` is what a client's ``poll_data`` returns."""
        for place, kind in enumerate(data["kind"].tolist()):
            row = data[place : place + 1]
            if kind == PRICE_SHOWN and self._rows is not None and len(self._rows) < SHEET_PERIODS:
                self._rows.append(row.view(self._shown)[0])
            elif kind in (SNAPSHOT_BEGUN, SNAPSHOT_ENDED) and row.view(self._mark)["feed"][0] == PRICES:
                rows, self._rows = self._rows, [] if kind == SNAPSHOT_BEGUN else None
                if kind == SNAPSHOT_ENDED and rows:
                    yield _sheet_of(rows)


def _sheet_of(rows: list[Any]) -> Sheet:
    first = rows[0]
    return Sheet(
        int(first["sequence"]), int(first["commanded_until_ns"]), int(first["valid_until_ns"]),
        int(first["delivery_start_ns"]), int(first["delivery_duration_s"]),
        tuple(int(row["price_ticks"]) for row in rows),
    )  # fmt: skip
