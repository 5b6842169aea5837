"""A fleet that notes what it is told, and tells set-points when a test wants it to."""

import asyncio
import time

import numpy as np

from ringmain.gateway.devices.fleet_port import SETPOINT, Setpoint, Telemetry

SECOND_NS = 1_000_000_000


class RecordingPort:
    def __init__(self) -> None:
        self.reports: list[Telemetry] = []
        self.plugged: dict[int, tuple[int, int]] = {}
        self.ahead_ns = 0
        self.waiting: asyncio.Queue[Setpoint] = asyncio.Queue()
        self.most = 1 << 30  # reports that it keeps; beyond that there is no room
        self._number = 0

    def now_ns(self) -> int:
        return time.time_ns() + self.ahead_ns

    def report(self, telemetry: Telemetry) -> None:
        self.reports.append(telemetry)

    def report_many(self, reports) -> None:
        self.reports += [Telemetry(*row) for row in reports.tolist()]

    def room(self) -> int:
        return self.most - len(self.reports)

    async def settle(self) -> None:
        while self.room() <= 0:
            await asyncio.sleep(0.005)

    def plug_in(self, asset_id: int, departs_s: int, required_wh: int) -> None:
        self.plugged[asset_id] = departs_s, required_wh

    def unplug(self, asset_id: int) -> None:
        del self.plugged[asset_id]

    def want(self, asset_id: int, power_w: int, lease_s: float = 300) -> Setpoint:
        self._number += 1
        setpoint = Setpoint(asset_id, power_w, self.now_ns() + int(lease_s * SECOND_NS), self._number)
        self.waiting.put_nowait(setpoint)
        return setpoint

    async def setpoints(self):
        while True:
            each = await self.waiting.get()
            row = (each.asset_id, each.power_w, each.valid_until_ns, each.number)
            yield np.array([row], SETPOINT)


async def until(is_so, timeout_s: float = 10.0) -> None:
    """Wait until something is so; TimeoutError if it does not come about."""
    async with asyncio.timeout(timeout_s):
        while not is_so():
            await asyncio.sleep(0.005)
