"""Products: what the exchange defines, schedules and clears becomes what the fleet may trade."""

from typing import Any

from ringmain.exchange import messages as exchange
from ringmain.vpp import messages as vpp

DURATION_S_OF = {exchange.HOURLY: 3_600, exchange.QUARTER_HOURLY: 900}  # other kinds deliver no power
QUARTER_S = 900
QUARTER_NS = QUARTER_S * 1_000_000_000
LOT_POWER_W = 100_000  # the exchange's lot: 0.1 MW over the delivery

NEWS = (exchange.ProductDefined.kind, exchange.ProductScheduled.kind, exchange.AuctionUncrossed.kind)


class Products:
    """The exchange's power products, folded from its tape: give it every event of NEWS, once and in order."""

    def __init__(self) -> None:
        self._defined: dict[int, dict[str, Any]] = {}
        self._told: set[int] = set()
        self._priced: set[int] = set()  # quarter-hours that have a price of the day-ahead auction

    def command(self, event: Any) -> Any | None:
        """Return the command that tells the fleet what one event says; None if it is no news to it.

        A product is told once, when it is first scheduled: moving its times later changes nothing for the
        fleet. A call in which nothing traded has no price, and for a time of delivery that has a price of
        the day-ahead auction, the call's is none to go by.
        """
        kind = int(event["kind"][0])
        if kind == exchange.ProductDefined.kind:
            self._define(exchange.ProductDefined.unpack(event))
            return None
        record = (
            exchange.ProductScheduled if kind == exchange.ProductScheduled.kind else exchange.AuctionUncrossed
        )
        said = record.unpack(event)
        product = self._defined.get(said["product_id"])
        if product is None:
            return None
        if record is exchange.ProductScheduled:
            return self._schedule(product, said)
        return None if said["volume_lots"] == 0 else self._call_price(product, said["price_ticks"])

    def day_ahead_price(self, product_id: int, price_ticks: int) -> Any | None:
        """Return the command that tells the fleet a product's price in the day-ahead auction."""
        product = self._defined.get(product_id)
        if product is None:
            return None
        self._priced.update(_quarters(product))
        return _price(product, price_ticks)

    def _call_price(self, product: dict[str, Any], price_ticks: int) -> Any | None:
        return None if self._priced.issuperset(_quarters(product)) else _price(product, price_ticks)

    def _define(self, said: dict[str, Any]) -> None:
        if said["product_kind"] in DURATION_S_OF:
            self._defined[said["product_id"]] = said

    def _schedule(self, product: dict[str, Any], said: dict[str, Any]) -> Any | None:
        if product["product_id"] in self._told:
            return None
        self._told.add(product["product_id"])
        return vpp.DefineProduct(
            product_id=product["product_id"],
            delivery_duration_s=DURATION_S_OF[product["product_kind"]],
            delivery_start_ns=product["delivery_start_ns"],
            gate_closure_ns=said["gate_closure_ns"],
            lot_power_w=LOT_POWER_W,
            value_minor=product["value_minor"],
        )


def _quarters(product: dict[str, Any]) -> range:
    """Return the quarter-hours since 1970 that a product delivers in."""
    first = product["delivery_start_ns"] // QUARTER_NS
    return range(first, first + DURATION_S_OF[product["product_kind"]] // QUARTER_S)


def _price(product: dict[str, Any], price_ticks: int) -> Any:
    return vpp.RecordPrice(
        delivery_start_ns=product["delivery_start_ns"],
        price_ticks=price_ticks,
        delivery_duration_s=DURATION_S_OF[product["product_kind"]],
        price_kind=vpp.REFERENCE,
    )
