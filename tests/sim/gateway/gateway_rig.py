"""A node and a gateway as real processes, over a real folder and loopback.

Run as a script it is one of the two: ``gateway_rig.py node|gateway DATA LIMITS MARKET``.
"""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from parrot import MARKET as PARROT
from parrot import schema

from ringmain.client import Client
from ringmain.client.sync import unpack
from ringmain.core.engine import Machine
from ringmain.exchange.engine import MARKET as EXCHANGE
from ringmain.gateway.app import TLS_SUFFIX, read_ports
from ringmain.gateway.certificate import CERTIFICATE_FILE, KEY_FILE, make
from ringmain.gateway.credentials import add_token
from ringmain.gateway.limits import Limits
from ringmain.gateway.messages import layout_word, session_record
from ringmain.gateway.tls import Tls, client_context

MARKETS = {"parrot": PARROT, "exchange": EXCHANGE}
NAME = schema.name
START_S = 120  # the gateway's kernels may have to be compiled first


class Rig:
    """A running venue of one market; also says where it is, and lets its parts die."""

    def __init__(self, data: Path, market: str = NAME, is_secure: bool = False, **limits) -> None:
        self.data, self.limits, self.market = data, limits, market
        if is_secure:
            make(data, ["localhost", "127.0.0.1"])
        self.token = self.new_token("first")
        self.processes: dict[str, subprocess.Popen] = {}
        self.clients: list[Client] = []
        self.raws: list[Raw] = []
        Machine(MARKETS[market]).compile()  # into the cache, where the node finds it
        self.start("node")
        self.start("gateway")

    def new_token(self, name: str, **values) -> str:
        return add_token(self.data, self.market, account_id=values.pop("account_id", 1), name=name, **values)

    def start(self, part: str) -> None:
        ports = self.data / "ports.json"
        was = ports.stat().st_mtime_ns if ports.exists() else 0
        command = [sys.executable, __file__, part, str(self.data), json.dumps(self.limits), self.market]
        with self.log(part).open("ab") as log:
            self.processes[part] = subprocess.Popen(command, stderr=log)
        deadline = time.monotonic() + START_S
        while part == "gateway" and (not ports.exists() or ports.stat().st_mtime_ns == was):
            assert self.processes[part].poll() is None, "the gateway ended"
            assert time.monotonic() < deadline, "the gateway does not come up"
            time.sleep(0.02)

    def log(self, part: str) -> Path:
        """Return the file with what a part has said on stderr."""
        return self.data / f"{part}.log"

    def wait_said(self, part: str, text: str, since: int) -> None:
        """Wait until a part has said something behind a place in its log, in bytes."""
        deadline = time.monotonic() + 20
        while text.encode() not in self.log(part).read_bytes()[since:]:
            assert time.monotonic() < deadline, f"{text} is not said"
            time.sleep(0.02)

    def kill(self, part: str) -> None:
        self.processes[part].kill()
        self.processes[part].wait()

    def stop(self, part: str) -> int:
        self.processes[part].send_signal(signal.SIGTERM)
        return self.processes[part].wait(20)

    @property
    def port(self) -> int:
        return read_ports(self.data)[self.market]

    @property
    def tls_port(self) -> int:
        return read_ports(self.data)[self.market + TLS_SUFFIX]

    def client(self, token: str | None = None, **options) -> Client:
        client = Client.connect(
            "127.0.0.1", self.port, token or self.token, MARKETS[self.market].schema, **options
        )
        self.clients.append(client)
        return client

    def raw(self, token: str | None = None, heartbeat_ms: int = 10_000) -> "Raw":
        raw = Raw(self, token, heartbeat_ms)
        self.raws.append(raw)
        return raw

    def close(self) -> None:
        for client in self.clients:
            client._drop()
        for raw in self.raws:
            raw.socket.close()
        for part in ("gateway", "node"):
            if self.processes[part].poll() is None:
                self.stop(part)


def secure(rig: Rig, token: str, **options) -> Client:
    """Return a client that came by the door with TLS."""
    options.setdefault("tls", client_context(rig.data / CERTIFICATE_FILE))
    client = Client.connect("127.0.0.1", rig.tls_port, token, MARKETS[rig.market].schema, **options)
    rig.clients.append(client)
    return client


class Raw:
    """A client that says what a client should not."""

    def __init__(self, rig: Rig, token: str | None = None, heartbeat_ms: int = 10_000) -> None:
        self.socket = socket.create_connection(("127.0.0.1", rig.port), timeout=10)
        self.rest = b""
        if token is not None:
            self.say("Login", token=token.encode(), layout=layout_word(schema), heartbeat_ms=heartbeat_ms)

    def say(self, name: str, **values) -> None:
        self.send(session_record(schema.slots, name)(**values))

    def send(self, record) -> None:
        self.socket.sendall(record.tobytes())

    def hear(self) -> dict:
        """Return the next record, or {} at the end."""
        while len(self.rest) < schema.record_bytes:
            try:
                data = self.socket.recv(65_536)
            except ConnectionResetError:
                return {}
            if not data:
                return {}
            self.rest += data
        frame, self.rest = self.rest[: schema.record_bytes], self.rest[schema.record_bytes :]
        return unpack(schema, np.frombuffer(frame, schema.header)[0])

    def hear_until(self, name: str) -> dict:
        while True:
            record = self.hear()
            if not record or record["record"] == name:
                return record

    def hear_all(self) -> list[dict]:
        records = []
        while record := self.hear():
            records.append(record)
        return records


def main() -> None:
    part, data, limits = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    market = MARKETS[sys.argv[4]]
    name = market.schema.name
    logging.basicConfig(level=os.environ.get("RIG_LOG", "INFO"), format=f"{part}: %(message)s")
    if part == "node":
        from ringmain.core.clock import Clock
        from ringmain.core.node import serve

        (data / name).mkdir(parents=True, exist_ok=True)
        serve(data / name, market, Clock.running(data / "clock"))
    else:
        from ringmain.gateway.app import run

        has_tls = (data / CERTIFICATE_FILE).exists()
        client_ca = data / "clients" / CERTIFICATE_FILE  # a client's own certificate, if one is to be shown
        authority = client_ca if client_ca.exists() else None
        tls = Tls(data / CERTIFICATE_FILE, data / KEY_FILE, authority) if has_tls else None
        run(data, {name: market.schema}, limits=Limits(**limits), tls=tls)


if __name__ == "__main__":
    main()
