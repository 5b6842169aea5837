"""The conductor moves a venue's stepped clock, and waits at each step until every node has done its part."""

import time
from collections.abc import Sequence
from pathlib import Path

from ringmain.core.clock import NANOSECONDS, Clock
from ringmain.core.errors import RingmainError
from ringmain.core.page import NodePage
from ringmain.core.ring import Ring
from ringmain.core.shared import ring_path

POLL_S = 0.000_2
NUDGE_AGAIN_S = 0.05  # a node that was just started may have missed the first
STEP_LIMIT_S = 60.0
BEHIND_MOST_S = 1.0  # time that was lost is made up for, but no more than this


class Conductor:
    """Moves logical time, not faster than `speed` logical seconds a second; 0 is as fast as it goes."""

    def __init__(self, data: Path, markets: Sequence[str], speed: float) -> None:
        self._folders = [data / market for market in markets]
        self.clock = Clock(data / "clock")
        self.pages = {market: NodePage(data / market / "page") for market in markets}
        self._speed = speed
        self._due_s = 0.0  # a day that goes on is behind

    @property
    def now_ns(self) -> int:
        """The logical time."""
        return self.clock.now_ns()

    def advance(self, time_ns: int) -> None:
        """Move to a time, when it is due; return when all nodes have lived up to it.

        Raises
        ------
        RingmainError
            RM503 if a node does not get there.
        """
        self._pace(time_ns - self.now_ns)
        self.clock.step_to(time_ns)
        deadline = time.monotonic() + STEP_LIMIT_S
        nudge_s = 0.0
        while any(page.get("settled_ns") < time_ns for page in self.pages.values()):
            now_s = time.monotonic()
            if now_s > deadline:
                behind = ", ".join(n for n, page in self.pages.items() if page.get("settled_ns") < time_ns)
                raise RingmainError("RM503", "world", f"{behind} does not reach the logical time",
                                    "Look into the node's log")  # fmt: skip
            if now_s >= nudge_s:
                self._nudge()
                nudge_s = now_s + NUDGE_AGAIN_S
            time.sleep(POLL_S)

    def _nudge(self) -> None:
        for folder in self._folders:
            if ring_path(folder).exists():
                Ring.open(ring_path(folder)).nudge()

    def _pace(self, step_ns: int) -> None:
        if not self._speed:
            return
        self._due_s = max(self._due_s + step_ns / NANOSECONDS / self._speed, time.monotonic() - BEHIND_MOST_S)
        time.sleep(max(0.0, self._due_s - time.monotonic()))
