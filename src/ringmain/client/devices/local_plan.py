"""What batteries do by themselves when the fleet is silent: the fleet's own kernel, on the prices it sent.

A device follows its set-point while that lasts. Without one it rests as long as the fleet is in command, for
then rest is what is wanted of it; when nothing was heard of the fleet for so long that it takes the device to
be silent, the device plans by the prices of its newest sheet, from what it has stored, within its own limits
and its site's fuse; and when the sheet's lease has ended too, it rests.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ringmain.gateway.sheets import HOUR_NS, Sheet
from ringmain.vpp.advice.store import STORE_LIMITS, plan_each, rooms
from ringmain.vpp.state import SECOND_NS

LEAST_MOVE_W = 1.0  # as the fleet's plans
DAY_NS = 24 * HOUR_NS
UNPLANNED = -1
COMMANDED, PLANNING, RESTING = "commanded", "planning", "resting"

OWN = np.dtype([  # what a battery knows of itself and of its site
    ("charge_limit_w", "f8"),
    ("discharge_limit_w", "f8"),
    ("capacity_wh", "f8"),
    ("reserve_wh", "f8"),  # not used up by its own plan
    ("charge_efficiency", "f8"),
    ("discharge_efficiency", "f8"),
    ("wear_ticks", "f8"),  # of a Wh given, in 0.01 EUR/MWh
    ("fuse_import_w", "f8"),  # what the site may take and give; infinite if it knows no fuse
    ("fuse_export_w", "f8"),
])  # fmt: skip


def own_of(registered: Any) -> Any:
    """Return batteries as they know themselves, from how they are registered: array of OWN, shape (n,)."""
    own = np.zeros(registered.size, OWN)
    own["charge_limit_w"], own["discharge_limit_w"] = (
        registered["charge_limit_w"], registered["discharge_limit_w"]
    )  # fmt: skip
    own["capacity_wh"] = registered["energy_capacity_wh"]
    own["reserve_wh"] = own["capacity_wh"] * registered["reserve_permille"] / 1_000
    for name in ("charge_efficiency", "discharge_efficiency"):
        own[name] = registered[f"{name}_permille"] / 1_000
    own["wear_ticks"] = registered["wear_price_ticks"]
    own["fuse_import_w"] = own["fuse_export_w"] = np.inf
    return own


@dataclass(frozen=True)
class Course:
    """What devices mean to do: periods from now on, the first one as much as is left of it.

    Parameters
    ----------
    starts_ns, ends_ns : int64 arrays of shape (n_periods,)
    price_ticks : float64 array of shape (n_periods,)
    power_w : float64 array of shape (n, n_periods)
        Positive towards the grid.
    """

    starts_ns: Any
    ends_ns: Any
    price_ticks: Any
    power_w: Any


class LocalPlans:
    """The own plans of devices that hear the same prices.

    A plan is made when a device is left to itself, and again at each period's begin from what is stored then.

    Parameters
    ----------
    own : array of OWN, shape (n,)

    Attributes
    ----------
    sheet : Sheet or None
        The newest that was heard.
    dropped : int
        Sheets that were no newer than one heard before, or can't be planned by.
    """

    def __init__(self, own: Any) -> None:
        self._own = own
        self._stores = _stores_of(own)
        self._planned_w, self._planned_for = np.zeros(own.size), np.full(own.size, UNPLANNED, np.int64)
        self.sheet: Sheet | None = None
        self.dropped = 0
        _plan(self._stores[:0], np.zeros(1), np.zeros(0), np.zeros((0, 1, 2)))  # compiled while there is time

    def hear(self, sheet: Sheet) -> bool:
        """Take a sheet; False if it is dropped."""
        before = self.sheet
        if not sheet.is_fit or (before is not None and sheet.number <= before.number):
            self.dropped += 1
            return False
        if before is None or _prices_of(sheet) != _prices_of(before):
            self._planned_for[:] = UNPLANNED
        self.sheet = sheet
        return True

    def phase(self, now_ns: int) -> str:
        """Return COMMANDED, PLANNING or RESTING: what a device without a set-point does."""
        sheet = self.sheet
        if sheet is None or now_ns >= sheet.valid_until_ns or now_ns < sheet.begins_ns:
            return RESTING
        return COMMANDED if now_ns < sheet.commanded_until_ns else PLANNING

    def power_w(self, now_ns: int, energy_wh: Any, is_free: Any, site_w: Any = 0.0) -> Any:
        """Return what devices do by themselves, 0 for who has a set-point: float64 array of shape (n,).

        Parameters
        ----------
        energy_wh : float64 array of shape (n,)
            What is stored now.
        is_free : bool array of shape (n,)
            Who has no set-point.
        site_w : float or array of shape (n,)
            What everything else at the site gives to the grid now; negative: takes.
        """
        if self.phase(now_ns) != PLANNING or self.sheet is None:
            self._planned_for[:] = UNPLANNED
            return np.zeros(self._own.size)
        self._planned_for[~is_free] = UNPLANNED
        period = (now_ns - self.sheet.begins_ns) // (self.sheet.period_s * SECOND_NS)
        due = np.flatnonzero(is_free & (self._planned_for != period))
        if due.size:
            site = np.broadcast_to(site_w, self._own.size)[due]
            self._planned_w[due] = self._course(now_ns, due, energy_wh[due], site).power_w[:, 0]
            self._planned_for[due] = period
        least_w, most_w = self.limits_w(site_w)
        wanted_w = np.clip(self._planned_w, least_w, most_w)
        wanted_w = np.where(energy_wh <= self._own["reserve_wh"], np.minimum(wanted_w, 0.0), wanted_w)
        return np.where(is_free, wanted_w, 0.0)

    def limits_w(self, site_w: Any = 0.0) -> tuple[Any, Any]:
        """Return the least and the most power within device and fuse, beside what the site does."""
        own = self._own
        most_w = np.minimum(own["discharge_limit_w"], own["fuse_export_w"] - site_w)
        least_w = np.maximum(-own["charge_limit_w"], -own["fuse_import_w"] - site_w)
        most_w = np.maximum(most_w, -own["charge_limit_w"])
        return np.minimum(least_w, own["discharge_limit_w"]), most_w

    def course(self, now_ns: int, energy_wh: Any, site_w: Any = 0.0) -> Course | None:
        """Return what the devices would do if they were left to themselves now; None without prices."""
        sheet = self.sheet
        if sheet is None or not sheet.begins_ns <= now_ns < sheet.valid_until_ns:
            return None
        everyone = np.arange(self._own.size)
        return self._course(now_ns, everyone, energy_wh, np.broadcast_to(site_w, everyone.size))

    def _course(self, now_ns: int, places: Any, energy_wh: Any, site_w: Any) -> Course:
        """Plan for some of the devices, from now to the end of the prices."""
        sheet = self.sheet
        assert sheet is not None, "there are prices"
        period_ns = sheet.period_s * SECOND_NS
        first = (now_ns - sheet.begins_ns) // period_ns
        starts_ns = sheet.begins_ns + np.arange(first, len(sheet.price_ticks)) * period_ns
        ends_ns = starts_ns + period_ns
        starts_ns[0] = now_ns
        hours = (ends_ns - starts_ns) / HOUR_NS
        prices = np.array(sheet.price_ticks[first:], float)
        own, stores = self._own[places], self._stores[places]
        stores.end_value_ticks = _cheapest_ticks(sheet) / own["charge_efficiency"]
        least_w, most_w = (limit[places] for limit in self.limits_w(_at(places, site_w, self._own.size)))
        limits_w = np.stack([np.maximum(most_w, 0.0), np.maximum(-least_w, 0.0)], axis=1)
        limits_wh = limits_w[:, None, :] * hours[None, :, None]
        stored_wh = np.clip(energy_wh - own["reserve_wh"], 0.0, None)
        power_w = _plan(stores, prices, stored_wh, limits_wh) / hours
        return Course(starts_ns, ends_ns, prices, np.where(np.abs(power_w) > LEAST_MOVE_W, power_w, 0.0))


def _at(places: Any, values: Any, size: int) -> Any:
    """Return values of some devices as a row of all."""
    row = np.zeros(size)
    row[places] = values
    return row


def _prices_of(sheet: Sheet) -> tuple[object, ...]:
    return sheet.begins_ns, sheet.period_s, sheet.price_ticks


def _cheapest_ticks(sheet: Sheet) -> int:
    """Return what a stored Wh is bought for again: the last day's cheapest price, as the fleet has it."""
    return max(0, min(sheet.price_ticks[-(DAY_NS // (sheet.period_s * SECOND_NS)) :]))


def _stores_of(own: Any) -> Any:
    """Return batteries as stores above their reserve, whose powers are limits of each period."""
    stores = np.zeros(own.size, STORE_LIMITS).view(np.recarray)
    stores.capacity_wh = np.maximum(0.0, own["capacity_wh"] - own["reserve_wh"])
    stores.charge_wh = stores.discharge_wh = stores.capacity_wh
    stores.charge_efficiency, stores.discharge_efficiency = (
        own["charge_efficiency"], own["discharge_efficiency"]
    )  # fmt: skip
    stores.wear_ticks = own["wear_ticks"]
    return stores


def _plan(stores: Any, price_ticks: Any, stored_wh: Any, limits_wh: Any) -> Any:
    """Return what is given to the grid by period, Wh: float64 array of shape (n, n_periods)."""
    given_wh = np.zeros((stores.size, price_ticks.size))
    plan_each(stores, price_ticks, stored_wh, limits_wh, rooms(price_ticks.size), given_wh)
    return given_wh
