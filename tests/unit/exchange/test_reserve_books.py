"""Reserve in an operator's hands: what is called now, and what was paid for it."""

import json

from venue_rig import OPERATOR, SECOND_NS, Venue

from ringmain.cli import main
from ringmain.core.times import day_span
from ringmain.exchange import messages as m
from ringmain.exchange import reserve_messages as rm
from ringmain.exchange.history import statements
from ringmain.exchange.history.export import export
from ringmain.exchange.history.query import History

BUYER, DAY = 4, "2026-03-02"


def test_calls_are_told_and_every_account_is_paid_to_the_last_unit(capsys, tmp_path):
    venue = Venue(tmp_path, accounts=4, product=False)
    start = venue.now_ns + 20 * SECOND_NS
    venue.send(
        m.DefineProduct, OPERATOR, product_id=7, product_kind=m.RESERVE_UP, delivery_start_ns=start,
        value_minor=28, reference_price_ticks=0, market_range_ticks=0,
    )  # fmt: skip
    assert json.loads(_told(capsys, tmp_path)) == []
    venue.send(
        rm.SetReserveTerms, OPERATOR, product_id=7, buyer_account_id=BUYER, activation_ticks=9_001,
        delivery_duration_s=100, activation_max_s=60,
    )  # fmt: skip
    venue.send(m.ScheduleProduct, OPERATOR, auction_ns=0, gate_closure_ns=start, product_id=7)
    for account, lots in ((1, 3), (2, 5)):
        venue.place(account, m.SELL, 500, lots, product=7)
    venue.place(BUYER, m.BUY, 500, 8, product=7)
    venue.step_to(start)
    venue.send(
        rm.ActivateReserve, 10 + BUYER, product_id=7, quantity_lots=7, until_ns=start + 9 * SECOND_NS + 1
    )
    (row,) = json.loads(_told(capsys, tmp_path))
    assert (row["phase"], row["buyer_account_id"], row["held_mw"], row["called_mw"]) == (
        "HOLDING", BUYER, 0.8, 0.7,
    )  # fmt: skip
    assert row["set_aside_minor"] == 9_001 * 7 * 9_000 // 3_600
    venue.step_to(start + 100 * SECOND_NS)
    export(venue.folder, tmp_path / "history")
    history, state = History(tmp_path / "history"), venue.state
    for account in range(5):
        statement = statements.statement(history, account, DAY, day_span(DAY))
        assert statement.closing_minor == int(state.participants["cash"]["balance_minor"][account])
        found = {line.kind: line.amount_minor for line in statement.lines}
        assert ("RESERVE" in found) == (account in (1, 2, BUYER))
    billed = history.ask("SELECT amount_minor, account_id FROM reserve_billed").rows
    assert billed == [(sum(9_001 * lots * 9_000 // 3_600 for lots in (2, 5)), BUYER)]
    assert history.ask("SELECT sum(amount_minor) FROM movements").rows == [(0,)]
    assert json.loads(_told(capsys, tmp_path)) == []
    history.close()
    venue.close()


def _told(capsys, data):
    assert main(["exchange", "reserves", "--data", str(data), "--json"]) == 0
    return capsys.readouterr().out
