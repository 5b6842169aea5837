"""What devices would do by themselves, were the fleet to fall silent now, as the terminal shows it."""

import argparse
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np

from ringmain.client.devices.local_plan import OWN, Course, LocalPlans
from ringmain.client.devices.serve import STATUS_FILE
from ringmain.core.clock import Clock
from ringmain.core.errors import RingmainError
from ringmain.core.terminal import table
from ringmain.gateway.devices.readings import Bounds
from ringmain.gateway.sheets import Sheet
from ringmain.vpp.state import SECOND_NS

ASSETS_SHOWN = 8


class Known(msgspec.Struct):
    """What is read of the gateways' status."""

    prices: Sheet | None = None


def show_plan(options: argparse.Namespace, assets: dict[int, Bounds]) -> str:
    """Print the plans of some of these assets; return the line below.

    RM779 if the devices' gateways were told no prices, or the last have ended; or for shares that are none.
    """
    shown = dict(sorted(assets.items())[:ASSETS_SHOWN])
    plans, energy_wh = LocalPlans(_own_of(options, shown)), _stored_wh(options, shown)
    sheet, now_ns = _sheet_of(options), Clock(options.data / "clock").now_ns()
    plans.hear(sheet)
    course = plans.course(now_ns, energy_wh)
    if course is None:
        raise _missing(f"the prices of sheet {sheet.number} do not hold now")
    table(f"Sheet {sheet.number}", ["from", "price_ticks", *map(_column, shown)], _rows(course, list(shown)))
    ends = (sheet.commanded_until_ns, sheet.valid_until_ns)
    commanded, valid = map(_time, ends)
    return f"without a set-point they rest until {commanded}, go by this plan until {valid}, then rest"


def _sheet_of(options: argparse.Namespace) -> Sheet:
    try:
        known = msgspec.json.decode((options.data / STATUS_FILE).read_bytes(), type=Known)
    except (FileNotFoundError, msgspec.MsgspecError):
        raise _missing("the devices' gateways have not run here") from None
    if known.prices is None or not known.prices.is_fit:
        raise _missing("the devices' gateways have been told no prices")
    return known.prices


def _missing(what: str) -> RingmainError:
    return RingmainError("RM779", "plan", what, 'Run "ringmain devices serve", and wait for an auction')


def _own_of(options: argparse.Namespace, assets: dict[int, Bounds]) -> Any:
    """Return the assets as batteries that know themselves; what the gateways do not know the options say."""
    if not 0 < options.efficiency <= 1 or not 0 <= options.reserve < 1 or not 0 <= options.stored <= 1:
        what = "--efficiency, --reserve and --stored are shares"
        raise RingmainError("RM779", "plan", what, "Give them from 0 to 1")
    own = np.zeros(len(assets), OWN)
    for row, bounds in zip(own, assets.values(), strict=True):
        row["charge_limit_w"], row["discharge_limit_w"] = bounds.import_limit_w, bounds.export_limit_w
        row["capacity_wh"] = bounds.energy_capacity_wh
    own["reserve_wh"] = own["capacity_wh"] * options.reserve
    own["charge_efficiency"] = own["discharge_efficiency"] = options.efficiency
    own["wear_ticks"], own["fuse_import_w"], own["fuse_export_w"] = options.wear_ticks, np.inf, np.inf
    return own


def _stored_wh(options: argparse.Namespace, assets: dict[int, Bounds]) -> Any:
    return np.array([bounds.energy_capacity_wh * options.stored for bounds in assets.values()], float)


def _rows(course: Course, asset_ids: list[int]) -> list[dict[str, Any]]:
    """Return a row a period."""
    return [
        {"from": _time(start_ns), "price_ticks": int(course.price_ticks[place])}
        | {_column(n): round(float(course.power_w[i, place])) for i, n in enumerate(asset_ids)}
        for place, start_ns in enumerate(course.starts_ns.tolist())
    ]


def _column(asset_id: int) -> str:
    return f"asset {asset_id}, W"


def _time(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // SECOND_NS, UTC).strftime("%Y-%m-%d %H:%M:%S")
