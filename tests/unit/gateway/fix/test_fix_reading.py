"""The kernel that reads plain orders beside the plain way: the same stream, the same decisions."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
from fix_bytes import START, VENUE, logon, message, order

from ringmain.exchange.messages import schema
from ringmain.gateway.credentials import Credential
from ringmain.gateway.fix import receiving
from ringmain.gateway.fix.application import Application as Desk
from ringmain.gateway.fix.codec import parse, timestamp
from ringmain.gateway.fix.limits import Limits
from ringmain.gateway.fix.member import Member
from ringmain.gateway.fix.receiving import Receiver
from ringmain.gateway.fix.session import Application, Session
from ringmain.gateway.fix.store import Store

TIMES = (52, 60, 17)  # differ from run to run


class Taken:
    """The door as far as receiving needs it: what would go into the ring is kept."""

    def __init__(self, folder, is_plain_only: bool) -> None:
        self.limits, self.is_refused = Limits(), False
        self.commands: list[bytes] = []
        self.market_data = SimpleNamespace(request=None, list_securities=None, request_status=None)
        self.desk = Desk(self)
        credential = Credential("", "exchange", 7, 1, "trader")
        self.member = Member(credential, Store(folder), VENUE)
        self.session = Session(b"FIX.4.4", VENUE, b"CLIENT", 1, 1, self.limits)
        self.member.session, self.member.is_open = self.session, True
        self.said: list[bytes] = []
        self.member.flush = self.keep
        self.receiver = Receiver(self)
        if is_plain_only:
            self.receiver._plain_orders = lambda *arguments: 0
        self.session.log_on(parse(logon(1)), START)
        self.keep(START)

    def keep(self, now_ns) -> None:
        self.said += [data for data, _ in self.session.outbox]
        self.session.outbox = []

    def offer(self, member) -> bool:
        return True

    def offer_fresh(self, member, words) -> None:
        member.offered += words.shape[0]
        self.commands += [row.tobytes() for row in words]

    def obey(self, member, events, now_ns) -> None:
        for event in events:
            if isinstance(event, Application):
                self.desk.handle(member, event.message, now_ns)

    def send(self, data: bytes) -> int:
        return self.receiver.receive(self.member, np.frombuffer(data, np.uint8))

    def answers(self):
        return [[pair for pair in parse(raw).fields if pair[0] not in TIMES] for raw in self.said]

    def entries(self):
        store = self.member.store
        rows = store.entries[: store.last - store.first + 1]
        return [row.tobytes() for row in rows]


def cancel(number, name, original, **changes):
    fields = {11: name, 41: original, 55: b"1", 54: b"1", 60: timestamp(START), 38: b"1.0"}
    fields |= {int(key[1:]): value for key, value in changes.items()}
    head = {f"_{tag}": fields.pop(tag) for tag in (49, 52) if tag in fields}
    return message(b"F", number, [(tag, value) for tag, value in fields.items() if value is not None], **head)


ODD = (
    {"_44": b"-5.5"}, {"_44": b"50.005"}, {"_44": b"x"}, {"_44": None},
    {"_40": b"1", "_59": b"3", "_44": None},
    {"_38": b"0.1"}, {"_38": b"0.15"}, {"_38": b"99999999999"}, {"_38": b""}, {"_54": b"2"}, {"_54": b"3"},
    {"_55": b"2"}, {"_55": b"02"}, {"_55": b"POWER"}, {"_59": None}, {"_59": b"6"}, {"_58": b"hello"},
    {"_110": b"1"}, {"_9001": b"1"},  {"_60": b"never"}, {"_40": b"2"},
     {"_11": b"n" * 49}, {"_11": b"n" * 48}, {"_1": b"account"}, {"_21": b""}, {"_37": b"x"},
)  # fmt: skip


FATAL = ({"_52": b"20200101-00:00:00"}, {"_49": b"OTHER"})


def stream(dice: random.Random, length: int) -> list[bytes]:
    """Make orders and cancels, most of them plain."""
    pieces, number, names = [], 2, [b"none"]
    for _ in range(length):
        name = dice.choice(names) if dice.random() < 0.03 else b"N%d" % len(names)
        changes = dice.choice(ODD) if dice.random() < 0.15 else {}
        changes = dice.choice(FATAL) if dice.random() < 0.002 else changes
        kind = dice.random()
        if kind < 0.3:
            usual = {key: value for key, value in changes.items() if key not in ("_44", "_40", "_59", "_21")}
            raw = cancel(number, name, dice.choice(names), **usual)
        elif kind < 0.33:
            raw = message(b"0", number)
        else:
            raw = order(number, **({"_11": name} | changes))
        names.append(changes.get("_11", name))
        if dice.random() < 0.01:
            harmed = bytearray(raw)
            harmed[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
            raw = bytes(harmed)
        pieces.append(raw)
        number += 3 if dice.random() < 0.005 else 1
        if number % 8 == 0:  # a gap is given up: otherwise nothing would be taken behind it
            pieces.append(message(b"4", number, [(36, b"%d" % number)]))
    return pieces


@pytest.fixture(autouse=True)
def still_time(monkeypatch):
    monkeypatch.setattr(receiving.time, "time_ns", lambda: START)


@pytest.mark.parametrize("seed", range(30))
def test_the_same_commands_entries_and_answers(tmp_path, seed):
    dice = random.Random(seed)
    data = b"".join(stream(dice, 250))
    both = [Taken(tmp_path / "kernel", False), Taken(tmp_path / "plain", True)]
    for taken in both:
        pieces, held, place = random.Random(seed), b"", 0
        while place < len(data):
            size = pieces.randint(1, 5_000)
            held += data[place : place + size]
            place += size
            held = held[taken.send(held) :]
    kernel, plain = both
    assert kernel.commands
    assert kernel.commands == plain.commands
    assert kernel.entries() == plain.entries()
    assert kernel.answers() == plain.answers()
    assert kernel.session.next_in == plain.session.next_in
    assert kernel.member.store.next_in == plain.member.store.next_in


def test_the_kernel_is_what_takes_plain_orders(tmp_path, monkeypatch):
    taken = Taken(tmp_path, False)
    monkeypatch.setattr(taken.receiver, "_one", lambda *arguments: pytest.fail("not plain?"))
    data = b"".join(order(number, b"N%d" % number) for number in range(2, 102))
    assert taken.send(data) == len(data)
    data = cancel(102, b"C", b"N5") + cancel(103, b"C2", b"N6", _38=None)
    assert taken.send(data) == len(data)
    names = [schema.unpack_command(np.frombuffer(each, np.uint8))["record"] for each in taken.commands]
    assert names == ["PlaceOrder"] * 100 + ["CancelOrder"] * 2
    assert taken.member.store.find(b"N101") == 100
    assert taken.member.store.find(b"C2") == 102
