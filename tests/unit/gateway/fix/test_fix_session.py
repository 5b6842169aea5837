"""The session layer, rule by rule; the time is handed in."""

import pytest
from fix_bytes import START, Talk, logon, message, order
from hypothesis import given, settings
from hypothesis import strategies as st

from ringmain.gateway.fix import dictionary as d
from ringmain.gateway.fix.codec import parse, split, timestamp
from ringmain.gateway.fix.session import ENDED, LIVE, LOGGING_OUT, Application, Resend, Reset

FIXT = b"FIXT.1.1"


def names(events):
    return [event.message.get(11) for event in events if isinstance(event, Application)]


def dup(number, sent_ns=START - 5_000_000_000):
    return message(b"D", number, order_fields(number), _43=b"Y", _122=timestamp(sent_ns))


def order_fields(number):
    return parse(order(number, b"N%d" % number)).fields[5:]


# Logging on.


@pytest.mark.parametrize("begin_string, fields", [(b"FIX.4.4", []), (FIXT, [(1137, b"9")])])
def test_a_logon_is_answered_with_its_heartbeat(begin_string, fields):
    talk = Talk(is_on=False, begin_string=begin_string)
    assert talk.log_on(logon(heartbeat=7, fields=fields, begin_string=begin_string)) == []
    answer = talk.only()
    assert (answer.type, answer.get(34), answer.get(108), answer.get(98)) == (b"A", b"1", b"7", b"0")
    assert answer.get(1137) == (b"9" if fields else None)
    assert (talk.session.phase, talk.session.next_in, talk.session.next_out) == (LIVE, 2, 2)


@pytest.mark.parametrize(
    "raw, why",
    [
        (logon(heartbeat=0), b"HeartBtInt"), (logon(heartbeat=9_999), b"HeartBtInt"),
        (message(b"A", 1, [(98, b"1"), (108, b"30")]), b"out of range"),
        (message(b"A", 1, [(98, b"0")]), b"Required tag missing: 108"),
        (logon(now_ns=START - 200 * 10**9), b"SendingTime"),
        (logon(2, fields=[(141, b"Y")]), b"MsgSeqNum has to be 1"),
        (logon(fields=[(9_999, b"")]), b"without a value"),
    ],
)  # fmt: skip
def test_a_logon_that_is_wrong_is_told_why_and_ended(raw, why):
    talk = Talk(is_on=False)
    talk.log_on(raw)
    answer = talk.only()
    assert answer.type == b"5"
    assert why in answer.get(58)
    assert talk.session.phase == ENDED


def test_fixt_needs_the_version_of_the_application():
    for fields in ([], [(1137, b"7")]):
        talk = Talk(is_on=False, begin_string=FIXT)
        talk.log_on(logon(fields=fields, begin_string=FIXT))
        assert b"DefaultApplVerID" in talk.only().get(58)


def test_a_logon_whose_number_is_too_low_is_logged_out():
    talk = Talk(next_in=10, next_out=20, is_on=False)
    talk.log_on(logon(5))
    assert talk.only().get(58) == b"MsgSeqNum too low, expecting 10 but received 5"
    assert talk.session.phase == ENDED


def test_a_logon_whose_number_is_too_high_is_answered_and_the_rest_asked_for():
    talk = Talk(next_in=10, next_out=20, is_on=False)
    talk.log_on(logon(15))
    answer, ask = talk.said()
    assert (answer.type, answer.get(34)) == (b"A", b"20")
    assert (ask.type, ask.get(7), ask.get(16)) == (b"2", b"10", b"0")
    assert talk.session.next_in == 10


def test_reset_on_logon_begins_both_numbers_at_one():
    talk = Talk(next_in=10, next_out=20, is_on=False)
    assert talk.log_on(logon(1, fields=[(141, b"Y")])) == [Reset()]
    answer = talk.only()
    assert (answer.get(34), answer.get(141)) == (b"1", b"Y")
    assert (talk.session.next_in, talk.session.next_out) == (2, 2)


def test_a_new_period_begins_both_numbers_at_one():
    talk = Talk(next_in=10, next_out=20, is_on=False)
    assert talk.log_on(logon(1), is_new_period=True) == [Reset()]
    assert talk.only().get(34) == b"1"


def test_a_live_session_may_reset_but_not_log_on_twice():
    talk = Talk()
    talk.say(b"0", 2)
    assert talk.hear(logon(1, fields=[(141, b"Y")])) == [Reset()]
    assert talk.only().get(34) == b"1"
    talk.hear(logon(2))
    assert b"Logged on already" in talk.only().get(58)
    assert talk.session.phase == ENDED


# Numbers.


def test_messages_in_order_are_delivered():
    talk = Talk()
    assert names(talk.hear(order(2, b"X")) + talk.hear(order(3, b"Y"))) == [b"X", b"Y"]
    assert talk.said() == []


def test_a_number_that_is_too_low_ends_the_session_unless_it_is_a_duplicate():
    talk = Talk()
    talk.hear(order(2))
    assert talk.hear(dup(2)) == []
    assert talk.said() == []
    assert talk.hear(order(2)) == []
    assert talk.only().get(58) == b"MsgSeqNum too low, expecting 3 but received 2"
    assert talk.session.phase == ENDED


def test_a_gap_is_asked_for_once_and_filled_in_order():
    talk = Talk()
    assert talk.hear(order(4, b"N4")) == []
    assert talk.hear(order(5, b"N5")) == []
    ask = talk.only()
    assert (ask.type, ask.get(7), ask.get(16)) == (b"2", b"2", b"0")
    assert not talk.session.is_plain
    heard = [name for number in (2, 3, 4, 5) for name in names(talk.hear(dup(number)))]
    assert heard == [b"N2", b"N3", b"N4", b"N5"]
    assert talk.session.is_plain
    assert names(talk.hear(order(6, b"N6"))) == [b"N6"]


def test_a_gap_that_stays_is_asked_for_again():
    talk = Talk()
    talk.hear(order(4))
    talk.said()
    talk.wait(31)
    asked = [said for said in talk.said() if said.type == b"2"]
    assert [ask.get(7) for ask in asked] == [b"2"]


def test_a_gap_fill_moves_on():
    talk = Talk()
    talk.hear(order(10))
    talk.said()
    talk.say(b"4", 2, [(123, b"Y"), (36, b"10")], _43=b"Y", _122=timestamp(START))
    assert talk.session.next_in == 10
    assert names(talk.hear(dup(10))) == [b"N10"]


@pytest.mark.parametrize("new", [1, 2])
def test_a_gap_fill_never_goes_back(new):
    talk = Talk()
    talk.say(b"4", 2, [(123, b"Y"), (36, b"%d" % new)])
    said = talk.only()
    assert (said.type, said.get(371), said.get(373)) == (b"3", b"36", b"5")
    assert talk.session.next_in == 3


def test_a_reset_does_not_look_at_its_own_number_and_never_goes_back():
    talk = Talk()
    talk.say(b"4", 77, [(36, b"50")])
    assert (talk.session.next_in, talk.said()) == (50, [])
    talk.say(b"4", 1, [(123, b"N"), (36, b"40")])
    said = talk.only()
    assert (said.type, said.get(371), said.get(373)) == (b"3", b"36", b"5")
    assert talk.session.next_in == 50


def test_a_gap_fill_with_a_number_too_high_leaves_a_gap():
    talk = Talk()
    talk.say(b"4", 5, [(123, b"Y"), (36, b"9")])
    assert talk.only().type == b"2"
    assert talk.session.next_in == 2


# Resending.


@pytest.mark.parametrize(
    "begin, end, expected",
    [(1, 0, Resend(1, 6)), (2, 3, Resend(2, 3)), (4, 999_999, Resend(4, 6)), (6, 6, Resend(6, 6))],
)
def test_a_resend_request_names_what_is_there(begin, end, expected):
    talk = Talk(next_out=6)
    assert talk.say(b"2", 2, [(7, b"%d" % begin), (16, b"%d" % end)]) == [expected]


def test_a_resend_request_beyond_the_end_is_empty():
    talk = Talk(next_out=6)
    assert talk.say(b"2", 2, [(7, b"50"), (16, b"0")]) == []
    assert talk.said() == []


@pytest.mark.parametrize("begin, end, tag", [(0, 0, b"7"), (5, 3, b"16")])
def test_a_resend_request_of_no_range_is_rejected(begin, end, tag):
    talk = Talk(next_out=6)
    assert talk.say(b"2", 2, [(7, b"%d" % begin), (16, b"%d" % end)]) == []
    said = talk.only()
    assert (said.type, said.get(371), said.get(373)) == (b"3", tag, b"5")


def test_a_resend_request_behind_a_gap_is_served_at_once():
    talk = Talk(next_out=6)
    assert talk.say(b"2", 9, [(7, b"1"), (16, b"0")]) == [Resend(1, 6)]
    assert talk.only().get(7) == b"2"


# Heartbeats and goodbye.


def test_a_test_request_is_answered_with_its_id():
    talk = Talk()
    talk.say(b"1", 2, [(112, b"are you there")])
    said = talk.only()
    assert (said.type, said.get(112)) == (b"0", b"are you there")


def test_silence_is_filled_with_heartbeats_then_tested_then_ended():
    talk = Talk()
    talk.wait(30)
    assert talk.only().type == b"0"
    talk.wait(7)
    assert talk.only().type == b"1"
    talk.wait(20)
    assert talk.said() == []
    talk.wait(16)
    assert talk.only().get(58) == b"Heartbeat lost"
    assert talk.session.phase == ENDED


def test_any_message_ends_the_silence():
    talk = Talk()
    talk.wait(37)
    talk.said()
    talk.say(b"0", 2)
    talk.wait(37)
    assert [said.type for said in talk.said()] == [b"1"]


def test_a_logout_is_answered():
    talk = Talk()
    talk.say(b"5", 2)
    assert talk.only().type == b"5"
    assert talk.session.phase == ENDED


def test_our_logout_waits_for_its_answer_but_not_for_ever():
    for answer in (True, False):
        talk = Talk()
        talk.session.log_out("closing", talk.now_ns)
        assert talk.only().get(58) == b"closing"
        assert talk.session.phase == LOGGING_OUT
        if answer:
            talk.say(b"5", 2)
            assert talk.said() == []
        else:
            talk.wait(3)
        assert talk.session.phase == ENDED


def test_what_was_sent_before_our_logout_came_is_carried_out():
    talk = Talk()
    talk.session.log_out("closing", talk.now_ns)
    assert names(talk.hear(order(2, b"late"))) == [b"late"]
    assert talk.session.next_in == 3


def test_nothing_is_taken_after_the_end():
    talk = Talk()
    talk.say(b"5", 2)
    talk.said()
    assert talk.hear(order(3)) == []
    assert talk.said() == []


# Header.


@pytest.mark.parametrize("field", ["_49", "_56"])
def test_another_comp_id_is_rejected_and_ends_the_session(field):
    talk = Talk()
    talk.say(b"0", 2, **{field: b"OTHER"})
    reject, logout = talk.said()
    assert (reject.type, reject.get(373), reject.get(45)) == (b"3", b"9", b"2")
    assert logout.type == b"5"
    assert (talk.session.phase, talk.session.next_in) == (ENDED, 3)


def test_another_begin_string_ends_the_session():
    talk = Talk()
    talk.hear(message(b"0", 2, begin_string=b"FIX.4.2"))
    assert b"BeginString" in talk.only().get(58)


def test_no_number_ends_the_session():
    talk = Talk()
    talk.say(b"0", 2, _34=None)
    assert talk.only().get(58) == b"MsgSeqNum missing"


@pytest.mark.parametrize("seconds", [-121, 121])
def test_a_sending_time_that_is_off_is_rejected_and_ends_the_session(seconds):
    talk = Talk()
    talk.say(b"0", 2, _52=timestamp(START + seconds * 10**9))
    reject, logout = talk.said()
    assert (reject.get(373), reject.get(371)) == (b"10", b"52")
    assert logout.type == b"5"


@pytest.mark.parametrize("value, reason", [(None, b"1"), (b"soon", b"6")])
def test_a_sending_time_that_is_none_is_rejected(value, reason):
    talk = Talk()
    talk.say(b"0", 2, _52=value)
    assert (talk.only().get(373), talk.session.phase, talk.session.next_in) == (reason, LIVE, 3)


def test_a_duplicate_needs_its_first_sending_time():
    talk = Talk()
    talk.say(b"0", 2, _43=b"Y")
    said = talk.only()
    assert (said.get(371), said.get(373)) == (b"122", b"1")
    talk.say(b"0", 3, _43=b"Y", _122=timestamp(START + 10**9))
    reject, logout = talk.said()
    assert (reject.get(371), reject.get(373), logout.type) == (b"122", b"10", b"5")


# What a message has to be.

BAD = {
    "an unknown type": (message(b"zz", 2), b"11", b"35"),
    "a required field missing": (order(2, _55=None), b"1", b"55"),
    "a required field of the header missing": (order(2, _34=b"2", _38=None), b"1", b"38"),
    "a field of another message": (order(2, _112=b"x"), b"2", b"112"),
    "a tag that is none": (order(2, _4321=b"x"), b"0", b"4321"),
    "an empty field": (order(2, _55=b""), b"4", b"55"),
    "a side that is none": (order(2, _54=b"7"), b"5", b"54"),
    "a quantity that is no number": (order(2, _38=b"many"), b"6", b"38"),
    "a character of two": (order(2, _54=b"11"), b"6", b"54"),
    "a time that is none": (order(2, _60=b"now"), b"6", b"60"),
    "a field twice": (message(b"D", 2, [*order_fields(2), (11, b"again")]), b"13", b"11"),
    "a header field in the body": (message(b"D", 2, [*order_fields(2), (50, b"x")]), b"14", b"50"),
    "MinQty, which the venue does not know": (order(2, _110=b"1"), b"0", b"110"),
}


@pytest.mark.parametrize("raw, reason, tag", BAD.values(), ids=BAD)
def test_a_bad_message_is_rejected_by_reason_and_tag(raw, reason, tag):
    talk = Talk()
    assert talk.hear(raw) == []
    said = talk.only()
    assert (said.type, said.get(373), said.get(371), said.get(45)) == (b"3", reason, tag, b"2")
    assert said.get(58)
    assert names(talk.hear(order(3, b"next"))) == [b"next"]


def request(*groups):
    return message(b"V", 2, [(262, b"r"), (263, b"1"), (264, b"0"), *groups])


GROUPS = {
    "the count too high": (request((267, b"2"), (269, b"0"), (146, b"1"), (55, b"1")), b"16", b"267"),
    "the count too low": (request((267, b"1"), (269, b"0"), (269, b"1"), (146, b"1"), (55, b"1")),
                          b"16", b"267"),
    "no entries": (request((267, b"1"), (146, b"1"), (55, b"1")), b"16", b"267"),
    "out of order": (request((267, b"1"), (269, b"0"), (146, b"1"), (55, b"1"), (22, b"8"), (48, b"x")),
                     b"15", b"48"),
    "another field first": (request((267, b"1"), (269, b"0"), (146, b"1"), (48, b"x"), (55, b"1")),
                            b"15", b"48"),
    "twice in an entry": (request((267, b"1"), (269, b"0"), (146, b"1"), (55, b"1"), (48, b"x"), (48, b"y")),
                          b"13", b"48"),
    "an entry without its count": (request((267, b"1"), (269, b"0"), (55, b"1")), b"16", b"55"),
    "a group missing": (request((267, b"1"), (269, b"0")), b"1", b"146"),
    "a count that is no number": (request((267, b"x"), (269, b"0"), (146, b"1"), (55, b"1")), b"6", b"267"),
}  # fmt: skip


@pytest.mark.parametrize("raw, reason, tag", GROUPS.values(), ids=GROUPS)
def test_a_bad_group_is_rejected_by_reason_and_tag(raw, reason, tag):
    talk = Talk()
    assert talk.hear(raw) == []
    said = talk.only()
    assert (said.type, said.get(373), said.get(371)) == (b"3", reason, tag)


def test_groups_in_order_are_taken_in_order():
    talk = Talk()
    raw = request((267, b"2"), (269, b"0"), (269, b"1"), (146, b"2"), (55, b"1"), (48, b"x"), (55, b"7"))
    (event,) = talk.hear(raw)
    groups = d.TAKEN[b"V"].groups
    assert event.message.groups(146, groups[146]) == [{55: b"1", 48: b"x"}, {55: b"7"}]
    assert event.message.groups(267, groups[267]) == [{269: b"0"}, {269: b"1"}]


def test_private_fields_are_passed_over():
    assert names(Talk().hear(order(2, b"X", _5001=b"whatever"))) == [b"X"]


@pytest.mark.parametrize("kind", [b"J", b"AE", b"c", b"B"])
def test_a_type_that_the_venue_does_not_serve_is_a_business_reject(kind):
    talk = Talk()
    talk.say(kind, 2)
    said = talk.only()
    assert (said.type, said.get(372), said.get(380)) == (b"j", kind, b"3")


# Any stream.


@st.composite
def streams(draw):
    """Messages with numbers that jump, times that are off, flags, and harmed bytes."""
    pieces, number = [], 2
    for _ in range(draw(st.integers(1, 25))):
        number = max(1, number + draw(st.sampled_from([0, 1, 1, 1, 1, 2, 5, -3])))
        kind = draw(
            st.sampled_from([b"D", b"D", b"0", b"1", b"2", b"4", b"3", b"5", b"A", b"V", b"?", b"AE"])
        )
        head = {}
        if draw(st.booleans()):
            head = {"_43": b"Y", "_122": timestamp(START - draw(st.integers(-2, 5)) * 10**9)}
        fields = draw(st.sampled_from([
            order_fields(number), [(112, b"x")], [(7, b"1"), (16, b"0")],
            [(123, b"Y"), (36, b"%d" % (number + 2))],
            [(36, b"%d" % (number + 1))], [], [(98, b"0"), (108, b"5"), (141, b"Y")], [(45, b"1")],
        ]))  # fmt: skip
        raw = bytearray(message(kind, number, fields, **head))
        if draw(st.integers(0, 9)) == 0:
            raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
        pieces.append(bytes(raw))
    return b"".join(pieces)


@settings(max_examples=300)
@given(streams())
def test_no_stream_breaks_the_session_or_delivers_twice(stream):
    talk = Talk()
    raws, _ = split(stream)
    numbers = []
    for raw in raws:
        resets = False
        for event in talk.hear(raw):
            resets = resets or isinstance(event, Reset)
            if isinstance(event, Application):
                numbers.append(event.message.number(34))
        if resets:
            numbers = []
        said = [message.number(34) for message in talk.said()]
        assert said == sorted(set(said))
        if said and not resets:
            assert said[-1] == talk.session.next_out - 1
        assert numbers == sorted(set(numbers))
