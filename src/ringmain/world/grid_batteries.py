"""Simulated batteries that steady the grid: each follows its set-points, and by itself the frequency. Seeded.

When the fleet is silent each goes by the prices that it was sent, and the frequency on top of that.

:class:`GridBattery` is the physics; :class:`LinkedBatteries` speak for several over a binary websocket,
:class:`MqttBattery` for one over MQTT.
"""

import math
from typing import Any

import numpy as np

from ringmain.client.devices.droop import NOMINAL_HZ, Droop
from ringmain.client.devices.link_client import LinkAccount, LinkClient
from ringmain.client.devices.local_plan import OWN, LocalPlans
from ringmain.client.devices.loop_thread import LoopThread
from ringmain.client.devices.mqtt_client import Answer, MqttAccount, MqttClient
from ringmain.gateway.devices import frames
from ringmain.gateway.devices.payloads import MILLISECOND_NS, SetpointMessage, Telemetry
from ringmain.gateway.devices.readings import HOUR_NS, READING, SECOND_NS
from ringmain.gateway.sheets import Sheet

EFFICIENCY, RESERVE, WEAR_TICKS = 0.95, 0.05, 300
WAVES_S_HZ = ((4.7, 0.006), (31.0, 0.011), (137.0, 0.012), (900.0, 0.008))  # how frequency wanders


def frequency_hz(now_ns: int, seed: int = 0) -> float:
    """Return a grid's frequency at a time: waves of several lengths about the nominal."""
    now_s, begins = now_ns / SECOND_NS, np.random.default_rng([seed, 61]).uniform(0, 2 * math.pi, 4)
    waves = zip(WAVES_S_HZ, begins.tolist(), strict=True)
    return NOMINAL_HZ + sum(
        height * math.sin(2 * math.pi * now_s / length + begin) for (length, height), begin in waves
    )


class GridBattery:
    """A battery that answers frequency by droop about its set-point, or about its own plan.

    Parameters
    ----------
    fuse_w : float
        What its site may take and give.
    """

    def __init__(
        self, seed: int, limit_w: int = 5_000, capacity_wh: int = 10_000, fuse_w: float = math.inf
    ) -> None:
        dice = np.random.default_rng([seed, 62])
        self.limit_w, self.capacity_wh = limit_w, capacity_wh
        self.energy_wh = capacity_wh * float(dice.uniform(0.3, 0.7))
        self.charged_wh, self.discharged_wh = (float(dice.uniform(1e5, 4e6)) for _ in range(2))
        own = np.zeros(1, OWN)
        own["charge_limit_w"] = own["discharge_limit_w"] = limit_w
        own["capacity_wh"], own["reserve_wh"] = capacity_wh, capacity_wh * RESERVE
        own["charge_efficiency"] = own["discharge_efficiency"] = EFFICIENCY
        own["wear_ticks"], own["fuse_import_w"], own["fuse_export_w"] = WEAR_TICKS, fuse_w, fuse_w
        self.plans = LocalPlans(own)
        self.droop = Droop(limit_w, most_w=limit_w / 5)
        self.power_w, self.wanted_w, self.valid_until_ns = 0.0, 0.0, 0
        self._number, self._at_ns = 0, 0

    def want(self, number: int, power_w: float, valid_until_ns: int) -> bool:
        """Take a set-point, unless there is a newer one; False if it can't be run at."""
        if number >= self._number:
            self._number, self.wanted_w, self.valid_until_ns = number, power_w, valid_until_ns
        return abs(power_w) <= self.limit_w

    def live(self, now_ns: int, measured_hz: float, site_w: float = 0.0) -> None:
        """Move energy at the present power until now, then take set-point or plan, and frequency.

        Parameters
        ----------
        site_w : float
            What everything else at its site gives to the grid; negative: takes.
        """
        hours = (now_ns - self._at_ns) / HOUR_NS if self._at_ns else 0.0
        self._at_ns = now_ns
        given_wh = min(max(self.power_w, 0.0) * hours, self.energy_wh * EFFICIENCY)
        taken_wh = min(max(-self.power_w, 0.0) * hours, (self.capacity_wh - self.energy_wh) / EFFICIENCY)
        self.energy_wh += taken_wh * EFFICIENCY - given_wh / EFFICIENCY
        self.charged_wh += taken_wh
        self.discharged_wh += given_wh
        is_free = self.valid_until_ns <= now_ns
        own_w = self.plans.power_w(now_ns, np.array([self.energy_wh]), np.array([is_free]), site_w)
        wanted_w = float(own_w[0]) if is_free else self.wanted_w
        least_w, most_w = (float(limit[0]) for limit in self.plans.limits_w(site_w))
        most_w = most_w if self.energy_wh > 1 else min(most_w, 0.0)
        least_w = least_w if self.energy_wh < self.capacity_wh - 1 else max(least_w, 0.0)
        self.power_w = self.droop.power_w(wanted_w, measured_hz, (least_w, most_w))

    def reading(self, asset_id: int, now_ns: int) -> tuple[Any, ...]:
        """Return what it measures, as a row of READING."""
        return (asset_id, now_ns, self.power_w, self.charged_wh, self.discharged_wh, self.energy_wh)


class LinkedBatteries:
    """Batteries behind one box with a websocket."""

    def __init__(
        self, account: LinkAccount, batteries: dict[int, GridBattery], loop: LoopThread, seed: int = 0
    ) -> None:
        self.batteries, self._loop, self._seed = batteries, loop, seed
        self.client = LinkClient(account, self._want, seed, self._price)
        self._task = loop.run(loop.begin(self.client.run()))

    def _want(self, setpoints: Any) -> Any:
        """Hand set-points on; devices say whether they can."""
        columns = (setpoints[name].tolist() for name in ("asset_id", "number", "power_w", "valid_until_ns"))
        can = [self.batteries[asset_id].want(*rest) for asset_id, *rest in zip(*columns, strict=True)]
        return np.where(can, frames.ACCEPTED, frames.DECLINED)

    def _price(self, sheet: Sheet) -> None:
        for battery in self.batteries.values():
            battery.plans.hear(sheet)

    def live(self, now_ns: int) -> None:
        """Act, and say what is measured."""
        measured_hz = frequency_hz(now_ns, self._seed)
        for battery in self.batteries.values():
            battery.live(now_ns, measured_hz)
        rows = [battery.reading(asset_id, now_ns) for asset_id, battery in self.batteries.items()]
        self._loop.run(self._report(np.array(rows, READING)))

    async def _report(self, readings: Any) -> None:
        self.client.report(readings)

    def close(self) -> None:
        """Hang up."""
        self._loop.run(self._end())

    async def _end(self) -> None:
        self._task.cancel()
        self.client.hang_up()


class MqttBattery:
    """A battery on MQTT."""

    def __init__(self, account: MqttAccount, battery: GridBattery, loop: LoopThread, seed: int = 0) -> None:
        self.battery, self._loop, self._seed = battery, loop, seed
        self.client = MqttClient(account, self._want, battery.plans.hear)
        self._task = loop.run(loop.begin(self.client.run()))

    def _want(self, said: SetpointMessage) -> Answer:
        can = self.battery.want(said.number, said.power_w, said.valid_until_ms * MILLISECOND_NS)
        return "accepted" if can else "declined"

    def live(self, now_ns: int) -> None:
        """Act, and say what is measured."""
        battery = self.battery
        battery.live(now_ns, frequency_hz(now_ns, self._seed))
        self._loop.run(self._report(Telemetry(
            now_ns // MILLISECOND_NS, battery.power_w / 1_000, "kW", battery.charged_wh,
            battery.discharged_wh, battery.energy_wh, "Wh",
        )))  # fmt: skip

    async def _report(self, telemetry: Telemetry) -> None:
        self.client.report(telemetry)

    def close(self) -> None:
        """Hang up."""
        self._loop.run(self._end())

    async def _end(self) -> None:
        self._task.cancel()
