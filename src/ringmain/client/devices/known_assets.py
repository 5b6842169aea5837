"""Which assets the fleet knows, and over which link: what its tape tells. Devices of others are told of."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ringmain.core.tape import TapeReader
from ringmain.gateway.credentials import Credentials
from ringmain.vpp.messages import (
    SCHEMA,
    AssetRetired,
    BatteryRegistered,
    ChargerRegistered,
    HeatStoreRegistered,
    LoadRegistered,
    SolarRegistered,
)

REGISTERED = (BatteryRegistered, SolarRegistered, ChargerRegistered, HeatStoreRegistered, LoadRegistered)
NAMED_MOST = 20  # of many assets so many are named


def known_assets(data: Path) -> dict[int, int] | None:
    """Return the account of each asset's link by asset id; None if the begin of the tape is not kept."""
    page = data / SCHEMA.name / "page"
    if not page.exists() or not page.stat().st_size:
        return None
    tape = TapeReader(data / SCHEMA.name, SCHEMA)
    if tape.first():
        return None
    known: dict[int, int] = {}
    kinds = [*(record.kind for record in REGISTERED), AssetRetired.kind]
    while (events := tape.read()).size:
        for place in np.flatnonzero(np.isin(events["kind"], kinds)).tolist():
            kind = int(events["kind"][place])
            if kind == AssetRetired.kind:
                known.pop(int(events.view(AssetRetired.dtype)["asset_id"][place]), None)
                continue
            record = next(each for each in REGISTERED if each.kind == kind)
            row = events.view(record.dtype)[place]
            known[int(row["asset_id"])] = int(row["link_account_id"])
    tape.close()
    return known


def warnings(data: Path, asset_ids: Iterable[int], token: str = "") -> list[str]:
    """Return what is wrong with assets that devices are let in for: a line for each fault, naming them.

    Parameters
    ----------
    token : str
        Of the link that reports for them; without it their link is not looked at.
    """
    known = known_assets(data)
    if known is None:
        return []
    ids = sorted(set(asset_ids))
    link = Credentials(data).find(SCHEMA.name, token.encode()) if token else None
    strange = [n for n in ids if n not in known]
    elsewhere = [n for n in ids if link is not None and known.get(n, link.account_id) != link.account_id]
    faults = (
        (strange, "not in the fleet: what their devices say is rejected as UNKNOWN_ASSET until they are"),
        (elsewhere, "of another device link: what their devices say is rejected as WRONG_LINK"),
    )
    return [f"{_named(those)} {what}" for those, what in faults if those]


def _named(asset_ids: list[int]) -> str:
    """Return "asset 7 is", or "assets 7, 9 are"."""
    if len(asset_ids) == 1:
        return f"asset {asset_ids[0]} is"
    more = f" and {len(asset_ids) - NAMED_MOST} more" if len(asset_ids) > NAMED_MOST else ""
    return f"assets {', '.join(map(str, asset_ids[:NAMED_MOST]))}{more} are"
