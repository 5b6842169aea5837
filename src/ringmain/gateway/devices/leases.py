"""What is wanted of many assets, until each lease ends, and whether their devices have said yes to it."""

from typing import Any

import numpy as np

from ringmain.gateway.devices.fleet_port import SETPOINT
from ringmain.gateway.devices.frames import ACCEPTED

FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 30.0
TRIES_COUNTED = 10
# What becomes of set-points, as the gateways count it.
SETPOINT_ACCEPTED, SETPOINT_REFUSED = "SETPOINT_ACCEPTED", "SETPOINT_REFUSED"
SETPOINT_UNANSWERED, SETPOINT_TOO_LATE = "SETPOINT_UNANSWERED", "SETPOINT_TOO_LATE"

LEASE = np.dtype([
    ("number", "i8"),  # the newest set-point's; 0: none so far
    ("answered", "i8"),  # the newest number that the device has answered, or that was given up
    ("power_w", "i8"),
    ("valid_until_ns", "i8"),
    ("try_at_s", "f8"),  # when it is sent once more
    ("tries", "i8"),
])  # fmt: skip


class Leases:
    """One row an asset. Times are the fleet's; `at_s` is the process's clock, for pauses between tries.

    A set-point that is not answered is sent again after longer and longer pauses, of random length from half
    of each on, until its lease ends ("full jitter"; see :class:`ringmain.gateway.devices.pace.Backoff`).
    """

    def __init__(self, asset_count: int, seed: int = 0) -> None:
        self.rows = np.zeros(asset_count, LEASE)
        self._dice = np.random.default_rng(seed)

    def want(self, setpoints: Any, now_ns: int) -> tuple[Any, int]:
        """Note set-points; return the assets of those that are to be sent, and how many came too late.

        Parameters
        ----------
        setpoints : array of SETPOINT, shape (n,)
            Of several for one asset the newest number counts, and of equal ones the last.
        """
        setpoints = setpoints[np.argsort(setpoints["number"], kind="stable")]
        ids = setpoints["asset_id"]
        setpoints = setpoints[setpoints["number"] >= self.rows["number"][ids]]
        ids = setpoints["asset_id"]
        for name in ("number", "power_w", "valid_until_ns"):
            self.rows[name][ids] = setpoints[name]  # the last of an asset stays
        self.rows["tries"][ids] = 0
        is_late = setpoints["valid_until_ns"] <= now_ns
        late = ids[is_late]
        self.rows["answered"][late] = self.rows["number"][late]
        fresh = np.unique(ids[~is_late])
        return fresh[self.rows["valid_until_ns"][fresh] > now_ns], int(is_late.sum())

    def holding(self, asset_ids: Any, now_ns: int) -> Any:
        """Return those of these assets of which something is wanted now."""
        return asset_ids[self.rows["valid_until_ns"][asset_ids] > now_ns]

    def due(self, is_connected: Any, now_ns: int, at_s: float) -> tuple[Any, int]:
        """Return the assets that are to be told once more, and how many leases ended without an answer.

        Parameters
        ----------
        is_connected : array of bool, one an asset
        """
        rows = self.rows
        waiting = np.flatnonzero(rows["number"] > rows["answered"])
        is_over = rows["valid_until_ns"][waiting] <= now_ns
        over = waiting[is_over]
        rows["answered"][over] = rows["number"][over]
        waiting = waiting[~is_over & is_connected[waiting]]
        return waiting[rows["try_at_s"][waiting] <= at_s], int(over.size)

    def sent(self, asset_ids: Any, at_s: float) -> None:
        """Note that these assets were told, and when to do it again."""
        tries = self.rows["tries"][asset_ids]
        pause_s = np.minimum(FIRST_PAUSE_S * 2.0 ** np.minimum(tries, TRIES_COUNTED), LONGEST_PAUSE_S)
        self.rows["tries"][asset_ids] = tries + 1
        self.rows["try_at_s"][asset_ids] = at_s + pause_s * self._dice.uniform(0.5, 1.0, len(asset_ids))

    def answer(self, asset_ids: Any, numbers: Any, answers: Any) -> tuple[int, int]:
        """Note what devices say to set-points; return how many were accepted and declined.

        What they say to another than the newest one, or once more, counts for nothing.
        """
        rows = self.rows
        _, newest = np.unique(asset_ids[::-1], return_index=True)
        places = asset_ids.size - 1 - newest  # of several of one asset the last counts
        ids = asset_ids[places]
        counts = (numbers[places] == rows["number"][ids]) & (rows["answered"][ids] < rows["number"][ids])
        rows["answered"][ids[counts]] = rows["number"][ids[counts]]
        accepted = int((answers[places][counts] == ACCEPTED).sum())
        return accepted, int(counts.sum()) - accepted


def setpoint_of(asset_id: int, power_w: int, valid_until_ns: int, number: int) -> Any:
    """Return one set-point as an array of SETPOINT."""
    return np.array([(asset_id, power_w, valid_until_ns, number)], SETPOINT)
