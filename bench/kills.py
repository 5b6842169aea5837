"""A market day in which a process dies by kill -9 again and again, at random instants.

A fleet trades its day, from the auction through the intraday book to delivery; who dies is drawn by a seed: a
node, the gateway, the auctioneer, or the world with bridge and desk in it. Afterwards the fleet's bids, as
its tape has them, are laid beside the orders in the exchange's journal, one by one, and its awards beside the
exchange's fills. A node has resumed when it takes commands again, the world when its clock goes on.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.figures import Row, row
from ringmain.core.journal.scan import JournalScan
from ringmain.core.page import NodePage
from ringmain.core.records import Schema
from ringmain.core.tape import TapeReader
from ringmain.exchange import dayahead_messages as dayahead
from ringmain.exchange import messages as exchange
from ringmain.gateway.credentials import Credentials
from ringmain.vpp import messages as vpp
from ringmain.vpp.block_messages import BlockBidRun, BlockBidSubmitted
from ringmain.vpp.rows import rows_of_any

KILLS, BATTERIES, SEED = 100, 150, 11
BETWEEN_S = 8.0  # so long in the mean; a process that dies too often in a row is given up
SPEED = 150.0  # the day is longer than the kills take
VICTIMS = ("node exchange", "node vpp", "world.live", "world.doors", "world.auctioneer")
WAIT_S = 90.0
SETTLE_S = 60.0  # for what is under way in the end
SETTLE_STEPS_NS = 2 * 60 * 1_000_000_000  # a whole step of the world, and the begin of another
ORDERS = {
    record.kind: record for record in (
        exchange.PlaceOrder, dayahead.SubmitCurveSegment, dayahead.SubmitBlock, dayahead.ExtendBlock,
    )
}  # fmt: skip
Terms = tuple[int, int, int]
DRIVER = (
    "import json, sys\n"
    "from types import SimpleNamespace\n"
    "from ringmain.world.run import main\n"
    "sys.exit(main(SimpleNamespace(**json.loads(sys.argv[1]))))\n"
)


def run(scale: float = 1.0) -> list[Row]:
    """Kill 100 times, or ``scale`` of that."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        day = _Day(data)
        try:
            resumed_s = day.kill(max(5, round(KILLS * scale)), random.Random(SEED))
            day.settle()
        finally:
            day.stop()
        lost, doubled, bids = compare_bids(data)
        awards_apart = compare_awards(data)
    print(f"seed {SEED}: killed {dict(Counter(day.killed))}; {bids} bids")
    nodes = [seconds for victim, seconds in resumed_s if victim.startswith("node")]
    world = [seconds for victim, seconds in resumed_s if victim == "world.live"]
    name = f"kill -9 at {len(day.killed)} instants"
    rows = [
        row(f"{name}, bids", [bids], ""),
        row(f"{name}, bids lost", [lost], ""),
        row(f"{name}, bids doubled", [doubled], ""),
        row(f"{name}, awards that are no fill, and fills that are no award", [awards_apart], ""),
    ]
    for who, seconds in (("a node takes commands again", nodes), ("the world goes on", world)):
        if seconds:
            rows.append(row(f"{name}, {who}", seconds, "s"))
            rows.append(row(f"{name}, {who}, at the latest", [max(seconds)], "s"))
    return rows


class _Day:
    """A running day, whose processes can be killed."""

    def __init__(self, data: Path) -> None:
        self.data, self.killed = data, list[str]()
        options = {
            "data": str(data), "days": 1, "prices": None, "day": None, "seed": SEED, "speed": str(SPEED),
            "report": None, "exchange_port": 0, "vpp_port": 0, "hours": 0, "batteries": BATTERIES,
            "fleet": None,
        }  # fmt: skip
        self._process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, json.dumps(options)], stdout=subprocess.DEVNULL
        )
        self._wait(lambda: self._time_ns() > 0, 600.0)

    def kill(self, count: int, dice: random.Random) -> list[tuple[str, float]]:
        """Kill so often; return who was killed and how long it took to go on."""
        resumed = []
        for n in range(count):
            time.sleep(dice.uniform(0.0, 2 * BETWEEN_S))
            if self._process.poll() is not None:
                raise AssertionError(f"the day ended after {n} kills of {count}")
            resumed.append(self._kill(dice.choice(VICTIMS)))
        return resumed

    def _kill(self, victim: str) -> tuple[str, float]:
        went_on = self._sign(victim)
        os.kill(self._pid(victim), signal.SIGKILL)
        self.killed.append(victim)
        began = time.monotonic()
        self._wait(went_on)
        return victim, time.monotonic() - began

    def _sign(self, victim: str) -> Callable[[], bool]:
        """Return what tells that a process is back."""
        if victim.startswith("node"):
            page = NodePage(self.data / victim.removeprefix("node ") / "page")
            epoch = page.get("epoch")
            return lambda: page.get("epoch") > epoch
        if victim == "world.live":
            status = self.data / "world" / "status.json"
            before = status.stat().st_mtime_ns
            return lambda: status.stat().st_mtime_ns > before and self._is_there(victim)
        return lambda: self._is_there(victim)

    def _is_there(self, victim: str) -> bool:
        return self._find(victim) != 0

    def _pid(self, victim: str) -> int:
        self._wait(lambda: self._is_there(victim))
        return self._find(victim)

    def _find(self, victim: str) -> int:
        """Return a child's process id, 0 if there is none."""
        own = self._process.pid
        for child in Path(f"/proc/{own}/task/{own}/children").read_text().split():
            try:
                said = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if victim in said:
                return int(child)
        return 0

    def _time_ns(self) -> int:
        status = self.data / "world" / "status.json"
        return int(json.loads(status.read_text())["time_ns"]) if status.exists() else 0

    def _wait(self, is_so: Callable[[], bool], at_most_s: float = WAIT_S) -> None:
        deadline = time.monotonic() + at_most_s
        while not is_so():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"it does not go on; killed so far: {self.killed}")
            time.sleep(0.002)

    def settle(self) -> None:
        """Wait until whole steps have been lived since the last kill, and every bid is an order."""
        lived_ns = self._time_ns() + SETTLE_STEPS_NS
        self._wait(lambda: self._time_ns() >= lived_ns, SETTLE_S)
        deadline = time.monotonic() + SETTLE_S
        while compare_bids(self.data)[:2] != (0, 0) or compare_awards(self.data):
            if time.monotonic() > deadline:
                return  # the figures will tell
            time.sleep(0.5)

    def stop(self) -> None:
        """End the day in order: the world ends behind its step."""
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait(120)


def compare_bids(data: Path) -> tuple[int, int, int]:
    """Return how many bids the exchange never saw, how many it saw twice or never asked for, and of how many.

    The n-th bid is the n-th order that came over the bridge's session.
    """
    bids, orders = list(_bids(data)), _orders(data)
    lost = max(0, len(bids) - len(orders))
    doubled = max(0, len(orders) - len(bids))
    wrong = sum(bid != order for bid, order in zip(bids, orders, strict=False))
    return lost, doubled + wrong, len(bids)


def _bids(data: Path) -> Iterator[Terms]:
    """Yield the terms of all bids and further runs of block bids, as the fleet's tape has them."""
    for bid in _tape(data, "vpp", vpp.SCHEMA, vpp.BidSubmitted, BlockBidSubmitted, BlockBidRun):
        yield _terms({name: int(bid[name]) for name in bid.dtype.names})


def _orders(data: Path) -> list[Terms]:
    """Return the terms of the orders of the bridge's session, in the order of their numbers."""
    found: dict[int, Terms] = {}
    for said in _commands(data):
        terms, number = _terms(said), int(said["session_number"])
        if found.setdefault(number, terms) != terms:
            raise AssertionError(f"command {number} came twice, and differs")
    return [found[number] for number in sorted(found)]


def _terms(said: dict[str, Any]) -> Terms:
    """Return price, lots of a period, and periods; a further run of a block has no price of its own."""
    price = said.get("begin_ticks", said.get("price_ticks", 0))
    return int(price), int(said["quantity_lots"]), int(said.get("run_periods", 1))


def _commands(data: Path) -> Iterator[dict[str, Any]]:
    """Yield the orders that came over the bridge's session, as the exchange's journal has them."""
    session_id = _seat(data).session_id
    for batch in JournalScan(data / "exchange" / "journal", exchange.schema).runs():
        commands = batch.commands
        is_own = (commands["session_id"] == session_id) & np.isin(commands["kind"], list(ORDERS))
        for place in np.flatnonzero(is_own).tolist():
            record = ORDERS[int(commands["kind"][place])]
            yield record.unpack(commands[place : place + 1]) | {"record": record}


def compare_awards(data: Path) -> int:
    """Return how many awards are no fill of the fleet's at the exchange, and how many fills are no award."""
    seat = _seat(data)
    auctions = {int(zone["auction_id"]): int(zone["first_product_id"])
                for zone in _tape(data, "exchange", exchange.schema, dayahead.ZoneDefined)}  # fmt: skip
    awards = Counter(
        (int(award["product_id"]), int(award["quantity_lots"]), int(award["price_ticks"]))
        for award in _tape(data, "vpp", vpp.SCHEMA, vpp.AwardRecorded)
    )
    fills = Counter(
        (int(fill["product_id"]), int(fill["quantity_lots"]), int(fill["price_ticks"]))
        for fill in _tape(data, "exchange", exchange.schema, exchange.OrderFilled)
        if int(fill["session_id"]) == seat.session_id
    )
    for curve in _tape(data, "exchange", exchange.schema, dayahead.CurveAwarded):
        lots = int(curve["sold_lots"]) + int(curve["bought_lots"])
        if int(curve["account_id"]) == seat.account_id and lots:
            product_id = auctions[int(curve["auction_id"])] + int(curve["period"])
            fills[product_id, lots, int(curve["price_ticks"])] += 1
    for auction_id, period, lots, price in _block_fills(data, seat.account_id):
        fills[auctions[auction_id] + period, lots, price] += 1
    return (awards - fills).total() + (fills - awards).total()


def _block_fills(data: Path, account_id: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield auction, period, lots and price of each period of the account's blocks that were accepted.

    What a block asks for is in its commands; its id is in the answer to the last of them.
    """
    asked: dict[int, tuple[int, list[int]]] = {}  # first period and lots, by the last command's number
    block: tuple[int, list[int]] = 0, []
    for said in _commands(data):
        if said["record"] is dayahead.SubmitBlock:
            block = int(said["first_period"]), []
        if said["record"] in (dayahead.SubmitBlock, dayahead.ExtendBlock):
            block[1].extend([int(said["quantity_lots"])] * int(said["run_periods"]))
            asked[int(said["session_number"])] = block
    events = _tape(data, "exchange", exchange.schema, dayahead.PriceSet, dayahead.BlockAccepted,
                   dayahead.BlockAwarded)  # fmt: skip
    prices: dict[tuple[int, int], int] = {}
    blocks: dict[int, tuple[int, list[int]]] = {}  # by id, of the auction that runs
    for event in events:
        kind = int(event["kind"])
        if kind == dayahead.PriceSet.kind:
            prices[int(event["auction_id"]), int(event["period"])] = int(event["price_ticks"])
        elif int(event["account_id"]) != account_id:
            continue
        elif kind == dayahead.BlockAccepted.kind:
            blocks[int(event["block_id"])] = asked[int(event["session_number"])]
        elif int(event["ratio_billionths"]):
            first, lots = blocks[int(event["block_id"])]
            auction_id = int(event["auction_id"])
            for period in (n for n, each in enumerate(lots, first) if each):
                yield auction_id, period, lots[period - first], prices[auction_id, period]


def _seat(data: Path) -> Any:
    """Return the credential of the bridge's session with the exchange."""
    return next(c for c in Credentials(data).all() if (c.market, c.name) == ("exchange", "fleet"))


def _tape(data: Path, market: str, schema: Schema, *records: Any) -> list[Any]:
    """Return the events of some records, in order."""
    tape = TapeReader(data / market, schema)
    tape.position = tape.first()
    rows: list[Any] = []
    while (events := tape.read()).size:
        rows += [row.copy() for _, row in rows_of_any(events, *records)]
    tape.close()
    return rows
