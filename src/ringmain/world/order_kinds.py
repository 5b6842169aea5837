"""Which ways of trading a day has seen: orders by their kind, and trades by the orders that made them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ringmain.exchange import messages as exchange
from ringmain.exchange.messages import FOK, IOC, MARKET, MARKET_TO_LIMIT, STOP, STOP_LIMIT, PlaceOrder
from ringmain.exchange.multileg_messages import AddBasketLeg, PlaceBlock, PlaceQuote
from ringmain.world import recorded
from ringmain.world.live import Plan

NAMES = (
    "limit", "immediate or cancel", "fill or kill", "market", "market to limit", "stop", "iceberg",
    "post-only", "quote", "block", "basket leg",
)  # fmt: skip
CALL = "opening call"  # in which nobody takes
QUOTE, BLOCK, LEG = 8, 9, 10
ORDERS = (PlaceOrder, PlaceQuote, PlaceBlock, AddBasketLeg)
NUMBERS = 1 << 40  # of a session, at most


class OrderKinds:
    """The kind of every order that was sent, by session and number.

    A quote counts as one order with two sides, a leg of a basket as one.
    """

    def __init__(self, data: Path, plan: Plan) -> None:
        sent = recorded.commands(data / "exchange", exchange.schema, ORDERS, plan)
        orders = sent.of(PlaceOrder)
        parts = [(orders, kinds_of(orders))]
        for record, kind in ((PlaceQuote, QUOTE), (PlaceBlock, BLOCK), (AddBasketLeg, LEG)):
            rows = sent.of(record)
            parts.append((rows, np.full(rows.size, kind)))
        keys = np.concatenate([_keys(rows) for rows, _ in parts])
        order = np.argsort(keys)
        self._keys = keys[order]
        self._kinds = np.concatenate([kinds for _, kinds in parts])[order]

    def counts(self) -> dict[str, int]:
        """Return how many there were of each kind."""
        found = np.bincount(self._kinds, minlength=len(NAMES)).tolist()
        return dict(zip(NAMES, found, strict=True))

    def of(self, fills: Any) -> Any:
        """Return the kinds of the orders that were filled, int array of shape (n,)."""
        keys = _keys(fills)
        places = np.searchsorted(self._keys, keys)
        assert (self._keys[places] == keys).all(), "what was filled had been sent"
        return self._kinds[places]


def kinds_of(orders: Any) -> Any:
    """Return the kind of each PlaceOrder, int array of shape (n,)."""
    kinds = np.zeros(orders.size, np.int64)
    for kind, mask in enumerate((
        orders["time_in_force"] == IOC,
        orders["time_in_force"] == FOK,
        orders["order_type"] == MARKET,
        orders["order_type"] == MARKET_TO_LIMIT,
        (orders["order_type"] == STOP) | (orders["order_type"] == STOP_LIMIT),
        orders["display_lots"] > 0,
        orders["post_only"] > 0,
    ), 1):  # fmt: skip
        kinds[mask] = kind
    return kinds


def trades_by_kind(kinds: OrderKinds, fills: Any, energy_mwh: Any) -> list[dict[str, Any]]:
    """Return for each kind how many trades such orders took and made, and the energy of those they took.

    Parameters
    ----------
    fills : array of shape (2 n,), OrderFilled
        Maker before taker; in a call, buyer before seller.
    energy_mwh : array of shape (2 n,)
        Of each side.
    """
    makers, takers, energy = fills[0::2], fills[1::2], energy_mwh[1::2]
    assert makers.size == takers.size, "every trade has two sides"
    is_call = takers["role"] == exchange.AUCTION
    rows = [{"kind": CALL, "taken": int(is_call.sum()), "made": 0, "mwh": float(energy[is_call].sum())}]
    taken, made = kinds.of(takers), kinds.of(makers)
    rows += [
        {
            "kind": name,
            "taken": int(((taken == kind) & ~is_call).sum()),
            "made": int(((made == kind) & ~is_call).sum()),
            "mwh": float(energy[(taken == kind) & ~is_call].sum()),
        }
        for kind, name in enumerate(NAMES)
    ]
    return [row for row in rows if row["taken"] or row["made"]]


def shares(counts: dict[str, int], names: Sequence[str] = NAMES) -> list[tuple[str, int, float]]:
    """Return name, count and share of each kind, the most frequent first."""
    total = max(1, sum(counts.values()))
    return sorted(((name, counts[name], counts[name] / total) for name in names), key=lambda row: -row[1])


def _keys(rows: Any) -> Any:
    """Return what names an order, int64 array of shape (n,); a quote's offer bears its number, negated."""
    return rows["session_id"].astype(np.int64) * NUMBERS + np.abs(rows["session_number"])
