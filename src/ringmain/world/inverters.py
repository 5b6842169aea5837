"""Simulated inverters: a battery and a solar roof behind real SunSpec registers. Seeded.

They act on what is written into their registers, and revert by themselves when the time-out that was
written with it is over.
"""

import math
from collections.abc import Callable

import numpy as np

from ringmain.client.devices.loop_thread import LoopThread
from ringmain.client.devices.sunspec_server import SunSpecServer, Values

HOUR_NS = 3_600 * 1_000_000_000
SECOND_NS = 1_000_000_000
DAY_NS = 24 * HOUR_NS
EFFICIENCY = 0.95
SCALES = {"W_SF": 0, "VA_SF": 0, "Var_SF": 0, "PF_SF": -2, "A_SF": -1, "V_SF": -1, "Hz_SF": -2}


class Lease:
    """What was asked for in registers, as long as its time-out lasts."""

    def __init__(self, server: SunSpecServer, model_id: int, switch: str, timeout: str) -> None:
        self._server, self._model_id = server, model_id
        self._switch, self._timeout = switch, timeout
        self._is_on, self._until_ns, self._written = False, 0, 0

    def is_on(self, now_ns: int) -> bool:
        """Tell whether it still holds; switch it off in the registers when it no longer does."""
        server = self._server
        is_switched = bool(server.get(self._model_id, self._switch))
        written = server.write_count
        if is_switched and (not self._is_on or written != self._written):
            seconds = server.get(self._model_id, self._timeout) or 0
            self._until_ns = now_ns + int(seconds * SECOND_NS) if seconds else 1 << 62
        self._is_on, self._written = is_switched, written
        if is_switched and now_ns >= self._until_ns:
            server.set(self._model_id, self._switch, 0)
            self._is_on = False
        return self._is_on


class BatteryInverter:
    """A home's battery: models 1, 701, 704 and 713, or 1, 103, 120 and 124 of the older kind."""

    def __init__(
        self, serial: str, seed: int, clock: Callable[[], int], is_older: bool = False,
        limit_w: int = 5_000, capacity_wh: int = 10_000,
    ) -> None:  # fmt: skip
        dice = np.random.default_rng([seed, 41])
        self.limit_w, self.capacity_wh, self._clock, self._is_older = limit_w, capacity_wh, clock, is_older
        self.energy_wh = capacity_wh * float(dice.uniform(0.3, 0.7))
        self.charged_wh, self.discharged_wh = (float(dice.uniform(1e5, 4e6)) for _ in range(2))
        self.power_w, self._at_ns = 0.0, 0
        self.server = SunSpecServer(self._older(serial) if is_older else self._newer(serial))
        self._lease = (
            Lease(self.server, 124, "StorCtl_Mod", "InOutWRte_RvrtTms")
            if is_older
            else Lease(self.server, 704, "WSetEna", "WSetRvrtTms")
        )
        self.server.before_read = self.live

    def _newer(self, serial: str) -> Values:
        return {
            1: {"Mn": "Ringmain", "Md": "Battery", "SN": serial},
            701: SCALES | {"W": 0, "TotWhInj": 0, "TotWhAbs": 0, "TotWh_SF": 0},
            702: {"WMaxRtg": self.limit_w, "WMax": self.limit_w, "W_SF": 0},
            704: {"WSetEna": 0, "WSetMod": 1, "WSet": 0, "WSetRvrt": 0, "WSetEnaRvrt": 0, "WSetRvrtTms": 0,
                  "WSet_SF": 1, "WMaxLimPct_SF": 0},
            713: {"WHRtg": self.capacity_wh // 10, "WH_SF": 1, "SoC": 0, "Pct_SF": -1},
        }  # fmt: skip

    def _older(self, serial: str) -> Values:
        return {
            1: {"Mn": "Ringmain", "Md": "Battery", "SN": serial},
            103: {"W": 0, "W_SF": 0, "WH": 0, "WH_SF": 0},
            120: {"WRtg": self.limit_w, "WRtg_SF": 0},
            124: {"WChaMax": self.limit_w // 10, "WChaMax_SF": 1, "StorCtl_Mod": 0, "ChaState": 0,
                  "ChaState_SF": -2, "OutWRte": 0, "InWRte": 0, "InOutWRte_SF": -2, "InOutWRte_RvrtTms": 0},
        }  # fmt: skip

    def wanted_w(self, now_ns: int) -> float:
        """Return the power that its registers ask for; 0 without a lease."""
        if not self._lease.is_on(now_ns):
            return 0.0
        if self._is_older:
            return (self.server.get(124, "OutWRte") or 0.0) / 100 * self.limit_w
        return self.server.get(704, "WSet") or 0.0

    def live(self) -> None:
        """Move energy at the present power until now, take what is asked, and show it."""
        now_ns = self._clock()
        hours = (now_ns - self._at_ns) / HOUR_NS if self._at_ns else 0.0
        self._at_ns = now_ns
        given_wh = min(max(self.power_w, 0.0) * hours, self.energy_wh * EFFICIENCY)
        taken_wh = min(max(-self.power_w, 0.0) * hours, (self.capacity_wh - self.energy_wh) / EFFICIENCY)
        self.energy_wh += taken_wh * EFFICIENCY - given_wh / EFFICIENCY
        self.charged_wh += taken_wh
        self.discharged_wh += given_wh
        wanted_w = min(max(self.wanted_w(now_ns), -self.limit_w), self.limit_w)
        can = self.energy_wh > 1 if wanted_w > 0 else self.energy_wh < self.capacity_wh - 1
        self.power_w = wanted_w if can else 0.0
        self._show()

    def _show(self) -> None:
        show, share = self.server.set, self.energy_wh / self.capacity_wh
        if self._is_older:
            show(103, "W", self.power_w)
            show(103, "WH", self.discharged_wh)
            show(124, "ChaState", share * 10_000)
        else:
            show(701, "W", self.power_w)
            show(701, "TotWhInj", self.discharged_wh)
            show(701, "TotWhAbs", self.charged_wh)
            show(713, "SoC", share * 1_000)


class SolarInverter:
    """A solar roof: models 1, 103, 120, 121 and 123."""

    def __init__(self, serial: str, seed: int, clock: Callable[[], int], peak_w: int = 8_000) -> None:
        dice = np.random.default_rng([seed, 42])
        self.peak_w, self._clock = peak_w, clock
        self._clearness = float(dice.uniform(0.5, 1.0))
        self.discharged_wh = float(dice.uniform(1e5, 4e6))
        self.power_w, self._at_ns = 0.0, 0
        self.server = SunSpecServer({
            1: {"Mn": "Ringmain", "Md": "Roof", "SN": serial},
            103: {"W": 0, "W_SF": 0, "WH": 0, "WH_SF": 0},
            120: {"WRtg": peak_w // 10, "WRtg_SF": 1},
            121: {"WMax": peak_w // 10, "WMax_SF": 1},
            123: {"WMaxLimPct": 10_000, "WMaxLimPct_SF": -2, "WMaxLimPct_RvrtTms": 0, "WMaxLim_Ena": 0},
        })  # fmt: skip
        self._lease = Lease(self.server, 123, "WMaxLim_Ena", "WMaxLimPct_RvrtTms")
        self.server.before_read = self.live

    def sunlight_w(self, now_ns: int) -> float:
        """Return what the sun would give: a bow from six to six, UTC."""
        return self.peak_w * self._clearness * max(0.0, -math.cos(2 * math.pi * (now_ns % DAY_NS) / DAY_NS))

    def live(self) -> None:
        """Count what was given, and give what the sun and the limit allow."""
        now_ns = self._clock()
        hours = (now_ns - self._at_ns) / HOUR_NS if self._at_ns else 0.0
        self._at_ns = now_ns
        self.discharged_wh += self.power_w * hours
        limit_w = math.inf
        if self._lease.is_on(now_ns):
            limit_w = (self.server.get(123, "WMaxLimPct") or 0.0) / 100 * self.peak_w
        self.power_w = min(self.sunlight_w(now_ns), limit_w)
        self.server.set(103, "W", self.power_w)
        self.server.set(103, "WH", self.discharged_wh)


def serve(inverter: BatteryInverter | SolarInverter, loop: LoopThread, port: int = 0) -> int:
    """Let an inverter answer at a port of the loopback; return the port."""
    return loop.run(inverter.server.start(port))
