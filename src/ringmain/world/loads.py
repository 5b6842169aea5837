"""A simulated building with a heat store, which takes part in demand response as a VEN. Seeded."""

import time
from collections.abc import Callable

import numpy as np

from ringmain.client.devices.loop_thread import LoopThread
from ringmain.client.devices.ven import SIMPLE, Account, Asked, VenClient

HOUR_NS = 3_600 * 1_000_000_000
LEVEL_SHARES = (1.0, 0.8, 0.5, 0.0)  # of its limit, by SIMPLE's levels
HOLDS_AT = 0.2  # below this share of its store it heats, whatever is asked


class Building:
    """A heat pump on a store that loses heat.

    Parameters
    ----------
    clock : callable
        The time in nanoseconds that its physics go by.
    """

    def __init__(
        self, seed: int, clock: Callable[[], int], limit_w: int = 9_000, capacity_wh: int = 30_000
    ) -> None:
        dice = np.random.default_rng([seed, 51])
        self.limit_w, self.capacity_wh, self._clock = limit_w, capacity_wh, clock
        self.stored_wh = capacity_wh * float(dice.uniform(0.4, 0.8))
        self.loss_w = float(dice.uniform(500, 1_500))
        self.meter_wh = float(dice.uniform(1e5, 4e6))
        self.power_w, self._at_ns = 0.0, 0

    def live(self, asked: Asked | None) -> None:
        """Heat at the present power until now, then do what is asked; on its own it keeps its store."""
        now_ns = self._clock()
        hours = (now_ns - self._at_ns) / HOUR_NS if self._at_ns else 0.0
        self._at_ns = now_ns
        self.meter_wh += self.power_w * hours
        self.stored_wh += (self.power_w - self.loss_w) * hours
        self.stored_wh = min(max(self.stored_wh, 0.0), float(self.capacity_wh))
        wanted_w = self.loss_w
        if asked is not None:
            is_level = asked.signal == SIMPLE
            wanted_w = LEVEL_SHARES[int(asked.payload)] * self.limit_w if is_level else asked.payload
        if self.stored_wh < HOLDS_AT * self.capacity_wh:
            wanted_w = max(wanted_w, self.loss_w)
        if self.stored_wh >= self.capacity_wh - 1:
            wanted_w = min(wanted_w, self.loss_w)
        self.power_w = min(max(wanted_w, 0.0), float(self.limit_w))


class BuildingVen:
    """A building that speaks OpenADR.

    Parameters
    ----------
    loop : LoopThread
        Where its connection lives.
    sampling_s : float
        How often it reads its meter; it polls as often.
    """

    def __init__(
        self, account: Account, building: Building, loop: LoopThread, sampling_s: float = 10.0
    ) -> None:
        self.building, self._loop = building, loop
        self._every_s, self._polls_s = sampling_s, 0.0
        self.ven = loop.run(self._made(account, sampling_s))
        self.is_taken = loop.run(self.ven.start())

    async def _made(self, account: Account, sampling_s: float) -> VenClient:
        building = self.building
        return VenClient(
            account, lambda: building.power_w, lambda: building.meter_wh, sampling_s=sampling_s,
            stored_wh=lambda: building.stored_wh,
        )  # fmt: skip

    def live(self) -> None:
        """Poll if it is time, and run on until now; the reports go out by themselves."""
        now_s = time.monotonic()
        if now_s >= self._polls_s:
            self._polls_s = now_s + self._every_s
            self._loop.run(self.ven.poll())
        self.building.live(self.ven.wanted())

    def close(self) -> None:
        """End."""
        self._loop.run(self.ven.stop())
