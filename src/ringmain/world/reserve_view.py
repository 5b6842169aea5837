"""What the world sees of reserve: who holds how much of each block, and what is called of it."""

from typing import Any

from ringmain.exchange.messages import BUY, PositionDelivered
from ringmain.exchange.reserve_messages import ReserveActivated, ReserveLevelSet


class ReserveView:
    """A fold of the exchange's tape into blocks of reserve; each event of its `folds`, and fills of blocks.

    Attributes
    ----------
    lots : dict of int to dict of int to int
        Product to account to what it has bought less what it has sold, until delivery has ended.
    called_lots : dict of int to int
        Product to what is called of it now; where it is nothing, it is not there.
    active_lots : dict of int to dict of int to int
        Product to seller to its share of that; who gives nothing is not there.
    ticks : dict of int to int
        Product to its price.
    """

    def __init__(self) -> None:
        self.folds = {
            ReserveActivated.kind: (ReserveActivated, self._activated),
            ReserveLevelSet.kind: (ReserveLevelSet, self._level_set),
            PositionDelivered.kind: (PositionDelivered, self._delivered),
        }
        self.lots: dict[int, dict[int, int]] = {}
        self.called_lots: dict[int, int] = {}
        self.active_lots: dict[int, dict[int, int]] = {}
        self.ticks: dict[int, int] = {}

    def fill(self, event: Any) -> None:
        """Take in a fill in a block of reserve."""
        lots = int(event["quantity_lots"]) * (1 if event["side"] == BUY else -1)
        product_id = int(event["product_id"])
        held, account_id = self.lots.setdefault(product_id, {}), int(event["account_id"])
        held[account_id] = held.get(account_id, 0) + lots
        self.ticks[product_id] = int(event["price_ticks"])

    def share_of(self, product_id: int, account_id: int) -> int:
        """Return what is called of a seller now, in lots."""
        return self.active_lots.get(product_id, {}).get(account_id, 0)

    def forget(self, before_id: int) -> None:
        """Drop what was held long ago."""
        for product_id in [n for n in self.ticks if n < before_id]:
            del self.ticks[product_id]

    def _activated(self, event: Any) -> None:
        shares = self.active_lots.setdefault(int(event["product_id"]), {})
        account_id = int(event["account_id"])
        if event["quantity_lots"]:
            shares[account_id] = int(event["quantity_lots"])
        else:
            shares.pop(account_id, None)

    def _level_set(self, event: Any) -> None:
        if event["quantity_lots"]:
            self.called_lots[int(event["product_id"])] = int(event["quantity_lots"])
        else:
            self.called_lots.pop(int(event["product_id"]), None)

    def _delivered(self, event: Any) -> None:
        for by_product in (self.lots, self.called_lots, self.active_lots):
            by_product.pop(int(event["product_id"]), None)
