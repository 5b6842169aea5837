"""Wire to wire: orders into a gateway over loopback TCP, answers back, durable on the disk in between.

Three processes on one machine: a node of the exchange that calls fdatasync before anything is
answered, a gateway, and the client library. The peer is an event loop that sends every frame
straight back: what the same bytes cost without session, ring, journal, matching and tape.
"""

import asyncio
import json
import select
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.figures import Row, alternate, row
from bench.memory import touch_memory
from ringmain.client import Client
from ringmain.exchange.messages import (
    BUY,
    GOOD_FOR_SESSION,
    INSTRUMENT,
    IOC,
    LIMIT,
    SELL,
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

ORDERS = 2_000_000
BATCH_ORDERS = 4_096
PACED_ORDERS_A_SECOND, TICKS_A_SECOND = 100_000, 1_000
PACED_S = 10.0
RUNS = 5
START_S = 90.0
PEER = "echo by uvloop"


def run(scale: float = 1.0) -> list[Row]:
    """Measure orders a second, pipelined; and the time to an answer at 100,000 orders a second."""
    count = max(int(ORDERS * scale), 50_000) // BATCH_ORDERS * BATCH_ORDERS
    with tempfile.TemporaryDirectory() as folder, _Venue(Path(folder)) as venue, _Echo() as echo:
        venue.pipeline(count)  # compiles, and touches every page
        ours, theirs = alternate(
            RUNS, lambda: venue.pipeline(count) / 1e6, lambda: echo.pipeline(count * 64) / 64e6
        )
        touch_memory()
        paced = [venue.pace(PACED_S * min(scale, 1.0)) for _ in range(3)]
        p50, p99 = ([float(np.quantile(run, q)) / 1e3 for run in paced] for q in (0.5, 0.99))
    return [
        row("wire to wire, pipelined, fdatasync before each answer", ours, "M orders/s", PEER, theirs),
        row("wire to wire, 100k/s, p50, fdatasync", p50, "µs"),
        row("wire to wire, 100k/s, p99, fdatasync", p99, "µs"),
    ]


def orders(count: int, first_number: int) -> Any:
    """Make commands in fours: a bid, an offer above it, an offer that takes the bid, a cancel."""
    assert count % 4 == 0
    batch = np.zeros(count, PlaceOrder.dtype)
    PlaceOrder.stamp(batch)
    batch["price_ticks"], batch["quantity_lots"], batch["product_id"] = 5_000, 10, 1
    batch["side"], batch["order_type"], batch["time_in_force"] = BUY, LIMIT, GOOD_FOR_SESSION
    batch["side"][1::4], batch["price_ticks"][1::4] = SELL, 5_010
    batch["side"][2::4], batch["time_in_force"][2::4] = SELL, IOC
    cancels = np.zeros(count // 4, CancelOrder.dtype)
    CancelOrder.stamp(cancels)
    cancels["order_number"] = first_number + np.arange(1, count, 4)
    words, cancel_words = (array.view(np.int64).reshape(array.size, -1) for array in (batch, cancels))
    words[3::4] = cancel_words
    return batch


class _Venue:
    """A node, a gateway and a client that is logged in to trade."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def __enter__(self) -> "_Venue":
        operator_token = add_token(self._data, "exchange", 0, "operator", role="operator")
        token = add_token(self._data, "exchange", 1, "trader")
        self._node = self._start("node", "exchange")
        self._gateway = self._start("gateway")
        try:
            self._log_in(operator_token, token)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        self._client.close()
        self._stop()

    def _log_in(self, operator_token: str, token: str) -> None:
        deadline = time.monotonic() + START_S
        while not (port := read_ports(self._data).get("exchange", 0)):
            assert time.monotonic() < deadline, "the gateway does not come up"
            time.sleep(0.1)
        with Client.connect("127.0.0.1", port, operator_token, schema) as operator:
            for command in _setup():
                operator.send(command)
            operator.settle()
        self._client = Client.connect("127.0.0.1", port, token, schema)

    def _stop(self) -> None:
        for process in (self._gateway, self._node):
            process.terminate()
            process.wait(30)

    def pipeline(self, count: int) -> float:
        """Send so many orders as fast as they are taken; return orders a second until the last answer."""
        client, first = self._client, self._client.protocol.next_number
        batches = [orders(BATCH_ORDERS, first + place) for place in range(0, count, BATCH_ORDERS)]
        begin = time.perf_counter()
        for batch in batches:
            client.send_batch(batch)
            _check(client.protocol.take_events())
        while client.protocol.answered < first + count - 1:
            _check(client.poll(1.0))
        elapsed = time.perf_counter() - begin
        client.settle()
        _check(client.poll())
        return count / elapsed

    def pace(self, seconds: float) -> Any:
        """Send evenly, sleeping in between; return the time to the answer of each order, in ns."""
        client, first = self._client, self._client.protocol.next_number
        a_tick = PACED_ORDERS_A_SECOND // TICKS_A_SECOND // 4 * 4
        interval = a_tick / PACED_ORDERS_A_SECOND
        ticks = int(seconds / interval)
        sent, heard = np.zeros(ticks * a_tick, np.int64), np.zeros(ticks * a_tick, np.int64)
        batches = [orders(a_tick, first + tick * a_tick) for tick in range(ticks)]
        begin = time.perf_counter()
        for tick, batch in enumerate(batches):
            due = begin + tick * interval
            while (remaining := due - time.perf_counter()) > 0:
                self._hear(client.poll(remaining), first, heard)
            sent[tick * a_tick : (tick + 1) * a_tick] = time.perf_counter_ns()
            client.send_batch(batch)
            client.flush()
        while client.protocol.answered < first + sent.size - 1:
            self._hear(client.poll(1.0), first, heard)
        return heard - sent

    def _hear(self, events: Any, first: int, heard: Any) -> None:
        if not events.size:
            return
        now = time.perf_counter_ns()
        _check(events)
        places = self._client.protocol.causes(events) - first
        places = places[(places >= 0) & (places < heard.size)]
        heard[places[heard[places] == 0]] = now

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "ringmain.cli", *arguments, "--data", str(self._data)]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def _check(events: Any) -> None:
    assert not (events["kind"] == OrderRejected.kind).any(), "an order was rejected"


def _setup() -> list[Any]:
    """Open one account and one instrument without end."""
    limit = 1_000_000_000
    return [
        OpenAccount(credit_minor=10**14, long_limit_lots=limit, short_limit_lots=limit, account_id=1),
        Deposit(amount_minor=10**14, account_id=1),
        DefineProduct(
            delivery_start_ns=0, product_id=1, value_minor=1, reference_price_ticks=5_000,
            market_range_ticks=1_000, product_kind=INSTRUMENT,
        ),
        ScheduleProduct(auction_ns=0, gate_closure_ns=0, product_id=1),
    ]  # fmt: skip


class _Echo:
    """The peer: a process that sends back what it receives."""

    def __enter__(self) -> "_Echo":
        command = [sys.executable, "-m", "bench.wire"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._socket = socket.create_connection(("127.0.0.1", json.loads(self._process.stdout.readline())))
        self._socket.setblocking(False)
        return self

    def __exit__(self, *failure: object) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.wait(10)

    def pipeline(self, size: int) -> float:
        """Send so many bytes and take them back; return bytes a second."""
        chunk, buffer = memoryview(bytes(BATCH_ORDERS * 64)), bytearray(1 << 20)
        sent = received = 0
        begin = time.perf_counter()
        while received < size:
            writing = [self._socket] if sent < size else []
            readable, writable, _ = select.select([self._socket], writing, [])
            if writable:
                sent += self._socket.send(chunk[: size - sent])
            if readable:
                received += self._socket.recv_into(buffer)
        return size / (time.perf_counter() - begin)


class _EchoProtocol(asyncio.BufferedProtocol):
    def __init__(self) -> None:
        self._buffer = bytearray(1 << 18)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return memoryview(self._buffer)

    def buffer_updated(self, count: int) -> None:
        self._transport.write(bytes(memoryview(self._buffer)[:count]))


async def _serve_echo() -> None:
    server = await asyncio.get_running_loop().create_server(_EchoProtocol, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve_echo())
