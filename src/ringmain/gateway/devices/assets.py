"""The assets that a gateway speaks for: what comes of each is checked, what goes to each is dealt out."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from ringmain.core.errors import RingmainError
from ringmain.gateway.devices.fleet_port import FleetPort, Setpoint, Telemetry
from ringmain.gateway.devices.meters import Meters
from ringmain.gateway.devices.readings import Bounds, Reading, UnfitError, check

LOG = logging.getLogger("ringmain.devices")
FEWEST_ROWS = 16_384

EnergyOf = Callable[[float], float]
Listener = Callable[[Setpoint], None]


class Assets:
    """What stands between the protocols and the fleet.

    Attributes
    ----------
    counts : Counter
        How many readings were ``taken``; and how many of each reason were refused, or of each other
        thing that a protocol counts.
    """

    def __init__(self, port: FleetPort, meters_path: Path, largest_id: int = 0) -> None:
        self.port = port
        self.counts: Counter[str] = Counter()
        self._meters = Meters(meters_path, max(FEWEST_ROWS, largest_id + 1))
        self._bounds: dict[int, Bounds] = {}
        self._listeners: dict[int, Listener] = {}
        self._last: dict[int, Setpoint] = {}

    def add(self, assets: Mapping[int, Bounds], whose: str) -> None:
        """Take charge of assets; RM750 for one that something else speaks for already."""
        for asset_id, bounds in assets.items():
            if asset_id in self._bounds:
                what = f"asset {asset_id} of {whose} is spoken for already"
                raise RingmainError("RM750", "devices", what, "Give each asset one device")
            if not 0 < asset_id < len(self._meters.rows):
                what = f"asset {asset_id} of {whose} is no asset"
                raise RingmainError("RM750", "devices", what, f"Choose below {len(self._meters.rows)}")
            self._bounds[asset_id] = bounds

    def take(self, asset_id: int, reading: Reading, energy_of: EnergyOf | None = None) -> str:
        """Report a reading to the fleet; return why not, or "".

        Parameters
        ----------
        energy_of : callable, optional
            Tells what is stored from the meter of all energy ever taken, if the reading does not.
        """
        bounds = self._bounds[asset_id]
        try:
            check(reading, bounds, self.port.now_ns())
            metered = self._meters.take(asset_id, reading, bounds)
        except UnfitError as unfit:
            self.refuse(asset_id, unfit.reason)
            return unfit.reason
        energy_wh = reading.energy_wh
        if energy_wh is None:
            energy_wh = energy_of(metered.charged_wh) if energy_of is not None else 0.0
        self.counts["taken"] += 1
        self.port.report(
            Telemetry(
                asset_id, metered.device_number, reading.measured_ns, round(metered.power_w),
                round(min(max(energy_wh, 0.0), bounds.energy_capacity_wh)),
                _whole_wh(metered.charged_wh), _whole_wh(metered.discharged_wh),
            )
        )  # fmt: skip
        return ""

    def refuse(self, asset_id: int, reason: str) -> None:
        """Count what was refused; its first, second, fourth, eighth … time is logged."""
        self.counts[reason] += 1
        count = self.counts[reason]
        if count & (count - 1) == 0:
            LOG.warning("asset %d: %s, %d of these so far", asset_id, reason, count)

    def charged_wh(self, asset_id: int) -> float:
        """Return the meter of all energy that an asset took; -1 if it was never read."""
        return self._meters.charged_wh(asset_id)

    def listen(self, asset_id: int, listener: Listener) -> None:
        """Hand an asset's set-points to `listener` from now on, the one that holds at once."""
        self._listeners[asset_id] = listener
        last = self._last.get(asset_id)
        if last is not None and last.valid_until_ns > self.port.now_ns():
            listener(last)

    def unlisten(self, asset_id: int, listener: Listener) -> None:
        """Hand them on no longer, unless somebody else listens by now."""
        if self._listeners.get(asset_id) == listener:
            del self._listeners[asset_id]

    async def deal(self) -> None:
        """Hand out set-points as they come, until the link ends; the newest number of each asset counts."""
        async for setpoint in self.port.setpoints():
            self.hand(setpoint)

    def hand(self, setpoint: Setpoint) -> None:
        """Hand one set-point to whom it concerns."""
        if setpoint.asset_id not in self._bounds:
            self.counts["SETPOINT_FOR_NOBODY"] += 1
            return
        last = self._last.get(setpoint.asset_id)
        if last is not None and setpoint.number < last.number:
            return
        self._last[setpoint.asset_id] = setpoint
        if setpoint.valid_until_ns <= self.port.now_ns():
            self.counts["SETPOINT_TOO_LATE"] += 1
            return
        listener = self._listeners.get(setpoint.asset_id)
        if listener is not None:
            listener(setpoint)


def _whole_wh(meter_wh: float) -> int:
    """Return a meter's whole watt-hours, as meters show them: what has begun does not count yet."""
    return int(meter_wh + 1e-6)
