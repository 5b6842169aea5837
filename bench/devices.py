"""Devices: telemetry from two thousand websockets, and how soon as many hear what was decided for all.

Five processes on one machine: a node of the fleet (durability `process`), its gateway, the devices' gateways,
one that holds the devices' ends of all connections, and the bench. A message is one frame with one record,
written to its socket by itself; the clock stops when the node has dealt with the last one. The peer is a bare
picows server, which counts the same frames from as many connections and does nothing else. A decision is a
tick of the fleet that gives all of its hundred thousand assets a set-point; its time is that of the first
set-point on the tape, and it is over when the devices have read the last frame.
"""

import asyncio
import contextlib
import mmap
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

from bench.figures import Row, row
from bench.fleet import many
from ringmain.client import Client
from ringmain.client.devices.serve import PORTS_FILE, Options, Service
from ringmain.client.devices.serve import read_ports as read_device_ports
from ringmain.core.clock import Clock
from ringmain.core.engine import Machine
from ringmain.core.tape import TapeReader
from ringmain.gateway.app import read_ports
from ringmain.gateway.credentials import add_token
from ringmain.gateway.devices import frames
from ringmain.gateway.devices.leases import SETPOINT_ACCEPTED
from ringmain.gateway.devices.links import Link, LinkAsset, add_links
from ringmain.gateway.devices.sockets import SocketLimits
from ringmain.vpp.engine import MARKET_OF_MANY
from ringmain.vpp.messages import SCHEMA, RegisterBattery, SetpointIssued, SetRhythm, SetTarget

LINKS, ASSETS_A_LINK = 2_000, 50
ASSETS = LINKS * ASSETS_A_LINK
MESSAGES, RUNS = 800_000, 3
DEVICE_ACCOUNT = 2
START_S, WAIT_S, ANSWERS_S = 120.0, 60.0, 10.0
PIECE = 8_192
MASKED = 0x80
TOKENS_FILE, COUNTS_FILE = "bench-tokens.json", "bench-counts"
PEER, PEER_FOLDER = "picows, which counts frames", "peer"
OPCODES = {"binary": 0x82, "ping": 0x89, "pong": 0x8A}
MANY = "ringmain.vpp.engine:MARKET_OF_MANY"


def run(scale: float = 1.0) -> list[Row]:
    """Measure messages a second, and milliseconds from a decision to the last frame."""
    with tempfile.TemporaryDirectory(prefix="ringmain-bench-") as folder, _fleet(Path(folder)) as fleet:
        rounds = max(2, int(MESSAGES * scale) // LINKS)
        fleet.ours.report(ASSETS // LINKS)  # so that every asset is heard of
        told, theirs = [], []
        for _ in range(RUNS):
            told.append(fleet.ours.report(rounds))
            theirs.append(fleet.theirs.report(rounds))
        spans = [fleet.decide(power_w) for power_w in (-50_000_000, 40_000_000, -30_000_000)]
    name = f"devices, {LINKS:,} websockets"
    return [
        row(f"{name}, telemetry", [each[0] for each in told], "k/s", PEER, [each[0] for each in theirs]),
        row(f"{name}, processor", [each[1] for each in told], "µs", PEER, [each[1] for each in theirs]),
        row(f"devices, a decision for {ASSETS:,} assets on {LINKS:,} websockets", spans, "ms"),
    ]


@contextlib.contextmanager
def _fleet(data: Path) -> Iterator["_Fleet"]:
    """Run all processes."""
    Clock.running(data / "clock")
    operator = add_token(data, SCHEMA.name, 0, "operator", "operator")
    link = add_token(data, SCHEMA.name, DEVICE_ACCOUNT, "devices")
    asset = LinkAsset(5_000, 5_000, 10_000)
    ids = [range(n * ASSETS_A_LINK + 1, (n + 1) * ASSETS_A_LINK + 1) for n in range(LINKS)]
    tokens = add_links(data, [Link(f"box-{n}", dict.fromkeys(own, asset)) for n, own in enumerate(ids)])
    (data / TOKENS_FILE).write_bytes(msgspec.json.encode(tokens))
    Machine(MARKET_OF_MANY).compile()
    parts = [
        _start("ringmain.cli", "node", MANY, "--data", str(data), "--durability", "process"),
        _start("ringmain.world.doors", str(data), "vpp=0"),
    ]
    try:
        _wait(lambda: bool(read_ports(data)), START_S)
        with Client.connect("127.0.0.1", read_ports(data)[SCHEMA.name], operator, SCHEMA) as client:
            _register(client)
            parts.append(_start("bench.devices", "serve", str(data), link))
            _wait(lambda: bool(read_device_ports(data)), START_S)
            (data / PEER_FOLDER).mkdir()
            parts.append(_start("bench.devices", "peer", str(data / PEER_FOLDER)))
            _wait(lambda: bool(read_device_ports(data / PEER_FOLDER)), START_S)
            places = (data, data / PEER_FOLDER)
            ends = [_start("bench.devices", "devices", str(each), str(data), pipes=True)
                    for each in places]  # fmt: skip
            servers = [part.pid for part in parts[-2:]]
            parts += ends
            far = [_Far(*each) for each in zip(ends, servers, places, strict=True)]
            fleet = _Fleet(data, client, *far)
            yield fleet
            fleet.close()
    finally:
        for part in reversed(parts):
            part.terminate()
            part.wait(30)


def _start(*arguments: str, pipes: bool = False) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE if pipes else None
    command = [sys.executable, "-m", *arguments]
    noise = None if os.environ.get("RINGMAIN_BENCH_NOISE") else subprocess.DEVNULL
    return subprocess.Popen(command, stdin=pipe, stdout=pipe or noise, stderr=noise, text=True)


def _wait(is_so: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.005)


def _register(client: Client) -> None:
    ids = np.arange(1, ASSETS + 1)
    batteries = many(
        RegisterBattery, ASSETS, asset_id=ids, node_id=(ids - 1) // ASSETS_A_LINK + 1,
        charge_limit_w=5_000, discharge_limit_w=5_000, energy_capacity_wh=10_000,
        link_account_id=DEVICE_ACCOUNT, reserve_permille=100, charge_efficiency_permille=950,
        discharge_efficiency_permille=950, wear_price_ticks=100,
    )  # fmt: skip
    for begin in range(0, ASSETS, PIECE):
        client.send_batch(batteries[begin : begin + PIECE])
        client.settle()
        client.poll()
    client.wait_answer(client.send(SetRhythm(
        tick_ms=1_000, measure_ms=1_000, lease_ms=300_000, lead_ms=0, lag_ms=0, late_ms=180_000,
        silent_ms=600_000,
    )))  # fmt: skip
    client.poll()


class _Fleet:
    """What runs, and what is asked of it."""

    def __init__(self, data: Path, client: Client, ours: "_Far", theirs: "_Far") -> None:
        self._client, self.ours, self.theirs = client, ours, theirs
        self._clock, self._tape = Clock(data / "clock"), TapeReader(data / SCHEMA.name, SCHEMA)

    def close(self) -> None:
        """Let go."""
        self._tape.close()

    def decide(self, power_w: int) -> float:
        """Ask for a power; return ms from the tick's first set-point to the last frame."""
        self._tape.position, answered = self._tape.readable(), self.ours.answered
        self.ours.tell("listen", ASSETS)
        self.ours.said()
        ends_ns = self._clock.now_ns() + 600 * 1_000_000_000
        self._client.wait_answer(
            self._client.send(SetTarget(valid_until_ns=ends_ns, power_w=power_w, ramp_w_per_s=0))
        )
        last_ns, number = self.ours.said()
        issued = self._issued(number)
        self._client.poll()
        assert issued.size == ASSETS, "the tick spoke to all"
        self.ours.wait_answers(answered + ASSETS)
        return float(last_ns - issued[0]) / 1e6

    def _issued(self, number: int) -> Any:
        """Return when each set-point of a tick came to be."""
        times: list[Any] = []
        while (events := self._tape.read()).size:
            issued = events.view(SetpointIssued.dtype)[events["kind"] == SetpointIssued.kind]
            times.append(issued["time_ns"][issued["setpoint_number"] == number])
        return np.concatenate(times)


class _Far:
    """The process with the devices' ends of all connections to one server."""

    def __init__(self, process: "subprocess.Popen[str]", server: int, folder: Path) -> None:
        self._process, self._server, self._counts = process, server, _counts(folder)
        self.said()

    def said(self) -> list[int]:
        """Return what it answers."""
        assert self._process.stdout is not None, "it has a pipe"
        return [int(word) for word in self._process.stdout.readline().split()]

    def tell(self, *words: object) -> None:
        """Ask for something."""
        assert self._process.stdin is not None, "it has a pipe"
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()

    @property
    def answered(self) -> int:
        """How many set-points the devices have answered."""
        return int(self._counts[2])

    def wait_answers(self, count: int) -> None:
        """Wait for so many answers to set-points; those to one that the next tick replaced never count."""
        deadline = time.monotonic() + ANSWERS_S
        while self.answered < count and time.monotonic() < deadline:
            time.sleep(0.005)

    def report(self, rounds: int) -> tuple[float, float]:
        """Let each device send so many messages; return thousands a second, and the server's µs for each."""
        counts, sent = self._counts, rounds * LINKS
        before, spent_ns, began = int(counts[0]), _processor_ns(self._server), time.perf_counter()
        self.tell("report", rounds)
        self.said()
        _wait(lambda: counts[0] - before >= sent and counts[1] == 0, WAIT_S)
        seconds = time.perf_counter() - began
        assert counts[0] - before == sent, "all were taken"
        return sent / seconds / 1e3, (_processor_ns(self._server) - spent_ns) / sent / 1e3


def _processor_ns(process: int) -> int:
    """Return the time that all threads of a process have run."""
    tasks = Path(f"/proc/{process}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks)


def _counts(data: Path) -> Any:
    """Return the readings taken, the commands that the fleet has not dealt with, and the answers: (3,)."""
    path = data / COUNTS_FILE
    if not path.exists():
        path.write_bytes(bytes(24))
    with path.open("r+b") as file:
        return np.frombuffer(mmap.mmap(file.fileno(), 24), np.int64)


# The devices' gateways.


def serve(data: Path, token: str) -> None:
    """Serve until SIGTERM, with no limit of pace, and keep counts in a shared file."""
    import uvloop

    limits = SocketLimits(records_per_s=1e9, burst=1 << 40)
    uvloop.run(_serve(Options(data, token, sockets=limits)))


async def _serve(options: Options) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    counts = _counts(options.data)
    async with Service(options) as service:
        assert service.link is not None, "it runs"
        while not stopping.is_set():
            counts[1] = service.link._client.protocol.unanswered
            counted = service.status()["counts"]
            counts[0], counts[2] = counted.get("taken", 0), counted.get(SETPOINT_ACCEPTED, 0)
            if counts[1]:
                service.link._client.protocol.ping()
            await asyncio.sleep(0.01)


# The peer.


def peer(data: Path) -> None:
    """Count frames until SIGTERM."""
    import uvloop

    uvloop.run(_peer(data))


async def _peer(data: Path) -> None:
    stopping, seen, counts = asyncio.Event(), [0], _counts(data)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)

    class Counting(WSListener):
        def on_ws_connected(self, transport: WSTransport) -> None:
            transport.send(WSMsgType.BINARY, bytes(frames.RECORD_BYTES))

        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            seen[0] += 1

    server = await ws_create_server(lambda request: Counting(), "127.0.0.1", 0, backlog=4_096)
    ports = {"websockets": int(server.sockets[0].getsockname()[1])}
    (data / PORTS_FILE).write_bytes(msgspec.json.encode(ports))
    while not stopping.is_set():
        counts[0] = seen[0]
        await asyncio.sleep(0.01)


# The devices.


class _Devices:
    """The far ends of all connections."""

    def __init__(self, data: Path, fleet: Path) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (4 * LINKS, 4 * LINKS))
        self._clock, port = Clock(fleet / "clock"), read_device_ports(data)["websockets"]
        tokens = msgspec.json.decode((fleet / TOKENS_FILE).read_bytes(), type=list[str])
        self._ends = [_upgraded(port, token) for token in tokens]
        self._round = 0

    def report(self, rounds: int) -> None:
        """Let each device send one message a round, of one of its assets."""
        head = bytes([OPCODES["binary"], MASKED | frames.RECORD_BYTES]) + bytes(4)  # a mask of zeros
        layout = np.dtype([("head", "u1", len(head)), ("record", frames.TELEMETRY_RECORD)])
        first = np.arange(LINKS) * ASSETS_A_LINK + 1
        for _ in range(rounds):
            records = frames.records(
                frames.TELEMETRY, frames.TELEMETRY_RECORD, LINKS,
                asset_id=first + self._round % ASSETS_A_LINK,
                measured=frames.HAS_POWER | frames.HAS_ENERGY, measured_ns=self._clock.now_ns(),
                power_w=self._round % 7, energy_wh=5_000.0,
            )  # fmt: skip
            self._round += 1
            messages = np.empty(LINKS, layout)
            messages["head"], messages["record"] = np.frombuffer(head, np.uint8), records
            data, size = messages.tobytes(), layout.itemsize
            for n, end in enumerate(self._ends):
                end.send(data[n * size : (n + 1) * size])

    def listen(self, count: int) -> tuple[int, int]:
        """Wait for so many set-points of one tick; return when the last was read, and the tick's number."""
        poller = select.epoll()
        for end in self._ends:
            poller.register(end.fileno(), select.EPOLLIN)
        by_handle = {end.fileno(): (end, bytearray()) for end in self._ends}
        print(0, flush=True)
        found: dict[int, list[Any]] = {}
        while True:
            for handle, _ in poller.poll():
                end, held = by_handle[handle]
                held += end.recv(1 << 18)
                rows = _records(held)
                if not rows.size:
                    continue
                tick = int(rows["number"][0])
                found.setdefault(tick, []).append((end, rows))
                if sum(each.size for _, each in found[tick]) == count:
                    now_ns = self._clock.now_ns()
                    self._answer(found[tick])
                    return now_ns, tick

    def _answer(self, told: list[tuple[socket.socket, Any]]) -> None:
        for end, rows in told:
            acks = frames.records(
                frames.ACK, frames.ACK_RECORD, rows.size, asset_id=rows["asset_id"], number=rows["number"]
            )
            size = acks.nbytes.to_bytes(2, "big")
            end.sendall(bytes([OPCODES["binary"], MASKED | 126]) + size + bytes(4) + acks.tobytes())


def _records(held: bytearray) -> Any:
    """Take whole frames from what was received; return the set-points in them."""
    payloads = []
    while len(held) >= 2:
        size, begin = held[1], 2
        if size == 126:
            size, begin = int.from_bytes(held[2:4], "big"), 4
        if len(held) < begin + size:
            break
        if held[0] == OPCODES["binary"]:
            payloads.append(bytes(held[begin : begin + size]))
        del held[: begin + size]
    rows = np.frombuffer(b"".join(payloads), frames.RECORD)
    return rows.view(frames.SETPOINT_RECORD)[rows["kind"] == frames.SETPOINT]


def _upgraded(port: int, token: str) -> socket.socket:
    """Connect, and read until the fleet has said the time."""
    end = socket.create_connection(("127.0.0.1", port))
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    end.sendall(
        f"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {token}\r\n\r\n".encode()
    )
    answer = b""
    while len(answer.partition(b"\r\n\r\n")[2]) < 2 + frames.RECORD_BYTES:
        received = end.recv(1 << 16)
        assert received, answer
        answer += received
    return end


def devices(data: Path, fleet: Path) -> None:
    """Do what is asked on standard input until it ends."""
    ends = _Devices(data, fleet)
    print(0, flush=True)
    for line in sys.stdin:
        what, count = line.split()
        if what == "report":
            ends.report(int(count))
            print(0, flush=True)
        else:
            print(*ends.listen(int(count)), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(Path(sys.argv[2]), sys.argv[3])
    elif sys.argv[1] == "peer":
        peer(Path(sys.argv[2]))
    else:
        devices(Path(sys.argv[2]), Path(sys.argv[3]))
