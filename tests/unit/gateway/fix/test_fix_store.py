"""What a session keeps: entries, ClOrdIDs, messages; over deaths, torn ends and new epochs."""

import struct

import numpy as np
import pytest

from ringmain.core.errors import RingmainError
from ringmain.gateway.fix import outlog, store
from ringmain.gateway.fix.app import schedule_of
from ringmain.gateway.fix.directory import CANCEL_REQUEST, ENTRY, NEW_ORDER
from ringmain.gateway.fix.limits import Schedule
from ringmain.gateway.fix.mapping import CANCELLED, NEW
from ringmain.gateway.fix.outlog import MARKET_DATA, Block, OutLog
from ringmain.gateway.fix.store import LOST_NUMBERS, Identity, Store


def entry(name: bytes, in_number: int, epoch: int = 0, kind: int = NEW_ORDER, order: int = 0):
    made = np.zeros(1, ENTRY)[0]
    made["cl_ord_id"][: len(name)] = np.frombuffer(name, np.uint8)
    made["id_bytes"], made["in_number"], made["epoch"], made["kind"] = len(name), in_number, epoch, kind
    made["order_number"] = order
    return made


def block(first: int, count: int = 1, tape_end: int = 0, data: bytes = b"x" * 10, flags: int = 0):
    return Block(first, count, flags, tape_end, 0, data)


def test_entries_are_found_by_number_and_by_name_over_lives(tmp_path):
    kept = Store(tmp_path, last_number=40, tape_position=7)
    assert (kept.first, kept.last, kept.next_in, kept.next_out, kept.told_until) == (41, 40, 1, 1, 7)
    for n in range(5_000):
        kept.add(entry(b"N%d" % n, n + 2, order=41 + n), n + 3)
    kept.close()
    again = Store(tmp_path)
    assert (again.last, again.next_in) == (5_040, 5_002)
    assert [again.find(b"N%d" % n) for n in (0, 4_999, 5_000)] == [41, 5_040, 0]
    assert again.entry(40) is None
    assert again.entry(5_041) is None
    again.close()


def test_numbers_that_another_door_used_are_nobodys(tmp_path):
    kept = Store(tmp_path)
    kept.add(entry(b"A", 2, order=1), 3)
    kept.leave_out(5)
    assert kept.add(entry(b"B", 3, order=6), 4) == 6
    assert [kept.entry(number) is None for number in range(1, 7)] == [False, True, True, True, True, False]
    kept.close()


def test_a_death_between_entry_and_number_does_not_count_the_message_again(tmp_path):
    kept = Store(tmp_path)
    kept.add(entry(b"A", 2, order=1), 3)
    kept.next_in = 2  # as if it had died before
    kept.close()
    assert Store(tmp_path).next_in == 3


def test_a_new_epoch_keeps_the_names_of_orders_that_rest(tmp_path):
    kept = Store(tmp_path)
    for name, status in ((b"rests", NEW), (b"gone", CANCELLED)):
        made = entry(name, 2, order=kept.last + 1)
        made["status"] = status
        kept.add(made, 3)
    kept.add(entry(b"cancel", 4, kind=CANCEL_REQUEST, order=2), 5)
    kept.out.append(block(1, 3, tape_end=90))
    kept.begin_again()
    assert (kept.next_in, kept.next_out, kept.epoch, kept.told_until) == (1, 1, 1, 90)
    assert [bool(kept.find(name)) for name in (b"rests", b"gone", b"cancel")] == [True, False, False]
    kept.close()
    again = Store(tmp_path)
    assert [bool(again.find(name)) for name in (b"rests", b"gone", b"cancel")] == [True, False, False]
    assert (again.next_out, again.told_until) == (1, 90)
    again.close()


def test_after_a_lost_machine_no_number_is_used_twice(tmp_path, monkeypatch):
    kept = Store(tmp_path)
    kept.out.append(block(1, 5))
    kept.close()
    monkeypatch.setattr(store, "boot_word", lambda: 4_711)
    again = Store(tmp_path)
    assert again.was_cut_off
    assert again.next_out == 6 + LOST_NUMBERS
    again.close()
    assert not Store(tmp_path).was_cut_off


def test_another_files_are_refused_by_code(tmp_path):
    (tmp_path / "commands.map").write_bytes(b"x" * 8_192)
    with pytest.raises(RingmainError, match="RM331"):
        Store(tmp_path)


def test_who_logged_on_is_remembered(tmp_path):
    kept = Store(tmp_path)
    assert kept.identity is None
    kept.identity = Identity("FIX.4.4", "ME")
    assert Store(tmp_path).identity == Identity("FIX.4.4", "ME")


# Messages.


def test_blocks_are_read_from_any_number_over_segments(tmp_path, monkeypatch):
    monkeypatch.setattr(outlog, "SEGMENT_BYTES", 1_000)
    log, first = OutLog(tmp_path), 1
    for count in [1, 2, 3, 4] * 50:
        log.append(block(first, count, tape_end=first * 10, data=b"%d" % first))
        first += count
    assert len(list(tmp_path.glob("*.seg"))) > 5
    for kept in (log, OutLog(tmp_path)):
        assert (kept.next_number, kept.tape_end) == (first, (first - 4) * 10)
        for number in range(1, first, 7):
            found = next(kept.read(number))
            assert found.first <= number < found.first + found.count
            assert found.data == b"%d" % found.first
        assert list(kept.read(first)) == []


def test_a_torn_block_is_cut_off_at_every_length(tmp_path):
    log = OutLog(tmp_path / "log")
    log.append(block(1, 2, tape_end=5))
    (path,) = (tmp_path / "log").glob("*.seg")
    whole = path.stat().st_size
    log.append(block(3, 2, tape_end=9))
    data = path.read_bytes()
    for size in range(whole, len(data)):
        path.write_bytes(data[:size])
        again = OutLog(tmp_path / "log")
        assert (again.next_number, again.tape_end) == (3, 5)
        again.append(block(3, 1, tape_end=6))
        assert OutLog(tmp_path / "log").next_number == 4


def test_a_harmed_block_at_the_end_is_cut_off(tmp_path):
    log = OutLog(tmp_path)
    log.append(block(1))
    log.append(block(2))
    (path,) = tmp_path.glob("*.seg")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert OutLog(tmp_path).next_number == 2


def test_segments_that_tell_nothing_do_not_hide_what_was_told(tmp_path, monkeypatch):
    monkeypatch.setattr(outlog, "SEGMENT_BYTES", 200)
    log = OutLog(tmp_path)
    log.append(block(1, tape_end=77))
    for number in range(2, 40):
        log.append(block(number, flags=MARKET_DATA, data=b""))
    assert OutLog(tmp_path).tape_end == 77
    assert struct.calcsize("<IIqIIqqII") == 48


# Hours.


@pytest.mark.parametrize(
    "hours, now, is_open",
    [("06:00-22:30", 6 * 3_600, True), ("06:00-22:30", 22.5 * 3_600, False), ("06:00-22:30", 0, False),
     ("22:00-02:00", 23 * 3_600, True), ("22:00-02:00", 3_600, True), ("22:00-02:00", 7_200, False)],
)  # fmt: skip
def test_hours(hours, now, is_open):
    period = schedule_of(hours).period(86_400 * 20_000 + now)
    assert (period is not None) == is_open


def test_a_period_is_one_over_midnight_and_another_the_next_day():
    schedule = schedule_of("22:00-02:00")
    evening, night, next_evening = (schedule.period(hour * 3_600) for hour in (47, 49, 71))
    assert evening == night == 46 * 3_600
    assert next_evening == 70 * 3_600
    assert Schedule().period(1e9) == 0


@pytest.mark.parametrize(
    "text", ["", "06:00", "6-7", "06:00-24:00", "06:60-07:00", "a:b-c:d", "06:00-07:00-08:00"]
)
def test_hours_that_are_none_are_refused_by_code(text):
    with pytest.raises(RingmainError, match="RM334"):
        schedule_of(text)
