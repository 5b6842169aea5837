"""The slow twin: the exchange's rules in plain Python lists and dicts, no cleverness.

Commands and events are dicts, as ``schema.unpack_command`` and ``unpack_event`` give them. Money
and positions are kept as sums per account; what is set aside is computed anew from the orders.
"""

from twin_blocks import Block, Blocks
from twin_multileg import Basket, Multileg
from twin_orders import Orders
from twin_protection import Protections
from twin_quotes import Quotes
from twin_records import Account, Order, Product, Seat
from twin_reserves import Reserves
from twin_safeguards import Safeguards
from twin_setup import Setup
from twin_trade_changes import TradeChanges

from ringmain.core.messages import record_of
from ringmain.exchange import messages as m


class ExchangeTwin(Orders, Multileg, Blocks, Quotes, Protections, Setup, Safeguards, TradeChanges, Reserves):
    def __init__(self):
        Safeguards.__init__(self)
        Protections.__init__(self)
        TradeChanges.__init__(self)
        Reserves.__init__(self)
        self.tariffs: dict[int, dict] = {}  # by product group
        self.accounts: dict[int, Account] = {}
        self.paid_in = 0
        self.products: dict[int, Product] = {}  # by slot
        self.last_ids: dict[int, int] = {}
        self.seats: dict[int, Seat] = {}
        self.orders: dict[tuple[int, int], Order] = {}
        self.slots: dict[int, Order] = {}  # the order table, for the order in which a sweep finds them
        self.free_slots: list[int] = []
        self.highest_slot = 0
        self.arrivals = 0
        self.swept = 0
        self.sweeps: list[int] = []  # sessions
        self.baskets: dict[int, Basket] = {}  # by session
        self.quotes: dict[int, dict[int, int]] = {}  # by session: number of the last quote by product
        self.blocks: list[Block] = []
        self.covering: list[Order] = []  # what an order over several products needs besides

    def apply(self, command):
        """Apply one command; return its events."""
        self.command, self.events = command, []
        session = command["session_id"]
        self.seat = self.seats.setdefault(session, Seat())
        is_multileg = command["record"] in ("BeginBasket", "AddBasketLeg", "PlaceBlock", "PlaceQuote")
        if is_multileg and (why := self._admission_fault(command)):
            self._reject_order(why)
        else:
            getattr(self, "_" + command["record"])(command)
        self._withdraw_quotes()
        return self.events

    def deadline(self):
        due = [p.due for p in self.products.values() if p.due]
        due += [o.expires for o in self.orders.values() if o.expires]
        return min(
            ([max(self.command["time_ns"], 1)] if self.sweeps or self._is_withdrawing() else []) + due,
            default=0,
        )

    def _standing(self):
        """All orders for which something is set aside, and calls of reserve."""
        hours = [hour for block in self.blocks for hour in block.hours]
        return [*self.orders.values(), *hours, *self.covering, *self.held.values()]

    # Answers.

    def _say(self, record, session=None, number=None, **values):
        c = self.command
        session = c["session_id"] if session is None else session
        number = c["session_number"] if number is None else number
        header = {"sequence": c["sequence"], "time_ns": c["time_ns"]}
        self.events.append(
            {"record": record, **header, "session_id": session, "session_number": number, **values}
        )

    def _reject_order(self, why, product=0, order=0):
        kind = record_of(m.schema, self.command["record"]).kind
        self._say("OrderRejected", order_number=order, product_id=product, rejected_kind=kind, reason=why)

    def _reject_setup(self, why, product=0, account=0):
        kind = record_of(m.schema, self.command["record"]).kind
        self._say("SetupRejected", product_id=product, account_id=account, rejected_kind=kind, reason=why)

    def _cancelled(self, order, why, number=0):
        self._say(
            "OrderCancelled", *order.name, command_number=number, price_ticks=order.price,
            quantity_lots=order.lots, product_id=order.product.id, account_id=order.account,
            shown_lots=order.shown, reason=why, side=order.side,
        )  # fmt: skip

    def _filled(self, order, price, lots, role, shown):
        self.accounts[order.account].cash -= order.product.fees[role] * lots
        index = sum(event["record"] == "OrderFilled" for event in self.events) // 2
        self._say(
            "OrderFilled", *order.name, price_ticks=price, quantity_lots=lots, limit_ticks=order.price,
            remaining_lots=order.lots, product_id=order.product.id, account_id=order.account,
            trade_index=index, side=order.side, role=role, shown_lots=shown,
        )  # fmt: skip

    # Sessions.

    def _OpenSession(self, c):
        self.seat.account, self.seat.cancel_on_disconnect = c["account_id"], c["cancel_on_disconnect"]

    def _CloseSession(self, c):
        self._drop_basket("SESSION_CLOSED")
        if self.seat.cancel_on_disconnect:
            self._start_sweep(m.ALL_PRODUCTS, self.seat.last_order, "SESSION_CLOSED", 0)
            self._cancel_blocks_of(c["session_id"], m.ALL_PRODUCTS, "SESSION_CLOSED", 0)
            self._sweep()
