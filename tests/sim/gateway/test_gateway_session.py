"""What a session may rely on, over real processes: order, privacy, exactly once, barriers."""

import asyncio

import numpy as np
import pytest
from gateway_rig import Rig
from parrot import HEARD, SAID, Mutter, Repeat, Said, Say, schema

from ringmain.client import AsyncClient, pick
from ringmain.core.errors import RingmainError
from ringmain.core.messages import OPEN_SESSION, SESSION_OPENED
from ringmain.core.tape import TapeReader


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    rig = Rig(
        tmp_path_factory.mktemp("venue"), connections=12, login_s=0.5, unread_s=1.0, unread_bytes=65_536
    )
    yield rig
    rig.close()


@pytest.fixture
def token(rig):
    return rig.new_token("somebody")


def many(count: int, first: int = 0, **fields):
    batch = np.zeros(count, Say.dtype)
    Say.stamp(batch)
    batch["value"] = np.arange(first, first + count)
    for name, value in fields.items():
        batch[name] = value
    return batch


def market_events(batch):
    return pick(batch, batch["kind"] < 0xFF00)


def said_values(batch) -> list[int]:
    return batch.view(Said.dtype)["value"][batch["kind"] == SAID].tolist()


def test_a_command_is_answered_under_its_number(rig, token):
    with rig.client(token) as client:
        number = client.send(Say(value=-7, to_session_id=0))
        (event,) = client.wait_answer(number)
        said = client.unpack(event)
        assert (said["record"], said["value"], said["session_number"]) == ("Said", -7, number)
        assert said["sequence"] > 0
        assert client.unpack(market_events(client.poll())[0]) == said  # still there to be polled


def test_pipelined_commands_are_answered_in_order_and_once(rig, token):
    with rig.client(token) as client:
        for first in range(0, 60_000, 20_000):
            client.send_batch(many(20_000, first))
        client.settle()
        events = market_events(client.poll())
        assert said_values(events) == list(range(60_000))
        assert events["session_number"].tolist() == list(range(1, 60_001))


def test_settle_waits_for_commands_that_are_answered_by_silence(rig, token):
    with rig.client(token) as client:
        for value in range(10):
            last = client.send(Mutter(value=value))
        client.settle()
        assert client.protocol.answered == last
        assert client.protocol.unanswered == 0


def test_an_event_under_an_earlier_number_answers_the_command_that_it_names(rig, token):
    with rig.client(token) as client:
        said = client.send(Say(value=1, to_session_id=0))
        repeat = client.send(Repeat(said_number=said))
        (event,) = client.wait_answer(repeat)
        assert client.unpack(event)["session_number"] == said


def test_a_session_gets_its_own_events_and_no_other(rig):
    with rig.client(rig.new_token("one")) as one, rig.client(rig.new_token("two")) as two:
        one.send(Say(value=1, to_session_id=0))
        one.send(Say(value=2, to_session_id=two.protocol.session_id))
        one.settle()
        two.settle()
        mine, theirs = market_events(one.poll()), market_events(two.poll())
        assert mine["kind"].tolist() == [SAID, SAID]
        assert [two.unpack(event)["value"] for event in theirs] == [2]
        assert theirs["kind"].tolist() == [HEARD]
        assert set(mine["session_id"].tolist()) == {one.protocol.session_id}


def test_what_a_client_gets_is_what_stands_on_the_tape_byte_for_byte(rig, token):
    with rig.client(token) as client:
        client.send_batch(many(1_000))
        client.settle()
        got = client.poll()
        reader = TapeReader(rig.data / schema.name, schema)
        own = []
        while (batch := reader.read()).size:
            own += [row.tobytes() for row in batch if row["session_id"] == client.protocol.session_id]
        assert [row.tobytes() for row in got] == own
        reader.close()


def test_a_session_counts_on_where_it_stopped(rig, token):
    with rig.client(token) as client:
        last = client.send(Say(value=1, to_session_id=0))
    with rig.client(token) as client:
        assert client.send(Say(value=2, to_session_id=0)) == last + 1
        client.wait_answer(last + 1)


def test_a_repeated_number_is_answered_as_it_was_first(rig, token):
    raw = rig.raw(token)
    raw.hear_until("LoginAccepted")
    raw.send(Say(0, 1, value=11, to_session_id=0))
    first = raw.hear_until("Said")
    raw.send(Say(0, 1, value=99, to_session_id=0))
    refused = raw.hear_until("CommandRefused")
    assert (refused["reason"], refused["first_sequence"]) == ("REPEATED", first["sequence"])
    assert raw.hear() == first


def test_a_skipped_number_is_refused_by_name(rig, token):
    raw = rig.raw(token)
    raw.hear_until("LoginAccepted")
    raw.send(Say(0, 5, value=1, to_session_id=0))
    refused = raw.hear_until("CommandRefused")
    assert (refused["reason"], refused["expected_number"]) == ("NUMBER_SKIPPED", 1)


def test_events_are_sent_again_from_any_sequence_without_gap_or_doubling(rig, token):
    with rig.client(token) as client:
        client.send_batch(many(50_000))
        client.settle()
        before = client.poll()
        middle = int(before["sequence"][20_000])
        client.resend(middle)
        client.send_batch(many(10, 50_000))
        client.settle()
        again = client.poll()
        assert said_values(again) == list(range(20_000, 50_010))
        assert (again["sequence"] > middle).all()
        client.resend(0)
        client.settle()
        assert said_values(client.poll()) == list(range(50_010))


def test_a_resend_leaves_out_the_first_events_of_its_sequence(rig, token):
    raw = rig.raw(token)
    own_id = raw.hear_until("LoginAccepted")["session_id"]
    raw.send(Say(0, 1, value=3, to_session_id=own_id))
    said, heard = raw.hear_until("Said"), raw.hear()
    assert heard["sequence"] == said["sequence"]
    for skip, expected in ((0, [said, heard]), (1, [heard]), (2, [])):
        raw.say("ResendRequest", after_sequence=said["sequence"], skip_events=skip)
        raw.hear_until("ResendBegun")
        raw.say("Ping", value=skip)
        got = []
        while (record := raw.hear())["record"] != "Pong":
            got.append(record)
        assert [r for r in got if r["kind"] != SESSION_OPENED] == expected


def test_a_second_login_takes_the_session_over(rig, token):
    old, last = rig.client(token), 0
    for value in range(3):
        last = old.send(Say(value=value, to_session_id=0))
    old.flush()
    new = rig.client(token)
    assert new.protocol.next_number == last + 1  # behind all that the old connection had sent
    with pytest.raises(RingmainError, match="TAKEN_OVER"):
        while True:
            old.poll(5)
    new.wait_answer(new.send(Say(value=1, to_session_id=0)))
    new.close()


def test_an_observer_may_listen_but_not_speak(rig):
    observer = rig.client(rig.new_token("eyes", role="observer"))
    number = observer.send(Say(value=1, to_session_id=0))
    observer.settle()
    refused = observer.unpack(observer.poll()[-1])
    assert (refused["record"], refused["reason"]) == ("Refused", "NOT_PERMITTED")
    assert refused["session_number"] == number
    observer.close()


def test_behind_a_refused_command_all_are_given_up_and_their_numbers_come_again(rig, token):
    with rig.client(token) as client:
        client.protocol._sendable[OPEN_SESSION] = 1
        first = client.send(Say(value=1, to_session_id=0))
        bad = Say(value=2, to_session_id=0)
        bad["kind"] = OPEN_SESSION
        client.send(bad)
        client.send_batch(many(3))
        client.settle()
        events = [client.unpack(event) for event in client.poll()]
        refused = [(e["session_number"], e["reason"]) for e in events if e["record"] == "Refused"]
        assert refused[0] == (first + 1, "NOT_PERMITTED")
        assert refused[1:] == [(first + n, "AFTER_REFUSED") for n in (2, 3, 4)]
        assert client.send(Say(value=3, to_session_id=0)) == first + 1
        client.wait_answer(first + 1)


def test_the_async_client_does_the_same(rig, token):
    async def live():
        async with await AsyncClient.connect("127.0.0.1", rig.port, token, schema) as client:
            number = client.send(Say(value=4, to_session_id=0))
            (event,) = await client.wait_answer(number)
            assert client.unpack(event)["value"] == 4
            client.send_batch(many(50_000))
            await client.settle()
            async for batch in client:
                assert said_values(batch) == [4, *range(50_000)]
                break
            with pytest.raises(RingmainError, match="RM305"):
                client.send(schema.empty(1))

    asyncio.run(live())
