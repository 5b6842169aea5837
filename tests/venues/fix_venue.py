"""A node of the exchange, its binary gateway and its FIX door, as real processes over a real folder."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from ringmain.client import Client
from ringmain.core.engine import Machine
from ringmain.exchange.engine import MARKET as EXCHANGE
from ringmain.exchange.messages import (
    INSTRUMENT,
    DefineProduct,
    Deposit,
    HaltProduct,
    OpenAccount,
    ResumeProduct,
    ScheduleProduct,
    schema,
)
from ringmain.gateway.credentials import add_token

START_S = 90
BIG = 10**9
PRODUCTS = (1, 2)


class Venue:
    """Running processes that can be let die; products 1 and 2 trade, accounts 1 to 3 have money."""

    def __init__(self, data: Path, *fix_options: str, products: tuple[int, ...] = PRODUCTS) -> None:
        self.data, self.fix_options = data, fix_options
        self.processes: dict[str, subprocess.Popen] = {}
        self.operator_token = add_token(data, "exchange", 0, "operator", role="operator")
        Machine(EXCHANGE).compile()  # into the cache, where the node finds it
        try:
            for part in ("node", "gateway", "fix"):
                self.start(part)
            with self.operator() as operator:
                self._prepare(operator, products)
        except BaseException:
            self.close()
            raise

    def token(self, name: str, account_id: int = 1, **values) -> str:
        return add_token(self.data, "exchange", account_id, name, **values)

    def operator(self) -> Client:
        return Client.connect("127.0.0.1", self.binary_port, self.operator_token, schema)

    def client(self, token: str) -> Client:
        return Client.connect("127.0.0.1", self.binary_port, token, schema)

    def halt(self, product_id: int) -> None:
        with self.operator() as operator:
            operator.send(HaltProduct(product_id=product_id))
            operator.settle()

    def resume(self, product_id: int) -> None:
        with self.operator() as operator:
            operator.send(ResumeProduct(product_id=product_id))
            operator.settle()

    def start(self, part: str) -> None:
        arguments = {"node": ["node", "exchange"], "gateway": ["gateway"], "fix": ["fix", *self.fix_options]}
        shown = {"gateway": self.data / "ports.json", "fix": self.data / "fix.json"}.get(part)
        was = _stamp(shown)
        command = [sys.executable, "-m", "ringmain.cli", *arguments[part], "--data", str(self.data)]
        log = None if os.environ.get("RIG_LOG") else subprocess.DEVNULL
        self.processes[part] = subprocess.Popen(command, stderr=log)
        deadline = time.monotonic() + START_S
        while shown is not None and _stamp(shown) == was:
            assert self.processes[part].poll() is None, f"the {part} ended"
            assert time.monotonic() < deadline, f"the {part} does not come up"
            time.sleep(0.02)

    def kill(self, part: str) -> None:
        self.processes[part].kill()
        self.processes[part].wait()

    def stop(self, part: str) -> int:
        self.processes[part].send_signal(signal.SIGTERM)
        return self.processes[part].wait(30)

    @property
    def port(self) -> int:
        return json.loads((self.data / "fix.json").read_text())["exchange"]

    @property
    def binary_port(self) -> int:
        return json.loads((self.data / "ports.json").read_text())["exchange"]

    def close(self) -> None:
        for part in ("fix", "gateway", "node"):
            if part in self.processes and self.processes[part].poll() is None:
                self.stop(part)

    @staticmethod
    def _prepare(operator: Client, products: tuple[int, ...]) -> None:
        for account_id in (1, 2, 3):
            limits = {"long_limit_lots": BIG, "short_limit_lots": BIG}
            operator.send(OpenAccount(credit_minor=10**13, account_id=account_id, **limits))
            operator.send(Deposit(amount_minor=10**13, account_id=account_id))
        for product_id in products:
            operator.send(
                DefineProduct(
                    delivery_start_ns=0, product_id=product_id, value_minor=1, reference_price_ticks=5_000,
                    market_range_ticks=1_000, product_kind=INSTRUMENT,
                )
            )  # fmt: skip
            operator.send(ScheduleProduct(auction_ns=0, gate_closure_ns=0, product_id=product_id))
        operator.settle()


def _stamp(path: Path | None) -> int:
    return path.stat().st_mtime_ns if path is not None and path.exists() else 0
