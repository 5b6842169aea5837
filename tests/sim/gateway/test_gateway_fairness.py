"""The fairness rule: no door shows anything before another, and none is always served first."""

import numpy as np
import pytest
from gateway_rig import Rig, secure
from gateway_venue import data_until, follow, order, set_up

from ringmain.client import pick
from ringmain.exchange.messages import BUY, IOC, SELL, OrderFilled, schema
from ringmain.gateway import messages
from ringmain.gateway.credentials import Credentials, add_token
from ringmain.gateway.fanout import Fanout
from ringmain.gateway.limits import Limits
from ringmain.gateway.port import Port

KINDS = {record.name: kind for kind, record in messages.gateway_schema(1).events.items()}


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    rig = Rig(tmp_path_factory.mktemp("venue"), "exchange", is_secure=True)
    set_up(rig)
    yield rig
    rig.close()


class Wire:
    """A connection that notes in one list, shared by all, what the port writes and to whom."""

    def __init__(self, port: Port, name: str, written: list) -> None:
        self.port, self.name, self.written = port, name, written
        self.session, self.is_writable, self.certificate_sha256 = None, True, ""

    def write(self, data: bytes) -> None:
        self.written.append((self.name, np.frombuffer(data, schema.header)))

    def take_held(self) -> None:
        pass

    def end(self) -> None:
        pass

    def say(self, *records) -> None:
        frames = schema.batch(records)
        assert self.port.receive(self, frames) == frames.size


def log_in(port: Port, wire: Wire, token: str) -> None:
    layout = messages.layout_word(schema)
    login = messages.session_record(1, "Login")
    wire.say(login(token=token.encode(), layout=layout, heartbeat_ms=60_000))
    pump_until(port, lambda: wire.session is not None and wire.session.phase == 1)


def pump_until(port: Port, is_so) -> None:
    for _ in range(2_000):
        port.pump()
        if is_so():
            return
        port.tape.wait(0.01)
    raise AssertionError("it does not come")


def test_public_data_never_runs_ahead_of_the_owners_events(rig):
    """The port itself, on a live node's ring and tape, one pump at a time."""
    rig.kill("gateway")
    written: list = []
    token = add_token(rig.data, "exchange", 1, "owner")
    eyes = add_token(rig.data, "exchange", 2, "fast eyes", role="observer")
    port = Port(rig.data / "exchange", schema, Credentials(rig.data), Limits())
    try:
        owner, watcher = Wire(port, "owner", written), Wire(port, "watcher", written)
        log_in(port, owner, token)
        log_in(port, watcher, eyes)
        subscribe = messages.session_record(1, "Subscribe")
        for feed in (messages.DEPTH, messages.ORDERS, messages.TRADES, messages.TOP):
            watcher.say(subscribe(product_id=1, feed=feed))
        pump_until(port, lambda: any((f["kind"] == KINDS["SnapshotEnded"]).sum() for _, f in written))
        written.clear()
        number = 1
        for step in range(60):  # more is on the tape than one pump takes
            price = 4_000 + step
            owner.say(*(numbered(order(BUY, price, 2), number + 2 * step),))
            owner.say(*(numbered(order(SELL, price, 1, lasts=IOC), number + 2 * step + 1),))
            if step % 7 == 0:
                port.pump()
        pump_until(port, lambda: last(written, "watcher") >= last(written, "owner") > 0 and settled(port))
        told = 0
        for name, frames in written:
            if name == "owner":
                told = max(told, int(frames["sequence"].max()))
            else:
                assert int(frames["sequence"].max()) <= told, "the public saw it first"
        assert told > 0
    finally:
        port.close()
        rig.start("gateway")


def numbered(record, number: int):
    record["session_number"] = number
    return record


def last(written: list, name: str) -> int:
    own = [int(frames["sequence"].max()) for who, frames in written if who == name]
    return own[-1] if own else 0


def settled(port: Port) -> bool:
    return not port.has_more


def test_no_session_is_always_told_first():
    fanout, dice = Fanout(schema), np.random.default_rng(3)
    sessions = (3, 7, 11, 4_000)
    for session_id in sessions:
        fanout.listen(session_id, True)
    firsts = []
    for _ in range(40):
        events = schema.empty(64)
        events["session_id"] = dice.choice(sessions, 64)
        order_told = [session_id for session_id, _, _ in fanout.sort(events)]
        assert sorted(order_told) == sorted(set(events["session_id"].tolist()))
        firsts.append(order_told[0])
    assert {firsts.count(session_id) for session_id in sessions} == {10}


def test_every_door_is_told_the_same_in_the_same_order(rig):
    doors = {
        "records": rig.client,
        "sbe": lambda token: rig.client(token, encoding="sbe"),
        "tls": lambda token: secure(rig, token),
        "tls+sbe": lambda token: secure(rig, token, encoding="sbe"),
    }
    eyes = {
        name: connect(rig.new_token(f"eyes at {name}", role="observer")) for name, connect in doors.items()
    }
    for client in eyes.values():
        follow(client, (messages.DEPTH, messages.ORDERS, messages.TRADES, messages.STATISTICS), 2)
    with rig.client(rig.new_token("maker")) as maker, rig.client(rig.new_token("taker")) as taker:
        for step in range(50):
            maker.send(order(BUY, 4_000 + step, 3, product_id=2))
            maker.settle()
            taker.send(order(SELL, 4_000 + step, 1, product_id=2, lasts=IOC))
            taker.settle()
        maker.send(order(BUY, 3_999, 1, product_id=2))
        maker.settle()
    heard = {
        name: data_until(client, lambda e: e["record"] == "LevelChanged" and e["price_ticks"] == 3_999)
        for name, client in eyes.items()
    }
    shortest = min(map(len, heard.values()))  # the maker's leaving may have come already
    assert shortest > 150
    assert all(records[:shortest] == heard["records"][:shortest] for records in heard.values())


def test_a_drop_copy_is_told_what_the_owner_is_told_no_more_and_no_sooner(rig):
    with (
        secure(rig, rig.new_token("copy", role="drop_copy")) as copy,
        rig.client(rig.new_token("one"), encoding="sbe") as one,
    ):
        one.send(order(BUY, 4_700, 3))
        one.send(order(SELL, 4_700, 3, lasts=IOC))
        one.settle()
        copy.settle()
        mine = pick_fills(one.poll())
        copied = pick_fills(copy.poll())
        assert mine == copied != []


def pick_fills(batch) -> list[bytes]:
    return [row.tobytes() for row in pick(batch, batch["kind"] == OrderFilled.kind)]
