"""Replay equals live: in any batching, with and without the JIT."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from markets.tally import MARKET, stream
from ringmain.core.engine import Machine

TESTS = Path(__file__).parents[1]
DIGEST = "from markets.tally import *; from ringmain.core.engine import Machine\n" \
    "m=Machine(MARKET); b=[]; m.step(stream(5, 400), lambda e: b.append(e.tobytes()))\n" \
    "import hashlib; print(m.digest(), hashlib.sha256(b''.join(b)).hexdigest())"  # fmt: skip


def live(commands: Any, cuts: list[int]) -> tuple[int, bytes]:
    machine, events = Machine(MARKET), []
    for begin, end in zip([0, *cuts], [*cuts, commands.size], strict=True):
        machine.step(commands[begin:end], lambda rows: events.append(rows.tobytes()))
    return machine.digest(), b"".join(events)


@pytest.mark.parametrize("seed", range(8))
def test_any_batching_gives_the_same_bytes(seed: int) -> None:
    commands, dice = stream(seed, 5_000), np.random.default_rng(seed)
    whole = live(commands, [])
    for pieces in (1, 7, 300):
        cuts = sorted(dice.integers(0, commands.size, pieces).tolist())
        assert live(commands, cuts) == whole


def test_the_jit_changes_nothing() -> None:
    def run(**environment: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", DIGEST],
            cwd=TESTS,
            env={**os.environ, **environment},
            check=True,
            text=True,
            capture_output=True,
        ).stdout

    assert run(NUMBA_DISABLE_JIT="1") == run(NUMBA_DISABLE_JIT="0") != ""


def test_an_engine_opens_no_file_and_no_socket_while_it_applies() -> None:
    commands = stream(1, 500)
    machine = Machine(MARKET)
    machine.step(commands[:50], lambda rows: None)  # compiled and loaded by now
    seen: list[str] = []
    watching = True

    def watch(event: str, _: Any) -> None:
        if watching and event in (
            "open",
            "socket.connect",
            "socket.__new__",
            "os.listdir",
            "subprocess.Popen",
        ):
            seen.append(event)

    sys.addaudithook(watch)
    machine.step(commands[50:], lambda rows: None)
    watching = False
    assert seen == []
