"""SunSpec: what the registers of inverters and batteries mean, and which to write. No input or output.

Models are those of the SunSpec Alliance as pysunspec2 ships them: 1 (who it is), 101 to 103 and 701 (AC
measurement), 120, 121 and 702 (ratings), 123, 124 and 704 (control), 713 and 802 (storage).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sunspec2  # type: ignore[import-untyped]
from sunspec2 import device as definitions

from ringmain.gateway.devices.readings import Reading, UnfitError

definitions.set_model_defs_path([str(Path(sunspec2.__file__).parent / "models")])  # not the working folder

MARKER = b"SunS"
BASES = (40_000, 0, 50_000)  # where the marker may stand
END_MODEL, MODELS_MOST = 0xFFFF, 64
NAMEPLATE = 1
MEASURING = (701, 103, 102, 101)  # the first that is there counts
STORING = (713, 802, 124)
RATINGS = (702, 121, 120)
CONTROLS = (704, 124, 123)
KNOWN = {NAMEPLATE, *MEASURING, *STORING, *RATINGS, *CONTROLS}
READ_ONCE = {NAMEPLATE, *RATINGS, 704, 123}  # the others are read at each poll
SCALE_MOST = 10
LEASE_MOST_S = 65_535

NOT_SUNSPEC, NO_MEASUREMENT, BAD_MODEL = "NOT_SUNSPEC", "NO_MEASUREMENT", "BAD_MODEL"
BAD_SCALE_FACTOR, NO_CONTROL, WRONG_SERIAL = "BAD_SCALE_FACTOR", "NO_CONTROL", "WRONG_SERIAL"

BATTERY, SOLAR = "battery", "solar"
ENABLED, DISABLED, IN_WATTS, BOTH_LIMITS = 1, 0, 1, 3


@dataclass(frozen=True)
class Place:
    """A model in a device's registers; `length` counts what is behind its id and its length."""

    model_id: int
    address: int
    length: int

    @property
    def register_count(self) -> int:
        """All its registers."""
        return self.length + 2


@dataclass(frozen=True)
class Write:
    """Registers to write, from an address on."""

    address: int
    registers: tuple[int, ...]


class ModelData:
    """One model as it was read."""

    def __init__(self, place: Place, data: bytes) -> None:
        self.place = place
        self._model: Any = definitions.Model(
            place.model_id, model_addr=place.address, model_len=place.length, data=data
        )
        if len(data) != 2 * place.register_count or self._model.error_info:
            raise UnfitError(BAD_MODEL)

    def text(self, name: str) -> str:
        """Return a point that is text."""
        return str(self._model.points[name].value or "").strip("\0 ")

    def value(self, name: str) -> float | None:
        """Return a point in its unit; None if the device has it not; UnfitError for a scale that can't be."""
        point = self._model.points.get(name)
        if point is None or point.value is None:
            return None
        return float(point.value) * 10.0 ** self._scale(point)

    def write(self, name: str, value: float) -> Write:
        """Return what writes a point, given in its unit and rounded to what the device can hold."""
        point = self._model.points[name]
        data = point.info.to_data(round(value / 10.0 ** self._scale(point)), int(point.len) * 2)
        registers = tuple(int.from_bytes(data[n : n + 2], "big") for n in range(0, len(data), 2))
        return Write(self.place.address + point.offset, registers)

    def _scale(self, point: Any) -> int:
        name = point.pdef.get("sf")
        if name is None:
            return 0
        factor = self._model.points[name].value
        if factor is None or not -SCALE_MOST <= factor <= SCALE_MOST:
            raise UnfitError(BAD_SCALE_FACTOR)
        return int(factor)


Models = Mapping[int, ModelData]


def first_of(models: Models, ids: tuple[int, ...]) -> ModelData | None:
    """Return the first model of some that a device has."""
    return next((models[each] for each in ids if each in models), None)


def reading_of(models: Models, measured_ns: int, kind: str, capacity_wh: int) -> Reading:
    """Return what a device's models say it measured; SunSpec's power is positive towards the grid too."""
    ac = first_of(models, MEASURING)
    power_w = None if ac is None else ac.value("W")
    if ac is None or power_w is None:
        raise UnfitError(NO_MEASUREMENT)
    if ac.place.model_id == 701:
        charged_wh, discharged_wh = ac.value("TotWhAbs"), ac.value("TotWhInj")
    else:  # 101 to 103 count what they gave, and a battery's what it gave less what it took
        charged_wh, discharged_wh = None, ac.value("WH") if kind == SOLAR else None
    energy_wh = _stored_wh(models, capacity_wh) if kind == BATTERY else None
    return Reading(measured_ns, power_w, _within(charged_wh), _within(discharged_wh), energy_wh)


def _within(meter_wh: float | None) -> float | None:
    """A counter of 64 bits may have passed what the fleet's holds: its differences count."""
    return None if meter_wh is None else meter_wh % (1 << 32)


def _stored_wh(models: Models, capacity_wh: int) -> float:
    """Return what a battery stores, by its state of charge."""
    store = first_of(models, STORING)
    if store is None:
        raise UnfitError(NO_MEASUREMENT)
    share = store.value({713: "SoC", 802: "SoC", 124: "ChaState"}[store.place.model_id])
    if share is None:
        raise UnfitError(NO_MEASUREMENT)
    rated_wh = store.value("WHRtg") if store.place.model_id != 124 else None
    return share / 100 * (rated_wh or capacity_wh)


def rated_w(models: Models, fallback_w: float) -> float:
    """Return a device's largest power to the grid, as set or else as built."""
    rating = first_of(models, RATINGS)
    names = {702: ("WMax", "WMaxRtg"), 121: ("WMax",), 120: ("WRtg",)}
    if rating is not None:
        for name in names[rating.place.model_id]:
            if value := rating.value(name):
                return value
    return fallback_w


def commands(models: Models, kind: str, power_w: float, lease_s: int, most_w: float) -> list[Write]:
    """Return what is to be written so that a device runs at a power, and reverts when the lease ends.

    The time-out is written before what it watches over, and the switch last. UnfitError if the device has no
    model to be told with.
    """
    lease_s = min(lease_s, LEASE_MOST_S)
    tell: dict[tuple[str, int], Callable[[ModelData], list[Write]]] = {
        (SOLAR, 704): lambda model: _limit_704(model, 100 * power_w / rated_w(models, most_w), lease_s),
        (SOLAR, 123): lambda model: _limit_123(model, 100 * power_w / rated_w(models, most_w), lease_s),
        (BATTERY, 704): lambda model: _set_704(model, power_w, lease_s),
        (BATTERY, 124): lambda model: _set_124(model, power_w, lease_s),
    }
    for model_id in CONTROLS:
        if model_id in models and (kind, model_id) in tell:
            return tell[kind, model_id](models[model_id])
    raise UnfitError(NO_CONTROL)


def _limit_704(model: ModelData, percent: float, lease_s: int) -> list[Write]:
    percent = min(max(percent, 0.0), 100.0)
    return [
        model.write("WMaxLimPctRvrt", 100.0),
        model.write("WMaxLimPctEnaRvrt", DISABLED),
        model.write("WMaxLimPctRvrtTms", lease_s),
        model.write("WMaxLimPct", percent),
        model.write("WMaxLimPctEna", ENABLED if percent < 100 else DISABLED),
    ]


def _limit_123(model: ModelData, percent: float, lease_s: int) -> list[Write]:
    percent = min(max(percent, 0.0), 100.0)
    return [
        model.write("WMaxLimPct_RvrtTms", lease_s),
        model.write("WMaxLimPct", percent),
        model.write("WMaxLim_Ena", ENABLED if percent < 100 else DISABLED),
    ]


def _set_704(model: ModelData, power_w: float, lease_s: int) -> list[Write]:
    return [
        model.write("WSetRvrt", 0.0),
        model.write("WSetEnaRvrt", DISABLED),
        model.write("WSetRvrtTms", lease_s),
        model.write("WSetMod", IN_WATTS),
        model.write("WSet", power_w),
        model.write("WSetEna", ENABLED),
    ]


def _set_124(model: ModelData, power_w: float, lease_s: int) -> list[Write]:
    """Close the window of a battery's power around one value: a limit below zero is the other way's least."""
    largest_w = model.value("WChaMax")
    if not largest_w:
        raise UnfitError(NO_CONTROL)
    percent = min(max(100 * power_w / largest_w, -100.0), 100.0)
    return [
        model.write("InOutWRte_RvrtTms", lease_s),
        model.write("OutWRte", percent),
        model.write("InWRte", -percent),
        model.write("StorCtl_Mod", BOTH_LIMITS),
    ]
