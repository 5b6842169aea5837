"""A street of simulated homes on the fleet's own engine, in one process, with a desk that says baselines.

Loads, roofs, heat stores and batteries report by the minute as in ``ringmain run``; nothing is traded. So
what a quarter-hour deviates by is what the baselines were wrong by and the batteries could not make up for.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.core.engine import Machine
from ringmain.core.messages import STRICT, record_of
from ringmain.vpp.engine import MARKET
from ringmain.vpp.fleets import seeded_homes
from ringmain.vpp.messages import SCHEMA, RegisterBattery, RegisterCharger, SetNode
from ringmain.vpp.state import PERIOD_NS, SECOND_NS
from ringmain.vpp.views import DeskView
from ringmain.world.batteries import Batteries
from ringmain.world.homes import Homes as Devices

BEGIN_NS = 1_527_206_400 * SECOND_NS  # 25 May 2018, midnight UTC
MINUTE_NS = 60 * SECOND_NS
DESK, BATTERIES, HOMES = 1, 2, 3  # sessions
ACCOUNTS = {DESK: 0, BATTERIES: 100, HOMES: 101}
TIMER, OPEN_SESSION = record_of(SCHEMA, "Timer"), record_of(SCHEMA, "OpenSession")


class Lane:
    """A session with the engine, as devices use one."""

    def __init__(self, street: "Street", session: int) -> None:
        self._street, self._session, self._heard = street, session, 0

    def send(self, record: Any) -> None:
        """Send one command."""
        self._street.apply(self._session, record)

    def send_batch(self, records: Any) -> None:
        """Send commands of one kind."""
        self._street.apply(self._session, records)

    def settle(self) -> None:
        """Nothing is under way."""

    def resend(self, after: int) -> None:
        """Nothing is heard twice: the devices begin anew each time."""

    def poll(self) -> Any:
        """Return the events of the last minutes for this session."""
        events = self._street.told[self._session]
        self._street.told[self._session] = events[:0]
        return events


class Street:
    """Homes, their engine and the view of them.

    Parameters
    ----------
    count : int
        Homes; cars are left out: nobody plans them here.
    act : callable (view, now_ns) -> commands of the desk
    """

    def __init__(self, count: int, seed: int, act: Callable[[DeskView, int], Any], folder: Path) -> None:
        self.now_ns, self.view, self._act = BEGIN_NS, DeskView(), act
        self._machine, self._sequence, self._numbers = Machine(MARKET), 0, dict.fromkeys(ACCOUNTS, 0)
        self._blocks: list[bytes] = []
        self.told: dict[int, Any] = {}
        for session, account in ACCOUNTS.items():
            opening = OPEN_SESSION(account_id=account, numbering=STRICT, cancel_on_disconnect=0)
            opening["session_id"] = session
            self._step(opening)
            self.told[session] = np.zeros(0, SCHEMA.header)
        commands = seeded_homes(count, seed, ACCOUNTS[BATTERIES], ACCOUNTS[HOMES])
        commands = [c for c in commands if int(c["kind"][0]) != RegisterCharger.kind]
        for command in commands:
            self.apply(DESK, command)
        batteries = [c for c in commands if int(c["kind"][0]) == RegisterBattery.kind]
        others = [c for c in commands if int(c["kind"][0]) not in (RegisterBattery.kind, SetNode.kind)]
        lanes: list[Any] = [Lane(self, session) for session in (BATTERIES, HOMES)]
        self.batteries = Batteries(np.concatenate(batteries), seed, lanes[0], folder / "batteries.npy")
        self.devices = Devices(others, seed, lanes[1], folder / "homes.npy")
        for each in (self.batteries, self.devices):  # nobody is restarted here
            each._remember = lambda: None  # type: ignore[method-assign]
        self._fold()
        assert self.view.assets.active.size == count

    def apply(self, session: int, records: Any) -> None:
        """Apply commands of a session."""
        records = records.copy()
        first = self._numbers[session] + 1
        self._numbers[session] += len(records)
        records["session_id"] = session
        records["session_number"] = np.arange(first, first + len(records))
        self._step(records)

    def minute(self) -> None:
        """Live a minute: timers, desk, devices."""
        self.now_ns += MINUTE_NS
        while 0 < self._machine.next_deadline_ns <= self.now_ns:
            self._step(TIMER())
        self._fold()
        commands = self._act(self.view, self.now_ns)
        if len(commands):
            self.apply(DESK, commands)
        self.batteries.live(self.now_ns)
        self.devices.live(self.now_ns)
        self._fold()

    def _step(self, records: Any) -> None:
        records["sequence"] = np.arange(self._sequence + 1, self._sequence + 1 + len(records))
        records["time_ns"] = self.now_ns
        self._sequence += len(records)
        batch = SCHEMA.batch([records])
        self._machine.step(batch, lambda events: self._blocks.append(events.tobytes()))

    def _fold(self) -> None:
        events = np.frombuffer(b"".join(self._blocks), SCHEMA.header).view(np.recarray)
        self._blocks.clear()
        self.view.fold(events)
        for session in (BATTERIES, HOMES):
            own = events[events["session_id"] == session]
            self.told[session] = np.concatenate([self.told[session], own])


def in_folder(live: Callable[[Path], Any]) -> Any:
    """Call with a folder for the devices' memory, and return what it returns."""
    with tempfile.TemporaryDirectory() as folder:
        return live(Path(folder))


def is_quarter(now_ns: int) -> bool:
    """Tell whether a quarter-hour begins."""
    return now_ns % PERIOD_NS == 0
