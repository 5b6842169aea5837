"""The census: each asset's twin on the tape once a quarter-hour, for the desk to plan on."""

from typing import Any

from ringmain.core.jit import kernel
from ringmain.core.sessions import head_event
from ringmain.vpp.kernels.estimates import quality
from ringmain.vpp.kernels.units import signed
from ringmain.vpp.messages import AssetMeasured
from ringmain.vpp.state import ACTIVE, TWINS_PER_TIMER

ASSET_MEASURED, ASSET_MEASURED_RECORD = AssetMeasured.kind, AssetMeasured.dtype

HALF = 2**31


@kernel
def take_census(fleet: Any, command: Any, events: Any, n: int) -> int:
    """Tell one portion of the twins; return the next free event row."""
    told = events.view(ASSET_MEASURED_RECORD)
    end = n + TWINS_PER_TIMER
    asset_id = fleet.census_cursor
    while asset_id < fleet.asset_end and n < end:
        if fleet.assets[asset_id].status == ACTIVE:
            head_event(events[n], command, ASSET_MEASURED)
            tell_twin(fleet, asset_id, command.time_ns, told[n])
            n += 1
        asset_id += 1
    fleet.census_cursor = asset_id if asset_id < fleet.asset_end else 0
    return n


@kernel
def tell_twin(fleet: Any, asset_id: int, now_ns: int, told: Any) -> None:
    """Write reported and desired side by side."""
    twin = fleet.twins[asset_id]
    told.asset_id = asset_id
    told.power_w = twin.power_w
    told.measured_ns = twin.measured_ns
    told.energy_wh = twin.energy_wh
    told.desired_power_w = twin.desired_power_w
    told.metered_wh = wrapped(signed(twin.discharged_wh) - signed(twin.charged_wh))
    told.quality = quality(fleet, twin, now_ns)


@kernel
def wrapped(energy_wh: int) -> int:
    """Return an energy as an i4 holds it: meters run on, and a difference of two is right all the same."""
    return (energy_wh + HALF) % (2 * HALF) - HALF
