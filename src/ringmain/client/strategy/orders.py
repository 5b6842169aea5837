"""A strategy's own orders, fills, positions and cash, folded from the session's private events."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ringmain.core.messages import COMMAND_REFUSED, REPEATED
from ringmain.exchange import messages as m
from ringmain.gateway.messages import REFUSED, gateway_schema

SENT, OPEN, DONE = "sent", "open", "done"
ROLE_NAMES = {code: name for name, code in m.ROLES.items()}
SIDE_NAMES = {code: name for name, code in m.SIDES.items()}


@dataclass
class Order:
    """An order of one's own.

    Attributes
    ----------
    number : int
        Names it at the venue; of a quote's offer it is negative.
    price_ticks : int
        Its limit, as far as the venue has answered.
    quantity_lots, open_lots, filled_lots : int
    status : "sent", "open" or "done"
    reason : str
        Why it was rejected or cancelled; empty if it was filled.
    pending_number : int
        The number of a change or cancellation that is not answered yet; 0: there is none.
    """

    number: int
    product_id: int
    side: int
    price_ticks: int
    quantity_lots: int
    open_lots: int
    filled_lots: int = 0
    status: str = SENT
    reason: str = ""
    pending_number: int = 0

    @property
    def is_live(self) -> bool:
        """Whether it may still trade."""
        return self.status != DONE

    @property
    def is_settled(self) -> bool:
        """Whether the venue has answered all that was asked about it."""
        return self.status != SENT and self.pending_number == 0


@dataclass(frozen=True)
class Fill:
    """A part of an order that has traded."""

    time_ns: int
    product_id: int
    side: int
    price_ticks: int
    quantity_lots: int
    role: str
    order_number: int


@dataclass(frozen=True)
class OrderUpdate:
    """What has become of an order.

    Attributes
    ----------
    what : str
        accepted, rejected, filled, replaced, triggered, cancelled, quoted or mass_cancelled.
    order : Order or None
        As it is now; None if it is about no single order.
    fill : Fill or None
        Of "filled".
    reason : str
        Of "rejected" and "cancelled", as the venue's records name it.
    """

    what: str
    order: Order | None
    time_ns: int
    reason: str = ""
    fill: Fill | None = None


class OwnOrders:
    """A fold of private events.

    Parameters
    ----------
    value_minor_of : callable
        ``value_minor_of(product_id)``: money for one lot at one tick.

    Attributes
    ----------
    placed : list of Order
        Every order, ended ones too; the gateway gives the number of one that it refuses to the next.
    orders, live : dict
        The orders by number, and those of them that may still trade.
    positions_lots : dict
        Bought less sold, by product.
    cash_minor : int
        Received for sales less paid for purchases; fees are not in it.
    """

    def __init__(self, value_minor_of: Callable[[int], int]) -> None:
        self._value_minor_of = value_minor_of
        self.placed: list[Order] = []
        self.orders: dict[int, Order] = {}
        self.live: dict[int, Order] = {}
        self.fills: list[Fill] = []
        self.positions_lots: Counter[int] = Counter()
        self.cash_minor = self.fees_minor = 0
        self.rejections: Counter[str] = Counter()
        self._folds: dict[str, Callable[[dict[str, Any]], OrderUpdate | None]] = {
            "OrderAccepted": self._accept,
            "OrderRejected": self._reject,
            "OrderFilled": self._fill,
            "OrderCancelled": self._cancel,
            "OrderReplaced": self._replace,
            "OrderTriggered": self._trigger,
            "ClipShown": self._show_clip,
            "MassCancelled": lambda said: OrderUpdate("mass_cancelled", None, said["time_ns"]),
            "QuotePlaced": lambda said: OrderUpdate("quoted", None, said["time_ns"]),
            "TradeChanged": self._change_trade,
        }

    def sent(self, order: Order) -> None:
        """Note an order that is on its way."""
        self.placed.append(order)
        self.orders[order.number] = self.live[order.number] = order

    def fold(self, events: Any) -> list[OrderUpdate]:
        """Take in the session's events, shape (n,), in order."""
        updates = []
        for row in range(events.size):
            event = events[row : row + 1]
            kind = int(event["kind"][0])
            if kind in (COMMAND_REFUSED, REFUSED):
                update = self._turn_away(event, kind)
            elif kind in m.schema.events:
                said = m.schema.unpack_event(event)
                self.fees_minor += said.get("fee_minor", 0)
                fold = self._folds.get(said["record"])
                update = fold(said) if fold is not None else None
            else:
                update = None
            if update is not None:
                updates.append(update)
        return updates

    def _accept(self, said: dict[str, Any]) -> OrderUpdate:
        number, lots = said["session_number"], said["quantity_lots"]
        order = self.orders.get(number)
        if order is None:  # a side of a quote
            order = Order(number, said["product_id"], said["side"], said["price_ticks"], lots, lots)
            self.sent(order)
        order.status, order.price_ticks = OPEN, said["price_ticks"]
        return OrderUpdate("accepted", order, said["time_ns"])

    def _reject(self, said: dict[str, Any]) -> OrderUpdate:
        number = said["session_number"]
        return self._rejected(number, said["order_number"] or number, said["reason"], said["time_ns"])

    def _rejected(self, number: int, order_number: int, reason: Any, time_ns: int) -> OrderUpdate:
        """Note that a command was rejected, which placed an order or was about one."""
        self.rejections[str(reason)] += 1
        order = self.orders.get(order_number)
        if order is not None and order.status == SENT and order.number == number:
            self._end(order, str(reason))
        elif order is not None and order.pending_number == number:
            order.pending_number = 0
        return OrderUpdate("rejected", order, time_ns, str(reason))

    def _turn_away(self, event: Any, kind: int) -> OrderUpdate | None:
        """Note what the core or the gateway did not let through to the market."""
        schema = m.schema if kind == COMMAND_REFUSED else gateway_schema(m.schema.slots)
        said = schema.unpack_event(event)
        if said["reason"] == m.schema.reasons[REPEATED]:
            return None  # its first answer is here, or comes
        number = said["session_number"]
        about = next((each.number for each in self.live.values() if each.pending_number == number), number)
        return self._rejected(number, about, said["reason"], said["time_ns"])

    def _fill(self, said: dict[str, Any]) -> OrderUpdate:
        product_id, side, number = said["product_id"], said["side"], said["session_number"]
        price_ticks, lots = said["price_ticks"], said["quantity_lots"]
        role = ROLE_NAMES.get(said["role"], str(said["role"]))
        fill = Fill(said["time_ns"], product_id, side, price_ticks, lots, role, number)
        self.fills.append(fill)
        sign = 1 if side == m.BUY else -1
        self.positions_lots[product_id] += sign * lots
        self.cash_minor -= sign * price_ticks * lots * self._value_minor_of(product_id)
        order = self.orders.get(number)  # none, of a block or a basket's leg
        if order is not None:
            order.filled_lots += lots
            order.open_lots = said["remaining_lots"]
            if order.open_lots == 0:
                self._end(order, "")
        return OrderUpdate("filled", order, fill.time_ns, fill=fill)

    def _cancel(self, said: dict[str, Any]) -> OrderUpdate:
        order = self.orders.get(said["session_number"])
        if order is not None:
            order.open_lots = 0
            self._end(order, str(said["reason"]))
        return OrderUpdate("cancelled", order, said["time_ns"], str(said["reason"]))

    def _replace(self, said: dict[str, Any]) -> OrderUpdate:
        order = self.orders.get(said["session_number"])
        if order is not None:
            order.price_ticks, order.open_lots = said["price_ticks"], said["quantity_lots"]
            order.quantity_lots = order.filled_lots + order.open_lots
            if order.pending_number == said["command_number"]:
                order.pending_number = 0
        return OrderUpdate("replaced", order, said["time_ns"])

    def _trigger(self, said: dict[str, Any]) -> OrderUpdate:
        order = self.orders.get(said["session_number"])
        if order is not None:
            order.price_ticks = said["price_ticks"]
        return OrderUpdate("triggered", order, said["time_ns"])

    def _show_clip(self, said: dict[str, Any]) -> None:
        order = self.orders.get(said["session_number"])
        if order is not None:
            order.price_ticks = said["price_ticks"]

    def _change_trade(self, said: dict[str, Any]) -> None:
        self.positions_lots[said["product_id"]] += said["position_change_lots"]
        self.cash_minor += said["amount_minor"]

    def _end(self, order: Order, reason: str) -> None:
        order.status, order.reason, order.pending_number = DONE, reason, 0
        self.live.pop(order.number, None)
