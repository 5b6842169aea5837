"""Other ways in: SBE and TLS, credentials that end, rights that change, drop copies. All over real processes."""

import asyncio
import random
import socket
import time
from collections import deque

import numpy as np
import pytest
from gateway_rig import Rig
from gateway_venue import order, set_up

from ringmain.client import AsyncClient, Client, pick
from ringmain.core.errors import RingmainError
from ringmain.exchange.messages import BUY, IOC, SELL, CancelOrder, MassCancel, OrderFilled, ReplaceOrder, schema
from ringmain.gateway import credentials, entitlements, messages
from ringmain.gateway.entitlements import Entitlement
from ringmain.gateway.sbe import Layout, Transcoder
from ringmain.gateway.tls import Tls, client_context

WAIT_S = 20


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    data = tmp_path_factory.mktemp("venue")
    rig = Rig(data, "exchange", is_secure=True, login_s=1.0, unread_bytes=65_536, unread_s=2.0)
    set_up(rig)
    yield rig
    rig.close()


@pytest.fixture(autouse=True)
def others_are_served(rig):
    """Whatever a test does to the gateway, others are served afterwards."""
    yield
    with rig.client(rig.new_token("other")) as client:
        client.wait_answer(client.send(order(BUY, 1, 1)))
    assert all(process.poll() is None for process in rig.processes.values())


def names(client, batch) -> list[str]:
    return [client.unpack(event)["record"] for event in batch if event["kind"] < 0xFF00]


def until(client, is_so) -> list[dict]:
    """Poll until some record of the client's is as wanted; return all up to there."""
    heard, deadline = [], time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        heard += map(client.unpack, client.poll(0.1))
        heard += map(client.unpack, client.poll_data(0.0))
        if any(map(is_so, heard)):
            return heard
    raise AssertionError(f"it does not come: {heard}")


# SBE.


def test_sbe_and_records_trade_with_each_other_and_see_the_same(rig):
    with (
        rig.client(rig.new_token("plain")) as plain,
        rig.client(rig.new_token("sbe", account_id=2), encoding="sbe") as sbe,
    ):
        number = plain.send(order(BUY, 4_900, 7))
        plain.settle()
        taken = sbe.send(order(SELL, 4_900, 3, lasts=IOC))
        assert names(sbe, sbe.wait_answer(taken)) == ["OrderAccepted", "OrderFilled"]
        plain.settle()
        fills = [plain.unpack(event) for event in plain.poll() if event["kind"] == OrderFilled.kind]
        assert [(fill["session_number"], fill["quantity_lots"]) for fill in fills] == [(number, 3)]


def test_sbe_carries_the_same_records_as_the_tape(rig):
    token = rig.new_token("bulk", account_id=2)
    with rig.client(token, encoding="sbe") as sbe:
        for price in range(3_000, 3_400):
            sbe.send(order(BUY, price, 2))
        sbe.settle()
        first = sbe.poll()
        sbe.resend(0)
        sbe.settle()
        again = sbe.poll()
    with rig.client(token) as plain:
        plain.resend(0)
        plain.settle()
        other = plain.poll()
        rows = [market_rows(batch)[:400] for batch in (first, again, other)]
        assert rows[0] == rows[1] == rows[2]


def market_rows(batch) -> list[bytes]:
    return [row.tobytes() for row in batch if row["kind"] < 0xFF00]


def test_market_data_over_sbe_is_that_over_records(rig):
    with (
        rig.client(rig.new_token("eye1", role="observer")) as one,
        rig.client(rig.new_token("eye2", role="observer"), encoding="sbe") as two,
        rig.client(rig.new_token("mover")) as mover,
    ):
        for client in (one, two):
            for feed in (messages.DEPTH, messages.ORDERS, messages.TOP):
                client.subscribe(feed, 2)
            client.settle()
            while client.poll_data(0.2).size:
                pass
        for price in range(4_000, 4_030):
            mover.send(order(BUY, price, 1, product_id=2))
        mover.settle()
        heard = [[], []]
        for place, client in enumerate((one, two)):
            client.settle()
            while (batch := client.poll_data(0.3)).size:
                heard[place] += [row.tobytes() for row in batch]
        assert heard[0] == heard[1]
        assert len(heard[0]) >= 60


class RawSbe:
    """Bytes of one's own over a socket, records back."""

    def __init__(self, rig, token: str | None) -> None:
        self.layout = Layout(schema)
        self.transcoder = Transcoder(self.layout, is_client=True)
        self.socket = socket.create_connection(("127.0.0.1", rig.port), timeout=WAIT_S)
        self.rest, self.heard = b"", deque()
        rig.raws.append(self)  # closed with the rig
        if token:
            self.say("Login", token=token.encode(), layout=messages.layout_word(schema), heartbeat_ms=10_000)

    def bytes_of(self, name: str, **values) -> bytes:
        return self.transcoder.encode(messages.session_record(1, name)(**values).tobytes())

    def say(self, name: str, **values) -> None:
        self.socket.sendall(self.bytes_of(name, **values))

    def hear_until(self, name: str) -> dict:
        """Return the next record of a name, or {} at the end."""
        while True:
            while self.heard:
                record = self.heard.popleft()
                if record["record"] == name:
                    return record
            frames, used, fault = self.transcoder.decode(np.frombuffer(self.rest, np.uint8))
            assert fault == 0
            self.heard += [unpacked(frames[row : row + 1]) for row in range(frames.size)]
            self.rest = self.rest[used:]
            if self.heard:
                continue
            try:
                data = self.socket.recv(65_536)
            except ConnectionResetError:
                return {}
            if not data:
                return {}
            self.rest += data


def unpacked(frame) -> dict:
    for known in (schema, messages.gateway_schema(1)):
        if int(frame["kind"][0]) in known.events:
            return known.unpack_event(frame)
    raise AssertionError("what is this?")


def with_word(message: bytes, offset: int, value: int) -> bytes:
    return message[:offset] + value.to_bytes(2, "little") + message[offset + 2 :]


@pytest.mark.parametrize(
    "offset, value, reason",
    [(6, 0, "BAD_FRAME"), (6, 999, "BAD_FRAME"), (10, 1, "WRONG_SCHEMA"), (12, 1, "WRONG_SCHEMA")],
    ids=["no block", "another length", "another schema", "another version"],
)
def test_a_wrong_sbe_header_ends_the_connection_by_name(rig, offset, value, reason):
    raw = RawSbe(rig, rig.new_token("odd"))
    raw.hear_until("LoginAccepted")
    raw.socket.sendall(with_word(raw.bytes_of("Ping", value=1), offset, value))
    assert raw.hear_until("LoggedOut")["reason"] == reason


def test_a_wrong_sbe_header_behind_good_messages_loses_none_of_them(rig):
    raw = RawSbe(rig, rig.new_token("late"))
    raw.hear_until("LoginAccepted")
    good = b"".join(raw.bytes_of("Ping", value=value) for value in range(1, 4))
    raw.socket.sendall(good + with_word(raw.bytes_of("Ping", value=9), 10, 1))
    assert [raw.hear_until("Pong")["value"] for _ in range(3)] == [1, 2, 3]
    assert raw.hear_until("LoggedOut")["reason"] == "WRONG_SCHEMA"


@pytest.mark.parametrize("length", [0, 13, 10_000, 2**32 - 1])
def test_a_length_that_cannot_be_ends_the_connection_by_name(rig, length):
    raw = RawSbe(rig, rig.new_token("long"))
    raw.hear_until("LoginAccepted")
    raw.socket.sendall(length.to_bytes(4, "big") + raw.bytes_of("Ping", value=1)[4:])
    assert raw.hear_until("LoggedOut")["reason"] == "BAD_FRAME"


@pytest.mark.parametrize("template_id", [0, 99, 0x8001, 0xFE81, 0xFF02])
def test_a_template_that_is_no_request_is_refused_and_resumed_from(rig, template_id):
    raw = RawSbe(rig, rig.new_token("curious"))
    raw.hear_until("LoginAccepted")
    raw.socket.sendall(with_word(raw.bytes_of("Ping", value=1), 8, template_id))
    assert raw.hear_until("Refused")["reason"] == "UNKNOWN_KIND"
    raw.say("Resume")
    raw.say("Ping", value=2)
    assert raw.hear_until("Pong")["value"] == 2


def test_the_first_message_has_to_be_a_login_in_sbe_too(rig):
    raw = RawSbe(rig, None)
    raw.say("Ping", value=1)
    assert raw.hear_until("LoggedOut")["reason"] == "LOGIN_EXPECTED"


def test_sbe_byte_by_byte_is_put_together(rig):
    raw = RawSbe(rig, rig.new_token("slow"))
    raw.hear_until("LoginAccepted")
    for byte in raw.bytes_of("Ping", value=7):
        raw.socket.sendall(bytes([byte]))
        time.sleep(0.002)
    assert raw.hear_until("Pong")["value"] == 7


@pytest.mark.parametrize("seed", range(10))
def test_random_sbe_harms_nobody(rig, seed):
    dice = random.Random(seed)
    raw = RawSbe(rig, rig.new_token(f"fuzz{seed}") if seed % 2 else None)
    if seed % 2:
        raw.hear_until("LoginAccepted")
    data = bytearray(b"".join(raw.bytes_of("Ping", value=value) for value in range(300)))
    for _ in range(dice.randrange(1, 20)):
        data[dice.randrange(len(data))] = dice.randrange(256)
    try:
        raw.socket.sendall(bytes.fromhex("00000016eb50") * (seed % 3 == 0) + data)
        raw.socket.shutdown(socket.SHUT_WR)
        while raw.socket.recv(65_536):
            pass
    except OSError:
        pass  # closed on us: that is an answer, too


def test_an_sbe_client_that_never_reads_is_disconnected(rig):
    raw = RawSbe(rig, rig.new_token("deaf"))
    raw.hear_until("LoginAccepted")
    raw.socket.settimeout(0.2)
    ping, sent = raw.bytes_of("Ping", value=1) * 3_000, 0
    deadline = time.monotonic() + WAIT_S
    with pytest.raises(OSError):
        while time.monotonic() < deadline:
            try:
                sent += raw.socket.send(ping)
            except TimeoutError:
                continue
    assert time.monotonic() < deadline


# TLS.


def secure(rig, token, **options):
    context = options.pop("tls", None) or client_context(rig.data / "certificate.pem")
    client = Client.connect("127.0.0.1", rig.tls_port, token, schema, tls=context, **options)
    rig.clients.append(client)
    return client


@pytest.mark.parametrize("encoding", ["records", "sbe"])
def test_a_session_over_tls_is_a_session(rig, encoding):
    with secure(rig, rig.new_token("veiled"), encoding=encoding) as client:
        for price in range(2_000, 4_000):
            client.send(order(BUY, price, 1))
        client.settle()
        events = client.poll()
        assert names(client, events) == ["OrderAccepted"] * 2_000


def test_the_async_client_speaks_tls_and_sbe(rig):
    async def live():
        token, context = rig.new_token("async"), client_context(rig.data / "certificate.pem")
        client = await AsyncClient.connect(
            "127.0.0.1", rig.tls_port, token, schema, tls=context, encoding="sbe"
        )
        async with client:
            (event, *_) = await client.wait_answer(client.send(order(BUY, 2_000, 1)))
            assert client.unpack(event)["record"] == "OrderAccepted"

    asyncio.run(live())


def test_a_server_that_is_not_trusted_is_not_talked_to(rig):
    with pytest.raises(RingmainError, match="RM360"):
        secure(rig, rig.new_token("careful"), tls=client_context(), reconnect_s=0)

    async def live():
        await AsyncClient.connect(
            "127.0.0.1", rig.tls_port, "x", schema, tls=client_context(), reconnect_s=0
        )

    with pytest.raises(RingmainError, match="RM360"):
        asyncio.run(live())


@pytest.mark.parametrize("seed", range(4))
def test_a_handshake_of_garbage_harms_nobody(rig, seed):
    dice = random.Random(seed)
    with socket.create_connection(("127.0.0.1", rig.tls_port), timeout=WAIT_S) as raw:
        try:
            raw.sendall((b"\x16\x03\x01" if seed % 2 else b"") + dice.randbytes(dice.randrange(1, 3_000)))
            while raw.recv(65_536):
                pass
        except OSError:
            pass


def test_half_a_handshake_is_not_waited_for(rig):
    with socket.create_connection(("127.0.0.1", rig.tls_port), timeout=WAIT_S) as raw:
        raw.sendall(b"\x16\x03\x01")
        try:
            assert raw.recv(100) == b""
        except ConnectionResetError:
            pass


def test_files_that_are_no_certificate_are_named(tmp_path):
    bad = tmp_path / "bad.pem"
    bad.write_text("nothing")
    with pytest.raises(RingmainError, match="RM350"):
        Tls(bad, bad).context()
    with pytest.raises(RingmainError, match="RM350"):
        client_context(tmp_path / "missing.pem")


def test_a_credential_that_is_bound_to_a_certificate_is_good_with_it_alone(rig):
    token = rig.new_token("bound", certificate_sha256="ab" * 32)
    for connect in (rig.client, lambda token, **options: secure(rig, token, **options)):
        with pytest.raises(RingmainError, match="WRONG_CERTIFICATE"):
            connect(token, reconnect_s=0)


# Credentials.


def test_one_credential_is_one_session_whatever_the_door(rig):
    token = rig.new_token("single")
    old = rig.client(token, encoding="sbe")
    last = old.send(order(BUY, 3_000, 1))
    old.flush()
    new = secure(rig, token)
    with pytest.raises(RingmainError, match="TAKEN_OVER"):
        while True:
            old.poll(5)
    assert new.protocol.next_number == last + 1
    new.close()


def test_a_revoked_credential_logs_out_and_stays_out(rig):
    token = rig.new_token("leaver")
    client = rig.client(token)
    client.wait_answer(client.send(order(BUY, 3_000, 1)))
    assert credentials.revoke(rig.data, "exchange", "leaver") == 1
    with pytest.raises(RingmainError, match="TOKEN_REVOKED"):
        while True:
            client.poll(5)
    with pytest.raises(RingmainError, match=r"RM302.*TOKEN_REVOKED"):
        rig.client(token, reconnect_s=0)
    with pytest.raises(RingmainError, match="RM354"):
        credentials.revoke(rig.data, "exchange", "leaver")
    taken = {each.session_id for each in credentials.Credentials(rig.data).all()}
    rig.new_token("newcomer")
    newcomer = credentials.Credentials(rig.data).all()[-1]
    assert newcomer.session_id not in taken, "nobody inherits a session"


def test_a_credential_ends_in_its_time(rig):
    token = rig.new_token("guest", expires_s=int(time.time()) + 3)
    client = rig.client(token, encoding="sbe")
    with pytest.raises(RingmainError, match="TOKEN_EXPIRED"):
        while True:
            client.poll(5)
    with pytest.raises(RingmainError, match=r"RM302.*TOKEN_EXPIRED"):
        rig.client(token, reconnect_s=0)


def test_a_damaged_file_of_credentials_logs_nobody_out(rig):
    path, token = rig.data / credentials.FILE_NAME, rig.new_token("steady")
    with rig.client(token) as client:
        good = path.read_bytes()
        path.write_bytes(b"[{")
        time.sleep(1.5)  # the gateway looks once a second
        client.wait_answer(client.send(order(BUY, 3_000, 1)))
        path.write_bytes(good)


def test_no_secret_is_logged_or_kept(rig):
    token = rig.new_token("private")
    with rig.client(token):
        pass
    with pytest.raises(RingmainError) as refused:
        rig.client(token[:-1] + "!", reconnect_s=0)
    assert token[:-1] not in str(refused.value)
    key = (rig.data / "certificate.key").read_text().splitlines()[1]
    for file in rig.data.rglob("*"):
        if file.is_file() and file.suffix != ".key":
            data = file.read_bytes()
            assert token.encode() not in data, file
            assert key.encode() not in data, file
    assert (rig.data / credentials.FILE_NAME).stat().st_mode & 0o077 == 0


# Entitlements.


@pytest.fixture
def rules(rig):
    """Replace the rules; they are gone behind the test."""
    yield lambda *rules: entitlements.write(rig.data, rules)
    (rig.data / entitlements.FILE_NAME).unlink(missing_ok=True)
    time.sleep(1.5)


def rule(account_id, products=None, **values) -> Entitlement:
    first, last = products or (0, 2**32 - 1)
    return Entitlement("exchange", account_id, first, last, **values)


def refusal(client, number) -> str:
    heard = until(client, lambda e: e["record"] == "Refused" and e["session_number"] == number)
    return next(e["reason"] for e in heard if e["record"] == "Refused" and e["session_number"] == number)


def test_an_account_trades_its_own_products_alone(rig, rules):
    rules(rule(3, (1, 1)))
    for encoding in ("records", "sbe"):
        with rig.client(rig.new_token("narrow", account_id=3), encoding=encoding) as client:
            client.wait_answer(client.send(order(BUY, 3_000, 1)))
            assert refusal(client, client.send(order(BUY, 3_000, 1, product_id=2))) == "NOT_ENTITLED"
            number = client.send(order(BUY, 3_000, 1))
            assert names(client, client.wait_answer(number)) == ["OrderAccepted"]


def test_rights_change_while_a_session_runs_but_cancelling_stays(rig, rules):
    with rig.client(rig.new_token("changing", account_id=3)) as client:
        placed = client.send(order(BUY, 3_000, 5))
        client.send(order(BUY, 3_001, 5))
        client.settle()
        rules(rule(3, trade=False))
        time.sleep(1.5)
        assert refusal(client, client.send(order(BUY, 3_000, 1))) == "NOT_ENTITLED"
        replace = ReplaceOrder(order_number=placed, price_ticks=3_002, quantity_lots=9, expected_lots=0)
        until_known(client, replace)
        cancelled = client.send(CancelOrder(order_number=placed))
        assert names(client, client.wait_answer(cancelled)) == ["OrderCancelled"]
        client.wait_answer(client.send(MassCancel(product_id=0)))
        rules()
        time.sleep(1.5)
        client.wait_answer(client.send(order(BUY, 3_000, 1)))


def until_known(client, replace) -> None:
    """The first question has the gateway fold the tape; as soon as it has, the order is known as it is."""
    for _ in range(50):
        number = client.send(replace)
        client.settle()
        heard = [client.unpack(event) for event in client.poll()]
        if any(e["record"] == "Refused" and e["reason"] == "NOT_ENTITLED" for e in heard):
            return
        assert any(e["record"] == "OrderReplaced" and e["command_number"] == number for e in heard)
        time.sleep(0.05)
    raise AssertionError("the replacement is never refused")


def test_rules_for_others_hold_for_those_without_their_own(rig, rules):
    rules(rule(None, (2, 2)), rule(1))
    with rig.client(rig.new_token("ruled", account_id=1)) as one:
        one.wait_answer(one.send(order(BUY, 3_000, 1)))
    with rig.client(rig.new_token("unruled", account_id=3)) as other:
        assert refusal(other, other.send(order(BUY, 3_000, 1))) == "NOT_ENTITLED"
        other.wait_answer(other.send(order(BUY, 3_000, 1, product_id=2)))


SEEN = {
    "none": set(),
    "delayed": {"DELAYED_TOP", "DELAYED_TRADES"},
    "top": {"DELAYED_TOP", "DELAYED_TRADES", "TOP", "TRADES"},
    "prices": {"DELAYED_TOP", "DELAYED_TRADES", "TOP", "TRADES", "DEPTH"},
    "orders": {"DELAYED_TOP", "DELAYED_TRADES", "TOP", "TRADES", "DEPTH", "ORDERS"},
}


@pytest.mark.parametrize("level", SEEN)
def test_an_account_sees_as_much_as_its_level_and_nothing_of_other_products(rig, rules, level):
    rules(rule(3, (1, 1), data=level))
    asked = sorted(SEEN["orders"])
    with rig.client(rig.new_token("eyes", account_id=3, role="observer")) as client:
        for name in asked:
            for product_id in (1, 2):
                client.subscribe(messages.FEEDS[name], product_id)
        client.settle()
        refused = [client.unpack(event) for event in client.poll()]
        refused = [event for event in refused if event["record"] == "Refused"]
        # Live and delayed replace each other; what counts here is what was refused.
        assert {event["reason"] for event in refused} == {"NOT_ENTITLED"}
        assert len(refused) == 2 * len(asked) - len(SEEN[level])


def test_a_subscription_ends_with_the_right_to_it(rig, rules):
    with rig.client(rig.new_token("watcher", account_id=3, role="observer")) as client:
        client.subscribe(messages.ORDERS, 1)
        client.subscribe(messages.TOP, 1)
        until(client, lambda e: e["record"] == "SnapshotEnded" and e["feed"] == messages.TOP)
        rules(rule(3, data="top"))
        ended = until(client, lambda e: e["record"] == "SubscriptionEnded")[-1]
        assert (ended["feed"], ended["product_id"], ended["reason"]) == (messages.ORDERS, 1, "NOT_ENTITLED")
        with rig.client(rig.new_token("stirrer")) as stirrer:
            stirrer.wait_answer(stirrer.send(order(BUY, 4_999, 1)))
            heard = until(client, lambda e: e["record"] == "TopChanged")
        assert not [event for event in heard if event["record"] == "OrderShown"]


@pytest.mark.parametrize(
    "text", ["[{", '[{"market": "exchange"}]', '[{"market": "exchange", "account_id": -1}]',
             '[{"market": "exchange", "account_id": 1, "first_product": 5, "last_product": 4}]'],
)  # fmt: skip
def test_a_damaged_file_of_rules_changes_nothing_and_lets_nobody_new_in(rig, rules, text):
    rules(rule(3, (1, 1)))
    with rig.client(rig.new_token("inside", account_id=3)) as client:
        (rig.data / entitlements.FILE_NAME).write_text(text)
        time.sleep(1.2)
        client.wait_answer(client.send(order(BUY, 3_000, 1)))
        assert refusal(client, client.send(order(BUY, 3_000, 1, product_id=2))) == "NOT_ENTITLED"
        with pytest.raises(RingmainError, match="RM302"):
            rig.client(rig.new_token("outside", account_id=3), reconnect_s=0)


# Drop copy.


def test_a_drop_copy_gets_what_all_sessions_of_its_account_get_and_no_other(rig):
    with (
        rig.client(rig.new_token("copy", account_id=4, role="drop_copy")) as copy,
        rig.client(rig.new_token("left", account_id=4)) as left,
        secure(rig, rig.new_token("right", account_id=4), encoding="sbe") as right,
        rig.client(rig.new_token("stranger", account_id=2)) as stranger,
    ):
        time.sleep(1.5)  # the gateway looks for new sessions of the account once a second
        left.send(order(BUY, 4_800, 4))
        left.settle()
        right.send(order(BUY, 4_801, 4))
        right.settle()
        stranger.send(order(SELL, 4_800, 6, lasts=IOC))
        for client in (stranger, left, right, copy):
            client.settle()
        expected = sorted(market_rows(left.poll()) + market_rows(right.poll()))
        copied = pick_market(copy.poll())
        assert sorted(market_rows(copied)) == expected
        assert (np.diff(copied["sequence"]) >= 0).all()
        assert len(expected) == 4
        assert stranger.protocol.session_id not in copied["session_id"].tolist()
        again = resent(copy, int(copied["sequence"][0]))
        assert market_rows(again) == market_rows(copied)[1:]
        assert market_rows(resent(copy, 0))[-len(copied) :] == market_rows(copied)
        assert copy.protocol.next_number == 1, "others' numbers are not its own"


def pick_market(batch):
    return pick(batch, batch["kind"] < 0xFF00)


def resent(client, after_sequence: int):
    client.resend(after_sequence)
    client.settle()
    return pick_market(client.poll())


def test_a_drop_copy_only_reads(rig):
    with rig.client(rig.new_token("copyist", account_id=4, role="drop_copy")) as copy:
        assert refusal(copy, copy.send(order(BUY, 4_000, 1))) == "NOT_PERMITTED"


def test_a_drop_copy_misses_nothing_when_the_gateway_dies(rig):
    with (
        rig.client(rig.new_token("copy9", account_id=4, role="drop_copy")) as copy,
        rig.client(rig.new_token("busy", account_id=4, cancel_on_disconnect=False)) as busy,
    ):
        placed = []
        for step in range(6):
            placed += [busy.send(order(BUY, 4_000 + step, 1)) for _ in range(200)]
            busy.flush()
            if step == 3:
                rig.kill("gateway")
                rig.start("gateway")
            copy.poll(0.02)
        busy.settle()
        copy.settle()
        copy.resend(0)
        copy.settle()
        own = pick_market(copy.poll())
        own = pick(own, own["session_id"] == busy.protocol.session_id)
        assert sorted(own["session_number"][own["kind"] == 1].tolist()) == placed
