"""Reserve that the fleet has sold: what the exchange calls of it, and what it pays for that energy."""

from typing import Any

from ringmain.bridge.products import LOT_POWER_W
from ringmain.exchange.reserve_messages import ReserveActivated, ReserveSettled
from ringmain.vpp.reserve_messages import RecordActivation, RecordReserveSettled

CALLS = {record.kind: record for record in (ReserveActivated, ReserveSettled)}
MS_PER_HOUR = 3_600_000


def command_of(event: Any, account_id: int) -> Any | None:
    """Return what one event of CALLS means to the fleet, whose account is given; None if it is another's.

    Energy is rounded down to whole Wh.
    """
    record = CALLS[int(event["kind"][0])]
    said = record.unpack(event)
    if said["account_id"] != account_id:
        return None
    if record is ReserveActivated:
        return RecordActivation(
            product_id=said["product_id"], quantity_lots=said["quantity_lots"], until_ns=said["until_ns"]
        )
    return RecordReserveSettled(
        product_id=said["product_id"], amount_minor=said["amount_minor"],
        activated_wh=said["activated_lot_ms"] * LOT_POWER_W // MS_PER_HOUR,
    )  # fmt: skip
