"""The narrow way to the fleet's node, as the gateways of chargers, inverters and demand response need it.

:class:`ringmain.client.devices.fleet_link.FleetLink` is the way over the binary gateway.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ringmain.gateway.sheets import Sheet

# Many of what Telemetry and Setpoint are one of.
REPORT = np.dtype([
    ("asset_id", "i8"), ("device_number", "i8"), ("measured_ns", "i8"), ("power_w", "i8"),
    ("energy_wh", "i8"), ("charged_wh", "i8"), ("discharged_wh", "i8"),
])  # fmt: skip
SETPOINT = np.dtype([("asset_id", "i8"), ("power_w", "i8"), ("valid_until_ns", "i8"), ("number", "i8")])


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What an asset measured, as the fleet counts it: power is positive towards the grid.

    Parameters
    ----------
    device_number : int
        Rising from report to report; one that is not is dropped by the fleet.
    measured_ns : int
        Logical time of the measurement.
    energy_wh : int
        What it stores.
    charged_wh, discharged_wh : int
        Meters of all energy ever taken from and given to the grid; they never run back.
    """

    asset_id: int
    device_number: int
    measured_ns: int
    power_w: int
    energy_wh: int
    charged_wh: int
    discharged_wh: int


@dataclass(frozen=True, slots=True)
class Setpoint:
    """A power that is wanted of an asset until a logical time; then it rests, or goes by its own plan."""

    asset_id: int
    power_w: int
    valid_until_ns: int
    number: int


class FleetPort(Protocol):
    """What a gateway of devices says to the fleet, and hears from it."""

    def now_ns(self) -> int:
        """Return the fleet's logical time."""

    def report(self, telemetry: Telemetry) -> None:
        """Send what an asset measured; lost reports lose nothing, for meters go on."""

    def report_many(self, reports: Any) -> None:
        """Send what many assets measured: an array of :data:`REPORT`."""

    def room(self) -> int:
        """Return how many more reports will be sent; beyond that they are dropped."""

    async def settle(self) -> None:
        """Wait until the fleet has dealt with all that was sent."""

    def plug_in(self, asset_id: int, departs_s: int, required_wh: int) -> None:
        """Say that a car is at a charger, when it leaves and what it has to hold then."""

    def unplug(self, asset_id: int) -> None:
        """Say that the car is gone."""

    def setpoints(self) -> AsyncIterator[Any]:
        """Yield the set-points of this link's assets as they come, arrays of :data:`SETPOINT`."""

    def sheets(self) -> AsyncIterator[Sheet]:
        """Yield the fleet's price sheets as they come, each newer than the one before."""
