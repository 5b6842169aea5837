"""Price sheets: out of a fleet's tape, over a session and a feed, and back."""

import dataclasses
from itertools import count

import numpy as np
import pytest

from ringmain.core.page import NodePage
from ringmain.core.tape import TapeWriter
from ringmain.gateway import sheets
from ringmain.gateway.messages import DEPTH, PRICES
from ringmain.gateway.price_feed import SUBJECT, PriceFeed
from ringmain.gateway.sheets import HOUR_NS, PriceBook, Sheet, SheetReader, records_of
from ringmain.vpp.messages import (
    IMBALANCE,
    REFERENCE,
    SCHEMA,
    FleetMeasured,
    PriceRecorded,
    RhythmSet,
)

MIDNIGHT_NS = 17_000 * 24 * HOUR_NS
MINUTE_NS = HOUR_NS // 60


class Tape:
    """Events with rising sequences at given times."""

    def __init__(self) -> None:
        self.sequences = count(1)

    def at(self, now_ns, *events):
        for event in events:
            event["sequence"], event["time_ns"] = next(self.sequences), now_ns
        return SCHEMA.batch(events)


def price(hour, ticks, duration_s=3_600, kind=REFERENCE, minute=0):
    start_ns = MIDNIGHT_NS + hour * HOUR_NS + minute * MINUTE_NS
    return PriceRecorded(
        delivery_start_ns=start_ns, price_ticks=ticks, delivery_duration_s=duration_s, price_kind=kind
    )


def tick():
    return FleetMeasured(energy_wh=0, power_w=0, headroom_up_w=0, headroom_down_w=0)


def day(first=0, n=24):
    return [price(hour, 100 * (hour % 24)) for hour in range(first, first + n)]


def book_of(now_ns, *events):
    book = PriceBook()
    assert book.fold(Tape().at(now_ns, *events))
    return book


def test_a_sheet_tells_the_hours_from_now_on_and_the_day_they_belong_to():
    sheet = book_of(MIDNIGHT_NS + 13 * HOUR_NS + 5 * MINUTE_NS, *day(), *day(24)).sheet()
    assert (sheet.number, sheet.period_s) == (48, 3_600)
    assert sheet.begins_ns == MIDNIGHT_NS + 13 * HOUR_NS  # a day and more from now on
    assert sheet.price_ticks == tuple(100 * (hour % 24) for hour in range(13, 48))
    assert sheet.ends_ns == sheet.valid_until_ns == MIDNIGHT_NS + 48 * HOUR_NS
    assert sheet.commanded_until_ns == MIDNIGHT_NS + 13 * HOUR_NS + 15 * MINUTE_NS
    late = book_of(MIDNIGHT_NS + 22 * HOUR_NS, *day()).sheet()
    assert late.begins_ns == MIDNIGHT_NS and len(late.price_ticks) == 24
    assert late.is_fit and sheet.is_fit


def test_a_lease_is_no_longer_than_from_an_auction_to_the_day_after():
    sheet = book_of(MIDNIGHT_NS, *day(0, 48)).sheet()
    assert sheet.ends_ns == MIDNIGHT_NS + 48 * HOUR_NS
    assert sheet.valid_until_ns == MIDNIGHT_NS + 36 * HOUR_NS


def test_a_gap_ends_it_and_an_hour_that_is_told_in_part_is_a_gap():
    assert len(book_of(MIDNIGHT_NS, *day(0, 5), *day(6, 5)).sheet().price_ticks) == 5
    parts = [price(5, 100, 900), price(5, 100, 900, minute=15)]
    assert len(book_of(MIDNIGHT_NS, *day(0, 5), *parts).sheet().price_ticks) == 5
    ahead = book_of(MIDNIGHT_NS, *day(6, 5)).sheet()
    assert ahead.begins_ns == MIDNIGHT_NS + 6 * HOUR_NS and len(ahead.price_ticks) == 5


def test_without_prices_ahead_there_is_none():
    assert PriceBook().sheet() is None
    assert book_of(MIDNIGHT_NS + 24 * HOUR_NS, *day()).sheet() is None
    assert book_of(MIDNIGHT_NS, price(5, 100, 900, minute=30)).sheet() is None


def test_quarter_hours_are_told_as_such():
    quarters = [price(3, 1_000 + n, 900, minute=15 * n) for n in range(4)]
    sheet = book_of(MIDNIGHT_NS + 3 * HOUR_NS, *quarters, price(4, 7)).sheet()
    assert sheet.period_s == 900 and sheet.price_ticks == (1_000, 1_001, 1_002, 1_003, 7, 7, 7, 7)
    same = [price(3, 1_000, 900, minute=15 * n) for n in range(4)]
    assert book_of(MIDNIGHT_NS + 3 * HOUR_NS, *same).sheet().period_s == 3_600


def test_ten_days_of_prices_are_cut_to_what_a_sheet_holds():
    assert len(book_of(MIDNIGHT_NS, *day(0, 240)).sheet().price_ticks) == 48
    quarters = [price(n // 4, n, 900, minute=15 * (n % 4)) for n in range(960)]
    sheet = book_of(MIDNIGHT_NS, *quarters).sheet()
    assert len(sheet.price_ticks) == sheets.SHEET_PERIODS and sheet.is_fit


def test_what_it_remembers_has_an_end():
    book, tape = PriceBook(), Tape()
    for hour in range(0, 24 * 100, 24):
        book.fold(tape.at(MIDNIGHT_NS + hour * HOUR_NS, *day(hour)))
    assert len(book._price_ticks) == sheets.PERIODS_KEPT
    assert len(book.sheet().price_ticks) == 24


def test_only_another_reference_price_is_a_change():
    book, tape = PriceBook(), Tape()
    assert book.fold(tape.at(MIDNIGHT_NS, *day()))
    assert not book.fold(tape.at(MIDNIGHT_NS, *day()))
    assert not book.fold(tape.at(MIDNIGHT_NS, price(4, 9_999, kind=IMBALANCE), tick()))
    assert not book.fold(SCHEMA.empty(0))
    assert book.fold(tape.at(MIDNIGHT_NS, price(4, 401)))
    assert book.sheet().price_ticks[4] == 401


def test_the_fleets_own_rhythm_says_when_it_is_silent():
    book, tape = book_of(MIDNIGHT_NS, *day()), Tape()
    rhythm = {"tick_ms": 500, "measure_ms": 500, "lease_ms": 4_000, "lead_ms": 0, "lag_ms": 0}
    book.fold(tape.at(MIDNIGHT_NS, RhythmSet(**rhythm, late_ms=4_000, silent_ms=8_000)))
    assert book.sheet().commanded_until_ns - book.time_ns == 8 * 10**9
    assert book.renewal_ns == 2 * 10**9


def read(*blocks):
    reader = SheetReader(SCHEMA)
    return [sheet for block in blocks for sheet in reader.read(np.frombuffer(block, SCHEMA.header))]


def test_over_a_session_and_back():
    sheet = book_of(MIDNIGHT_NS, *day()).sheet()
    data, size = records_of(sheet, SCHEMA), SCHEMA.record_bytes
    assert len(data) == size * 26
    assert read(data, data) == [sheet, sheet]
    assert read(data[: size * 10], data[size * 10 :]) == [sheet]
    newer = dataclasses.replace(sheet, number=sheet.number + 1)
    assert read(data[: size * 10], records_of(newer, SCHEMA)) == [newer]  # the first was broken off
    assert read(data[size * 3 :]) == []
    assert read(data[:size] + data[-size:]) == []


class Link:
    """A subscriber: what it was sent, and whether it can take more."""

    def __init__(self) -> None:
        self.is_writable, self.blocks = True, []

    def write(self, data) -> None:
        self.blocks.append(bytes(data))

    @property
    def sheets(self):
        return read(*self.blocks)


@pytest.fixture
def rig(tmp_path):
    """A tape and its feed; `tell` appends events, at a time, and lets the feed go on."""
    writer = TapeWriter(tmp_path / "tape", NodePage(tmp_path / "page", create=True), SCHEMA.record_bytes)
    feed, tape = PriceFeed(tmp_path, SCHEMA), Tape()

    def tell(now_ns, *events) -> None:
        writer.append(tape.at(now_ns, *events))
        writer.publish(writer.position)
        while feed.has_more(writer.position):
            feed.advance(writer.position)

    yield feed, tell
    writer.close()


def test_who_subscribes_is_told_what_is_known_then_what_changes(rig):
    feed, tell = rig
    tell(MIDNIGHT_NS, *day())
    link, late = Link(), Link()
    assert feed.subscribe(link, SUBJECT) and feed.subjects(link) == {SUBJECT} and feed.count(link) == 1
    tell(MIDNIGHT_NS)
    assert [sheet.number for sheet in link.sheets] == [24]
    tell(MIDNIGHT_NS + MINUTE_NS, price(5, 1))
    assert link.sheets[-1].price_ticks[5] == 1
    assert feed.subscribe(late, SUBJECT)
    tell(MIDNIGHT_NS + MINUTE_NS)
    assert late.sheets == link.sheets[-1:]
    feed.unsubscribe(link, SUBJECT)
    tell(MIDNIGHT_NS + 2 * MINUTE_NS, price(5, 2))
    assert len(link.sheets) == 2 and len(late.sheets) == 2
    feed.forget(late)
    assert not feed.subjects(late)


def test_a_feed_of_something_else_is_refused(rig):
    feed, _ = rig
    assert not feed.subscribe(Link(), (DEPTH, 0)) and not feed.subscribe(Link(), (PRICES, 1))
    assert not feed.has_more(10) and feed.product_of(1, 1) == 0


def test_prices_that_come_one_by_one_are_told_together(rig):
    feed, tell = rig
    link = Link()
    feed.subscribe(link, SUBJECT)
    for place, each in enumerate(day()):
        tell(MIDNIGHT_NS + place * 1_000_000, each)
    tell(MIDNIGHT_NS + MINUTE_NS, tick())
    assert [len(sheet.price_ticks) for sheet in link.sheets] == [1, 24]


def test_what_stays_the_same_is_told_anew_as_long_as_the_fleet_lives(rig):
    feed, tell = rig
    link = Link()
    feed.subscribe(link, SUBJECT)
    tell(MIDNIGHT_NS, *day())
    for minute in range(1, 61):
        tell(MIDNIGHT_NS + minute * MINUTE_NS, tick())
    told = link.sheets
    assert 20 <= len(told) <= 25  # each two and a half minutes, on the minute
    assert len({sheet.number for sheet in told}) == len(told)
    gaps = np.diff([sheet.commanded_until_ns for sheet in told])
    assert gaps.min() > 0 and gaps.max() <= 3 * MINUTE_NS
    assert {sheet.price_ticks for sheet in told} == {told[0].price_ticks}


def test_who_does_not_read_gets_the_newest_alone(rig):
    feed, tell = rig
    link = Link()
    feed.subscribe(link, SUBJECT)
    link.is_writable = False
    for minute in range(0, 30):
        tell(MIDNIGHT_NS + minute * MINUTE_NS, *day(), price(3, minute))
    assert not link.blocks
    link.is_writable = True
    tell(MIDNIGHT_NS + 30 * MINUTE_NS)
    assert [sheet.price_ticks[3] for sheet in link.sheets] == [29]


def test_a_sheet_is_checked():
    good = Sheet(1, 0, MIDNIGHT_NS + HOUR_NS, MIDNIGHT_NS, 3_600, (5,))
    assert good.is_fit
    for changes in (
        {"number": 0}, {"price_ticks": ()}, {"period_s": 1_800}, {"begins_ns": MIDNIGHT_NS + 1},
        {"valid_until_ns": good.ends_ns + 1}, {"price_ticks": (1 << 40,)}, {"begins_ns": -HOUR_NS},
    ):  # fmt: skip
        assert not dataclasses.replace(good, **changes).is_fit, changes
