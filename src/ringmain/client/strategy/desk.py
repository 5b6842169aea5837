"""What a strategy acts through: orders to the venue, and what it knows of the market and of itself."""

import heapq
from typing import Any, Protocol

from ringmain.client.strategy.market import Level, MarketView, Product
from ringmain.client.strategy.orders import DONE, Fill, Order, OwnOrders
from ringmain.core.records import Record
from ringmain.exchange import messages as m
from ringmain.exchange.multileg_messages import PlaceQuote

NANOSECONDS_PER_S = 1_000_000_000


class Wire(Protocol):
    """The way to a venue, which each runner has its own of."""

    @property
    def now_ns(self) -> int:
        """The venue's logical time, as far as it was heard of here."""

    def send(self, command: Any) -> int:
        """Send one packed command; return the session's number of it."""


class Desk:
    """A strategy's desk; the same in a replay, a simulation and a live venue.

    All amounts are integers: ticks of 0.01 EUR/MWh, lots of 0.1 MW, minor units of 1e-6 EUR. Position
    and cash count from the begin of the run.

    Attributes
    ----------
    commands : list of (int, dict)
        What was sent: when, in logical time, and the command's fields.
    """

    def __init__(self, wire: Wire, product_ids: tuple[int, ...]) -> None:
        self._wire = wire
        self._market = MarketView(product_ids)
        self._own = OwnOrders(self._value_minor)
        self._timers: list[tuple[int, int, str]] = []
        self._timer_count = 0
        self.commands: list[tuple[int, dict[str, Any]]] = []
        self.is_stopped = False

    # Time.

    @property
    def now_ns(self) -> int:
        """The venue's logical time, nanoseconds since 1970 UTC; the strategy has no other clock."""
        return self._wire.now_ns

    def call_at(self, time_ns: int, tag: str = "") -> None:
        """Have ``on_timer(desk, tag)`` called once the venue's time has come to `time_ns`."""
        self._timer_count += 1
        heapq.heappush(self._timers, (time_ns, self._timer_count, tag))

    def call_in(self, seconds: float, tag: str = "") -> None:
        """Have ``on_timer(desk, tag)`` called so much later, in logical time."""
        self.call_at(self.now_ns + round(seconds * NANOSECONDS_PER_S), tag)

    # The market.

    @property
    def product_ids(self) -> tuple[int, ...]:
        """The products that the strategy follows."""
        return tuple(self._market.products)

    def product(self, product_id: int) -> Product:
        """Return a product: terms, phase, last price, best bid and offer, depth."""
        return self._market.products[product_id]

    def best_bid(self, product_id: int) -> Level | None:
        """Return the highest bid, or None."""
        return self.product(product_id).best_bid

    def best_offer(self, product_id: int) -> Level | None:
        """Return the lowest offer, or None."""
        return self.product(product_id).best_offer

    def is_open(self, product_id: int) -> bool:
        """Tell whether the product trades continuously now."""
        return self.product(product_id).phase == m.CONTINUOUS

    # Orders.

    def place(
        self, product_id: int, side: int, price_ticks: int, quantity_lots: int,
        order_type: int = m.LIMIT, time_in_force: int = m.GOOD_FOR_SESSION, **terms: int,
    ) -> Order:  # fmt: skip
        """Send a PlaceOrder; return the order, which the venue has yet to answer.

        Further fields of PlaceOrder, such as ``post_only=1`` or ``display_lots=10``, are given by name.
        """
        number = self._send(
            m.PlaceOrder, product_id=product_id, side=side, price_ticks=price_ticks,
            quantity_lots=quantity_lots, order_type=order_type, time_in_force=time_in_force, **terms,
        )  # fmt: skip
        order = Order(number, product_id, side, price_ticks, quantity_lots, quantity_lots)
        self._own.sent(order)
        return order

    def replace(self, order: Order, price_ticks: int, quantity_lots: int) -> None:
        """Ask for another price and open quantity; nothing is sent for an order that has ended."""
        if order.status != DONE:
            order.pending_number = self._send(
                m.ReplaceOrder,
                order_number=order.number,
                price_ticks=price_ticks,
                quantity_lots=quantity_lots,
            )

    def cancel(self, order: Order) -> None:
        """Ask for the order to be cancelled; nothing is sent for one that has ended."""
        if order.status != DONE:
            order.pending_number = self._send(m.CancelOrder, order_number=order.number)

    def mass_cancel(self, product_id: int = m.ALL_PRODUCTS) -> None:
        """Cancel all own orders, of one product or of all; blocks too."""
        self._send(m.MassCancel, product_id=product_id)

    def quote(
        self, product_id: int, bid_ticks: int, bid_lots: int, offer_ticks: int, offer_lots: int
    ) -> None:
        """Replace both sides of the quote in one step, 0 lots for none; the operator has to allow quoting."""
        self._send(
            PlaceQuote, product_id=product_id, bid_price_ticks=bid_ticks, bid_lots=bid_lots,
            offer_price_ticks=offer_ticks, offer_lots=offer_lots,
        )  # fmt: skip

    def send(self, command: Any) -> int:
        """Send any other packed command, a block or a basket's leg; return its number."""
        return self._note(m.schema.unpack_command(command), command)

    def live_orders(self, product_id: int | None = None) -> list[Order]:
        """Return the orders that may still trade, the oldest first."""
        return [each for each in self._own.live.values() if product_id in (None, each.product_id)]

    # Oneself.

    def position_lots(self, product_id: int) -> int:
        """Return what was bought less what was sold."""
        return self._own.positions_lots[product_id]

    @property
    def fills(self) -> list[Fill]:
        """Every own fill, in order."""
        return list(self._own.fills)

    @property
    def cash_minor(self) -> int:
        """Received for sales less paid for purchases, without fees."""
        return self._own.cash_minor

    @property
    def fees_minor(self) -> int:
        """Fees that the venue has told of."""
        return self._own.fees_minor

    @property
    def profit_minor(self) -> int:
        """Cash, and positions at their product's last price, less fees."""
        held = sum(
            lots * (self.product(product_id).last_ticks or 0) * self._value_minor(product_id)
            for product_id, lots in self._own.positions_lots.items()
            if product_id in self._market.products
        )
        return self.cash_minor + held - self.fees_minor

    def stop(self) -> None:
        """End the run once the present callback has returned; of the others, ``on_stop`` alone is called."""
        self.is_stopped = True

    def _send(self, record: Record, **values: int) -> int:
        return self._note({"record": record.name, **values}, record(**values))

    def _note(self, fields: dict[str, Any], command: Any) -> int:
        time_ns = self.now_ns
        number = self._wire.send(command)
        self.commands.append((time_ns, fields))
        return number

    def _value_minor(self, product_id: int) -> int:
        product = self._market.products.get(product_id)
        return product.terms.value_minor if product is not None and product.terms is not None else 0
