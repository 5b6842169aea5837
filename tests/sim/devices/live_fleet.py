"""A fleet's node and gateway as processes, for tests of devices."""

import json
import signal
import subprocess
import sys
import time

import pytest

from ringmain.client import Client
from ringmain.core.clock import Clock
from ringmain.core.engine import Machine
from ringmain.core.tape import TapeReader
from ringmain.gateway.app import read_ports as read_market_ports
from ringmain.gateway.credentials import add_token
from ringmain.vpp.engine import MARKET
from ringmain.vpp.messages import SCHEMA, FleetMeasured, SetRhythm, SetTarget

LINK = 2


class Fleet:
    def __init__(self, data, until_hour_s: float | None = None) -> None:
        """Start both; logical time is the wall's, or so long before a full hour."""
        self.data = data
        tokens = [add_token(data, "vpp", account, name, role) for account, name, role in (
            (0, "operator", "operator"), (LINK, "devices", "participant"))]  # fmt: skip
        self.operator_token, self.link_token = tokens
        Machine(MARKET).compile()  # into the cache, where the node finds it
        Clock.running(data / "clock", None if until_hour_s is None else hour_less(until_hour_s))
        node = [
            sys.executable,
            "-m",
            "ringmain.cli",
            "node",
            "vpp",
            "--data",
            str(data),
            "--durability",
            "process",
        ]
        self.processes = [subprocess.Popen(node)]
        doors = [sys.executable, "-m", "ringmain.world.doors", str(data), "vpp=0"]
        self.processes.append(subprocess.Popen(doors))
        wait(lambda: read_market_ports(data), 120)
        self.operator = Client.connect(
            "127.0.0.1", read_market_ports(data)["vpp"], self.operator_token, SCHEMA
        )
        rhythm = SetRhythm(
            tick_ms=500,
            measure_ms=500,
            lease_ms=4_000,
            lead_ms=0,
            lag_ms=0,
            late_ms=60_000,
            silent_ms=120_000,
        )
        self.operator.wait_answer(self.operator.send(rhythm))
        self.tape, self.power_w = TapeReader(data / "vpp", SCHEMA), 0

    def want(self, power_w: int) -> None:
        ends_ns = Clock(self.data / "clock").now_ns() + 600 * 1_000_000_000
        self.operator.wait_answer(
            self.operator.send(SetTarget(valid_until_ns=ends_ns, power_w=power_w, ramp_w_per_s=0))
        )

    def look(self) -> None:
        self.operator.poll(0.1)
        events = self.tape.read()
        measured = events.view(FleetMeasured.dtype)[events["kind"] == FleetMeasured.kind]
        if measured.size:
            self.power_w = int(measured["power_w"][-1])

    def close(self) -> None:
        self.operator.close()
        self.tape.close()
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def hour_less(seconds: float) -> int:
    """Return a time so long before the next full hour, in nanoseconds."""
    hour_ns = 3_600 * 1_000_000_000
    return (time.time_ns() // hour_ns + 1) * hour_ns - int(seconds * 1e9)


def wait(is_so, timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.05)


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path)
    yield made
    made.close()


def status(data) -> dict:
    return json.loads((data / "devices-status.json").read_bytes())
