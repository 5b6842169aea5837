"""Meters that never run back, kept for devices whose own are set back, or that have none."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.gateway.devices.readings import (
    CLOCK_WENT_BACK,
    HOUR_NS,
    METER_JUMPED,
    POWER_SLACK,
    SECOND_NS,
    WRONG_SCALE,
    Bounds,
    Reading,
    UnfitError,
)

METER_SLACK_WH = 20.0  # as the fleet's
LONGEST_HOLD_NS = HOUR_NS // 4  # for so long a power that was measured is taken to go on
SHORTEST_COMPARED_NS = 30 * SECOND_NS  # power and meter are compared over no less
SCALE_OFF = (300.0, 3_000.0)  # a factor of about a thousand is kW for W, not weather
JUMPS_BELIEVED = 3  # a meter that has jumped so often in a row is another one

METER = np.dtype([
    ("measured_ns", "i8"),  # 0: never
    ("charged_wh", "f8"),
    ("discharged_wh", "f8"),
    ("own_charged_wh", "f8"),  # what the device's own meters showed; NaN: nothing so far
    ("own_discharged_wh", "f8"),
    ("power_w", "f8"),
    ("device_number", "i8"),
    ("jumps", "i8"),  # in a row
])  # fmt: skip


@dataclass(frozen=True)
class Metered:
    """A reading with meters that go on from the last."""

    device_number: int
    power_w: float
    charged_wh: float
    discharged_wh: float


class Meters:
    """One row an asset, in a mapped file: what a killed process had written is there for the next."""

    def __init__(self, path: Path, asset_count: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        wanted_bytes = asset_count * METER.itemsize
        with path.open("ab") as file:
            if file.tell() < wanted_bytes:
                file.truncate(wanted_bytes)
        self.rows = np.memmap(path, METER, "r+", shape=(asset_count,))

    def take(self, asset_id: int, reading: Reading, bounds: Bounds) -> Metered:
        """Go on to a reading that was checked; UnfitError, and nothing changes, if it can't be next."""
        row = self.rows[asset_id]
        is_first = row["measured_ns"] == 0
        elapsed_ns = reading.measured_ns - int(row["measured_ns"])
        if elapsed_ns <= 0:
            raise UnfitError(CLOCK_WENT_BACK)
        charged = self._step(row, "charged_wh", reading.charged_wh, bounds.import_limit_w, elapsed_ns, -1)
        discharged = self._step(
            row, "discharged_wh", reading.discharged_wh, bounds.export_limit_w, elapsed_ns, 1
        )
        power_w = reading.power_w
        if not is_first and power_w is not None:
            _check_scale(row, reading, (charged, discharged), elapsed_ns)
        if power_w is None:
            power_w = 0.0 if is_first else (discharged - charged) * HOUR_NS / elapsed_ns
        _write(row, reading, power_w, charged, discharged)
        return Metered(
            int(row["device_number"]), power_w, float(row["charged_wh"]), float(row["discharged_wh"])
        )

    def taken_wh(self, asset_id: int) -> float:
        """Return the energy that an asset took less what it gave, by its meters; NaN if never read."""
        row = self.rows[asset_id]
        return float(row["charged_wh"] - row["discharged_wh"]) if row["measured_ns"] else float("nan")

    def _step(
        self, row: Any, name: str, own_wh: float | None, limit_w: int, elapsed_ns: int, sign: int
    ) -> float:
        """Return what a meter goes on by."""
        held_wh = max(0.0, sign * float(row["power_w"])) * min(elapsed_ns, LONGEST_HOLD_NS) / HOUR_NS
        before_wh = float(row["own_" + name])
        if row["measured_ns"] == 0:
            return own_wh or 0.0
        if own_wh is None and not math.isnan(before_wh):
            return 0.0  # it has a meter, which will tell
        if own_wh is None or math.isnan(before_wh) or own_wh < before_wh:
            return held_wh  # no meter, its first figure, or one that was set back
        step_wh = own_wh - before_wh
        if step_wh <= limit_w * POWER_SLACK * elapsed_ns / HOUR_NS + METER_SLACK_WH:
            return step_wh
        row["jumps"] += 1
        if row["jumps"] < JUMPS_BELIEVED:
            raise UnfitError(METER_JUMPED)
        return held_wh


def _write(row: Any, reading: Reading, power_w: float, charged_wh: float, discharged_wh: float) -> None:
    is_first = row["measured_ns"] == 0
    row["charged_wh"] += charged_wh
    row["discharged_wh"] += discharged_wh
    for name, own_wh in (("charged_wh", reading.charged_wh), ("discharged_wh", reading.discharged_wh)):
        if own_wh is not None:
            row["own_" + name] = own_wh
        elif is_first:
            row["own_" + name] = math.nan
    row["power_w"], row["jumps"] = power_w, 0
    row["device_number"] = max(int(row["device_number"]) + 1, reading.measured_ns // SECOND_NS)
    row["measured_ns"] = reading.measured_ns


def _check_scale(row: Any, reading: Reading, steps_wh: tuple[float, float], elapsed_ns: int) -> None:
    """Raise UnfitError if power and the device's own meter differ as kW from W."""
    charged_wh, discharged_wh = steps_wh
    if elapsed_ns < SHORTEST_COMPARED_NS or reading.power_w is None:
        return
    own_wh = charged_wh if reading.power_w < 0 else discharged_wh
    if (reading.charged_wh if reading.power_w < 0 else reading.discharged_wh) is None:
        return
    mean_w = own_wh * HOUR_NS / elapsed_ns
    low_w, high_w = sorted((abs(float(row["power_w"])), abs(reading.power_w)))
    for ratio in (mean_w / high_w if high_w else 0.0, low_w / mean_w if mean_w else 0.0):
        if SCALE_OFF[0] <= ratio <= SCALE_OFF[1]:
            raise UnfitError(WRONG_SCALE)
