"""Market data to many: depth by price to a hundred subscribers, while a trader places and cancels evenly.

Four processes on one machine: a node of the exchange that calls fdatasync, a gateway, a trader, and one
process that holds all subscribers and reads what they are sent. The peer is an event loop that writes the
same messages to as many connections, one message at a time, as a first sketch of a feed does.

The engine does not know of subscribers; what they can take from it is time on its cores. So the same
orders are sent with and without them, and the node's processor time for each is compared, and how many
were answered a second.
"""

import asyncio
import contextlib
import json
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.figures import Row, row
from ringmain.client import Client
from ringmain.exchange.messages import (
    BUY,
    GOOD_FOR_SESSION,
    INSTRUMENT,
    LIMIT,
    CancelOrder,
    DefineProduct,
    Deposit,
    OpenAccount,
    OrderRejected,
    PlaceOrder,
    ScheduleProduct,
    schema,
)
from ringmain.gateway.app import read_ports
from ringmain.gateway.credentials import add_token
from ringmain.gateway.messages import DEPTH, layout_word, session_record

SUBSCRIBERS, PRODUCTS, PRICES = 100, 8, 500
ORDERS_A_SECOND, TICKS_A_SECOND = 40_000, 500
AGE_TICKS = 50  # an order is cancelled after so many
SECONDS, RUNS, PEER_MESSAGES = 5.0, 3, 1_000_000
START_S = 90.0
PEER_UNREAD_BYTES = 1 << 20
MESSAGE_BYTES = schema.record_bytes
PEER = "uvloop, a write a message"


def run(scale: float = 1.0) -> list[Row]:
    """Measure messages a second to all subscribers, and what they cost the engine."""
    seconds = max(SECONDS * scale, 1.0)
    told, answered, alone, spent, spent_alone = [], [], [], [], []
    with tempfile.TemporaryDirectory() as folder, _venue(Path(folder)) as venue:
        venue.trade(seconds)  # compiles, and touches every page
        for _ in range(RUNS):
            rate, cost, _ = venue.trade(seconds)
            alone.append(rate / 1e3)
            spent_alone.append(cost)
            with _Readers(venue.port, venue.tokens) as readers:
                before = readers.messages()
                rate, cost, begun = venue.trade(seconds)
                told.append((readers.settled() - before) / (readers.last_s() - begun) / 1e6)
            answered.append(rate / 1e3)
            spent.append(cost)
    theirs = [_peer(max(int(PEER_MESSAGES * scale), 100_000)) / 1e6 for _ in range(RUNS)]
    name = f"fan-out, {SUBSCRIBERS} subscribers"
    return [
        row(f"{name}, messages in all", told, "M/s", PEER, theirs),
        row(f"{name}, orders answered beside", answered, "k/s", "no subscribers", alone),
        row(f"{name}, the node's time an order", spent, "µs", "no subscribers", spent_alone),
    ]


@contextlib.contextmanager
def _venue(data: Path) -> Iterator["_Venue"]:
    """Run a node and a gateway."""
    operator = add_token(data, "exchange", 0, "operator", role="operator")
    trader = add_token(data, "exchange", 1, "trader")
    tokens = [add_token(data, "exchange", 2, f"eyes{n}", role="observer") for n in range(SUBSCRIBERS)]
    parts = [_start("node", "exchange", data=data), _start("gateway", data=data)]
    try:
        deadline = time.monotonic() + START_S
        while not (port := read_ports(data).get("exchange", 0)):
            assert time.monotonic() < deadline, "the gateway does not come up"
            time.sleep(0.1)
        with Client.connect("127.0.0.1", port, operator, schema) as client:
            for command in _setup():
                client.send(command)
            client.settle()
        with Client.connect("127.0.0.1", port, trader, schema) as client:
            yield _Venue(port, tokens, client, parts[0].pid)
    finally:
        for part in reversed(parts):
            part.terminate()
            part.wait(30)


def _start(*arguments: str, data: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ringmain.cli", *arguments, "--data", str(data)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def _setup() -> list[Any]:
    limit = 1_000_000_000
    commands: list[Any] = [
        OpenAccount(credit_minor=10**14, long_limit_lots=limit, short_limit_lots=limit, account_id=1),
        Deposit(amount_minor=10**14, account_id=1),
    ]
    for product_id in range(1, PRODUCTS + 1):
        commands += [
            DefineProduct(
                delivery_start_ns=0, product_id=product_id, value_minor=1, reference_price_ticks=5_000,
                market_range_ticks=1_000, product_kind=INSTRUMENT,
            ),
            ScheduleProduct(auction_ns=0, gate_closure_ns=0, product_id=product_id),
        ]  # fmt: skip
    return commands


class _Venue:
    """A running venue and a trader who is logged in."""

    def __init__(self, port: int, tokens: list[str], client: Client, node: int) -> None:
        self.port, self.tokens, self._client, self._node = port, tokens, client, node
        self._dice = np.random.default_rng(1)

    def trade(self, seconds: float) -> tuple[float, float, float]:
        """Send evenly; return orders answered a second, the node's µs for each, and when it began."""
        client, first = self._client, self._client.protocol.next_number
        a_tick = ORDERS_A_SECOND // TICKS_A_SECOND // 2 * 2
        batches = self._batches(int(seconds * TICKS_A_SECOND), a_tick, first)
        spent, begun = _processor_ns(self._node), time.perf_counter()
        for tick, batch in enumerate(batches):
            due = begun + tick / TICKS_A_SECOND
            while (remaining := due - time.perf_counter()) > 0:
                _check(client.poll(remaining))
            client.send_batch(batch)
            client.flush()
        while client.protocol.answered < client.protocol.next_number - 1:
            _check(client.poll(1.0))
        count, elapsed = client.protocol.next_number - first, time.perf_counter() - begun
        spent = _processor_ns(self._node) - spent
        client.settle()
        return count / elapsed, spent / count / 1e3, begun

    def _batches(self, ticks: int, a_tick: int, first: int) -> list[Any]:
        """Make ticks of new orders and of cancels of those that are old enough."""
        batches = []
        for tick in range(ticks + AGE_TICKS):
            places = np.zeros(a_tick // 2 if tick < ticks else 0, PlaceOrder.dtype)
            PlaceOrder.stamp(places)
            places["side"], places["order_type"], places["time_in_force"] = BUY, LIMIT, GOOD_FOR_SESSION
            places["quantity_lots"] = self._dice.integers(1, 50, places.size)
            places["product_id"] = self._dice.integers(1, PRODUCTS + 1, places.size)
            places["price_ticks"] = self._dice.integers(1_000, 1_000 + PRICES, places.size)
            cancels = np.zeros(a_tick // 2 if tick >= AGE_TICKS else 0, CancelOrder.dtype)
            CancelOrder.stamp(cancels)
            cancels["order_number"] = self._numbers(tick - AGE_TICKS, a_tick, ticks, first)[: cancels.size]
            data = places.tobytes() + cancels.tobytes()
            batches.append(np.frombuffer(bytearray(data), schema.header))
        return batches

    def _numbers(self, tick: int, a_tick: int, ticks: int, first: int) -> Any:
        """Return the numbers of a tick's new orders: before AGE_TICKS there are no cancels between them."""
        half = a_tick // 2
        before = min(max(tick, 0), AGE_TICKS) * half + max(tick - AGE_TICKS, 0) * a_tick
        return first + before + np.arange(half)


def _check(events: Any) -> None:
    assert not (events["kind"] == OrderRejected.kind).any(), "an order was rejected"


def _processor_ns(process: int) -> int:
    """Return the time that all threads of a process have run."""
    tasks = Path(f"/proc/{process}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks)


class _Readers:
    """A process with all subscribers."""

    def __init__(self, port: int, tokens: list[str]) -> None:
        self._arguments = json.dumps([port, tokens])

    def __enter__(self) -> "_Readers":
        command = [sys.executable, "-m", "bench.fanout", "read", self._arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._ask()
        return self

    def __exit__(self, *failure: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    def messages(self) -> int:
        """Return how many messages have come so far."""
        return int(self._ask()[0])

    def last_s(self) -> float:
        """Return when the last one came."""
        return float(self._ask()[1])

    def settled(self) -> int:
        """Wait until nothing more comes; return how many messages have come."""
        count = -1
        while (more := self.messages()) != count:
            count = more
            time.sleep(0.5)
        return count

    def _ask(self) -> list[float]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("?\n")
        self._process.stdin.flush()
        answer: list[float] = json.loads(self._process.stdout.readline())
        return answer


def _read(port: int, tokens: list[str]) -> None:
    """Subscribe with every token, then count bytes; answer each line on stdin."""
    selector, buffer = selectors.DefaultSelector(), bytearray(1 << 20)
    for token in tokens:
        selector.register(_subscriber(port, token), selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    size, last_s = 0, time.perf_counter()
    while True:
        for key, _ in selector.select():
            if key.fileobj is sys.stdin:
                if not sys.stdin.readline():
                    return
                print(json.dumps([size // MESSAGE_BYTES, last_s]), flush=True)
                continue
            assert isinstance(key.fileobj, socket.socket)
            count = key.fileobj.recv_into(buffer)
            assert count, "a subscriber was disconnected"
            if count > MESSAGE_BYTES:  # a heartbeat is not market data
                size, last_s = size + count, time.perf_counter()


def _subscriber(port: int, token: str) -> socket.socket:
    """Log in and follow the depth of every product; the gateway is silent afterwards until it changes."""
    endpoint = socket.create_connection(("127.0.0.1", port), timeout=START_S)
    record = session_record(schema.slots, "Login")
    login = record(token=token.encode(), layout=layout_word(schema), heartbeat_ms=60_000)
    endpoint.sendall(login.tobytes())
    subscribe = session_record(schema.slots, "Subscribe")
    wanted = [subscribe(product_id=product, feed=DEPTH).tobytes() for product in range(1, PRODUCTS + 1)]
    endpoint.sendall(b"".join(wanted))
    snapshots, rest = 0, b""
    while snapshots < PRODUCTS:
        rest += endpoint.recv(1 << 16)
        whole = len(rest) // MESSAGE_BYTES
        frames = np.frombuffer(rest, schema.header, whole)
        snapshots += int((frames["kind"] == 0xFEA2).sum())
        rest = rest[whole * MESSAGE_BYTES :]
    endpoint.setblocking(False)
    return endpoint


def _peer(count: int) -> float:
    """Return messages a second of the peer."""
    command = [sys.executable, "-m", "bench.fanout", "peer", json.dumps([count])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        selector, buffer, size = selectors.DefaultSelector(), bytearray(1 << 20), 0
        endpoints = [socket.create_connection(("127.0.0.1", port)) for _ in range(SUBSCRIBERS)]
        begun = time.perf_counter()
        for endpoint in endpoints:
            selector.register(endpoint, selectors.EVENT_READ)
        while size < count * MESSAGE_BYTES:
            for key, _ in selector.select():
                assert isinstance(key.fileobj, socket.socket)
                size += key.fileobj.recv_into(buffer)
        elapsed = time.perf_counter() - begun
        for endpoint in endpoints:
            endpoint.close()
    return count / elapsed


async def _serve_peer(count: int) -> None:
    transports: list[asyncio.Transport] = []

    class Sender(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            transports.append(transport)

    server = await asyncio.get_running_loop().create_server(Sender, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while len(transports) < SUBSCRIBERS:
        await asyncio.sleep(0.01)
    message = bytes(MESSAGE_BYTES)
    for _ in range(count // SUBSCRIBERS):
        for transport in transports:
            transport.write(message)
        await asyncio.sleep(0)  # the next event, at the loop's next turn
        while any(transport.get_write_buffer_size() > PEER_UNREAD_BYTES for transport in transports):
            await asyncio.sleep(0.001)
    while not all(transport.is_closing() for transport in transports):
        await asyncio.sleep(0.01)


if __name__ == "__main__":
    import uvloop

    if sys.argv[1] == "read":
        _read(*json.loads(sys.argv[2]))
    else:
        uvloop.run(_serve_peer(*json.loads(sys.argv[2])))
