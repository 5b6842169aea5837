"""The JSON of a device's MQTT topics."""

import re
from typing import Literal

import msgspec

from ringmain.gateway.devices.readings import (
    ENERGY_UNITS_WH,
    NOT_A_NUMBER,
    POWER_UNITS_W,
    Reading,
    UnfitError,
    scaled,
)
from ringmain.gateway.sheets import Sheet

MILLISECOND_NS = 1_000_000
BAD_MESSAGE = "BAD_MESSAGE"
NO_NUMBER = re.compile(rb"\b(NaN|Infinity)\b")  # as some libraries write what JSON has no word for
LATEST_MS = (1 << 63) // MILLISECOND_NS


class Telemetry(msgspec.Struct, forbid_unknown_fields=True):
    """What a device measured; what it leaves out it did not measure.

    Parameters
    ----------
    measured_ms : int
        When, in milliseconds since 1970 UTC of the fleet's time.
    power : float
        Positive towards the grid.
    charged, discharged : float
        Meters of all energy from and to the grid.
    stored : float
        What it stores.
    power_unit, energy_unit : str
        W, kW or MW; Wh, kWh or MWh. There is no default: who gives a value names its unit.
    """

    measured_ms: int
    power: float | None = None
    power_unit: str | None = None
    charged: float | None = None
    discharged: float | None = None
    stored: float | None = None
    energy_unit: str | None = None


class SetpointMessage(msgspec.Struct):
    """What the fleet wants; `now_ms` is its time as it is sent."""

    number: int
    power_w: int
    valid_until_ms: int
    now_ms: int


class PricesMessage(msgspec.Struct):
    """What the next hours cost, for all devices; see :class:`ringmain.gateway.sheets.Sheet`.

    Parameters
    ----------
    number : int
        Its version: a device drops one that is not above what it has.
    now_ms : int
        The fleet's time as it is sent.
    commanded_until_ms : int
        Until then a device without a set-point rests.
    valid_until_ms : int
        From then on it rests again; between the two it plans by the prices.
    begins_ms, period_s : int
        Start of the first period, and the length of each.
    price_ticks : list of int
        0.01 EUR/MWh, one a period.
    """

    number: int
    now_ms: int
    commanded_until_ms: int
    valid_until_ms: int
    begins_ms: int
    period_s: int
    price_ticks: list[int]


class Ack(msgspec.Struct, forbid_unknown_fields=True):
    """What a device does with the set-point of that number."""

    number: int
    answer: Literal["accepted", "declined"]


class Error(msgspec.Struct, omit_defaults=True):
    """Why a message is refused; of telemetry that could be read, of which time."""

    reason: str
    measured_ms: int | None = None


def telemetry(payload: bytes) -> Telemetry:
    """Read a payload; UnfitError if it is none."""
    try:
        read = msgspec.json.decode(payload, type=Telemetry)
    except msgspec.MsgspecError:
        raise UnfitError(NOT_A_NUMBER if NO_NUMBER.search(payload) else BAD_MESSAGE) from None
    if not 0 <= read.measured_ms < LATEST_MS:
        raise UnfitError(BAD_MESSAGE)
    return read


def reading(said: Telemetry) -> Reading:
    """Return what was measured in watts and watt-hours; UnfitError for another unit, or none."""

    def energy_wh(value: float | None) -> float | None:
        return None if value is None else scaled(value, said.energy_unit or "", ENERGY_UNITS_WH)

    power_w = None if said.power is None else scaled(said.power, said.power_unit or "", POWER_UNITS_W)
    return Reading(
        said.measured_ms * MILLISECOND_NS, power_w, energy_wh(said.charged), energy_wh(said.discharged),
        energy_wh(said.stored),
    )  # fmt: skip


def prices(sheet: Sheet, now_ns: int) -> bytes:
    """Return a sheet as a payload."""
    return msgspec.json.encode(PricesMessage(
        sheet.number, now_ns // MILLISECOND_NS, sheet.commanded_until_ns // MILLISECOND_NS,
        sheet.valid_until_ns // MILLISECOND_NS, sheet.begins_ns // MILLISECOND_NS, sheet.period_s,
        list(sheet.price_ticks),
    ))  # fmt: skip


def sheet(payload: bytes) -> Sheet | None:
    """Read a sheet, for devices; None for what is none."""
    try:
        said = msgspec.json.decode(payload, type=PricesMessage)
    except msgspec.MsgspecError:
        return None
    read = Sheet(
        said.number, said.commanded_until_ms * MILLISECOND_NS, said.valid_until_ms * MILLISECOND_NS,
        said.begins_ms * MILLISECOND_NS, said.period_s, tuple(said.price_ticks),
    )  # fmt: skip
    return read if read.is_fit else None


def ack(payload: bytes) -> Ack:
    """Read an acknowledgement; UnfitError if it is none."""
    try:
        read = msgspec.json.decode(payload, type=Ack)
    except msgspec.MsgspecError:
        raise UnfitError(BAD_MESSAGE) from None
    if not 0 <= read.number < 1 << 63:
        raise UnfitError(BAD_MESSAGE)
    return read
