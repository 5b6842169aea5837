"""The assets that a gateway speaks for: what comes of each is checked, what goes to each is dealt out."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.core.errors import RingmainError
from ringmain.gateway.devices import batches
from ringmain.gateway.devices.fleet_port import FleetPort, Setpoint, Telemetry
from ringmain.gateway.devices.frames import REASON_NUMBERS, REASONS
from ringmain.gateway.devices.meters import Meters
from ringmain.gateway.devices.readings import Bounds, Reading, UnfitError, check
from ringmain.gateway.sheets import Sheet

LOG = logging.getLogger("ringmain.devices")
FEWEST_ROWS = 16_384
FEW = 8  # readings that are dealt with faster one by one

EnergyOf = Callable[[float], float]
Listener = Callable[[Setpoint], None]
ListenerOfMany = Callable[[Any], None]


class Assets:
    """What stands between the protocols and the fleet.

    Attributes
    ----------
    counts : Counter
        How many readings were ``taken``; and how many of each reason were refused, or of each other
        thing that a protocol counts.
    sheet : Sheet or None
        The newest prices that the fleet has told.
    """

    def __init__(self, port: FleetPort, meters_path: Path, largest_id: int = 0) -> None:
        self.port = port
        self.counts: Counter[str] = Counter()
        self._meters = Meters(meters_path, max(FEWEST_ROWS, largest_id + 1))
        self._rows: Any = self._meters.rows.view(np.ndarray)  # the same memory, without a map's overhead
        self._bounds: dict[int, Bounds] = {}
        self._limits = np.zeros(len(self._meters.rows), batches.LIMITS)
        self._of_many = np.zeros(len(self._meters.rows), np.uint8)  # by asset: whose, of those below
        self._listeners_of_many: list[ListenerOfMany] = []
        self._listeners: dict[int, Listener] = {}
        self._last: dict[int, Setpoint] = {}
        self._sheet_listeners: list[Callable[[Sheet], None]] = []
        self.sheet: Sheet | None = None

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
            self._limits[asset_id] = (
                bounds.import_limit_w, bounds.export_limit_w, bounds.energy_capacity_wh
            )  # fmt: skip

    @property
    def rows(self) -> int:
        """Every asset id is below it."""
        return len(self._meters.rows)

    def take(self, asset_id: int, reading: Reading, energy_of: EnergyOf | None = None) -> str:
        """Report a reading to the fleet; return why not, or "".

        Parameters
        ----------
        energy_of : callable, optional
            Tells what is stored from the meter of all energy ever taken, if the reading does not.
        """
        try:
            self._take(asset_id, reading, energy_of)
        except UnfitError as unfit:
            self.refuse(asset_id, unfit.reason)
            return unfit.reason
        return ""

    def _take(self, asset_id: int, reading: Reading, energy_of: EnergyOf | None = None) -> None:
        """Report a reading; UnfitError, and nothing is counted, if it is refused."""
        bounds = self._bounds[asset_id]
        check(reading, bounds, self.port.now_ns())
        metered = self._meters.take(asset_id, reading, bounds)
        energy_wh = reading.energy_wh
        if energy_wh is None:
            taken_wh = metered.charged_wh - metered.discharged_wh
            energy_wh = energy_of(taken_wh) if energy_of is not None else 0.0
        self.counts["taken"] += 1
        self.port.report(
            Telemetry(
                asset_id, metered.device_number, reading.measured_ns, round(metered.power_w),
                round(min(max(energy_wh, 0.0), bounds.energy_capacity_wh)),
                _whole_wh(metered.charged_wh), _whole_wh(metered.discharged_wh),
            )
        )  # fmt: skip

    def take_many(self, readings: Any, reasons: Any) -> Any:
        """Report readings to the fleet, as many at once as there are; return why not: (n,).

        Parameters
        ----------
        readings : array of READING, shape (n,)
            Of assets that this takes charge of.
        reasons : array of numbers of frames.REASONS, shape (n,)
            Why a reading is refused already; 0 if it is not.
        """
        limits = self._limits[readings["asset_id"]]
        checked = batches.reasons_of(readings, limits, self.port.now_ns())
        reasons = np.where(reasons != 0, reasons, checked)
        fit = np.flatnonzero(reasons == 0)
        for turn in batches.turns(readings["asset_id"][fit]) if fit.size else ():
            places = fit[turn]
            if places.size < FEW:
                reasons[places] = [self._take_row(readings[place]) for place in places.tolist()]
            else:
                reasons[places] = self._take_turn(readings[places], limits[places])
        for number, count in enumerate(np.bincount(reasons)):
            if number and count:
                self.refuse(int(readings["asset_id"][reasons == number][0]), REASONS[number], int(count))
        return reasons

    def _take_turn(self, readings: Any, limits: Any) -> Any:
        reports, reasons = batches.go_on(self._rows, readings, limits)
        reports = reports[reasons == 0]
        if reports.size:
            most_wh = self._limits["energy_capacity_wh"][reports["asset_id"]]
            reports["energy_wh"] = np.clip(reports["energy_wh"], 0, most_wh)
            self.counts["taken"] += reports.size
            self.port.report_many(reports)
        return reasons

    def _take_row(self, reading: Any) -> int:
        said = {name: None if np.isnan(reading[name]) else float(reading[name]) for name in batches.VALUES}
        try:
            self._take(int(reading["asset_id"]), Reading(int(reading["measured_ns"]), **said))
        except UnfitError as unfit:
            return REASON_NUMBERS[unfit.reason]
        return 0

    def refuse(self, asset_id: int, reason: str, times: int = 1) -> None:
        """Count what was refused; its first, second, fourth, eighth … time is logged."""
        before = self.counts[reason]
        count = self.counts[reason] = before + times
        if count.bit_length() > before.bit_length():
            LOG.warning("asset %d: %s, %d of these so far", asset_id, reason, count)

    def taken_wh(self, asset_id: int) -> float:
        """Return the energy that an asset took less what it gave, by its meters; NaN if never read."""
        return self._meters.taken_wh(asset_id)

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

    def listen_to_many(self, asset_ids: list[int], listener: ListenerOfMany) -> None:
        """Hand the set-points of these assets to `listener`, as many at once as come: arrays of SETPOINT."""
        if listener not in self._listeners_of_many:
            self._listeners_of_many.append(listener)
        self._of_many[asset_ids] = self._listeners_of_many.index(listener) + 1

    async def deal(self) -> None:
        """Hand out set-points as they come, until the link ends; the newest number of each asset counts."""
        async for setpoints in self.port.setpoints():
            self.hand_many(setpoints)

    def listen_to_prices(self, listener: Callable[[Sheet], None]) -> None:
        """Hand the fleet's price sheets to `listener`, the one that is known at once."""
        self._sheet_listeners.append(listener)
        if self.sheet is not None:
            listener(self.sheet)

    async def deal_prices(self) -> None:
        """Hand out price sheets as they come, until the link ends."""
        async for sheet in self.port.sheets():
            self.hand_sheet(sheet)

    def hand_sheet(self, sheet: Sheet) -> None:
        """Hand a price sheet to whoever listens, unless there is a newer one."""
        if self.sheet is not None and sheet.number <= self.sheet.number:
            return
        self.sheet = sheet
        for listener in self._sheet_listeners:
            listener(sheet)

    def hand_many(self, setpoints: Any) -> None:
        """Hand an array of SETPOINT to whom each concerns."""
        ids = setpoints["asset_id"]
        whose = self._of_many[np.where(ids < self.rows, ids, 0)]
        for place, listener in enumerate(self._listeners_of_many, 1):
            own = setpoints[whose == place]
            if own.size:
                listener(own)
        for row in setpoints[whose == 0].tolist():
            self.hand(Setpoint(*row))

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
