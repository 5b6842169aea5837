"""Reserve in a report: each block's price, what was held and called of it, and what the fleet had of it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ringmain.client.protocol import pick
from ringmain.exchange import messages as exchange
from ringmain.exchange.reserve_messages import ReserveLevelSet, ReserveSettled
from ringmain.world import calendar
from ringmain.world.calendar import LOT_KW, RESERVE_VALUE_MINOR, reserve_of
from ringmain.world.live import Plan
from ringmain.world.recorded import MINOR_PER_EURO, TICKS_PER_EURO, Rows
from ringmain.world.seats import FLEET_ACCOUNT

EVENTS = (ReserveLevelSet, ReserveSettled)
LOTS_PER_MW = 1_000 // LOT_KW
LOT_MS_PER_MWH = LOTS_PER_MW * 3_600_000


def is_reserve(rows: Any) -> Any:
    """Tell of each row whether its product is a block of reserve, bool array of shape (n,)."""
    return rows["product_id"] % calendar.IDS_PER_DAY >= calendar.FIRST_RESERVE_UP_ID


class ReserveFills:
    """Both sides of every trade of reserve, with the money that availability costs."""

    def __init__(self, fills: Any) -> None:
        self.rows = pick(fills, is_reserve(fills))
        sign = np.where(self.rows["side"] == exchange.SELL, 1, -1)
        lots = self.rows["quantity_lots"].astype(np.int64)
        self.minor = sign * lots * self.rows["price_ticks"] * RESERVE_VALUE_MINOR

    def sold(self, product_id: int, account_id: int | None = None) -> tuple[int, int]:
        """Return lots sold of a product, by everyone or by one account, and what that has brought."""
        mask = (self.rows["product_id"] == product_id) & (self.rows["side"] == exchange.SELL)
        if account_id is not None:
            mask &= self.rows["account_id"] == account_id
        return int(self.rows["quantity_lots"][mask].sum()), int(self.minor[mask].sum())

    def of_account(self, account_id: int) -> int:
        """Return what an account has received less what it has paid, minor."""
        return int(self.minor[self.rows["account_id"] == account_id].sum())


def settled_minor(events: Rows, account_id: int, buyer_account_id: int) -> int:
    """Return what an account has received for energy that was called less what it has paid."""
    settled = events.of(ReserveSettled)
    received = int(settled["amount_minor"][settled["account_id"] == account_id].sum())
    return received - (int(settled["amount_minor"].sum()) if account_id == buyer_account_id else 0)


def reserve_blocks(plan: Plan, events: Rows, fills: ReserveFills) -> list[dict[str, Any]]:
    """Return a line for each block of reserve of the plan's days, upwards first."""
    prices = {
        int(row["product_id"]): int(row["price_ticks"])
        for row in events.of(exchange.AuctionUncrossed)
        if row["volume_lots"]
    }
    products = [product for day in plan.days for product in reserve_of(day)]
    return [_block(product, prices.get(product.product_id), events, fills) for product in products]


def _block(
    product: calendar.Product, price_ticks: int | None, events: Rows, fills: ReserveFills
) -> dict[str, Any]:
    product_id = product.product_id
    levels, settled = events.of(ReserveLevelSet), events.of(ReserveSettled)
    calls = levels[(levels["product_id"] == product_id) & (levels["quantity_lots"] > 0)]
    paid = settled[settled["product_id"] == product_id]
    own = paid[paid["account_id"] == FLEET_ACCOUNT]
    (lots, minor), (own_lots, own_minor) = fills.sold(product_id), fills.sold(product_id, FLEET_ACCOUNT)
    return {
        "product_id": product_id,
        "direction": "up" if product.is_upward else "down",
        "delivery_start_ns": product.delivery_start_ns,
        "price_eur": None if price_ticks is None else price_ticks / TICKS_PER_EURO,
        "mw": lots / LOTS_PER_MW,
        "availability_eur": minor / MINOR_PER_EURO,
        "calls": int(calls.size),
        "most_mw": int(calls["quantity_lots"].max(initial=0)) / LOTS_PER_MW,
        "called_mwh": _mwh(paid),
        "activation_eur": int(paid["amount_minor"].sum()) / MINOR_PER_EURO,
        "fleet_mw": own_lots / LOTS_PER_MW,
        "fleet_availability_eur": own_minor / MINOR_PER_EURO,
        "fleet_called_mwh": _mwh(own),
        "fleet_activation_eur": int(own["amount_minor"].sum()) / MINOR_PER_EURO,
    }


def _mwh(settled: Any) -> float:
    return int(settled["activated_lot_ms"].sum()) / LOT_MS_PER_MWH


def reserve_sums(blocks: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return what all blocks come to."""
    names = ("calls", "availability_eur", "called_mwh", "activation_eur", "fleet_availability_eur",
             "fleet_called_mwh", "fleet_activation_eur")  # fmt: skip
    hours = calendar.BLOCK_HOURS
    return {
        **{name: sum(block[name] for block in blocks) for name in names},
        "mw_hours": sum(block["mw"] for block in blocks) * hours,
        "fleet_mw_hours": sum(block["fleet_mw"] for block in blocks) * hours,
    }
