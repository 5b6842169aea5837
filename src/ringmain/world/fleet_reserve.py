"""The fleet's reserve in a report: what it held, what was called of it, and how well it followed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ringmain.vpp.reserve_messages import ReserveActivated, ReserveDefined, ReserveKept, ReservePaid
from ringmain.world.calendar import SECOND_NS
from ringmain.world.recorded import MINOR_PER_EURO, Rows

RECORDS = (ReserveActivated, ReserveDefined, ReserveKept, ReservePaid)
QUARTERS_PER_HOUR = 4


def reserve_ids(events: Rows) -> Any:
    """Return the products that are reserve, int array of shape (n,)."""
    return events.of(ReserveDefined)["product_id"]


def fleet_reserve(events: Rows, metered: Any, baseline_wh: Mapping[int, int]) -> dict[str, Any]:
    """Return what the fleet held and gave, in all and by quarter-hour.

    What it gave of a call is what it gave beyond what it would have given without: its meters, less what
    its homes would have done by themselves, less its awards of energy. `followed_share` is one less the
    sum of all differences between that and what was called, through the sum of what was called, over the
    quarter-hours with a call; None without any.

    Parameters
    ----------
    events : Rows
        Of RECORDS.
    metered : array of shape (n,), FleetMetered
    baseline_wh : mapping of int to int
        Start of quarter-hour, nanoseconds, to what the homes would have given by themselves.
    """
    quarters = _quarters(events.of(ReserveKept), metered, baseline_wh)
    called = [row for row in quarters if row["called_mwh"]]
    called_mwh = sum(abs(row["called_mwh"]) for row in called)
    missed_mwh = sum(abs(row["given_mwh"] - row["called_mwh"]) for row in called)
    return {
        **_held(quarters, "up_mw"),
        **_held(quarters, "down_mw"),
        "availability_eur": sum(row["availability_eur"] for row in quarters),
        "activation_eur": int(events.of(ReservePaid)["amount_minor"].sum()) / MINOR_PER_EURO,
        "calls": int((events.of(ReserveActivated)["power_w"] != 0).sum()),
        "called_mwh": called_mwh,
        "missed_mwh": missed_mwh,
        "followed_share": 1 - missed_mwh / called_mwh if called_mwh else None,
        "short_quarters": sum(row["short_up_mw"] > 0 or row["short_down_mw"] > 0 for row in quarters),
        "quarters": quarters,
    }


def _held(quarters: Sequence[dict[str, Any]], name: str) -> dict[str, float]:
    """Return what was held of a direction on average, over quarter-hours with any reserve, and in all."""
    held = sum(row[name] for row in quarters)
    return {name: held / max(1, len(quarters)), f"{name}_hours": held / QUARTERS_PER_HOUR}


def _quarters(kept: Any, metered: Any, baseline_wh: Mapping[int, int]) -> list[dict[str, Any]]:
    by_itself = [baseline_wh.get(at_ns, 0) for at_ns in metered["period_start_ns"].tolist()]
    beyond_wh = metered["metered_wh"].astype(np.int64) - by_itself - metered["committed_wh"]
    beyond = dict(zip(metered["period_start_ns"].tolist(), beyond_wh.tolist(), strict=True))
    rows, powers = [], ("up", "down", "short_up", "short_down")
    for row in kept:
        start_ns, called_wh = int(row["period_start_s"]) * SECOND_NS, int(row["activated_wh"])
        rows.append({
            "time_ns": start_ns,
            **{f"{name}_mw": int(row[f"{name}_w"]) / 1e6 for name in powers},
            "called_mwh": called_wh / 1e6,
            "given_mwh": (beyond[start_ns] + called_wh) / 1e6,  # committed_wh includes the call
            "availability_eur": int(row["availability_minor"]) / MINOR_PER_EURO,
        })  # fmt: skip
    return rows


def called_mw(events: Rows, times_ns: Sequence[int]) -> list[float]:
    """Return what was called of the fleet at each time, up positive, in MW."""
    activated = events.of(ReserveActivated)
    ordered = [(int(row["time_ns"]), int(row["product_id"]), int(row["power_w"]), int(row["until_ns"]))
               for row in activated]  # fmt: skip
    active: dict[int, tuple[int, int]] = {}
    found, place = [], 0
    for at_ns in times_ns:
        while place < len(ordered) and ordered[place][0] <= at_ns:
            _, product_id, power_w, until_ns = ordered[place]
            active[product_id] = (power_w, until_ns)
            place += 1
        found.append(sum(power_w for power_w, until_ns in active.values() if at_ns < until_ns) / 1e6)
    return found
