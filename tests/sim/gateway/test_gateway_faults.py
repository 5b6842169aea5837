"""Bad input and faults: named refusals, nobody else harmed, nothing lost and nothing twice."""

import random
import socket
import time

import numpy as np
import pytest
from gateway_rig import NAME, Rig
from parrot import PARTED, SAID, Mutter, Said, Say, schema

from ringmain.client import Client, pick
from ringmain.core.errors import RingmainError
from ringmain.core.records import Schema
from ringmain.core.tape import TapeReader
from ringmain.gateway.messages import session_record

WAIT_S = 30


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


@pytest.fixture(autouse=True)
def others_are_served(rig):
    """Whatever a test does to the gateway, others are served afterwards."""
    yield
    with rig.client(rig.new_token("other")) as client:
        client.wait_answer(client.send(Say(value=1, to_session_id=0)), WAIT_S)


def many(count: int, first: int = 0):
    batch = np.zeros(count, Say.dtype)
    Say.stamp(batch)
    batch["value"] = np.arange(first, first + count)
    batch["session_number"] = np.arange(first + 1, first + count + 1)
    return batch


def said_values(batch) -> list[int]:
    return batch.view(Said.dtype)["value"][batch["kind"] == SAID].tolist()


def wait_until(is_so) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.02)


# Log-in.


def test_an_unknown_token_is_refused(rig):
    with pytest.raises(RingmainError, match=r"RM302.*UNKNOWN_TOKEN"):
        rig.client("x" * 24, reconnect_s=0)


def test_a_token_of_another_market_is_refused(rig):
    from ringmain.gateway.credentials import add_token

    token = add_token(rig.data, "elsewhere", account_id=1, name="stranger")
    with pytest.raises(RingmainError, match="UNKNOWN_TOKEN"):
        rig.client(token, reconnect_s=0)


def test_another_layout_is_refused_by_name(rig, token):
    other = Schema("parrot", 2)
    other.commands, other.events = dict(schema.commands), dict(schema.events)
    with pytest.raises(RingmainError, match=r"OTHER_LAYOUT.*layout is"):
        Client.connect("127.0.0.1", rig.port, token, other, reconnect_s=0)


def test_the_first_record_has_to_be_a_login(rig):
    raw = rig.raw()
    raw.send(Say(0, 1, value=1, to_session_id=0))
    assert raw.hear()["reason"] == "LOGIN_EXPECTED"
    assert raw.hear() == {}


def test_a_slow_login_is_not_waited_for(rig, token):
    raw = rig.raw()
    login = session_record(1, "Login")(token=token.encode(), layout=0, heartbeat_ms=1000).tobytes()
    for byte in login[:40]:
        try:
            raw.socket.sendall(bytes([byte]))
        except OSError:
            break
        time.sleep(0.03)
    assert raw.hear().get("reason", "LOGIN_TIMEOUT") == "LOGIN_TIMEOUT"
    assert raw.hear() == {}


def test_one_connection_too_many_is_told_so(rig):
    raws = [rig.raw() for _ in range(12)]
    assert rig.raw().hear().get("reason") == "TOO_MANY_CONNECTIONS"
    for raw in raws:
        raw.socket.close()
    time.sleep(0.2)  # until the gateway has seen it


# Frames.


@pytest.mark.parametrize("field, value", [("slots", 0), ("slots", 2), ("slots", 255), ("version", 9)])
def test_a_bad_header_ends_the_connection_by_name(rig, token, field, value):
    raw = rig.raw(token)
    raw.hear_until("LoginAccepted")
    bad = Say(0, 1, value=1, to_session_id=0)
    bad[field] = value
    raw.send(bad)
    assert raw.hear_until("LoggedOut")["reason"] == "BAD_FRAME"


@pytest.mark.parametrize(
    "kind, reason",
    [(0, "UNKNOWN_KIND"), (77, "UNKNOWN_KIND"), (0xFF01, "NOT_PERMITTED"), (0xFF02, "NOT_PERMITTED"),
     (0xFF03, "NOT_PERMITTED"), (0xFF99, "NOT_PERMITTED")],
)  # fmt: skip
def test_a_kind_that_is_no_command_of_the_session_is_refused(rig, token, kind, reason):
    raw = rig.raw(token)
    raw.hear_until("LoginAccepted")
    bad = Say(0, 1, value=1, to_session_id=0)
    bad["kind"] = kind
    raw.send(bad)
    refused = raw.hear_until("Refused")
    assert (refused["session_number"], refused["refused_kind"], refused["reason"]) == (1, kind, reason)
    raw.send(Say(0, 1, value=8, to_session_id=0))  # dropped: behind the refused one
    raw.say("Resume")
    raw.send(Say(0, 1, value=9, to_session_id=0))
    assert raw.hear_until("Said")["value"] == 9


def test_half_a_frame_waits_for_its_other_half(rig, token):
    raw = rig.raw(token)
    raw.hear_until("LoginAccepted")
    frames = many(3).tobytes()
    for begin, end in ((0, 1), (1, 63), (63, 130), (130, 192)):
        raw.socket.sendall(frames[begin:end])
        time.sleep(0.02)
    assert [raw.hear_until("Said")["value"] for _ in range(3)] == [0, 1, 2]


def test_a_connection_that_ends_within_a_frame_leaves_nothing(rig, token):
    raw = rig.raw(token)
    raw.hear_until("LoginAccepted")
    raw.socket.sendall(many(2).tobytes()[:100])
    raw.hear_until("Said")
    raw.socket.close()
    with rig.client(token) as client:
        assert client.protocol.next_number == 2


@pytest.mark.parametrize("seed", range(12))
def test_random_bytes_never_harm_anyone(rig, token, seed):
    dice = random.Random(seed)
    raw = rig.raw(token if seed % 2 else None)
    if seed % 2:
        raw.hear_until("LoginAccepted")
    data = bytearray(dice.randbytes(dice.randrange(1, 20_000)))
    if seed % 3 == 0:  # frames that are right but for a few bytes
        data = bytearray(many(200).tobytes())
        for _ in range(20):
            data[dice.randrange(len(data))] = dice.randrange(256)
    try:
        raw.socket.sendall(data)
        raw.socket.shutdown(socket.SHUT_WR)
        raw.hear_all()
    except OSError:
        pass  # closed on us: that is an answer, too
    assert rig.processes["gateway"].poll() is None
    assert rig.processes["node"].poll() is None


def test_a_ping_flood_is_answered_or_refused(rig, token):
    raw = rig.raw(token)
    raw.hear_until("LoginAccepted")
    ping = session_record(1, "Ping")(value=1).tobytes()
    raw.socket.sendall(ping * 500 + many(1).tobytes() + ping * 500)
    heard = [raw.hear()["record"] for _ in range(1_000)]
    assert set(heard) <= {"Pong", "Said", "SessionOpened", "Refused"}


# Clients that do not behave.


def test_a_client_that_never_reads_is_held_back_then_disconnected_and_holds_up_nobody(rig, token):
    deaf = rig.raw(token)
    deaf.hear_until("LoginAccepted")
    deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.socket.settimeout(0.2)
    frames, sent = many(400_000).tobytes(), 0
    with rig.client(rig.new_token("neighbour")) as neighbour, pytest.raises(OSError):
        while True:
            try:
                sent += deaf.socket.send(frames[sent : sent + 65_536])
            except TimeoutError:
                neighbour.wait_answer(neighbour.send(Say(value=1, to_session_id=0)), WAIT_S)
    assert sent < len(frames), "it was to be held back"


def test_a_client_that_pauses_misses_nothing(rig, token):
    with rig.client(token) as client, rig.client(rig.new_token("talker")) as talker:
        batch = many(30_000)
        batch["to_session_id"] = client.protocol.session_id
        talker.send_batch(batch)  # the first does not read: its events wait on the tape
        talker.settle()
        client.settle()
        events = client.poll()
        heard = pick(events, events["kind"] == 2)
        assert heard.view(Said.dtype)["value"].tolist() == list(range(30_000))


def test_a_flood_leaves_room_for_others(rig, token):
    with rig.client(token) as flood, rig.client(rig.new_token("neighbour")) as neighbour:
        for first in range(0, 200_000, 50_000):
            flood.send_batch(many(50_000, first))
            neighbour.wait_answer(neighbour.send(Say(value=first, to_session_id=0)), WAIT_S)
        flood.settle()
        assert said_values(flood.poll()) == list(range(200_000))


def test_a_silent_client_is_logged_out_and_its_session_closed_at_the_market(rig, token):
    raw = rig.raw(token, heartbeat_ms=100)
    session_id = raw.hear_until("LoginAccepted")["session_id"]
    logged_out = raw.hear_until("LoggedOut")
    assert logged_out["reason"] == "HEARTBEAT_LOST"
    reader = TapeReader(rig.data / NAME, schema)
    parted_sequences, closed_sequences = [], []

    def is_closed() -> bool:
        for event in reader.read():
            if event["kind"] == PARTED:
                parted_sequences.append(int(event["sequence"]))
            if event["kind"] == 0xFF12 and event["session_id"] == session_id:
                closed_sequences.append(int(event["sequence"]))
        return bool(closed_sequences) and closed_sequences[-1] in parted_sequences

    wait_until(is_closed)
    reader.close()


def test_a_client_that_beats_its_heart_lives(rig, token):
    with rig.client(token, heartbeat_ms=100) as client:
        began = time.monotonic()
        while time.monotonic() - began < 0.8:
            client.poll(0.02)
        client.wait_answer(client.send(Say(value=1, to_session_id=0)))
        assert client.protocol.session_id


# Crashes.


def live_through(rig, client, fault) -> None:
    """Send and receive across a fault; every command is answered once and in order."""
    got, first = [], client.protocol.next_number
    sent = 0
    for step in range(40):
        client.send_batch(many(2_000, sent))
        sent += 2_000
        client.flush()
        if step == 15:
            fault()
        got.append(client.poll(0.01))
    client.settle(WAIT_S)
    got.append(client.poll())
    values = [value for batch in got for value in said_values(batch)]
    assert values == list(range(sent))
    with rig.client(rig.new_token("auditor")):
        reader = TapeReader(rig.data / NAME, schema)
        own = []
        while (batch := reader.read()).size:
            is_own = batch["session_id"] == client.protocol.session_id
            own += said_values(pick(batch, is_own & (batch["session_number"] >= first)))
        reader.close()
    assert own == values


def test_kill_9_of_the_gateway_loses_and_doubles_nothing(rig, token):
    def fault():
        rig.kill("gateway")
        rig.start("gateway")

    client = rig.client(token)
    for _ in range(2):
        live_through(rig, client, fault)
    client.close()


def test_kill_9_of_the_node_loses_and_doubles_nothing_and_connections_stay(rig, token):
    def fault():
        rig.kill("node")
        rig.start("node")

    client = rig.client(token)
    connection = client._socket
    for _ in range(3):
        live_through(rig, client, fault)
    assert client._socket is connection
    client.close()


def test_an_orderly_restart_of_the_node_is_lived_through(rig, token):
    def fault():
        assert rig.stop("node") == 0
        rig.start("node")

    client = rig.client(token)
    live_through(rig, client, fault)
    client.close()


def test_silence_is_resent_too(rig, token):
    client = rig.client(token)
    for value in range(100):
        client.send(Mutter(value=value))
    client.flush()
    rig.kill("gateway")
    for value in range(100):
        client.send(Mutter(value=value))
    rig.start("gateway")
    client.settle(WAIT_S)
    assert client.protocol.unanswered == 0
    client.close()


def test_the_gateway_says_goodbye_and_ends_in_order(rig, token):
    raw = rig.raw(token)
    raw.hear_until("LoginAccepted")
    assert rig.stop("gateway") == 0
    assert raw.hear_until("LoggedOut")["reason"] == "STOPPING"
    rig.start("gateway")
