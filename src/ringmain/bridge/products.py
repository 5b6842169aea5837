"""Products: what the exchange defines, schedules and clears becomes what the fleet may trade."""

from typing import Any

from ringmain.exchange import messages as exchange
from ringmain.exchange.reserve_messages import ReserveTermsSet
from ringmain.vpp import messages as vpp
from ringmain.vpp import reserve_messages as fleet_reserve

DURATION_S_OF = {exchange.HOURLY: 3_600, exchange.QUARTER_HOURLY: 900}
SERVICE_OF = {
    exchange.RESERVE_UP: fleet_reserve.RESERVE_UP, exchange.RESERVE_DOWN: fleet_reserve.RESERVE_DOWN
}  # fmt: skip
QUARTER_S = 900
SECOND_NS = 1_000_000_000
QUARTER_NS = QUARTER_S * SECOND_NS
ACTIVATION_S_MAX = 65_535  # as far as the fleet's record says it
LOT_POWER_W = 100_000  # the exchange's lot: 0.1 MW over the delivery

_RECORDS = {
    record.kind: record
    for record in (
        exchange.ProductDefined, exchange.ProductScheduled, exchange.AuctionUncrossed, ReserveTermsSet
    )
}  # fmt: skip
NEWS = tuple(_RECORDS)


class Products:
    """The exchange's power products, folded from its tape: give it every event of NEWS, once and in order."""

    def __init__(self) -> None:
        self._defined: dict[int, dict[str, Any]] = {}
        self._terms: dict[int, dict[str, Any]] = {}  # of reserve
        self._told: set[int] = set()
        self._priced: set[int] = set()  # quarter-hours that have a price of the day-ahead auction

    def command(self, event: Any) -> Any | None:
        """Return the command that tells the fleet what one event says; None if it is no news to it.

        A product is told once, when it is first scheduled: moving its times later changes nothing for the
        fleet. A call in which nothing traded has no price, and for a time of delivery that has a price of
        the day-ahead auction, the call's is none to go by. What reserve costs is no price of energy.
        """
        record = _RECORDS[int(event["kind"][0])]
        said = record.unpack(event)
        if record is exchange.ProductDefined:
            self._define(said)
            return None
        product = self._defined.get(said["product_id"])
        if product is None:
            return None
        if record is ReserveTermsSet:
            self._terms[said["product_id"]] = said
            return None
        if record is exchange.ProductScheduled:
            return self._schedule(product, said)
        if said["volume_lots"] == 0 or product["product_kind"] in SERVICE_OF:
            return None
        return self._call_price(product, said["price_ticks"])

    def day_ahead_price(self, product_id: int, price_ticks: int) -> Any | None:
        """Return the command that tells the fleet a product's price in the day-ahead auction."""
        product = self._defined.get(product_id)
        if product is None or product["product_kind"] in SERVICE_OF:
            return None
        self._priced.update(_quarters(product))
        return _price(product, price_ticks)

    def _call_price(self, product: dict[str, Any], price_ticks: int) -> Any | None:
        return None if self._priced.issuperset(_quarters(product)) else _price(product, price_ticks)

    def _define(self, said: dict[str, Any]) -> None:
        if said["product_kind"] in DURATION_S_OF or said["product_kind"] in SERVICE_OF:
            self._defined[said["product_id"]] = said

    def _schedule(self, product: dict[str, Any], said: dict[str, Any]) -> Any | None:
        if product["product_id"] in self._told:
            return None
        self._told.add(product["product_id"])
        if product["product_kind"] in SERVICE_OF:
            return _reserve(product, said, self._terms[product["product_id"]])
        return vpp.DefineProduct(
            product_id=product["product_id"],
            delivery_duration_s=DURATION_S_OF[product["product_kind"]],
            delivery_start_ns=product["delivery_start_ns"],
            gate_closure_ns=said["gate_closure_ns"],
            lot_power_w=LOT_POWER_W,
            value_minor=product["value_minor"],
        )


def _reserve(product: dict[str, Any], scheduled: dict[str, Any], terms: dict[str, Any]) -> Any:
    """Return the command that makes a block of reserve known; a gate within a second closes at its begin."""
    return fleet_reserve.DefineReserve(
        product_id=product["product_id"],
        delivery_start_s=product["delivery_start_ns"] // SECOND_NS,
        delivery_duration_s=terms["delivery_duration_s"],
        gate_closure_s=scheduled["gate_closure_ns"] // SECOND_NS,
        lot_power_w=LOT_POWER_W,
        value_minor=product["value_minor"],
        activation_ticks=terms["activation_ticks"],
        activation_max_s=min(terms["activation_max_s"], ACTIVATION_S_MAX),
        service=SERVICE_OF[product["product_kind"]],
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
