"""Logical time, shared by every process of a data folder: the wall's, faster, or stepped by a conductor.

A node stamps what this clock says, and never lets its own stamps step back. One page of memory
holds the clock, so that all processes agree on it without talking.
"""

import time
from pathlib import Path

from ringmain.core.shared import SharedWords

_CREATED, _STEPPED, _ORIGIN_LOGICAL, _ORIGIN_WALL, _SPEED_MILLI, _NOW, _TURN = range(7)
_WORDS = 512
NANOSECONDS = 1_000_000_000


class Clock:
    """The clock of a data folder.

    A *running* clock starts at a logical time and moves `speed` times as fast as the wall clock. A
    *stepped* clock stands still until its conductor moves it: so a simulated day comes out the
    same each time, however fast or slow the machine is.
    """

    def __init__(self, path: Path, create: bool = False) -> None:
        self._words = SharedWords(path, _WORDS if create else 0)
        self._array = self._words.array

    @classmethod
    def running(cls, path: Path, start_ns: int | None = None, speed: float = 1.0) -> "Clock":
        """Open the clock, or make one that runs from `start_ns` (the wall's time if None)."""
        clock = cls(path, create=True)
        if not clock._array[_CREATED]:
            wall = time.time_ns()
            clock._create(0, wall if start_ns is None else start_ns, round(speed * 1000))
        return clock

    @classmethod
    def stepped(cls, path: Path, start_ns: int) -> "Clock":
        """Open the clock, or make one that stands at `start_ns` until it is moved."""
        clock = cls(path, create=True)
        if not clock._array[_CREATED]:
            clock._create(1, start_ns, 0)
        return clock

    @property
    def is_stepped(self) -> bool:
        """Whether a conductor moves it."""
        return bool(self._array[_STEPPED])

    @property
    def speed(self) -> float:
        """Logical seconds for each second of the wall; 0 for a stepped clock."""
        return float(self._array[_SPEED_MILLI]) / 1000

    def now_ns(self) -> int:
        """Return the logical time in nanoseconds since 1970 UTC."""
        if self._array[_STEPPED]:
            return int(self._array[_NOW])
        elapsed = time.time_ns() - int(self._array[_ORIGIN_WALL])
        return int(self._array[_ORIGIN_LOGICAL]) + elapsed * int(self._array[_SPEED_MILLI]) // 1000

    def step_to(self, time_ns: int) -> None:
        """Move a stepped clock; whoever sleeps until a deadline is to be woken by the caller."""
        assert self._array[_STEPPED], "a running clock moves by itself"
        self._array[_NOW] = time_ns

    def wall_seconds_until(self, time_ns: int) -> float:
        """Return how long a sleeper may sleep before `time_ns`; infinite if only a step can bring it."""
        if self._array[_STEPPED]:
            return float("inf")
        return max(0.0, (time_ns - self.now_ns()) / NANOSECONDS / max(self.speed, 1e-9))

    @property
    def turn(self) -> int:
        """Whose turn it is, of those who live a stepped day in a fixed order."""
        return int(self._array[_TURN])

    def pass_turn(self, to: int) -> None:
        """Let the participant numbered `to` act."""
        self._array[_TURN] = to
        self._words.wake(_TURN)

    def wait_turn(self, own: int, timeout_s: float) -> bool:
        """Sleep until it is the turn of `own`; False if the timeout came first."""
        deadline = time.monotonic() + timeout_s
        while (turn := self.turn) != own:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            self._words.park(_TURN, turn, remaining)
        return True

    def _create(self, stepped: int, start_ns: int, speed_milli: int) -> None:
        self._array[_STEPPED], self._array[_NOW] = stepped, start_ns
        self._array[_ORIGIN_LOGICAL], self._array[_ORIGIN_WALL] = start_ns, time.time_ns()
        self._array[_SPEED_MILLI] = speed_milli
        self._array[_CREATED] = 1
