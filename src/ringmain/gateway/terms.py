"""What a product is and when it ends, as the feed TERMS tells it: a fold of what the operator has set."""

from typing import Any

import numpy as np

from ringmain.core.records import Schema
from ringmain.exchange.state import PRODUCTS
from ringmain.gateway.messages import session_record

# Event of the market: the fields that it sets.
RULES = {
    "ProductDefined": ("delivery_start_ns", "value_minor"),
    "ProductScheduled": ("gate_closure_ns",),
    "ProductRulesSet": ("price_step_ticks", "lot_step_lots"),
}
UNSET = {"price_step_ticks": 1, "lot_step_lots": 1}  # of a product without rules


class Terms:
    """The terms of each product, as far as the tape was folded."""

    def __init__(self, schema: Schema) -> None:
        self._record = session_record(schema.slots, "TermsChanged")
        self._events = {kind: record for kind, record in schema.events.items() if record.name in RULES}
        self._says_terms = np.zeros(0x10000, np.bool_)
        self._says_terms[list(self._events)] = True
        self._known: dict[int, Any] = {}  # the record last told, by slot

    def fold(self, events: Any) -> list[int]:
        """Take in a batch; return the products whose terms it changed, in order, once each."""
        changed: dict[int, None] = {}
        kinds = events["kind"]
        for row in np.flatnonzero(self._says_terms[kinds]).tolist():
            record = self._events[int(kinds[row])]
            event = events.view(record.dtype)[row]
            product_id = int(event["product_id"])
            if self.of(product_id) is None:
                fields = (field.name for field in self._record.fields)
                values = dict.fromkeys(fields, 0) | UNSET | {"product_id": product_id}
                self._known[product_id % PRODUCTS] = self._record(**values)
            told = self._known[product_id % PRODUCTS]
            for name in RULES[record.name]:
                told[name] = event[name]
            told["sequence"], told["time_ns"] = event["sequence"], event["time_ns"]
            changed[product_id] = None
        return list(changed)

    def of(self, product_id: int) -> Any:
        """Return a product's record as it was last changed, or None."""
        told = self._known.get(product_id % PRODUCTS)
        return told if told is not None and int(told["product_id"][0]) == product_id else None

    def tell(self, product_id: int) -> bytes:
        """Count a change, and return its record."""
        told = self.of(product_id)
        told["session_number"] += 1
        return bytes(told.tobytes())

    def count(self, product_id: int) -> int:
        """Return how many changes were told so far."""
        told = self.of(product_id)
        return int(told["session_number"][0]) if told is not None else 0
