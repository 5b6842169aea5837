"""What OCPP 1.6 and 2.0.1 share: sampled values, what is known of a connector, set-points to it."""

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from ocpp.exceptions import OCPPError  # type: ignore[import-untyped]
from ocpp.routing import after, on  # type: ignore[import-untyped]

from ringmain.gateway.devices.assets import Assets
from ringmain.gateway.devices.chargers import Charger, Connector
from ringmain.gateway.devices.fleet_port import Setpoint
from ringmain.gateway.devices.leases import SETPOINT_ACCEPTED, SETPOINT_REFUSED, SETPOINT_UNANSWERED
from ringmain.gateway.devices.readings import (
    ENERGY_UNITS_WH,
    NOT_A_NUMBER,
    NOTHING_MEASURED,
    POWER_UNITS_W,
    SECOND_NS,
    Reading,
    UnfitError,
    number,
    scaled,
)

LOG = logging.getLogger("ringmain.devices")
HEARTBEAT_S = 60
CALL_S = 20.0  # a charger has so long to answer
SAMPLES = 256  # of one message; a charger of three phases and all measurands sends some 50
IDLE_LEVEL, WANTED_LEVEL = 0, 1  # stack levels: the profile without a set-point, the one with

POWER_IN, POWER_OUT = "Power.Active.Import", "Power.Active.Export"
METER_IN, METER_OUT = "Energy.Active.Import.Register", "Energy.Active.Export.Register"
SOC = "SoC"
PHASES = ("L1", "L2", "L3")

UNKNOWN_CONNECTOR = "UNKNOWN_CONNECTOR"
UNKNOWN_TRANSACTION = "UNKNOWN_TRANSACTION"
BAD_TIME = "BAD_TIME"
TOO_MANY_SAMPLES = "TOO_MANY_SAMPLES"
SIGNED_DATA = "SIGNED_DATA"
CANNOT_GIVE = "CANNOT_GIVE"

Handler = TypeVar("Handler", bound=Callable[..., Any])


def answers(action: str) -> Callable[[Handler], Handler]:
    """Return :func:`ocpp.routing.on`, with a type."""
    return cast(Callable[[Handler], Handler], on(action))


def follows(action: str) -> Callable[[Handler], Handler]:
    """Return :func:`ocpp.routing.after`, with a type: what is done when the answer is on its way."""
    return cast(Callable[[Handler], Handler], after(action))


@dataclass(frozen=True)
class Sample:
    """One sampled value, of either version.

    `unit` is what stood in the message; a measurand's own default where nothing did.
    """

    value: object
    measurand: str = METER_IN
    phase: str | None = None
    unit: str | None = None
    multiplier: int = 0
    location: str = "Outlet"
    is_signed: bool = False


def profile_id(number_: int, level: int) -> int:
    """Return the id of a connector's profile: each has its own, or one would replace the other."""
    return 1_000 * (level + 1) + number_


def time_ns(text: object) -> int:
    """Return a timestamp of ISO 8601 in nanoseconds; UnfitError if it is none, or says no time zone."""
    try:
        stamp = datetime.fromisoformat(str(text))
        if stamp.tzinfo is None:
            raise UnfitError(BAD_TIME)
        return int(stamp.timestamp()) * SECOND_NS + stamp.microsecond * 1_000
    except (ValueError, OverflowError):
        raise UnfitError(BAD_TIME) from None


def time_text(time_ns: int) -> str:
    """Return a time in nanoseconds as OCPP writes it."""
    stamp = datetime.fromtimestamp(time_ns // SECOND_NS, UTC).replace(
        microsecond=time_ns % SECOND_NS // 1_000
    )
    return stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def reading_of(samples: Iterable[Sample], measured_ns: int, capacity_wh: int) -> Reading:
    """Return the reading that sampled values of one time make; UnfitError for what can't be read.

    Phases are summed unless there is a value of all. OCPP's import is what the car takes: below 0 here.
    """
    kept = [each for each in samples if each.location == "Outlet"]
    if any(each.is_signed for each in kept):
        raise UnfitError(SIGNED_DATA)
    taken_w = _total(kept, POWER_IN, POWER_UNITS_W, "W")
    given_w = _total(kept, POWER_OUT, POWER_UNITS_W, "W")
    charged_wh = _total(kept, METER_IN, ENERGY_UNITS_WH, "Wh")
    discharged_wh = _total(kept, METER_OUT, ENERGY_UNITS_WH, "Wh")
    share = [number(each.value) / 100 for each in samples if each.measurand == SOC]
    if any(not 0 <= each <= 1 for each in share):
        raise UnfitError(NOT_A_NUMBER)
    power_w = None if taken_w is given_w is None else (given_w or 0.0) - (taken_w or 0.0)
    if power_w is None and charged_wh is None and discharged_wh is None:
        raise UnfitError(NOTHING_MEASURED)
    return Reading(measured_ns, power_w, charged_wh, discharged_wh, share[0] * capacity_wh if share else None)


def _total(samples: list[Sample], measurand: str, units: dict[str, float], default: str) -> float | None:
    """Return a measurand in watts or watt-hours; None if there is none of it."""
    values: dict[str, float] = {}
    for sample in samples:
        if sample.measurand != measurand:
            continue
        phase = (sample.phase or "").removesuffix("-N")
        if phase not in ("", *PHASES):  # of a conductor against another, or neutral: no part of the sum
            continue
        if not -3 <= sample.multiplier <= 6:
            raise UnfitError(NOT_A_NUMBER)
        value = scaled(sample.value, sample.unit or default, units) * 10.0**sample.multiplier
        values[phase] = value
    if "" in values:
        return values[""]
    return sum(values.values()) if values else None


@dataclass
class Outlet:
    """What is known of one connector.

    Attributes
    ----------
    transaction_id : int or str or None
        The transaction that runs.
    arrival_wh : float
        What the car held when it came; 0 as long as it does not say.
    arrival_meter_wh : float
        The asset's meters then, taken less given; NaN while they have not been read.
    needed_wh : float
        What it is to take.
    """

    connector: Connector
    transaction_id: int | str | None = None
    is_plugged: bool = False
    has_told_charge: bool = False
    arrival_wh: float = 0.0
    arrival_meter_wh: float = 0.0
    needed_wh: float = 0.0
    departs_s: int = 0
    wanted: Setpoint | None = None
    has_profile: bool = False


class Station:
    """A charge point that is connected, whatever version it speaks.

    Parameters
    ----------
    send_profile : callable (connector number, Outlet, limit W, seconds) -> whether it was accepted
    clear_profiles : callable (connector number) -> whether any was cleared
    may_give : bool
        Whether the version it speaks has a way to ask a car for power.
    """

    may_give = False

    def __init__(self, charger: Charger, assets: Assets) -> None:
        self.charger, self.assets = charger, assets
        self.outlets = {number: Outlet(each) for number, each in charger.connectors.items()}
        self._due: dict[int, None] = {}  # connectors whose set-point is to be sent, in order
        self._stirred = asyncio.Event()
        self.send_profile: Callable[[int, Outlet, float, int], Awaitable[bool]] | None = None
        self.clear_profiles: Callable[[int], Awaitable[bool]] | None = None

    # From the charger to the fleet.

    def outlet(self, number: object) -> Outlet | None:
        """Return a connector; count one that the charger has not."""
        found = self.outlets.get(cast(int, number))
        if found is None:
            self.assets.refuse(0, UNKNOWN_CONNECTOR)
        return found

    def with_transaction(self, transaction_id: object) -> tuple[int, Outlet] | None:
        """Return the connector where a transaction runs; count one that runs nowhere."""
        for number_, outlet in self.outlets.items():
            if transaction_id is not None and outlet.transaction_id == transaction_id:
                return number_, outlet
        self.assets.refuse(0, UNKNOWN_TRANSACTION)
        return None

    def may_charge(self, id_tag: object) -> bool:
        """Tell whether a card may charge here."""
        return not self.charger.id_tags or id_tag in self.charger.id_tags

    def plugged(self, outlet: Outlet, departs_ns: int = 0, needed_wh: float | None = None) -> None:
        """A car is there, or says what it needs."""
        connector, now_s = outlet.connector, self.assets.port.now_ns() // SECOND_NS
        if outlet.is_plugged and not departs_ns and needed_wh is None:
            return
        if not outlet.is_plugged:
            outlet.is_plugged, outlet.arrival_wh, outlet.has_told_charge = True, 0.0, False
            outlet.arrival_meter_wh = self.assets.taken_wh(connector.asset_id)
            outlet.needed_wh, outlet.departs_s = connector.required_wh, now_s + connector.stay_s
        if departs_ns:
            outlet.departs_s = max(now_s + 1, departs_ns // SECOND_NS)
        if needed_wh is not None:
            outlet.needed_wh = max(0.0, needed_wh)
        self._tell(outlet)

    def unplugged(self, outlet: Outlet) -> None:
        """The car is gone."""
        outlet.transaction_id = None
        outlet.has_profile = False
        if outlet.is_plugged:
            outlet.is_plugged = False
            self.assets.port.unplug(outlet.connector.asset_id)

    def started(self, outlet: Outlet, transaction_id: int | str) -> None:
        """A transaction runs."""
        self.plugged(outlet)
        outlet.transaction_id = transaction_id

    def steer_new(self) -> None:
        """Send what is wanted of transactions that the charge point knows to have begun."""
        for number_, outlet in self.outlets.items():
            if outlet.transaction_id is not None and not outlet.has_profile:
                self._stir(number_)

    def ended(self, outlet: Outlet) -> None:
        """The transaction is over, and its profile with it."""
        outlet.transaction_id, outlet.has_profile = None, False

    def measured(self, outlet: Outlet, stamp: object, samples: list[Sample]) -> str:
        """Take what was measured at one time; return why it is refused, or ""."""
        connector = outlet.connector
        try:
            if len(samples) > SAMPLES:
                raise UnfitError(TOO_MANY_SAMPLES)
            reading = reading_of(samples, time_ns(stamp), connector.energy_capacity_wh)
        except UnfitError as unfit:
            self.assets.refuse(connector.asset_id, unfit.reason)
            return unfit.reason
        reason = self.assets.take(connector.asset_id, reading, lambda meter_wh: _stored_wh(outlet, meter_wh))
        if not reason and reading.energy_wh is not None and outlet.is_plugged and not outlet.has_told_charge:
            outlet.has_told_charge = True
            gained_wh = _stored_wh(outlet, self.assets.taken_wh(connector.asset_id)) - outlet.arrival_wh
            outlet.arrival_wh = max(0.0, reading.energy_wh - gained_wh)
            self._tell(outlet)
        return reason

    def _tell(self, outlet: Outlet) -> None:
        connector = outlet.connector
        required_wh = min(outlet.arrival_wh + outlet.needed_wh, connector.energy_capacity_wh)
        self.assets.port.plug_in(connector.asset_id, outlet.departs_s, int(required_wh))

    # From the fleet to the charger.

    def listen(self) -> None:
        """Take the set-points of its connectors from now on."""
        for outlet in self.outlets.values():
            self.assets.listen(outlet.connector.asset_id, self._want)

    def unlisten(self) -> None:
        """Take them no longer."""
        for outlet in self.outlets.values():
            self.assets.unlisten(outlet.connector.asset_id, self._want)

    def _want(self, setpoint: Setpoint) -> None:
        for number_, outlet in self.outlets.items():
            if outlet.connector.asset_id == setpoint.asset_id:
                outlet.wanted = setpoint
                self._stir(number_)

    def _stir(self, number_: int) -> None:
        self._due[number_] = None
        self._stirred.set()

    async def steer(self) -> None:
        """Send what is wanted, for ever: one call at a time, and of each connector the newest."""
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            while self._due:
                number_ = next(iter(self._due))
                del self._due[number_]
                await self._apply(number_, self.outlets[number_])

    async def _apply(self, number_: int, outlet: Outlet) -> None:
        """Send a connector's set-point as a profile of its transaction, for as long as its lease."""
        wanted = outlet.wanted
        if wanted is None or outlet.transaction_id is None or self.send_profile is None:
            return
        left_s = (wanted.valid_until_ns - self.assets.port.now_ns()) // SECOND_NS
        if left_s < 1:
            return
        limit_w = self._limit_w(wanted, outlet.connector)
        try:
            is_accepted = await self.send_profile(number_, outlet, limit_w, left_s)
        except TimeoutError:
            self.assets.refuse(wanted.asset_id, SETPOINT_UNANSWERED)
            return
        except OCPPError as error:
            LOG.info("%s answers a set-point with %s", self.charger.charger_id, error.code)
            is_accepted = False
        if is_accepted:
            outlet.has_profile = True
            self.assets.counts[SETPOINT_ACCEPTED] += 1
        else:
            self.assets.refuse(wanted.asset_id, SETPOINT_REFUSED)

    def _limit_w(self, wanted: Setpoint, connector: Connector) -> float:
        """Return a set-point as the limit of a profile; below zero the car is to give.

        A charger whose version can't ask for that is told to rest, and the set-point counts as refused.
        """
        if wanted.power_w <= 0:
            return float(min(-wanted.power_w, connector.import_limit_w))
        if self.may_give and connector.export_limit_w > 0:
            return -float(min(wanted.power_w, connector.export_limit_w))
        self.assets.refuse(wanted.asset_id, CANNOT_GIVE)
        return 0.0

    async def clear(self) -> None:
        """Take back the profiles that are set: the gateway ends, and would not renew them."""
        for number_, outlet in self.outlets.items():
            if outlet.has_profile and self.clear_profiles is not None:
                outlet.has_profile = False
                with contextlib.suppress(TimeoutError, OCPPError, ConnectionError):
                    await self.clear_profiles(number_)


def _stored_wh(outlet: Outlet, meter_wh: float) -> float:
    """Return what the car holds, from what it held when it came and what it took, and gave, since."""
    if not outlet.is_plugged:
        return 0.0
    if math.isnan(outlet.arrival_meter_wh):
        outlet.arrival_meter_wh = meter_wh
    return max(0.0, math.fsum((outlet.arrival_wh, meter_wh, -outlet.arrival_meter_wh)))
