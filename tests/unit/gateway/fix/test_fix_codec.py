"""Bytes to messages and back: fragments, garbled bytes, data fields, numbers, times."""

import random

import pytest
from fix_bytes import START, logon, message, order
from hypothesis import given
from hypothesis import strategies as st

from ringmain.gateway.fix.codec import (
    decimal,
    encode,
    integer,
    parse,
    scaled,
    split,
    time_ns_of,
    timestamp,
)

THREE = [logon(), order(2), message(b"0", 3)]


@pytest.mark.parametrize("seed", range(20))
def test_any_fragmentation_gives_the_same_messages(seed):
    dice, data = random.Random(seed), b"".join(THREE * 5)
    held, found = b"", []
    while data:
        size = dice.randint(1, 40)
        held, data = held + data[:size], data[size:]
        messages, done = split(held)
        found, held = found + messages, held[done:]
    assert found == THREE * 5
    assert held == b""


GARBLED = {
    "a wrong checksum": order(2)[:-4] + b"000\x01" if not order(2).endswith(b"000\x01") else b"",
    "a body length that is too short": order(2).replace(b"\x019=1", b"\x019=", 1),
    "a body length of more than there is": order(2).replace(b"\x019=", b"\x019=9"),
    "a body length that is too long": order(2).replace(b"\x019=1", b"\x019=2", 1),
    "a body length that is far too long": order(2).replace(b"\x019=", b"\x019=99999"),
    "no body length": order(2).replace(b"\x019=", b"\x018=", 1),
    "no number in the body length": order(2).replace(b"\x019=1", b"\x019=x", 1),
    "no checksum": order(2)[:-7],
    "MsgType that is not third": b"8=FIX.4.4\x019=5\x0134=2\x0110=166\x01",
    "noise": b"\x00\xff8=8=\x01\x01FIX\x01",
    "a beginning that stops": order(2)[:30],
}


@pytest.mark.parametrize("garbled", GARBLED.values(), ids=GARBLED)
def test_garbled_bytes_are_passed_over_and_what_follows_is_found(garbled):
    after = [message(b"0", 3), order(4), message(b"0", 5), logon(6), order(7)]
    messages, _ = split(logon() + garbled + b"".join(after))
    assert messages[0] == logon()
    assert messages[-len(after) :] == after


def test_a_message_that_is_not_whole_is_waited_for():
    for end in range(1, len(order(2))):
        assert split(order(2)[:end]) == ([], 0), end


@given(st.binary(max_size=300))
def test_no_bytes_at_all_do_harm(noise):
    messages, done = split(noise + THREE[0])
    assert 0 <= done <= len(noise) + len(THREE[0])
    for raw in messages:
        parse(raw)


@given(st.data())
def test_a_harmed_message_is_never_taken_for_another(data):
    raw = bytearray(order(2))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    messages, _ = split(bytes(raw) + THREE[2])
    assert bytes(raw) not in messages


def test_data_may_hold_separators():
    raw = message(b"D", 2, [(354, b"7"), (355, b"a\x01b=1\x01c"), (58, b"x")])
    parsed = parse(raw)
    assert parsed.get(355) == b"a\x01b=1\x01c"
    assert parsed.get(58) == b"x"


def test_fields_that_are_none_are_kept_as_such():
    parsed = parse(encode(b"FIX.4.4", [(35, b"0")]).replace(b"35=0", b"35=0"))
    assert parsed.type == b"0"
    odd = b"35=0\x01nothing\x010=1\x01x=2\x01-5=3\x01012=4\x01"
    raw = b"8=FIX.4.4\x019=%d\x01%s" % (len(odd), odd)
    assert [tag for tag, _ in parse(raw + b"10=000\x01").fields] == [35, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    "text, value",
    [(b"50", 5_000), (b"50.1", 5_010), (b"-0.05", -5), (b".5", 50), (b"5.", 500), (b"50.010000", 5_001),
     (b"0", 0), (b"50.005", None), (b"1e3", None), (b"", None), (b"-", None), (b".", None), (b"+1", None),
     (b" 1", None), (b"1.2.3", None), (b"9" * 30, None), (b"--1", None), (b"NaN", None)],
)  # fmt: skip
def test_prices_are_whole_ticks_or_nothing(text, value):
    assert scaled(text, 2) == value


@given(st.integers(-(10**12), 10**12), st.integers(0, 6))
def test_decimals_come_back(value, decimals):
    assert scaled(decimal(value, decimals), decimals) == value


@given(st.integers(0, 4 * 10**18))
def test_times_come_back_to_the_millisecond(time_ns):
    assert time_ns_of(timestamp(time_ns)) == time_ns // 1_000_000 * 1_000_000


@pytest.mark.parametrize(
    "text",
    [b"20240230-00:00:00", b"20241301-00:00:00", b"20240101-24:00:00", b"20240101 00:00:00", b"2024",
     b"20240101-00:60:00", b"20240101-00:00:61", b"20240101-00:00:00.", b"00000101-00:00:00", b""],
)  # fmt: skip
def test_what_is_no_time_is_none(text):
    assert time_ns_of(text) is None


def test_integers():
    assert [integer(text) for text in (b"7", b"-7", b"007", b"", b"-", b"7.0", b"x", b"1" * 19)] == [
        7, -7, 7, None, None, None, None, None,
    ]  # fmt: skip
    assert START > 0
