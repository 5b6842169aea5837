"""A fleet that notes what it is told, and tells set-points when a test wants it to."""

import asyncio
import time

from ringmain.gateway.devices.fleet_port import Setpoint, Telemetry

SECOND_NS = 1_000_000_000


class RecordingPort:
    def __init__(self) -> None:
        self.reports: list[Telemetry] = []
        self.plugged: dict[int, tuple[int, int]] = {}
        self.ahead_ns = 0
        self.waiting: asyncio.Queue[Setpoint] = asyncio.Queue()
        self._number = 0

    def now_ns(self) -> int:
        return time.time_ns() + self.ahead_ns

    def report(self, telemetry: Telemetry) -> None:
        self.reports.append(telemetry)

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
            yield await self.waiting.get()


async def until(is_so, timeout_s: float = 10.0) -> None:
    """Wait until something is so; TimeoutError if it does not come about."""
    async with asyncio.timeout(timeout_s):
        while not is_so():
            await asyncio.sleep(0.005)
