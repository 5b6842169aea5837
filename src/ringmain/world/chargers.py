"""Simulated wallboxes: cars come, charge within what they are allowed, and leave. Seeded.

:class:`Wallbox` is the physics, :class:`StreetCharger` speaks OCPP for one over the loopback.
"""

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import numpy as np

from ringmain.client.devices.charge_points import ChargePoint16, ChargePoint201, Identity, Measured
from ringmain.client.devices.loop_thread import LoopThread

HOUR_NS = 3_600 * 1_000_000_000
LEAST_W = 1_380.0  # 6 A on one phase: below that a car does not charge (IEC 61851-1)
EFFICIENCY = 0.92
EMPTY_SHARE = 0.1  # below so much of its capacity a car gives nothing, whatever it is told
CAPACITIES_WH = (40_000.0, 58_000.0, 77_000.0)
VERSIONS: tuple[type[ChargePoint16] | type[ChargePoint201], ...] = (ChargePoint16, ChargePoint201)


@dataclass
class Car:
    """What is at the plug."""

    capacity_wh: float
    energy_wh: float
    most_w: float
    departs_ns: int
    needed_wh: float


class Wallbox:
    """One outlet with its meters.

    Parameters
    ----------
    most_w, gives_w : float
        What a car may take, and give; 0: it can't give.
    """

    def __init__(self, seed: int, most_w: float = 11_000.0, gives_w: float = 0.0) -> None:
        self._dice = np.random.default_rng([seed, 31])
        self.most_w, self.gives_w, self.power_w, self.given_wh = most_w, gives_w, 0.0, 0.0
        self.meter_wh = float(self._dice.uniform(0, 5e6))
        self.car: Car | None = None
        self._at_ns = 0

    def come(self, now_ns: int) -> Car:
        """A car comes."""
        dice = self._dice
        capacity_wh = float(dice.choice(CAPACITIES_WH))
        energy_wh = capacity_wh * float(dice.uniform(0.15, 0.6))
        needed_wh = float(dice.uniform(0.2, 0.9)) * (0.95 * capacity_wh - energy_wh)
        stay_ns = int(dice.uniform(2, 10) * HOUR_NS)
        most_w = min(self.most_w, float(dice.choice([3_700.0, 7_400.0, 11_000.0])))
        self.car = Car(capacity_wh, energy_wh, most_w, now_ns + stay_ns, needed_wh)
        return self.car

    def go(self) -> None:
        """The car leaves."""
        self.car, self.power_w = None, 0.0

    def live(self, now_ns: int, limit_w: float) -> None:
        """Run at the present power until now, then take the limit; it draws a little less than it may.

        A limit below zero asks the car to give so much, as far as it has it.
        """
        hours = (now_ns - self._at_ns) / HOUR_NS if self._at_ns else 0.0
        self._at_ns = now_ns
        if self.car is None:
            return
        room_wh = (self.car.capacity_wh - self.car.energy_wh) / EFFICIENCY
        taken_wh = min(max(self.power_w, 0.0) * hours, room_wh)
        given_wh = min(max(-self.power_w, 0.0) * hours, self.car.energy_wh * EFFICIENCY)
        self.meter_wh += taken_wh
        self.given_wh += given_wh
        self.car.energy_wh += taken_wh * EFFICIENCY - given_wh / EFFICIENCY
        self.power_w = self._power_w(self.car, limit_w)

    def _power_w(self, car: Car, limit_w: float) -> float:
        """Return what is drawn within a limit; below zero: given."""
        if limit_w < 0:
            gives = car.energy_wh > EMPTY_SHARE * car.capacity_wh
            return max(limit_w, -self.gives_w, -car.most_w) if gives and self.gives_w else 0.0
        allowed_w = min(limit_w, car.most_w, self.most_w)
        is_full = car.energy_wh >= car.capacity_wh - 1
        charges = allowed_w >= LEAST_W and not is_full
        return allowed_w * float(self._dice.uniform(0.97, 1.0)) if charges else 0.0

    def measured(self) -> Measured:
        """Return what it shows."""
        soc = None if self.car is None else self.car.energy_wh / self.car.capacity_wh
        given_wh = self.given_wh if self.gives_w else None
        return Measured(self.power_w, self.meter_wh, soc, given_wh=given_wh)


class StreetCharger:
    """A wallbox that speaks OCPP: 1.6 or 2.0.1, as the seed has it.

    Parameters
    ----------
    loop : LoopThread
        Where its connection lives.
    gives_w : float
        What it can give; 1.6 has no way to ask for that.
    """

    def __init__(self, identity: Identity, seed: int, loop: LoopThread, gives_w: float = 0.0) -> None:
        self.wallbox = Wallbox(seed, gives_w=gives_w)
        self._loop, self._dice = loop, np.random.default_rng([seed, 32])
        self.version = VERSIONS[int(self._dice.integers(len(VERSIONS)))]
        connecting: Coroutine[Any, Any, ChargePoint16 | ChargePoint201] = self.version.connect(identity)
        self.point = loop.run(connecting)
        self._comes_ns = 0

    def live(self, now_ns: int) -> None:
        """Run on until now: a car may come or leave; report."""
        box, run = self.wallbox, self._loop.run
        box.live(now_ns, self.point.outlet(1).limit_w(now_ns))
        if box.car is None and now_ns >= self._comes_ns:
            car = box.come(now_ns)
            run(self.point.plug(1, now_ns, car.departs_ns, car.needed_wh))
            run(self.point.start_charging(1, now_ns, "card-1", box.meter_wh))
        elif box.car is not None and now_ns >= box.car.departs_ns:
            run(self.point.stop_charging(1, now_ns, box.meter_wh))
            run(self.point.unplug(1, now_ns))
            box.go()
            self._comes_ns = now_ns + int(self._dice.uniform(0.5, 6) * HOUR_NS)
        else:
            run(self.point.meter(1, now_ns, box.measured()))

    def close(self) -> None:
        """Hang up."""
        self._loop.run(self.point.close())
