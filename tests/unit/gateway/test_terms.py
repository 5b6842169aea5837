"""The feed TERMS: what the operator has set of a product, as those who follow it are told."""

from ringmain.exchange import messages as m
from ringmain.exchange.state import PRODUCTS
from ringmain.gateway.messages import gateway_schema
from ringmain.gateway.terms import Terms


def defined(product_id, **values):
    plain = {
        "delivery_start_ns": 900,
        "value_minor": 250,
        "reference_price_ticks": 0,
        "market_range_ticks": 0,
    }
    return m.ProductDefined(product_id=product_id, product_kind=m.HOURLY, **plain | values)


def scheduled(product_id, gate_closure_ns):
    return m.ProductScheduled(product_id=product_id, auction_ns=0, gate_closure_ns=gate_closure_ns)


def stamped(*events):
    batch = m.schema.batch(events)
    batch["sequence"] = range(7, 7 + len(events))
    batch["time_ns"] = range(100, 100 + len(events))
    return batch


def said(terms, product_id):
    return gateway_schema(1).unpack_event(terms.of(product_id))


def test_terms_come_together_from_what_is_set_and_count_their_changes():
    terms = Terms(m.schema)
    rules = {"quantity_min_lots": 1, "quantity_max_lots": 9, "allocation": 0}
    first = stamped(
        defined(1), m.ProductRulesSet(product_id=1, price_step_ticks=5, lot_step_lots=2, **rules), defined(2)
    )
    assert terms.fold(first) == [1, 2]
    assert terms.fold(stamped(scheduled(1, 800))) == [1]
    told = gateway_schema(1).unpack_event(terms.of(1))
    expected = {
        "record": "TermsChanged", "sequence": 7, "time_ns": 100, "session_number": 0, "gate_closure_ns": 800,
        "delivery_start_ns": 900, "value_minor": 250, "price_step_ticks": 5, "lot_step_lots": 2,
        "product_id": 1,
    }  # fmt: skip
    assert {name: told[name] for name in expected} == expected
    assert (said(terms, 2)["price_step_ticks"], said(terms, 2)["lot_step_lots"]) == (1, 1)
    for count in (1, 2):
        terms.tell(1)
        assert terms.count(1) == said(terms, 1)["session_number"] == count
    assert terms.count(2) == 0


def test_a_product_that_takes_a_slot_has_its_own_terms():
    terms = Terms(m.schema)
    terms.fold(stamped(defined(3), scheduled(3, 800)))
    assert terms.fold(stamped(defined(3 + PRODUCTS, value_minor=1_000))) == [3 + PRODUCTS]
    assert terms.of(3) is None
    later = said(terms, 3 + PRODUCTS)
    assert (later["gate_closure_ns"], later["value_minor"]) == (0, 1_000)
    assert terms.fold(m.schema.empty(0)) == []
