"""The binary records of a device's websocket: one frame is one message is one or more records of 40 bytes.

Everything is little-endian; each record begins with what kind it is. The layouts are these dtypes, and
``docs/howto/websockets.md`` shows them as tables.
"""

from typing import Any

import numpy as np

from ringmain.gateway.devices import readings
from ringmain.gateway.sheets import Sheet

RECORD_BYTES = 40
VERSION = 1
TELEMETRY, SETPOINT, ACK, REFUSAL, WELCOME, SHEET, PRICE = range(1, 8)  # kinds

HAS_POWER, HAS_CHARGED, HAS_DISCHARGED, HAS_ENERGY = 1, 2, 4, 8  # what a telemetry record says
MEASURANDS = (
    ("power_w", HAS_POWER),
    ("charged_wh", HAS_CHARGED),
    ("discharged_wh", HAS_DISCHARGED),
    ("energy_wh", HAS_ENERGY),
)
ACCEPTED, DECLINED = 0, 1  # what an acknowledgement says


def _record(*fields: tuple[str, str, int]) -> Any:
    """Return a layout of 40 bytes: the common begin, and fields of name, type and place."""
    begin = (("kind", "<u2", 0), ("version", "u1", 2), ("measured", "u1", 3), ("asset_id", "<u4", 4))
    names, formats, offsets = zip(*begin, *fields, strict=True)
    return np.dtype({
        "names": list(names), "formats": list(formats), "offsets": list(offsets), "itemsize": RECORD_BYTES,
    })  # fmt: skip


RECORD = _record()
# From the device: what it measured. `measured` says which of the four it did.
TELEMETRY_RECORD = _record(
    ("measured_ns", "<i8", 8),
    ("charged_wh", "<f8", 16),
    ("discharged_wh", "<f8", 24),
    ("power_w", "<f4", 32),
    ("energy_wh", "<f4", 36),
)
# To the device: a power until the end of its lease, logical time.
SETPOINT_RECORD = _record(("number", "<i8", 8), ("valid_until_ns", "<i8", 16), ("power_w", "<i4", 32))
# From the device: what it does with the set-point of that number.
ACK_RECORD = _record(("number", "<i8", 8), ("answer", "<u2", 16))
# To the device: a telemetry record of that time is refused, and why.
REFUSAL_RECORD = _record(("measured_ns", "<i8", 8), ("reason", "<u2", 16))
# To the device, first of all: the fleet's logical time.
WELCOME_RECORD = _record(("now_ns", "<i8", 8))
# To the device: prices, for all its assets. A sheet is one frame: this record, then its prices in order.
SHEET_RECORD = _record(
    ("number", "<i8", 8), ("commanded_until_ns", "<i8", 16), ("valid_until_ns", "<i8", 24),
    ("period_s", "<u4", 32), ("prices", "<u4", 36),
)  # fmt: skip
PRICE_RECORD = _record(("number", "<i8", 8), ("starts_ns", "<i8", 16), ("price_ticks", "<i4", 24))

REASONS = (  # of a refusal, by number; new ones are added behind
    "",
    readings.NOT_A_NUMBER,
    readings.NOTHING_MEASURED,
    readings.POWER_OUT_OF_RANGE,
    readings.ENERGY_OUT_OF_RANGE,
    readings.METER_OUT_OF_RANGE,
    readings.FUTURE_DATED,
    readings.TOO_OLD,
    readings.CLOCK_WENT_BACK,
    readings.METER_JUMPED,
    readings.WRONG_SCALE,
)
REASON_NUMBERS = {reason: number for number, reason in enumerate(REASONS)}


def records(kind: int, layout: Any, count: int, **fields: Any) -> Any:
    """Return so many records of a kind; what is not named is zero.

    Parameters
    ----------
    fields : scalars or arrays of shape (count,)
    """
    rows = np.zeros(count, layout)
    rows["kind"], rows["version"] = kind, VERSION
    for name, values in fields.items():
        rows[name] = values
    return rows


def readings_of(telemetry: Any) -> tuple[Any, Any]:
    """Return what telemetry records measured, and the number of the reason why some are refused: (n,), (n,).

    What a record does not say is NaN in the reading; what it says and is no number is refused.
    """
    found = np.empty(telemetry.size, readings.READING)
    reasons = np.zeros(telemetry.size, np.uint16)
    found["asset_id"], found["measured_ns"] = telemetry["asset_id"], telemetry["measured_ns"]
    said = telemetry["measured"]
    for name, bit in MEASURANDS:
        values = telemetry[name].astype(np.float64)
        has = (said & bit) != 0
        reasons[has & ~np.isfinite(values)] = REASON_NUMBERS[readings.NOT_A_NUMBER]
        found[name] = np.where(has, values, np.nan)
    return found, reasons


def telemetry_of(found: Any) -> Any:
    """Return the telemetry records of readings, for devices: what is NaN is not said."""
    rows = records(
        TELEMETRY, TELEMETRY_RECORD, found.size,
        asset_id=found["asset_id"], measured_ns=found["measured_ns"],
    )  # fmt: skip
    for name, bit in MEASURANDS:
        has = ~np.isnan(found[name])
        rows["measured"] |= np.where(has, bit, 0).astype(np.uint8)
        rows[name] = np.where(has, found[name], 0)
    return rows


def frame_of_sheet(sheet: Sheet) -> bytes:
    """Return the frame that tells a sheet."""
    count = len(sheet.price_ticks)
    head = records(
        SHEET, SHEET_RECORD, 1, number=sheet.number, commanded_until_ns=sheet.commanded_until_ns,
        valid_until_ns=sheet.valid_until_ns, period_s=sheet.period_s, prices=count,
    )  # fmt: skip
    starts_ns = sheet.begins_ns + np.arange(count, dtype=np.int64) * sheet.period_s * readings.SECOND_NS
    prices = records(
        PRICE, PRICE_RECORD, count, number=sheet.number, starts_ns=starts_ns, price_ticks=sheet.price_ticks
    )  # fmt: skip
    return bytes(head.tobytes() + prices.tobytes())


def sheets_of(rows: Any) -> list[Sheet]:
    """Return the sheets in a frame's records, for devices; what is not whole is none.

    Parameters
    ----------
    rows : array of RECORD, shape (n,)
    """
    found = []
    heads, prices = rows.view(SHEET_RECORD), rows.view(PRICE_RECORD)
    for place in np.flatnonzero(rows["kind"] == SHEET).tolist():
        head = heads[place]
        own = prices[place + 1 : place + 1 + int(head["prices"])]
        is_own = (own["kind"] == PRICE) & (own["number"] == head["number"])
        step_ns = int(head["period_s"]) * readings.SECOND_NS
        is_in_order = is_own.all() and (np.diff(own["starts_ns"]) == step_ns).all()
        if 0 < own.size == head["prices"] and is_in_order:
            found.append(Sheet(
                int(head["number"]), int(head["commanded_until_ns"]), int(head["valid_until_ns"]),
                int(own["starts_ns"][0]), int(head["period_s"]), tuple(own["price_ticks"].tolist()),
            ))  # fmt: skip
    return [sheet for sheet in found if sheet.is_fit]
