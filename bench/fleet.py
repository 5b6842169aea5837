"""A fleet: telemetry into twins and their sum, how far the sum may be off, and how well it follows a target.

Telemetry goes from a producer's process through ring, journal (fdatasync) and twins to the aggregate; the
socket is left out. The peer is one Python object for each asset, called directly, with no journal.

The sum's deviation and the following of a target are measured against simulated devices whose true
powers are known, on the engine itself; no process and no clock is involved, so the same seed gives the
same figures.
"""

import os
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.figures import Row, alternate, row
from ringmain.core.clock import Clock
from ringmain.core.engine import Machine
from ringmain.core.journal.writer import JournalOptions
from ringmain.core.messages import record_of
from ringmain.core.node import NodeOptions, serve
from ringmain.core.page import NodePage
from ringmain.core.ring import Ring
from ringmain.core.sessions import RISING
from ringmain.core.shared import ring_path
from ringmain.core.tape import TapeReader
from ringmain.vpp.engine import MARKET, MARKET_OF_MANY
from ringmain.vpp.messages import (
    SCHEMA,
    FleetHeard,
    FleetMeasured,
    NodeMeasured,
    RegisterBattery,
    RegisterLoad,
    RegisterSolar,
    ReportTelemetry,
    SetNode,
    SetpointIssued,
    SetRhythm,
    SetTarget,
)
from ringmain.vpp.state import MANY

MANY_ASSETS, SOME_ASSETS = 1_000_000, 100_000
FRAMES = 4_000_000
PIECE = 8_192
WARM_S = 1.0
PEER_FRAMES, PEER = 200_000, "a Python object each, no journal"
DESK, LINK, LINK_ACCOUNT = 1, 2, 7
NO_LIMIT = 2_000_000_000
SECOND_NS, MINUTE_NS = 10**9, 60 * 10**9
BEGIN_NS = 1_526_860_800 * SECOND_NS  # some midnight
OPEN, TIMER = record_of(SCHEMA, "OpenSession"), record_of(SCHEMA, "Timer")


def run(scale: float = 1.0) -> list[Row]:
    """Measure a million twins, and what is known and done of smaller fleets."""
    twins_mb = sum(MANY[name].itemsize for name in ("assets", "twins", "meters", "plans")) / 1e6
    with _Fleet(MANY_ASSETS) as fleet:
        fleet.register()
        fleet.report(MANY_ASSETS)
        count = max(PIECE, int(FRAMES * scale))
        ours, theirs = alternate(3, lambda: fleet.report(count) / 1e6, lambda: python_objects() / 1e6)
    with _Fleet(SOME_ASSETS) as fleet:
        fleet.register()
        fleet.report(SOME_ASSETS)
        ages_ms = fleet.ages_ms(max(2.0, 10.0 * scale))
    minutes, seconds = max(60, int(1_200 * scale)), max(700, int(1_500 * scale))
    within = [calibration(minutes, seed) for seed in (1, 2, 3)]
    return [
        row("a million twins, state", [twins_mb * MANY_ASSETS / MANY["twins"].shape[0]], "MB"),
        row("telemetry of a million twins, fdatasync", ours, "M frames/s", PEER, theirs),
        row("aggregate of 100k assets, age p99", [float(np.quantile(ages_ms, 0.99))], "ms"),
        row(
            "truth within the fleet's 95 % band, a fifth lost",
            [100 * found["fleet"] for found in within],
            "%",
        ),
        row(
            "truth within feeders' 95 % band, a fifth lost",
            [100 * found["feeders"] for found in within],
            "%",
        ),
        row("tracking a ramp, 20 % lost", [100 * tracking(seconds, lost=0.2)], "% of capacity"),
        row("tracking a ramp, 30 % cut off for 5 min", [100 * tracking(seconds, cut=0.3)], "% of capacity"),
        row("tracking a ramp, no feedback", [100 * tracking(seconds, lag_ms=0)], "% of capacity"),
    ]


def many(record: Any, count: int, **fields: Any) -> Any:
    """Make `count` records of one kind."""
    rows = np.zeros(count, record.dtype)
    record.stamp(rows)
    for name, values in fields.items():
        rows[name] = values
    return rows


def batteries(count: int, first: int = 1, **fields: Any) -> Any:
    """Make registrations of like batteries, four to a site."""
    ids = np.arange(first, first + count)
    values: dict[str, Any] = {
        "asset_id": ids, "node_id": (ids - 1) // 4 + 1, "charge_limit_w": 5_000, "discharge_limit_w": 5_000,
        "energy_capacity_wh": 10_000, "link_account_id": LINK_ACCOUNT, "reserve_permille": 100,
        "charge_efficiency_permille": 950, "discharge_efficiency_permille": 950, "wear_price_ticks": 100,
    }  # fmt: skip
    return many(RegisterBattery, count, **{**values, **fields})


# A node, and the way to its aggregate.


class _Fleet:
    """A node with a fleet, in a process of its own, fed through its ring."""

    def __init__(self, assets: int) -> None:
        self.assets = assets
        self._data = Path(tempfile.mkdtemp(prefix="ringmain-bench-"))
        self._folder = self._data / "vpp"
        self._number = {DESK: 0, LINK: 0}
        self._round = 0
        self._dice = np.random.default_rng(3)

    def __enter__(self) -> "_Fleet":
        Machine(MARKET_OF_MANY).compile()
        self._pid = os.fork()
        if self._pid == 0:
            options = NodeOptions(JournalOptions(), snapshot_commands=1 << 62, digest_commands=1 << 62)
            serve(self._folder, MARKET_OF_MANY, Clock.running(self._data / "clock"), options)
            os._exit(0)
        deadline = time.monotonic() + 60
        while not (self._folder / "page").exists() or not NodePage(self._folder / "page").get("node"):
            assert time.monotonic() < deadline, "the node does not come up"
            time.sleep(0.05)
        self._page = NodePage(self._folder / "page")
        self._producer = Ring.open(ring_path(self._folder)).producer()
        for session, account in ((DESK, 0), (LINK, LINK_ACCOUNT)):
            opening = OPEN(account_id=account, numbering=RISING, cancel_on_disconnect=0)
            opening["session_id"] = session
            self._offer(opening)
        return self

    def __exit__(self, *failure: object) -> None:
        os.kill(self._pid, signal.SIGTERM)
        os.waitpid(self._pid, 0)
        shutil.rmtree(self._data)

    def register(self) -> None:
        """Take all batteries in."""
        self.send(DESK, batteries(self.assets))
        self._settle()

    def send(self, session: int, rows: Any) -> None:
        """Number commands and offer them."""
        first = self._number[session] + 1
        self._number[session] += len(rows)
        rows["session_id"] = session
        rows["session_number"] = np.arange(first, first + len(rows))
        self._offer(rows)

    def reports(self, count: int) -> Any:
        """Make so many reports, each asset's in turn, in a random order within a round."""
        rounds = -(-count // self.assets)
        order = np.concatenate([self._dice.permutation(self.assets) for _ in range(rounds)])[:count] + 1
        number = self._round + 1 + np.arange(count) // self.assets
        self._round += rounds
        now_ns = time.time_ns() + np.arange(count) // self.assets * 1_000_000
        return many(
            ReportTelemetry, count, asset_id=order, device_number=number, measured_ns=now_ns, energy_wh=5_000,
            power_w=self._dice.integers(-5_000, 5_000, count), charged_wh=number, discharged_wh=number,
        )  # fmt: skip

    def report(self, count: int) -> float:
        """Send so many reports as fast as they are taken; return reports a second until they are durable."""
        rows = self.reports(count)
        began = time.perf_counter()
        self.send(LINK, rows)
        self._settle()
        return count / (time.perf_counter() - began)

    def ages_ms(self, seconds: float) -> Any:
        """Have the fleet measured every 5 ms, while reports come; return the sum's age over time."""
        self.send(DESK, many(
            SetRhythm, 1, tick_ms=60_000, measure_ms=5, lease_ms=300_000, lag_ms=60_000, late_ms=180_000,
            silent_ms=600_000,
        ))  # fmt: skip
        self._settle()
        rows, reader = self.reports(200 * int(seconds * 1_000)), TapeReader(self._folder, SCHEMA)
        reader.position = reader.readable()
        rows["measured_ns"] = time.time_ns() + np.arange(rows.size) * 5_000
        ages, newest_ns, sent, end = [], 0, 0, time.monotonic() + seconds
        while time.monotonic() < end:
            due = min(rows.size, 200 * int((seconds - end + time.monotonic()) * 1_000))
            if due - sent >= 1_000:
                self.send(LINK, rows[sent:due])
                sent = due
            for event in (events := reader.read())[events["kind"] == FleetMeasured.kind]:
                newest_ns = int(event["time_ns"])
            if newest_ns and time.monotonic() > end - seconds + WARM_S:
                ages.append((time.time_ns() - newest_ns) / 1e6)
            time.sleep(0.000_5)
        return np.array(ages)

    def _offer(self, rows: Any) -> None:
        while len(rows):
            taken = self._producer.offer(rows[:PIECE])
            rows = rows[taken:]
            if not taken:
                time.sleep(0.000_2)

    def _settle(self) -> None:
        """Wait until everything offered is durable."""
        expected = sum(self._number.values()) + 2  # and the openings; timers only add to it
        while self._page.get("durable_sequence") < expected or self._page.get("sequence") > self._page.get(
            "durable_sequence"
        ):
            time.sleep(0.000_5)


class _Object:
    """The peer: a twin as a Python object."""

    __slots__ = ("energy_wh", "measured_ns", "number", "power_w")

    def __init__(self) -> None:
        self.number = self.measured_ns = self.power_w = self.energy_wh = 0


def python_objects() -> float:
    """Bring objects up to reports, and their sum; return reports a second."""
    twins = [_Object() for _ in range(SOME_ASSETS + 1)]
    dice = np.random.default_rng(1)
    frames = list(zip(
        (dice.permutation(PEER_FRAMES) % SOME_ASSETS + 1).tolist(), range(1, PEER_FRAMES + 1),
        dice.integers(-5_000, 5_000, PEER_FRAMES).tolist(), strict=True,
    ))  # fmt: skip
    power_w = 0
    began = time.perf_counter()
    for asset_id, number, power in frames:
        twin = twins[asset_id]
        if number > twin.number:
            power_w += power - twin.power_w
            twin.number, twin.measured_ns, twin.power_w, twin.energy_wh = number, number, power, 5_000
    return PEER_FRAMES / (time.perf_counter() - began)


# The engine alone, and devices whose truth is known.


class _Engine:
    """The fleet's engine with the clock in our hands."""

    def __init__(self) -> None:
        self.machine, self.now_ns = Machine(MARKET), BEGIN_NS
        self._sequence, self._number = 0, {DESK: 0, LINK: 0}
        self._told: list[Any] = []
        for session, account in ((DESK, 0), (LINK, LINK_ACCOUNT)):
            opening = OPEN(account_id=account, numbering=RISING, cancel_on_disconnect=0)
            opening["session_id"] = session
            self._step(opening)

    def send(self, session: int, rows: Any) -> None:
        """Apply commands now."""
        if not len(rows):
            return
        rows["session_id"] = session
        rows["session_number"] = self._number[session] + 1 + np.arange(len(rows))
        self._number[session] += len(rows)
        self._step(rows)

    def advance(self, until_ns: int) -> Any:
        """Fire the timers up to a time; return all events since the last call, as headers."""
        while 0 < self.machine.next_deadline_ns <= until_ns:
            self.now_ns = max(self.now_ns, self.machine.next_deadline_ns)
            self._step(TIMER())
        self.now_ns = until_ns
        told, self._told = self._told, []
        return SCHEMA.batch(told) if told else SCHEMA.empty(0)

    def _step(self, rows: Any) -> None:
        batch = SCHEMA.batch([rows])
        batch["sequence"] = self._sequence + 1 + np.arange(batch.size)
        batch["time_ns"] = self.now_ns
        self._sequence += batch.size
        self.machine.step(batch, lambda events: self._told.append(events.copy()))


def of_kind(events: Any, record: Any) -> Any:
    """Return the events of one record."""
    return events.view(record.dtype)[events["kind"] == record.kind]


def calibration(minutes: int, seed: int, lost: float = 0.2) -> dict[str, float]:
    """Return the share of minutes in which the truth lies within 1.96 deviations of what is told.

    Ten feeders with 200 loads and 100 roofs each. A load wanders around its own mean and switches
    something large on and off; a roof goes with the sun and its own clouds. Each reports once a minute,
    at a second of its own, and a share of the reports is lost.
    """
    dice, engine, feeders, each = np.random.default_rng(seed), _Engine(), 10, 300
    count = feeders * each
    ids = np.arange(1, count + 1)
    feeder = (ids - 1) // each
    is_load = (ids - 1) % each < 200
    engine.send(DESK, many(
        SetNode, feeders, node_id=np.arange(1, feeders + 1), import_limit_w=NO_LIMIT, export_limit_w=NO_LIMIT,
    ))  # fmt: skip
    sites = {"asset_id": ids, "node_id": feeder + 1, "link_account_id": LINK_ACCOUNT}
    loads = {name: values[is_load] if np.ndim(values) else values for name, values in sites.items()}
    roofs = {name: values[~is_load] if np.ndim(values) else values for name, values in sites.items()}
    engine.send(DESK, many(RegisterLoad, int(is_load.sum()), import_limit_w=10_000, **loads))
    engine.send(DESK, many(RegisterSolar, int((~is_load).sum()), export_limit_w=8_000, **roofs))
    truth, phase = _Homes(dice, is_load), dice.integers(0, 60, count)
    number, hits = 1, {"fleet": [], "feeders": []}
    for second in range(60 * minutes):
        now_ns = BEGIN_NS + second * SECOND_NS
        power = truth.step()
        events = engine.advance(now_ns)
        if second % 60 == 0 and second >= 1_800:
            told, heard = of_kind(events, FleetMeasured), of_kind(events, FleetHeard)
            off = abs(power.sum() - told["power_w"][-1])
            hits["fleet"].append(off <= 1.96 * heard["power_deviation_w"][-1])
            for line in of_kind(events, NodeMeasured):
                off = abs(power[feeder == line["node_id"] - 1].sum() - line["power_w"])
                hits["feeders"].append(off <= 1.96 * line["power_deviation_w"])
        if second % 60 == 59:
            number += 1
        speaks = (phase == second % 60) & (dice.random(count) >= lost)
        engine.send(LINK, many(
            ReportTelemetry, int(speaks.sum()), asset_id=ids[speaks], device_number=number,
            measured_ns=now_ns, power_w=power[speaks].round(),
        ))  # fmt: skip
    return {name: float(np.mean(found)) for name, found in hits.items()}


class _Homes:
    """Loads and roofs, second by second."""

    def __init__(self, dice: np.random.Generator, is_load: Any) -> None:
        self._dice, self._is_load, self._second = dice, is_load, 0
        self._mean = dice.uniform(200, 900, is_load.size)
        self._wander = np.zeros(is_load.size)
        self._large = dice.random(is_load.size) < 0.15
        self._cloud = dice.uniform(0.3, 1.0, is_load.size)

    def step(self) -> Any:
        """Return the powers of the next second, in W."""
        dice, count = self._dice, self._is_load.size
        self._wander += -self._wander / 600 + dice.normal(0, 12, count)
        switches = dice.random(count) < np.where(self._large, 1 / 600, 1 / 3_400)
        self._large ^= switches
        self._cloud = np.clip(self._cloud + dice.normal(0, 0.01, count), 0.1, 1.0)
        self._second += 1
        sun = 0.4 + 0.4 * np.sin(self._second / 9_000)
        loads = -np.clip(self._mean + self._wander + 2_000 * self._large, 30, 9_900)
        return np.where(self._is_load, loads, 8_000 * sun * self._cloud)


def tracking(seconds: int, lost: float = 0.0, cut: float = 0.0, lag_ms: int = 6_000, seed: int = 1) -> float:
    """Return the root mean square of power less target, as a share of the capacity.

    10,000 batteries give between 93 and 98 % of what they are told. A set-point takes 2 s to the device,
    a report 2 s back; a share of both is lost. The target is a ramp up and down. With `cut`, that share of
    the fleet neither hears nor is heard for 5 minutes from the middle on; it goes on until its leases end,
    and then rests.
    """
    dice, engine, count = np.random.default_rng(seed), _Engine(), 10_000
    capacity_w = count * 5_000
    ids = np.arange(1, count + 1)
    engine.send(DESK, batteries(count, energy_capacity_wh=100_000))
    engine.send(DESK, many(
        SetRhythm, 1, tick_ms=2_000, measure_ms=2_000, lease_ms=60_000, lead_ms=3_000, lag_ms=lag_ms,
        late_ms=6_000, silent_ms=10_000,
    ))  # fmt: skip
    gives = dice.uniform(0.93, 0.98, count)
    wanted, until = np.zeros(count), np.zeros(count)
    errors = []
    on_the_way: list[tuple[int, Any]] = []
    cut_from, is_cut = seconds // 2, dice.random(count) < cut
    for second in range(0, seconds, 2):
        now_ns = BEGIN_NS + second * SECOND_NS
        target_w, ramp_w = (
            int(capacity_w * 0.35 * f(second / 120) / w) for f, w in ((np.sin, 1), (np.cos, 120))
        )
        asked = {"power_w": target_w, "ramp_w_per_s": ramp_w, "valid_until_ns": now_ns + MINUTE_NS}
        engine.send(DESK, many(SetTarget, 1, **asked))
        events = of_kind(engine.advance(now_ns), SetpointIssued)
        is_away = is_cut & (cut_from <= second < cut_from + 300)
        on_the_way.append((second + 2, events[dice.random(events.size) >= lost]))
        while on_the_way and on_the_way[0][0] <= second:
            arrived = on_the_way.pop(0)[1]
            arrived = arrived[~is_away[arrived["asset_id"] - 1]]
            wanted[arrived["asset_id"] - 1] = arrived["power_w"]
            until[arrived["asset_id"] - 1] = arrived["valid_until_ns"] / SECOND_NS
        power = np.where(until > now_ns / SECOND_NS, wanted, 0) * gives
        if second > 60:
            errors.append(power.sum() - target_w)
        speaks = (dice.random(count) >= lost) & ~is_away
        engine.now_ns = now_ns + 2 * SECOND_NS - 1  # what was measured now is heard just before the next tick
        engine.send(LINK, many(
            ReportTelemetry, int(speaks.sum()), asset_id=ids[speaks], device_number=second + 1,
            measured_ns=now_ns + 1, power_w=power[speaks].round(), energy_wh=50_000,
        ))  # fmt: skip
    return float(np.sqrt(np.mean(np.square(errors)))) / capacity_w
