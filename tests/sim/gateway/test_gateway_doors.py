"""Other ways in: SBE and TLS; real processes."""

import asyncio
import contextlib
import hashlib
import random
import socket
import ssl
import time
from collections import deque

import numpy as np
import pytest
from gateway_rig import secure
from gateway_venue import data_until, follow, market_rows, names, order

from ringmain.client import AsyncClient
from ringmain.core.errors import RingmainError
from ringmain.exchange.messages import (
    BUY,
    IOC,
    SELL,
    OrderFilled,
    schema,
)
from ringmain.gateway import messages
from ringmain.gateway.certificate import make
from ringmain.gateway.sbe import Layout, Transcoder
from ringmain.gateway.tls import Tls, client_context

WAIT_S = 20


pytestmark = pytest.mark.usefixtures("others_are_served")


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


def test_market_data_over_sbe_is_that_over_records(rig):
    with (
        rig.client(rig.new_token("eye1", role="observer")) as one,
        rig.client(rig.new_token("eye2", role="observer"), encoding="sbe") as two,
        rig.client(rig.new_token("mover")) as mover,
    ):
        for client in (one, two):
            follow(client, (messages.DEPTH, messages.ORDERS, messages.TOP), 2)
        for price in range(4_000, 4_030):
            mover.send(order(BUY, price, 1, product_id=2))
        mover.settle()
        heard = [
            data_until(client, lambda e: e["record"] == "TopChanged" and e["bid_ticks"] == 4_029)
            for client in (one, two)
        ]
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
        await AsyncClient.connect("127.0.0.1", rig.tls_port, "x", schema, tls=client_context(), reconnect_s=0)

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
    with secure(rig, rig.new_token(f"after {seed}")) as client:
        client.wait_answer(client.send(order(BUY, 1, 1)))


def test_half_a_handshake_is_not_waited_for(rig):
    with socket.create_connection(("127.0.0.1", rig.tls_port), timeout=WAIT_S) as raw:
        raw.sendall(b"\x16\x03\x01")
        with contextlib.suppress(ConnectionResetError):
            assert raw.recv(100) == b""


def test_files_that_are_no_certificate_are_named(tmp_path):
    bad = tmp_path / "bad.pem"
    bad.write_text("nothing")
    with pytest.raises(RingmainError, match="RM350"):
        Tls(bad, bad).context()
    with pytest.raises(RingmainError, match="RM350"):
        client_context(tmp_path / "missing.pem")


def test_a_gateway_that_asks_for_a_clients_certificate_lets_no_other_in(rig):
    """The same venue, with its gateway begun anew."""
    certificate, key = make(rig.data / "clients", ["client"])
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.read_text())).hexdigest()
    rig.stop("gateway")
    rig.start("gateway")
    try:
        server = rig.data / "certificate.pem"
        bound = rig.new_token("own key", certificate_sha256=digest)
        with secure(rig, bound, tls=client_context(server, certificate, key)) as client:
            client.wait_answer(client.send(order(BUY, 1, 1)))
        with pytest.raises(RingmainError, match="RM301"):
            secure(rig, bound, tls=client_context(server), reconnect_s=0)
        with pytest.raises(RingmainError, match="WRONG_CERTIFICATE"):
            rig.client(bound, reconnect_s=0)
    finally:
        certificate.unlink()
        rig.stop("gateway")
        rig.start("gateway")


def test_a_credential_that_is_bound_to_a_certificate_is_good_with_it_alone(rig):
    token = rig.new_token("bound", certificate_sha256="ab" * 32)
    for connect in (rig.client, lambda token, **options: secure(rig, token, **options)):
        with pytest.raises(RingmainError, match="WRONG_CERTIFICATE"):
            connect(token, reconnect_s=0)
