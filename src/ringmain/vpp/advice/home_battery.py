"""A home battery as it is: it loses more at low power, takes and gives less when nearly full, and wears.

The figures are those of the CityLearn challenge 2022 (curves and formulas of its battery model), against
whose own run the physics here are tested.
"""

from typing import Any

import numpy as np

from ringmain.core.jit import kernel

HOME_BATTERY = np.dtype(
    [
        ("stored_kwh", "f8"),
        ("capacity_kwh", "f8"),  # what is left of it
        ("new_capacity_kwh", "f8"),
        ("nominal_kw", "f8"),
    ],
    align=True,
)
CAPACITY_LOST = 1e-5  # of the new capacity, by a full cycle


def home_batteries(capacity_kwh: Any, nominal_kw: Any) -> Any:
    """Return new, empty batteries, recarray of shape (n,), HOME_BATTERY."""
    batteries = np.zeros(len(capacity_kwh), HOME_BATTERY).view(np.recarray)
    batteries.capacity_kwh = batteries.new_capacity_kwh = capacity_kwh
    batteries.nominal_kw = nominal_kw
    return batteries


@kernel
def one_way_efficiency(energy_kwh: float, nominal_kw: float) -> float:
    """Return the share that survives one way, of an hour's energy: the root of the round trip's."""
    share = abs(energy_kwh) / nominal_kw
    if share <= 0.3:
        return np.sqrt(0.83)
    if share <= 0.7:
        return np.sqrt(0.83 + (share - 0.3) * (0.07 / 0.4))
    if share <= 0.8:
        return np.sqrt(0.9)
    return np.sqrt(0.9 - (share - 0.8) * (0.05 / 0.2))


@kernel
def most_kwh(stored_kwh: float, capacity_kwh: float, nominal_kw: float) -> float:
    """Return the most that an hour can put in or take out; the battery's own power curve.

    Above four fifths full it falls to a fifth of the nominal power. The reference lets a battery that
    holds more than its worn capacity move all, and so does this.
    """
    full = stored_kwh / capacity_kwh
    if full <= 0.8 or full > 1.0:
        return nominal_kw
    return nominal_kw * (1.0 - (full - 0.8) * 4.0)


@kernel
def stored_after(stored_kwh: float, energy_kwh: float, nominal_kw: float) -> float:
    """Return what is stored after an hour's energy, put in if positive; no limit is looked at."""
    kept = one_way_efficiency(energy_kwh, nominal_kw)
    return stored_kwh + energy_kwh * kept if energy_kwh >= 0 else stored_kwh + energy_kwh / kept


@kernel
def run_hour(batteries: Any, wanted_kwh: Any, moved_kwh: Any) -> None:
    """Run batteries for an hour.

    Parameters
    ----------
    batteries : recarray of shape (n,), HOME_BATTERY
        Changed.
    wanted_kwh : float64 array of shape (n,)
        Put in if positive, taken out if negative; limits cut it.
    moved_kwh : float64 array of shape (n,)
        Filled with what the home sees of it.
    """
    for i in range(batteries.size):
        battery = batteries[i]
        most = most_kwh(battery.stored_kwh, battery.capacity_kwh, battery.nominal_kw)
        energy = min(max(wanted_kwh[i], -most), most)
        kept = one_way_efficiency(energy, battery.nominal_kw)
        after = stored_after(battery.stored_kwh, energy, battery.nominal_kw)
        after = min(after, battery.capacity_kwh) if energy >= 0 else max(0.0, after)
        change = after - battery.stored_kwh
        moved_kwh[i] = change / kept if change >= 0 else change * kept
        battery.stored_kwh = after
        battery.capacity_kwh -= (
            CAPACITY_LOST * battery.new_capacity_kwh * abs(moved_kwh[i]) / (2 * battery.capacity_kwh)
        )
