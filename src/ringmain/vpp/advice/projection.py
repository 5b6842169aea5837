"""What batteries will have stored, and what of the commitments they won't be able to keep.

Each quarter-hour is walked as dispatch does it: every battery runs its plan as far as it can, and the
difference to what the fleet owes is spread by head-room. So batteries that fill up or run empty before
the others leave the rest to them, until their power is not enough.
"""

from typing import Any

import numpy as np

from ringmain.core.jit import kernel
from ringmain.vpp.kernels.units import clamp, energy_wh, mean_power_w, share
from ringmain.vpp.state import PERIOD_NS
from ringmain.vpp.views import DeskView, reserve_wh


def project(
    view: DeskView, fleet: Any, periods: Any, planned_w: Any, stored_wh: Any, shifted_w: Any = 0
) -> tuple[Any, Any]:
    """Run the batteries on through some quarter-hours.

    Parameters
    ----------
    fleet : recarray of shape (n,), ASSET
    periods : int64 array of shape (m,)
    planned_w : int64 array of shape (n, m)
    stored_wh : int64 array of shape (n,)
    shifted_w : int64 array of shape (m,), or 0
        What others than the batteries give of it.

    Returns
    -------
    stored_wh : int64 array of shape (n,)
        What each has in the end.
    missing_w : int64 array of shape (m,)
        What the fleet owes and can't run; positive: to give, negative: to take.
    """
    owed_w = np.array([view.commitments.power_w.get(period, 0) for period in periods.tolist()], np.int64)
    owed_w -= shifted_w
    left_wh, missing_w = stored_wh.copy(), np.zeros(len(periods), np.int64)
    run_on(fleet, reserve_wh(fleet), planned_w, owed_w, left_wh, missing_w)
    return left_wh, missing_w


@kernel
def run_on(fleet: Any, reserves_wh: Any, planned_w: Any, owed_w: Any, stored_wh: Any, missing_w: Any) -> None:
    """Bring `stored_wh` on through every quarter-hour, and write what is missing in each."""
    for k in range(owed_w.size):
        base_w, up_w, down_w = 0, 0, 0
        for i in range(fleet.size):
            low, high = range_w(fleet[i], reserves_wh[i], stored_wh[i])
            base = clamp(planned_w[i, k], low, high)
            base_w += base
            up_w += high - base
            down_w += base - low
        extra_w = clamp(owed_w[k] - base_w, -down_w, up_w)
        missing_w[k] = owed_w[k] - base_w - extra_w
        for i in range(fleet.size):
            low, high = range_w(fleet[i], reserves_wh[i], stored_wh[i])
            power_w = clamp(planned_w[i, k], low, high)
            if extra_w > 0:
                power_w += share(extra_w, high - power_w, up_w)
            elif extra_w < 0:
                power_w += share(extra_w, power_w - low, down_w)
            left_wh = stored_wh[i] - drained_wh(fleet[i], energy_wh(power_w, PERIOD_NS))
            stored_wh[i] = clamp(left_wh, reserves_wh[i], fleet[i].energy_capacity_wh)


@kernel
def range_w(battery: Any, reserve_wh: int, stored_wh: int) -> Any:
    """Return the least and the most power that a battery can hold for a quarter-hour."""
    giving_wh = max(0, stored_wh - reserve_wh) * battery.discharge_efficiency_permille // 1_000
    taking_wh = (battery.energy_capacity_wh - stored_wh) * 1_000 // battery.charge_efficiency_permille
    high = clamp(mean_power_w(giving_wh, PERIOD_NS), 0, battery.discharge_limit_w)
    low = -clamp(mean_power_w(taking_wh, PERIOD_NS), 0, battery.charge_limit_w)
    return low, high


@kernel
def drained_wh(battery: Any, given_wh: int) -> int:
    """Return what leaves the store for energy given to the grid; negative when it is taken."""
    if given_wh > 0:
        return given_wh * 1_000 // battery.discharge_efficiency_permille
    return given_wh * battery.charge_efficiency_permille // 1_000
