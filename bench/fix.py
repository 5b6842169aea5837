"""FIX: new orders acknowledged a second, through the real door and node, durable before each answer.

The client is a bare socket that sends NewOrderSingle made beforehand, and counts ExecutionReports: it
must not cost more than what is measured. The peer is QuickFIX from Python on both sides, an
initiator and an acceptor that answers each order, with no market behind it; FIX 4.4 for both.
"""

import importlib.util
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from bench.figures import Row, alternate, row
from bench.wire import _setup
from ringmain.client import Client
from ringmain.exchange.messages import schema
from ringmain.gateway.app import read_ports
from ringmain.gateway.credentials import add_token
from ringmain.gateway.fix.app import read_port
from ringmain.gateway.fix.codec import encode, split, timestamp

ORDERS = 400_000
PEER_ORDERS = 20_000
WINDOW_BYTES = 1 << 19  # sent ahead of the answers
RUNS = 5
START_S = 90.0
PEER = "quickfix 1.16 from Python, both sides"
NEW = b"\x01150=0\x01"


def run(scale: float = 1.0) -> list[Row]:
    """Measure orders acknowledged a second, and how much of a core's time the door takes for each."""
    count = max(int(ORDERS * scale), 20_000)
    has_peer = importlib.util.find_spec("quickfix") is not None
    with tempfile.TemporaryDirectory() as folder, _Venue(Path(folder)) as venue:
        venue.acknowledge(20_000)  # compiles, and touches every page
        peer_count = max(int(PEER_ORDERS * scale), 2_000)
        sides = [lambda: venue.acknowledge(count)]
        if has_peer:
            sides.append(lambda: _quickfix(peer_count))
        measured = alternate(RUNS, *sides)
    rates = [rate / 1e3 for rate, _ in measured[0]]
    core = [1e-3 / seconds for _, seconds in measured[0]]
    theirs = [rate / 1e3 for rate in measured[1]] if has_peer else []
    peer = PEER if has_peer else f"{PEER} (not installed)"
    return [
        row("FIX 4.4 new orders acknowledged, fdatasync before each answer", rates, "k/s", peer, theirs),
        row("FIX 4.4 new orders acknowledged, a second of the door's core", core, "k/s", peer, theirs),
    ]


class _Venue:
    """A node, a FIX door and a socket that is logged on."""

    def __init__(self, data: Path) -> None:
        self._data, self._number, self._name = data, 1, 0

    def __enter__(self) -> "_Venue":
        operator_token = add_token(self._data, "exchange", 0, "operator", role="operator")
        self._token = add_token(self._data, "exchange", 1, "trader", cancel_on_disconnect=False)
        self._processes = [self._start("node", "exchange"), self._start("gateway"), self._start("fix")]
        try:
            self._log_in(operator_token)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        self._socket.close()
        self._stop()

    def acknowledge(self, count: int) -> tuple[float, float]:
        """Send so many orders; return how many were acknowledged a second, and the door's s for each.

        They rest and trade in turn: a bid, and an offer that takes it.
        """
        began_ns = time.time_ns()
        data = memoryview(b"".join(self._order(place, began_ns) for place in range(count)))
        cpu, begin = self._cpu_s(), time.perf_counter()
        sent = acknowledged = 0
        rest = b""
        while acknowledged < count:
            ahead = sent - int(len(data) * acknowledged / count)
            writing = [self._socket] if sent < len(data) and ahead < WINDOW_BYTES else []
            readable, writable, _ = select.select([self._socket], writing, [], 30.0)
            assert readable or writable, "the door does not answer"
            if writable:
                sent += self._socket.send(data[sent : sent + WINDOW_BYTES])
            if readable:
                received = rest + self._socket.recv(1 << 20)
                assert b"\x0135=3\x01" not in received and b"\x0139=8\x01" not in received, "a reject"
                acknowledged += received.count(NEW)
                rest = received[-(len(NEW) - 1) :]
                rest = b"" if rest.startswith(NEW) else rest
        elapsed = time.perf_counter() - begin
        return count / elapsed, (self._cpu_s() - cpu) / count

    def _order(self, place: int, now_ns: int) -> bytes:
        self._number += 1
        self._name += 1
        time_text = timestamp(now_ns)
        fields = [
            (35, b"D"), (49, b"BENCH"), (56, b"RINGMAIN"), (34, b"%d" % self._number), (52, time_text),
            (11, b"ORD%09d" % self._name), (21, b"1"), (55, b"1"), (54, b"1" if place % 2 == 0 else b"2"),
            (60, time_text), (38, b"1.0"), (40, b"2"), (44, b"50.00"), (59, b"0"),
        ]  # fmt: skip
        return encode(b"FIX.4.4", fields)

    def _log_in(self, operator_token: str) -> None:
        deadline = time.monotonic() + START_S
        while not (read_ports(self._data).get("exchange", 0) and read_port(self._data)):
            assert time.monotonic() < deadline, "the gateways do not come up"
            time.sleep(0.1)
        port = read_ports(self._data)["exchange"]
        with Client.connect("127.0.0.1", port, operator_token, schema) as operator:
            for command in _setup():
                operator.send(command)
            operator.settle()
        self._processes[1].terminate()  # the binary gateway is not needed any more
        self._processes[1].wait(30)
        self._socket = socket.create_connection(("127.0.0.1", read_port(self._data)))
        self._socket.sendall(encode(b"FIX.4.4", [
            (35, b"A"), (49, b"BENCH"), (56, b"RINGMAIN"), (34, b"1"), (52, timestamp(time.time_ns())),
            (98, b"0"), (108, b"3600"), (554, self._token.encode()),
        ]))  # fmt: skip
        answer, _ = split(self._socket.recv(65_536))
        assert answer and b"\x0135=A\x01" in answer[0], f"no Logon: {answer}"

    def _cpu_s(self) -> float:
        """Return the seconds of a core that the door has taken."""
        fields = Path(f"/proc/{self._processes[2].pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "ringmain.cli", *arguments, "--data", str(self._data)]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def _stop(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            process.wait(30)


# The peer.

CONFIG = """[DEFAULT]
ConnectionType={kind}
{where}
ReconnectInterval=1
HeartBtInt=60
StartTime=00:00:00
EndTime=00:00:00
UseDataDictionary=Y
DataDictionary={dictionary}
SocketNodelay=Y
[SESSION]
BeginString=FIX.4.4
SenderCompID={own}
TargetCompID={other}
"""


def _quickfix(count: int) -> float:
    """Return new orders a second that one QuickFIX process acknowledges to another."""
    command = [sys.executable, "-m", "bench.fix", "acceptor"]
    acceptor = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert acceptor.stdout is not None
    try:
        port = json.loads(acceptor.stdout.readline())
        command = [sys.executable, "-m", "bench.fix", "initiator", str(port), str(count)]
        done = subprocess.run(command, capture_output=True, check=True, timeout=300)
        return float(done.stdout.split()[-1])
    finally:
        acceptor.terminate()
        acceptor.wait(30)


def _quickfix_settings(fix: Any, folder: str, kind: str, port: int) -> Any:
    is_acceptor = kind == "acceptor"
    where = f"SocketAcceptPort={port}" if is_acceptor else (
        f"SocketConnectHost=127.0.0.1\nSocketConnectPort={port}"
    )  # fmt: skip
    own, other = ("VENUE", "TRADER") if is_acceptor else ("TRADER", "VENUE")
    dictionary = Path(sys.prefix) / "share" / "quickfix" / "FIX44.xml"
    config = Path(folder) / "quickfix.cfg"
    config.write_text(CONFIG.format(kind=kind, where=where, own=own, other=other, dictionary=dictionary))
    return fix.SessionSettings(str(config))


def _peer(arguments: list[str]) -> None:
    """Run one side of the peer."""
    import quickfix as fix

    is_on, is_done = threading.Event(), threading.Event()
    wanted = int(arguments[2]) if arguments[0] == "initiator" else 0
    heard = 0

    class Application(fix.Application):
        def onCreate(self, session_id: Any) -> None: ...
        def onLogout(self, session_id: Any) -> None: ...
        def toAdmin(self, message: Any, session_id: Any) -> None: ...
        def fromAdmin(self, message: Any, session_id: Any) -> None: ...
        def toApp(self, message: Any, session_id: Any) -> None: ...

        def onLogon(self, session_id: Any) -> None:
            is_on.set()

        def fromApp(self, message: Any, session_id: Any) -> None:
            nonlocal heard
            if wanted:
                heard += 1
                if heard == wanted:
                    is_done.set()
                return
            report = fix.Message()
            report.getHeader().setField(fix.MsgType("8"))
            for tag in (11, 55, 54, 38, 40, 44):
                report.setField(tag, message.getField(tag))
            for tag, value in ((37, "1"), (17, "1"), (150, "0"), (39, "0"), (151, "1"), (14, "0"), (6, "0")):
                report.setField(tag, value)
            fix.Session.sendToTarget(report, session_id)

    with tempfile.TemporaryDirectory() as folder:
        port = int(arguments[1]) if wanted else _free_port()
        settings = _quickfix_settings(fix, folder, arguments[0], port)
        application, store = Application(), fix.MemoryStoreFactory()
        if not wanted:
            acceptor = fix.SocketAcceptor(application, store, settings)
            acceptor.start()
            print(port, flush=True)
            threading.Event().wait()
        initiator = fix.SocketInitiator(application, store, settings)
        initiator.start()
        assert is_on.wait(30), "no logon"
        session_id = fix.SessionID("FIX.4.4", "TRADER", "VENUE")
        begin = time.perf_counter()
        for number in range(wanted):
            order = fix.Message()
            order.getHeader().setField(fix.MsgType("D"))
            values = ((11, f"ORD{number:09d}"), (21, "1"), (55, "1"), (54, "1"), (38, "1.0"), (40, "2"),
                      (44, "50.00"), (59, "0"))  # fmt: skip
            for tag, value in values:
                order.setField(tag, value)
            order.setField(fix.TransactTime())
            fix.Session.sendToTarget(order, session_id)
        assert is_done.wait(240), f"{heard} of {wanted} were answered"
        print(wanted / (time.perf_counter() - begin), flush=True)
        os._exit(0)  # QuickFIX's own stop waits for seconds


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    _peer(sys.argv[1:])
