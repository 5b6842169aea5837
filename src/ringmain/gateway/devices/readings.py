"""What devices say they measured: units, and whether it can be true."""

import math
from dataclasses import dataclass

import numpy as np

SECOND_NS = 1_000_000_000
HOUR_NS = 3_600 * SECOND_NS
FUTURE_TOLERANCE_NS = 5 * SECOND_NS  # as the fleet's
OLDEST_NS = 24 * HOUR_NS
POWER_SLACK_W = 50.0
ENERGY_SLACK = 1.05
POWER_SLACK = 1.1

POWER_UNITS_W = {"W": 1.0, "kW": 1e3, "MW": 1e6}
ENERGY_UNITS_WH = {"Wh": 1.0, "kWh": 1e3, "MWh": 1e6}

# Why a reading is refused.
NOT_A_NUMBER = "NOT_A_NUMBER"
UNKNOWN_UNIT = "UNKNOWN_UNIT"
POWER_OUT_OF_RANGE = "POWER_OUT_OF_RANGE"
ENERGY_OUT_OF_RANGE = "ENERGY_OUT_OF_RANGE"
METER_OUT_OF_RANGE = "METER_OUT_OF_RANGE"
FUTURE_DATED = "FUTURE_DATED"
TOO_OLD = "TOO_OLD"
CLOCK_WENT_BACK = "CLOCK_WENT_BACK"
METER_JUMPED = "METER_JUMPED"
WRONG_SCALE = "WRONG_SCALE"
NOTHING_MEASURED = "NOTHING_MEASURED"


class UnfitError(Exception):
    """A reading that is refused; its argument is the reason."""

    @property
    def reason(self) -> str:
        """Why."""
        return str(self.args[0])


@dataclass(frozen=True)
class Bounds:
    """What an asset can do at most."""

    import_limit_w: int
    export_limit_w: int
    energy_capacity_wh: int = 0

    def tolerates_w(self, power_w: float) -> bool:
        """Tell whether a device of these limits may show a power."""
        most_w = max(self.export_limit_w * POWER_SLACK, POWER_SLACK_W)
        least_w = -max(self.import_limit_w * POWER_SLACK, POWER_SLACK_W)
        return least_w <= power_w <= most_w


@dataclass(frozen=True)
class Reading:
    """What a device measured; None is what it did not say.

    Parameters
    ----------
    power_w : float, optional
        Positive towards the grid.
    charged_wh, discharged_wh : float, optional
        The device's own meters of energy from and to the grid.
    energy_wh : float, optional
        What it stores.
    """

    measured_ns: int
    power_w: float | None = None
    charged_wh: float | None = None
    discharged_wh: float | None = None
    energy_wh: float | None = None


READING = np.dtype([  # many of them; NaN is what was not said
    ("asset_id", "i8"),
    ("measured_ns", "i8"),
    ("power_w", "f8"),
    ("charged_wh", "f8"),
    ("discharged_wh", "f8"),
    ("energy_wh", "f8"),
])  # fmt: skip


def number(value: object) -> float:
    """Return a number that a device wrote as text or number; UnfitError for NaN, infinity and words."""
    try:
        read = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise UnfitError(NOT_A_NUMBER) from None
    if isinstance(value, bool) or not math.isfinite(read):
        raise UnfitError(NOT_A_NUMBER)
    return read


def scaled(value: object, unit: str, units: dict[str, float]) -> float:
    """Return a value in watts or watt-hours; UnfitError for a unit that is none of `units`."""
    if unit not in units:
        raise UnfitError(UNKNOWN_UNIT)
    return number(value) * units[unit]


def check(reading: Reading, bounds: Bounds, now_ns: int) -> None:
    """Raise UnfitError for a reading that can't be true of an asset."""
    if reading.measured_ns > now_ns + FUTURE_TOLERANCE_NS:
        raise UnfitError(FUTURE_DATED)
    if reading.measured_ns < now_ns - OLDEST_NS:
        raise UnfitError(TOO_OLD)
    values = (reading.power_w, reading.charged_wh, reading.discharged_wh, reading.energy_wh)
    if all(value is None for value in values):
        raise UnfitError(NOTHING_MEASURED)
    if not all(value is None or math.isfinite(value) for value in values):
        raise UnfitError(NOT_A_NUMBER)
    if reading.power_w is not None and not bounds.tolerates_w(reading.power_w):
        raise UnfitError(POWER_OUT_OF_RANGE)
    if not 0 <= (reading.energy_wh or 0.0) <= bounds.energy_capacity_wh * ENERGY_SLACK:
        raise UnfitError(ENERGY_OUT_OF_RANGE)
    if not all(value is None or 0 <= value < 1 << 32 for value in values[1:3]):
        raise UnfitError(METER_OUT_OF_RANGE)
