"""Replay equals live, in any batching and without the JIT; and no bytes bring the fleet down."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_vpp_allocation import Tree
from test_vpp_reserve_twin import Callers
from test_vpp_slow_twin import Twins

from ringmain.core.engine import Machine
from ringmain.core.records import HEADER_BYTES
from ringmain.vpp.engine import MARKET
from ringmain.vpp.messages import SCHEMA
from ringmain.vpp.reserve_messages import RESERVE_DOWN
from ringmain.vpp.state import EVENTS_PER_COMMAND, SECOND_NS
from unit.vpp.rig import BRIDGE, DESK, LINK, MIDNIGHT_NS, MINUTE_NS, OTHER_LINK, TIMER, Rig, battery
from unit.vpp.test_vpp_desk import DELIVERY_NS, award, bid, product
from unit.vpp.test_vpp_hierarchy import node, solar, target
from unit.vpp.test_vpp_reserve import block, offer, won

HERE = Path(__file__).parent


def journal_of(seed: int, hours: int) -> Any:
    """The stamped commands of a random stream, timers included."""
    twins = Twins(seed)
    twins.live(hours)
    return SCHEMA.batch(twins.rig.journal)


def journal_of_tree(seed: int) -> Any:
    """The stamped commands of a hierarchy with assets of every kind, asked for one power after the other."""
    tree = Tree(seed)
    for minute in range(1, 6):
        tree.rig.send(DESK, target(tree.rig, tree.roll(-60_000, 60_000)))
        tree.rig.advance(MIDNIGHT_NS + minute * MINUTE_NS)
    return SCHEMA.batch(tree.rig.journal)


def journal_of_reserve(seed: int, hours: int) -> Any:
    """The stamped commands of a fleet whose reserve is called on all the time."""
    twins = Callers(seed)
    twins.live(hours)
    return SCHEMA.batch(twins.rig.journal)


JOURNALS = {
    "stream": lambda: journal_of(3, 1),
    "tree": lambda: journal_of_tree(5),
    "reserve": lambda: journal_of_reserve(1, 2),
}


def replayed(commands: Any, cuts: list[int]) -> tuple[int, str]:
    machine, events = Machine(MARKET), hashlib.sha256()
    for begin, end in zip([0, *cuts], [*cuts, commands.size], strict=True):
        machine.step(commands[begin:end], lambda rows: events.update(rows.tobytes()))
    return machine.digest(), events.hexdigest()


def resumed(commands: Any, cut: int) -> tuple[int, str]:
    """Replay, on a second machine from `cut` on, which is given the first one's bytes."""
    before, after, told = Machine(MARKET), Machine(MARKET), hashlib.sha256()
    before.step(commands[:cut], lambda rows: told.update(rows.tobytes()))
    for copy, part in zip(after.parts(), before.parts(), strict=True):
        copy[:] = part
    after.step(commands[cut:], lambda rows: told.update(rows.tobytes()))
    return after.digest(), told.hexdigest()


@pytest.mark.parametrize("seed", range(4))
def test_any_batching_gives_the_same_bytes(seed: int) -> None:
    commands, dice = journal_of(seed, 4), np.random.default_rng(seed)
    whole = replayed(commands, [])
    for cut_count in (1, 10, 100):
        assert replayed(commands, sorted(dice.integers(1, commands.size, cut_count).tolist())) == whole


@pytest.mark.parametrize("seed", range(3))
def test_a_fleet_goes_on_from_a_snapshot_at_any_command(seed: int) -> None:
    commands, dice = journal_of_reserve(seed, 4), np.random.default_rng(seed)
    digest, events = replayed(commands, [])
    for cut in dice.integers(1, commands.size, 8).tolist():
        assert resumed(commands, cut) == (digest, events)


@pytest.mark.parametrize("name", JOURNALS)
def test_the_jit_changes_nothing(name: str) -> None:
    script = f"from test_vpp_replay import *; print(*replayed(JOURNALS[{name!r}](), []))"
    paths = os.pathsep.join([str(HERE), str(HERE.parents[1]), str(HERE.parents[2] / "src")])
    without = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert without.returncode == 0, without.stderr
    digest, events = replayed(JOURNALS[name](), [])
    assert without.stdout.split() == [str(digest), events]


def living_rig() -> Rig:
    rig = Rig()
    rig.send(DESK, *[battery(asset_id) for asset_id in range(1, 6)], product(), bid())
    rig.send(DESK, node(7), node(8, parent_id=7, is_site=1, export_limit_w=500), solar(9, node_id=8))
    rig.send(DESK, block(product_id=2), block(product_id=3, service=RESERVE_DOWN), offer(2, 2), offer(3, 3))
    rig.send(BRIDGE, award(), won(2, 2), won(3, 3))
    return rig


def random_record(dice: np.random.Generator) -> Any:
    """A record of a known kind whose body is noise: all of it, or a few fields of small numbers."""
    records = [r for r in SCHEMA.commands.values() if r is not TIMER and r.kind < 0xFF00]
    record = records[dice.integers(len(records))]
    row = np.zeros(1, record.dtype)
    if dice.random() < 0.5:
        row.view(np.uint8)[HEADER_BYTES:] = dice.integers(0, 256, SCHEMA.record_bytes - HEADER_BYTES)
    else:
        for declared in record.fields:
            row[declared.name] = dice.integers(0, 12)
        if "until_ns" in row.dtype.names:
            row["until_ns"] = DELIVERY_NS + dice.integers(0, 4_000) * SECOND_NS
    record.stamp(row)
    return row


@pytest.mark.parametrize("seed", range(6))
def test_random_bodies_are_answered_and_the_books_still_balance(seed: int) -> None:
    dice, rig = np.random.default_rng(seed), living_rig()
    for _ in range(1_500):
        session = (DESK, BRIDGE, LINK, OTHER_LINK)[dice.integers(4)]
        rig.apply(session, [random_record(dice)])
        if dice.random() < 0.2:
            rig.advance(rig.now_ns + int(dice.integers(1, 120)) * SECOND_NS)
    events = rig.advance(rig.now_ns + 3_600 * SECOND_NS)
    assert len(events) > 60
    assert rig.fleet.accounts["balance_minor"].sum() == 0


@pytest.mark.parametrize("seed", range(4))
def test_random_bytes_do_not_crash_the_machine(seed: int) -> None:
    dice, rig = np.random.default_rng(seed), living_rig()
    for _ in range(40):
        noise = np.frombuffer(dice.bytes(64 * 50), SCHEMA.header).copy().view(np.recarray)
        if dice.random() < 0.7:
            noise["session_id"] = dice.integers(0, 6, 50)
            noise["kind"] = dice.choice([*range(1, 30), 0xFF02, 0xFF03], 50)
            noise["slots"], noise["version"] = 1, SCHEMA.version
        rig._apply(noise)
        rig.advance(rig.now_ns + 60 * SECOND_NS)
    assert rig.fleet.accounts["balance_minor"].sum() == 0


def test_a_command_never_causes_more_events_than_declared() -> None:
    rig = living_rig()
    rows = rig.advance(rig.now_ns + 8 * 3_600 * SECOND_NS)
    counts = np.unique([row["sequence"] for row in rows], return_counts=True)[1]
    assert counts.max() <= EVENTS_PER_COMMAND
